//! What a first apply needs, what would cost a cluster, and stacks that no inventory names.
use super::*;

/// The plan as data.
fn planned(aws: &Aws, code: i32) -> serde_json::Value {
    let output = aws.run(&["plan", "--json"]);
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_would_cost_a_cluster_is_left_out_of_an_apply_with_the_site_it_is_of() {
    let aws = Aws::with_clinic();
    aws.applied();
    aws.edit(
        "clinic.yaml",
        "controlPlane: {instanceType: m6i.large}",
        "controlPlane: {instanceType: m6i.large, zones: [us-east-1a]}",
    );
    aws.edit("clinic.yaml", "podCidr: 100.64.0.0/16", "podCidr: 100.66.0.0/16");
    aws.edit("clinic.yaml", "desired: 3, max: 12", "desired: 4, max: 12");
    aws.forget_requests();
    let text = aws.ends(&["apply", "--yes"], 1);
    assert!(text.contains("controlPlane.zones 3 members → 1 member: 1 of 3 etcd members would be left"), "{text}");
    assert!(text.contains("! kubernetes.podCidr 100.64.0.0/16 → 100.66.0.0/16"), "{text}");
    for more in [["--target", "clinic-pool-general"].as_slice(), &["--mend-drift"]] {
        let text = aws.ends(&[&["apply", "--yes"], more].concat(), 1);
        assert!(text.contains("Refused: 2 changes in 1 site"), "{text}");
    }
    let json = aws.ends(&["apply", "--yes", "--json"], 1);
    assert!(
        json.lines()
            .any(|line| line.contains(r#""event":"leftOut""#) && line.contains(r#""key":"kubernetes.podCidr""#)),
        "{json}"
    );
    let changes = ["CreateChangeSet", "DeleteStack", "ExecuteChangeSet"];
    assert!(
        !aws.requests().iter().any(|line| changes.iter().any(|change| line.ends_with(change))),
        "{:?}",
        aws.requests()
    );
    assert!(planned(&aws, 1)["sites"][0]["blocked"][0]["refused"]["deployed"].is_string());
    // Drift still compares all of it.
    let drift = stdout(&aws.run(&["drift"]));
    assert!(drift.contains("clinic-pool-general\n        would be changed"), "{drift}");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn stacks_of_a_site_that_was_renamed_are_named() {
    let aws = Aws::with_clinic();
    aws.ends(&["apply", "--yes", "--target", "clinic-keys"], 0);
    aws.edit("clinic.yaml", "name: clinic\n", "name: ward\n");
    let plan = planned(&aws, 0);
    assert_eq!(plan["orphans"][0]["site"], "clinic");
    assert_eq!(plan["orphans"][0]["stacks"], serde_json::json!(["clinic-keys"]));
    let text = aws.ends(&["plan"], 0);
    assert!(text.contains("no inventory names this site here, and 1 stack with its tag exist"), "{text}");
    assert!(text.contains("restore its inventory and run `incline destroy clinic`"), "{text}");
    aws.edit("clinic.yaml", "name: ward\n", "name: clinic\n");
    assert!(planned(&aws, 0).get("orphans").is_none());
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_pools_size_is_reset_only_by_who_says_so() {
    let aws = Aws::with_clinic();
    aws.applied();
    aws.forget_requests();
    let text = aws.ends(&["nodes", "clinic", "--reset-size", "general"], 64);
    assert!(
        text.contains("nothing was changed: there is nobody to ask") && text.contains("clinic-pool-general to 3 nodes"),
        "{text}"
    );
    assert!(!aws.requests().iter().any(|line| line.contains("SetDesiredCapacity")));
}
