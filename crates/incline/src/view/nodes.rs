//! A site's machines.
use super::{count, style};
use incline_aws::Node;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A table of machines by group, then what a reader should know.
pub(crate) fn text(nodes: &[Node], warnings: &[String]) -> String {
    let mut text = String::new();
    let mut groups: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
    for node in nodes {
        groups.entry(&node.group).or_default().push(node);
    }
    for (group, nodes) in &groups {
        let outdated = nodes.iter().filter(|node| node.is_outdated()).count();
        let state = if outdated == 0 {
            style::dim("all as the group asks")
        } else {
            style::yellow(&format!("{outdated} outdated"))
        };
        text.push_str(&format!("{}  {}, {state}\n", style::bold(group), count(nodes.len(), "node")));
        for node in nodes {
            let version = if node.is_outdated() {
                style::yellow(&format!("version {} of {}", node.version, node.wanted))
            } else {
                style::dim(&format!("version {}", node.version))
            };
            let health = if node.healthy { style::green("healthy") } else { style::red("unhealthy") };
            text.push_str(&format!("  {:19}  {:14}  {:14}  {health}  {version}\n", node.id, node.zone, node.state));
        }
    }
    for warning in warnings {
        text.push_str(&format!("{} {warning}\n", style::yellow("!")));
    }
    text
}

/// The same as JSON.
pub(crate) fn json(site: &str, nodes: &[Node], warnings: &[String]) -> Value {
    let list: Vec<Value> = nodes
        .iter()
        .map(|node| {
            json!({
                "group": node.group, "id": node.id, "zone": node.zone, "type": node.kind, "state": node.state, "healthy": node.healthy,
                "launchTemplateVersion": node.version, "wantedVersion": node.wanted, "outdated": node.is_outdated(),
            })
        })
        .collect();
    json!({ "format": 1, "site": site, "nodes": list, "warnings": warnings })
}
