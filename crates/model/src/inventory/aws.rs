//! `kind: AwsSite`: a Kubernetes cluster in one AWS region, as CloudFormation stacks.
use super::{FormatVersion, Kubernetes, Labels, SecretKey, Taint};
use crate::prelude::*;
use crate::scalar::{
    AbsolutePath, AccountId, Arn, Cidr, DnsName, InstanceType, Line, Name, PublicKey, Region, RepositoryName,
    VpcId, Zone,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Kubernetes cluster in one AWS region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AwsSite {
    /// The version of this file's format: `v1`.
    pub version: FormatVersion,
    /// The kind of site: `AwsSite`.
    pub kind: Kind,
    /// The site's name, unique in the estate; it begins the name of every stack.
    pub name: Name,
    /// The AWS account that the site stands in, in quotes.
    pub account: AccountId,
    /// The region that the site stands in.
    pub region: Region,
    /// The availability zones that the site uses.
    #[schemars(length(min = 1, max = 6), extend("uniqueItems" = true))]
    pub zones: Vec<Zone>,
    /// The private DNS zone of the site; the API is reached as `api.` in it.
    pub domain: DnsName,
    /// Tags for every stack and everything in it: owner, cost centre, class of data.
    #[serde(default)]
    pub tags: BTreeMap<String, Line>,
    /// The VPC.
    pub network: Network,
    /// VPC peering with other sites of the estate or with VPCs elsewhere.
    #[serde(default)]
    pub peering: Vec<Peering>,
    /// Site-to-site VPN to on-prem sites of the estate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpn: Option<Vpn>,
    /// Kubernetes itself.
    pub kubernetes: Kubernetes,
    /// How the Kubernetes API is reached.
    #[serde(default)]
    pub api: Api,
    /// The machines that run the API and etcd, one a zone.
    pub control_plane: ControlPlane,
    /// The worker pools, each an Auto Scaling Group of its own.
    #[schemars(length(min = 1))]
    pub pools: Vec<Pool>,
    /// Classic load balancers in front of pools.
    #[serde(default)]
    pub balancers: Vec<Balancer>,
    /// Container repositories.
    #[serde(default)]
    pub registry: Registry,
    /// Customer-managed keys.
    #[serde(default)]
    pub encryption: Encryption,
    /// Logs and CloudTrail.
    #[serde(default)]
    pub logs: Logs,
    /// How people reach a node when all else fails.
    #[serde(default)]
    pub break_glass: BreakGlass,
}

/// The kind of site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AwsKind")]
pub enum Kind {
    /// A site in AWS.
    AwsSite,
}

/// The VPC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "AwsNetwork")]
pub struct Network {
    /// The VPC's network, /16 to /28.
    pub cidr: Cidr,
    /// The subnets, one of each kind a zone.
    pub subnets: Subnets,
    /// How nodes reach the internet.
    pub egress: Egress,
    /// Interface endpoints, so that calls to AWS stay inside the VPC. The S3 gateway endpoint is always there.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub endpoints: Vec<Endpoint>,
    /// VPC flow logs; always on.
    #[serde(default)]
    pub flow_logs: FlowLogs,
}

/// Subnets by kind, then by zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Subnets {
    /// Reachable from the internet: only where a NAT gateway or a public balancer needs it.
    #[serde(default)]
    pub public: BTreeMap<String, Cidr>,
    /// Workers and internal balancers; way out by the site's egress.
    pub private: BTreeMap<String, Cidr>,
    /// Control plane, etcd and interface endpoints: no way out but to endpoints, peers and VPN.
    pub isolated: BTreeMap<String, Cidr>,
}

/// How nodes reach the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Egress {
    /// A NAT gateway in every zone: the loss of a zone takes nothing from the others.
    NatPerZone,
    /// One NAT gateway: cheaper, and the loss of its zone cuts all of them off.
    SingleNat,
    /// No way out: interface endpoints only.
    None,
}

