//! Hosts looked at and changed, side by side in one run: incline, ansible-core (pipelining), the same with mitogen, pyinfra,
//! `ssh host true`, and the floor, a bare russh connection that runs `true`. Real sshd hosts in network namespaces of this
//! machine. Numbers are printed, never asserted.
//!
//! Everyone logs in as root, so that nobody waits for sudo; what sudo adds is told in a line of its own.
//!
//! ansible takes minutes for fifty hosts: without `--full` it is asked at ten hosts and twelve items only.
use crate::bench::{Measured, incline, measure};
use crate::lab::{self, Lab, write};
use crate::{Outcome, cargo, root, testbed};
use std::process::Command;

/// How many hosts.
const HOSTS: [usize; 3] = [10, 50, 100];
/// How many items each.
const ITEMS: [usize; 2] = [12, 200];
/// How many hosts are worked on side by side, by everyone.
const FORKS: &str = "64";

pub(crate) fn run() -> Outcome {
    let full = std::env::args().any(|argument| argument == "--full");
    if let Some(why) = lab::prepare()? {
        return Err(format!("hosts cannot be made on this machine: {why}"));
    }
    testbed::ansible()?;
    crate::run(cargo().args(["build", "--release", "--quiet", "--package", "incline"]))?;
    crate::run(cargo().args(["build", "--release", "--quiet", "--package", "incline-ssh", "--example", "floor"]))?;
    println!("{:<44} {:>9} {:>9} {:>9} {:>8}", "", "first", "again", "check", "MB");
    for hosts in HOSTS {
        let lab = up(hosts)?;
        let floor = lab.floor()?;
        line(&format!("floor: russh, {hosts} hosts"), [None, None, Some(&floor)], None);
        let ssh = lab.openssh()?;
        line(&format!("ssh host true, {hosts} hosts"), [None, None, Some(&ssh)], Some(&floor));
        for items in ITEMS {
            lab.measured(items, "root", &floor)?;
            lab.measured(items, "ops", &floor)?;
            let small = hosts == 10 && items == 12;
            if full || small || items == 12 {
                lab.pyinfra(items, &floor)?;
            }
            if full || small {
                lab.ansible(items, true, &floor)?;
                lab.ansible(items, false, &floor)?;
            }
        }
    }
    Ok(())
}

/// Prints a line: seconds, and how many times the floor the check is.
fn line(what: &str, times: [Option<&Measured>; 3], floor: Option<&Measured>) {
    let shown = |measured: Option<&Measured>| {
        measured.map_or("-".to_owned(), |measured| format!("{:.2}", measured.time.as_secs_f64()))
    };
    let memory = times.iter().flatten().map(|measured| measured.memory).max().unwrap_or(0) as f64 / 1024.0;
    let ratio = match (times[2], floor) {
        (Some(check), Some(floor)) => {
            format!("  {:.2} × the floor", check.time.as_secs_f64() / floor.time.as_secs_f64().max(0.001))
        }
        _ => String::new(),
    };
    println!("{what:<44} {:>9} {:>9} {:>9} {memory:>8.1}{ratio}", shown(times[0]), shown(times[1]), shown(times[2]));
}

/// The hosts that are measured.
fn up(hosts: usize) -> Result<Lab, String> {
    Lab::up(root().join(format!("target/bench/b{hosts}")), "debian", hosts)
}

impl Lab {
    /// Takes what was made on the hosts away, so that everyone begins with nothing.
    fn clear(&self) {
        for n in 1..=self.hosts {
            for made in [
                "opt/bench",
                "opt/link",
                "etc/sysctl.d/60-bench.conf",
                "etc/sysctl.d/61-bench.conf",
                "etc/systemd/system/bench.service",
                "var/lib/incline",
            ] {
                let _ = Command::new("rm").arg("-rf").arg(self.path(&format!("{n}/root/{made}"))).status();
            }
        }
    }

    /// Whether a first run has made its files on the last host, too: nobody is measured for failing fast.
    fn made(&self, measured: Measured) -> Result<Measured, String> {
        let last = self.path(&format!("{}/root/opt/bench/files/5.conf", self.hosts));
        if last.exists() { Ok(measured) } else { Err(format!("{} was not made", last.display())) }
    }

    fn floor(&self) -> Result<Measured, String> {
        let mut command = self.command(root().join("target/release/examples/floor"));
        command.arg("root").arg(self.path("key")).arg(FORKS).args(self.addresses());
        measure(&mut command, 5)
    }

    fn openssh(&self) -> Result<Measured, String> {
        let key = self.path("key");
        let options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR";
        let text = format!(
            "printf '%s\\n' \"$@\" | xargs -P {FORKS} -I {{}} ssh {options} -i {} root@{{}} true",
            key.display()
        );
        let mut command = self.command("sh");
        command.args(["-c", &text, "sh"]).args(self.addresses());
        measure(&mut command, 3)
    }

    /// The items of a run: files, two folders, two files of kernel parameters, a unit's file and a link, by path and content.
    fn files(items: usize) -> Vec<(String, String)> {
        let mut files: Vec<(String, String)> =
            (0..items - 6).map(|n| (format!("/opt/bench/files/{n}.conf"), format!("number {n}\n"))).collect();
        files.push(("/etc/sysctl.d/60-bench.conf".to_owned(), "# none\n".to_owned()));
        files.push(("/etc/sysctl.d/61-bench.conf".to_owned(), "# none either\n".to_owned()));
        files.push(("/etc/systemd/system/bench.service".to_owned(), "[Service]\nExecStart=/bin/true\n".to_owned()));
        files
    }

