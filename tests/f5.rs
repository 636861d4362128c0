//! BIG-IPs: declarations judged by F5's own schema, and applied to a double of a device (`testbed/f5/bigip.py`) that makes objects of
//! them, forgets tokens, is busy, fails half way, and is edited behind our back. No real device was at hand.
use crate::support::*;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// F5's schema of AS3 3.56 (Apache-2.0), its part that a declaration is.
fn schema() -> jsonschema::Validator {
    let text = std::fs::read_to_string(root().join("tests/testbed/f5/as3/as3-schema-3.56.json")).unwrap();
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    let whole = schema.as_object_mut().unwrap();
    // All that `oneOf` at the top would say of a fault is that none of five fits.
    whole.remove("oneOf");
    whole.remove("allOf");
    whole.insert("$ref".to_owned(), "#/definitions/ADC".into());
    jsonschema::options().with_draft(jsonschema::Draft::Draft7).build(&schema).unwrap()
}

/// What of a request the schema, or a reference that leads nowhere, is against.
fn faults(schema: &jsonschema::Validator, request: &Value) -> Vec<String> {
    let declaration = &request["declaration"];
    let mut faults: Vec<String> =
        schema.iter_errors(declaration).map(|error| format!("{}: {error}", error.instance_path())).collect();
    let tenants = declaration.as_object().unwrap().values().filter(|tenant| tenant["class"] == "Tenant");
    for application in tenants.flat_map(|tenant| tenant.as_object().unwrap().values()).filter(|a| a.is_object()) {
        let mut open: Vec<&Value> = application.as_object().unwrap().values().filter(|item| item.is_object()).collect();
        while let Some(value) = open.pop() {
            match value {
                Value::Array(items) => open.extend(items),
                Value::Object(map) => {
                    for (key, value) in map {
                        let is_reference = ["use", "pool", "serverTLS", "clientTLS"].contains(&key.as_str())
                            || (key == "certificate" && value.is_string());
                        if is_reference && application[value.as_str().unwrap()].is_null() {
                            faults.push(format!("{key}: {value} leads nowhere"));
                        }
                        open.push(value);
                    }
                }
                _ => {}
            }
        }
    }
    faults
}

/// Every default that is unsafe, of every class that has it, is overridden.
fn unsafe_defaults(request: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![&request["declaration"]];
    while let Some(value) = open.pop() {
        let Value::Object(map) = value else { continue };
        open.extend(map.values());
        let class = map.get("class").and_then(Value::as_str).unwrap_or_default();
        let must: &[(&str, Value)] = match class {
            "TLS_Server" | "TLS_Client" => &[
                ("ssl3Enabled", json!(false)),
                ("tls1_0Enabled", json!(false)),
                ("tls1_1Enabled", json!(false)),
                ("tls1_3Enabled", json!(true)),
                ("renegotiationEnabled", json!(false)),
            ],
            "Service_HTTPS" => &[("redirect80", json!(false))],
            "Pool" => &[("serviceDownAction", json!("reset"))],
            _ => &[],
        };
        found.extend(
            must.iter().filter(|(key, value)| map.get(*key) != Some(value)).map(|(key, _)| format!("{class}.{key}")),
        );
        let is = |key: &str| map.contains_key(key);
        if class == "TLS_Client" && (map["validateCertificate"] != true || !is("trustCA") || !is("serverName")) {
            found.push("TLS_Client.validateCertificate".to_owned());
        }
        if class == "Monitor" && map["monitorType"] == "https" && !map["receive"].as_str().unwrap().contains("200") {
            found.push("Monitor.receive".to_owned());
        }
        if class.starts_with("Service_") && !is("persistenceMethods") {
            found.push(format!("{class}.persistenceMethods"));
        }
        if class == "Pool" && map["members"].as_array().unwrap().iter().any(|member| member["shareNodes"] != true) {
            found.push("Pool.members.shareNodes".to_owned());
        }
    }
    found
}

