//! Which properties cannot change without making the resource anew, by the CloudFormation schemas.
//!
//! `data/replacement.json` is made by `cargo xtask schema-tables` from the schemas that cfn-lint ships.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemas_words_are_read_as_paths() {
        let table = Table::embedded().unwrap();
        let replaces =
            |kind: &str, path: &str| table.replaces(kind, &path.split('.').map(ToOwned::to_owned).collect::<Vec<_>>());
        assert_eq!(replaces("AWS::EC2::Subnet", "CidrBlock"), Replaces::Always);
        assert_eq!(replaces("AWS::EC2::Subnet", "MapPublicIpOnLaunch"), Replaces::Never);
        assert_eq!(replaces("AWS::EC2::Subnet", "Tags.owner.Value"), Replaces::Never);
        assert_eq!(replaces("AWS::ECR::Repository", "EncryptionConfiguration.KmsKey"), Replaces::Always);
        assert_eq!(
            replaces(
                "AWS::AutoScaling::AutoScalingGroup",
                "MixedInstancesPolicy.LaunchTemplate.Overrides.0.InstanceType"
            ),
            Replaces::Perhaps
        );
        // EC2 cannot move a volume, though the schema does not say so.
        assert_eq!(replaces("AWS::EC2::Volume", "AvailabilityZone"), Replaces::Always);
        assert_eq!(replaces("AWS::EC2::Volume", "Size"), Replaces::Never);
        // What the table does not know may do anything.
        assert_eq!(replaces("AWS::New::Thing", "Anything"), Replaces::Perhaps);
    }

    #[test]
    fn every_rendered_type_is_in_the_table() {
        let table = Table::embedded().unwrap();
        let known: BTreeSet<&str> = table.types().collect();
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates/stacks");
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            for kind in text.lines().filter_map(|line| line.trim().strip_prefix("Type: AWS::")) {
                let kind = format!("AWS::{kind}");
                assert!(
                    known.contains(kind.as_str()),
                    "{kind} ({}): run `cargo xtask schema-tables`",
                    entry.path().display()
                );
            }
        }
    }
}
