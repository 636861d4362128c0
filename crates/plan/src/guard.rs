//! What is deployed and what must be → the changes that would cost a site its cluster or its data. They are refused,
//! each with the way to do it. One row an inventory key; a row reads the same values of both sides and judges the way
//! between.
//!
//! Decisions stand on what is deployed: templates, and the node configurations that machines boot from.
use crate::node;
use crate::prelude::*;
use crate::stack::{kind_of, resources};
use alloc::boxed::Box;
use core::cmp::Ordering;
use incline_model::desired::Desired;
use incline_model::observed::{Condition, Observed};
use incline_model::plan::{Basis, Blocked, Refused, SitePlan};
use incline_model::yaml;
use serde_json::Value;

/// Values by the place that each was read at.
type Values = BTreeMap<String, String>;

/// An inventory key whose changes are guarded.
struct Row {
    key: &'static str,
    /// Reads its values of one side.
    read: fn(&Side<'_>) -> Values,
    /// Why the way from what is deployed to what must be is closed.
    judge: fn(&Values, &Values) -> Option<Closed>,
    /// Whether it is read from node configurations.
    of_nodes: bool,
}

/// Why a change is refused.
struct Closed {
    deployed: String,
    desired: String,
    cause: String,
    hint: String,
    /// The places where it would happen.
    details: Vec<String>,
}

const ROWS: &[Row] = &[
    Row {
        key: "kubernetes.version",
        read: |side| side.cluster("/kubernetesVersion"),
        judge: |before, after| each(before, after, version),
        of_nodes: true,
    },
    Row {
        key: "kubernetes.podCidr",
        read: |side| side.cluster("/networking/podSubnet"),
        judge: |before, after| each(before, after, |_, _| Some(another_cluster("pods keep their addresses"))),
        of_nodes: true,
    },
    Row {
        key: "kubernetes.serviceCidr",
        read: |side| side.cluster("/networking/serviceSubnet"),
        judge: |before, after| each(before, after, |_, _| Some(another_cluster("services keep their addresses"))),
        of_nodes: true,
    },
    Row {
        key: "domain",
        read: |side| side.of_kind("network", "AWS::Route53::HostedZone", "Name"),
        judge: |before, after| {
            each(before, after, |_, _| {
                Some(another_cluster("nodes and certificates name the API by it, and nodes that run would lose it"))
            })
        },
        of_nodes: false,
    },
    Row { key: "controlPlane.zones", read: |side| side.members(), judge: members, of_nodes: false },
    Row {
        key: "controlPlane.etcdVolume.sizeGib",
        read: |side| side.of_kind("data", "AWS::EC2::Volume", "Size"),
        judge: |before, after| each(before, after, |was, is| shrinks(was, is).then(etcd_volume)),
        of_nodes: false,
    },
    Row {
        key: "pools.dataVolumes.sizeGib",
        read: |side| side.data_volumes(),
        judge: |before, after| each(before, after, |was, is| shrinks(was, is).then(data_volume)),
        of_nodes: false,
    },
];

/// What would cost a site its cluster or its data: one refusal a key. A site of which nothing is desired is removed as
/// a whole, and a site of which nothing is known is made.
pub fn refusals(desired: &Desired, observed: &Observed, basis: Basis) -> Vec<Blocked> {
    if basis == Basis::Nothing || desired.stacks.is_empty() {
        return Vec::new();
    }
    let (before, after) = (Side::deployed(desired, observed), Side::desired(desired));
    let mut refused: Vec<Blocked> = ROWS
        .iter()
        .filter_map(|row| {
            let closed = (row.judge)(&(row.read)(&before), &(row.read)(&after))?;
            Some(refusal(desired, row.key, closed))
        })
        .collect();
    let unread = before.unread(&after, observed);
    if !unread.is_empty() && basis == Basis::Live {
        refused.push(not_compared(desired, unread));
    }
    refused
}

/// Puts refusals in place of a site's steps: nothing of a refused site is carried out.
pub fn refuse(plan: &mut SitePlan, refusals: Vec<Blocked>) {
    if !refusals.is_empty() {
        plan.steps.clear();
        plan.blocked.extend(refusals);
    }
}

fn refusal(desired: &Desired, key: &str, closed: Closed) -> Blocked {
    Blocked {
        target: desired.site.to_string(),
        cause: format!("{key} {} → {}: {}", closed.deployed, closed.desired, closed.cause),
        details: closed.details,
        hint: closed.hint,
        busy: false,
        refused: Some(Box::new(Refused { key: key.to_owned(), deployed: closed.deployed, desired: closed.desired })),
    }
}

/// What cannot be compared is not changed.
fn not_compared(desired: &Desired, unread: Vec<String>) -> Blocked {
    let keys: Vec<&str> = ROWS.iter().filter(|row| row.of_nodes).map(|row| row.key).collect();
    let keys = keys.join(", ");
    Blocked {
        target: desired.site.to_string(),
        cause: format!("{keys} cannot be compared: node configurations that members boot from cannot be read"),
        details: unread,
        hint: format!(
            "an object that was deleted has older versions in the bucket; \
             `incline iam-policy {} --for plan` prints the rights",
            desired.site
        ),
        busy: false,
        refused: Some(Box::new(Refused { key: keys, deployed: "(not read)".to_owned(), desired: "(any)".to_owned() })),
    }
}

/// One side of a comparison: templates by the stack's name without the site's, node configurations by role.
struct Side<'a> {
    site: &'a str,
    templates: BTreeMap<&'a str, &'a Value>,
    nodes: BTreeMap<&'a str, Value>,
}

