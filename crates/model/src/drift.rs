//! What no longer holds, as data.
use crate::prelude::*;
use serde::{Deserialize, Serialize};

/// The version of the drift report's JSON.
pub const FORMAT: u32 = 1;

/// What stands for a value where there is none.
pub const NOTHING: &str = "not there";

/// What a look at some sites found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The version of this format.
    pub format: u32,
    /// The sites, by name.
    pub sites: Vec<SiteDrift>,
}

/// What a look at a site found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteDrift {
    /// The site.
    pub site: String,
    /// Its account and region, for the eye.
    pub place: String,
    /// How many resources are as they must be.
    pub in_sync: usize,
    /// All others, by target, resource and property.
    pub findings: Vec<Finding>,
}

/// Something about a resource that is not simply in sync.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The stack.
    pub target: String,
    /// The resource's logical id; empty for the stack itself.
    pub resource: String,
    /// Its type.
    pub kind: String,
    /// Its physical id, where it is known.
    pub physical: String,
    /// What is the matter.
    pub state: State,
}

/// What is the matter with a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum State {
    /// A property is not as it was applied.
    Drifted {
        /// The property's path; empty where the whole resource is gone or was never wished for.
        property: String,
        /// What was applied.
        expected: String,
        /// What is.
        actual: String,
    },
    /// The inventory is ahead of what was applied.
    Pending {
        /// What a plan would do.
        what: String,
    },
    /// Nobody looked.
    Unchecked {
        /// Why.
        why: String,
    },
    /// Drift that the inventory bears.
    Ignored {
        /// The property's path.
        property: String,
        /// What was applied.
        expected: String,
        /// What is.
        actual: String,
        /// Why it is borne.
        reason: String,
        /// Until when.
        until: String,
    },
    /// Looking failed.
    Error {
        /// Why.
        why: String,
    },
    /// In sync, and yet somebody should know.
    Warning {
        /// What.
        what: String,
    },
}

impl State {
    /// The class by which findings are counted.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Drifted { .. } => "drifted",
            Self::Pending { .. } => "pending",
            Self::Unchecked { .. } => "unchecked",
            Self::Ignored { .. } => "ignored",
            Self::Error { .. } => "error",
            Self::Warning { .. } => "warning",
        }
    }
}

impl Drift {
    /// How many findings there are of a class.
    pub fn count(&self, class: &str) -> usize {
        self.sites.iter().flat_map(|site| &site.findings).filter(|finding| finding.state.class() == class).count()
    }
}
