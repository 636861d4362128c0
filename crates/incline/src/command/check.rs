//! `incline check`
use crate::arguments::{Check, Common};
use crate::error::{Exit, Failure};
use crate::{estate, view};
use incline_model::estate::Estate;
use incline_model::site::Site;

pub(crate) fn run(common: &Common, options: &Check) -> Result<Exit, Failure> {
    let outcome = check(common);
    if options.json {
        return view::failure::faults_json(outcome);
    }
    view::say(&outcome?)?;
    Ok(Exit::Done)
}

/// Checks everything; what is well is told in one line.
fn check(common: &Common) -> Result<String, Failure> {
    let source = estate::read(common)?;
    let sites = source.inventories.len();
    if source.lock.is_none() {
        let faults = Estate::faults(&source.inventories);
        if !faults.is_empty() {
            return Err(estate::failure(faults, source.texts));
        }
        return Ok(format!(
            "{sites} sites are valid. There is no incline.lock yet: plan and render need one (`incline lock status`).\n"
        ));
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
    Ok(format!("{sites} sites are valid; {stacks} stacks render within AWS's limits.\n"))
}
