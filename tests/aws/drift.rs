//! Drift: planted by a hand behind incline's back, found by name, mended, borne where the inventory says so, and never
//! invented.
use super::*;

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_is_planted_is_found_and_nothing_else() {
    let aws = Aws::with_example();
    aws.ends(&["apply", "--yes", "lakeside-prod", "lakeside-staging"], 0);
    let quiet = aws.ends(&["drift", "lakeside-prod", "lakeside-staging"], 0);
    assert!(quiet.contains("No drift:"), "{quiet}");
    let account = "210987654321";
    let groups = aws.query("ec2", account, "Action=DescribeSecurityGroups&Version=2016-11-15");
    let group = |description: &str| {
        let item =
            groups.split("<groupId>").find(|part| part.contains(&format!("<groupDescription>{description}<"))).unwrap();
        item.split('<').next().unwrap().to_owned()
    };
    let ec2 = |form: &str| aws.query("ec2", account, &format!("Version=2016-11-15&{form}"));
    let elb = |form: &str| aws.query("elasticloadbalancing", account, &format!("Version=2012-06-01&{form}"));
    let vpn = aws.query("ec2", account, "Action=DescribeVpnConnections&Version=2016-11-15");
    let connection = between(&vpn, "<vpnConnectionId>", "<").unwrap();
    let vpc =
        between(&ec2("Action=DescribeVpcs&Filter.1.Name=cidr&Filter.1.Value.1=10.20.0.0/16"), "<vpcId>", "<").unwrap();
    let gateway = between(&ec2("Action=DescribeVpnGateways"), "<vpnGatewayId>", "<").unwrap();
    let tables = ec2("Action=DescribeRouteTables");
    let table = tables
        .split("<routeTableId>")
        .find(|part| part.contains(&gateway))
        .unwrap()
        .split('<')
        .next()
        .unwrap()
        .to_owned();
    let templates = ec2("Action=DescribeLaunchTemplates");
    let template = templates
        .split("<launchTemplateId>")
        .find(|part| part.contains("pool-edge"))
        .unwrap()
        .split('<')
        .next()
        .unwrap()
        .to_owned();

    elb(
        "Action=ModifyLoadBalancerAttributes&LoadBalancerName=lakeside-prod-clinical&LoadBalancerAttributes.AccessLog.Enabled=false",
    );
    elb("Action=DeleteLoadBalancerListeners&LoadBalancerName=lakeside-prod-clinical&LoadBalancerPorts.member.1=11112");
    ec2(&format!(
        "Action=AuthorizeSecurityGroupIngress&GroupId={}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0",
        group("lakeside-prod workers")
    ));
    ec2(&format!(
        "Action=ModifyVpnTunnelOptions&VpnConnectionId={connection}&VpnTunnelOutsideIpAddress=203.0.113.1&TunnelOptions.Phase1DHGroupNumber.1.Value=2"
    ));
    ec2(&format!("Action=CreateTags&ResourceId.1={vpc}&Tag.1.Key=owner&Tag.1.Value=somebody"));
    ec2(&format!("Action=DisableVgwRoutePropagation&GatewayId={gateway}&RouteTableId={table}"));
    ec2(&format!(
        "Action=CreateLaunchTemplateVersion&LaunchTemplateId={template}&SourceVersion=1&LaunchTemplateData.InstanceType=c6i.metal"
    ));
    aws.json("secretsmanager", account, "secretsmanager.DeleteSecret", r#"{"SecretId":"lakeside-prod/worker-join"}"#);
    let policy = r#"{"repositoryName":"portal/web","policyText":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"ecr:BatchGetImage\"}]}"}"#;
    aws.json("ecr", account, "AmazonEC2ContainerRegistry_V20150921.SetRepositoryPolicy", policy);
    aws.query("cloudformation", account, "Action=UpdateTerminationProtection&Version=2010-05-15&StackName=lakeside-prod-keys&EnableTerminationProtection=false");

    let report: serde_json::Value =
        serde_json::from_str(&aws.ends(&["drift", "--json", "lakeside-prod", "lakeside-staging"], 2)).unwrap();
    assert_eq!(report["format"], 3);
    let mut found: Vec<String> = report["sites"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|site| site["findings"].as_array().unwrap())
        .filter(|finding| finding["state"]["state"] == "drifted")
        .map(|finding| {
            let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            format!(
                "{}/{} {}: {} -> {}",
                word(&finding["target"]),
                word(&finding["resource"]),
                word(&finding["state"]["property"]),
                word(&finding["state"]["expected"]),
                word(&finding["state"]["actual"])
            )
            .replace(&table, "TABLE")
        })
        .collect();
    found.sort();
    insta::assert_snapshot!(found.join("\n"));

    // Repaired as far as it can be; what cannot is named, and is no success.
    let text = aws.ends(&["apply", "--mend-drift", "--yes", "lakeside-prod", "lakeside-staging"], 2);
    println!("{text}");
    assert!(text.contains("Drift is left that incline cannot repair: 2 findings."), "{text}");
    let again = aws.ends(&["apply", "--mend-drift", "--yes", "lakeside-prod", "lakeside-staging"], 2);
    assert!(again.contains("drift that cannot be repaired") && !again.contains("Nothing to do"), "{again}");
    aws.ends(&["plan", "--mend-drift", "--detailed-exitcode", "lakeside-prod", "lakeside-staging"], 2);
    let left = aws.ends(&["drift", "lakeside-prod", "lakeside-staging"], 2);
    let left: Vec<&str> =
        left.split("\n  not covered").next().unwrap().lines().filter(|line| line.contains(" → ")).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left[0].contains("marked for deletion") && left[1].contains("c6i.large → c6i.metal"), "{left:?}");
    assert!(
        text.contains("no group uses it, delete it by hand") && text.contains("WorkerJoin is marked for deletion"),
        "{text}"
    );
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn known_drift_is_borne_for_a_time_and_a_failed_look_is_not_in_sync() {
    let aws = Aws::with_clinic().behind_faults();
    aws.applied();
    aws.query("elasticloadbalancing", ACCOUNT, "Action=ModifyLoadBalancerAttributes&Version=2012-06-01&LoadBalancerName=clinic-portal&LoadBalancerAttributes.ConnectionSettings.IdleTimeout=90");
    aws.ends(&["drift"], 2);
    let rule = |until: &str| {
        format!(
            "drift:\n  ignore:\n    - {{where: \"clinic-balancer-*/Balancer\", property: \"ConnectionSettings*\", reason: \"tried out until the ticket is closed\", until: {until}}}\nregistry:"
        )
    };
    aws.edit("clinic.yaml", "registry:", &rule("2100-01-01"));
    let text = aws.ends(&["drift"], 0);
    assert!(text.contains("until 2100-01-01: tried out until the ticket is closed"), "{text}");
    aws.edit("clinic.yaml", "2100-01-01", "2020-01-01");
    aws.ends(&["drift"], 2);
    aws.query("elasticloadbalancing", ACCOUNT, "Action=ModifyLoadBalancerAttributes&Version=2012-06-01&LoadBalancerName=clinic-portal&LoadBalancerAttributes.ConnectionSettings.IdleTimeout=60");
    // The inventory is ahead: that is pending, and no drift.
    aws.edit("clinic.yaml", "max: 12", "max: 13");
    let text = aws.ends(&["drift"], 0);
    assert!(text.contains("pending: the inventory is ahead") && text.contains("clinic-pool-general"), "{text}");
    aws.edit("clinic.yaml", "max: 13", "max: 12");
    // Without the right to look, it was not checked, and the exit code says so.
    aws.network_faults(
        r#"[{"service":"kms","operation":"GetKeyPolicy","error":{"code":"AccessDeniedException","status":400}}]"#,
    );
    let text = aws.ends(&["drift"], 1);
    assert!(text.contains("kms GetKeyPolicy") && text.contains("Not all checked:"), "{text}");
    let text = aws.ends(&["plan", "--mend-drift"], 1);
    assert!(text.contains("\n  not checked\n") && !text.contains("Nothing to do"), "{text}");
    // Drift besides what was not checked: the code that says that not all is known comes first.
    aws.query("elasticloadbalancing", ACCOUNT, "Action=ModifyLoadBalancerAttributes&Version=2012-06-01&LoadBalancerName=clinic-portal&LoadBalancerAttributes.ConnectionSettings.IdleTimeout=90");
    let text = aws.ends(&["drift"], 1);
    assert!(text.contains("1 drifted") && text.contains("not checked"), "{text}");
    aws.query("elasticloadbalancing", ACCOUNT, "Action=ModifyLoadBalancerAttributes&Version=2012-06-01&LoadBalancerName=clinic-portal&LoadBalancerAttributes.ConnectionSettings.IdleTimeout=60");
    // A look that fails is the same.
    aws.network_faults(
        r#"[{"service":"kms","operation":"GetKeyPolicy","error":{"code":"InternalFailure","status":500}}]"#,
    );
    let text = aws.ends(&["drift"], 1);
    assert!(text.contains("\n  not checked\n") && text.contains("Not all checked:"), "{text}");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn evidence_tells_what_holds_what_has_drifted_and_who_changed_what() {
    let aws = Aws::with_example();
    aws.ends(&["apply", "--yes", "lakeside-prod", "lakeside-staging"], 0);
    let evidence = |code: i32| -> serde_json::Value {
        aws.ends(&["evidence", "lakeside-prod", "--out", "evidence"], code);
        serde_json::from_slice(&std::fs::read(aws.folder.path().join("evidence/lakeside-prod.json")).unwrap()).unwrap()
    };
    let standing = |evidence: &serde_json::Value, rule: &str| {
        let all = evidence["safeguards"].as_array().unwrap();
        all.iter().find(|one| one["rule"] == rule).unwrap()["standing"].as_str().unwrap().to_owned()
    };
    let sound = evidence(0);
    assert_eq!(sound["looked"], true);
    assert_eq!(standing(&sound, "balancer-logs"), "holds");
    assert_eq!(standing(&sound, "disk-encrypted"), "not-applicable");
    let change = &sound["changes"][0];
    assert_eq!((change["command"].as_str(), change["success"].as_bool()), (Some("apply"), Some(true)));
    assert!(change["callers"][0].as_str().unwrap().starts_with("arn:aws:"), "{change}");
    assert_eq!(sound["looks"].as_array().unwrap().len(), 1, "making evidence is a look, too");
    assert_eq!(sound["trail"]["whole"], true);
    // Somebody switches a balancer's log off: what the templates say holds, and what is there does not.
    aws.query("elasticloadbalancing", "210987654321", "Action=ModifyLoadBalancerAttributes&Version=2012-06-01&LoadBalancerName=lakeside-prod-clinical&LoadBalancerAttributes.AccessLog.Enabled=false");
    let drifted = evidence(2);
    assert_eq!(standing(&drifted, "balancer-logs"), "drifted");
    assert_eq!(standing(&drifted, "volume-encrypted"), "holds");
    // What is deployed is judged, too: a site that was made before its inventory was good is not good yet.
    let stack = "lakeside-prod-logs";
    let template = aws.query(
        "cloudformation",
        "210987654321",
        &format!("Action=GetTemplate&Version=2010-05-15&StackName={stack}"),
    );
    assert!(template.contains("2192"));
    let short = "breakGlass: ssm\nlogs: {retention: 1y}";
    aws.edit("lakeside-prod.yaml", "breakGlass: ssm", short);
    let exception = |rule: &str| format!("{{rule: {rule}, reason: a test, approvedBy: nobody, until: \"2099-01-01\"}}");
    let exceptions = format!(
        "profile: hipaa\n  exceptions: [{}, {}]",
        exception("log-retention"),
        exception("log-bucket-retention")
    );
    aws.edit("lakeside-prod.yaml", "profile: hipaa", &exceptions);
    aws.ends(&["apply", "--yes", "lakeside-prod"], 0);
    assert_eq!(standing(&evidence(2), "log-retention"), "excepted");
    aws.edit("lakeside-prod.yaml", &exceptions, "profile: hipaa");
    aws.edit("lakeside-prod.yaml", short, "breakGlass: ssm");
    assert_eq!(standing(&evidence(2), "log-retention"), "broken");
}

/// The findings of a site's drift report, a line each.
fn found(report: &str) -> Vec<String> {
    let report: serde_json::Value = serde_json::from_str(report).unwrap();
    let findings = report["sites"].as_array().unwrap().iter().flat_map(|site| site["findings"].as_array().unwrap());
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    findings
        .map(|one| {
            let (state, kind) = (&one["state"], word(&one["kind"]));
            format!("{} {kind} {} {}", word(&state["state"]), word(&one["resource"]), word(&state["property"]))
        })
        .collect()
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_is_not_covered_is_a_list_and_in_sync_is_said_of_the_rest_alone() {
    let aws = Aws::with_example();
    aws.ends(&["apply", "--yes", "lakeside-prod", "lakeside-staging"], 0);
    let report = aws.ends(&["drift", "--json", "lakeside-prod"], 0);
    let found: std::collections::BTreeSet<String> =
        found(&report).into_iter().map(|line| line.replace(" Record ", " ")).collect();
    // The whole list: what is added to it or taken from it is a decision. `crates/aws/src/drift/coverage.rs` has it.
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        ["notCovered  cluster objects ", "notCovered  nodes ", "notCovered AWS::Route53::RecordSet "]
    );
    let text = aws.ends(&["drift", "lakeside-prod"], 0);
    assert!(text.contains("not covered: ") && text.contains("No drift: "), "{text}");
    // Looking only at what was applied is not said to be all.
    let text = aws.ends(&["plan", "lakeside-prod"], 0);
    assert!(text.contains("No changes.") && text.contains("not checked") && !text.contains("Nothing to do"), "{text}");
    let text = aws.ends(&["plan", "--mend-drift", "lakeside-prod"], 0);
    assert!(text.contains("Nothing to do. The site is as the inventories say."), "{text}");
    // CloudFormation may not be asked at all: nothing of a stack is in sync.
    let aws = aws.behind_faults();
    aws.network_faults(
        r#"[{"service":"cloudformation","operation":"DetectStackDrift","error":{"code":"AccessDenied","status":403}}]"#,
    );
    let report: serde_json::Value = serde_json::from_str(&aws.ends(&["drift", "--json", "lakeside-prod"], 1)).unwrap();
    assert_eq!(report["sites"][0]["inSync"], 0);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_buckets_parts_are_found_and_repaired_and_a_bucket_is_not_called_gone() {
    let aws = Aws::with_clinic();
    aws.applied();
    let bucket = format!("incline-clinic-{ACCOUNT}-backup");
    let s3 = |method: &str, path: &str, more: &[&str]| {
        let path = format!("/{path}");
        aws.by_hand("s3", ACCOUNT, &[&["-X", method, "--request-target", &path], more].concat())
    };
    let versioning = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    s3("PUT", &format!("{bucket}?versioning"), &["-d", versioning]);
    s3("DELETE", &format!("{bucket}?publicAccessBlock"), &[]);
    let found = found(&aws.ends(&["drift", "--json"], 2));
    let drifted: Vec<&String> = found.iter().filter(|line| line.starts_with("drifted ")).collect();
    assert!(drifted.iter().any(|line| line.ends_with("VersioningConfiguration.Status")), "{drifted:?}");
    assert!(drifted.iter().any(|line| line.contains("PublicAccessBlockConfiguration")), "{drifted:?}");
    assert!(drifted.iter().all(|line| !line.ends_with("Bucket ")), "no bucket is gone: {drifted:?}");
    aws.ends(&["apply", "--mend-drift", "--yes"], 0);
    assert!(s3("GET", &format!("{bucket}?versioning"), &[]).contains("Enabled"));
    assert!(s3("GET", &format!("{bucket}?publicAccessBlock"), &[]).contains("<BlockPublicPolicy>true"));
    aws.ends(&["drift"], 0);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_rule_never_holds_where_what_it_reads_has_drifted_or_was_not_checked() {
    let aws = Aws::with_example();
    aws.ends(&["apply", "--yes", "lakeside-prod", "lakeside-staging"], 0);
    let account = "210987654321";
    let standings = |aws: &Aws, code: i32| -> std::collections::BTreeMap<String, String> {
        aws.ends(&["evidence", "lakeside-prod", "--out", "evidence"], code);
        let text = std::fs::read(aws.folder.path().join("evidence/lakeside-prod.json")).unwrap();
        let evidence: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let all = evidence["safeguards"].as_array().unwrap();
        all.iter().map(|one| (word(&one["rule"]), word(&one["standing"]))).collect()
    };
    let sound = standings(&aws, 0);
    let changed = |now: &std::collections::BTreeMap<String, String>| -> Vec<String> {
        now.iter().filter(|(rule, how)| sound[*rule] != **how).map(|(rule, how)| format!("{rule} {how}")).collect()
    };
    let elb = |form: &str| aws.query("elasticloadbalancing", account, &format!("Version=2012-06-01&{form}"));
    let timeout = |seconds: &str| {
        elb(&format!(
            "Action=ModifyLoadBalancerAttributes&LoadBalancerName=lakeside-prod-clinical&LoadBalancerAttributes.ConnectionSettings.IdleTimeout={seconds}"
        ))
    };
    // Drift, and no rule's.
    timeout("90");
    aws.ends(&["drift", "lakeside-prod"], 2);
    assert_eq!(changed(&standings(&aws, 0)), Vec::<String>::new());
    timeout("60");
    // SSH to the workers from everywhere: their group's template has no rule of its own.
    let groups = aws.query("ec2", account, "Action=DescribeSecurityGroups&Version=2016-11-15");
    let workers =
        groups.split("<groupId>").find(|part| part.contains("<groupDescription>lakeside-prod workers<")).unwrap();
    let workers = workers.split('<').next().unwrap();
    let port = |verb: &str| {
        aws.query("ec2", account, &format!("Version=2016-11-15&Action={verb}SecurityGroupIngress&GroupId={workers}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0"))
    };
    port("Authorize");
    let open = changed(&standings(&aws, 2));
    for rule in ["ingress-from-anywhere", "ingress-rule-from-anywhere", "ingress-all-ports"] {
        assert!(open.contains(&format!("{rule} drifted")), "{rule}: {open:?}");
    }
    assert!(open.len() < 8, "no rule about anything else: {open:?}");
    port("Revoke");
    // A trail that somebody has stopped, and one that is gone.
    let trail = |action: &str, body: &str| {
        aws.json(
            "cloudtrail",
            account,
            &format!("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.{action}"),
            body,
        )
    };
    trail("StopLogging", r#"{"Name":"incline-lakeside-prod"}"#);
    assert!(changed(&standings(&aws, 2)).contains(&"trail-there drifted".to_owned()));
    aws.ends(&["apply", "--mend-drift", "--yes", "lakeside-prod"], 0);
    assert_eq!(changed(&standings(&aws, 0)), Vec::<String>::new());
    trail("DeleteTrail", r#"{"Name":"incline-lakeside-prod"}"#);
    assert!(changed(&standings(&aws, 2)).contains(&"trail-there drifted".to_owned()));
    // What may not be read is not said to hold.
    let aws = aws.behind_faults();
    aws.network_faults(
        r#"[{"service":"kms","operation":"GetKeyPolicy","error":{"code":"AccessDeniedException","status":400}}]"#,
    );
    let blind = changed(&standings(&aws, 1));
    for rule in ["key-rotated", "key-policy-named"] {
        assert!(blind.contains(&format!("{rule} not-checked")), "{rule}: {blind:?}");
    }
}
