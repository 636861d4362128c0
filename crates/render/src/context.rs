//! What templates see of a site: short lists of named values, nothing to compute.
use crate::prelude::*;
use crate::templates::logical_id;
use incline_model::desired::Parameter;
use incline_model::fetch::{Fetched, Origin};
use incline_model::inventory::aws::{
    Balancer, BreakGlass, DeadPeer, Exposure, FlowLogInterval, HealthProtocol, ListenerProtocol, Pool, Routing,
    TlsPolicy, Traffic, TunnelStart, UpdateBy,
};
use incline_model::lock::{self, Pin};
use incline_model::region;
use incline_model::scalar::Zone;
use incline_model::site::{Aws, Member, PeerOther};
use serde_json::{Value, json};

/// The letter of a zone as it stands in logical ids: `A`.
pub(crate) fn zone_id(zone: &Zone) -> String {
    zone.letter().to_ascii_uppercase()
}

/// The site's bucket for `purpose`. Bucket names are global, so the account is part of them.
pub(crate) fn bucket(site: &Aws, purpose: &str) -> String {
    format!("incline-{}-{}-{purpose}", site.typed().name, site.typed().account)
}

/// The registry path below which Kubernetes' own images are mirrored.
fn mirror_registry(site: &Aws) -> String {
    let typed = site.typed();
    format!("{}.dkr.ecr.{}.amazonaws.com/{}/kubernetes", typed.account, typed.region, typed.name)
}

/// What every stack's template sees.
pub(crate) fn site(site: &Aws) -> Value {
    let typed = site.typed();
    let facts = region::find(typed.region.as_str());
    let zones: Vec<Value> = site
        .zones()
        .iter()
        .map(|zone| {
            json!({
                "name": zone.zone, "letter": zone.zone.letter(), "id": zone_id(&zone.zone),
                "public": zone.public, "private": zone.private, "isolated": zone.isolated,
                "nat": zone.nat, "natId": zone.nat_zone.as_ref().map(zone_id),
            })
        })
        .collect();
    json!({
        "site": {
            "name": typed.name, "account": typed.account, "region": typed.region, "domain": typed.domain,
            "loadBalancerAccount": facts.map_or("", |facts| facts.load_balancer_account),
            "trailArn": format!("arn:aws:cloudtrail:{}:{}:trail/incline-{}", typed.region, typed.account, typed.name),
            "ssm": typed.break_glass == BreakGlass::Ssm,
            "buckets": {
                "access": bucket(site, "access-logs"), "trail": bucket(site, "trail"),
                "artifacts": bucket(site, "artifacts"), "backup": bucket(site, "backup"),
            },
        },
        "zones": zones,
        "keys": { "rotationDays": typed.encryption.rotation_days, "deletionWindowDays": typed.encryption.deletion_window_days },
        "logs": { "retentionDays": typed.logs.retention.days() },
        "cloudTrail": typed.logs.cloud_trail,
        "flowLogs": {
            "traffic": match typed.network.flow_logs.traffic { Traffic::All => "ALL", Traffic::Accept => "ACCEPT", Traffic::Reject => "REJECT" },
            "seconds": match typed.network.flow_logs.interval_seconds { FlowLogInterval::Minute => 60, FlowLogInterval::TenMinutes => 600 },
        },
        "network": { "cidr": typed.network.cidr, "public": !typed.network.subnets.public.is_empty() },
        "api": { "allow": typed.api.allow },
        "repositoryArns": site.pulls(),
        "tags": typed.tags,
    })
}

/// Adds named values to a context.
pub(crate) fn with(mut context: Value, more: Value) -> Value {
    if let (Some(context), Value::Object(more)) = (context.as_object_mut(), more) {
        context.extend(more);
    }
    context
}

