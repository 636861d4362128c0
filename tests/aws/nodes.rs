//! Machines: how they are replaced, one zone of the control plane at a time, pools by instance refresh.
use super::*;

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_control_plane_rolls_one_member_at_a_time_each_after_a_snapshot() {
    let aws = Aws::with_clinic();
    let check = aws.folder.path().join("check");
    let seen = aws.folder.path().join("seen");
    std::fs::write(
        &check,
        format!(
            "#!/bin/sh\necho \"$INCLINE_SITE $INCLINE_MEMBER $1\" >> {}\n[ ! -e {}.no ]\n",
            seen.display(),
            seen.display()
        ),
    )
    .unwrap();
    executable(&check);
    aws.edit(
        "clinic.yaml",
        "instanceType: m6i.large",
        &format!("instanceType: m6i.large, precheck: [\"{}\", strict]", check.display()),
    );
    aws.applied();
    assert!(!seen.exists(), "nothing is rolled when it is made");

    // Another type of machine replaces all three.
    aws.edit("clinic.yaml", "instanceType: m6i.large", "instanceType: m6i.xlarge");
    let plan = aws.ends(&["plan"], 0);
    assert!(plan.contains("alone, after: all other members answer, precheck, snapshot of member b's disk"), "{plan}");
    // The site's own check says no at the second member: the first stays replaced, the others as they were.
    std::fs::write(&check, format!("#!/bin/sh\necho \"$INCLINE_SITE $INCLINE_MEMBER $1\" >> {}\n[ $INCLINE_MEMBER = a ] || {{ echo 'etcd lags'; exit 3; }}\n", seen.display())).unwrap();
    let text = aws.ends(&["apply", "--yes"], 1);
    assert!(text.contains("said no (exit status: 3)") && text.contains("    etcd lags"), "{text}");
    assert!(text.contains("1 stack done, 1 failed, 1 not begun"), "{text}");
    assert_eq!(std::fs::read_to_string(&seen).unwrap(), "clinic a strict\nclinic b strict\n");

    // A member that does not answer holds the roll back, too.
    std::fs::write(&check, format!("#!/bin/sh\necho \"$INCLINE_SITE $INCLINE_MEMBER $1\" >> {}\n", seen.display()))
        .unwrap();
    let mut child =
        aws.command(&["apply", "--yes", "--json", "--parallel", "8"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    // Never two at once: each begins after the one before it has ended.
    let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| -> Vec<String> {
        events.iter().filter(|e| e["event"] == kind).map(|e| e["target"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of("started"), ["clinic-control-plane-b", "clinic-control-plane-c"]);
    let at =
        |kind: &str, target: &str| events.iter().position(|e| e["event"] == kind && e["target"] == target).unwrap();
    assert!(at("finished", "clinic-control-plane-b") < at("started", "clinic-control-plane-c"));
    // A snapshot of each member's own disk, before CloudFormation was let loose on it. The second member's was taken once,
    // though it was tried twice: the first try ended before it.
    let sent: Vec<&str> = events.iter().filter_map(|e| e["what"].as_str()).collect();
    let snapshots = sent.iter().filter(|what| what.starts_with("snapshot snap-")).count();
    assert_eq!(snapshots, 2, "{sent:?}");
    assert_eq!(aws.count("DescribeSnapshots", "snapshotId"), 3);
    aws.ends(&["plan", "--detailed-exitcode"], 0);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_pool_is_refreshed_followed_and_a_failed_refresh_told() {
    let aws = Aws::with(&root().join("tests/cases/clinic/clinic.yaml"), &[("REFRESH_SECONDS", "6")]);
    aws.applied();
    aws.edit(
        "clinic.yaml",
        "instanceTypes: [r6i.xlarge]",
        "instanceTypes: [r6i.xlarge]\n    labels: {clinic.internal/speed: slow}",
    );
    let plan = aws.ends(&["plan"], 0);
    assert!(
        plan.contains("rolls 4 nodes") && plan.contains("instance refresh of clinic-pool-slow, at least 75 % healthy"),
        "{plan}"
    );
    let text = aws.ends(&["apply", "--yes"], 0);
    assert!(text.contains("instance refresh 0 %, 4 to go") && text.contains(" %, 2 to go"), "{text}");
    let nodes = aws.ends(&["nodes", "clinic", "--json"], 0);
    let nodes: serde_json::Value = serde_json::from_str(&nodes).unwrap();
    let slow: Vec<&serde_json::Value> =
        nodes["nodes"].as_array().unwrap().iter().filter(|n| n["group"] == "clinic-pool-slow").collect();
    assert_eq!(slow.len(), 4);
    assert!(slow.iter().all(|node| node["outdated"] == false && node["launchTemplateVersion"] == "2"));

    // Killed in the middle of a refresh, the next run follows it instead of beginning another.
    aws.edit("clinic.yaml", "speed: slow", "speed: slower");
    let mut child = aws.command(&["apply", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(4));
    child.kill().unwrap();
    child.wait().unwrap();
    let plan = aws.ends(&["plan", "--detailed-exitcode"], 2);
    assert!(plan.contains("clinic-pool-slow"), "{plan}");
    let text = aws.ends(&["apply", "--yes"], 0);
    assert!(text.contains("an instance refresh is under way"), "{text}");
    aws.ends(&["plan", "--detailed-exitcode"], 0);

    // An image that never becomes healthy: the refresh fails half way, and is told with what to do.
    let lock = aws.inventories().join("incline.lock");
    let pins = std::fs::read_to_string(&lock).unwrap();
    let image = between(&pins, "us-east-1", "release")
        .and_then(|part| between(&part, "ami-", "\n"))
        .map(|id| format!("ami-{}", id.trim()))
        .unwrap();
    std::fs::write(&lock, pins.replace(&image, "ami-0bad0bad0bad0bad0")).unwrap();
    let text = aws.ends(&["apply", "--yes", "--target", "clinic-pool-slow"], 1);
    assert!(text.contains("the instance refresh of clinic-pool-slow failed at"), "{text}");
    assert!(text.contains("Instances failed to become healthy"), "{text}");
    // With the good image back, the same command makes it whole.
    std::fs::write(&lock, pins).unwrap();
    aws.ends(&["apply", "--yes", "--target", "clinic-pool-slow"], 0);
    // One that is under way can be stopped.
    aws.edit("clinic.yaml", "speed: slower", "speed: slowest");
    let mut child = aws.command(&["apply", "--yes"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(4));
    aws.ends(&["nodes", "clinic", "--cancel", "slow"], 0);
    let mut text = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(text.contains("cancelled at"), "{text}");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_an_autoscaler_set_is_kept_until_somebody_resets_it() {
    let aws = Aws::with_clinic();
    aws.applied();
    let size = |aws: &Aws| {
        let answer = aws.query(
            "autoscaling",
            ACCOUNT,
            "Action=DescribeAutoScalingGroups&Version=2011-01-01&AutoScalingGroupNames.member.1=clinic-pool-general",
        );
        between(&answer, "<DesiredCapacity>", "</DesiredCapacity>").unwrap()
    };
    aws.query(
        "autoscaling",
        ACCOUNT,
        "Action=SetDesiredCapacity&Version=2011-01-01&AutoScalingGroupName=clinic-pool-general&DesiredCapacity=9",
    );
    aws.ends(&["plan", "--detailed-exitcode"], 0);
    aws.ends(&["drift"], 0);
    aws.edit("clinic.yaml", "max: 12", "max: 15");
    aws.applied();
    assert_eq!(size(&aws), "9");
    aws.ends(&["nodes", "clinic", "--reset-size", "general", "--yes"], 0);
    assert_eq!(size(&aws), "3");
    // A group out of balance and an old image are told of.
    assert!(aws.ends(&["nodes", "clinic", "--reset-size", "genral"], 64).contains("did you mean `general`?"));
    let aws = Aws::with(&root().join("tests/cases/clinic/clinic.yaml"), &[("OLD_IMAGES", "ami-0a1b2c3d4e5f60718")]);
    let pins = std::fs::read_to_string(aws.inventories().join("incline.lock")).unwrap();
    let image = between(&pins, "us-east-1", "release").and_then(|part| between(&part, "ami-", "\n")).unwrap();
    std::fs::write(
        aws.inventories().join("incline.lock"),
        pins.replace(&format!("ami-{}", image.trim()), "ami-0a1b2c3d4e5f60718"),
    )
    .unwrap();
    aws.applied();
    assert!(aws.ends(&["nodes", "clinic"], 0).contains("the machine image ami-0a1b2c3d4e5f60718 is 300 days old"));
    assert!(aws.ends(&["drift"], 0).contains("is 300 days old"));
}
