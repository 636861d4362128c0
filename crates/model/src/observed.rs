//! What was seen. Failing to see something is a fact about it, never a failed run.
use crate::desired::Parameter;
use crate::prelude::*;
use serde_json::Value;

/// One look at a site: what was seen of every stack that bears its name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// The stacks that are there, by name.
    pub stacks: BTreeMap<String, DeployedStack>,
    /// The outputs of other sites' stacks, by stack, where this site takes them as parameters.
    pub elsewhere: BTreeMap<String, BTreeMap<String, String>>,
    /// The node configurations that are there, by role.
    pub nodes: BTreeMap<String, String>,
    /// Why node configurations that are there could not be read, by role.
    pub unread: BTreeMap<String, String>,
    /// Stacks in the same account and region that bear the mark of other sites, by site.
    pub others: BTreeMap<String, BTreeSet<String>>,
    /// Stacks that could not be looked at, each with the reason.
    pub unseen: BTreeMap<String, String>,
}

impl Observed {
    /// The value of an output, where it is known.
    pub fn output(&self, stack: &str, output: &str) -> Option<&str> {
        let own = self.stacks.get(stack).and_then(|stack| stack.outputs.as_ref());
        own.or_else(|| self.elsewhere.get(stack))?.get(output).map(String::as_str)
    }
}

/// A stack as it is. What is `None` is not known: a folder of templates tells less than AWS.
#[derive(Debug, Clone, PartialEq)]
pub struct DeployedStack {
    /// Its ARN; none for a stack that is known from a folder.
    pub id: Option<String>,
    /// The state that it is in.
    pub status: Status,
    /// Why it is in that state, in AWS's words.
    pub status_reason: Option<String>,
    /// The template, parsed.
    pub template: Value,
    /// The parameters.
    pub parameters: Option<BTreeMap<String, Parameter>>,
    /// The tags.
    pub tags: Option<BTreeMap<String, String>>,
    /// The outputs.
    pub outputs: Option<BTreeMap<String, String>>,
    /// Whether AWS refuses to delete it.
    pub protected: Option<bool>,
    /// What AWS refuses to do to its resources; `Some(None)` where it has no policy.
    pub policy: Option<Option<Value>>,
    /// Its resources; looked at only where its state asks for it.
    pub resources: Vec<DeployedResource>,
    /// Machines that run from an older launch template than their group asks for; looked at only where incline itself
    /// replaces them.
    pub outdated: Vec<String>,
}

impl DeployedStack {
    /// A stack of which the template alone is known.
    pub fn from_template(template: Value) -> Self {
        Self {
            id: None,
            status: Status("CREATE_COMPLETE".to_owned()),
            status_reason: None,
            template,
            parameters: None,
            tags: None,
            outputs: None,
            protected: None,
            policy: None,
            resources: Vec::new(),
            outdated: Vec::new(),
        }
    }
}

/// A resource of a deployed stack.
#[derive(Debug, Clone, PartialEq)]
pub struct DeployedResource {
    /// Its logical id.
    pub id: String,
    /// Its CloudFormation type.
    pub kind: String,
    /// Its physical id, where it has one.
    pub physical: String,
    /// Its state, in AWS's word.
    pub status: String,
    /// Why it is in that state.
    pub reason: String,
}

impl DeployedResource {
    /// Whether there is something in AWS behind it.
    pub fn is_live(&self) -> bool {
        !self.physical.is_empty() && self.status != "DELETE_COMPLETE"
    }
}

/// A stack's state, in AWS's word
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status(pub String);

/// What a state means for who wants to change the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It can be changed.
    Settled,
    /// CloudFormation is at work on it.
    Busy,
    /// A change set was made for it and never carried out; there is nothing in it.
    Reviewing,
    /// Its first creation failed and was rolled back: it can only be deleted.
    NeverMade,
    /// Its creation or update failed and nothing was rolled back.
    HalfDone,
    /// Going back to what it was failed, too.
    Stuck,
    /// Its deletion failed.
    HalfGone,
    /// A state that incline does not know.
    Unknown,
}

impl Status {
    /// What the state means.
    pub fn condition(&self) -> Condition {
        match self.0.as_str() {
            "CREATE_COMPLETE"
            | "UPDATE_COMPLETE"
            | "UPDATE_ROLLBACK_COMPLETE"
            | "IMPORT_COMPLETE"
            | "IMPORT_ROLLBACK_COMPLETE" => Condition::Settled,
            "REVIEW_IN_PROGRESS" => Condition::Reviewing,
            "ROLLBACK_COMPLETE" => Condition::NeverMade,
            "CREATE_FAILED" | "UPDATE_FAILED" => Condition::HalfDone,
            "UPDATE_ROLLBACK_FAILED" => Condition::Stuck,
            // A creation whose rollback failed can only be deleted, and so can a deletion that failed.
            "DELETE_FAILED" | "ROLLBACK_FAILED" => Condition::HalfGone,
            word if word.ends_with("_IN_PROGRESS") => Condition::Busy,
            _ => Condition::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_the_api_reference_has_its_meaning() {
        // StackStatus of API_Stack, 2010-05-15.
        for (status, condition) in [
            ("CREATE_IN_PROGRESS", Condition::Busy),
            ("CREATE_FAILED", Condition::HalfDone),
            ("CREATE_COMPLETE", Condition::Settled),
            ("ROLLBACK_IN_PROGRESS", Condition::Busy),
            ("ROLLBACK_FAILED", Condition::HalfGone),
            ("ROLLBACK_COMPLETE", Condition::NeverMade),
            ("DELETE_IN_PROGRESS", Condition::Busy),
            ("DELETE_FAILED", Condition::HalfGone),
            ("UPDATE_IN_PROGRESS", Condition::Busy),
            ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Condition::Busy),
            ("UPDATE_COMPLETE", Condition::Settled),
            ("UPDATE_FAILED", Condition::HalfDone),
            ("UPDATE_ROLLBACK_IN_PROGRESS", Condition::Busy),
            ("UPDATE_ROLLBACK_FAILED", Condition::Stuck),
            ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", Condition::Busy),
            ("UPDATE_ROLLBACK_COMPLETE", Condition::Settled),
            ("REVIEW_IN_PROGRESS", Condition::Reviewing),
            ("IMPORT_IN_PROGRESS", Condition::Busy),
            ("IMPORT_COMPLETE", Condition::Settled),
            ("IMPORT_ROLLBACK_IN_PROGRESS", Condition::Busy),
            ("IMPORT_ROLLBACK_FAILED", Condition::Unknown),
            ("IMPORT_ROLLBACK_COMPLETE", Condition::Settled),
        ] {
            assert_eq!(Status(status.to_owned()).condition(), condition, "{status}");
        }
    }
}
