//! What no longer holds, as data.
use crate::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the drift report's JSON.
pub const FORMAT: u32 = 3;

/// The JSON Schema of a report.
pub fn json_schema() -> serde_json::Value {
    crate::shape::schema_of::<Drift>()
}

/// What stands for a value where there is none.
pub const NOTHING: &str = "not there";

/// What a look at some sites found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The version of this format.
    pub format: u32,
    /// When it began, RFC 3339 in UTC.
    pub at: String,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// Whether the whole estate was looked at, and not some of its sites.
    pub whole: bool,
    /// Which shard of it was looked at, as `I/N`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// How many findings there are of each class.
    pub counts: BTreeMap<String, usize>,
    /// The sites, by name.
    pub sites: Vec<SiteDrift>,
}

/// What a look at a site found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SiteDrift {
    /// The site.
    pub site: String,
    /// Its account and region, for the eye.
    pub place: String,
    /// When it was looked at, RFC 3339 in UTC.
    pub at: String,
    /// How long that took, in milliseconds.
    pub milliseconds: u64,
    /// How many requests AWS was sent.
    pub requests: usize,
    /// How many resources are as they must be.
    pub in_sync: usize,
    /// All others, by target, resource and property.
    pub findings: Vec<Finding>,
    /// What was found before and is no more, where a history is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<Gone>,
    /// How it stood in the last nights, the oldest first, where a history is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trend: Vec<Point>,
}

/// Something that was found before and is no more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gone {
    /// What it was.
    pub what: String,
    /// Since when it had been known.
    pub since: String,
}

/// How a site stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// When it was looked at.
    pub at: String,
    /// How many properties had drifted.
    pub drifted: usize,
    /// How much was not checked.
    #[serde(alias = "errors")]
    pub not_checked: usize,
}

/// For how long something has been found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Age {
    /// Since when.
    pub since: String,
    /// Whether that is news.
    pub news: News,
}

/// Whether something is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum News {
    /// It was not there the last time.
    New,
    /// It was there before.
    Known,
    /// It comes and goes, and is announced no more.
    Flapping,
}

/// Something about a resource that is not simply in sync.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
    /// For how long, where a history is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<Age>,
}

/// What is the matter with a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
    /// Not covered: no API that incline reads shows it. It is neither in sync nor drift, and the exit code does not tell of it.
    NotCovered {
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
    /// Not checked: looking was denied, unreachable or timed out. It may be in sync or not.
    NotChecked {
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
            Self::NotCovered { .. } => "notCovered",
            Self::Ignored { .. } => "ignored",
            Self::NotChecked { .. } => NOT_CHECKED,
            Self::Warning { .. } => "warning",
        }
    }
}

impl Finding {
    /// What it is about, the same every night: target, resource and property, but no values.
    pub fn what(&self) -> String {
        let property = match &self.state {
            State::Drifted { property, .. } | State::Ignored { property, .. } => property.as_str(),
            _ => "",
        };
        let words = [self.target.as_str(), &self.resource, property];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        words.join(" ")
    }
}

impl SiteDrift {
    /// How many findings there are of a class.
    pub fn count(&self, class: &str) -> usize {
        self.findings.iter().filter(|finding| finding.state.class() == class).count()
    }
}

/// The class of what was not checked.
pub const NOT_CHECKED: &str = "notChecked";

/// The classes of findings, the gravest first.
pub const CLASSES: [&str; 6] = ["drifted", NOT_CHECKED, "warning", "pending", "ignored", "notCovered"];

/// A class as people read it.
pub fn class_name(class: &str) -> &str {
    match class {
        NOT_CHECKED => "not checked",
        "notCovered" => "not covered",
        other => other,
    }
}

impl Drift {
    /// What looks at some sites found.
    pub fn new(at: String, milliseconds: u64, whole: bool, shard: Option<String>, mut sites: Vec<SiteDrift>) -> Self {
        sites.sort_by(|a, b| a.site.cmp(&b.site));
        let mut drift = Self { format: FORMAT, at, milliseconds, whole, shard, counts: BTreeMap::new(), sites };
        drift.counts = CLASSES.into_iter().map(|class| (class.to_owned(), drift.count(class))).collect();
        drift
    }

    /// Whether there is anything to tell: something new, something gone.
    pub fn has_news(&self) -> bool {
        let is_new = |finding: &Finding| finding.age.as_ref().is_some_and(|age| age.news == News::New);
        self.sites.iter().any(|site| !site.gone.is_empty() || site.findings.iter().any(is_new))
    }

    /// How many findings there are of a class.
    pub fn count(&self, class: &str) -> usize {
        self.sites.iter().map(|site| site.count(class)).sum()
    }
}
