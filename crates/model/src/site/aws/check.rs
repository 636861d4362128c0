//! Everything that must hold inside one inventory of `kind: AwsSite`.
use super::{control_plane_zones, nat_zones};
use crate::fault::{Path, did_you_mean};
use crate::inventory::aws::{AwsSite, BreakGlass, Endpoint, Exposure, HealthProtocol, ListenerProtocol, Peer, Pool};
use crate::prelude::*;
use crate::region;
use crate::scalar::{Cidr, Line, Zone};
use crate::site::Report;

/// Addresses that AWS keeps in every subnet: the first four and the last
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>).
const AWS_RESERVED: u64 = 5;
/// Addresses that a classic load balancer may take in each of its subnets when it grows
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/elb-backend-instances.html>).
const BALANCER_ADDRESSES: u64 = 8;

/// Reports everything that does not hold inside the inventory.
pub(crate) fn check(site: &AwsSite, report: &mut Report<'_>) {
    zones(site, report);
    network(site, report);
    capacity(site, report);
    endpoints(site, report);
    peering_and_vpn(site, report);
    control_plane(site, report);
    report.safeguards(site.safeguards.as_ref());
    for (index, pool) in site.pools.iter().enumerate() {
        self::pool(site, pool, &Path::root().at("pools").at(index), report);
    }
    let root = Path::root();
    report.unique(
        "the pool",
        site.pools.iter().enumerate().map(|(i, p)| (root.at("pools").at(i).at("name"), p.name.as_str())),
    );
    balancers(site, report);
    exposure_and_access(site, report);
    report.unique(
        "the repository",
        site.registry
            .repositories
            .iter()
            .enumerate()
            .map(|(i, r)| (root.at("registry").at("repositories").at(i).at("name"), r.name.as_str())),
    );
    for (index, repository) in site.registry.repositories.iter().enumerate() {
        if repository.pull_accounts.contains(&site.account) {
            let path = root.at("registry").at("repositories").at(index).at("pullAccounts");
            report.fault(
                &path,
                "the site's own account needs no leave to pull",
                "name other accounts, or remove it".to_owned(),
            );
        }
    }
    tags(site, report);
    let nodes =
        site.pools.iter().map(|pool| u64::from(pool.size.max)).sum::<u64>() + control_plane_zones(site).len() as u64;
    report.kubernetes(&site.kubernetes, nodes);
}

fn zones(site: &AwsSite, report: &mut Report<'_>) {
    let Some(facts) = region::find(site.region.as_str()) else { return };
    let real: Vec<String> = facts.zones.chars().map(|letter| format!("{}{letter}", facts.name)).collect();
    for (index, zone) in site.zones.iter().enumerate() {
        if !real.iter().any(|name| name == zone.as_str()) {
            let hint = did_you_mean(zone.as_str(), real.iter().map(String::as_str));
            report.fault(&Path::root().at("zones").at(index), format!("`{zone}` is no zone of {}", facts.name), hint);
        }
    }
}

