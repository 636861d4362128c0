//! Sites as a graph for Graphviz: stacks and what they take from one another, and what sites are joined to.
use incline_model::estate::Estate;
use incline_model::site::{Aws, PeerOther, Site};
use std::fmt::Write;

pub(crate) fn draw(_estate: &Estate, sites: &[&Site]) -> String {
    let mut text = String::from("graph estate {\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for (index, site) in sites.iter().enumerate() {
        match site {
            Site::Aws(site) => cluster(&mut text, index, site),
            Site::OnPrem(site) => {
                let _ = writeln!(text, "  {} [style=rounded];", quote(site.typed().name.as_str()));
            }
        }
    }
    text.push_str("}\n");
    text
}

fn cluster(text: &mut String, index: usize, site: &Aws) {
    let typed = site.typed();
    let name = typed.name.as_str();
    let node = |part: &str| quote(&format!("{name}/{part}"));
    let _ =
        writeln!(text, "  subgraph cluster_{index} {{\n    label={};", quote(&format!("{name} ({})", typed.region)));
    for zone in site.zones() {
        let _ = writeln!(
            text,
            "    {} [label={}];",
            node(zone.zone.as_str()),
            quote(&format!("{}\\nprivate {}\\nisolated {}", zone.zone, zone.private, zone.isolated))
        );
    }
    let _ = writeln!(text, "    {} [label=\"api\", shape=ellipse];", node("api"));
    for member in site.members() {
        let part = format!("control-plane-{}", member.zone.letter());
        let _ = writeln!(
            text,
            "    {} [label={}];",
            node(&part),
            quote(&format!("control plane {}\\n{}", member.zone.letter(), member.address))
        );
        let _ = writeln!(
            text,
            "    {} -- {};\n    {} -- {};",
            node("api"),
            node(&part),
            node(&part),
            node(member.zone.as_str())
        );
    }
    for pool in &typed.pools {
        let part = format!("pool {}", pool.name);
        let _ = writeln!(
            text,
            "    {} [label={}];",
            node(&part),
            quote(&format!("{}\\n{} to {} nodes", pool.name, pool.size.min, pool.size.max))
        );
        for zone in site.pool_zones(pool) {
            let _ = writeln!(text, "    {} -- {};", node(&part), node(zone.as_str()));
        }
    }
    for balancer in &typed.balancers {
        let part = format!("balancer {}", balancer.name);
        let _ = writeln!(text, "    {} [label={}, shape=ellipse];", node(&part), quote(balancer.name.as_str()));
        for pool in &balancer.pools {
            let _ = writeln!(text, "    {} -- {};", node(&part), node(&format!("pool {pool}")));
        }
    }
    text.push_str("  }\n");
    let anchor = site.zones().first().map(|zone| node(zone.zone.as_str())).unwrap_or_default();
    for end in site.vpn_ends() {
        let _ = writeln!(text, "  {anchor} -- {} [style=dashed, label=\"VPN\"];", quote(end.site.as_str()));
    }
    for peer in site.peers() {
        let other = match &peer.other {
            PeerOther::RequestedOf { site, .. } => site.to_string(),
            PeerOther::Foreign(vpc) => vpc.id.to_string(),
            // The asking side draws the line.
            PeerOther::RequestedBy(_) => continue,
        };
        let _ = writeln!(text, "  {anchor} -- {} [label=\"peering\"];", quote(&other));
    }
}

/// A quoted id; `\n` inside it is Graphviz's own line break.
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\\\""))
}
