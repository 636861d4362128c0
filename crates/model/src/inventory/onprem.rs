//! `kind: OnPremSite`: a Kubernetes cluster on hosts reached over SSH, with NFS, local storage and an F5 BIG-IP.
use super::{FormatVersion, Kubernetes, Labels, Safeguards, SecretSource, Taint};
use crate::prelude::*;
use crate::scalar::{
    AbsolutePath, Address, AgeRecipient, BigIpPath, Cidr, DiskId, DnsName, Endpoint, Fingerprint, LocalPath, Name,
    Thumbprint, Url, UserName,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Kubernetes cluster on hosts of a data centre.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OnPremSite {
    /// The version of this file's format: `v1`.
    pub version: FormatVersion,
    /// The kind of site: `OnPremSite`.
    pub kind: Kind,
    /// The site's name, unique in the estate.
    pub name: Name,
    /// The site's networks.
    pub network: Network,
    /// How hosts are reached.
    pub ssh: Ssh,
    /// The hosts.
    #[schemars(length(min = 1))]
    pub hosts: Vec<Host>,
    /// Kubernetes itself.
    pub kubernetes: Kubernetes,
    /// How the Kubernetes API is reached.
    pub api: Api,
    /// Snapshots of etcd on the control-plane hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd_snapshots: Option<EtcdSnapshots>,
    /// How the hosts' disks are encrypted: all of them, whatever they are for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_encryption: Option<DiskEncryption>,
    /// NFS storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nfs: Option<Nfs>,
    /// Encrypted local storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_storage: Option<LocalStorage>,
    /// The F5 BIG-IP in front of the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub f5: Option<F5>,
    /// Where hosts fetch binaries and images from.
    pub mirror: Url,
    /// The safeguards that the site is held to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safeguards: Option<Safeguards>,
}

/// The kind of site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "OnPremKind")]
pub enum Kind {
    /// A site on premises.
    OnPremSite,
}

/// The site's networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "OnPremNetwork")]
pub struct Network {
    /// Every network of the site that others can reach.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub cidrs: Vec<Cidr>,
    /// The gateway at which VPN connections from AWS sites end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpn_gateway: Option<VpnGateway>,
}

/// The gateway at which VPN connections from AWS sites end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VpnGateway {
    /// Its address on the internet.
    pub address: Address,
    /// Its AS number, for BGP.
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub asn: u32,
    /// The host that is the gateway, with the role `vpnGateway`. Without it, the gateway is somebody else's device; `incline
    /// vpn-config` says what it must be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Name>,
    /// Where the machine that runs incline finds the tunnels' pre-shared keys, for a gateway that is a host.
    #[serde(default)]
    pub preshared_keys: Vec<VpnKeys>,
}

/// The pre-shared keys of the tunnels from an AWS site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VpnKeys {
    /// The AWS site.
    pub from: Name,
    /// The keys of its two tunnels, in their order.
    #[schemars(length(min = 2, max = 2))]
    pub tunnels: Vec<SecretSource>,
}

/// How hosts are reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Ssh {
    /// The user to log in as.
    pub user: UserName,
    /// The port.
    #[serde(default = "twenty_two")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// The private key; without it, the agent's keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<LocalPath>,
    /// A known_hosts file for hosts without a `hostKey` of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_hosts: Option<LocalPath>,
    /// Hosts to go through, in order.
    #[serde(default)]
    #[schemars(length(max = 4))]
    pub jump: Vec<JumpHost>,
    /// How root's rights are got.
    #[serde(default)]
    pub become_root: Become,
}

fn twenty_two() -> u16 {
    22
}

/// A host to go through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct JumpHost {
    /// Its address or name.
    pub address: HostAddress,
    /// Its port.
    #[serde(default = "twenty_two")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// The user to log in as. Default: the site's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserName>,
    /// Its host key.
    pub host_key: Fingerprint,
}

/// How root's rights are got.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Become {
    /// `sudo` without a password.
    #[default]
    Sudo,
    /// `sudo` with a password, which comes from here.
    SudoPassword(SecretSource),
    /// The login user is root.
    None,
}

