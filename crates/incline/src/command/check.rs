//! `incline check`
use crate::arguments::{Check, CheckFormat, Common};
use crate::error::{Exit, Failure};
use crate::estate::Source;
use crate::safeguards::Broken;
use crate::{estate, safeguards, view};
use incline_model::estate::Estate;
use incline_model::fault::Fault;
use incline_model::site::Site;
use incline_safeguards::{Assessment, Bearing, Catalogue, Of};

pub(crate) fn run(common: &Common, options: &Check) -> Result<Exit, Failure> {
    let catalogue = safeguards::catalogue()?;
    let (faults, checked) = match check(common, &catalogue) {
        Ok(checked) => (Vec::new(), Some(checked)),
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
    let is_refused = !faults.is_empty() || assessments.iter().any(Assessment::refuses);
    Ok(if is_refused { Exit::Failed } else { Exit::Done })
}

/// What was checked, and how it stands.
struct Checked {
    source: Source,
    /// How many stacks were rendered; nothing where there is nothing to render them with.
    stacks: Option<usize>,
    assessments: Vec<Assessment>,
    /// What a reader should know of sites in AWS that is no fault: the site, and what.
    notes: Vec<(String, String)>,
}

fn check(common: &Common, catalogue: &Catalogue) -> Result<Checked, Failure> {
    let source = estate::read(common)?;
    if source.lock.is_none() {
        let faults = Estate::faults(&source.inventories);
        if !faults.is_empty() {
            return Err(estate::failure(faults, source.texts));
        }
        return Ok(Checked { source, stacks: None, assessments: Vec::new(), notes: Vec::new() });
    }
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
    Ok(Checked { source, stacks: Some(stacks), assessments, notes })
}

fn people(checked: &Checked, catalogue: &Catalogue, broken: &[Broken<'_>]) -> String {
    let sites = checked.source.inventories.len();
    let Some(stacks) = checked.stacks else {
        return format!(
            "{sites} sites are valid. There is no incline.lock yet: plan and render need one (`incline lock status`).\n"
        );
    };
    let open = broken.iter().filter(|broken| !matches!(broken.bearing, Bearing::Excepted { .. }));
    let faults: Vec<Fault> = open.map(|broken| broken.fault.clone()).collect();
    let mut text = view::failure::snippets(&faults, &checked.source.texts);
    text.push_str(&format!("{sites} sites are valid; {stacks} stacks render within AWS's limits.\n"));
    let rules = catalogue.rules().count();
    text.extend(checked.assessments.iter().map(|assessment| view::safeguards::summary(assessment, rules)));
    text.extend(checked.notes.iter().map(|(site, note)| format!("{site}, to know: {note}\n")));
    text
}
