//! Safeguards as a user meets them: what holds a plan back, what lets it go on, and what is explained.
use crate::support::*;
use std::path::Path;
use std::process::Output;

/// Runs incline over the inventories of a folder.
fn over(folder: &Path, arguments: &[&str]) -> Output {
    incline(&[&["--inventories", folder.to_str().unwrap()], arguments].concat())
}

fn all(output: &Output) -> String {
    stdout(output) + &stderr(output)
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
    let output = incline(&["check", "--json"]);
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
    let short = estate_with(PROD, &[SHORT_LOGS]);
    let output = over(short.path(), &plan);
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

    let borne = estate_with(PROD, &[SHORT_LOGS, ("profile: hipaa", &exception("log-retention", "9999-12-31"))]);
    let text = all(&over(borne.path(), &plan));
    assert!(
        text.contains("1 safeguard of high severity does not hold") && text.contains("log-bucket-retention"),
        "{text}"
    );

    let ended = estate_with(PROD, &[SHORT_LOGS, ("profile: hipaa", &exception("log-retention", "2026-01-31"))]);
    let text = all(&over(ended.path(), &plan));
    assert!(text.contains("2 safeguards") && text.contains("Its exception ended on 2026-01-31"), "{text}");
    // apply refuses as well, before it asks anybody.
    let text = all(&over(ended.path(), &["apply", "lakeside-prod", "--yes"]));
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
        let folder = estate_with(PROD, &[(from, to)]);
        let output = over(folder.path(), &["check"]);
        let text = all(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(&format!("[{rule}, high")), "{rule}:\n{text}");
    }
}

#[test]
fn an_exception_that_excepts_nothing_is_told() {
    let folder = estate_with(PROD, &[("profile: hipaa", &exception("log-retention", "9999-12-31"))]);
    let text = all(&over(folder.path(), &["check"]));
    assert!(text.contains("1 exception excepts nothing"), "{text}");
}

#[test]
fn rules_are_explained() {
    let output = incline(&["explain", "--json"]);
    let rules: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(rules.len() >= 80, "{} rules", rules.len());
    for rule in &rules {
        for paragraph in rule["paragraphs"].as_array().unwrap() {
            let paragraph = paragraph.as_str().unwrap();
            let known = ["164.308(", "164.310(", "164.312(", "164.314(", "164.316("];
            assert!(known.iter().any(|section| paragraph.starts_with(section)), "{}: {paragraph}", rule["id"]);
        }
    }
    let text = all(&incline(&["explain", "no-swap"]));
    assert!(text.contains("164.312(a)(2)(iv)") && text.contains("to mend"), "{text}");
    let output = incline(&["explain", "no-swop"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(all(&output).contains("did you mean `no-swap`?"), "{}", all(&output));
}
