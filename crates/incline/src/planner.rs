//! Sites, side by side: what each must be, what was seen of it → its plan.
use crate::error::Failure;
use crate::estate;
use crate::hosts::OnPremises;
use incline_model::desired::{Desired, Parameter};
use incline_model::estate::Estate;
use incline_model::observed::{DeployedStack, Observed};
use incline_model::plan::{Basis, FORMAT, Orphan, Plan, SitePlan};
use incline_model::scalar::Name;
use incline_model::site::{Aws, Site};
use incline_plan::{Moved, Named, Table, digest};
use incline_render::{ApiBy, Templates};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What sites are planned against.
#[derive(Clone, Copy)]
pub(crate) enum Against<'a> {
    /// Nothing, as if nothing existed.
    Nothing,
    /// A folder of templates.
    Folder(&'a Path),
    /// What AWS said, by site.
    Live(&'a BTreeMap<String, Observed>),
}

impl Against<'_> {
    fn basis(self) -> Basis {
        match self {
            Self::Nothing => Basis::Nothing,
            Self::Folder(_) => Basis::Folder,
            Self::Live(_) => Basis::Live,
        }
    }
}

/// What a plan is made for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be carried out: what would cost a site its cluster or its data is refused.
    Change,
    /// To say how far the inventory is ahead of what is deployed.
    Compare,
}

/// What all sites are planned with.
pub(crate) struct Planner<'a> {
    pub(crate) estate: &'a Estate,
    pub(crate) templates: &'a Templates,
    pub(crate) table: &'a Table,
    pub(crate) against: Against<'a>,
    pub(crate) named: Named,
    pub(crate) purpose: Purpose,
    /// Digests of the inventories by site, and of the lock file.
    pub(crate) digests: &'a BTreeMap<String, String>,
    pub(crate) lock: &'a str,
}

/// The replacement table that travels with incline.
pub(crate) fn table() -> Result<Table, Failure> {
    Table::embedded()
        .map_err(|error| Failure::Other { cause: format!("the replacement table is broken: {error}"), hint: None })
}

