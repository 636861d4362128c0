//! One stack: what is there and what must be → its step.
use crate::diff::differences;
use crate::prelude::*;
use crate::references::{outputs, references};
use crate::replacement::Table;
use crate::{Moved, fingerprint, impact};
use incline_model::desired::{Parameter, Roll, Stack};
use incline_model::observed::{DeployedStack, Observed};
use incline_model::plan::{Blocked, Change, Expectation, Impact, PropertyChange, Reason, Replaces, Step, Verb};
use serde_json::{Value, json};

/// What stands for a value that only AWS can tell.
const LATER: &str = "(known after apply)";

/// What is known of parameters' values while a plan is made.
pub(crate) struct Seen<'a> {
    pub(crate) observed: &'a Observed,
    pub(crate) moved: &'a Moved,
}

impl Seen<'_> {
    /// The value that a parameter will have, where it is known before the plan is carried out.
    fn value<'v>(&'v self, parameter: &'v Parameter) -> Option<&'v str> {
        match parameter {
            Parameter::Value(value) => Some(value),
            Parameter::Output { stack, output } if !self.moves(stack, output) => self.observed.output(stack, output),
            Parameter::Output { .. } => None,
        }
    }

    fn moves(&self, stack: &str, output: &str) -> bool {
        self.moved.contains(&(stack.to_owned(), output.to_owned()))
    }

    /// Why a stack's parameters will have no value: a stack that is not there, and that this plan does not make.
    pub(crate) fn unresolved(&self, stack: &Stack) -> Option<Blocked> {
        let missing: Vec<String> = stack
            .parameters
            .iter()
            .filter_map(|(name, parameter)| match parameter {
                Parameter::Output { stack, output }
                    if !self.moves(stack, output) && self.observed.output(stack, output).is_none() =>
                {
                    Some(format!("the parameter {name} takes {output} of {stack}"))
                }
                _ => None,
            })
            .collect();
        (!missing.is_empty()).then(|| Blocked {
            target: stack.name.clone(),
            cause: "it takes values from stacks that are not there, and that this plan does not make".to_owned(),
            details: missing,
            hint: "plan and apply the other site too, or leave out its peering".to_owned(),
            busy: false,
            refused: None,
        })
    }
}

/// A template's resources by logical id.
pub(crate) fn resources(template: &Value) -> BTreeMap<&str, &Value> {
    template
        .get("Resources")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(id, resource)| (id.as_str(), resource))
        .collect()
}

/// How many machines run from a template, by the wished size of its groups.
pub(crate) fn nodes(template: &Value) -> u16 {
    let groups =
        resources(template).into_values().filter(|resource| kind_of(resource) == "AWS::AutoScaling::AutoScalingGroup");
    groups.filter_map(|group| group.pointer("/Properties/DesiredCapacity")?.as_str()?.parse::<u16>().ok()).sum()
}

