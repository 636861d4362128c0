//! `incline plan`
use crate::arguments::{Common, Plan as Options};
use crate::error::{Exit, Failure};
use crate::{estate, view};
use incline_model::desired::{Desired, Parameter};
use incline_model::estate::Estate;
use incline_model::observed::{DeployedStack, Observed};
use incline_model::plan::{Basis, FORMAT, Plan, SitePlan};
use incline_model::scalar::Name;
use incline_model::site::{Aws, Site};
use incline_plan::{Moved, Table, digest};
use incline_render::Templates;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    if !options.offline && options.against.is_none() {
        return Err(Failure::Usage {
            cause: "this version of incline plans without AWS only".to_owned(),
            hint:
                "`--offline` plans as if nothing existed, `--against DIR` against templates rendered or fetched earlier"
                    .to_owned(),
        });
    }
    let source = estate::read(common)?;
    let lock_digest = source.lock.as_ref().map(|(text, _)| digest(text)).unwrap_or_default();
    let digests: BTreeMap<String, String> = source
        .inventories
        .iter()
        .map(|inventory| (inventory.content.name().to_string(), digest(&inventory.text)))
        .collect();
    let estate = source.validate()?;
    let templates = estate::templates(common)?;
    let table = Table::embedded()
        .map_err(|error| Failure::Other { cause: format!("the replacement table is broken: {error}"), hint: None })?;
    let (mut aws, mut onprem) = (Vec::new(), Vec::new());
    for site in estate::select(&estate, &options.sites)? {
        match site {
            Site::Aws(site) => aws.push(&**site),
            Site::OnPrem(site) => onprem.push(site.typed().name.to_string()),
        }
    }
    let templates_digest = templates.digest();
    let planner =
        Planner { estate: &estate, templates: &templates, table: &table, against: options.against.as_deref() };
    let mut sites = planner.all(&aws)?;
    if options.sites.is_empty() {
        sites.extend(planner.gone()?);
    }
    for site in &mut sites {
        site.inputs.insert("lock".to_owned(), lock_digest.clone());
        site.inputs.insert("templates".to_owned(), templates_digest.clone());
        // A site that left the estate has no inventory any more.
        if let Some(digest) = digests.get(&site.site) {
            site.inputs.insert("inventory".to_owned(), digest.clone());
        }
    }
    sites.sort_by(|a, b| a.site.cmp(&b.site));
    let basis = if options.against.is_some() { Basis::Folder } else { Basis::Nothing };
    let plan = Plan { format: FORMAT, basis, sites };
    if let Some(path) = &options.out {
        std::fs::write(path, json(&plan)?).map_err(Failure::file("write", path))?;
    }
    if options.json {
        view::say(&json(&plan)?)?;
    } else {
        view::say(&view::plan::text(&plan, &onprem, options.full, view::width()))?;
    }
    Ok(if options.detailed_exitcode && !plan.is_empty() { Exit::Differences } else { Exit::Done })
}

fn json(plan: &Plan) -> Result<String, Failure> {
    serde_json::to_string_pretty(plan)
        .map(|text| text + "\n")
        .map_err(|error| Failure::Other { cause: format!("the plan cannot be written as JSON: {error}"), hint: None })
}

struct Planner<'a> {
    estate: &'a Estate,
    templates: &'a Templates,
    table: &'a Table,
    against: Option<&'a Path>,
}

impl Planner<'_> {
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
            open = if moved.len() > known && self.against.is_some() {
                sites.iter().copied().filter(|site| !site.peers().is_empty()).collect()
            } else {
                Vec::new()
            };
        }
        Ok(plans.into_values().collect())
    }

    /// Plans the removal of sites that are in the folder and no longer in the estate.
    fn gone(&self) -> Result<Vec<SitePlan>, Failure> {
        let Some(folder) = self.against else { return Ok(Vec::new()) };
        let entries = std::fs::read_dir(folder).map_err(Failure::file("read the folder", folder))?.flatten();
        let mut names: Vec<Name> = entries
            .filter(|entry| entry.path().join("stacks").is_dir())
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|name: &Name| self.estate.site(name.as_str()).is_none())
            .collect();
        names.sort();
        let mut plans = Vec::new();
        for site in names {
            let desired = Desired { site, stacks: Vec::new(), artifacts: Vec::new(), notes: Vec::new() };
            let observed = observe(&folder.join(desired.site.as_str()), &desired)?;
            let mut plan = incline_plan::plan(&desired, &observed, self.table, &mut Moved::new());
            plan.place = "no longer in the estate".to_owned();
            plans.push(plan);
        }
        Ok(plans)
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
        let observed = match self.against {
            Some(folder) => observe(&folder.join(&name), &desired)?,
            None => Observed::default(),
        };
        let mut plan = incline_plan::plan(&desired, &observed, self.table, &mut moved);
        plan.place = format!("AWS account {}, {}", site.typed().account, site.typed().region);
        Ok((plan, moved))
    }
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
        let (parameters, tags) =
            settings.map_or((None, None), |settings| (Some(settings.parameters), Some(settings.tags)));
        observed.stacks.insert(name.to_owned(), DeployedStack { body, template, parameters, tags });
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
