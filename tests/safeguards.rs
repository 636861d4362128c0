//! Safeguards as a user meets them: what holds a plan back, what lets it go on, and what is explained.
use crate::support::*;
use std::fs;
use std::path::Path;
use std::process::Output;

/// The example estate in a folder of its own, with a file of it changed.
fn estate(file: &str, changes: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files(&root().join("inventories")) {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().join(file);
    let mut text = fs::read_to_string(&path).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{file} has no `{from}`");
        text = text.replace(from, to);
    }
    fs::write(path, text).unwrap();
    folder
}

fn incline(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_incline"));
    command.arg("--inventories").arg(folder).args(arguments).env("NO_COLOR", "1").output().unwrap()
}

fn all(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

const PROD: &str = "lakeside-prod.yaml";
const SHORT_LOGS: (&str, &str) = ("breakGlass: ssm", "breakGlass: ssm\nlogs: {retention: 1y}");

fn exception(rule: &str, until: &str) -> String {
    format!(
        "profile: hipaa\n  exceptions:\n    - {{rule: {rule}, scope: \"lakeside-prod-*\", reason: kept elsewhere, approvedBy: A. Person, until: \"{until}\"}}"
    )
}

#[test]
fn the_example_estate_holds() {
    let output = incline(&root().join("inventories"), &["check", "--json"]);
    assert!(output.status.success(), "{}", all(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let assessments = report["assessments"].as_array().unwrap();
    assert_eq!(assessments.len(), 3, "staging is held to nothing");
    for assessment in assessments {
        assert_eq!(assessment["idle"], serde_json::json!([]));
        for finding in assessment["findings"].as_array().unwrap() {
            assert!(
                finding["bearing"]["excepted"].is_object() || finding["bearing"]["expired"].is_object(),
                "{finding}"
            );
        }
    }
}

#[test]
fn what_is_not_safe_is_refused_until_it_is_excepted_and_again_when_that_ends() {
    let plan = ["plan", "lakeside-prod", "--offline"];
    let short = estate(PROD, &[SHORT_LOGS]);
    let output = incline(short.path(), &plan);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "a site that is refused has no plan");
    let text = all(&output);
    assert!(text.contains("log-retention, high, 45 CFR 164.316(b)(2)(i)"), "{text}");
    assert!(
        text.contains("log-bucket-retention") && text.contains("2 safeguards of high severity do not hold"),
        "{text}"
    );
    // The line that has a say in it is shown.
    assert!(text.contains("logs: {retention: 1y}"), "{text}");

    let borne = estate(PROD, &[SHORT_LOGS, ("profile: hipaa", &exception("log-retention", "9999-12-31"))]);
    let text = all(&incline(borne.path(), &plan));
    assert!(
        text.contains("1 safeguard of high severity does not hold") && text.contains("log-bucket-retention"),
        "{text}"
    );

    let over = estate(PROD, &[SHORT_LOGS, ("profile: hipaa", &exception("log-retention", "2026-01-31"))]);
    let text = all(&incline(over.path(), &plan));
    assert!(text.contains("2 safeguards") && text.contains("Its exception ended on 2026-01-31"), "{text}");
    // apply refuses as well, before it asks anybody.
    let text = all(&incline(over.path(), &["apply", "lakeside-prod", "--yes"]));
    assert!(text.contains("2 safeguards of high severity do not hold, and nothing was done"), "{text}");
}

#[test]
fn what_a_person_typed_is_found_where_they_typed_it() {
    let cases = [
        ("agreement: {accepted", "hostLogs: none # {accepted", "agreement-recorded"),
        ("breakGlass: ssm", "breakGlass: ssm\nterminationProtection: false", "termination-protected"),
        ("api:\n", "api:\n  exposure: {public: {reason: it is easier}}\n", "api-internal"),
        (
            "zones: [us-east-1a, us-east-1b, us-east-1c]",
            "zones: [us-east-1a, us-east-1b, us-east-1c]\nlogs: {cloudTrail: false}",
            "trail-there",
        ),
    ];
    for (from, to, rule) in cases {
        let folder = estate(PROD, &[(from, to)]);
        let output = incline(folder.path(), &["check"]);
        let text = all(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(&format!("[{rule}, high")), "{rule}:\n{text}");
    }
}

#[test]
fn an_exception_that_excepts_nothing_is_told() {
    let folder = estate(PROD, &[("profile: hipaa", &exception("log-retention", "9999-12-31"))]);
    let text = all(&incline(folder.path(), &["check"]));
    assert!(text.contains("1 exception excepts nothing"), "{text}");
}

#[test]
fn rules_are_explained() {
    let output = incline(&root().join("inventories"), &["explain", "--json"]);
    let rules: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(rules.len() >= 80, "{} rules", rules.len());
    for rule in &rules {
        for paragraph in rule["paragraphs"].as_array().unwrap() {
            let paragraph = paragraph.as_str().unwrap();
            let known = ["164.308(", "164.310(", "164.312(", "164.314(", "164.316("];
            assert!(known.iter().any(|section| paragraph.starts_with(section)), "{}: {paragraph}", rule["id"]);
        }
    }
    let text = all(&incline(&root().join("inventories"), &["explain", "no-swap"]));
    assert!(text.contains("164.312(a)(2)(iv)") && text.contains("to mend"), "{text}");
    let output = incline(&root().join("inventories"), &["explain", "no-swop"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(all(&output).contains("did you mean `no-swap`?"), "{}", all(&output));
}
