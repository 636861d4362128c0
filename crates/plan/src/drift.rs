//! What drifted → steps that bring it back to what was applied.
use crate::prelude::*;
use crate::{impact, order, stack};
use incline_model::desired::{Desired, Roll};
use incline_model::drift::{Finding, NOTHING, SiteDrift, State};
use incline_model::observed::Observed;
use incline_model::plan::{Change, Drifted, Left, PropertyChange, Reason, Replaces, SitePlan, Verb};
use serde_json::{Value, json};

/// What a finding says of a value; it says so in words where there is none.
fn value(text: &str) -> Option<Value> {
    (text != NOTHING).then(|| json!(text))
}

/// Why drift cannot be repaired, with the way out; none where it can.
fn beyond_repair(finding: &Finding, property: &str, actual: &str) -> Option<String> {
    if property.is_empty() {
        return Some(format!(
            "is {actual}: remove it from the inventory and apply, then add it again, or make it by hand"
        ));
    }
    // A tunnel that is down, a certificate and an image that are gone are no setting that could be set back.
    let is_tunnel = finding.kind == "AWS::EC2::VPNConnection" && property.ends_with(".Status");
    if is_tunnel || property == "Certificate" || property.ends_with("ImageId") {
        return Some(format!("{property} is {actual}: incline cannot repair that"));
    }
    // A newer version that somebody made: groups name the version that was applied, so nothing boots from it, and a
    // version that was deleted by mistake would take a group with it.
    let is_version = finding.kind == "AWS::EC2::LaunchTemplate";
    is_version.then(|| format!("its newest version is not incline's ({property}); no group uses it, delete it by hand"))
}

/// Adds to a site's plan what brings drifted resources back. A stack that is changed anyway is brought back by the same
/// step. What drifted whole (a resource that is gone) cannot be brought back: CloudFormation still believes in it.
///
/// What is left as it is, and what was not checked, stands in the plan's `drift`.
pub fn mend_drift(plan: &mut SitePlan, desired: &Desired, observed: &Observed, drift: &SiteDrift) {
    let mut left = Left::default();
    for finding in &drift.findings {
        let place = [finding.target.as_str(), &finding.resource].join("/");
        let place = place.trim_end_matches('/');
        let entry = |what: String| Drifted { target: finding.target.clone(), what };
        let (property, expected, actual) = match &finding.state {
            State::Drifted { property, expected, actual } => (property, expected, actual),
            // What cannot be planned is told as such.
            State::NotChecked { why } if plan.blocked.iter().all(|blocked| blocked.target != finding.target) => {
                left.not_checked.push(entry(format!("{place}: {why}")));
                continue;
            }
            _ => continue,
        };
        // A setting of the stack itself is part of the plan already.
        if finding.resource.is_empty() {
            continue;
        }
        if let Some(why) = beyond_repair(finding, property, actual) {
            left.not_repaired.push(entry(format!("{place} {why}")));
            continue;
        }
        let (Some(wish), Some(deployed)) =
            (desired.stacks.iter().find(|stack| stack.name == finding.target), observed.stacks.get(&finding.target))
        else {
            left.not_repaired.push(entry(format!("{place} {property} is {actual}: its stack is not in the inventory")));
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
    plan.drift = Some(left);
}

#[cfg(test)]
mod tests {
    use super::*;
    use incline_model::desired::{Stack, Stage};
    use incline_model::observed::DeployedStack;
    use incline_model::plan::Blocked;

    /// What a plan without steps becomes where these findings are repaired.
    fn mended(findings: Vec<Finding>) -> SitePlan {
        let name = "site-data";
        let stack = Stack {
            name: name.to_owned(),
            stage: Stage::Data,
            body: String::new(),
            template: json!({ "Resources": {} }),
            parameters: BTreeMap::new(),
            tags: BTreeMap::new(),
            policy: json!({}),
            protected: true,
            roll: Roll::CloudFormation,
        };
        let site = "site".parse().unwrap();
        let desired =
            Desired { site, stacks: vec![stack], artifacts: Vec::new(), fetched: Vec::new(), notes: Vec::new() };
        let mut observed = Observed::default();
        observed.stacks.insert(name.to_owned(), DeployedStack::from_template(json!({ "Resources": {} })));
        let mut plan = SitePlan {
            site: "site".to_owned(),
            place: String::new(),
            inputs: BTreeMap::new(),
            steps: Vec::new(),
            unchanged: vec![name.to_owned()],
            blocked: vec![Blocked { target: "site-busy".to_owned(), ..blocked() }],
            seen: BTreeMap::new(),
            notes: Vec::new(),
            missing: Vec::new(),
            drift: None,
        };
        let drift = SiteDrift { site: "site".to_owned(), findings, ..SiteDrift::default() };
        mend_drift(&mut plan, &desired, &observed, &drift);
        plan
    }

    fn blocked() -> Blocked {
        Blocked {
            target: String::new(),
            cause: String::new(),
            details: Vec::new(),
            hint: String::new(),
            busy: false,
            refused: None,
        }
    }

    fn finding(target: &str, kind: &str, state: State) -> Finding {
        let (target, kind) = (target.to_owned(), kind.to_owned());
        Finding { target, resource: "One".to_owned(), kind, physical: String::new(), state, age: None }
    }

    fn drifted(property: &str) -> State {
        State::Drifted { property: property.to_owned(), expected: "Enabled".to_owned(), actual: "Suspended".to_owned() }
    }

    #[test]
    fn a_buckets_versioning_is_repaired_and_a_tunnel_that_is_down_is_not() {
        let plan = mended(vec![finding("site-data", "AWS::S3::Bucket", drifted("VersioningConfiguration.Status"))]);
        assert_eq!(plan.steps[0].changes[0].properties[0].path, "VersioningConfiguration.Status");
        assert_eq!(plan.drift, Some(Left::default()));
        let tunnel = drifted("VpnTunnelOptionsSpecifications.0.Status");
        let plan = mended(vec![finding("site-data", "AWS::EC2::VPNConnection", tunnel)]);
        assert!(plan.steps.is_empty());
        assert_eq!(plan.drift.unwrap().not_repaired.len(), 1);
    }

    #[test]
    fn what_is_not_repaired_and_what_was_not_checked_stand_in_the_plan() {
        let denied = || State::NotChecked { why: "denied".to_owned() };
        let plan = mended(vec![
            finding("site-data", "AWS::S3::Bucket", drifted("")),
            finding("site-gone", "AWS::S3::Bucket", drifted("VersioningConfiguration.Status")),
            finding("site-data", "AWS::KMS::Key", denied()),
            // It is told as what cannot be planned.
            finding("site-busy", "AWS::CloudFormation::Stack", denied()),
            finding("site-data", "AWS::Route53::RecordSet", State::NotCovered { why: "no API".to_owned() }),
        ]);
        let left = plan.drift.unwrap();
        let targets = |list: &[Drifted]| list.iter().map(|one| one.target.clone()).collect::<Vec<_>>();
        assert_eq!(targets(&left.not_repaired), ["site-data", "site-gone"]);
        assert_eq!(targets(&left.not_checked), ["site-data"]);
        assert!(left.not_repaired[0].what.starts_with("site-data/One is Suspended"));
    }
}
