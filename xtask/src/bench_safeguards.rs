//! Time and memory of judging an estate by the safeguards, side by side in one run with checkov's own rules and with AWS's
//! cfn-guard and our rules, on the same templates. Numbers are printed, never asserted.
use crate::bench::{generate, incline, measure, print};
use crate::{Outcome, cargo, root, testbed};
use std::path::Path;
use std::process::Command;

/// Sites, each with as many pools.
const ESTATES: [usize; 2] = [10, 100];
const POOLS: usize = 5;

pub(crate) fn run() -> Outcome {
    crate::run(cargo().args(["build", "--release", "--quiet", "--package", "incline"]))?;
    let checkov_program = testbed::checkov()?;
    let guard = testbed::cfn_guard()?;
    let work = root().join("target/bench-safeguards");
    let _ = std::fs::remove_dir_all(&work);
    println!("{:<34} {:>10} {:>10} {:>11}", "", "seconds", "MB", "templates");
    for sites in ESTATES {
        let (estate, rendered) = (work.join(format!("estate-{sites}")), work.join(format!("rendered-{sites}")));
        generate(&estate, sites, POOLS)?;
        hold(&estate)?;
        crate::run(
            Command::new(incline())
                .arg("--inventories")
                .arg(&estate)
                .args(["render", "--out"])
                .arg(&rendered)
                .stdout(std::process::Stdio::null()),
        )?;
        let templates = templates(&rendered)?;
        let rules = work.join("incline.guard");
        std::fs::write(&rules, of_stacks()?).map_err(|error| error.to_string())?;
        // All rules, over inventories, templates and node configurations, and rendering before that.
        let check = measure(Command::new(incline()).arg("--inventories").arg(&estate).args(["check", "--json"]), 3)?;
        print(&format!("incline check, {sites} sites"), &check, templates);
        let render = measure(
            Command::new(incline()).arg("--inventories").arg(&estate).args(["render", "--out"]).arg(work.join("again")),
            3,
        )?;
        print("  of which rendering, about", &render, templates);
        // The rules over templates alone.
        let mut engine = Command::new(&guard);
        engine.args(["validate", "--show-summary", "none", "--rules"]).arg(&rules).arg("--data").arg(&rendered);
        print("cfn-guard validate", &measure(&mut engine, 1)?, templates);
        let mut checkov = Command::new(&checkov_program);
        checkov.arg("-d").arg(&rendered).args(["--framework", "cloudformation", "--compact", "--quiet"]);
        checkov.args(["--skip-download", "--soft-fail", "-o", "json"]).env("LOG_LEVEL", "ERROR");
        print("checkov", &measure(&mut checkov, 0)?, templates);
    }
    Ok(())
}

/// Holds all sites to the safeguards.
fn hold(estate: &Path) -> Outcome {
    let fail = |error: std::io::Error| format!("{}: {error}", estate.display());
    for entry in std::fs::read_dir(estate).map_err(fail)?.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = std::fs::read_to_string(&path).map_err(fail)? + "safeguards: {profile: hipaa}\n";
            std::fs::write(&path, text).map_err(fail)?;
        }
    }
    Ok(())
}

/// Our rules over templates, as a file of cfn-guard's.
fn of_stacks() -> Result<String, String> {
    let explain = format!("{} explain --json", incline().display());
    let rules = r#".[] | select(.of == "stack") | "rule \(.id | gsub("-"; "_")) {\n\(.guard)\n}""#;
    let output = Command::new("sh").args(["-c", &format!("{explain} | jq -r '{rules}'")]).current_dir(root()).output();
    let output = output.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).replace("%eligible", "[/^AWS::/]");
    if text.is_empty() { Err("incline explains no rules".to_owned()) } else { Ok(text) }
}

/// How many templates a folder holds; what lies beside them is taken away.
fn templates(folder: &Path) -> Result<usize, String> {
    let fail = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut count = 0;
    for site in std::fs::read_dir(folder).map_err(fail)?.flatten() {
        let _ = std::fs::remove_dir_all(site.path().join("ignition"));
        for entry in std::fs::read_dir(site.path().join("stacks")).map_err(fail)?.flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "json") {
                std::fs::remove_file(entry.path()).map_err(fail)?;
            } else {
                count += 1;
            }
        }
    }
    Ok(count)
}
