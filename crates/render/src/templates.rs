//! The templates, compiled once: strict about what is undefined, and escaping every value for where it stands.
use crate::Error;
use crate::prelude::*;
use incline_model::hex;
use incline_model::lock::NOT_PINNED;
use incline_model::quote::{is_word, shell};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior, Value};
use sha2::{Digest, Sha256};

/// All templates and node files by name: `stacks/keys.yaml`, `nodes/worker.yaml`, `ignition/bin/imds`.
#[derive(Debug, Clone)]
pub struct Templates {
    files: BTreeMap<String, String>,
    environment: Environment<'static>,
}

impl Templates {
    /// Compiles templates.
    ///
    /// # Errors
    /// The first template that does not parse.
    pub fn new(files: BTreeMap<String, String>) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
        environment.set_syntax(syntax.map_err(|source| error("the template syntax", source))?);
        environment.set_auto_escape_callback(escaping);
        environment.set_formatter(format_value);
        environment.add_filter("id", identifier);
        for (name, text) in &files {
            if is_template(name) {
                environment.add_template_owned(name.clone(), text.clone()).map_err(|source| error(name, source))?;
            }
        }
        Ok(Self { files, environment })
    }

    /// The names of all templates and files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// A digest (SHA-256, hexadecimal) over all names and contents.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for (name, text) in &self.files {
            for part in [name, text] {
                hasher.update((part.len() as u64).to_be_bytes());
                hasher.update(part.as_bytes());
            }
        }
        hex(&hasher.finalize())
    }

    /// What a template asks of its context.
    pub fn variables(&self, name: &str) -> BTreeSet<String> {
        let found = self.environment.get_template(name).map(|template| template.undeclared_variables(true));
        found.into_iter().flatten().collect()
    }

    pub(crate) fn render(&self, name: &str, context: &serde_json::Value) -> Result<String, Error> {
        let template = self.environment.get_template(name).map_err(|_| Error::NoTemplate { name: name.to_owned() })?;
        template.render(Value::from(Serde(context))).map_err(|source| error(name, source))
    }

    pub(crate) fn file(&self, name: &str) -> Result<&str, Error> {
        self.files.get(name).map(String::as_str).ok_or_else(|| Error::NoTemplate { name: name.to_owned() })
    }
}

/// Whether a file is rendered; all others are taken as they are.
pub(crate) fn is_template(name: &str) -> bool {
    name.ends_with(".j2") || ["stacks/", "nodes/", "hosts/", "vpn/"].iter().any(|folder| name.starts_with(folder))
}

fn error(name: &str, source: minijinja::Error) -> Error {
    Error::Template { name: name.to_owned(), line: source.line(), source }
}

/// How values are escaped, by the kind of file that they stand in.
fn escaping(name: &str) -> AutoEscape {
    match name.trim_end_matches(".j2").rsplit('.').next() {
        // A JSON string is a YAML double-quoted scalar and, without control characters, a TOML basic string.
        Some("yaml" | "json" | "toml") => AutoEscape::Json,
        // People read it, and no program.
        Some("md") => AutoEscape::None,
        Some("env") => AutoEscape::Custom("shell".into()),
        _ => AutoEscape::Custom("word".into()),
    }
}

fn format_value(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    let AutoEscape::Custom(kind) = state.auto_escape() else {
        return minijinja::escape_formatter(out, state, value);
    };
    if value.is_undefined() || value.is_none() {
        return Err(minijinja::Error::new(ErrorKind::UndefinedError, "a value is missing"));
    }
    let text = value.to_string();
    let written = if kind == "shell" {
        out.write_str(&shell(&text))
    } else if is_word(&text) || text == NOT_PINNED {
        out.write_str(&text)
    } else {
        return Err(minijinja::Error::new(
            ErrorKind::InvalidOperation,
            format!("`{text}` is more than one plain word"),
        ));
    };
    written.map_err(minijinja::Error::from)
}

/// A CloudFormation logical id or property name: letters and digits alone, so that it may stand unquoted.
fn identifier(text: String) -> Result<Value, minijinja::Error> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        Ok(Value::from_safe_string(text))
    } else {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, format!("`{text}` is no logical id")))
    }
}

