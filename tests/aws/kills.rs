//! SIGKILL at any moment of an apply: run again, it attaches to what is under way, ends in the same state, has done nothing
//! twice and lost nothing.
use super::*;
use std::time::Instant;

/// What there is, by service: what must be the same however often incline was killed on the way.
fn inventory_of(aws: &Aws) -> Vec<(String, usize)> {
    let ec2 = [
        ("DescribeVpcs&Filter.1.Name=cidr&Filter.1.Value.1=10.40.0.0/16", "vpcId"),
        ("DescribeVolumes", "volumeId"),
        ("DescribeNetworkInterfaces", "networkInterfaceId"),
        ("DescribeLaunchTemplates", "launchTemplateId"),
    ];
    let mut counts: Vec<(String, usize)> =
        ec2.iter().map(|(action, tag)| ((*tag).to_owned(), aws.count(action, tag))).collect();
    for (service, form, tag) in [
        ("cloudformation", "Action=DescribeStacks&Version=2010-05-15", "StackId"),
        ("autoscaling", "Action=DescribeAutoScalingGroups&Version=2011-01-01", "AutoScalingGroupARN"),
        ("elasticloadbalancing", "Action=DescribeLoadBalancers&Version=2012-06-01", "DNSName"),
        ("iam", "Action=ListRoles&Version=2010-05-08", "RoleId"),
    ] {
        counts.push((tag.to_owned(), aws.query(service, ACCOUNT, form).matches(&format!("<{tag}>")).count()));
    }
    let keys = aws.json("kms", ACCOUNT, "TrentService.ListKeys", "{}");
    counts.push(("KeyArn".to_owned(), keys.matches("KeyArn").count()));
    counts
}

/// The newest version of each launch template: a change that was made twice would count two.
fn versions(aws: &Aws) -> Vec<String> {
    let templates = aws.query("ec2", ACCOUNT, "Action=DescribeLaunchTemplates&Version=2016-11-15");
    let mut found: Vec<String> = templates
        .split("<launchTemplateName>")
        .skip(1)
        .map(|part| {
            format!("{} {}", part.split('<').next().unwrap(), between(part, "<latestVersionNumber>", "<").unwrap())
        })
        .collect();
    found.sort();
    found
}

/// Starts an apply and kills it after a while; whether it was still at work.
fn killed(aws: &Aws, after: Duration) -> bool {
    let mut child = aws.command(&["apply", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    let was_running = child.try_wait().unwrap().is_none();
    let _ = child.kill();
    child.wait().unwrap();
    was_running
}

/// A fraction of one that looks like chance and is the same in every run.
fn fraction(number: usize) -> f64 {
    let mixed = (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ (mixed >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Kills incline so often, half of the time while a site is made, half while it is changed; after each kill the same command ends as
/// if there had been none. `first` is the number of the first point.
fn survives_kills(first: usize, kills: usize) {
    let aws = Aws::with_clinic();
    // Each resource takes a moment, so that a kill meets CloudFormation at work, too.
    aws.faults(r#"{"*": {"seconds": 0.004}}"#);
    let began = Instant::now();
    aws.applied();
    let takes = began.elapsed();
    let whole = inventory_of(&aws);
    let mut at_work = 0;
    for number in first..first + kills {
        if number.is_multiple_of(2) {
            // From nothing.
            Command::new("curl")
                .args(["--silent", "-X", "POST", &format!("{}/_ministack/reset", aws.endpoint)])
                .output()
                .unwrap();
        }
        let before = versions(&aws);
        let is_new = before.is_empty();
        if !is_new {
            // A label here, another size there: two pools, one by rolling update, one by refresh, and a balancer.
            let path = aws.inventories().join("clinic.yaml");
            let text = std::fs::read_to_string(root().join("tests/cases/clinic/clinic.yaml")).unwrap();
            let text = text.replace(
                "desired: 3, max: 12}",
                &format!("desired: 3, max: {}}}\n    labels: {{clinic.internal/turn: \"t{number}\"}}", 12 + number % 7),
            );
            std::fs::write(
                path,
                text.replace("pools: [general]", &format!("pools: [general]\n    idleSeconds: {}", 100 + number)),
            )
            .unwrap();
        }
        at_work += usize::from(killed(&aws, takes.mul_f64(fraction(number) * 0.8)));
        // Once more, in the middle of taking it up again.
        if number % 5 == 0 {
            killed(&aws, takes.mul_f64(fraction(number + 1000) * 0.4));
        }
        aws.applied();
        assert_eq!(inventory_of(&aws), whole, "kill {number}");
        if !is_new {
            let expected: Vec<String> = before
                .iter()
                .map(|line| {
                    let (name, version) = line.split_once(' ').unwrap();
                    let more = u32::from(name == "incline-clinic-pool-general");
                    format!("{name} {}", version.parse::<u32>().unwrap() + more)
                })
                .collect();
            assert_eq!(versions(&aws), expected, "kill {number}: a change was made twice, or lost");
        }
    }
    println!("SIGKILL: {kills} kills, {at_work} of them while incline was at work");
    assert!(at_work > kills / 2, "{at_work} kills met incline at work");
}

#[test]
#[ignore = "needs the testbed"]
fn killed_at_40_points_it_ends_as_if_it_never_was() {
    survives_kills(0, 40);
}

mod long {
    #[test]
    #[ignore = "needs the testbed"]
    fn killed_at_200_points_it_ends_as_if_it_never_was() {
        std::thread::scope(|scope| {
            for lane in 0..2 {
                scope.spawn(move || super::survives_kills(100 * lane, 100));
            }
        });
    }
}
