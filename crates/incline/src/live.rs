//! Asking AWS: signing in to the sites' accounts, looking at what is there.
use crate::arguments;
use crate::error::Failure;
use crate::{estate, planner, view};
use futures_util::future::{join_all, try_join_all};
use incline_aws::{Journal, Part, Session, Stacks};
use incline_exec::Stop;
use incline_model::drift::SiteDrift;
use incline_model::estate::Estate;
use incline_model::observed::Observed;
use incline_model::plan::{Plan, SitePlan, Verb};
use incline_model::site::{Aws, OnPrem, Site};
use incline_plan::{Judged, Named, Table, starts_machines, surprises};
use incline_render::Templates;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

/// Sites and the sessions that they are asked through.
pub(crate) struct Live {
    /// The sites: what they must be, and the sessions that they are asked through. Nothing is wished for of sites that
    /// only give outputs.
    pub(crate) parts: BTreeMap<String, Part>,
    /// The sites that this is about.
    sites: BTreeSet<String>,
    /// What was seen, by site.
    pub(crate) observed: BTreeMap<String, Observed>,
}

/// What CloudFormation would do to each target, with what the plan does not name; or why it cannot be asked.
pub(crate) type Judgements = BTreeMap<String, Result<(Vec<String>, Vec<Judged>), String>>;

/// Runs what waits for AWS.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Other { cause: format!("cannot start: {error}"), hint: None })?
        .block_on(work)
}

/// What a person has named on the command line.
pub(crate) fn named(options: &arguments::Named) -> Named {
    Named {
        skip: options.skip.iter().cloned().collect(),
        retain: options.retain.iter().cloned().collect(),
        release: BTreeSet::new(),
    }
}

/// The sites that a command is about, by what they stand on.
pub(crate) struct Chosen<'a> {
    pub(crate) aws: Vec<&'a Aws>,
    pub(crate) onprem: Vec<&'a OnPrem>,
}

/// The sites named, or all.
pub(crate) fn chosen<'a>(estate: &'a Estate, names: &[String]) -> Result<Chosen<'a>, Failure> {
    let mut chosen = Chosen { aws: Vec::new(), onprem: Vec::new() };
    for site in estate::select(estate, names)? {
        match site {
            Site::Aws(site) => chosen.aws.push(site),
            Site::OnPrem(site) => chosen.onprem.push(site),
        }
    }
    Ok(chosen)
}

/// The sites in AWS among those named, or all of them.
pub(crate) fn in_aws<'a>(estate: &'a Estate, names: &[String]) -> Result<Vec<&'a Aws>, Failure> {
    let mut sites = Vec::new();
    for site in estate::select(estate, names)? {
        match site {
            Site::Aws(site) => sites.push(&**site),
            Site::OnPrem(_) if names.is_empty() => {}
            Site::OnPrem(site) => {
                return Err(Failure::Usage {
                    cause: format!("{} is not in AWS", site.typed().name),
                    hint: "this command is about sites in AWS".to_owned(),
                });
            }
        }
    }
    Ok(sites)
}

/// A site on premises.
pub(crate) fn on_premises<'a>(estate: &'a Estate, name: &str) -> Result<&'a OnPrem, Failure> {
    match estate::select(estate, &[name.to_owned()])?.as_slice() {
        [Site::OnPrem(site)] => Ok(site),
        _ => Err(Failure::Usage {
            cause: format!("{name} is not on premises"),
            hint: "this command is about sites on premises".to_owned(),
        }),
    }
}

impl Live {
    /// Renders the sites and signs in to their accounts, and to those of the sites that they take outputs of.
    pub(crate) async fn open(
        estate: &Estate,
        templates: &Templates,
        sites: &[&Aws],
        journal: Journal,
    ) -> Result<Self, Failure> {
        let mut desired = BTreeMap::new();
        let mut others = BTreeSet::new();
        for site in sites {
            let wish = estate::desired(site, estate, templates)?;
            others.extend(Session::elsewhere(&wish));
            desired.insert(site.typed().name.to_string(), wish);
        }
        let asked = estate.sites().filter_map(|site| match site {
            Site::Aws(site) => Some(&**site),
            Site::OnPrem(_) => None,
        });
        let opened = asked.filter_map(|site| {
            let name = site.typed().name.clone();
            let prefix = format!("{name}-");
            let wish = match desired.remove(name.as_str()) {
                Some(wish) => wish,
                None if others.iter().any(|stack| stack.starts_with(&prefix)) => planner::nothing(name.clone()),
                None => return None,
            };
            let journal = &journal;
            Some(async move {
                let session = Session::open(site, journal, view::ask::code).await;
                let session = session.map_err(|source| Failure::SignIn { site: name.to_string(), source })?;
                Ok::<_, Failure>((name.to_string(), Part { session, desired: wish }))
            })
        });
        let parts = try_join_all(opened).await?.into_iter().collect();
        let sites = sites.iter().map(|site| site.typed().name.to_string()).collect();
        Ok(Self { parts, sites, observed: BTreeMap::new() })
    }

