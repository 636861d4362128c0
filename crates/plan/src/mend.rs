//! A stack that an earlier operation left unfinished → how its step begins, or why there is none.
use crate::prelude::*;
use crate::stack::{self, removed, resources};
use crate::{Moved, Named, Table, fingerprint};
use incline_model::desired::{Stack, Stage};
use incline_model::observed::{Condition, DeployedResource, DeployedStack, Observed};
use incline_model::plan::{Blocked, Expectation, Impact, Mend, PropertyChange, Reason, Replaces, Step, Verb, Way};
use serde_json::json;

/// A stack that could not be looked at.
pub(crate) fn unseen(target: &str, why: &str) -> Blocked {
    Blocked {
        target: target.to_owned(),
        cause: format!("it could not be looked at: {why}"),
        details: Vec::new(),
        hint: "run it again when AWS answers".to_owned(),
        busy: false,
        refused: None,
    }
}

/// The step of a stack that must be and is in no state to be changed.
pub(crate) fn before(
    stack: &Stack,
    deployed: &DeployedStack,
    table: &Table,
    observed: &Observed,
    named: &Named,
    moved: &mut Moved,
) -> Result<Step, Blocked> {
    let target = stack.name.as_str();
    let anew = |way: Way, without: Vec<String>| {
        let mut step = stack::create(stack);
        step.expectation = Expectation::Seen(fingerprint(deployed));
        step.mend = Some(mend(way, deployed, without));
        Ok(step)
    };
    match deployed.status.condition() {
        Condition::NeverMade => {
            let live = told(deployed, DeployedResource::is_live);
            if live.is_empty() {
                return anew(Way::DeleteEmpty, Vec::new());
            }
            Err(blocked(
                target,
                deployed,
                "its first creation was rolled back, and left something behind",
                live,
                "look at what is left; delete it, or rename it, by hand: a new stack would want the same names. Then delete the stack",
            ))
        }
        // A creation that never ended has nothing to go back to: its rollback ends in a stack that is deleted.
        Condition::HalfDone if deployed.status.0 == "CREATE_FAILED" => anew(Way::RollBack, Vec::new()),
        Condition::HalfGone => {
            let without = without(target, deployed, &named.retain);
            let lost = data_at_stake(deployed, &without);
            if lost.is_empty() {
                anew(Way::FinishDeletion, without)
            } else {
                Err(blocked(
                    target,
                    deployed,
                    "its deletion failed, and it holds data",
                    lost,
                    &format!("`--retain {target}/RESOURCE` leaves a resource where it is"),
                ))
            }
        }
        condition @ (Condition::HalfDone | Condition::Stuck) => {
            let (way, without) = if condition == Condition::Stuck {
                (Way::ContinueRollback, without(target, deployed, &named.skip))
            } else {
                (Way::RollBack, Vec::new())
            };
            let mut step = stack::update(stack, deployed, table, observed, moved)
                .unwrap_or_else(|| stack::nothing(stack, deployed));
            step.mend = Some(mend(way, deployed, without));
            Ok(step)
        }
        Condition::Busy => Err(busy(target, deployed)),
        Condition::Settled | Condition::Reviewing | Condition::Unknown => Err(blocked(
            target,
            deployed,
            "incline knows no way out of this state",
            told(deployed, |_| true),
            "AWS's console or support can bring it back to a state ending in COMPLETE",
        )),
    }
}

/// The step that removes a stack that is no longer wished for.
pub(crate) fn removal(target: &str, stage: Stage, deployed: &DeployedStack, named: &Named) -> Result<Step, Blocked> {
    let condition = deployed.status.condition();
    if condition == Condition::Busy {
        return Err(busy(target, deployed));
    }
    let prefix = format!("{target}/");
    let release: Vec<String> =
        named.release.iter().filter_map(|name| name.strip_prefix(&prefix)).map(ToOwned::to_owned).collect();
    let changes: Vec<_> = resources(&deployed.template)
        .into_iter()
        .map(|(id, resource)| removed(id, resource, Reason::Unwanted, release.iter().any(|name| name == id)))
        .collect();
    let settings = if deployed.protected == Some(true) {
        vec![PropertyChange {
            path: "TerminationProtection".to_owned(),
            before: Some(json!(true)),
            after: Some(json!(false)),
            replaces: Replaces::Never,
        }]
    } else {
        Vec::new()
    };
    let mended = (condition == Condition::HalfGone)
        .then(|| mend(Way::FinishDeletion, deployed, without(target, deployed, &named.retain)));
    Ok(Step {
        target: target.to_owned(),
        stage,
        order: 0,
        needs: Vec::new(),
        verb: Verb::Remove,
        reason: Reason::Unwanted,
        impact: changes.iter().map(|change| change.impact).max().unwrap_or(Impact::None),
        nodes: stack::nodes(&deployed.template),
        expectation: Expectation::Seen(fingerprint(deployed)),
        mend: mended,
        roll: None,
        release,
        changes,
        settings,
        files: Vec::new(),
    })
}

fn mend(way: Way, deployed: &DeployedStack, without: Vec<String>) -> Mend {
    Mend {
        way,
        state: deployed.status.0.clone(),
        because: told(deployed, |resource| resource.status.ends_with("_FAILED")),
        without,
    }
}

/// A stack that CloudFormation is at work on.
fn busy(target: &str, deployed: &DeployedStack) -> Blocked {
    let hint = "`incline apply` follows it to its end first, or wait and run it again";
    Blocked { busy: true, ..blocked(target, deployed, "CloudFormation is at work on it", Vec::new(), hint) }
}

fn blocked(target: &str, deployed: &DeployedStack, cause: &str, details: Vec<String>, hint: &str) -> Blocked {
    Blocked {
        target: target.to_owned(),
        cause: format!("{cause} ({})", deployed.status.0),
        details,
        hint: hint.to_owned(),
        busy: false,
        refused: None,
    }
}

/// Resources of some kind, a line each.
fn told(deployed: &DeployedStack, which: impl Fn(&DeployedResource) -> bool) -> Vec<String> {
    deployed
        .resources
        .iter()
        .filter(|resource| which(resource))
        .map(|resource| {
            let reason = if resource.reason.is_empty() { String::new() } else { format!(": {}", resource.reason) };
            format!("{} ({}, {}) {}{reason}", resource.id, resource.kind, resource.physical, resource.status)
        })
        .collect()
}

/// The resources of a stack that a person has named.
fn without(target: &str, deployed: &DeployedStack, named: &BTreeSet<String>) -> Vec<String> {
    let failed = deployed.resources.iter().filter(|resource| resource.status.ends_with("_FAILED"));
    failed.map(|resource| resource.id.clone()).filter(|id| named.contains(&format!("{target}/{id}"))).collect()
}

/// Resources that hold data, whose deletion failed and would be tried again.
fn data_at_stake(deployed: &DeployedStack, without: &[String]) -> Vec<String> {
    told(deployed, |resource| {
        resource.is_live()
            && crate::impact::holds_data(&resource.kind)
            && !without.contains(&resource.id)
            && resource.status != "DELETE_SKIPPED"
    })
}
