//! SIGKILL at any moment of an apply: run again, it attaches to what is under way, ends in the same state, has done nothing
//! twice and lost nothing.
use super::*;
use std::time::Instant;

/// How often incline is killed: half of the time while a site is made, half while it is changed.
const KILLS: usize = 200;
/// Emulators that are tried on side by side.
const SIDE_BY_SIDE: usize = 2;

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

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn killed_at_200_points_it_ends_as_if_it_never_was() {
    let threads: Vec<_> = (0..SIDE_BY_SIDE)
        .map(|lane| {
            std::thread::spawn(move || {
                let aws = Aws::with_clinic();
                // Each resource takes a moment, so that a kill meets CloudFormation at work, too.
                aws.faults(r#"{"*": {"seconds": 0.004}}"#);
                let began = Instant::now();
                aws.applied();
                let takes = began.elapsed();
                let whole = inventory_of(&aws);
                let (mut at_work, mut number) = (0, lane);
                while number < KILLS {
                    if (number / SIDE_BY_SIDE).is_multiple_of(2) {
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
                            &format!(
                                "desired: 3, max: {}}}\n    labels: {{clinic.internal/turn: \"t{number}\"}}",
                                12 + number % 7
                            ),
                        );
                        std::fs::write(
                            path,
                            text.replace(
                                "pools: [general]",
                                &format!("pools: [general]\n    idleSeconds: {}", 100 + number),
                            ),
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
                    number += SIDE_BY_SIDE;
                }
                at_work
            })
        })
        .collect();
    let at_work: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    println!("SIGKILL: tried {KILLS} / survived {KILLS} / lost 0 ({at_work} while incline was at work)");
    assert!(at_work > KILLS / 2, "{at_work} kills met incline at work");
}
