//! What templates of hosts know of storage: encrypted disks, and NFS.
use crate::Error;
use crate::hosts::{end, has, is_node};
use crate::prelude::*;
use crate::templates::Templates;
use incline_model::inventory::onprem::{Disk, DiskPurpose, Filesystem, Host, NfsTransport, Role};
use incline_model::site::OnPrem;
use serde_json::{Value, json};
use uuid::Uuid;

/// What opens a disk at boot.
pub(crate) const UNLOCK: &str = "ignition/units/incline-unlock.service.j2";

/// Whether a host has disks, serves NFS, or mounts it: every node does so for its pods.
pub(crate) fn takes_part(site: &OnPrem, host: &Host) -> bool {
    !host.disks.is_empty() || mounts_or_serves(site, host)
}

fn mounts_or_serves(site: &OnPrem, host: &Host) -> bool {
    site.typed().nfs.as_ref().is_some_and(|nfs| nfs.server == host.name || is_node(host) || !host.nfs_mounts.is_empty())
}

/// What is known of a host's storage, and of the site's.
pub(crate) fn facts(site: &OnPrem, host: &Host, templates: &Templates) -> Result<Value, Error> {
    let typed = site.typed();
    let disks = host.disks.iter().map(|disk| disk_facts(site, host, disk, templates)).collect::<Result<Vec<_>, _>>()?;
    let filesystems: BTreeSet<&str> = host.disks.iter().map(|disk| filesystem(site, disk)).collect();
    let volumes: Vec<Value> = typed
        .hosts
        .iter()
        .filter(|host| has(host, Role::Worker))
        .flat_map(|host| host.disks.iter().map(move |disk| (host, disk)))
        .filter(|(_, disk)| disk.purpose == DiskPurpose::LocalVolume)
        .map(|(host, disk)| {
            json!({ "node": host.name, "name": disk.name, "path": place(disk), "sizeGib": disk.size_gib.unwrap_or(0) })
        })
        .collect();
    let tang: Vec<Value> = (!host.disks.is_empty())
        .then_some(&typed.disk_encryption)
        .into_iter()
        .flatten()
        .flat_map(|encryption| &encryption.tang)
        .map(|tang| {
            let (host, port) = end(tang.url.as_str());
            json!({ "host": host, "port": port })
        })
        .collect();
    Ok(json!({
        "disks": disks, "filesystems": filesystems, "diskEncryption": typed.disk_encryption, "tangServers": tang,
        "etcdDisk": host.disks.iter().any(|disk| disk.purpose == DiskPurpose::Etcd),
        "localStorage": typed.local_storage, "volumes": volumes, "nfs": nfs(site, host),
        "exports": typed.nfs.iter().flat_map(|nfs| &nfs.exports).collect::<Vec<_>>(),
    }))
}

fn disk_facts(site: &OnPrem, host: &Host, disk: &Disk, templates: &Templates) -> Result<Value, Error> {
    let name = &disk.name;
    let filesystem_id = uuid(site, host, disk, "filesystem");
    // systemd's name of the device that the mount waits for (systemd.unit(5), escaping).
    let awaited = format!("dev-disk-by\\x2duuid-{}.device.d", filesystem_id.replace('-', "\\x2d"));
    let unit = format!("incline-unlock-{name}.service");
    let text = templates.render(UNLOCK, &json!({ "disk": { "device": disk.id, "name": name } }))?;
    Ok(json!({
        "name": name, "device": disk.id, "purpose": disk.purpose, "sizeGib": disk.size_gib.unwrap_or(0),
        "volume": uuid(site, host, disk, "volume"), "uuid": filesystem_id,
        "awaited": format!("/etc/systemd/system/{awaited}"),
        "filesystem": filesystem(site, disk), "path": place(disk), "unit": unit, "unitText": text,
    }))
}

/// What incline knows a volume and a filesystem of its own again by: the same each time, and no other's (RFC 9562, version 5).
fn uuid(site: &OnPrem, host: &Host, disk: &Disk, what: &str) -> String {
    let name = format!("incline:{}/{}/{}/{what}", site.typed().name, host.name, disk.name);
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
}

/// A disk's filesystem. The site chooses that of its local volumes; etcd and the exports lie on XFS.
fn filesystem(site: &OnPrem, disk: &Disk) -> &'static str {
    let of_volumes = site.typed().local_storage.as_ref().map_or(Filesystem::Xfs, |local| local.filesystem);
    match (disk.purpose, of_volumes) {
        (DiskPurpose::LocalVolume, Filesystem::Ext4) => "ext4",
        _ => "xfs",
    }
}

/// Where a disk is mounted.
fn place(disk: &Disk) -> String {
    match disk.purpose {
        DiskPurpose::Etcd => "/var/lib/etcd".to_owned(),
        DiskPurpose::LocalVolume => format!("/var/lib/incline/volumes/{}", disk.name),
        DiskPurpose::Nfs => format!("/srv/{}", disk.name),
    }
}

fn nfs(site: &OnPrem, host: &Host) -> Value {
    let typed = site.typed();
    let Some(nfs) = &typed.nfs else { return Value::Null };
    let tls = nfs.transport == NfsTransport::MutualTls;
    let security = if tls { "xprtsec=mtls" } else { "sec=krb5p" };
    let server = typed.hosts.iter().find(|host| host.name == nfs.server);
    let places: Vec<&str> = nfs.exports.iter().map(|export| export.path.as_str()).collect();
    let exports: Vec<Value> = nfs
        .exports
        .iter()
        .map(|export| {
            let disks = server.iter().flat_map(|server| &server.disks).map(place);
            // The longest that the export lies on: where it is not mounted, nothing is exported.
            let disk = disks.filter(|disk| export.path.as_str().starts_with(disk.as_str())).max_by_key(String::len);
            let mounted = format!("mountpoint={}", disk.unwrap_or_default());
            let options = ["rw", "sync", "no_subtree_check", "root_squash", security, &mounted];
            json!({ "path": export.path, "clients": export.clients, "options": options })
        })
        .collect();
    let clients: BTreeSet<String> =
        nfs.exports.iter().flat_map(|export| &export.clients).map(ToString::to_string).collect();
    json!({
        "takesPart": mounts_or_serves(site, host), "isServer": nfs.server == host.name, "server": nfs.server,
        "address": server.map(|server| server.address), "tls": tls, "exports": exports, "clients": clients, "places": places,
        // A server that is away is waited for: an error would reach into workloads' files.
        "options": ["nfsvers=4.2", "hard", "nodev", "nosuid", security],
        "mounts": host.nfs_mounts,
    })
}
