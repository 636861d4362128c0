//! The rules, as they travel with incline.
use crate::Error;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much depends on a rule. Only the highest holds a site back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Good to have.
    Low,
    /// To be mended, or argued.
    Medium,
    /// Patient data is not safe while it does not hold.
    High,
}

impl Severity {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Of {
    /// A site's inventory.
    Site,
    /// A template of CloudFormation.
    Stack,
    /// What a node in AWS boots from.
    Node,
    /// The items of a host.
    Host,
    /// A declaration of AS3.
    Tenant,
}

impl Of {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Site, Self::Stack, Self::Node, Self::Host, Self::Tenant];

    /// Its name, for the eye.
    pub fn name(self) -> &'static str {
        match self {
            Self::Site => "inventories",
            Self::Stack => "stacks",
            Self::Node => "nodes",
            Self::Host => "hosts",
            Self::Tenant => "tenants",
        }
    }
}

/// A safeguard that can be checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// Its name, by which exceptions speak of it.
    pub id: String,
    /// What holds, in a few words.
    pub title: String,
    /// What it is good for.
    pub protects: String,
    /// The paragraphs of 45 CFR that ask for it.
    pub paragraphs: Vec<String>,
    /// How much depends on it.
    pub severity: Severity,
    /// Where it looks.
    pub of: Of,
    /// The place in an inventory where a person has a say; none where only templates have.
    #[serde(default)]
    pub inventory: Option<String>,
    /// How to make it hold.
    pub fix: String,
    /// What must hold, in the language of Guard.
    guard: String,
}

impl Rule {
    /// Its name as Guard takes names.
    pub(crate) fn guard_name(&self) -> String {
        self.id.replace('-', "_")
    }
}

/// The services that AWS's agreement covers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Eligible {
    /// Where AWS lists them.
    pub source: String,
    /// The day that this list is of.
    pub date: String,
    /// Their names, by the prefix of their types in CloudFormation.
    pub services: BTreeMap<String, String>,
}

const FILES: [(&str, &str); 6] = [
    ("rules/access.yaml", include_str!("../rules/access.yaml")),
    ("rules/agreement.yaml", include_str!("../rules/agreement.yaml")),
    ("rules/at-rest.yaml", include_str!("../rules/at-rest.yaml")),
    ("rules/audit.yaml", include_str!("../rules/audit.yaml")),
    ("rules/in-transit.yaml", include_str!("../rules/in-transit.yaml")),
    ("rules/integrity.yaml", include_str!("../rules/integrity.yaml")),
];
const ELIGIBLE: (&str, &str) = ("data/eligible.yaml", include_str!("../data/eligible.yaml"));

/// All rules.
#[derive(Debug, Clone)]
pub struct Catalogue {
    rules: BTreeMap<String, Rule>,
    /// The list by which services are judged.
    pub eligible: Eligible,
    /// The rules of each kind of document, as one text of Guard.
    guards: BTreeMap<Of, String>,
}

impl Catalogue {
    /// The rules that travel with incline.
    ///
    /// # Errors
    /// Where a file of them is broken.
    pub fn embedded() -> Result<Self, Error> {
        let mut rules = BTreeMap::new();
        for (file, text) in FILES {
            let read: Vec<Rule> =
                serde_yaml::from_str(text).map_err(|error| Error::Rules { file, cause: error.to_string() })?;
            for rule in read {
                if let Some(twice) = rules.insert(rule.id.clone(), rule) {
                    return Err(Error::Rules { file, cause: format!("{} stands twice", twice.id) });
                }
            }
        }
        let (file, text) = ELIGIBLE;
        let eligible: Eligible =
            serde_yaml::from_str(text).map_err(|error| Error::Rules { file, cause: error.to_string() })?;
        let prefixes: Vec<String> = eligible.services.keys().map(|prefix| format!("/^{prefix}/")).collect();
        let mut guards = BTreeMap::from([(Of::Stack, format!("let eligible = [{}]\n", prefixes.join(", ")))]);
        for rule in rules.values() {
            let text = guards.entry(rule.of).or_default();
            text.push_str(&format!("rule {} {{\n{}}}\n", rule.guard_name(), rule.guard));
        }
        Ok(Self { rules, eligible, guards })
    }

    /// The rules, by name.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    /// The rule of that name.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.get(id)
    }

    /// The rules of a kind of document, as Guard reads them.
    pub(crate) fn guard(&self, of: Of) -> &str {
        self.guards.get(&of).map_or("", String::as_str)
    }
}
