//! What hosts must not have in common, and what they must: found by comparing all of a site's hosts.
use crate::prelude::*;
use incline_host::{Host, Identity, Sighting};

/// How far a host's clock may be from the median of all, in seconds. Certificates are good from the second on which they were
/// made, and etcd's leader is the one whose time the others believe.
const SKEW: i64 = 30;

/// What is wrong with hosts beside others, by host.
pub(crate) fn faults(hosts: &[&Host], sightings: &BTreeMap<String, Sighting>) -> BTreeMap<String, Vec<String>> {
    let identities: Vec<(&str, Identity)> = hosts
        .iter()
        .filter_map(|host| match sightings.get(&host.name) {
            Some(Sighting::Seen(answers)) => Some((host.name.as_str(), host.identity(answers)?)),
            _ => None,
        })
        .collect();
    compare(&identities)
}

fn compare(identities: &[(&str, Identity)]) -> BTreeMap<String, Vec<String>> {
    let mut times: Vec<i64> = identities.iter().map(|(_, identity)| identity.time).collect();
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or(0);
    let mut faults: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut fault = |host: &str, cause: String| faults.entry(host.to_owned()).or_default().push(cause);
    for (host, identity) in identities {
        let off = identity.time - median;
        if off.abs() > SKEW {
            let how = if off > 0 { "ahead of" } else { "behind" };
            fault(host, format!("its clock is {} s {how} the others", off.abs()));
        }
        for (other, theirs) in identities.iter().filter(|(other, _)| other != host) {
            if identity.name == theirs.name {
                fault(host, format!("it calls itself {}, as {other} does", identity.name));
            }
            if identity.uuid.is_some() && identity.uuid == theirs.uuid {
                fault(host, format!("its hardware has the same UUID as that of {other}: one is a copy of the other"));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn host(time: i64, uuid: Option<&str>, name: &str) -> Identity {
        Identity { time, uuid: uuid.map(ToOwned::to_owned), name: name.to_owned() }
    }

    #[test]
    fn clocks_names_and_hardware_are_compared() {
        let hosts = [
            ("a", host(1_000, Some("1"), "a")),
            ("b", host(1_030, Some("2"), "b")),
            ("c", host(969, Some("3"), "c")),
            ("d", host(1_031, Some("2"), "a")),
            ("e", host(1_000, None, "e")),
            ("f", host(1_000, None, "f")),
        ];
        let faults = compare(&hosts);
        let of = |name: &str| faults.get(name).cloned().unwrap_or_default();
        assert_eq!(of("a"), vec!["it calls itself a, as d does"]);
        assert_eq!(of("b"), vec!["its hardware has the same UUID as that of d: one is a copy of the other"]);
        assert_eq!(of("c"), vec!["its clock is 31 s behind the others"]);
        assert_eq!(of("d").len(), 3, "{:?}", of("d"));
        assert!(of("e").is_empty() && of("f").is_empty(), "a machine without a UUID is like no other");
        assert!(compare(&hosts[..1]).is_empty());
    }
}
