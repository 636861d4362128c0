//! Kubernetes on hosts, for real: kubeadm, kubelet and API server of the pinned version, etcd, containerd and runc, on machines
//! with systemd that fetch all of it from a mirror beside them.
mod acts;
mod first;
mod long;
mod shared;
mod small;

use super::*;
use std::collections::BTreeMap;
use std::process::Child;
use std::time::{Duration, Instant};

pub use shared::serve;

/// A lab whose hosts can become a cluster, and what stands beside it: the mirror, and what balances the API.
struct Cluster {
    lab: Lab,
    beside: Vec<Child>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A lab that is kept keeps what its hosts reach.
        if is_kept() {
            return;
        }
        for child in &mut self.beside {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Cluster {
    /// So many control-plane hosts and workers.
    fn up(members: usize, workers: usize, version: &str) -> Self {
        let mut lab = Lab::up("node", members + workers);
        lab.environment.push(("F5_PASSWORD".to_owned(), crate::f5::PASSWORD.to_owned()));
        let beside = |program: &str, arguments: &[&str]| {
            lab.command("python3")
                .arg(root().join("tests/testbed").join(program))
                .args(arguments)
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        };
        let mirror = testbed("mirror");
        let addresses: Vec<String> = (1..=members).map(|n| format!("10.99.1.{n}")).collect();
        let mut balancer = vec!["10.99.0.1", "6443"];
        balancer.extend(addresses.iter().map(String::as_str));
        let device = lab.path("f5");
        std::fs::create_dir(&device).unwrap();
        crate::f5::certificates(&device);
        let (certificate, key) = (device.join("unit.pem"), device.join("unit.key"));
        let beside = vec![
            beside("kubernetes/mirror.py", &[mirror.to_str().unwrap(), "10.99.0.1", "80"]),
            beside("kubernetes/balancer.py", &balancer),
            beside("f5/bigip.py", &["127.0.0.1", "8443", certificate.to_str().unwrap(), key.to_str().unwrap()]),
        ];
        let cluster = Self { lab, beside };
        for n in 1..=members + workers {
            cluster.furnish(n);
        }
        cluster.inventory(members, workers, version);
        cluster.lock();
        cluster.templates();
        cluster
    }

    /// What a site has around its hosts: names, a pod network, and what containers need where root lacks CAP_SYS_RESOURCE.
    fn furnish(&self, n: usize) {
        let write = |path: &str, text: &str| {
            let path = self.lab.file(n, path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("/etc/hosts", &format!("127.0.0.1 localhost\n10.99.1.{n} host-{n}\n"));
        write(
            "/etc/cni/net.d/10-lab.conflist",
            &format!(
                "{{\"cniVersion\":\"1.0.0\",\"name\":\"lab\",\"plugins\":[{{\"type\":\"bridge\",\"bridge\":\"cni0\",\"isGateway\":true,\
                 \"ipam\":{{\"type\":\"host-local\",\"ranges\":[[{{\"subnet\":\"100.96.{n}.0/24\"}}]]}}}}]}}"
            ),
        );
        write(
            "/etc/containerd/conf.d/lab.toml",
            "version = 3\n[plugins.\"io.containerd.cri.v1.runtime\"]\n  restrict_oom_score_adj = true\n",
        );
    }

    fn inventory(&self, members: usize, workers: usize, version: &str) {
        let hosts: String = (1..=members + workers)
            .map(|n| {
                let role = if n <= members { "controlPlane" } else { "worker" };
                let pin = self.lab.fingerprint(n).unwrap();
                format!("- {{name: host-{n}, address: 10.99.1.{n}, hostKey: \"{pin}\", roles: [{role}]}}\n")
            })
            .collect();
        let recipient = self.lab.sh(1, "age-keygen -o /etc/age.key 2>/dev/null; age-keygen -y /etc/age.key");
        let recipient = recipient.trim();
        let text = format!(
            "version: v1\nkind: OnPremSite\nname: lab\nnetwork: {{cidrs: [10.99.0.0/16]}}\n\
             ssh: {{user: ops, key: {}, becomeRoot: sudo}}\n\
             kubernetes: {{version: \"{version}\", podCidr: 100.96.0.0/16, serviceCidr: 100.104.0.0/16}}\n\
             api: {{name: api.lab.internal, address: 10.99.0.1}}\nmirror: http://10.99.0.1/kubernetes\n\
             etcdSnapshots: {{recipient: {recipient}}}\n\
             hosts:\n{hosts}",
            self.lab.path("key").display()
        );
        std::fs::write(self.lab.path("inventories/lab.yaml"), text).unwrap();
    }

    /// Pins what the mirror has for both versions, by incline's own command: where there are no inventories, since a site needs one.
    fn lock(&self) {
        let folder = tempfile::tempdir().unwrap();
        let pin = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_incline"));
            command.arg("--inventories").arg(folder.path()).arg("lock").args(arguments);
            succeeded(&command.output().unwrap(), "what the mirror has is pinned");
        };
        // What is not named after a version serves both.
        let of = |name: &str| VERSIONS.into_iter().find(|version| name.ends_with(version));
        for version in VERSIONS {
            let tag = format!("-v{version}");
            let mut paths = BTreeMap::new();
            for entry in std::fs::read_dir(testbed("mirror/kubernetes")).unwrap() {
                let path = entry.unwrap().path();
                let file = path.file_name().unwrap().to_str().unwrap().to_owned();
                let name = file.trim_end_matches(&tag).trim_end_matches(".tar").trim_end_matches(".yaml");
                if of(&file).is_some_and(|of| of == version) || (of(&file).is_none() && !paths.contains_key(name)) {
                    paths.insert(name.to_owned(), path);
                }
            }
            for (name, path) in paths {
                let source = ["--source", "https://mirror.lab.internal/x"];
                pin(&[&["artifact", &name, version, path.to_str().unwrap()], &source[..]].concat());
            }
            for line in std::fs::read_to_string(testbed(&format!("mirror/images-v{version}.txt"))).unwrap().lines() {
                let words: Vec<&str> = line.split(' ').collect();
                let (kubernetes, source) = (["--kubernetes", version], ["--source", "registry.k8s.io/x"]);
                pin(&[&["image", words[0], words[1], words[2]], &kubernetes[..], &source[..]].concat());
            }
        }
        std::fs::copy(folder.path().join("incline.lock"), self.lab.path("inventories/incline.lock")).unwrap();
    }

    /// The site's templates, but for what this kernel does not have: modules to load (bridge filtering is built in), and control groups
    /// of version 2.
    fn templates(&self) {
        let _ = std::fs::remove_dir_all(self.lab.path("templates"));
        let files = self.lab.path("templates/ignition/files");
        std::fs::create_dir_all(&files).unwrap();
        let adapt = |name: &str, with: &dyn Fn(&str) -> String| {
            let text = std::fs::read_to_string(root().join("ignition/files").join(name)).unwrap();
            std::fs::write(files.join(name), with(&text)).unwrap();
        };
        let without = |text: &str| {
            text.lines()
                .filter(|line| !line.contains("bridge") && !line.contains("br_netfilter"))
                .map(|line| format!("{line}\n"))
                .collect()
        };
        adapt("modules.conf", &without);
        adapt("kernel.conf", &|text| {
            // What is not a namespace's own cannot be written here.
            text.lines()
                .filter(|line| line.starts_with("net.ipv4.ip_forward"))
                .map(|line| format!("{line}\n"))
                .collect()
        });
        let groups = |text: &str| {
            text.replace(
                "  criSocket: unix:///run/containerd/containerd.sock\n",
                "  criSocket: unix:///run/containerd/containerd.sock\n  ignorePreflightErrors: [SystemVerification]\n",
            )
            .replace(
                "cgroupDriver: systemd\n",
                "cgroupDriver: systemd\nfailCgroupV1: false\nprotectKernelDefaults: false\n\
                 evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}\n",
            )
            .replace("\nprotectKernelDefaults: true\n", "\n")
        };
        for name in ["kubeadm-cluster.yaml.j2", "kubeadm-join-host.yaml.j2"] {
            adapt(name, &groups);
        }
        adapt("kubeadm-upgrade.yaml.j2", &|text| {
            text.replace(
                "  etcdUpgrade: true\n",
                "  etcdUpgrade: true\n  ignorePreflightErrors: [SystemVerification]\n",
            )
        });
    }

    /// Puts the double of a BIG-IP that stands beside the hosts into the inventory; the balancer stands for what it would do.
    fn balanced(&self) {
        let path = self.lab.path("inventories/lab.yaml");
        let mut text = std::fs::read_to_string(&path).unwrap();
        let trust = format!("caFile: {}", self.lab.path("f5/ca.pem").display());
        text.push_str(&format!(
            "f5:\n  units: [\"bigip-0.localhost:8443\"]\n  user: incline\n  password: {{env: F5_PASSWORD}}\n  trust: {{{trust}}}\n  virtualServers:\n\
             \x20 - {{name: portal, address: 10.99.0.20, port: 443, nodePort: 31443, mode: passthrough, allow: [10.0.0.0/8]}}\n"
        ));
        std::fs::write(&path, text).unwrap();
        succeeded(&self.lab.incline(&["apply", "--yes", "lab"]), "the tenants are declared");
        succeeded(&self.lab.incline(&["plan", "--detailed-exitcode", "lab"]), "and are as they must be");
    }

    /// The members of pools that were disabled on it, in the order in which they were.
    fn drained(&self) -> Vec<String> {
        let mut curl = self.lab.command("curl");
        let output =
            curl.args(["--silent", "--insecure", "--data", "{}", "https://bigip-0.localhost:8443/test/log"]).output();
        let log: serde_json::Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
        let remarks = log["requests"].as_array().unwrap().iter().flat_map(|request| {
            let tenants = request["body"]["declaration"].as_object().into_iter().flatten();
            tenants.filter_map(|(_, tenant)| tenant["remark"].as_str().map(ToOwned::to_owned)).collect::<Vec<_>>()
        });
        let mut drained: Vec<String> =
            remarks.filter_map(|remark| remark.strip_prefix("drained of ").map(ToOwned::to_owned)).collect();
        drained.dedup();
        drained
    }

    /// Runs something on a host with the cluster's own tools at hand.
    fn on(&self, host: usize, text: &str) -> String {
        self.lab.sh(host, &format!("export PATH=$PATH:/opt/incline/bin KUBECONFIG=/etc/kubernetes/admin.conf; {text}"))
    }

    /// Waits until all nodes are ready.
    fn ready(&self, nodes: usize) {
        within(Duration::from_secs(120), || {
            let text = self.on(1, "kubectl get nodes --no-headers 2>&1; true");
            text.lines().filter(|line| line.contains(" Ready ")).count() == nodes
        });
    }
}

/// Waits for something to become true.
fn within(limit: Duration, is_so: impl Fn() -> bool) {
    let end = Instant::now() + limit;
    while !is_so() {
        assert!(Instant::now() < end, "not so within {} s", limit.as_secs());
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Asks etcd.
const ETCDCTL: &str = "etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt \
                   --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key";