fn network(site: &AwsSite, report: &mut Report<'_>) {
    let path = Path::root().at("network");
    let (vpc, subnets) = (&site.network.cidr, &site.network.subnets);
    if !(16..=28).contains(&vpc.prefix()) {
        report.fault(&path.at("cidr"), format!("{vpc} is no size for a VPC"), "a /16 to /28".to_owned());
    }
    if vpc.is_public() {
        report.fault(
            &path.at("cidr"),
            format!("{vpc} is address space of the internet"),
            "use a network of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10".to_owned(),
        );
    }
    let path = path.at("subnets");
    let zone_names: Vec<&str> = site.zones.iter().map(Zone::as_str).collect();
    let public_needed = needs_public(site);
    let mut taken = Vec::new();
    for (kind, map) in [("public", &subnets.public), ("private", &subnets.private), ("isolated", &subnets.isolated)] {
        let path = path.at(kind);
        for (zone, cidr) in map {
            let path = path.at(zone);
            if !report.known(&path, "zone of this site", zone, zone_names.iter().copied()) {
                continue;
            }
            if !vpc.contains(cidr) {
                report.fault(&path, format!("the subnet {cidr} lies outside the VPC's {vpc}"), None);
            }
            if !(16..=28).contains(&cidr.prefix()) {
                report.fault(&path, format!("{cidr} is no size for a subnet"), "a /16 to /28".to_owned());
            }
            if kind == "public" && !public_needed.contains(&zone.as_str()) {
                report.fault(
                    &path,
                    format!("nothing needs a public subnet in {zone}"),
                    "remove it: only NAT gateways and public balancers stand in public subnets".to_owned(),
                );
            }
            taken.push((path, format!("the {kind} subnet of {zone},"), *cidr));
        }
        for zone in &zone_names {
            if !map.contains_key(*zone) && (kind != "public" || public_needed.contains(zone)) {
                let why = if kind == "public" {
                    "a NAT gateway or a public balancer stands there"
                } else {
                    "every zone of the site has one"
                };
                let at = if map.is_empty() && kind == "public" {
                    Path::root().at("network").at("subnets")
                } else {
                    path.clone()
                };
                report.fault(&at, format!("the {kind} subnet of {zone} is missing"), why.to_owned());
            }
        }
    }
    report.disjoint(&taken);
    let kubernetes = Path::root().at("kubernetes");
    report.disjoint(&[
        (Path::root().at("network").at("cidr"), "the VPC,".to_owned(), *vpc),
        (kubernetes.at("podCidr"), "the pods' network".to_owned(), site.kubernetes.pod_cidr),
        (kubernetes.at("serviceCidr"), "the services' network".to_owned(), site.kubernetes.service_cidr),
    ]);
}

/// The zones that need a public subnet.
fn needs_public(site: &AwsSite) -> Vec<&str> {
    let public_balancer = site.api.exposure != Exposure::Internal
        || site.balancers.iter().any(|balancer| balancer.exposure != Exposure::Internal);
    if public_balancer {
        site.zones.iter().map(Zone::as_str).collect()
    } else {
        nat_zones(site).into_iter().map(Zone::as_str).collect()
    }
}

/// Whether each subnet holds what may come to stand in it.
fn capacity(site: &AwsSite, report: &mut Report<'_>) {
    let subnets = &site.network.subnets;
    let internal_balancers =
        site.balancers.iter().filter(|balancer| balancer.exposure == Exposure::Internal).count() as u64;
    for zone in &site.zones {
        let path = Path::root().at("network").at("subnets");
        let mut needs = AWS_RESERVED + internal_balancers * BALANCER_ADDRESSES;
        for pool in &site.pools {
            let zones = pool.zones.as_deref().unwrap_or(&site.zones);
            if zones.contains(zone) {
                // Evenly spread, as an Auto Scaling Group does while its zones are well.
                needs += u64::from(pool.size.max).div_ceil(zones.len().max(1) as u64);
            }
        }
        if let Some(cidr) = subnets.private.get(zone.as_str())
            && cidr.size() < needs
        {
            report.fault(
                &path.at("private").at(zone),
                format!(
                    "{cidr} holds {} addresses, and the pools and balancers of {zone} can grow to {needs}",
                    cidr.size()
                ),
                "a larger subnet, or a smaller `size.max`".to_owned(),
            );
        }
        let needs = AWS_RESERVED + 7 + BALANCER_ADDRESSES + site.network.endpoints.len() as u64;
        if let Some(cidr) = subnets.isolated.get(zone.as_str())
            && cidr.size() < needs
        {
            report.fault(
                &path.at("isolated").at(zone),
                format!(
                    "{cidr} holds {} addresses, and the control plane, its balancer and the endpoints need {needs}",
                    cidr.size()
                ),
                "a /27 is always enough".to_owned(),
            );
        }
    }
}

