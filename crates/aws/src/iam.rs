//! The least rights that a command needs in a site's account, as IAM policies.
//!
//! What CloudFormation asks of the caller for each type of resource comes from the types' own schemas
//! (`data/permissions.json`, made by `cargo xtask schema-tables`). Where a service knows resources by name, only the site's
//! names are allowed.
use incline_model::desired::{Desired, Parameter};
use incline_model::site::Aws;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a command does with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rights {
    /// `plan`: looks at stacks.
    Plan,
    /// `plan --change-sets`: lets CloudFormation judge, too.
    ChangeSets,
    /// `drift`: looks at everything.
    Drift,
    /// `apply`, `nodes`, `destroy`: changes.
    Apply,
}

/// The largest managed policy that IAM takes, in characters without white space
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
const LARGEST: usize = 6_144;

#[derive(Deserialize)]
struct Table {
    types: BTreeMap<String, Asked>,
    /// By service, the actions that IAM narrows to no resource, in small letters.
    anywhere: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Deserialize)]
struct Asked {
    read: Vec<String>,
    write: Vec<String>,
}

/// The policies that give a role the rights that a command needs: as many as IAM's limit of a policy's size asks for.
///
/// # Errors
/// Never, unless the build shipped a broken table.
pub fn policies(site: &Aws, desired: &Desired, rights: Rights) -> Result<Vec<Value>, serde_json::Error> {
    let table: Table = serde_json::from_str(include_str!("../data/permissions.json"))?;
    let mut found: Vec<Value> = by_service(&table, actions(&table, desired, rights))
        .into_iter()
        .flat_map(|((service, reach), actions)| statements(site, &service, reach, actions))
        .collect();
    let mut copies = vec!["s3:GetObject", "s3:ListBucket"];
    if rights == Rights::Apply {
        copies.extend(["s3:PutObject", "s3:PutObjectRetention"]);
    }
    let bucket = audit_bucket(site);
    found.push(json!({ "Sid": "auditcopies", "Effect": "Allow", "Action": copies, "Resource": bucket }));
    found.push(through(site, "auditkeys", "s3", rights, "aws:s3:arn", json!(bucket)));
    // Without the right to list, S3 answers for an object that is not there as for one that is forbidden.
    let mirrored = [format!("arn:aws:s3:::incline-{}-{}-artifacts", site.typed().name, site.typed().account)];
    let mirrored = mirrored.into_iter().chain(names(site, "ecr").into_iter().flatten()).collect::<Vec<_>>();
    let looks = ["ecr:DescribeImages", "s3:ListBucket"];
    found.push(json!({ "Sid": "fetched", "Effect": "Allow", "Action": looks, "Resource": mirrored }));
    let secrets = vpn_secrets(site);
    if rights == Rights::Apply && !secrets.is_empty() {
        found.push(json!({ "Sid": "vpnkeys", "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secrets }));
        found.push(through(site, "vpnkeyskeys", "secretsmanager", Rights::Plan, "SecretARN", json!(secrets)));
    }
    let roles = accepting_roles(desired);
    if rights == Rights::Apply && !roles.is_empty() {
        found.push(json!({ "Sid": "peering", "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": roles }));
    }
    if rights == Rights::Apply {
        found.extend(linked_roles(site));
    }
    Ok(packed(found))
}

/// The actions that a command needs, but for those that have statements of their own.
fn actions(table: &Table, desired: &Desired, rights: Rights) -> BTreeSet<String> {
    let mut actions: BTreeSet<String> = of_incline(rights).into_iter().map(ToOwned::to_owned).collect();
    if rights >= Rights::Drift {
        for kind in kinds(desired) {
            let Some(asked) = table.types.get(&kind) else { continue };
            actions.extend(asked.read.iter().cloned());
            if rights == Rights::Apply {
                actions.extend(asked.write.iter().cloned());
            }
        }
    }
    // A secret's value is read by machines and, for VPN keys, by CloudFormation; never by a look.
    actions.remove("secretsmanager:GetSecretValue");
    // CloudFormation takes on the other side's role to accept a peering: those roles alone.
    actions.remove("sts:AssumeRole");
    // Of services that are named, and of no others.
    actions.remove("iam:CreateServiceLinkedRole");
    actions
}

/// What an action can be narrowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// It changes or reads what the service knows by name.
    Named,
    /// A list or a description.
    Look,
    /// IAM knows no resource for it.
    Anywhere,
}

fn by_service(table: &Table, actions: BTreeSet<String>) -> BTreeMap<(String, Reach), BTreeSet<String>> {
    let mut statements: BTreeMap<(String, Reach), BTreeSet<String>> = BTreeMap::new();
    for action in actions {
        let (service, name) = action.split_once(':').unwrap_or_default();
        let knows_none = table.anywhere.get(service).is_some_and(|all| all.contains(&name.to_ascii_lowercase()));
        let reach = if name.starts_with("Describe") || name.starts_with("List") {
            Reach::Look
        } else if knows_none {
            Reach::Anywhere
        } else {
            Reach::Named
        };
        statements.entry((service.to_owned(), reach)).or_default().insert(action);
    }
    statements
}

/// The statements that allow a service's actions: on the site's own names where the service knows resources by name, on what
/// has the site's tag where it is keys, or else in the site's region.
fn statements(site: &Aws, service: &str, reach: Reach, actions: BTreeSet<String>) -> Vec<Value> {
    if service == "kms" && reach != Reach::Look {
        return keys(site, actions, reach);
    }
    let suffix = match reach {
        Reach::Named => "Do",
        Reach::Look => "Look",
        Reach::Anywhere => "Anywhere",
    };
    let scoped = (reach == Reach::Named).then(|| names(site, service)).flatten();
    let mut statement = json!({
        "Sid": format!("{}{suffix}", service.replace(|c: char| !c.is_ascii_alphanumeric(), "")),
        "Effect": "Allow",
        "Action": actions,
        "Resource": scoped.clone().map_or_else(|| json!("*"), |names| json!(names)),
    });
    // What has no names of the site's own is at least held to its region; IAM and Route 53 have none.
    if scoped.is_none() && !["iam", "route53", "sts"].contains(&service) {
        statement["Condition"] = json!({ "StringEquals": { "aws:RequestedRegion": site.typed().region } });
    }
    vec![statement]
}

/// Keys have no names before they are made: the site's are those with its tag, which CloudFormation gives them.
fn keys(site: &Aws, actions: BTreeSet<String>, reach: Reach) -> Vec<Value> {
    let typed = site.typed();
    let (name, account, region) = (&typed.name, &typed.account, &typed.region);
    if reach == Reach::Anywhere {
        return vec![json!({
            "Sid": "kmsNew", "Effect": "Allow", "Action": actions.iter().map(String::as_str).chain(["kms:TagResource"]).collect::<Vec<_>>(), "Resource": "*",
            "Condition": { "StringEquals": { "aws:RequestedRegion": region, "aws:RequestTag/incline:site": name } },
        })];
    }
    let mut found = vec![json!({
        "Sid": "kmsDo", "Effect": "Allow", "Action": actions, "Resource": format!("arn:aws:kms:{region}:{account}:key/*"),
        "Condition": { "StringEquals": { "aws:ResourceTag/incline:site": name } },
    })];
    let aliases: Vec<&String> = actions.iter().filter(|action| action.ends_with("Alias")).collect();
    if !aliases.is_empty() {
        let own = format!("arn:aws:kms:{region}:{account}:alias/incline/{name}/*");
        found.push(json!({ "Sid": "kmsAliases", "Effect": "Allow", "Action": aliases, "Resource": own }));
    }
    found
}

/// The use of whatever key encrypts something that is named, through the service that keeps it.
fn through(site: &Aws, sid: &str, service: &str, rights: Rights, context: &str, of: Value) -> Value {
    let mut actions = vec!["kms:Decrypt"];
    if rights == Rights::Apply {
        actions.push("kms:GenerateDataKey");
    }
    json!({
        "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": "*",
        "Condition": {
            "StringEquals": { "kms:ViaService": format!("{service}.{}.amazonaws.com", site.typed().region) },
            "StringLike": { format!("kms:EncryptionContext:{context}"): of },
        },
    })
}

/// Service-linked roles that a new account lacks: Auto Scaling's, which incline makes, and that of load balancers, which AWS makes
/// with the caller's rights at the first one.
fn linked_roles(site: &Aws) -> Vec<Value> {
    let path = format!("arn:aws:iam::{}:role/aws-service-role", site.typed().account);
    let services = ["autoscaling.amazonaws.com", "elasticloadbalancing.amazonaws.com"];
    vec![
        json!({
            "Sid": "linkedroles", "Effect": "Allow", "Action": "iam:CreateServiceLinkedRole",
            "Resource": services.map(|service| format!("{path}/{service}/*")),
            "Condition": { "StringEquals": { "iam:AWSServiceName": services } },
        }),
        json!({
            "Sid": "linkedrolesLook", "Effect": "Allow", "Action": "iam:GetRole",
            "Resource": format!("{path}/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"),
        }),
    ]
}

/// What incline itself asks.
fn of_incline(rights: Rights) -> Vec<&'static str> {
    let mut actions = vec![
        "autoscaling:DescribeAutoScalingGroups",
        "cloudformation:DescribeStackEvents",
        "cloudformation:DescribeStacks",
        "cloudformation:GetStackPolicy",
        "cloudformation:GetTemplate",
        "cloudformation:ListStackResources",
        "kms:Decrypt",
        "s3:GetObject",
    ];
    if rights == Rights::ChangeSets || rights == Rights::Apply {
        actions.extend([
            "cloudformation:CreateChangeSet",
            "cloudformation:DeleteChangeSet",
            "cloudformation:DeleteStack",
            "cloudformation:DescribeChangeSet",
            "cloudformation:TagResource",
        ]);
    }
    if rights >= Rights::Drift {
        actions.extend([
            "acm:DescribeCertificate",
            "cloudformation:DescribeStackDriftDetectionStatus",
            "cloudformation:DescribeStackResourceDrifts",
            "cloudformation:DetectStackDrift",
            "cloudformation:DetectStackResourceDrift",
            "ec2:DescribeImages",
            "ec2:DescribeLaunchTemplateVersions",
            "ec2:DescribeRouteTables",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeVpnConnections",
            "ecr:DescribeRepositories",
            "ecr:GetRepositoryPolicy",
            "elasticloadbalancing:DescribeLoadBalancerAttributes",
            "elasticloadbalancing:DescribeLoadBalancerPolicies",
            "elasticloadbalancing:DescribeLoadBalancers",
            "kms:DescribeKey",
            "kms:GetKeyPolicy",
            "kms:GetKeyRotationStatus",
            "s3:GetBucketPolicy",
            "s3:GetBucketPublicAccessBlock",
            "s3:GetEncryptionConfiguration",
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetResourcePolicy",
        ]);
    }
    if rights == Rights::Apply {
        actions.extend([
            "autoscaling:CancelInstanceRefresh",
            "autoscaling:DescribeInstanceRefreshes",
            "autoscaling:SetDesiredCapacity",
            "autoscaling:StartInstanceRefresh",
            "cloudformation:ContinueUpdateRollback",
            "cloudformation:ExecuteChangeSet",
            "cloudformation:RollbackStack",
            "cloudformation:SetStackPolicy",
            "cloudformation:UpdateTerminationProtection",
            "ec2:CreateSnapshot",
            "ec2:CreateTags",
            "ec2:DescribeSnapshots",
            "elasticloadbalancing:DescribeInstanceHealth",
            "kms:GenerateDataKey",
            "s3:PutObject",
        ]);
    }
    actions
}

/// The types of a site's resources.
fn kinds(desired: &Desired) -> BTreeSet<String> {
    let resources = desired.stacks.iter().filter_map(|stack| stack.template.get("Resources")?.as_object());
    resources
        .flat_map(|map| map.values())
        .filter_map(|resource| Some(resource.get("Type")?.as_str()?.to_owned()))
        .collect()
}

/// The site's own names of a service's resources, where the service knows resources by name.
fn names(site: &Aws, service: &str) -> Option<Vec<String>> {
    let typed = site.typed();
    let (name, account, region) = (&typed.name, &typed.account, &typed.region);
    let here = |service: &str, resource: String| format!("arn:aws:{service}:{region}:{account}:{resource}");
    Some(match service {
        "autoscaling" => vec![here("autoscaling", format!("autoScalingGroup:*:autoScalingGroupName/{name}-*"))],
        "cloudformation" => vec![here("cloudformation", format!("stack/{name}-*/*"))],
        "cloudtrail" => vec![here("cloudtrail", format!("trail/incline-{name}"))],
        "ecr" => {
            let declared = typed.registry.repositories.iter().map(|repository| repository.name.to_string());
            declared
                .chain([format!("{name}/kubernetes/*")])
                .map(|name| here("ecr", format!("repository/{name}")))
                .collect()
        }
        "elasticloadbalancing" => vec![here("elasticloadbalancing", format!("loadbalancer/{name}-*"))],
        "iam" => vec![
            format!("arn:aws:iam::{account}:instance-profile/incline-{name}-*"),
            format!("arn:aws:iam::{account}:role/incline-{name}-*"),
        ],
        "logs" => vec![here("logs", format!("log-group:/incline/{name}/*"))],
        "s3" => vec![
            format!("arn:aws:s3:::incline-{name}-{account}-*"),
            format!("arn:aws:s3:::incline-{name}-{account}-*/*"),
        ],
        "secretsmanager" => vec![here("secretsmanager", format!("secret:{name}/*"))],
        _ => return None,
    })
}

/// Where copies of the audit trail lie.
fn audit_bucket(site: &Aws) -> [String; 2] {
    let typed = site.typed();
    let named = typed.safeguards.as_ref().and_then(|safeguards| safeguards.audit_copies.as_ref());
    let bucket =
        named.map_or_else(|| format!("incline-{}-{}-*", typed.name, typed.account), |copies| copies.bucket.to_string());
    [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/audit/*")]
}

/// The secrets that hold the VPN's keys, which CloudFormation reads with the caller's rights.
fn vpn_secrets(site: &Aws) -> Vec<String> {
    let typed = site.typed();
    let tunnels = typed.vpn.iter().flat_map(|vpn| &vpn.connections).flat_map(|connection| &connection.tunnels);
    let secrets: BTreeSet<String> = tunnels.map(|tunnel| tunnel.preshared_key.secret.to_string()).collect();
    // Secrets Manager adds six characters to the name.
    secrets
        .iter()
        .map(|secret| format!("arn:aws:secretsmanager:{}:{}:secret:{secret}-??????", typed.region, typed.account))
        .collect()
}

/// The roles by which the other sides of peerings accept.
fn accepting_roles(desired: &Desired) -> BTreeSet<&str> {
    let parameters = desired.stacks.iter().flat_map(|stack| &stack.parameters);
    parameters
        .filter_map(|(name, parameter)| match parameter {
            Parameter::Value(role) if name.starts_with("AcceptRole") => Some(role.as_str()),
            _ => None,
        })
        .collect()
}

/// Statements as few policies as hold them. A statement that is too large alone is cut.
fn packed(statements: Vec<Value>) -> Vec<Value> {
    let policy = |statements: &[Value]| json!({ "Version": "2012-10-17", "Statement": statements });
    let size = |statements: &[Value]| policy(statements).to_string().chars().filter(|c| !c.is_whitespace()).count();
    let mut pieces = Vec::new();
    for statement in statements {
        let actions = statement.get("Action").and_then(Value::as_array).cloned().unwrap_or_default();
        if size(std::slice::from_ref(&statement)) <= LARGEST {
            pieces.push(statement);
            continue;
        }
        for (number, actions) in actions.chunks(100).enumerate() {
            let mut piece = statement.clone();
            piece["Sid"] = json!(format!("{}{}", statement["Sid"].as_str().unwrap_or_default(), number + 1));
            piece["Action"] = json!(actions);
            pieces.push(piece);
        }
    }
    let mut policies: Vec<Vec<Value>> = Vec::new();
    for piece in pieces {
        match policies.last_mut() {
            Some(last) if size(&[last.as_slice(), std::slice::from_ref(&piece)].concat()) <= LARGEST => {
                last.push(piece)
            }
            _ => policies.push(vec![piece]),
        }
    }
    policies.iter().map(|statements| policy(statements)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rendered_type_has_its_rights() {
        let table: Table = serde_json::from_str(include_str!("../data/permissions.json")).unwrap();
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates/stacks");
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            for kind in text.lines().filter_map(|line| line.trim().strip_prefix("Type: AWS::")) {
                let asked = table.types.get(&format!("AWS::{kind}"));
                assert!(asked.is_some_and(|asked| !asked.write.is_empty()), "{kind}: run `cargo xtask schema-tables`");
            }
        }
    }

    #[test]
    fn policies_are_cut_to_the_size_that_iam_takes() {
        let actions: Vec<String> = (0..400).map(|number| format!("ec2:DoSomethingWithANumber{number}")).collect();
        let cut = packed(vec![
            json!({ "Sid": "a", "Effect": "Allow", "Action": actions, "Resource": "*" }),
            json!({ "Sid": "b" }),
        ]);
        assert!(cut.len() > 1);
        assert!(cut.iter().all(|policy| policy.to_string().len() <= LARGEST));
        let kept: usize = cut
            .iter()
            .flat_map(|p| p["Statement"].as_array().unwrap())
            .filter_map(|s| s.get("Action"))
            .map(|a| a.as_array().unwrap().len())
            .sum();
        assert_eq!(kept, 400);
    }
}
