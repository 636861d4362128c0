//! `incline plan`
use crate::arguments::{Common, Plan as Options};
use crate::audit::{self, Entered, Intent, Run};
use crate::error::{Exit, Failure};
use crate::hosts::{Doing, OnPremises, desired};
use crate::live::{self, Chosen, Live};
use crate::planner::{Against, Planner, Purpose, digests, table, take_in};
use crate::{estate, pins, safeguards, view};
use incline_aws::{Journal, Mode};
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let source = estate::read(common)?;
    let (digests, lock) = digests(&source);
    let estate = source.validate()?;
    let templates = estate::templates(common)?;
    let table = table()?;
    let sites = live::chosen(&estate, &options.sites)?;
    if let Some(folder) = &options.against {
        against(folder, &sites, &options.sites)?;
    }
    let asks = !options.offline && options.against.is_none();
    // What is saved, or made in AWS, is there to be applied.
    if asks && (options.out.is_some() || options.change_sets) {
        pins::required(estate::select(&estate, &options.sites)?)?;
    }
    safeguards::gate(&source, &estate, &templates, &options.sites)?;
    let plan_against = |against: Against<'_>, gone: bool| {
        let named = live::named(&options.named);
        Planner {
            estate: &estate,
            templates: &templates,
            table: &table,
            against,
            named,
            purpose: Purpose::Change,
            digests: &digests,
            lock: &lock,
        }
        .plan(&sites.aws, gone)
    };
    let doing = if asks { Doing::Work("plan") } else { Doing::Nothing };
    let api = options.bootstrap.api();
    let wish = |site: &_| desired(site, &templates, api);
    let mut onprem = OnPremises::open(&sites.onprem, wish, options.forks.forks, doing)?.with_tenants()?;
    let mut judged = BTreeMap::new();
    let mut plan = match &options.against {
        Some(folder) => plan_against(Against::Folder(folder), options.sites.is_empty())?,
        None if options.offline => plan_against(Against::Nothing, false)?,
        None => live::block_on(async {
            let mode = if options.change_sets { Mode::Judge } else { Mode::Look };
            let mut live = Live::open(&estate, &templates, &sites.aws, Journal::new(mode)).await?;
            let (observed, ()) = tokio::join!(live.observe(), onprem.observe(options.json));
            observed?;
            let mut plan = plan_against(Against::Live(&live.observed), false)?;
            if options.mend_drift {
                live.mend_drift(&sites.aws, &mut plan).await;
            }
            live.look_for_fetched(&mut plan).await;
            if options.change_sets {
                let entered = Entered { live: Some(&live), onprem: None };
                let intent = Intent { copied: false, ..Intent::new("plan --change-sets", &estate, entered) };
                let trail = audit::trail(common)?;
                let run = Run::of_plan(&trail, &intent, &plan)?;
                judged = run.around(live.judge(&plan, &table, options.out.is_some())).await?;
            }
            Ok(plan)
        })?,
    };
    // What hosts are is not written into folders.
    if options.against.is_none() {
        take_in(&mut plan, &onprem, api, &templates, &digests, &lock);
    }
    pins::note(&mut plan, &estate);
    if let Some(path) = &options.out {
        std::fs::write(path, view::json(&plan)?).map_err(Failure::file("write", path))?;
    }
    if options.json {
        view::say(&view::json(&plan)?)?;
    } else {
        view::say(&view::plan::text(&plan, options.full, view::width()))?;
        view::say(&view::plan::judged(&judged))?;
    }
    // A plan that does not see all of its stacks and hosts is no whole plan, and neither is one of which something is refused.
    if plan.blocked().next().is_some() || plan.not_checked().next().is_some() {
        return Ok(Exit::Failed);
    }
    let differs = !plan.is_empty() || plan.not_repaired().next().is_some();
    Ok(if options.detailed_exitcode && differs { Exit::Differences } else { Exit::Done })
}

/// Whether a folder can be compared with: it is there; and says which sites it leaves out.
fn against(folder: &Path, sites: &Chosen<'_>, named: &[String]) -> Result<(), Failure> {
    if !folder.is_dir() {
        return Err(Failure::Usage {
            cause: format!("there is no folder {}", folder.display()),
            hint: "`incline render --out DIR` writes one to compare with".to_owned(),
        });
    }
    let left_out: Vec<&str> = sites.onprem.iter().map(|site| site.typed().name.as_str()).collect();
    let left_out = left_out.join(", ");
    if !named.is_empty() && sites.aws.is_empty() {
        return Err(Failure::Usage {
            cause: format!("--against compares sites in AWS, and {left_out} is on premises"),
            hint: "plan it without --against: its hosts are asked".to_owned(),
        });
    }
    if !left_out.is_empty() {
        view::warn(&format!("not compared, since a folder holds nothing of hosts: {left_out}"));
    }
    Ok(())
}
