//! A path at which nothing may be.
use super::path::{STAT, stat};
use super::{Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::Path;
use serde::{Deserialize, Serialize};

/// A path at which nothing may be. A folder goes only when it is empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Absent {
    /// The path.
    pub path: Path,
}

impl Absent {
    /// What takes away what stands at a path.
    pub(super) fn at(path: &Path) -> Option<Item> {
        Some(Item::Absent(Self { path: path.clone() }))
    }
}

impl Kind for Absent {
    fn subject(&self) -> String {
        self.path.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&STAT, &[self.path.as_str()]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = Difference::default();
        if let Some(stat) = known!(stat(seen, &self.path)) {
            difference.add("type", Some(stat.kind.into()), None);
        }
        difference.judged()
    }

    fn stays(&self) -> bool {
        false
    }

    fn act(&self, _: &Difference, act: &mut Act<'_>) {
        act.script(
            "if [ -d \"$1\" ] && [ ! -L \"$1\" ]; then run rmdir -- \"$1\"; else run rm -f -- \"$1\"; fi",
            &[self.path.as_str()],
        );
    }
}
