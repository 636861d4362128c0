//! Tenants of a BIG-IP as they must be + what was seen of them → steps, one a tenant, and what has drifted.
use crate::items::{blocked, change, drifted, finding, unreachable, unseen};
use crate::prelude::*;
use incline_model::desired::Stage;
use incline_model::drift::{Finding, NOTHING, State};
use incline_model::plan::{Change, Expectation, Impact, PropertyChange, Reason, SitePlan, Step, Verb};
use incline_model::tenant::{Objects, Presence, Tenant};
use serde_json::Value;

/// The name of a tenant, as a step's target: `SITE/f5:PART`.
pub fn tenant_target(site: &str, tenant: &Tenant) -> String {
    format!("{site}/f5:{}", tenant.part)
}

/// The digest by which a plan knows again what it was made against.
pub fn tenant_fingerprint(seen: &Presence) -> String {
    crate::digest(&serde_json::to_string(seen).unwrap_or_default())
}

/// Whether a tenant is as it must be.
pub fn tenant_is_fulfilled(tenant: &Tenant, seen: &Presence) -> bool {
    match seen {
        Presence::Present { declared, objects, .. } => {
            declared.as_deref() == mark(tenant) && changes(&tenant.objects, objects, Reason::Changed).is_empty()
        }
        Presence::Absent | Presence::Unreachable { .. } => false,
    }
}

/// The mark that a declaration leaves.
fn mark(tenant: &Tenant) -> Option<&str> {
    tenant.declaration["remark"].as_str()
}

/// The names of the steps around work on a host that takes its node's work away: before it, the host is drained on the BIG-IP, and
/// after it, it is a member again.
pub const DRAIN: &str = "f5:drain";
/// The step after the work.
pub const REJOIN: &str = "f5:rejoin";

/// Plans a site's tenants into the plan of the site. One without a sighting is planned as if it were not there. `hosts` are the
/// site's hosts with their addresses.
pub fn plan_tenants(
    site: &str,
    hosts: &[(&str, String)],
    tenants: &[&Tenant],
    seen: &BTreeMap<String, Presence>,
    plan: &mut SitePlan,
) {
    let mut api = None;
    for tenant in tenants {
        let target = tenant_target(site, tenant);
        let presence = seen.get(&target);
        if let Some(presence) = presence {
            plan.seen.insert(target.clone(), tenant_fingerprint(presence));
        }
        let nothing = BTreeMap::new();
        let (objects, reason, declared) = match presence {
            None | Some(Presence::Absent) => (&nothing, Reason::Missing, None),
            Some(Presence::Unreachable { why, hint }) => {
                plan.blocked.push(unreachable(&target, why, hint.as_deref()));
                continue;
            }
            Some(Presence::Present { label, .. }) if label.as_deref() != Some(&tenant.label) => {
                let whose = label
                    .as_ref()
                    .map_or("nobody has labelled it".to_owned(), |label| format!("its label is `{label}`"));
                let cause = format!("the partition {} is not this site's: {whose}", tenant.name);
                let hint = "if nobody needs it, remove it on the device";
                plan.blocked.push(blocked(&target, cause, Vec::new(), hint, false));
                continue;
            }
            Some(Presence::Present { objects, declared, warnings, .. }) => {
                plan.notes.extend(warnings.iter().map(|warning| format!("{target}: {warning}")));
                let is_ours = declared.as_deref() == mark(tenant);
                (objects, if is_ours { Reason::Drifted } else { Reason::Changed }, declared.clone())
            }
        };
        let changes = changes(&tenant.objects, objects, reason);
        // Marked as wished for, and nothing differs.
        if reason == Reason::Drifted && changes.is_empty() {
            plan.unchanged.push(target);
            continue;
        }
        if tenant.part == "api" {
            api = Some(target.clone());
        }
        let verb = if reason == Reason::Missing { Verb::Create } else { Verb::Update };
        let expectation = presence.map_or(Expectation::Absent, |seen| Expectation::Seen(tenant_fingerprint(seen)));
        // What the device does not show has changed all the same: the declaration is another one.
        let settings = if changes.is_empty() {
            vec![PropertyChange::in_place("declaration", declared.map(Value::from), mark(tenant).map(Value::from))]
        } else {
            Vec::new()
        };
        plan.steps.push(Step {
            impact: changes.iter().map(|change| change.impact).max().unwrap_or(Impact::None),
            settings,
            changes,
            ..Step::new(target, Stage::Balancers, verb, reason, expectation)
        });
    }
    // Whoever founds or joins the cluster does so by the API's address.
    if let Some(api) = api {
        let by_api = |step: &&mut Step| matches!(step.stage, Stage::ControlPlane | Stage::Workers | Stage::Cluster);
        for step in plan.steps.iter_mut().filter(by_api) {
            step.needs.push(api.clone());
            step.needs.sort();
        }
    }
    drains(site, hosts, tenants, &mut plan.steps);
    plan.steps.sort_by(|a, b| (a.stage, &a.target).cmp(&(b.stage, &b.target)));
}

