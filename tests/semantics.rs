//! What AWS does with templates beyond what their schemas say: each of these passes every linter and fails, or works badly, in an
//! account.
use crate::support::*;
use incline_model::desired::{Desired, Stack};
use incline_model::site::Site;
use incline_render::render;
use incline_safeguards::{Document, Of, of_aws};
use serde_json::Value;
use std::collections::BTreeSet;

/// What is rendered of the example estate's sites in AWS.
pub fn rendered() -> Vec<(Desired, Vec<Document>)> {
    let (estate, templates) = (example(), templates());
    let aws = estate.sites().filter_map(|site| match site {
        Site::Aws(site) => {
            let desired = render(site, &estate, &templates).unwrap();
            let documents = of_aws(site, &desired);
            Some((desired, documents))
        }
        Site::OnPrem(_) => None,
    });
    aws.collect()
}

/// A file of what a node boots from.
pub fn file_of<'a>(documents: &'a [Document], role: &str, path: &str) -> &'a str {
    let node = documents.iter().find(|document| document.of == Of::Node && document.value["role"] == role).unwrap();
    let files = node.value["files"].as_array().unwrap();
    files.iter().find(|file| file["path"] == path).unwrap()["content"].as_str().unwrap()
}

/// A site's resources: stack, logical id, and what stands there.
fn resources(desired: &Desired) -> Vec<(&str, &str, &Value)> {
    let all = desired.stacks.iter().flat_map(|stack| {
        let of = stack.template["Resources"].as_object().unwrap().iter();
        of.map(|(id, one)| (stack.name.as_str(), id.as_str(), one))
    });
    all.collect()
}

/// CloudTrail sends no `aws:SourceArn` when it takes on the role that writes to CloudWatch Logs, and does where it writes into a
/// bucket or uses a key. IAM takes either, and CreateTrail fails
/// (<https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-required-policy-for-cloudwatch-logs.html>).
#[test]
fn conditions_stand_where_cloudtrail_sends_what_they_ask_for() {
    let sites = rendered();
    let (mut roles, mut conditions) = (0, 0);
    for (stack, id, resource) in sites.iter().flat_map(|(desired, _)| resources(desired)) {
        for name in ["AssumeRolePolicyDocument", "PolicyDocument", "KeyPolicy"] {
            let statements = resource["Properties"][name]["Statement"].as_array().into_iter().flatten();
            for statement in statements.filter(|one| one["Principal"]["Service"] == "cloudtrail.amazonaws.com") {
                let condition = &statement["Condition"]["StringEquals"]["aws:SourceArn"];
                if name == "AssumeRolePolicyDocument" {
                    assert!(statement.get("Condition").is_none(), "{stack}: {id}: {statement}");
                    roles += 1;
                } else {
                    assert!(
                        condition.as_str().is_some_and(|arn| arn.contains(":trail/")),
                        "{stack}: {id}: {statement}"
                    );
                    conditions += 1;
                }
            }
        }
    }
    assert_eq!((roles, conditions), (2, 6), "a role, two statements of the bucket and one of the key for each site");
}

/// EC2 gives endpoints and balancers any free address of their subnets: a fixed one that is asked for later may be taken
/// (aws/aws-cli#7424).
#[test]
fn fixed_addresses_are_taken_before_anything_takes_any() {
    for (desired, _) in rendered() {
        let stages = |wanted: &dyn Fn(&Value) -> bool| -> BTreeSet<_> {
            let with = |stack: &&Stack| stack.template["Resources"].as_object().unwrap().values().any(wanted);
            desired.stacks.iter().filter(with).map(|stack| stack.stage).collect()
        };
        let fixed = stages(&|one| one["Properties"]["PrivateIpAddress"].is_string());
        let any = stages(&|one| {
            let kind = one["Type"].as_str().unwrap();
            kind == "AWS::ElasticLoadBalancing::LoadBalancer"
                || kind == "AWS::EC2::NetworkInterface" && one["Properties"].get("PrivateIpAddress").is_none()
                || kind == "AWS::EC2::VPCEndpoint" && one["Properties"]["VpcEndpointType"] == "Interface"
                || kind == "AWS::AutoScaling::AutoScalingGroup" && one["Properties"].get("VPCZoneIdentifier").is_some()
        });
        assert_eq!(fixed.len(), 1, "{}", desired.site);
        assert!(any.len() > 1 && fixed.last() < any.first(), "{}: {fixed:?}, and then {any:?}", desired.site);
    }
}

