//! What a person typed: one file, one site, whole. Unknown keys are refused, every value knows its place.
//!
//! The types here are the shape and its documentation at once: the JSON Schema, the editor's completion and the
//! messages about missing keys come from them. They hold no judgement; what is valid is decided in [`crate::site`].
pub mod aws;
pub mod onprem;
mod safeguards;

pub use safeguards::*;

use crate::fault::{Fault, Place, did_you_mean};
use crate::prelude::*;
use crate::scalar::{Cidr, Identifier, LabelKey, LabelValue, LocalPath, Name, SecretName, Version};
use crate::shape;
use crate::yaml::{self, Node};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// An inventory file as decoded, with the tree that knows the places.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// The file's name as the caller gave it.
    pub file: String,
    /// The text that was parsed, for snippets and digests.
    pub text: String,
    /// The located tree.
    pub node: Node,
    /// The decoded site.
    pub content: Content,
}

/// The two kinds of site.
#[derive(Debug, Clone)]
pub enum Content {
    /// `kind: AwsSite`
    Aws(Box<aws::AwsSite>),
    /// `kind: OnPremSite`
    OnPrem(Box<onprem::OnPremSite>),
}

impl Content {
    /// The site's name.
    pub fn name(&self) -> &Name {
        match self {
            Self::Aws(site) => &site.name,
            Self::OnPrem(site) => &site.name,
        }
    }
}

/// The version of the inventory's format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum FormatVersion {
    /// The first format.
    #[default]
    #[serde(rename = "v1")]
    V1,
}

/// Kubernetes as both kinds of site run it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Kubernetes {
    /// The full version, in quotes. It must be pinned in `incline.lock`.
    pub version: Version,
    /// The network that pods get their addresses from. It must overlap nothing that the site can reach.
    pub pod_cidr: Cidr,
    /// The network of service addresses. It must overlap nothing that the site can reach.
    pub service_cidr: Cidr,
}

/// A Kubernetes taint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Taint {
    /// The taint's key.
    pub key: LabelKey,
    /// The taint's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<LabelValue>,
    /// What happens to pods that do not tolerate it.
    pub effect: TaintEffect,
}

/// What happens to pods that do not tolerate a taint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum TaintEffect {
    #[allow(missing_docs)]
    NoSchedule,
    #[allow(missing_docs)]
    PreferNoSchedule,
    #[allow(missing_docs)]
    NoExecute,
}

impl core::fmt::Display for Taint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}={}:{:?}", self.key, self.value.as_ref().map_or("", LabelValue::as_str), self.effect)
    }
}

/// Where a secret lies in AWS Secrets Manager. The secret itself never enters an inventory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("writeOnly" = true))]
pub struct SecretKey {
    /// The secret's name.
    pub secret: SecretName,
    /// The key inside the secret's JSON.
    pub key: Identifier,
}

/// Where the machine that runs incline finds a secret. The secret itself never enters an inventory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("writeOnly" = true))]
pub enum SecretSource {
    /// Asked on the terminal, once a run.
    Prompt,
    /// An environment variable.
    Env(Identifier),
    /// A file that only its owner may read.
    File(LocalPath),
}

/// Labels of a Kubernetes node.
pub type Labels = BTreeMap<String, LabelValue>;

/// Checks what serde's types cannot: that map keys are label keys.
pub(crate) fn label_key(key: &str) -> Result<LabelKey, crate::scalar::Invalid> {
    key.parse()
}

/// The largest inventory that is read, in bytes. A site of a thousand hosts is a fifth of it.
pub const MAX_BYTES: usize = 1 << 20;

/// Parses inventory files; holds the schemas, which are made once.
#[derive(Debug, Clone)]
pub struct Parser {
    aws: Value,
    onprem: Value,
}

impl Default for Parser {
    fn default() -> Self {
        Self { aws: shape::schema_of::<aws::AwsSite>(), onprem: shape::schema_of::<onprem::OnPremSite>() }
    }
}

impl Parser {
    /// Parses one inventory file.
    ///
    /// # Errors
    /// Every fault of syntax, or every fault of shape: unknown and missing keys, wrong types, values that are not what
    /// they should be.
    pub fn parse(&self, file: &str, bytes: &[u8]) -> Result<Inventory, Vec<Fault>> {
        parse(self, file, bytes)
    }
}

