//! Who is told of a night: metrics that are pushed, news that wait until somebody takes them, a trail that must be there.
use crate::support::*;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

/// A site whose one host nobody can reach: the network is one of multicast.
const SITE: &str = "version: v1\nkind: OnPremSite\nname: far\nnetwork: {cidrs: [224.9.0.0/16]}\nssh: {user: ops, key: /dev/null, becomeRoot: sudo}\n\
    hosts: [{name: far-1, address: 224.9.0.1, roles: [controlPlane, worker]}]\n\
    kubernetes: {version: \"1.36.3\", podCidr: 100.80.0.0/16, serviceCidr: 100.88.0.0/16}\n\
    api: {name: api.far.internal, address: 224.9.0.9}\nmirror: https://mirror.far.internal/kubernetes\n";

fn estate() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("inventories")).unwrap();
    std::fs::write(folder.path().join("inventories/far.yaml"), SITE).unwrap();
    std::fs::copy(inventories().join("incline.lock"), folder.path().join("inventories/incline.lock")).unwrap();
    folder
}

fn night(folder: &Path, more: &[&str], environment: &[(&str, &str)]) -> Output {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_incline"));
    command.args(["--inventories", &path("inventories"), "drift", "--all", "--report", &path("report")]).args(more);
    command.env("NO_COLOR", "1").env("INCLINE_AUDIT", path("audit.jsonl")).envs(environment.iter().copied());
    command.output().unwrap()
}

/// Takes one request, answers it with this status, and gives its path and body.
fn receiver(status: &'static str) -> (String, std::thread::JoinHandle<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/a/secret/token", listener.local_addr().unwrap());
    let taken = std::thread::spawn(move || {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            head.push_str(&line);
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        write!(stream.get_mut(), "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), String::from_utf8(body).unwrap())
    });
    (address, taken)
}

#[test]
fn metrics_are_pushed_and_news_wait_until_somebody_takes_them() {
    let folder = estate();
    let folder = folder.path();
    // The receiver is not well: the night is whole, the news are kept, the address is not told.
    let (broken, taken) = receiver("503 Service Unavailable");
    let output = night(folder, &["--notify", "slack"], &[("INCLINE_WEBHOOK_URL", &broken)]);
    let told = stdout(&output) + &stderr(&output);
    assert!(taken.join().unwrap().1.contains("not checked"));
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("the news were not told, and will be the next time: the answer was 503"), "{told}");
    assert!(!told.contains("secret/token"), "{told}");
    assert!(folder.join("report/index.html").exists());
    // The next night has no news of its own, and tells those of the last.
    let (address, taken) = receiver("200 OK");
    night(folder, &["--notify", "slack"], &[("INCLINE_WEBHOOK_URL", &address)]);
    let (_, body) = taken.join().unwrap();
    let message: Value = serde_json::from_str(&body).unwrap();
    assert!(message["text"].as_str().unwrap().contains("new, not checked: `far/far-1`"), "{message}");
    assert_eq!(std::fs::read_to_string(folder.join("report/history/untold.json")).unwrap(), "[]");
    // Metrics go as they stand in the file.
    let (address, taken) = receiver("200 OK");
    night(folder, &["--push"], &[("INCLINE_PUSH_URL", &address)]);
    let (request, body) = taken.join().unwrap();
    assert!(request.starts_with("POST /a/secret/token "), "{request}");
    assert_eq!(body, std::fs::read_to_string(folder.join("report/incline.prom")).unwrap());
    let errors =
        body.lines().filter(|line| line.starts_with("incline_drift_findings{site=\"far\",class=\"notChecked\""));
    assert_eq!(errors.filter(|line| line.ends_with(" 1")).count(), 1, "{body}");
    let unset = night(folder, &["--push"], &[]);
    assert!(stderr(&unset).contains("the address in $INCLINE_PUSH_URL is not set"), "{}", stderr(&unset));
}

#[test]
fn what_is_shown_is_what_came_since_a_moment() {
    let folder = estate();
    let since = |moment: &str| stdout(&night(folder.path(), &["--since", moment], &[]));
    let first = since("2020-01-01");
    assert!(
        first.contains("far/far-1") && first.contains("  new\n") && first.contains("1 not checked, 1 new."),
        "{first}"
    );
    assert!(!since("2999-01-01").contains("far/far-1"));
    // Half a line, as a power cut leaves it, is passed over and told.
    let history = folder.path().join("report/history/far.jsonl");
    let text = std::fs::read_to_string(&history).unwrap();
    std::fs::write(&history, format!("{text}{{\"at\":")).unwrap();
    let output = night(folder.path(), &["--json"], &[]);
    assert!(stderr(&output).contains("line 3") && stderr(&output).contains("passed over"), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["sites"][0]["findings"][0]["age"]["news"], "known");
    // It is what its schema says, and the schema that is shipped is the one of this version.
    let schema: Value = serde_json::from_str(&succeed(&["schema", "drift"])).unwrap();
    let shipped: Value =
        serde_json::from_slice(&std::fs::read(root().join("docs/drift.schema.json")).unwrap()).unwrap();
    assert_eq!(schema, shipped, "cargo run -- schema drift > docs/drift.schema.json");
    let faults: Vec<String> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?}");
    let mut other = report.clone();
    other["sites"][0].as_object_mut().unwrap().remove("findings");
    assert!(!jsonschema::is_valid(&schema, &other));
    assert_eq!(report["counts"]["notChecked"], 1);
}

#[test]
fn without_a_trail_nothing_is_looked_at() {
    let folder = estate();
    std::fs::create_dir(folder.path().join("audit.jsonl")).unwrap();
    let output = night(folder.path(), &[], &[]);
    assert!(stderr(&output).contains("the audit trail"), "{}", stderr(&output));
    assert!(!folder.path().join("report/report.json").exists());
}
