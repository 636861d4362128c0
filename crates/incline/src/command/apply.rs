//! `incline apply`
use crate::approvals;
use crate::arguments::{Apply as Options, Common};
use crate::audit::{self, Entered, Intent};
use crate::carry_out::{Systems, carry_out, listen, settled};
use crate::error::{Exit, Failure};
use crate::hosts::{Doing, OnPremises, desired};
use crate::live::{self, Live};
use crate::planner::{Against, Planner, Purpose, api_of, digests, table, take_in};
use crate::{estate, pins, safeguards, view};
use incline_aws::{Journal, Mode};
use incline_model::desired::Parameter;
use incline_model::inventory::aws::matches;
use incline_model::plan::{Blocked, Change, Plan, Reason, SitePlan, Step, Verb, is_on_premises};
use std::collections::{BTreeMap, BTreeSet};

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
    let saved = options.plan.as_deref().map(approvals::Saved::read).transpose()?;
    let saved_plan = saved.as_ref().map(|saved| &saved.plan);
    let names = match saved_plan {
        Some(plan) => plan.sites.iter().map(|site| site.site.clone()).collect(),
        None => options.sites.clone(),
    };
    let sites = live::chosen(&estate, &names)?;
    pins::required(estate::select(&estate, &names)?)?;
    safeguards::gate(&source, &estate, &templates, &names)?;
    let mut live = Live::open(&estate, &templates, &sites.aws, Journal::new(Mode::Act)).await?;
    let api = match saved_plan {
        Some(saved) => api_of(saved),
        None => options.bootstrap.api(),
    };
    let wish = |site: &_| desired(site, &templates, api);
    let mut onprem =
        OnPremises::open(&sites.onprem, wish, options.run.forks.forks, Doing::Work("apply"))?.with_tenants()?;
    let (sender, stop) = incline_exec::stop();
    listen(sender)?;
    let mut plan = settled(&mut live, &table, options.run.json, &stop, |live| {
        let planner = Planner {
            estate: &estate,
            templates: &templates,
            table: &table,
            against: Against::Live(&live.observed),
            named: live::named(&options.named),
            purpose: Purpose::Change,
            digests: &digests,
            lock: &lock,
        };
        planner.plan(&sites.aws, false)
    })
    .await?;
    // A plan that was saved with drift in it is compared with drift in it.
    let drifted = |plan: &Plan| {
        let changes = plan.sites.iter().flat_map(|site| &site.steps).flat_map(|step| &step.changes);
        changes.into_iter().any(|change| change.reason == Reason::Drifted)
    };
    if options.mend_drift || saved_plan.is_some_and(drifted) {
        live.mend_drift(&sites.aws, &mut plan).await;
    }
    onprem.observe(options.run.json).await;
    take_in(&mut plan, &onprem, api, &templates, &digests, &lock);
    if let Some(saved) = saved_plan {
        still_holds(saved, &plan)?;
    }
    if !options.target.is_empty() {
        narrow(&mut plan, &options.target, &live)?;
    }
    live.look_for_fetched(&mut plan).await;
    if !options.run.json {
        view::say(&view::plan::text(&plan, false, view::width()))?;
    }
    // A host that does not answer, and a site of which a change is refused, hold up nobody else: the others are made
    // so, and the exit code tells.
    let (left_out, blocked): (Vec<&Blocked>, Vec<&Blocked>) =
        plan.blocked().partition(|blocked| is_on_premises(&blocked.target) || blocked.refused.is_some());
    if let Some(blocked) = blocked.first() {
        return Err(Failure::Other {
            cause: format!("{} cannot be planned: {}", blocked.target, blocked.cause),
            hint: Some(blocked.hint.clone()),
        });
    }
    let entered = Entered { live: Some(&live), onprem: Some(&onprem) };
    let approvals = approvals::of(&estate, entered, &plan, saved.as_ref())?;
    // A saved plan was looked at when it was made.
    if !plan.is_empty() && saved.is_none() && !options.run.yes {
        if !view::ask::is_possible() {
            return Err(Failure::Usage {
                cause: "nothing was changed: there is nobody to ask".to_owned(),
                hint: "`--yes` goes on without asking; `--plan FILE` carries out a plan that was saved and looked at"
                    .to_owned(),
            });
        }
        if !view::ask::yes("Go on?") {
            return Err(Failure::Other { cause: "nothing was changed".to_owned(), hint: None });
        }
    }
    let missed = match (plan.not_repaired().next(), plan.not_checked().next(), left_out.is_empty()) {
        (_, Some(_), _) | (.., false) => Exit::Failed,
        // Drift that stays is a difference.
        (Some(_), None, true) => Exit::Differences,
        (None, None, true) => Exit::Done,
    };
    if options.run.json {
        for blocked in &left_out {
            view::say(&view::run::left_out(blocked))?;
        }
    }
    if plan.is_empty() && !options.run.json {
        return Ok(missed);
    }
    let system = Systems { stacks: live.system(&table, options.run.parallel, stop.clone()), onprem: &onprem };
    let saved = saved.map(|saved| saved.digest());
    let intent = Intent { saved, approvals, ..Intent::new("apply", &estate, entered) };
    let exit = carry_out(&system, &plan, &trail, &intent, options.run.json, &stop).await;
    onprem.tenants.close().await;
    let exit = exit?;
    if !left_out.is_empty() && !options.run.json {
        let targets: Vec<&str> = left_out.iter().map(|blocked| blocked.target.as_str()).collect();
        view::say(&format!("Left out: {}.\n", targets.join(", ")))?;
    }
    if !options.run.json {
        view::say(&view::plan::left(&plan))?;
    }
    Ok(if exit == Exit::Done { missed } else { exit })
}

