//! Plans as a user reads them: the estate from nothing, and real differences against what was rendered earlier.
use crate::support::*;

/// The plan of a changed estate against the unchanged one.
fn plan_of(file: &str, from: &str, to: &str) -> String {
    let (before, changed) = (tempfile::tempdir().unwrap(), changed_estate(file, from, to));
    let against = before.path().to_str().unwrap();
    succeed(&["render", "--out", against]);
    let plan = succeed(&["--inventories", changed.path().to_str().unwrap(), "plan", "--against", against]);
    // Digests and user data are long, and change with every script: what matters here is that they change.
    let digest =
        |text: &str| text.len() > 60 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=\"".contains(&b));
    plan.lines()
        .map(|line| {
            line.split(' ').map(|word| if digest(word) { "(encoded)" } else { word }).collect::<Vec<_>>().join(" ")
                + "\n"
        })
        .collect()
}

#[test]
fn the_estate_from_nothing() {
    let plan = succeed(&["plan", "--offline", "lakeside-staging"]);
    insta::assert_snapshot!(plan);
    let all = succeed(&["plan", "--offline"]);
    assert!(all.contains("\n  + lakeside-prod-network"));
    assert!(all.lines().last().unwrap().starts_with("Plan: 30 stacks, 10 hosts and 2 tenants in 4 sites:"));
    assert!(all.lines().rev().nth(1).unwrap().starts_with("Offline:"));
}

#[test]
fn nothing_changed_nothing_to_do() {
    let before = tempfile::tempdir().unwrap();
    let against = before.path().to_str().unwrap();
    succeed(&["render", "--out", against]);
    let output = incline(&["plan", "--against", against, "--detailed-exitcode"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).ends_with("Nothing to do. All sites are as the inventories say.\n"));
}

#[test]
fn templates_fetched_without_settings_are_compared_alone() {
    let before = tempfile::tempdir().unwrap();
    let against = before.path().to_str().unwrap();
    succeed(&["render", "--out", against]);
    for (file, _) in files(before.path()).iter().filter(|(name, _)| name.ends_with(".json")) {
        std::fs::remove_file(before.path().join(file)).unwrap();
    }
    assert!(succeed(&["plan", "--against", against]).contains("Nothing to do."));
}

#[test]
fn a_pool_grows() {
    insta::assert_snapshot!(plan_of(
        "lakeside-prod.yaml",
        "min: 3, desired: 6, max: 24",
        "min: 3, desired: 8, max: 24"
    ));
}

#[test]
fn a_pools_label_rolls_its_nodes_and_shows_the_file() {
    insta::assert_snapshot!(plan_of(
        "lakeside-prod.yaml",
        "labels: {lakeside.internal/workload: imaging}",
        "labels: {lakeside.internal/workload: imaging, lakeside.internal/gpu: \"no\"}"
    ));
}

#[test]
fn a_moved_subnet_replaces_and_what_stands_on_it_follows() {
    insta::assert_snapshot!(plan_of("lakeside-staging.yaml", "us-east-2b: 10.21.48.0/20", "us-east-2b: 10.21.64.0/20"));
}

#[test]
fn a_removed_pool_goes() {
    let edge = "\n  - name: batch # laboratory reports at night; a lost machine costs minutes\n    instanceTypes: [c6i.2xlarge, c6a.2xlarge, c5.2xlarge, m6i.2xlarge]\n    spotPercent: 80\n    size: {min: 0, desired: 2, max: 40}\n    labels: {lakeside.internal/workload: batch}\n    taints:\n      - {key: lakeside.internal/workload, value: batch, effect: NoSchedule}\n    update: {batch: 10, minHealthyPercent: 0, pauseMinutes: 15}\n";
    insta::assert_snapshot!(plan_of("lakeside-prod.yaml", edge, ""));
}

#[test]
fn a_repository_that_goes_is_kept() {
    insta::assert_snapshot!(plan_of("lakeside-prod.yaml", "    - {name: laboratory/reports}\n", ""));
}

