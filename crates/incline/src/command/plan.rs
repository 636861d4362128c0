//! `incline plan`
use crate::arguments::{Common, Plan as Options};
use crate::error::{Exit, Failure};
use crate::live::{self, Live};
use crate::planner::{Against, Planner, digests, table};
use crate::{estate, view};
use incline_aws::{Journal, Mode};
use incline_model::plan::Plan;
use incline_model::site::Site;
use std::collections::BTreeMap;

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let source = estate::read(common)?;
    let (digests, lock) = digests(&source);
    let estate = source.validate()?;
    let templates = estate::templates(common)?;
    let table = table()?;
    let (mut aws, mut onprem) = (Vec::new(), Vec::new());
    for site in estate::select(&estate, &options.sites)? {
        match site {
            Site::Aws(site) => aws.push(&**site),
            Site::OnPrem(site) => onprem.push(site.typed().name.to_string()),
        }
    }
    let plan_against = |against: Against<'_>, gone: bool| {
        let named = live::named(&options.named);
        Planner {
            estate: &estate,
            templates: &templates,
            table: &table,
            against,
            named,
            digests: &digests,
            lock: &lock,
        }
        .plan(&aws, gone)
    };
    let mut judged = BTreeMap::new();
    let plan = match &options.against {
        Some(folder) => plan_against(Against::Folder(folder), options.sites.is_empty())?,
        None if options.offline => plan_against(Against::Nothing, false)?,
        None => live::block_on(async {
            let mode = if options.change_sets { Mode::Judge } else { Mode::Look };
            let mut live = Live::open(&estate, &templates, &aws, Journal::new(mode)).await?;
            live.observe().await?;
            let mut plan = plan_against(Against::Live(&live.observed), false)?;
            if options.mend_drift {
                live.mend_drift(&aws, &mut plan).await;
            }
            if options.change_sets {
                judged = live.judge(&plan, &table, options.out.is_some()).await?;
            }
            Ok(plan)
        })?,
    };
    if let Some(path) = &options.out {
        std::fs::write(path, json(&plan)?).map_err(Failure::file("write", path))?;
    }
    if options.json {
        view::say(&json(&plan)?)?;
    } else {
        view::say(&view::plan::text(&plan, &onprem, options.full, view::width()))?;
        view::say(&view::plan::judged(&judged))?;
    }
    Ok(if options.detailed_exitcode && !plan.is_empty() { Exit::Differences } else { Exit::Done })
}

fn json(plan: &Plan) -> Result<String, Failure> {
    serde_json::to_string_pretty(plan)
        .map(|text| text + "\n")
        .map_err(|error| Failure::Other { cause: format!("the plan cannot be written as JSON: {error}"), hint: None })
}