/// Puts a pair of steps around each that takes a node's work away for a while, where the node is a member of a pool. What waits for the work
/// waits for the second.
fn drains(site: &str, hosts: &[(&str, String)], tenants: &[&Tenant], steps: &mut Vec<Step>) {
    let planned: Vec<String> = tenants
        .iter()
        .map(|tenant| tenant_target(site, tenant))
        .filter(|target| steps.iter().any(|step| step.target == *target))
        .collect();
    let rolls =
        |step: &&Step| step.impact == Impact::RollsNodes && matches!(step.stage, Stage::ControlPlane | Stage::Workers);
    let work: Vec<(String, Stage, String)> = steps
        .iter()
        .filter(rolls)
        .filter_map(|step| {
            let name = step.target.split('/').nth(1)?;
            let (_, address) = hosts.iter().find(|(host, _)| *host == name)?;
            let is_member = tenants.iter().any(|tenant| tenant.has_member(address));
            is_member.then(|| (step.target.clone(), step.stage, name.to_owned()))
        })
        .collect();
    for (target, stage, name) in work {
        let (drain, rejoin) = (format!("{site}/{DRAIN}/{name}"), format!("{site}/{REJOIN}/{name}"));
        let mut before = planned.clone();
        for step in steps.iter_mut() {
            if step.target == target {
                // What it waited for, its draining waits for, and nobody is drained before his turn.
                before.append(&mut step.needs);
                step.needs = vec![drain.clone()];
            } else if let Some(need) = step.needs.iter_mut().find(|need| **need == target) {
                need.clone_from(&rejoin);
                step.needs.sort();
            }
        }
        before.sort();
        before.dedup();
        let members =
            |before: &str, after: &str| PropertyChange::in_place("members", Some(before.into()), Some(after.into()));
        let pair = [
            (drain, before, members("enabled", "disabled, and connections waited for")),
            (rejoin, vec![target], members("disabled", "enabled")),
        ];
        steps.extend(pair.map(|(target, needs, change)| Step {
            needs,
            settings: vec![change],
            ..Step::new(target, stage, Verb::Update, Reason::Changed, Expectation::Absent)
        }));
    }
}

/// Plans the removal of a site's tenants into that of its hosts: applications first, the API once no host needs it.
pub fn remove_tenants<'a>(
    site: &str,
    tenants: impl IntoIterator<Item = &'a Tenant>,
    seen: &BTreeMap<String, Presence>,
    plan: &mut SitePlan,
) {
    let hosts: Vec<String> = plan.steps.iter().map(|step| step.target.clone()).collect();
    for tenant in tenants {
        let target = tenant_target(site, tenant);
        let (presence, objects) = match seen.get(&target) {
            None | Some(Presence::Absent) => continue,
            Some(Presence::Unreachable { why, hint }) => {
                plan.blocked.push(unreachable(&target, why, hint.as_deref()));
                continue;
            }
            Some(Presence::Present { label, .. }) if label.as_deref() != Some(&tenant.label) => continue,
            Some(presence @ Presence::Present { objects, .. }) => (presence, objects),
        };
        let expectation = Expectation::Seen(tenant_fingerprint(presence));
        let step = Step {
            needs: if tenant.part == "api" { hosts.clone() } else { Vec::new() },
            impact: Impact::InterruptsTraffic,
            changes: changes(&Objects::new(), objects, Reason::Unwanted),
            ..Step::new(target, Stage::Balancers, Verb::Remove, Reason::Unwanted, expectation)
        };
        let at = if tenant.part == "api" { plan.steps.len() } else { 0 };
        plan.steps.insert(at, step);
    }
}

