//! What is wrong with inventories, as SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/).
use crate::safeguards::{Broken, NotJudged};
use incline_model::fault::Fault;
use incline_safeguards::{Bearing, Catalogue, Severity};
use serde_json::{Value, json};

/// What a fault of an inventory is called, which no safeguard has to do with.
const INVALID: &str = "invalid-inventory";

/// What a site is called that was not judged.
const NOT_JUDGED: &str = "not-judged";

/// The log of one run. A run in which something was not judged is told as one that did not succeed.
pub(crate) fn text(catalogue: &Catalogue, faults: &[Fault], broken: &[Broken<'_>], not_judged: &[NotJudged]) -> String {
    let rules = catalogue.rules().map(|rule| {
        json!({
            "id": rule.id,
            "shortDescription": { "text": rule.title },
            "fullDescription": { "text": rule.protects },
            "help": { "text": rule.fix },
            "defaultConfiguration": { "level": level(rule.severity) },
            "properties": { "tags": tags(rule.category.name(), &rule.paragraphs) },
        })
    });
    let invalid = json!({
        "id": INVALID,
        "shortDescription": { "text": "An inventory is not what it must be" },
        "defaultConfiguration": { "level": "error" },
    });
    let unjudged = json!({
        "id": NOT_JUDGED,
        "shortDescription": { "text": "No safeguard of the site was judged" },
        "defaultConfiguration": { "level": "error" },
    });
    let rules: Vec<Value> = rules.chain([invalid, unjudged]).collect();
    let faults = faults.iter().map(|fault| result(INVALID, "error", fault));
    let broken = broken.iter().map(|broken| {
        let mut result = result(&broken.rule.id, level(broken.rule.severity), &broken.fault);
        if let Bearing::Excepted { reason, approved_by, until } = broken.bearing {
            let why = format!("{reason} (approved by {approved_by} until {until})");
            result["suppressions"] = json!([{ "kind": "inSource", "status": "accepted", "justification": why }]);
        }
        let targets: Vec<String> = broken.findings.iter().map(|finding| finding.subject()).collect();
        result["properties"] = json!({ "site": broken.site, "targets": targets });
        result
    });
    let unjudged = not_judged.iter().map(|one| {
        let hint = one.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        json!({
            "ruleId": NOT_JUDGED,
            "level": "error",
            "message": { "text": format!("{} was not judged: {}{hint}", one.site, one.why) },
            "locations": [{ "physicalLocation": { "artifactLocation": { "uri": one.file } } }],
            "properties": { "site": one.site },
        })
    });
    let results: Vec<Value> = faults.chain(broken).chain(unjudged).collect();
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "incline", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{ "executionSuccessful": not_judged.is_empty() }],
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

fn tags(category: &str, paragraphs: &[String]) -> Vec<String> {
    let paragraphs = paragraphs.iter().map(|paragraph| format!("45 CFR {paragraph}"));
    ["security".to_owned(), category.to_owned()].into_iter().chain(paragraphs).collect()
}

fn result(rule: &str, level: &str, fault: &Fault) -> Value {
    let mut place = json!({ "artifactLocation": { "uri": fault.file } });
    if let Some(at) = fault.place {
        place["region"] = json!({ "startLine": at.line, "startColumn": at.column });
    }
    let hint = fault.hint.as_ref().map(|hint| format!(" {hint}")).unwrap_or_default();
    json!({
        "ruleId": rule,
        "level": level,
        "message": { "text": format!("{}{hint}", fault.cause) },
        "locations": [{ "physicalLocation": place }],
    })
}
