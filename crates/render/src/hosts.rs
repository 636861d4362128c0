//! A valid on-prem site → what each of its hosts must have: `hosts/STAGE.yaml`, a list of items, rendered for each host.
use crate::Error;
use crate::prelude::*;
use crate::storage;
use crate::templates::{Templates, is_template};
use crate::vpn;
use incline_host::{Entry, Host, SITE};
use incline_model::desired::Stage;
use incline_model::fault::Path;
use incline_model::hex;
use incline_model::inventory::Taint;
use incline_model::inventory::onprem::{self, Role};
use incline_model::scalar::Address;
use incline_model::site::OnPrem;
use incline_model::yaml;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The stages of hosts, each with its templates, and who has it.
const STAGES: [(Stage, &[&str], Who); 7] = [
    (Stage::Prepare, &["hosts/prepare.yaml", "hosts/runtime.yaml"], |_, host| is_node(host)),
    (Stage::Prepare, &["hosts/prepare.yaml"], |_, host| !is_node(host)),
    (Stage::Edge, &["hosts/vpn.yaml"], vpn::takes_part),
    (Stage::Storage, &["hosts/storage.yaml", "hosts/nfs.yaml"], storage::takes_part),
    (
        Stage::ControlPlane,
        &["hosts/node.yaml", "hosts/control-plane.yaml", "hosts/member.yaml", "hosts/upkeep.yaml"],
        |_, host| has(host, Role::ControlPlane),
    ),
    (Stage::Workers, &["hosts/node.yaml", "hosts/member.yaml"], |_, host| {
        has(host, Role::Worker) && !has(host, Role::ControlPlane)
    }),
    // One host speaks to the cluster for the site.
    (Stage::Cluster, &["hosts/cluster.yaml"], founds),
];

/// Whether a host founds the cluster: the first of its control plane.
fn founds(site: &OnPrem, host: &onprem::Host) -> bool {
    site.control_plane().next().is_some_and(|first| first.name == host.name)
}

/// Whether a host of a site has a stage.
type Who = fn(&OnPrem, &onprem::Host) -> bool;

pub(crate) fn has(host: &onprem::Host, role: Role) -> bool {
    host.roles.contains(&role)
}

pub(crate) fn is_node(host: &onprem::Host) -> bool {
    has(host, Role::ControlPlane) || has(host, Role::Worker)
}

/// What a node's files are rendered from, each with its name in templates.
const FILES: [(&str, &str); 29] = [
    ("admission", "ignition/files/admission.yaml"),
    ("approveServing", "ignition/bin/approve-serving"),
    ("auditPolicy", "ignition/files/audit-policy.yaml"),
    ("authentication", "ignition/files/authentication.yaml"),
    ("baseline", "ignition/files/baseline.yaml"),
    ("containerd", "ignition/files/containerd.toml.j2"),
    ("containerdUnit", "ignition/units/containerd.service"),
    ("crictl", "ignition/files/crictl.yaml"),
    ("init", "ignition/files/kubeadm-cluster.yaml.j2"),
    ("join", "ignition/files/kubeadm-join-host.yaml.j2"),
    ("kubelet", "ignition/units/kubelet.service.j2"),
    ("nfs", "ignition/files/nfs.conf"),
    ("registry", "ignition/files/registry.toml.j2"),
    ("servingService", "ignition/units/incline-serving.service"),
    ("servingTimer", "ignition/units/incline-serving.timer"),
    ("snapshot", "ignition/bin/etcd-snapshot-local"),
    ("snapshotService", "ignition/units/incline-snapshot.service.j2"),
    ("snapshotTimer", "ignition/units/incline-snapshot.timer.j2"),
    ("storage", "ignition/files/storage.yaml.j2"),
    ("tlshd", "ignition/files/tlshd.conf"),
    ("upgrade", "ignition/files/kubeadm-upgrade.yaml.j2"),
    ("unlockDisk", "ignition/bin/unlock-disk"),
    ("bgpUnit", "ignition/units/incline-bgp.service"),
    ("bird", "ignition/files/bird.conf.j2"),
    ("links", "ignition/files/links.txt.j2"),
    ("swanctl", vpn::CONNECTIONS),
    ("vpnLinks", "ignition/bin/vpn-links"),
    ("vpnRoute", "ignition/bin/vpn-route"),
    ("vpnUnit", "ignition/units/incline-vpn.service"),
];

/// Those of them that only a gateway of the VPN has.
const VPN_FILES: [&str; 3] = ["bird", "links", "swanctl"];

/// The names of all templates that hosts are rendered from.
#[cfg(test)]
pub(crate) fn templates() -> impl Iterator<Item = &'static str> {
    let stages = STAGES.iter().flat_map(|(_, names, _)| names.iter().copied());
    stages.chain(FILES.iter().map(|(_, file)| *file).filter(|file| is_template(file)))
}

/// Where the API's name leads on a site's hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiBy {
    /// To what balances it.
    Balancer,
    /// To the host that founds the cluster, while nothing balances the API yet.
    Founder,
}

