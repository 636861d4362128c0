//! A night over a whole estate: 20 sites, of which three are dead; accounts of an emulated AWS, a hundred hosts, two BIG-IPs. What
//! somebody planted is found, all of it and nothing else; the next night knows it.
use super::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Sites that live: in AWS, and on premises with ten hosts each. The first two on premises have a BIG-IP.
const CLOUDS: usize = 7;
const HALLS: usize = 10;
const HOSTS: usize = 10;
/// Where the emulator listens, in the lab's own network, and the receiver of messages.
const AWS: &str = "http://127.0.0.1:4570";
const HOOK: &str = "http://127.0.0.1:4571/a-secret-path";

/// A program that runs in the lab's network until the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Estate {
    lab: Lab,
    _running: Vec<Running>,
}

fn account(cloud: usize) -> String {
    format!("{:012}", 300_000_000_001 + cloud)
}

impl Estate {
    fn up() -> Self {
        let mut lab = Lab::up("debian", HALLS * HOSTS + 1);
        std::fs::remove_file(lab.path("inventories/lab.yaml")).unwrap();
        for (name, value) in [
            ("AWS_ENDPOINT_URL", AWS),
            ("AWS_ACCESS_KEY_ID", "123456789012"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("F5_PASSWORD", crate::f5::PASSWORD),
            ("INCLINE_WEBHOOK_URL", HOOK),
            ("NO_COLOR", "1"),
        ] {
            lab.environment.push((name.to_owned(), value.to_owned()));
        }
        crate::f5::certificates(&lab.path(""));
        let mut running = Vec::new();
        let mut start = |command: &mut Command| {
            running.push(Running(
                command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap(),
            ));
        };
        let schemas = std::fs::read_dir(testbed("lint").join("lib")).unwrap().flatten().next().unwrap().path();
        std::fs::write(lab.path("faults.json"), "{}").unwrap();
        start(
            lab.command(testbed("aws/bin/python"))
                .arg(root().join("tests/testbed/emulator"))
                .envs([("BIND_HOST", "127.0.0.1"), ("GATEWAY_PORT", "4570"), ("MINISTACK_ACCOUNT_ID", "123456789012")])
                .env("FAULTS", lab.path("faults.json"))
                .env("REQUEST_LOG", lab.path("requests"))
                .env("BROUGHT", lab.path("inventories/incline.lock"))
                .env("CFN_SCHEMAS", schemas.join("site-packages/cfnlint/data/schemas")),
        );
        for port in ["4601", "4602"] {
            let double = root().join("tests/testbed/f5/bigip.py");
            start(
                lab.command("python3")
                    .arg(double)
                    .args(["127.0.0.1", port, "unit.pem", "unit.key"])
                    .current_dir(lab.path("")),
            );
        }
        let hook = "import http.server,sys\nclass H(http.server.BaseHTTPRequestHandler):\n def do_POST(s):\n  b=s.rfile.read(int(s.headers['content-length']))\n  open(sys.argv[1],'ab').write(b+b'\\n'); s.send_response(200); s.end_headers()\nhttp.server.HTTPServer(('127.0.0.1',4571),H).serve_forever()";
        start(lab.command("python3").args(["-c", hook]).arg(lab.path("told")));
        let mute = "import socket,time\ns=socket.socket(); s.bind(('127.0.0.1',4572)); s.listen(); time.sleep(10**6)";
        start(lab.command("python3").args(["-c", mute]));
        let estate = Self { lab, _running: running };
        estate.inventories();
        let end = Instant::now() + Duration::from_secs(60);
        while !estate.curl(&[&format!("{AWS}/_ministack/health"), "--fail"]).contains('{') {
            assert!(Instant::now() < end, "the emulator does not come up");
            std::thread::sleep(Duration::from_millis(300));
        }
        estate
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.lab.path(&format!("inventories/{name}.yaml")), text).unwrap();
    }

