//! Documents and the rules of their kind → where they break which.
use crate::Error;
use crate::catalogue::{Catalogue, Of, Rule};
use crate::document::Document;
use cfn_guard::commands::Executable;
use cfn_guard::commands::validate::{OutputFormatType, ShowSummaryType};
use cfn_guard::utils::reader::{ReadBuffer, Reader};
use cfn_guard::utils::writer::{WriteBuffer, Writer};
use cfn_guard::{CommandBuilder, ValidateBuilder};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Cursor;

/// A rule and the places at which a document breaks it.
pub(crate) struct Breach<'a> {
    pub(crate) rule: &'a Rule,
    /// What the document is of.
    pub(crate) target: &'a str,
    /// Places, as the engine names them: `Resources/Volume/Properties/Encrypted`. Never empty.
    pub(crate) places: BTreeSet<String>,
}

/// Judges documents of one kind. The engine is given what its own command takes on its standard input, since what it offers
/// libraries (`run_checks` of 3.1) loses the beginning of long reports.
pub(crate) fn judge<'a>(
    catalogue: &'a Catalogue,
    of: Of,
    documents: &[&'a Document],
) -> Result<Vec<Breach<'a>>, Error> {
    let failed = |cause: String| Error::Judge { of: of.name(), cause };
    let contents: Vec<String> = documents.iter().map(|document| document.value.to_string()).collect();
    let payload = json!({ "rules": [catalogue.guard(of)], "data": contents }).to_string();
    let report = engine(payload).map_err(|error| failed(error.to_string()))?;
    let reports: Vec<Value> = serde_json::from_str(&report).map_err(|error| failed(error.to_string()))?;
    if reports.len() != documents.len() {
        return Err(failed(format!(
            "the engine speaks of {} documents, and was given {}",
            reports.len(),
            documents.len()
        )));
    }
    let mut breaches = Vec::new();
    for report in &reports {
        let document = position(report).and_then(|position| documents.get(position));
        let document =
            document.ok_or_else(|| failed("the engine speaks of a document that it was not given".to_owned()))?;
        for entry in report["not_compliant"].as_array().into_iter().flatten().map(|entry| &entry["Rule"]) {
            let name = entry["name"].as_str().unwrap_or_default();
            let rule = catalogue.rules().find(|rule| rule.guard_name() == name);
            let rule = rule.ok_or_else(|| failed(format!("the engine speaks of a rule `{name}`")))?;
            let mut places = BTreeSet::new();
            gather(&entry["checks"], &mut places);
            if places.is_empty() {
                places.insert(String::new());
            }
            breaches.push(Breach { rule, target: &document.target, places });
        }
    }
    Ok(breaches)
}

/// Lets Guard read a payload, and gives its report.
fn engine(payload: String) -> Result<String, cfn_guard::Error> {
    let validate = ValidateBuilder::default()
        .payload(true)
        .structured(true)
        .output_format(OutputFormatType::JSON)
        .show_summary(vec![ShowSummaryType::None])
        .try_build()?;
    let mut reader = Reader::new(ReadBuffer::Cursor(Cursor::new(payload.into_bytes())));
    let mut writer = Writer::new(WriteBuffer::Vec(Vec::new()))?;
    validate.execute(&mut writer, &mut reader)?;
    writer.into_string()
}

/// Which of the documents a report is of: the engine counts them from 1.
fn position(report: &Value) -> Option<usize> {
    let number = report["name"].as_str()?.strip_prefix("DATA_STDIN[")?.strip_suffix(']')?;
    number.parse::<usize>().ok()?.checked_sub(1)
}

/// Gathers the places that a report is about. What a value was compared with is no such place.
fn gather(report: &Value, places: &mut BTreeSet<String>) {
    match report {
        Value::Object(object) => {
            if let Some(reached) = object.get("traversed_to") {
                // What is missing is named below what is there.
                let path = reached["path"].as_str().unwrap_or_default().trim_matches('/');
                let missing = object.get("remaining_query").and_then(Value::as_str).unwrap_or_default();
                let missing = missing.replace('.', "/");
                places.insert([path, missing.as_str()].join("/").trim_matches('/').to_owned());
            } else if let (Some(path), true) =
                (object.get("path").and_then(Value::as_str), object.contains_key("value"))
            {
                places.insert(path.trim_matches('/').to_owned());
            } else {
                object.iter().filter(|(key, _)| *key != "to").for_each(|(_, below)| gather(below, places));
            }
        }
        Value::Array(list) => list.iter().for_each(|below| gather(below, places)),
        _ => {}
    }
}
