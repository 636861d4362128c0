//! A folder.
use super::path::{STAT, compare_ownership, stat};
use super::{Command, Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{Account, Mode, Path, root};
use incline_model::quote::shell;
use serde::{Deserialize, Serialize};

/// A folder. Folders above it that are not there are made too, for root alone to write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Directory {
    /// Where it stands.
    pub path: Path,
    /// Its permissions. Default: `0755`.
    #[serde(default = "everyone_enters")]
    pub mode: Mode,
    /// Its owner. Default: root.
    #[serde(default = "root")]
    pub owner: Account,
    /// Its group. Default: root.
    #[serde(default = "root")]
    pub group: Account,
}

fn everyone_enters() -> Mode {
    Mode(0o755)
}

impl Kind for Directory {
    fn subject(&self) -> String {
        self.path.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&STAT, &[self.path.as_str()]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = Difference::default();
        match known!(stat(seen, &self.path)) {
            None => {
                difference.missing = true;
                difference.add("type", None, Some("folder".into()));
            }
            Some(stat) if stat.kind == "folder" => {
                compare_ownership(&mut difference, &stat, self.mode, &self.owner, &self.group);
            }
            Some(stat) => {
                return Judgement::Refused {
                    cause: format!("{} is a {}, and must be a folder", self.path, stat.kind),
                    hint: "move it out of the way".to_owned(),
                };
            }
        }
        difference.judged()
    }

    /// It goes if nothing of anybody else's is in it.
    fn undo(&self) -> Option<Item> {
        let path = shell(self.path.as_str());
        let script = format!("rmdir {path} || :");
        Command::removal(self.path.to_string(), script, self.path.as_str()).map(Item::Command)
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        if difference.missing {
            act.script(
                "folder \"$1\"\nrun chown -- \"$2\" \"$1\"\nrun chmod -- \"$3\" \"$1\"",
                &[self.path.as_str(), &format!("{}:{}", self.owner, self.group), &self.mode.to_string()],
            );
        } else {
            act.ownership(&self.path, self.mode, &self.owner, &self.group, difference);
        }
    }
}
