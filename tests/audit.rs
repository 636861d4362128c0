//! The audit trail, as who looks into it afterwards finds it; and plans that others approve.
use crate::f5::Lab;
use crate::support::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The records of a trail, in order.
fn records(trail: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(trail).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// How often each tenant was declared.
fn declared(lab: &Lab) -> BTreeMap<String, usize> {
    let log = lab.test(0, "log", &json!({}));
    let mut posts = BTreeMap::new();
    for request in log["requests"].as_array().unwrap() {
        let path = request["path"].as_str().unwrap();
        if let (Some(tenant), "POST") = (path.split("/declare/").nth(1), request["method"].as_str().unwrap()) {
            *posts.entry(tenant.split('?').next().unwrap().to_owned()).or_default() += 1;
        }
    }
    posts
}

#[test]
#[ignore = "needs the testbed"]
fn no_change_is_ever_without_its_record_whenever_incline_is_killed() {
    let lab = Lab::up(1);
    let trail = lab.path("audit.jsonl");
    let started = || {
        let mut started: BTreeMap<String, usize> = BTreeMap::new();
        for record in records(&trail) {
            let event = &record["what"]["event"];
            if event["event"] == "started" {
                let tenant = event["target"].as_str().unwrap().replace("/f5:", "_");
                *started.entry(format!("incline_{tenant}")).or_default() += 1;
            }
        }
        started
    };
    lab.faults(json!({ "slow": 1 }));
    // A whole run says how long one is on this machine, now.
    lab.inventory(7, &lab.ca(), "");
    let began = Instant::now();
    lab.applied();
    let whole = began.elapsed();
    let mut kills = 0;
    // Points spread over a whole run, in an order that looks like chance: 9 has no common divisor with 28.
    for round in 0..28_u32 {
        lab.inventory(if round % 2 == 0 { 4 } else { 7 }, &lab.ca(), "");
        let mut apply = lab.command(&["apply", "--yes", "--target", "lab/f5:*"]);
        let mut apply = apply.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * (round * 9 % 28 + 1) / 28);
        if apply.try_wait().unwrap().is_none() {
            kills += 1;
            apply.kill().unwrap();
        }
        apply.wait().unwrap();
        let (posts, known) = (declared(&lab), started());
        for (tenant, count) in &posts {
            assert!(known.get(tenant) >= Some(count), "round {round}: {count} changes of {tenant}, and {known:?}");
        }
    }
    let posts: usize = declared(&lab).values().sum();
    assert!(kills > 5 && posts > 5, "{kills} kills, {posts} changes");
    lab.faults(json!({ "slow": 0 }));
    // What was cut off is told as such, and the trail goes on.
    lab.inventory(5, &lab.ca(), "");
    lab.applied();
    let verified = lab.incline(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", stdout(&verified));
    let shown = stdout(&lab.incline(&["audit", "show", "lab"]));
    assert!(shown.contains("never came to its end") && shown.contains("; done"), "{shown}");
    // No secret is in it.
    let text = std::fs::read_to_string(&trail).unwrap();
    assert!(text.contains("\"f5User\":\"incline\"") && !text.contains(crate::f5::PASSWORD));
    println!("{kills} kills, {posts} changes of the device, each with its record");
}

/// A key of somebody's, and its public half.
fn key(lab: &Lab, user: &str) -> String {
    let path = lab.path(user);
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", user, "-f"]).arg(&path).output();
    assert!(made.unwrap().status.success());
    std::fs::read_to_string(path.with_extension("pub")).unwrap().trim().to_owned()
}

/// Holds the site to safeguards, bears all that it does not hold, and asks for approvals.
fn asks_for_approvals(lab: &Lab, approvers: &str) {
    lab.inventory(4, &lab.ca(), "");
    let path = lab.path("inventories/lab.yaml");
    let plain = std::fs::read_to_string(&path).unwrap();
    let write = |exceptions: &str| {
        let text = format!(
            "{plain}safeguards:\n  profile: hipaa\n  approvals: {{needed: 1, approvers: [{approvers}]}}\n  exceptions: [{exceptions}]\n"
        );
        std::fs::write(&path, text).unwrap();
    };
    write("");
    let check: Value = serde_json::from_str(&stdout(&lab.incline(&["check", "--json"]))).unwrap();
    let mut rules: Vec<&str> = check["assessments"][0]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["rule"].as_str().unwrap())
        .collect();
    rules.dedup();
    let exceptions: Vec<String> = rules
        .iter()
        .map(|rule| format!("{{rule: {rule}, reason: a test, approvedBy: nobody, until: \"2099-01-01\"}}"))
        .collect();
    write(&exceptions.join(", "));
}

