//! What goes wrong between incline and AWS: throttling, faults of AWS's, cut connections, slow answers, credentials that expire in
//! mid-apply, missing rights. Each is survived, or named and taken up again; nothing is done twice, nothing lost.
use super::*;

/// Applies with a fault in the way, by microburst's `rules`; whether it ends well or not, once the fault is gone the same command ends
/// well.
fn survives(rules: &str, ends_well: bool, says: &str) {
    let aws = Aws::with_clinic().behind_faults();
    aws.query("cloudformation", ACCOUNT, "Action=DescribeStacks&Version=2010-05-15");
    aws.network_faults(rules);
    let output = aws.run(&["apply", "--yes"]);
    let text = stdout(&output) + &stderr(&output);
    assert_eq!(output.status.success(), ends_well, "{text}");
    assert!(text.contains(says), "{text}");
    assert!(aws.fired() > 0, "the fault never came");
    aws.network_faults("[]");
    aws.applied();
    // Nothing was done twice: one VPC, one launch template a machine's group, each at its first version.
    assert_eq!(aws.count("DescribeVpcs&Filter.1.Name=cidr&Filter.1.Value.1=10.40.0.0/16", "vpcId"), 1);
    assert_eq!(aws.count("DescribeVolumes", "volumeId"), 3);
    let templates = aws.query("ec2", ACCOUNT, "Action=DescribeLaunchTemplates&Version=2016-11-15");
    assert_eq!(templates.matches("<latestVersionNumber>1<").count(), 5, "{templates}");
}

#[test]
#[ignore = "needs the testbed"]
fn internal_failures_of_aws() {
    survives(
        r#"[{"service":"cloudformation","operation":"DescribeStacks","sequence":{"fail":1,"pass":3},"error":{"code":"InternalFailure","status":500}}]"#,
        true,
        "Applied:",
    );
}

#[test]
#[ignore = "needs the testbed"]
fn s3_slows_down() {
    survives(r#"[{"service":"s3","times":3,"error":{"code":"SlowDown","status":503}}]"#, true, "Applied:");
}

#[test]
#[ignore = "needs the testbed"]
fn connections_are_cut_before_the_answer() {
    survives(
        r#"[{"service":"cloudformation","operation":"CreateChangeSet","times":3,"reset":true},{"service":"cloudformation","operation":"DescribeStackEvents","times":5,"reset":true}]"#,
        true,
        "Applied:",
    );
}

#[test]
#[ignore = "needs the testbed"]
fn connections_are_cut_after_the_request_was_carried_out() {
    survives(
        r#"[{"service":"cloudformation","operation":"ExecuteChangeSet","times":4,"response":{"abort_frac":0.3}},{"service":"cloudformation","operation":"CreateChangeSet","times":2,"response":{"abort_frac":0.3}}]"#,
        true,
        "Applied:",
    );
}

#[test]
#[ignore = "needs the testbed"]
fn answers_are_slow() {
    survives(
        r#"[{"service":"cloudformation","probability":0.3,"deterministic":false,"times":40,"latency":{"min":200,"max":700}}]"#,
        true,
        "Applied:",
    );
}

#[test]
#[ignore = "needs the testbed"]
fn credentials_expire_in_mid_apply() {
    survives(
        r#"[{"service":"cloudformation","operation":"CreateChangeSet","body":"StackName == 'clinic-data'","error":{"code":"ExpiredToken","status":403,"message":"The security token included in the request is expired"}}]"#,
        false,
        "sign in again (for SSO: `aws sso login`), then run the same command",
    );
}

#[test]
#[ignore = "needs the testbed"]
fn credentials_expire_while_cloudformation_is_at_work() {
    survives(
        r#"[{"service":"cloudformation","operation":"DescribeStackEvents","body":"contains(StackName, 'clinic-endpoints')","error":{"code":"ExpiredToken","status":403,"message":"The security token included in the request is expired"}}]"#,
        false,
        "sign in again (for SSO: `aws sso login`), then run the same command",
    );
}

#[test]
#[ignore = "needs the testbed"]
fn a_right_is_missing() {
    survives(
        r#"[{"service":"cloudformation","operation":"ExecuteChangeSet","body":"contains(ChangeSetName, '')","error":{"code":"AccessDenied","status":403,"message":"User is not authorized to perform: cloudformation:ExecuteChangeSet"}}]"#,
        false,
        "`incline iam-policy SITE` prints the rights",
    );
}

#[test]
#[ignore = "needs the testbed"]
fn aws_is_down() {
    survives(
        r#"[{"service":"cloudformation","operation":"CreateChangeSet","error":{"code":"ServiceUnavailable","status":503}}]"#,
        false,
        "it takes up what is under way",
    );
}

/// As AWS throttles: ten requests a second, from a bucket of twenty.
#[test]
#[ignore = "needs the testbed"]
fn requests_are_throttled() {
    let aws = Aws::with(&root().join("tests/cases/clinic/clinic.yaml"), &[("THROTTLE", "10")]);
    aws.applied();
    assert!(aws.requests().iter().any(|line| line.ends_with(" throttled")));
}
