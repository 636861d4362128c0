//! What a site says about the safeguards that hold for it, and about those that do not.
use crate::prelude::*;
use crate::scalar::{BucketName, Date, Line, Name, PublicKey, UserName};
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
    /// In AWS: where copies of the audit trail are kept. Default: the site's own bucket, where they are not locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_copies: Option<AuditCopies>,
    /// Who must approve a plan before it is carried out. Default: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<Approvals>,
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

/// Copies of the audit trail that nobody can take back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AuditCopies {
    /// A bucket in the site's region, with Object Lock; better of an account that who runs incline cannot enter otherwise.
    pub bucket: BucketName,
    /// For how many years nobody can remove a copy.
    #[serde(default = "six_years")]
    #[schemars(range(min = 1, max = 100))]
    pub years: u8,
}

/// What 45 CFR 164.316(b)(2)(i) asks for.
fn six_years() -> u8 {
    6
}

/// Who must approve a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Approvals {
    /// How many people must approve, beside who applies.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 2))]
    pub needed: u8,
    /// Who may.
    pub approvers: Vec<Approver>,
}

fn one() -> u8 {
    1
}

/// Somebody who may approve plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Approver {
    /// Their user name where incline runs, by which nobody approves what they apply themselves.
    pub user: UserName,
    /// Their SSH key: Ed25519.
    pub key: PublicKey,
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
