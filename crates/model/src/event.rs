//! What execution says, and nothing else does: screen, JSON lines, audit log and report read the same events.
use crate::plan::{Step, Verb};
use crate::prelude::*;
use serde::{Deserialize, Serialize};

/// The version of events' JSON.
pub const FORMAT: u32 = 1;

/// Something that happened while a plan was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "event")]
pub enum Event {
    /// A step begins.
    Started {
        /// The step's target.
        target: String,
        /// What happens to it.
        verb: Verb,
        /// How many resources it changes.
        resources: usize,
    },
    /// A request that changes something was accepted.
    Sent {
        /// The step's target.
        target: String,
        /// What was asked, and the id by which AWS knows it.
        what: String,
    },
    /// A resource's state changed.
    Resource {
        /// The step's target.
        target: String,
        /// The resource's logical id; the stack's name for the stack itself.
        resource: String,
        /// Its type.
        kind: String,
        /// Its state, in AWS's word.
        status: String,
        /// Why, in AWS's words; empty for none.
        reason: String,
    },
    /// Something goes on, or something is waited for.
    Progress {
        /// The step's target.
        target: String,
        /// What.
        what: String,
    },
    /// A step ended.
    Finished {
        /// The step's target.
        target: String,
        /// How.
        outcome: Outcome,
    },
}

impl Event {
    /// That a step begins.
    pub fn started(step: &Step) -> Self {
        Self::Started { target: step.target.clone(), verb: step.verb, resources: step.changes.len() }
    }

    /// The target that it is about.
    pub fn target(&self) -> &str {
        match self {
            Self::Started { target, .. }
            | Self::Sent { target, .. }
            | Self::Resource { target, .. }
            | Self::Progress { target, .. }
            | Self::Finished { target, .. } => target,
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum Outcome {
    /// It is as the plan says.
    Done,
    /// It was as the plan says before the step began.
    AlreadyDone,
    /// It failed.
    Failed(Trouble),
    /// It did not begin, because of another step.
    Skipped {
        /// The step that failed or did not run.
        because: String,
    },
    /// It was left under way, because incline was told to stop.
    Interrupted(Trouble),
}

/// What went wrong, reason first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// What went wrong, in one sentence.
    pub cause: String,
    /// What led to it, the first first.
    pub details: Vec<String>,
    /// The way out.
    pub hint: Option<String>,
}

impl Trouble {
    /// Trouble of one sentence.
    pub fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), ..Self::default() }
    }

    /// The same, with a way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with what led to it.
    #[must_use]
    pub fn details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }
}

/// How a run ended: what the events add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How each step ended, by target.
    pub outcomes: BTreeMap<String, Outcome>,
}

impl Report {
    /// Takes an event in.
    pub fn fold(&mut self, event: &Event) {
        if let Event::Finished { target, outcome } = event {
            self.outcomes.insert(target.clone(), outcome.clone());
        }
    }

    /// Whether every step is done.
    pub fn is_success(&self) -> bool {
        self.outcomes.values().all(|outcome| matches!(outcome, Outcome::Done | Outcome::AlreadyDone))
    }

    /// Whether the run was told to stop.
    pub fn is_interrupted(&self) -> bool {
        self.outcomes.values().any(|outcome| matches!(outcome, Outcome::Interrupted(_)))
    }
}
