use super::*;
use crate::{Moved, Named, Table, plan};
use base64::{Engine, engine::general_purpose::STANDARD};
use incline_model::desired::{Artifact, Roll, Stack, Stage};
use incline_model::observed::{DeployedStack, Status};
use serde_json::json;

/// A site, as little of it as the guarded keys need.
#[derive(Clone, Copy)]
struct Site<'a> {
    version: &'a str,
    pods: &'a str,
    services: &'a str,
    domain: &'a str,
    members: &'a str,
    etcd: u16,
    data: u16,
}

const LIVE: Site<'_> = Site {
    version: "1.35.4",
    pods: "100.64.0.0/16",
    services: "100.72.0.0/16",
    domain: "clinic.internal",
    members: "abc",
    etcd: 64,
    data: 200,
};

fn stack(name: String, stage: Stage, resources: Value) -> Stack {
    Stack {
        name,
        stage,
        body: String::new(),
        template: json!({ "Resources": resources }),
        parameters: BTreeMap::new(),
        tags: BTreeMap::new(),
        policy: Value::Null,
        protected: true,
        roll: Roll::CloudFormation,
    }
}

impl Site<'_> {
    fn init(&self) -> String {
        let (version, pods, services) = (self.version, self.pods, self.services);
        format!(
            "kind: InitConfiguration\nnodeRegistration: {{name: x}}\n---\nkind: ClusterConfiguration\n\
             kubernetesVersion: \"v{version}\"\nnetworking:\n  podSubnet: {pods}\n  serviceSubnet: {services}\n---\nkind: KubeletConfiguration\n"
        )
    }

    fn desired(&self) -> Desired {
        let launch = |data: &str, devices: Value| json!({ "Template": { "Type": "AWS::EC2::LaunchTemplate", "Properties": { "LaunchTemplateData": { "UserData": data, "BlockDeviceMappings": devices } } } });
        let volume = |letter: char| {
            (format!("Volume{letter}"), json!({ "Type": "AWS::EC2::Volume", "Properties": { "Size": self.etcd } }))
        };
        let mut stacks = vec![
            stack(
                "clinic-network".to_owned(),
                Stage::Network,
                json!({ "Zone": { "Type": "AWS::Route53::HostedZone", "Properties": { "Name": self.domain } } }),
            ),
            stack(
                "clinic-data".to_owned(),
                Stage::Data,
                self.members.chars().map(volume).collect::<serde_json::Map<_, _>>().into(),
            ),
            stack(
                "clinic-pool-general".to_owned(),
                Stage::Pools,
                launch(
                    "w",
                    json!([
                        { "DeviceName": "/dev/xvda", "Ebs": { "VolumeSize": 40 } },
                        { "DeviceName": "/dev/xvdf", "Ebs": { "VolumeSize": self.data } },
                    ]),
                ),
            ),
        ];
        let init = self.init();
        let content = json!({ "storage": { "files": [{ "path": "/etc/incline/kubeadm/init.yaml", "contents": { "source": format!("data:;base64,{}", STANDARD.encode(&init)) } }] } }).to_string();
        let mut artifacts = Vec::new();
        for letter in self.members.chars() {
            let role = format!("control-plane-{letter}");
            stacks.push(stack(
                format!("clinic-{role}"),
                Stage::ControlPlane,
                launch(&format!("{letter}{init}"), json!([])),
            ));
            artifacts.push(Artifact {
                role,
                key: String::new(),
                sha512: String::new(),
                content: content.clone(),
                user_data: String::new(),
            });
        }
        Desired { site: "clinic".parse().unwrap(), stacks, artifacts, fetched: Vec::new(), notes: Vec::new() }
    }

    /// The site as it is deployed; all its node configurations were read.
    fn observed(&self) -> Observed {
        let desired = self.desired();
        let stacks = desired.stacks.into_iter().map(|stack| (stack.name, DeployedStack::from_template(stack.template)));
        let nodes = desired.artifacts.into_iter().map(|artifact| (artifact.role, artifact.content));
        Observed { stacks: stacks.collect(), nodes: nodes.collect(), ..Observed::default() }
    }
}

fn told(desired: &Site<'_>) -> Vec<String> {
    let refused = refusals(&desired.desired(), &LIVE.observed(), Basis::Live);
    refused.iter().map(|refused| format!("{}; {}", refused.cause, refused.hint)).collect()
}

