//! A site's documents and its exceptions → findings.
use crate::catalogue::{Catalogue, Rule, Severity};
use crate::document::Document;
use crate::guard;
use crate::prelude::*;
use incline_model::inventory::aws::matches;
use incline_model::inventory::{Exception, Safeguards};
use serde::Serialize;

/// A safeguard that does not hold somewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The site.
    pub site: String,
    /// The rule.
    pub rule: String,
    /// How much depends on it.
    pub severity: Severity,
    /// What breaks it: a site, a stack, a node's role, a host or a tenant.
    pub target: String,
    /// Where in it: `Resources/Volume/Properties/Encrypted`.
    pub path: String,
    /// Whether the site bears it.
    pub bearing: Bearing,
}

/// Whether a finding is borne.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Bearing {
    /// Nobody excepted it.
    Open,
    /// Not judged: it is about a value that the lock file does not pin.
    NotPinned,
    /// It was excepted, until a day that is over.
    Expired {
        /// That day.
        until: String,
    },
    /// It is excepted.
    Excepted {
        /// Why.
        reason: String,
        /// Who approved it.
        approved_by: String,
        /// The last day.
        until: String,
    },
}

impl Finding {
    /// What exceptions call it: the target and the place in it.
    pub fn subject(&self) -> String {
        subject(&self.target, &self.path)
    }

    /// Whether the site bears it.
    pub fn is_excepted(&self) -> bool {
        matches!(self.bearing, Bearing::Excepted { .. })
    }

    /// Whether it is about a value that the lock file does not pin.
    pub fn is_unpinned(&self) -> bool {
        self.bearing == Bearing::NotPinned
    }

    /// Whether it holds its site back. A missing pin does that by itself, and only from being applied.
    pub fn refuses(&self) -> bool {
        self.severity == Severity::High && !self.is_excepted() && !self.is_unpinned()
    }
}

impl Assessment {
    /// Whether the site is held back.
    pub fn refuses(&self) -> bool {
        self.findings.iter().any(Finding::refuses)
    }
}

/// What was found of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Assessment {
    /// The site.
    pub site: String,
    /// How many documents were looked at.
    pub documents: usize,
    /// What does not hold, by rule.
    pub findings: Vec<Finding>,
    /// Exceptions that except nothing, by their place in the inventory's list.
    pub idle: Vec<usize>,
    /// Rules that found nothing to look at, and why: they neither hold nor break.
    pub not_applicable: BTreeMap<String, &'static str>,
    /// Where each rule holds: stacks' resources, nodes' roles, hosts, tenants, or the site itself.
    #[serde(skip)]
    pub held: BTreeMap<String, BTreeSet<String>>,
}

fn subject(target: &str, path: &str) -> String {
    let path = path.strip_prefix("Resources/").unwrap_or(path);
    if path.is_empty() { target.to_owned() } else { format!("{target}/{path}") }
}

/// Judges a site's documents, on a day (as RFC 3339 writes it).
pub fn assess(
    catalogue: &Catalogue,
    site: &str,
    documents: &[Document],
    safeguards: &Safeguards,
    today: &str,
) -> Assessment {
    let mut findings = Vec::new();
    let mut used = BTreeSet::new();
    let mut held: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for document in documents {
        for rule in catalogue.rules().filter(|rule| rule.of == document.of) {
            let verdict = guard::judged(&rule.clauses, &document.value);
            if !verdict.held.is_empty() {
                let places = verdict.held.iter().map(|path| document.part(path));
                held.entry(rule.id.clone()).or_default().extend(places);
            }
            for path in verdict.broken {
                let subject = subject(&document.target, &path);
                let open = if document.is_unpinned(&path) { Bearing::NotPinned } else { Bearing::Open };
                let of_rule = safeguards.exceptions.iter().enumerate().filter(|(_, exception)| {
                    exception.rule.as_str() == rule.id
                        && exception.scope.as_ref().is_none_or(|scope| matches(scope.as_str(), &subject))
                });
                // The one that lasts longest decides.
                let exception = of_rule.max_by(|a, b| a.1.until.cmp(&b.1.until));
                used.extend(exception.map(|(index, _)| index));
                findings.push(Finding {
                    site: site.to_owned(),
                    rule: rule.id.clone(),
                    severity: rule.severity,
                    target: document.target.clone(),
                    path,
                    bearing: exception.map_or(open, |(_, exception)| bearing(exception, today)),
                });
            }
        }
    }
    findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.cmp(b)));
    let idle = (0..safeguards.exceptions.len()).filter(|index| !used.contains(index)).collect();
    let not_applicable = not_applicable(catalogue, documents, &findings, &held);
    Assessment { site: site.to_owned(), documents: documents.len(), findings, idle, not_applicable, held }
}

/// The rules that found nothing to look at, with the reason.
fn not_applicable(
    catalogue: &Catalogue,
    documents: &[Document],
    findings: &[Finding],
    held: &BTreeMap<String, BTreeSet<String>>,
) -> BTreeMap<String, &'static str> {
    let is_silent =
        |rule: &&Rule| !held.contains_key(&rule.id) && findings.iter().all(|finding| finding.rule != rule.id);
    let why = |rule: &Rule| {
        if documents.iter().any(|document| document.of == rule.of) {
            "the site has nothing that it is about"
        } else {
            rule.of.only()
        }
    };
    catalogue.rules().filter(is_silent).map(|rule| (rule.id.clone(), why(rule))).collect()
}

fn bearing(exception: &Exception, today: &str) -> Bearing {
    let until = exception.until.to_string();
    if exception.until.as_str() < today {
        return Bearing::Expired { until };
    }
    Bearing::Excepted { reason: exception.reason.to_string(), approved_by: exception.approved_by.to_string(), until }
}
