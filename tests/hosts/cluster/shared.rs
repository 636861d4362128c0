//! Tests that share one cluster of three control-plane hosts and a worker, which `cargo xtask test` starts before them.
//!
//! Each leaves the cluster as it was, so that it can run alone; the last takes hosts away.
use super::*;
use std::io::Read;
use std::sync::mpsc;

/// How many control-plane hosts there are, and how many workers.
const MEMBERS: usize = 3;
const WORKERS: usize = 1;

/// Makes the cluster, says where it is in a file, and keeps it until the runner closes standard input or a test removes the file.
pub fn serve() {
    let place = fixture("cluster");
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    let cluster = Cluster::up(MEMBERS, WORKERS, VERSIONS[0]);
    let applied = cluster.lab.incline(&["apply", "--yes", "lab"]);
    succeeded(&applied, "the cluster is made");
    cluster.ready(MEMBERS + WORKERS);
    std::fs::write(cluster.lab.path("applied"), stdout(&applied) + &stderr(&applied)).unwrap();
    let next = place.with_extension("next");
    std::fs::write(&next, cluster.lab.folder().to_str().unwrap()).unwrap();
    std::fs::rename(&next, &place).unwrap();
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    while place.exists() && end.recv_timeout(Duration::from_secs(1)).is_err() {}
    let _ = std::fs::remove_file(&place);
}