/// Who may talk to whom on which port: the rules that stand apart from their groups.
pub(crate) fn network(site: &Aws) -> Value {
    let mut rules = Vec::new();
    let mut rule = |id: &str, to: &str, from: &str, protocol: &str, ports: (u16, u16), why: &str| {
        rules.push(json!({ "id": id, "to": to, "from": from, "cidr": null, "protocol": protocol, "first": ports.0, "last": ports.1, "why": why }));
    };
    let (members, workers) = ("ControlPlaneGroup", "NodeGroup");
    rule("ApiFromBalancer", members, "ApiBalancerGroup", "tcp", (6443, 6443), "API, through the balancer");
    rule("ApiFromMembers", members, members, "tcp", (6443, 6443), "API, between members");
    rule("EtcdFromMembers", members, members, "tcp", (2379, 2380), "etcd");
    rule("KubeletFromMembers", members, members, "tcp", (10250, 10250), "kubelet");
    rule("WorkerKubeletFromMembers", workers, members, "tcp", (10250, 10250), "kubelet");
    rule("WorkerKubeletFromWorkers", workers, workers, "tcp", (10250, 10250), "kubelet, for metrics");
    // VXLAN as Linux, flannel and Cilium use it; the pinned pod network must keep to it.
    for (id, to, from) in [
        ("PodsMembersFromMembers", members, members),
        ("PodsMembersFromWorkers", members, workers),
        ("PodsWorkersFromMembers", workers, members),
        ("PodsWorkersFromWorkers", workers, workers),
    ] {
        rule(id, to, from, "udp", (8472, 8472), "pod network (VXLAN)");
    }
    if let BreakGlass::Ssh(ssh) = &site.typed().break_glass {
        for (index, cidr) in ssh.from.iter().enumerate() {
            for (kind, to) in [("Members", members), ("Workers", workers)] {
                rules.push(json!({
                    "id": format!("Ssh{kind}{}", index + 1), "to": to, "from": null, "cidr": cidr, "protocol": "tcp", "first": 22, "last": 22,
                    "why": "break-glass SSH, declared in the inventory",
                }));
            }
        }
    }
    json!({ "rules": rules })
}

/// The roles by which other accounts accept, in this VPC, the peerings that they asked for.
pub(crate) fn accepts(site: &Aws, account_of: impl Fn(&str) -> Option<String>) -> Value {
    let accepts: Vec<Value> = site
        .peers()
        .iter()
        .filter_map(|peer| match &peer.other {
            PeerOther::RequestedBy(other) => {
                let account = account_of(other.as_str()).filter(|account| account != site.typed().account.as_str())?;
                Some(json!({ "id": logical_id(peer.name.as_str()), "name": peer.name, "account": account }))
            }
            _ => None,
        })
        .collect();
    json!({ "accepts": accepts })
}

/// The site's VPN connections.
pub(crate) fn vpn(site: &Aws) -> Option<Value> {
    let vpn = site.typed().vpn.as_ref()?;
    let connections: Vec<Value> = vpn
        .connections
        .iter()
        .zip(site.vpn_ends())
        .map(|(connection, end)| {
            let negotiation = &connection.negotiation;
            let tunnels: Vec<Value> = connection
                .tunnels
                .iter()
                .map(|tunnel| {
                    // A dynamic reference: CloudFormation reads the key when it makes the connection
                    // (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-secretsmanager.html).
                    let reference = format!("{{{{resolve:secretsmanager:{}:SecretString:{}}}}}", tunnel.preshared_key.secret, tunnel.preshared_key.key);
                    json!({ "insideCidr": tunnel.inside_cidr, "presharedKey": reference })
                })
                .collect();
            json!({
                "id": logical_id(connection.to.as_str()), "to": connection.to, "address": end.address, "asn": end.asn,
                "static": connection.routing == Routing::Static,
                "routes": if connection.routing == Routing::Static { end.cidrs.clone() } else { Vec::new() },
                "tunnels": tunnels,
                "encryption": negotiation.encryption, "integrity": negotiation.integrity, "dhGroups": negotiation.dh_groups,
                "start": match negotiation.start { TunnelStart::Aws => "start", TunnelStart::Peer => "add" },
                "deadPeer": match negotiation.dead_peer { DeadPeer::Clear => "clear", DeadPeer::Restart => "restart", DeadPeer::Keep => "none" },
                "deadPeerSeconds": negotiation.dead_peer_seconds,
            })
        })
        .collect();
    Some(json!({ "amazonAsn": vpn.amazon_asn, "connections": connections }))
}

