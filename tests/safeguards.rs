//! Safeguards as a user meets them: what holds a plan back, what lets it go on, and what is explained.
use crate::support::*;
use incline_model::estate::Estate;
use incline_model::inventory::Safeguards;
use incline_model::site::Site;
use incline_render::{ApiBy, Templates, render, render_hosts, render_tenants};
use incline_safeguards::{Catalogue, Category, Document, assess, of_aws, of_onprem};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
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

/// An estate that does all that an inventory can do wrong, rendered by templates that somebody has spoilt.
fn bad_estate() -> (tempfile::TempDir, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let (inventories, templates) = (folder.path().join("inventories"), folder.path().join("templates"));
    std::fs::create_dir_all(&inventories).unwrap();
    std::fs::create_dir_all(templates.join("stacks")).unwrap();
    std::fs::copy(root().join("inventories/incline.lock"), inventories.join("incline.lock")).unwrap();
    for (name, text) in files(&root().join("tests/cases/bad-estate")) {
        std::fs::write(inventories.join(name), text).unwrap();
    }
    for (name, from, to) in [
        ("data.yaml", "Encrypted: true", "Encrypted: false"),
        ("data.yaml", "Condition: {Bool: {\"aws:SecureTransport\": \"false\"}}", "Condition: {}"),
        ("keys.yaml", "EnableKeyRotation: true", "EnableKeyRotation: false"),
    ] {
        let (own, spoilt) = (root().join("templates/stacks").join(name), templates.join("stacks").join(name));
        let text = std::fs::read_to_string(if spoilt.exists() { &spoilt } else { &own }).unwrap();
        assert!(text.contains(from), "{name} does not hold {from}");
        std::fs::write(spoilt, text.replace(from, to)).unwrap();
    }
    let path = |path: std::path::PathBuf| path.display().to_string();
    let arguments =
        vec!["--inventories".into(), path(inventories), "--templates".into(), path(templates), "check".into()];
    (folder, arguments)
}

