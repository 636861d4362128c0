//! `cargo xtask demo`: the life of a site, act by act: against an emulator of AWS on loopback, a double of a BIG-IP and hosts in
//! network namespaces.
mod acts;

use crate::emulator::{Emulator, estate};
use crate::lab;
use crate::testbed::{self, Consent};
use crate::{Outcome, cargo, root, terminal};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

const USAGE: &str = "\
cargo xtask demo [--yes] [--no-pause]

  --yes       install what is missing without asking
  --no-pause  do not wait for Enter between the acts";

/// What is done before the first act.
const STEPS: [&str; 3] = [
    "programs: what must be installed",
    "emulator: a Python environment with MiniStack, an AWS on this machine (kept in the testbed's cache)",
    "build: incline, a development build",
];

/// An act: its title, what to look at, and what it does.
type Act = (&'static str, &'static str, fn(&Stage) -> Outcome);

const ACTS: [Act; 9] = [
    (
        "Plan two sites in two AWS accounts",
        "each stack by stage; what is reachable from the internet; the worst impact",
        acts::plan,
    ),
    (
        "Apply, interrupted by Ctrl-C, and taken up again",
        "what is under way when it stops; the second run goes on from there",
        acts::apply,
    ),
    ("Change a label of a pool", "one stack changes, and the plan says what that does to its nodes", acts::label),
    (
        "Drift: an idle timeout and SSH opened to the world",
        "exit code 2, both named; `--mend-drift` repairs them",
        acts::drift,
    ),
    ("Who did what: audit trail and evidence", "the trail compared with the copies that the site keeps", acts::audit),
    ("Approval by a second person", "the plan is refused until it is signed by a listed key", acts::approval),
    ("Destroy a site", "reverse order; what holds data stays unless it is named", acts::destroy),
    (
        "A BIG-IP in front of a site on premises (a double)",
        "tenants planned, declared by AS3, edited by hand, repaired",
        acts::f5,
    ),
    (
        "Hosts over SSH: three machines with systemd",
        "a changed file, a stopped service, a host without power",
        acts::hosts,
    ),
];

/// What is not shown, and where it is tested.
const LEFT_OUT: &str = "Not in the demo, since each takes minutes: a Kubernetes cluster on hosts (cargo xtask test hosts::cluster), encrypted \
                        disks and NFS (hosts::storage), the VPN (hosts::vpn).";

/// What the acts play on.
struct Stage {
    aws: Emulator,
    folder: PathBuf,
    inventories: PathBuf,
    /// Why there are no hosts, where there are none.
    no_hosts: Option<String>,
}

/// Runs the demo.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let is = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if arguments.iter().any(|argument| !["--yes", "--no-pause"].contains(&argument.as_str())) {
        return Err(USAGE.to_owned());
    }
    let pauses = !is("--no-pause") && terminal::is_interactive();
    println!("The demo prepares {} steps, then plays {} acts.", STEPS.len(), ACTS.len());
    let no_hosts = packages(if is("--yes") { Consent::Given } else { Consent::Asked })?;
    if let Some(why) = &no_hosts {
        println!("Left out on this machine: the last act, hosts over SSH: {why}");
    }
    println!("{LEFT_OUT}");
    // cargo waits for crates and the compiler, the emulator's environment for packages: they go side by side.
    step(1);
    let emulator = std::thread::spawn(testbed::aws);
    step(2);
    let built = cargo().args(["build", "--package", "incline"]).current_dir(root()).status();
    if !built.is_ok_and(|status| status.success()) {
        return Err("incline does not build".to_owned());
    }
    emulator.join().map_err(|_| "the emulator's environment cannot be made")??;
    play(no_hosts, pauses)
}

fn step(number: usize) {
    println!("\n\x1b[1mstep {} of {}\x1b[0m  {}", number + 1, STEPS.len(), STEPS[number]);
}

/// Installs what is missing, if that is wanted; why there can be no hosts, otherwise.
fn packages(consent: Consent) -> Result<Option<String>, String> {
    step(0);
    testbed::install(&testbed::NO_PACKAGES, consent)?;
    if let Err(why) = testbed::can_run_hosts() {
        return Ok(Some(why));
    }
    if testbed::missing(&testbed::HOST_PACKAGES).is_empty() {
        println!("nothing is missing");
        return Ok(None);
    }
    Ok(testbed::install(&testbed::HOST_PACKAGES, consent).err())
}

fn play(no_hosts: Option<String>, pauses: bool) -> Outcome {
    let began = Instant::now();
    // The tree that hosts run on is made while the first acts play, unless it is in the cache.
    let tree = no_hosts.is_none().then(|| std::thread::spawn(lab::prepare));
    let folder = root().join("target/demo");
    let inventories = folder.join("inventories");
    estate(&inventories)?;
    let _ = std::fs::remove_file(folder.join("audit.jsonl"));
    // Every resource takes a moment, so that there is something to watch.
    let aws = Emulator::start(&folder, 0.02)?;
    let mut stage = Stage { aws, folder, inventories, no_hosts };
    let mut tree = tree;
    for (number, (title, look, act)) in ACTS.into_iter().enumerate() {
        let is_last = number + 1 == ACTS.len();
        if is_last && let Some(tree) = tree.take() {
            println!("\nThe last act needs the Debian tree that its hosts run on.");
            stage.no_hosts = tree.join().map_err(|_| "the hosts' tree cannot be made")??;
        }
        if is_last && let Some(why) = &stage.no_hosts {
            println!("\nLeft out: {title}: {why}");
            continue;
        }
        println!("\n\x1b[1;36m── act {} of {}: {title}\x1b[0m", number + 1, ACTS.len());
        println!("   Look at: {look}.");
        if pauses {
            terminal::pause();
        }
        act(&stage)?;
    }
    println!(
        "\n{} s. All that the demo started has ended; {} holds what it wrote.",
        began.elapsed().as_secs(),
        stage.folder.display()
    );
    Ok(())
}

impl Stage {
    /// The development build.
    fn program(&self) -> PathBuf {
        root().join("target/debug/incline")
    }

    /// incline, for the sites in AWS.
    fn incline(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program());
        command.arg("--inventories").arg(&self.inventories).args(arguments);
        command.env("INCLINE_AUDIT", self.folder.join("audit.jsonl"));
        // Signed in to the group's own account; each site's role is assumed from there.
        self.aws.reached_by(&mut command, "111111111111");
        command
    }

    /// Runs incline for everyone to see; it must end with `wanted`.
    fn show(&self, arguments: &[&str], wanted: i32) -> Outcome {
        shown(&mut self.incline(arguments), arguments, wanted)
    }
}

/// Runs incline for everyone to see; it must end with `wanted`.
fn shown(command: &mut Command, arguments: &[&str], wanted: i32) -> Outcome {
    println!("\x1b[1m$ incline {}\x1b[0m", arguments.join(" "));
    match command.status().map_err(|error| format!("incline cannot be run: {error}"))?.code() {
        Some(code) if code == wanted => Ok(()),
        other => Err(format!("incline {} ended with {other:?}; {wanted} was expected", arguments.join(" "))),
    }
}
