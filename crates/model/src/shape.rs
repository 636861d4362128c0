//! Checks a [`Node`] against the JSON Schema that the inventory types generate, and reports every fault with its place.
//!
//! The schema is the one statement of an inventory's shape: the file that editors complete from, the document that
//! `incline schema` prints, and this check are the same. Only the keywords that our own types produce are read; a test
//! holds the verdicts equal to those of a full JSON Schema validator.
use crate::fault::{Fault, Path, Place, did_you_mean, nearest};
use crate::prelude::*;
use crate::scalar::check_format;
use crate::yaml::{Kind, Node};
use schemars::{JsonSchema, generate::SchemaSettings, transform::Transform};
use serde_json::Value;

/// The schema of `T`, with its definitions under `$defs` and without `null`: an absent value is left out, never written.
pub fn schema_of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    NoNull.transform(&mut schema);
    schema.to_value()
}

/// Removes `null` from every alternative: in an inventory a key without a value is a slip, not a wish.
struct NoNull;

impl Transform for NoNull {
    fn transform(&mut self, schema: &mut schemars::Schema) {
        schemars::transform::transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                object.insert("type".into(), only);
            }
        }
        if let Some(Value::Array(any)) = object.get_mut("anyOf") {
            any.retain(|schema| schema.get("type").is_none_or(|kind| kind != "null"));
            if let [Value::Object(only)] = any.as_slice() {
                let only = only.clone();
                object.remove("anyOf");
                object.extend(only);
            }
        }
        if object.get("default").is_some_and(Value::is_null) {
            object.remove("default");
        }
    }
}

/// Reports everything about `node` that `schema` does not allow.
pub fn check(file: &str, schema: &Value, node: &Node) -> Vec<Fault> {
    let mut checker = Checker { file, root: schema, faults: Vec::new(), secrets: Vec::new() };
    checker.walk(schema, node, &Path::root());
    checker.faults
}

/// Where something stands that may be a secret itself: what was typed in place of a secret's place, and does not name
/// one.
pub fn secrets(schema: &Value, node: &Node) -> Vec<Place> {
    let mut checker = Checker { file: "", root: schema, faults: Vec::new(), secrets: Vec::new() };
    checker.walk(schema, node, &Path::root());
    checker.secrets
}

/// The same in a text that is no YAML: what follows a key that is called like a secret.
pub fn secrets_by_key(text: &str) -> Vec<Place> {
    let mut found = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let lower = line.to_ascii_lowercase();
        let named =
            ["password", "passphrase", "secret", "presharedkey", "token"].iter().filter_map(|word| lower.find(word));
        if let Some(colon) = named.min().and_then(|at| Some(at + lower.get(at..)?.find(':')?)) {
            let (start, length) = (offset + colon + 1, line.trim_end().len().saturating_sub(colon + 1));
            found.push(Place { offset: start, length, ..Place::default() });
        }
        offset += line.len();
    }
    found
}

struct Checker<'a> {
    file: &'a str,
    root: &'a Value,
    faults: Vec<Fault>,
    /// Where something stands that may be a secret.
    secrets: Vec<Place>,
}

