//! A symbolic link.
use super::path::{LINK, STAT, stat};
use super::{Absent, Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{Line, Path};
use serde::{Deserialize, Serialize};

/// A symbolic link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Symlink {
    /// Where it stands.
    pub path: Path,
    /// Where it points, absolute or from its folder.
    pub target: Line,
}

impl Kind for Symlink {
    fn subject(&self) -> String {
        self.path.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&STAT, &[self.path.as_str()]);
        asks.ask(&LINK, &[self.path.as_str()]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = Difference::default();
        match known!(stat(seen, &self.path)) {
            None => {
                difference.missing = true;
                difference.add("target", None, Some(self.target.as_str().into()));
            }
            Some(stat) if stat.kind == "link" => {
                let is = known!(seen.get(&LINK, &[self.path.as_str()])).text();
                difference.compare("target", is, self.target.as_str());
            }
            Some(stat) if stat.kind == "file" => difference.add("type", Some("file".into()), Some("link".into())),
            Some(stat) => {
                return Judgement::Refused {
                    cause: format!("{} is a {}, and must be a link", self.path, stat.kind),
                    hint: "move it out of the way".to_owned(),
                };
            }
        }
        difference.judged()
    }

    fn act(&self, _: &Difference, act: &mut Act<'_>) {
        // Made beside it and renamed: at no moment is there no link.
        act.script(
            "beside \"$1\"\nrun ln -s -- \"$2\" \"$temporary\"\nplace \"$1\"",
            &[self.path.as_str(), self.target.as_str()],
        );
    }

    fn undo(&self) -> Option<Item> {
        Absent::at(&self.path)
    }
}
