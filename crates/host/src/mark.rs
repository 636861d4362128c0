//! The mark: one small file on the host that says what incline last set out to make there. It is written before anything
//! else changes, so that a run that was cut off is seen for what it is.
use crate::ask::{Answers, Asks, Topic};
use crate::kind::Item;
use crate::kind::path::{ask_sum, digest, sum};
use crate::prelude::*;
use serde::{Deserialize, Serialize};

/// Where the mark stands.
pub(crate) const PLACE: &str = "/var/lib/incline/mark.json";

/// The mark's text, if its digest is not the second word: one that says what it must is known without being read. Asked
/// after [`SUM`], whose answers it looks at.
const TEXT: Topic = Topic {
    name: "text_of_mark",
    program: r#"
if [ -n "$same" ]; then return; fi
case "$sums" in
*"$NL$2  $1$NL"*) ;;
*) if [ -f "$1" ]; then emit text_of_mark 0 0 "$(cat "$1")"; else emit text_of_mark 0 1 ''; fi ;;
esac"#,
    split: None,
    aside: false,
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
    /// Which it is in its stage: what was made last is taken away first.
    #[serde(default)]
    pub(crate) at: usize,
    /// What takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) undo: Option<Box<Item>>,
    /// Whether data goes with it: it stays unless somebody gives that up by its name.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) data: bool,
    /// Whether something of it is left when nothing takes it away.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub(crate) stays: bool,
}

impl Mark {
    /// A mark that says that some stages are done.
    pub(crate) fn of(site: &str, host: &str, stages: BTreeMap<String, StageMark>) -> Self {
        Self { format: FORMAT, site: site.to_owned(), host: host.to_owned(), stages }
    }

    /// Asks what [`Self::read`] needs, where this is the mark that is expected.
    pub(crate) fn ask(&self, asks: &mut Asks) {
        let expected = digest(self.text().as_bytes());
        ask_sum(asks, PLACE, &expected);
        asks.ask(&TEXT, &[PLACE, &expected]);
    }

    /// The mark as it was seen, where this one was expected; an empty one where there is none.
    ///
    /// # Errors
    /// It is broken, or another site's.
    pub(crate) fn read(&self, seen: &Answers) -> Result<Self, String> {
        let expected = digest(self.text().as_bytes());
        if sum(seen, PLACE, &expected)?.is_some_and(|sum| sum == expected) {
            return Ok(self.clone());
        }
        let answer = seen.get(&TEXT, &[PLACE, &expected])?;
        if !answer.is_yes() {
            return Ok(Self::of(&self.site, &self.host, BTreeMap::new()));
        }
        let mark: Self = serde_json::from_str(&answer.text()).map_err(|error| format!("{PLACE} is broken: {error}"))?;
        if mark.format != FORMAT {
            return Err(format!("{PLACE} has the format {}, and this incline knows {FORMAT}", mark.format));
        }
        if (&mark.site, &mark.host) != (&self.site, &self.host) {
            return Err(format!("the host belongs to {} as {} ({PLACE})", mark.site, mark.host));
        }
        Ok(mark)
    }

    fn text(&self) -> String {
        // A mark is made of texts and lists alone.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The mark's text with another stage in it; nothing where it would say nothing.
    pub(crate) fn with(&self, stage: &str, mark: StageMark) -> Option<String> {
        let mut new = self.clone();
        new.stages.insert(stage.to_owned(), mark);
        let nothing = StageMark::default();
        new.stages.values().any(|mark| *mark != nothing).then(|| new.text())
    }
}