impl ApiBy {
    fn address(self, site: &OnPrem) -> Address {
        match (self, site.control_plane().next()) {
            (Self::Founder, Some(first)) => first.address,
            _ => site.typed().api.address,
        }
    }
}

/// Renders the hosts of a site, in the inventory's order.
///
/// # Errors
/// A template that cannot be rendered, or that gives something else than items.
pub fn render_hosts(site: &OnPrem, templates: &Templates, api: ApiBy) -> Result<Vec<Host>, Error> {
    // Most hosts of a site are alike: what gives the same text is read once.
    let mut known = BTreeMap::new();
    site.typed().hosts.iter().map(|host| one(site, host, templates, api, &mut known)).collect()
}

/// What the templates of a host see.
pub(crate) fn context(site: &OnPrem, host: &onprem::Host, templates: &Templates, api: ApiBy) -> Result<Value, Error> {
    let mut context = facts(site, host, templates, api)?;
    for more in [storage::facts(site, host, templates)?, vpn::facts(site)] {
        if let (Some(context), Value::Object(more)) = (context.as_object_mut(), more) {
            context.extend(more);
        }
    }
    let mut files = serde_json::Map::new();
    for (name, file) in FILES {
        // A site without snapshots has none of their units, and one at which no tunnel ends none of theirs.
        let is_of_vpn = VPN_FILES.contains(&name);
        if (name.starts_with("snapshot") && site.typed().etcd_snapshots.is_none())
            || (is_of_vpn && site.tunnels().is_empty())
            // The whole site's volumes: one host alone hands them to the cluster.
            || (name == "storage" && !founds(site, host))
        {
            continue;
        }
        let text = if is_template(file) { templates.render(file, &context)? } else { templates.file(file)?.to_owned() };
        files.insert(name.to_owned(), text.into());
    }
    // What the API server reads when it starts: where it changes, so does the server's manifest.
    let read: Vec<&Value> = ["admission", "auditPolicy"].iter().filter_map(|name| files.get(*name)).collect();
    let digest = Sha256::digest(json!(read).to_string());
    let patch = json!({ "metadata": { "annotations": { "incline/reads": hex(&digest) } } });
    files.insert("apiServerPatch".to_owned(), format!("{patch}\n").into());
    if let Some(context) = context.as_object_mut() {
        context.insert("files".to_owned(), files.into());
    }
    Ok(context)
}

/// What is known of a host without rendering anything.
fn facts(site: &OnPrem, host: &onprem::Host, templates: &Templates, api: ApiBy) -> Result<Value, Error> {
    let typed = site.typed();
    let pins = site.pins();
    let mirror = typed.mirror.as_str();
    let (scheme, registry) = mirror.split_once("://").unwrap_or(("https", mirror));
    let authority = registry.split('/').next().unwrap_or(registry);
    let (mirror_host, mirror_port) = end(mirror);
    let artifacts: serde_json::Map<String, Value> = pins
        .artifacts
        .iter()
        .map(|(name, artifact)| {
            let url = artifact.map(|it| format!("{mirror}/{}", it.file));
            let (file, digest) = (artifact.map(|it| &it.file), artifact.map(|it| &it.sha512));
            (identifier(name), json!({ "url": url, "digest": digest, "file": file }))
        })
        .collect();
    let images: Vec<Value> = pins
        .images
        .iter()
        // What only the control plane runs.
        .filter(|(name, _)| has(host, Role::ControlPlane) || matches!(*name, "coredns" | "kube-proxy" | "pause"))
        .map(|(name, image)| {
            // Without a pin there is no tag, and a name without one is a name, too.
            let tag = image.pinned().map_or_else(String::new, |it| format!(":{}", it.tag));
            json!({ "name": format!("{registry}/{name}{tag}"), "digest": image.map(|it| &it.digest) })
        })
        .collect();
    let tag = |name: &str| pins.images.tag(name);
    // It drains itself where it is alone.
    let drained_by: Vec<&str> = {
        let mut all: Vec<&str> = site.control_plane().map(|other| other.name.as_str()).collect();
        all.sort_by_key(|name| *name == host.name.as_str());
        all
    };
    let others: Vec<&str> = {
        // The first founds the cluster; the others are let in by any of those that are in.
        let founds = founds(site, host);
        let all = site.control_plane().filter(|other| !founds && other.name != host.name);
        all.map(|other| other.name.as_str()).collect()
    };
    Ok(json!({
        "site": typed.name,
        "host": { "name": host.name, "address": host.address, "roles": host.roles },
        "kernel": {
            "modules": lines(templates.file("ignition/files/modules.conf")?),
            "parameters": parameters(templates.file("ignition/files/kernel.conf")?),
        },
        "node": host.name, "address": host.address, "api": typed.api.name, "apiAddress": api.address(site), "version": typed.kubernetes.version,
        "controlPlane": has(host, Role::ControlPlane), "letInBy": others, "founds": founds(site, host), "drainedBy": drained_by,
        // A control-plane host that is a worker too takes workloads.
        "dedicated": has(host, Role::ControlPlane) && !has(host, Role::Worker),
        "podCidr": typed.kubernetes.pod_cidr, "serviceCidr": typed.kubernetes.service_cidr,
        "labels": labels(site, host),
        "taints": host.taints,
        // As kubeadm gives them to the kubelet of a worker; those of a control-plane host it gives to the API itself.
        "taintsFlag": host.taints.iter().filter(|_| !has(host, Role::ControlPlane)).map(taint_flag).collect::<Vec<_>>().join(","),
        // kubeadm patches the API server's manifest.
        "patched": has(host, Role::ControlPlane),
        "nodes": typed.hosts.iter().filter(|host| is_node(host)).map(|host| format!("{} {}\n", host.name, host.address)).collect::<String>(),
        "nodeLabels": typed.hosts.iter().filter(|host| is_node(host)).map(|host| (host.name.to_string(), json!(host.labels))).collect::<serde_json::Map<_, _>>(),
        "snapshots": typed.etcd_snapshots, "escrows": !host.disks.is_empty() || (typed.etcd_snapshots.is_some() && has(host, Role::ControlPlane)),
        "f5": typed.f5.is_some(), "isNode": is_node(host), "mirror": { "host": mirror_host, "port": mirror_port },
        "aws": false, "bin": "/opt/incline/bin",
        "registry": registry, "registryAuthority": authority, "registryServer": format!("{scheme}://{authority}"),
        "images": images, "pins": artifacts,
        "coredns": tag("coredns"), "etcd": tag("etcd"),
        "pause": format!("{registry}/pause:{}", tag("pause")),
    }))
}

