//! All sites together: what must hold between them, and the way from inventories to valid sites.
use crate::fault::{Fault, Path, did_you_mean};
use crate::inventory::{Content, Inventory, aws, onprem};
use crate::lock::{self, AskedBy, Lock, Need};
use crate::prelude::*;
use crate::scalar::{Cidr, Name};
use crate::site::{Aws, Joined, OnPrem, PeerOther, PeerSide, Report, Site, VpnEnd, VpnTunnel, check_aws, check_onprem};

/// All valid sites, by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Estate {
    sites: BTreeMap<Name, Site>,
}

impl Estate {
    /// Validates inventories alone and together, and picks from the lock file what nodes boot from. A missing pin is no fault
    /// of an inventory: each site knows what it lacks ([`Site::lacking`]), and is not applied.
    ///
    /// # Errors
    /// Every fault of every inventory, sorted by file and place.
    pub fn new(inventories: &[Inventory], lock: Option<&Lock>) -> Result<Self, Vec<Fault>> {
        let empty = Lock::default();
        let (estate, faults) = Self::validate(inventories, lock.unwrap_or(&empty), Scope::Whole);
        if faults.is_empty() { Ok(estate) } else { Err(faults) }
    }

    /// What can be told while other inventories of the estate could not be parsed: a site that is not among these may
    /// well be there.
    pub fn faults_of_part(inventories: &[Inventory]) -> Vec<Fault> {
        Self::validate(inventories, &Lock::default(), Scope::Part).1
    }

    /// What the lock file does not pin, as faults at the choices that ask for it.
    pub fn unpinned(inventories: &[Inventory], lock: Option<&Lock>) -> Vec<Fault> {
        let empty = Lock::default();
        let mut faults = Vec::new();
        for inventory in inventories {
            let mut report = Report::new(inventory);
            let mut by_choice: BTreeMap<AskedBy, Vec<Need>> = BTreeMap::new();
            for need in lock.unwrap_or(&empty).lacking(&inventory.content) {
                by_choice.entry(need.asked_by()).or_default().push(need);
            }
            for (choice, lacking) in by_choice {
                let path = match choice {
                    AskedBy::Version => Path::root().at("kubernetes").at("version"),
                    AskedBy::Region => Path::root().at("region"),
                };
                let (cause, hint) = lock::fault(&lacking, lock);
                report.fault(&path, cause, hint);
            }
            faults.append(&mut report.faults);
        }
        faults.sort();
        faults
    }

    fn validate(inventories: &[Inventory], lock: &Lock, scope: Scope) -> (Self, Vec<Fault>) {
        let mut reports: Vec<Report<'_>> = inventories.iter().map(Report::new).collect();
        for (inventory, report) in inventories.iter().zip(&mut reports) {
            match &inventory.content {
                Content::Aws(site) => check_aws(site, report),
                Content::OnPrem(site) => check_onprem(site, report),
            }
        }
        let all: Vec<&Content> = inventories.iter().map(|inventory| &inventory.content).collect();
        names(&all, &mut reports);
        overlaps(&all, &mut reports);
        let mut sites = BTreeMap::new();
        for (index, content) in all.iter().enumerate() {
            let lacking = lock.lacking(content);
            let site = match content {
                Content::OnPrem(site) => {
                    let pins = lock.host_pins(&site.kubernetes.version);
                    let tunnels = vpn_tunnels(site, &all, scope, &mut reports[index]);
                    Site::OnPrem(Box::new(OnPrem::new((**site).clone(), pins, lacking, tunnels)))
                }
                Content::Aws(site) => {
                    let peers = peers(site, &all, scope, &mut reports[index]);
                    let ends = vpn_ends(site, &all, scope, &mut reports[index]);
                    let pins = lock.pins(&site.kubernetes.version, &site.region);
                    let joined = Joined { peers, vpn_ends: ends, pulls: pulls(site, &all) };
                    Site::Aws(Box::new(Aws::new((**site).clone(), pins, lacking, joined)))
                }
            };
            sites.insert(site.name().clone(), site);
        }
        let mut faults: Vec<Fault> = reports.into_iter().flat_map(|report| report.faults).collect();
        faults.sort();
        faults.dedup();
        (Self { sites }, faults)
    }

    /// The sites, by name.
    pub fn sites(&self) -> impl Iterator<Item = &Site> {
        self.sites.values()
    }

