//! `incline drift`
use crate::arguments::{Common, Drift as Options, OnDrift, Shard};
use crate::error::{Exit, Failure};
use crate::look::{Looked, Looker};
use crate::report::{self, Folder};
use crate::{audit, estate, live, view};
use futures_util::stream::{self, StreamExt};
use incline_model::drift::{Drift, NOT_CHECKED, SiteDrift};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    match &options.what {
        Some(OnDrift::Merge { parts, report, exit_zero }) => merge(parts, report, *exit_zero),
        None => live::block_on(work(common, options)),
    }
}

async fn work(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let began = Instant::now();
    let at = view::now();
    let source = estate::read(common)?;
    let estate = source.validate()?;
    let templates = estate::templates(common)?;
    let trail = audit::trail(common)?;
    // A night that nobody could write down is better ended before it than after.
    trail.is_writable().map_err(Failure::Audit)?;
    let folder = options.report.as_deref().map(|path| Folder::open(path, options.history.as_deref())).transpose()?;
    let mut sites = estate::select(&estate, &options.sites)?;
    if let Some(shard) = options.shard {
        sites.retain(|site| owner(site.name().as_str(), shard.of) == shard.number);
    }
    let looker = Looker::new(&source, &estate, &templates, options.bootstrap.api(), options.forks.forks)?;
    let quiet = options.json || sites.len() > 1;
    let end = options.deadline.map(|deadline| began + Duration::from(deadline));
    // Each site has its own time, and none waits for another longer than the run lasts.
    let looks = sites.iter().map(|site| {
        let looker = &looker;
        async move {
            let (began, at) = (Instant::now(), view::now());
            let left = end.map(|end| end.saturating_duration_since(began));
            let own = Duration::from(options.site_deadline);
            let limit = left.map_or(own, |left| left.min(own));
            let mut looked = match tokio::time::timeout(limit, looker.look(site, quiet)).await {
                Ok(Ok(looked)) => looked,
                Ok(Err(failure)) => Looked::failed(site, &failure),
                Err(_) if limit < own => Looked::cut(site),
                Err(_) => {
                    let limit = options.site_deadline;
                    Looked::not(
                        site,
                        format!("it took longer than {limit}, and was left; `--site-deadline` gives it more"),
                    )
                }
            };
            looked.drift.at = at;
            looked.drift.milliseconds = milliseconds(began);
            looked.drift.requests = looked.calls.len();
            looked.drift.findings.sort();
            looked.drift.findings.dedup();
            looked
        }
    });
    let looked: Vec<Looked> = stream::iter(looks).buffer_unordered(usize::from(options.at_once)).collect().await;
    audit::looked(&trail, &looked)?;
    let is_cut = looked.iter().any(|looked| looked.is_cut);
    let mut found: Vec<SiteDrift> = looked.into_iter().map(|looked| looked.drift).collect();
    if let Some(folder) = &folder {
        found.iter_mut().try_for_each(|site| folder.remember(site))?;
    }
    let whole = options.sites.is_empty() && options.shard.is_none() && !is_cut;
    let shard = options.shard.map(|shard| shard.to_string());
    let drift = Drift::new(at, milliseconds(began), whole, shard, found);
    if let Some(folder) = &folder {
        folder.write(&drift)?;
    }
    show(&drift, options)?;
    let sent = match &folder {
        Some(folder) => report::tell(folder, &drift, options.notify, options.push).await,
        None => Ok(()),
    };
    sent?;
    Ok(exit(&drift, options.exit_zero))
}

fn show(drift: &Drift, options: &Options) -> Result<(), Failure> {
    if options.json {
        return view::say(&view::json(drift)?);
    }
    let shown = match &options.since {
        None => drift.clone(),
        Some(since) => {
            let is_since = |age: &incline_model::drift::Age| age.since.as_str() >= since.as_str();
            let mut shown = drift.clone();
            for site in &mut shown.sites {
                site.findings.retain(|finding| finding.age.as_ref().is_some_and(is_since));
            }
            shown
        }
    };
    view::say(&view::drift::text(&shown, options.full))
}

/// What was not checked comes before drift: a code of 2 says that all that is covered was checked. What is not
/// covered has no
/// say in it.
fn exit(drift: &Drift, zero: bool) -> Exit {
    if drift.count(NOT_CHECKED) > 0 {
        Exit::Failed
    } else if drift.count("drifted") > 0 && !zero {
        Exit::Differences
    } else {
        Exit::Done
    }
}

/// One report of those of several shards.
fn merge(parts: &[PathBuf], into: &Path, exit_zero: bool) -> Result<Exit, Failure> {
    let parts: Vec<Drift> = parts.iter().map(|part| report::read(part)).collect::<Result<_, _>>()?;
    let (mut sites, mut shards): (Vec<SiteDrift>, Vec<Shard>) = (Vec::new(), Vec::new());
    for part in &parts {
        shards.extend(part.shard.as_ref().and_then(|shard| shard.parse::<Shard>().ok()));
        for site in &part.sites {
            match sites.iter_mut().find(|known| known.site == site.site) {
                // A site that moved to another shard stands in two; the later look tells.
                Some(known) if known.at < site.at => *known = site.clone(),
                Some(_) => {}
                None => sites.push(site.clone()),
            }
        }
    }
    let of = shards.first().map_or(0, |shard| shard.of);
    let whole =
        parts.iter().any(|part| part.whole) || (of > 0 && (0..of).all(|number| shards.contains(&Shard { number, of })));
    let at = parts.iter().map(|part| part.at.clone()).min().unwrap_or_default();
    let milliseconds = parts.iter().map(|part| part.milliseconds).max().unwrap_or_default();
    let drift = Drift::new(at, milliseconds, whole, None, sites);
    Folder::open(into, None)?.write(&drift)?;
    view::say(&view::drift::text(&drift, false))?;
    if !whole {
        view::warn("not all shards are there: this is a part of the estate");
    }
    Ok(exit(&drift, exit_zero))
}

/// The shard that a site falls to, by rendezvous hashing (Thaler and Ravishankar 1998): with one shard more, only
/// what falls to
/// that one moves.
fn owner(site: &str, shards: u32) -> u32 {
    (0..shards).max_by_key(|shard| incline_plan::digest(&format!("{shard} {site}"))).unwrap_or(0)
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_another_shard_only_what_falls_to_it_moves() {
        let sites: Vec<String> = (0..400).map(|number| format!("site-{number}")).collect();
        for shards in 1..8 {
            let moved = sites.iter().filter(|site| owner(site, shards) != owner(site, shards + 1));
            assert!(moved.clone().all(|site| owner(site, shards + 1) == shards));
            let most = (0..shards).map(|shard| sites.iter().filter(|site| owner(site, shards) == shard).count()).max();
            assert!(most.unwrap() < 2 * 400 / shards as usize + 1, "{shards}: {most:?}");
        }
    }
}
