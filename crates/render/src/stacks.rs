//! A valid AWS site → its stacks and node configurations.
use crate::context::{self, with};
use crate::prelude::*;
use crate::templates::Templates;
use crate::{Error, node};
use base64::{Engine, engine::general_purpose::STANDARD};
use incline_model::desired::{
    Artifact, Desired, INLINE_TEMPLATE_BYTES, MAX_TEMPLATE_BYTES, Member, Parameter, Refresh, Roll, Stack, Stage,
};
use incline_model::estate::Estate;
use incline_model::inventory::aws::{Balancer, Exposure, HealthProtocol, ListenerProtocol, UpdateBy};
use incline_model::site::{Aws, PeerOther, Site};
use incline_model::yaml;
use serde_json::{Value, json};

/// Renders one site of an estate.
///
/// # Errors
/// A template that cannot be rendered, or something larger than AWS takes.
pub fn render(site: &Aws, estate: &Estate, templates: &Templates) -> Result<Desired, Error> {
    let ami = site.pins().ami.map(|ami| &ami.id).to_string();
    let mut sources = BTreeMap::from([("AmiId".to_owned(), Parameter::Value(ami))]);
    for zone in &site.typed().zones {
        sources.insert(format!("Zone{}", context::zone_id(zone)), Parameter::Value(zone.to_string()));
    }
    let mut builder =
        Builder { site, templates, base: context::site(site), sources, stacks: Vec::new(), artifacts: Vec::new() };
    let account_of = |name: &str| match estate.site(name) {
        Some(Site::Aws(other)) => Some(other.typed().account.to_string()),
        _ => None,
    };
    builder.stack("keys", Stage::Keys, "stacks/keys.yaml", json!({}))?;
    builder.stack(
        "network",
        Stage::Network,
        "stacks/network.yaml",
        with(context::network(site), context::accepts(site, account_of)),
    )?;
    if let Some(vpn) = context::vpn(site) {
        builder.stack("vpn", Stage::Edge, "stacks/vpn.yaml", vpn)?;
    }
    if let Some((peering, elsewhere)) = context::peering(site) {
        builder.sources.extend(elsewhere);
        builder.stack("peering", Stage::Edge, "stacks/peering.yaml", peering)?;
    }
    builder.stack("registry", Stage::Edge, "stacks/registry.yaml", context::registry(site))?;
    builder.stack("logs", Stage::Edge, "stacks/logs.yaml", json!({}))?;
    builder.stack("data", Stage::Data, "stacks/data.yaml", context::data(site))?;
    // After the members' fixed addresses: what takes any address of a subnet must find theirs taken.
    builder.stack("endpoints", Stage::Balancers, "stacks/endpoints.yaml", context::endpoints(site))?;

    let api_balancer = format!("{}-api", site.typed().name);
    let api = json!({
        "name": api_balancer, "scheme": context::scheme(&site.typed().api.exposure),
        "subnets": context::subnets(site, &site.typed().api.exposure, "Isolated"),
    });
    builder.stack("api", Stage::Balancers, "stacks/api.yaml", api)?;
    for balancer in &site.typed().balancers {
        let suffix = format!("balancer-{}", balancer.name);
        builder.stack(&suffix, Stage::Balancers, "stacks/balancer.yaml", context::balancer(site, balancer))?;
    }

    for member in site.members() {
        let role = format!("control-plane-{}", member.zone.letter());
        let stack = format!("{}-{role}", site.typed().name);
        let user_data =
            builder.node("nodes/control-plane.yaml", &role, &context::control_plane_node(site, &member, &stack))?;
        let control_plane = &site.typed().control_plane;
        let values = json!({
            "member": context::member(&member), "instanceType": control_plane.instance_type, "rootVolumeGib": control_plane.root_volume_gib, "userData": user_data,
        });
        builder.stack(&role, Stage::ControlPlane, "stacks/control-plane.yaml", values)?;
        builder.rolled_by(Roll::Member(Member {
            name: member.zone.letter().to_owned(),
            members: site.members().len(),
            balancer: api_balancer.clone(),
            volume: Parameter::Output {
                stack: format!("{}-data", site.typed().name),
                output: format!("Volume{}Id", context::zone_id(&member.zone)),
            },
            precheck: control_plane.precheck.iter().map(ToString::to_string).collect(),
        }));
    }
    for pool in &site.typed().pools {
        let role = format!("pool-{}", pool.name);
        let stack = format!("{}-{role}", site.typed().name);
        let user_data = builder.node("nodes/worker.yaml", &role, &context::worker_node(site, pool, &stack))?;
        let values = with(context::pool(site, pool), json!({ "userData": user_data }));
        builder.stack(&role, Stage::Pools, "stacks/pool.yaml", values)?;
        if pool.update.by == UpdateBy::InstanceRefresh {
            builder.rolled_by(Roll::Refresh(Refresh {
                group: stack,
                min_healthy_percent: pool.update.min_healthy_percent,
                warmup_seconds: u16::from(pool.update.pause_minutes) * 60,
                checkpoints: pool.update.checkpoints.clone(),
                checkpoint_minutes: pool.update.checkpoint_minutes,
            }));
        }
    }
    builder.stacks.sort_by(|a, b| (a.stage, &a.name).cmp(&(b.stage, &b.name)));
    let notes = notes(site, &builder.stacks);
    Ok(Desired {
        site: site.typed().name.clone(),
        stacks: builder.stacks,
        artifacts: builder.artifacts,
        fetched: context::fetched(site),
        notes,
    })
}

