//! `cargo xtask test`: all tests, by cargo-nextest, with their peers set up first.
//!
//! A test that this machine cannot run is reported as skipped, by name and reason, and never counted as passed; under `CI=true`
//! it fails the run.
mod fixture;
mod report;

use crate::testbed::kubernetes::State;
use crate::testbed::{self, Machine, kubernetes};
use crate::{Outcome, root};
use fixture::Fixtures;
use report::Report;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A part of a test's name that says how long it takes: only `--long` runs it.
const LONG: &str = "::long::";

/// What a test needs of the machine beyond what [`testbed::prepare`] installs, by the beginning of its name.
const NEEDS: [(&str, Need); 6] = [
    ("hosts::cluster::", Need::Clusters),
    ("hosts::replaced::", Need::Clusters),
    ("hosts::", Need::Hosts),
    ("members::", Need::Kubernetes),
    ("peers::kubeadm_", Need::Kubernetes),
    ("scripts::", Need::Kubernetes),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Hosts in namespaces.
    Hosts,
    /// The programs of Kubernetes.
    Kubernetes,
    /// Both.
    Clusters,
}

/// What is asked for.
#[derive(Default)]
struct Options {
    names: Vec<String>,
    long: bool,
    list: bool,
    keep: bool,
    failed: bool,
}

const USAGE: &str = "\
cargo xtask test [--long] [--failed] [--keep] [--list] [NAME…]

  NAME…     only tests whose name contains one of these
  --long    also those that take long: whole clusters through upgrades, many interruptions
  --failed  only those that failed in the last run
  --keep    leave what tests have set up; print how to enter and how to end it
  --list    list the tests that would run";

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--long" => options.long = true,
                "--list" => options.list = true,
                "--keep" => options.keep = true,
                "--failed" => options.failed = true,
                name if !name.starts_with('-') => options.names.push(name.to_owned()),
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(options)
    }

    /// Whether a test is asked for by its name. A name in full is asked for whatever tier it is in.
    fn wants(&self, test: &str, failed: &[String]) -> bool {
        let is_named = self.names.is_empty() || self.names.iter().any(|name| test.contains(name.as_str()));
        let is_in_tier = self.long || self.failed || !test.contains(LONG) || self.names.iter().any(|name| name == test);
        is_named && is_in_tier && (!self.failed || failed.iter().any(|name| name == test))
    }
}

/// A test that does not run here, and why.
struct Skip {
    name: String,
    reason: String,
}

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    let failed = if options.failed { Report::last()?.failed() } else { Vec::new() };
    let machine = testbed::prepare()?;
    let (program, tests) = listed()?;
    let tests = tests.into_iter().filter(|test| options.wants(test, &failed));
    let (mut runnable, mut skipped) = (Vec::new(), Vec::new());
    for name in tests {
        match obstacle(&name, &machine) {
            Some(reason) => skipped.push(Skip { name, reason }),
            None => runnable.push(name),
        }
    }
    if options.list {
        runnable.iter().for_each(|name| println!("{name}"));
        skipped.iter().for_each(|skip| println!("{}  (skipped: {})", skip.name, skip.reason));
        return Ok(());
    }
    if runnable.is_empty() && skipped.is_empty() {
        return Err("no test has such a name; `cargo xtask test --list` lists them".to_owned());
    }
    // Kubernetes is built beside the tests that do not need it.
    let (later, now): (Vec<String>, Vec<String>) = runnable.into_iter().partition(|name| {
        machine.kubernetes == Ok(State::ToBuild) && matches!(need(name), Some(Need::Kubernetes | Need::Clusters))
    });
    let building = (!later.is_empty()).then(|| std::thread::spawn(kubernetes::prepare));
    let mut report = round(&now, &program, &options)?;
    if let Some(building) = building {
        match building.join().unwrap_or_else(|_| Err("its build ended early".to_owned())) {
            Ok(()) => report.add(round(&later, &program, &options)?),
            Err(why) => {
                let reason = format!("Kubernetes could not be built: {why}");
                skipped.extend(later.into_iter().map(|name| Skip { name, reason: reason.clone() }));
            }
        }
    }
    report.save()?;
    close(&report, &skipped)
}

