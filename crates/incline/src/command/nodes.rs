//! `incline nodes`
use crate::arguments::{Common, Nodes as Options};
use crate::audit::{self, Entered, Intent, Run};
use crate::error::{Exit, Failure};
use crate::live::{self, Live};
use crate::{estate, view};
use incline_aws::{Journal, Mode};
use incline_model::site::Aws;

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    live::block_on(work(common, options))
}

async fn work(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let estate = estate::read(common)?.validate()?;
    let templates = estate::templates(common)?;
    let sites = live::in_aws(&estate, std::slice::from_ref(&options.site))?;
    let Some(site) = sites.first().copied() else {
        return Err(Failure::NoSite { name: options.site.clone(), hint: None });
    };
    let acts = options.cancel.is_some() || options.reset_size.is_some();
    let journal = Journal::new(if acts { Mode::Act } else { Mode::Look });
    let live = Live::open(&estate, &templates, &sites, journal).await?;
    let Some(part) = live.parts.get(&options.site) else {
        return Err(Failure::NoSite { name: options.site.clone(), hint: None });
    };
    let failed = |source| Failure::Look { site: options.site.clone(), source: Box::new(source) };
    let trail = audit::trail(common)?;
    let entered = Entered { live: Some(&live), onprem: None };
    let intent = Intent::new("nodes", &estate, entered);
    let written = |doing: String| Run::of_words(&trail, &intent, &options.site, [], vec![doing]);
    if let Some(pool) = &options.cancel {
        let (group, _) = self::pool(site, pool)?;
        let run = written(format!("cancel the instance refresh of {group}"))?;
        run.around(async { part.session.cancel_refresh(&group).await.map_err(failed) }).await?;
        view::say(&format!("the instance refresh of {group} is being cancelled; nodes that were replaced stay\n"))?;
        return Ok(Exit::Done);
    }
    if let Some(pool) = &options.reset_size {
        let (group, size) = self::pool(site, pool)?;
        if !options.yes {
            if !view::ask::is_possible() {
                return Err(Failure::Usage {
                    cause: "nothing was changed: there is nobody to ask".to_owned(),
                    hint: format!("`--yes` sets {group} to {} without asking", view::count(usize::from(size), "node")),
                });
            }
            let question = format!(
                "Set {group} to {}, whatever an autoscaler made of it?",
                view::count(usize::from(size), "node")
            );
            if !view::ask::yes(&question) {
                return Err(Failure::Other { cause: "nothing was changed".to_owned(), hint: None });
            }
        }
        let run = written(format!("set {group} to {size}"))?;
        run.around(async { part.session.set_size(&group, size).await.map_err(failed) }).await?;
        view::say(&format!("{group} is set to {}\n", view::count(usize::from(size), "node")))?;
        return Ok(Exit::Done);
    }
    let (nodes, warnings) = part.session.site_nodes(site, &view::today()).await.map_err(failed)?;
    if options.json {
        view::say(&format!("{:#}\n", view::nodes::json(&options.site, &nodes, &warnings)))?;
    } else {
        view::say(&view::nodes::text(&nodes, &warnings))?;
    }
    Ok(Exit::Done)
}

/// A pool's group, and the size that the inventory gives it.
fn pool(site: &Aws, name: &str) -> Result<(String, u16), Failure> {
    let pools = &site.typed().pools;
    let pool = pools.iter().find(|pool| pool.name.as_str() == name).ok_or_else(|| Failure::Usage {
        cause: format!("{} has no pool `{name}`", site.typed().name),
        hint: incline_model::fault::did_you_mean(name, pools.iter().map(|pool| pool.name.as_str())).unwrap_or_default(),
    })?;
    Ok((format!("{}-pool-{name}", site.typed().name), pool.size.desired))
}
