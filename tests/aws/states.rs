//! Every state that a stack can be in has its way on, and each is gone here.
use super::*;

/// Makes a change that updates the balancer's stack: its group's rule and the balancer itself.
fn change_balancer(aws: &Aws) {
    aws.edit("clinic.yaml", "allow: [10.0.0.0/8]", "allow: [10.0.0.0/8]\n    idleSeconds: 300");
}

const BALANCER: &str = "clinic-balancer-portal";

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn review_in_progress_is_taken_up() {
    let aws = Aws::with_clinic();
    aws.ends(&["plan", "--change-sets", "--out", "plan.json"], 0);
    assert_eq!(aws.status("clinic-keys"), "REVIEW_IN_PROGRESS");
    aws.applied();
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn rollback_complete_is_deleted_when_nothing_is_left_in_it() {
    let aws = Aws::with_clinic();
    aws.faults(r#"{"NodeGroup": {"operation": "create", "reason": "The maximum number of security groups has been reached", "times": 1}}"#);
    let text = aws.ends(&["apply", "--yes"], 1);
    assert!(text.contains("✗ clinic-network: NodeGroup (AWS::EC2::SecurityGroup): The maximum number of security groups has been reached"), "{text}");
    assert!(text.contains("1 stack done, 1 failed, 11 not begun"), "{text}");
    assert_eq!(aws.status("clinic-network"), "ROLLBACK_COMPLETE");
    assert!(aws.ends(&["plan"], 0).contains("is ROLLBACK_COMPLETE: the stack, which holds nothing, is deleted first"));
    aws.applied();
    assert_eq!(aws.count("DescribeVpcs&Filter.1.Name=cidr&Filter.1.Value.1=10.40.0.0/16", "vpcId"), 1);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_failed_creation_leaves_no_retained_thing_in_the_way() {
    // The artifact bucket is retained, and made before what fails: without care the next try would find its name taken.
    let aws = Aws::with_clinic();
    aws.faults(r#"{"ControlPlaneProfile": {"operation": "create", "reason": "no", "times": 1}}"#);
    aws.ends(&["apply", "--yes"], 1);
    assert_eq!(aws.status("clinic-data"), "ROLLBACK_COMPLETE");
    aws.applied();
    assert_eq!(aws.count("DescribeVolumes", "volumeId"), 3);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn rollback_complete_with_something_left_is_a_person_s_to_clear() {
    let aws = Aws::with_clinic();
    aws.ends(&["apply", "--yes", "--target", "clinic-keys"], 0);
    // Somebody made it by hand, without incline's care for what is retained.
    aws.faults(r#"{"Broken": {"operation": "create", "reason": "no"}}"#);
    let template = r#"{"Resources":{"Kept":{"Type":"AWS::S3::Bucket","DeletionPolicy":"Retain","Properties":{"BucketName":"kept-by-hand"}},"Broken":{"Type":"AWS::SNS::Topic","DependsOn":"Kept"}}}"#;
    create_by_hand(&aws, "clinic-registry", template, "ROLLBACK");
    assert_eq!(aws.status("clinic-registry"), "ROLLBACK_COMPLETE");
    aws.faults("{}");
    let text = aws.ends(&["apply", "--yes"], 1);
    assert!(
        text.contains("left something behind") && text.contains("Kept (AWS::S3::Bucket, kept-by-hand) DELETE_SKIPPED"),
        "{text}"
    );
    assert_eq!(aws.status("clinic-registry"), "ROLLBACK_COMPLETE");
}

/// Makes a stack by a hand that is not incline's, marked as incline's.
fn create_by_hand(aws: &Aws, stack: &str, template: &str, on_failure: &str) {
    let encoded: String = template.bytes().map(|byte| format!("%{byte:02X}")).collect();
    aws.query(
        "cloudformation",
        ACCOUNT,
        &format!("Action=CreateStack&Version=2010-05-15&StackName={stack}&OnFailure={on_failure}&TemplateBody={encoded}&Tags.member.1.Key=incline:site&Tags.member.1.Value=clinic"),
    );
    settle(aws, stack);
}

fn settle(aws: &Aws, stack: &str) {
    for _ in 0..100 {
        if !aws.status(stack).ends_with("IN_PROGRESS") {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{stack} stays {}", aws.status(stack));
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn create_failed_is_rolled_back_and_made_anew() {
    let aws = Aws::with_clinic();
    aws.ends(&["apply", "--yes", "--target", "clinic-keys"], 0);
    aws.faults(r#"{"Broken": {"operation": "create", "reason": "no"}}"#);
    let template =
        r#"{"Resources":{"Topic":{"Type":"AWS::SNS::Topic"},"Broken":{"Type":"AWS::SNS::Topic","DependsOn":"Topic"}}}"#;
    create_by_hand(&aws, "clinic-registry", template, "DO_NOTHING");
    assert_eq!(aws.status("clinic-registry"), "CREATE_FAILED");
    aws.faults("{}");
    let plan = aws.ends(&["plan"], 0);
    assert!(
        plan.contains("is CREATE_FAILED: what failed is rolled back first")
            && plan.contains("Broken (AWS::SNS::Topic, "),
        "{plan}"
    );
    aws.applied();
    assert_eq!(aws.status("clinic-registry"), "CREATE_COMPLETE");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn update_rollback_complete_is_tried_again() {
    let aws = Aws::with_clinic();
    aws.applied();
    change_balancer(&aws);
    aws.faults(r#"{"Balancer": {"operation": "update", "reason": "Rate exceeded", "times": 1}}"#);
    let text = aws.ends(&["apply", "--yes"], 1);
    assert!(text.contains("Balancer (AWS::ElasticLoadBalancing::LoadBalancer): Rate exceeded"), "{text}");
    assert!(text.contains("CloudFormation went back to what was before"), "{text}");
    assert_eq!(aws.status(BALANCER), "UPDATE_ROLLBACK_COMPLETE");
    aws.applied();
}

/// Brings the balancer's stack into UPDATE_ROLLBACK_FAILED: the record is changed, the balancer refuses, and the record
/// refuses to go back.
fn stick(aws: &Aws) {
    aws.applied();
    aws.edit("clinic.yaml", "domain: clinic.internal", "domain: clinic.internal\n# moved");
    change_balancer(aws);
    aws.edit("clinic.yaml", "listeners: [{port: 443, nodePort: 30443, protocol: passthrough}]", "listeners: [{port: 443, nodePort: 30443, protocol: passthrough}, {port: 8443, nodePort: 30443, protocol: passthrough}]");
    aws.faults(r#"{"Group": {"operation": "update", "reason": "the rule is in use", "after": 1, "times": 1}, "Balancer": {"operation": "update", "reason": "no such port", "times": 1}}"#);
    let text = aws.ends(&["apply", "--yes", "--target", BALANCER], 1);
    assert!(text.contains("no such port"), "{text}");
    assert_eq!(aws.status(BALANCER), "UPDATE_ROLLBACK_FAILED", "{text}");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn update_rollback_failed_is_continued() {
    let aws = Aws::with_clinic();
    stick(&aws);
    let plan = aws.ends(&["plan"], 0);
    assert!(plan.contains("is UPDATE_ROLLBACK_FAILED: its rollback is taken up again first"), "{plan}");
    aws.applied();
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn update_rollback_failed_passes_over_what_is_named() {
    let aws = Aws::with_clinic();
    stick(&aws);
    // It refuses again and again: the way on is said, and is a resource named by a person.
    aws.faults(r#"{"Group": {"operation": "update", "reason": "the rule is in use", "times": 1}}"#);
    let text = aws.ends(&["apply", "--yes"], 1);
    assert!(
        text.contains("Group (AWS::EC2::SecurityGroup): the rule is in use")
            && text.contains(&format!("--skip {BALANCER}/RESOURCE")),
        "{text}"
    );
    assert_eq!(aws.status(BALANCER), "UPDATE_ROLLBACK_FAILED");
    aws.faults("{}");
    aws.ends(&["apply", "--yes", "--skip", &format!("{BALANCER}/Group")], 0);
    aws.ends(&["plan", "--detailed-exitcode"], 0);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn update_failed_is_rolled_back_and_tried_again() {
    let aws = Aws::with_clinic();
    aws.applied();
    change_balancer(&aws);
    aws.ends(&["plan", "--change-sets", "--out", "plan.json"], 0);
    // Somebody carries the change set out by hand, with rollback switched off.
    let sets =
        aws.query("cloudformation", ACCOUNT, &format!("Action=ListChangeSets&Version=2010-05-15&StackName={BALANCER}"));
    let set = sets.split("<member>").find(|set| set.contains("<ExecutionStatus>AVAILABLE<")).unwrap();
    let set = between(set, "<ChangeSetName>", "<").unwrap();
    aws.faults(r#"{"Balancer": {"operation": "update", "reason": "no", "times": 1}}"#);
    aws.query(
        "cloudformation",
        ACCOUNT,
        &format!(
            "Action=ExecuteChangeSet&Version=2010-05-15&StackName={BALANCER}&ChangeSetName={set}&DisableRollback=true"
        ),
    );
    settle(&aws, BALANCER);
    assert_eq!(aws.status(BALANCER), "UPDATE_FAILED");
    assert!(aws.ends(&["plan"], 0).contains("is UPDATE_FAILED: what failed is rolled back first"));
    aws.applied();
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn delete_failed_is_finished_or_left_where_it_is_named() {
    let aws = Aws::with_clinic();
    aws.edit("clinic.yaml", "registry:", "terminationProtection: false\nregistry:");
    aws.applied();
    aws.faults(r#"{"Balancer": {"operation": "delete", "reason": "resource has a dependent object", "times": 1}}"#);
    let text = aws.ends(&["destroy", "clinic", "--confirm", "clinic"], 1);
    assert!(
        text.contains("Balancer (AWS::ElasticLoadBalancing::LoadBalancer): resource has a dependent object"),
        "{text}"
    );
    let stuck = ["clinic-api", BALANCER].into_iter().find(|stack| aws.status(stack) == "DELETE_FAILED").unwrap();
    let plan = aws.ends(&["plan"], 0);
    assert!(plan.contains("is DELETE_FAILED: its deletion is taken up again first"), "{plan}");
    // Destroying again finishes it.
    aws.ends(&["destroy", "clinic", "--confirm", "clinic"], 0);
    assert_eq!(aws.status(stuck), "");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn delete_failed_of_a_stack_that_is_wished_for_is_finished_and_made_anew() {
    let aws = Aws::with_clinic();
    aws.applied();
    aws.query("cloudformation", ACCOUNT, &format!("Action=UpdateTerminationProtection&Version=2010-05-15&StackName={BALANCER}&EnableTerminationProtection=false"));
    aws.faults(r#"{"Group": {"operation": "delete", "reason": "resource sg has a dependent object"}}"#);
    aws.query("cloudformation", ACCOUNT, &format!("Action=DeleteStack&Version=2010-05-15&StackName={BALANCER}"));
    settle(&aws, BALANCER);
    assert_eq!(aws.status(BALANCER), "DELETE_FAILED");
    let text = aws.ends(&["apply", "--yes"], 1);
    assert!(
        text.contains("resource sg has a dependent object") && text.contains(&format!("--retain {BALANCER}/RESOURCE")),
        "{text}"
    );
    aws.ends(&["apply", "--yes", "--retain", &format!("{BALANCER}/Group")], 0);
    aws.ends(&["plan", "--detailed-exitcode"], 0);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_is_in_progress_is_followed_to_its_end() {
    let aws = Aws::with_clinic();
    aws.faults(r#"{"*": {"seconds": 0.3}}"#);
    let mut child = aws.command(&["apply", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while aws.status("clinic-network") != "CREATE_IN_PROGRESS" {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let plan = aws.ends(&["plan"], 1);
    assert!(plan.contains("! clinic-network: CloudFormation is at work on it (CREATE_IN_PROGRESS)"), "{plan}");
    aws.faults(r#"{"*": {"seconds": 0.05}}"#);
    let text = aws.applied();
    assert!(text.contains("clinic-network  CloudFormation is at work on it: following it to its end"), "{text}");
    // An update of somebody else's, and a deletion.
    change_balancer(&aws);
    aws.faults(r#"{"Balancer": {"seconds": 1}}"#);
    let mut child = aws.command(&["apply", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while aws.status(BALANCER) != "UPDATE_IN_PROGRESS" {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    aws.applied();
    aws.query("cloudformation", ACCOUNT, &format!("Action=UpdateTerminationProtection&Version=2010-05-15&StackName={BALANCER}&EnableTerminationProtection=false"));
    aws.query("cloudformation", ACCOUNT, &format!("Action=DeleteStack&Version=2010-05-15&StackName={BALANCER}"));
    assert_eq!(aws.status(BALANCER), "DELETE_IN_PROGRESS");
    aws.applied();
    assert_eq!(aws.status(BALANCER), "CREATE_COMPLETE");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn an_empty_change_set_is_no_failure_and_leaves_nothing() {
    let aws = Aws::with_clinic();
    aws.applied();
    // Only protection and policy differ: no change set is made for them at all.
    aws.query("cloudformation", ACCOUNT, &format!("Action=UpdateTerminationProtection&Version=2010-05-15&StackName={BALANCER}&EnableTerminationProtection=false"));
    aws.query(
        "cloudformation",
        ACCOUNT,
        "Action=SetStackPolicy&Version=2010-05-15&StackName=clinic-data&StackPolicyBody=%7B%22Statement%22:[]%7D",
    );
    let plan = aws.ends(&["plan", "--detailed-exitcode"], 2);
    assert!(plan.contains("TerminationProtection: false → true") && plan.contains("StackPolicy:"), "{plan}");
    aws.forget_requests();
    aws.applied();
    assert!(!aws.requests().iter().any(|line| line.contains("ChangeSet")), "{:?}", aws.requests());
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn ctrl_c_names_what_is_under_way_and_how_to_go_on() {
    let aws = Aws::with_clinic();
    aws.faults(r#"{"*": {"seconds": 0.3}}"#);
    let child = aws.command(&["apply", "--yes"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while aws.status("clinic-network") != "CREATE_IN_PROGRESS" {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains("… clinic-network: CloudFormation goes on by itself (CREATE_IN_PROGRESS)"), "{text}");
    assert!(text.contains("run the same command again: it follows what is under way"), "{text}");
    assert!(text.contains("Not all applied: 1 stack done, 1 under way, 11 not begun."), "{text}");
    aws.faults("{}");
    aws.applied();
}
