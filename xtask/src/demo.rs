//! `cargo xtask demo`: the whole life of a site, against an emulator of AWS on loopback, and of hosts in network namespaces, watchable in
//! a terminal.
use crate::emulator::{Emulator, edit, estate};
use crate::lab::{self, Lab};
use crate::{Outcome, cargo, root, run, testbed};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// The site that is changed, tampered with and removed.
const SITE: &str = "lakeside-prod";
const STAGING: &str = "lakeside-staging";

pub(crate) fn run_demo() -> Outcome {
    testbed::aws()?;
    run(cargo().args(["build", "--release", "--quiet", "-j2"]))?;
    let began = Instant::now();
    let folder = root().join("target/demo");
    let inventories = folder.join("inventories");
    let inventory = inventories.join(format!("{SITE}.yaml"));
    estate(&inventories)?;
    let _ = std::fs::remove_file(folder.join("audit.jsonl"));
    let change = |from: &str, to: &str| {
        println!("\x1b[2m{}: {}\x1b[0m", inventory.display(), to.trim());
        edit(&inventory, from, to)
    };
    say("an AWS on this machine: MiniStack on loopback, with dummy keys");
    // Every resource takes a moment, so that there is something to watch.
    let aws = Emulator::start(&folder, 0.05)?;
    let incline = |arguments: &[&str], wanted: i32| incline(&aws, &inventories, arguments, wanted);

    say("the plan of what the estate has in AWS: two sites in two accounts");
    incline(&["plan", SITE, STAGING], 0)?;
    say("apply: stage by stage, stacks of a stage side by side");
    incline(&["apply", "--yes", SITE, STAGING], 0)?;
    say("planned again: nothing");
    incline(&["plan", "--detailed-exitcode", SITE, STAGING], 0)?;
    say("a pool gets a label: that pool's stack alone, and what it does to its nodes");
    change(
        "labels: {lakeside.internal/workload: imaging}",
        "labels: {lakeside.internal/workload: imaging, lakeside.internal/archive: west}",
    )?;
    incline(&["plan", "--detailed-exitcode", SITE, STAGING], 2)?;
    incline(&["apply", "--yes", SITE, STAGING], 0)?;
    say("somebody shortens a balancer's timeout and opens SSH to the world, behind incline's back");
    aws.query("elasticloadbalancing", "Action=ModifyLoadBalancerAttributes&Version=2012-06-01&LoadBalancerName=lakeside-prod-clinical&LoadBalancerAttributes.ConnectionSettings.IdleTimeout=60")?;
    let groups = aws.query("ec2", "Action=DescribeSecurityGroups&Version=2016-11-15")?;
    let workers = group_of(&groups, "lakeside-prod workers").ok_or("the workers' security group is not there")?;
    aws.query("ec2", &format!("Action=AuthorizeSecurityGroupIngress&Version=2016-11-15&GroupId={workers}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0"))?;
    say("drift finds both, and says so by its exit code");
    incline(&["drift", SITE], 2)?;
    say("apply mends both");
    incline(&["apply", "--mend-drift", "--yes", SITE], 0)?;
    incline(&["drift", SITE], 0)?;
    say("the machines");
    incline(&["nodes", SITE], 0)?;
    say("who did what, and whether that record is whole, by the copies that the site keeps, too");
    incline(&["audit", "show"], 0)?;
    incline(&["audit", "verify", SITE], 0)?;
    say("what an auditor is shown");
    let evidence = folder.join("evidence").display().to_string();
    incline(&["evidence", SITE, "--out", &evidence], 0)?;
    say(
        "the site goes: its inventory says so first, with who approved that a safeguard ends, then its name is typed out",
    );
    change("\nbreakGlass: ssm\n", "\nbreakGlass: ssm\nterminationProtection: false\n")?;
    change(
        "\n  profile: hipaa\n",
        "\n  profile: hipaa\n  exceptions: [{rule: termination-protected, reason: the site is given up, approvedBy: a demo, until: \"9999-12-31\"}]\n",
    )?;
    incline(&["apply", "--yes", SITE], 0)?;
    incline(&["destroy", SITE, "--confirm", SITE], 0)?;
    drop(aws);
    on_premises(&folder)?;
    println!(
        "\nThat took {} s. What it started is stopped; {} holds what it wrote.",
        began.elapsed().as_secs(),
        folder.display()
    );
    Ok(())
}