/// The control plane has no way out but endpoints: those that its boot calls must be there.
fn endpoints(site: &AwsSite, report: &mut Report<'_>) {
    let mut needed = vec![
        (Endpoint::CloudFormation, "cloudformation", "nodes signal that they are well"),
        (Endpoint::Ec2, "ec2", "the control plane attaches its volume"),
        (Endpoint::EcrApi, "ecr.api", "nodes pull images"),
        (Endpoint::EcrDkr, "ecr.dkr", "nodes pull images"),
        (Endpoint::SecretsManager, "secretsmanager", "nodes fetch the cluster's certificates and join tokens"),
    ];
    if site.break_glass == BreakGlass::Ssm {
        let why = "`breakGlass: ssm` opens sessions through it";
        needed.extend([
            (Endpoint::Ssm, "ssm", why),
            (Endpoint::SsmMessages, "ssmmessages", why),
            (Endpoint::Ec2Messages, "ec2messages", why),
        ]);
    }
    let path = Path::root().at("network");
    for (endpoint, name, why) in needed {
        if !site.network.endpoints.contains(&endpoint) {
            let at = if site.network.endpoints.is_empty() { path.clone() } else { path.at("endpoints") };
            report.fault(
                &at,
                format!("the endpoint `{name}` is missing"),
                format!("{why}, and the isolated subnets have no other way out"),
            );
        }
    }
}

fn peering_and_vpn(site: &AwsSite, report: &mut Report<'_>) {
    let root = Path::root();
    report.unique(
        "the peering",
        site.peering.iter().enumerate().map(|(i, p)| (root.at("peering").at(i).at("name"), p.name.as_str())),
    );
    for (index, peering) in site.peering.iter().enumerate() {
        let path = root.at("peering").at(index).at("with");
        if let Peer::Site(other) = &peering.with {
            role_name(
                &root.at("peering").at(index).at("name"),
                &format!("incline-{other}-accept-{}", peering.name),
                report,
            );
        }
        if let Peer::Vpc(vpc) = &peering.with {
            let mut networks = vec![(path.clone(), "the VPC,".to_owned(), site.network.cidr)];
            networks.extend(
                vpc.cidrs
                    .iter()
                    .enumerate()
                    .map(|(i, cidr)| (path.at("vpc").at("cidrs").at(i), "the peer's network".to_owned(), *cidr)),
            );
            report.disjoint(&networks);
        }
    }
    let Some(vpn) = &site.vpn else { return };
    let path = root.at("vpn").at("connections");
    report.unique(
        "a connection to",
        vpn.connections.iter().enumerate().map(|(i, c)| (path.at(i).at("to"), c.to.as_str())),
    );
    let link_local: Option<Cidr> = "169.254.0.0/16".parse().ok();
    // https://docs.aws.amazon.com/vpn/latest/s2svpn/VPNTunnels.html, "Inside tunnel IPv4 CIDR"
    let kept = [
        "169.254.0.0/30",
        "169.254.1.0/30",
        "169.254.2.0/30",
        "169.254.3.0/30",
        "169.254.4.0/30",
        "169.254.5.0/30",
        "169.254.169.252/30",
    ];
    let mut inside = Vec::new();
    let mut keys = BTreeSet::new();
    for (index, connection) in vpn.connections.iter().enumerate() {
        for (number, tunnel) in connection.tunnels.iter().enumerate() {
            let path = path.at(index).at("tunnels").at(number);
            let cidr = &tunnel.inside_cidr;
            if cidr.prefix() != 30
                || link_local.is_some_and(|net| !net.contains(cidr))
                || kept.contains(&cidr.to_string().as_str())
            {
                report.fault(
                    &path.at("insideCidr"),
                    format!("{cidr} cannot be a tunnel's inside network"),
                    "a /30 in 169.254.0.0/16, but not the first of 169.254.0 to 169.254.5, nor 169.254.169.252/30"
                        .to_owned(),
                );
            }
            inside.push((path.at("insideCidr"), "the tunnel network".to_owned(), *cidr));
            if !keys.insert(&tunnel.preshared_key) {
                report.fault(
                    &path.at("presharedKey"),
                    "two tunnels share a pre-shared key",
                    "give every tunnel a key of its own".to_owned(),
                );
            }
        }
    }
    report.disjoint(&inside);
}

