//! What rules look at: everything that a site says and that is rendered of it, as JSON.
use crate::catalogue::Of;
use crate::prelude::*;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use incline_host::Host;
use incline_model::desired::{Artifact, Desired, Stage};
use incline_model::lock::NOT_PINNED;
use incline_model::site::{Aws, OnPrem};
use incline_model::tenant::Tenant;
use serde::Serialize;
use serde_json::{Value, json};

/// Something that rules look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it is.
    pub of: Of,
    /// Its name: a site, a stack, a node's role, a host or a tenant.
    pub target: String,
    /// Its content. What is rendered of a site has the site's inventory at `Site`; a site has at `rendered` how many
    /// resources of each type are rendered of it.
    pub value: Value,
}

impl Document {
    /// What a place in it is of: a stack's resource, as `STACK/RESOURCE`; a host's item, as `SITE/HOST ITEM`; or else the whole.
    pub(crate) fn part(&self, path: &str) -> String {
        let mut steps = path.split('/');
        let item = |index: &str| self.value.get("items")?.get(index.parse::<usize>().ok()?)?.get("id")?.as_str();
        match (self.of, steps.next(), steps.next()) {
            (Of::Stack, Some("Resources"), Some(resource)) => format!("{}/{resource}", self.target),
            (Of::Host, Some("items"), Some(index)) => match item(index) {
                Some(id) => format!("{} {id}", self.target),
                None => self.target.clone(),
            },
            _ => self.target.clone(),
        }
    }

    /// Whether a place in it holds a value that the lock file does not pin.
    pub(crate) fn is_unpinned(&self, path: &str) -> bool {
        self.value.pointer(&format!("/{path}")).and_then(Value::as_str) == Some(NOT_PINNED)
    }
}

/// The documents of a site in AWS.
pub fn of_aws(site: &Aws, desired: &Desired) -> Vec<Document> {
    let name = site.typed().name.as_str();
    let inventory = json(site.typed());
    let mut whole = inventory.clone();
    if let Some(object) = whole.as_object_mut() {
        object.insert("rendered".to_owned(), counts(desired));
    }
    let stacks = desired.stacks.iter().map(|stack| Document {
        of: Of::Stack,
        target: stack.name.clone(),
        value: with_site(stack.template.clone(), &inventory),
    });
    let nodes = desired.artifacts.iter().map(|artifact| Document {
        of: Of::Node,
        target: format!("{name}/{}", artifact.role),
        value: with_site(node(artifact), &inventory),
    });
    let mut documents: Vec<Document> = stacks.chain(nodes).collect();
    documents.push(Document { of: Of::Site, target: name.to_owned(), value: whole });
    documents
}

/// How many resources of each type a site has, so that what is not there is noticed, too.
fn counts(desired: &Desired) -> Value {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let resources = desired.stacks.iter().filter_map(|stack| stack.template.get("Resources")?.as_object());
    for kind in resources.flat_map(|resources| resources.values()).filter_map(|one| one.get("Type")?.as_str()) {
        *counts.entry(kind).or_default() += 1;
    }
    json!(counts)
}

/// The documents of a site on premises.
pub fn of_onprem(site: &OnPrem, hosts: &[Host], tenants: &[Tenant]) -> Vec<Document> {
    let name = site.typed().name.as_str();
    let inventory = json(site.typed());
    let of_host = |host: &Host| {
        let entries = Stage::ALL.iter().flat_map(|stage| host.entries(*stage));
        let items: Vec<Value> = entries.map(|entry| named(json(entry), entry.item.id())).collect();
        let known = site.typed().hosts.iter().find(|known| known.name.as_str() == host.name);
        json!({ "host": host.name, "roles": known.map(|known| &known.roles), "items": items })
    };
    let hosts = hosts.iter().map(|host| Document {
        of: Of::Host,
        target: format!("{name}/{}", host.name),
        value: with_site(of_host(host), &inventory),
    });
    let tenants = tenants.iter().map(|tenant| Document {
        of: Of::Tenant,
        target: format!("{name}/f5:{}", tenant.part),
        value: with_site(json!({ "declaration": tenant.declaration, "objects": objects(tenant) }), &inventory),
    });
    let mut documents: Vec<Document> = hosts.chain(tenants).collect();
    documents.push(Document { of: Of::Site, target: name.to_owned(), value: inventory });
    documents
}

/// The objects of a tenant's applications, as a list: Guard stumbles over what has no class beside them.
fn objects(tenant: &Tenant) -> Vec<Value> {
    let applications = tenant.declaration.as_object().into_iter().flatten();
    let inside = applications.filter_map(|(_, application)| application.as_object()).flatten();
    inside.map(|(_, object)| object).filter(|object| object.get("class").is_some()).cloned().collect()
}

/// An item, with what drift calls it.
fn named(mut item: Value, id: String) -> Value {
    if let Some(object) = item.as_object_mut() {
        object.insert("id".to_owned(), id.into());
    }
    item
}

fn with_site(mut value: Value, inventory: &Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.insert("Site".to_owned(), inventory.clone());
    }
    value
}

/// As JSON, in which what is not there is left out: to Guard, `null` exists.
fn json(value: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(value).unwrap_or_default();
    strip(&mut value);
    value
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, below| !below.is_null());
            object.values_mut().for_each(strip);
        }
        Value::Array(list) => list.iter_mut().for_each(strip),
        _ => {}
    }
}

/// A node's files and units, with their contents as text.
fn node(artifact: &Artifact) -> Value {
    let config: Value = serde_json::from_str(&artifact.content).unwrap_or_default();
    let mut files = Vec::new();
    for file in config["storage"]["files"].as_array().into_iter().flatten() {
        let source = file["contents"]["source"].as_str().unwrap_or_default();
        let content = match source.strip_prefix("data:;base64,").map(|text| BASE64_STANDARD.decode(text)) {
            Some(Ok(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            _ => source.to_owned(),
        };
        files.push(json!({ "path": file["path"], "mode": file["mode"], "content": content }));
    }
    json!({ "role": artifact.role, "files": files, "units": config["systemd"]["units"] })
}
