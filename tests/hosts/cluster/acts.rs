//! What is done to clusters of more than one test.
use super::*;
use std::os::unix::fs::PermissionsExt;

/// The next minor version, one host after the other. A pod that nobody would make again keeps its node as it is; once it is gone, the
/// rest follows.
pub(super) fn the_cluster_is_upgraded(cluster: &Cluster, members: usize) {
    let lab = &cluster.lab;
    let pod = "securityContext: {runAsNonRoot: true, runAsUser: 999, seccompProfile: {type: RuntimeDefault}}, \
               containers: [{name: x, image: 10.99.0.1/kubernetes/pause:3.10.2, \
               securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]";
    cluster.on(
        1,
        &format!(
            "kubectl apply -f - <<'END'\napiVersion: v1\nkind: Pod\nmetadata: {{name: alone}}\nspec: {{{pod}}}\n---\n\
             apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: work}}\nspec: {{replicas: 2, selector: {{matchLabels: {{a: b}}}}, \
             template: {{metadata: {{labels: {{a: b}}}}, spec: {{{pod}}}}}}}\nEND\n\
             kubectl wait --for=condition=Ready pod/alone --timeout=60s && kubectl rollout status deployment work --timeout=60s"
        ),
    );
    let path = lab.path("inventories/lab.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(VERSIONS[1], VERSIONS[0])).unwrap();
    let plan = stdout(&lab.incline(&["plan", "lab"]));
    let step = format!("version: \"v{}\" → \"v{}\"", VERSIONS[1], VERSIONS[0]);
    assert!(plan.contains(&step) && plan.contains("rolls 1 node\n"), "{plan}");
    let versions = || cluster.on(1, "kubectl get nodes -o jsonpath='{.items[*].status.nodeInfo.kubeletVersion}'");
    let (old, new) = (format!("v{}", VERSIONS[1]), format!("v{}", VERSIONS[0]));
    let output = lab.incline(&["apply", "--yes", "lab"]);
    let told = stdout(&output) + &stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("it cannot be drained") && told.contains("default/alone"), "{told}");
    assert_eq!(versions(), format!("{}{old}", format!("{new} ").repeat(members)), "{told}");
    assert_eq!(cluster.on(1, "kubectl get nodes -o jsonpath='{.items[*].spec.unschedulable}'"), "");
    cluster.on(1, "kubectl delete pod alone --now");
    succeeded(&lab.incline(&["apply", "--yes", "lab"]), "the worker is upgraded");
    assert_eq!(versions(), format!("{}{new}", format!("{new} ").repeat(members)));
    assert_eq!(cluster.on(1, "kubectl get nodes -o jsonpath='{.items[*].spec.unschedulable}'"), "");
    cluster.on(1, "kubectl rollout status deployment work --timeout=60s && kubectl delete deployment work");
    succeeded(&lab.incline(&["plan", "--detailed-exitcode", "lab"]), "planned again: nothing");
}

/// The cluster goes back to what a snapshot holds; what came after it is gone, and the other members join again.
pub(super) fn what_a_snapshot_holds_is_restored(cluster: &Cluster, members: usize) {
    let lab = &cluster.lab;
    let identity = lab.path("identity");
    std::fs::write(&identity, cluster.on(1, "cat /etc/age.key")).unwrap();
    let restore = |arguments: &[&str]| {
        let identity = identity.to_str().unwrap();
        lab.incline(&[&["restore", "lab", "--identity", identity, "--confirm", "lab"], arguments].concat())
    };
    let refused = stderr(&restore(&[]));
    assert!(refused.contains("is a secret that others may read"), "{refused}");
    std::fs::set_permissions(&identity, std::fs::Permissions::from_mode(0o600)).unwrap();
    cluster.on(1, "kubectl create secret generic kept --from-literal=name=before && systemctl start incline-snapshot");
    cluster.on(1, "kubectl delete secret kept && kubectl create configmap after");
    // A snapshot that nobody can read costs nobody anything.
    let torn = lab.path("torn.age");
    std::fs::write(&torn, "age-encryption.org/v1\n").unwrap();
    let refused = restore(&["--snapshot", torn.to_str().unwrap()]);
    assert!(
        refused.status.code() == Some(1) && stderr(&refused).contains("cannot be decrypted"),
        "{}",
        stderr(&refused)
    );
    assert_eq!(cluster.on(1, "kubectl get configmap after -o jsonpath={.metadata.name}"), "after");
    // From a copy that lies elsewhere.
    let copy = lab.path("copy.age");
    let newest = cluster.on(1, "ls -t /var/lib/incline/snapshots/*.age | head -n 1");
    std::fs::copy(lab.file(1, newest.trim()), &copy).unwrap();
    let done = restore(&["--snapshot", copy.to_str().unwrap()]);
    succeeded(&done, "the snapshot is restored");
    let state =
        "kubectl get secret kept -o jsonpath={.data.name} | base64 -d; kubectl get configmap after --ignore-not-found";
    assert_eq!(cluster.on(1, state), "before");
    if members > 1 {
        let plan = stdout(&lab.incline(&["plan", "lab"]));
        let joins = |n: usize| plan.lines().any(|line| line.split_whitespace().eq(["+", &format!("host-{n}"), "node"]));
        assert!((2..=members).all(joins), "{plan}");
        succeeded(&lab.incline(&["apply", "--yes", "lab"]), "the others join again");
    }
    assert_eq!(cluster.on(1, &format!("{ETCDCTL} member list")).lines().count(), members);
    cluster.ready(lab.count);
    within(Duration::from_secs(60), || lab.incline(&["plan", "--detailed-exitcode", "lab"]).status.success());
    assert_eq!(cluster.on(members, state), "before");
}