#[test]
fn a_bad_estate_shows_every_category_to_people_to_reviewers_and_to_ci() {
    let (_folder, arguments) = bad_estate();
    let check = |more: &[&str]| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let output = incline(&arguments);
        assert_eq!(output.status.code(), Some(1));
        stdout(&output)
    };
    let catalogue = Catalogue::embedded().unwrap();
    let report: Value = serde_json::from_str(&check(&["--json"])).unwrap();
    let findings = report["assessments"].as_array().unwrap().iter().flat_map(|one| one["findings"].as_array().unwrap());
    let rules: BTreeSet<&str> = findings.map(|finding| finding["rule"].as_str().unwrap()).collect();
    let categories: BTreeSet<Category> = rules.iter().map(|rule| catalogue.rule(rule).unwrap().category).collect();
    let all: BTreeSet<Category> = catalogue.rules().map(|rule| rule.category).collect();
    assert_eq!(categories, all);
    let text = check(&[]);
    assert!(rules.iter().all(|rule| text.contains(&format!("[{rule}, "))), "{text}");
    assert!(text.contains("Its exception ended on 2020-12-31."), "{text}");

    // What reviewers' tools read: the types of a library of theirs take it, each result has its rule and its line.
    let sarif: serde_sarif::sarif::Sarif = serde_json::from_str(&check(&["--format", "sarif"])).unwrap();
    let run = &sarif.runs[0];
    let known: BTreeSet<&str> = run.tool.driver.rules.as_ref().unwrap().iter().map(|rule| rule.id.as_str()).collect();
    let results = run.results.as_ref().unwrap();
    let told: BTreeSet<&str> = results.iter().map(|result| result.rule_id.as_deref().unwrap()).collect();
    assert_eq!(told, rules);
    assert!(told.is_subset(&known));
    for result in results {
        let place = result.locations.as_ref().unwrap()[0].physical_location.as_ref().unwrap();
        assert!(place.region.as_ref().unwrap().start_line.unwrap() > 0);
        assert!(place.artifact_location.as_ref().unwrap().uri.as_ref().unwrap().ends_with(".yaml"));
    }
    let junit = quick_junit::Report::deserialize_from_str(&check(&["--format", "junit"])).unwrap();
    let suites: Vec<(&str, usize)> =
        junit.test_suites.iter().map(|suite| (suite.name.as_str(), suite.test_cases.len())).collect();
    assert_eq!(suites, [("bad-cellar", catalogue.rules().count()), ("bad-cloud", catalogue.rules().count())]);
    assert_eq!(junit.failures, results.len());

    // What is excepted is told as such.
    let prod: Value = serde_json::from_str(&succeed(&["check", "--format", "sarif"])).unwrap();
    let excepted = prod["runs"][0]["results"].as_array().unwrap();
    assert_eq!(excepted.len(), 1);
    assert_eq!(excepted[0]["suppressions"][0]["status"], "accepted");
    let junit = quick_junit::Report::deserialize_from_str(&succeed(&["check", "--format", "junit"])).unwrap();
    let cases = junit.test_suites.iter().flat_map(|suite| &suite.test_cases);
    let skipped: Vec<String> = cases
        .filter_map(|case| match &case.status {
            quick_junit::TestCaseStatus::Skipped { message, .. } => message.as_ref().map(|why| why.as_str().to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(skipped.iter().filter(|why| !why.starts_with("not applicable: ")).count(), 1);
    // What is no valid inventory at all is told in the same forms.
    let broken = changed_estate(PROD, "egress: natPerZone", "egress: sideways");
    let output = over(broken.path(), &["check", "--format", "sarif"]);
    let sarif: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "invalid-inventory");
    assert!(stdout(&over(broken.path(), &["check", "--format", "junit"])).contains("failures=\"1\""));
}

#[test]
fn what_was_not_judged_is_never_green() {
    let folder = changed_estate(PROD, "egress: natPerZone", "egress: natPerZone");
    // A template that gives no items: no host can be rendered, and stacks can.
    let templates = folder.path().join("templates");
    std::fs::create_dir_all(templates.join("hosts")).unwrap();
    std::fs::write(templates.join("hosts/prepare.yaml"), "not: a list\n").unwrap();
    let broken = ["--templates", templates.to_str().unwrap(), "check"];
    let output = over(folder.path(), &broken);
    assert_eq!(output.status.code(), Some(1));
    let text = all(&output);
    for line in ["lakeside-prod: ", "riverside-dc: not judged: ", "hillcrest-dc: not judged: "] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let report: Value =
        serde_json::from_slice(&over(folder.path(), &[&broken[..], &["--json"]].concat()).stdout).unwrap();
    assert_eq!(report["ok"], false);
    assert_eq!(report["assessments"].as_array().unwrap().len(), 1, "what could be rendered was judged");
    let named = |report: &Value| -> Vec<String> {
        let list = report["notJudged"].as_array().unwrap();
        list.iter().map(|one| one["site"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(named(&report), ["hillcrest-dc", "riverside-dc"]);
    let sarif = over(folder.path(), &[&broken[..], &["--format", "sarif"]].concat());
    let sarif: Value = serde_json::from_slice(&sarif.stdout).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.iter().filter(|result| result["ruleId"] == "not-judged").count(), 2);
    assert_eq!(sarif["runs"][0]["invocations"][0]["executionSuccessful"], false);
    serde_json::from_value::<serde_sarif::sarif::Sarif>(sarif).unwrap();
    let junit = over(folder.path(), &[&broken[..], &["--format", "junit"]].concat());
    let junit = quick_junit::Report::deserialize_from_str(&stdout(&junit)).unwrap();
    assert_eq!((junit.errors, junit.failures), (2, 0));
}

#[test]
fn a_rule_that_looks_at_hosts_only_says_so_of_a_site_in_aws() {
    let report: Value = serde_json::from_str(&succeed(&["check", "--json"])).unwrap();
    let assessments = report["assessments"].as_array().unwrap();
    let of = |site: &str| &assessments.iter().find(|one| one["site"] == site).unwrap()["notApplicable"];
    assert_eq!(of("lakeside-prod")["no-swap"], "it looks at on-premises hosts only");
    assert_eq!(of("riverside-dc")["metadata-v2"], "it looks at stacks in AWS only");
    assert!(of("riverside-dc")["no-swap"].is_null());
    let text = succeed(&["check"]);
    let line = text.lines().find(|line| line.starts_with("lakeside-prod: ")).unwrap();
    assert!(line.contains("it looks at on-premises hosts only") && !line.contains("all hold"), "{line}");
}

/// What rules look at of a site of the example estate.
fn documents(estate: &Estate, templates: &Templates, site: &Site) -> Vec<Document> {
    match site {
        Site::Aws(site) => of_aws(site, &render(site, estate, templates).unwrap()),
        Site::OnPrem(site) => {
            of_onprem(site, &render_hosts(site, templates, ApiBy::Balancer).unwrap(), &render_tenants(site))
        }
    }
}

/// What breaks a rule, as `cases/safeguards.yaml` describes it.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: String,
    r#in: Option<String>,
    resource: Option<String>,
    item: Option<String>,
    file: Option<String>,
    object: Option<String>,
    #[serde(default)]
    r#where: BTreeMap<String, Value>,
    at: Option<String>,
    set: Option<Value>,
    #[serde(default)]
    remove: bool,
    replace: Option<[String; 2]>,
}

/// The value at a place, `/` between its parts.
fn at<'a>(value: &'a mut Value, place: &str) -> Option<&'a mut Value> {
    place.split('/').try_fold(value, |value, step| match value {
        Value::Array(list) => list.get_mut(step.parse::<usize>().ok()?),
        Value::Object(map) => map.get_mut(step),
        _ => None,
    })
}

