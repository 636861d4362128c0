//! A living control-plane member in AWS: kubeadm makes it with the minor version before, its machine is replaced by one
//! of the pinned version and other settings, and its certificates are renewed while it runs.
use super::*;
use std::process::Child;
use std::time::{Duration, Instant};

const PINNED: &str = "v1.36.3";
const API: &str = "api.prod.lakeside.internal";
const REGISTRY: &str = "10.99.0.1/kubernetes";

struct Site {
    lab: Lab,
    configuration: tempfile::TempDir,
    mirror: Child,
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.mirror.kill();
        let _ = self.mirror.wait();
    }
}

/// The scripts that talk to AWS, and what stands for them: the volume is a folder that outlives the root disk.
const STAND_INS: [(&str, &str); 5] = [
    (
        "etcd-volume",
        "mkdir -p /volume/etcd /volume/kubernetes /volume/kubelet-pki /var/lib/etcd /etc/kubernetes /var/lib/kubelet/pki
         mount --bind /volume/etcd /var/lib/etcd; mount --bind /volume/kubernetes /etc/kubernetes
         mount --bind /volume/kubelet-pki /var/lib/kubelet/pki",
    ),
    ("pull-images", "mkdir -p /run/incline; : >/run/incline/images"),
    (
        "cluster-pki",
        "[ -e /etc/kubernetes/encryption.yaml ] && exit 0
         : >/etc/kubernetes/incline-first-boot
         printf '%s\\n' 'apiVersion: apiserver.config.k8s.io/v1' 'kind: EncryptionConfiguration' 'resources:' \\
           '- {resources: [secrets], providers: [{identity: {}}]}' >/etc/kubernetes/encryption.yaml",
    ),
    ("ecr-credential-provider", "exit 1"),
    ("join-token", ""),
];