/// The site's peerings, and those parameters of their stack that come from elsewhere.
pub(crate) fn peering(site: &Aws) -> Option<(Value, BTreeMap<String, Parameter>)> {
    if site.peers().is_empty() {
        return None;
    }
    let mut given = BTreeMap::new();
    let mut peers = Vec::new();
    for peer in site.peers() {
        let id = logical_id(peer.name.as_str());
        let mut parameter = None;
        let (mut vpc, mut account, mut region, mut role) = (Value::Null, Value::Null, Value::Null, None);
        match &peer.other {
            PeerOther::Foreign(other) => {
                vpc = json!(other.id);
                if other.account != site.typed().account {
                    (account, role) = (json!(other.account), other.accept_role.as_ref().map(ToString::to_string));
                }
                if other.region != site.typed().region {
                    region = json!(other.region);
                }
            }
            PeerOther::RequestedOf { site: other, account: theirs, region: there } => {
                let name = format!("PeerVpc{id}");
                given.insert(
                    name.clone(),
                    Parameter::Output { stack: format!("{other}-network"), output: "VpcId".to_owned() },
                );
                parameter = Some(name);
                (account, region) = (json!(theirs), json!(there));
                role = theirs
                    .as_ref()
                    .map(|account| format!("arn:aws:iam::{account}:role/incline-{other}-accept-{}", peer.name));
            }
            PeerOther::RequestedBy(other) => {
                let name = format!("Connection{id}");
                given.insert(
                    name.clone(),
                    Parameter::Output { stack: format!("{other}-peering"), output: format!("Peering{id}Id") },
                );
                parameter = Some(name);
            }
        }
        let role_parameter = role.map(|role| {
            let name = format!("AcceptRole{id}");
            given.insert(name.clone(), Parameter::Value(role));
            name
        });
        peers.push(json!({
            "id": id, "name": peer.name, "asks": !matches!(peer.other, PeerOther::RequestedBy(_)), "parameter": parameter,
            "vpc": vpc, "account": account, "region": region, "role": role_parameter, "cidrs": peer.cidrs,
        }));
    }
    let mut tables = vec!["IsolatedRoutes".to_owned()];
    tables.extend(site.zones().iter().map(|zone| format!("PrivateRoutes{}", zone_id(&zone.zone))));
    let asks = site.peers().iter().any(|peer| !matches!(peer.other, PeerOther::RequestedBy(_)));
    Some((json!({ "peers": peers, "tables": tables, "asks": asks }), given))
}

