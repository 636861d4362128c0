//! A valid on-prem site → what each of its hosts must have: `hosts/STAGE.yaml`, a list of items, rendered for each host.
use crate::Error;
use crate::prelude::*;
use crate::templates::Templates;
use incline_host::{Entry, Host};
use incline_model::desired::Stage;
use incline_model::fault::Path;
use incline_model::inventory::onprem;
use incline_model::site::OnPrem;
use incline_model::yaml;
use serde_json::{Value, json};

/// The stages of hosts, each with its template.
const STAGES: [(Stage, &str); 1] = [(Stage::Prepare, "hosts/prepare.yaml")];

/// Renders the hosts of a site, in the inventory's order.
///
/// # Errors
/// A template that cannot be rendered, or that gives something else than items.
pub fn render_hosts(site: &OnPrem, templates: &Templates) -> Result<Vec<Host>, Error> {
    // Most hosts of a site are alike: what gives the same text is read once.
    let mut known = BTreeMap::new();
    site.typed().hosts.iter().map(|host| one(host, &context(site, host, templates)?, templates, &mut known)).collect()
}

/// What the templates of a host see.
pub(crate) fn context(site: &OnPrem, host: &onprem::Host, templates: &Templates) -> Result<Value, Error> {
    let typed = site.typed();
    Ok(json!({
        "site": { "name": typed.name, "mirror": typed.mirror },
        "host": { "name": host.name, "address": host.address, "roles": host.roles },
        "kernel": {
            "modules": lines(templates.file("ignition/files/modules.conf")?),
            "parameters": parameters(templates.file("ignition/files/kernel.conf")?),
        },
    }))
}

fn one(
    host: &onprem::Host,
    context: &Value,
    templates: &Templates,
    known: &mut BTreeMap<String, Vec<Entry>>,
) -> Result<Host, Error> {
    let mut stages = Vec::new();
    for (stage, template) in STAGES {
        let text = templates.render(template, context)?;
        let entries = match known.get(&text) {
            Some(entries) => entries.clone(),
            None => {
                let entries = entries(template, &text)?;
                known.insert(text, entries.clone());
                entries
            }
        };
        stages.push((stage, entries));
    }
    let host = Host { name: host.name.to_string(), stages };
    match host.clash() {
        Some(what) => Err(Error::Clash { host: host.name, what }),
        None => Ok(host),
    }
}

/// Reads a list of items.
fn entries(template: &str, text: &str) -> Result<Vec<Entry>, Error> {
    let broken = |cause: String| Error::NotYaml { name: template.to_owned(), cause };
    let parsed = yaml::parse(template, text)
        .map_err(|faults| broken(faults.first().map_or(String::new(), ToString::to_string)))?;
    let Value::Array(items) = parsed.value() else { return Err(broken("it is no list of items".to_owned())) };
    let read = |(index, item)| {
        let line = parsed.place_of(&Path::root().at(index)).line;
        serde_json::from_value(item).map_err(|error| broken(format!("line {line}: {error}")))
    };
    items.into_iter().enumerate().map(read).collect()
}

/// The lines of a file that are no comments.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// The parameters of a sysctl file.
fn parameters(text: &str) -> BTreeMap<&str, &str> {
    lines(text)
        .into_iter()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect()
}
