//! A valid on-prem site, and everything that must hold inside one inventory of `kind: OnPremSite`.
use super::Report;
use crate::fault::Path;
use crate::inventory::SecretSource;
use crate::inventory::aws::{Negotiation, Routing};
use crate::inventory::onprem::{DiskPurpose, Host, OnPremSite, Role, VirtualServerMode};
use crate::lock::{HostPins, Need};
use crate::prelude::*;
use crate::scalar::{Address, Cidr, Name};

/// A valid on-prem site.
#[derive(Debug, Clone, PartialEq)]
pub struct OnPrem {
    typed: OnPremSite,
    pins: HostPins,
    lacking: Vec<Need>,
    tunnels: Vec<VpnTunnel>,
}

/// A VPN tunnel from an AWS site of the estate.
#[derive(Debug, Clone, PartialEq)]
pub struct VpnTunnel {
    /// The AWS site.
    pub from: Name,
    /// Which of its two tunnels: 1 or 2.
    pub number: usize,
    /// The address of AWS's end, once it is known.
    pub outside: Option<Address>,
    /// The tunnel's own addresses: AWS has the first, this end the second.
    pub inside: Cidr,
    /// The AS number of AWS's end.
    pub asn: u32,
    /// How routes are learnt.
    pub routing: Routing,
    /// How it is negotiated.
    pub negotiation: Negotiation,
    /// The AWS site's networks.
    pub networks: Vec<Cidr>,
    /// Where its pre-shared key is found, on the machine that runs incline.
    pub key: Option<SecretSource>,
}

impl OnPrem {
    pub(crate) fn new(typed: OnPremSite, pins: HostPins, lacking: Vec<Need>, tunnels: Vec<VpnTunnel>) -> Self {
        Self { typed, pins, lacking, tunnels }
    }

    /// The tunnels that end here, by AWS site and number.
    pub fn tunnels(&self) -> &[VpnTunnel] {
        &self.tunnels
    }

    /// What its hosts run, pinned by digest.
    pub fn pins(&self) -> &HostPins {
        &self.pins
    }

    /// What its hosts run and the lock file does not pin.
    pub fn lacking(&self) -> &[Need] {
        &self.lacking
    }

    /// The hosts that run the API and etcd, in the inventory's order. The first founds the cluster.
    pub fn control_plane(&self) -> impl Iterator<Item = &Host> {
        self.typed.hosts.iter().filter(|host| host.roles.contains(&Role::ControlPlane))
    }

    /// What was typed, all of it valid.
    pub fn typed(&self) -> &OnPremSite {
        &self.typed
    }
}

/// Reports everything that does not hold inside the inventory.
pub(crate) fn check(site: &OnPremSite, report: &mut Report<'_>) {
    let root = Path::root();
    let hosts = root.at("hosts");
    let kubernetes = root.at("kubernetes");
    let mut networks: Vec<_> = site
        .network
        .cidrs
        .iter()
        .enumerate()
        .map(|(i, cidr)| (root.at("network").at("cidrs").at(i), "the site's network".to_owned(), *cidr))
        .collect();
    networks.push((kubernetes.at("podCidr"), "the pods' network".to_owned(), site.kubernetes.pod_cidr));
    networks.push((kubernetes.at("serviceCidr"), "the services' network".to_owned(), site.kubernetes.service_cidr));
    report.disjoint(&networks);
    report.kubernetes(&site.kubernetes, site.hosts.len() as u64);
    report.safeguards(site.safeguards.as_ref());

    report.unique(
        "the host",
        site.hosts.iter().enumerate().map(|(i, host)| (hosts.at(i).at("name"), host.name.as_str())),
    );
    let addresses: Vec<String> = site.hosts.iter().map(|host| host.address.to_string()).collect();
    report.unique(
        "the address",
        addresses.iter().enumerate().map(|(i, address)| (hosts.at(i).at("address"), address.as_str())),
    );
    for (index, host) in site.hosts.iter().enumerate() {
        self::host(site, host, &hosts.at(index), report);
    }
    let count = |role: Role| site.hosts.iter().filter(|host| host.roles.contains(&role)).count();
    if !matches!(count(Role::ControlPlane), 1 | 3 | 5) {
        report.fault(
            &hosts,
            format!("{} hosts have the role `controlPlane`", count(Role::ControlPlane)),
            "etcd needs one, three or five members".to_owned(),
        );
    }
    if count(Role::Worker) == 0 {
        report.fault(
            &hosts,
            "no host has the role `worker`",
            "workloads need at least one; a host may have both roles".to_owned(),
        );
    }
    let is_a_hosts_own = addresses.contains(&site.api.address.to_string());
    if is_a_hosts_own && (count(Role::ControlPlane) > 1 || site.f5.is_some()) {
        report.fault(
            &root.at("api").at("address"),
            format!("{} is a host's own address", site.api.address),
            "several control-plane hosts need one that something balances: the F5's, by `f5`, or another's".to_owned(),
        );
    }
    let gateway = site.network.vpn_gateway.as_ref().and_then(|gateway| gateway.host.as_ref());
    let path = root.at("network").at("vpnGateway").at("host");
    if let Some(name) = gateway {
        report.known(&path, "host", name.as_str(), site.hosts.iter().map(|host| host.name.as_str()));
    }
    for (index, host) in site.hosts.iter().enumerate() {
        let (has, is) = (host.roles.contains(&Role::VpnGateway), gateway == Some(&host.name));
        if has != is {
            let cause =
                if has { "has the role `vpnGateway` and is not" } else { "has not the role `vpnGateway` and is" };
            report.fault(
                &hosts.at(index).at("roles"),
                format!("`{}` {cause} the host of `network.vpnGateway`", host.name),
                "name it in both places, or in neither".to_owned(),
            );
        }
    }
    storage(site, report);
    f5(site, report);
}

