//! A target as seen → the fingerprint by which a plan knows it again.
use crate::prelude::*;
use incline_model::hex;
use incline_model::observed::DeployedStack;
use serde_json::json;
use sha2::{Digest, Sha256};

/// The digest of a text (SHA-256, hexadecimal).
pub fn digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// The fingerprint of a stack: template, parameters, tags, policy, protection. Two looks that give the same one saw the
/// same stack, whatever state CloudFormation calls it.
pub fn fingerprint(deployed: &DeployedStack) -> String {
    let seen = json!([
        deployed.template,
        deployed.parameters,
        deployed.tags,
        deployed.policy.as_ref().map(|policy| json!({ "policy": policy })),
        deployed.protected,
    ]);
    digest(&seen.to_string())
}
