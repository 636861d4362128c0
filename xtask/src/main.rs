//! `cargo xtask TASK`: what the project needs done beside building.
mod bench;
mod bench_apply;
mod bench_drift;
mod bench_f5;
mod bench_hosts;
mod bench_safeguards;
mod demo;
mod device;
mod emulator;
mod lab;
mod suite;
mod terminal;
mod testbed;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
cargo xtask demo               the life of a site, against an emulator of AWS on this machine; then hosts [--yes] [--no-pause]
cargo xtask test               the tests, with their peers set up first [--long] [--failed] [--keep] [--list] [NAME…]
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
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = arguments.split_first().map_or(("", &[][..]), |(task, rest)| (task.as_str(), rest));
    let outcome = match task {
        "demo" => demo::run(rest),
        "test" => suite::run(rest),
        "testbed" => testbed::prepare_all(),
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

fn check() -> Outcome {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    testbed::install(&testbed::NO_PACKAGES, testbed::Consent::Given)?;
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