fn control_plane(site: &AwsSite, report: &mut Report<'_>) {
    let path = Path::root().at("controlPlane");
    let zones = control_plane_zones(site);
    let zone_names: Vec<&str> = site.zones.iter().map(Zone::as_str).collect();
    for (index, zone) in site.control_plane.zones.iter().flatten().enumerate() {
        report.known(&path.at("zones").at(index), "zone of this site", zone.as_str(), zone_names.iter().copied());
    }
    if !matches!(zones.len(), 1 | 3 | 5) {
        let hint = if site.control_plane.zones.is_none() {
            "name one or three zones in `controlPlane.zones`"
        } else {
            "one, three or five zones"
        };
        report.fault(
            &path.at("zones"),
            format!(
                "a control plane of {} members survives no more losses than one of {}",
                zones.len(),
                zones.len().saturating_sub(1)
            ),
            hint.to_owned(),
        );
    }
    if let Some(cause) = not_x86(site.control_plane.instance_type.as_str()) {
        report.fault(&path.at("instanceType"), cause, "choose an Intel or AMD type".to_owned());
    }
}

/// Why an instance type cannot boot what the lock pins: its images are built for x86-64.
fn not_x86(instance_type: &str) -> Option<String> {
    let family = instance_type.split('.').next()?;
    let generation = family.find(|c: char| c.is_ascii_digit())?;
    // Graviton families carry a `g` behind their generation: m7g, c6gd, t4g, and a1 before there was a rule.
    let arm = family[generation..].contains('g') || family == "a1";
    let mac = family.starts_with("mac");
    (arm || mac).then(|| format!("`{instance_type}` is no x86-64 machine, and the artifacts in incline.lock are"))
}

/// Reports a role whose name is longer than IAM takes
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
fn role_name(path: &Path, role: &str, report: &mut Report<'_>) {
    if role.len() > 64 {
        report.fault(
            path,
            format!("the role would be named `{role}`, and IAM allows 64 characters"),
            format!("{} fewer here, or in the site's name", role.len() - 64),
        );
    }
}

fn pool(site: &AwsSite, pool: &Pool, path: &Path, report: &mut Report<'_>) {
    let zone_names: Vec<&str> = site.zones.iter().map(Zone::as_str).collect();
    for (index, zone) in pool.zones.iter().flatten().enumerate() {
        report.known(&path.at("zones").at(index), "zone of this site", zone.as_str(), zone_names.iter().copied());
    }
    for (index, instance_type) in pool.instance_types.iter().enumerate() {
        if let Some(cause) = not_x86(instance_type.as_str()) {
            report.fault(&path.at("instanceTypes").at(index), cause, "choose Intel or AMD types".to_owned());
        }
    }
    let role = format!("incline-{}-pool-{}", site.name, pool.name);
    role_name(&path.at("name"), &role, report);
    let size = &pool.size;
    if size.min > size.desired || size.desired > size.max {
        report.fault(
            &path.at("size"),
            format!("min {}, desired {}, max {} are out of order", size.min, size.desired, size.max),
            "min ≤ desired ≤ max".to_owned(),
        );
    }
    if pool.update.batch > size.max {
        report.fault(
            &path.at("update").at("batch"),
            format!("a batch of {} is more than the pool's largest size, {}", pool.update.batch, size.max),
            None,
        );
    }
    let wanted = u32::from(size.desired) * u32::from(pool.update.min_healthy_percent) / 100;
    if size.desired > 0 && wanted >= u32::from(size.max) {
        report.fault(
            &path.at("update").at("minHealthyPercent"),
            format!(
                "{} nodes must stay in service and there can be at most {}: no node could ever be replaced",
                wanted, size.max
            ),
            "a larger `size.max`, or a smaller `minHealthyPercent`".to_owned(),
        );
    }
    report.labels(&path.at("labels"), pool.labels.keys());
    report.unique(
        "the taint",
        pool.taints.iter().enumerate().map(|(i, taint)| (path.at("taints").at(i), taint.key.as_str())),
    );
    let mut mounts: Vec<&str> = Vec::new();
    for (index, volume) in pool.data_volumes.iter().enumerate() {
        let (mount, at) = (volume.mount.as_str(), path.at("dataVolumes").at(index).at("mount"));
        if !["/var/lib/", "/data", "/srv", "/mnt", "/opt/"].iter().any(|prefix| mount.starts_with(prefix))
            || mount.starts_with("/var/lib/kubelet")
            || mount.starts_with("/var/lib/incline")
        {
            report.fault(
                &at,
                format!("a volume cannot be mounted at {mount}"),
                "choose a directory below /data, /mnt, /srv, /opt or /var/lib (but not kubelet's or incline's own)"
                    .to_owned(),
            );
        }
        if mounts.iter().any(|other| {
            *other == mount || mount.starts_with(&format!("{other}/")) || other.starts_with(&format!("{mount}/"))
        }) {
            report.fault(&at, format!("{mount} holds, or lies in, another volume's mount point"), None);
        }
        mounts.push(mount);
    }
}

