//! Tenants of a BIG-IP as they must be + what was seen of them → steps, one a tenant, and what has drifted.
use crate::prelude::*;
use incline_model::desired::Stage;
use incline_model::drift::{Finding, NOTHING, State};
use incline_model::plan::{
    Blocked, Change, Expectation, Impact, PropertyChange, Reason, Replaces, SitePlan, Step, Verb,
};
use incline_model::tenant::{Presence, Tenant};
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
            declared.as_deref() == mark(tenant) && changes(tenant, objects, Reason::Changed).is_empty()
        }
        Presence::Absent | Presence::Unreachable { .. } => false,
    }
}

/// The mark that a declaration leaves.
fn mark(tenant: &Tenant) -> Option<&str> {
    tenant.declaration["remark"].as_str()
}

/// Plans a site's tenants into the plan of the site. One without a sighting is planned as if it were not there.
pub fn plan_tenants<'a>(
    site: &str,
    tenants: impl IntoIterator<Item = &'a Tenant>,
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
                plan.blocked.push(blocked(&target, why, hint.as_deref().unwrap_or("run again once it answers")));
                continue;
            }
            Some(Presence::Present { label, .. }) if label.as_deref() != Some(&tenant.label) => {
                let whose = label
                    .as_ref()
                    .map_or("nobody has labelled it".to_owned(), |label| format!("its label is `{label}`"));
                plan.blocked.push(blocked(
                    &target,
                    &format!("the partition {} is not this site's: {whose}", tenant.name),
                    "if nobody needs it, remove it on the device",
                ));
                continue;
            }
            Some(Presence::Present { objects, declared, warnings, .. }) => {
                plan.notes.extend(warnings.iter().map(|warning| format!("{target}: {warning}")));
                let is_ours = declared.as_deref() == mark(tenant);
                (objects, if is_ours { Reason::Drifted } else { Reason::Changed }, declared.clone())
            }
        };
        let changes = changes(tenant, objects, reason);
        if presence.is_some_and(|presence| tenant_is_fulfilled(tenant, presence)) {
            plan.unchanged.push(target);
            continue;
        }
        if tenant.part == "api" {
            api = Some(target.clone());
        }
        plan.steps.push(Step {
            target,
            stage: Stage::Balancers,
            order: 0,
            needs: Vec::new(),
            verb: if reason == Reason::Missing { Verb::Create } else { Verb::Update },
            reason,
            impact: changes.iter().map(|change| change.impact).max().unwrap_or(Impact::None),
            nodes: 0,
            expectation: presence.map_or(Expectation::Absent, |seen| Expectation::Seen(tenant_fingerprint(seen))),
            mend: None,
            roll: None,
            release: Vec::new(),
            // What the device does not show has changed all the same: the declaration is another one.
            settings: if changes.is_empty() {
                vec![property("declaration", declared.map(Value::from), mark(tenant).map(Value::from))]
            } else {
                Vec::new()
            },
            changes,
            files: Vec::new(),
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
    plan.steps.sort_by(|a, b| (a.stage, &a.target).cmp(&(b.stage, &b.target)));
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
        let expectation = match seen.get(&target) {
            None | Some(Presence::Absent) => continue,
            Some(Presence::Unreachable { why, hint }) => {
                plan.blocked.push(blocked(&target, why, hint.as_deref().unwrap_or("run again once it answers")));
                continue;
            }
            Some(Presence::Present { label, .. }) if label.as_deref() != Some(&tenant.label) => continue,
            Some(presence) => Expectation::Seen(tenant_fingerprint(presence)),
        };
        let gone = Tenant { objects: BTreeMap::new(), ..tenant.clone() };
        let changes = match seen.get(&target) {
            Some(Presence::Present { objects, .. }) => changes(&gone, objects, Reason::Unwanted),
            _ => Vec::new(),
        };
        let step = Step {
            target,
            stage: Stage::Balancers,
            order: 0,
            needs: if tenant.part == "api" { hosts.clone() } else { Vec::new() },
            verb: Verb::Remove,
            reason: Reason::Unwanted,
            impact: Impact::InterruptsTraffic,
            nodes: 0,
            expectation,
            mend: None,
            roll: None,
            release: Vec::new(),
            changes,
            settings: Vec::new(),
            files: Vec::new(),
        };
        let at = if tenant.part == "api" { plan.steps.len() } else { 0 };
        plan.steps.insert(at, step);
    }
}