/// AWS services that have an interface endpoint which a site can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Endpoint {
    #[allow(missing_docs)]
    #[serde(rename = "autoscaling")]
    AutoScaling,
    #[allow(missing_docs)]
    #[serde(rename = "cloudformation")]
    CloudFormation,
    #[allow(missing_docs)]
    #[serde(rename = "ec2")]
    Ec2,
    #[allow(missing_docs)]
    #[serde(rename = "ec2messages")]
    Ec2Messages,
    #[allow(missing_docs)]
    #[serde(rename = "ecr.api")]
    EcrApi,
    #[allow(missing_docs)]
    #[serde(rename = "ecr.dkr")]
    EcrDkr,
    #[allow(missing_docs)]
    #[serde(rename = "elasticloadbalancing")]
    ElasticLoadBalancing,
    #[allow(missing_docs)]
    #[serde(rename = "kms")]
    Kms,
    #[allow(missing_docs)]
    #[serde(rename = "logs")]
    Logs,
    #[allow(missing_docs)]
    #[serde(rename = "secretsmanager")]
    SecretsManager,
    #[allow(missing_docs)]
    #[serde(rename = "ssm")]
    Ssm,
    #[allow(missing_docs)]
    #[serde(rename = "ssmmessages")]
    SsmMessages,
    #[allow(missing_docs)]
    #[serde(rename = "sts")]
    Sts,
}

/// VPC flow logs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct FlowLogs {
    /// Which traffic is logged.
    pub traffic: Traffic,
    /// How long packets are gathered into one record, in seconds.
    pub interval_seconds: FlowLogInterval,
}

impl Default for FlowLogs {
    fn default() -> Self {
        Self { traffic: Traffic::All, interval_seconds: FlowLogInterval::Minute }
    }
}

/// Which traffic is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Traffic {
    /// All of it.
    All,
    /// What was let through.
    Accept,
    /// What was refused.
    Reject,
}

/// How long packets are gathered into one flow-log record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FlowLogInterval {
    /// One minute.
    #[serde(rename = "60s")]
    Minute,
    /// Ten minutes.
    #[serde(rename = "600s")]
    TenMinutes,
}

/// VPC peering.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Peering {
    /// The peering's name.
    pub name: Name,
    /// The other side.
    pub with: Peer,
}

/// The other side of a peering.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Peer {
    /// An AWS site of this estate. Name it on one of the two sides; both sides get their routes.
    Site(Name),
    /// A VPC that incline does not manage. Its side of the routes is its owner's to make.
    Vpc(PeerVpc),
}

/// A VPC that incline does not manage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PeerVpc {
    /// The VPC.
    pub id: VpcId,
    /// Its account.
    pub account: AccountId,
    /// Its region.
    pub region: Region,
    /// Its networks, to which routes are made.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub cidrs: Vec<Cidr>,
    /// The role by which the request is accepted in another account; without it the owner accepts by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_role: Option<Arn>,
}

/// Site-to-site VPN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Vpn {
    /// The private AS number of the AWS side, for BGP.
    #[schemars(range(min = 64512, max = 65534))]
    pub amazon_asn: u32,
    /// The connections, one an on-prem site.
    #[schemars(length(min = 1))]
    pub connections: Vec<VpnConnection>,
}

/// A VPN connection of two tunnels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VpnConnection {
    /// The on-prem site of this estate at the other end; it must have a `vpnGateway`.
    pub to: Name,
    /// How each side learns the other's networks.
    pub routing: Routing,
    /// The two tunnels.
    #[schemars(length(min = 2, max = 2))]
    pub tunnels: Vec<Tunnel>,
    /// How both tunnels are negotiated.
    #[serde(default)]
    pub negotiation: Negotiation,
}

/// How routes are learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Routing {
    /// By BGP.
    Bgp,
    /// By fixed routes to the other site's networks.
    Static,
}

/// A tunnel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tunnel {
    /// The tunnel's own addresses: a /30 in 169.254.0.0/16.
    pub inside_cidr: Cidr,
    /// Where the pre-shared key lies in Secrets Manager.
    pub preshared_key: SecretKey,
}

