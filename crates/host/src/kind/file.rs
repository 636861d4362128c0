//! A file with its content.
use super::path::{ask_selinux, ask_text, compare_selinux, compare_text};
use super::{Absent, Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{Account, Mode, Path, Word, root};
use serde::{Deserialize, Serialize};

/// A file with its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct File {
    /// Where it stands. A link that stands there is replaced by the file.
    pub path: Path,
    /// What it holds.
    pub content: String,
    /// Its permissions. Default: `0644`.
    #[serde(default = "everyone_reads")]
    pub mode: Mode,
    /// Its owner. Default: root.
    #[serde(default = "root")]
    pub owner: Account,
    /// Its group. Default: root.
    #[serde(default = "root")]
    pub group: Account,
    /// Its SELinux type, where SELinux is at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selinux: Option<Word>,
}

pub(super) fn everyone_reads() -> Mode {
    Mode(0o644)
}

impl Kind for File {
    fn subject(&self) -> String {
        self.path.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        ask_text(asks, &self.path, self.content.as_bytes());
        ask_selinux(asks, &self.path, self.selinux.as_ref());
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let ownership = (self.mode, &self.owner, &self.group);
        let mut difference = known!(compare_text(seen, &self.path, self.content.as_bytes(), ownership));
        if !difference.missing {
            known!(compare_selinux(&mut difference, seen, &self.path, self.selinux.as_ref()));
        }
        difference.judged()
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        if difference.has("content") || difference.has("type") {
            act.put(&self.path, self.mode, &self.owner, &self.group, self.content.as_bytes());
        } else {
            act.ownership(&self.path, self.mode, &self.owner, &self.group, difference);
        }
        if let Some(selinux) = &self.selinux {
            act.run(&["chcon", "-t", selinux.as_str(), "--", self.path.as_str()]);
        }
    }

    fn undo(&self) -> Option<Item> {
        Some(Item::Absent(Absent { path: self.path.clone() }))
    }
}
