//! Hosts as they must be + what was seen of them → steps, one a stage of a host, and what has drifted.
use crate::items::{blocked, change, drifted, finding, unreachable, unseen};
use crate::preflight;
use crate::prelude::*;
use incline_host::{Answers, Difference, Entry, Host, Judgement, Marked, Secrets, Seen, Sighting, View};
use incline_model::desired::Stage;
use incline_model::drift::{NOTHING, SiteDrift, State};
use incline_model::plan::{
    Blocked, Drifted, Expectation, FileChange, Impact, Left, PropertyChange, Reason, SitePlan, Step, Verb,
};
use serde_json::Value;

/// The name of a stage of a host, as a step's target.
pub fn target(site: &str, host: &str, stage: Stage) -> String {
    format!("{site}/{host}/{}", stage.name())
}

/// Plans the hosts of a site. A host without a sighting is planned as if nothing were on it.
pub fn plan_hosts(site: &str, hosts: &[&Host], sightings: &BTreeMap<String, Sighting>, secrets: &Secrets) -> SitePlan {
    let mut plan = SitePlan {
        site: site.to_owned(),
        place: String::new(),
        inputs: BTreeMap::new(),
        steps: Vec::new(),
        unchanged: Vec::new(),
        blocked: Vec::new(),
        seen: BTreeMap::new(),
        notes: Vec::new(),
        missing: Vec::new(),
        // Hosts are always looked at themselves.
        drift: Some(Left::default()),
    };
    let beside = preflight::faults(hosts, sightings);
    for host in hosts {
        let name = format!("{site}/{}", host.name);
        if let Some(causes) = beside.get(&host.name) {
            let hint = "set clocks by NTP; give each host a name and hardware of its own";
            plan.blocked.push(blocked(
                &name,
                "it does not fit beside the others".to_owned(),
                causes.clone(),
                hint,
                false,
            ));
            continue;
        }
        let answers = match sightings.get(&host.name) {
            None => {
                plan.steps.extend(
                    host.stages
                        .iter()
                        .map(|(stage, entries)| from_nothing(target(site, &host.name, *stage), *stage, entries)),
                );
                continue;
            }
            Some(Sighting::Seen(answers)) => answers,
            Some(Sighting::Busy(who)) => {
                plan.blocked.push(blocked(
                    &name,
                    format!("{who} is at work on it"),
                    Vec::new(),
                    "wait until that is done",
                    true,
                ));
                continue;
            }
            Some(Sighting::Unreachable { why, hint }) => {
                plan.blocked.push(unreachable(&name, why, hint.as_deref()));
                continue;
            }
        };
        if let Some(cause) = second_cluster(host, answers, hosts, sightings) {
            let hint = "a second cluster is never made: let the host join, by moving it behind the others in `hosts`";
            plan.blocked.push(blocked(&name, cause, Vec::new(), hint, false));
            continue;
        }
        for (stage, entries) in &host.stages {
            let target = target(site, &host.name, *stage);
            match host.view(site, *stage, answers, secrets) {
                Err(why) => {
                    let hint = "look at the file on the host; if it is an old one, remove it";
                    plan.blocked.push(blocked(&target, why, Vec::new(), hint, false));
                    break;
                }
                Ok(view) => {
                    plan.seen.insert(target.clone(), view.fingerprint());
                    let beyond = entries.iter().zip(&view.items).flat_map(|(entry, seen)| beyond(&target, entry, seen));
                    plan.drift.get_or_insert_default().not_repaired.extend(beyond);
                    plan.notes.extend(
                        view.left.iter().map(|left| format!("{name}: the {left} is no longer wished for, and stays")),
                    );
                    match in_the_way(&target, entries, &view) {
                        // What comes after it on the same host stands on it.
                        Some(blocked) => {
                            plan.blocked.push(blocked);
                            break;
                        }
                        None if view.is_fulfilled() => plan.unchanged.push(target),
                        None => plan.steps.push(step(target, *stage, entries, &view)),
                    }
                }
            }
        }
    }
    plan.steps.sort_by(|a, b| (a.stage, &a.target).cmp(&(b.stage, &b.target)));
    needs(site, hosts, &mut plan.steps);
    plan
}

