//! What goes wrong between incline and AWS: throttling, faults of AWS's, cut connections, slow answers, credentials that end in
//! mid-apply, rights that are missing. Each is survived, or said and taken up again; nothing is done twice, nothing lost.
use super::*;

/// Applies with a fault in the way; whether it ends well or not, once the fault is gone the same command ends well.
fn survives(aws: &Aws, name: &str, rules: &str, ends_well: bool, says: &str) -> String {
    aws.query("cloudformation", ACCOUNT, "Action=DescribeStacks&Version=2010-05-15");
    aws.network_faults(rules);
    let output = aws.run(&["apply", "--yes"]);
    let text = stdout(&output) + &stderr(&output);
    assert_eq!(output.status.success(), ends_well, "{name}: {text}");
    assert!(text.contains(says), "{name}: {text}");
    let fired = aws.fired();
    assert!(fired > 0, "{name}: the fault never came");
    aws.network_faults("[]");
    aws.applied();
    text
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn faults_are_survived_and_counted() {
    let mut table = Vec::new();
    for (name, rules, ends_well, says) in [
        (
            "500 of AWS's",
            r#"[{"service":"cloudformation","operation":"DescribeStacks","sequence":{"fail":1,"pass":3},"error":{"code":"InternalFailure","status":500}}]"#,
            true,
            "Applied:",
        ),
        ("503 of S3's", r#"[{"service":"s3","times":3,"error":{"code":"SlowDown","status":503}}]"#, true, "Applied:"),
        (
            "connection cut before the answer",
            r#"[{"service":"cloudformation","operation":"CreateChangeSet","times":3,"reset":true},{"service":"cloudformation","operation":"DescribeStackEvents","times":5,"reset":true}]"#,
            true,
            "Applied:",
        ),
        (
            "connection cut after the request was carried out",
            r#"[{"service":"cloudformation","operation":"ExecuteChangeSet","times":4,"response":{"abort_frac":0.3}},{"service":"cloudformation","operation":"CreateChangeSet","times":2,"response":{"abort_frac":0.3}}]"#,
            true,
            "Applied:",
        ),
        (
            "slow answers",
            r#"[{"service":"cloudformation","probability":0.3,"deterministic":false,"times":40,"latency":{"min":200,"max":700}}]"#,
            true,
            "Applied:",
        ),
        (
            "token ends in mid-apply",
            r#"[{"service":"cloudformation","operation":"CreateChangeSet","body":"StackName == 'clinic-data'","error":{"code":"ExpiredToken","status":403,"message":"The security token included in the request is expired"}}]"#,
            false,
            "sign in again (for SSO: `aws sso login`), then run the same command",
        ),
        (
            "token ends while CloudFormation is at work",
            r#"[{"service":"cloudformation","operation":"DescribeStackEvents","body":"contains(StackName, 'clinic-endpoints')","error":{"code":"ExpiredToken","status":403,"message":"The security token included in the request is expired"}}]"#,
            false,
            "sign in again (for SSO: `aws sso login`), then run the same command",
        ),
        (
            "a right is missing",
            r#"[{"service":"cloudformation","operation":"ExecuteChangeSet","body":"contains(ChangeSetName, '')","error":{"code":"AccessDenied","status":403,"message":"User is not authorized to perform: cloudformation:ExecuteChangeSet"}}]"#,
            false,
            "`incline iam-policy SITE` prints the rights",
        ),
        (
            "AWS is down for good",
            r#"[{"service":"cloudformation","operation":"CreateChangeSet","error":{"code":"ServiceUnavailable","status":503}}]"#,
            false,
            "it takes up what is under way",
        ),
    ] {
        let aws = Aws::with_clinic().behind_faults();
        survives(&aws, name, rules, ends_well, says);
        println!("{name}: survived");
        // Nothing was done twice: one VPC, one launch template a machine's group, each at its first version.
        assert_eq!(aws.count("DescribeVpcs&Filter.1.Name=cidr&Filter.1.Value.1=10.40.0.0/16", "vpcId"), 1, "{name}");
        assert_eq!(aws.count("DescribeVolumes", "volumeId"), 3, "{name}");
        let templates = aws.query("ec2", ACCOUNT, "Action=DescribeLaunchTemplates&Version=2016-11-15");
        assert_eq!(templates.matches("<latestVersionNumber>1<").count(), 5, "{name}: {templates}");
        table.push(name);
    }
    // Throttled as AWS throttles: ten requests a second, from a bucket of twenty.
    let aws = Aws::with(&root().join("tests/cases/clinic/clinic.yaml"), &[("THROTTLE", "10")]);
    aws.applied();
    assert!(aws.requests().iter().any(|line| line.ends_with(" throttled")));
    table.push("throttled");
    println!("faults between incline and AWS: tried {0} / survived {0} / lost 0 ({1})", table.len(), table.join("; "));
}