    fn inventories(&self) {
        let clinic = std::fs::read_to_string(root().join("tests/cases/clinic/clinic.yaml")).unwrap();
        let cloud = |name: &str, number: usize, account: &str, role: &str| {
            let text = clinic
                .replace("name: clinic\n", &format!("name: {name}\n"))
                .replace("10.40.", &format!("10.{}.", 100 + number));
            let text = text.replace("clinic.internal", &format!("{name}.internal"));
            let text =
                text.replace("\"123456789012\"", &format!("\"{account}\"")).replace("clinic/portal", "portal/web");
            format!("{text}access: {{role: \"arn:aws:iam::{role}:role/incline\"}}\n")
        };
        for number in 0..CLOUDS {
            self.write(
                &format!("cloud-{number}"),
                &cloud(&format!("cloud-{number}"), number, &account(number), &account(number)),
            );
        }
        // Credentials of another account than the inventory says.
        self.write("dead-cloud", &cloud("dead-cloud", 90, &account(90), &account(91)));
        let hall = |name: &str, hosts: &[(String, String, Option<String>)], more: &str| {
            let networks: Vec<String> = hosts.iter().map(|(_, address, _)| format!("{address}/32")).collect();
            let networks = networks.join(", ");
            let hosts: String = hosts
                .iter()
                .enumerate()
                .map(|(index, (host, address, pin))| {
                    let roles = if index == 0 { "controlPlane, worker" } else { "worker" };
                    let pin = pin.as_ref().map(|pin| format!(", hostKey: \"{pin}\"")).unwrap_or_default();
                    format!("  - {{name: {host}, address: {address}{pin}, roles: [{roles}]}}\n")
                })
                .collect();
            format!(
                "version: v1\nkind: OnPremSite\nname: {name}\nnetwork: {{cidrs: [{networks}]}}\nssh: {{user: ops, key: {}, becomeRoot: sudo}}\nhosts:\n{hosts}\
                 kubernetes: {{version: \"1.36.3\", podCidr: 100.80.0.0/16, serviceCidr: 100.88.0.0/16}}\n\
                 api: {{name: api.{name}.internal, address: 10.99.3.1}}\nmirror: https://mirror.lab.internal/kubernetes\n{more}",
                self.lab.path("key").display()
            )
        };
        for number in 0..HALLS {
            let hosts: Vec<_> = (1..=HOSTS)
                .map(|host| {
                    let n = number * HOSTS + host;
                    (format!("host-{n}"), format!("10.99.1.{n}"), self.lab.fingerprint(n))
                })
                .collect();
            let f5 = format!(
                "f5:\n  units: [\"bigip-0.localhost:460{}\"]\n  user: incline\n  password: {{env: F5_PASSWORD}}\n  trust: {{caFile: {}}}\n  virtualServers:\n  \
                 - {{name: app, address: 10.0.0.20, port: 443, nodePort: 30443, mode: tcp, allow: [10.0.0.0/8]}}\n",
                number + 1,
                self.lab.path("ca.pem").display()
            );
            let name = format!("hall-{number}");
            self.write(&name, &hall(&name, &hosts, if number < 2 { &f5 } else { "" }));
        }
        // Nobody is there; and somebody else is.
        let silent = [("gone".to_owned(), "10.99.250.1".to_owned(), self.lab.fingerprint(1))];
        self.write("dead-hall", &hall("dead-hall", &silent, ""));
        let stranger = [("stranger".to_owned(), "10.99.1.101".to_owned(), self.lab.fingerprint(2))];
        self.write("dead-key", &hall("dead-key", &stranger, ""));
        self.lab.items("[{directory: {path: /etc/nightly}}, {file: {path: /etc/nightly/a, content: first}}, {file: {path: /etc/nightly/b, content: second, mode: \"0640\"}}, {file: {path: /etc/nightly/c, content: third}}]");
    }

    fn curl(&self, arguments: &[&str]) -> String {
        stdout(&self.lab.command("curl").args(["--silent", "--noproxy", "*"]).args(arguments).output().unwrap())
    }

