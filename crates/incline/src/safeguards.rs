//! The safeguards that sites are held to: who judges them, and what holds a plan back.
use crate::error::Failure;
use crate::estate::{self, Source};
use crate::hosts;
use crate::view;
use incline_model::estate::Estate;
use incline_model::fault::{Fault, Path};
use incline_model::inventory::Inventory;
use incline_model::site::Site;
use incline_render::{ApiBy, Templates, render_tenants};
use incline_safeguards::{Assessment, Bearing, Catalogue, Document, Finding, Rule, assess, of_aws, of_onprem};
use std::collections::BTreeMap;

/// The rules that travel with incline.
pub(crate) fn catalogue() -> Result<Catalogue, Failure> {
    Catalogue::embedded().map_err(Failure::Safeguards)
}

/// What rules look at of a site.
pub(crate) fn documents(site: &Site, estate: &Estate, templates: &Templates) -> Result<Vec<Document>, Failure> {
    Ok(match site {
        Site::Aws(site) => of_aws(site, &estate::desired(site, estate, templates)?),
        Site::OnPrem(site) => {
            of_onprem(site, &hosts::desired(site, templates, ApiBy::Balancer)?, &render_tenants(site))
        }
    })
}

/// Judges a site's documents; nothing is said of a site that is held to no safeguards.
pub(crate) fn assessment(catalogue: &Catalogue, site: &Site, documents: &[Document]) -> Option<Assessment> {
    Some(assess(catalogue, site.name().as_str(), documents, site.safeguards()?, &view::today()))
}

/// Refuses those of the named sites (or of all) whose safeguards of high severity do not hold.
pub(crate) fn gate(source: &Source, estate: &Estate, templates: &Templates, names: &[String]) -> Result<(), Failure> {
    let catalogue = catalogue()?;
    let mut assessments = Vec::new();
    for site in estate::select(estate, names)?.into_iter().filter(|site| site.safeguards().is_some()) {
        assessments.extend(assessment(&catalogue, site, &documents(site, estate, templates)?));
    }
    let broken = broken(&catalogue, source, &assessments, Finding::refuses);
    let faults: Vec<Fault> = broken.into_iter().map(|broken| broken.fault).collect();
    if faults.is_empty() { Ok(()) } else { Err(Failure::Refused { faults, texts: source.texts.clone() }) }
}

/// A site that no rule was asked about.
pub(crate) struct NotJudged {
    pub(crate) site: String,
    /// Its inventory.
    pub(crate) file: String,
    pub(crate) why: String,
    pub(crate) hint: Option<String>,
}

impl NotJudged {
    pub(crate) fn new(inventory: &Inventory, why: String, hint: Option<String>) -> Self {
        Self { site: inventory.content.name().to_string(), file: inventory.file.clone(), why, hint }
    }
}

/// A rule that does not hold at a site, in one way of bearing that.
pub(crate) struct Broken<'a> {
    pub(crate) site: &'a str,
    pub(crate) rule: &'a Rule,
    pub(crate) bearing: &'a Bearing,
    /// Where it does not hold.
    pub(crate) findings: Vec<&'a Finding>,
    /// The same as a fault of the inventory that has a say in it.
    pub(crate) fault: Fault,
}

/// The rules that do not hold: the gravest first, one a site and way of bearing it.
pub(crate) fn broken<'a>(
    catalogue: &'a Catalogue,
    source: &Source,
    assessments: &'a [Assessment],
    which: impl Fn(&Finding) -> bool,
) -> Vec<Broken<'a>> {
    let mut all = Vec::new();
    for assessment in assessments {
        let mut alike: BTreeMap<(&str, &Bearing), Vec<&Finding>> = BTreeMap::new();
        for finding in assessment.findings.iter().filter(|finding| which(finding)) {
            alike.entry((&finding.rule, &finding.bearing)).or_default().push(finding);
        }
        let inventory = source.inventories.iter().find(|one| one.content.name().as_str() == assessment.site);
        let mut of_site: Vec<Broken<'_>> = alike
            .into_iter()
            .filter_map(|((rule, bearing), findings)| {
                let rule = catalogue.rule(rule)?;
                let fault = fault(rule, &findings, inventory?);
                Some(Broken { site: &assessment.site, rule, bearing, findings, fault })
            })
            .collect();
        of_site.sort_by_key(|broken| std::cmp::Reverse(broken.rule.severity));
        all.extend(of_site);
    }
    all
}

fn fault(rule: &Rule, findings: &[&Finding], inventory: &Inventory) -> Fault {
    // Of a rule about inventories, the engine knows the place; else the rule does. What only templates rule stands at the site's name.
    let known = |path: &str| {
        path.split(['/', '.']).filter(|step| !step.is_empty()).fold(Path::root(), |path, step| path.at(step))
    };
    let is_inventory = |finding: &&&Finding| finding.target == inventory.content.name().as_str();
    let path = match (findings.iter().find(is_inventory), &rule.inventory) {
        (Some(finding), _) if !finding.path.is_empty() => known(&finding.path),
        (_, Some(path)) => known(path),
        _ => Path::root().at("name"),
    };
    let mut subjects: Vec<String> = findings.iter().map(|finding| finding.subject()).collect();
    let more = subjects.len().saturating_sub(SHOWN);
    subjects.truncate(SHOWN);
    let more = if more == 0 { String::new() } else { format!(", and {more} more") };
    let borne = match findings.first().map(|finding| &finding.bearing) {
        Some(Bearing::NotPinned) => " Not judged: incline.lock pins nothing there.".to_owned(),
        Some(Bearing::Expired { until }) => format!(" Its exception ended on {until}."),
        Some(Bearing::Excepted { reason, approved_by, until }) => {
            format!(" Excepted until {until} by {approved_by}: {reason}.")
        }
        _ => String::new(),
    };
    Fault {
        file: inventory.file.clone(),
        place: Some(inventory.node.place_of(&path)),
        path: path.to_string(),
        cause: format!(
            "{} [{}, {}, 45 CFR {}]: not so for {}{more}.{borne}",
            rule.title,
            rule.id,
            rule.severity.name(),
            rule.paragraphs.join(", "),
            subjects.join(", ")
        ),
        hint: Some(rule.fix.clone()),
    }
}

/// As many places are named as are looked at, one after the other.
const SHOWN: usize = 4;
