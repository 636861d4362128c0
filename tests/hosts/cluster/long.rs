//! What takes long: `cargo xtask test --long`.
use super::acts::*;
use super::*;

#[test]
#[ignore = "needs the testbed"]
fn a_site_is_destroyed_and_founded_again_from_a_snapshot() {
    let cluster = Cluster::up(1, 1, VERSIONS[0]);
    succeeded(&cluster.lab.incline(&["apply", "--yes", "lab"]), "the cluster is made");
    cluster.ready(2);
    what_a_snapshot_holds_is_restored(&cluster, 1);
    the_site_is_destroyed(&cluster);
    a_lost_cluster_is_founded_again(&cluster);
}

#[test]
#[ignore = "needs the testbed"]
fn three_members_are_upgraded_changed_and_restored() {
    let cluster = Cluster::up(3, 1, VERSIONS[1]);
    succeeded(&cluster.lab.incline(&["apply", "--yes", "lab"]), "the cluster is made");
    cluster.ready(4);
    the_cluster_is_upgraded(&cluster, 3);
    succeeded(&cluster.lab.incline(&["drift", "lab"]), "nothing drifts");
    settings_reach_what_runs(&cluster);
    what_a_snapshot_holds_is_restored(&cluster, 3);
}

#[test]
#[ignore = "needs the testbed"]
fn clusters_are_made_in_spite_of_fifty_interruptions() {
    let mut random = numbers(7);
    let (mut survived, mut lost) = (0, Vec::new());
    for round in 0.. {
        if survived >= interruptions(50) {
            break;
        }
        let members = 2 * (round % 2) + 1;
        let cluster = Cluster::up(members, 1, VERSIONS[0]);
        match made_in_spite_of(&cluster, &["apply", "--yes", "lab"], random.by_ref().take(IN_A_ROW)) {
            Ok(count) => {
                survived += count;
                let again = cluster.lab.incline(&["plan", "--detailed-exitcode", "lab"]);
                succeeded(&again, "planned again: nothing");
            }
            Err(why) => lost.push(format!("round {round}: {why}")),
        }
    }
    println!("{survived} interruptions survived, {} clusters lost", lost.len());
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

/// A changed flag and another audit policy reach the API servers that run, one after the other; an edited manifest is found.
fn settings_reach_what_runs(cluster: &Cluster) {
    let lab = &cluster.lab;
    cluster.on(3, "sed -i s/--profiling=false/--profiling=true/ /etc/kubernetes/manifests/kube-scheduler.yaml");
    let said = stdout(&lab.incline(&["drift", "lab"]));
    assert!(said.contains("kube-scheduler"), "{said}");
    let files = lab.path("templates/ignition/files");
    let policy = std::fs::read_to_string(root().join("ignition/files/audit-policy.yaml")).unwrap();
    std::fs::write(files.join("audit-policy.yaml"), format!("{policy}# Another one.\n")).unwrap();
    let settings = std::fs::read_to_string(files.join("kubeadm-cluster.yaml.j2")).unwrap();
    let longer = settings.replace("audit-log-maxage\n    value: \"30\"", "audit-log-maxage\n    value: \"40\"");
    let longer = longer.replace("podPidsLimit: 4096", "podPidsLimit: 2048");
    assert!(longer.contains("\"40\"") && longer.contains("2048"));
    std::fs::write(files.join("kubeadm-cluster.yaml.j2"), longer).unwrap();
    let plan = stdout(&lab.incline(&["plan", "lab"]));
    assert!(plan.contains("+    - --audit-log-maxage=40") && plan.contains("-    - --profiling=true"), "{plan}");
    succeeded(&lab.incline(&["apply", "--yes", "lab"]), "the settings are applied");
    succeeded(&lab.incline(&["plan", "--detailed-exitcode", "lab"]), "planned again: nothing");
    let runs = |n: usize, program: &str| cluster.on(n, &format!("tr '\\0' ' ' </proc/$(pidof {program})/cmdline"));
    for n in 1..=3 {
        assert!(runs(n, "kube-apiserver").contains("--audit-log-maxage=40"), "host-{n}");
    }
    assert!(runs(3, "kube-scheduler").contains("--profiling=false"));
    let map = cluster.on(1, "kubectl -n kube-system get configmap kubeadm-config -o yaml");
    assert!(map.contains("value: \"40\""), "{map}");
    let map = cluster.on(1, "kubectl -n kube-system get configmap kubelet-config -o yaml");
    assert!(map.contains("podPidsLimit: 2048"), "{map}");
    for n in 1..=4 {
        cluster.on(n, "grep -qx 'podPidsLimit: 2048' /var/lib/kubelet/config.yaml");
    }
    cluster.ready(4);
}
