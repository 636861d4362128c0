//! The whole life of sites against an emulator of AWS: MiniStack with what `testbed/emulator` adds, and microburst before it
//! for throttling, faults and cuts. All on loopback, started and ended by each test.
mod accounts;
mod drift;
mod faults;
mod guards;
mod kills;
mod life;
mod nodes;
mod states;

use crate::support::*;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// The account of the small site.
const ACCOUNT: &str = "123456789012";

/// A process that ends with its test.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if is_kept() {
            println!("  end its process:  kill {}", self.0.id());
            return;
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An emulator of AWS, and an estate to try on it.
pub struct Aws {
    folder: tempfile::TempDir,
    /// Where the emulator listens.
    endpoint: String,
    /// Where incline is sent: the emulator, or what stands before it.
    through: String,
    _running: Vec<Running>,
}

impl Drop for Aws {
    fn drop(&mut self) {
        if is_kept() {
            self.folder.disable_cleanup(true);
            println!(
                "kept: an emulator of AWS at {}, its inventories in {}",
                self.through,
                self.inventories().display()
            );
        }
    }
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until an address answers.
fn wait_for(url: &str) {
    for _ in 0..300 {
        let answer = Command::new("curl").args(["--silent", "--fail", "--max-time", "2", url]).output().unwrap();
        if answer.status.success() {
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("{url} does not answer");
}

impl Aws {
    /// An emulator, and the small site.
    fn with_clinic() -> Self {
        Self::with(&root().join("tests/cases/clinic/clinic.yaml"), &[])
    }

    /// An emulator, and the example estate.
    fn with_example() -> Self {
        let aws = Self::with(&inventories().join("lakeside-prod.yaml"), &[]);
        for file in ["lakeside-staging.yaml", "riverside-dc.yaml", "hillcrest-dc.yaml"] {
            std::fs::copy(inventories().join(file), aws.inventories().join(file)).unwrap();
        }
        // The VPN's keys are there before anyone applies, and so is the bucket that keeps copies of the audit trail.
        aws.s3("PUT", "hospital-audit-copies", &["x-amz-bucket-object-lock-enabled: true"]);
        for gateway in ["riverside-dc", "hillcrest-dc"] {
            let body = format!(
                r#"{{"Name":"vpn/{gateway}","SecretString":"{{\"tunnel1\":\"{VPN_KEY}\",\"tunnel2\":\"{VPN_KEY}\"}}"}}"#
            );
            aws.json("secretsmanager", "210987654321", "secretsmanager.CreateSecret", &body);
        }
        aws
    }

    fn with(inventory: &std::path::Path, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("inventories")).unwrap();
        for path in [inventory.to_path_buf(), inventories().join("incline.lock")] {
            std::fs::copy(&path, folder.path().join("inventories").join(path.file_name().unwrap())).unwrap();
        }
        std::fs::write(folder.path().join("faults.json"), "{}").unwrap();
        let port = free_port();
        let schemas = std::fs::read_dir(testbed("lint").join("lib")).unwrap().flatten().next().unwrap().path();
        let child = Command::new(testbed("aws/bin/python"))
            .arg(root().join("tests/testbed/emulator"))
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("MINISTACK_ACCOUNT_ID", ACCOUNT)
            .env("FAULTS", folder.path().join("faults.json"))
            .env("REQUEST_LOG", folder.path().join("requests"))
            .env("BROUGHT", folder.path().join("inventories/incline.lock"))
            .env("CFN_SCHEMAS", schemas.join("site-packages/cfnlint/data/schemas"))
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let running = vec![Running(child)];
        let endpoint = format!("http://127.0.0.1:{port}");
        wait_for(&format!("{endpoint}/_ministack/health"));
        Self { folder, through: endpoint.clone(), endpoint, _running: running }
    }

    /// Puts microburst before the emulator.
    fn behind_faults(mut self) -> Self {
        let port = free_port();
        let child = Command::new(testbed("aws/bin/microburst"))
            .args(["--upstream", &self.endpoint, "--host", "127.0.0.1", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self._running.push(Running(child));
        self.through = format!("http://127.0.0.1:{port}");
        wait_for(&format!("{}/_microburst/rules", self.through));
        self
    }

    /// The rules of microburst, in its own words.
    fn network_faults(&self, rules: &str) {
        let answer = Command::new("curl")
            .args(["--silent", "--fail", "-X", "POST", "-H", "content-type: application/json", "-d", rules])
            .arg(format!("{}/_microburst/rules", self.through))
            .output()
            .unwrap();
        assert!(answer.status.success(), "{rules}: {}", stdout(&answer));
    }

    /// How often microburst's rules fired.
    fn fired(&self) -> usize {
        let answer =
            Command::new("curl").args(["--silent", &format!("{}/_microburst/fired", self.through)]).output().unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
        answer
            .as_array()
            .or_else(|| answer["fired"].as_array())
            .or_else(|| answer["events"].as_array())
            .map_or(0, Vec::len)
    }

    fn inventories(&self) -> PathBuf {
        self.folder.path().join("inventories")
    }

    /// Replaces a text in an inventory, once.
    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.inventories().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} does not hold {from:?}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }

    /// The faults that resources meet, in the words of `testbed/emulator/faults.py`.
    fn faults(&self, faults: &str) {
        std::fs::write(self.folder.path().join("faults.json"), faults).unwrap();
    }

    /// A command, ready to run.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_incline"));
        command
            .arg("--inventories")
            .arg(self.inventories())
            .args(arguments)
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .env("INCLINE_AUDIT", self.folder.path().join("audit.jsonl"))
            .env("AWS_ENDPOINT_URL", &self.through)
            .env("AWS_ACCESS_KEY_ID", ACCOUNT)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env_remove("AWS_PROFILE")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must end with `code`, and gives what it printed, stdout first.
    fn ends(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let text = stdout(&output) + &stderr(&output);
        assert_eq!(output.status.code(), Some(code), "incline {arguments:?}:\n{text}");
        text
    }

    /// Applies, and asserts that planning again gives nothing.
    fn applied(&self) -> String {
        let text = self.ends(&["apply", "--yes"], 0);
        self.ends(&["plan", "--detailed-exitcode"], 0);
        text
    }

    /// A request of the query protocol by a hand that is not incline's.
    fn query(&self, service: &str, account: &str, form: &str) -> String {
        self.by_hand(service, account, &["-d", form])
    }

    fn json(&self, service: &str, account: &str, target: &str, body: &str) -> String {
        let target = format!("x-amz-target: {target}");
        self.by_hand(service, account, &["-H", &target, "-H", "content-type: application/x-amz-json-1.1", "-d", body])
    }

    /// A request of S3, past incline.
    fn s3(&self, method: &str, path: &str, headers: &[&str]) -> String {
        let path = format!("/{path}");
        let mut arguments = vec!["-X", method, "--request-target", &path];
        arguments.extend(headers.iter().flat_map(|header| ["-H", header]));
        self.by_hand("s3", "210987654321", &arguments)
    }

    fn by_hand(&self, service: &str, account: &str, arguments: &[&str]) -> String {
        let signature = format!(
            "authorization: AWS4-HMAC-SHA256 Credential={account}/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=none"
        );
        let output = Command::new("curl")
            .args(["--silent", "-H", &signature])
            .args(arguments)
            .arg(&self.endpoint)
            .output()
            .unwrap();
        stdout(&output)
    }

    /// A stack's state, in AWS's word; empty where there is no such stack.
    fn status(&self, stack: &str) -> String {
        let answer = self.query(
            "cloudformation",
            ACCOUNT,
            &format!("Action=DescribeStacks&Version=2010-05-15&StackName={stack}"),
        );
        between(&answer, "<StackStatus>", "</StackStatus>").unwrap_or_default()
    }

    /// The requests that AWS saw, a line each: service and action.
    fn requests(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("requests")).unwrap_or_default();
        text.lines().map(ToOwned::to_owned).collect()
    }

    fn forget_requests(&self) {
        std::fs::write(self.folder.path().join("requests"), "").unwrap();
    }

    /// How many things of a kind there are in EC2.
    fn count(&self, action: &str, tag: &str) -> usize {
        self.query("ec2", ACCOUNT, &format!("Action={action}&Version=2016-11-15")).matches(&format!("<{tag}>")).count()
    }
}

/// The keys that tests sign with. They are nobody's.
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYNOBODYSKEY";
/// The VPN's key in tests. It is nobody's.
const VPN_KEY: &str = "not-a-real-vpn-key-0123456789";

/// The text between two others.
fn between(text: &str, from: &str, to: &str) -> Option<String> {
    text.split(from).nth(1)?.split(to).next().map(ToOwned::to_owned)
}
