//! `incline drift`
use crate::arguments::{Common, Drift as Options};
use crate::audit::{self, Entered};
use crate::error::{Exit, Failure};
use crate::hosts::{Doing, OnPremises, desired};
use crate::live::{self, Live};
use crate::planner::{Against, Planner, digests, table};
use crate::{estate, view};
use incline_aws::{Journal, Mode};
use incline_model::drift::{Drift, FORMAT};

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    live::block_on(work(common, options))
}

async fn work(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let source = estate::read(common)?;
    let (digests, lock) = digests(&source);
    let estate = source.validate()?;
    let templates = estate::templates(common)?;
    let table = table()?;
    let trail = audit::trail(common)?;
    let sites = live::chosen(&estate, &options.sites)?;
    let mut live = Live::open(&estate, &templates, &sites.aws, Journal::new(Mode::Look)).await?;
    let wish = |site: &_| desired(site, &templates, options.bootstrap.api());
    let mut onprem =
        OnPremises::open(&sites.onprem, wish, options.forks.forks, Doing::Work("drift"))?.with_tenants()?;
    let (observed, ()) = tokio::join!(live.observe(), onprem.observe(options.json));
    observed?;
    let planner = Planner {
        estate: &estate,
        templates: &templates,
        table: &table,
        against: Against::Live(&live.observed),
        named: Default::default(),
        digests: &digests,
        lock: &lock,
    };
    let plan = planner.plan(&sites.aws, false)?;
    let mut found = live.drift(&sites.aws, &plan).await;
    found.extend(onprem.drift());
    found.sort_by(|a, b| a.site.cmp(&b.site));
    let drift = Drift { format: FORMAT, sites: found };
    let entered = Entered { live: Some(&live), onprem: Some(&onprem) };
    audit::looked(&trail, &estate, entered, &drift)?;
    if options.json {
        let text = serde_json::to_string_pretty(&drift);
        let text = text.map_err(|error| Failure::Other { cause: error.to_string(), hint: None })?;
        view::say(&format!("{text}\n"))?;
    } else {
        view::say(&view::drift::text(&drift, options.full))?;
    }
    // What could not be checked is not in sync: a silent night must mean that somebody looked.
    Ok(if drift.count("error") > 0 {
        Exit::Failed
    } else if drift.count("drifted") > 0 {
        Exit::Differences
    } else {
        Exit::Done
    })
}
