//! What was seen. Failing to see something is a fact about it, never a failed run.
use crate::desired::Parameter;
use crate::prelude::*;
use serde_json::Value;

/// One look at a site: what was seen of every stack that bears its name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// The stacks that are there, by name.
    pub stacks: BTreeMap<String, DeployedStack>,
    /// The node configurations that are there, by role.
    pub nodes: BTreeMap<String, String>,
}

/// A stack as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct DeployedStack {
    /// The template's text.
    pub body: String,
    /// The template, parsed.
    pub template: Value,
    /// The parameters, where they are known.
    pub parameters: Option<BTreeMap<String, Parameter>>,
    /// The tags, where they are known.
    pub tags: Option<BTreeMap<String, String>>,
}
