//! What drift does not cover in AWS: no API that incline reads shows it. It is listed, and never called in sync.
use super::{Finding, State};

/// Types of resources that neither CloudFormation's drift detection nor incline reads, and why.
pub(super) const TYPES: [(&str, &str); 1] =
    [("AWS::Route53::RecordSet", "CloudFormation has no read handler for DNS records, and incline does not read them")];

/// What every site in AWS has besides its stacks' resources, and why it is not looked at.
pub(super) const BESIDE: [(&str, &str); 2] = [
    ("nodes", "files, units and processes of running nodes: no API of AWS shows them"),
    ("cluster objects", "objects that the cluster's API holds: its network is private, and drift does not enter it"),
];

/// Why resources of a type are not covered; none where they are.
pub(super) fn of_type(kind: &str) -> Option<&'static str> {
    TYPES.iter().find(|(known, _)| *known == kind).map(|(_, why)| *why)
}

/// What of a site is not covered, besides resources.
pub(super) fn beside(site: &str) -> impl Iterator<Item = Finding> {
    BESIDE.iter().map(move |(resource, why)| Finding {
        target: site.to_owned(),
        resource: (*resource).to_owned(),
        kind: String::new(),
        physical: String::new(),
        state: State::NotCovered { why: (*why).to_owned() },
        age: None,
    })
}
