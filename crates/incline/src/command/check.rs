//! `incline check`
use crate::arguments::{Check, Common};
use crate::error::{Exit, Failure};
use crate::{estate, safeguards, view};
use incline_model::estate::Estate;
use incline_model::site::Site;
use incline_safeguards::{Assessment, Bearing, Catalogue, Finding};

pub(crate) fn run(common: &Common, options: &Check) -> Result<Exit, Failure> {
    let catalogue = safeguards::catalogue()?;
    if options.json {
        return view::failure::faults_json(check(common, &catalogue).map(|checked| checked.assessments));
    }
    let checked = check(common, &catalogue)?;
    view::say(&checked.text)?;
    let refused = checked.assessments.iter().flat_map(|assessment| &assessment.findings).any(Finding::refuses);
    Ok(if refused { Exit::Failed } else { Exit::Done })
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
    // What only rendering can tell: sizes of templates and of user data.
    let templates = estate::templates(common)?;
    let mut stacks = 0;
    for site in estate.sites() {
        if let Site::Aws(site) = site {
            let desired = estate::desired(site, &estate, &templates)?;
            stacks += desired.stacks.len();
        }
    }
    let assessments = safeguards::assessments(catalogue, &estate, &templates, &[])?;
    let open = |finding: &Finding| !matches!(finding.bearing, Bearing::Excepted { .. });
    let mut text = view::failure::snippets(&safeguards::faults(catalogue, &source, &assessments, open), &source.texts);
    text.push_str(&format!("{sites} sites are valid; {stacks} stacks render within AWS's limits.\n"));
    let rules = catalogue.rules().count();
    text.extend(assessments.iter().map(|assessment| view::safeguards::summary(assessment, rules)));
    Ok(Checked { text, assessments })
}
