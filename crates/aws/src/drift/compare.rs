//! Comparing what was applied with what services answer, which name and order things in ways of their own.
use super::Gathered;
use super::applied::{Resource, text};
use incline_model::drift::NOTHING;
use serde_json::Value;
use std::collections::BTreeSet;

/// Compares policies by what they say: order of statements and lists, and lists of one, mean nothing.
pub(crate) fn policy(gathered: &mut Gathered, resource: &Resource, property: &str, expected: &Value, actual: &str) {
    let found = serde_json::from_str::<Value>(actual).unwrap_or_else(|_| Value::String(actual.to_owned()));
    if canonical(expected) == canonical(&found) {
        gathered.looked_at(resource);
        return;
    }
    // Statement by statement, so that a reader sees which.
    let statements = |policy: &Value| -> BTreeSet<String> {
        let list = policy.get("Statement").and_then(Value::as_array).cloned().unwrap_or_default();
        list.iter().map(|statement| canonical(statement).to_string()).collect()
    };
    let (wanted, is) = (statements(expected), statements(&found));
    for missing in wanted.difference(&is) {
        gathered.drifted(resource, property, missing, NOTHING);
    }
    for stray in is.difference(&wanted) {
        gathered.drifted(resource, property, NOTHING, stray);
    }
    if wanted == is {
        gathered.drifted(resource, property, canonical(expected), canonical(&found));
    }
}

fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.iter().map(|(key, below)| (key.clone(), canonical(below))).collect()),
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(canonical).collect();
            list.sort_by_key(ToString::to_string);
            match list.as_slice() {
                [one] => one.clone(),
                _ => Value::Array(list),
            }
        }
        // Numbers and truth are words in some answers.
        Value::Number(_) | Value::Bool(_) => Value::String(value.to_string()),
        other => other.clone(),
    }
}

/// Compares a scalar: what was applied at `path` with what is.
pub(crate) fn scalar(gathered: &mut Gathered, resource: &Resource, path: &str, actual: Option<&Value>) {
    gathered.looked_at(resource);
    let Some(expected) = resource.text(path) else { return };
    let actual = actual.map_or(NOTHING.to_owned(), text);
    if expected != actual {
        gathered.drifted(resource, &path.trim_start_matches('/').replace('/', "."), expected, actual);
    }
}

/// Compares lists of words as sets.
pub(crate) fn set(
    gathered: &mut Gathered,
    resource: &Resource,
    property: &str,
    expected: &BTreeSet<String>,
    actual: &BTreeSet<String>,
) {
    gathered.looked_at(resource);
    for missing in expected.difference(actual) {
        gathered.drifted(resource, property, missing, NOTHING);
    }
    for stray in actual.difference(expected) {
        gathered.drifted(resource, property, NOTHING, stray);
    }
}

/// Compares a structure with EC2's answer, whose names begin small and whose lists are called sets.
pub(crate) fn ec2(gathered: &mut Gathered, resource: &Resource, property: &str, expected: &Value, actual: &Value) {
    gathered.looked_at(resource);
    match expected {
        Value::Object(map) => {
            for (key, below) in map {
                let found = ec2_names(key).iter().find_map(|name| actual.get(name)).cloned().unwrap_or(Value::Null);
                ec2(gathered, resource, &format!("{property}.{key}"), below, &found);
            }
        }
        Value::Array(list) => {
            let found = actual.as_array().cloned().unwrap_or_default();
            if list.iter().all(|below| !below.is_object()) {
                let words = |list: &[Value]| list.iter().map(text).collect();
                set(gathered, resource, property, &words(list), &words(&found));
                return;
            }
            for (index, below) in list.iter().enumerate() {
                ec2(
                    gathered,
                    resource,
                    &format!("{property}.{index}"),
                    below,
                    found.get(index).unwrap_or(&Value::Null),
                );
            }
            if found.len() > list.len() {
                gathered.drifted(
                    resource,
                    property,
                    format!("{} of them", list.len()),
                    format!("{} of them", found.len()),
                );
            }
        }
        scalar => {
            let actual = if actual.is_null() { NOTHING.to_owned() } else { text(actual) };
            if text(scalar) != actual {
                gathered.drifted(resource, property, text(scalar), actual);
            }
        }
    }
}

/// The names under which EC2 answers a property
/// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ResponseLaunchTemplateData.html>).
fn ec2_names(key: &str) -> [String; 3] {
    let mut letters = key.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_lowercase).collect();
    let small = format!("{first}{}", letters.as_str());
    let one = small.trim_end_matches('s').to_owned();
    [small.clone(), format!("{one}Set"), format!("{small}Set")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn policies_are_compared_by_what_they_say() {
        assert_eq!(canonical(&json!({ "a": ["x"], "b": [2, 1] })), canonical(&json!({ "b": ["1", "2"], "a": "x" })));
        assert_ne!(canonical(&json!(["x", "y"])), canonical(&json!(["x"])));
    }

    #[test]
    fn ec2_answers_in_names_of_its_own() {
        assert_eq!(ec2_names("BlockDeviceMappings")[1], "blockDeviceMappingSet");
        assert_eq!(ec2_names("SecurityGroupIds")[1], "securityGroupIdSet");
        assert_eq!(ec2_names("ImageId")[0], "imageId");
    }
}