impl Cluster {
    /// The shared cluster, once it is there.
    fn shared() -> Self {
        let (place, failure) = (fixture("cluster"), fixture("cluster.failed"));
        let end = Instant::now() + Duration::from_secs(1200);
        loop {
            if let Ok(folder) = std::fs::read_to_string(&place) {
                let lab = Lab::attach(PathBuf::from(folder), MEMBERS + WORKERS);
                return Self { lab, beside: Vec::new() };
            }
            assert!(
                !failure.exists(),
                "the shared cluster was not made: {}",
                std::fs::read_to_string(&failure).unwrap()
            );
            assert!(Instant::now() < end, "there is no shared cluster: run `cargo xtask test NAME`");
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

#[test]
#[ignore = "needs the testbed"]
fn planning_again_finds_nothing_and_nothing_drifts() {
    let lab = &Cluster::shared().lab;
    succeeded(&lab.incline(&["plan", "--detailed-exitcode", "lab"]), "planned again: nothing");
    succeeded(&lab.incline(&["drift", "lab"]), "nothing drifts");
}

/// Encryption at rest, as etcd has it; neither the audit log nor the output of incline has the secret.
#[test]
#[ignore = "needs the testbed"]
fn secrets_are_encrypted_at_rest_and_never_logged() {
    let cluster = &Cluster::shared();
    cluster.on(1, "kubectl create secret generic patient --from-literal=name=Erika-Mustermann");
    let raw = cluster
        .on(1, &format!("{ETCDCTL} get --print-value-only /registry/secrets/default/patient | tr -dc '[:print:]'"));
    assert!(raw.contains("k8s:enc:secretbox:v1:key1") && !raw.contains("Erika"), "{raw}");
    let log = cluster.on(1, "cat /var/log/kubernetes/audit.log");
    assert!(
        log.contains("\"secrets\"") && !log.contains("Erika"),
        "the audit log has the request, and not its content"
    );
    let keys = [1, 2, 3].map(|n| cluster.on(n, "sha256sum </etc/kubernetes/encryption.yaml"));
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    let key = cluster.on(1, "sed -n 's/^ *secret: //p' /etc/kubernetes/encryption.yaml");
    let applied = std::fs::read_to_string(cluster.lab.path("applied")).unwrap();
    assert!(!applied.is_empty() && !applied.contains(key.trim()));
}

/// Join credentials are removed; anonymous requests reach the health endpoints alone.
#[test]
#[ignore = "needs the testbed"]
fn join_credentials_are_gone_and_anonymous_access_is_limited() {
    let cluster = &Cluster::shared();
    let lab = &cluster.lab;
    assert_eq!(cluster.on(1, "kubeadm token list -o jsonpath='{.token}'"), "");
    assert_eq!(cluster.on(1, "kubectl -n kube-system get secret kubeadm-certs --ignore-not-found"), "");
    let code = |path: &str| {
        cluster.on(1, &format!("curl -sk -o /dev/null -w '%{{http_code}}' https://api.lab.internal:6443{path}"))
    };
    assert_eq!((code("/readyz").as_str(), code("/api").as_str()), ("200", "401"));
    // Pods without restrictions are refused.
    let refused = lab
        .ssh(1, "export KUBECONFIG=/etc/kubernetes/admin.conf; /opt/incline/bin/kubectl run x --image=x --privileged");
    assert!(stderr(&refused).contains("violates PodSecurity \"restricted:latest\""), "{}", stderr(&refused));
}

/// Kubelets serve with certificates that the cluster's authority signed: the API server takes no others.
#[test]
#[ignore = "needs the testbed"]
fn kubelets_have_signed_certificates() {
    let cluster = &Cluster::shared();
    within(Duration::from_secs(150), || {
        [1, 2, 3, 4].iter().all(|n| {
            let asked = format!("kubectl get --raw /api/v1/nodes/host-{n}/proxy/healthz 2>&1; true");
            cluster.on(1, &asked) == "ok"
        })
    });
    // A node that asks for another's address gets nothing signed.
    cluster.on(
        1,
        "cd /root && openssl req -newkey rsa:2048 -nodes -keyout k -subj /O=system:nodes/CN=system:node:host-4 -addext subjectAltName=IP:10.99.1.1 -out r 2>/dev/null
         printf 'apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {name: stolen}\nspec: {signerName: kubernetes.io/kubelet-serving, usages: [digital signature, server auth], request: %s}\n' \"$(base64 -w0 r)\" |
         kubectl --as system:node:host-4 --as-group system:nodes create -f - 2>&1; systemctl start incline-serving.service",
    );
    assert_eq!(cluster.on(1, "kubectl get csr stolen -o jsonpath='{.status}'"), "{}");
}

/// A snapshot was taken, is whole, and only its recipient reads it; certificates near their end are found and renewed.
#[test]
#[ignore = "needs the testbed"]
fn snapshots_and_certificates_are_watched_and_renewed() {
    let cluster = &Cluster::shared();
    let lab = &cluster.lab;
    let newest = "ls -t /var/lib/incline/snapshots/*.age | head -n 1";
    let status = cluster
        .on(1, &format!("mkdir /root/snapshot && cd /root/snapshot && age -d -i /etc/age.key $({newest}) | tar -x && etcdutl snapshot status etcd.db"));
    // Hash, revision, keys, size, version: as many as a snapshot that can be read has.
    assert_eq!(status.trim().split(", ").count(), 5, "{status}");

    cluster.on(2, "sed s/8760h/240h/ /etc/incline/kubeadm/init.yaml >/root/short.yaml; kubeadm certs renew apiserver-kubelet-client --config /root/short.yaml");
    cluster.on(3, "touch -d '1 day ago' /var/lib/incline/snapshots/*");
    let drift = lab.incline(&["drift", "lab"]);
    let said = stdout(&drift);
    assert!(
        drift.status.code() == Some(2)
            && said.contains("apiserver-kubelet-client")
            && said.contains("expires in 9 days"),
        "{said}"
    );
    assert!(said.contains("/var/lib/incline/snapshots") && said.contains("1440 minutes"), "{said}");
    succeeded(&lab.incline(&["apply", "--yes", "lab"]), "certificates and snapshots are mended");
    succeeded(&lab.incline(&["drift", "lab"]), "nothing drifts");
}

/// The checks of the CIS benchmark that fail, as `docs/cis.md` argues, on a control-plane host and on a worker.
const FAILED: [&str; 3] = ["1.1.12 ", "4.1.1 ", "4.3.1 "];

/// The CIS Kubernetes Benchmark, by the real kube-bench: what fails is known, and argued.
#[test]
#[ignore = "needs the testbed"]
fn kube_bench_finds_only_what_is_argued() {
    let cluster = &Cluster::shared();
    for (host, targets) in [(1, "master,controlplane,etcd,node"), (4, "node")] {
        let (program, checks) = (testbed("kube-bench/bin/kube-bench"), testbed("mirror/cfg"));
        let root = cluster.lab.file(host, "/root");
        std::fs::copy(program, root.join("kube-bench")).unwrap();
        succeeded(
            &Command::new("cp").arg("-r").arg(checks).arg(&root).output().unwrap(),
            "kube-bench's checks are copied",
        );
        let report = cluster.on(
            host,
            &format!("cd /root && ./kube-bench run --config-dir cfg --benchmark cis-1.10 --targets {targets} --json 2>/dev/null"),
        );
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let (mut passed, mut failed) = (0, Vec::new());
        let controls = report["Controls"].as_array().unwrap().iter();
        for result in controls
            .flat_map(|control| control["tests"].as_array().unwrap())
            .flat_map(|group| group["results"].as_array().unwrap())
        {
            match result["status"].as_str().unwrap() {
                "PASS" => passed += 1,
                "FAIL" => failed.push(format!(
                    "{} {}",
                    result["test_number"].as_str().unwrap(),
                    result["test_desc"].as_str().unwrap()
                )),
                _ => {}
            }
        }
        println!("CIS on host-{host}: {passed} passed, {} failed: {failed:#?}", failed.len());
        let unknown: Vec<&String> =
            failed.iter().filter(|test| !FAILED.iter().any(|known| test.starts_with(known))).collect();
        assert!(passed > 10 && unknown.is_empty(), "{passed} passed; these fail: {unknown:#?}");
    }
}

/// The founder has lost what made it a member: it would found another cluster, and is kept from it.
#[test]
#[ignore = "needs the testbed"]
fn a_second_cluster_is_never_made() {
    let cluster = &Cluster::shared();
    cluster.on(1, "mv /etc/kubernetes/kubelet.conf /root/");
    let plan = cluster.lab.incline(&["plan", "lab"]);
    let said = stdout(&plan) + &stderr(&plan);
    assert!(said.contains("it would found the cluster, and host-2 is a member of one already"), "{said}");
    assert_eq!(cluster.lab.incline(&["apply", "--yes", "lab"]).status.code(), Some(1));
    cluster.on(1, "mv /root/kubelet.conf /etc/kubernetes/");
    succeeded(&cluster.lab.incline(&["plan", "--detailed-exitcode", "lab"]), "nothing was done");
}

/// Changes by hand on all hosts.
#[test]
#[ignore = "needs the testbed"]
fn tampering_is_found_and_repaired() {
    let cluster = &Cluster::shared();
    let lab = &cluster.lab;
    cluster.on(
        4,
        "systemctl stop kubelet; systemctl disable kubelet 2>/dev/null; echo '# mine' >>/etc/containerd/config.toml",
    );
    cluster.on(
        2,
        "rm /opt/incline/bin/etcdctl; sed -i s/Metadata/RequestResponse/ /etc/incline/kubernetes/audit-policy.yaml; chmod 644 /etc/kubernetes/pki/ca.key
         mkdir -p /etc/systemd/system/kubelet.service.d; printf '[Service]\\nEnvironment=OPEN=1\\n' >/etc/systemd/system/kubelet.service.d/open.conf; systemctl daemon-reload",
    );
    cluster.on(1, "kubectl delete networkpolicy default-deny");
    // A kubelet that lets everybody in: by its settings, and by a flag that overrules them.
    cluster.on(4, "sed -i '/^  anonymous:/,/enabled/s/false/true/' /var/lib/kubelet/config.yaml");
    cluster.on(
        3,
        "sed -i 's/\"$/ --anonymous-auth=true\"/' /var/lib/kubelet/kubeadm-flags.env; systemctl restart kubelet",
    );
    let lets_in = |n: usize| {
        let ask = format!("curl -sk -o /dev/null -w '%{{http_code}}' https://10.99.1.{n}:10250/pods; true");
        within(Duration::from_secs(60), || cluster.on(n, &ask) != "000");
        cluster.on(n, &ask) != "401"
    };
    assert!(lets_in(3));
    let drift = lab.incline(&["drift", "lab"]);
    let said = stdout(&drift);
    assert_eq!(drift.status.code(), Some(2), "{said}");
    for name in [
        "kubelet.service",
        "/etc/containerd/config.toml",
        "etcdctl",
        "audit-policy.yaml",
        "baseline",
        "/var/lib/kubelet/config.yaml",
        "kubeadm-flags",
        "dropIn",
        "/etc/kubernetes/pki/ca.key mode",
    ] {
        assert!(said.contains(name), "{name} is not said:\n{said}");
    }
    succeeded(&lab.incline(&["apply", "--yes", "lab"]), "all of it is mended");
    succeeded(&lab.incline(&["drift", "lab"]), "nothing drifts any more");
    cluster.ready(4);
    assert!(!lets_in(3) && !lets_in(4));
    // What only a person may put back is named for each host, and holds up nothing else.
    cluster.on(4, "mkdir -p /etc/kubernetes/manifests && echo '# a static pod' >/etc/kubernetes/manifests/shell.yaml");
    cluster.on(3, "cd /etc/kubernetes && cp encryption.yaml /root && sed -i '/identity/d; s/  providers:/  providers:\\n  - identity: {}/' encryption.yaml && cp manifests/etcd.yaml /root && sed -i s/client-cert-auth=true/client-cert-auth=false/ manifests/etcd.yaml");
    let said = stdout(&lab.incline(&["drift", "lab"]));
    for name in ["static pod shell.yaml", "encryption.yaml", "etcd.yaml: - --client-cert-auth=true"] {
        assert!(said.contains(name), "{name} is not in:\n{said}");
    }
    assert_eq!(lab.incline(&["apply", "--yes", "lab"]).status.code(), Some(2));
    cluster.on(4, "rm -r /etc/kubernetes/manifests");
    cluster.on(3, "cp /root/encryption.yaml /etc/kubernetes/ && cp /root/etcd.yaml /etc/kubernetes/manifests/");
    within(Duration::from_secs(150), || lab.incline(&["drift", "lab"]).status.success());
}

/// The example site's storage classes and local volumes are what the API server takes.
#[test]
#[ignore = "needs the testbed"]
fn the_api_accepts_storage_classes_and_volumes() {
    let cluster = &Cluster::shared();
    let lab = &cluster.lab;
    let out = lab.path("rendered");
    let rendered = incline(&["render", "--out", out.to_str().unwrap(), "riverside-dc"]);
    succeeded(&rendered, "render");
    let items = std::fs::read_to_string(out.join("riverside-dc/hosts/riv-cp-1/cluster.json")).unwrap();
    let items: Vec<serde_json::Value> = serde_json::from_str(&items).unwrap();
    let manifests = items.iter().find(|item| item["file"]["path"] == "/etc/incline/cluster/storage.yaml").unwrap();
    std::fs::write(lab.file(1, "/root/storage.yaml"), manifests["file"]["content"].as_str().unwrap()).unwrap();
    let taken = cluster.on(1, "kubectl apply --server-side --dry-run=server -f /root/storage.yaml");
    for what in [
        "storageclass.storage.k8s.io/local-fast",
        "persistentvolume/riv-w-1-fast-2",
        "storageclass.storage.k8s.io/studies",
    ] {
        assert!(taken.contains(what), "{taken}");
    }
}

/// Two hosts leave the inventory, with their members of etcd; one node has lost its label.
#[test]
#[ignore = "needs the testbed"]
fn hosts_leave() {
    // The last of the tests that share it: `.config/nextest.toml` orders them.
    let cluster = &Cluster::shared();
    let lab = &cluster.lab;
    let path = lab.path("inventories/lab.yaml");
    let whole = std::fs::read_to_string(&path).unwrap();
    let without = |names: &[&str]| -> String {
        whole
            .lines()
            .filter(|line| !names.iter().any(|name| line.contains(name)))
            .map(|line| format!("{line}\n"))
            .collect()
    };
    cluster.on(1, "kubectl label node host-4 incline/site-");
    std::fs::write(&path, without(&["name: host-2", "name: host-3"])).unwrap();
    let plan = stdout(&lab.incline(&["plan", "lab"]));
    assert!(plan.contains("host-3") && plan.contains("not in the inventory"), "{plan}");
    succeeded(&lab.incline(&["apply", "--yes", "lab"]), "hosts leave");
    assert_eq!(cluster.on(1, "kubectl get nodes -o name | sort | tr '\n' ' '"), "node/host-1 node/host-4 ");
    assert_eq!(cluster.on(1, &format!("{ETCDCTL} member list")).lines().count(), 1);
    succeeded(&lab.incline(&["plan", "--detailed-exitcode", "lab"]), "nothing is left to do");
    // The cluster is needed no more.
    std::fs::remove_file(fixture("cluster")).unwrap();
}
