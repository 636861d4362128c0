//! `incline iam-policy`
use crate::arguments::{Common, IamPolicy as Options, RightsFor};
use crate::error::{Exit, Failure};
use crate::{estate, live, view};
use incline_aws::iam::{Rights, policies};

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let estate = estate::read(common)?.validate()?;
    let templates = estate::templates(common)?;
    let rights = match options.command {
        RightsFor::Plan => Rights::Plan,
        RightsFor::ChangeSets => Rights::ChangeSets,
        RightsFor::Drift => Rights::Drift,
        RightsFor::Apply => Rights::Apply,
    };
    for site in live::in_aws(&estate, std::slice::from_ref(&options.site))? {
        let desired = estate::desired(site, &estate, &templates)?;
        let found = policies(site, &desired, rights);
        let found = found.map_err(|error| Failure::Other { cause: error.to_string(), hint: None })?;
        view::say(&format!("{:#}\n", serde_json::Value::Array(found)))?;
    }
    Ok(Exit::Done)
}
