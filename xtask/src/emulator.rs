//! An emulator of AWS on loopback, for the demo and the benches: started, asked by hand, stopped.
use crate::{Outcome, root, testbed};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The account and the region of the example's production site.
const ACCOUNT: &str = "210987654321";
const REGION: &str = "us-east-1";

/// A running emulator; it is stopped when it is dropped.
pub(crate) struct Emulator {
    process: Child,
    port: u16,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Emulator {
    /// Starts one in which every resource takes `seconds`; `folder` is its own.
    pub(crate) fn start(folder: &Path, seconds: f64) -> Result<Self, String> {
        let failed = |error: std::io::Error| error.to_string();
        std::fs::create_dir_all(folder).map_err(failed)?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(failed)?.port();
        let faults = folder.join("faults.json");
        std::fs::write(&faults, format!(r#"{{"*": {{"seconds": {seconds}}}}}"#)).map_err(failed)?;
        let process = Command::new(testbed::cache::link("aws").join("bin/python"))
            .arg(root().join("tests/testbed/emulator"))
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("MINISTACK_ACCOUNT_ID", ACCOUNT)
            .env("FAULTS", &faults)
            .env("REQUEST_LOG", folder.join("requests"))
            .env("BROUGHT", root().join("inventories/incline.lock"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("the emulator cannot be started: {error}"))?;
        let emulator = Self { process, port };
        for _ in 0..300 {
            if emulator.http("GET", "/_ministack/health", &[], "").is_ok() {
                // What people put there before the first apply: the VPN's keys, which never pass through incline.
                for gateway in ["riverside-dc", "hillcrest-dc"] {
                    let body = format!(
                        r#"{{"Name":"vpn/{gateway}","SecretString":"{{\"tunnel1\":\"not-a-real-key-1\",\"tunnel2\":\"not-a-real-key-2\"}}"}}"#
                    );
                    emulator.request("secretsmanager", "secretsmanager.CreateSecret", &body)?;
                }
                // And the bucket that keeps copies of the audit trail.
                let lock = ("x-amz-bucket-object-lock-enabled", "true".to_owned());
                emulator.http("PUT", "/hospital-audit-copies", &[signature("s3"), lock], "")?;
                return Ok(emulator);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Err("the emulator did not start".to_owned())
    }

    /// A command that finds this AWS, with credentials that are `account`'s and open nothing.
    pub(crate) fn reached_by<'c>(&self, command: &'c mut Command, account: &str) -> &'c mut Command {
        command
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port))
            .env("AWS_ACCESS_KEY_ID", account)
            .env("AWS_SECRET_ACCESS_KEY", "nobodys")
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env_remove("AWS_PROFILE")
    }

    /// A request of the query protocol, by a hand that is not incline's.
    pub(crate) fn query(&self, service: &str, form: &str) -> Result<String, String> {
        let kind = ("content-type", "application/x-www-form-urlencoded".to_owned());
        self.http("POST", "/", &[signature(service), kind], form)
    }

    fn request(&self, service: &str, target: &str, body: &str) -> Result<String, String> {
        let kind = ("content-type", "application/x-amz-json-1.1".to_owned());
        self.http("POST", "/", &[signature(service), ("x-amz-target", target.to_owned()), kind], body)
    }

    fn http(&self, method: &str, path: &str, headers: &[(&str, String)], body: &str) -> Result<String, String> {
        let failed = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(failed)?;
        let headers: String = headers.iter().map(|(key, value)| format!("{key}: {value}\r\n")).collect();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
        )
        .map_err(failed)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(failed)?;
        if answer.starts_with("HTTP/1.1 200") { Ok(answer) } else { Err(answer) }
    }
}

/// The emulator looks at the account, the region and the service of a signature, and not at the signature.
fn signature(service: &str) -> (&'static str, String) {
    (
        "authorization",
        format!(
            "AWS4-HMAC-SHA256 Credential={ACCOUNT}/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=none"
        ),
    )
}

/// A copy of the example estate, to change.
pub(crate) fn estate(to: &Path) -> Outcome {
    let failed = |error: std::io::Error| format!("{}: {error}", to.display());
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).map_err(failed)?;
    for entry in std::fs::read_dir(root().join("inventories")).map_err(failed)?.flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).map_err(failed)?;
    }
    Ok(())
}

/// Replaces a text in a file, once.
pub(crate) fn edit(path: &Path, from: &str, to: &str) -> Outcome {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    if !text.contains(from) {
        return Err(format!("{} does not hold `{from}`", path.display()));
    }
    std::fs::write(path, text.replacen(from, to, 1)).map_err(|error| error.to_string())
}
