//! Which findings of a look touch which rules. A rule is never said to hold where a finding may have changed what it
//! reads: what
//! runs is often not what was rendered, so that tables here say which rules stand behind what is found. They are
//! coarse: a rule
//! that is touched may hold still.
use incline_model::drift::{Finding, State};
use incline_model::plan::is_of_tenant;
use incline_safeguards::{Of, Reads, Rule};
use std::collections::BTreeSet;

/// Where findings of a type and property show what rules read of another type or property. An empty property is the
/// whole.
const ALSO: [(&str, &str, &str, &str); 8] = [
    ("AWS::EC2::SecurityGroup", "SecurityGroupIngress", "AWS::EC2::SecurityGroupIngress", ""),
    ("AWS::EC2::SecurityGroup", "SecurityGroupEgress", "AWS::EC2::SecurityGroupEgress", ""),
    ("AWS::EC2::SecurityGroupIngress", "", "AWS::EC2::SecurityGroup", "SecurityGroupIngress"),
    // Machines run from another version than the one that rules have read.
    ("AWS::AutoScaling::AutoScalingGroup", "Instances", "AWS::EC2::LaunchTemplate", ""),
    ("AWS::KMS::Key", "KeyState", "AWS::KMS::Key", ""),
    ("AWS::ElasticLoadBalancing::LoadBalancer", "Certificate", "AWS::ElasticLoadBalancing::LoadBalancer", "Listeners"),
    ("AWS::S3::BucketPolicy", "", "AWS::S3::Bucket", ""),
    ("AWS::SecretsManager::ResourcePolicy", "", "AWS::SecretsManager::Secret", ""),
];

/// Keys of inventories whose rules stand behind findings of a type.
const KEYS: [(&str, &str); 7] = [
    ("AWS::CloudFormation::Stack", "terminationProtection"),
    ("AWS::ElasticLoadBalancing::LoadBalancer", "exposure"),
    ("AWS::EC2::VPCEndpoint", "endpoints"),
    ("AWS::EC2::NatGateway", "egress"),
    ("snapshot", "etcdSnapshots"),
    ("exports", "nfs"),
    ("mount", "nfs"),
];

/// Files that hosts' rules read, behind the items that show what is made of them.
const MADE_OF: [(&str, &str); 12] = [
    ("staticPods", "/etc/incline/kubeadm/"),
    ("staticPods", "/etc/incline/kubernetes/"),
    ("clusterFiles", "/etc/incline/kubeadm/"),
    ("clusterFiles", "/etc/incline/kubernetes/"),
    ("kubeletSettings", "/etc/incline/kubeadm/"),
    ("kubelet", "/etc/incline/kubeadm/"),
    ("node", "/etc/incline/kubeadm/"),
    ("node", "/etc/incline/kubernetes/"),
    ("unit kubelet.service", "/etc/incline/kubeadm/"),
    ("manifests", "/etc/incline/cluster/"),
    ("unit nfs", "/etc/nfs.conf.d/"),
    ("unit nfs", "/etc/exports.d/"),
];

/// How a finding touches what a rule reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touch {
    /// It is not as it was applied.
    Drifted,
    /// It could not be read.
    NotChecked,
    /// A host has not what the inventory asks for.
    Pending,
    /// No API shows it.
    NotCovered,
}

/// How a finding touches a rule that holds at some places of a site; nothing where it does not.
pub(crate) fn touch(
    rule: &Rule,
    reads: &Reads,
    places: &BTreeSet<String>,
    site: &str,
    finding: &Finding,
) -> Option<Touch> {
    let how = match &finding.state {
        State::Drifted { .. } | State::Ignored { .. } => Touch::Drifted,
        State::NotChecked { .. } => Touch::NotChecked,
        State::NotCovered { .. } => Touch::NotCovered,
        // What stacks have is judged itself; what hosts have is not.
        State::Pending { .. } if finding.target.contains('/') => Touch::Pending,
        State::Pending { .. } | State::Warning { .. } => return None,
    };
    let is_all = finding.target == site && finding.resource.is_empty() && how == Touch::NotChecked;
    let is_touched = match rule.of {
        _ if is_all => true,
        Of::Stack => of_stack(reads, places, finding),
        Of::Node => !finding.target.contains('/') && of_node(finding) && !places.is_empty(),
        Of::Host => !is_of_tenant(&finding.target) && of_host(places, finding),
        Of::Tenant => places.contains(&finding.target),
        Of::Site => !places.is_empty() && of_site(reads, finding),
    };
    is_touched.then_some(how)
}

/// What a finding says is another: its property, or nothing where all of the resource is in doubt.
fn property(finding: &Finding) -> &str {
    match &finding.state {
        State::Drifted { property, .. } | State::Ignored { property, .. } => property,
        _ => "",
    }
}