impl Site {
    fn up() -> Self {
        let lab = Lab::up("node", 1);
        let rendered = crate::peers::rendered();
        let (_, configuration) = crate::peers::node_configurations(rendered.path())
            .into_iter()
            .find(|(name, path)| name == "control-plane-a" && path.to_string_lossy().contains("lakeside-prod"))
            .unwrap();
        let mirror = lab
            .command("python3")
            .arg(root().join("tests/testbed/kubernetes/mirror.py"))
            .arg(testbed("mirror"))
            .args(["10.99.0.1", "80"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { configuration: crate::peers::apply(&configuration), lab, mirror }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.lab.file(1, path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        executable(&path);
    }

    fn copy(&self, from: &Path, to: &str) {
        std::fs::create_dir_all(self.lab.file(1, to)).unwrap();
        let copied =
            Command::new("cp").args(["-aL", "--remove-destination"]).arg(from).arg(self.lab.file(1, to)).output();
        succeeded(&copied.unwrap(), to);
    }

    /// A root disk as Ignition and the system extension leave it, but for what this kernel and this network lack.
    fn root_disk(&self, programs: &Path, change: impl Fn(&str) -> String) {
        let bin = testbed("mirror/bin");
        for program in ["kubeadm", "kubectl", "kubelet"] {
            self.copy(&programs.join(program), "/usr/bin");
        }
        for program in ["containerd", "ctr", "containerd-shim-runc-v2", "etcdctl"] {
            self.copy(&bin.join(program), "/usr/bin");
        }
        self.lab.sh(1, "mkdir -p /opt/cni && ln -sfn /usr/lib/cni /opt/cni/bin; mkdir -p /var/lib/containerd");
        for folder in ["etc/incline", "etc/systemd/system", "etc/containerd", "opt/incline/bin"] {
            self.copy(&self.configuration.path().join(folder).join("."), &format!("/{folder}"));
        }
        for (script, text) in STAND_INS {
            self.write(&format!("/opt/incline/bin/{script}"), &format!("#!/bin/bash\n{text}\n"));
        }
        let edit = |path: &str, with: &dyn Fn(&str) -> String| {
            let text = std::fs::read_to_string(self.lab.file(1, path)).unwrap();
            self.write(path, &with(&text));
        };
        let registry = |text: &str| {
            let word =
                text.split(['"', ' ', '=', '\n']).find(|word| word.contains("/lakeside-prod/kubernetes")).unwrap();
            let ours = word.rsplit_once("/kubernetes").unwrap().0;
            text.replace(&format!("{ours}/kubernetes"), REGISTRY)
        };
        edit("/etc/incline/kubeadm/init.yaml", &|text| {
            let address = text.lines().find_map(|line| line.trim().strip_prefix("advertiseAddress: ")).unwrap();
            let text = registry(text).replace(address, "10.99.1.1");
            let socket = "  criSocket: unix:///run/containerd/containerd.sock\n";
            change(&text)
                .replace(socket, &format!("{socket}  ignorePreflightErrors: [SystemVerification]\n"))
                .replace(
                    "cgroupDriver: systemd\n",
                    "cgroupDriver: systemd\nfailCgroupV1: false\n\
                 evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}\n",
                )
                .replace("protectKernelDefaults: true\n", "protectKernelDefaults: false\n")
        });
        edit("/etc/incline/kubeadm/upgrade.yaml", &|text| {
            text.replace("[CreateJob]", "[CreateJob, SystemVerification]")
                .replace("node:\n", "node:\n  ignorePreflightErrors: [SystemVerification]\n")
        });
        edit("/etc/containerd/config.toml", &registry);
        self.write(
            "/etc/containerd/conf.d/lab.toml",
            "version = 3\n[plugins.\"io.containerd.cri.v1.runtime\"]\n  restrict_oom_score_adj = true\n\
             [plugins.\"io.containerd.cri.v1.images\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n",
        );
        self.write(
            "/etc/containerd/certs.d/10.99.0.1/hosts.toml",
            "server = \"http://10.99.0.1\"\n[host.\"http://10.99.0.1\"]\n  capabilities = [\"pull\", \"resolve\"]\n",
        );
        self.write(
            "/etc/cni/net.d/10-lab.conflist",
            r#"{"cniVersion":"1.0.0","name":"lab","plugins":[{"type":"bridge","bridge":"cni0","isGateway":true,
                "ipam":{"type":"host-local","ranges":[[{"subnet":"100.96.1.0/24"}]]}}]}"#,
        );
        self.write(
            "/etc/incline/network.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: pod-network, namespace: kube-system}\n",
        );
        self.write("/etc/hosts", &format!("127.0.0.1 localhost\n10.99.1.1 host-1 {API}\n"));
        self.lab.sh(
            1,
            "echo 1 >/proc/sys/net/ipv4/ip_forward; systemctl daemon-reload && systemctl restart containerd.service",
        );
    }

    /// The machine boots: the units that Ignition enables start.
    fn boots(&self) {
        self.lab.sh(
            1,
            "systemctl enable --quiet kubelet.service; systemctl start --no-block incline-volume.service \
             incline-images.service incline-control-plane.service kubelet.service",
        );
        let end = Instant::now() + Duration::from_secs(420);
        let state = || self.lab.sh(1, "systemctl is-active incline-control-plane.service; true");
        while state() != "active\n" {
            let said = || self.lab.sh(1, "journalctl -u incline-control-plane -u kubelet -n 80 --no-pager -o cat");
            assert!(Instant::now() < end, "the member does not come up:\n{}", said());
            std::thread::sleep(Duration::from_secs(2));
        }
    }