    /// The site of that name.
    pub fn site(&self, name: &str) -> Option<&Site> {
        self.sites.iter().find(|(site, _)| site.as_str() == name).map(|(_, site)| site)
    }
}

/// How much of the estate is at hand.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    /// All inventories.
    Whole,
    /// Some inventories.
    Part,
}

/// The networks by which other sites reach this one.
fn networks_of(content: &Content) -> Vec<(Path, Cidr)> {
    let path = Path::root().at("network");
    match content {
        Content::Aws(site) => vec![(path.at("cidr"), site.network.cidr)],
        Content::OnPrem(site) => {
            site.network.cidrs.iter().enumerate().map(|(i, cidr)| (path.at("cidrs").at(i), *cidr)).collect()
        }
    }
}

fn find_aws<'a>(all: &[&'a Content], name: &Name) -> Option<&'a aws::AwsSite> {
    all.iter().find_map(|content| match content {
        Content::Aws(site) if site.name == *name => Some(&**site),
        _ => None,
    })
}

fn find_onprem<'a>(all: &[&'a Content], name: &Name) -> Option<&'a onprem::OnPremSite> {
    all.iter().find_map(|content| match content {
        Content::OnPrem(site) if site.name == *name => Some(&**site),
        _ => None,
    })
}

fn names(all: &[&Content], reports: &mut [Report<'_>]) {
    for (index, content) in all.iter().enumerate() {
        if all[..index].iter().any(|other| other.name() == content.name()) {
            reports[index].fault(
                &Path::root().at("name"),
                format!("another site of the estate is named `{}`", content.name()),
                "the name begins the name of everything in the site: choose another".to_owned(),
            );
        }
        let earlier = |test: &dyn Fn(&Content) -> bool| {
            all[..index].iter().find(|other| test(other)).map(|other| other.name().clone())
        };
        match content {
            Content::Aws(site) => {
                let same = |other: &Content| matches!(other, Content::Aws(other) if other.domain == site.domain);
                if let Some(other) = earlier(&same) {
                    reports[index].fault(
                        &Path::root().at("domain"),
                        format!("`{other}` has the domain {} too", site.domain),
                        "two private zones of one name hide each other's records".to_owned(),
                    );
                }
            }
            Content::OnPrem(site) => {
                let Some(gateway) = &site.network.vpn_gateway else { continue };
                let same = |other: &Content| matches!(other, Content::OnPrem(other) if other.network.vpn_gateway.as_ref().is_some_and(|g| g.address == gateway.address));
                if let Some(other) = earlier(&same) {
                    reports[index].fault(
                        &Path::root().at("network").at("vpnGateway").at("address"),
                        format!("`{other}` has its VPN gateway at {} too", gateway.address),
                        None,
                    );
                }
            }
        }
    }
}

/// Sites of one estate come to be joined sooner or later, so none may share addresses with another; and the pods and
/// services of a site must be clear of every network that the estate routes.
fn overlaps(all: &[&Content], reports: &mut [Report<'_>]) {
    for (index, content) in all.iter().enumerate() {
        for (path, cidr) in networks_of(content) {
            for other in &all[..index] {
                if let Some((_, clash)) = networks_of(other).into_iter().find(|(_, clash)| clash.overlaps(&cidr)) {
                    reports[index].fault(
                        &path,
                        format!("{cidr} overlaps {clash} of the site `{}`", other.name()),
                        "sites of one estate must not share addresses, or they can never be joined".to_owned(),
                    );
                }
            }
        }
        let kubernetes = match content {
            Content::Aws(site) => &site.kubernetes,
            Content::OnPrem(site) => &site.kubernetes,
        };
        for (key, cidr) in [("podCidr", kubernetes.pod_cidr), ("serviceCidr", kubernetes.service_cidr)] {
            for other in all.iter().filter(|other| other.name() != content.name()) {
                if let Some((_, clash)) = networks_of(other).into_iter().find(|(_, clash)| clash.overlaps(&cidr)) {
                    reports[index].fault(
                        &Path::root().at("kubernetes").at(key),
                        format!("{cidr} overlaps {clash} of the site `{}`", other.name()),
                        "pods could not reach that site".to_owned(),
                    );
                }
            }
            if let Content::Aws(site) = content {
                for (i, peering) in site.peering.iter().enumerate() {
                    let aws::Peer::Vpc(vpc) = &peering.with else { continue };
                    if let Some(clash) = vpc.cidrs.iter().find(|clash| clash.overlaps(&cidr)) {
                        reports[index].fault(
                            &Path::root().at("kubernetes").at(key),
                            format!("{cidr} overlaps {clash} of the peering `{}`", site.peering[i].name),
                            "pods could not reach that peer".to_owned(),
                        );
                    }
                }
            }
        }
    }
}

/// Both sides of every peering that the site takes part in.
fn peers(site: &aws::AwsSite, all: &[&Content], scope: Scope, report: &mut Report<'_>) -> Vec<PeerSide> {
    let mut sides = Vec::new();
    let others: Vec<&aws::AwsSite> = all
        .iter()
        .filter_map(|content| match content {
            Content::Aws(other) if other.name != site.name => Some(&**other),
            _ => None,
        })
        .collect();
    for (index, peering) in site.peering.iter().enumerate() {
        let path = Path::root().at("peering").at(index).at("with");
        match &peering.with {
            aws::Peer::Vpc(vpc) => sides.push(PeerSide {
                name: peering.name.clone(),
                cidrs: vpc.cidrs.clone(),
                other: PeerOther::Foreign(vpc.clone()),
            }),
            aws::Peer::Site(name) => {
                let Some(other) = find_aws(all, name).filter(|other| other.name != site.name) else {
                    if scope != Scope::Part {
                        report.fault(
                            &path.at("site"),
                            format!("there is no other AWS site `{name}` in this estate"),
                            did_you_mean(name.as_str(), others.iter().map(|other| other.name.as_str())),
                        );
                    }
                    continue;
                };
                let mutual =
                    other.peering.iter().any(|back| matches!(&back.with, aws::Peer::Site(back) if *back == site.name));
                if mutual && other.name < site.name {
                    report.fault(
                        &path.at("site"),
                        format!("`{name}` declares this peering too"),
                        "declare it on one of the two sides; both get their routes".to_owned(),
                    );
                }
                sides.push(PeerSide {
                    name: peering.name.clone(),
                    cidrs: vec![other.network.cidr],
                    other: PeerOther::RequestedOf {
                        site: other.name.clone(),
                        account: (other.account != site.account).then(|| other.account.clone()),
                        region: (other.region != site.region).then(|| other.region.clone()),
                    },
                });
            }
        }
    }
    for other in others {
        for back in &other.peering {
            if matches!(&back.with, aws::Peer::Site(name) if *name == site.name) {
                if sides.iter().any(|side| side.name == back.name) {
                    report.fault(
                        &Path::root().at("peering"),
                        format!(
                            "the peering `{}` that `{}` asks for has the name of one of this site's own",
                            back.name, other.name
                        ),
                        "rename one of the two".to_owned(),
                    );
                }
                sides.push(PeerSide {
                    name: back.name.clone(),
                    cidrs: vec![other.network.cidr],
                    other: PeerOther::RequestedBy(other.name.clone()),
                });
            }
        }
    }
    sides
}

/// The on-prem ends of the site's VPN connections.
fn vpn_ends(site: &aws::AwsSite, all: &[&Content], scope: Scope, report: &mut Report<'_>) -> Vec<VpnEnd> {
    let Some(vpn) = &site.vpn else { return Vec::new() };
    let mut ends = Vec::new();
    for (index, connection) in vpn.connections.iter().enumerate() {
        let path = Path::root().at("vpn").at("connections").at(index);
        let Some(other) = find_onprem(all, &connection.to) else {
            let onprem = all.iter().filter(|content| matches!(content, Content::OnPrem(_)));
            let known: Vec<&str> = onprem.map(|content| content.name().as_str()).collect();
            if scope != Scope::Part {
                report.fault(
                    &path.at("to"),
                    format!("there is no on-prem site `{}` in this estate", connection.to),
                    did_you_mean(connection.to.as_str(), known),
                );
            }
            continue;
        };
        let Some(gateway) = &other.network.vpn_gateway else {
            report.fault(
                &path.at("to"),
                format!("the site `{}` has no VPN gateway", connection.to),
                "add `network.vpnGateway` to its inventory".to_owned(),
            );
            continue;
        };
        if connection.routing == aws::Routing::Bgp && gateway.asn == vpn.amazon_asn {
            report.fault(
                &Path::root().at("vpn").at("amazonAsn"),
                format!("`{}` has the AS number {} too", connection.to, gateway.asn),
                "the two ends of a BGP session need different AS numbers".to_owned(),
            );
        }
        // The same inside network on two connections to one gateway cannot be told apart there.
        for rival in all.iter().filter_map(|content| match content {
            Content::Aws(rival) if rival.name < site.name => rival.vpn.as_ref().map(|vpn| (&rival.name, vpn)),
            _ => None,
        }) {
            for theirs in rival.1.connections.iter().filter(|c| c.to == connection.to).flat_map(|c| &c.tunnels) {
                for (number, ours) in connection.tunnels.iter().enumerate() {
                    if ours.inside_cidr.overlaps(&theirs.inside_cidr) {
                        report.fault(
                            &path.at("tunnels").at(number).at("insideCidr"),
                            format!("{} is a tunnel of `{}` to the same gateway", theirs.inside_cidr, rival.0),
                            "choose another /30".to_owned(),
                        );
                    }
                }
            }
        }
        ends.push(VpnEnd {
            site: other.name.clone(),
            address: gateway.address,
            asn: gateway.asn,
            cidrs: other.network.cidrs.clone(),
        });
    }
    ends
}

/// The tunnels from AWS sites that end at the site.
fn vpn_tunnels(site: &onprem::OnPremSite, all: &[&Content], scope: Scope, report: &mut Report<'_>) -> Vec<VpnTunnel> {
    let Some(gateway) = &site.network.vpn_gateway else { return Vec::new() };
    let path = Path::root().at("network").at("vpnGateway");
    let mut tunnels = Vec::new();
    for (other, vpn) in all.iter().filter_map(|content| match content {
        Content::Aws(other) => other.vpn.as_ref().map(|vpn| (other, vpn)),
        Content::OnPrem(_) => None,
    }) {
        for connection in vpn.connections.iter().filter(|connection| connection.to == site.name) {
            let keys = gateway.preshared_keys.iter().find(|keys| keys.from == other.name);
            if gateway.host.is_some() && keys.is_none() {
                report.fault(
                    &path.at("presharedKeys"),
                    format!("the keys of the tunnels from `{}` are not named", other.name),
                    format!("add {{from: {}, tunnels: [...]}}: the host must know them", other.name),
                );
            }
            for (index, tunnel) in connection.tunnels.iter().enumerate() {
                if gateway.host.is_some() && tunnel.outside_address.is_none() {
                    report.fault(
                        &path.at("host"),
                        format!("nobody knows where tunnel {} of `{}` comes from", index + 1, other.name),
                        "once AWS has made the connection, add `outsideAddress` to its tunnel; until then, leave `host` out".to_owned(),
                    );
                }
                tunnels.push(VpnTunnel {
                    from: other.name.clone(),
                    number: index + 1,
                    outside: tunnel.outside_address,
                    inside: tunnel.inside_cidr,
                    asn: vpn.amazon_asn,
                    routing: connection.routing,
                    negotiation: connection.negotiation.clone(),
                    networks: vec![other.network.cidr],
                    key: keys.and_then(|keys| keys.tunnels.get(index)).cloned(),
                });
            }
        }
    }
    for (index, keys) in gateway.preshared_keys.iter().enumerate() {
        if scope != Scope::Part && !tunnels.iter().any(|tunnel| tunnel.from == keys.from) {
            report.fault(
                &path.at("presharedKeys").at(index).at("from"),
                format!("no VPN connection comes from an AWS site `{}`", keys.from),
                did_you_mean(keys.from.as_str(), tunnels.iter().map(|tunnel| tunnel.from.as_str())),
            );
        }
    }
    tunnels
}

/// The repositories that the site's nodes may pull from: its own, and others' that name its account.
fn pulls(site: &aws::AwsSite, all: &[&Content]) -> Vec<String> {
    let mut arns = vec![format!("arn:aws:ecr:{}:{}:repository/{}/kubernetes/*", site.region, site.account, site.name)];
    for content in all {
        let Content::Aws(other) = content else { continue };
        for repository in &other.registry.repositories {
            if other.name == site.name || repository.pull_accounts.contains(&site.account) {
                arns.push(format!("arn:aws:ecr:{}:{}:repository/{}", other.region, other.account, repository.name));
            }
        }
    }
    arns.sort();
    arns.dedup();
    arns
}
