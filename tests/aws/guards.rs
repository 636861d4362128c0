//! What a first apply needs, what would cost a cluster, and stacks that no inventory names.
use super::*;

/// Runs what was printed as a shell line would be run: by hand, past incline, into the emulator.
fn bring(aws: &Aws, missing: &serde_json::Value) {
    if let Some(object) = missing["at"].get("object") {
        let file = aws.folder.path().join("object");
        let size = usize::try_from(object["size"].as_u64().unwrap()).unwrap();
        std::fs::write(&file, vec![0; size]).unwrap();
        let path = format!("{}/{}", object["bucket"].as_str().unwrap(), object["key"].as_str().unwrap());
        put(aws, &path, &file);
    } else {
        let image = &missing["at"]["image"];
        let body = serde_json::json!({
            "repositoryName": image["repository"], "imageManifest": "{}", "imageDigest": image["digest"], "imageTag": image["tag"],
        });
        let answer = aws.json("ecr", ACCOUNT, "AmazonEC2ContainerRegistry_V20150921.PutImage", &body.to_string());
        assert!(answer.contains("imageDigest"), "{answer}");
    }
}

fn put(aws: &Aws, path: &str, file: &std::path::Path) {
    let (path, file) = (format!("/{path}"), file.to_str().unwrap());
    let answer = aws.by_hand("s3", ACCOUNT, &["--fail", "-T", file, "--request-target", &path, "-w", "%{http_code}"]);
    assert_eq!(answer, "200");
}

/// The plan as data.
fn planned(aws: &Aws, code: i32) -> serde_json::Value {
    let output = aws.run(&["plan", "--json"]);
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn machines_are_started_only_where_all_that_they_fetch_is_there() {
    let aws = Aws::with(&root().join("tests/cases/clinic/clinic.yaml"), &[("BROUGHT", "")]);
    // Small files, so that nothing of 90 MB goes through the test.
    let lock = aws.inventories().join("incline.lock");
    let pins = std::fs::read_to_string(&lock).unwrap();
    std::fs::write(&lock, pins.replace("size: 90177536", "size: 30").replace("size: 18211", "size: 11")).unwrap();
    // Before anything is there, the plan says all of it, and doctor that it is yet to come.
    assert_eq!(planned(&aws, 0)["sites"][0]["missing"].as_array().unwrap().len(), 9);
    assert!(aws.ends(&["doctor", "clinic"], 0).contains("9 files and images to bring"));

    let text = aws.ends(&["apply", "--yes"], 1);
    assert!(
        text.contains("✗ clinic-control-plane-a: 9 files and images that its machines fetch are not there"),
        "{text}"
    );
    for line in [
        "kube-apiserver is missing: 123456789012.dkr.ecr.us-east-1.amazonaws.com/clinic/kubernetes/kube-apiserver@sha256:66af6492",
        "  skopeo copy --all --preserve-digests docker://registry.k8s.io/pause@sha256:",
        "  aws s3 cp kubernetes-v1.36.3-x86-64.raw s3://incline-clinic-123456789012-artifacts/mirror/787597c0",
        "aws ecr get-login-password --region us-east-1 | skopeo login --username AWS --password-stdin 123456789012.dkr.ecr",
        "run the same command again: it goes on from here",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert_eq!(aws.status("clinic-data"), "CREATE_COMPLETE");
    assert_eq!(aws.status("clinic-control-plane-a"), "", "no machine was started");

    // All but two are brought; one file is another one than was pinned.
    let plan = planned(&aws, 0);
    let missing = plan["sites"][0]["missing"].as_array().unwrap();
    let (last, rest) = missing.split_last().unwrap();
    rest.iter().for_each(|missing| bring(&aws, missing));
    let wrong = missing.iter().find(|missing| missing["name"] == "kubernetes-v1.36.3-x86-64.raw").unwrap();
    let mut other = wrong.clone();
    other["at"]["object"]["size"] = 29.into();
    bring(&aws, &other);
    let text = aws.ends(&["apply", "--yes"], 1);
    assert!(text.contains("2 files and images that its machines fetch are not there"), "{text}");
    assert!(text.contains("has 29 bytes, and incline.lock says 30"), "{text}");
    let doctor = aws.ends(&["doctor", "clinic"], 1);
    assert!(
        doctor.contains("has 29 bytes") && doctor.contains(&format!("{} is missing", last["name"].as_str().unwrap())),
        "{doctor}"
    );

    bring(&aws, wrong);
    bring(&aws, last);
    aws.applied();
    assert!(aws.ends(&["doctor", "clinic"], 0).contains("all files and images are there"));
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