    fn aws(&self, cloud: usize, service: &str, form: &str) -> String {
        let signature = format!(
            "authorization: AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=none",
            account(cloud)
        );
        self.curl(&["-H", &signature, "-d", form, AWS])
    }

    /// Sixty drifts of all kinds; what each is called.
    fn plant(&self) -> BTreeSet<String> {
        let mut planted = BTreeSet::new();
        for cloud in 0..CLOUDS {
            let name = format!("cloud-{cloud}");
            self.aws(cloud, "elasticloadbalancing", &format!("Action=ModifyLoadBalancerAttributes&Version=2012-06-01&LoadBalancerName={name}-portal&LoadBalancerAttributes.ConnectionSettings.IdleTimeout=90"));
            planted.insert(format!("{name}-balancer-portal Balancer ConnectionSettings.IdleTimeout"));
            let groups = self.aws(cloud, "ec2", "Action=DescribeSecurityGroups&Version=2016-11-15");
            let group = groups
                .split("<groupId>")
                .find(|part| part.contains(&format!("<groupDescription>{name} workers<")))
                .unwrap();
            let group = group.split('<').next().unwrap();
            self.aws(cloud, "ec2", &format!("Version=2016-11-15&Action=AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0"));
            planted.insert(format!("{name}-network NodeGroup"));
            self.aws(cloud, "cloudformation", &format!("Action=UpdateTerminationProtection&Version=2010-05-15&StackName={name}-keys&EnableTerminationProtection=false"));
            planted.insert(format!("{name}-keys"));
            let signature = format!(
                "authorization: AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=none",
                account(cloud)
            );
            self.curl(&[
                "-H",
                &signature,
                "-H",
                "x-amz-target: secretsmanager.DeleteSecret",
                "-H",
                "content-type: application/x-amz-json-1.1",
                "-d",
                &json!({ "SecretId": format!("{name}/worker-join") }).to_string(),
                AWS,
            ]);
            planted.insert(format!("{name}-data WorkerJoin"));
        }
        for hall in 0..HALLS {
            let n = |host: usize| hall * HOSTS + host;
            std::fs::write(self.lab.file(n(1), "/etc/nightly/a"), "edited").unwrap();
            planted.insert(format!("hall-{hall}/host-{} /etc/nightly/a", n(1)));
            std::fs::set_permissions(
                self.lab.file(n(5), "/etc/nightly/b"),
                std::os::unix::fs::PermissionsExt::from_mode(0o666),
            )
            .unwrap();
            planted.insert(format!("hall-{hall}/host-{} /etc/nightly/b", n(5)));
            std::fs::remove_file(self.lab.file(n(10), "/etc/nightly/c")).unwrap();
            planted.insert(format!("hall-{hall}/host-{} /etc/nightly/c", n(10)));
        }
        for hall in 0..2 {
            let edit = json!({ "collection": "ltm/pool", "id": format!("/incline_hall-{hall}_apps/app/pool").replace('-', "_"), "patch": { "loadBalancingMode": "ratio-member" } });
            self.curl(&[
                "--insecure",
                "--data",
                &edit.to_string(),
                &format!("https://bigip-0.localhost:460{}/test/edit", hall + 1),
            ]);
            planted.insert(format!("hall-{hall}/f5:apps app balance"));
        }
        planted
    }

    /// A night; its report. Some cannot be checked, which the exit code tells.
    fn night(&self, folder: &str, more: &[&str]) -> Value {
        let report = self.lab.path(folder);
        let arguments = [&["drift", "--all", "--json", "--report", report.to_str().unwrap()], more].concat();
        let arguments: Vec<&str> = if more.contains(&"--shard") {
            arguments.into_iter().filter(|word| *word != "--all").collect()
        } else {
            arguments
        };
        let output = self.lab.incline(&arguments);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", stdout(&output), stderr(&output)))
    }

