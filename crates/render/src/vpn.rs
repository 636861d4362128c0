//! What templates know of the on-prem ends of VPN tunnels, and what somebody else's device must be told
//! (<https://docs.aws.amazon.com/vpn/latest/s2svpn/cgw-static-routing-examples.html>).
use crate::Error;
use crate::prelude::*;
use crate::templates::Templates;
use incline_model::inventory::aws::{Negotiation, Routing, TunnelEncryption, TunnelIntegrity};
use incline_model::inventory::onprem::{Host, Role};
use incline_model::site::{OnPrem, VpnTunnel};
use serde_json::{Value, json};

/// What is configured for somebody else's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VpnDevice {
    /// In words, for any device.
    Generic,
    /// A BIG-IP, as commands of tmsh.
    BigIp,
    /// strongSwan, as `swanctl.conf`.
    StrongSwan,
}

impl VpnDevice {
    /// The template that says it.
    fn template(self) -> &'static str {
        match self {
            Self::Generic => "vpn/generic.md",
            Self::BigIp => "vpn/bigip.txt",
            Self::StrongSwan => CONNECTIONS,
        }
    }
}

/// The connections, as swanctl reads them.
pub(crate) const CONNECTIONS: &str = "ignition/files/swanctl.conf.j2";

/// The templates for somebody else's device.
#[cfg(test)]
pub(crate) const TEMPLATES: [&str; 2] = ["vpn/generic.md", "vpn/bigip.txt"];

/// Whether a host is the site's gateway.
pub(crate) fn takes_part(_: &OnPrem, host: &Host) -> bool {
    host.roles.contains(&Role::VpnGateway)
}

/// The configuration of the device at which a site's tunnels end. It names no key: those are read where AWS keeps them.
///
/// # Errors
/// A template that cannot be rendered.
pub fn render_vpn(site: &OnPrem, device: VpnDevice, templates: &Templates) -> Result<String, Error> {
    templates.render(device.template(), &facts(site))
}

/// What is known of a site's tunnels.
pub(crate) fn facts(site: &OnPrem) -> Value {
    let typed = site.typed();
    let tunnels: Vec<Value> =
        site.tunnels().iter().enumerate().map(|(index, tunnel)| tunnel_facts(index, tunnel)).collect();
    let gateway = typed.network.vpn_gateway.as_ref();
    let outside: Vec<String> = site
        .tunnels()
        .iter()
        .filter_map(|tunnel| tunnel.outside.as_ref())
        .map(|address| format!("{address}/32"))
        .collect();
    json!({
        "site": typed.name,
        "vpn": {
            "tunnels": tunnels,
            "address": gateway.map(|gateway| gateway.address),
            "asn": gateway.map(|gateway| gateway.asn),
            "bgp": site.tunnels().iter().any(|tunnel| tunnel.routing == Routing::Bgp),
            "networks": typed.network.cidrs,
            "from": outside,
        },
    })
}

fn tunnel_facts(index: usize, tunnel: &VpnTunnel) -> Value {
    let negotiation = &tunnel.negotiation;
    json!({
        "name": format!("{}-{}", tunnel.from, tunnel.number), "from": tunnel.from, "number": tunnel.number,
        // Names of interfaces have at most 15 characters.
        "id": index + 1, "interface": format!("incline{}", index + 1),
        "outside": tunnel.outside.map_or("ADDRESS-OF-AWS".to_owned(), |address| address.to_string()),
        "insideAws": tunnel.inside.address(1), "insideHere": tunnel.inside.address(2), "insideCidr": tunnel.inside,
        "prefix": tunnel.inside.prefix(),
        "asn": tunnel.asn, "bgp": tunnel.routing == Routing::Bgp,
        "networks": tunnel.networks,
        // The second tunnel is there for when the first is not.
        "metric": 100 * tunnel.number,
        "ike": proposals(negotiation, true), "esp": proposals(negotiation, false),
        "encryption": negotiation.encryption, "integrity": negotiation.integrity, "dhGroups": negotiation.dh_groups,
        "key": tunnel.key, "f5": f5_words(negotiation),
    })
}

/// The first of each choice, as tmsh names it (`net ipsec ike-peer`, `net ipsec ipsec-policy`): a BIG-IP is told one.
fn f5_words(negotiation: &Negotiation) -> Value {
    let hash = match negotiation.integrity.first() {
        Some(TunnelIntegrity::Sha256) | None => "sha256",
        Some(TunnelIntegrity::Sha384) => "sha384",
        Some(TunnelIntegrity::Sha512) => "sha512",
    };
    let (ike, esp, esp_hash) = match negotiation.encryption.first() {
        Some(TunnelEncryption::Aes256Gcm) | None => ("aes-gcm256", "aes-gcm256", "aes-gcm256"),
        Some(TunnelEncryption::Aes256) => ("aes256", "aes256", hash),
    };
    let group = negotiation.dh_groups.iter().find_map(|group| group_name(*group)).unwrap_or_default();
    json!({ "hash": hash, "ikeEncryption": ike, "espEncryption": esp, "espHash": esp_hash, "group": group })
}

/// Proposals as strongSwan writes them (<https://docs.strongswan.org/docs/latest/config/proposals.html>).
fn proposals(negotiation: &Negotiation, ike: bool) -> Vec<String> {
    let mut all = BTreeSet::new();
    for encryption in &negotiation.encryption {
        for integrity in &negotiation.integrity {
            let hash = match integrity {
                TunnelIntegrity::Sha256 => "sha256",
                TunnelIntegrity::Sha384 => "sha384",
                TunnelIntegrity::Sha512 => "sha512",
            };
            for group in negotiation.dh_groups.iter().filter_map(|group| group_name(*group)) {
                all.insert(match (encryption, ike) {
                    (TunnelEncryption::Aes256Gcm, true) => format!("aes256gcm16-prf{hash}-{group}"),
                    // GCM has an integrity of its own.
                    (TunnelEncryption::Aes256Gcm, false) => format!("aes256gcm16-{group}"),
                    (TunnelEncryption::Aes256, _) => format!("aes256-{hash}-{group}"),
                });
            }
        }
    }
    all.into_iter().collect()
}

/// A Diffie-Hellman group's name by its number (IANA, IKEv2 Transform Type 4).
fn group_name(number: u8) -> Option<&'static str> {
    Some(match number {
        14 => "modp2048",
        15 => "modp3072",
        16 => "modp4096",
        17 => "modp6144",
        18 => "modp8192",
        19 => "ecp256",
        20 => "ecp384",
        21 => "ecp521",
        22 => "modp1024s160",
        23 => "modp2048s224",
        24 => "modp2048s256",
        _ => return None,
    })
}