/// The beginning of members' stacks and roles.
const MEMBER: &str = "control-plane-";

impl<'a> Side<'a> {
    /// What is deployed. A stack whose first creation failed is not: nothing runs from it.
    fn deployed(desired: &'a Desired, observed: &'a Observed) -> Self {
        let site = desired.site.as_str();
        let live = observed
            .stacks
            .iter()
            .filter(|(_, stack)| !matches!(stack.status.condition(), Condition::NeverMade | Condition::Reviewing));
        let templates = live.filter_map(|(name, stack)| Some((role(site, name)?, &stack.template))).collect();
        let mut side = Self { site, templates, nodes: BTreeMap::new() };
        for artifact in &desired.artifacts {
            let role = artifact.role.as_str();
            let Some(deployed) = side.templates.get(role) else { continue };
            let wished = desired.stacks.iter().find(|stack| self::role(site, &stack.name) == Some(role));
            // User data holds the configuration's digest: the same one points to the same configuration.
            let is_same = wished.is_some_and(|stack| user_data(&stack.template) == user_data(deployed));
            let text = if is_same { Some(&artifact.content) } else { observed.nodes.get(role) };
            if let Some(text) = text {
                side.nodes.insert(role, cluster_of(text));
            }
        }
        side
    }

    fn desired(desired: &'a Desired) -> Self {
        let site = desired.site.as_str();
        let stacks = desired.stacks.iter();
        Self {
            site,
            templates: stacks.filter_map(|stack| Some((role(site, &stack.name)?, &stack.template))).collect(),
            nodes: desired
                .artifacts
                .iter()
                .map(|artifact| (artifact.role.as_str(), cluster_of(&artifact.content)))
                .collect(),
        }
    }

    /// Members whose node configuration is another one than desired and cannot be read, with why.
    fn unread(&self, after: &Self, observed: &Observed) -> Vec<String> {
        let members = after.nodes.iter().filter(|(role, config)| role.starts_with(MEMBER) && !config.is_null());
        members
            .map(|(role, _)| *role)
            .filter(|role| self.templates.contains_key(role))
            .filter(|role| self.nodes.get(role).is_none_or(Value::is_null))
            .map(|role| {
                let why = observed.unread.get(role).map_or("it holds no configuration of a cluster", String::as_str);
                format!("{}-{role}: {why}", self.site)
            })
            .collect()
    }

    /// A value of the cluster's configuration, by member.
    fn cluster(&self, pointer: &str) -> Values {
        let members = self.nodes.iter().filter(|(role, _)| role.starts_with(MEMBER));
        members
            .filter_map(|(role, config)| {
                let value = config.pointer(pointer)?.as_str()?;
                Some((format!("{}-{role}", self.site), value.trim_start_matches('v').to_owned()))
            })
            .collect()
    }

    /// A property of all resources of a type in one stack.
    fn of_kind(&self, stack: &str, kind: &str, property: &str) -> Values {
        let found = self.templates.get(stack).map(|template| resources(template)).unwrap_or_default();
        found
            .into_iter()
            .filter(|(_, resource)| kind_of(resource) == kind)
            .filter_map(|(id, resource)| {
                let value = resource.get("Properties")?.get(property)?;
                Some((format!("{}-{stack}/{id}", self.site), text(value)))
            })
            .collect()
    }

    /// The members' stacks.
    fn members(&self) -> Values {
        let members = self.templates.keys().filter(|stack| stack.starts_with(MEMBER));
        members.map(|stack| (format!("{}-{stack}", self.site), "member".to_owned())).collect()
    }

    /// The sizes of pools' data volumes, by device.
    fn data_volumes(&self) -> Values {
        let mut found = Values::new();
        for (stack, template) in self.templates.iter().filter(|(stack, _)| stack.starts_with("pool-")) {
            for resource in resources(template).into_values() {
                let devices = resource.pointer("/Properties/LaunchTemplateData/BlockDeviceMappings");
                for device in devices.and_then(Value::as_array).into_iter().flatten() {
                    let name = device.get("DeviceName").and_then(Value::as_str).unwrap_or_default();
                    // The root volume is made anew with each machine, and holds nothing.
                    if let (false, Some(size)) = (name == "/dev/xvda", device.pointer("/Ebs/VolumeSize")) {
                        found.insert(format!("{}-{stack} {name}", self.site), text(size));
                    }
                }
            }
        }
        found
    }
}