fn host(site: &OnPremSite, host: &Host, path: &Path, report: &mut Report<'_>) {
    if !site.network.cidrs.iter().any(|cidr| cidr.contains_address(&host.address)) {
        report.fault(
            &path.at("address"),
            format!("{} lies in none of the site's networks", host.address),
            "add its network to `network.cidrs`".to_owned(),
        );
    }
    report.unique(
        "the disk",
        host.disks.iter().enumerate().map(|(i, disk)| (path.at("disks").at(i).at("id"), disk.id.as_str())),
    );
    report.unique(
        "the disk",
        host.disks.iter().enumerate().map(|(i, disk)| (path.at("disks").at(i).at("name"), disk.name.as_str())),
    );
    for (index, disk) in host.disks.iter().enumerate() {
        if disk.purpose == DiskPurpose::LocalVolume && disk.size_gib.is_none() {
            report.fault(
                &path.at("disks").at(index),
                format!("the size of the local volume `{}` is not known", disk.name),
                "add `sizeGib`: the volume is offered to workloads with it".to_owned(),
            );
        }
        let (needed, role) = match disk.purpose {
            DiskPurpose::Etcd => (Role::ControlPlane, "controlPlane"),
            DiskPurpose::LocalVolume => (Role::Worker, "worker"),
            DiskPurpose::Nfs => (Role::NfsServer, "nfsServer"),
        };
        if !host.roles.contains(&needed) {
            report.fault(
                &path.at("disks").at(index).at("purpose"),
                format!("`{}` does not have the role `{role}` that this disk serves", host.name),
                None,
            );
        }
    }
    if host.disks.iter().filter(|disk| disk.purpose == DiskPurpose::Etcd).count() > 1 {
        report.fault(
            &path.at("disks"),
            "more than one disk is for etcd".to_owned(),
            "etcd's data lies on one".to_owned(),
        );
    }
    let exports = || site.nfs.iter().flat_map(|nfs| &nfs.exports);
    for (index, mount) in host.nfs_mounts.iter().enumerate() {
        let path = path.at("nfsMounts").at(index);
        report.known(&path.at("export"), "export", mount.export.as_str(), exports().map(|export| export.path.as_str()));
        let open = |cidr: &crate::scalar::Cidr| cidr.contains_address(&host.address);
        if exports().any(|export| export.path == mount.export && !export.clients.iter().any(open)) {
            report.fault(
                &path.at("export"),
                format!("the export {} is not open to {}", mount.export, host.address),
                "add the host's network to its `clients`".to_owned(),
            );
        }
    }
    report.unique(
        "the mount",
        host.nfs_mounts.iter().enumerate().map(|(i, mount)| (path.at("nfsMounts").at(i).at("at"), mount.at.as_str())),
    );
    report.labels(&path.at("labels"), host.labels.keys());
    report.unique(
        "the taint",
        host.taints.iter().enumerate().map(|(i, taint)| (path.at("taints").at(i), taint.key.as_str())),
    );
}

