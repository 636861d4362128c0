//! `incline init`
use crate::arguments::{Common, Init, Kind};
use crate::error::{Exit, Failure};
use crate::{estate, view};
use incline_model::scalar::Name;
use std::io::Write;

pub(crate) fn run(common: &Common, options: &Init) -> Result<Exit, Failure> {
    let name: Name = options.name.parse()?;
    let starter = estate::starter(match options.kind {
        Kind::Aws => "aws.yaml",
        Kind::Onprem => "onprem.yaml",
    });
    let text = starter.replace("my-site", name.as_str());
    std::fs::create_dir_all(&common.inventories).map_err(Failure::file("make the folder", &common.inventories))?;
    let path = common.inventories.join(format!("{name}.yaml"));
    // Never over a file that is there.
    let mut file = std::fs::File::create_new(&path).map_err(Failure::file("write", &path))?;
    file.write_all(text.as_bytes()).map_err(Failure::file("write", &path))?;
    let schema = common.inventories.join("inventory.schema.json");
    if !schema.exists() {
        std::fs::write(&schema, super::schema::inventory()).map_err(Failure::file("write", &schema))?;
    }
    view::say(&format!("{} written. Edit it, then run `incline check`.\n", path.display()))?;
    Ok(Exit::Done)
}