/// What a reader of the plan should know that is no change: what the internet reaches and why, what somebody else must
/// do, what travels another way.
fn notes(site: &Aws, stacks: &[Stack]) -> Vec<String> {
    let typed = site.typed();
    let mut notes = Vec::new();
    let api = [("the Kubernetes API", &typed.api.exposure)];
    let balancers = typed.balancers.iter().map(|balancer| (balancer.name.as_str(), &balancer.exposure));
    for (name, exposure) in api.into_iter().chain(balancers) {
        if let Exposure::Public(public) = exposure {
            notes.push(format!("{name} is reachable from the internet: {}", public.reason));
        }
    }
    notes.extend(typed.balancers.iter().filter_map(tls_to_nodes));
    for peer in site.peers() {
        if let PeerOther::Foreign(vpc) = &peer.other {
            let routes = format!("the routes back are for the owner of {} to make", vpc.id);
            let by_hand = vpc.account != typed.account && vpc.accept_role.is_none();
            let accept = if by_hand { format!("account {} accepts by hand, and ", vpc.account) } else { String::new() };
            notes.push(format!("peering {}: {accept}{routes}", peer.name));
        }
    }
    for stack in stacks.iter().filter(|stack| stack.body.len() > INLINE_TEMPLATE_BYTES) {
        notes.push(format!("the template of {} is {} bytes and goes through S3", stack.name, stack.body.len()));
    }
    notes
}

/// What servers behind a balancer must offer where it begins TLS again. Its list of suites towards them is fixed, and has no
/// elliptic curves; what workloads offer is not in the inventory, so that this is told and not refused
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/elb-ssl-security-policy.html#elb-backend-cipher-suite>).
fn tls_to_nodes(balancer: &Balancer) -> Option<String> {
    let health = &balancer.health_check;
    let listeners = balancer.listeners.iter().filter(|listener| listener.protocol != ListenerProtocol::Passthrough);
    let checked = (health.protocol != HealthProtocol::Tcp).then_some(health.node_port);
    let ports: BTreeSet<u16> = listeners.map(|listener| listener.node_port).chain(checked).collect();
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    (!ports.is_empty()).then(|| {
        format!(
            "balancer {}: servers behind NodePort {} need an RSA certificate and RSA or DHE key exchange in TLS 1.2, as \
             classic load balancers offer them no ECDHE; where they have none, use `passthrough` and a `tcp` health check",
            balancer.name,
            ports.join(", ")
        )
    })
}

struct Builder<'a> {
    site: &'a Aws,
    templates: &'a Templates,
    base: Value,
    /// Where a parameter of each name gets its value: known from the start (machine image, zones), from another site,
    /// or an output of a stack before it.
    sources: BTreeMap<String, Parameter>,
    stacks: Vec<Stack>,
    artifacts: Vec<Artifact>,
}

