//! `incline check`
use crate::arguments::{Check, Common};
use crate::error::{Exit, Failure};
use crate::{estate, safeguards, view};
use incline_model::estate::Estate;
use incline_model::site::Site;
use incline_safeguards::{Assessment, Catalogue, Finding, Of};

pub(crate) fn run(common: &Common, options: &Check) -> Result<Exit, Failure> {
    let catalogue = safeguards::catalogue()?;
    if options.json {
        return view::failure::faults_json(check(common, &catalogue).map(|checked| checked.assessments));
    }
    let checked = check(common, &catalogue)?;
    view::say(&checked.text)?;
    Ok(if checked.assessments.iter().any(Assessment::refuses) { Exit::Failed } else { Exit::Done })
}

/// What was checked, and how it stands.
struct Checked {
    text: String,
    assessments: Vec<Assessment>,
}

fn check(common: &Common, catalogue: &Catalogue) -> Result<Checked, Failure> {
    let source = estate::read(common)?;
    let sites = source.inventories.len();
    if source.lock.is_none() {
        let faults = Estate::faults(&source.inventories);
        if !faults.is_empty() {
            return Err(estate::failure(faults, source.texts));
        }
        let text = format!(
            "{sites} sites are valid. There is no incline.lock yet: plan and render need one (`incline lock status`).\n"
        );
        return Ok(Checked { text, assessments: Vec::new() });
    }
    let estate = source.validate()?;
    // What only rendering can tell: sizes of templates and of user data, and what safeguards say of it all.
    let templates = estate::templates(common)?;
    let (mut stacks, mut assessments) = (0, Vec::new());
    for site in estate.sites().filter(|site| matches!(site, Site::Aws(_)) || site.safeguards().is_some()) {
        let documents = safeguards::documents(site, &estate, &templates)?;
        stacks += documents.iter().filter(|document| document.of == Of::Stack).count();
        assessments.extend(safeguards::assessment(catalogue, site, &documents));
    }
    let open = |finding: &Finding| !finding.is_excepted();
    let mut text = view::failure::snippets(&safeguards::faults(catalogue, &source, &assessments, open), &source.texts);
    text.push_str(&format!("{sites} sites are valid; {stacks} stacks render within AWS's limits.\n"));
    let rules = catalogue.rules().count();
    text.extend(assessments.iter().map(|assessment| view::safeguards::summary(assessment, rules)));
    Ok(Checked { text, assessments })
}