    /// Looks at all sites, side by side.
    pub(crate) async fn observe(&mut self) -> Result<(), Failure> {
        let this = &*self;
        let looks = this.parts.iter().filter(|(name, _)| this.sites.contains(*name)).map(|(name, part)| async move {
            let failed = |source| Failure::Look { site: name.clone(), source: Box::new(source) };
            let mut observed = part.session.observe(&part.desired).await.map_err(failed)?;
            for stack in Session::elsewhere(&part.desired) {
                let Some((other, part)) = this.owner(&stack) else { continue };
                let outputs = part.session.outputs(&stack).await;
                let outputs =
                    outputs.map_err(|source| Failure::Look { site: other.clone(), source: Box::new(source) })?;
                observed.elsewhere.extend(outputs.map(|outputs| (stack, outputs)));
            }
            Ok((name.clone(), observed))
        });
        let observed: Result<Vec<_>, Failure> = try_join_all(looks).await;
        self.observed = observed?.into_iter().collect();
        Ok(())
    }

    /// The site of a stack.
    fn owner(&self, stack: &str) -> Option<(&String, &Part)> {
        let begins = |site: &String| stack.strip_prefix(site.as_str()).is_some_and(|rest| rest.starts_with('-'));
        self.parts.iter().filter(|(site, _)| begins(site)).max_by_key(|(site, _)| site.len())
    }

    /// The system that plans of these sites are carried out on.
    pub(crate) fn system<'t>(&self, table: &'t Table, width: u16, stop: Stop) -> Stacks<'t> {
        Stacks::new(self.parts.clone(), &self.observed, table, usize::from(width), stop)
    }

    /// Looks for drift in sites that were observed and planned, side by side.
    pub(crate) async fn drift(&self, sites: &[&Aws], plan: &Plan) -> Vec<SiteDrift> {
        let today = view::today();
        let looks = sites.iter().filter_map(|site| {
            let name = site.typed().name.as_str();
            let (part, observed) = (self.parts.get(name)?, self.observed.get(name)?);
            let plan = plan.sites.iter().find(|plan| plan.site == name)?;
            let (place, today) = (planner::place(site), &today);
            Some(async move { part.session.drift(site, &part.desired, observed, plan, &place, today).await })
        });
        join_all(looks).await
    }

    /// Adds to a plan what brings back what drifted; what it cannot bring back stands in the plan, too.
    pub(crate) async fn mend_drift(&self, sites: &[&Aws], plan: &mut Plan) {
        for drift in self.drift(sites, plan).await {
            let (Some(part), Some(observed)) = (self.parts.get(&drift.site), self.observed.get(&drift.site)) else {
                continue;
            };
            // Drift is brought back by the inventory's own templates: nothing of a refused site may pass with it.
            let is_refused = |site: &SitePlan| site.blocked.iter().any(|blocked| blocked.refused.is_some());
            for site in plan.sites.iter_mut().filter(|site| site.site == drift.site && !is_refused(site)) {
                incline_plan::mend_drift(site, &part.desired, observed, &drift);
            }
        }
    }

    /// Adds to a plan what its machines would fetch and is not there, where it starts machines.
    pub(crate) async fn look_for_fetched(&self, plan: &mut Plan) {
        let looks = plan.sites.iter_mut().map(|site| async {
            let Some(part) = self.parts.get(&site.site) else { return };
            if site.steps.iter().any(starts_machines) {
                site.missing = part.session.missing(&part.desired.fetched).await;
            }
        });
        join_all(looks).await;
    }

    /// Lets CloudFormation judge a plan: for each target what it would do, or why it cannot be asked.
    pub(crate) async fn judge(&self, plan: &Plan, table: &Table, keep: bool) -> Result<Judgements, Failure> {
        let (_sender, stop) = incline_exec::stop();
        let system = self.system(table, 1, stop);
        let steps = plan.sites.iter().flat_map(|site| &site.steps).filter(|step| step.verb != Verb::Remove);
        let mut judgements = BTreeMap::new();
        for step in steps {
            let judged = system.judge(step, keep).await.map_err(|trouble| Failure::Other {
                cause: format!("CloudFormation does not judge {}: {}", step.target, trouble.cause),
                hint: trouble.hint,
            })?;
            judgements.insert(step.target.clone(), judged.map(|judged| (surprises(step, &judged), judged)));
        }
        Ok(judgements)
    }
}
