//! `incline check`
use crate::arguments::{Check, CheckFormat, Common};
use crate::error::{Exit, Failure};
use crate::estate::Source;
use crate::safeguards::{Broken, NotJudged};
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
    let not_judged = checked.as_ref().map(|checked| checked.not_judged.as_slice()).unwrap_or_default();
    let broken = match &checked {
        Some(checked) => safeguards::broken(&catalogue, &checked.source, assessments, |_| true),
        None => Vec::new(),
    };
    let text = match (options.format, options.json) {
        (Some(CheckFormat::Sarif), _) => view::sarif::text(&catalogue, &faults, &broken, not_judged),
        (Some(CheckFormat::Junit), _) => view::junit::checked(&catalogue, &faults, assessments, &broken, not_judged)?,
        (None, true) => view::failure::faults_json(&faults, assessments, not_judged),
        (None, false) => checked.as_ref().map(|checked| people(checked, &broken)).unwrap_or_default(),
    };
    view::say(&text)?;
    if let (Some(checked), true) = (&checked, options.format.is_none() && !options.json && !faults.is_empty()) {
        return Err(estate::failure(faults, checked.source.texts.clone()));
    }
    let is_refused = !faults.is_empty() || !not_judged.is_empty() || assessments.iter().any(Assessment::refuses);
    Ok(if is_refused { Exit::Failed } else { Exit::Done })
}

/// What was checked, and how it stands.
struct Checked {
    source: Source,
    /// How many stacks were rendered.
    stacks: usize,
    assessments: Vec<Assessment>,
    /// Sites that could not be rendered, or that are held to safeguards and have no assessment.
    not_judged: Vec<NotJudged>,
    /// What a reader should know of sites in AWS that is no fault: the site, and what.
    notes: Vec<(String, String)>,
    /// What the lock file, where there is one, does not pin.
    unpinned: Vec<Fault>,
}

fn check(common: &Common, catalogue: &Catalogue) -> Result<Checked, Failure> {
    let source = estate::read(common)?;
    let estate = source.validate()?;
    // What only rendering can tell: sizes of templates and of user data, and what safeguards say of it all.
    let templates = estate::templates(common)?;
    let (mut stacks, mut assessments, mut not_judged, mut notes) = (0, Vec::new(), Vec::new(), Vec::new());
    for site in estate.sites().filter(|site| matches!(site, Site::Aws(_)) || site.safeguards().is_some()) {
        let inventory = source.inventories.iter().find(|one| one.content.name() == site.name());
        match safeguards::documents(site, &estate, &templates) {
            Ok(documents) => {
                stacks += documents.iter().filter(|document| document.of == Of::Stack).count();
                assessments.extend(safeguards::assessment(catalogue, site, &documents));
            }
            // One site that cannot be rendered hides no other.
            Err(failure) => {
                let why = view::failure::chain(&failure);
                not_judged.extend(inventory.map(|inventory| NotJudged::new(inventory, why, failure.hint())));
                continue;
            }
        }
        if let Site::Aws(site) = site {
            let known = estate::desired(site, &estate, &templates)?.notes;
            notes.extend(known.into_iter().map(|note| (site.typed().name.to_string(), note)));
        }
        // What was not judged is never green, whatever the reason.
        let is_judged = assessments.iter().any(|assessment| assessment.site == site.name().as_str());
        if site.safeguards().is_some() && !is_judged {
            let why = "no rule was asked about it".to_owned();
            not_judged.extend(inventory.map(|inventory| NotJudged::new(inventory, why, None)));
        }
    }
    // A version that a lock file lacks is a fault of the choice that asks for it. Before the first lock file, all is judged but
    // what nodes boot from.
    let lock = source.lock.as_ref().map(|(_, lock)| lock);
    let unpinned = if lock.is_some() { Estate::unpinned(&source.inventories, lock) } else { Vec::new() };
    if lock.is_none() {
        let of = |inventory: &Inventory| estate.site(inventory.content.name().as_str()).and_then(pins::unlocked);
        let hint = || Some("`incline lock status` lists the command for each pin".to_owned());
        let without = |inventory| of(inventory).map(|why| NotJudged::new(inventory, why, hint()));
        not_judged.extend(source.inventories.iter().filter_map(without));
    }
    Ok(Checked { source, stacks, assessments, not_judged, notes, unpinned })
}

fn people(checked: &Checked, broken: &[Broken<'_>]) -> String {
    let sites = checked.source.inventories.len();
    let open = broken.iter().filter(|broken| !matches!(broken.bearing, Bearing::Excepted { .. }));
    let faults: Vec<Fault> = open.map(|broken| broken.fault.clone()).collect();
    let mut text = view::failure::snippets(&faults, &checked.source.texts);
    text.push_str(&format!("{sites} sites are valid; {} stacks render within AWS's limits.\n", checked.stacks));
    text.extend(checked.assessments.iter().map(view::safeguards::summary));
    text.extend(checked.not_judged.iter().map(view::safeguards::not_judged));
    text.extend(checked.notes.iter().map(|(site, note)| format!("{site}, to know: {note}\n")));
    text
}