fn balancers(site: &AwsSite, report: &mut Report<'_>) {
    let root = Path::root().at("balancers");
    report.unique(
        "the balancer",
        site.balancers.iter().enumerate().map(|(i, b)| (root.at(i).at("name"), b.name.as_str())),
    );
    let pools: Vec<&str> = site.pools.iter().map(|pool| pool.name.as_str()).collect();
    for (index, balancer) in site.balancers.iter().enumerate() {
        let path = root.at(index);
        if balancer.name.as_str() == "api" {
            report.fault(
                &path.at("name"),
                "`api` is the name of the Kubernetes API's own balancer",
                "choose another".to_owned(),
            );
        }
        // https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/API_CreateLoadBalancer.html
        let name = format!("{}-{}", site.name, balancer.name);
        if name.len() > 32 {
            report.fault(
                &path.at("name"),
                format!("the balancer would be named `{name}`, and AWS allows 32 characters"),
                format!("at most {} here", 31_usize.saturating_sub(site.name.as_str().len())),
            );
        }
        for (i, pool) in balancer.pools.iter().enumerate() {
            report.known(&path.at("pools").at(i), "pool", pool.as_str(), pools.iter().copied());
        }
        let ports: Vec<String> = balancer.listeners.iter().map(|listener| listener.port.to_string()).collect();
        report.unique(
            "the port",
            ports.iter().enumerate().map(|(i, port)| (path.at("listeners").at(i).at("port"), port.as_str())),
        );
        for (i, listener) in balancer.listeners.iter().enumerate() {
            let path = path.at("listeners").at(i);
            match (listener.protocol, &listener.certificate) {
                (ListenerProtocol::Passthrough, Some(_)) => report.fault(
                    &path.at("certificate"),
                    "a passthrough listener has no certificate: the pods end TLS",
                    "remove it, or use `https` or `ssl`".to_owned(),
                ),
                (ListenerProtocol::Passthrough, None) if listener.tls_policy.is_some() => report.fault(
                    &path.at("tlsPolicy"),
                    "a passthrough listener has no TLS policy: the pods end TLS",
                    "remove it, or use `https` or `ssl`".to_owned(),
                ),
                (ListenerProtocol::Https | ListenerProtocol::Ssl, None) => report.fault(
                    &path.at("protocol"),
                    "this listener ends TLS and has no certificate",
                    "name one in `certificate`, or use `passthrough`".to_owned(),
                ),
                _ => {}
            }
        }
        let health = &balancer.health_check;
        if health.timeout_seconds >= health.interval_seconds {
            report.fault(
                &path.at("healthCheck").at("timeoutSeconds"),
                format!(
                    "a timeout of {} s is not shorter than the interval of {} s",
                    health.timeout_seconds, health.interval_seconds
                ),
                None,
            );
        }
        if (health.protocol == HealthProtocol::Https) != health.path.is_some() {
            report.fault(
                &path.at("healthCheck"),
                "`https` asks for a path, and only `https` does",
                "add `path`, or remove it".to_owned(),
            );
        }
        if balancer.exposure == Exposure::Internal {
            for (i, cidr) in balancer.allow.iter().enumerate() {
                if cidr.is_public() {
                    report.fault(
                        &path.at("allow").at(i),
                        format!("an internal balancer cannot be reached from {cidr}"),
                        "name internal networks; public ones go with `exposure: {public: {reason: …}}`".to_owned(),
                    );
                }
            }
        }
    }
}

