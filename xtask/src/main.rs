//! `cargo xtask TASK`: what the project needs done beside building.
mod bench;
mod bench_apply;
mod bench_drift;
mod bench_f5;
mod bench_hosts;
mod bench_safeguards;
mod demo;
mod emulator;
mod kubernetes;
mod lab;
mod testbed;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

const USAGE: &str = "\
cargo xtask demo               the whole life of a site, against an emulator of AWS on this machine; then hosts, where they can be made
cargo xtask test               all tests, with their peers set up first
cargo xtask testbed            make what the tests need, and end
cargo xtask check              rustfmt, clippy with warnings denied, cargo-deny
cargo xtask bench              time and memory, beside terraform and cfn-lint where they are installed
cargo xtask bench-apply        apply and drift of the production site, beside the AWS CLI, against an emulator
cargo xtask bench-drift        a night over 10 to 1,000 hosts, and over 12 to 204 stacks
cargo xtask bench-f5           a site of 200 nodes behind a double of a BIG-IP, with 50 and with 500 virtual servers
cargo xtask bench-hosts        hosts looked at and changed, beside ansible, mitogen, pyinfra, OpenSSH and a bare connection
cargo xtask bench-safeguards   an estate of 100 sites judged by the safeguards, beside checkov and cfn-guard
cargo xtask schema-tables      make the tables anew that come from CloudFormation's schemas";

/// What a task ends with: nothing, or one sentence.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let task = std::env::args().nth(1).unwrap_or_default();
    let outcome = match task.as_str() {
        "demo" => demo::run_demo(),
        "test" => test(),
        "testbed" => testbed::prepare(),
        "check" => check(),
        "bench" => bench::run(),
        "bench-apply" => bench_apply::run(),
        "bench-drift" => bench_drift::run(),
        "bench-f5" => bench_f5::run(),
        "bench-hosts" => bench_hosts::run(),
        "bench-safeguards" => bench_safeguards::run(),
        "schema-tables" => schema_tables(),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("{cause}");
            ExitCode::FAILURE
        }
    }
}

/// The top of the project.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Runs a command at the top of the project; what it prints is seen.
fn run(command: &mut Command) -> Outcome {
    let name = format!("{command:?}");
    match command.current_dir(root()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name} failed: {status}")),
        Err(error) => Err(format!("{name} cannot be run: {error}")),
    }
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn test() -> Outcome {
    testbed::prepare()?;
    let failed = |error: std::io::Error| format!("cargo test cannot be run: {error}");
    let mut child = cargo()
        .args(["test", "--workspace", "--", "--include-ignored"])
        .current_dir(root())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // Each binary closes with a count of its own; the sum is what a reader looks for.
    let mut sums = [0_usize; 2];
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines().map_while(Result::ok))
    {
        println!("{line}");
        if let Some(counts) = line.strip_prefix("test result: ") {
            for (sum, what) in sums.iter_mut().zip([" passed", " failed"]) {
                let number = counts
                    .split(what)
                    .next()
                    .and_then(|text| text.rsplit(' ').next())
                    .and_then(|text| text.parse::<usize>().ok());
                *sum += number.unwrap_or(0);
            }
        }
    }
    let status = child.wait().map_err(failed)?;
    if let Some(cause) = testbed::hosts_are_missing() {
        println!("left out: what needs hosts, which cannot be made on this machine: {cause}");
    }
    if let Some(cause) = kubernetes::is_missing() {
        println!("left out: what needs Kubernetes, which could not be built: {cause}");
    }
    println!("{} passed, {} failed", sums[0], sums[1]);
    if status.success() { Ok(()) } else { Err("tests failed".to_owned()) }
}

fn check() -> Outcome {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let deny = testbed::cargo_deny()?;
    // Advisories are for a scheduled job: their database changes by the hour, and a build must not fail by the clock.
    run(Command::new(deny).args(["check", "bans", "licenses", "sources"]))
}

fn schema_tables() -> Outcome {
    let python = testbed::lint_python()?;
    for (table, file) in
        [("replacement", "crates/plan/data/replacement.json"), ("permissions", "crates/aws/data/permissions.json")]
    {
        let output = Command::new(&python)
            .args(["xtask/schema_tables.py", table, "templates/stacks"])
            .current_dir(root())
            .output()
            .map_err(|error| format!("{file} cannot be made: {error}"))?;
        if !output.status.success() {
            return Err(format!("{file} cannot be made:\n{}", String::from_utf8_lossy(&output.stderr)));
        }
        std::fs::write(root().join(file), output.stdout).map_err(|error| error.to_string())?;
    }
    Ok(())
}
