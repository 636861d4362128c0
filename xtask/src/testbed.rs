//! Third-party peers of the tests, under `target/testbed`: made on a fresh machine, kept for the next run.
use crate::{Outcome, cargo, kubernetes, root, run};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Debian's packages, each with a program that shows that it is there.
const PACKAGES: [(&str, &str); 19] = [
    ("haproxy", "/usr/sbin/haproxy"),
    ("iproute2", "/usr/sbin/ip"),
    ("mmdebstrap", "/usr/bin/mmdebstrap"),
    ("qemu-system-x86", "/usr/bin/qemu-system-x86_64"),
    ("e2fsprogs", "/sbin/mke2fs"),
    ("tang", "/usr/libexec/tangd"),
    ("jose", "/usr/bin/jose"),
    ("nftables", "/usr/sbin/nft"),
    ("openssh-client", "/usr/bin/ssh-keygen"),
    ("bsdutils", "/usr/bin/script"),
    ("systemd-container", "/usr/bin/systemd-nspawn"),
    ("util-linux", "/usr/bin/unshare"),
    ("ignition", "/usr/bin/ignition-validate"),
    ("shellcheck", "/usr/bin/shellcheck"),
    ("jq", "/usr/bin/jq"),
    ("curl", "/usr/bin/curl"),
    ("chromium", "/usr/bin/chromium"),
    ("chromium-driver", "/usr/bin/chromedriver"),
    ("systemd", "/usr/bin/systemd-analyze"),
];

pub(crate) fn folder() -> PathBuf {
    root().join("target/testbed")
}

/// Makes everything that `cargo xtask test` needs.
pub(crate) fn prepare() -> Outcome {
    std::fs::create_dir_all(folder()).map_err(|error| format!("target/testbed cannot be made: {error}"))?;
    packages()?;
    environment("lint")?;
    environment("checkov")?;
    environment("aws")?;
    hosts()?;
    kubernetes::prepare()
}

/// The trees that test hosts stand on. Where nobody may make namespaces and mounts, a note is left, which the tests of hosts
/// print.
pub(crate) fn hosts() -> Outcome {
    let place = folder().join("hosts");
    std::fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    install(&PACKAGES)?;
    let note = place.join("missing");
    let _ = std::fs::remove_file(&note);
    if !is_root() {
        return std::fs::write(note, "it takes root").map_err(|error| error.to_string());
    }
    let possible = Command::new("unshare").args(["--net", "--mount", "--pid", "--fork", "true"]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        return std::fs::write(note, "namespaces cannot be made").map_err(|error| error.to_string());
    }
    tree("tree", &place.join("debian"))?;
    tree("vmtree", &place.join("debian-vm"))
}

/// Makes a tree by the script's function of this name, unless it was made by the same recipe.
fn tree(function: &str, tree: &std::path::Path) -> Outcome {
    let script = root().join("tests/testbed/hosts/lab.sh");
    let text = std::fs::read_to_string(&script).map_err(|error| format!("{}: {error}", script.display()))?;
    // The recipe is the script's part between the function's name and its end.
    let recipe = text.split(&format!("\n{function}() {{")).nth(1).and_then(|rest| rest.split("\n}").next());
    let recipe = recipe.unwrap_or_default();
    let made = tree.join("made");
    if std::fs::read_to_string(&made).is_ok_and(|made| made == recipe) {
        return Ok(());
    }
    println!("testbed: making {}", tree.display());
    let _ = Command::new("rm").args(["-rf", "--one-file-system"]).arg(tree).status();
    run(Command::new(&script).arg(function).arg(tree).stdout(Stdio::null()))?;
    // Written last: an interrupted installation is begun anew.
    std::fs::write(made, recipe).map_err(|error| error.to_string())
}

/// Why no test hosts can be made, if they cannot.
pub(crate) fn hosts_are_missing() -> Option<String> {
    std::fs::read_to_string(folder().join("hosts/missing")).ok()
}

/// Makes the emulator of AWS alone.
pub(crate) fn aws() -> Outcome {
    std::fs::create_dir_all(folder()).map_err(|error| format!("target/testbed cannot be made: {error}"))?;
    install(&[])?;
    environment("aws")
}

/// The AWS CLI, of a pinned version.
pub(crate) fn aws_cli() -> Result<PathBuf, String> {
    environment("awscli")?;
    Ok(folder().join("awscli/bin"))
}

/// ansible, mitogen and pyinfra, of pinned versions.
pub(crate) fn ansible() -> Outcome {
    environment("ansible")
}

fn packages() -> Outcome {
    install(&PACKAGES)
}

/// Installs Debian's packages that are not there, and what Python's environments need.
fn install(packages: &[(&'static str, &str)]) -> Outcome {
    let mut missing: Vec<&str> =
        packages.iter().filter(|(_, program)| !std::path::Path::new(program).exists()).map(|(name, _)| *name).collect();
    // Debian's python3 comes without what `python3 -m venv` needs.
    if !Command::new("python3").args(["-c", "import ensurepip"]).output().is_ok_and(|output| output.status.success()) {
        missing.extend(["python3", "python3-venv"]);
    }
    if missing.is_empty() {
        return Ok(());
    }
    println!("testbed: installing {}", missing.join(", "));
    let apt = |arguments: &[&str]| {
        let mut command = if is_root() { Command::new("apt-get") } else { Command::new("sudo") };
        if !is_root() {
            command.arg("apt-get");
        }
        run(command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()))
    };
    apt(&["update", "-qq"])?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(missing);
    apt(&arguments)
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// A Python environment that holds exactly what `tests/testbed/NAME.txt` pins.
fn environment(name: &str) -> Outcome {
    let pins = root().join("tests/testbed").join(format!("{name}.txt"));
    let wanted = std::fs::read_to_string(&pins).map_err(|error| format!("{}: {error}", pins.display()))?;
    let place = folder().join(name);
    let mark = place.join("installed.txt");
    if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    println!("testbed: making the Python environment `{name}`");
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place))?;
    run(Command::new(place.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"])
        .arg(&pins))?;
    // Written last: an interrupted installation is begun anew.
    std::fs::write(&mark, wanted).map_err(|error| error.to_string())
}

/// The Python that has cfn-lint.
pub(crate) fn lint_python() -> Result<PathBuf, String> {
    std::fs::create_dir_all(folder()).map_err(|error| error.to_string())?;
    environment("lint")?;
    Ok(folder().join("lint/bin/python"))
}

/// cargo-deny of a pinned version, installed once; without optimisation, which costs more than one run gains.
pub(crate) fn cargo_deny() -> Result<PathBuf, String> {
    installed("cargo-deny", "0.20.2", &["--debug"])
}

/// AWS's own judge of templates, of a pinned version, for the benches.
pub(crate) fn cfn_guard() -> Result<PathBuf, String> {
    installed("cfn-guard", "3.2.0", &[])
}

/// checkov, of pinned versions.
pub(crate) fn checkov() -> Outcome {
    std::fs::create_dir_all(folder()).map_err(|error| error.to_string())?;
    packages()?;
    environment("checkov")
}

/// A program of crates.io's, of this version.
fn installed(name: &str, version: &str, how: &[&str]) -> Result<PathBuf, String> {
    let place = folder().join(name);
    let binary = place.join("bin").join(name);
    let found = Command::new(&binary).arg("--version").output();
    if !found.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim().ends_with(version)) {
        run(cargo()
            .args(["install", "--quiet", "--locked", "--version", version, name])
            .args(how)
            .arg("--root")
            .arg(&place))?;
    }
    Ok(binary)
}
