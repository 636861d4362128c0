//! From nothing to a site and back, the example production site read back through the services themselves, saved plans,
//! targets, and the proof that looking changes nothing.
use super::*;

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_example_estate_is_made_and_read_back_through_the_services() {
    let aws = Aws::with_example();
    aws.ends(&["apply", "lakeside-prod", "lakeside-staging"], 64); // Nobody is there to ask.
    let text = aws.ends(&["apply", "--yes", "lakeside-prod", "lakeside-staging"], 0);
    assert!(text.contains("Applied: 30 stacks done."), "{text}");
    assert!(aws.ends(&["plan", "--detailed-exitcode", "lakeside-prod", "lakeside-staging"], 0).contains("No changes."));
    // Copies of the audit trail are locked in the bucket that its inventory names.
    let told = aws.ends(&["audit", "verify", "lakeside-prod", "lakeside-staging"], 0);
    assert!(told.contains("lakeside-prod: 1 copy of it") && told.contains("lakeside-staging: 1 copy"), "{told}");
    let listed = aws.s3("GET", "hospital-audit-copies?list-type=2", &[]);
    let key = listed.split("<Key>").nth(1).unwrap().split('<').next().unwrap();
    let lock = aws.s3("GET", &format!("hospital-audit-copies/{key}?retention"), &[]);
    assert!(lock.contains("COMPLIANCE") && lock.contains("<RetainUntilDate>20"), "{key}: {lock}");
    let readback = Command::new(testbed("aws/bin/python"))
        .arg(root().join("tests/testbed/readback.py"))
        .args([&aws.endpoint, aws.inventories().join("lakeside-prod.yaml").to_str().unwrap()])
        .output()
        .unwrap();
    let text = stdout(&readback) + &stderr(&readback);
    assert!(readback.status.success(), "{text}");
    println!("{text}");
    // No secret of the VPN in what CloudFormation was sent, nor in what it tells.
    for stack in ["lakeside-prod-vpn", "lakeside-prod-data"] {
        for action in ["GetTemplate", "DescribeStacks", "DescribeStackEvents"] {
            let answer = aws.query(
                "cloudformation",
                "210987654321",
                &format!("Action={action}&Version=2010-05-15&StackName={stack}"),
            );
            assert!(!answer.contains(VPN_KEY), "{action} of {stack} tells the VPN's key");
        }
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_site_lives_and_goes() {
    let aws = Aws::with_clinic();
    aws.applied();
    // A change to one pool changes that pool's stack alone.
    aws.edit("clinic.yaml", "desired: 3, max: 12", "desired: 4, max: 12");
    let plan = aws.ends(&["plan", "--detailed-exitcode"], 2);
    assert!(plan.contains("Plan: 1 stack in 1 site:"), "{plan}");
    let events = aws.ends(&["apply", "--yes", "--json"], 0);
    let lines: Vec<serde_json::Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["format"] == 1));
    assert_eq!(lines.last().unwrap()["success"], true);
    assert!(
        lines.iter().any(|line| line["event"] == "resource"
            && line["resource"] == "Group"
            && line["status"] == "UPDATE_COMPLETE")
    );
    aws.ends(&["plan", "--detailed-exitcode"], 0);
    // A pool that leaves the inventory is removed, protection and all.
    let pool = "  - name: slow\n    instanceTypes: [r6i.xlarge]\n    size: {min: 0, desired: 4, max: 8}\n    update: {by: instanceRefresh, minHealthyPercent: 75, pauseMinutes: 5, checkpoints: [50, 100]}\n";
    aws.edit("clinic.yaml", pool, "");
    let text = aws.applied();
    assert!(text.contains("- clinic-pool-slow") && text.contains("TerminationProtection: true → false"), "{text}");
    assert_eq!(aws.status("clinic-pool-slow"), "");
    // The site is protected until its inventory says otherwise, and that is applied.
    let refused = aws.ends(&["destroy", "clinic", "--confirm", "clinic"], 1);
    assert!(refused.contains("clinic is protected"), "{refused}");
    aws.edit("clinic.yaml", "registry:", "terminationProtection: false\nregistry:");
    let refused = aws.ends(&["destroy", "clinic", "--confirm", "clinic"], 1);
    assert!(refused.contains("AWS protects clinic-pool-general"), "{refused}");
    aws.applied();
    let refused = aws.ends(&["destroy", "clinic", "--confirm", "clinc"], 1);
    assert!(refused.contains("nothing was removed"));
    let text = aws.ends(&["destroy", "clinic", "--confirm", "clinic", "--data", "clinic-data/VolumeC"], 0);
    assert!(
        text.contains("clinic-data/VolumeA  AWS::EC2::Volume") && !text.contains("clinic-data/VolumeC  AWS"),
        "{text}"
    );
    assert!(text.contains("Applied: 12 stacks done."), "{text}");
    for stack in ["clinic-keys", "clinic-network", "clinic-data", "clinic-control-plane-a"] {
        assert_eq!(aws.status(stack), "");
    }
    // What holds data is kept, but for what was named.
    assert_eq!(aws.count("DescribeVolumes", "volumeId"), 2);
    assert_eq!(aws.count("DescribeLaunchTemplates", "launchTemplateId"), 0);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn looking_changes_nothing() {
    let aws = Aws::with_example();
    aws.ends(&["apply", "--yes", "lakeside-prod", "lakeside-staging"], 0);
    aws.edit("lakeside-prod.yaml", "min: 3, desired: 6, max: 24", "min: 3, desired: 7, max: 24");
    aws.forget_requests();
    aws.ends(&["plan", "--detailed-exitcode", "lakeside-prod", "lakeside-staging"], 2);
    aws.ends(&["drift", "lakeside-prod", "lakeside-staging"], 0);
    aws.ends(&["nodes", "lakeside-prod"], 0);
    let seen = aws.requests();
    // As AWS saw it: nothing but looks. Buckets are read by GET; a role is taken on.
    let changing: Vec<&String> = seen
        .iter()
        .filter(|line| {
            let action = line.split(' ').nth(1).unwrap_or_default();
            !["Describe", "Get", "List", "Detect", "AssumeRole", "GET", "HEAD"]
                .iter()
                .any(|verb| action.starts_with(verb))
        })
        .collect();
    assert!(seen.len() > 300, "{} requests are too few for a whole look", seen.len());
    assert!(changing.is_empty(), "{changing:?}");
    assert!(!seen.iter().any(|line| line.contains("GetSecretValue")), "no look reads a secret");
    println!("plan, drift and nodes of the estate: {} requests, none that changes anything", seen.len());
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn change_sets_are_shown_and_kept_or_removed() {
    let aws = Aws::with_clinic();
    aws.applied();
    aws.edit("clinic.yaml", "us-east-1c: 10.40.64.0/20", "us-east-1c: 10.40.80.0/20");
    aws.forget_requests();
    let text = aws.ends(&["plan", "--change-sets"], 0);
    let network = text.split("What CloudFormation would do").nth(1).unwrap();
    assert!(network.contains("PrivateSubnetC  EC2::Subnet  made anew"), "{text}");
    assert!(network.contains("CidrBlock (makes it anew)"), "{text}");
    // A stack that waits for another's new outputs is judged by what is there.
    assert!(!text.contains("which the plan does not name"), "{text}");
    let made = aws.requests().iter().filter(|line| line.ends_with("CreateChangeSet")).count();
    let removed = aws.requests().iter().filter(|line| line.ends_with("DeleteChangeSet")).count();
    assert!(made > 0 && made == removed, "{made} made, {removed} removed");
    assert!(!aws.requests().iter().any(|line| line.contains("Execute")));
    // With --out they are kept, and apply carries out those very ones.
    aws.ends(&["plan", "--change-sets", "--out", "plan.json"], 0);
    aws.forget_requests();
    aws.ends(&["apply", "--plan", "plan.json"], 0);
    aws.ends(&["plan", "--detailed-exitcode"], 0);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_saved_plan_is_carried_out_or_refused() {
    let aws = Aws::with_clinic();
    aws.ends(&["plan", "--out", "first.json"], 0);
    let text = aws.ends(&["apply", "--plan", "first.json"], 0);
    assert!(text.contains("Applied: 13 stacks done."), "{text}");
    // Carried out once more, there is nothing left of it.
    aws.ends(&["apply", "--plan", "first.json"], 0);

    aws.edit("clinic.yaml", "desired: 3, max: 12", "desired: 4, max: 12");
    aws.ends(&["plan", "--out", "grow.json"], 0);
    // The inventory moves.
    aws.edit("clinic.yaml", "desired: 4, max: 12", "desired: 5, max: 12");
    let text = aws.ends(&["apply", "--plan", "grow.json"], 1);
    assert!(
        text.contains("the plan is stale; nothing was changed") && text.contains("clinic: the inventory has changed"),
        "{text}"
    );
    aws.edit("clinic.yaml", "desired: 5, max: 12", "desired: 4, max: 12");
    // The lock file moves.
    let lock = aws.inventories().join("incline.lock");
    let pins = std::fs::read_to_string(&lock).unwrap();
    std::fs::write(&lock, format!("{pins}\n")).unwrap();
    assert!(aws.ends(&["apply", "--plan", "grow.json"], 1).contains("the incline.lock has changed"));
    std::fs::write(&lock, pins).unwrap();
    // A stack moves: somebody takes its protection away.
    aws.query(
        "cloudformation",
        ACCOUNT,
        "Action=UpdateTerminationProtection&Version=2010-05-15&StackName=clinic-keys&EnableTerminationProtection=false",
    );
    let text = aws.ends(&["apply", "--plan", "grow.json"], 1);
    assert!(text.contains("clinic-keys: has changed"), "{text}");
    aws.query(
        "cloudformation",
        ACCOUNT,
        "Action=UpdateTerminationProtection&Version=2010-05-15&StackName=clinic-keys&EnableTerminationProtection=true",
    );
    let text = aws.ends(&["apply", "--plan", "grow.json"], 0);
    assert!(text.contains("Applied: 1 stack done."), "{text}");
    std::fs::write(aws.folder.path().join("broken.json"), "{}").unwrap();
    assert!(aws.ends(&["apply", "--plan", "broken.json"], 1).contains("is no plan that this incline made"));
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_target_takes_what_it_needs_and_says_so() {
    let aws = Aws::with_clinic();
    let text = aws.ends(&["apply", "--yes", "--target", "clinic-registry"], 0);
    assert!(text.contains("clinic-keys is part of it: clinic-registry takes values from it"), "{text}");
    assert!(text.contains("Applied: 2 stacks done."), "{text}");
    assert_eq!(aws.status("clinic-network"), "");
    let text = aws.ends(&["apply", "--yes", "--target", "clinic-pool-*"], 0);
    assert!(text.contains("clinic-data is part of it"), "{text}");
    assert_eq!(aws.status("clinic-control-plane-a"), "");
    assert!(
        aws.ends(&["apply", "--yes", "--target", "clinic-registy"], 64).contains("did you mean `clinic-registry`?")
    );
    aws.applied();
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_account_is_checked_before_anything_is_asked() {
    let aws = Aws::with_clinic();
    aws.forget_requests();
    let output = aws.command(&["plan"]).env("AWS_ACCESS_KEY_ID", "999999999999").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("the credentials are for account 999999999999, and the inventory says 123456789012")
    );
    assert_eq!(aws.requests(), ["sts GetCallerIdentity"]);
    // A role of the site's is taken on, under a name that says who it was.
    aws.edit(
        "clinic.yaml",
        "registry:",
        "access: {role: \"arn:aws:iam::123456789012:role/incline\", externalId: clinic}\nregistry:",
    );
    let output = aws.command(&["plan"]).env("AWS_ACCESS_KEY_ID", "999999999999").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    // A role that asks for a code gets it from who sits there, or from the environment.
    aws.edit("clinic.yaml", "externalId: clinic}", "mfa: \"arn:aws:iam::999999999999:mfa/anna\"}");
    let output = aws.command(&["plan"]).env("AWS_ACCESS_KEY_ID", "999999999999").output().unwrap();
    assert!(stderr(&output).contains("asks for a code of arn:aws:iam::999999999999:mfa/anna"), "{}", stderr(&output));
    let output = aws
        .command(&["plan"])
        .env("AWS_ACCESS_KEY_ID", "999999999999")
        .env("INCLINE_MFA_CODE", "123456")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    // Without any credentials it says so, and how to get some.
    let output =
        aws.command(&["plan"]).env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot sign in"), "{}", stderr(&output));
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_is_not_incline_s_is_not_touched() {
    let aws = Aws::with_clinic();
    let template = r#"{"Resources":{"Topic":{"Type":"AWS::SNS::Topic"}}}"#;
    let encoded: String = template.bytes().map(|byte| format!("%{byte:02X}")).collect();
    aws.query(
        "cloudformation",
        ACCOUNT,
        &format!("Action=CreateStack&Version=2010-05-15&StackName=clinic-keys&TemplateBody={encoded}"),
    );
    let text = aws.ends(&["apply", "--yes"], 1);
    assert!(text.contains("clinic-keys: it could not be looked at: a stack of this name is there, and does not bear the tag incline:site: clinic"), "{text}");
    assert_eq!(aws.status("clinic-network"), "");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_the_plan_does_not_name_is_not_done() {
    let aws = Aws::with(
        &root().join("tests/cases/clinic/clinic.yaml"),
        &[("REPLACES", "AWS::CloudTrail::Trail.IncludeGlobalServiceEvents")],
    );
    aws.applied();
    // incline's table says in place; this AWS says that the trail is made anew.
    let templates = aws.folder.path().join("templates/stacks");
    std::fs::create_dir_all(&templates).unwrap();
    let logs = std::fs::read_to_string(root().join("templates/stacks/logs.yaml")).unwrap();
    std::fs::write(
        templates.join("logs.yaml"),
        logs.replace("IncludeGlobalServiceEvents: true", "IncludeGlobalServiceEvents: false"),
    )
    .unwrap();
    let with = ["--templates", templates.parent().unwrap().to_str().unwrap()];
    let plan = aws.ends(&[&["plan", "--change-sets"], with.as_slice()].concat(), 0);
    assert!(plan.contains("! makes Trail (AWS::CloudTrail::Trail) anew, which the plan does not name"), "{plan}");
    aws.forget_requests();
    let text = aws.ends(&[&["apply", "--yes"], with.as_slice()].concat(), 1);
    assert!(text.contains("CloudFormation would do what the plan does not name"), "{text}");
    assert!(text.contains("makes Trail (AWS::CloudTrail::Trail) anew"), "{text}");
    assert!(!aws.requests().iter().any(|line| line.contains("ExecuteChangeSet")));
    aws.ends(&["plan", "--detailed-exitcode"], 0);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn copies_in_s3_tell_what_was_taken_out_of_the_audit_trail() {
    let aws = Aws::with_clinic();
    aws.applied();
    aws.edit("clinic.yaml", "desired: 3, max: 12", "desired: 4, max: 12");
    aws.applied();
    let path = aws.folder.path().join("audit.jsonl");
    let whole = std::fs::read_to_string(&path).unwrap();
    assert!(
        whole.contains("\"caller\":\"arn:aws:") && whole.contains("\"event\":\"sent\"") && !whole.contains(VPN_KEY)
    );
    let told = aws.ends(&["audit", "verify", "clinic"], 0);
    assert!(told.contains("clinic: 2 copies of it") && told.contains("Whole:"), "{told}");
    // A trail whose last run was cut off holds as a chain; the copies say what is missing.
    let second = whole.match_indices("\"kind\":\"began\"").nth(1).unwrap().0;
    let cut = whole[..second].rfind('\n').unwrap() + 1;
    std::fs::write(&path, &whole[..cut]).unwrap();
    assert!(aws.ends(&["audit", "verify"], 0).contains("Whole:"));
    let told = aws.ends(&["audit", "verify", "clinic"], 1);
    assert!(told.contains("the trail has no such record any more"), "{told}");
    // Another machine's trail is not measured by ours.
    std::fs::remove_file(&path).unwrap();
    aws.ends(&["drift", "clinic"], 0);
    let told = aws.ends(&["audit", "verify", "clinic"], 0);
    assert!(told.contains("no copy of this trail; it keeps 1 trail of other machines"), "{told}");
}