impl Planner<'_> {
    /// The plan of these sites, and of those that left the estate where `gone` asks for them.
    pub(crate) fn plan(&self, sites: &[&Aws], gone: bool) -> Result<Plan, Failure> {
        let mut plans = self.all(sites)?;
        if gone {
            plans.extend(self.gone()?);
        }
        let templates = self.templates.digest();
        for site in &mut plans {
            made_from(site, &templates, self.digests, self.lock);
        }
        plans.sort_by(|a, b| a.site.cmp(&b.site));
        let orphans = self.orphans(sites);
        Ok(Plan { format: FORMAT, basis: self.against.basis(), sites: plans, orphans })
    }

    /// Plans all sites. A peering takes outputs from its other side, so peered sites are planned again for as long as
    /// the others' plans move something new: a network there, the connection here, the routes there, and no further.
    fn all(&self, sites: &[&Aws]) -> Result<Vec<SitePlan>, Failure> {
        let mut moved = Moved::new();
        let mut plans = BTreeMap::new();
        let mut open: Vec<&Aws> = sites.to_vec();
        while !open.is_empty() {
            let known = moved.len();
            for (plan, more) in self.side_by_side(&open, &moved)? {
                moved.extend(more);
                plans.insert(plan.site.clone(), plan);
            }
            // With nothing there, everything is made, and nothing follows.
            open = if moved.len() > known && !matches!(self.against, Against::Nothing) {
                sites.iter().copied().filter(|site| !site.peers().is_empty()).collect()
            } else {
                Vec::new()
            };
        }
        Ok(plans.into_values().collect())
    }

    /// Plans the removal of sites that are in the folder and no longer in the estate.
    fn gone(&self) -> Result<Vec<SitePlan>, Failure> {
        let Against::Folder(folder) = self.against else { return Ok(Vec::new()) };
        let entries = std::fs::read_dir(folder).map_err(Failure::file("read the folder", folder))?.flatten();
        let mut names: Vec<Name> = entries
            .filter(|entry| entry.path().join("stacks").is_dir())
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|name: &Name| self.estate.site(name.as_str()).is_none())
            .collect();
        names.sort();
        let mut plans = Vec::new();
        for site in names {
            let desired = nothing(site);
            let observed = observe(&folder.join(desired.site.as_str()), &desired)?;
            let mut plan =
                incline_plan::plan(&desired, &observed, Basis::Folder, self.table, &self.named, &mut Moved::new());
            plan.place = "no longer in the estate".to_owned();
            plans.push(plan);
        }
        Ok(plans)
    }

    /// Sites that have stacks where these sites are, and no inventory for that account and region.
    fn orphans(&self, sites: &[&Aws]) -> Vec<Orphan> {
        let Against::Live(seen) = self.against else { return Vec::new() };
        let mut found: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for site in sites {
            let others = seen.get(site.typed().name.as_str()).map(|observed| &observed.others);
            let here = place(site);
            for (name, stacks) in others.into_iter().flatten() {
                let known = self.estate.site(name).is_some_and(|known| match known {
                    Site::Aws(known) => place(known) == here,
                    Site::OnPrem(_) => false,
                });
                if !known {
                    found.entry((name.clone(), here.clone())).or_default().extend(stacks.iter().cloned());
                }
            }
        }
        let orphan = |((site, place), stacks): (_, BTreeSet<String>)| Orphan {
            site,
            place,
            stacks: stacks.into_iter().collect(),
        };
        found.into_iter().map(orphan).collect()
    }

    /// Plans sites side by side, one worker a core.
    fn side_by_side(&self, sites: &[&Aws], moved: &Moved) -> Result<Vec<(SitePlan, Moved)>, Failure> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(sites.len());
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while let Some(site) = sites.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let planned = self.one(site, moved.clone());
                        if let Ok(mut done) = done.lock() {
                            done.push(planned);
                        }
                    }
                });
            }
        });
        done.into_inner().unwrap_or_default().into_iter().collect()
    }

    fn one(&self, site: &Aws, mut moved: Moved) -> Result<(SitePlan, Moved), Failure> {
        let name = site.typed().name.to_string();
        let desired = estate::desired(site, self.estate, self.templates)?;
        let nothing = Observed::default();
        let folder;
        let observed = match self.against {
            Against::Nothing => &nothing,
            Against::Folder(path) => {
                folder = observe(&path.join(&name), &desired)?;
                &folder
            }
            Against::Live(seen) => seen.get(&name).unwrap_or(&nothing),
        };
        let basis = self.against.basis();
        let unmoved = moved.clone();
        let mut plan = incline_plan::plan(&desired, observed, basis, self.table, &self.named, &mut moved);
        plan.place = place(site);
        if self.purpose == Purpose::Change {
            let refusals = incline_plan::refusals(&desired, observed, basis);
            // What is refused moves nothing that other sites take.
            if !refusals.is_empty() {
                moved = unmoved;
            }
            incline_plan::refuse(&mut plan, refusals);
        }
        Ok((plan, moved))
    }
}

/// Says what a site's plan was made from.
fn made_from(site: &mut SitePlan, templates: &str, digests: &BTreeMap<String, String>, lock: &str) {
    site.inputs.insert("lock".to_owned(), lock.to_owned());
    site.inputs.insert("templates".to_owned(), templates.to_owned());
    // A site that left the estate has no inventory any more.
    if let Some(digest) = digests.get(&site.site) {
        site.inputs.insert("inventory".to_owned(), digest.clone());
    }
}

/// The input that says where the API's name leads, where that is not to its balancer.
const API: &str = "api";
const FOUNDER: &str = "founder";

/// Where the API's name leads by a saved plan.
pub(crate) fn api_of(plan: &Plan) -> ApiBy {
    let is_direct = plan.sites.iter().any(|site| site.inputs.get(API).is_some_and(|by| by == FOUNDER));
    if is_direct { ApiBy::Founder } else { ApiBy::Balancer }
}

