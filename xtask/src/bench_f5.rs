//! `cargo xtask bench-f5`: a site of 200 nodes behind a BIG-IP (a double), rendered, planned, applied and looked over, with few and
//! with many virtual servers in one run: how it grows. Numbers are printed, never asserted.
use crate::bench::{Measured, incline, measure, print};
use crate::{Outcome, cargo, root};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// How many nodes the site has, and how many virtual servers are in front of them.
const NODES: usize = 200;
const SERVERS: [usize; 2] = [50, 500];

/// A double that ends with the bench.
struct Device(Child);

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn run() -> Outcome {
    crate::run(cargo().args(["build", "--release", "--quiet", "-j2", "--package", "incline"]))?;
    println!("{:<34} {:>10} {:>10} {:>11}", "", "seconds", "MB", "servers");
    for servers in SERVERS {
        let work = root().join(format!("target/bench-f5/{servers}"));
        let _ = std::fs::remove_dir_all(&work);
        std::fs::create_dir_all(work.join("inventories")).map_err(|error| error.to_string())?;
        let (_device, port) = device(&work)?;
        site(&work, servers, port)?;
        let ask = |arguments: &[&str]| -> Result<Measured, String> {
            let mut command = Command::new(incline());
            command.arg("--inventories").arg(work.join("inventories")).args(arguments).env("F5_PASSWORD", "pa55-wörd");
            let measured = measure(&mut command, 0)?;
            // Nobody answers for the hosts here; the tenants must all be well.
            if measured.stdout.contains("failed") || measured.stdout.contains("! lab/f5:") {
                return Err(format!("incline {}:\n{}", arguments.join(" "), measured.stdout));
            }
            Ok(measured)
        };
        let rendered = work.join("rendered");
        let out = rendered.to_str().ok_or("the folder's name is no text")?;
        print("incline render", &ask(&["render", "--out", out])?, servers);
        print("incline plan, nothing there", &ask(&["plan", "lab"])?, servers);
        print("incline apply", &ask(&["apply", "--yes", "--target", "lab/f5:*"])?, servers);
        print("incline plan, nothing to do", &ask(&["plan", "lab"])?, servers);
        print("incline drift", &ask(&["drift", "lab"])?, servers);
    }
    Ok(())
}

/// A double with a certificate of its own, and its port.
fn device(work: &Path) -> Result<(Device, u16), String> {
    let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=unit \
                   -addext subjectAltName=DNS:bigip-0.localhost -addext basicConstraints=critical,CA:FALSE -keyout unit.key -out unit.pem";
    let made = Command::new("openssl").current_dir(work).args(request.split_whitespace()).output();
    if !made.is_ok_and(|output| output.status.success()) {
        return Err("openssl makes no certificate".to_owned());
    }
    let mut child = Command::new("python3")
        .arg(root().join("tests/testbed/f5/bigip.py"))
        .args(["127.0.0.1", "0", "unit.pem", "unit.key"])
        .current_dir(work)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("the double cannot be started: {error}"))?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
    }
    let port = line.trim().parse().map_err(|_| "the double does not say its port".to_owned())?;
    Ok((Device(child), port))
}

/// An inventory. Its hosts' addresses lead nowhere, and at once: this is not about hosts.
fn site(work: &Path, servers: usize, port: u16) -> Outcome {
    let nodes: String =
        (0..NODES).map(|n| format!("- {{name: w-{n}, address: 224.1.0.{}, roles: [worker]}}\n", n + 11)).collect();
    let all: String = (0..servers)
        .map(|n| {
            format!(
                "  - {{name: app-{n}, address: 10.{}.{}.20, port: 443, nodePort: {}, mode: passthrough, allow: [10.0.0.0/8]}}\n",
                n / 250,
                n % 250,
                30_000 + n
            )
        })
        .collect();
    let text = format!(
        "version: v1\nkind: OnPremSite\nname: lab\nnetwork: {{cidrs: [224.1.0.0/16]}}\nssh: {{user: ops, key: /dev/null, becomeRoot: sudo}}\n\
         hosts:\n- {{name: cp-1, address: 224.1.0.1, roles: [controlPlane]}}\n{nodes}\
         kubernetes: {{version: \"1.36.3\", podCidr: 100.80.0.0/16, serviceCidr: 100.88.0.0/16}}\n\
         api: {{name: api.lab.internal, address: 10.9.9.9}}\nmirror: http://mirror.lab.internal/kubernetes\n\
         f5:\n  units: [\"bigip-0.localhost:{port}\"]\n  user: incline\n  password: {{env: F5_PASSWORD}}\n  trust: {{caFile: {}}}\n  virtualServers:\n{all}",
        work.join("unit.pem").display()
    );
    std::fs::write(work.join("inventories/lab.yaml"), text).map_err(|error| error.to_string())?;
    let lock = std::fs::copy(root().join("inventories/incline.lock"), work.join("inventories/incline.lock"));
    lock.map(|_| ()).map_err(|error| error.to_string())
}