impl<'a> Checker<'a> {
    fn push(&mut self, place: Place, path: &Path, cause: String, hint: Option<String>) {
        self.faults.push(Fault { file: self.file.to_owned(), place: Some(place), path: path.to_string(), cause, hint });
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        // A reference of ours never points to a reference that points back: two hops are plenty.
        for _ in 0..4 {
            let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/")) else {
                break;
            };
            let Some(target) = self.root.get("$defs").and_then(|defs| defs.get(name)) else { break };
            schema = target;
        }
        schema
    }

    fn walk(&mut self, schema: &'a Value, node: &Node, path: &Path) {
        let schema = self.resolve(schema);
        if schema.get("writeOnly") == Some(&Value::Bool(true)) {
            return self.secret(schema, node, path);
        }
        self.shape(schema, node, path);
    }

    /// A secret's place. What is typed there instead may be the secret itself, and is never repeated.
    fn secret(&mut self, schema: &'a Value, node: &Node, path: &Path) {
        let mut below = Checker { file: self.file, root: self.root, faults: Vec::new(), secrets: Vec::new() };
        below.shape(schema, node, path);
        if below.faults.is_empty() {
            return;
        }
        places(node, &mut self.secrets);
        let cause = "expected where a secret lies; what stands here may be a secret, and is not shown";
        let hint = format!("a secret never enters an inventory: write {}", self.forms(schema).join(" or "));
        self.push(node.place, path, cause.to_owned(), Some(hint));
    }

    fn shape(&mut self, schema: &'a Value, node: &Node, path: &Path) {
        if let Some(branches) = schema.get("oneOf").and_then(Value::as_array) {
            return self.one_of(schema, branches, node, path);
        }
        if let Some(words) = words_of(schema) {
            return self.word(&words, node, path);
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("object") => self.object(schema, node, path),
            Some("array") => self.list(schema, node, path),
            Some("string") => self.text(schema, node, path),
            Some("integer") => self.integer(schema, node, path),
            Some("boolean") if !node.value().is_boolean() => {
                self.wrong_type("true or false", node, path);
            }
            _ => {}
        }
    }

    fn wrong_type(&mut self, expected: &str, node: &Node, path: &Path) {
        let (found, hint) = match (&node.kind, node.value()) {
            (Kind::Map(_), _) => ("a map".to_owned(), None),
            (Kind::List(_), _) => {
                ("a list".to_owned(), expected.starts_with("a map").then(|| "remove the leading `- `".to_owned()))
            }
            (_, Value::Null) => ("nothing".to_owned(), Some("write a value, or remove the key".to_owned())),
            (Kind::Scalar { text, .. }, value @ (Value::Number(_) | Value::Bool(_)))
                if expected.starts_with("text") =>
            {
                let reading = if value.is_number() { "a number" } else { "true or false" };
                (format!("`{text}`, which YAML reads as {reading}"), Some(format!("put it in quotes: \"{text}\"")))
            }
            (Kind::Scalar { text, .. }, _) => {
                let hint = match expected {
                    "true or false" if ["yes", "on"].contains(&text.to_lowercase().as_str()) => {
                        Some("write `true`".to_owned())
                    }
                    "true or false" if ["no", "off"].contains(&text.to_lowercase().as_str()) => {
                        Some("write `false`".to_owned())
                    }
                    _ if expected.starts_with("a list") => Some(format!("a list of one is written `[{text}]`")),
                    _ => None,
                };
                (format!("`{text}`"), hint)
            }
        };
        self.push(node.place, path, format!("expected {expected}, found {found}"), hint);
    }

    fn object(&mut self, schema: &'a Value, node: &Node, path: &Path) {
        let properties: BTreeMap<&str, &'a Value> = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(key, below)| (key.as_str(), below))
            .collect();
        let Kind::Map(entries) = &node.kind else {
            let keys = properties.keys().take(4).map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
            let expected = if keys.is_empty() {
                "a map".to_owned()
            } else {
                format!("a map of {keys}{}", if properties.len() > 4 { ", …" } else { "" })
            };
            return self.wrong_type(&expected, node, path);
        };
        let others = schema.get("additionalProperties");
        let mut meant = BTreeSet::new();
        for (key, place, value) in entries {
            match properties.get(key.as_str()) {
                Some(below) => self.walk(below, value, &path.at(key)),
                None => match others {
                    Some(below @ Value::Object(_)) => self.walk(below, value, &path.at(key)),
                    _ => {
                        let known = properties.keys().copied().filter(|known| node.get(known).is_none());
                        self.push(
                            *place,
                            &path.at(key),
                            format!("unknown key `{key}`{}", inside(path)),
                            did_you_mean(key, known.clone()),
                        );
                        // What was meant is not missing too, and its value is worth a look in the same go.
                        if let Some((word, below)) = nearest(key, known).and_then(|word| properties.get_key_value(word))
                        {
                            meant.insert(*word);
                            self.walk(below, value, &path.at(key));
                        }
                    }
                },
            }
        }
        for key in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if node.get(key).is_none() && !meant.contains(key) {
                let place = Place { length: node.place.length.min(1), ..node.place };
                let hint = properties.get(key).and_then(|below| self.describe(below));
                self.push(place, path, format!("`{key}` is missing{}", inside(path)), hint);
            }
        }
    }

    fn describe(&self, schema: &'a Value) -> Option<String> {
        let resolved = self.resolve(schema);
        let text = schema.get("description").or_else(|| resolved.get("description")).and_then(Value::as_str)?;
        Some(text.split("\n\n").next().unwrap_or(text).replace('\n', " "))
    }

    fn list(&mut self, schema: &'a Value, node: &Node, path: &Path) {
        let Kind::List(items) = &node.kind else {
            return self.wrong_type("a list", node, path);
        };
        let (least, most) =
            (schema.get("minItems").and_then(Value::as_u64), schema.get("maxItems").and_then(Value::as_u64));
        let count = items.len() as u64;
        if least.is_some_and(|least| count < least) || most.is_some_and(|most| count > most) {
            let wanted = match (least, most) {
                (Some(least), Some(most)) if least == most => format!("exactly {least}"),
                (Some(least), _) if count < least => format!("at least {least}"),
                (_, most) => format!("at most {}", most.unwrap_or(0)),
            };
            let place = if count == 0 { node.place } else { Place { length: 1, ..node.place } };
            self.push(place, path, format!("this list has {count} entries, and needs {wanted}"), None);
        }
        if let Some(below) = schema.get("items") {
            for (index, item) in items.iter().enumerate() {
                self.walk(below, item, &path.at(index));
            }
        }
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            for (index, item) in items.iter().enumerate() {
                if items[..index].iter().any(|earlier| earlier.value() == item.value()) {
                    self.push(
                        item.place,
                        &path.at(index),
                        format!("{} stands twice in this list", item.value()),
                        Some("keep one of the two".into()),
                    );
                }
            }
        }
    }

    fn text(&mut self, schema: &'a Value, node: &Node, path: &Path) {
        let Value::String(text) = node.value() else {
            return self.wrong_type("text", node, path);
        };
        if let Some(Err(invalid)) =
            schema.get("format").and_then(Value::as_str).and_then(|format| check_format(format, &text))
        {
            self.push(node.place, path, invalid.cause, invalid.hint);
        }
    }

    fn integer(&mut self, schema: &'a Value, node: &Node, path: &Path) {
        let least = schema.get("minimum").and_then(Value::as_i64).unwrap_or(0);
        let most = schema.get("maximum").and_then(Value::as_i64).unwrap_or(i64::from(i32::MAX));
        match node.value().as_i64() {
            Some(number) if (least..=most).contains(&number) => {}
            Some(number) => self.push(
                node.place,
                path,
                format!("{number} is out of range"),
                Some(format!("a whole number from {least} to {most}")),
            ),
            None => self.wrong_type(&format!("a whole number from {least} to {most}"), node, path),
        }
    }

    fn word(&mut self, words: &[&str], node: &Node, path: &Path) {
        match node.value() {
            Value::String(text) if words.contains(&text.as_str()) => {}
            Value::Number(number) if words.contains(&number.to_string().as_str()) => {}
            Value::String(text) => {
                let hint = did_you_mean(&text, words.iter().copied());
                self.push(node.place, path, format!("`{text}` is not allowed here"), hint);
            }
            _ => self.wrong_type(&format!("one of {}", words.join(", ")), node, path),
        }
    }

    /// The forms that a value may have, as they are typed: `prompt`, `{env: …}`.
    fn forms(&self, schema: &'a Value) -> Vec<String> {
        let map = |branch: &'a Value| {
            let keys = branch.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let one = |key: &str| match branch
                .get("properties")
                .and_then(|all| all.get(key))
                .map(|below| self.resolve(below))
            {
                Some(below) if below.get("properties").is_some() => {
                    format!("{key}: {}", self.forms(below).concat().trim_matches('`'))
                }
                _ => format!("{key}: …"),
            };
            format!("`{{{}}}`", keys.map(one).collect::<Vec<_>>().join(", "))
        };
        let Some(branches) = schema.get("oneOf").and_then(Value::as_array) else { return vec![map(schema)] };
        let branches = branches.iter().map(|branch| self.resolve(branch));
        branches
            .flat_map(|branch| match words_of(branch) {
                Some(words) => words.into_iter().map(|word| format!("`{word}`")).collect(),
                None => vec![map(branch)],
            })
            .collect()
    }

    /// Our `oneOf`s are enums: words, and maps of one key that names the variant. The node's own form picks the branch.
    fn one_of(&mut self, schema: &'a Value, branches: &'a [Value], node: &Node, path: &Path) {
        let words: Vec<&str> = branches.iter().filter_map(|branch| words_of(self.resolve(branch))).flatten().collect();
        let maps: Vec<&Value> = branches
            .iter()
            .map(|branch| self.resolve(branch))
            .filter(|branch| branch.get("properties").is_some())
            .collect();
        let variant = |branch: &Value| {
            branch.get("required").and_then(|r| r.get(0)).and_then(Value::as_str).map(ToOwned::to_owned)
        };
        match &node.kind {
            Kind::Scalar { text, .. } if !words.is_empty() && !maps.is_empty() && !words.contains(&text.as_str()) => {
                let hint = match nearest(text, words.iter().copied()) {
                    Some(word) => format!("did you mean `{word}`?"),
                    None => format!("write {}", self.forms(schema).join(" or ")),
                };
                self.push(node.place, path, format!("`{text}` is not allowed here"), Some(hint));
            }
            Kind::Scalar { .. } if !words.is_empty() => self.word(&words, node, path),
            Kind::Map(entries) if !maps.is_empty() => {
                let chosen = entries
                    .iter()
                    .find_map(|(key, _, _)| maps.iter().find(|branch| variant(branch).as_deref() == Some(key)));
                if let Some(branch) = chosen {
                    return self.object(branch, node, path);
                }
                let known: Vec<String> = maps.iter().filter_map(|branch| variant(branch)).collect();
                let (place, found) = entries
                    .first()
                    .map_or((node.place, "nothing".into()), |(key, place, _)| (*place, format!("`{key}`")));
                let hint = entries.first().and_then(|(key, _, _)| did_you_mean(key, known.iter().map(String::as_str)));
                self.push(place, path, format!("expected one of the keys {}, found {found}", known.join(", ")), hint);
            }
            _ => {
                let mut forms: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                forms.extend(maps.iter().filter_map(|branch| variant(branch)).map(|key| format!("a map with `{key}`")));
                self.wrong_type(&forms.join(" or "), node, path);
            }
        }
    }
}

/// All places at which something was typed.
fn places(node: &Node, found: &mut Vec<Place>) {
    match &node.kind {
        Kind::Scalar { .. } => found.push(node.place),
        Kind::List(items) => items.iter().for_each(|item| places(item, found)),
        Kind::Map(entries) => {
            for (_, place, value) in entries {
                found.push(*place);
                places(value, found);
            }
        }
    }
}

/// The words of an enum: `enum`, `const`, or a `oneOf` of such.
fn words_of(schema: &Value) -> Option<Vec<&str>> {
    if let Some(word) = schema.get("const").and_then(Value::as_str) {
        return Some(vec![word]);
    }
    schema.get("enum").and_then(Value::as_array).map(|words| words.iter().filter_map(Value::as_str).collect())
}

fn inside(path: &Path) -> String {
    if path.steps().next().is_none() { String::new() } else { format!(" in `{path}`") }
}