fn parse(parser: &Parser, file: &str, bytes: &[u8]) -> Result<Inventory, Vec<Fault>> {
    let whole_file = |cause: String, place: Option<Place>, hint: &str| {
        vec![Fault { file: file.to_owned(), place, path: String::new(), cause, hint: Some(hint.to_owned()) }]
    };
    if bytes.len() > MAX_BYTES {
        return Err(whole_file(
            format!("the file is longer than {MAX_BYTES} bytes"),
            None,
            "an inventory is one site; is this the right file?",
        ));
    }
    let text = match core::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let before = &bytes[..error.valid_up_to()];
            let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
            let place = Place {
                offset: before.len(),
                length: 0,
                line: 1 + before.iter().filter(|b| **b == b'\n').count(),
                column: 1 + core::str::from_utf8(&before[line_start..]).map_or(0, |line| line.chars().count()),
            };
            return Err(whole_file(
                "the file is not UTF-8 text here".to_owned(),
                Some(place),
                "save it as UTF-8; is this the right file?",
            ));
        }
    };
    let node = yaml::parse(file, text)?;
    let kind = match node.get("kind").map(|kind| (kind, kind.value())) {
        Some((_, Value::String(kind))) if kind == "AwsSite" => "AwsSite",
        Some((_, Value::String(kind))) if kind == "OnPremSite" => "OnPremSite",
        Some((at, found)) => {
            let typed = found.as_str().map_or_else(|| found.to_string(), ToOwned::to_owned);
            return Err(vec![Fault {
                file: file.to_owned(),
                place: Some(at.place),
                path: "kind".to_owned(),
                cause: format!("`{typed}` is not a kind of site"),
                hint: did_you_mean(&typed, ["AwsSite", "OnPremSite"]),
            }]);
        }
        None => {
            let place = Place { length: 0, ..node.place };
            return Err(whole_file(
                "`kind` is missing".to_owned(),
                Some(place),
                "`kind: AwsSite` or `kind: OnPremSite`; `incline init` writes a starter inventory",
            ));
        }
    };
    let content = if kind == "AwsSite" {
        Content::Aws(Box::new(decode::<aws::AwsSite>(file, &parser.aws, &node)?))
    } else {
        Content::OnPrem(Box::new(decode::<onprem::OnPremSite>(file, &parser.onprem, &node)?))
    };
    Ok(Inventory { file: file.to_owned(), text: text.to_owned(), node, content })
}

/// A text that is to be shown, with everything masked that was typed where a secret's place belongs and is none. What
/// cannot be read as YAML is masked by the names of keys.
pub fn masked(parser: &Parser, text: &str) -> String {
    let mut shown = text.as_bytes().to_vec();
    let places = match yaml::parse("", text) {
        Ok(node) => {
            let of_aws = node.get("kind").is_some_and(|kind| kind.value() == "AwsSite");
            shape::secrets(if of_aws { &parser.aws } else { &parser.onprem }, &node)
        }
        Err(_) => shape::secrets_by_key(text),
    };
    for place in places {
        let end = place.offset.saturating_add(place.length).min(shown.len());
        for byte in shown.get_mut(place.offset..end).into_iter().flatten().filter(|byte| **byte != b'\n') {
            *byte = b'*';
        }
    }
    String::from_utf8_lossy(&shown).into_owned()
}

/// Checks the node's shape against `schema`, which is that of `T`, then decodes it.
pub(crate) fn decode<T: DeserializeOwned>(file: &str, schema: &Value, node: &Node) -> Result<T, Vec<Fault>> {
    let mut faults = shape::check(file, schema, node);
    if !faults.is_empty() {
        faults.sort();
        return Err(faults);
    }
    serde_json::from_value(node.value()).map_err(|error| {
        // The shape check is stricter than serde; what still fails here is a bug of ours, and says so.
        vec![Fault {
            file: file.to_owned(),
            place: None,
            path: String::new(),
            cause: format!("this passed the schema but could not be decoded: {error}"),
            hint: Some("please report this file's shape as a bug".to_owned()),
        }]
    })
}

/// The JSON Schema of an inventory file (draft 2020-12), for editors and for `incline schema`.
pub fn json_schema() -> Value {
    let mut definitions = serde_json::Map::new();
    for (name, mut schema) in
        [("AwsSite", shape::schema_of::<aws::AwsSite>()), ("OnPremSite", shape::schema_of::<onprem::OnPremSite>())]
    {
        if let Some(Value::Object(inner)) = schema.as_object_mut().and_then(|schema| schema.remove("$defs")) {
            definitions.extend(inner);
        }
        definitions.insert(name.to_owned(), schema);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "incline inventory, v1",
        "description": "One site of an estate: a Kubernetes cluster in AWS or on premises, whole.",
        "type": "object",
        "required": ["kind"],
        "properties": { "kind": { "enum": ["AwsSite", "OnPremSite"] } },
        "if": { "properties": { "kind": { "const": "AwsSite" } } },
        "then": { "$ref": "#/$defs/AwsSite" },
        "else": { "$ref": "#/$defs/OnPremSite" },
        "$defs": definitions,
    })
}