/// The repositories: the declared ones, and the mirrors of Kubernetes' own images.
pub(crate) fn registry(site: &Aws) -> Value {
    let rule = |priority: u8, description: &str, selection: Value| json!({ "rulePriority": priority, "description": description, "selection": selection, "action": { "type": "expire" } });
    let mut repositories: Vec<Value> = lock::IMAGES
        .iter()
        .map(|lock::KnownImage { name: image, .. }| {
            let name = format!("{}/kubernetes/{image}", site.typed().name);
            json!({ "id": logical_id(&format!("kubernetes-{image}")), "name": name, "lifecycle": null, "pullAccounts": [] })
        })
        .collect();
    for repository in &site.typed().registry.repositories {
        let lifecycle = json!({ "rules": [
            rule(1, "untagged images", json!({ "tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": repository.untagged_days })),
            rule(2, "old images", json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": repository.keep_images })),
        ] });
        repositories.push(json!({
            "id": logical_id(repository.name.as_str()), "name": repository.name, "lifecycle": lifecycle.to_string(), "pullAccounts": repository.pull_accounts,
        }));
    }
    json!({ "repositories": repositories })
}

/// The interface endpoints.
pub(crate) fn endpoints(site: &Aws) -> Value {
    let mut endpoints = site.typed().network.endpoints.clone();
    endpoints.sort();
    let endpoints: Vec<Value> = endpoints
        .iter()
        .map(|endpoint| {
            let service = json!(endpoint);
            let id = logical_id(&service.as_str().unwrap_or_default().replace('.', "-"));
            json!({ "id": id, "service": service })
        })
        .collect();
    json!({ "endpoints": endpoints })
}

/// A member of the control plane.
pub(crate) fn member(member: &Member) -> Value {
    json!({ "id": zone_id(&member.zone), "zone": member.zone, "letter": member.zone.letter(), "address": member.address })
}

/// What outlives the machines.
pub(crate) fn data(site: &Aws) -> Value {
    let control_plane = &site.typed().control_plane;
    json!({
        "members": site.members().iter().map(member).collect::<Vec<_>>(),
        "etcd": { "sizeGib": control_plane.etcd_volume.size_gib, "iops": control_plane.etcd_volume.iops, "throughput": control_plane.etcd_volume.throughput },
        "backupDays": control_plane.snapshots.keep_days,
    })
}

/// The parameters that name a balancer's subnets: public ones for a public balancer.
pub(crate) fn subnets(site: &Aws, exposure: &Exposure, internal: &str) -> Vec<String> {
    let kind = if *exposure == Exposure::Internal { internal } else { "Public" };
    site.typed().zones.iter().map(|zone| format!("{kind}Subnet{}Id", zone_id(zone))).collect()
}

/// A balancer's scheme as AWS calls it.
pub(crate) fn scheme(exposure: &Exposure) -> &'static str {
    if *exposure == Exposure::Internal { "internal" } else { "internet-facing" }
}

/// A declared balancer.
pub(crate) fn balancer(site: &Aws, balancer: &Balancer) -> Value {
    let reference = |policy: Option<TlsPolicy>| json!(policy.unwrap_or(TlsPolicy::Tls12));
    let listeners: Vec<Value> = balancer
        .listeners
        .iter()
        .map(|listener| {
            json!({
                "port": listener.port, "nodePort": listener.node_port,
                "protocol": match listener.protocol { ListenerProtocol::Https => "HTTPS", ListenerProtocol::Ssl => "SSL", ListenerProtocol::Passthrough => "TCP" },
                "certificate": listener.certificate,
                // A policy's name inside the balancer; it only refers to AWS's predefined one.
                "policy": "tls-1-2",
            })
        })
        .collect();
    let policies: Vec<Value> = balancer
        .listeners
        .iter()
        .find(|listener| listener.certificate.is_some())
        .map(|listener| json!({ "name": "tls-1-2", "reference": reference(listener.tls_policy) }))
        .into_iter()
        .collect();
    let health = &balancer.health_check;
    let target = match health.protocol {
        HealthProtocol::Tcp => format!("TCP:{}", health.node_port),
        HealthProtocol::Ssl => format!("SSL:{}", health.node_port),
        HealthProtocol::Https => {
            format!("HTTPS:{}{}", health.node_port, health.path.as_ref().map_or("/", |path| path.as_str()))
        }
    };
    let ports: BTreeSet<u16> =
        balancer.listeners.iter().map(|listener| listener.node_port).chain([health.node_port]).collect();
    json!({
        "balancer": {
            "name": balancer.name, "id": logical_id(balancer.name.as_str()), "fullName": format!("{}-{}", site.typed().name, balancer.name),
            "scheme": scheme(&balancer.exposure), "listeners": listeners, "policies": policies, "target": target,
            "interval": health.interval_seconds, "timeout": health.timeout_seconds, "idleSeconds": balancer.idle_seconds,
            "allow": balancer.allow, "nodePorts": ports,
        },
        "subnets": subnets(site, &balancer.exposure, "Private"),
    })
}

