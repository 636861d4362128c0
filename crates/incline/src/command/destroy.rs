//! `incline destroy`
use crate::approvals;
use crate::arguments::{Common, Destroy as Options};
use crate::audit::{self, Entered, Intent};
use crate::carry_out::{carry_out, listen, settled};
use crate::error::{Exit, Failure};
use crate::hosts::{Doing, OnPremises, desired};
use crate::live::{self, Live};
use crate::planner::{nothing, place, table};
use crate::{estate, view};
use incline_audit::Trail;
use incline_aws::{Journal, Mode};
use incline_host::Sighting;
use incline_model::estate::Estate;
use incline_model::plan::{Basis, FORMAT, Plan, Verb};
use incline_model::site::{Aws, OnPrem, Site};
use incline_plan::{Moved, Named};
use incline_render::{ApiBy, Templates};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    live::block_on(work(common, options))
}

async fn work(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let estate = estate::read(common)?.validate()?;
    let templates = estate::templates(common)?;
    let trail = audit::trail(common)?;
    let sites = estate::select(&estate, std::slice::from_ref(&options.site))?;
    sites.iter().try_for_each(|site| approvals::none_needed(site))?;
    match sites.as_slice() {
        [Site::Aws(site)] => in_aws(&estate, &templates, &trail, site, options).await,
        [Site::OnPrem(site)] => on_premises(&estate, &templates, &trail, site, options).await,
        _ => Err(Failure::NoSite { name: options.site.clone(), hint: None }),
    }
}

async fn in_aws(
    estate: &Estate,
    templates: &Templates,
    trail: &Trail,
    site: &Aws,
    options: &Options,
) -> Result<Exit, Failure> {
    let table = table()?;
    let name = options.site.clone();
    if site.typed().termination_protection {
        return Err(Failure::Other {
            cause: format!("{name} is protected; nothing was asked of AWS"),
            hint: Some("set `terminationProtection: false` in its inventory and apply that first: who reviews the inventory sees it coming".to_owned()),
        });
    }
    let named = Named {
        skip: BTreeSet::new(),
        retain: options.retain.iter().cloned().collect(),
        release: options.data.iter().cloned().collect(),
    };
    let mut live = Live::open(estate, templates, &[site], Journal::new(Mode::Act)).await?;
    let (sender, stop) = incline_exec::stop();
    listen(sender)?;
    let plan = settled(&mut live, &table, options.json, &stop, |live| {
        let observed = live.observed.get(&name).cloned().unwrap_or_default();
        let desired = nothing(site.typed().name.clone());
        let mut plan = incline_plan::plan(&desired, &observed, Basis::Live, &table, &named, &mut Moved::new());
        plan.place = place(site);
        Ok(Plan { format: FORMAT, basis: Basis::Live, sites: vec![plan], orphans: Vec::new() })
    })
    .await?;
    let steps = || plan.sites.iter().flat_map(|site| &site.steps);
    for wanted in &options.data {
        let known = wanted.split_once('/').is_some_and(|(stack, resource)| {
            steps().any(|step| step.target == stack && step.changes.iter().any(|change| change.resource == resource))
        });
        if !known {
            return Err(Failure::Usage {
                cause: format!("there is no `{wanted}` to remove"),
                hint: "`--data STACK/RESOURCE`, as the plan of the removal lists them".to_owned(),
            });
        }
    }
    if !options.json {
        view::say(&view::plan::text(&plan, false, view::width()))?;
        let kept: Vec<String> = steps()
            .flat_map(|step| step.changes.iter().filter(|change| change.retained).map(move |change| (step, change)))
            .map(|(step, change)| format!("  {}/{}  {}\n", step.target, change.resource, change.kind))
            .collect();
        if !kept.is_empty() {
            view::say(&format!(
                "\nKept in the account, and no longer managed; `--data STACK/RESOURCE` removes one, too:\n{}",
                kept.concat()
            ))?;
        }
    }
    // Stacks whose protection somebody set by hand keep it until somebody takes it off.
    let protected: Vec<&str> = steps()
        .filter(|step| {
            step.verb == Verb::Remove && step.settings.iter().any(|setting| setting.path == "TerminationProtection")
        })
        .map(|step| step.target.as_str())
        .collect();
    if !protected.is_empty() {
        return Err(Failure::Other {
            cause: format!("AWS protects {}; nothing was removed", protected.join(", ")),
            hint: Some("apply the inventory with `terminationProtection: false` first".to_owned()),
        });
    }
    if let Some(blocked) = plan.blocked().next() {
        return Err(Failure::Other {
            cause: format!("{} cannot be removed: {}", blocked.target, blocked.cause),
            hint: Some(blocked.hint.clone()),
        });
    }
    if plan.is_empty() {
        return Ok(Exit::Done);
    }
    view::ask::confirmed(&name, options.confirm.as_deref(), "removes")?;
    let system = live.system(&table, options.parallel, stop.clone());
    let entered = Entered { live: Some(&live), onprem: None };
    carry_out(&system, &plan, trail, &intent(estate, entered), options.json, &stop).await
}