/// A site with many kinds of virtual servers; `more` goes below `f5`.
fn site(name: &str, seed: usize, unit: &str, trust: &str, more: &str) -> String {
    let workers: String = (0..1 + seed % 7)
        .map(|n| {
            format!(
                "- {{name: w-{n}, address: 224.{seed}.0.{}, roles: [worker], labels: {{zone: z{}}}}}\n",
                11 + n,
                n % 2
            )
        })
        .collect();
    let modes = [
        "passthrough",
        "tcp",
        "udp",
        "{reEncrypt: {certificate: /Common/viewer.lakeside.crt, key: /Common/viewer.lakeside.key, trust: /Common/lakeside-ca.crt, serverName: viewer.lab.internal}}",
        "{reEncrypt: {certificate: /Common/viewer.lakeside.crt, key: /Common/viewer.lakeside.key, trust: /Common/lakeside-ca.crt, serverName: viewer.lab.internal, waf: /Common/clinic-waf}}",
    ];
    let servers: String = (0..=seed % 9)
        .map(|n| {
            let mode = modes[(seed + n) % modes.len()];
            let is_udp = mode == "udp";
            let mut server = format!(
                "  - {{name: app-{n}, address: 10.0.{n}.20, port: {}, nodePort: {}, mode: {mode}, allow: [{}]",
                443 + n,
                30000 + seed + n,
                if (seed + n).is_multiple_of(2) { "10.0.0.0/8" } else { "10.0.0.0/16, 10.1.0.0/16" }
            );
            if (seed + n).is_multiple_of(3) {
                server.push_str(", balance: leastConnections, persistence: sourceAddress, nodes: {zone: z0}");
            } else if mode.starts_with('{') {
                server.push_str(", persistence: cookie, redirectHttp: true");
            }
            if !is_udp && (seed + n).is_multiple_of(4) {
                server.push_str(", healthCheck: {path: /healthz, host: app.lab.internal}");
            }
            server + "}\n"
        })
        .collect();
    format!(
        "version: v1\nkind: OnPremSite\nname: {name}\nnetwork: {{cidrs: [224.{seed}.0.0/16]}}\nssh: {{user: ops, key: /dev/null, becomeRoot: sudo}}\n\
         hosts:\n- {{name: cp-1, address: 224.{seed}.0.1, roles: [controlPlane]}}\n{workers}\
         kubernetes: {{version: \"1.36.3\", podCidr: 100.80.0.0/16, serviceCidr: 100.88.0.0/16}}\n\
         api: {{name: api.lab.internal, address: 10.9.9.9}}\nmirror: http://mirror.lab.internal/kubernetes\n\
         f5:\n  units: [{unit}]\n  user: incline\n  password: {{env: F5_PASSWORD}}\n  trust: {{{trust}}}\n{more}  virtualServers:\n{servers}",
    )
}