/// Makes a logical id of a name, so that two names never make the same one: `lab-results` → `LabResults`, and where
/// dropping the separators would lose something, a piece of the name's digest is added.
pub(crate) fn logical_id(name: &str) -> String {
    let mut id = String::new();
    let mut plain = true;
    for part in name.split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut letters = part.chars();
        match letters.next() {
            Some(first) => {
                plain &= first.is_ascii_lowercase();
                id.push(first.to_ascii_uppercase());
                id.extend(letters);
            }
            None => plain = false,
        }
    }
    if !plain || name.contains(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '-') {
        id.push_str(&hex(&Sha256::digest(name.as_bytes()))[..6]);
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::process::Command;

    const HOSTILE: &[&str] = &[
        "plain",
        "two words",
        "\"",
        "'",
        "''",
        "`reboot`",
        "$(reboot)",
        "$HOME",
        "; reboot",
        "a && b",
        "\\",
        "\\'",
        "{{ 1 }}",
        "{% x %}",
        "# no comment",
        ": ",
        "- x",
        "&a",
        "*a",
        "!tag",
        "|",
        ">",
        "%n",
        "${AWS::AccountId}",
        "-rf",
        "~",
        "null",
        "true",
        "1e3",
        "0x10",
        "<script>",
        "é😀",
        "x\ty",
    ];

    fn rendered(name: &str, text: &str, value: &str) -> Result<String, Error> {
        let files = BTreeMap::from([(name.to_owned(), text.to_owned())]);
        Templates::new(files)?.render(name, &json!({ "value": value }))
    }

    #[test]
    fn yaml_and_json_give_back_exactly_what_went_in() {
        for hostile in HOSTILE {
            let text = rendered("stacks/x.yaml", "a: {b: [{{ value }}, {{ \"x\" ~ value }}]}\n", hostile).unwrap();
            let read = incline_model::yaml::parse("x", &text).unwrap().value();
            assert_eq!(read, json!({ "a": { "b": [hostile, format!("x{hostile}")] } }), "{text}");
            let text = rendered("ignition/x.json.j2", "[{{ value }}]", hostile).unwrap();
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), json!([hostile]));
        }
    }

    #[test]
    fn a_shell_reads_back_exactly_what_went_in() {
        for hostile in HOSTILE {
            let text = rendered("ignition/x.env.j2", "VALUE={{ value }}\n", hostile).unwrap();
            let output = Command::new("/bin/sh").arg("-c").arg(format!("{text}printf %s \"$VALUE\"")).output().unwrap();
            assert_eq!(std::string::String::from_utf8(output.stdout).unwrap(), *hostile, "{text}");
            assert!(output.stderr.is_empty());
        }
    }

    #[test]
    fn units_take_plain_words_alone() {
        for hostile in HOSTILE {
            let outcome = rendered("ignition/x.service.j2", "ExecStart=/bin/x {{ value }}\n", hostile);
            assert_eq!(outcome.is_ok(), is_word(hostile), "{hostile}");
        }
    }

    #[test]
    fn what_is_undefined_is_refused() {
        let error = rendered("stacks/x.yaml", "a: 1\nb: {{ valeu }}\n", "x").unwrap_err();
        assert!(matches!(error, Error::Template { line: Some(2), .. }), "{error}");
        assert!(rendered("stacks/x.yaml", "a: {% if valeu %}1{% endif %}\n", "x").is_err());
    }

    #[test]
    fn two_names_never_make_one_logical_id() {
        let names = [
            "ab",
            "a-b",
            "a-b-c",
            "ab-c",
            "a-bc",
            "a1",
            "a-1",
            "a/b",
            "a.b",
            "a_b",
            "a/b-c",
            "a-b/c",
            "radiology/viewer",
            "radiology-viewer",
        ];
        let ids: BTreeSet<String> = names.iter().map(|name| logical_id(name)).collect();
        assert_eq!(ids.len(), names.len(), "{ids:?}");
        assert_eq!(logical_id("lab-results"), "LabResults");
        assert!(ids.iter().all(|id| identifier(id.clone()).is_ok()));
    }
}