/// Takes away what incline made on the hosts of a site. A disk that holds data is named, one way or the other.
async fn on_premises(
    estate: &Estate,
    templates: &Templates,
    trail: &Trail,
    site: &OnPrem,
    options: &Options,
) -> Result<Exit, Failure> {
    let name = &options.site;
    let wished = desired(site, templates, ApiBy::Balancer)?;
    let (released, retained) = (disks(site, &options.data)?, disks(site, &options.retain)?);
    let bare = |_: &OnPrem| {
        let released = |host: &str| released.get(host).cloned().unwrap_or_default();
        Ok(wished.iter().map(|host| host.without_anything(released(&host.name))).collect())
    };
    let mut onprem = OnPremises::open(&[site], bare, options.forks.forks, Doing::Work("destroy"))?.with_tenants()?;
    let (sender, stop) = incline_exec::stop();
    listen(sender)?;
    onprem.observe(options.json).await;
    let mut undecided = Vec::new();
    for (host, sighting) in onprem.sighted(name) {
        let Sighting::Seen(answers) = sighting else { continue };
        let holds = host.data(name, answers).map_err(|cause| Failure::Other { cause, hint: None })?;
        let is_named = |device: &String| {
            [&released, &retained]
                .iter()
                .any(|named| named.get(&host.name).is_some_and(|devices| devices.contains(device)))
        };
        undecided.extend(holds.into_iter().filter(|device| !is_named(device)).map(|device| (&host.name, device)));
    }
    if !undecided.is_empty() {
        let all = undecided.iter().map(|(host, device)| named(site, host, device)).collect::<Vec<_>>();
        return Err(Failure::Other {
            cause: format!("{} may hold data; nothing was removed", all.join(", ")),
            hint: Some(
                "name each: `--data HOST/DISK` destroys its keys, and nobody reads it any more; `--retain HOST/DISK` leaves it, encrypted"
                    .to_owned(),
            ),
        });
    }
    let sites = onprem.removal(&wished).into_iter().collect();
    let plan = Plan { format: FORMAT, basis: Basis::Live, sites, orphans: Vec::new() };
    if !options.json {
        view::say(&view::plan::text(&plan, false, view::width()))?;
    }
    let is_partial = plan.blocked().next().is_some();
    if !plan.is_empty() {
        view::ask::confirmed(name, options.confirm.as_deref(), "removes")?;
        let entered = Entered { live: None, onprem: Some(&onprem) };
        let exit = carry_out(&onprem, &plan, trail, &intent(estate, entered), options.json, &stop).await;
        onprem.tenants.close().await;
        let exit = exit?;
        if exit != Exit::Done {
            return Ok(exit);
        }
    }
    Ok(if is_partial { Exit::Failed } else { Exit::Done })
}

fn intent<'a>(estate: &'a Estate, entered: Entered<'a>) -> Intent<'a> {
    Intent::new("destroy", estate, entered)
}

/// The devices of disks that are named `HOST/DISK`, by host.
fn disks(site: &OnPrem, names: &[String]) -> Result<BTreeMap<String, BTreeSet<String>>, Failure> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for wanted in names {
        let device = wanted.split_once('/').and_then(|(host, disk)| {
            let host = site.typed().hosts.iter().find(|known| known.name.as_str() == host)?;
            Some((host, host.disks.iter().find(|known| known.name.as_str() == disk)?))
        });
        let Some((host, disk)) = device else {
            return Err(Failure::Usage {
                cause: format!("there is no disk `{wanted}`"),
                hint: "`HOST/DISK`, as the inventory names them".to_owned(),
            });
        };
        found.entry(host.name.to_string()).or_default().insert(disk.id.to_string());
    }
    Ok(found)
}

/// A disk as it is named: `HOST/DISK`; by its device where the inventory does not know it any more.
fn named(site: &OnPrem, host: &str, device: &str) -> String {
    let disks = site.typed().hosts.iter().filter(|known| known.name.as_str() == host).flat_map(|host| &host.disks);
    let disk = disks.into_iter().find(|disk| disk.id.to_string() == device);
    format!("{host}/{}", disk.map_or_else(|| device.to_owned(), |disk| disk.name.to_string()))
}
