//! `cargo xtask bench-apply`: what it takes to make the production site and to look it over, in one run with the AWS CLI
//! deploying the very same templates stack by stack. Numbers are printed, never asserted.
use crate::bench::{Measured, incline, measure, print};
use crate::emulator::{Emulator, edit, estate};
use crate::{Outcome, cargo, root, testbed};
use std::path::Path;
use std::process::Command;

const SITE: &str = "lakeside-prod";
const ACCOUNT: &str = "210987654321";
/// How long each resource takes in the emulator. At AWS it is seconds to minutes: the more, the more side by side counts.
const SECONDS: f64 = 0.05;

pub(crate) fn run() -> Outcome {
    testbed::aws()?;
    let cli = testbed::aws_cli()?;
    crate::run(cargo().args(["build", "--release", "--quiet", "-j2"]))?;
    let work = root().join("target/bench-apply");
    let inventories = work.join("inventories");
    estate(&inventories)?;
    // Alone: without the peering that another site answers, and without a role, which the CLI would have to take on too.
    let inventory = inventories.join(format!("{SITE}.yaml"));
    edit(
        &inventory,
        "  - name: image-promotion # images are promoted from staging by a job that runs here\n    with: {site: lakeside-staging}\n",
        "",
    )?;
    edit(&inventory, "access:\n  role: arn:aws:iam::210987654321:role/operations/incline\n", "")?;
    println!("{:<34} {:>10} {:>10} {:>11}", "", "seconds", "MB", "resources");
    for parallel in ["1", "8"] {
        let aws = Emulator::start(&work.join("aws"), SECONDS)?;
        let made = asked(&aws, &inventories, &["apply", "--yes", "--parallel", parallel, SITE])?;
        show(&format!("incline apply, {parallel} at once"), &made);
        if parallel == "8" {
            show("incline plan, nothing to do", &asked(&aws, &inventories, &["plan", SITE])?);
            show("incline drift", &asked(&aws, &inventories, &["drift", SITE])?);
        }
    }
    let rendered = work.join("rendered");
    let mut render = Command::new(incline());
    render.arg("--inventories").arg(&inventories).args(["render", "--out"]).arg(&rendered).arg(SITE);
    measure(&mut render, 0)?;
    let aws = Emulator::start(&work.join("aws"), SECONDS)?;
    let mut deploy = Command::new(cli.join("python"));
    deploy.arg("xtask/deploy_by_cli.py").arg(cli.join("aws")).arg(rendered.join(SITE).join("stacks"));
    let measured = measure(aws.reached_by(&mut deploy, ACCOUNT), 0)?;
    if !measured.stdout.contains("all stacks are there") {
        return Err(format!("the AWS CLI did not make the site:\n{}", measured.stdout));
    }
    show("aws cloudformation deploy, in turn", &measured);
    Ok(())
}

fn asked(aws: &Emulator, inventories: &Path, arguments: &[&str]) -> Result<Measured, String> {
    let mut command = Command::new(incline());
    command.arg("--inventories").arg(inventories).args(arguments);
    let measured = measure(aws.reached_by(&mut command, ACCOUNT), 0)?;
    if measured.stdout.contains("Not all") {
        return Err(format!("incline {}:\n{}", arguments.join(" "), measured.stdout));
    }
    Ok(measured)
}

fn show(what: &str, measured: &Measured) {
    print(what, measured, 162);
}
