//! The acts of the demo.
use super::{Stage, shown};
use crate::Outcome;
use crate::device::{self, Device};
use crate::emulator::edit;
use crate::lab::Lab;
use std::process::Command;
use std::time::Duration;

/// The site that is changed, tampered with and removed.
const SITE: &str = "lakeside-prod";
const STAGING: &str = "lakeside-staging";

/// Changes an inventory, and shows the change.
fn change(stage: &Stage, site: &str, from: &str, to: &str) -> Outcome {
    let inventory = stage.inventories.join(format!("{site}.yaml"));
    println!("\x1b[2m{}: {}\x1b[0m", inventory.display(), to.trim());
    edit(&inventory, from, to)
}

pub(super) fn plan(stage: &Stage) -> Outcome {
    stage.show(&["plan", SITE, STAGING], 0)
}

pub(super) fn apply(stage: &Stage) -> Outcome {
    let arguments = ["apply", "--yes", SITE, STAGING];
    println!("\x1b[1m$ incline {}\x1b[0m", arguments.join(" "));
    let mut running = stage.incline(&arguments).spawn().map_err(|error| format!("incline cannot be run: {error}"))?;
    std::thread::sleep(Duration::from_secs(3));
    println!("\x1b[2m(Ctrl-C)\x1b[0m");
    let _ = Command::new("kill").args(["-INT", &running.id().to_string()]).status();
    running.wait().map_err(|error| error.to_string())?;
    stage.show(&arguments, 0)?;
    stage.show(&["plan", "--detailed-exitcode", SITE, STAGING], 0)
}

fn change_label(stage: &Stage, from: &str, to: &str) -> Outcome {
    let labels = |more: &str| format!("labels: {{lakeside.internal/workload: imaging{more}}}");
    change(stage, SITE, &labels(from), &labels(to))
}

/// The label that the second act adds.
const ARCHIVE: &str = ", lakeside.internal/archive: west";

pub(super) fn label(stage: &Stage) -> Outcome {
    change_label(stage, "", ARCHIVE)?;
    stage.show(&["plan", "--detailed-exitcode", SITE, STAGING], 2)?;
    stage.show(&["apply", "--yes", SITE, STAGING], 0)
}

pub(super) fn drift(stage: &Stage) -> Outcome {
    let balancer = "LoadBalancerName=lakeside-prod-clinical&LoadBalancerAttributes.ConnectionSettings.IdleTimeout=60";
    stage
        .aws
        .query("elasticloadbalancing", &format!("Action=ModifyLoadBalancerAttributes&Version=2012-06-01&{balancer}"))?;
    let groups = stage.aws.query("ec2", "Action=DescribeSecurityGroups&Version=2016-11-15")?;
    let workers = group_of(&groups, "lakeside-prod workers").ok_or("the workers' security group is not there")?;
    let rule = "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0";
    stage
        .aws
        .query("ec2", &format!("Action=AuthorizeSecurityGroupIngress&Version=2016-11-15&GroupId={workers}&{rule}"))?;
    println!(
        "\x1b[2m(by hand, in AWS: the balancer's idle timeout becomes 60 s; tcp/22 is opened to 0.0.0.0/0)\x1b[0m"
    );
    stage.show(&["drift", SITE], 2)?;
    stage.show(&["apply", "--mend-drift", "--yes", SITE], 0)?;
    stage.show(&["drift", SITE], 0)
}

pub(super) fn audit(stage: &Stage) -> Outcome {
    stage.show(&["audit", "show"], 0)?;
    stage.show(&["audit", "verify", SITE], 0)?;
    let evidence = stage.folder.join("evidence").display().to_string();
    stage.show(&["evidence", SITE, "--out", &evidence], 0)
}

/// What `safeguards` of the site says once it asks for approvals, and before.
const SAFEGUARDS: &str = "\n  profile: hipaa\n";

pub(super) fn approval(stage: &Stage) -> Outcome {
    // Two may approve, so that each of them can apply what the other has approved.
    let (anna, bruno) = (key(stage, "anna")?, key(stage, "bruno")?);
    let approvers = format!("[{{user: anna, key: {anna}}}, {{user: bruno, key: {bruno}}}]");
    let asked = format!("{SAFEGUARDS}  approvals: {{needed: 1, approvers: {approvers}}}\n");
    change(stage, SITE, SAFEGUARDS, &asked)?;
    change_label(stage, ARCHIVE, ", lakeside.internal/archive: east")?;
    let plan = stage.folder.join("plan.json").display().to_string();
    stage.show(&["plan", SITE, "--out", &plan], 0)?;
    stage.show(&["apply", "--plan", &plan], 1)?;
    stage.show(&["approve", &plan, "--key", &stage.folder.join("anna").display().to_string(), "--yes"], 0)?;
    stage.show(&["apply", "--plan", &plan], 0)?;
    change(stage, SITE, &asked, SAFEGUARDS)
}