#[test]
fn declarations_are_what_f5s_schema_takes_and_no_default_is_unsafe() {
    let schema = schema();
    let (estate, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::copy(root().join("inventories/incline.lock"), estate.path().join("incline.lock")).unwrap();
    for seed in 0..200 {
        let name = format!("site-{seed}");
        let text = site(&name, seed, "bigip.lab.internal", "caFile: /dev/null", "");
        std::fs::write(estate.path().join(format!("{name}.yaml")), text).unwrap();
    }
    succeed(&["--inventories", estate.path().to_str().unwrap(), "render", "--out", out.path().to_str().unwrap()]);
    succeed(&["render", "--out", out.path().to_str().unwrap()]);
    let mut count = 0;
    for (file, text) in files(out.path()).into_iter().filter(|(file, _)| file.contains("/f5/")) {
        let request: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(faults(&schema, &request), Vec::<String>::new(), "{file}");
        assert_eq!(unsafe_defaults(&request), Vec::<String>::new(), "{file}");
        count += 1;
    }
    println!("{count} declarations of 201 sites are valid");
    assert_eq!(count, 402);
    // The judges can say no.
    let pool = json!({ "class": "Pool", "members": [{ "servicePort": 99_999_999, "shareNodes": true }] });
    let broken = json!({ "declaration": { "class": "ADC", "schemaVersion": "3.50.0", "t": { "class": "Tenant", "a": {
        "class": "Application", "p": pool, "s": { "class": "Service_L4", "virtualPort": 1, "virtualAddresses": ["10.0.0.1"], "pool": "nobody" },
        "c": { "class": "TLS_Client", "validateCertificate": false },
    } } } });
    let told = faults(&schema, &broken);
    assert!(told.len() >= 2 && told.iter().any(|fault| fault.contains("leads nowhere")), "{told:?}");
    assert!(unsafe_defaults(&broken).len() >= 6);
}

/// The password that a double's user has.
pub const PASSWORD: &str = "pa55-wörd";

/// An authority (`ca.pem`), another one (`other.pem`), and a certificate of the first for two units (`unit.pem`, `unit.key`).
pub fn certificates(folder: &std::path::Path) {
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(folder, &format!("req -x509 {new} -days 30 -subj /CN=authority -keyout ca.key -out ca.pem"));
    openssl(folder, &format!("req -x509 {new} -days 30 -subj /CN=other -keyout other.key -out other.pem"));
    openssl(folder, &format!("req -new {new} -subj /CN=unit -keyout unit.key -out unit.csr"));
    std::fs::write(folder.join("names"), "subjectAltName=DNS:bigip-0.localhost,DNS:bigip-1.localhost\n").unwrap();
    openssl(folder, "x509 -req -in unit.csr -CA ca.pem -CAkey ca.key -days 30 -extfile names -out unit.pem");
}

/// A node's service: it answers a line with its own number, as often as it is asked, and counts.
fn stand_in(address: &str, number: u8) -> std::sync::Arc<std::sync::atomic::AtomicUsize> {
    use std::io::Write;
    let listener = std::net::TcpListener::bind(address).unwrap();
    let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = count.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let mut stream = stream;
                while let Some(Ok(_)) = lines.next() {
                    let _ = stream.write_all(&[b'0' + number, b'\n']);
                }
            });
        }
    });
    count
}

/// Who answers a line.
fn asked(stream: &std::net::TcpStream) -> std::io::Result<char> {
    use std::io::Write;
    (&*stream).write_all(b"who\n")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    line.chars().next().ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

/// Real traffic by the way of what was declared: from the virtual address to the nodes' ports, while one is drained.
#[test]
#[ignore = "needs the testbed"]
fn no_request_is_lost_while_a_node_is_drained() {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    let lab = Lab::made(1, &["."]);
    let servers = "  virtualServers:\n  - {name: portal, address: 127.77.0.9, port: 10443, nodePort: 31443, mode: passthrough, allow: [127.0.0.0/8]}\n";
    let text = std::fs::read_to_string(lab.path("inventories/lab.yaml")).unwrap();
    let hosts =
        "- {name: w-0, address: 127.77.0.11, roles: [worker]}\n- {name: w-1, address: 127.77.0.12, roles: [worker]}\n";
    let (head, rest) = text.split_once("- {name: w-0").unwrap();
    let (_, tail) = rest.split_once("kubernetes:").unwrap();
    let tail = tail.split("  virtualServers:").next().unwrap();
    let text = format!("{head}{hosts}kubernetes:{tail}{servers}")
        .replace("224.4.0.", "127.77.0.")
        .replace("10.9.9.9", "127.77.0.8")
        .replace("cidrs: [224.4.0.0/16]", "cidrs: [127.77.0.0/16]");
    std::fs::write(lab.path("inventories/lab.yaml"), text).unwrap();
    let counts = [stand_in("127.77.0.11:31443", 1), stand_in("127.77.0.12:31443", 2)];
    lab.applied();
    let at = "127.77.0.9:10443";
    let begun = std::time::Instant::now();
    let connect = || loop {
        match std::net::TcpStream::connect(at) {
            Ok(stream) => return stream,
            Err(error) => assert!(begun.elapsed().as_secs() < 20, "{error}"),
        }
    };
    // A long connection to the node that will be drained.
    let long = loop {
        let stream = connect();
        if asked(&stream).is_ok_and(|who| who == '1') {
            break stream;
        }
    };
    // The same declaration with the node disabled, as a step of a plan posts it.
    let out = lab.path("out");
    assert!(lab.incline(&["render", "--out", out.to_str().unwrap()]).status.success());
    let text = std::fs::read_to_string(out.join("lab/f5/apps.json")).unwrap();
    let mut drained: Value = serde_json::from_str(&text).unwrap();
    let pool = &mut drained["declaration"]["incline_lab_apps"]["portal"]["pool"]["members"];
    let group = |address: &str, state: &str| json!({ "servicePort": 31443, "serverAddresses": [address], "shareNodes": true, "adminState": state });
    *pool = json!([group("127.77.0.12", "enable"), group("127.77.0.11", "disable")]);
    assert_eq!(faults(&schema(), &drained), Vec::<String>::new());
    let (done, lost, is_drained) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let late = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while done.fetch_add(1, Ordering::SeqCst) < 10_000 {
                    let after = is_drained.load(Ordering::SeqCst);
                    match std::net::TcpStream::connect(at).and_then(|stream| asked(&stream)) {
                        Ok('1') if after => _ = late.fetch_add(1, Ordering::SeqCst),
                        Ok('1' | '2') => {}
                        Ok(_) | Err(_) => _ = lost.fetch_add(1, Ordering::SeqCst),
                    }
                }
            });
        }
        scope.spawn(|| {
            while done.load(Ordering::SeqCst) < 3_000 {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            lab.post("incline_lab_apps", &drained);
            is_drained.store(true, Ordering::SeqCst);
        });
    });
    assert!(is_drained.load(Ordering::SeqCst));
    assert_eq!(
        (lost.into_inner(), late.into_inner()),
        (0, 0),
        "requests that were lost, and that came to a drained node"
    );
    assert!(counts.iter().all(|count| count.load(Ordering::SeqCst) > 1_000));
    assert_eq!(asked(&long).unwrap(), '1', "the connection that was there lives on");
    // The next plan brings it back.
    assert!(lab.told(&["plan", "lab"]).contains("enabled: false → true"));
    lab.applied();
    assert!(lab.is_settled());
    println!("10,000 requests while a node was drained: none lost");
}

