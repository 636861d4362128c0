//! Hosts for real: OpenSSH, systemd, Debian's tools and a bare busybox, in network namespaces that each test makes and ends
//! (`testbed/hosts/lab.sh`). Where a machine cannot run them, `cargo xtask test` skips these tests by name.
mod audit;
mod boot;
pub mod cluster;
mod evidence;
mod execs;
mod faults;
mod kinds;
mod nightly;
mod replaced;
mod storage;
mod strings;
mod vpn;
mod ways;

use crate::support::*;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Some hosts, and an estate whose only site they are.
pub struct Lab {
    folder: PathBuf,
    /// Whether the lab ends with this value: another process holds it otherwise.
    is_ours: bool,
    count: usize,
    environment: Vec<(String, String)>,
}

/// How many interruptions a test tries: as many as the variable `INCLINE_INTERRUPTIONS` says, or the usual number.
fn interruptions(usual: usize) -> usize {
    std::env::var("INCLINE_INTERRUPTIONS").map_or(usual, |wanted| wanted.parse().unwrap())
}

fn script() -> Command {
    Command::new(root().join("tests/testbed/hosts/lab.sh"))
}

fn succeeded(output: &Output, what: &str) {
    assert!(output.status.success(), "{what}: {}{}", stdout(output), stderr(output));
}

/// Where a lab is noted while it lasts: `cargo xtask test` ends the labs of tests that were ended themselves.
fn note(folder: &Path) -> PathBuf {
    root().join("target/labs").join(folder.file_name().unwrap())
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.is_ours {
            return;
        }
        let _ = std::fs::remove_file(note(&self.folder));
        if is_kept() {
            let (script, folder) = (root().join("tests/testbed/hosts/lab.sh"), self.folder.display());
            println!("kept: {folder}, a lab of {} hosts", self.count);
            println!("  enter host 1:  {} shell {folder} 1", script.display());
            println!("  end it:        {0} down {folder} && rm -rf --one-file-system {folder}", script.display());
            return;
        }
        let _ = script().arg("down").arg(&self.folder).output();
        let _ = Command::new("rm").args(["-rf", "--one-file-system"]).arg(&self.folder).output();
    }
}

impl Lab {
    /// A lab of some hosts of a kind that `lab.sh` knows.
    fn up(kind: &str, count: usize) -> Self {
        let folder = tempfile::Builder::new().prefix("lab").rand_bytes(5).tempdir().unwrap().keep();
        let lab = Self { folder, is_ours: true, count, environment: Vec::new() };
        std::fs::create_dir_all(root().join("target/labs")).unwrap();
        std::fs::write(note(&lab.folder), lab.folder.to_str().unwrap()).unwrap();
        let tree = testbed(if kind == "vm" { "debian-vm" } else { "debian" });
        let output = script().arg("up").arg(&lab.folder).arg(tree).args([kind, &count.to_string()]).output().unwrap();
        succeeded(&output, "the lab comes up");
        std::fs::create_dir_all(lab.path("templates/hosts")).unwrap();
        std::fs::create_dir_all(lab.path("inventories")).unwrap();
        std::fs::create_dir_all(lab.path("home")).unwrap();
        std::fs::copy(root().join("inventories/incline.lock"), lab.path("inventories/incline.lock")).unwrap();
        let user = if kind == "busybox" { "root" } else { "ops" };
        let becoming = if kind == "busybox" { "none" } else { "sudo" };
        lab.site(user, &format!("becomeRoot: {becoming}"), |n| lab.fingerprint(n));
        lab.items("[]");
        lab
    }

    /// A lab that another process holds.
    fn attach(folder: PathBuf, count: usize) -> Self {
        Self { folder, is_ours: false, count, environment: Vec::new() }
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.join(below)
    }

    /// The fingerprint of a host's key.
    fn fingerprint(&self, host: usize) -> Option<String> {
        let output =
            Command::new("ssh-keygen").arg("-lf").arg(self.path(&format!("{host}/host.pub"))).output().unwrap();
        stdout(&output).split(' ').nth(1).map(ToOwned::to_owned)
    }