#[test]
fn what_would_cost_a_cluster_is_refused_with_the_way_to_do_it() {
    for (desired, cause, hint) in [
        (
            Site { version: "1.37.0", ..LIVE },
            "kubernetes.version 1.35.4 → 1.37.0: it skips a minor version",
            "apply a 1.36 version first",
        ),
        (Site { version: "2.36.0", ..LIVE }, "it skips a minor version", "apply a 1.36"),
        (
            Site { version: "1.34.9", ..LIVE },
            "kubernetes.version 1.35.4 → 1.34.9: Kubernetes does not support downgrades",
            "set `kubernetes.version` to 1.35.4 or newer",
        ),
        (Site { version: "1.35.3", ..LIVE }, "does not support downgrades", "1.35.4 or newer"),
        (
            Site { pods: "100.80.0.0/16", ..LIVE },
            "kubernetes.podCidr 100.64.0.0/16 → 100.80.0.0/16: it cannot change",
            "keep the deployed value",
        ),
        (
            Site { services: "100.80.0.0/16", ..LIVE },
            "kubernetes.serviceCidr 100.72.0.0/16 → 100.80.0.0/16",
            "add a site with it",
        ),
        (
            Site { domain: "ward.internal", ..LIVE },
            "domain clinic.internal → ward.internal: it cannot change",
            "keep the deployed value",
        ),
        (
            Site { members: "a", ..LIVE },
            "controlPlane.zones 3 members → 1 member: 1 of 3 etcd members would be left, below the majority of 2",
            "keep all zones",
        ),
        (
            Site { members: "ab", ..LIVE },
            "controlPlane.zones 3 members → 2 members: etcd keeps removed members",
            "keep all zones",
        ),
        (Site { members: "abd", ..LIVE }, "controlPlane.zones 3 members → 3 members", "keep all zones"),
        (
            Site { etcd: 32, ..LIVE },
            "controlPlane.etcdVolume.sizeGib 64 → 32: EBS volumes do not shrink",
            "keep the deployed size",
        ),
        (Site { data: 100, ..LIVE }, "pools.dataVolumes.sizeGib 200 → 100", "add a pool with the smaller volume"),
    ] {
        let told = told(&desired);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(cause) && told[0].contains(hint), "{cause}: {}", told[0]);
    }
    // One refusal a key, a line a place.
    let all =
        refusals(&Site { version: "1.37.0", pods: "100.80.0.0/16", ..LIVE }.desired(), &LIVE.observed(), Basis::Live);
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].details.len(), 3);
    assert_eq!(all[0].details[0], "clinic-control-plane-a: 1.35.4 → 1.37.0");
    let refused = all[0].refused.clone().unwrap();
    assert_eq!(
        (refused.key.as_str(), refused.deployed.as_str(), refused.desired.as_str()),
        ("kubernetes.version", "1.35.4", "1.37.0")
    );
}

#[test]
fn five_members_do_not_become_three() {
    let five = Site { members: "abcde", ..LIVE };
    let refused = refusals(&Site { members: "abc", ..LIVE }.desired(), &five.observed(), Basis::Live);
    assert_eq!(refused.len(), 1);
    assert!(refused[0].cause.contains("5 members → 3 members: etcd keeps removed members"), "{}", refused[0].cause);
    assert_eq!(
        refused[0].details,
        ["clinic-control-plane-d would be removed", "clinic-control-plane-e would be removed"]
    );
}

#[test]
fn what_a_cluster_survives_is_not_refused() {
    for desired in [
        LIVE,
        Site { version: "1.35.9", ..LIVE },
        Site { version: "1.36.0", ..LIVE },
        Site { members: "abcde", ..LIVE },
        Site { etcd: 128, data: 400, ..LIVE },
    ] {
        assert_eq!(told(&desired), [""; 0]);
    }
    let (one, three) = (Site { members: "a", ..LIVE }, LIVE);
    assert!(refusals(&three.desired(), &one.observed(), Basis::Live).is_empty(), "one member becomes three");
}

#[test]
fn members_that_are_ahead_of_others_are_judged_by_themselves() {
    // An upgrade to 1.36 that ended after the first member.
    let mut observed = LIVE.observed();
    let ahead = Site { version: "1.36.1", ..LIVE }.observed();
    for (kind, name) in [("nodes", "control-plane-a"), ("stacks", "clinic-control-plane-a")] {
        match kind {
            "nodes" => drop(observed.nodes.insert(name.to_owned(), ahead.nodes[name].clone())),
            _ => drop(observed.stacks.insert(name.to_owned(), ahead.stacks[name].clone())),
        }
    }
    let judged = |version| refusals(&Site { version, ..LIVE }.desired(), &observed, Basis::Live);
    assert!(judged("1.36.1").is_empty(), "the upgrade goes on");
    assert_eq!(judged("1.35.4")[0].details, ["clinic-control-plane-a: 1.36.1 → 1.35.4"], "and not back");
    assert_eq!(judged("1.37.0")[0].details.len(), 2, "nor further, while two are behind");
}

