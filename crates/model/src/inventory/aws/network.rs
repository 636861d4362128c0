//! The network of an AWS site: VPC, subnets, endpoints, peering, VPN.
use crate::inventory::SecretKey;
use crate::prelude::*;
use crate::scalar::{AccountId, Address, Arn, Cidr, Name, Region, VpcId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// The address of AWS's end. AWS chooses it when it makes the connection, and keeps it for as long as that lives
    /// (`aws ec2 describe-vpn-connections`); the on-prem end must be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside_address: Option<Address>,
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
