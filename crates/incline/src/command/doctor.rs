//! `incline doctor`
use crate::arguments::{Common, Doctor as Options};
use crate::error::{Exit, Failure};
use crate::hosts::{Doing, OnPremises, desired};
use crate::look::{Looker, place};
use crate::{audit, estate, live, view};
use futures_util::stream::{self, StreamExt};
use incline_host::Sighting;
use incline_model::drift::{SiteDrift, State};
use incline_model::fetch::{Missing, Origin, sign_in};
use incline_model::lock::{FILE_NAME, NOT_PINNED, in_words};
use incline_model::plan::is_of_tenant;
use incline_model::site::{Aws, OnPrem, Site};
use incline_render::{ApiBy, Templates};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How many sites are asked side by side.
const AT_ONCE: usize = 8;

/// Something that was tried.
#[derive(Debug, Serialize)]
pub(crate) struct Tried {
    /// What.
    pub(crate) what: String,
    /// Whether it works.
    pub(crate) works: bool,
    /// How, or why not.
    pub(crate) how: String,
    /// The way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

/// What was tried of a site, or of this machine.
#[derive(Debug, Serialize)]
pub(crate) struct Findings {
    /// The site.
    pub(crate) of: String,
    /// Where it stands.
    pub(crate) place: String,
    pub(crate) tried: Vec<Tried>,
}

impl Tried {
    fn works(what: impl Into<String>, how: impl Into<String>) -> Self {
        Self { what: what.into(), works: true, how: how.into(), hint: None }
    }

    fn fails(what: impl Into<String>, why: impl Into<String>, hint: Option<String>) -> Self {
        Self { what: what.into(), works: false, how: why.into(), hint }
    }
}

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    live::block_on(work(common, options))
}

async fn work(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let source = estate::read(common)?;
    let estate = source.validate()?;
    let templates = estate::templates(common)?;
    let sites = estate::select(&estate, &options.sites)?;
    let looker = Looker::new(&source, &estate, &templates, ApiBy::Balancer, options.forks.forks)?;
    let mut all = vec![this_machine(common, sites.len())];
    let looks = sites.into_iter().map(|site| {
        let (looker, templates) = (&looker, &templates);
        async move {
            let tried = match site {
                Site::Aws(aws) => Ok(in_aws(looker, site, aws).await),
                Site::OnPrem(onprem) => on_premises(templates, onprem, options.forks.forks).await,
            };
            let failed = |failure: Failure| vec![Tried::fails("the site", view::failure::line(&failure), None)];
            let tried = std::iter::once(pinned(site)).chain(tried.unwrap_or_else(failed)).collect();
            Findings { of: site.name().to_string(), place: place(site), tried }
        }
    });
    let mut found: Vec<Findings> = stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
    found.sort_by(|a, b| a.of.cmp(&b.of));
    all.extend(found);
    let works = all.iter().flat_map(|findings| &findings.tried).all(|tried| tried.works);
    if options.json {
        let report = serde_json::json!({ "format": 1, "works": works, "findings": all });
        view::say(&format!("{report:#}\n"))?;
    } else {
        view::say(&view::doctor::text(&all))?;
    }
    Ok(if works { Exit::Done } else { Exit::Failed })
}

/// What this machine has and may.
fn this_machine(common: &Common, sites: usize) -> Findings {
    let inventories = common.inventories.display();
    let mut tried = vec![Tried::works("inventories", format!("{} in {inventories}", view::count(sites, "valid site")))];
    tried.push(match audit::trail(common) {
        Ok(trail) => match trail.is_writable() {
            Ok(()) => Tried::works("audit trail", trail.path().display().to_string()),
            Err(error) => Tried::fails("audit trail", error.to_string(), Failure::Audit(error).hint()),
        },
        Err(failure) => Tried::fails("audit trail", failure.to_string(), failure.hint()),
    });
    Findings { of: "this machine".to_owned(), place: incline_audit::Person::here().to_string(), tried }
}

/// Whether all is pinned that the site boots from.
fn pinned(site: &Site) -> Tried {
    let what = "pins";
    match site.lacking() {
        [] => Tried::works(what, format!("{FILE_NAME} pins all that it boots from")),
        lacking => Tried::fails(
            what,
            format!("{NOT_PINNED}: {}", in_words(lacking)),
            Some("`incline lock status` lists the command for each; the site cannot be applied before".to_owned()),
        ),
    }
}

