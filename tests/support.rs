//! What every test needs: the command, the example estate, temporary folders.
use incline_model::estate::Estate;
use incline_model::inventory::{Inventory, Parser};
use incline_model::lock::Lock;
use incline_render::Templates;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The top of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The example estate.
pub fn inventories() -> PathBuf {
    root().join("inventories")
}

/// Runs incline at the top of the project, as a user would from the README.
pub fn incline(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_incline"))
        .args(arguments)
        .current_dir(root())
        .env_remove("INCLINE_INVENTORIES")
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Asserts success and gives what was printed.
pub fn succeed(arguments: &[&str]) -> String {
    let output = incline(arguments);
    assert!(output.status.success(), "incline {arguments:?} failed:\n{}", stderr(&output));
    stdout(&output)
}

/// A copy of the example estate in which `from` is replaced by `to`, once, in one file.
pub fn changed_estate(file: &str, from: &str, to: &str) -> tempfile::TempDir {
    estate_with(file, &[(from, to)])
}

/// The same, with several changes of the file.
pub fn estate_with(file: &str, changes: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(inventories()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = folder.path().join(file);
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{file} does not hold {from:?}");
        text = text.replacen(from, to, 1);
    }
    std::fs::write(&path, text).unwrap();
    folder
}

/// All files below a folder, relative path and content, sorted.
pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push((path.strip_prefix(folder).unwrap().display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// What `cargo xtask testbed` made.
pub fn testbed(name: &str) -> PathBuf {
    let path = root().join("target/testbed").join(name);
    assert!(path.exists(), "{} is missing: run `cargo xtask testbed`", path.display());
    path
}

/// The pinned version of Kubernetes, and the minor version before, from which clusters are upgraded; each is built from its own source.
pub const VERSIONS: [&str; 2] = ["1.36.3", "1.35.4"];

/// The programs of the minor version before.
pub fn programs_before() -> PathBuf {
    testbed("kubernetes-before/bin")
}

/// The file by which tests reach what they share.
pub fn fixture(name: &str) -> PathBuf {
    root().join("target/fixtures").join(name)
}

/// Whether what a test set up is to stay, for a person to look at (`cargo xtask test --keep`).
pub fn is_kept() -> bool {
    std::env::var_os("INCLINE_KEEP").is_some()
}

pub fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The example inventories' texts, by file name.
pub fn sources() -> Vec<(String, String)> {
    let mut sources: Vec<(String, String)> = files(&inventories())
        .into_iter()
        .filter(|(name, _)| name.ends_with(".yaml"))
        .map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap()))
        .collect();
    sources.sort();
    sources
}

/// The example estate's lock file.
pub fn lock() -> Lock {
    Lock::parse("incline.lock", &std::fs::read_to_string(inventories().join("incline.lock")).unwrap()).unwrap()
}

/// The templates that travel with incline.
pub fn templates() -> Templates {
    let mut map = BTreeMap::new();
    for (folder, prefix) in [("templates", ""), ("ignition", "ignition/")] {
        for (name, bytes) in files(&root().join(folder)) {
            map.insert(format!("{prefix}{name}"), String::from_utf8(bytes).unwrap());
        }
    }
    map.retain(|name, _| !name.starts_with("init/"));
    Templates::new(map).unwrap()
}

/// The example estate, read and validated by the crates themselves.
pub fn example() -> Estate {
    let parser = Parser::default();
    let parsed: Vec<Inventory> =
        sources().iter().map(|(name, text)| parser.parse(name, text.as_bytes()).unwrap()).collect();
    Estate::new(&parsed, Some(&lock())).unwrap()
}