impl Case {
    /// The thing in a document that is changed.
    fn subject<'a>(&self, document: &'a mut Value) -> Option<&'a mut Value> {
        let is = |one: &mut Value, key: &str, text: &Option<String>| one[key].as_str() == text.as_deref();
        let all: Vec<&mut Value> = if self.resource.is_some() {
            let resources = document.get_mut("Resources")?.as_object_mut()?.values_mut();
            resources.filter_map(|one| is(one, "Type", &self.resource).then_some(one)).collect()
        } else if let Some(kind) = &self.item {
            document.get_mut("items")?.as_array_mut()?.iter_mut().filter(|one| one.get(kind).is_some()).collect()
        } else if self.object.is_some() {
            let objects = document.get_mut("objects")?.as_array_mut()?.iter_mut();
            objects.filter_map(|one| is(one, "class", &self.object).then_some(one)).collect()
        } else if self.file.is_some() {
            // A host's files are items; a node's stand by themselves.
            let list = if document.get("items").is_some() { "items" } else { "files" };
            let files = document.get_mut(list)?.as_array_mut()?.iter_mut();
            let files = files.filter_map(|one| if list == "items" { one.get_mut("file") } else { Some(one) });
            files.filter_map(|one| is(one, "path", &self.file).then_some(one)).collect()
        } else {
            vec![document]
        };
        let holds =
            |one: &mut Value| self.r#where.iter().all(|(place, value)| at(one, place).as_deref() == Some(value));
        all.into_iter().find_map(|one| (holds(one) && self.parent(one).is_some()).then_some(one))
    }

    /// What holds the value that is changed, and its name there.
    fn parent<'a>(&self, subject: &'a mut Value) -> Option<(&'a mut Value, String)> {
        let place = self.at.as_deref().unwrap_or("content");
        let (parent, name) = place.rsplit_once('/').unwrap_or(("", place));
        let parent = if parent.is_empty() { Some(subject) } else { at(subject, parent) }?;
        (self.set.is_some() || at(parent, name).is_some()).then(|| (parent, name.to_owned()))
    }

    /// Changes a document; nothing where there is nothing of the kind in it.
    fn change(&self, document: &mut Value) -> Option<()> {
        let (parent, name) = self.parent(self.subject(document)?)?;
        match (parent, &self.set, &self.replace) {
            (Value::Object(map), Some(value), _) => drop(map.insert(name, value.clone())),
            (Value::Array(list), Some(value), _) => *list.get_mut(name.parse::<usize>().unwrap())? = value.clone(),
            (Value::Object(map), None, None) if self.remove => drop(map.remove(&name)?),
            (Value::Array(list), None, None) if self.remove => drop(list.remove(name.parse().unwrap())),
            (Value::Object(map), None, Some([from, to])) => {
                let text = map[&name].as_str()?.to_owned();
                assert!(text.contains(from), "{}: {from:?} is not in {text}", self.rule);
                map.insert(name, text.replace(from, to).into());
            }
            other => panic!("{}: nothing to do with {other:?}", self.rule),
        }
        Some(())
    }
}

#[test]
fn each_rule_is_passed_by_the_example_estate_and_broken_by_its_cases() {
    let (estate, templates, catalogue) = (example(), templates(), Catalogue::embedded().unwrap());
    let text = std::fs::read_to_string(root().join("tests/cases/safeguards.yaml")).unwrap();
    let cases: Vec<Case> = serde_yaml::from_str(&text).unwrap();
    let held: Vec<(&Site, Vec<Document>)> = estate
        .sites()
        .filter(|site| site.safeguards().is_some())
        .map(|site| (site, documents(&estate, &templates, site)))
        .collect();
    // Exceptions hide nothing here.
    let breaks = |rule: &str, site: &Site, document: &Document| {
        let bare = Safeguards { exceptions: Vec::new(), ..site.safeguards().unwrap().clone() };
        let found = assess(&catalogue, site.name().as_str(), std::slice::from_ref(document), &bare, "2026-01-01");
        found.findings.iter().any(|finding| finding.rule == rule)
    };
    let (mut caught, mut changes) = (BTreeSet::new(), 0);
    for case in &cases {
        let rule = catalogue.rule(&case.rule).unwrap_or_else(|| panic!("there is no rule {}", case.rule));
        let mut tried = 0;
        for (site, documents) in &held {
            for document in documents.iter().filter(|document| document.of == rule.of) {
                if case.r#in.as_ref().is_some_and(|name| *name != document.target) {
                    continue;
                }
                let mut changed = document.clone();
                if case.change(&mut changed.value).is_none() || breaks(&case.rule, site, document) {
                    continue;
                }
                assert!(
                    breaks(&case.rule, site, &changed),
                    "{} passes, though it was broken: {case:?}",
                    document.target
                );
                tried += 1;
            }
        }
        assert!(tried > 0, "nothing in the estate is changed by {case:?}");
        changes += tried;
        caught.insert(case.rule.as_str());
    }
    let rules: BTreeSet<&str> = catalogue.rules().map(|rule| rule.id.as_str()).collect();
    println!("{} rules, {} caught, by {} cases in {changes} documents", rules.len(), caught.len(), cases.len());
    let without: Vec<&&str> = rules.difference(&caught).collect();
    assert!(without.is_empty(), "no case breaks {without:?}");
}