/// An IPv4 address or a DNS name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HostAddress {
    /// An address.
    Ip(Address),
    /// A name.
    Dns(DnsName),
}

/// A host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Host {
    /// The host's name: its hostname and its Kubernetes node's name.
    pub name: Name,
    /// Its address, inside one of the site's networks.
    pub address: Address,
    /// Its SSH host key. Without it, `ssh.knownHosts` must know the host; a host that nothing vouches for is not talked to.
    /// `incline trust` writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<Fingerprint>,
    /// What it does.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub roles: Vec<Role>,
    /// Disks that incline may take.
    #[serde(default)]
    pub disks: Vec<Disk>,
    /// Labels of its node.
    #[serde(default)]
    pub labels: Labels,
    /// Taints of its node.
    #[serde(default)]
    pub taints: Vec<Taint>,
    /// NFS exports that it mounts itself. Pods need none of it: they get theirs by the storage class.
    #[serde(default)]
    pub nfs_mounts: Vec<NfsMount>,
}

/// An NFS export that a host mounts itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NfsMount {
    /// The export, by its directory on the server.
    pub export: AbsolutePath,
    /// Where it is mounted.
    pub at: AbsolutePath,
}

/// What a host does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Runs the API and etcd.
    ControlPlane,
    /// Runs workloads.
    Worker,
    /// Serves NFS.
    NfsServer,
    /// Ends the VPN tunnels from AWS.
    VpnGateway,
}

/// A disk that incline may take. What it holds is never formatted away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Disk {
    /// The disk's name in the cluster.
    pub name: Name,
    /// Its link below `/dev/disk/by-id/`.
    pub id: DiskId,
    /// What it is for.
    pub purpose: DiskPurpose,
    /// Its size in GiB: a smaller one is refused. A local volume is offered with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub size_gib: Option<u32>,
}

/// What a disk is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DiskPurpose {
    /// etcd's data, at `/var/lib/etcd`.
    Etcd,
    /// A local persistent volume, at `/var/lib/incline/volumes/NAME`.
    LocalVolume,
    /// NFS exports, at `/srv/NAME`.
    Nfs,
}

/// How the Kubernetes API is reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "OnPremApi")]
pub struct Api {
    /// Its DNS name: a name can be pointed elsewhere, an address cannot.
    pub name: DnsName,
    /// The virtual address that the name stands for.
    pub address: Address,
}

/// Snapshots of etcd on the control-plane hosts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EtcdSnapshots {
    /// Who can open them.
    pub recipient: AgeRecipient,
    /// How often one is taken, in minutes.
    #[serde(default = "hour")]
    #[schemars(range(min = 5, max = 1440))]
    pub every_minutes: u16,
    /// How many each host keeps.
    #[serde(default = "two_days")]
    #[schemars(range(min = 2, max = 1000))]
    pub keep: u16,
}

fn hour() -> u16 {
    60
}

fn two_days() -> u16 {
    48
}

/// NFS storage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Nfs {
    /// The host that serves it.
    pub server: Name,
    /// The exports.
    #[schemars(length(min = 1))]
    pub exports: Vec<Export>,
    /// How the traffic is encrypted. There is no silent fallback.
    #[serde(default)]
    pub transport: NfsTransport,
}

/// An NFS export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Export {
    /// The directory on the server, on one of its disks: `/srv/NAME`, or below it.
    pub path: AbsolutePath,
    /// The storage class that hands it out.
    pub storage_class: Name,
    /// Networks that may mount it.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub clients: Vec<Cidr>,
}

/// How NFS traffic is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NfsTransport {
    /// RPC with TLS, both ends with certificates (RFC 9289).
    #[default]
    MutualTls,
    /// Kerberos with privacy (`sec=krb5p`).
    Kerberos,
}

/// Encrypted local storage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LocalStorage {
    /// The storage class of the local volumes.
    pub storage_class: Name,
    /// The filesystem.
    #[serde(default)]
    pub filesystem: Filesystem,
}

/// A filesystem.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Filesystem {
    /// XFS.
    #[default]
    Xfs,
    /// ext4.
    Ext4,
}