/// The gateway endpoint is the only way to S3, so that what it does not allow nobody in the VPC can do: neither backups by Velero
/// (https://github.com/vmware-tanzu/velero-plugin-for-aws) nor snapshots by OpenSearch
/// (https://docs.opensearch.org/latest/tuning-your-cluster/availability-and-recovery/snapshots/snapshot-restore/).
#[test]
fn workloads_keep_backups_in_the_accounts_buckets_and_reach_no_other() {
    for (desired, _) in rendered() {
        let all = resources(&desired);
        let (_, _, endpoint) =
            all.iter().find(|(_, id, one)| *id == "S3" && one["Type"] == "AWS::EC2::VPCEndpoint").unwrap();
        let statements = endpoint["Properties"]["PolicyDocument"]["Statement"].as_array().unwrap();
        let own = statements.iter().find(|one| one["Sid"] == "OwnAccount").unwrap();
        assert!(own["Condition"]["StringEquals"]["aws:ResourceAccount"].as_str().unwrap().len() == 12, "{own}");
        let allowed: BTreeSet<&str> =
            own["Action"].as_array().unwrap().iter().map(|action| action.as_str().unwrap()).collect();
        for action in [
            "AbortMultipartUpload",
            "DeleteObject",
            "GetBucketLocation",
            "GetObject",
            "ListBucket",
            "ListBucketMultipartUploads",
            "ListBucketVersions",
            "ListMultipartUploadParts",
            "PutObject",
            "PutObjectTagging",
        ] {
            assert!(allowed.contains(format!("s3:{action}").as_str()), "{action} is not allowed");
        }
        // Nothing that opens a bucket, or lets go of what it keeps.
        let ruling = |action: &&&str| {
            ["Policy", "Acl", "s3:PutBucket", "s3:DeleteBucket", "Retention", "*"]
                .iter()
                .any(|word| action.contains(word))
        };
        assert_eq!(allowed.iter().filter(ruling).count(), 0, "{allowed:?}");
    }
}

#[test]
fn nodes_pull_the_images_that_may_run_on_them() {
    for (desired, documents) in rendered() {
        for artifact in &desired.artifacts {
            let list = file_of(&documents, &artifact.role, "/etc/incline/images");
            let names: Vec<&str> = list.lines().map(|line| line.split(' ').next().unwrap()).collect();
            if artifact.role.starts_with("pool-") {
                assert_eq!(names, ["coredns", "kube-proxy", "pause"], "{}", artifact.role);
            } else {
                assert_eq!(names, incline_model::lock::IMAGES.map(|image| image.name), "{}", artifact.role);
            }
        }
    }
}

#[test]
fn load_balancers_are_tagged_as_all_else_is() {
    let mut count = 0;
    for (desired, _) in rendered() {
        for (stack, id, one) in resources(&desired) {
            if one["Type"] == "AWS::ElasticLoadBalancing::LoadBalancer" {
                assert_eq!(
                    one["Properties"]["Tags"][0]["Value"], one["Properties"]["LoadBalancerName"],
                    "{stack}: {id}"
                );
                count += 1;
            }
        }
    }
    assert_eq!(count, 5);
}

/// A cluster in AWS begins with the same policies as one on premises, applied by the member that founds it.
#[test]
fn clusters_everywhere_begin_with_the_same_network_policies() {
    let baseline = std::fs::read_to_string(root().join("ignition/files/baseline.yaml")).unwrap();
    for (desired, documents) in rendered() {
        for artifact in desired.artifacts.iter().filter(|artifact| artifact.role.starts_with("control-plane-")) {
            assert_eq!(file_of(&documents, &artifact.role, "/etc/incline/cluster/baseline.yaml"), baseline);
        }
    }
    let hosts = std::fs::read_to_string(root().join("templates/hosts/cluster.yaml")).unwrap();
    assert!(
        hosts.contains("path: /etc/incline/cluster/baseline.yaml, mode: \"0600\", content: {{ files.baseline }}"),
        "{hosts}"
    );
}
