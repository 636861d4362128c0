//! What an auditor is shown of a site: the safeguards that it is held to, how each stands now and where, what is excepted, who
//! looked when, and who changed what with whose approval.
mod touch;

use crate::look::Looked;
use incline_audit::{Approval, Checked, Head, Person, What};
use incline_model::desired::Desired;
use incline_model::drift::{Finding, SiteDrift, State};
use incline_model::inventory::Safeguards;
use incline_model::observed::Observed;
use incline_safeguards::{Assessment, Bearing, Catalogue, Category, Rule, Severity};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use touch::Touch;

/// The version of the evidence's JSON.
const FORMAT: u32 = 2;

/// As many looks are shown as a month has nights.
const LOOKS: usize = 30;

/// All of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Evidence {
    pub(crate) format: u32,
    pub(crate) site: String,
    pub(crate) place: String,
    /// When it was made, RFC 3339 in UTC.
    pub(crate) at: String,
    pub(crate) by: Person,
    /// Digests (SHA-256) of the inventory, the lock file and the templates.
    pub(crate) inputs: BTreeMap<String, String>,
    /// Whether it was looked at what is there, and not only at what the inventory asks for.
    pub(crate) looked: bool,
    pub(crate) held_to: Safeguards,
    pub(crate) paragraphs: Vec<Paragraph>,
    pub(crate) safeguards: Vec<Safeguard>,
    /// What was found by that look, apart from what is in sync and what is not covered.
    pub(crate) drift: Vec<Finding>,
    pub(crate) in_sync: usize,
    pub(crate) not_covered: usize,
    /// Earlier looks, the last first.
    pub(crate) looks: Vec<Look>,
    /// Changes, the last first.
    pub(crate) changes: Vec<Change>,
    pub(crate) trail: Trail,
}

/// A paragraph of 45 CFR, and the safeguards that answer it.
#[derive(Debug, Serialize)]
pub(crate) struct Paragraph {
    pub(crate) paragraph: String,
    pub(crate) heading: String,
    pub(crate) safeguards: Vec<String>,
}

/// How a safeguard stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Standing {
    Holds,
    Broken,
    Excepted,
    /// Something that it reads is not as it was applied.
    Drifted,
    /// Something that it reads could not be read.
    NotChecked,
    /// A host has not, or not yet, what the inventory asks for.
    Pending,
    /// There is nothing at this site that it is about.
    NotApplicable,
}

impl Standing {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Broken => "does not hold",
            Self::Excepted => "excepted",
            Self::Drifted => "drifted",
            Self::NotChecked => "not checked",
            Self::Pending => "pending",
            Self::NotApplicable => "not applicable",
        }
    }
}

/// A safeguard, and how it stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Safeguard {
    pub(crate) rule: String,
    pub(crate) title: String,
    pub(crate) category: Category,
    pub(crate) severity: Severity,
    pub(crate) protects: String,
    pub(crate) standing: Standing,
    /// The resources, hosts' items, tenants or sites that it holds for.
    pub(crate) places: BTreeSet<String>,
    /// Where it does not hold, and how that is borne.
    pub(crate) broken: Vec<(String, Bearing)>,
    /// What has drifted of what it reads.
    pub(crate) drifted: BTreeSet<String>,
    /// What could not be read of it.
    pub(crate) not_checked: BTreeSet<String>,
    /// What hosts do not have of it.
    pub(crate) pending: BTreeSet<String>,
    /// What no API shows of it: there it is judged by what was applied.
    pub(crate) not_covered: BTreeSet<String>,
    /// Why there is nothing that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_applicable: Option<&'static str>,
}

/// Somebody looked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Look {
    pub(crate) at: String,
    pub(crate) who: String,
    pub(crate) in_sync: usize,
    pub(crate) findings: BTreeMap<String, usize>,
}

/// Somebody changed something.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Change {
    pub(crate) at: String,
    pub(crate) run: u64,
    pub(crate) who: String,
    pub(crate) callers: Vec<String>,
    pub(crate) command: String,
    pub(crate) plan: Option<String>,
    pub(crate) steps: usize,
    pub(crate) approvals: Vec<Approval>,
    /// How it ended; nothing where it never did.
    pub(crate) success: Option<bool>,
}

/// The audit trail that this is taken from.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trail {
    pub(crate) whole: bool,
    pub(crate) records: usize,
    pub(crate) head: Option<Head>,
}

/// What a site would be, with the templates and node configurations that are deployed in place of those that would be.
pub(crate) fn as_deployed(desired: &Desired, observed: &Observed) -> Desired {
    let mut deployed = desired.clone();
    deployed.stacks.retain_mut(|stack| match observed.stacks.get(&stack.name) {
        Some(seen) => {
            stack.template = seen.template.clone();
            true
        }
        None => false,
    });
    for artifact in &mut deployed.artifacts {
        if let Some(seen) = observed.nodes.get(&artifact.role) {
            artifact.content = seen.clone();
        }
    }
    deployed
}

/// What is known of a site before its safeguards are set out.
pub(crate) struct Known<'a> {
    pub(crate) held_to: &'a Safeguards,
    pub(crate) assessment: &'a Assessment,
    pub(crate) looked: Option<&'a Looked>,
    pub(crate) place: String,
    pub(crate) inputs: BTreeMap<String, String>,
    pub(crate) at: String,
    pub(crate) trail: &'a Checked,
}

