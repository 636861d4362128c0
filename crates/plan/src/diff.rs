//! Two values → the leaves in which they differ.
use crate::prelude::*;
use serde_json::Value;

/// A leaf that differs: its path, and its value before and after.
pub(crate) type Difference = (Vec<String>, Option<Value>, Option<Value>);

/// All leaves in which `before` and `after` differ, in the order of their paths.
pub(crate) fn differences(before: Option<&Value>, after: Option<&Value>) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(&mut Vec::new(), before, after, &mut found);
    found
}

fn walk(path: &mut Vec<String>, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) if !is_intrinsic(old) && !is_intrinsic(new) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                path.push(key.clone());
                walk(path, old.get(key), new.get(key), found);
                path.pop();
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            if old.iter().chain(new).all(Value::is_string) {
                // A list of words is read as a set: which came, which went.
                let gone =
                    old.iter().filter(|word| !new.contains(word)).map(|word| (path.clone(), Some(word.clone()), None));
                let come =
                    new.iter().filter(|word| !old.contains(word)).map(|word| (path.clone(), None, Some(word.clone())));
                let words: Vec<Difference> = gone.chain(come).collect();
                if words.is_empty() {
                    found.push((path.clone(), before.cloned(), after.cloned()));
                }
                found.extend(words);
                return;
            }
            // Elements that name themselves are told apart by name, so that one tag more is one line more.
            let named = |list: &[Value]| {
                list.iter()
                    .map(name_of)
                    .collect::<Option<Vec<String>>>()
                    .filter(|names| names.iter().collect::<BTreeSet<_>>().len() == names.len())
            };
            match (named(old), named(new)) {
                (Some(old_names), Some(new_names)) => {
                    let names: BTreeSet<&String> = old_names.iter().chain(&new_names).collect();
                    let find = |names: &[String], list: &'_ [Value], name: &String| {
                        names.iter().position(|n| n == name).and_then(|i| list.get(i).cloned())
                    };
                    for name in names {
                        path.push(name.clone());
                        walk(path, find(&old_names, old, name).as_ref(), find(&new_names, new, name).as_ref(), found);
                        path.pop();
                    }
                }
                _ => {
                    for index in 0..old.len().max(new.len()) {
                        path.push(index.to_string());
                        walk(path, old.get(index), new.get(index), found);
                        path.pop();
                    }
                }
            }
        }
        _ => found.push((path.clone(), before.cloned(), after.cloned())),
    }
}

/// The name by which an element of a list is known: a tag's key, a statement's id, a device's name.
fn name_of(element: &Value) -> Option<String> {
    match element {
        Value::Object(map) => ["Key", "Sid", "DeviceName", "ResourceType", "PolicyName", "Id"]
            .iter()
            .find_map(|key| map.get(*key).and_then(Value::as_str))
            .map(ToOwned::to_owned),
        _ => None,
    }
}

/// `Ref` and `Fn::…` are values, not containers.
fn is_intrinsic(map: &serde_json::Map<String, Value>) -> bool {
    map.len() == 1 && map.keys().all(|key| key == "Ref" || key.starts_with("Fn::"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(before: Value, after: Value) -> Vec<String> {
        let show = |value: Option<Value>| value.map_or("nothing".to_owned(), |value| value.to_string());
        differences(Some(&before), Some(&after))
            .into_iter()
            .map(|(path, a, b)| format!("{}: {} → {}", path.join("."), show(a), show(b)))
            .collect()
    }

    #[test]
    fn leaves_are_told_and_nothing_else() {
        assert!(told(json!({ "a": [1, { "b": 2 }] }), json!({ "a": [1, { "b": 2 }] })).is_empty());
        assert_eq!(
            told(json!({ "a": { "b": 1, "c": 2 } }), json!({ "a": { "b": 1, "c": 3 }, "d": true })),
            ["a.c: 2 → 3", "d: nothing → true"]
        );
        assert_eq!(told(json!({ "a": [1, 2, 3] }), json!({ "a": [1, 3] })), ["a.1: 2 → 3", "a.2: 3 → nothing"]);
    }

    #[test]
    fn elements_that_name_themselves_are_told_by_name() {
        let before = json!([{ "Key": "owner", "Value": "a" }, { "Key": "team", "Value": "b" }]);
        let after =
            json!([{ "Key": "cost", "Value": "c" }, { "Key": "owner", "Value": "a" }, { "Key": "team", "Value": "d" }]);
        assert_eq!(told(before, after), [r#"cost: nothing → {"Key":"cost","Value":"c"}"#, r#"team.Value: "b" → "d""#]);
    }

    #[test]
    fn lists_of_words_are_sets_until_only_the_order_differs() {
        assert_eq!(told(json!(["a", "b"]), json!(["b", "c"])), [r#": "a" → nothing"#, r#": nothing → "c""#]);
        assert_eq!(told(json!(["a", "b"]), json!(["b", "a"])), [r#": ["a","b"] → ["b","a"]"#]);
    }

    #[test]
    fn an_intrinsic_is_one_value() {
        assert_eq!(told(json!({ "Ref": "A" }), json!({ "Ref": "B" })), [r#": {"Ref":"A"} → {"Ref":"B"}"#]);
        assert_eq!(
            told(json!({ "x": { "Fn::GetAtt": ["A", "Arn"] } }), json!({ "x": "arn" })),
            [r#"x: {"Fn::GetAtt":["A","Arn"]} → "arn""#]
        );
    }
}