/// Plans the removal of all that incline made on the hosts of a site: what was made last goes first. `bare` are the hosts of which
/// nothing is wished for any more.
pub fn remove_hosts(
    site: &str,
    hosts: &[&Host],
    bare: &[&Host],
    sightings: &BTreeMap<String, Sighting>,
    secrets: &Secrets,
) -> SitePlan {
    let mut plan = plan_hosts(site, bare, sightings, secrets);
    needs(site, hosts, &mut plan.steps);
    let mut after: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for step in &plan.steps {
        for need in &step.needs {
            after.entry(need.clone()).or_default().push(step.target.clone());
        }
    }
    for step in &mut plan.steps {
        step.needs = after.remove(&step.target).unwrap_or_default();
        (step.verb, step.reason) = (Verb::Remove, Reason::Unwanted);
    }
    plan.steps.reverse();
    // A host has few of all the stages that there are.
    plan.unchanged.clear();
    plan
}

/// Why a host that would found the cluster must not: another host is a member of it, or nobody can say so.
fn second_cluster(
    host: &Host,
    answers: &Answers,
    hosts: &[&Host],
    sightings: &BTreeMap<String, Sighting>,
) -> Option<String> {
    host.membership(answers).filter(|membership| membership.founds && !membership.is_member)?;
    let mut others =
        hosts.iter().filter(|other| other.name != host.name && !other.entries(Stage::ControlPlane).is_empty());
    others.find_map(|other| match sightings.get(&other.name) {
        Some(Sighting::Seen(answers)) => other
            .membership(answers)
            .filter(|membership| membership.is_member)
            .map(|_| format!("it would found the cluster, and {} is a member of one already", other.name)),
        _ => Some(format!("it would found the cluster, and nobody can say whether {} is in one already", other.name)),
    })
}

/// What each step waits for: the earlier stages of its own host; on the control plane those before it, since etcd takes one
/// member at a time; what stands on the API, all of the control plane. A worker that fails holds nothing back but the upgrades of others.
fn needs(site: &str, hosts: &[&Host], steps: &mut [Step]) {
    let mut of_host: BTreeMap<String, Vec<(Stage, String)>> = BTreeMap::new();
    for step in steps.iter() {
        of_host.entry(host_of(&step.target).to_owned()).or_default().push((step.stage, step.target.clone()));
    }
    let planned: BTreeSet<String> = steps.iter().map(|step| step.target.clone()).collect();
    let members: Vec<String> = hosts
        .iter()
        .map(|host| target(site, &host.name, Stage::ControlPlane))
        .filter(|member| planned.contains(member.as_str()))
        .collect();
    // Nodes that lose their work for a while do so one at a time.
    let drained: Vec<String> = {
        let is_drained =
            |name: &String| steps.iter().any(|step| step.target == *name && step.impact >= Impact::RollsNodes);
        hosts.iter().map(|host| target(site, &host.name, Stage::Workers)).filter(is_drained).collect()
    };
    let served: BTreeMap<String, BTreeSet<String>> =
        hosts.iter().map(|host| (target(site, &host.name, Stage::Storage), host.needs(Stage::Storage))).collect();
    for step in steps {
        let own = of_host.get(host_of(&step.target)).into_iter().flatten();
        let mut needs: BTreeSet<String> =
            own.filter(|(stage, _)| *stage < step.stage).map(|(_, target)| target.clone()).collect();
        match step.stage {
            Stage::ControlPlane => needs.extend(members.iter().take_while(|member| **member != step.target).cloned()),
            // Who serves storage and issues certificates comes before those that mount it.
            Stage::Storage => {
                let by = served.get(&step.target).into_iter().flatten().map(|by| target(site, by, step.stage));
                needs.extend(by.filter(|target| planned.contains(target.as_str())));
            }
            Stage::Workers | Stage::Cluster => {
                needs.extend(members.iter().cloned());
                if drained.contains(&step.target) {
                    needs.extend(drained.iter().take_while(|drained| **drained != step.target).cloned());
                }
            }
            _ => {}
        }
        step.needs = needs.into_iter().collect();
    }
}

/// The host that a step's target is of.
fn host_of(target: &str) -> &str {
    target.rsplit_once('/').map_or(target, |(host, _)| host)
}

