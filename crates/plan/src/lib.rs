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
mod impact;
mod node;
mod prelude;
mod references;
mod replacement;
mod stack;

pub use replacement::Table;

use crate::prelude::*;
use incline_model::desired::{Desired, Stage};
use incline_model::observed::{DeployedStack, Observed};
use incline_model::plan::{Expectation, Impact, Reason, SitePlan, Step, Verb};
use sha2::{Digest, Sha256};

/// The digest of a template's text (SHA-256, hexadecimal), as expectations name it.
pub fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Outputs that will have another value, as (stack, output): what takes them as a parameter follows.
pub type Moved = BTreeSet<(String, String)>;

/// Plans one site: `observed` is what there is, or nothing. `moved` holds the outputs of other sites that will have
/// another value, and gains this site's.
pub fn plan(desired: &Desired, observed: &Observed, table: &Table, moved: &mut Moved) -> SitePlan {
    let mut steps = Vec::new();
    let mut unchanged = Vec::new();
    for stack in &desired.stacks {
        let step = match observed.stacks.get(&stack.name) {
            None => {
                moved.extend(
                    references::outputs(&stack.template).into_keys().map(|output| (stack.name.clone(), output)),
                );
                Some(stack::create(stack))
            }
            Some(deployed) => stack::update(stack, deployed, table, moved),
        };
        match step {
            Some(mut step) => {
                step.files = node::changes(&stack.name, desired, observed);
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
        .map(|(name, deployed)| (stage_of(desired.site.as_str(), name), name, deployed))
        .collect();
    unwanted.sort_by(|a, b| (b.0, a.1).cmp(&(a.0, b.1)));
    for (stage, name, deployed) in unwanted {
        let changes: Vec<_> = stack::resources(&deployed.template)
            .into_iter()
            .map(|(id, resource)| stack::removed(id, resource, Reason::Unwanted))
            .collect();
        steps.push(Step {
            target: name.clone(),
            stage,
            verb: Verb::Remove,
            reason: Reason::Unwanted,
            impact: changes.iter().map(|change| change.impact).max().unwrap_or(Impact::None),
            nodes: stack::nodes(&deployed.template),
            expectation: Expectation::Template(digest(&deployed.body)),
            changes,
            settings: Vec::new(),
            files: Vec::new(),
        });
    }
    SitePlan {
        site: desired.site.to_string(),
        place: String::new(),
        inputs: BTreeMap::new(),
        steps,
        unchanged,
        notes: desired.notes.clone(),
    }
}

/// The stage of a stack that is known by its name alone.
fn stage_of(site: &str, stack: &str) -> Stage {
    let suffix = stack.strip_prefix(site).unwrap_or(stack).trim_start_matches('-');
    match suffix {
        "keys" => Stage::Keys,
        "network" => Stage::Network,
        "data" => Stage::Data,
        "api" => Stage::Balancers,
        _ if suffix.starts_with("balancer-") => Stage::Balancers,
        _ if suffix.starts_with("control-plane-") => Stage::ControlPlane,
        _ if suffix.starts_with("pool-") => Stage::Pools,
        _ => Stage::Edge,
    }
}
