//! What must be, with every name, address and content decided: one [`Stack`] a CloudFormation stack.
use crate::fetch::Fetched;
use crate::prelude::*;
use crate::scalar::Name;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The stages of a site, in the order in which they are applied. The steps of a stage run side by side. An AWS site has
/// no hosts to prepare, an on-prem site no keys, networks and pools.
///
/// Balancers come before machines: an Auto Scaling Group can only name a load balancer that exists
/// (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/attach-load-balancer-asg.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// On hosts: the kernel, and what Kubernetes needs before it comes.
    Prepare,
    /// Customer-managed keys.
    Keys,
    /// VPC, subnets, routes, security groups.
    Network,
    /// VPN, peering, registry, logs.
    Edge,
    /// What outlives machines: volumes, addresses, secrets, buckets.
    Data,
    /// The API's balancer, the declared ones, and endpoints: what takes addresses where it finds them, after the members' own.
    Balancers,
    /// On hosts: encrypted disks, and NFS.
    Storage,
    /// The machines of the API and etcd.
    ControlPlane,
    /// The groups of workers.
    Pools,
    /// On hosts: the workers.
    Workers,
    /// What runs in the cluster itself: the pod network and what every site has.
    Cluster,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 11] = [
        Self::Prepare,
        Self::Keys,
        Self::Network,
        Self::Edge,
        Self::Data,
        Self::Balancers,
        Self::Storage,
        Self::ControlPlane,
        Self::Pools,
        Self::Workers,
        Self::Cluster,
    ];

    /// The stage's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Keys => "keys",
            Self::Network => "network",
            Self::Edge => "edge",
            Self::Data => "data",
            Self::Balancers => "balancers",
            Self::Storage => "storage",
            Self::ControlPlane => "control-plane",
            Self::Pools => "pools",
            Self::Workers => "workers",
            Self::Cluster => "cluster",
        }
    }
}

/// A site as it must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The site.
    pub site: Name,
    /// Its stacks, in order of stage, then name.
    pub stacks: Vec<Stack>,
    /// The node configurations that the stacks point to.
    pub artifacts: Vec<Artifact>,
    /// What its machines fetch while they boot, and a person brings.
    pub fetched: Vec<Fetched>,
    /// What a reader of the plan should know that is no change.
    pub notes: Vec<String>,
}

/// A CloudFormation stack as it must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// The stack's name.
    pub name: String,
    /// When it is applied.
    pub stage: Stage,
    /// The template's text, as it is sent.
    pub body: String,
    /// The template, parsed.
    pub template: Value,
    /// Its parameters' values.
    pub parameters: BTreeMap<String, Parameter>,
    /// The tags of the stack, which CloudFormation passes on to what is in it.
    pub tags: BTreeMap<String, String>,
    /// What AWS refuses to do to its resources
    /// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html>).
    pub policy: Value,
    /// Whether AWS refuses to delete it.
    pub protected: bool,
    /// Who replaces its machines.
    pub roll: Roll,
}

/// Who replaces a stack's machines when what they boot from changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Roll {
    /// There are none, or CloudFormation's own update policy does.
    #[default]
    CloudFormation,
    /// Auto Scaling's instance refresh, started and followed by incline after the stack is changed.
    Refresh(Refresh),
    /// CloudFormation, when the control plane's other members are well and this one's disk has a snapshot.
    Member(Member),
}

/// How an instance refresh goes
/// (<https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RefreshPreferences.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refresh {
    /// The Auto Scaling Group.
    pub group: String,
    /// How many of the desired nodes stay in service, in percent.
    pub min_healthy_percent: u8,
    /// How long a new node is given before it counts, in seconds.
    pub warmup_seconds: u16,
    /// Shares of the nodes, in percent, after which it stops to be looked at.
    pub checkpoints: Vec<u8>,
    /// How long it stops, in minutes.
    pub checkpoint_minutes: u16,
}

/// What must be before a member of the control plane is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The member: its zone's letter.
    pub name: String,
    /// How many members there are.
    pub members: usize,
    /// The classic load balancer that knows which members answer.
    pub balancer: String,
    /// Where the id of the member's volume comes from.
    pub volume: Parameter,
    /// A program, with its arguments, that must succeed first; empty for none.
    pub precheck: Vec<String>,
}

/// Where a parameter's value comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Parameter {
    /// A value that is known now.
    Value(String),
    /// An output of another stack, known once that stack is made.
    Output {
        /// The other stack's name.
        stack: String,
        /// The output's name.
        output: String,
    },
}

/// A node configuration, kept in S3 under its own digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Who boots from it: `control-plane-a`, `pool-general`.
    pub role: String,
    /// The object's key in the site's artifact bucket.
    pub key: String,
    /// SHA-512 of the content, in hexadecimal.
    pub sha512: String,
    /// The content: Ignition JSON.
    pub content: String,
    /// The user data that points to it, as the machine receives it.
    pub user_data: String,
}

/// The largest template that CloudFormation takes inline, in bytes
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>).
pub const INLINE_TEMPLATE_BYTES: usize = 51_200;
/// The largest template that CloudFormation takes from S3, in bytes (same source).
pub const MAX_TEMPLATE_BYTES: usize = 1 << 20;
/// The largest user data that EC2 takes, in bytes before base64
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html>).
pub const MAX_USER_DATA_BYTES: usize = 16_384;
