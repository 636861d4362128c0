//! Which resource, attribute or parameter a property refers to.
use crate::prelude::*;
use serde_json::Value;

/// A reference inside a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference {
    /// The logical id or parameter.
    pub(crate) to: String,
    /// The attribute; none for `Ref`.
    pub(crate) attribute: Option<String>,
}

/// All references inside `value`, each with the path at which it stands.
pub(crate) fn references(value: &Value) -> Vec<(Vec<String>, Reference)> {
    let mut found = Vec::new();
    walk(value, &mut Vec::new(), &mut found);
    found
}

/// A template's outputs with what they refer to.
pub(crate) fn outputs(template: &Value) -> BTreeMap<String, Vec<Reference>> {
    let outputs = template.get("Outputs").and_then(Value::as_object).into_iter().flatten();
    outputs
        .map(|(name, output)| (name.clone(), references(output).into_iter().map(|(_, reference)| reference).collect()))
        .collect()
}

fn walk(value: &Value, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, Reference)>) {
    match value {
        Value::Object(map) => {
            for (key, below) in map {
                match (key.as_str(), below) {
                    ("Ref", Value::String(to)) => {
                        found.push((path.clone(), Reference { to: to.clone(), attribute: None }))
                    }
                    ("Fn::GetAtt", Value::Array(parts)) => {
                        if let [Value::String(to), Value::String(attribute)] = parts.as_slice() {
                            found
                                .push((path.clone(), Reference { to: to.clone(), attribute: Some(attribute.clone()) }));
                        }
                    }
                    ("Fn::Sub", Value::String(text)) => {
                        for name in text.split("${").skip(1).filter_map(|rest| rest.split('}').next()) {
                            let (to, attribute) = name
                                .split_once('.')
                                .map_or((name, None), |(to, attribute)| (to, Some(attribute.to_owned())));
                            found.push((path.clone(), Reference { to: to.to_owned(), attribute }));
                        }
                    }
                    _ => {
                        path.push(key.clone());
                        walk(below, path, found);
                        path.pop();
                    }
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                walk(item, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_three_ways_to_refer_are_found_with_their_places() {
        let value = json!({ "a": { "Ref": "X" }, "b": [{ "Fn::GetAtt": ["Y", "Arn"] }], "c": { "Fn::Sub": "x-${Z}-${Y.Id}-$plain" }, "d": "Ref" });
        let found: Vec<String> = references(&value)
            .into_iter()
            .map(|(path, reference)| {
                format!(
                    "{} {}{}",
                    path.join("."),
                    reference.to,
                    reference.attribute.map_or(String::new(), |name| format!(".{name}"))
                )
            })
            .collect();
        assert_eq!(found, ["a X", "b.0 Y.Arn", "c Z", "c Y.Id"]);
    }
}
