//! What drifted → steps that bring it back to what was applied.
use crate::prelude::*;
use crate::{impact, order, stack};
use incline_model::desired::{Desired, Roll};
use incline_model::drift::{NOTHING, SiteDrift, State};
use incline_model::observed::Observed;
use incline_model::plan::{Change, PropertyChange, Reason, Replaces, SitePlan, Verb};
use serde_json::{Value, json};

/// What a finding says of a value; it says so in words where there is none.
fn value(text: &str) -> Option<Value> {
    (text != NOTHING).then(|| json!(text))
}

/// Adds to a site's plan what brings drifted resources back. A stack that is changed anyway is brought back by the same
/// step. What drifted whole (a resource that is gone) cannot be brought back: CloudFormation still believes in it.
///
/// Gives what is left as it is, a line each.
pub fn mend_drift(plan: &mut SitePlan, desired: &Desired, observed: &Observed, drift: &SiteDrift) -> Vec<String> {
    let mut left = Vec::new();
    for finding in &drift.findings {
        let State::Drifted { property, expected, actual } = &finding.state else { continue };
        // A setting of the stack itself is part of the plan already.
        if finding.resource.is_empty() {
            continue;
        }
        let place = format!("{}/{}", finding.target, finding.resource);
        if property.is_empty() {
            left.push(format!(
                "{place} is {actual}: remove it from the inventory and apply, then add it again, or make it by hand"
            ));
            continue;
        }
        // A tunnel that is down and an image that is gone are no setting that could be set back.
        if property.ends_with(".Status") || property == "Certificate" || property.ends_with("ImageId") {
            left.push(format!("{place} {property} is {actual}: incline cannot mend that"));
            continue;
        }
        // A newer version that somebody made: groups name the version that was applied, so nothing boots from it, and a
        // version that was deleted by mistake would take a group with it.
        if finding.kind == "AWS::EC2::LaunchTemplate" {
            left.push(format!(
                "{place}: its newest version is not incline's ({property}); no group uses it, delete it by hand"
            ));
            continue;
        }
        let (Some(wish), Some(deployed)) =
            (desired.stacks.iter().find(|stack| stack.name == finding.target), observed.stacks.get(&finding.target))
        else {
            continue;
        };
        let at = match plan.steps.iter().position(|step| step.target == finding.target) {
            Some(at) => at,
            None => {
                plan.unchanged.retain(|name| *name != finding.target);
                let mut step = stack::nothing(wish, deployed);
                step.reason = Reason::Drifted;
                plan.steps.push(step);
                plan.steps.len() - 1
            }
        };
        let Some(step) = plan.steps.get_mut(at) else { continue };
        let properties = vec![PropertyChange {
            path: property.clone(),
            before: value(actual),
            after: value(expected),
            replaces: Replaces::Never,
        }];
        if property.starts_with("Instances.") {
            step.roll = (wish.roll != Roll::CloudFormation).then(|| wish.roll.clone());
            step.impact = step.impact.max(incline_model::plan::Impact::RollsNodes);
        }
        let worst = impact::of(&finding.kind, Verb::Update, false, &properties);
        step.impact = step.impact.max(worst);
        match step
            .changes
            .iter_mut()
            .find(|change| change.resource == finding.resource && change.reason == Reason::Drifted)
        {
            Some(change) => change.properties.extend(properties),
            None => step.changes.push(Change {
                resource: finding.resource.clone(),
                kind: finding.kind.clone(),
                verb: Verb::Update,
                reason: Reason::Drifted,
                impact: worst,
                retained: false,
                properties,
            }),
        }
    }
    // Removals stay last.
    plan.steps.sort_by(|a, b| {
        let rank = |step: &incline_model::plan::Step| step.verb == Verb::Remove;
        rank(a).cmp(&rank(b)).then_with(|| {
            if rank(a) { core::cmp::Ordering::Equal } else { (a.stage, &a.target).cmp(&(b.stage, &b.target)) }
        })
    });
    order(&mut plan.steps);
    left
}
