//! What a plan says before anything is done.
use super::*;

#[test]
#[ignore = "needs the testbed"]
fn what_is_missing_is_named_for_all_hosts_at_once() {
    let cluster = Cluster::up(3, 1, VERSIONS[0]);
    let lab = &cluster.lab;
    cluster.on(4, "/usr/sbin/sshd -p 10250 </dev/null >/dev/null 2>&1");
    cluster.on(2, "hostname host-1");
    // Nothing balances the API there.
    let path = lab.path("inventories/lab.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("address: 10.99.0.1}", "address: 10.99.0.77}")).unwrap();
    let told = |arguments: &[&str]| {
        let plan = lab.incline(arguments);
        stdout(&plan) + &stderr(&plan)
    };
    let balanced = told(&["plan", "lab"]);
    let silent = "the API is out of reach: 10.99.0.77:6443 is silent";
    for wanting in [
        "somebody listens on what Kubernetes needs: port 10250",
        silent,
        "it calls itself host-1, as host-2 does",
        "it calls itself host-1, as host-1 does",
    ] {
        assert!(balanced.contains(wanting), "{wanting} is not told:\n{balanced}");
    }
    let direct = told(&["plan", "lab", "--bootstrap-direct"]);
    assert!(!direct.contains(silent) && direct.contains("port 10250"), "{direct}");
    std::fs::write(&path, text).unwrap();
    cluster.on(4, "pkill -f '[s]shd -p 10250'");
    cluster.on(2, "hostname host-2");
}