/// All that incline made on the hosts goes, and only that.
pub(super) fn the_site_is_destroyed(cluster: &Cluster) {
    let lab = &cluster.lab;
    let refused = lab.incline(&["destroy", "lab", "--confirm", "lap"]);
    assert!(refused.status.code() == Some(1) && stdout(&refused).contains("node"), "{}", stdout(&refused));
    cluster.ready(lab.count);
    succeeded(&lab.incline(&["destroy", "lab", "--confirm", "lab"]), "the site is destroyed");
    for n in 1..=lab.count {
        let left = lab.sh(
            n,
            "ps -eo comm | grep -E '^(kube|etcd|containerd)'; ls -d /etc/kubernetes /var/lib/etcd /opt/incline/bin /var/lib/incline/mark.json \
             /etc/systemd/system/kubelet.service; grep api.lab /etc/hosts; ls /etc/systemd/system/incline*; find /etc/incline /opt/incline -type f; true",
        );
        assert_eq!(left, "", "host-{n}");
        // What somebody else put there stays.
        lab.sh(n, "test -e /etc/cni/net.d/10-lab.conflist -a -e /etc/containerd/conf.d/lab.toml");
    }
    let again = lab.incline(&["destroy", "lab", "--confirm", "lab"]);
    succeeded(&again, "nothing is left to remove");
}

/// As `docs/recovery.md` says: its hosts know nothing any more, and a copy of a snapshot is all that is left.
pub(super) fn a_lost_cluster_is_founded_again(cluster: &Cluster) {
    let lab = &cluster.lab;
    let (identity, copy) = (lab.path("identity"), lab.path("copy.age"));
    let restore = || {
        let (identity, copy) = (identity.to_str().unwrap(), copy.to_str().unwrap());
        lab.incline(&["restore", "lab", "--identity", identity, "--snapshot", copy, "--confirm", "lab"])
    };
    succeeded(&lab.incline(&["apply", "--yes", "--target", "lab/*/prepare"]), "the hosts are prepared");
    succeeded(&restore(), "the keys are there");
    succeeded(&lab.incline(&["apply", "--yes", "lab"]), "the cluster is founded again");
    succeeded(&restore(), "the data is there");
    succeeded(&lab.incline(&["apply", "--yes", "lab"]), "all is well");
    cluster.ready(lab.count);
    assert_eq!(cluster.on(1, "kubectl get secret kept -o jsonpath={.data.name} | base64 -d"), "before");
    succeeded(&lab.incline(&["plan", "--detailed-exitcode", "lab"]), "nothing is left to do");
}

/// How many interruptions come one after the other, before the cluster is left to be made.
pub(super) const IN_A_ROW: usize = 4;

/// Begins to apply, and interrupts it at some moment: incline is killed, or a host loses its power. Says what has happened; nothing
/// if all was done before that.
fn interrupted(cluster: &Cluster, arguments: &[&str], random: u64) -> Option<String> {
    let lab = &cluster.lab;
    let nodes = lab.count as u64;
    let after = Duration::from_millis(1000 + (random / 8) % (9_000 * nodes));
    let mut run = lab.incline_command(arguments);
    let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    if run.try_wait().unwrap().is_some_and(|status| status.success()) {
        return None;
    }
    let what = match random % 4 {
        0 | 1 => "incline was killed".to_owned(),
        cut => {
            // The founder, or the last.
            let host = if cut == 2 { 1 } else { lab.count };
            lab.stop(host);
            lab.start(host);
            format!("host-{host} lost its power")
        }
    };
    let _ = run.kill();
    let _ = run.wait();
    Some(format!("{what} after {} ms", after.as_millis()))
}

/// Makes a cluster while each of these numbers says how it is interrupted; how many interruptions there were, or what became of it.
pub(super) fn made_in_spite_of(
    cluster: &Cluster,
    apply: &[&str],
    random: impl Iterator<Item = u64>,
) -> Result<usize, String> {
    let lab = &cluster.lab;
    let happened: Vec<String> = random.map_while(|random| interrupted(cluster, apply, random)).collect();
    let happened_text = format!("{} hosts: {}", lab.count, happened.join(", "));
    println!("{happened_text}");
    let end = Instant::now() + Duration::from_secs(240);
    loop {
        let output = lab.incline(apply);
        if output.status.success() {
            break;
        }
        if Instant::now() > end {
            return Err(format!("{happened_text}: {}{}", stdout(&output), stderr(&output)));
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    cluster.ready(lab.count);
    let members =
        cluster.on(1, "kubectl get nodes --no-headers -l node-role.kubernetes.io/control-plane").lines().count();
    let of_etcd = cluster.on(1, &format!("{ETCDCTL} member list"));
    assert_eq!(of_etcd.lines().count(), members, "{happened_text}: {of_etcd}");
    Ok(happened.len())
}
