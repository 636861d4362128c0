//! `incline audit`
use crate::arguments::{Audit as Options, Common, OnAudit};
use crate::audit::{self, Entered, copies};
use crate::error::{Exit, Failure};
use crate::hosts::{Doing, FORKS, OnPremises, desired};
use crate::live::{self, Live};
use crate::{estate, view};
use incline_audit::{Checked, Trail, check};
use incline_aws::{Journal, Mode};
use incline_render::ApiBy;

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let trail = audit::trail(common)?;
    let text = trail.read().map_err(Failure::Audit)?;
    let checked = check(&text, true);
    match &options.what {
        OnAudit::Verify { sites, json } => live::block_on(verify(common, &trail, &checked, sites, *json)),
        OnAudit::Show { site, run, json } => {
            if *json {
                view::say(&view::audit::lines(&checked, site.as_deref(), *run)?)?;
            } else {
                view::say(&view::audit::text(&checked, site.as_deref(), *run))?;
            }
            Ok(if checked.flaws.is_empty() { Exit::Done } else { Exit::Failed })
        }
    }
}

async fn verify(
    common: &Common,
    trail: &Trail,
    checked: &Checked,
    sites: &[String],
    json: bool,
) -> Result<Exit, Failure> {
    let mut said = Vec::new();
    if !sites.is_empty() {
        let estate = estate::read(common)?.validate()?;
        let templates = estate::templates(common)?;
        let chosen = live::chosen(&estate, sites)?;
        let live = Live::open(&estate, &templates, &chosen.aws, Journal::new(Mode::Look)).await?;
        let wish = |site: &_| desired(site, &templates, ApiBy::Balancer);
        let onprem = OnPremises::open(&chosen.onprem, wish, FORKS, Doing::Work("audit"))?;
        let entered = Entered { live: Some(&live), onprem: Some(&onprem) };
        for site in estate::select(&estate, sites)? {
            said.push(copies::compare(&entered, site, checked).await);
        }
    }
    let is_against = !checked.flaws.is_empty() || said.iter().any(|said| !said.against.is_empty());
    let is_unknown = said.iter().any(|said| !said.unknown.is_empty());
    if json {
        let report = serde_json::json!({
            "format": 1, "trail": trail.path(), "whole": !is_against, "records": checked.records.len(),
            "head": checked.head(), "flaws": checked.flaws, "copies": said,
        });
        view::say(&format!("{report:#}\n"))?;
    } else {
        view::say(&view::audit::verdict(trail, checked, &said))?;
    }
    Ok(if is_against || is_unknown { Exit::Failed } else { Exit::Done })
}
