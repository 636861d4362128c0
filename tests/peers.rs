//! What third parties say: cfn-lint, AWS's cloudformation-validate, the real Ignition, systemd, shellcheck, kubeadm, and
//! an emulator of Secrets Manager. `cargo xtask test` sets them up; alone these tests are left out.
use crate::support::*;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

fn testbed(name: &str) -> PathBuf {
    let path = root().join("target/testbed").join(name);
    assert!(path.exists(), "{} is missing: run `cargo xtask test`", path.display());
    path
}

fn rendered() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    succeed(&["render", "--out", folder.path().to_str().unwrap()]);
    folder
}

/// The node configurations of the example estate: role and file.
fn node_configurations(folder: &Path) -> Vec<(String, PathBuf)> {
    let all = files(folder).into_iter().filter(|(name, _)| name.ends_with(".ign") && !name.ends_with("user-data.ign"));
    all.map(|(name, _)| (name.rsplit('/').nth(1).unwrap().to_owned(), folder.join(name))).collect()
}

fn assert_clean(what: &str, output: &Output) {
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim().is_empty(), "{what}: {}\n{said}", output.status);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn linters_find_nothing_in_the_templates() {
    let folder = rendered();
    for (site, region) in [("lakeside-prod", "us-east-1"), ("lakeside-staging", "us-east-2")] {
        let templates: Vec<PathBuf> = files(folder.path())
            .into_iter()
            .filter(|(name, _)| name.starts_with(site) && name.ends_with(".yaml"))
            .map(|(name, _)| folder.path().join(name))
            .collect();
        assert!(templates.len() >= 10);
        let lint = Command::new(testbed("lint/bin/cfn-lint"))
            .args(["--non-zero-exit-code", "warning", "-r", region, "--"])
            .args(&templates)
            .output()
            .unwrap();
        assert_clean("cfn-lint", &lint);
        let validate = Command::new(testbed("lint/bin/python"))
            .arg(root().join("tests/testbed/validate.py"))
            .args(&templates)
            .output()
            .unwrap();
        assert_clean("cloudformation-validate", &validate);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn linters_would_find_something() {
    // A judge that never says no is no judge.
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("bad.yaml");
    std::fs::write(
        &template,
        "Resources:\n  Bucket:\n    Type: AWS::S3::Bucket\n    Properties:\n      BucketNam: x\n",
    )
    .unwrap();
    let lint = Command::new(testbed("lint/bin/cfn-lint"))
        .args(["--non-zero-exit-code", "warning", "--"])
        .arg(&template)
        .output()
        .unwrap();
    assert!(!lint.status.success());
    let validate = Command::new(testbed("lint/bin/python"))
        .arg(root().join("tests/testbed/validate.py"))
        .arg(&template)
        .output()
        .unwrap();
    assert!(!validate.stdout.is_empty());
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn scripts_pass_shellcheck() {
    let scripts: Vec<PathBuf> = files(&root().join("ignition/bin"))
        .into_iter()
        .map(|(name, _)| root().join("ignition/bin").join(name))
        .collect();
    assert!(scripts.len() > 10);
    assert_clean("shellcheck", &Command::new("shellcheck").args(&scripts).output().unwrap());
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn ignition_validates_every_configuration() {
    let folder = rendered();
    let all = files(folder.path()).into_iter().filter(|(name, _)| name.ends_with(".ign"));
    let mut count = 0;
    for (name, _) in all {
        // Debian's validator prints warnings and exits with 0: any word is one too many.
        assert_clean(&name, &Command::new("ignition-validate").arg(folder.path().join(&name)).output().unwrap());
        count += 1;
    }
    assert!(count >= 20, "{count} configurations");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test; root"]
fn the_real_ignition_applies_every_configuration() {
    let folder = rendered();
    for (role, path) in node_configurations(folder.path()) {
        let root_folder = apply(&path);
        let root = root_folder.path();
        // What the configuration says is on the disk, with its mode.
        let config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for file in config["storage"]["files"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|file| file["contents"]["source"].as_str().unwrap().starts_with("data:"))
        {
            let written = root.join(&file["path"].as_str().unwrap()[1..]);
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&written)
                .unwrap_or_else(|error| panic!("{role}: {}: {error}", written.display()))
                .permissions()
                .mode();
            assert_eq!(u64::from(mode & 0o7777), file["mode"].as_u64().unwrap(), "{role}: {}", written.display());
        }
        // The environment file means the same to a shell as to systemd: plain words.
        let environment = std::fs::read_to_string(root.join("etc/incline/node.env")).unwrap();
        assert!(environment.contains("INCLINE_SITE=lakeside-"), "{environment}");
        verify_units(&role, root);
    }
}

/// Lets the real Ignition write a configuration into a folder. Files that come from S3 are left out: there is no S3 here.
fn apply(path: &Path) -> tempfile::TempDir {
    let (target, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let files = config["storage"]["files"].as_array_mut().unwrap();
    files.retain(|file| file["contents"]["source"].as_str().unwrap().starts_with("data:"));
    let local = work.path().join("config.ign");
    std::fs::write(&local, config.to_string()).unwrap();
    // Ignition relabels for SELinux, which a plain folder has not: say so, and give it a setfiles that does nothing.
    std::fs::create_dir_all(target.path().join("etc/selinux")).unwrap();
    std::fs::write(target.path().join("etc/selinux/config"), "SELINUX=disabled\nSELINUXTYPE=targeted\n").unwrap();
    let setfiles = work.path().join("setfiles");
    std::fs::write(&setfiles, "#!/bin/sh\ncat >/dev/null\n").unwrap();
    executable(&setfiles);
    for stage in ["fetch", "files"] {
        let output = Command::new("/usr/lib/dracut/modules.d/30ignition/ignition")
            .args(["--platform=file", &format!("--stage={stage}"), "--fetch-timeout=5s", "--log-to-stdout"])
            .arg(format!("--root={}", target.path().display()))
            .arg(format!("--config-cache={}", work.path().join("ignition.json").display()))
            .arg(format!("--state-file={}", work.path().join("state").display()))
            .arg(format!("--neednet={}", work.path().join("neednet").display()))
            .env("IGNITION_CONFIG_FILE", &local)
            .env("PATH", format!("{}:{}", work.path().display(), std::env::var("PATH").unwrap()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{stage}: {}", String::from_utf8_lossy(&output.stdout));
    }
    target
}

fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// systemd judges the units where Ignition put them, beside what Flatcar ships: targets, containerd, the sysext's kubelet.
fn verify_units(role: &str, target: &Path) {
    let system = target.join("usr/lib/systemd/system");
    std::fs::create_dir_all(&system).unwrap();
    std::fs::create_dir_all(target.join("usr/bin")).unwrap();
    for entry in std::fs::read_dir("/usr/lib/systemd/system").unwrap().flatten() {
        if entry.path().extension().is_some_and(|e| e == "target" || e == "slice") && entry.path().is_file() {
            std::fs::copy(entry.path(), system.join(entry.file_name())).unwrap();
        }
    }
    for (unit, text) in [
        ("containerd.service", "[Service]\nExecStart=/usr/bin/containerd\n"),
        ("systemd-sysext.service", "[Service]\nType=oneshot\nExecStart=/usr/bin/true\n"),
    ] {
        std::fs::write(system.join(unit), text).unwrap();
    }
    for program in ["containerd", "kubelet", "true"] {
        std::fs::write(target.join("usr/bin").join(program), "").unwrap();
        executable(&target.join("usr/bin").join(program));
    }
    let units: Vec<String> = std::fs::read_dir(target.join("etc/systemd/system"))
        .unwrap()
        .flatten()
        .filter(|entry| std::fs::metadata(entry.path()).is_ok_and(|meta| meta.is_file() && meta.len() > 0))
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    // Ignition wrote which units are enabled as a preset; systemd carries it out at the first boot.
    let presets = Command::new("systemctl")
        .arg(format!("--root={}", target.display()))
        .arg("preset")
        .args(&units)
        .output()
        .unwrap();
    assert!(presets.status.success(), "{role}: {}", String::from_utf8_lossy(&presets.stderr));
    assert!(target.join("etc/systemd/system/multi-user.target.wants/incline-signal.service").is_symlink());
    assert!(units.iter().any(|unit| unit.starts_with("incline-")), "{units:?}");
    let verify = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(format!("--root={}", target.display()))
        .args(&units)
        .output()
        .unwrap();
    assert_clean(role, &verify);
    // Masked by Ignition itself: operating-system updates come through the plan alone.
    assert_eq!(
        std::fs::read_link(target.join("etc/systemd/system/update-engine.service")).unwrap(),
        Path::new("/dev/null")
    );
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn kubeadm_accepts_every_configuration() {
    let note = root().join("target/testbed/kubeadm.missing");
    if note.exists() {
        println!("NOT RUN: kubeadm could not be built: {}", std::fs::read_to_string(note).unwrap());
        return;
    }
    let kubeadm = testbed("kubeadm");
    let lock = std::fs::read_to_string(inventories().join("incline.lock")).unwrap();
    let version = Command::new(&kubeadm).args(["version", "--output", "short"]).output().unwrap();
    let version = String::from_utf8_lossy(&version.stdout).trim().trim_start_matches('v').to_owned();
    assert!(lock.contains(&format!("kubernetes: \"{version}\"")), "kubeadm is {version}, which the lock does not pin");
    let folder = rendered();
    let mut count = 0;
    for (role, path) in node_configurations(folder.path()) {
        let target = apply(&path);
        let kubeadm_folder = target.path().join("etc/incline/kubeadm");
        for (name, bytes) in files(&kubeadm_folder) {
            // The discovery file appears on the node as it boots; kubeadm wants to see one now.
            let discovery = target.path().join("discovery.conf");
            std::fs::write(&discovery, "").unwrap();
            let text = String::from_utf8(bytes).unwrap();
            let text = ["/etc/kubernetes/admin.conf", "/run/incline/discovery.conf"]
                .iter()
                .fold(text, |text, path| text.replace(path, discovery.to_str().unwrap()));
            std::fs::write(kubeadm_folder.join(&name), text).unwrap();
            let output = Command::new(&kubeadm)
                .args(["config", "validate", "--config"])
                .arg(kubeadm_folder.join(&name))
                .output()
                .unwrap();
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{role} {name}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            count += 1;
        }
        if role.starts_with("control-plane") {
            // kubeadm would pull exactly the images that the lock pins and the node pulls by digest.
            let wanted = Command::new(&kubeadm)
                .args(["config", "images", "list", "--config"])
                .arg(kubeadm_folder.join("init.yaml"))
                .output()
                .unwrap();
            let wanted = String::from_utf8(wanted.stdout).unwrap();
            let pulled = std::fs::read_to_string(target.path().join("etc/incline/images")).unwrap();
            for image in wanted.lines() {
                let (name, tag) = image.rsplit('/').next().unwrap().split_once(':').unwrap();
                assert!(
                    pulled.lines().any(|line| line.starts_with(&format!("{name} {tag} sha256:"))),
                    "{role}: {image} is not pinned:\n{pulled}"
                );
            }
            assert_eq!(wanted.lines().count(), 7, "{wanted}");
        }
    }
    assert!(count >= 14, "{count} configurations");
}

/// A process that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An emulator of Secrets Manager on loopback: its address, and the process.
fn emulator() -> (String, Running) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new(testbed("aws/bin/python"))
        .arg(root().join("tests/testbed/emulator.py"))
        .env("BIND_HOST", "127.0.0.1")
        .env("GATEWAY_PORT", port.to_string())
        .env("MINISTACK_ACCOUNT_ID", "210987654321")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let running = Running(child);
    let address = format!("http://127.0.0.1:{port}");
    for _ in 0..300 {
        let healthy = Command::new("curl")
            .args(["--silent", "--fail", "--max-time", "2", &format!("{address}/_ministack/health")])
            .output()
            .unwrap();
        if healthy.status.success() {
            return (address, running);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("the emulator did not start");
}

/// The credentials that the stand-in for the metadata service hands out. They are nobody's.
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const SESSION_TOKEN: &str = "session-token-for-tests";

/// A stand-in for the instance metadata service (IMDSv2): without a token from a PUT it answers 401, as the real one.
fn metadata_service() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| answer(&stream)));
    address
}

fn answer(mut stream: &TcpStream) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).map(|line| line.to_lowercase()).collect();
    let has = |header: &str| headers.iter().any(|line| line.starts_with(header));
    let credentials = format!(
        r#"{{"Code":"Success","AccessKeyId":"210987654321","SecretAccessKey":"{SECRET_KEY}","Token":"{SESSION_TOKEN}"}}"#
    );
    let (status, body) = match request.split(' ').take(2).collect::<Vec<_>>()[..] {
        ["PUT", "/latest/api/token"] if has("x-aws-ec2-metadata-token-ttl-seconds:") => ("200 OK", "imds-token"),
        ["GET", _] if !has("x-aws-ec2-metadata-token: imds-token") => ("401 Unauthorized", ""),
        ["GET", "/latest/meta-data/iam/security-credentials/"] => ("200 OK", "incline-test-role"),
        ["GET", "/latest/meta-data/iam/security-credentials/incline-test-role"] => ("200 OK", credentials.as_str()),
        ["GET", "/latest/meta-data/instance-id"] => ("200 OK", "i-0123456789abcdef0"),
        _ => ("404 Not Found", ""),
    };
    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_kubelet_gets_credentials_for_the_registry() {
    let (endpoint, _emulator) = emulator();
    let node = Node::new(&endpoint);
    let environment = node.folder.path().join("node.env");
    std::fs::write(&environment, "INCLINE_REGION=us-east-1\n").unwrap();
    let image = "210987654321.dkr.ecr.us-east-1.amazonaws.com/portal/web:1";
    let request = format!(
        r#"{{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderRequest","image":"{image}"}}"#
    );
    let answer = node.run("ecr-credential-provider", &[], &request, &[("INCLINE_ENV", environment.to_str().unwrap())]);
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(answer["kind"], "CredentialProviderResponse");
    let login = &answer["auth"]["210987654321.dkr.ecr.us-east-1.amazonaws.com"];
    assert_eq!(login["username"], "AWS");
    let password = login["password"].as_str().unwrap();
    assert!(!password.is_empty());
    let commands = std::fs::read_to_string(node.folder.path().join("commands")).unwrap();
    assert!(!commands.contains(password), "the password stood on a command line");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_join_token_reaches_workers_and_snapshots_reach_the_bucket() {
    let (endpoint, _emulator) = emulator();
    let node = Node::new(&endpoint);
    node.create_secret("lakeside-prod/worker-join");
    // kubeadm makes tokens only beside a running API: here one that is made already.
    let kubeadm = node.folder.path().join("kubeadm");
    std::fs::write(&kubeadm, "#!/bin/sh\necho abcdef.0123456789abcdef\n").unwrap();
    executable(&kubeadm);
    let etc = node.folder.path().join("etc");
    std::fs::create_dir_all(etc.join("pki")).unwrap();
    std::fs::write(etc.join("pki/ca.crt"), "certificate\n").unwrap();
    let output = node.run(
        "join-token",
        &[],
        "",
        &[("INCLINE_ETC", etc.to_str().unwrap()), ("INCLINE_API", "api.prod.lakeside.internal")],
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let discovery: serde_json::Value =
        serde_json::from_str(&node.ok("secret-get", &["lakeside-prod/worker-join"], "")).unwrap();
    assert_eq!(discovery["users"][0]["user"]["token"], "abcdef.0123456789abcdef");
    assert_eq!(discovery["clusters"][0]["cluster"]["server"], "https://api.prod.lakeside.internal:6443");
    assert_eq!(discovery["clusters"][0]["cluster"]["certificate-authority-data"], "Y2VydGlmaWNhdGUK");
    assert_eq!(discovery["current-context"], discovery["contexts"][0]["name"]);
    assert!(!std::fs::read_to_string(node.folder.path().join("commands")).unwrap().contains("0123456789abcdef"));

    let bucket = format!("{endpoint}/incline-lakeside-prod-210987654321-backup");
    assert!(Command::new("curl").args(["--silent", "--fail", "-X", "PUT", &bucket]).output().unwrap().status.success());
    let snapshot = node.folder.path().join("etcd.db");
    std::fs::write(&snapshot, "snapshot").unwrap();
    node.ok(
        "aws-call",
        &[
            "put",
            "incline-lakeside-prod-210987654321-backup",
            "etcd/a/2026/11/24/020000.db",
            snapshot.to_str().unwrap(),
        ],
        "",
    );
    let stored = Command::new("curl")
        .args(["--silent", "--fail", &format!("{bucket}/etcd/a/2026/11/24/020000.db")])
        .output()
        .unwrap();
    assert_eq!(stored.stdout, b"snapshot");
}

/// Runs node scripts as a node would, with every `curl` and `jq` command line written down.
struct Node {
    folder: tempfile::TempDir,
    endpoint: String,
    metadata: String,
}

impl Node {
    fn new(endpoint: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for tool in ["curl", "jq", "tar", "base64"] {
            let wrapper = folder.path().join(tool);
            let log = folder.path().join("commands");
            std::fs::write(
                &wrapper,
                format!("#!/bin/sh\nprintf '%s ' \"$0\" \"$@\" >>'{}'\nexec /usr/bin/{tool} \"$@\"\n", log.display()),
            )
            .unwrap();
            executable(&wrapper);
        }
        Self { folder, endpoint: endpoint.to_owned(), metadata: metadata_service() }
    }

    fn run(&self, script: &str, arguments: &[&str], input: &str, more: &[(&str, &str)]) -> Output {
        let mut path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.folder.path().display());
        if let Ok(kubeadm) = root().join("target/testbed").canonicalize() {
            path = format!("{path}:{}", kubeadm.display());
        }
        // A script that waits for ever must not hold the tests.
        let mut child = Command::new("timeout")
            .arg("60")
            .arg(root().join("ignition/bin").join(script))
            .args(arguments)
            .env_clear()
            .envs([
                ("PATH", path.as_str()),
                ("INCLINE_REGION", "us-east-1"),
                ("INCLINE_SITE", "lakeside-prod"),
                ("INCLINE_WAIT", "1"),
            ])
            .envs([("INCLINE_ENDPOINT", self.endpoint.as_str()), ("INCLINE_IMDS", self.metadata.as_str())])
            .envs(more.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A script that reads nothing may be gone before all is written; its exit code tells.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn ok(&self, script: &str, arguments: &[&str], input: &str) -> String {
        let output = self.run(script, arguments, input, &[]);
        assert!(output.status.success(), "{script} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn create_secret(&self, name: &str) {
        self.ok(
            "aws-call",
            &["json", "secretsmanager", "secretsmanager.CreateSecret"],
            &format!(r#"{{"Name":"{name}"}}"#),
        );
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn node_scripts_fetch_and_put_secrets() {
    let (endpoint, _emulator) = emulator();
    let node = Node::new(&endpoint);
    node.create_secret("lakeside-prod/worker-join");

    // No value yet is told apart from everything else that can go wrong.
    let empty = node.run("secret-get", &["lakeside-prod/worker-join"], "", &[]);
    assert_eq!(empty.status.code(), Some(3), "{}", String::from_utf8_lossy(&empty.stderr));
    let unknown = node.run("secret-get", &["lakeside-prod/no-such-secret"], "", &[]);
    assert_eq!(unknown.status.code(), Some(1), "{}", String::from_utf8_lossy(&unknown.stderr));
    let unreachable =
        node.run("secret-get", &["lakeside-prod/worker-join"], "", &[("INCLINE_ENDPOINT", "http://127.0.0.1:9")]);
    assert_eq!(unreachable.status.code(), Some(1), "{}", String::from_utf8_lossy(&unreachable.stderr));
    let no_role = node.run(
        "secret-get",
        &["lakeside-prod/worker-join"],
        "",
        &[("INCLINE_IMDS", &format!("{}/elsewhere", node.metadata))],
    );
    assert_eq!(no_role.status.code(), Some(1));

    let value = "a token with \"quotes\", 'more', $dollars, \\ and\na second line\n";
    node.ok("secret-put", &["lakeside-prod/worker-join"], value);
    node.ok("secret-put", &["lakeside-prod/worker-join"], value);
    assert_eq!(node.ok("secret-get", &["lakeside-prod/worker-join"], ""), value);
    let versions = node.ok(
        "aws-call",
        &["json", "secretsmanager", "secretsmanager.ListSecretVersionIds"],
        r#"{"SecretId":"lakeside-prod/worker-join"}"#,
    );
    let versions: serde_json::Value = serde_json::from_str(&versions).unwrap();
    assert_eq!(versions["Versions"].as_array().unwrap().len(), 1, "the same value is stored once: {versions}");

    let commands = std::fs::read_to_string(node.folder.path().join("commands")).unwrap();
    assert!(commands.contains("--aws-sigv4"), "the requests were signed");
    for secret in ["a second line", SECRET_KEY, SESSION_TOKEN, "imds-token"] {
        assert!(!commands.contains(secret), "{secret:?} stood on a command line");
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_leader_makes_the_clusters_keys_and_others_fetch_them() {
    if root().join("target/testbed/kubeadm.missing").exists() {
        println!("NOT RUN: kubeadm could not be built");
        return;
    }
    let (endpoint, _emulator) = emulator();
    let node = Node::new(&endpoint);
    node.create_secret("lakeside-prod/cluster-pki");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let etc: Vec<String> =
        folders.iter().map(|folder| folder.path().join("kubernetes").display().to_string()).collect();

    let leader = node.run("cluster-pki", &[], "", &[("INCLINE_ETC", &etc[0]), ("INCLINE_LEADER", "yes")]);
    assert!(leader.status.success(), "{}", String::from_utf8_lossy(&leader.stderr));
    let member = node.run("cluster-pki", &[], "", &[("INCLINE_ETC", &etc[1]), ("INCLINE_LEADER", "no")]);
    assert!(member.status.success(), "{}", String::from_utf8_lossy(&member.stderr));
    let (made, fetched) = (files(Path::new(&etc[0])), files(Path::new(&etc[1])));
    for name in ["pki/ca.key", "pki/etcd/ca.key", "pki/front-proxy-ca.key", "pki/sa.key", "encryption.yaml"] {
        assert!(made.iter().any(|(file, bytes)| file == name && !bytes.is_empty()), "{name} was not made");
    }
    // All but the mark by which the leader knows that it may initialise the cluster.
    let made: Vec<_> = made.into_iter().filter(|(name, _)| name != "incline-first-boot").collect();
    assert!(made == fetched, "both members have the same keys");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(format!("{}/pki/ca.key", etc[1])).unwrap().permissions().mode() & 0o777, 0o600);

    // A second leader with an empty volume takes the keys that are there: it never makes a second cluster.
    let late = tempfile::tempdir().unwrap();
    let again = late.path().join("kubernetes").display().to_string();
    assert!(node.run("cluster-pki", &[], "", &[("INCLINE_ETC", &again), ("INCLINE_LEADER", "yes")]).status.success());
    assert!(files(Path::new(&again)) == fetched);
    let commands = std::fs::read_to_string(node.folder.path().join("commands")).unwrap();
    assert!(!commands.contains("PRIVATE KEY"));
}