pub(crate) fn kind_of(resource: &Value) -> String {
    resource.get("Type").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn is_retained(resource: &Value, policy: &str) -> bool {
    resource.get(policy).and_then(Value::as_str).is_some_and(|policy| policy != "Delete")
}

/// The step that makes a stack.
pub(crate) fn create(stack: &Stack) -> Step {
    let changes: Vec<Change> =
        resources(&stack.template).into_iter().map(|(id, resource)| created(id, resource, Reason::Missing)).collect();
    Step {
        nodes: nodes(&stack.template),
        changes,
        ..Step::new(stack.name.clone(), stack.stage, Verb::Create, Reason::Missing, Expectation::Absent)
    }
}

/// A step that changes nothing of a stack: something is done before it, or after it.
pub(crate) fn nothing(stack: &Stack, deployed: &DeployedStack) -> Step {
    Step {
        verb: Verb::Update,
        reason: Reason::Changed,
        expectation: Expectation::Seen(fingerprint(deployed)),
        changes: Vec::new(),
        ..create(stack)
    }
}

/// Whether a step starts machines, at once or by changing how many a group has.
pub fn starts_machines(step: &Step) -> bool {
    let sizes = ["DesiredCapacity", "MinSize"];
    let is_sized = |change: &Change| change.properties.iter().any(|property| sizes.contains(&property.path.as_str()));
    match step.verb {
        Verb::Remove => false,
        Verb::Create => step.nodes > 0,
        Verb::Update | Verb::Replace => {
            step.roll.is_some()
                || step.changes.iter().any(|change| {
                    change.kind == "AWS::AutoScaling::AutoScalingGroup"
                        && (change.verb != Verb::Remove && change.impact >= Impact::RollsNodes || is_sized(change))
                })
        }
    }
}

fn created(id: &str, resource: &Value, reason: Reason) -> Change {
    let properties = resource.get("Properties").and_then(Value::as_object).into_iter().flatten();
    Change {
        resource: id.to_owned(),
        kind: kind_of(resource),
        verb: Verb::Create,
        reason,
        impact: Impact::None,
        retained: false,
        properties: properties.map(|(name, value)| PropertyChange::in_place(name, None, Some(value.clone()))).collect(),
    }
}

/// A resource that goes; `released` says that it goes though its template would retain it.
pub(crate) fn removed(id: &str, resource: &Value, reason: Reason, released: bool) -> Change {
    let (kind, retained) = (kind_of(resource), is_retained(resource, "DeletionPolicy") && !released);
    Change {
        resource: id.to_owned(),
        impact: impact::of(&kind, Verb::Remove, retained, &[]),
        kind,
        verb: Verb::Remove,
        reason,
        retained,
        properties: Vec::new(),
    }
}

/// The step that changes a stack, if there is anything to change. `moved` holds the outputs that will have another
/// value, and gains this stack's.
pub(crate) fn update(
    stack: &Stack,
    deployed: &DeployedStack,
    table: &Table,
    observed: &Observed,
    moved: &mut Moved,
) -> Option<Step> {
    let (old, new) = (resources(&deployed.template), resources(&stack.template));
    let mut changes: BTreeMap<String, Change> = BTreeMap::new();
    for (id, resource) in &new {
        match old.get(id) {
            None => drop(changes.insert((*id).to_owned(), created(id, resource, Reason::Missing))),
            Some(before) => {
                let properties = property_changes(before, resource, table);
                if !properties.is_empty() {
                    changes.insert((*id).to_owned(), changed(id, before, resource, properties, Reason::Changed));
                }
            }
        }
    }
    for (id, resource) in &old {
        if !new.contains_key(id) {
            changes.insert((*id).to_owned(), removed(id, resource, Reason::Unwanted, false));
        }
    }
    let settings = settings(stack, deployed, &Seen { observed, moved });
    let moved_parameters: BTreeSet<String> = stack
        .parameters
        .iter()
        .filter(|(name, source)| {
            let follows = matches!(source, Parameter::Output { stack, output } if moved.contains(&(stack.clone(), output.clone())));
            follows || settings.iter().any(|setting| setting.path == format!("Parameters.{name}"))
        })
        .map(|(name, _)| name.clone())
        .collect();
    follow(&old, &new, table, &moved_parameters, &mut changes);

    let unstable = |reference: &crate::references::Reference| {
        moved_parameters.contains(&reference.to)
            || changes.get(&reference.to).is_some_and(|change| moves(change, reference.attribute.as_deref()))
    };
    let before = outputs(&deployed.template);
    for (name, references) in outputs(&stack.template) {
        if references.iter().any(unstable) || !before.contains_key(&name) {
            moved.insert((stack.name.clone(), name));
        }
    }
    let output_changes = differences(deployed.template.get("Outputs"), stack.template.get("Outputs"));
    let outdated = matches!(stack.roll, Roll::Refresh(_)) && !deployed.outdated.is_empty();
    if changes.is_empty() && settings.is_empty() && output_changes.is_empty() && !outdated {
        return None;
    }
    let changes: Vec<Change> = changes.into_values().collect();
    let worst = changes.iter().map(|change| change.impact).max().unwrap_or(Impact::None);
    let rolls = changes.iter().any(|change| change.impact == Impact::RollsNodes) || outdated;
    let reason = if changes.is_empty() && outdated {
        Reason::Outdated
    } else if changes.iter().all(|change| change.reason == Reason::Follows) && !changes.is_empty() {
        Reason::Follows
    } else {
        Reason::Changed
    };
    Some(Step {
        reason,
        impact: if outdated { worst.max(Impact::RollsNodes) } else { worst },
        roll: (rolls && stack.roll != Roll::CloudFormation).then(|| stack.roll.clone()),
        changes,
        settings: settings
            .into_iter()
            .chain(output_changes.into_iter().map(|(path, before, after)| PropertyChange {
                path: format!("Outputs.{}", path.join(".")),
                before,
                after,
                replaces: Replaces::Never,
            }))
            .collect(),
        ..nothing(stack, deployed)
    })
}

fn property_changes(before: &Value, after: &Value, table: &Table) -> Vec<PropertyChange> {
    let kind = kind_of(after);
    let mut changes = Vec::new();
    if before.get("Type") != after.get("Type") {
        changes.push(PropertyChange {
            path: "Type".to_owned(),
            before: before.get("Type").cloned(),
            after: after.get("Type").cloned(),
            replaces: Replaces::Always,
        });
    }
    for (path, before, after) in differences(before.get("Properties"), after.get("Properties")) {
        changes.push(PropertyChange { replaces: table.replaces(&kind, &path), path: path.join("."), before, after });
    }
    for attribute in
        ["DeletionPolicy", "UpdateReplacePolicy", "UpdatePolicy", "CreationPolicy", "DependsOn", "Metadata"]
    {
        for (path, before, after) in differences(before.get(attribute), after.get(attribute)) {
            let path = [attribute.to_owned()].into_iter().chain(path).collect::<Vec<_>>().join(".");
            changes.push(PropertyChange::in_place(path, before, after));
        }
    }
    changes
}

fn changed(id: &str, before: &Value, after: &Value, properties: Vec<PropertyChange>, reason: Reason) -> Change {
    let kind = kind_of(after);
    let verb = if properties.iter().any(|property| property.replaces == Replaces::Always) {
        Verb::Replace
    } else {
        Verb::Update
    };
    let retained = is_retained(before, "UpdateReplacePolicy");
    Change {
        resource: id.to_owned(),
        impact: impact::of(&kind, verb, retained, &properties),
        kind,
        verb,
        reason,
        retained,
        properties,
    }
}

/// Whether a reference to a changed resource gets another value.
fn moves(change: &Change, attribute: Option<&str>) -> bool {
    match change.verb {
        Verb::Replace => true,
        // A launch template keeps its id, and counts its versions.
        Verb::Update => {
            attribute == Some("LatestVersionNumber")
                && change.properties.iter().any(|p| p.path.starts_with("LaunchTemplateData"))
        }
        Verb::Create | Verb::Remove => false,
    }
}

/// Adds the changes that follow from other changes: what refers to a replaced resource or to a moved parameter gets
/// another value, which may replace it in turn.
fn follow(
    old: &BTreeMap<&str, &Value>,
    new: &BTreeMap<&str, &Value>,
    table: &Table,
    parameters: &BTreeSet<String>,
    changes: &mut BTreeMap<String, Change>,
) {
    loop {
        let mut grown = false;
        for (id, resource) in new {
            let Some(before) = old.get(id) else { continue };
            let known = changes.get(*id);
            if known.is_some_and(|change| change.verb == Verb::Create) {
                continue;
            }
            let properties = resource.get("Properties").cloned().unwrap_or(Value::Null);
            let mut further: Vec<PropertyChange> = Vec::new();
            for (path, reference) in references(&properties) {
                let dotted = path.join(".");
                let moved = parameters.contains(&reference.to)
                    || changes.get(&reference.to).is_some_and(|change| moves(change, reference.attribute.as_deref()));
                let already = known.is_some_and(|change| change.properties.iter().any(|p| p.path == dotted))
                    || further.iter().any(|p| p.path == dotted);
                if moved && !already {
                    let value = properties.pointer(&format!("/{}", path.join("/"))).cloned();
                    further.push(PropertyChange {
                        replaces: table.replaces(&kind_of(resource), &path),
                        path: dotted,
                        before: value,
                        after: Some(json!(LATER)),
                    });
                }
            }
            if !further.is_empty() {
                grown = true;
                let (mut all, reason) =
                    known.map_or((Vec::new(), Reason::Follows), |change| (change.properties.clone(), change.reason));
                all.extend(further);
                changes.insert((*id).to_owned(), changed(id, before, resource, all, reason));
            }
        }
        if !grown {
            return;
        }
    }
}

/// The stack's own tags, parameters, policy and protection that differ, where those of the deployed one are known.
fn settings(stack: &Stack, deployed: &DeployedStack, seen: &Seen<'_>) -> Vec<PropertyChange> {
    let change = |path: String, before, after| PropertyChange::in_place(path, before, after);
    let mut changes = Vec::new();
    if let Some(tags) = &deployed.tags {
        let found = differences(Some(&json!(tags)), Some(&json!(stack.tags)));
        changes.extend(found.into_iter().map(|(path, a, b)| change(format!("Tags.{}", path.join(".")), a, b)));
    }
    if let Some(parameters) = &deployed.parameters {
        let names: BTreeSet<&String> = parameters.keys().chain(stack.parameters.keys()).collect();
        for name in names {
            let (before, after) = (parameters.get(name), stack.parameters.get(name));
            let same = match (before, after) {
                // A value that only comes with the plan itself is told where it is used.
                (Some(Parameter::Value(value)), Some(wish @ Parameter::Output { stack, output })) => {
                    seen.moves(stack, output) || seen.value(wish).is_none_or(|known| known == value)
                }
                _ => before == after,
            };
            if !same {
                let show = |parameter: Option<&Parameter>| {
                    parameter.map(|parameter| match (seen.value(parameter), parameter) {
                        (Some(value), _) => json!(value),
                        (None, Parameter::Value(value)) => json!(value),
                        (None, Parameter::Output { stack, output }) => json!(format!("{output} of {stack}")),
                    })
                };
                changes.push(change(format!("Parameters.{name}"), show(before), show(after)));
            }
        }
    }
    if let Some(policy) = &deployed.policy
        && policy.as_ref() != Some(&stack.policy)
    {
        changes.push(change("StackPolicy".to_owned(), policy.clone(), Some(stack.policy.clone())));
    }
    if let Some(protected) = deployed.protected
        && protected != stack.protected
    {
        changes.push(change("TerminationProtection".to_owned(), Some(json!(protected)), Some(json!(stack.protected))));
    }
    changes
}