/// Says what was slow, what was skipped and what failed; the last line has the numbers.
fn close(report: &Report, skipped: &[Skip]) -> Outcome {
    println!("\nslowest:");
    for (name, seconds) in report.slowest(10) {
        println!("  {seconds:7.1} s  {name}");
    }
    // One line a reason: whole suites are skipped for the same.
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for skip in skipped {
        reasons.entry(&skip.reason).or_default().push(&skip.name);
    }
    for (reason, names) in reasons {
        println!("skipped, since {reason}:");
        names.iter().for_each(|name| println!("  {name}"));
    }
    let failed = report.failed();
    if !failed.is_empty() {
        println!("failed:");
        failed.iter().for_each(|name| println!("  {name}"));
    }
    println!("{} passed, {} failed, {} skipped", report.passed(), failed.len(), skipped.len());
    if !failed.is_empty() {
        return Err("tests failed; `cargo xtask test --failed` runs them again".to_owned());
    }
    if !skipped.is_empty() && std::env::var_os("CI").is_some() {
        return Err("tests were skipped, and CI must run all of them".to_owned());
    }
    Ok(())
}

/// What a test needs.
fn need(name: &str) -> Option<Need> {
    NEEDS.iter().find(|(beginning, _)| name.starts_with(beginning)).map(|(_, need)| *need)
}

/// Why this machine cannot run a test.
fn obstacle(name: &str, machine: &Machine) -> Option<String> {
    let hosts = || machine.hosts.as_ref().err().map(|why| format!("test hosts cannot be made: {why}"));
    let kubernetes = || machine.kubernetes.as_ref().err().map(|why| format!("Kubernetes cannot be built: {why}"));
    match need(name)? {
        Need::Hosts => hosts(),
        Need::Kubernetes => kubernetes(),
        Need::Clusters => hosts().or_else(kubernetes),
    }
}

/// A command of cargo-nextest, over all tests. cargo's progress is seen.
fn nextest(command: &str) -> Result<Command, String> {
    let mut nextest = Command::new(testbed::nextest()?);
    nextest.args(["nextest", command, "--workspace", "--run-ignored", "all"]).current_dir(root());
    if let Some(cargo) = std::env::var_os("CARGO") {
        nextest.env("CARGO", cargo);
    }
    Ok(nextest)
}

/// The integration binary, and the names of all tests but the fixtures.
fn listed() -> Result<(PathBuf, Vec<String>), String> {
    let output = nextest("list")?
        .args(["--message-format", "json"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo-nextest cannot be run: {error}"))?;
    if !output.status.success() {
        return Err("the tests do not build".to_owned());
    }
    let list: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo-nextest lists no tests: {error}"))?;
    let suites = &list["rust-suites"];
    let program = suites["incline::incline"]["binary-path"].as_str().ok_or("there is no integration binary")?;
    let tests = suites
        .as_object()
        .into_iter()
        .flatten()
        .flat_map(|(_, suite)| suite["testcases"].as_object().into_iter().flatten());
    let names = tests.map(|(name, _)| name.clone()).filter(|name| !name.starts_with(fixture::PREFIX));
    Ok((PathBuf::from(program), names.collect()))
}

/// Runs these tests, with the fixtures that they share.
fn round(names: &[String], program: &Path, options: &Options) -> Result<Report, String> {
    if names.is_empty() {
        return Ok(Report::default());
    }
    let fixtures = Fixtures::start(names, program, options.keep)?;
    let mut nextest = nextest("run")?;
    let expression = names.iter().map(|name| format!("test(={name})")).collect::<Vec<_>>().join(" + ");
    nextest.args(["--no-fail-fast", "--filterset", &expression]);
    if options.keep {
        nextest.args(["--success-output", "final"]).env("INCLINE_KEEP", "1");
    }
    let _ = std::fs::remove_file(junit());
    let status = nextest.status().map_err(|error| format!("cargo-nextest cannot be run: {error}"))?;
    drop(fixtures);
    crate::lab::end_leftovers();
    let report = Report::read(&junit())?;
    if !status.success() && report.failed().is_empty() {
        return Err(format!("cargo-nextest ended with {status}"));
    }
    Ok(report)
}

/// What cargo-nextest writes of a run.
fn junit() -> PathBuf {
    root().join("target/nextest/default/junit.xml")
}
