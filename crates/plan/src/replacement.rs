//! Which properties cannot change without making the resource anew, by the CloudFormation schemas.
//!
//! `data/replacement.json` is made by `cargo xtask replacement-table` from the schemas that cfn-lint ships.
use crate::prelude::*;
use incline_model::plan::Replaces;
use serde::Deserialize;

/// The table for the resource types that incline renders.
#[derive(Debug, Clone, Deserialize)]
pub struct Table {
    types: BTreeMap<String, Properties>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Properties {
    /// `createOnlyProperties`, as paths: `EncryptionConfiguration/KmsKey`.
    always: Vec<String>,
    /// `conditionalCreateOnlyProperties`.
    perhaps: Vec<String>,
}

impl Table {
    /// The table that travels with incline.
    ///
    /// # Errors
    /// Never, unless the build shipped a broken table.
    pub fn embedded() -> Result<Self, serde_json::Error> {
        serde_json::from_str(include_str!("../data/replacement.json"))
    }

    /// The resource types that the table knows.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// Whether changing the property at `path` makes a resource of this type anew. A type that is not in the table may
    /// do so with any property: better a warning too many than a surprise.
    pub(crate) fn replaces(&self, kind: &str, path: &[String]) -> Replaces {
        let Some(properties) = self.types.get(kind) else { return Replaces::Perhaps };
        let covers = |pattern: &String| {
            let pattern: Vec<&str> = pattern.split('/').collect();
            let path: Vec<&str> =
                path.iter().map(String::as_str).filter(|part| part.parse::<usize>().is_err()).collect();
            let pattern: Vec<&str> = pattern.into_iter().filter(|part| *part != "*").collect();
            pattern.iter().zip(&path).all(|(a, b)| a == b)
        };
        if properties.always.iter().any(covers) {
            Replaces::Always
        } else if properties.perhaps.iter().any(covers) {
            Replaces::Perhaps
        } else {
            Replaces::Never
        }
    }
}
