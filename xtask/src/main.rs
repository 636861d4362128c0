//! `cargo xtask TASK`: what the project needs done beside building.
mod bench;
mod testbed;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "\
cargo xtask test               all tests, with their peers set up first
cargo xtask check              rustfmt, clippy with warnings denied, cargo-deny
cargo xtask bench              time and memory, beside terraform and cfn-lint where they are installed
cargo xtask replacement-table  make crates/plan/data/replacement.json anew";

/// What a task ends with: nothing, or one sentence.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let task = std::env::args().nth(1).unwrap_or_default();
    let outcome = match task.as_str() {
        "test" => test(),
        "check" => check(),
        "bench" => bench::run(),
        "replacement-table" => replacement_table(),
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
    run(cargo().args(["test", "--workspace", "--", "--include-ignored"]))
}

fn check() -> Outcome {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let deny = testbed::cargo_deny()?;
    // Advisories are left to a scheduled job: their database lies outside the registries that a build may ask.
    run(Command::new(deny).args(["check", "bans", "licenses", "sources"]))
}

fn replacement_table() -> Outcome {
    let python = testbed::lint_python()?;
    let output = Command::new(python)
        .args(["xtask/replacement_table.py", "templates/stacks"])
        .current_dir(root())
        .output()
        .map_err(|error| format!("the table cannot be made: {error}"))?;
    if !output.status.success() {
        return Err(format!("the table cannot be made:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    std::fs::write(root().join("crates/plan/data/replacement.json"), output.stdout).map_err(|error| error.to_string())
}