fn storage(site: &OnPremSite, report: &mut Report<'_>) {
    let root = Path::root();
    let mut classes = Vec::new();
    if let Some(nfs) = &site.nfs {
        let path = root.at("nfs");
        let names = site.hosts.iter().map(|host| host.name.as_str());
        if report.known(&path.at("server"), "host", nfs.server.as_str(), names) {
            let serves = site.hosts.iter().any(|host| {
                host.name == nfs.server
                    && host.roles.contains(&Role::NfsServer)
                    && host.disks.iter().any(|disk| disk.purpose == DiskPurpose::Nfs)
            });
            if !serves {
                report.fault(
                    &path.at("server"),
                    format!("`{}` is no NFS server", nfs.server),
                    "give it the role `nfsServer` and a disk of purpose `nfs`".to_owned(),
                );
            }
        }
        report.unique(
            "the export",
            nfs.exports
                .iter()
                .enumerate()
                .map(|(i, export)| (path.at("exports").at(i).at("path"), export.path.as_str())),
        );
        let server = site.hosts.iter().find(|host| host.name == nfs.server);
        for (index, export) in nfs.exports.iter().enumerate() {
            let path = path.at("exports").at(index);
            let disks: Vec<String> = server
                .iter()
                .flat_map(|host| &host.disks)
                .filter(|disk| disk.purpose == DiskPurpose::Nfs)
                .map(|disk| format!("/srv/{}", disk.name))
                .collect();
            let lies_on = |disk: &String| {
                export
                    .path
                    .as_str()
                    .strip_prefix(disk.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if !disks.is_empty() && !disks.iter().any(lies_on) {
                report.fault(
                    &path.at("path"),
                    format!("{} lies on none of the encrypted disks of `{}`", export.path, nfs.server),
                    format!("choose a directory at or below {}", disks.join(", ")),
                );
            }
            classes.push((path.at("storageClass"), export.storage_class.as_str()));
            for (i, cidr) in export.clients.iter().enumerate() {
                if cidr.is_public() {
                    report.fault(
                        &path.at("clients").at(i),
                        format!("the export would be open to {cidr}"),
                        "name internal networks".to_owned(),
                    );
                }
            }
        }
    }
    let disks = || site.hosts.iter().flat_map(|host| &host.disks);
    let local_disks = disks().any(|disk| disk.purpose == DiskPurpose::LocalVolume);
    match &site.local_storage {
        Some(local) => {
            let path = root.at("localStorage");
            classes.push((path.at("storageClass"), local.storage_class.as_str()));
            if !local_disks {
                report.fault(
                    &path,
                    "no host has a disk of purpose `localVolume`",
                    "add the disks, or remove `localStorage`".to_owned(),
                );
            }
        }
        None if local_disks => report.fault(
            &root.at("hosts"),
            "there are disks of purpose `localVolume`, and no storage class hands them out",
            "add `localStorage`".to_owned(),
        ),
        None => {}
    }
    match &site.disk_encryption {
        Some(encryption) if encryption.tang.is_empty() && !encryption.tpm2 => report.fault(
            &root.at("diskEncryption"),
            "nothing unlocks the disks at boot",
            "name `tang` servers, or `tpm2: true`".to_owned(),
        ),
        None if disks().next().is_some() => report.fault(
            &root.at("hosts"),
            "there are disks, and nothing says how they are encrypted",
            "add `diskEncryption`".to_owned(),
        ),
        _ => {}
    }
    report.unique("the storage class", classes);
}

fn f5(site: &OnPremSite, report: &mut Report<'_>) {
    let Some(f5) = &site.f5 else { return };
    let path = Path::root().at("f5").at("virtualServers");
    report.unique(
        "the virtual server",
        f5.virtual_servers.iter().enumerate().map(|(i, server)| (path.at(i).at("name"), server.name.as_str())),
    );
    let ends: Vec<String> = f5
        .virtual_servers
        .iter()
        .map(|server| {
            format!(
                "{}:{}{}",
                server.address,
                server.port,
                if server.mode == VirtualServerMode::Udp { "/udp" } else { "" }
            )
        })
        .collect();
    report.unique(
        "the virtual address",
        ends.iter().enumerate().map(|(i, end)| (path.at(i).at("address"), end.as_str())),
    );
    for (index, server) in f5.virtual_servers.iter().enumerate() {
        if server.address == site.api.address {
            report.fault(
                &path.at(index).at("address"),
                format!("{} is the Kubernetes API's own address", server.address),
                "one bad application must not block the API: choose another".to_owned(),
            );
        }
        for (i, cidr) in server.allow.iter().enumerate() {
            if cidr.is_public() {
                report.fault(
                    &path.at(index).at("allow").at(i),
                    format!("the virtual server would be open to {cidr}"),
                    "name internal networks".to_owned(),
                );
            }
        }
    }
}
