//! `kind: AwsSite`: a Kubernetes cluster in one AWS region, as CloudFormation stacks.
mod access;
mod balancer;
mod network;

pub use access::*;
pub use balancer::*;
pub use network::*;

use super::{FormatVersion, Kubernetes, Labels, Safeguards, Taint};
use crate::prelude::*;
use crate::scalar::{
    AbsolutePath, AccountId, Arn, Cidr, DnsName, InstanceType, Line, Name, PublicKey, Region, RepositoryName, Zone,
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
    /// How incline signs in to the account. Default: the ordinary chain of credentials, as the AWS CLI has it.
    #[serde(default)]
    pub access: Access,
    /// Whether AWS refuses to delete the site's stacks. `incline destroy` wants it off first, and applied.
    #[serde(default = "yes")]
    pub termination_protection: bool,
    /// What nightly drift checks pass over.
    #[serde(default)]
    pub drift: Drift,
    /// The safeguards that the site is held to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safeguards: Option<Safeguards>,
}

fn yes() -> bool {
    true
}

/// The kind of site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AwsKind")]
pub enum Kind {
    /// A site in AWS.
    AwsSite,
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
    /// A program, with its arguments, that must succeed on the machine that runs incline before each member is rolled.
    /// It is run without a shell, with `INCLINE_SITE` and `INCLINE_MEMBER` in its environment.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub precheck: Vec<Line>,
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
    /// Who replaces them.
    pub by: UpdateBy,
    /// For `instanceRefresh`: shares of the nodes, in percent and rising, after which it stops to be looked at.
    #[schemars(inner(range(min = 1, max = 100)), length(max = 10))]
    pub checkpoints: Vec<u8>,
    /// For `instanceRefresh`: how long it stops at a checkpoint, in minutes.
    #[schemars(range(min = 1, max = 1440))]
    pub checkpoint_minutes: u16,
}

/// Who replaces a pool's nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum UpdateBy {
    /// CloudFormation's rolling update: waits for each new node's signal, and rolls back if it stays out.
    #[default]
    CloudFormation,
    /// Auto Scaling's instance refresh: honours lifecycle hooks, stops at checkpoints, can be cancelled.
    InstanceRefresh,
}

impl Default for UpdateStrategy {
    fn default() -> Self {
        Self {
            batch: 1,
            min_healthy_percent: 90,
            pause_minutes: 15,
            by: UpdateBy::CloudFormation,
            checkpoints: Vec::new(),
            checkpoint_minutes: 10,
        }
    }
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
