//! Time and memory of `incline plan --offline`, side by side in one run with `terraform plan` of as many
//! `terraform_data` resources and with cfn-lint on the same templates. Numbers are printed, never asserted.
use crate::{Outcome, cargo, root, testbed};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Estates to measure: sites × pools a site. The last is the one with an aim: under 2 s and 300 MB on two cores.
const ESTATES: [(usize, usize); 4] = [(1, 20), (10, 20), (50, 20), (100, 20)];

pub(crate) fn run() -> Outcome {
    crate::run(cargo().args(["build", "--release", "--quiet", "--package", "incline"]))?;
    let work = root().join("target/bench");
    let _ = std::fs::remove_dir_all(&work);
    println!("{:<34} {:>10} {:>10} {:>11}", "", "seconds", "MB", "resources");
    for (sites, pools) in ESTATES {
        let estate = work.join(format!("estate-{sites}"));
        generate(&estate, sites, pools)?;
        let plan = measure(Command::new(incline()).arg("--inventories").arg(&estate).args(["plan", "--offline"]), 5)?;
        let resources = resources(&plan.stdout);
        print(&format!("incline plan, {sites} sites × {pools} pools"), &plan, resources);
        if sites == 1 || sites == 10 {
            terraform(&work, sites, resources)?;
            cfn_lint(&work, &estate, sites)?;
        }
    }
    Ok(())
}

pub(crate) fn incline() -> PathBuf {
    root().join("target/release/incline")
}

pub(crate) struct Measured {
    pub(crate) time: Duration,
    /// The largest resident set, in KiB.
    pub(crate) memory: u64,
    pub(crate) stdout: String,
}

/// The median time and the largest memory of several runs, the first of which warms the caches and is not counted.
pub(crate) fn measure(command: &mut Command, times: usize) -> Result<Measured, String> {
    let name = format!("{command:?}");
    let mut runs = Vec::new();
    for round in 0..=times {
        let started = Instant::now();
        let child = command
            .current_dir(root())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        let watched = watch(child)?;
        if round > 0 || times == 0 {
            runs.push((started.elapsed(), watched.0, watched.1));
        }
    }
    runs.sort_by_key(|run| run.0);
    let memory = runs.iter().map(|run| run.1).max().unwrap_or(0);
    let middle = runs.len() / 2;
    let (time, _, stdout) = runs.swap_remove(middle);
    Ok(Measured { time, memory, stdout })
}