/// What keeps a stage from being planned: something that nobody knows, or that incline does not touch.
fn in_the_way(target: &str, entries: &[Entry], view: &View) -> Option<Blocked> {
    let mut details = Vec::new();
    let mut way_out = None;
    for (entry, seen) in entries.iter().zip(&view.items) {
        match &seen.judgement {
            Judgement::Unknown(why) => details.push(format!("{}: {why}", entry.item.id())),
            Judgement::Refused { cause, hint } => {
                details.push(format!("{}: {cause}", entry.item.id()));
                way_out.get_or_insert(hint.as_str());
            }
            Judgement::Same | Judgement::Differs(_) | Judgement::Beyond(_) => {}
        }
    }
    let cause = match details.len() {
        0 => return None,
        1 => "something is in the way".to_owned(),
        number => format!("{number} things are in the way"),
    };
    Some(blocked(target, cause, details, way_out.unwrap_or("look at the host"), false))
}

/// What of an item is not as it must be, and a person's to put back.
fn beyond(target: &str, entry: &Entry, seen: &Seen) -> Vec<Drifted> {
    let Judgement::Beyond(changes) = &seen.judgement else { return Vec::new() };
    let host = host_of(target);
    let shown = |value: &Option<Value>| match value {
        None => NOTHING.to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let one = |change: &PropertyChange| Drifted {
        target: target.to_owned(),
        what: format!(
            "{host} {}, {}: {} → {}; put it back by hand",
            entry.item.id(),
            change.path,
            shown(&change.after),
            shown(&change.before)
        ),
    };
    changes.iter().map(one).collect()
}

/// The step of a host of which nothing is known.
fn from_nothing(target: String, stage: Stage, entries: &[Entry]) -> Step {
    let mut step = Step::new(target, stage, Verb::Create, Reason::Missing, Expectation::Absent);
    step.changes = entries
        .iter()
        .map(|entry| change(&entry.item.id(), Verb::Create, Reason::Missing, Impact::None, Vec::new()))
        .collect();
    step
}

fn step(target: String, stage: Stage, entries: &[Entry], view: &View) -> Step {
    let mut step = Step::new(target, stage, Verb::Update, Reason::Changed, Expectation::Seen(view.fingerprint()));
    for (entry, seen) in entries.iter().zip(&view.items) {
        let Judgement::Differs(difference) = &seen.judgement else { continue };
        let reason = reason(seen, difference);
        let verb = if difference.missing { Verb::Create } else { Verb::Update };
        // A unit that is told interrupts what it does.
        let told = !entry.restart.is_empty() || !entry.reload.is_empty();
        let impact = entry.item.impact(difference).max(if told { Impact::InPlace } else { Impact::None });
        step.nodes += entry.item.rolls(difference);
        step.changes.push(change(&entry.item.id(), verb, reason, impact, difference.properties.clone()));
        step.files.extend(difference.texts.iter().map(|text| FileChange {
            path: text.path.clone(),
            verb: if text.before.is_some() { Verb::Update } else { Verb::Create },
            diff: text.before.as_ref().map_or(String::new(), |before| {
                similar::TextDiff::from_lines(before.as_str(), text.after.as_str())
                    .unified_diff()
                    .context_radius(2)
                    .to_string()
            }),
        }));
    }
    step.changes.extend(
        view.unwanted.iter().map(|(id, _)| change(id, Verb::Remove, Reason::Unwanted, Impact::InPlace, Vec::new())),
    );
    let setting = |path: &str, after: Value| PropertyChange::in_place(path, None, Some(after));
    step.settings
        .extend(view.pending.iter().map(|handler| setting("owed by an interrupted run", handler.as_str().into())));
    if step.changes.is_empty() && step.settings.is_empty() {
        step.settings.push(setting("mark", "written: all is so already".into()));
    }
    if !step.changes.is_empty()
        && step.changes.iter().all(|change| change.verb == Verb::Create)
        && view.items.iter().all(|seen| seen.mark == Marked::Never)
    {
        (step.verb, step.reason) = (Verb::Create, Reason::Missing);
    } else if !step.changes.is_empty() && step.changes.iter().all(|change| change.reason == Reason::Drifted) {
        step.reason = Reason::Drifted;
    }
    step.impact = step.changes.iter().map(|change| change.impact).max().unwrap_or(Impact::None);
    step
}

/// Why an item differs: it was applied so and is not so any more, or the wish is ahead.
fn reason(seen: &Seen, difference: &Difference) -> Reason {
    match seen.mark {
        Marked::Same => Reason::Drifted,
        Marked::Never if difference.missing => Reason::Missing,
        Marked::Never | Marked::Other => Reason::Changed,
    }
}

/// What no longer holds on the hosts of a site.
pub fn drift_hosts(
    site: &str,
    hosts: &[&Host],
    sightings: &BTreeMap<String, Sighting>,
    secrets: &Secrets,
) -> SiteDrift {
    let beside = preflight::faults(hosts, sightings);
    let mut drift = SiteDrift { site: site.to_owned(), ..SiteDrift::default() };
    for host in hosts {
        let name = format!("{site}/{}", host.name);
        let whole = |state: State| finding(&name, "host", state);
        let answers = match sightings.get(&host.name) {
            Some(Sighting::Seen(answers)) => answers,
            Some(Sighting::Busy(who)) => {
                drift.findings.push(whole(State::NotChecked { why: format!("{who} is at work on it") }));
                continue;
            }
            Some(Sighting::Unreachable { why, .. }) => {
                drift.findings.push(whole(State::NotChecked { why: why.clone() }));
                continue;
            }
            None => {
                drift.findings.push(whole(unseen()));
                continue;
            }
        };
        for cause in beside.get(&host.name).into_iter().flatten() {
            drift.findings.push(whole(State::NotChecked { why: cause.clone() }));
        }
        for (stage, entries) in &host.stages {
            let view = match host.view(site, *stage, answers, secrets) {
                Ok(view) => view,
                Err(why) => {
                    drift.findings.push(whole(State::NotChecked { why }));
                    continue;
                }
            };
            for (entry, seen) in entries.iter().zip(&view.items) {
                let states = states(seen);
                drift.in_sync += usize::from(states.is_empty());
                drift.findings.extend(states.into_iter().map(|state| finding(&name, &entry.item.id(), state)));
            }
            drift.findings.extend(view.unwanted.iter().map(|(id, _)| {
                finding(
                    &name,
                    id,
                    State::Pending { what: "it is no longer in the inventory, and is removed".to_owned() },
                )
            }));
            drift.findings.extend(
                view.pending
                    .iter()
                    .map(|handler| whole(State::Pending { what: format!("an interrupted run owes: {handler}") })),
            );
        }
    }
    drift.findings.sort();
    drift
}

fn states(seen: &Seen) -> Vec<State> {
    match &seen.judgement {
        Judgement::Same => Vec::new(),
        // It was made as it must be when the host became a node, whatever its mark says.
        Judgement::Beyond(changes) => changes.iter().map(drifted).collect(),
        Judgement::Differs(difference) if seen.mark == Marked::Same => {
            difference.properties.iter().map(drifted).collect()
        }
        Judgement::Differs(difference) => {
            let what = if difference.missing { "it is made" } else { "it is changed" };
            vec![State::Pending { what: what.to_owned() }]
        }
        Judgement::Unknown(why) => vec![State::NotChecked { why: why.clone() }],
        Judgement::Refused { cause, .. } => {
            vec![State::Drifted {
                property: String::new(),
                expected: "as the inventory says".to_owned(),
                actual: cause.clone(),
            }]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the stages of two workers wait for, beside a control plane that changes too.
    fn waits(impact: Impact) -> Vec<Vec<String>> {
        let host = |name: &str| Host { name: name.to_owned(), stages: Vec::new(), released: BTreeSet::new() };
        let hosts = [host("cp"), host("b"), host("a")];
        let stages = [("cp", Stage::ControlPlane), ("a", Stage::Workers), ("b", Stage::Workers)];
        let mut steps: Vec<Step> = stages
            .into_iter()
            .map(|(name, stage)| Step {
                impact,
                ..Step::new(target("s", name, stage), stage, Verb::Update, Reason::Changed, Expectation::Absent)
            })
            .collect();
        needs("s", &hosts.iter().collect::<Vec<_>>(), &mut steps);
        steps.into_iter().map(|step| step.needs).collect()
    }

    #[test]
    fn workers_are_drained_one_after_the_other_and_changed_side_by_side() {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let alone = list(&["s/cp/control-plane"]);
        assert_eq!(waits(Impact::InPlace), [list(&[]), alone.clone(), alone.clone()]);
        // In the inventory's order.
        assert_eq!(waits(Impact::RollsNodes), [list(&[]), list(&["s/b/workers", "s/cp/control-plane"]), alone]);
    }
}