/// Takes the plans of on-prem sites into a plan.
pub(crate) fn take_in(
    plan: &mut Plan,
    onprem: &OnPremises<'_>,
    api: ApiBy,
    templates: &Templates,
    digests: &BTreeMap<String, String>,
    lock: &str,
) {
    let templates = templates.digest();
    for mut site in onprem.plan() {
        made_from(&mut site, &templates, digests, lock);
        if api == ApiBy::Founder {
            site.inputs.insert(API.to_owned(), FOUNDER.to_owned());
        }
        plan.sites.push(site);
    }
    plan.sites.sort_by(|a, b| a.site.cmp(&b.site));
}

/// A site of which nothing is wished for.
pub(crate) fn nothing(site: Name) -> Desired {
    Desired { site, stacks: Vec::new(), artifacts: Vec::new(), fetched: Vec::new(), notes: Vec::new() }
}

/// Where a site stands, for the eye.
pub(crate) fn place(site: &Aws) -> String {
    format!("AWS account {}, {}", site.typed().account, site.typed().region)
}

/// Digests of what was read: of each inventory by site, and of the lock file.
pub(crate) fn digests(source: &estate::Source) -> (BTreeMap<String, String>, String) {
    let inventories = source.inventories.iter();
    (
        inventories.map(|inventory| (inventory.content.name().to_string(), digest(&inventory.text))).collect(),
        source.lock.as_ref().map(|(text, _)| digest(text)).unwrap_or_default(),
    )
}

/// The `.json` beside a template that `incline render` wrote.
#[derive(Deserialize)]
struct Settings {
    parameters: BTreeMap<String, Parameter>,
    tags: BTreeMap<String, String>,
}

/// Reads a folder of templates as if it were what is deployed. Templates that were fetched from AWS have no settings
/// beside them; then only the templates are compared.
fn observe(folder: &Path, desired: &Desired) -> Result<Observed, Failure> {
    let mut observed = Observed::default();
    let stacks = folder.join("stacks");
    if !stacks.exists() {
        return Ok(observed);
    }
    for entry in std::fs::read_dir(&stacks).map_err(Failure::file("read the folder", &stacks))?.flatten() {
        let path = entry.path();
        let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".template")))
        else {
            continue;
        };
        let body = std::fs::read_to_string(&path).map_err(Failure::file("read", &path))?;
        let template = incline_model::yaml::parse(&path.display().to_string(), &body)
            .map_err(|faults| Failure::Faults {
                faults,
                texts: BTreeMap::from([(path.display().to_string(), body.clone())]),
            })?
            .value();
        let beside = stacks.join(format!("{name}.json"));
        let settings: Option<Settings> = match std::fs::read_to_string(&beside) {
            Ok(text) => Some(serde_json::from_str(&text).map_err(|error| Failure::Other {
                cause: format!("{} is broken: {error}", beside.display()),
                hint: Some("remove it to compare the template alone".to_owned()),
            })?),
            Err(_) => None,
        };
        let mut stack = DeployedStack::from_template(template);
        if let Some(settings) = settings {
            (stack.parameters, stack.tags) = (Some(settings.parameters), Some(settings.tags));
        }
        observed.stacks.insert(name.to_owned(), stack);
    }
    for artifact in &desired.artifacts {
        let role = folder.join("ignition").join(&artifact.role);
        let configs = std::fs::read_dir(&role).into_iter().flatten().flatten().map(|entry| entry.path());
        if let Some(path) = configs
            .filter(|path| {
                path.extension().is_some_and(|e| e == "ign") && path.file_stem().is_some_and(|stem| stem != "user-data")
            })
            .max()
        {
            observed
                .nodes
                .insert(artifact.role.clone(), std::fs::read_to_string(&path).map_err(Failure::file("read", &path))?);
        }
    }
    Ok(observed)
}