/// How a tunnel is negotiated; the defaults allow IKEv2 with AES-256-GCM alone
/// (<https://docs.aws.amazon.com/vpn/latest/s2svpn/VPNTunnels.html>).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Negotiation {
    /// Encryption of both phases.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub encryption: Vec<TunnelEncryption>,
    /// Integrity of both phases.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub integrity: Vec<TunnelIntegrity>,
    /// Diffie-Hellman groups of both phases; 14 is the least that is accepted.
    #[schemars(length(min = 1), inner(range(min = 14, max = 24)), extend("uniqueItems" = true))]
    pub dh_groups: Vec<u8>,
    /// Which side begins.
    pub start: TunnelStart,
    /// What AWS does when the peer is silent.
    pub dead_peer: DeadPeer,
    /// After how much silence, in seconds.
    #[schemars(range(min = 30, max = 3600))]
    pub dead_peer_seconds: u16,
}

impl Default for Negotiation {
    fn default() -> Self {
        Self {
            encryption: vec![TunnelEncryption::Aes256Gcm],
            integrity: vec![TunnelIntegrity::Sha384, TunnelIntegrity::Sha512],
            dh_groups: vec![20, 21],
            start: TunnelStart::Peer,
            dead_peer: DeadPeer::Restart,
            dead_peer_seconds: 30,
        }
    }
}

/// A tunnel's encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TunnelEncryption {
    /// AES-256 in GCM mode.
    #[serde(rename = "AES256-GCM-16")]
    Aes256Gcm,
    /// AES-256 in CBC mode.
    #[serde(rename = "AES256")]
    Aes256,
}

/// A tunnel's integrity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TunnelIntegrity {
    /// SHA-256.
    #[serde(rename = "SHA2-256")]
    Sha256,
    /// SHA-384.
    #[serde(rename = "SHA2-384")]
    Sha384,
    /// SHA-512.
    #[serde(rename = "SHA2-512")]
    Sha512,
}

/// Which side begins a negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TunnelStart {
    /// AWS.
    Aws,
    /// The on-prem gateway.
    Peer,
}

/// What AWS does when the peer is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DeadPeer {
    /// Ends the session.
    Clear,
    /// Begins it again.
    Restart,
    /// Nothing.
    Keep,
}

/// How the Kubernetes API is reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Api {
    /// Internal, or public with a reason.
    pub exposure: Exposure,
    /// Networks that may reach it, beside the nodes themselves.
    #[schemars(extend("uniqueItems" = true))]
    pub allow: Vec<Cidr>,
}

impl Default for Api {
    fn default() -> Self {
        Self { exposure: Exposure::Internal, allow: Vec::new() }
    }
}

/// Whether a balancer can be reached from the internet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Exposure {
    /// Only from inside the VPC and what is joined to it.
    Internal,
    /// From the internet, for the reason given.
    Public(PublicExposure),
}

/// Why something can be reached from the internet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PublicExposure {
    /// Why, for who reviews the site.
    pub reason: Line,
}

/// The machines that run the API and etcd.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "AwsControlPlane")]
pub struct ControlPlane {
    /// The zones that hold a member: one, three or five. Default: all zones of the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("uniqueItems" = true))]
    pub zones: Option<Vec<Zone>>,
    /// The instance type.
    pub instance_type: InstanceType,
    /// The root volume, in GiB.
    #[serde(default = "forty")]
    #[schemars(range(min = 20, max = 1024))]
    pub root_volume_gib: u16,
    /// The volume that holds etcd's data and the member's identity. It outlives the machine and the stack.
    #[serde(default)]
    pub etcd_volume: EtcdVolume,
    /// Snapshots of etcd in S3.
    #[serde(default)]
    pub snapshots: Snapshots,
}

fn forty() -> u16 {
    40
}

/// etcd's volume (gp3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct EtcdVolume {
    /// Size in GiB.
    #[schemars(range(min = 8, max = 1024))]
    pub size_gib: u16,
    /// Operations a second.
    #[schemars(range(min = 3000, max = 16000))]
    pub iops: u16,
    /// Throughput in MiB a second.
    #[schemars(range(min = 125, max = 1000))]
    pub throughput: u16,
}

impl Default for EtcdVolume {
    fn default() -> Self {
        Self { size_gib: 32, iops: 3000, throughput: 125 }
    }
}

/// Snapshots of etcd in S3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Snapshots {
    /// How often, in minutes.
    #[schemars(range(min = 5, max = 1440))]
    pub every_minutes: u16,
    /// How long they are kept, in days.
    #[schemars(range(min = 7, max = 3650))]
    pub keep_days: u16,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self { every_minutes: 15, keep_days: 90 }
    }
}

