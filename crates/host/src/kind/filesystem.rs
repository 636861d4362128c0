//! A filesystem on a disk or volume, made once.
use super::block::{DISK, Disk, disk, gone};
use super::{Difference, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{Path, Word};
use incline_model::inventory::onprem::Filesystem as Type;
use serde::{Deserialize, Serialize};

/// A filesystem. A device on which anything else is written is never formatted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Filesystem {
    /// The device.
    pub device: Path,
    /// What filesystem.
    pub kind: Type,
    /// Its label: at most 12 characters for XFS, 16 for ext4.
    pub label: Word,
}

impl Filesystem {
    fn name(&self) -> &'static str {
        match self.kind {
            Type::Xfs => "xfs",
            Type::Ext4 => "ext4",
        }
    }
}

impl Kind for Filesystem {
    fn subject(&self) -> String {
        self.device.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&DISK, &[self.device.as_str()]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = Difference::default();
        let disk = match known!(disk(seen, &self.device)) {
            Some(disk) => disk,
            // A volume that is not opened yet; whether there is a filesystem on it is seen when it is.
            None if self.device.as_str().starts_with("/dev/mapper/") => Disk::default(),
            None => return gone(&self.device),
        };
        match (disk.holds.as_deref(), disk.label.as_deref()) {
            (None, _) => {
                difference.missing = true;
                difference.add("filesystem", None, Some(self.name().into()));
            }
            (Some(is), Some(label)) if is == self.name() && label == self.label.as_str() => {}
            (Some(what), label) => {
                let label = label.map_or(String::new(), |label| format!(" with the label {label}"));
                return Judgement::Refused {
                    cause: format!("{} holds {what}{label}, which incline did not make", self.device),
                    hint: "nothing is formatted over: wipe it by hand if nobody needs it, or name another disk"
                        .to_owned(),
                };
            }
        }
        difference.judged()
    }

    fn act(&self, _: &Difference, act: &mut Act<'_>) {
        // Looked at once more by the tool that is about to write; without force, mkfs itself refuses what holds something.
        act.script(
            r#"
if found=$(blkid -p -s TYPE -s LABEL -o export -- "$1"); then
  case "$NL$found$NL" in
  *"${NL}TYPE=$2$NL"*) case "$NL$found$NL" in *"${NL}LABEL=$3$NL"*) ;; *) fail "$1 holds another filesystem" ;; esac ;;
  *) fail "$1 is not empty" ;;
  esac
else
  run "mkfs.$2" -q -L "$3" "$1"
fi"#,
            &[self.device.as_str(), self.name(), self.label.as_str()],
        );
    }
}