/// What a template's machines are started with.
fn user_data(template: &Value) -> Option<&str> {
    let found = resources(template);
    found.into_values().find_map(|resource| resource.pointer("/Properties/LaunchTemplateData/UserData")?.as_str())
}

/// A stack's name without its site's.
fn role<'n>(site: &str, stack: &'n str) -> Option<&'n str> {
    stack.strip_prefix(site)?.strip_prefix('-')
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// kubeadm's ClusterConfiguration in a node configuration; nothing in a worker's.
fn cluster_of(ignition: &str) -> Value {
    let files = node::files(ignition);
    let Some(config) = files.get("/etc/incline/kubeadm/init.yaml") else { return Value::Null };
    let documents = config.split("\n---\n").filter_map(|text| yaml::parse("init.yaml", text).ok());
    let mut values = documents.map(|document| document.value());
    values.find(|value| value.get("kind").is_some_and(|kind| kind == "ClusterConfiguration")).unwrap_or_default()
}

/// Judges values that are on both sides and differ, place by place. The first closed way speaks for all of them.
fn each(before: &Values, after: &Values, judge: fn(&str, &str) -> Option<(String, String)>) -> Option<Closed> {
    let mut closed: Option<Closed> = None;
    for (place, was) in before {
        let Some(is) = after.get(place).filter(|is| *is != was) else { continue };
        let Some((cause, hint)) = judge(was, is) else { continue };
        let detail = format!("{place}: {was} → {is}");
        match &mut closed {
            Some(closed) => closed.details.push(detail),
            None => {
                let details = vec![detail];
                closed = Some(Closed { deployed: was.clone(), desired: is.clone(), cause, hint, details });
            }
        }
    }
    closed
}

/// One minor version at a time, and never back
/// (<https://kubernetes.io/releases/version-skew-policy/#supported-component-upgrade-order>).
fn version(was: &str, is: &str) -> Option<(String, String)> {
    let numbers = |version: &str| version.split('.').map_while(|part| part.parse().ok()).collect::<Vec<u32>>();
    let (from, to) = (numbers(was), numbers(is));
    let (Some(major), Some(minor)) = (from.first(), from.get(1)) else {
        return Some(("the deployed version is not readable".to_owned(), "look at the node configuration".to_owned()));
    };
    if to.cmp(&from) == Ordering::Less {
        return Some((
            "Kubernetes does not support downgrades".to_owned(),
            format!("set `kubernetes.version` to {was} or newer; a cluster of an older version is a new site"),
        ));
    }
    let next = minor + 1;
    let is_near = to.first() == Some(major) && to.get(1).is_some_and(|to| *to <= next);
    (!is_near).then(|| {
        (
            "it skips a minor version".to_owned(),
            format!("upgrade one minor version at a time: apply a {major}.{next} version first"),
        )
    })
}

fn another_cluster(why: &str) -> (String, String) {
    (
        format!("it cannot change in a cluster that runs: {why}"),
        "keep the deployed value; to have another one, add a site with it, move the workloads there, \
         and destroy this one"
            .to_owned(),
    )
}

fn shrinks(was: &str, is: &str) -> bool {
    matches!((was.parse::<u64>(), is.parse::<u64>()), (Ok(was), Ok(is)) if is < was)
}

fn etcd_volume() -> (String, String) {
    (
        "EBS volumes do not shrink, and a smaller one in its place would be empty".to_owned(),
        "keep the deployed size or a larger one".to_owned(),
    )
}

fn data_volume() -> (String, String) {
    (
        "data that fills the larger volume does not fit into a smaller one".to_owned(),
        "add a pool with the smaller volume, move the workloads there, then remove this pool".to_owned(),
    )
}

/// No member leaves: its etcd member would stay in the cluster, and count for the majority.
fn members(before: &Values, after: &Values) -> Option<Closed> {
    let gone: Vec<&String> = before.keys().filter(|member| !after.contains_key(*member)).collect();
    if gone.is_empty() {
        return None;
    }
    let left = before.len() - gone.len();
    let majority = before.len() / 2 + 1;
    let cause = if left < majority {
        format!(
            "{left} of {} etcd members would be left, below the majority of {majority}: the cluster would stop",
            before.len()
        )
    } else {
        "etcd keeps removed members as failed ones: the cluster would stand one failure nearer to its end".to_owned()
    };
    let count = |members: usize| if members == 1 { "1 member".to_owned() } else { format!("{members} members") };
    Some(Closed {
        deployed: count(before.len()),
        desired: count(after.len()),
        cause,
        hint: "keep all zones that have a member: taking members out of etcd is not part of an apply yet. \
               To have fewer members, add a site with them, move the workloads there, and destroy this one"
            .to_owned(),
        details: gone.into_iter().map(|member| format!("{member} would be removed")).collect(),
    })
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