    /// The messages that were received.
    fn told(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.lab.path("told")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn sites(report: &Value) -> &Vec<Value> {
    report["sites"].as_array().unwrap()
}

/// The findings of a class, by what they are about, with their news.
fn of_class(report: &Value, class: &str) -> BTreeMap<String, String> {
    let findings = sites(report).iter().flat_map(|site| site["findings"].as_array().unwrap());
    findings
        .filter(|finding| finding["state"]["state"] == class)
        .map(|finding| {
            let word = |name: &str| finding[name].as_str().unwrap_or_default();
            let property = finding["state"]["property"].as_str().unwrap_or_default();
            let what = format!("{} {} {property}", word("target"), word("resource"));
            (what.trim().to_owned(), finding["age"]["news"].as_str().unwrap_or_default().to_owned())
        })
        .collect()
}

/// The same without what differs from look to look.
fn bare(report: &Value) -> Vec<Value> {
    let mut sites = sites(report).clone();
    for site in &mut sites {
        for name in ["at", "milliseconds", "requests", "trend", "gone"] {
            site.as_object_mut().unwrap().remove(name);
        }
        for finding in site["findings"].as_array_mut().unwrap() {
            finding.as_object_mut().unwrap().remove("age");
        }
    }
    sites
}

#[test]
#[ignore = "needs the testbed"]
fn sixty_drifts_in_twenty_sites_are_found_and_nothing_else() {
    let estate = Estate::up();
    let live: Vec<String> =
        (0..CLOUDS).map(|n| format!("cloud-{n}")).chain((0..HALLS).map(|n| format!("hall-{n}"))).collect();
    let mut apply = vec!["apply", "--yes"];
    apply.extend(live.iter().map(String::as_str));
    succeeded(&estate.lab.incline(&apply), "the estate is made");
    let quiet = estate.night("quiet", &[]);
    assert_eq!(of_class(&quiet, "drifted"), BTreeMap::new());

    let planted = estate.plant();
    assert_eq!(planted.len(), 60);
    let first = estate.night("report", &["--notify", "json"]);
    let found = of_class(&first, "drifted");
    let missed: Vec<&String> = planted.iter().filter(|what| !found.keys().any(|one| one.starts_with(*what))).collect();
    let invented: Vec<&String> = found.keys().filter(|one| !planted.iter().any(|what| one.starts_with(what))).collect();
    assert!(missed.is_empty() && invented.is_empty(), "missed: {missed:#?}\ninvented: {invented:#?}");
    assert_eq!(found.len(), 60);
    assert!(found.values().all(|news| news == "new"));
    // The dead are told, each by why, and spoil nobody else.
    assert_eq!(sites(&first).len(), 20);
    let errors = of_class(&first, "notChecked");
    assert_eq!(
        errors.keys().map(String::as_str).collect::<Vec<_>>(),
        ["dead-cloud", "dead-hall/gone", "dead-key/stranger"]
    );
    let whole = |site: &&Value| !site["site"].as_str().unwrap().starts_with("dead");
    assert!(sites(&first).iter().filter(whole).all(|site| site["inSync"].as_u64() > Some(20)));
    assert!(!of_class(&first, "notCovered").is_empty(), "what is not covered is listed");
    let message = estate.told();
    assert_eq!(message.len(), 1);
    assert_eq!(message[0]["sites"].as_array().unwrap().len(), 20);

    // The second night knows all of it, and tells nobody.
    let second = estate.night("report", &["--notify", "json"]);
    assert_eq!(bare(&second), bare(&first));
    assert!(of_class(&second, "drifted").values().all(|news| news == "known"));
    assert_eq!(estate.told().len(), 1, "nothing is new");
    let mut shards = Vec::new();
    for index in 0..4 {
        let (folder, shard) = (format!("shard-{index}"), format!("{index}/4"));
        let history = estate.lab.path("report/history").display().to_string();
        let part = estate.night(&folder, &["--shard", &shard, "--history", &history]);
        assert!(sites(&part).len() < 12, "{shard} has {} sites", sites(&part).len());
        shards.push(estate.lab.path(&folder).display().to_string());
    }
    // Four shards, merged, are one run.
    let merged = estate.lab.path("merged");
    let mut merge = vec!["drift", "merge"];
    merge.extend(shards.iter().map(String::as_str));
    merge.extend(["--report", merged.to_str().unwrap()]);
    assert_eq!(estate.lab.incline(&merge).status.code(), Some(1));
    let merged: Value = serde_json::from_slice(&std::fs::read(merged.join("report.json")).unwrap()).unwrap();
    assert_eq!(merged["whole"], true);
    assert_eq!(bare(&merged), bare(&first));
    assert!(of_class(&merged, "drifted").values().all(|news| news == "known"));

    // Some of it is mended, and told as gone, once.
    succeeded(&estate.lab.incline(&["apply", "--yes", "hall-3", "hall-4"]), "two sites are mended");
    let third = estate.night("report", &["--notify", "slack"]);
    let gone: usize = sites(&third).iter().filter_map(|site| site["gone"].as_array()).map(Vec::len).sum();
    assert_eq!((gone, of_class(&third, "drifted").len()), (6, 54));
    let told = estate.told();
    assert!(
        told.len() == 2 && told[1]["text"].as_str().unwrap().contains("3 findings of hall-3 are gone"),
        "{told:#?}"
    );

    // The other forms say the same; nobody's secret is in any of them.
    let text = |name: &str| std::fs::read_to_string(estate.lab.path("report").join(name)).unwrap();
    let junit = quick_junit::Report::deserialize_from_str(&text("junit.xml")).unwrap();
    assert_eq!((junit.test_suites.len(), junit.failures, junit.errors), (20, 54, 3));
    let drifted: u64 = text("incline.prom")
        .lines()
        .filter(|line| line.starts_with("incline_drift_findings{") && line.contains("class=\"drifted\""))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(drifted, 54);
    for (name, bytes) in files(&estate.lab.path("report")) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains(crate::f5::PASSWORD) && !text.contains("a-secret-path"), "{name}");
    }
    let history = std::fs::metadata(estate.lab.path("report/history/hall-0.jsonl")).unwrap().len();
    assert!(history < 2000, "{history} bytes for six nights");

