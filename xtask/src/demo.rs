//! `cargo xtask demo`: the whole life of a site, against an emulator of AWS on loopback, watchable in a terminal.
use crate::{Outcome, cargo, root, run, testbed};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The site that is changed, tampered with and removed.
const SITE: &str = "lakeside-prod";
const ACCOUNT: &str = "210987654321";
const REGION: &str = "us-east-1";

/// What the demo starts, and stops when it ends, however it ends.
struct Aws {
    process: Child,
    port: u16,
}

impl Drop for Aws {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn run_demo() -> Outcome {
    testbed::aws()?;
    run(cargo().args(["build", "--release", "--quiet", "-j2"]))?;
    let began = Instant::now();
    let folder = root().join("target/demo");
    let inventories = folder.join("inventories");
    copy(&root().join("inventories"), &inventories)?;
    say("an AWS on this machine: MiniStack on loopback, with dummy keys");
    let aws = start(&folder)?;
    // What people put there before the first apply: the VPN's keys, which never pass through incline.
    for gateway in ["riverside-dc", "hillcrest-dc"] {
        let body = format!(
            r#"{{"Name":"vpn/{gateway}","SecretString":"{{\"tunnel1\":\"not-a-real-key-1\",\"tunnel2\":\"not-a-real-key-2\"}}"}}"#
        );
        aws.request("secretsmanager", "secretsmanager.CreateSecret", &body)?;
    }
    let incline = |arguments: &[&str], wanted: i32| aws.incline(&inventories, arguments, wanted);

    say("the plan of the whole estate: two sites in two accounts");
    incline(&["plan"], 0)?;
    say("apply: stage by stage, stacks of a stage side by side");
    incline(&["apply", "--yes"], 0)?;
    say("planned again: nothing");
    incline(&["plan", "--detailed-exitcode"], 0)?;
    say("a pool gets a label: that pool's stack alone, and what it does to its nodes");
    edit(
        &inventories,
        "labels: {lakeside.internal/workload: imaging}",
        "labels: {lakeside.internal/workload: imaging, lakeside.internal/archive: west}",
    )?;
    incline(&["plan", "--detailed-exitcode"], 2)?;
    incline(&["apply", "--yes"], 0)?;
    say("somebody shortens a balancer's timeout and opens SSH to the world, behind incline's back");
    aws.query("elasticloadbalancing", "Action=ModifyLoadBalancerAttributes&Version=2012-06-01&LoadBalancerName=lakeside-prod-clinical&LoadBalancerAttributes.ConnectionSettings.IdleTimeout=60")?;
    let groups = aws.query("ec2", "Action=DescribeSecurityGroups&Version=2016-11-15")?;
    let workers = group_of(&groups, "lakeside-prod workers").ok_or("the workers' security group is not there")?;
    aws.query("ec2", &format!("Action=AuthorizeSecurityGroupIngress&Version=2016-11-15&GroupId={workers}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0"))?;
    say("drift finds both, and says so by its exit code");
    incline(&["drift", SITE], 2)?;
    say("apply mends both");
    incline(&["apply", "--mend-drift", "--yes", SITE], 0)?;
    incline(&["drift", SITE], 0)?;
    say("the machines");
    incline(&["nodes", SITE], 0)?;
    say("the site goes: its inventory says so first, then its name is typed out");
    edit(&inventories, "\nbreakGlass: ssm\n", "\nbreakGlass: ssm\nterminationProtection: false\n")?;
    incline(&["apply", "--yes", SITE], 0)?;
    incline(&["destroy", SITE, "--confirm", SITE], 0)?;
    drop(aws);
    println!(
        "\nThat took {} s. What it started is stopped; {} holds what it wrote.",
        began.elapsed().as_secs(),
        folder.display()
    );
    Ok(())
}

fn say(heading: &str) {
    println!("\n\x1b[1;36m── {heading}\x1b[0m");
}

/// A copy of the example estate, to change.
fn copy(from: &Path, to: &Path) -> Outcome {
    let failed = |error: std::io::Error| format!("{}: {error}", to.display());
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).map_err(failed)?;
    for entry in std::fs::read_dir(from).map_err(failed)?.flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).map_err(failed)?;
    }
    Ok(())
}

fn edit(inventories: &Path, from: &str, to: &str) -> Outcome {
    let path = inventories.join(format!("{SITE}.yaml"));
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    if !text.contains(from) {
        return Err(format!("{} does not hold `{from}`", path.display()));
    }
    std::fs::write(&path, text.replacen(from, to, 1)).map_err(|error| error.to_string())?;
    println!("\x1b[2m{}: {}\x1b[0m", path.display(), to.trim());
    Ok(())
}

fn start(folder: &Path) -> Result<Aws, String> {
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(|error| error.to_string())?
        .port();
    let faults = folder.join("faults.json");
    // Every resource takes a moment, so that there is something to watch.
    std::fs::write(&faults, r#"{"*": {"seconds": 0.05}}"#).map_err(|error| error.to_string())?;
    let process = Command::new(testbed::folder().join("aws/bin/python"))
        .arg(root().join("tests/testbed/emulator"))
        .env("BIND_HOST", "127.0.0.1")
        .env("GATEWAY_PORT", port.to_string())
        .env("MINISTACK_ACCOUNT_ID", ACCOUNT)
        .env("FAULTS", &faults)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("the emulator cannot be started: {error}"))?;
    let aws = Aws { process, port };
    for _ in 0..300 {
        if aws.http("GET", "/_ministack/health", &[], "").is_ok() {
            return Ok(aws);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Err("the emulator did not start".to_owned())
}

impl Aws {
    fn incline(&self, inventories: &Path, arguments: &[&str], wanted: i32) -> Outcome {
        println!("\x1b[1m$ incline {}\x1b[0m", arguments.join(" "));
        let binary: PathBuf = root().join("target/release/incline");
        let status: ExitStatus = Command::new(binary)
            .arg("--inventories")
            .arg(inventories)
            .args(arguments)
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port))
            .env("AWS_ACCESS_KEY_ID", "111111111111")
            .env("AWS_SECRET_ACCESS_KEY", "nobodys")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env_remove("AWS_PROFILE")
            .status()
            .map_err(|error| format!("incline cannot be run: {error}"))?;
        match status.code() {
            Some(code) if code == wanted => Ok(()),
            other => Err(format!("incline {} ended with {other:?}, and {wanted} was wanted", arguments.join(" "))),
        }
    }

    fn query(&self, service: &str, form: &str) -> Result<String, String> {
        let kind = ("content-type", "application/x-www-form-urlencoded".to_owned());
        self.http("POST", "/", &[signature(service), kind], form)
    }

    fn request(&self, service: &str, target: &str, body: &str) -> Result<String, String> {
        let headers = [
            signature(service),
            ("x-amz-target", target.to_owned()),
            ("content-type", "application/x-amz-json-1.1".to_owned()),
        ];
        self.http("POST", "/", &headers, body)
    }

    /// A request of the hand that works behind incline's back.
    fn http(&self, method: &str, path: &str, headers: &[(&str, String)], body: &str) -> Result<String, String> {
        let failed = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(failed)?;
        let headers: String = headers.iter().map(|(key, value)| format!("{key}: {value}\r\n")).collect();
        let length = body.len();
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}").map_err(failed)?;
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

/// The id of the security group with a description.
fn group_of(answer: &str, description: &str) -> Option<String> {
    let item = answer
        .split("<groupId>")
        .find(|part| part.contains(&format!("<groupDescription>{description}</groupDescription>")))?;
    item.split('<').next().map(ToOwned::to_owned)
}
