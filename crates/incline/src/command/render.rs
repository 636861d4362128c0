//! `incline render`
use crate::arguments::{Common, Render};
use crate::error::{Exit, Failure};
use crate::{estate, view};
use incline_model::desired::{Desired, INLINE_TEMPLATE_BYTES, Stack};
use incline_model::site::Site;
use serde_json::json;
use std::path::Path;

pub(crate) fn run(common: &Common, options: &Render) -> Result<Exit, Failure> {
    let estate = estate::read(common)?.validate()?;
    let templates = estate::templates(common)?;
    let (mut stacks, mut large, mut nodes) = (0, 0, 0);
    for site in estate::select(&estate, &options.sites)? {
        let Site::Aws(site) = site else { continue };
        let desired = estate::desired(site, &estate, &templates)?;
        write(&options.out.join(desired.site.as_str()), &desired)?;
        stacks += desired.stacks.len();
        large += desired.stacks.iter().filter(|stack| stack.body.len() > INLINE_TEMPLATE_BYTES).count();
        nodes += desired.artifacts.len();
    }
    view::say(&format!(
        "{stacks} templates ({large} over {INLINE_TEMPLATE_BYTES} bytes, which go through S3) and {nodes} node configurations written into {}\n",
        options.out.display()
    ))?;
    Ok(Exit::Done)
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
        let stale = folder.join(stale);
        if stale.exists() {
            std::fs::remove_dir_all(&stale).map_err(Failure::file("clear", &stale))?;
        }
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
