//! Hosts on this machine, in network namespaces (`tests/testbed/hosts/lab.sh`): for what measures and what shows.
use crate::{Outcome, root, testbed};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Some hosts, and the folder of their site. They end with it.
pub(crate) struct Lab {
    folder: PathBuf,
    /// How many there are.
    pub(crate) hosts: usize,
    /// Whether they share one sshd.
    is_crowd: bool,
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = script().arg("down").arg(&self.folder).status();
        let _ = Command::new("rm").args(["-rf", "--one-file-system"]).arg(&self.folder).status();
    }
}

fn script() -> Command {
    Command::new(root().join("tests/testbed/hosts/lab.sh"))
}

/// Ends the labs of tests that were ended before they could do so. Tests note their labs below `target/labs`.
pub(crate) fn end_leftovers() {
    for note in std::fs::read_dir(root().join("target/labs")).into_iter().flatten().flatten() {
        if let Ok(folder) = std::fs::read_to_string(note.path()) {
            println!("ending {folder}, a lab whose test was ended");
            let _ = script().arg("down").arg(&folder).status();
            let _ = Command::new("rm").args(["-rf", "--one-file-system", &folder]).status();
        }
        let _ = std::fs::remove_file(note.path());
    }
}

/// Writes a file, and makes the folder that it stands in.
pub(crate) fn write(path: impl AsRef<Path>, text: &str) -> Outcome {
    let path = path.as_ref();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Makes what hosts are made of; why none can be made here, if so.
pub(crate) fn prepare() -> Result<Option<String>, String> {
    if let Err(why) = testbed::can_run_hosts() {
        return Ok(Some(why));
    }
    testbed::install(&testbed::HOST_PACKAGES, testbed::Consent::Given)?;
    testbed::host_tree().map(|_| None)
}

impl Lab {
    /// Hosts of a kind that `lab.sh` knows.
    pub(crate) fn up(folder: PathBuf, kind: &str, hosts: usize) -> Result<Self, String> {
        let lab = Self { folder, hosts, is_crowd: false };
        lab.begun("up", &[kind, &hosts.to_string()])
    }

    /// Hosts by the thousand, which share one sshd: each a tree of its own under an address of its own.
    pub(crate) fn crowd(folder: PathBuf, hosts: usize) -> Result<Self, String> {
        let lab = Self { folder, hosts, is_crowd: true };
        lab.begun("crowd", &[&hosts.to_string()])
    }

    fn begun(self, how: &str, arguments: &[&str]) -> Result<Self, String> {
        let _ = Command::new("rm").args(["-rf", "--one-file-system"]).arg(&self.folder).status();
        let tree = testbed::cache::link("debian");
        crate::run(script().arg(how).arg(&self.folder).arg(tree).args(arguments))?;
        Ok(self)
    }

    /// A path below the lab's folder.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.join(below)
    }

    /// The hosts' addresses.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = String> {
        (1..=self.hosts).map(|n| match self.is_crowd {
            true => format!("127.1.{}.{}", n / 250, n % 250 + 1),
            false => format!("10.99.1.{n}"),
        })
    }

    /// A command where the hosts can be reached.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = script();
        command.arg("run").arg(&self.folder).arg(program).env("HOME", self.path("home"));
        command
    }

    /// Cuts a host's power, or gives it back.
    pub(crate) fn power(&self, host: usize, on: bool) -> Outcome {
        crate::run(script().arg(if on { "start" } else { "stop" }).arg(&self.folder).arg(host.to_string()))
    }

    /// Runs shell text on a host as root, past incline.
    pub(crate) fn by_hand(&self, host: usize, text: &str) -> Outcome {
        crate::run(script().arg("ssh").arg(&self.folder).arg(host.to_string()).arg(text))
    }

    /// Writes a site of all hosts: who logs in, how one becomes root, what each must have; templates that ask for nothing more.
    pub(crate) fn site(&self, user: &str, becoming: &str, items: &str) -> Outcome {
        let mut inventory = format!(
            "version: v1\nkind: OnPremSite\nname: lab\nnetwork: {{cidrs: [10.99.0.0/16]}}\nssh: {{user: {user}, key: {}, becomeRoot: {becoming}}}\n\
             kubernetes: {{version: \"1.36.3\", podCidr: 100.80.0.0/16, serviceCidr: 100.88.0.0/16}}\n\
             api: {{name: api.lab.internal, address: 10.99.1.1}}\nmirror: https://mirror.lab.internal/kubernetes\nhosts:\n",
            self.path("key").display()
        );
        for (n, address) in (1..).zip(self.addresses()) {
            let key = if self.is_crowd { "host.pub".to_owned() } else { format!("{n}/host.pub") };
            let output = Command::new("ssh-keygen").arg("-lf").arg(self.path(&key)).output();
            let output = output.map_err(|error| format!("ssh-keygen cannot be run: {error}"))?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let pin = text.split(' ').nth(1).unwrap_or_default();
            let roles = if n == 1 { "controlPlane, worker" } else { "worker" };
            inventory
                .push_str(&format!("- {{name: host-{n}, address: {address}, hostKey: \"{pin}\", roles: [{roles}]}}\n"));
        }
        write(self.path("inventories/lab.yaml"), &inventory)?;
        let templates = std::fs::read_dir(root().join("templates/hosts")).map_err(|error| error.to_string())?;
        for other in templates.flatten() {
            write(self.path("templates/hosts").join(other.file_name()), "[]\n")?;
        }
        write(self.path("templates/hosts/prepare.yaml"), items)?;
        let lock = root().join("inventories/incline.lock");
        std::fs::copy(&lock, self.path("inventories/incline.lock"))
            .map(|_| ())
            .map_err(|error| format!("{}: {error}", lock.display()))
    }

    /// incline, for that site.
    pub(crate) fn incline(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = self.command(program);
        command.arg("--inventories").arg(self.path("inventories")).arg("--templates").arg(self.path("templates"));
        command.args(arguments);
        command
    }
}