/// A pool's data volumes with their device names.
fn data_volumes(pool: &Pool) -> Vec<Value> {
    pool.data_volumes
        .iter()
        .zip(b'f'..=b'p')
        .map(|(volume, letter)| json!({ "device": format!("/dev/xvd{}", char::from(letter)), "sizeGib": volume.size_gib, "mount": volume.mount }))
        .collect()
}

/// A worker pool.
pub(crate) fn pool(site: &Aws, pool: &Pool) -> Value {
    let typed = site.typed();
    let stack = format!("{}-pool-{}", typed.name, pool.name);
    let mut policies: Vec<String> = pool.policies.iter().map(ToString::to_string).collect();
    if typed.break_glass == BreakGlass::Ssm {
        policies.push("arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore".to_owned());
    }
    policies.sort();
    policies.dedup();
    let mut tags = typed.tags.clone();
    tags.extend(pool.tags.clone());
    let balancers: Vec<String> = typed
        .balancers
        .iter()
        .filter(|balancer| balancer.pools.contains(&pool.name))
        .map(|balancer| format!("Balancer{}Name", logical_id(balancer.name.as_str())))
        .collect();
    let subnets: Vec<String> =
        site.pool_zones(pool).iter().map(|zone| format!("PrivateSubnet{}Id", zone_id(zone))).collect();
    // The first nodes come up side by side; what follows comes in batches.
    let creation_minutes = u16::from(pool.update.pause_minutes) * 2;
    json!({
        "pool": {
            "name": pool.name, "stack": stack, "roleName": format!("incline-{stack}"),
            "instanceTypes": pool.instance_types, "spotPercent": pool.spot_percent,
            "min": pool.size.min, "desired": pool.size.desired, "max": pool.size.max,
            "inService": Aws::nodes_in_service(pool), "batch": pool.update.batch,
            "pause": format!("PT{}M", pool.update.pause_minutes), "creationTimeout": format!("PT{creation_minutes}M"),
            "rootVolumeGib": pool.root_volume_gib, "dataVolumes": data_volumes(pool), "policies": policies,
            "refreshed": pool.update.by == UpdateBy::InstanceRefresh,
        },
        "tags": tags, "balancers": balancers, "subnets": subnets,
    })
}

/// What every machine fetches while it boots, beside its own configuration.
pub(crate) fn fetched(site: &Aws) -> Vec<Fetched> {
    let (pins, bucket, mirror) = (site.pins(), bucket(site, "artifacts"), mirror_registry(site));
    let (registry, below) = mirror.split_once('/').unwrap_or((mirror.as_str(), ""));
    // What is not pinned cannot be looked for; nothing is applied before it is.
    let artifacts = [&pins.kubernetes, &pins.network].into_iter().filter_map(Pin::pinned).map(|artifact| Fetched {
        name: artifact.file.to_string(),
        source: artifact.source.to_string(),
        at: Origin::Object { bucket: bucket.clone(), key: mirror_key(artifact), size: artifact.size },
    });
    let images =
        pins.images.iter().filter_map(|(name, image)| Some((name, image.pinned()?))).map(|(name, image)| Fetched {
            name: name.to_owned(),
            source: image.source.to_string(),
            at: Origin::Image {
                registry: registry.to_owned(),
                repository: format!("{below}/{name}"),
                tag: image.tag.to_string(),
                digest: image.digest.to_string(),
            },
        });
    artifacts.chain(images).collect()
}

/// An artifact's key in the site's bucket.
fn mirror_key(artifact: &lock::Artifact) -> String {
    format!("mirror/{}/{}", artifact.sha512.as_str(), artifact.file)
}

