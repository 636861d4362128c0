//! One connection and one command a host, however much there is to look at.
use super::*;

/// A hundred files, and what else there is.
fn many(items: usize) -> String {
    let files = (0..items).map(|n| format!("- file: {{path: /opt/many/{n}.conf, content: \"number {n}\"}}\n"));
    std::iter::once("- directory: {path: /opt/many}\n".to_owned()).chain(files).collect()
}

#[test]
#[ignore = "needs the testbed"]
fn what_does_not_change_costs_one_connection_and_one_exec() {
    let lab = Lab::up("debian", 3);
    for size in [0, 12, 250] {
        lab.items(&many(size));
        lab.apply();
        for command in [&["plan"][..], &["drift"], &["apply", "--yes"]] {
            let before: Vec<_> = (1..=3).map(|host| lab.counts(host)).collect();
            succeeded(&lab.incline(command), "nothing to do");
            for host in 1..=3 {
                let (connections, commands) = lab.counts(host);
                let (was_connections, was_commands) = before[host - 1];
                assert_eq!(
                    (connections - was_connections, commands - was_commands),
                    (1, 1),
                    "{command:?} of {size} items"
                );
            }
        }
    }
    // A change costs two execs more, on the same connection: it is looked at again, changed and looked at by one; the other
    // leaves the end of the audit trail.
    lab.items(&many(251));
    let before = lab.counts(2);
    lab.apply();
    let after = lab.counts(2);
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 3));
}

#[test]
#[ignore = "needs the testbed"]
fn a_jump_hosts_connection_is_shared() {
    let lab = Lab::up("debian", 3);
    let jump = format!("jump: [{{address: {{ip: 10.99.1.1}}, hostKey: \"{}\"}}]", lab.fingerprint(1).unwrap());
    lab.site("ops", &jump, |n| lab.fingerprint(n));
    lab.items("- file: {path: /etc/behind, content: x}");
    let before = lab.counts(1);
    lab.apply();
    let after = lab.counts(1);
    // One as the jump host, and one as a host behind itself.
    assert_eq!(after.0 - before.0, 2);
    assert!(lab.is_settled());
    let seen = std::fs::read_to_string(lab.path("3/log")).unwrap();
    assert!(seen.contains("Accepted publickey for ops from 10.99.1.1"), "{seen}");
}

#[test]
#[ignore = "needs the testbed"]
fn a_host_that_does_not_answer_or_fails_holds_nobody_up() {
    let lab = Lab::up("debian", 3);
    lab.stop(3);
    // Its folder stands in the way on one host alone.
    lab.sh(2, "mkdir -p /opt/x/y");
    lab.items("- file: {path: /opt/first, content: x}\n- file: {path: /opt/x, content: x}");
    let output = lab.incline(&["apply", "--yes"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("! lab/host-3: 10.99.1.3 cannot be reached") && text.contains("Left out: lab/host-3."),
        "{text}"
    );
    assert!(text.contains("✗ lab/host-2/prepare: file /opt/x: /opt/x is a folder"), "{text}");
    assert!(lab.file(1, "/opt/x").is_file() && lab.file(2, "/opt/first").is_file());
    let events = stdout(&lab.incline(&["apply", "--yes", "--json"]));
    let lines: Vec<serde_json::Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["event"] == "leftOut" && line["target"] == "lab/host-3"), "{events}");
    assert_eq!(lines.last().unwrap()["success"], false);
    let drift = lab.incline(&["drift"]);
    assert_eq!(drift.status.code(), Some(1));
    assert!(stdout(&drift).contains("not checked"), "{}", stdout(&drift));
    lab.start(3);
    lab.sh(2, "rm -r /opt/x");
    lab.apply();
    assert!(lab.is_settled());
}