#[test]
fn another_key_in_another_zone_loses_nothing_silently() {
    insta::assert_snapshot!(plan_of(
        "lakeside-prod.yaml",
        "etcdVolume: {sizeGib: 64, iops: 4000}",
        "etcdVolume: {sizeGib: 128, iops: 4000}"
    ));
}

#[test]
fn a_tunnels_new_network_is_shown() {
    insta::assert_snapshot!(plan_of(
        "lakeside-prod.yaml",
        "insideCidr: 169.254.21.0/30",
        "insideCidr: 169.254.22.0/30"
    ));
}

#[test]
fn a_moved_vpc_moves_the_other_side_of_a_peering_too() {
    let staging = "cidr: 10.21.0.0/16\n  subnets:\n    private:\n      us-east-2a: 10.21.32.0/20\n      us-east-2b: 10.21.48.0/20\n    isolated:\n      us-east-2a: 10.21.4.0/24\n      us-east-2b: 10.21.5.0/24";
    let plan = plan_of("lakeside-staging.yaml", staging, &staging.replace("10.21.", "10.22."));
    let of = |stack: &str| {
        plan.split("\n  ~ ")
            .find(|part| part.starts_with(stack))
            .unwrap_or_else(|| panic!("{stack} is not in:\n{plan}"))
            .to_owned()
    };
    // There the VPC is made anew; here the connection to it, and the routes; there the routes over the new connection.
    assert!(of("lakeside-staging-network").contains("± Vpc "));
    assert!(of("lakeside-prod-peering").contains("± PeeringImagePromotion "));
    assert!(
        of("lakeside-staging-peering")
            .contains("VpcPeeringConnectionId: ConnectionImagePromotion → (known after apply)")
    );
}

#[test]
fn a_site_that_left_the_estate_is_removed_last_things_first() {
    let (before, changed) = (
        tempfile::tempdir().unwrap(),
        changed_estate(
            "lakeside-prod.yaml",
            "  - name: image-promotion # images are promoted from staging by a job that runs here\n    with: {site: lakeside-staging}\n",
            "",
        ),
    );
    let against = before.path().to_str().unwrap();
    succeed(&["render", "--out", against]);
    std::fs::remove_file(changed.path().join("lakeside-staging.yaml")).unwrap();
    let plan = succeed(&["--inventories", changed.path().to_str().unwrap(), "plan", "--against", against]);
    let staging = plan.split("lakeside-staging  no longer in the estate").nth(1).unwrap();
    let position = |stack: &str| {
        staging.find(&format!("- lakeside-staging-{stack} ")).unwrap_or_else(|| panic!("{stack} is not in:\n{staging}"))
    };
    assert!(position("pool-general") < position("control-plane-a"));
    assert!(position("control-plane-a") < position("network"));
    assert!(position("network") < position("keys"));
    assert!(staging.contains("KMS::Key    kept, no longer managed"));
    // Asked for one site, the others are left alone.
    let one =
        succeed(&["--inventories", changed.path().to_str().unwrap(), "plan", "lakeside-prod", "--against", against]);
    assert!(!one.contains("no longer in the estate"));
}

#[test]
fn a_saved_plan_is_what_json_prints() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    let printed = succeed(&["plan", "--json", "--offline", "--out", path.to_str().unwrap()]);
    assert_eq!(printed, std::fs::read_to_string(&path).unwrap());
    let plan: incline_model::plan::Plan = serde_json::from_str(&printed).unwrap();
    assert_eq!(plan.format, incline_model::plan::FORMAT);
    assert_eq!(plan.sites.len(), 4);
    assert!(plan.sites.iter().all(|site| site.inputs.values().all(|digest| digest.len() == 64)));
}