/// What differs, object by object.
fn changes(wished: &Objects, seen: &Objects, reason: Reason) -> Vec<Change> {
    let ids: BTreeSet<&String> = wished.keys().chain(seen.keys()).collect();
    let one = |id: &String| {
        let (verb, properties) = match (seen.get(id), wished.get(id)) {
            (Some(is), Some(must)) => (Verb::Update, differing(is, must)),
            (None, _) => (Verb::Create, Vec::new()),
            (_, None) => (Verb::Remove, Vec::new()),
        };
        let is_same = verb == Verb::Update && properties.is_empty();
        (!is_same).then(|| change(id, verb, reason, impact(id, verb, &properties), properties))
    };
    ids.into_iter().filter_map(one).collect()
}

fn differing(is: &BTreeMap<String, Value>, must: &BTreeMap<String, Value>) -> Vec<PropertyChange> {
    let differs = |(name, must): (&String, &Value)| {
        let is = is.get(name).unwrap_or(&Value::Null);
        let some = |value: &Value| (!value.is_null()).then(|| value.clone());
        (is != must).then(|| PropertyChange::in_place(name, some(is), some(must)))
    };
    must.iter().filter_map(differs).collect()
}

/// What a change does to who uses the service.
fn impact(id: &str, verb: Verb, properties: &[PropertyChange]) -> Impact {
    match (id.split(' ').next().unwrap_or(id), verb) {
        (_, Verb::Create) => Impact::None,
        ("virtual" | "redirect", Verb::Remove) => Impact::InterruptsTraffic,
        ("virtual" | "redirect", _) => {
            // Another pool or balance finds new connections alone; another address or profile ends those that are there.
            let ends = ["address", "protocol", "from", "TLS of clients", "TLS to nodes", "enabled"];
            let is_hard = properties.iter().any(|change| ends.contains(&change.path.as_str()));
            if is_hard { Impact::InterruptsTraffic } else { Impact::InPlace }
        }
        // A node that goes takes its connections along; one that is disabled keeps them to their end.
        ("member", Verb::Remove) => Impact::InterruptsTraffic,
        ("client-ssl" | "server-ssl", _) => Impact::InterruptsTraffic,
        _ => Impact::InPlace,
    }
}