/// Signs in, and asks all that drift asks: what is refused is told by request.
async fn in_aws(looker: &Looker<'_>, site: &Site, aws: &Aws) -> Vec<Tried> {
    let name = site.name().as_str();
    let looked = match looker.look(site, true).await {
        Ok(looked) => looked,
        Err(failure) => return vec![Tried::fails("sign in, look", view::failure::line(&failure), None)],
    };
    let mut tried = vec![Tried::works("sign in", looked.access.caller.clone().unwrap_or_default())];
    let refused: BTreeSet<String> = errors(&looked.drift).into_iter().collect();
    let mut asked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for call in looked.calls {
        asked.entry(call.service).or_default().insert(call.operation);
    }
    for (service, operations) in asked {
        let (bad, good): (Vec<_>, Vec<_>) =
            operations.iter().partition(|operation| refused.iter().any(|why| why.contains(operation.as_str())));
        if !good.is_empty() {
            tried.push(Tried::works(&service, good.into_iter().cloned().collect::<Vec<_>>().join(", ")));
        }
        for operation in bad {
            let why = refused.iter().find(|why| why.contains(operation.as_str())).cloned().unwrap_or_default();
            let hint = format!("`incline iam-policy {name} --for drift` prints the rights that it takes");
            tried.push(Tried::fails(&service, why, Some(hint)));
        }
    }
    let told = |why: &&String| !tried.iter().any(|tried| tried.how == **why);
    let rest: Vec<Tried> = refused.iter().filter(told).map(|why| Tried::fails("to look", why, None)).collect();
    tried.extend(rest);
    let is_made = looked.observed.is_some_and(|observed| observed.stacks.contains_key(&format!("{name}-data")));
    let missing = looker.missing(aws).await;
    tried.extend(missing.map_or_else(
        |failure| vec![Tried::fails(FETCHED, view::failure::line(&failure), None)],
        |missing| fetched(&missing, is_made),
    ));
    tried
}

/// What is looked for that machines fetch.
const FETCHED: &str = "what machines fetch";

/// Whether what machines fetch is there. The bucket and the repositories are made by the first apply itself.
fn fetched(missing: &[Missing], is_made: bool) -> Vec<Tried> {
    if missing.is_empty() {
        return vec![Tried::works(FETCHED, "all files and images are there")];
    }
    if !is_made {
        let count = missing.len();
        let how = format!(
            "{count} files and images to bring: `incline apply` makes the bucket and the repositories, and stops there"
        );
        return vec![Tried::works(FETCHED, how)];
    }
    let sign_in = sign_in(missing);
    let one = |missing: &Missing| {
        let commands: Vec<String> = match missing.what.at {
            Origin::Image { .. } => sign_in.iter().chain(&missing.commands).cloned().collect(),
            Origin::Object { .. } => missing.commands.clone(),
        };
        let hint = (!missing.commands.is_empty()).then(|| commands.join(" && "));
        Tried::fails(FETCHED, missing.to_string(), hint)
    };
    missing.iter().map(one).collect()
}

/// Logs in to each host and gets root's rights there, and signs in to the BIG-IPs.
async fn on_premises(templates: &Templates, site: &OnPrem, forks: u16) -> Result<Vec<Tried>, Failure> {
    let wish = |site: &_| desired(site, templates, ApiBy::Balancer);
    let mut onprem = OnPremises::open(&[site], wish, forks, Doing::Work("doctor"))?.with_tenants()?;
    onprem.observe(true).await;
    let name = site.typed().name.as_str();
    let keys: Vec<String> = onprem.hosts.keys_of(name).into_iter().collect();
    let mut tried: Vec<Tried> = onprem
        .sighted(name)
        .map(|(host, sighting)| match sighting {
            Sighting::Seen(_) => {
                Tried::works(&host.name, format!("logged in as {}, root's rights are there", site.typed().ssh.user))
            }
            Sighting::Busy(who) => Tried::works(&host.name, format!("{who} is at work on it")),
            Sighting::Unreachable { why, hint } => Tried::fails(&host.name, why, hint.clone()),
        })
        .collect();
    if !keys.is_empty() {
        tried.push(Tried::works("SSH keys", keys.join(", ")));
    }
    if let Some(f5) = &site.typed().f5 {
        let drift: Vec<SiteDrift> = onprem.drift();
        let why = drift.iter().flat_map(|drift| &drift.findings).find_map(|finding| match &finding.state {
            State::NotChecked { why } if is_of_tenant(&finding.target) => Some(why.clone()),
            _ => None,
        });
        tried.push(match why {
            Some(why) => Tried::fails("BIG-IP", why, None),
            None => Tried::works("BIG-IP", format!("signed in as {}", f5.user)),
        });
    }
    Ok(tried)
}

/// Why something could not be checked.
fn errors(drift: &SiteDrift) -> Vec<String> {
    let errors = drift.findings.iter().filter_map(|finding| match &finding.state {
        State::NotChecked { why } => Some(why.clone()),
        _ => None,
    });
    errors.collect()
}
