//! The mark: one small file on the host that says what incline last set out to make there. It is written before anything
//! else changes, so that a run that was cut off is seen for what it is.
use crate::ask::{Answers, Topic};
use crate::kind::Item;
use crate::prelude::*;
use serde::{Deserialize, Serialize};

/// Where the mark stands.
pub(crate) const PLACE: &str = "/var/lib/incline/mark.json";

/// The mark's text.
pub(crate) const MARK: Topic = Topic {
    name: "mark",
    program: r#"
mark=/var/lib/incline/mark.json
if [ -f "$mark" ]; then emit mark 0 0 "$(cat "$mark")"; else emit mark 0 1 ''; fi"#,
    split: None,
};

/// The version of the mark's format.
const FORMAT: u32 = 1;

/// What incline last set out to make on a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mark {
    format: u32,
    /// The site, so that two estates do not take each other's host over.
    site: String,
    /// The host's name there.
    host: String,
    /// By stage.
    pub(crate) stages: BTreeMap<String, StageMark>,
}

/// A stage's part of the mark.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StageMark {
    /// Items by id.
    pub(crate) items: BTreeMap<String, Undo>,
    /// Handlers that are owed until the stage ends.
    #[serde(default)]
    pub(crate) pending: Vec<String>,
    /// Whether the run that wrote this has not come to its end.
    #[serde(default)]
    pub(crate) unfinished: bool,
}

/// What the mark knows of an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Undo {
    /// The digest of the wish.
    pub(crate) digest: String,
    /// What takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) undo: Option<Box<Item>>,
    /// Whether something of it is left when nothing takes it away.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) stays: bool,
}

impl Mark {
    /// The mark as it was seen; an empty one where there is none.
    ///
    /// # Errors
    /// It is broken, or another site's.
    pub(crate) fn read(seen: &Answers, site: &str, host: &str) -> Result<Self, String> {
        let answer = seen.get(&MARK, &["mark"])?;
        let (site, host) = (site.to_owned(), host.to_owned());
        if !answer.is_yes() {
            return Ok(Self { format: FORMAT, site, host, stages: BTreeMap::new() });
        }
        let mark: Self = serde_json::from_str(&answer.text()).map_err(|error| format!("{PLACE} is broken: {error}"))?;
        if mark.format != FORMAT {
            return Err(format!("{PLACE} has the format {}, and this incline knows {FORMAT}", mark.format));
        }
        if (&mark.site, &mark.host) != (&site, &host) {
            return Err(format!("the host belongs to {} as {} ({PLACE})", mark.site, mark.host));
        }
        Ok(mark)
    }

    /// The mark's text with another stage in it.
    pub(crate) fn with(&self, stage: &str, mark: StageMark) -> String {
        let mut new = self.clone();
        new.stages.insert(stage.to_owned(), mark);
        // A mark is made of texts and lists alone.
        serde_json::to_string_pretty(&new).unwrap_or_default() + "\n"
    }
}
