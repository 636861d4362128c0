//! `incline destroy`
use crate::arguments::{Common, Destroy as Options};
use crate::carry_out::{carry_out, listen, settled};
use crate::error::{Exit, Failure};
use crate::live::{self, Live};
use crate::planner::{nothing, place, table};
use crate::{estate, view};
use incline_aws::{Journal, Mode};
use incline_model::plan::{Basis, FORMAT, Plan, Verb};
use incline_plan::{Moved, Named};
use std::collections::BTreeSet;

pub(crate) fn run(common: &Common, options: &Options) -> Result<Exit, Failure> {
    live::block_on(work(common, options))
}

async fn work(common: &Common, options: &Options) -> Result<Exit, Failure> {
    let estate = estate::read(common)?.validate()?;
    let templates = estate::templates(common)?;
    let table = table()?;
    let name = options.site.clone();
    let sites = live::in_aws(&estate, std::slice::from_ref(&name))?;
    let Some(site) = sites.first().copied() else {
        return Err(Failure::NoSite { name, hint: None });
    };
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
    let mut live = Live::open(&estate, &templates, &sites, Journal::new(Mode::Act)).await?;
    let (sender, stop) = incline_exec::stop();
    listen(sender)?;
    let plan = settled(&mut live, &table, options.json, &stop, |live| {
        let observed = live.observed.get(&name).cloned().unwrap_or_default();
        let desired = nothing(site.typed().name.clone());
        let mut plan = incline_plan::plan(&desired, &observed, Basis::Live, &table, &named, &mut Moved::new());
        plan.place = place(site);
        Ok(Plan { format: FORMAT, basis: Basis::Live, sites: vec![plan] })
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
    let typed = match &options.confirm {
        Some(typed) => Some(typed.clone()),
        None => view::ask::name(&format!("This removes {name}. Type its name to go on:")),
    };
    if typed.as_deref() != Some(name.as_str()) {
        return Err(Failure::Other {
            cause: "nothing was removed".to_owned(),
            hint: typed.is_none().then(|| format!("without a terminal, `--confirm {name}` goes on")),
        });
    }
    carry_out(&live.system(&table, options.parallel, stop.clone()), &plan, options.json, &stop).await
}
