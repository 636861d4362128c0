//! `incline render`
use crate::arguments::{Common, Render};
use crate::error::{Exit, Failure};
use crate::{estate, hosts, pins, view};
use incline_model::desired::{Desired, INLINE_TEMPLATE_BYTES, Stack};
use incline_model::site::{OnPrem, Site};
use incline_render::{ApiBy, render_tenants};
use serde_json::json;
use std::path::Path;

pub(crate) fn run(common: &Common, options: &Render) -> Result<Exit, Failure> {
    let estate = estate::read(common)?.validate()?;
    let templates = estate::templates(common)?;
    let (mut stacks, mut large, mut nodes, mut hosts_written) = (0, 0, 0, 0);
    let sites = estate::select(&estate, &options.sites)?;
    let lacking = pins::counted(sites.iter().copied());
    for site in sites {
        let site = match site {
            Site::Aws(site) => site,
            Site::OnPrem(site) => {
                let wishes = hosts::desired(site, &templates, ApiBy::Balancer)?;
                hosts_written += wishes.len();
                let folder = options.out.join(site.typed().name.as_str());
                write_hosts(&folder.join("hosts"), &wishes)?;
                write_tenants(&folder.join("f5"), site)?;
                continue;
            }
        };
        let desired = estate::desired(site, &estate, &templates)?;
        write(&options.out.join(desired.site.as_str()), &desired)?;
        stacks += desired.stacks.len();
        large += desired.stacks.iter().filter(|stack| stack.body.len() > INLINE_TEMPLATE_BYTES).count();
        nodes += desired.artifacts.len();
    }
    view::say(&format!(
        "{stacks} templates ({large} over {INLINE_TEMPLATE_BYTES} bytes, which go through S3), {nodes} node configurations and what {hosts_written} hosts must have written into {}\n",
        options.out.display()
    ))?;
    if let Some(lacking) = lacking {
        view::say(&format!("{lacking}.\n"))?;
    }
    Ok(Exit::Done)
}

/// Takes away what an earlier run wrote.
fn clear(folder: &Path) -> Result<(), Failure> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(Failure::file("clear", folder))?;
    }
    Ok(())
}

/// Writes what hosts must have: `HOST/STAGE.json`, a list of items each.
fn write_hosts(folder: &Path, hosts: &[incline_host::Host]) -> Result<(), Failure> {
    clear(folder)?;
    for host in hosts {
        let folder = folder.join(&host.name);
        std::fs::create_dir_all(&folder).map_err(Failure::file("make the folder", &folder))?;
        for (stage, entries) in &host.stages {
            let path = folder.join(format!("{}.json", stage.name()));
            let text = serde_json::to_string_pretty(entries)
                .map_err(|error| Failure::Other { cause: error.to_string(), hint: None })?;
            std::fs::write(&path, text + "\n").map_err(Failure::file("write", &path))?;
        }
    }
    Ok(())
}

/// Writes what a site's BIG-IP must hold: `PART.json`, a declaration each.
fn write_tenants(folder: &Path, site: &OnPrem) -> Result<(), Failure> {
    clear(folder)?;
    let sync_to = site.typed().f5.as_ref().and_then(|f5| f5.sync_to.as_ref());
    for tenant in render_tenants(site) {
        std::fs::create_dir_all(folder).map_err(Failure::file("make the folder", folder))?;
        let path = folder.join(format!("{}.json", tenant.part));
        let request = tenant.request("incline", sync_to.map(|group| group.as_str()));
        std::fs::write(&path, format!("{request:#}\n")).map_err(Failure::file("write", &path))?;
    }
    Ok(())
}

/// Writes a site: `stacks/NAME.yaml` with `NAME.json` beside it, and `ignition/ROLE/SHA512.ign` with its user data.
fn write(folder: &Path, desired: &Desired) -> Result<(), Failure> {
    let put = |path: &Path, text: &str| -> Result<(), Failure> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(Failure::file("make the folder", parent))?;
        }
        std::fs::write(path, text).map_err(Failure::file("write", path))
    };
    // What an earlier run wrote and this one does not would look like deployed stacks to `plan --against`.
    for stale in ["stacks", "ignition"] {
        clear(&folder.join(stale))?;
    }
    for stack in &desired.stacks {
        put(&folder.join("stacks").join(format!("{}.yaml", stack.name)), &stack.body)?;
        put(&folder.join("stacks").join(format!("{}.json", stack.name)), &settings(stack))?;
    }
    for artifact in &desired.artifacts {
        put(&folder.join(&artifact.key), &artifact.content)?;
        put(&folder.join("ignition").join(&artifact.role).join("user-data.ign"), &artifact.user_data)?;
    }
    Ok(())
}

fn settings(stack: &Stack) -> String {
    format!(
        "{:#}\n",
        json!({ "stage": stack.stage, "parameters": stack.parameters, "tags": stack.tags, "terminationProtection": true })
    )
}
