//! A partition as it is on a device → the virtual servers that an inventory would have for it: pure.
use crate::read::{Collected, ends, last, members, profiles, text};
use serde_json::Value;

/// What an inventory would say of a partition, as YAML below `f5`, and what it cannot say.
pub struct Proposal {
    /// The section `virtualServers`.
    pub section: String,
    /// What nobody can say in an inventory, or must be looked at, one a line.
    pub notes: Vec<String>,
}

/// Proposes virtual servers.
pub(crate) fn propose(collected: &Collected) -> Proposal {
    let items = |name: &str| collected.get(name).into_iter().flatten();
    let mut notes = Vec::new();
    let mut servers: Vec<(String, String)> = Vec::new();
    for item in items("virtual") {
        let path = text(item, "fullPath");
        let name = name(item);
        let mut note = |what: &str| notes.push(format!("{path}: {what}"));
        let (end, sources) = ends(item, collected);
        let Some((address, port)) = end.split_once(':') else {
            note("its address cannot be read");
            continue;
        };
        let rules: Vec<&str> = item["rules"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if item["pool"].is_null() {
            // A redirect is part of the virtual server that it leads to.
            note(if rules.is_empty() {
                "it has no pool"
            } else {
                "it has no pool: `redirectHttp: true` makes a redirect"
            });
            continue;
        }
        let pool = items("pool").find(|pool| pool["fullPath"] == item["pool"]);
        let ends: Vec<String> = pool.into_iter().flat_map(members).map(|member| text(member, "name")).collect();
        let mut ports: Vec<&str> =
            ends.iter().filter_map(|end| last(end).split_once(':')).map(|(_, port)| port).collect();
        ports.sort_unstable();
        ports.dedup();
        let node_port = match ports.as_slice() {
            [only] => (*only).to_owned(),
            _ => {
                note("its members have not all one port: which NodePort is it?");
                "30000".to_owned()
            }
        };
        let profile = |side: &str, collection: &str| {
            let of_side = profiles(item).filter(|profile| profile["context"] == side);
            let mut paths = of_side.filter_map(|profile| profile["fullPath"].as_str());
            paths.find_map(|path| items(collection).find(|item| item["fullPath"] == path).cloned())
        };
        let is_layer_4 = profiles(item).any(|profile| profile["name"] == "fastL4");
        let mode = match (profile("clientside", "client-ssl"), profile("serverside", "server-ssl")) {
            (Some(client), Some(server)) => {
                let chain = &client["certKeyChain"][0];
                format!(
                    "{{reEncrypt: {{certificate: {}, key: {}, trust: {}, serverName: {}}}}}",
                    text(chain, "cert"),
                    text(chain, "key"),
                    text(&server, "caFile"),
                    text(&server, "authenticateName")
                )
            }
            (Some(_), None) => {
                note("it ends TLS and goes on without: incline encrypts to the nodes, too");
                "passthrough".to_owned()
            }
            _ if item["ipProtocol"] == "udp" => "udp".to_owned(),
            _ if is_layer_4 => "passthrough".to_owned(),
            _ => "tcp".to_owned(),
        };
        let mut server = format!("name: {name}, address: {address}, port: {port}, nodePort: {node_port}, mode: {mode}");
        if sources.iter().any(|source| source == "0.0.0.0/0") {
            note("it lets everyone in: whom shall `allow` name?");
            server.push_str(", allow: [10.0.0.0/8]");
        } else {
            server.push_str(&format!(", allow: [{}]", sources.join(", ")));
        }
        match item["persist"][0]["name"].as_str() {
            Some("source_addr") => server.push_str(", persistence: sourceAddress"),
            Some("cookie") => server.push_str(", persistence: cookie"),
            Some(other) => note(&format!("its persistence `{other}` has no word in an inventory")),
            None => {}
        }
        if pool.is_some_and(|pool| text(pool, "loadBalancingMode").starts_with("least-connections")) {
            server.push_str(", balance: leastConnections");
        }
        if !rules.is_empty() {
            note(&format!("its rules {} have no word in an inventory", rules.join(", ")));
        }
        servers.push((name, server));
    }
    servers.sort();
    notes.sort();
    let section = servers.iter().map(|(_, server)| format!("    - {{{server}}}\n")).collect::<String>();
    Proposal { section: format!("  virtualServers:\n{section}"), notes }
}

/// A name that an inventory takes: lower-case letters, digits and dashes.
fn name(item: &Value) -> String {
    let (own, application) = (text(item, "name"), text(item, "subPath"));
    let whole = if application.is_empty() || application == "Shared" { own } else { application };
    let mapped: String =
        whole.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    mapped.trim_matches('-').to_owned()
}
