//! `incline explain`
use crate::arguments::Explain as Options;
use crate::error::{Exit, Failure};
use crate::{safeguards, view};
use incline_model::fault::did_you_mean;
use incline_safeguards::Rule;

pub(crate) fn run(options: &Options) -> Result<Exit, Failure> {
    let catalogue = safeguards::catalogue()?;
    let rules: Vec<&Rule> =
        match &options.rule {
            None => catalogue.rules().collect(),
            Some(id) => vec![catalogue.rule(id).ok_or_else(|| {
                Failure::Usage {
                    cause: format!("there is no rule `{id}`"),
                    hint: did_you_mean(id, catalogue.rules().map(|rule| rule.id.as_str()).collect::<Vec<_>>())
                        .unwrap_or_default(),
                }
            })?],
        };
    if options.json {
        view::say(&view::json(&rules)?)?;
    } else if options.rule.is_some() {
        view::say(&rules.into_iter().map(view::safeguards::whole).collect::<String>())?;
    } else {
        view::say(&view::safeguards::list(&rules))?;
    }
    Ok(Exit::Done)
}