/// How LUKS2 disks are unlocked and recovered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DiskEncryption {
    /// Tang servers, any of which unlocks (with the TPM, where it is asked for).
    #[serde(default)]
    pub tang: Vec<Tang>,
    /// Whether the host's TPM2 is needed too.
    #[serde(default)]
    pub tpm2: bool,
    /// Who can open the escrowed recovery keys.
    pub recovery: AgeRecipient,
}

/// A tang server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tang {
    /// Its address.
    pub url: Url,
    /// Its signing key's thumbprint.
    pub thumbprint: Thumbprint,
}

/// The F5 BIG-IP in front of the site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct F5 {
    /// The units: one, or the two of a pair.
    #[schemars(length(min = 1, max = 2), extend("uniqueItems" = true))]
    pub units: Vec<Endpoint>,
    /// The user to log in as.
    pub user: UserName,
    /// Where the password comes from.
    pub password: SecretSource,
    /// How the units' TLS certificates are checked.
    pub trust: Trust,
    /// The device group that takes each change over (`/Common/pair`). Without it, a pair is brought in step by hand, or by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_to: Option<BigIpPath>,
    /// How long a node that is about to be drained may keep its connections, in seconds, before its work begins.
    #[serde(default = "five_minutes")]
    #[schemars(range(min = 0, max = 3600))]
    pub drain_seconds: u16,
    /// Virtual servers in front of the site's applications. The API's is made from `api`.
    #[serde(default)]
    pub virtual_servers: Vec<VirtualServer>,
}

fn five_minutes() -> u16 {
    300
}

/// How a TLS certificate is checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Trust {
    /// Against the certificate authority in this file.
    CaFile(LocalPath),
    /// Against this fingerprint.
    Certificate(Fingerprint),
}

/// A virtual server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VirtualServer {
    /// Its name.
    pub name: Name,
    /// Its address.
    pub address: Address,
    /// Its port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// The NodePort that it is passed on to.
    #[schemars(range(min = 30000, max = 32767))]
    pub node_port: u16,
    /// How the traffic is carried.
    pub mode: VirtualServerMode,
    /// Networks that may reach it.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub allow: Vec<Cidr>,
    /// Labels of the workers that it is passed on to. Default: all workers.
    #[serde(default)]
    pub nodes: Labels,
    /// How connections are spread over them.
    #[serde(default)]
    pub balance: Balance,
    /// Whether who came once comes to the same node again.
    #[serde(default)]
    pub persistence: Persistence,
    /// How nodes are watched. Default: by a connection; by ping for UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HttpsCheck>,
    /// Whether plain HTTP on port 80 is sent to it.
    #[serde(default)]
    pub redirect_http: bool,
}

/// How connections are spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Balance {
    /// To each in turn.
    #[default]
    RoundRobin,
    /// To the one with the fewest.
    LeastConnections,
}

/// Whether who came once comes to the same node again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Persistence {
    /// No.
    #[default]
    None,
    /// By their address.
    SourceAddress,
    /// By a cookie: `reEncrypt` alone can read one.
    Cookie,
}

/// A node that answers a request over HTTPS well is well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "OnPremHttpsCheck")]
pub struct HttpsCheck {
    /// What is asked for: `/healthz`.
    pub path: AbsolutePath,
    /// The name in the request's `Host`.
    pub host: DnsName,
}

/// How a virtual server carries traffic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum VirtualServerMode {
    /// TCP, untouched: the pods end TLS themselves.
    Passthrough,
    /// TCP, which the device ends and begins anew.
    Tcp,
    /// UDP, untouched.
    Udp,
    /// HTTPS to the device and again to the node.
    ReEncrypt(ReEncrypt),
}

/// HTTPS to the device and again to the node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ReEncrypt {
    /// The certificate on the device.
    pub certificate: BigIpPath,
    /// Its key on the device.
    pub key: BigIpPath,
    /// The authority on the device that nodes' certificates are checked against.
    pub trust: BigIpPath,
    /// The name that nodes' certificates must bear.
    pub server_name: DnsName,
    /// A policy of the application firewall on the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waf: Option<BigIpPath>,
}
