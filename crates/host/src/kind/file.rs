//! A file with its content.
use super::path::{Text, ask_selinux, compare_selinux};
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

fn everyone_reads() -> Mode {
    Mode(0o644)
}

impl File {
    fn text(&self) -> Text<'_> {
        Text {
            path: self.path.clone(),
            content: self.content.as_str().into(),
            mode: self.mode,
            owner: self.owner.clone(),
            group: self.group.clone(),
        }
    }
}

impl Kind for File {
    fn subject(&self) -> String {
        self.path.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        self.text().ask(asks);
        ask_selinux(asks, &self.path, self.selinux.as_ref());
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = known!(self.text().compare(seen));
        if !difference.missing {
            known!(compare_selinux(&mut difference, seen, &self.path, self.selinux.as_ref()));
        }
        difference.judged()
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        self.text().act(difference, act);
        // A drop-in holds once systemd has read it.
        if difference.is_of_content() && self.path.as_str().starts_with("/etc/systemd/system/") {
            act.run(&["systemctl", "daemon-reload"]);
        }
        if let Some(selinux) = &self.selinux {
            act.run(&["chcon", "-t", selinux.as_str(), "--", self.path.as_str()]);
        }
    }

    fn undo(&self) -> Option<Item> {
        Absent::at(&self.path)
    }
}