/// Whether a saved plan may still be carried out: the same inputs, and of what was seen then nothing has moved but by
/// carrying it out.
fn still_holds(saved: &Plan, now: &Plan) -> Result<(), Failure> {
    let mut moved = Vec::new();
    for was in &saved.sites {
        let Some(is) = now.sites.iter().find(|site| site.site == was.site) else {
            moved.push(format!("{}: is no longer in the estate", was.site));
            continue;
        };
        for (input, digest) in &was.inputs {
            if is.inputs.get(input) != Some(digest) {
                let what = match input.as_str() {
                    "lock" => "incline.lock",
                    other => other,
                };
                moved.push(format!("{}: the {what} has changed", was.site));
            }
        }
        let targets: BTreeSet<&String> = was.seen.keys().chain(is.seen.keys()).collect();
        moved.extend(
            targets
                .into_iter()
                .filter(|target| !is_as_planned(target, was, is))
                .map(|target| format!("{target}: has changed")),
        );
        // The same inputs and the same stacks, and yet something else to do: another site's outputs have moved.
        for step in &is.steps {
            if was.steps.iter().all(|known| known.target != step.target) {
                moved.push(format!("{}: there is more to do than the plan says", step.target));
            }
        }
    }
    if moved.is_empty() {
        return Ok(());
    }
    Err(Failure::Other {
        cause: format!("the plan is stale; nothing was changed.\n  {}", moved.join("\n  ")),
        hint: Some("plan again, look at it, and apply that one".to_owned()),
    })
}

/// Whether a target is as it was when the plan was made, or as carrying the plan out makes it, wholly or in part.
fn is_as_planned(target: &str, was: &SitePlan, is: &SitePlan) -> bool {
    if was.seen.get(target) == is.seen.get(target) {
        return true;
    }
    let step = |site: &'_ SitePlan| site.steps.iter().find(|step| step.target == target).cloned();
    match (step(was), step(is)) {
        (Some(_), None) => true,
        // A run that was cut off has done some of a host's items, and left no others than were planned.
        (Some(planned), Some(left)) if is_on_premises(target) => {
            let known = |change: &Change| {
                planned.changes.iter().any(|was| (&was.kind, &was.resource) == (&change.kind, &change.resource))
            };
            left.changes.iter().all(known)
        }
        (Some(planned), Some(left)) => planned.verb == Verb::Create || is_last_touch(&left),
        (None, _) => false,
    }
}

/// Whether only what follows CloudFormation's own work is left of a step: policy, protection, machines.
fn is_last_touch(step: &Step) -> bool {
    step.changes.is_empty()
        && step.settings.iter().all(|setting| ["StackPolicy", "TerminationProtection"].contains(&setting.path.as_str()))
}

/// Leaves of a plan only the targets that were named, and what they take values from.
fn narrow(plan: &mut Plan, patterns: &[String], live: &Live) -> Result<(), Failure> {
    let steps: BTreeSet<&str> =
        plan.sites.iter().flat_map(|site| &site.steps).map(|step| step.target.as_str()).collect();
    let parameters: BTreeMap<&str, BTreeSet<&str>> = live
        .parts
        .values()
        .flat_map(|part| &part.desired.stacks)
        .map(|stack| {
            let sources = stack.parameters.values().filter_map(|parameter| match parameter {
                Parameter::Output { stack, .. } => Some(stack.as_str()),
                Parameter::Value(_) => None,
            });
            (stack.name.as_str(), sources.collect())
        })
        .collect();
    // What there is nothing to do about is a target, too.
    let others = plan.sites.iter().flat_map(|site| {
        site.unchanged.iter().map(String::as_str).chain(site.blocked.iter().map(|blocked| blocked.target.as_str()))
    });
    let all: BTreeSet<&str> = parameters.keys().copied().chain(steps.iter().copied()).chain(others).collect();
    let mut wanted = BTreeSet::new();
    for pattern in patterns {
        let found: Vec<&str> = all.iter().copied().filter(|stack| matches(pattern, stack)).collect();
        if found.is_empty() {
            return Err(Failure::NoSite {
                name: pattern.clone(),
                hint: incline_model::fault::did_you_mean(pattern, all.iter().copied()),
            });
        }
        wanted.extend(found);
    }
    let mut needed: BTreeSet<&str> = wanted.clone();
    let mut open: Vec<&str> = wanted.iter().copied().collect();
    let mut notes = Vec::new();
    while let Some(target) = open.pop() {
        for source in parameters.get(target).into_iter().flatten() {
            if steps.contains(source) && needed.insert(source) {
                notes.push(format!("{source} is part of it: {target} takes values from it"));
                open.push(source);
            }
        }
    }
    let needed: BTreeSet<String> = needed.into_iter().map(ToOwned::to_owned).collect();
    for site in &mut plan.sites {
        site.steps.retain(|step| needed.contains(&step.target));
        // A refusal is of the whole site, whichever of its targets is named.
        site.blocked.retain(|blocked| blocked.refused.is_some() || needed.contains(&blocked.target));
        site.notes.clear();
        if let Some(left) = &mut site.drift {
            left.not_repaired.retain(|one| needed.contains(&one.target));
            left.not_checked.retain(|one| needed.contains(&one.target));
        }
    }
    if let Some(site) = plan.sites.iter_mut().find(|site| !site.steps.is_empty()) {
        notes.sort();
        site.notes = notes;
    }
    Ok(())
}
