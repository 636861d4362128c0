//! The rules, as they travel with incline.
use crate::Error;
use crate::guard::{self, Clauses, Reads};
use crate::prelude::*;
use serde::{Deserialize, Serialize};

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
    /// Why a rule about it says nothing of a site that has none of it.
    pub fn only(self) -> &'static str {
        match self {
            Self::Site => "it looks at inventories only",
            Self::Stack => "it looks at stacks in AWS only",
            Self::Node => "it looks at nodes in AWS only",
            Self::Host => "it looks at on-premises hosts only",
            Self::Tenant => "it looks at BIG-IPs only",
        }
    }
}

/// What a rule keeps safe: the files that rules stand in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// Who gets in.
    #[default]
    Access,
    /// What AWS has agreed to.
    Agreement,
    /// Data on disks.
    AtRest,
    /// Who did what.
    Audit,
    /// Data on the way.
    InTransit,
    /// That data is there, and as it was.
    Integrity,
}

impl Category {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Agreement => "agreement",
            Self::AtRest => "at-rest",
            Self::Audit => "audit",
            Self::InTransit => "in-transit",
            Self::Integrity => "integrity",
        }
    }
}

/// A safeguard that can be checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// Its name, by which exceptions speak of it.
    pub id: String,
    /// What it keeps safe.
    #[serde(skip_deserializing)]
    pub category: Category,
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
    /// The same, read.
    #[serde(skip)]
    pub(crate) clauses: Clauses,
}

impl Rule {
    /// What the rule reads of its documents.
    pub fn reads(&self) -> Reads {
        guard::reads(&self.clauses)
    }
}

/// The services that AWS's agreement covers. Where the list is from and of which day is for who reads the file.
#[derive(Deserialize)]
struct Eligible {
    /// Their names, by the prefix of their types in CloudFormation.
    services: BTreeMap<String, String>,
}

const FILES: [(Category, &str, &str); 6] = [
    (Category::Access, "rules/access.yaml", include_str!("../rules/access.yaml")),
    (Category::Agreement, "rules/agreement.yaml", include_str!("../rules/agreement.yaml")),
    (Category::AtRest, "rules/at-rest.yaml", include_str!("../rules/at-rest.yaml")),
    (Category::Audit, "rules/audit.yaml", include_str!("../rules/audit.yaml")),
    (Category::InTransit, "rules/in-transit.yaml", include_str!("../rules/in-transit.yaml")),
    (Category::Integrity, "rules/integrity.yaml", include_str!("../rules/integrity.yaml")),
];
const ELIGIBLE: (&str, &str) = ("data/eligible.yaml", include_str!("../data/eligible.yaml"));

const PARAGRAPHS: (&str, &str) = ("data/paragraphs.yaml", include_str!("../data/paragraphs.yaml"));

/// All rules.
#[derive(Debug, Clone)]
pub struct Catalogue {
    rules: BTreeMap<String, Rule>,
    paragraphs: BTreeMap<String, String>,
}

impl Catalogue {
    /// The rules that travel with incline.
    ///
    /// # Errors
    /// Where a file of them is broken.
    pub fn embedded() -> Result<Self, Error> {
        let (file, text) = ELIGIBLE;
        let eligible: Eligible =
            serde_yaml::from_str(text).map_err(|error| Error { file, cause: error.to_string() })?;
        let services: Vec<String> = eligible.services.keys().map(|prefix| format!("/^{prefix}/")).collect();
        let services = format!("[{}]", services.join(", "));
        let (file, text) = PARAGRAPHS;
        let paragraphs: BTreeMap<String, String> =
            serde_yaml::from_str(text).map_err(|error| Error { file, cause: error.to_string() })?;
        let mut rules = BTreeMap::new();
        for (category, file, text) in FILES {
            let read: Vec<Rule> =
                serde_yaml::from_str(text).map_err(|error| Error { file, cause: error.to_string() })?;
            for mut rule in read {
                let id = rule.id.clone();
                let broken = |cause| Error { file, cause: format!("{id}: {cause}") };
                rule.category = category;
                rule.clauses = guard::parse(&rule.guard.replace("%eligible", &services)).map_err(broken)?;
                if let Some(unknown) = rule.paragraphs.iter().find(|paragraph| !paragraphs.contains_key(*paragraph)) {
                    return Err(broken(format!("there is no paragraph {unknown}")));
                }
                if let Some(twice) = rules.insert(rule.id.clone(), rule) {
                    return Err(Error { file, cause: format!("{} stands twice", twice.id) });
                }
            }
        }
        Ok(Self { rules, paragraphs })
    }

    /// The rules, by name.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    /// The paragraphs of 45 CFR that rules name, each with its heading, in their order.
    pub fn paragraphs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.paragraphs.iter().map(|(paragraph, heading)| (paragraph.as_str(), heading.as_str()))
    }

    /// The rule of that name.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.get(id)
    }
}