#[test]
fn what_was_not_read_is_not_judged_and_not_carried_out() {
    let desired = Site { version: "1.36.0", ..LIVE }.desired();
    let mut observed = LIVE.observed();
    observed.nodes.remove("control-plane-b");
    observed.unread.insert("control-plane-b".to_owned(), "s3 GetObject: denied".to_owned());
    let refused = refusals(&desired, &observed, Basis::Live);
    assert_eq!(refused.len(), 1);
    assert!(
        refused[0]
            .cause
            .starts_with("kubernetes.version, kubernetes.podCidr, kubernetes.serviceCidr cannot be compared")
    );
    assert_eq!(refused[0].details, ["clinic-control-plane-b: s3 GetObject: denied"]);
    // The same user data points to the same configuration: there is nothing to read.
    observed.nodes.clear();
    assert!(refusals(&LIVE.desired(), &observed, Basis::Live).is_empty());
    // A folder of fetched templates has no configurations; what can be compared is.
    assert!(refusals(&desired, &observed, Basis::Folder).is_empty());
    let smaller = Site { etcd: 8, ..LIVE };
    assert_eq!(refusals(&smaller.desired(), &observed, Basis::Folder).len(), 1);
}

#[test]
fn what_was_never_made_or_goes_as_a_whole_is_not_guarded() {
    let changed = Site { pods: "100.80.0.0/16", members: "a", ..LIVE }.desired();
    assert!(refusals(&changed, &LIVE.observed(), Basis::Nothing).is_empty());
    let mut observed = LIVE.observed();
    for stack in observed.stacks.values_mut() {
        stack.status = Status("ROLLBACK_COMPLETE".to_owned());
    }
    assert!(refusals(&changed, &observed, Basis::Live).is_empty());
    let nothing = Desired { stacks: Vec::new(), artifacts: Vec::new(), ..LIVE.desired() };
    assert!(refusals(&nothing, &LIVE.observed(), Basis::Live).is_empty(), "a site that is destroyed");
}

#[test]
fn machines_are_started_by_new_groups_rolls_and_sizes() {
    use crate::starts_machines;
    use incline_model::plan::{Change, Expectation, Impact, PropertyChange, Reason, Step, Verb};
    let step = |verb, nodes| Step {
        nodes,
        ..Step::new("clinic-pool-general".to_owned(), Stage::Pools, verb, Reason::Changed, Expectation::Absent)
    };
    let change = |kind: &str, impact, path: &str| Change {
        resource: "Group".to_owned(),
        kind: kind.to_owned(),
        verb: Verb::Update,
        reason: Reason::Changed,
        impact,
        retained: false,
        properties: vec![PropertyChange::in_place(path, None, None)],
    };
    let updated = |change| Step { changes: vec![change], ..step(Verb::Update, 3) };
    let group = "AWS::AutoScaling::AutoScalingGroup";
    assert!(starts_machines(&step(Verb::Create, 3)));
    assert!(starts_machines(&updated(change(group, Impact::RollsNodes, "LaunchTemplate.Version"))));
    assert!(starts_machines(&updated(change(group, Impact::InPlace, "DesiredCapacity"))));
    assert!(starts_machines(&Step { roll: Some(Roll::CloudFormation), ..step(Verb::Update, 3) }));
    assert!(!starts_machines(&step(Verb::Create, 0)), "a bucket's stack");
    assert!(!starts_machines(&step(Verb::Remove, 3)));
    assert!(!starts_machines(&updated(change(group, Impact::InPlace, "MaxSize"))));
    assert!(!starts_machines(&updated(change("AWS::EC2::Volume", Impact::RollsNodes, "Size"))));
}

#[test]
fn a_refused_site_has_no_steps() {
    let desired = Site { pods: "100.80.0.0/16", data: 400, ..LIVE }.desired();
    let (observed, table) = (LIVE.observed(), Table::embedded().unwrap());
    let mut plan = plan(&desired, &observed, Basis::Live, &table, &Named::default(), &mut Moved::new());
    assert!(!plan.steps.is_empty());
    refuse(&mut plan, Vec::new());
    assert!(!plan.steps.is_empty());
    refuse(&mut plan, refusals(&desired, &observed, Basis::Live));
    assert!(plan.steps.is_empty() && plan.blocked.len() == 1 && plan.seen.len() == 6);
    // A reader of the JSON sees which key, and a plan without a refusal looks as it did.
    let json = serde_json::to_value(&plan.blocked[0]).unwrap();
    assert_eq!(json["refused"]["key"], "kubernetes.podCidr");
}