/// Makes somebody's key; its public half.
fn key(stage: &Stage, user: &str) -> Result<String, String> {
    let path = stage.folder.join(user);
    for old in [path.clone(), path.with_extension("pub")] {
        let _ = std::fs::remove_file(old);
    }
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", user, "-f"]).arg(&path).status();
    if !made.is_ok_and(|status| status.success()) {
        return Err("ssh-keygen makes no key".to_owned());
    }
    let public = std::fs::read_to_string(path.with_extension("pub")).map_err(|error| error.to_string())?;
    Ok(public.trim().to_owned())
}

pub(super) fn destroy(stage: &Stage) -> Outcome {
    // The inventory says first that the site may go, and who accepted that a safeguard ends.
    change(stage, SITE, "\nbreakGlass: ssm\n", "\nbreakGlass: ssm\nterminationProtection: false\n")?;
    let exception =
        "{rule: termination-protected, reason: the site is given up, approvedBy: a demo, until: \"9999-12-31\"}";
    change(stage, SITE, SAFEGUARDS, &format!("{SAFEGUARDS}  exceptions: [{exception}]\n"))?;
    stage.show(&["apply", "--yes", SITE], 0)?;
    stage.show(&["destroy", SITE, "--confirm", SITE], 0)
}

pub(super) fn f5(stage: &Stage) -> Outcome {
    let folder = stage.folder.join("f5");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("inventories")).map_err(|error| error.to_string())?;
    let device = Device::start(&folder)?;
    device::site(&folder, 2, 2, device.port)?;
    let incline = |arguments: &[&str], wanted: i32| {
        let mut command = Command::new(stage.program());
        command.arg("--inventories").arg(folder.join("inventories")).args(arguments);
        command.env("F5_PASSWORD", device::PASSWORD).env("INCLINE_AUDIT", folder.join("audit.jsonl"));
        shown(&mut command, arguments, wanted)
    };
    // Nothing answers for this site's hosts: the act is about the BIG-IP.
    incline(&["apply", "--yes", "--target", "lab/f5:*"], 0)?;
    println!("\x1b[2m(by hand, on the BIG-IP: the API's pool balances by ratio)\x1b[0m");
    device.edit("ltm/pool", "/incline_lab_api/api/pool", "loadBalancingMode", "ratio-member")?;
    incline(&["plan", "lab"], 1)?;
    incline(&["apply", "--yes", "--target", "lab/f5:*"], 0)
}

/// What a host of the demo must have.
const ITEMS: &str = "\
- directory: {path: /opt/incline/bin}
- file: {path: /etc/motd, content: \"Patient data. What you do here is logged.\\n\"}
- unit: {name: demo.service, content: \"[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n\", enabled: true, running: true}
";

pub(super) fn hosts(stage: &Stage) -> Outcome {
    let lab = Lab::up(stage.folder.join("hosts"), "systemd", 3)?;
    lab.site("ops", "sudo", ITEMS)?;
    let program = stage.program();
    let incline = |arguments: &[&str], wanted: i32| shown(&mut lab.incline(&program, arguments), arguments, wanted);
    incline(&["plan", "lab"], 0)?;
    incline(&["apply", "--yes", "lab"], 0)?;
    let by_hand = |host: usize, text: &str| {
        println!("\x1b[2mhost-{host}# {text}\x1b[0m");
        lab.by_hand(host, text)
    };
    by_hand(1, "echo welcome >/etc/motd")?;
    by_hand(2, "systemctl stop demo.service")?;
    lab.power(3, false)?;
    println!("\x1b[2m(host-3 has no power)\x1b[0m");
    incline(&["drift", "lab"], 1)?;
    lab.power(3, true)?;
    incline(&["apply", "--yes", "lab"], 0)?;
    incline(&["drift", "lab"], 0)
}

/// The id of the security group with a description.
fn group_of(answer: &str, description: &str) -> Option<String> {
    let item = answer
        .split("<groupId>")
        .find(|part| part.contains(&format!("<groupDescription>{description}</groupDescription>")))?;
    item.split('<').next().map(ToOwned::to_owned)
}