    /// Writes the inventory: who logs in, more of `ssh`, and the pin of each host.
    fn site(&self, user: &str, ssh: &str, pin: impl Fn(usize) -> Option<String>) {
        let hosts: String = (1..=self.count)
            .map(|n| {
                let roles = if n == 1 { "controlPlane, worker" } else { "worker" };
                let pin = pin(n).map_or(String::new(), |pin| format!(", hostKey: \"{pin}\""));
                format!("  - {{name: host-{n}, address: 10.99.1.{n}{pin}, roles: [{roles}]}}\n")
            })
            .collect();
        let text = format!(
            "version: v1\nkind: OnPremSite\nname: lab\nnetwork: {{cidrs: [10.99.0.0/16]}}\nssh:\n  user: {user}\n  key: {}\n  {ssh}\nhosts:\n{hosts}\
             kubernetes: {{version: \"1.36.3\", podCidr: 100.80.0.0/16, serviceCidr: 100.88.0.0/16}}\n\
             api: {{name: api.lab.internal, address: 10.99.1.1}}\nmirror: https://mirror.lab.internal/kubernetes\n",
            self.path("key").display()
        );
        std::fs::write(self.path("inventories/lab.yaml"), text).unwrap();
    }

    /// What the hosts must have.
    fn items(&self, items: &str) {
        for template in std::fs::read_dir(root().join("templates/hosts")).unwrap() {
            std::fs::write(self.path("templates/hosts").join(template.unwrap().file_name()), "[]\n").unwrap();
        }
        // Items are data here, and no template: nothing in them is one's syntax.
        std::fs::write(self.path("templates/hosts/prepare.yaml"), format!("{{% raw %}}{items}{{% endraw %}}\n"))
            .unwrap();
    }

    /// A command that runs where the hosts can be reached.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = script();
        command.arg("run").arg(&self.folder).arg(program).env("HOME", self.path("home"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn incline_command(&self, arguments: &[&str]) -> Command {
        self.with_incline(self.command(env!("CARGO_BIN_EXE_incline")), arguments)
    }

    /// Gives a command that runs incline what it is to be told.
    fn with_incline(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.arg("--inventories").arg(self.path("inventories")).arg("--templates").arg(self.path("templates"));
        command.args(arguments).env("INCLINE_AUDIT", self.path("home/audit.jsonl"));
        command
    }

    fn incline(&self, arguments: &[&str]) -> Output {
        // An incline that waits for ever is a failed test, not a run of the tests without an end.
        let mut command = self.command("timeout");
        command.args(["--signal=KILL", "20m", env!("CARGO_BIN_EXE_incline")]);
        self.with_incline(command, arguments).output().unwrap()
    }

    /// Runs incline, and starts it only.
    fn begin(&self, arguments: &[&str]) -> Child {
        self.incline_command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Applies, and all goes well.
    fn apply(&self) {
        succeeded(&self.incline(&["apply", "--yes"]), "apply");
    }

    /// Whether there is nothing to do.
    fn is_settled(&self) -> bool {
        let output = self.incline(&["plan", "--detailed-exitcode"]);
        assert!(output.status.code() != Some(1), "{}{}", stdout(&output), stderr(&output));
        output.status.code() == Some(0)
    }

    /// Runs shell text on a host as root, past incline.
    fn ssh(&self, host: usize, text: &str) -> Output {
        script().arg("ssh").arg(&self.folder).arg(host.to_string()).arg(text).output().unwrap()
    }

    fn sh(&self, host: usize, text: &str) -> String {
        let output = self.ssh(host, text);
        succeeded(&output, text);
        stdout(&output)
    }

    /// A file of a host, seen from outside.
    fn file(&self, host: usize, path: &str) -> PathBuf {
        self.path(&format!("{host}/root{path}"))
    }

    fn stop(&self, host: usize) {
        succeeded(&script().arg("stop").arg(&self.folder).arg(host.to_string()).output().unwrap(), "stop");
    }

    fn start(&self, host: usize) {
        succeeded(&script().arg("start").arg(&self.folder).arg(host.to_string()).output().unwrap(), "start");
    }

    /// How many connections a host has accepted, and how many commands it has run.
    fn counts(&self, host: usize) -> (usize, usize) {
        let log = std::fs::read_to_string(self.path(&format!("{host}/log"))).unwrap();
        let count = |what: &str| log.lines().filter(|line| line.starts_with(what)).count();
        (count("Accepted publickey"), count("Starting session: command"))
    }
}

/// Numbers that look random, and are the same each time.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some(state >> 33)
    })
}

/// Whether no file that was being written is left below a folder.
fn no_leftovers(folder: &Path) -> bool {
    let output = Command::new("find").arg(folder).args(["-name", ".incline.*.tmp"]).output().unwrap();
    output.stdout.is_empty()
}