/// Waits for a process, and looks at its high-water mark of memory meanwhile (VmHWM, proc(5)).
fn watch(mut child: std::process::Child) -> Result<(u64, String), String> {
    let status = format!("/proc/{}/status", child.id());
    let mut stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(stdout) = &mut stdout {
            let _ = std::io::Read::read_to_end(stdout, &mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    let mut memory = 0;
    loop {
        if let Ok(text) = std::fs::read_to_string(&status) {
            let mark = text
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))
                .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
            memory = mark.unwrap_or(0).max(memory);
        }
        if child.try_wait().map_err(|error| error.to_string())?.is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok((memory, reader.join().unwrap_or_default()))
}

pub(crate) fn print(what: &str, measured: &Measured, resources: usize) {
    println!(
        "{what:<34} {:>10.3} {:>10.1} {resources:>11}",
        measured.time.as_secs_f64(),
        measured.memory as f64 / 1024.0
    );
}

/// The number of resources in a plan's last line.
fn resources(plan: &str) -> usize {
    let summary = plan.lines().last().unwrap_or_default();
    summary
        .split(' ')
        .zip(summary.split(' ').skip(1))
        .find(|(_, word)| word.starts_with("resource"))
        .and_then(|(number, _)| number.parse().ok())
        .unwrap_or(0)
}

/// An estate of like sites: own networks, domains and names; no VPN and no peering, as those would tie sites together.
pub(crate) fn generate(folder: &Path, sites: usize, pools: usize) -> Outcome {
    let fail = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(fail)?;
    std::fs::copy(root().join("inventories/incline.lock"), folder.join("incline.lock")).map_err(fail)?;
    for site in 0..sites {
        let zones = ["us-east-1a", "us-east-1b", "us-east-1c"];
        let subnets = |first: usize, step: usize, prefix: usize| {
            zones
                .iter()
                .enumerate()
                .map(|(i, zone)| format!("      {zone}: 10.{site}.{}.0/{prefix}\n", first + i * step))
                .collect::<String>()
        };
        let pools: String = (0..pools)
            .map(|pool| format!("  - name: pool-{pool}\n    instanceTypes: [m6i.xlarge, m6a.xlarge]\n    size: {{min: 1, desired: 2, max: 20}}\n    labels: {{bench.internal/pool: p{pool}}}\n"))
            .collect();
        let text = format!(
            "version: v1\nkind: AwsSite\nname: site-{site}\naccount: \"{:012}\"\nregion: us-east-1\nzones: [{}]\ndomain: s{site}.bench.internal\ntags: {{owner: bench}}\n\
             network:\n  cidr: 10.{site}.0.0/16\n  subnets:\n    private:\n{}    isolated:\n{}  egress: none\n  endpoints: [cloudformation, ec2, ec2messages, ecr.api, ecr.dkr, secretsmanager, ssm, ssmmessages]\n\
             kubernetes: {{version: \"1.36.3\", podCidr: 100.64.0.0/12, serviceCidr: 100.80.0.0/16}}\ncontrolPlane: {{instanceType: m6i.large}}\npools:\n{pools}",
            100_000_000_000 + site,
            zones.join(", "),
            subnets(32, 16, 20),
            subnets(4, 1, 24),
        );
        std::fs::write(folder.join(format!("site-{site}.yaml")), text).map_err(fail)?;
    }
    Ok(())
}

/// terraform planning as many resources that need no provider.
fn terraform(work: &Path, sites: usize, resources: usize) -> Outcome {
    if Command::new("terraform").arg("version").output().is_err() {
        println!("terraform is not installed");
        return Ok(());
    }
    let folder = work.join(format!("terraform-{sites}"));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    // Written out one by one, as incline's are: `count` would let terraform evaluate one expression for all.
    let text: String = (0..resources).map(|index| format!("resource \"terraform_data\" \"r{index}\" {{\n  input = {{ name = \"r{index}\", cidr = \"10.0.0.0/16\" }}\n}}\n")).collect();
    std::fs::write(folder.join("main.tf"), text).map_err(|error| error.to_string())?;
    let chdir = format!("-chdir={}", folder.display());
    crate::run(Command::new("terraform").args([&chdir, "init"]).stdout(Stdio::null()).stderr(Stdio::null()))?;
    let measured = measure(Command::new("terraform").args([&chdir, "plan"]), 3)?;
    print(&format!("terraform plan, as many ({sites} sites)"), &measured, resources);
    Ok(())
}

fn cfn_lint(work: &Path, estate: &Path, sites: usize) -> Outcome {
    let rendered = work.join(format!("rendered-{sites}"));
    crate::run(
        Command::new(incline())
            .arg("--inventories")
            .arg(estate)
            .args(["render", "--out"])
            .arg(&rendered)
            .stdout(Stdio::null()),
    )?;
    let mut templates = Vec::new();
    for site in 0..sites {
        let stacks = rendered.join(format!("site-{site}/stacks"));
        templates.extend(
            std::fs::read_dir(&stacks)
                .map_err(|error| error.to_string())?
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|e| e == "yaml")),
        );
    }
    let lint = testbed::lint_python()?.with_file_name("cfn-lint");
    let count = templates.len();
    let measured =
        measure(Command::new(lint).args(["-r", "us-east-1", "--"]).args(templates), if sites == 1 { 2 } else { 0 })?;
    print(&format!("cfn-lint, the same {count} templates"), &measured, 0);
    Ok(())
}