    // Something listens and never answers as sshd would: it costs its own time, or the run's, and nobody else's.
    let hall = std::fs::read_to_string(estate.lab.path("inventories/dead-hall.yaml")).unwrap();
    let slow = hall
        .replace("dead-hall", "dead-slow")
        .replace("10.99.250.1", "127.0.0.1")
        .replace("user: ops", "port: 4572, user: ops");
    estate.write("dead-slow", &slow);
    for (option, limit, why, whole) in [
        ("--site-deadline", "25s", "it took longer than 25s", true),
        ("--deadline", "10s", "the run came to its deadline", false),
    ] {
        let report = estate.night("slow", &[option, limit]);
        let site = |name: &str| sites(&report).iter().find(|site| site["site"] == name).unwrap();
        let slow = site("dead-slow");
        assert!(slow["findings"][0]["state"]["why"].as_str().unwrap().contains(why), "{slow}");
        assert_eq!(report["whole"], whole);
        assert!(!whole || site("hall-5")["inSync"].as_u64() > Some(20));
    }

    // What a machine can reach, before its first night.
    let doctor = estate.lab.incline(&["doctor", "cloud-0", "hall-0", "dead-hall"]);
    let told = stdout(&doctor);
    assert!(!doctor.status.success());
    for what in [
        "arn:aws:sts::300000000001:assumed-role/incline",
        "DescribeStacks",
        "host-10",
        "signed in as incline",
        "✗ gone",
        "1 thing does not work.",
    ] {
        assert!(told.contains(what), "{what} is not in:\n{told}");
    }
}
