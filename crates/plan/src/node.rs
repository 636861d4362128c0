//! Two node configurations → the files and units in which they differ, so that a reader sees more than a new digest.
use crate::prelude::*;
use base64::{Engine, engine::general_purpose::STANDARD};
use incline_model::desired::Desired;
use incline_model::observed::Observed;
use incline_model::plan::{FileChange, Verb};
use serde_json::Value;

/// The files that change on the nodes of a stack.
pub(crate) fn changes(stack: &str, desired: &Desired, observed: &Observed) -> Vec<FileChange> {
    let role = stack.strip_prefix(desired.site.as_str()).map(|rest| rest.trim_start_matches('-')).unwrap_or_default();
    let Some(after) = desired.artifacts.iter().find(|artifact| artifact.role == role) else { return Vec::new() };
    let Some(before) = observed.nodes.get(role) else { return Vec::new() };
    let (before, after) = (files(before), files(&after.content));
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    paths
        .into_iter()
        .filter_map(|path| {
            let (verb, diff) = match (before.get(path), after.get(path)) {
                (None, Some(_)) => (Verb::Create, String::new()),
                (Some(_), None) => (Verb::Remove, String::new()),
                (Some(before), Some(after)) if before != after => (
                    Verb::Update,
                    similar::TextDiff::from_lines(before, after).unified_diff().context_radius(2).to_string(),
                ),
                _ => return None,
            };
            Some(FileChange { path: path.clone(), verb, diff })
        })
        .collect()
}

/// What a configuration puts on a node: path or unit name → content.
pub(crate) fn files(ignition: &str) -> BTreeMap<String, String> {
    let Ok(config) = serde_json::from_str::<Value>(ignition) else { return BTreeMap::new() };
    let list = |path: &str| config.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut files = BTreeMap::new();
    for file in list("/storage/files") {
        let contents = file.get("contents").cloned().unwrap_or_default();
        let source = text(&contents, "source");
        let body = match source.strip_prefix("data:;base64,").map(|data| STANDARD.decode(data)) {
            Some(Ok(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            _ => format!("{source}\n{}\n", text(&contents["verification"], "hash")),
        };
        files.insert(text(&file, "path"), body);
    }
    for unit in list("/systemd/units") {
        let mut body = text(&unit, "contents");
        for dropin in unit.get("dropins").and_then(Value::as_array).into_iter().flatten() {
            body.push_str(&text(dropin, "contents"));
        }
        for flag in ["enabled", "mask"] {
            if let Some(value) = unit.get(flag) {
                body.push_str(&format!("# {flag}: {value}\n"));
            }
        }
        files.insert(text(&unit, "name"), body);
    }
    files
}