#[test]
fn what_would_cost_a_cluster_is_refused_for_its_site_alone() {
    let (before, changed) = (
        tempfile::tempdir().unwrap(),
        estate_with(
            "lakeside-prod.yaml",
            &[
                ("podCidr: 100.64.0.0/14", "podCidr: 100.76.0.0/14"),
                ("sizeGib: 64, iops: 4000", "sizeGib: 32, iops: 4000"),
            ],
        ),
    );
    let staging = changed.path().join("lakeside-staging.yaml");
    let text = std::fs::read_to_string(&staging).unwrap();
    std::fs::write(&staging, text.replace("min: 1, desired: 2", "min: 1, desired: 3")).unwrap();
    let against = before.path().to_str().unwrap();
    succeed(&["render", "--out", against]);
    let inventories = ["--inventories", changed.path().to_str().unwrap()];
    let plan = |more: &[&str]| {
        let output = incline(&[&inventories, ["plan", "--against", against].as_slice(), more].concat());
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        stdout(&output)
    };
    let shown = plan(&[]);
    assert!(
        shown.contains("! kubernetes.podCidr 100.64.0.0/14 → 100.76.0.0/14: it cannot change in a cluster"),
        "{shown}"
    );
    assert!(shown.contains("lakeside-prod-control-plane-a: 100.64.0.0/14 → 100.76.0.0/14"), "{shown}");
    assert!(shown.contains("! controlPlane.etcdVolume.sizeGib 64 → 32: EBS volumes do not shrink"), "{shown}");
    assert!(shown.contains("\n  ~ lakeside-staging-pool-general "), "the other site is planned: {shown}");
    assert!(!shown.contains("~ lakeside-prod-"), "{shown}");
    assert!(shown.contains("Refused: 2 changes in 1 site; nothing of it is applied.\n"), "{shown}");
    let json: serde_json::Value = serde_json::from_str(&plan(&["--json"])).unwrap();
    let prod = json["sites"].as_array().unwrap().iter().find(|site| site["site"] == "lakeside-prod").unwrap();
    assert_eq!(prod["steps"], serde_json::json!([]));
    let keys: Vec<&str> =
        prod["blocked"].as_array().unwrap().iter().map(|b| b["refused"]["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["kubernetes.podCidr", "controlPlane.etcdVolume.sizeGib"]);
}

#[test]
fn a_folder_is_compared_with_only_where_it_is_and_hosts_are_said_to_be_left_out() {
    let missing = incline(&["plan", "--against", "no-such-folder"]);
    assert_eq!(missing.status.code(), Some(64));
    assert!(stderr(&missing).contains("there is no folder no-such-folder"), "{}", stderr(&missing));
    let before = tempfile::tempdir().unwrap();
    let against = before.path().to_str().unwrap();
    succeed(&["render", "--out", against]);
    let compared = incline(&["plan", "--against", against]);
    assert_eq!(compared.status.code(), Some(0));
    assert!(stderr(&compared).contains("a folder holds nothing of hosts: hillcrest-dc, riverside-dc"));
    assert_eq!(stderr(&incline(&["plan", "--against", against, "lakeside-prod"])), "");
    let hosts = incline(&["plan", "--against", against, "riverside-dc"]);
    assert_eq!(hosts.status.code(), Some(64));
    assert!(stderr(&hosts).contains("riverside-dc is on premises"), "{}", stderr(&hosts));
}

#[test]
fn the_worst_of_a_plan_counts_nodes() {
    let worst = |file, from, to| {
        let plan = plan_of(file, from, to);
        plan.lines().find_map(|line| line.strip_prefix("Worst: ")).map(ToOwned::to_owned).unwrap_or_default()
    };
    // All pools and members roll: the largest group is named, and all machines are counted.
    let pins = worst("incline.lock", "id: ami-b5205e145997d8ece", "id: ami-b5205e145997d8ecf");
    let plan: String = std::fs::read_to_string(inventories().join("lakeside-prod.yaml")).unwrap();
    let pools = plan.matches("desired: ").count();
    assert!(pins.starts_with("rolls ") && pins.contains(" nodes, by lakeside-prod-pool-"), "{pins}");
    assert!(pins.ends_with(&format!(" and {} more.", pools + 3 - 1)), "{pins}");
}
