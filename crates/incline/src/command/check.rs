//! `incline check`
use crate::arguments::{Check, CheckFormat, Common};
use crate::error::{Exit, Failure};
use crate::estate::Source;
use crate::safeguards::Broken;
use crate::{estate, pins, safeguards, view};
use incline_model::estate::Estate;
use incline_model::fault::Fault;
use incline_model::inventory::Inventory;
use incline_model::site::Site;
use incline_safeguards::{Assessment, Bearing, Catalogue, Of};

pub(crate) fn run(common: &Common, options: &Check) -> Result<Exit, Failure> {
    let catalogue = safeguards::catalogue()?;
    let (faults, checked) = match check(common, &catalogue) {
        Ok(checked) => (checked.unpinned.clone(), Some(checked)),
        // What is wrong with inventories is what machines ask for; people are shown it as any other failure.
        Err(Failure::Faults { faults, .. }) if options.json || options.format.is_some() => (faults, None),
        Err(other) => return Err(other),
    };
    let assessments = checked.as_ref().map(|checked| checked.assessments.as_slice()).unwrap_or_default();
    let broken = match &checked {
        Some(checked) => safeguards::broken(&catalogue, &checked.source, assessments, |_| true),
        None => Vec::new(),
    };
    let text = match (options.format, options.json) {
        (Some(CheckFormat::Sarif), _) => view::sarif::text(&catalogue, &faults, &broken),
        (Some(CheckFormat::Junit), _) => view::junit::checked(&catalogue, &faults, assessments, &broken)?,
        (None, true) => view::failure::faults_json(&faults, assessments),
        (None, false) => checked.as_ref().map(|checked| people(checked, &catalogue, &broken)).unwrap_or_default(),
    };
    view::say(&text)?;
    if let (Some(checked), true) = (&checked, options.format.is_none() && !options.json && !faults.is_empty()) {
        return Err(estate::failure(faults, checked.source.texts.clone()));
    }
    let is_refused = !faults.is_empty() || assessments.iter().any(Assessment::refuses);
    Ok(if is_refused { Exit::Failed } else { Exit::Done })
}

/// What was checked, and how it stands.
struct Checked {
    source: Source,
    /// How many stacks were rendered.
    stacks: usize,
    assessments: Vec<Assessment>,
    /// What a reader should know of sites in AWS that is no fault: the site, and what.
    notes: Vec<(String, String)>,
    /// What the lock file does not pin, where that is a fault: there is a lock file, or a site is held to safeguards.
    unpinned: Vec<Fault>,
    /// The same in one line, wherever something is not pinned.
    told: Option<String>,
}

fn check(common: &Common, catalogue: &Catalogue) -> Result<Checked, Failure> {
    let source = estate::read(common)?;
    let estate = source.validate()?;
    // What only rendering can tell: sizes of templates and of user data, and what safeguards say of it all.
    let templates = estate::templates(common)?;
    let (mut stacks, mut assessments, mut notes) = (0, Vec::new(), Vec::new());
    for site in estate.sites().filter(|site| matches!(site, Site::Aws(_)) || site.safeguards().is_some()) {
        let documents = safeguards::documents(site, &estate, &templates)?;
        stacks += documents.iter().filter(|document| document.of == Of::Stack).count();
        assessments.extend(safeguards::assessment(catalogue, site, &documents));
        if let Site::Aws(site) = site {
            let told = estate::desired(site, &estate, &templates)?.notes;
            notes.extend(told.into_iter().map(|note| (site.typed().name.to_string(), note)));
        }
    }
    // Before the first lock file, a site that is held to nothing is valid without one. Where a site is held to safeguards, or
    // the lock file lacks something, a missing pin is a fault.
    let lock = source.lock.as_ref().map(|(_, lock)| lock);
    let is_fault = |inventory: &&Inventory| {
        let site = estate.site(inventory.content.name().as_str());
        lock.is_some() || site.is_some_and(|site| site.safeguards().is_some())
    };
    let faulty: Vec<Inventory> = source.inventories.iter().filter(is_fault).cloned().collect();
    let (unpinned, told) = (Estate::unpinned(&faulty, lock), pins::counted(estate.sites()));
    Ok(Checked { source, stacks, assessments, notes, unpinned, told })
}

fn people(checked: &Checked, catalogue: &Catalogue, broken: &[Broken<'_>]) -> String {
    let sites = checked.source.inventories.len();
    let stacks = checked.stacks;
    let open = broken.iter().filter(|broken| !matches!(broken.bearing, Bearing::Excepted { .. }));
    let faults: Vec<Fault> = open.map(|broken| broken.fault.clone()).collect();
    let mut text = view::failure::snippets(&faults, &checked.source.texts);
    text.push_str(&format!("{sites} sites are valid; {stacks} stacks render within AWS's limits.\n"));
    let rules = catalogue.rules().count();
    text.extend(checked.told.iter().map(|told| format!("{told}.\n")));
    text.extend(checked.assessments.iter().map(|assessment| view::safeguards::summary(assessment, rules)));
    text.extend(checked.notes.iter().map(|(site, note)| format!("{site}, to know: {note}\n")));
    text
}