#[test]
#[ignore = "needs the testbed"]
fn a_plan_is_carried_out_once_others_approve_it() {
    let lab = Lab::up(1);
    let (anna, bruno, me) = (key(&lab, "anna"), key(&lab, "bruno"), whoami());
    let mine = key(&lab, "mine");
    asks_for_approvals(
        &lab,
        &format!("{{user: anna, key: {anna}}}, {{user: bruno, key: {bruno}}}, {{user: {me}, key: {mine}}}"),
    );
    let (plan, path) = ("plan.json", lab.path("plan.json").display().to_string());
    let told = |arguments: &[&str]| {
        let output = lab.command(arguments).current_dir(lab.path("")).output().unwrap();
        stdout(&output) + &stderr(&output)
    };
    let refused = |arguments: &[&str], why: &str| {
        let text = told(arguments);
        assert!(text.contains(why), "{why} is not in:\n{text}");
        assert!(!lab.told(&["drift", "lab"]).contains("error:"));
    };
    let first = told(&["plan", "lab", "--out", plan]);
    assert!(first.contains("f5:apps"), "{first}");
    // Nobody has approved; nobody can without a plan; nobody approves what they apply; a stranger's key is none.
    refused(&["apply", "--plan", plan], "lab asks for 1 approval, and nobody has approved this plan");
    refused(&["apply", "--yes", "--target", "lab/f5:*"], "lab asks for 1 approval of its plan");
    assert!(told(&["approve", plan, "--key", "mine", "--yes"]).contains(&format!("{me} approves it")));
    refused(&["apply", "--plan", plan], &format!("{me}'s does not count, since it is {me} who applies"));
    key(&lab, "stranger");
    refused(&["approve", plan, "--key", "stranger", "--yes"], "is nobody's who may approve");
    // A signature of another plan, and one for another purpose, approve nothing.
    let sign = |namespace: &str, key: &str, file: &str| {
        let mut keygen = Command::new("ssh-keygen");
        keygen.current_dir(lab.path("")).args(["-q", "-Y", "sign", "-n", namespace, "-f", key, file]);
        let signed = keygen.stdin(Stdio::null()).output().unwrap();
        assert!(signed.status.success(), "{}", stderr(&signed));
    };
    std::fs::write(lab.path("other.json"), std::fs::read_to_string(&path).unwrap() + "\n").unwrap();
    sign("plan@incline", "anna", "other.json");
    std::fs::copy(lab.path("other.json.sig"), lab.path("plan.json.anna.sig")).unwrap();
    refused(&["apply", "--plan", plan], "nobody has approved this plan");
    sign("file", "anna", plan);
    refused(&["apply", "--plan", plan], "nobody has approved this plan");
    std::fs::remove_file(lab.path("plan.json.sig")).unwrap();
    assert!(told(&["destroy", "lab", "--confirm", "lab"]).contains("its removal cannot be approved"));
    // What somebody approves, OpenSSH can verify; and what OpenSSH signs, we take.
    let approved = told(&["approve", plan, "--key", "anna", "--yes"]);
    assert!(approved.contains("f5:apps") && approved.contains("anna approves it"), "{approved}");
    std::fs::write(lab.path("allowed"), format!("anna {anna}\n")).unwrap();
    let mut verify = Command::new("ssh-keygen");
    verify.args(["-Y", "verify", "-n", "plan@incline", "-I", "anna", "-f", "allowed", "-s", "plan.json.anna.sig"]);
    let verified = verify.current_dir(lab.path("")).stdin(std::fs::File::open(&path).unwrap()).output().unwrap();
    assert!(verified.status.success(), "{}", stderr(&verified));
    std::fs::remove_file(lab.path("plan.json.anna.sig")).unwrap();
    sign("plan@incline", "bruno", plan);
    // A plan that was changed after it was approved is another one.
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"place\": \"", "\"place\": \"not ", 1)).unwrap();
    refused(&["apply", "--plan", plan], "nobody has approved this plan");
    std::fs::write(&path, text).unwrap();
    assert!(declared(&lab).is_empty(), "nothing was changed until now");
    let applied = told(&["apply", "--plan", plan]);
    assert!(!applied.contains("error:") && !lab.told(&["plan", "lab"]).contains("f5:"), "{applied}");
    let trail = records(&lab.path("audit.jsonl"));
    let kind = |kind: &str| trail.iter().filter(|record| record["what"]["kind"] == kind).collect::<Vec<_>>();
    let began = kind("began");
    assert_eq!(began.len(), 1, "{began:#?}");
    assert_eq!(began[0]["what"]["approvals"][0]["by"], "bruno");
    let approvals = kind("approved");
    assert_eq!(approvals.len(), 2);
    assert_eq!(approvals[0]["what"]["plan"], began[0]["what"]["plan"]["digest"]);
    let shown = stdout(&lab.incline(&["audit", "show"]));
    assert!(shown.contains("approved by bruno; ") && shown.contains("anna approves a plan of lab"), "{shown}");
}

fn whoami() -> String {
    stdout(&Command::new("id").arg("-un").output().unwrap()).trim().to_owned()
}

#[test]
fn what_is_wrong_with_a_trail_is_told_at_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl").display().to_string();
    let verify = || incline(&["--audit", &file, "audit", "verify"]);
    assert!(verify().status.success(), "no trail yet is no broken trail");
    let trail = incline_audit::Trail::at(&file);
    let who = incline_audit::Person::here();
    let access = incline_audit::Access { site: "lakeside-prod".to_owned(), ..Default::default() };
    let look = incline_audit::Look { access, in_sync: 7, findings: Default::default(), drifted: Vec::new() };
    for _ in 0..3 {
        let what = incline_audit::What::Looked { who: who.clone(), sites: vec![look.clone()] };
        trail.append(None, what).unwrap();
    }
    assert!(stdout(&verify()).contains("Whole: 4 records"));
    let shown = succeed(&["--audit", &file, "audit", "show", "lakeside-prod"]);
    assert_eq!(shown.matches("drift lakeside-prod: 0 drifted, 0 not checked").count(), 3, "{shown}");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("\"inSync\":7", "\"inSync\":8", 1)).unwrap();
    let broken = verify();
    let told = stdout(&broken);
    assert!(!broken.status.success() && told.contains("line 2: it was changed"), "{told}");
    assert!(told.contains("Not whole: 3 records"), "{told}");
}