/// What a host of the demo must have.
const ITEMS: &str = "\
- directory: {path: /opt/incline/bin}
- file: {path: /etc/motd, content: \"Patient data. What you do here is logged.\\n\"}
- unit: {name: demo.service, content: \"[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n\", enabled: true, running: true}
";

/// Three machines with systemd, over real SSH. Kubernetes, encrypted disks and the VPN take minutes, and are the tests' to show.
fn on_premises(folder: &Path) -> Outcome {
    if let Some(why) = lab::prepare()? {
        println!("\nLeft out, the hosts on premises: they cannot be made here: {why}");
        return Ok(());
    }
    say("a site on premises: three machines with systemd, each in a network namespace of its own, reached over SSH");
    let lab = Lab::up(folder.join("hosts"), "systemd", 3)?;
    lab.site("ops", "sudo", ITEMS)?;
    let program = root().join("target/release/incline");
    let incline = |arguments: &[&str], wanted: i32| shown(&mut lab.incline(&program, arguments), arguments, wanted);
    incline(&["plan", "lab"], 0)?;
    incline(&["apply", "--yes", "lab"], 0)?;
    say("planned again: nothing");
    incline(&["plan", "--detailed-exitcode", "lab"], 0)?;
    say("somebody edits a file on one host, and stops a service on another; a third loses its power");
    let by_hand = |host: usize, text: &str| {
        println!("\x1b[2mhost-{host}# {text}\x1b[0m");
        lab.by_hand(host, text)
    };
    by_hand(1, "echo welcome >/etc/motd")?;
    by_hand(2, "systemctl stop demo.service")?;
    lab.power(3, false)?;
    say("drift tells both by name, and what could not be checked");
    incline(&["drift", "lab"], 1)?;
    say("apply mends them, once all can be reached again");
    lab.power(3, true)?;
    incline(&["apply", "--yes", "lab"], 0)?;
    incline(&["drift", "lab"], 0)?;
    println!(
        "\nLeft out, since they take minutes: a cluster made and upgraded (tests/hosts/cluster.rs), disks and NFS (storage.rs), the VPN (vpn.rs)."
    );
    Ok(())
}

fn say(heading: &str) {
    println!("\n\x1b[1;36m── {heading}\x1b[0m");
}

fn incline(aws: &Emulator, inventories: &Path, arguments: &[&str], wanted: i32) -> Outcome {
    let mut command = Command::new(root().join("target/release/incline"));
    command.arg("--inventories").arg(inventories).args(arguments);
    command.env("INCLINE_AUDIT", root().join("target/demo/audit.jsonl"));
    // Signed in to the group's own account; each site's role is taken on from there.
    shown(aws.reached_by(&mut command, "111111111111"), arguments, wanted)
}

/// Runs incline for everyone to see; it ends as it must.
fn shown(command: &mut Command, arguments: &[&str], wanted: i32) -> Outcome {
    println!("\x1b[1m$ incline {}\x1b[0m", arguments.join(" "));
    match command.status().map_err(|error| format!("incline cannot be run: {error}"))?.code() {
        Some(code) if code == wanted => Ok(()),
        other => Err(format!("incline {} ended with {other:?}, and {wanted} was wanted", arguments.join(" "))),
    }
}

/// The id of the security group with a description.
fn group_of(answer: &str, description: &str) -> Option<String> {
    let item = answer
        .split("<groupId>")
        .find(|part| part.contains(&format!("<groupDescription>{description}</groupDescription>")))?;
    item.split('<').next().map(ToOwned::to_owned)
}
