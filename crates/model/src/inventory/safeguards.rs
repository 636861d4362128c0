//! What a site says about the safeguards that hold for it, and about those that do not.
use crate::prelude::*;
use crate::scalar::{Date, Line, Name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The safeguards that a site is held to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Safeguards {
    /// The law whose safeguards hold. `plan` and `apply` refuse the site while one of high severity does not, and is not excepted.
    pub profile: Profile,
    /// In AWS: the business associate agreement of the site's account (45 CFR 164.308(b)(1)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Agreement>,
    /// On premises: what ships the hosts' records of logins and of sudo, and where to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_logs: Option<Line>,
    /// Safeguards that do not hold, each for a reason and for a time.
    #[serde(default)]
    pub exceptions: Vec<Exception>,
}

/// A law whose safeguards hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Profile {
    /// The Security Rule of HIPAA (45 CFR part 164, subpart C).
    Hipaa,
}

/// The business associate agreement with AWS, as AWS Artifact shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Agreement {
    /// The day on which it was accepted for the account, or for its organisation.
    pub accepted: Date,
    /// Who accepted it.
    pub by: Line,
}

/// A safeguard that does not hold, and is borne.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Exception {
    /// The rule, as `incline explain` lists it.
    pub rule: Name,
    /// What it is excepted for, as `incline check` names it; `*` for any text. Default: the whole site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Line>,
    /// Why, for who reviews the site.
    pub reason: Line,
    /// Who approved it.
    pub approved_by: Line,
    /// The last day on which it is borne.
    pub until: Date,
}