impl Builder<'_> {
    /// Renders a node's configuration and gives its user data, as a launch template takes it.
    fn node(&mut self, manifest: &str, role: &str, context: &Value) -> Result<String, Error> {
        let artifact = node::render(self.templates, manifest, role, &context::bucket(self.site, "artifacts"), context)?;
        let user_data = STANDARD.encode(&artifact.user_data);
        self.artifacts.push(artifact);
        Ok(user_data)
    }

    /// Renders a stack, and makes its outputs the sources of later stacks' parameters of the same name.
    fn stack(&mut self, suffix: &str, stage: Stage, template: &str, values: Value) -> Result<(), Error> {
        let name = format!("{}-{suffix}", self.site.typed().name);
        let body = self.templates.render(template, &with(self.base.clone(), values))?;
        if body.len() > MAX_TEMPLATE_BYTES {
            return Err(Error::TooLarge {
                what: format!("the template of {name}"),
                size: body.len(),
                limit: MAX_TEMPLATE_BYTES,
            });
        }
        let parsed = yaml::parse(template, &body)
            .map_err(|faults| Error::NotYaml {
                name: template.to_owned(),
                cause: faults.first().map_or(String::new(), ToString::to_string),
            })?
            .value();
        let mut parameters = BTreeMap::new();
        for parameter in parsed.get("Parameters").and_then(Value::as_object).into_iter().flat_map(|map| map.keys()) {
            let source = self.sources.get(parameter).cloned();
            let source = source.ok_or_else(|| Error::NoOutput { stack: name.clone(), parameter: parameter.clone() })?;
            parameters.insert(parameter.clone(), source);
        }
        for output in parsed.get("Outputs").and_then(Value::as_object).into_iter().flat_map(|map| map.keys()) {
            let source = Parameter::Output { stack: name.clone(), output: output.clone() };
            self.sources.insert(output.clone(), source);
        }
        let mut tags: BTreeMap<String, String> =
            self.site.typed().tags.iter().map(|(key, value)| (key.clone(), value.to_string())).collect();
        tags.insert("incline:site".to_owned(), self.site.typed().name.to_string());
        self.stacks.push(Stack {
            policy: policy(&parsed),
            name,
            stage,
            body,
            template: parsed,
            parameters,
            tags,
            protected: self.site.typed().termination_protection,
            roll: Roll::CloudFormation,
        });
        Ok(())
    }

    /// Says who replaces the machines of the stack that was rendered last.
    fn rolled_by(&mut self, roll: Roll) {
        if let Some(stack) = self.stacks.last_mut() {
            stack.roll = roll;
        }
    }
}

/// The stack policy: what is retained is neither replaced nor removed, unless a plan names it
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html>).
fn policy(template: &Value) -> Value {
    let retained: Vec<String> = template
        .get("Resources")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(_, resource)| resource.get("DeletionPolicy").and_then(Value::as_str) == Some("Retain"))
        .map(|(id, _)| format!("LogicalResourceId/{id}"))
        .collect();
    let mut statements = vec![json!({ "Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*" })];
    if !retained.is_empty() {
        statements.push(json!({ "Effect": "Deny", "Action": ["Update:Replace", "Update:Delete"], "Principal": "*", "Resource": retained }));
    }
    json!({ "Statement": statements })
}

#[cfg(test)]
mod tests {
    use super::*;
    use incline_model::inventory::Parser;
    use incline_model::lock::Lock;
    use std::path::Path;

    fn folder(name: &str, prefix: &str, found: &mut BTreeMap<String, String>) {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
        for entry in std::fs::read_dir(top).unwrap().flatten() {
            let file = entry.file_name().into_string().unwrap();
            if entry.path().is_dir() {
                folder(&format!("{name}/{file}"), &format!("{prefix}{file}/"), found);
            } else {
                found.insert(format!("{prefix}{file}"), std::fs::read_to_string(entry.path()).unwrap());
            }
        }
    }