fn blocked(target: &str, cause: &str, hint: &str) -> Blocked {
    Blocked {
        target: target.to_owned(),
        cause: cause.to_owned(),
        details: Vec::new(),
        hint: hint.to_owned(),
        busy: false,
    }
}

fn property(path: &str, before: Option<Value>, after: Option<Value>) -> PropertyChange {
    PropertyChange { path: path.to_owned(), before, after, replaces: Replaces::Never }
}

/// An object's id taken apart: its kind, and its name.
fn parts(id: &str) -> (&str, &str) {
    id.split_once(' ').unwrap_or(("", id))
}

/// What differs, object by object.
fn changes(tenant: &Tenant, seen: &BTreeMap<String, BTreeMap<String, Value>>, reason: Reason) -> Vec<Change> {
    let ids: BTreeSet<&String> = tenant.objects.keys().chain(seen.keys()).collect();
    let mut changes = Vec::new();
    for id in ids {
        let (kind, name) = parts(id);
        let (verb, properties) = match (seen.get(id), tenant.objects.get(id)) {
            (None, Some(_)) => (Verb::Create, Vec::new()),
            (Some(_), None) => (Verb::Remove, Vec::new()),
            (is, must) => (Verb::Update, differing(is, must)),
        };
        if verb == Verb::Update && properties.is_empty() {
            continue;
        }
        let impact = impact(kind, verb, &properties);
        let (resource, kind) = (name.to_owned(), kind.to_owned());
        changes.push(Change { resource, kind, verb, reason, impact, retained: false, properties });
    }
    changes
}

fn differing(is: Option<&BTreeMap<String, Value>>, must: Option<&BTreeMap<String, Value>>) -> Vec<PropertyChange> {
    let (Some(is), Some(must)) = (is, must) else { return Vec::new() };
    let differs = |(name, must): (&String, &Value)| {
        let is = is.get(name).unwrap_or(&Value::Null);
        let some = |value: &Value| (!value.is_null()).then(|| value.clone());
        (is != must).then(|| property(name, some(is), some(must)))
    };
    must.iter().filter_map(differs).collect()
}

/// What a change does to who uses the service.
fn impact(kind: &str, verb: Verb, properties: &[PropertyChange]) -> Impact {
    match (kind, verb) {
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
        let mut find = |id: &str, state: State| {
            let (kind, name) = parts(id);
            findings.push(Finding {
                target: target.clone(),
                resource: name.to_owned(),
                kind: kind.to_owned(),
                physical: String::new(),
                state,
            });
        };
        let (objects, declared, warnings) = match seen.get(&target) {
            Some(Presence::Present { label, objects, declared, warnings })
                if label.as_deref() == Some(&tenant.label) =>
            {
                (objects, declared, warnings)
            }
            Some(Presence::Present { .. }) => {
                find("tenant ", State::Error { why: format!("the partition {} is not this site's", tenant.name) });
                continue;
            }
            Some(Presence::Absent) => {
                find("tenant ", State::Pending { what: "it is made".to_owned() });
                continue;
            }
            Some(Presence::Unreachable { why, .. }) => {
                find("tenant ", State::Error { why: why.clone() });
                continue;
            }
            None => {
                find("tenant ", State::Error { why: "nobody has looked at it".to_owned() });
                continue;
            }
        };
        for warning in warnings {
            let (expected, actual) = ("a certificate that lasts".to_owned(), warning.clone());
            find("certificate ", State::Drifted { property: String::new(), expected, actual });
        }
        let changes = changes(tenant, objects, Reason::Drifted);
        let untouched =
            |id: &&String| changes.iter().all(|change| format!("{} {}", change.kind, change.resource) != **id);
        in_sync += tenant.objects.keys().filter(untouched).count();
        let is_ours = declared.as_deref() == mark(tenant);
        let shown = |value: &Option<Value>| match value {
            None => NOTHING.to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
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
                _ => {
                    for property in &change.properties {
                        let (expected, actual) = (shown(&property.after), shown(&property.before));
                        find(&id, State::Drifted { property: property.path.clone(), expected, actual });
                    }
                }
            }
        }
    }
    (in_sync, findings)
}