/// Whether a path begins with another, part by part.
fn begins(path: &str, with: &str) -> bool {
    path.strip_prefix(with).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn of_stack(reads: &Reads, places: &BTreeSet<String>, finding: &Finding) -> bool {
    let property = property(finding);
    // A stack of which nothing could be read.
    if finding.resource.is_empty() {
        let below = format!("{}/", finding.target);
        return matches!(finding.state, State::NotChecked { .. })
            && places.iter().any(|place| place.starts_with(&below));
    }
    let reads_it =
        |kind: &str, property: &str| reads.types.contains(kind) && (property.is_empty() || reads.property(property));
    let also = ALSO.iter().filter(|(kind, path, ..)| {
        *kind == finding.kind && (property.is_empty() || path.is_empty() || begins(property, path))
    });
    reads_it(&finding.kind, property) || also.into_iter().any(|(_, _, kind, property)| reads_it(kind, property))
}

/// Nodes boot from what their launch template points to.
fn of_node(finding: &Finding) -> bool {
    let property = property(finding);
    let is_config = |path: &str| {
        path.is_empty() || begins(path, "LaunchTemplateData.UserData") || begins(path, "LaunchTemplateData.ImageId")
    };
    match finding.kind.as_str() {
        "AWS::EC2::LaunchTemplate" => is_config(property),
        "AWS::AutoScaling::AutoScalingGroup" => property.is_empty() || begins(property, "Instances"),
        "AWS::CloudFormation::Stack" => matches!(finding.state, State::NotChecked { .. }),
        _ => false,
    }
}

fn of_site(reads: &Reads, finding: &Finding) -> bool {
    let is_blind = matches!(finding.state, State::NotChecked { .. });
    // A host or a stack of which nothing is known may have anything that tables name.
    if is_blind && finding.kind == "host" {
        return KEYS.iter().any(|(kind, key)| !kind.starts_with("AWS::") && reads.keys.contains(*key));
    }
    if is_blind && finding.kind == "AWS::CloudFormation::Stack" {
        return !reads.types.is_empty()
            || KEYS.iter().any(|(kind, key)| kind.starts_with("AWS::") && reads.keys.contains(*key));
    }
    let by_key = KEYS.iter().filter(|(kind, _)| *kind == finding.kind).any(|(kind, key)| {
        let property = property(finding);
        reads.keys.contains(*key)
            && match *kind {
                "AWS::CloudFormation::Stack" => property == "TerminationProtection",
                "AWS::ElasticLoadBalancing::LoadBalancer" => property.is_empty() || property == "Scheme",
                _ => true,
            }
    });
    // Inventories count resources: their tags are nothing to a rule.
    by_key || (reads.types.contains(&finding.kind) && !begins(property(finding), "Tags"))
}

/// A finding of a host is about an item, by its kind and name; or about the host, and then about all of its items.
fn of_host(places: &BTreeSet<String>, finding: &Finding) -> bool {
    let host = finding.target.as_str();
    if finding.kind == "host" {
        let items = format!("{host} ");
        return places.iter().any(|place| place == host || place.starts_with(&items));
    }
    let item = format!("{} {}", finding.kind, finding.resource);
    let item = item.trim_end();
    if places.iter().any(|place| place.trim_end() == format!("{host} {item}")) {
        return true;
    }
    let behind =
        MADE_OF.iter().filter(|(made, _)| *made == finding.kind || (made.contains(' ') && item.starts_with(made)));
    behind.into_iter().any(|(_, folder)| {
        let files = format!("{host} file {folder}");
        places.iter().any(|place| place.starts_with(&files))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use incline_safeguards::Catalogue;

    fn finding(target: &str, kind: &str, resource: &str, state: State) -> Finding {
        let [target, kind, resource] = [target, kind, resource].map(ToOwned::to_owned);
        Finding { target, resource, kind, physical: String::new(), state, age: None }
    }

    fn drifted(property: &str) -> State {
        State::Drifted { property: property.into(), expected: "a".into(), actual: "b".into() }
    }

    fn not_checked() -> State {
        State::NotChecked { why: "denied".into() }
    }

    /// The rules that a finding touches, each as if it held at these places.
    fn touched(places: &[&str], finding: &Finding) -> BTreeSet<String> {
        let catalogue = Catalogue::embedded().unwrap();
        let places: BTreeSet<String> = places.iter().map(ToString::to_string).collect();
        let is_touched = |rule: &&Rule| touch(rule, &rule.reads(), &places, "site", finding).is_some();
        catalogue.rules().filter(is_touched).map(|rule| rule.id.clone()).collect()
    }

    #[test]
    fn an_open_port_touches_rules_of_ports_and_a_timeout_or_a_tag_none() {
        let group = |property: &str| finding("site-network", "AWS::EC2::SecurityGroup", "Workers", drifted(property));
        // Where the template has no such property, and so no rule a place.
        let open = touched(&[], &group("SecurityGroupIngress"));
        for rule in ["ingress-from-anywhere", "ingress-rule-from-anywhere", "ingress-all-ports"] {
            assert!(open.contains(rule), "{rule}: {open:?}");
        }
        let wide = ["bucket-policy-there", "eligible-services", "balancer-logs", "volume-encrypted"];
        assert!(wide.iter().all(|rule| !open.contains(*rule)), "{open:?}");
        let balancer = |property: &str| {
            finding("site-api", "AWS::ElasticLoadBalancing::LoadBalancer", "Balancer", drifted(property))
        };
        assert_eq!(
            touched(&["site-api/Balancer", "site"], &balancer("ConnectionSettings.IdleTimeout")),
            BTreeSet::new()
        );
        assert!(touched(&[], &balancer("AccessLoggingPolicy.Enabled")).contains("balancer-logs"));
        let log = |property: &str| finding("site-logs", "AWS::Logs::LogGroup", "Api", drifted(property));
        assert!(!touched(&["site-logs/Api"], &log("Tags.0.Value")).contains("log-retention"));
        assert!(touched(&["site-logs/Api"], &log("RetentionInDays")).contains("log-retention"));
    }

    #[test]
    fn what_is_gone_disabled_or_not_checked_touches_all_rules_of_its_type() {
        let trail = finding("site-logs", "AWS::CloudTrail::Trail", "Trail", drifted(""));
        assert!(touched(&["site"], &trail).contains("trail-there"));
        let state = |property: &str| {
            touched(&["site-keys/Data"], &finding("site-keys", "AWS::KMS::Key", "Data", drifted(property)))
        };
        assert!(state("KeyState").contains("key-rotated") && state("KeyPolicy").contains("key-policy-named"));
        assert!(!state("KeyPolicy").contains("key-rotated"));
        let denied = touched(&["site-keys/Data"], &finding("site-keys", "AWS::KMS::Key", "Data", not_checked()));
        assert!(denied.contains("key-rotated") && denied.contains("key-policy-named"), "{denied:?}");
        let stack =
            touched(&["site-keys/Data"], &finding("site-keys", "AWS::CloudFormation::Stack", "", not_checked()));
        assert!(stack.contains("key-rotated"), "{stack:?}");
        let elsewhere = finding("site-data", "AWS::CloudFormation::Stack", "", not_checked());
        assert!(!touched(&["site-keys/Data"], &elsewhere).contains("key-rotated"));
        let open = finding("site-keys", "AWS::CloudFormation::Stack", "", drifted("TerminationProtection"));
        assert_eq!(touched(&["site"], &open), BTreeSet::from(["termination-protected".to_owned()]));
    }

    #[test]
    fn a_finding_of_a_host_is_matched_by_its_kind_and_name() {
        let init = "site/host-1 file /etc/incline/kubeadm/init.yaml";
        let at = |target: &str, kind: &str, resource: &str, state: State| {
            touched(&[init], &finding(target, kind, resource, state))
        };
        let own = at("site/host-1", "file", "/etc/incline/kubeadm/init.yaml", drifted("content"));
        assert!(own.contains("api-audited") && own.contains("etcd-encrypted"), "{own:?}");
        let none = BTreeSet::new();
        assert_eq!(at("site/host-2", "file", "/etc/incline/kubeadm/init.yaml", drifted("content")), none);
        assert_eq!(at("site/host-1", "file", "/etc/motd", drifted("content")), none);
        assert_eq!(at("site/host-1", "directory", "/etc/incline/kubeadm/init.yaml", drifted("mode")), none);
        // What runs is not the file, and is made of it.
        for (kind, resource) in [("staticPods", "/etc/kubernetes/manifests"), ("unit", "kubelet.service")] {
            assert!(at("site/host-1", kind, resource, drifted("x")).contains("api-audited"), "{kind}");
        }
        assert_eq!(at("site/host-1", "unit", "chrony.service", drifted("running")), none);
        // Of a host that does not answer, nothing is known.
        assert!(at("site/host-1", "host", "", not_checked()).contains("api-audited"));
        assert!(!at("site/host-2", "host", "", not_checked()).contains("api-audited"));
        let pending =
            finding("site/host-1", "file", "/etc/incline/kubeadm/init.yaml", State::Pending { what: "made".into() });
        let catalogue = Catalogue::embedded().unwrap();
        let rule = catalogue.rule("api-audited").unwrap();
        let places = BTreeSet::from([init.to_owned()]);
        assert_eq!(touch(rule, &rule.reads(), &places, "site", &pending), Some(Touch::Pending));
    }
}