    /// Another machine takes the member's volume: nothing else of the old one is left.
    fn replaced(&self, programs: &Path, change: impl Fn(&str) -> String) {
        self.lab.stop(1);
        for gone in ["/var/lib/kubelet", "/etc/incline", "/opt/incline", "/etc/kubernetes", "/var/lib/etcd"] {
            let _ = std::fs::remove_dir_all(self.lab.file(1, gone));
        }
        for entry in std::fs::read_dir(self.lab.path("1/containerd")).unwrap().flatten() {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
        // It is started as a machine; the member comes up when all is in its place.
        let _ = std::fs::remove_file(self.lab.file(1, "/etc/systemd/system/multi-user.target.wants/kubelet.service"));
        self.lab.start(1);
        self.root_disk(programs, change);
        self.boots();
    }

    fn on(&self, text: &str) -> String {
        self.lab.sh(1, &format!("export KUBECONFIG=/etc/kubernetes/admin.conf; {text}"))
    }

    fn settles(&self, what: &str, is: &str) {
        let end = Instant::now() + Duration::from_secs(180);
        loop {
            let now = self.on(&format!("{what} 2>&1; true"));
            if now.trim() == is {
                return;
            }
            assert!(Instant::now() < end, "{what} says {now}, and not {is}");
            std::thread::sleep(Duration::from_secs(2));
        }
    }
}

#[test]
#[ignore = "needs the testbed"]
fn a_member_is_upgraded_by_its_replacement_and_its_certificates_are_renewed() {
    let (older_programs, older) = (programs_before(), format!("v{}", VERSIONS[1]));
    let site = Site::up();
    let with_older = |text: &str| {
        text.replace(&format!("kubernetesVersion: {PINNED:?}"), &format!("kubernetesVersion: {older:?}"))
            .replace("  - name: audit-log-maxage\n    value: \"30\"", "  - name: audit-log-maxage\n    value: \"7\"")
    };
    site.root_disk(&older_programs, with_older);
    site.boots();
    let node = "kubectl get nodes -o jsonpath='{.items[*].status.nodeInfo.kubeletVersion}'";
    site.settles(node, &older);
    site.settles("kubectl get --raw /version | grep -o 'gitVersion\": *\"[^\"]*' | cut -d'\"' -f3", &older);
    site.on("kubectl create configmap kept --from-literal=a=b");

    site.replaced(&testbed("kubernetes/bin"), ToOwned::to_owned);
    site.settles(node, PINNED);
    site.settles("kubectl get --raw /version | grep -o 'gitVersion\": *\"[^\"]*' | cut -d'\"' -f3", PINNED);
    assert_eq!(site.on("kubectl get configmap kept -o jsonpath='{.data.a}'"), "b");
    let config =
        site.on("kubectl -n kube-system get configmap kubeadm-config -o jsonpath='{.data.ClusterConfiguration}'");
    assert!(config.contains(&format!("kubernetesVersion: {PINNED}")), "{config}");
    let proxy =
        "kubectl -n kube-system get daemonset kube-proxy -o jsonpath='{.spec.template.spec.containers[0].image}'";
    assert_eq!(site.on(proxy), format!("{REGISTRY}/kube-proxy:{PINNED}"));
    assert!(site.on("tr '\\0' ' ' </proc/$(pidof kube-apiserver)/cmdline").contains("--audit-log-maxage=30"));
    assert_eq!(site.on("ls /etc/kubernetes | grep incline- || true"), "", "nothing is left over");

    // Certificates near their end are renewed by the timer's unit, and what runs is started again with them.
    let pids = "for name in etcd kube-apiserver kube-controller kube-scheduler; do pidof $name || pgrep -x $name; done";
    let before = site.on(pids);
    site.on("sed s/8760h/240h/ /etc/incline/kubeadm/init.yaml >/root/short.yaml
         kubeadm certs renew all --config /root/short.yaml >/dev/null");
    site.on("systemctl start incline-certificates.service");
    let after = site.on(pids);
    assert!(before.lines().count() == 4 && before.lines().zip(after.lines()).all(|(a, b)| a != b), "{before}{after}");
    site.settles("kubectl get --raw /readyz", "ok");
    let served = "openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null |
                  openssl x509 -noout -checkend 25920000 >/dev/null && echo long";
    site.settles(served, "long");
    site.on("systemctl start incline-certificates.service");
    assert_eq!(site.on(pids), after, "once is enough");
}
