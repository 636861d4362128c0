//! What CloudFormation says that a change set does, beside what the plan says.
use crate::prelude::*;
use incline_model::plan::{Replaces, Step, Verb};

/// A resource's change as CloudFormation judges it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The resource's logical id.
    pub resource: String,
    /// Its type.
    pub kind: String,
    /// What happens to it.
    pub verb: Verb,
    /// Whether an update makes it anew.
    pub replaces: Replaces,
    /// The properties that change, with their values where CloudFormation tells them: path, before, after.
    pub properties: Vec<(String, Option<String>, Option<String>)>,
}

/// What the change set replaces or removes and the plan does not name, one sentence each. A replacement that
/// CloudFormation only thinks possible is no surprise: it says so of everything that refers to something changed.
pub fn surprises(step: &Step, judged: &[Judged]) -> Vec<String> {
    let planned = |resource: &str| step.changes.iter().find(|change| change.resource == resource);
    judged
        .iter()
        .filter_map(|change| {
            let known = planned(&change.resource);
            match change.verb {
                Verb::Remove if known.is_none_or(|known| known.verb != Verb::Remove) => {
                    Some(format!("removes {} ({})", change.resource, change.kind))
                }
                Verb::Update | Verb::Replace if change.replaces == Replaces::Always => {
                    let named = known.is_some_and(|known| {
                        known.verb == Verb::Replace
                            || known.properties.iter().any(|property| property.replaces != Replaces::Never)
                    });
                    (!named).then(|| format!("makes {} ({}) anew", change.resource, change.kind))
                }
                _ => None,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use incline_model::desired::Stage;
    use incline_model::plan::{Change, Expectation, Impact, PropertyChange, Reason};

    fn step(verb: Verb, replaces: Replaces) -> Step {
        let properties = vec![PropertyChange { path: "P".into(), before: None, after: None, replaces }];
        Step {
            target: "site-network".into(),
            stage: Stage::Network,
            order: 0,
            needs: Vec::new(),
            verb: Verb::Update,
            reason: Reason::Changed,
            impact: Impact::InPlace,
            nodes: 0,
            expectation: Expectation::Absent,
            mend: None,
            roll: None,
            release: Vec::new(),
            changes: vec![Change {
                resource: "Vpc".into(),
                kind: "AWS::EC2::VPC".into(),
                verb,
                reason: Reason::Changed,
                impact: Impact::InPlace,
                retained: false,
                properties,
            }],
            settings: Vec::new(),
            files: Vec::new(),
        }
    }

    fn judged(resource: &str, verb: Verb, replaces: Replaces) -> Judged {
        Judged { resource: resource.into(), kind: "AWS::EC2::VPC".into(), verb, replaces, properties: Vec::new() }
    }

    #[test]
    fn what_the_plan_names_is_no_surprise_and_all_else_is() {
        let update = step(Verb::Update, Replaces::Never);
        assert!(surprises(&update, &[judged("Vpc", Verb::Update, Replaces::Never)]).is_empty());
        assert!(surprises(&update, &[judged("Other", Verb::Update, Replaces::Perhaps)]).is_empty());
        assert_eq!(
            surprises(&update, &[judged("Vpc", Verb::Update, Replaces::Always)]),
            ["makes Vpc (AWS::EC2::VPC) anew"]
        );
        assert_eq!(
            surprises(&update, &[judged("Vpc", Verb::Remove, Replaces::Never)]),
            ["removes Vpc (AWS::EC2::VPC)"]
        );
        assert_eq!(
            surprises(&update, &[judged("Old", Verb::Remove, Replaces::Never)]),
            ["removes Old (AWS::EC2::VPC)"]
        );
        for named in [step(Verb::Replace, Replaces::Always), step(Verb::Update, Replaces::Perhaps)] {
            assert!(surprises(&named, &[judged("Vpc", Verb::Update, Replaces::Always)]).is_empty());
        }
        assert!(
            surprises(&step(Verb::Remove, Replaces::Never), &[judged("Vpc", Verb::Remove, Replaces::Never)]).is_empty()
        );
    }
}
