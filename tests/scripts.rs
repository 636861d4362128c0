//! The node scripts, run for real: against an emulator of AWS, a stand-in for the instance metadata service, real filesystems
//! and the real kubeadm where a script makes certificates. `cargo xtask test` sets them up.
use crate::support::*;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

mod services;
mod volumes;

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
        .arg(root().join("tests/testbed/emulator"))
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
fn metadata_service_for(machine: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let machine = machine.to_owned();
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| answer(&stream, &machine)));
    address
}

fn answer(mut stream: &TcpStream, machine: &str) {
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
        ["GET", "/latest/meta-data/instance-id"] => ("200 OK", machine),
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
    // When a worker joins, it keeps what it was given to find the cluster by.
    std::fs::write(
        &kubeadm,
        "#!/bin/sh\nif [ \"$1\" = join ]; then cp -p \"$INCLINE_RUN/discovery.conf\" \"$INCLINE_RUN/seen\"; else echo abcdef.0123456789abcdef; fi\n",
    )
    .unwrap();
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

    // The worker finds the cluster by it, in a file of its own that is gone afterwards.
    let run = node.folder.path().join("run");
    let joined = node.run(
        "worker-up",
        &[],
        "",
        &[("INCLINE_RUN", run.to_str().unwrap()), ("INCLINE_ETC", etc.to_str().unwrap())],
    );
    assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stderr));
    let seen = std::fs::read_to_string(run.join("seen")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&seen).unwrap(), discovery);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(run.join("seen")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!run.join("discovery.conf").exists());

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

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn images_are_pulled_by_digest_and_tagged() {
    let (endpoint, _emulator) = emulator();
    let node = Node::new(&endpoint);
    // crictl and ctr need a containerd; here they say what they were asked, and with which credentials.
    let folder = node.folder.path();
    stand_ins(folder, &[("crictl", "printf %s \"$CRICTL_CREDS\" >\"$(dirname \"$0\")/credentials\""), ("ctr", "")]);
    let registry = "210987654321.dkr.ecr.us-east-1.amazonaws.com/lakeside-prod/kubernetes";
    let run = folder.join("run");
    let output = node.run(
        "pull-images",
        &[],
        "pause 3.10.2 sha256:aa\netcd 3.6.8-0 sha256:bb\n",
        &[("INCLINE_REGISTRY", registry), ("INCLINE_RUN", run.to_str().unwrap())],
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = calls(folder);
    for wanted in [
        format!("pull {registry}/pause@sha256:aa"),
        format!("tag --force {registry}/etcd@sha256:bb {registry}/etcd:3.6.8-0"),
    ] {
        assert!(said.contains(&wanted), "{wanted} is not in:\n{said}");
    }
    let credentials = std::fs::read_to_string(folder.join("credentials")).unwrap();
    assert!(credentials.starts_with("AWS:") && credentials.len() > 8);
    assert!(
        !said.contains(&credentials)
            && !std::fs::read_to_string(folder.join("commands")).unwrap().contains(&credentials[4..])
    );
    assert!(run.join("images").exists());
    // One image that cannot be had stops the boot: nothing runs that was not pulled by its digest.
    std::fs::remove_file(run.join("images")).unwrap();
    stand_ins(folder, &[("crictl", "exit 1")]);
    let variables = [("INCLINE_REGISTRY", registry), ("INCLINE_RUN", run.to_str().unwrap())];
    assert!(!node.run("pull-images", &[], "pause 3.10.2 sha256:aa\n", &variables).status.success());
    assert!(!run.join("images").exists(), "await goes on waiting");
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
        Self { folder, endpoint: endpoint.to_owned(), metadata: metadata_service_for("i-0123456789abcdef0") }
    }

    fn run(&self, script: &str, arguments: &[&str], input: &str, more: &[(&str, &str)]) -> Output {
        let mut path = format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", self.folder.path().display());
        path = format!("{path}:{}", testbed("kubernetes/bin").display());
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

/// A folder of programs that stand before the real ones and write down how they were called.
fn stand_ins(folder: &Path, programs: &[(&str, &str)]) {
    for (name, body) in programs {
        let path = folder.join(name);
        let log = folder.join("calls");
        std::fs::write(
            &path,
            format!("#!/bin/bash\nprintf '%s ' {name} \"$@\" >>'{0}'; echo >>'{0}'\n{body}\n", log.display()),
        )
        .unwrap();
        executable(&path);
    }
}

fn calls(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("calls")).unwrap_or_default()
}

/// Makes a machine and a tagged volume in the emulator; gives their ids.
fn machine_and_volume(node: &Node, tags: &[(&str, &str)]) -> (String, String) {
    let id = |answer: &str, tag: &str| {
        answer.split(&format!("<{tag}>")).nth(1).unwrap().split('<').next().unwrap().to_owned()
    };
    let machine = node.ok("aws-call", &["query", "ec2"], "Action=RunInstances&Version=2016-11-15&ImageId=ami-0123456789abcdef0&MinCount=1&MaxCount=1&InstanceType=m6i.large");
    let volume = node.ok(
        "aws-call",
        &["query", "ec2"],
        "Action=CreateVolume&Version=2016-11-15&AvailabilityZone=us-east-1a&Size=8&VolumeType=gp3",
    );
    let (machine, volume) = (id(&machine, "instanceId"), id(&volume, "volumeId"));
    for (key, value) in tags {
        node.ok(
            "aws-call",
            &["query", "ec2"],
            &format!(
                "Action=CreateTags&Version=2016-11-15&ResourceId.1={volume}&Tag.1.Key={}&Tag.1.Value={value}",
                key.replace(':', "%3A")
            ),
        );
    }
    (machine, volume)
}

/// A machine and a blank volume in the emulator; the volume's device is a file below a root of the test's own.
struct Attached {
    machine: String,
    volume: String,
    root: PathBuf,
    device: PathBuf,
}

impl Attached {
    fn new(node: &Node, tags: &[(&str, &str)]) -> Self {
        let (machine, volume) = machine_and_volume(node, tags);
        let root = node.folder.path().join("root");
        let devices = root.join("dev/disk/by-id");
        std::fs::create_dir_all(&devices).unwrap();
        let device = devices.join(format!("nvme-Amazon_Elastic_Block_Store_{}", volume.replace('-', "")));
        std::fs::File::create(&device).unwrap().set_len(64 << 20).unwrap();
        Self { machine, volume, root, device }
    }

    /// wipefs and mkfs.ext4 are real and work on a file; mounting would touch this machine.
    fn run(&self, node: &Node, member: &str) -> Output {
        let size = "stat --dereference --format=%s \"${@: -1}\"";
        stand_ins(node.folder.path(), &[("mount", ""), ("mountpoint", "exit 1"), ("blockdev", size)]);
        let metadata = metadata_service_for(&self.machine);
        let more = [
            ("INCLINE_MEMBER", member),
            ("INCLINE_ROOT", self.root.to_str().unwrap()),
            ("INCLINE_PATIENCE", "1"),
            ("INCLINE_IMDS", metadata.as_str()),
        ];
        node.run("etcd-volume", &[], "", &more)
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_members_volume_is_formatted_once_and_never_again() {
    let (endpoint, _emulator) = emulator();
    let ours = [("incline:site", "lakeside-prod"), ("incline:member", "a")];
    let marked = [ours[0], ours[1], ("incline:initialized", "yes")];
    // A look that fails is no look: nothing is formatted then.
    {
        let node = Node::new(&endpoint);
        let attached = Attached::new(&node, &[("incline:site", "lakeside-prod"), ("incline:member", "blind")]);
        stand_ins(node.folder.path(), &[("wipefs", "exit 1"), ("mkfs.ext4", "")]);
        assert!(!attached.run(&node, "blind").status.success());
        assert!(calls(node.folder.path()).contains("wipefs") && !calls(node.folder.path()).contains("mkfs"));
    }
    // Blank and never marked: formatted. With a filesystem: mounted as it is. Blank but marked: refused, as it held data.
    for (tags, has_filesystem, succeeds, formats) in [
        (&ours[..], false, true, true),
        (&marked[..], true, true, false),
        (&ours[..], true, true, false),
        (&marked[..], false, false, false),
    ] {
        let node = Node::new(&endpoint);
        let attached = Attached::new(&node, tags);
        let (machine, volume, device) = (&attached.machine, &attached.volume, &attached.device);
        if has_filesystem {
            assert!(Command::new("mkfs.ext4").args(["-q", "-L", "old"]).arg(device).output().unwrap().status.success());
        }
        let output = attached.run(&node, "a");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), succeeds, "{said}");
        let label = Command::new("wipefs")
            .args(["--no-act", "--noheadings", "--output", "LABEL"])
            .arg(device)
            .output()
            .unwrap();
        let expected = if formats {
            "incline-member"
        } else if has_filesystem {
            "old"
        } else {
            ""
        };
        assert_eq!(String::from_utf8_lossy(&label.stdout).trim(), expected);
        let volumes = node.ok(
            "aws-call",
            &["query", "ec2"],
            &format!("Action=DescribeVolumes&Version=2016-11-15&VolumeId.1={volume}"),
        );
        assert!(volumes.contains(machine.as_str()), "the volume is attached: {volumes}");
        if succeeds {
            assert_eq!(volumes.contains("incline:initialized"), formats || tags.len() == 3, "{volumes}");
            assert!(calls(node.folder.path()).contains("--bind"), "etcd's data and the keys lie on the volume");
        } else {
            assert!(said.contains("was in use before and holds no filesystem now"), "{said}");
        }
        // One volume of this member at a time: the next round brings its own.
        for action in ["DetachVolume", "DeleteVolume"] {
            node.ok("aws-call", &["query", "ec2"], &format!("Action={action}&Version=2016-11-15&VolumeId={volume}"));
        }
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_member_starts_initialises_or_joins_and_never_makes_a_second_cluster() {
    let run = |leader: &str, present: &[&str], api_answers: bool, members: &str| {
        let folder = tempfile::tempdir().unwrap();
        let etc = folder.path().join("kubernetes");
        for file in present {
            std::fs::create_dir_all(etc.join(file).parent().unwrap()).unwrap();
            std::fs::write(etc.join(file), "image: registry/kube-apiserver:v1.36.3\n").unwrap();
        }
        std::fs::create_dir_all(&etc).unwrap();
        let config = folder.path().join("kubeadm-config");
        std::fs::create_dir(&config).unwrap();
        std::fs::write(config.join("init.yaml"), "kubernetesVersion: \"v1.36.3\"\n").unwrap();
        let kubectl = format!(
            "case \"$*\" in *'get pods'*) echo 'lakeside-prod-control-plane-b etcd-b';; *'member list'*) printf '{members}';; \
             *kubeadm-config*) echo 'kubernetesVersion: v1.36.3';; esac"
        );
        stand_ins(
            folder.path(),
            &[
                ("kubeadm", ""),
                ("kubectl", &kubectl),
                ("systemctl", ""),
                ("curl", if api_answers { "" } else { "exit 7" }),
            ],
        );
        let output = Command::new("timeout")
            .arg("20")
            .arg(root().join("ignition/bin/kubernetes-up"))
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
            .envs([
                ("INCLINE_API", "api.x"),
                ("INCLINE_NODE", "lakeside-prod-control-plane-a"),
                ("INCLINE_LEADER", leader),
                ("INCLINE_WAIT", "1"),
            ])
            .env("INCLINE_ETC", &etc)
            .env("INCLINE_KUBEADM", &config)
            .output()
            .unwrap();
        (output, calls(folder.path()), etc.join("incline-first-boot").exists())
    };
    let member = [
        "kubelet.conf",
        "manifests/etcd.yaml",
        "manifests/kube-apiserver.yaml",
        "manifests/kube-controller-manager.yaml",
        "manifests/kube-scheduler.yaml",
    ];

    // The volume holds a member: it is started, and the cluster is not touched. tests/members.rs does it with the real kubeadm.
    let (output, calls, _) = run("no", &member, true, "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(calls.contains("systemctl start kubelet.service"), "{calls}");
    for other in ["kubeadm init --config", "kubeadm join", "kubeadm upgrade", "member remove", "delete node"] {
        assert!(!calls.contains(other), "{other} is in:\n{calls}");
    }

    // The keys were made on this volume just now: the cluster is initialised, once.
    let (output, calls, marked) = run("yes", &["incline-first-boot"], false, "");
    assert!(output.status.success() && calls.contains("kubeadm init --config"), "{calls}");
    assert!(!marked, "the mark goes with the first success");
    for manifest in ["/etc/incline/network.yaml", "/etc/incline/cluster/baseline.yaml"] {
        assert!(calls.contains(&format!("--filename {manifest}")), "{manifest} is not applied: {calls}");
    }

    // An initialisation that was interrupted is taken up again.
    let (_, calls, _) = run("yes", &["incline-first-boot", "kubelet.conf", "manifests/etcd.yaml"], false, "");
    assert!(calls.contains("kubeadm init --config"), "{calls}");

    // The leader's volume is new, the keys are not, and nobody answers: a person must decide.
    let (output, calls, _) = run("yes", &[], false, "");
    assert_eq!(output.status.code(), Some(1));
    assert!(!calls.contains("kubeadm"), "{calls}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("a second cluster is not made"));

    // A member with a new volume joins; its predecessor leaves etcd first, and only that one.
    let list = "1f2e, started, lakeside-prod-control-plane-b, https://10.20.5.10:2380, https://10.20.5.10:2379, false\\n8e9d, started, lakeside-prod-control-plane-a, https://10.20.4.10:2380, https://10.20.4.10:2379, false\\n";
    for leader in ["yes", "no"] {
        let (output, calls, _) = run(leader, &[], true, list);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let position = |what: &str| calls.find(what).unwrap_or_else(|| panic!("{what} is not in:\n{calls}"));
        assert!(position("member remove 8e9d") < position("delete node lakeside-prod-control-plane-a"));
        assert!(position("delete node lakeside-prod-control-plane-a") < position("kubeadm join"));
        assert!(!calls.contains("remove 1f2e") && !calls.contains("kubeadm init --config"), "{calls}");
    }

    // Without a predecessor nothing is removed.
    let (_, calls, _) = run("no", &[], true, "1f2e, started, lakeside-prod-control-plane-b, x, y, false\\n");
    assert!(calls.contains("kubeadm join") && !calls.contains("member remove"), "{calls}");
}
