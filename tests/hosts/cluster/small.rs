//! The life of a small cluster: made in spite of interruptions, upgraded and restored.
use super::acts::*;
use super::*;

#[test]
#[ignore = "needs the testbed"]
fn it_is_made_after_interruptions_upgraded_and_restored() {
    // Nothing balances its API at first.
    let cluster = Cluster::up(1, 1, VERSIONS[1]);
    let lab = &cluster.lab;
    let direct = ["apply", "--yes", "lab", "--bootstrap-direct"];
    made_in_spite_of(&cluster, &direct, numbers(7).take(IN_A_ROW)).unwrap();
    let plan = stdout(&lab.incline(&["plan", "lab"]));
    assert!(plan.contains("address: \"10.99.1.1\" → \"10.99.0.1\""), "{plan}");
    succeeded(&lab.incline(&["apply", "--yes", "lab"]), "the API's name leads to its balancer");
    succeeded(&lab.incline(&["plan", "--detailed-exitcode", "lab"]), "planned again: nothing");
    cluster.balanced();
    the_cluster_is_upgraded(&cluster, 1);
    // The worker twice: the first time, it could not be upgraded.
    assert_eq!(cluster.drained(), ["10.99.1.1", "10.99.1.2"]);
    what_a_snapshot_holds_is_restored(&cluster, 1);
}
