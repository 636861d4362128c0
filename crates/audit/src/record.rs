//! What a record says.
use crate::person::Person;
use incline_model::event::Event;
use incline_model::plan::{Reason, Verb};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the records' JSON.
pub const FORMAT: u32 = 1;

/// One line of a trail, without its digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The version of this format.
    pub format: u32,
    /// The trail's id: 16 random hexadecimal digits, made with its first record.
    pub trail: String,
    /// Its place in the trail, from 1.
    pub sequence: u64,
    /// When it was written, RFC 3339 in UTC.
    pub time: String,
    /// The digest of the record before; 64 zeros for the first.
    pub previous: String,
    /// The sequence of the record that began the run; nothing for records that stand alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum What {
    /// The trail begins.
    Opened,
    /// The last record was cut off while it was written, and nothing that it announced had begun; its beginning was
    /// taken away.
    Mended {
        /// How much of it there was.
        bytes: u64,
    },
    /// A command that changes something is about to begin.
    Began {
        /// The command.
        command: String,
        /// Who gave it, and where.
        who: Person,
        /// The sites, and as whom they are entered.
        sites: Vec<Access>,
        /// What is going to be done, where a plan says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<Planned>,
        /// What is going to be done, in words, where no plan says so.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        doing: Vec<String>,
        /// Who approved the plan.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        approvals: Vec<Approval>,
    },
    /// Something happened while it was carried out. That a step starts is written before it does.
    Step {
        /// What.
        event: Event,
    },
    /// The command came to its end.
    Ended {
        /// Whether all was done.
        success: bool,
        /// Why not, where it ended before anything could tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// Somebody looked for drift.
    Looked {
        /// Who, and where.
        who: Person,
        /// What was found, by site.
        sites: Vec<Look>,
    },
    /// Somebody approved a plan.
    Approved {
        /// Who, and where.
        who: Person,
        /// The plan's sites.
        sites: Vec<String>,
        /// The SHA-256 of the plan's file.
        plan: String,
        /// As whom, and by which key.
        approval: Approval,
    },
}

impl What {
    /// Whether it is about a site.
    pub fn is_about(&self, site: &str) -> bool {
        match self {
            Self::Began { sites, .. } => sites.iter().any(|access| access.site == site),
            Self::Looked { sites, .. } => sites.iter().any(|look| look.access.site == site),
            Self::Approved { sites, .. } => sites.iter().any(|known| known == site),
            Self::Opened | Self::Mended { .. } | Self::Step { .. } | Self::Ended { .. } => false,
        }
    }
}

/// As whom a site was entered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// The site.
    pub site: String,
    /// Its account and region, or how many hosts it has.
    pub place: String,
    /// The caller's ARN, as AWS says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// The fingerprints (SHA-256) of the SSH keys by which hosts let the user in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<String>,
    /// The user on the BIG-IP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub f5_user: Option<String>,
}

/// A plan that is about to be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// The SHA-256 of its JSON, as `incline plan --out` writes it.
    pub digest: String,
    /// Its steps.
    pub steps: Vec<PlannedStep>,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStep {
    /// Its target.
    pub target: String,
    /// What happens to it.
    pub verb: Verb,
    /// Why.
    pub reason: Reason,
    /// How many resources or items change.
    pub changes: usize,
}

/// Somebody's approval of a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Who, as the inventory names them.
    pub by: String,
    /// The fingerprint (SHA-256) of the key that signed.
    pub key: String,
}

/// What a look for drift found at a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    /// The site, and as whom it was entered.
    #[serde(flatten)]
    pub access: Access,
    /// How many resources were as they must be.
    pub in_sync: usize,
    /// How many findings there were, by class.
    pub findings: BTreeMap<String, usize>,
    /// What drifted, as `TARGET RESOURCE PROPERTY`.
    pub drifted: Vec<String>,
}
