//! The end of the audit trail, kept on the hosts that a command changed.
use super::*;

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn hosts_tell_what_was_taken_out_of_the_audit_trail() {
    let lab = Lab::up("debian", 2);
    let verify = |code: i32, what: &str| {
        let output = lab.incline(&["audit", "verify", "lab"]);
        let told = stdout(&output) + &stderr(&output);
        assert!(output.status.code() == Some(code) && told.contains(what), "{what} is not in:\n{told}");
    };
    lab.items("[{file: {path: /etc/motd.incline, content: first}}]");
    lab.apply();
    verify(0, "lab: 2 copies of it, up to record");
    let trail = lab.path("home/audit.jsonl");
    let first = std::fs::read_to_string(&trail).unwrap();
    assert!(first.contains("\"sshKeys\":[\"SHA256:"), "{first}");
    lab.items("[{file: {path: /etc/motd.incline, content: second}}]");
    lab.apply();
    verify(0, "2 copies");
    succeeded(&lab.incline(&["plan", "--detailed-exitcode"]), "a copy is nothing that a plan would see");
    // The second run is cut off: the rest is a good chain, and the hosts know better.
    std::fs::write(&trail, &first).unwrap();
    verify(1, "the trail has no such record any more");
    // All of it is written anew, with the same id: no digest is wrong, and none is what the hosts keep.
    let text: String = first.lines().take(1).flat_map(|line| [line, "\n"]).collect();
    std::fs::write(&trail, text).unwrap();
    lab.items("[{file: {path: /etc/motd.incline, content: third}}]");
    for _ in 0..20 {
        lab.incline(&["drift", "lab"]);
    }
    verify(1, "was another one");
    // A host that was entered and changed is told, too.
    lab.ssh(2, "echo something else >/var/lib/incline/audit/$(ls /var/lib/incline/audit)");
    verify(1, "host-2: what it kept was changed");
}