/// Nothing is reachable from the internet by accident.
fn exposure_and_access(site: &AwsSite, report: &mut Report<'_>) {
    let root = Path::root();
    let everyone = |cidr: &Cidr| cidr.prefix() == 0;
    if site.api.exposure != Exposure::Internal && site.api.allow.is_empty() {
        report.fault(
            &root.at("api"),
            "a public API that nobody may reach",
            "name the networks in `api.allow`".to_owned(),
        );
    }
    for (index, cidr) in site.api.allow.iter().enumerate() {
        let path = root.at("api").at("allow").at(index);
        if everyone(cidr) {
            report.fault(
                &path,
                "the Kubernetes API would be open to everyone",
                "name the networks that need it".to_owned(),
            );
        } else if site.api.exposure == Exposure::Internal && cidr.is_public() {
            report.fault(
                &path,
                format!("an internal API cannot be reached from {cidr}"),
                "name internal networks; public ones go with `exposure: {public: {reason: …}}`".to_owned(),
            );
        }
    }
    if let BreakGlass::Ssh(ssh) = &site.break_glass {
        for (index, cidr) in ssh.from.iter().enumerate() {
            if everyone(cidr) {
                report.fault(
                    &root.at("breakGlass").at("ssh").at("from").at(index),
                    "SSH would be open to everyone",
                    "name the networks that need it".to_owned(),
                );
            }
        }
    }
}

fn tags(site: &AwsSite, report: &mut Report<'_>) {
    let root = Path::root();
    tag_map(&site.tags, &root.at("tags"), report);
    for (index, pool) in site.pools.iter().enumerate() {
        tag_map(&pool.tags, &root.at("pools").at(index).at("tags"), report);
    }
}

fn tag_map(tags: &BTreeMap<String, Line>, path: &Path, report: &mut Report<'_>) {
    // 50 is AWS's limit a resource (https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html): 20 of the
    // site, 20 of the pool, and ten that are ours or AWS's own.
    if tags.len() > 20 {
        report.fault(
            path,
            format!("{} tags are more than the 20 that fit beside AWS's and incline's own", tags.len()),
            None,
        );
    }
    for (key, value) in tags {
        let allowed = |text: &str| {
            text.chars()
                .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@'))
        };
        let at = path.at(key);
        if key.is_empty() || key.chars().count() > 128 || !allowed(key) {
            report.fault(
                &at,
                format!("`{key}` is not a tag's key"),
                "at most 128 letters, digits, spaces and `_.:/=+-@`".to_owned(),
            );
        } else if ["aws:", "incline:", "Name"].iter().any(|prefix| key.starts_with(prefix)) {
            report.fault(&at, format!("the tag `{key}` is AWS's or incline's own"), "choose another key".to_owned());
        }
        if value.as_str().chars().count() > 256 || !allowed(value.as_str()) {
            report.fault(
                &at,
                format!("the value of the tag `{key}` is more than AWS takes"),
                "at most 256 letters, digits, spaces and `_.:/=+-@`".to_owned(),
            );
        }
    }
}