    /// Strict rendering shows a name that is missing only on a branch that is taken. Here every name that a template
    /// mentions is looked up in the very context that it gets.
    #[test]
    fn templates_mention_nothing_that_their_context_lacks() {
        let (mut files, mut sources) = (BTreeMap::new(), BTreeMap::new());
        folder("templates", "", &mut files);
        folder("ignition", "ignition/", &mut files);
        folder("inventories", "", &mut sources);
        let templates = Templates::new(files).unwrap();
        let parser = Parser::default();
        let yaml = sources.iter().filter(|(name, _)| name.ends_with(".yaml"));
        let inventories: Vec<_> = yaml.map(|(name, text)| parser.parse(name, text.as_bytes()).unwrap()).collect();
        let lock = Lock::parse("incline.lock", &sources["incline.lock"]).unwrap();
        let estate = Estate::new(&inventories, Some(&lock)).unwrap();
        let Some(Site::Aws(site)) = estate.site("lakeside-prod") else {
            panic!("the example estate has no lakeside-prod")
        };
        let Some(Site::OnPrem(data_centre)) = estate.site("riverside-dc") else {
            panic!("the example estate has no riverside-dc")
        };
        let base = context::site(site);
        let (member, pool, balancer) = (&site.members()[0], &site.typed().pools[1], &site.typed().balancers[0]);
        let user_data = json!({ "userData": "" });
        let api = json!({ "name": "", "scheme": "", "subnets": [] });
        let machine = json!({ "member": context::member(member), "instanceType": "", "rootVolumeGib": 1 });
        let stack = |more: Value| with(base.clone(), more);
        let control_plane = context::control_plane_node(site, member, "stack");
        let worker = context::worker_node(site, pool, "stack");
        let contexts = [
            ("stacks/keys.yaml", stack(json!({}))),
            (
                "stacks/network.yaml",
                stack(with(context::network(site), context::accepts(site, |_| Some("319876543210".to_owned())))),
            ),
            ("stacks/vpn.yaml", stack(context::vpn(site).unwrap())),
            ("stacks/peering.yaml", stack(context::peering(site).unwrap().0)),
            ("stacks/registry.yaml", stack(context::registry(site))),
            ("stacks/logs.yaml", stack(json!({}))),
            ("stacks/endpoints.yaml", stack(context::endpoints(site))),
            ("stacks/data.yaml", stack(context::data(site))),
            ("stacks/api.yaml", stack(api)),
            ("stacks/balancer.yaml", stack(context::balancer(site, balancer))),
            ("stacks/control-plane.yaml", stack(with(machine, user_data.clone()))),
            ("stacks/pool.yaml", stack(with(context::pool(site, pool), user_data))),
            ("nodes/control-plane.yaml", control_plane.clone()),
            ("nodes/worker.yaml", worker.clone()),
            ("ignition/files/node.env.j2", worker.clone()),
            ("ignition/files/images.txt.j2", worker.clone()),
            ("ignition/files/containerd.toml.j2", worker.clone()),
            ("ignition/files/credential-provider.yaml.j2", worker.clone()),
            ("ignition/files/kubeadm-cluster.yaml.j2", control_plane.clone()),
            ("ignition/files/kubeadm-join-control-plane.yaml.j2", control_plane.clone()),
            ("ignition/files/kubeadm-join-worker.yaml.j2", worker),
            ("ignition/units/incline-certificates.timer.j2", control_plane.clone()),
            ("ignition/units/kubelet.service.j2", control_plane),
            ("ignition/units/incline-etcd-snapshot.timer.j2", json!({ "minutes": 15 })),
            (crate::storage::UNLOCK, json!({ "disk": { "name": "data", "device": "/dev/disk/by-id/x" } })),
            ("ignition/units/incline-data-volume.service.j2", json!({ "device": "/dev/xvdf", "mount": "/data" })),
        ];
        let host =
            crate::hosts::context(data_centre, &data_centre.typed().hosts[0], &templates, crate::ApiBy::Balancer)
                .unwrap();
        let hosts = crate::hosts::templates().map(|name| (name, host.clone()));
        let devices = crate::vpn::TEMPLATES.into_iter();
        let devices = devices.map(|name| (name, crate::vpn::facts(data_centre)));
        let contexts: Vec<(&str, Value)> = contexts.into_iter().chain(hosts).chain(devices).collect();
        let all: BTreeSet<&str> = templates.names().filter(|name| crate::templates::is_template(name)).collect();
        assert_eq!(all, contexts.iter().map(|(name, _)| *name).collect(), "every template has its context here");
        for (name, context) in contexts {
            for variable in templates.variables(name) {
                let found = context.pointer(&format!("/{}", variable.replace('.', "/")));
                assert!(found.is_some(), "{name} mentions {variable}, which its context lacks");
            }
        }
    }
}