/// A double, an inventory of a site behind it, and certificates.
pub struct Lab {
    folder: tempfile::TempDir,
    units: Vec<(Child, u16)>,
}

impl Drop for Lab {
    fn drop(&mut self) {
        for (child, _) in &mut self.units {
            let _ = child.kill();
            let _ = child.wait();
        }
        // What the double has started.
        for pid in std::fs::read_to_string(self.path("haproxy.pids")).unwrap_or_default().lines() {
            let _ = Command::new("kill").arg(pid).output();
        }
    }
}

fn openssl(folder: &std::path::Path, arguments: &str) {
    let output = Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

impl Lab {
    /// So many units of one device, each with a certificate of the site's authority.
    pub fn up(units: usize) -> Self {
        Self::made(units, &[])
    }

    /// The same; `more` is told to each unit.
    fn made(units: usize, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certificates(folder.path());
        std::fs::create_dir(folder.path().join("inventories")).unwrap();
        std::fs::copy(root().join("inventories/incline.lock"), folder.path().join("inventories/incline.lock")).unwrap();
        let units = (0..units)
            .map(|_| {
                let mut child = Command::new("python3")
                    .arg(root().join("tests/testbed/f5/bigip.py"))
                    .args(["127.0.0.1", "0", "unit.pem", "unit.key"])
                    .args(more)
                    .current_dir(folder.path())
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                let mut line = String::new();
                BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
                (child, line.trim().parse().unwrap())
            })
            .collect();
        let lab = Self { folder, units };
        lab.inventory(4, &lab.ca(), "");
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn ca(&self) -> String {
        format!("caFile: {}", self.path("ca.pem").display())
    }

    pub fn inventory(&self, seed: usize, trust: &str, more: &str) {
        let units: Vec<String> =
            self.units.iter().enumerate().map(|(n, (_, port))| format!("bigip-{n}.localhost:{port}")).collect();
        std::fs::write(self.path("inventories/lab.yaml"), site("lab", seed, &units.join(", "), trust, more)).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_incline"));
        command.arg("--inventories").arg(self.path("inventories")).args(arguments);
        command.env("F5_PASSWORD", PASSWORD).env("NO_COLOR", "1").env("INCLINE_AUDIT", self.path("audit.jsonl"));
        command
    }

    pub fn incline(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What incline says of the tenants: nobody answers for the hosts here.
    pub fn told(&self, arguments: &[&str]) -> String {
        let output = self.incline(arguments);
        stdout(&output) + &stderr(&output)
    }

    pub fn applied(&self) -> String {
        let told = self.told(&["apply", "--yes", "--target", "lab/f5:*"]);
        assert!(!told.contains("failed") && !told.contains("error:"), "{told}");
        told
    }

    fn is_settled(&self) -> bool {
        !self.told(&["plan", "lab"]).contains("f5:")
    }

    /// What a test does to a unit.
    pub fn test(&self, unit: usize, what: &str, body: &Value) -> Value {
        let url = format!("https://bigip-{unit}.localhost:{}/test/{what}", self.units[unit].1);
        let output = Command::new("curl")
            .args(["--silent", "--fail", "--insecure", "--data", &body.to_string(), &url])
            .output()
            .unwrap();
        assert!(output.status.success(), "{what} {body}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn edit(&self, collection: &str, object: &str, more: Value) {
        let mut body = json!({ "collection": collection, "id": format!("/incline_lab_{object}") });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.test(0, "edit", &body);
    }

    /// Posts a declaration past incline.
    fn post(&self, tenant: &str, body: &Value) {
        let base = format!("https://bigip-0.localhost:{}", self.units[0].1);
        let asked = |path: &str, more: &[&str], body: &Value| -> Value {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--fail", "--insecure", "--data", &body.to_string()]).args(more);
            let output = curl.arg(format!("{base}{path}")).output().unwrap();
            assert!(output.status.success(), "{path}: {}", stderr(&output));
            serde_json::from_slice(&output.stdout).unwrap()
        };
        let login = asked("/mgmt/shared/authn/login", &[], &json!({ "username": "incline", "password": PASSWORD }));
        let token = format!("X-F5-Auth-Token: {}", login["token"]["token"].as_str().unwrap());
        let answer = asked(&format!("/mgmt/shared/appsvcs/declare/{tenant}"), &["--header", &token], body);
        assert_eq!(answer["results"][0]["code"], 200, "{answer}");
    }

    pub fn faults(&self, faults: Value) {
        self.test(0, "faults", &faults);
    }
}

#[test]
#[ignore = "needs the testbed"]
fn tenants_are_declared_seen_to_and_mended() {
    let lab = Lab::up(1);
    let told = lab.applied();
    assert!(told.contains("lab/f5:api") && told.contains("lab/f5:apps"), "{told}");
    assert!(lab.is_settled());

    // Edited by hand, each is named.
    lab.edit(
        "ltm/pool",
        "apps/app_0/pool",
        json!({ "member": "224.4.0.11:30004", "patch": { "session": "user-disabled" } }),
    );
    lab.edit("ltm/pool", "api/api/pool", json!({ "patch": { "loadBalancingMode": "ratio-member" } }));
    lab.edit("ltm/virtual", "apps/app_1/service", json!({ "patch": { "disabled": true } }));
    lab.edit("ltm/profile/client-ssl", "apps/app_0/clientSsl", json!({ "patch": { "tmOptions": "{ no-sslv3 }" } }));
    lab.edit("ltm/monitor/https", "apps/app_0/monitor", json!({ "patch": { "recv": "HTTP/1." } }));
    lab.edit("ltm/virtual", "apps/app_2/service", json!({ "delete": true }));
    let soon = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 9 * 86_400 + 60;
    lab.faults(json!({ "certificates": { "/Common/viewer.lakeside.crt": soon } }));
    let drift = lab.incline(&["drift", "lab"]);
    let told = stdout(&drift);
    for what in [
        "app_0 224.4.0.11:30004  member\n        enabled: true → false",
        "api  pool\n        balance: round-robin → ratio-member",
        "app_1  virtual\n        enabled: true → false",
        "refuses: [\"no-sslv3\",\"no-tlsv1\",\"no-tlsv1.1\"] → [\"no-sslv3\"]",
        "receive: HTTP/1.1 200 → HTTP/1.",
        "app_2  virtual",
        "/Common/viewer.lakeside.crt ends in 9 days",
    ] {
        assert!(told.contains(what), "{what} is not in:\n{told}");
    }
    let plan = lab.told(&["plan", "lab"]);
    assert!(plan.contains("interrupts traffic") && plan.contains("back to what was applied"), "{plan}");
    lab.applied();
    assert!(lab.is_settled());

    // Another inventory: what leaves goes, what comes is made.
    lab.inventory(7, &lab.ca(), "");
    let plan = lab.told(&["plan", "lab"]);
    assert!(plan.contains("- app_0 224.4.0.11:30004"), "{plan}");
    lab.applied();
    assert!(lab.is_settled());

    // All requests were such as F5's schema takes; all tokens were given back.
    let log = lab.test(0, "log", &json!({}));
    let schema = schema();
    let posts: Vec<&Value> = log["requests"].as_array().unwrap().iter().filter(|r| !r["body"].is_null()).collect();
    assert!(posts.len() >= 6);
    for post in posts {
        assert_eq!(faults(&schema, &post["body"]), Vec::<String>::new());
    }
    assert_eq!(log["tokens"], 0, "tokens are left on the device");
    let text = log.to_string();
    assert!(!text.contains("dry-run") && !text.contains("PATCH"), "the device was disturbed");

    // What is there, as an inventory would say it.
    let told = lab.incline(&["f5", "import", "lab", "--partition", "incline_lab_apps"]);
    let (section, notes) = (stdout(&told), stderr(&told));
    assert!(
        section.contains("- {name: app-1, address: 10.0.1.20, port: 444, nodePort: 30008, mode: {reEncrypt: {certificate: /Common/viewer.lakeside.crt")
            && section.contains("mode: udp") && section.contains("balance: leastConnections"),
        "{section}{notes}"
    );
    let inventory = std::fs::read_to_string(lab.path("inventories/lab.yaml")).unwrap();
    let proposed = inventory.split("  virtualServers:").next().unwrap().to_owned() + &section;
    std::fs::write(lab.path("inventories/lab.yaml"), proposed).unwrap();
    assert!(lab.incline(&["check"]).status.success(), "{}", stderr(&lab.incline(&["check"])));
    std::fs::write(lab.path("inventories/lab.yaml"), inventory).unwrap();

    // Nothing of it stays.
    let told = lab.told(&["destroy", "lab", "--confirm", "lab"]);
    assert!(told.contains("lab/f5:api"), "{told}");
    let partition = lab.told(&["plan", "lab"]);
    assert!(partition.contains("+ f5:api") && partition.contains("+ f5:apps"), "{partition}");
}

#[test]
#[ignore = "needs the testbed"]
fn a_device_in_trouble_is_borne_with_or_told() {
    let lab = Lab::up(1);
    // Busy twice, with tokens that end at once, and slow: in the end all is done.
    lab.faults(json!({ "locked": 2, "timeout": 61, "slow": 3 }));
    lab.applied();
    lab.faults(json!({ "slow": 0, "timeout": 1200 }));
    assert!(lab.is_settled());

    // Somebody takes all tokens away in the middle.
    lab.inventory(7, &lab.ca(), "");
    lab.faults(json!({ "slow": 2 }));
    let mut apply = lab.command(&["apply", "--yes", "--target", "lab/f5:*"]);
    let mut apply = apply.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..20 {
        std::thread::sleep(std::time::Duration::from_millis(200));
        lab.faults(json!({ "expire": true }));
    }
    let _ = apply.wait();
    lab.faults(json!({ "slow": 0 }));
    lab.applied();
    assert!(lab.is_settled());

    // It fails half way: what it said is told, and the next run goes on.
    lab.inventory(4, &lab.ca(), "");
    lab.faults(json!({ "fail": "01070734:3: Configuration error: something is in use" }));
    let told = lab.told(&["apply", "--yes", "--target", "lab/f5:*"]);
    assert!(told.contains("declaration failed") && told.contains("01070734:3"), "{told}");
    lab.applied();
    assert!(lab.is_settled());

    // Somebody else has the address already.
    lab.inventory(7, &lab.ca(), "");
    let taken = json!({
        "name": "theirs", "partition": "Common", "fullPath": "/Common/theirs", "destination": "/Common/10.0.1.20:444",
        "source": "10.0.0.0/8", "ipProtocol": "tcp",
    });
    lab.faults(json!({ "virtuals": [taken] }));
    let told = lab.told(&["apply", "--yes", "--target", "lab/f5:*"]);
    assert!(told.contains("01070333:3") && told.contains("/Common/theirs"), "{told}");
    lab.inventory(4, &lab.ca(), "");
    lab.applied();

    // A certificate that the inventory does not mean, by authority and by fingerprint; and the one that it means.
    lab.inventory(4, &format!("caFile: {}", lab.path("other.pem").display()), "");
    let told = lab.told(&["plan", "lab"]);
    assert!(told.contains("lab/f5:api: bigip-0.localhost") && told.contains("UnknownIssuer"), "{told}");
    lab.inventory(4, "certificate: \"SHA256:n0bF3Pz0eFh0sW3gQ7v3mE0u3c0cB8yX1m9w7h2kQ2E\"", "");
    let told = lab.told(&["plan", "lab"]);
    let is = told.split("its certificate is ").nth(1).map(|rest| rest.split(',').next().unwrap().to_owned());
    lab.inventory(4, &format!("certificate: \"{}\"", is.unwrap()), "");
    assert!(lab.is_settled());
    lab.inventory(4, &lab.ca(), "");

    // A partition of somebody else's is refused, AS3 that is missing or too old, LTM that is not there.
    for (faults, what, back) in [
        (json!({ "version": null }), "AS3 is not installed", json!({ "version": "3.56.0" })),
        (json!({ "version": "3.49.9" }), "3.50.0 is the least", json!({ "version": "3.56.0" })),
        (json!({ "level": "none" }), "ltm is not provisioned", json!({ "level": "nominal" })),
    ] {
        lab.faults(faults);
        let told = lab.told(&["plan", "lab"]);
        assert!(told.contains(what), "{what} is not in:\n{told}");
        lab.faults(back);
    }
    let other = Lab::up(1);
    other.faults(json!({ "partitions": ["incline_lab_apps"] }));
    let told = other.told(&["apply", "--yes", "--target", "lab/f5:*"]);
    assert!(told.contains("the partition incline_lab_apps is not this site's"), "{told}");
}

#[test]
#[ignore = "needs the testbed"]
fn of_a_pair_the_active_unit_is_asked() {
    let lab = Lab::up(2);
    lab.faults(json!({ "failover": "STANDBY" }));
    lab.applied();
    assert!(lab.is_settled());
    let posts = |unit: usize| {
        let log = lab.test(unit, "log", &json!({}));
        log["requests"].as_array().unwrap().iter().filter(|r| r["path"].as_str().unwrap().contains("/declare/")).count()
    };
    assert!(posts(0) == 0 && posts(1) > 0);
    // The one that stands by dies; then nobody is active.
    lab.faults(json!({ "dead": true }));
    assert!(lab.is_settled());
    lab.test(1, "faults", &json!({ "failover": "STANDBY" }));
    let told = lab.told(&["plan", "lab"]);
    assert!(told.contains("no unit is active"), "{told}");
    lab.test(1, "faults", &json!({ "failover": "ACTIVE" }));
    // In step only where the inventory asks for it.
    lab.inventory(7, &lab.ca(), "  syncTo: /Common/pair\n");
    lab.applied();
    let log = lab.test(1, "log", &json!({}));
    let bodies = log["requests"].as_array().unwrap().iter().map(|r| &r["body"]).filter(|body| !body.is_null());
    let synced: Vec<bool> = bodies.map(|body| body["syncToGroup"] == "/Common/pair").collect();
    assert!(synced.contains(&true) && !synced[0], "{synced:?}");
}