/// A worker pool: an Auto Scaling Group of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Pool {
    /// The pool's name.
    pub name: Name,
    /// Instance types, in order of preference.
    #[schemars(length(min = 1, max = 40), extend("uniqueItems" = true))]
    pub instance_types: Vec<InstanceType>,
    /// The share of spot instances, in percent.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub spot_percent: u8,
    /// How many nodes.
    pub size: PoolSize,
    /// The zones. Default: all zones of the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub zones: Option<Vec<Zone>>,
    /// Labels of the nodes.
    #[serde(default)]
    pub labels: Labels,
    /// Taints of the nodes.
    #[serde(default)]
    pub taints: Vec<Taint>,
    /// The root volume, in GiB.
    #[serde(default = "forty")]
    #[schemars(range(min = 20, max = 4096))]
    pub root_volume_gib: u16,
    /// Further volumes, which come and go with the node.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub data_volumes: Vec<DataVolume>,
    /// Further tags of the pool's machines and volumes.
    #[serde(default)]
    pub tags: BTreeMap<String, Line>,
    /// Further managed policies of the nodes' role.
    #[serde(default)]
    #[schemars(length(max = 8), extend("uniqueItems" = true))]
    pub policies: Vec<Arn>,
    /// How nodes are replaced.
    #[serde(default)]
    pub update: UpdateStrategy,
}

/// How many nodes a pool has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PoolSize {
    /// At least.
    #[schemars(range(min = 0, max = 1000))]
    pub min: u16,
    /// At first.
    #[schemars(range(min = 0, max = 1000))]
    pub desired: u16,
    /// At most.
    #[schemars(range(min = 1, max = 1000))]
    pub max: u16,
}

/// A volume that comes and goes with the node (gp3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DataVolume {
    /// Size in GiB.
    #[schemars(range(min = 1, max = 16384))]
    pub size_gib: u16,
    /// Where it is mounted.
    pub mount: AbsolutePath,
}

/// How nodes are replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct UpdateStrategy {
    /// How many at once.
    #[schemars(range(min = 1, max = 100))]
    pub batch: u16,
    /// How many of the desired nodes stay in service meanwhile, in percent.
    #[schemars(range(min = 0, max = 100))]
    pub min_healthy_percent: u8,
    /// How long to wait for a new node's own signal, in minutes.
    #[schemars(range(min = 1, max = 60))]
    pub pause_minutes: u8,
}

impl Default for UpdateStrategy {
    fn default() -> Self {
        Self { batch: 1, min_healthy_percent: 90, pause_minutes: 15 }
    }
}

/// A classic load balancer in front of pools.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Balancer {
    /// The balancer's name; it is reached as this name in the site's domain.
    pub name: Name,
    /// Internal, or public with a reason.
    #[serde(default = "internal")]
    pub exposure: Exposure,
    /// What it listens on.
    #[schemars(length(min = 1, max = 50))]
    pub listeners: Vec<Listener>,
    /// How it learns that a node is well.
    pub health_check: HealthCheck,
    /// The pools behind it.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub pools: Vec<Name>,
    /// Networks that may reach it.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub allow: Vec<Cidr>,
    /// How long an idle connection lives, in seconds.
    #[serde(default = "minute")]
    #[schemars(range(min = 1, max = 4000))]
    pub idle_seconds: u16,
}

fn internal() -> Exposure {
    Exposure::Internal
}

fn minute() -> u16 {
    60
}

/// What a balancer listens on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Listener {
    /// The port that clients connect to.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// The NodePort that it is passed on to.
    #[schemars(range(min = 30000, max = 32767))]
    pub node_port: u16,
    /// How the traffic is carried.
    pub protocol: ListenerProtocol,
    /// The certificate (ACM or IAM), for `https` and `ssl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Arn>,
    /// The TLS policy, for `https` and `ssl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_policy: Option<TlsPolicy>,
}

/// How a listener carries traffic. There is no plain HTTP: all of it may be patient data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ListenerProtocol {
    /// HTTP over TLS to the balancer and again to the node.
    Https,
    /// TLS to the balancer and again to the node.
    Ssl,
    /// Passed through untouched: the pods end TLS themselves.
    Passthrough,
}

