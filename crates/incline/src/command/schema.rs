//! `incline schema`
use crate::arguments::{Schema, SchemaOf};
use crate::error::{Exit, Failure};
use crate::view;

pub(crate) fn run(options: &Schema) -> Result<Exit, Failure> {
    view::say(&match options.of {
        SchemaOf::Inventory => inventory(),
        SchemaOf::Drift => pretty(&incline_model::drift::json_schema()),
        SchemaOf::Lock => pretty(&incline_model::lock::json_schema()),
    })?;
    Ok(Exit::Done)
}

/// The inventory's JSON Schema, as it is shipped beside the inventories.
pub(crate) fn inventory() -> String {
    pretty(&incline_model::inventory::json_schema())
}

fn pretty(schema: &serde_json::Value) -> String {
    format!("{schema:#}\n")
}
