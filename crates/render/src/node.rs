//! A node's manifest (`nodes/*.yaml`) and the files that it names → Ignition configuration, spec 3.3.0, and the user
//! data that points to it (<https://coreos.github.io/ignition/configuration-v3_3/>).
use crate::Error;
use crate::prelude::*;
use crate::templates::{Templates, is_template};
use base64::{Engine, engine::general_purpose::STANDARD};
use incline_model::desired::{Artifact, MAX_USER_DATA_BYTES};
use incline_model::{hex, yaml};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

/// The newest version of the spec that Flatcar's Ignition reads and that has no features we lack.
const SPEC: &str = "3.3.0";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Manifest {
    files: Vec<File>,
    remote: Vec<Remote>,
    links: Vec<Link>,
    units: Vec<Unit>,
    ssh_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    path: String,
    mode: String,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Remote {
    path: String,
    mode: String,
    url: String,
    sha512: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    path: String,
    target: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unit {
    name: String,
    enabled: Option<bool>,
    #[serde(default)]
    mask: bool,
    source: Option<String>,
    dropin: Option<String>,
    #[serde(default)]
    values: serde_json::Map<String, Value>,
}

/// Renders one node's configuration.
pub(crate) fn render(
    templates: &Templates,
    manifest: &str,
    role: &str,
    bucket: &str,
    context: &Value,
) -> Result<Artifact, Error> {
    let text = templates.render(manifest, context)?;
    let not_yaml = |cause: String| Error::NotYaml { name: manifest.to_owned(), cause };
    let node = yaml::parse(manifest, &text)
        .map_err(|faults| not_yaml(faults.first().map_or(String::new(), ToString::to_string)))?;
    let manifest: Manifest = serde_json::from_value(node.value()).map_err(|error| not_yaml(error.to_string()))?;

    let content = |source: &str, values: &serde_json::Map<String, Value>| -> Result<String, Error> {
        let name = format!("ignition/{source}");
        if !is_template(&name) {
            return templates.file(&name).map(ToOwned::to_owned);
        }
        let mut context = context.clone();
        if let Some(object) = context.as_object_mut() {
            object.extend(values.clone());
        }
        templates.render(&name, &context)
    };
    let mode =
        |mode: &str| u32::from_str_radix(mode, 8).map_err(|_| not_yaml(format!("`{mode}` is no octal file mode")));

    let mut files = Vec::new();
    for file in &manifest.files {
        let data = STANDARD.encode(content(&file.source, &serde_json::Map::new())?);
        files.push(json!({
            "path": file.path, "mode": mode(&file.mode)?, "overwrite": true,
            "contents": { "source": format!("data:;base64,{data}") },
        }));
    }
    for remote in &manifest.remote {
        files.push(json!({
            "path": remote.path, "mode": mode(&remote.mode)?,
            "contents": { "source": remote.url, "verification": { "hash": format!("sha512-{}", remote.sha512) } },
        }));
    }
    let mut units = Vec::new();
    for unit in &manifest.units {
        let mut entry = json!({ "name": unit.name });
        if unit.mask {
            entry["mask"] = json!(true);
        }
        if let Some(enabled) = unit.enabled {
            entry["enabled"] = json!(enabled);
        }
        if let Some(source) = &unit.source {
            let text = content(source, &unit.values)?;
            match &unit.dropin {
                Some(name) => entry["dropins"] = json!([{ "name": name, "contents": text }]),
                None => entry["contents"] = json!(text),
            }
        }
        units.push(entry);
    }
    let links: Vec<Value> = manifest
        .links
        .iter()
        .map(|link| json!({ "path": link.path, "target": link.target, "overwrite": true }))
        .collect();
    let mut ignition = json!({
        "ignition": { "version": SPEC },
        "storage": { "files": files, "links": links },
        "systemd": { "units": units },
    });
    if !manifest.ssh_keys.is_empty() {
        ignition["passwd"] = json!({ "users": [{ "name": "core", "sshAuthorizedKeys": manifest.ssh_keys }] });
    }
    let content = ignition.to_string();
    let sha512 = hex(&Sha512::digest(content.as_bytes()));
    let key = format!("ignition/{role}/{sha512}.ign");
    // Content-addressed: the launch template changes if and only if the configuration does, and the old one stays for
    // the way back.
    let user_data = json!({ "ignition": {
        "version": SPEC,
        "config": { "replace": { "source": format!("s3://{bucket}/{key}"), "verification": { "hash": format!("sha512-{sha512}") } } },
    } })
    .to_string();
    if user_data.len() > MAX_USER_DATA_BYTES {
        return Err(Error::TooLarge {
            what: format!("the user data of {role}"),
            size: user_data.len(),
            limit: MAX_USER_DATA_BYTES,
        });
    }
    Ok(Artifact { role: role.to_owned(), key, sha512, content, user_data })
}