/// What no longer holds of a site's tenants.
pub fn drift_tenants<'a>(
    site: &str,
    tenants: impl IntoIterator<Item = &'a Tenant>,
    seen: &BTreeMap<String, Presence>,
) -> (usize, Vec<Finding>) {
    let (mut in_sync, mut findings) = (0, Vec::new());
    for tenant in tenants {
        let target = tenant_target(site, tenant);
        let mut find = |id: &str, state: State| findings.push(finding(&target, id, state));
        let (objects, declared, warnings) = match seen.get(&target) {
            Some(Presence::Present { label, objects, declared, warnings })
                if label.as_deref() == Some(&tenant.label) =>
            {
                (objects, declared, warnings)
            }
            Some(Presence::Present { .. }) => {
                find("tenant", State::NotChecked { why: format!("the partition {} is not this site's", tenant.name) });
                continue;
            }
            Some(Presence::Absent) => {
                find("tenant", State::Pending { what: "it is made".to_owned() });
                continue;
            }
            Some(Presence::Unreachable { why, .. }) => {
                find("tenant", State::NotChecked { why: why.clone() });
                continue;
            }
            None => {
                find("tenant", unseen());
                continue;
            }
        };
        for warning in warnings {
            let (expected, actual) = ("a certificate that lasts".to_owned(), warning.clone());
            find("certificate", State::Drifted { property: String::new(), expected, actual });
        }
        let changes = changes(&tenant.objects, objects, Reason::Drifted);
        let untouched =
            |id: &&String| changes.iter().all(|change| format!("{} {}", change.kind, change.resource) != **id);
        in_sync += tenant.objects.keys().filter(untouched).count();
        let is_ours = declared.as_deref() == mark(tenant);
        for change in changes {
            let id = format!("{} {}", change.kind, change.resource);
            let whole = |expected: &str, actual: &str| State::Drifted {
                property: String::new(),
                expected: expected.to_owned(),
                actual: actual.to_owned(),
            };
            match change.verb {
                _ if !is_ours => find(&id, State::Pending { what: "it is changed".to_owned() }),
                Verb::Create => find(&id, whole("there", NOTHING)),
                Verb::Remove => find(&id, whole(NOTHING, "there")),
                _ => change.properties.iter().for_each(|property| find(&id, drifted(property))),
            }
        }
    }
    (in_sync, findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn step(target: &str, stage: Stage, impact: Impact, needs: &[&str]) -> Step {
        Step {
            impact,
            needs: needs.iter().map(ToString::to_string).collect(),
            ..Step::new(target.to_owned(), stage, Verb::Update, Reason::Changed, Expectation::Absent)
        }
    }

    fn tenant() -> Tenant {
        let pool = json!({ "members": [{ "serverAddresses": ["10.0.0.1", "10.0.0.2"], "adminState": "enable" }] });
        let objects = ["member web 10.0.0.1:30443", "member web 10.0.0.2:30443"];
        Tenant {
            part: "apps",
            name: "incline_s_apps".to_owned(),
            label: "incline s".to_owned(),
            declaration: json!({ "class": "Tenant", "remark": "digest", "web": { "pool": pool } }),
            objects: objects.map(|id| (id.to_owned(), BTreeMap::from([("enabled".to_owned(), true.into())]))).into(),
        }
    }

    #[test]
    fn work_that_rolls_a_node_stands_between_its_draining_and_its_return() {
        let mut steps = vec![
            step("s/a/workers", Stage::Workers, Impact::RollsNodes, &["s/cp/control-plane"]),
            step("s/b/workers", Stage::Workers, Impact::RollsNodes, &["s/a/workers", "s/cp/control-plane"]),
            step("s/c/workers", Stage::Workers, Impact::InPlace, &["s/cp/control-plane"]),
            step("s/f5:apps", Stage::Balancers, Impact::None, &[]),
        ];
        let hosts = [("a", "10.0.0.1".to_owned()), ("b", "10.0.0.2".to_owned()), ("c", "10.0.0.3".to_owned())];
        drains("s", &hosts, &[&tenant()], &mut steps);
        let needs = |target: &str| steps.iter().find(|step| step.target == target).map(|step| step.needs.join(" "));
        let is = |target: &str, wanted: &str| assert_eq!(needs(target).as_deref(), Some(wanted), "{target}");
        is("s/f5:drain/a", "s/cp/control-plane s/f5:apps");
        is("s/a/workers", "s/f5:drain/a");
        is("s/f5:rejoin/a", "s/a/workers");
        is("s/f5:drain/b", "s/cp/control-plane s/f5:apps s/f5:rejoin/a");
        is("s/b/workers", "s/f5:drain/b");
        // Whom nobody drains keeps what it waited for.
        is("s/c/workers", "s/cp/control-plane");
        assert_eq!(steps.len(), 8);
    }

    #[test]
    fn a_drained_host_takes_nothing_new_and_the_next_plan_brings_it_back() {
        let tenant = tenant();
        assert!(tenant.has_member("10.0.0.1") && !tenant.has_member("10.0.0.9") && !tenant.has_member("10.0.0"));
        let drained = tenant.drained("10.0.0.1");
        assert_eq!(
            drained.declaration["web"]["pool"]["members"],
            json!([
                { "serverAddresses": ["10.0.0.2"], "adminState": "enable" },
                { "serverAddresses": ["10.0.0.1"], "adminState": "disable" },
            ])
        );
        let seen = Presence::Present {
            label: Some(tenant.label.clone()),
            declared: drained.declaration["remark"].as_str().map(ToOwned::to_owned),
            objects: tenant.objects.clone(),
            warnings: Vec::new(),
        };
        assert!(!tenant_is_fulfilled(&tenant, &seen));
    }
}