/// What every node's manifest sees; `pulled` names those of Kubernetes' own images that it pulls before it joins.
fn node(site: &Aws, stack: &str, pulled: &[&str], environment: Value) -> Value {
    let typed = site.typed();
    let pins = site.pins();
    let artifact = |artifact: &Pin<lock::Artifact>| {
        let bucket = bucket(site, "artifacts");
        let url = artifact.map(|it| format!("s3://{bucket}/{}", mirror_key(it)));
        json!({ "file": artifact.map(|it| &it.file), "sha512": artifact.map(|it| &it.sha512), "url": url })
    };
    let images = pins.images.iter().filter(|(name, _)| pulled.contains(name)).map(
        |(name, image)| json!({ "name": name, "tag": image.map(|it| &it.tag), "digest": image.map(|it| &it.digest) }),
    );
    let images: Vec<Value> = images.collect();
    let registries: BTreeSet<String> = site
        .pulls()
        .iter()
        .filter_map(|arn| {
            let parts: Vec<&str> = arn.split(':').collect();
            Some(format!("{}.dkr.ecr.{}.amazonaws.com", parts.get(4)?, parts.get(3)?))
        })
        .collect();
    let registry = mirror_registry(site);
    let mut variables = BTreeMap::from([
        ("SITE".to_owned(), json!(typed.name)),
        ("REGION".to_owned(), json!(typed.region)),
        ("STACK".to_owned(), json!(stack)),
        ("REGISTRY".to_owned(), json!(registry)),
    ]);
    if let Value::Object(more) = environment {
        variables.extend(more);
    }
    json!({
        "aws": true, "etcdDisk": false, "dedicated": true, "patched": true, "labels": "", "taintsFlag": "", "bin": "/usr/bin", "site": typed.name, "registry": registry, "registries": registries, "images": images,
        "pause": format!("{registry}/pause:{}", pins.images.tag("pause")),
        "coredns": pins.images.tag("coredns"), "etcd": pins.images.tag("etcd"),
        "pins": { "kubernetes": artifact(&pins.kubernetes), "network": artifact(&pins.network) },
        "version": typed.kubernetes.version, "podCidr": typed.kubernetes.pod_cidr, "serviceCidr": typed.kubernetes.service_cidr,
        "api": format!("api.{}", typed.domain),
        "environment": variables,
        "sshKeys": match &typed.break_glass { BreakGlass::Ssh(ssh) => json!(ssh.keys), _ => json!([]) },
    })
}

/// A control-plane node.
pub(crate) fn control_plane_node(site: &Aws, member: &Member, stack: &str) -> Value {
    let typed = site.typed();
    let name = |zone: &Zone| format!("{}-control-plane-{}", typed.name, zone.letter());
    let environment = json!({
        "MEMBER": member.zone.letter(), "LEADER": if member.leader { "yes" } else { "no" }, "NODE": name(&member.zone),
        "API": format!("api.{}", typed.domain), "BACKUP_BUCKET": bucket(site, "backup"),
    });
    with(
        node(site, stack, &lock::IMAGES.map(|image| image.name), environment),
        json!({
            "address": member.address, "node": name(&member.zone), "controlPlane": true,
            "snapshotMinutes": typed.control_plane.snapshots.every_minutes,
            // Zones differ in their letter: members renew their certificates at different hours.
            "certificateHour": member.zone.letter().bytes().next().map_or(0, |letter| letter % 24),
        }),
    )
}

/// Which of Kubernetes' own images may run on a worker.
const WORKER_IMAGES: [&str; 3] = ["coredns", "kube-proxy", "pause"];

/// A worker node.
pub(crate) fn worker_node(site: &Aws, pool: &Pool, stack: &str) -> Value {
    let taints: Vec<Value> = pool
        .taints
        .iter()
        .map(|taint| json!({ "key": taint.key, "value": taint.value.as_ref().map_or("", |value| value.as_str()), "effect": taint.effect }))
        .collect();
    let mut labels: Vec<String> = vec![format!("incline.internal/pool={}", pool.name)];
    labels.extend(pool.labels.iter().map(|(key, value)| format!("{key}={value}")));
    with(
        node(site, stack, &WORKER_IMAGES, json!({})),
        json!({ "taints": taints, "labels": labels.join(","), "dataVolumes": data_volumes(pool) }),
    )
}
