//! How incline signs in to a site's account, and what drift checks pass over.
use crate::prelude::*;
use crate::scalar::{Arn, Date, Line};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How incline signs in to the account: by the ordinary chain of credentials, and from there perhaps into a role.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Access {
    /// The profile of the AWS configuration to begin with; `AWS_PROFILE` where it is left out.
    pub profile: Option<Line>,
    /// The role to take on, for the whole site.
    pub role: Option<Arn>,
    /// The external id that the role asks for.
    pub external_id: Option<Line>,
    /// The MFA device whose code the role asks for; the code is asked for on the terminal.
    pub mfa: Option<Arn>,
}

/// What nightly drift checks pass over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Drift {
    /// Drift that is known and borne, each for a reason and for a time.
    pub ignore: Vec<Ignore>,
}

/// Drift that is known and borne.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Ignore {
    /// The stack and the resource in it, `*` for any text: `lakeside-prod-pool-*/Group`.
    #[serde(rename = "where")]
    pub place: Line,
    /// The property, `*` for any text. Default: all of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<Line>,
    /// Why, for who reads the report.
    pub reason: Line,
    /// The last day on which it is passed over.
    pub until: Date,
}

/// Whether `text` is as `pattern` says, in which `*` stands for any text.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, fits) in [
            ("a/b", "a/b", true),
            ("a/b", "a/bc", false),
            ("*", "", true),
            ("*/Group", "site-pool-x/Group", true),
            ("site-*/Group", "site-pool-x/Groups", false),
            ("s*-*x", "site-pool-x", true),
            ("s*pool*pool", "s-pool", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }
}