impl Evidence {
    /// Sets it out.
    pub(crate) fn new(catalogue: &Catalogue, known: &Known<'_>) -> Self {
        let site = known.assessment.site.clone();
        let drift = known.looked.map(|looked| &looked.drift);
        let safeguards: Vec<Safeguard> =
            catalogue.rules().map(|rule| safeguard(rule, known.assessment, drift)).collect();
        let applies = |rule: &&Rule| {
            let standing = safeguards.iter().find(|one| one.rule == rule.id).map(|one| one.standing);
            standing.is_some_and(|standing| standing != Standing::NotApplicable)
        };
        let paragraphs = catalogue.paragraphs().map(|(paragraph, heading)| Paragraph {
            paragraph: paragraph.to_owned(),
            heading: heading.to_owned(),
            safeguards: catalogue
                .rules()
                .filter(|rule| rule.paragraphs.iter().any(|one| one == paragraph))
                .filter(applies)
                .map(|rule| rule.id.clone())
                .collect(),
        });
        let not_covered = |finding: &&Finding| matches!(finding.state, State::NotCovered { .. });
        let findings = || drift.into_iter().flat_map(|drift| &drift.findings);
        Self {
            format: FORMAT,
            place: known.place.clone(),
            at: known.at.clone(),
            by: Person::here(),
            inputs: known.inputs.clone(),
            looked: drift.is_some(),
            held_to: known.held_to.clone(),
            paragraphs: paragraphs.filter(|paragraph| !paragraph.safeguards.is_empty()).collect(),
            drift: findings().filter(|finding| !not_covered(finding)).cloned().collect(),
            in_sync: drift.map_or(0, |drift| drift.in_sync),
            not_covered: findings().filter(not_covered).count(),
            looks: looks(known.trail, &site),
            changes: changes(known.trail, &site),
            trail: Trail {
                whole: known.trail.flaws.is_empty(),
                records: known.trail.records.len(),
                head: known.trail.head(),
            },
            safeguards,
            site,
        }
    }

    /// How many safeguards stand so.
    pub(crate) fn count(&self, standing: Standing) -> usize {
        self.safeguards.iter().filter(|one| one.standing == standing).count()
    }
}

fn safeguard(rule: &Rule, assessment: &Assessment, drift: Option<&SiteDrift>) -> Safeguard {
    let places = assessment.held.get(&rule.id).cloned().unwrap_or_default();
    let broken: Vec<(String, Bearing)> = assessment
        .findings
        .iter()
        .filter(|finding| finding.rule == rule.id)
        .map(|finding| (finding.subject(), finding.bearing.clone()))
        .collect();
    let reads = rule.reads();
    let mut touched: BTreeMap<Standing, BTreeSet<String>> = BTreeMap::new();
    for finding in drift.into_iter().flat_map(|drift| &drift.findings) {
        let standing = match touch::touch(rule, &reads, &places, &assessment.site, finding) {
            Some(Touch::Drifted) => Standing::Drifted,
            Some(Touch::NotChecked) => Standing::NotChecked,
            Some(Touch::Pending) => Standing::Pending,
            // It says nothing against the rule.
            Some(Touch::NotCovered) => Standing::Holds,
            None => continue,
        };
        touched.entry(standing).or_default().insert(finding.what());
    }
    let is_open = |(_, bearing): &(String, Bearing)| !matches!(bearing, Bearing::Excepted { .. });
    let worst = [Standing::Drifted, Standing::NotChecked, Standing::Pending];
    let standing = if broken.iter().any(is_open) {
        Standing::Broken
    } else if let Some(worst) = worst.into_iter().find(|standing| touched.contains_key(standing)) {
        worst
    } else if !broken.is_empty() {
        Standing::Excepted
    } else if places.is_empty() {
        Standing::NotApplicable
    } else {
        Standing::Holds
    };
    let mut take = |standing: Standing| touched.remove(&standing).unwrap_or_default();
    let why = assessment.not_applicable.get(&rule.id).copied();
    Safeguard {
        rule: rule.id.clone(),
        title: rule.title.clone(),
        category: rule.category,
        severity: rule.severity,
        protects: rule.protects.clone(),
        standing,
        broken,
        drifted: take(Standing::Drifted),
        not_checked: take(Standing::NotChecked),
        pending: take(Standing::Pending),
        not_covered: take(Standing::Holds),
        not_applicable: why.filter(|_| standing == Standing::NotApplicable),
        places,
    }
}

fn looks(trail: &Checked, site: &str) -> Vec<Look> {
    let looks = trail.records.iter().rev().filter_map(|(record, _)| match &record.what {
        What::Looked { who, sites } => {
            let look = sites.iter().find(|look| look.access.site == site)?;
            let (at, who) = (record.time.clone(), who.to_string());
            Some(Look { at, who, in_sync: look.in_sync, findings: look.findings.clone() })
        }
        _ => None,
    });
    looks.take(LOOKS).collect()
}

fn changes(trail: &Checked, site: &str) -> Vec<Change> {
    let ends: BTreeMap<u64, bool> = trail
        .records
        .iter()
        .filter_map(|(record, _)| match &record.what {
            What::Ended { success, .. } => Some((record.run?, *success)),
            _ => None,
        })
        .collect();
    let changes = trail.records.iter().rev().filter(|(record, _)| record.what.is_about(site));
    changes
        .filter_map(|(record, _)| match &record.what {
            What::Began { command, who, sites, plan, doing, approvals } => Some(Change {
                at: record.time.clone(),
                run: record.sequence,
                who: who.to_string(),
                callers: sites
                    .iter()
                    .filter(|access| access.site == site)
                    .filter_map(|one| one.caller.clone())
                    .collect(),
                command: if doing.is_empty() { command.clone() } else { format!("{command}: {}", doing.join("; ")) },
                plan: plan.as_ref().map(|plan| plan.digest.clone()),
                steps: plan.as_ref().map_or(0, |plan| plan.steps.len()),
                approvals: approvals.clone(),
                success: ends.get(&record.sequence).copied(),
            }),
            _ => None,
        })
        .collect()
}