    fn measured(&self, items: usize, user: &str, floor: &Measured) -> Outcome {
        let becoming = if user == "root" { "none" } else { "sudo" };
        let mut template = "- directory: {path: /opt/bench}\n- directory: {path: /opt/bench/files}\n- symlink: {path: /opt/link, target: /opt/bench}\n".to_owned();
        for (path, content) in Self::files(items) {
            template.push_str(&format!("- file: {{path: {path}, content: {content:?}}}\n"));
        }
        self.site(user, becoming, &template)?;
        let program = incline();
        let apply = ["apply", "--yes", "--forks", FORKS];
        self.clear();
        let first = self.made(once(self.incline(&program, &apply))?)?;
        let again = measure(&mut self.incline(&program, &apply), 3)?;
        let check = measure(&mut self.incline(&program, &["drift", "--forks", FORKS]), 5)?;
        line(
            &format!("incline{}, {} hosts × {items} items", if user == "root" { "" } else { " by sudo" }, self.hosts),
            [Some(&first), Some(&again), Some(&check)],
            Some(floor),
        );
        Ok(())
    }

    fn pyinfra(&self, items: usize, floor: &Measured) -> Outcome {
        let mut deploy = "from io import StringIO\nfrom pyinfra.operations import files\n\
                          for path in ('/opt/bench', '/opt/bench/files'):\n    files.directory(path=path, user='root', group='root', mode='755')\n\
                          files.link(path='/opt/link', target='/opt/bench')\n"
            .to_owned();
        for (path, content) in Self::files(items) {
            deploy.push_str(&format!(
                "files.put(src=StringIO({content:?}), dest={path:?}, user='root', group='root', mode='644')\n"
            ));
        }
        write(self.path("deploy.py"), &deploy)?;
        let hosts: Vec<String> = self
            .addresses()
            .map(|address| {
                format!(
                    "({address:?}, {{'ssh_user': 'root', 'ssh_key': {:?}, 'ssh_strict_host_key_checking': 'off'}})",
                    self.path("key")
                )
            })
            .collect();
        write(self.path("inventory.py"), &format!("hosts = [{}]\n", hosts.join(", ")))?;
        let command = |dry: bool| {
            let mut command = self.command(testbed::cache::link("ansible").join("bin/pyinfra"));
            command.args(["-y", "--parallel", FORKS]).arg(self.path("inventory.py")).arg(self.path("deploy.py"));
            if dry {
                command.arg("--dry");
            }
            command
        };
        self.clear();
        let first = self.made(once(command(false))?)?;
        let (again, check) = (once(command(false))?, once(command(true))?);
        line(
            &format!("pyinfra, {} hosts × {items} items", self.hosts),
            [Some(&first), Some(&again), Some(&check)],
            Some(floor),
        );
        Ok(())
    }

    fn ansible(&self, items: usize, mitogen: bool, floor: &Measured) -> Outcome {
        let bin = testbed::cache::link("ansible");
        let mut tasks = "- hosts: all\n  gather_facts: false\n  tasks:\n".to_owned();
        for path in ["/opt/bench", "/opt/bench/files"] {
            tasks.push_str(&format!("    - file: {{path: {path}, state: directory, mode: '0755'}}\n"));
        }
        tasks.push_str("    - file: {src: /opt/bench, dest: /opt/link, state: link}\n");
        for (path, content) in Self::files(items) {
            tasks.push_str(&format!("    - copy: {{dest: {path}, content: {content:?}, mode: '0644'}}\n"));
        }
        write(self.path("play.yaml"), &tasks)?;
        write(self.path("hosts.ini"), &self.addresses().map(|address| address + "\n").collect::<String>())?;
        let strategy = if mitogen {
            let found =
                std::fs::read_dir(bin.join("lib")).into_iter().flatten().flatten().next().map(|entry| entry.path());
            let plugins = found.unwrap_or_default().join("site-packages/ansible_mitogen/plugins/strategy");
            format!("strategy = mitogen_linear\nstrategy_plugins = {}\n", plugins.display())
        } else {
            String::new()
        };
        let config = format!(
            "[defaults]\nforks = 50\nhost_key_checking = False\nremote_user = root\nprivate_key_file = {}\ninterpreter_python = /usr/bin/python3\n{strategy}\
             [ssh_connection]\npipelining = True\n",
            self.path("key").display()
        );
        write(self.path("ansible.cfg"), &config)?;
        let command = |check: bool| {
            let mut command = self.command(bin.join("bin/ansible-playbook"));
            command
                .env("ANSIBLE_CONFIG", self.path("ansible.cfg"))
                .arg("-i")
                .arg(self.path("hosts.ini"))
                .arg(self.path("play.yaml"));
            if check {
                command.arg("--check");
            }
            command
        };
        self.clear();
        let first = self.made(once(command(false))?)?;
        let (again, check) = (once(command(false))?, once(command(true))?);
        let name = if mitogen { "ansible with mitogen" } else { "ansible, pipelining" };
        line(
            &format!("{name}, {} hosts × {items} items", self.hosts),
            [Some(&first), Some(&again), Some(&check)],
            Some(floor),
        );
        Ok(())
    }
}

/// One run of what changes things, or takes long.
fn once(mut command: Command) -> Result<Measured, String> {
    measure(&mut command, 0)
}
