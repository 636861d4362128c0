//! `cargo xtask bench-drift`: a night over more and more hosts, and over more and more stacks. Hosts are
//! logins of real OpenSSH into trees of their own, a thousand of them under one sshd. Stacks are an emulator's. Numbers are
//! printed, never asserted.
use crate::bench::{Measured, incline, measure};
use crate::emulator::Emulator;
use crate::lab::{self, Lab, write};
use crate::{Outcome, cargo, root, testbed};
use std::path::Path;
use std::process::Command;

/// How many hosts are looked at, and how many a site has.
const HOSTS: [usize; 3] = [10, 100, 1000];
const OF_A_SITE: usize = 50;
/// How many sites in AWS, of twelve stacks each.
const CLOUDS: [usize; 3] = [1, 5, 17];
const STACKS: usize = 12;

pub(crate) fn run() -> Outcome {
    if let Some(why) = lab::prepare()? {
        return Err(format!("hosts cannot be made on this machine: {why}"));
    }
    testbed::aws()?;
    crate::run(cargo().args(["build", "--release", "--quiet", "--package", "incline"]))?;
    println!("{:<34} {:>9} {:>9} {:>12} {:>9}", "", "seconds", "MB", "AWS requests", "each, ms");
    hosts()?;
    stacks()
}

fn line(what: &str, measured: &Measured, number: usize, requests: Option<usize>) {
    let seconds = measured.time.as_secs_f64();
    println!(
        "{what:<34} {seconds:>9.2} {:>9.1} {:>12} {:>9.1}",
        measured.memory as f64 / 1024.0,
        requests.map_or("-".to_owned(), |requests| requests.to_string()),
        seconds * 1000.0 / number as f64
    );
}

fn hosts() -> Outcome {
    let most = HOSTS.into_iter().max().unwrap_or(0);
    let lab = Lab::crowd(root().join("target/bench/drift"), most)?;
    let items: String = (0..12)
        .map(|n| format!("- file: {{path: /etc/incline-bench-{n}, content: \"one of twelve, number {n}\"}}\n"))
        .collect();
    lab.site("root", "none", &items)?;
    let whole = lab.path("inventories/lab.yaml");
    let text = std::fs::read_to_string(&whole).map_err(|error| error.to_string())?;
    std::fs::remove_file(&whole).map_err(|error| error.to_string())?;
    sites(&lab, &text, most)?;
    measure(&mut lab.incline(&incline(), &["apply", "--yes"]), 0)?;
    for number in HOSTS {
        sites(&lab, &text, number)?;
        let report = lab.path("report").display().to_string();
        let mut night = lab.incline(&incline(), &["drift", "--all", "--report", &report]);
        let measured = measure(&mut night, 3)?;
        let summary = measured.stdout.lines().last().unwrap_or_default();
        if !summary.contains("No drift:") {
            return Err(format!("not all hosts are in sync: {summary}"));
        }
        line(&format!("{number} hosts, up to {OF_A_SITE} a site"), &measured, number, None);
    }
    Ok(())
}

/// Writes the sites of so many hosts, in place of all others.
fn sites(lab: &Lab, text: &str, number: usize) -> Outcome {
    let (head, hosts) = text.split_once("hosts:\n").ok_or("the inventory has no hosts")?;
    let hosts: Vec<String> = hosts.lines().map(|host| host.replace("[controlPlane, worker]", "[worker]")).collect();
    for (site, members) in hosts.chunks(OF_A_SITE).enumerate() {
        let path = lab.path("inventories").join(format!("site-{site}.yaml"));
        let _ = std::fs::remove_file(&path);
        if site * OF_A_SITE >= number {
            continue;
        }
        let members = members.get(..number.saturating_sub(site * OF_A_SITE).min(members.len())).unwrap_or_default();
        let address = |host: &String| Some(format!("{}/32", host.split("address: ").nth(1)?.split(',').next()?));
        let networks: Vec<String> = members.iter().filter_map(address).collect();
        let head = head
            .replace("name: lab\n", &format!("name: site-{site}\n"))
            .replace("cidrs: [10.99.0.0/16]", &format!("cidrs: [{}]", networks.join(", ")));
        let listed = members.join("\n").replacen("[worker]", "[controlPlane, worker]", 1);
        write(&path, &format!("{head}hosts:\n{listed}\n"))?;
    }
    Ok(())
}

fn stacks() -> Outcome {
    let work = root().join("target/bench-drift");
    let _ = std::fs::remove_dir_all(&work);
    let aws = Emulator::start(&work.join("aws"), 0.0)?;
    let clinic =
        std::fs::read_to_string(root().join("tests/cases/clinic/clinic.yaml")).map_err(|error| error.to_string())?;
    let inventories = work.join("inventories");
    let lock = std::fs::read_to_string(root().join("inventories/incline.lock")).map_err(|error| error.to_string())?;
    write(inventories.join("incline.lock"), &lock)?;
    let mut made = 0;
    for clouds in CLOUDS {
        for number in made..clouds {
            let name = format!("cloud-{number}");
            let text = clinic
                .replace("name: clinic\n", &format!("name: {name}\n"))
                .replace("10.40.", &format!("10.{}.", 100 + number))
                .replace("clinic.internal", &format!("{name}.internal"))
                .replace("clinic/portal", &format!("{name}/portal"));
            write(inventories.join(format!("{name}.yaml")), &text)?;
        }
        made = clouds;
        asked(&aws, &inventories, &["apply", "--yes"])?;
        let report = work.join("report").display().to_string();
        let night = asked(&aws, &inventories, &["drift", "--all", "--report", &report, "--exit-zero"])?;
        let requests = requests(&work.join("report/report.json"))?;
        line(&format!("{} stacks, {STACKS} a site", clouds * STACKS), &night, clouds * STACKS, Some(requests));
    }
    Ok(())
}

fn asked(aws: &Emulator, inventories: &Path, arguments: &[&str]) -> Result<Measured, String> {
    let mut command = Command::new(incline());
    command.arg("--inventories").arg(inventories).args(arguments);
    let measured = measure(aws.reached_by(&mut command, "123456789012"), 0)?;
    if measured.stdout.contains("Not all") {
        return Err(format!("incline {}:\n{}", arguments.join(" "), measured.stdout));
    }
    Ok(measured)
}

/// The requests that a report tells of.
fn requests(report: &Path) -> Result<usize, String> {
    let text = std::fs::read_to_string(report).map_err(|error| format!("{}: {error}", report.display()))?;
    let numbers = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("\"requests\": ")?.trim_end_matches(',').parse::<usize>().ok());
    Ok(numbers.sum())
}