/// The host and the port that an address of the web leads to.
pub(crate) fn end(url: &str) -> (&str, u16) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split('/').next().unwrap_or(rest);
    let usual = if scheme == "http" { 80 } else { 443 };
    match authority.split_once(':') {
        Some((host, port)) => (host, port.parse().unwrap_or(usual)),
        None => (authority, usual),
    }
}

/// A node's labels as a kubelet is given them. By the first, incline knows the nodes that it made.
/// A taint as the kubelet's flag takes it: `key=value:Effect`, or `key:Effect` without a value.
fn taint_flag(taint: &Taint) -> String {
    let value = taint.value.as_ref().map_or(String::new(), |value| format!("={value}"));
    format!("{}{value}:{:?}", taint.key, taint.effect)
}

fn labels(site: &OnPrem, host: &onprem::Host) -> String {
    let mut all = format!("{SITE}={}", site.typed().name);
    for (key, value) in &host.labels {
        all.push_str(&format!(",{key}={value}"));
    }
    all
}

/// The name of an artifact as a name in templates: `cni-plugins` → `cniPlugins`.
fn identifier(name: &str) -> String {
    let mut parts = name.split('-');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut name, part| {
        let mut letters = part.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.push_str(letters.as_str());
        name
    })
}

fn one(
    site: &OnPrem,
    host: &onprem::Host,
    templates: &Templates,
    api: ApiBy,
    known: &mut BTreeMap<String, Vec<Entry>>,
) -> Result<Host, Error> {
    let context = context(site, host, templates, api)?;
    let mut stages = Vec::new();
    for (stage, names, who) in STAGES {
        if !who(site, host) {
            continue;
        }
        let mut all = Vec::new();
        for name in names {
            let text = templates.render(name, &context)?;
            let entries = match known.get(&text) {
                Some(entries) => entries.clone(),
                None => {
                    let entries = entries(name, &text)?;
                    known.insert(text, entries.clone());
                    entries
                }
            };
            all.extend(entries);
        }
        stages.push((stage, all));
    }
    let host = Host { name: host.name.to_string(), stages, released: BTreeSet::new() };
    match host.clash() {
        Some(what) => Err(Error::Clash { host: host.name, what }),
        None => Ok(host),
    }
}

/// Reads a list of items.
fn entries(template: &str, text: &str) -> Result<Vec<Entry>, Error> {
    // What a host has none of.
    if lines(text).is_empty() {
        return Ok(Vec::new());
    }
    let broken = |cause: String| Error::NotYaml { name: template.to_owned(), cause };
    let parsed = yaml::parse(template, text)
        .map_err(|faults| broken(faults.first().map_or(String::new(), ToString::to_string)))?;
    let Value::Array(items) = parsed.value() else { return Err(broken("it is no list of items".to_owned())) };
    let read = |(index, item)| {
        let line = parsed.place_of(&Path::root().at(index)).line;
        serde_json::from_value(item).map_err(|error| broken(format!("line {line}: {error}")))
    };
    items.into_iter().enumerate().map(read).collect()
}

/// The lines of a file that are no comments.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// The parameters of a sysctl file.
fn parameters(text: &str) -> BTreeMap<&str, &str> {
    lines(text)
        .into_iter()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect()
}
