//! What must be + what was seen → what would change, in which order, why, and what that does to those who use the site.
//! All policy lives here; whoever carries a plan out obeys it.
//!
//! What may not live here: any system, any template. The crate is `no_std`, so the compiler itself refuses files, time
//! and environment.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod diff;
mod drift;
mod fingerprint;
mod guard;
mod history;
mod hosts;
mod impact;
mod items;
mod mend;
mod node;
mod preflight;
mod prelude;
mod references;
mod replacement;
mod stack;
mod tenants;
mod verdict;

pub use drift::mend_drift;
pub use fingerprint::{digest, fingerprint};
pub use guard::{refusals, refuse};
pub use history::{Night, remember};
pub use hosts::{drift_hosts, plan_hosts, remove_hosts, target};
pub use replacement::Table;
pub use stack::starts_machines;
pub use tenants::{
    DRAIN, REJOIN, drift_tenants, plan_tenants, remove_tenants, tenant_fingerprint, tenant_is_fulfilled, tenant_target,
};
pub use verdict::{Judged, surprises};

use crate::prelude::*;
use crate::stack::Seen;
use incline_model::desired::{Desired, Parameter, Roll, Stack, Stage};
use incline_model::observed::{Condition, DeployedStack, Observed};
use incline_model::plan::{Basis, SitePlan, Step, Verb};

/// Outputs that will have another value, as (stack, output): what takes them as a parameter follows.
pub type Moved = BTreeSet<(String, String)>;

/// What a person has named: resources as `STACK/RESOURCE`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Resources that a rollback passes over.
    pub skip: BTreeSet<String>,
    /// Resources that a deletion leaves where they are.
    pub retain: BTreeSet<String>,
    /// Retained resources that a removal takes along.
    pub release: BTreeSet<String>,
}

/// Plans one site: `observed` is what there is, or nothing. `moved` holds the outputs of other sites that will have
/// another value, and gains this site's.
pub fn plan(
    desired: &Desired,
    observed: &Observed,
    basis: Basis,
    table: &Table,
    named: &Named,
    moved: &mut Moved,
) -> SitePlan {
    let site = desired.site.as_str();
    let (mut steps, mut unchanged, mut blocked) = (Vec::new(), Vec::new(), Vec::new());
    for stack in &desired.stacks {
        if let Some(why) = observed.unseen.get(&stack.name) {
            blocked.push(mend::unseen(&stack.name, why));
            continue;
        }
        let seen = Seen { observed, moved };
        if basis == Basis::Live
            && let Some(missing) = seen.unresolved(stack)
        {
            blocked.push(missing);
            continue;
        }
        let step = match observed.stacks.get(&stack.name) {
            // A stack under review is a change set that waits: there is nothing in it.
            None => Some(stack::create(stack)),
            Some(deployed) if deployed.status.condition() == Condition::Reviewing => Some(stack::create(stack)),
            Some(deployed) => match deployed.status.condition() {
                Condition::Settled => stack::update(stack, deployed, table, observed, moved),
                _ => match mend::before(stack, deployed, table, observed, named, moved) {
                    Ok(step) => Some(step),
                    Err(way_out) => {
                        blocked.push(way_out);
                        continue;
                    }
                },
            },
        };
        if step.as_ref().is_some_and(|step| step.verb == Verb::Create) {
            moved.extend(references::outputs(&stack.template).into_keys().map(|output| (stack.name.clone(), output)));
        }
        match step {
            Some(mut step) => {
                step.files = node::changes(&stack.name, desired, observed);
                step.needs = needs(site, stack);
                steps.push(step);
            }
            None => unchanged.push(stack.name.clone()),
        }
    }
    // What is no longer wished for goes last, and the latest stage first: nothing is removed under what stands on it.
    let mut unwanted: Vec<(Stage, &String, &DeployedStack)> = observed
        .stacks
        .iter()
        .filter(|(name, _)| desired.stacks.iter().all(|stack| stack.name != **name))
        .map(|(name, deployed)| (stage_of(site, name), name, deployed))
        .collect();
    unwanted.sort_by(|a, b| (b.0, a.1).cmp(&(a.0, b.1)));
    for (stage, name, deployed) in unwanted {
        match mend::removal(name, stage, deployed, named) {
            Ok(step) => steps.push(step),
            Err(way_out) => blocked.push(way_out),
        }
    }
    order(&mut steps);
    SitePlan {
        site: desired.site.to_string(),
        place: String::new(),
        inputs: BTreeMap::new(),
        steps,
        unchanged,
        blocked,
        seen: observed
            .stacks
            .iter()
            .filter(|(_, deployed)| deployed.status.condition() != Condition::Reviewing)
            .map(|(name, deployed)| (name.clone(), fingerprint(deployed)))
            .collect(),
        notes: desired.notes.clone(),
        missing: Vec::new(),
        drift: None,
    }
}

/// Whether a stack is as it must be, all its parameters known.
pub fn is_fulfilled(stack: &Stack, deployed: &DeployedStack, table: &Table, observed: &Observed) -> bool {
    deployed.status.condition() == Condition::Settled
        && stack::update(stack, deployed, table, observed, &mut Moved::new()).is_none()
}

/// Stacks of other sites that a stack takes outputs of.
fn needs(site: &str, stack: &Stack) -> Vec<String> {
    let own = format!("{site}-");
    let others: BTreeSet<&String> = stack
        .parameters
        .values()
        .filter_map(|parameter| match parameter {
            Parameter::Output { stack, .. } if !stack.starts_with(&own) => Some(stack),
            _ => None,
        })
        .collect();
    others.into_iter().cloned().collect()
}

/// Numbers the steps, which stand in order of stage, removals last and backwards. Members of the control plane that are
/// rolled go one at a time, never two: etcd keeps its majority.
pub(crate) fn order(steps: &mut [Step]) {
    let mut number = 0_u16;
    let mut last: Option<(bool, Stage, bool)> = None;
    for step in steps {
        let removal = step.verb == Verb::Remove;
        let alone = matches!(step.roll, Some(Roll::Member(_)));
        let place = (removal, step.stage, alone);
        if last.is_some_and(|last| last != place || alone) {
            number = number.saturating_add(1);
        }
        last = Some(place);
        step.order = number;
    }
}

/// The stage of a stack that is known by its name alone.
fn stage_of(site: &str, stack: &str) -> Stage {
    let suffix = stack.strip_prefix(site).unwrap_or(stack).trim_start_matches('-');
    match suffix {
        "keys" => Stage::Keys,
        "network" => Stage::Network,
        "data" => Stage::Data,
        "api" | "endpoints" => Stage::Balancers,
        _ if suffix.starts_with("balancer-") => Stage::Balancers,
        _ if suffix.starts_with("control-plane-") => Stage::ControlPlane,
        _ if suffix.starts_with("pool-") => Stage::Pools,
        _ => Stage::Edge,
    }
}
