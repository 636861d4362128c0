//! Whether a classic load balancer can do what is rendered for it: its double (`testbed/elb.py`) has the suite list of the real
//! one, and carries out the rendered health checks.
use crate::semantics::{file_of, rendered};
use crate::support::*;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// A process that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn double(arguments: &[&str]) -> Output {
    Command::new("python3").arg(root().join("tests/testbed/elb.py")).args(arguments).output().unwrap()
}

/// A target of a health check, at another port: test servers choose theirs.
fn at_port(target: &str, port: u16) -> String {
    let (protocol, rest) = target.split_once(':').unwrap();
    format!("{protocol}:{port}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
}

fn passes(target: &str, port: u16) -> bool {
    let checked = double(&["check", &at_port(target, port), "127.0.0.1"]);
    assert!(checked.stderr.is_empty(), "{}", stderr(&checked));
    println!("{target}: {}", stdout(&checked).trim());
    checked.status.success()
}

/// A TLS server with a key of a kind (as `openssl req` names it) and these suites; it answers every GET with 200.
fn tls_server(folder: &Path, key: &[&str], suites: &str) -> (u16, Running) {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-nodes",
            "-subj",
            "/CN=back end",
            "-days",
            "2",
            "-keyout",
            "key.pem",
            "-out",
            "crt.pem",
        ])
        .args(key)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    let mut server = Command::new("openssl")
        .args(["s_server", "-accept", "127.0.0.1:0", "-www", "-cert", "crt.pem", "-key", "key.pem", "-cipher", suites])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map_while(Result::ok);
    let running = Running(server);
    let accepts = lines.find_map(|line| line.strip_prefix("ACCEPT ").map(ToOwned::to_owned)).unwrap();
    // Whatever it still says must find a reader.
    std::thread::spawn(move || lines.for_each(drop));
    (accepts.rsplit(':').next().unwrap().parse().unwrap(), running)
}

const ECDSA: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const RSA: [&str; 2] = ["-newkey", "rsa:2048"];

/// The suites that API servers are given, in OpenSSL's words.
fn suites_of_api_server(kubeadm: &str) -> String {
    let list = kubeadm.split("name: tls-cipher-suites\n").nth(1).unwrap();
    let list = list.trim_start().strip_prefix("value: ").unwrap().lines().next().unwrap();
    let names = list.split(',').map(|suite| {
        let converted = Command::new("openssl").args(["ciphers", "-convert", suite]).output().unwrap();
        let text = stdout(&converted);
        text.trim().trim_start_matches("OpenSSL cipher name: ").to_owned()
    });
    names.collect::<Vec<_>>().join(":")
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_apis_balancer_can_do_its_health_check() {
    let sites = rendered();
    assert_eq!(sites.len(), 2);
    for (desired, documents) in &sites {
        let kubeadm = file_of(documents, "control-plane-a", "/etc/incline/kubeadm/init.yaml");
        assert!(kubeadm.contains("encryptionAlgorithm: ECDSA-P256"), "the server below has a key of another kind");
        let server = tempfile::tempdir().unwrap();
        let (port, _server) = tls_server(server.path(), &ECDSA, &suites_of_api_server(kubeadm));
        let api = desired.stacks.iter().find(|stack| stack.name.ends_with("-api")).unwrap();
        let target = api.template["Resources"]["Balancer"]["Properties"]["HealthCheck"]["Target"].as_str().unwrap();
        assert_eq!(target.split(['/', ':']).nth(1), Some("6443"), "{target}");
        assert!(passes(target, port), "{target} never brings a member of {} into service", desired.site);
    }
    let kubeadm = file_of(&sites[0].1, "control-plane-a", "/etc/incline/kubeadm/init.yaml");
    let suites = suites_of_api_server(kubeadm);
    assert!(suites.starts_with("ECDHE-ECDSA-AES128-GCM-SHA256:"), "{suites}");
    let server = tempfile::tempdir().unwrap();
    let (api, _api) = tls_server(server.path(), &ECDSA, &suites);
    // The double judges as the real one does: it says no to an API server's suites, with a key of either kind …
    assert!(!passes("HTTPS:6443/readyz", api) && !passes("SSL:6443", api));
    let server = tempfile::tempdir().unwrap();
    let (modern, _modern) = tls_server(server.path(), &RSA, &suites);
    assert!(!passes("HTTPS:6443/readyz", modern));
    // … and yes to a back end that still exchanges keys by RSA, and to no port that is shut.
    let server = tempfile::tempdir().unwrap();
    let (old, _old) = tls_server(server.path(), &RSA, "AES128-GCM-SHA256");
    assert!(passes("HTTPS:443/healthz", old) && passes("SSL:443", old));
    let shut = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert!(!passes("TCP:6443", shut));
}

#[test]
fn what_servers_behind_a_balancer_must_offer_is_told_by_check_and_plan() {
    let told =
        "balancer portal: servers behind NodePort 30443, 30444 need an RSA certificate and RSA or DHE key exchange";
    for command in [&["check"][..], &["plan", "lakeside-prod", "--offline"]] {
        let text = succeed(command);
        assert!(text.contains(told), "{command:?}: {text}");
        assert!(!text.contains("balancer clinical: servers"), "it passes TLS through: {text}");
    }
    assert!(!succeed(&["plan", "lakeside-staging", "--offline"]).contains("servers behind NodePort"));
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_double_passes_connections_to_back_ends_that_pass_their_checks() {
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, front) = (backend.local_addr().unwrap().port(), free_port());
    let answers = std::thread::spawn(move || {
        for mut stream in backend.incoming().flatten() {
            use std::io::Write;
            // A health check says nothing and goes.
            if stream.write_all(b"here\n").is_err() {
                break;
            }
        }
    });
    let double = Command::new("python3")
        .arg(root().join("tests/testbed/elb.py"))
        .args(["serve", "--interval", "0.1", "--health", &format!("TCP:{port}")])
        .args(["--listen", &format!("127.0.0.1:{front}:{port}"), "127.0.0.1", "127.0.0.2"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut double = Running(double);
    let mut lines = BufReader::new(double.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    // Nothing listens at the other address: it never comes into service.
    assert_eq!(lines.next().unwrap(), "127.0.0.1 InService");
    for _ in 0..4 {
        let mut said = String::new();
        BufReader::new(TcpStream::connect(("127.0.0.1", front)).unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "here\n");
    }
    drop(answers);
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
