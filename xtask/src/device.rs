//! A double of a BIG-IP on loopback (`tests/testbed/f5/bigip.py`), for the demo and a bench.
use crate::{Outcome, root};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The password of the double's user.
pub(crate) const PASSWORD: &str = "pa55-wörd";

/// A double that ends with this value.
pub(crate) struct Device {
    process: Child,
    /// Where it listens on loopback.
    pub(crate) port: u16,
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Changes an object by hand: the address, and the request.
const EDIT: &str = "\
import ssl, sys, urllib.request
request = urllib.request.Request(sys.argv[1], data=sys.argv[2].encode(), headers={'content-type': 'application/json'})
urllib.request.urlopen(request, context=ssl._create_unverified_context()).read()";

impl Device {
    /// Starts one with a certificate of its own; `work` is its folder.
    pub(crate) fn start(work: &Path) -> Result<Self, String> {
        let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=unit \
                       -addext subjectAltName=DNS:bigip-0.localhost -addext basicConstraints=critical,CA:FALSE -keyout unit.key -out unit.pem";
        let made = Command::new("openssl").current_dir(work).args(request.split_whitespace()).output();
        if !made.is_ok_and(|output| output.status.success()) {
            return Err("openssl makes no certificate".to_owned());
        }
        let mut process = Command::new("python3")
            .arg(root().join("tests/testbed/f5/bigip.py"))
            .args(["127.0.0.1", "0", "unit.pem", "unit.key"])
            .current_dir(work)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the double cannot be started: {error}"))?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
        }
        let port = line.trim().parse().map_err(|_| "the double does not say its port".to_owned())?;
        Ok(Self { process, port })
    }

    /// Changes a property of an object by hand, past incline. `collection` is iControl's, as `ltm/pool`.
    pub(crate) fn edit(&self, collection: &str, object: &str, property: &str, value: &str) -> Outcome {
        let body = serde_json::json!({ "collection": collection, "id": object, "patch": { property: value } });
        let address = format!("https://127.0.0.1:{}/test/edit", self.port);
        crate::run(Command::new("python3").args(["-c", EDIT, &address, &body.to_string()]))
    }
}

/// Writes the inventory of a site behind it. Its hosts' addresses lead nowhere, and at once: this is not about hosts.
pub(crate) fn site(work: &Path, nodes: usize, servers: usize, port: u16) -> Outcome {
    let nodes: String =
        (0..nodes).map(|n| format!("- {{name: w-{n}, address: 224.1.0.{}, roles: [worker]}}\n", n + 11)).collect();
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
