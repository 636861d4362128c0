//! `cargo xtask bench-drift`: a night over more and more hosts, and over more and more stacks. Hosts are real sshds in network
//! namespaces of this machine: a hundred of them, each under up to ten addresses, so that a thousand logins are a thousand
//! logins. Stacks are an emulator's. Numbers are printed, never asserted.
use crate::bench::{Measured, incline, measure};
use crate::emulator::Emulator;
use crate::lab::{self, Lab, write};
use crate::{Outcome, cargo, root, testbed};
use std::path::Path;
use std::process::Command;

/// Hosts that are looked at: sshds, each under so many addresses.
const HOSTS: [(usize, usize); 3] = [(10, 1), (100, 1), (100, 10)];
/// How many sshds there are, and how many a site has.
const SSHDS: usize = 100;
const OF_A_SITE: usize = 5;
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
    let lab = Lab::up(root().join("target/bench/drift"), "debian", SSHDS)?;
    let items: String = (0..12)
        .map(|n| format!("- file: {{path: /etc/incline-bench-{n}, content: \"one of twelve, number {n}\"}}\n"))
        .collect();
    lab.site("root", "none", &items)?;
    lab.aliases(10)?;
    let whole = lab.path("inventories/lab.yaml");
    let text = std::fs::read_to_string(&whole).map_err(|error| error.to_string())?;
    std::fs::remove_file(&whole).map_err(|error| error.to_string())?;
    sites(&lab, &text, SSHDS, 1)?;
    crate::run(lab.incline(&incline(), &["apply", "--yes"]).stdout(std::process::Stdio::null()))?;
    for (sshds, addresses) in HOSTS {
        sites(&lab, &text, sshds, addresses)?;
        let report = lab.path("report").display().to_string();
        let mut night = lab.incline(&incline(), &["drift", "--all", "--report", &report]);
        let measured = measure(&mut night, 1)?;
        if !measured.stdout.contains("No drift:") {
            return Err(format!("not all hosts are in sync:\n{}", measured.stdout));
        }
        line(&format!("{} hosts", sshds * addresses), &measured, sshds * addresses, None);
    }
    Ok(())
}

/// Writes the sites, in place of all others: each of some sshds, under so many addresses each.
fn sites(lab: &Lab, text: &str, sshds: usize, addresses: usize) -> Outcome {
    let (head, hosts) = text.split_once("hosts:\n").ok_or("the inventory has no hosts")?;
    let hosts: Vec<&str> = hosts.lines().collect();
    for site in 0..SSHDS / OF_A_SITE {
        let path = lab.path("inventories").join(format!("site-{site}.yaml"));
        let _ = std::fs::remove_file(&path);
        if site * OF_A_SITE >= sshds {
            continue;
        }
        let (mut networks, mut listed) = (Vec::new(), String::new());
        for number in site * OF_A_SITE..(site + 1) * OF_A_SITE {
            let host =
                hosts.get(number).ok_or("there are too few hosts")?.replace("[controlPlane, worker]", "[worker]");
            for alias in 1..=addresses {
                let address = format!("10.99.{alias}.{}", number + 1);
                networks.push(format!("{address}/32"));
                let host = host.replace(&format!("10.99.1.{},", number + 1), &format!("{address},"));
                let host = host.replace(&format!("host-{},", number + 1), &format!("host-{}-{alias},", number + 1));
                let is_first = listed.is_empty();
                listed.push_str(&if is_first { host.replace("[worker]", "[controlPlane, worker]") } else { host });
                listed.push('\n');
            }
        }
        let head = head
            .replace("name: lab\n", &format!("name: site-{site}\n"))
            .replace("cidrs: [10.99.0.0/16]", &format!("cidrs: [{}]", networks.join(", ")));
        write(&path, &format!("{head}hosts:\n{listed}"))?;
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
        line(&format!("{} stacks in {clouds} sites", clouds * STACKS), &night, clouds * STACKS, Some(requests));
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