/// Predefined policies of classic load balancers that refuse everything older than TLS 1.2
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/elb-security-policy-table.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsPolicy {
    /// TLS 1.2 alone.
    #[serde(rename = "ELBSecurityPolicy-TLS-1-2-2017-01")]
    Tls12,
}

/// How a balancer learns that a node is well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HealthCheck {
    /// How it asks.
    pub protocol: HealthProtocol,
    /// The NodePort that it asks.
    #[schemars(range(min = 30000, max = 32767))]
    pub node_port: u16,
    /// The path, for `https`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<AbsolutePath>,
    /// How often, in seconds.
    #[serde(default = "ten")]
    #[schemars(range(min = 5, max = 300))]
    pub interval_seconds: u16,
    /// How long it waits for an answer, in seconds; less than the interval.
    #[serde(default = "five")]
    #[schemars(range(min = 2, max = 60))]
    pub timeout_seconds: u16,
}

fn ten() -> u16 {
    10
}

fn five() -> u16 {
    5
}

/// How a balancer asks a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HealthProtocol {
    /// Whether a TCP connection opens.
    Tcp,
    /// Whether TLS is agreed.
    Ssl,
    /// Whether a path answers 200 over TLS.
    Https,
}

/// Container repositories.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Registry {
    /// The repositories. Tags are immutable, images are scanned on push, data is under the site's own key.
    pub repositories: Vec<Repository>,
}

/// A container repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Repository {
    /// The repository's name.
    pub name: RepositoryName,
    /// How many tagged images are kept.
    #[serde(default = "fifty")]
    #[schemars(range(min = 1, max = 1000))]
    pub keep_images: u16,
    /// How long untagged images are kept, in days.
    #[serde(default = "fourteen")]
    #[schemars(range(min = 1, max = 365))]
    pub untagged_days: u16,
    /// Other accounts that may pull.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub pull_accounts: Vec<AccountId>,
}

fn fifty() -> u16 {
    50
}

fn fourteen() -> u16 {
    14
}

/// Customer-managed keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Encryption {
    /// How often the key material is rotated, in days.
    #[schemars(range(min = 90, max = 2560))]
    pub rotation_days: u16,
    /// How long a key marked for deletion can be saved, in days.
    #[schemars(range(min = 7, max = 30))]
    pub deletion_window_days: u8,
}

impl Default for Encryption {
    fn default() -> Self {
        Self { rotation_days: 365, deletion_window_days: 30 }
    }
}

/// Logs and CloudTrail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Logs {
    /// How long logs are kept: six years is what 45 CFR 164.316(b)(2)(i) asks of documentation.
    pub retention: Retention,
    /// Whether this site makes a CloudTrail trail. Turn it off where an organisation trail covers the account.
    pub cloud_trail: bool,
}

impl Default for Logs {
    fn default() -> Self {
        Self { retention: Retention::SixYears, cloud_trail: true }
    }
}

/// How long logs are kept, in the steps that CloudWatch Logs knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Retention {
    /// 90 days.
    #[serde(rename = "90d")]
    NinetyDays,
    /// 365 days.
    #[serde(rename = "1y")]
    OneYear,
    /// 2,192 days.
    #[serde(rename = "6y")]
    SixYears,
    /// 3,653 days.
    #[serde(rename = "10y")]
    TenYears,
}

impl Retention {
    /// In days.
    pub fn days(self) -> u16 {
        match self {
            Self::NinetyDays => 90,
            Self::OneYear => 365,
            Self::SixYears => 2192,
            Self::TenYears => 3653,
        }
    }
}

/// How people reach a node when all else fails.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum BreakGlass {
    /// Not at all: a broken node is replaced.
    None,
    /// By Session Manager, which logs every session to a person.
    #[default]
    Ssm,
    /// By SSH from named networks.
    Ssh(SshAccess),
}

/// SSH from named networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SshAccess {
    /// The networks.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub from: Vec<Cidr>,
    /// The people's public keys.
    #[schemars(length(min = 1))]
    pub keys: Vec<PublicKey>,
}
