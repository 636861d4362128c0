//! A filesystem on a disk or volume, made once.
use super::block::{DISK, disk, gone};
use super::{Difference, Judgement, Kind, known, lost};
use crate::act::Act;
use crate::ask::{Answers, Asks};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{Path, Uuid};
use incline_model::inventory::onprem::Filesystem as Type;
use serde::{Deserialize, Serialize};

/// The label of what is not whole yet, at most 12 characters (xfs_admin(8)). It holds nothing, and is made anew.
pub(crate) const NEW: &str = "incline-new";

/// How a filesystem is whose volume is not open.
const CLOSED: &str = "not seen: its volume is closed";

/// A filesystem. A device on which anything else is written is never formatted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Filesystem {
    /// The device.
    pub device: Path,
    /// What filesystem.
    pub kind: Type,
    /// What it is known again by.
    pub uuid: Uuid,
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
            None if self.device.as_str().starts_with("/dev/mapper/") => {
                difference.missing = true;
                difference.add("filesystem", Some(CLOSED.into()), Some(self.name().into()));
                return difference.judged();
            }
            None => return gone(&self.device),
        };
        let is_ours = disk.holds.as_deref() == Some(self.name()) && disk.uuid.as_deref() == Some(self.uuid.as_str());
        match disk.holds {
            None => {
                difference.missing = true;
                difference.add("filesystem", None, Some(self.name().into()));
            }
            Some(_) if is_ours && disk.label.as_deref() == Some(NEW) => {
                difference.missing = true;
                difference.add("filesystem", Some("half made".into()), Some(self.name().into()));
            }
            Some(_) if is_ours => {}
            Some(what) => {
                let label = disk.label.map_or(String::new(), |label| format!(" with the label {label}"));
                return Judgement::Refused {
                    cause: format!("{} holds {what}{label}, which incline did not make", self.device),
                    hint: "nothing is formatted over: wipe it by hand if nobody needs it, or name another disk"
                        .to_owned(),
                };
            }
        }
        difference.judged()
    }

    fn made_before(&self, mut difference: Difference) -> Judgement {
        let is_closed = difference.properties.iter().any(|change| change.before == Some(CLOSED.into()));
        if !is_closed {
            return lost("a filesystem", &self.device);
        }
        // Once the volume is open, it must be there; nothing is made.
        difference.missing = false;
        Judgement::Differs(difference)
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        // Looked at once more by the tool that is about to write. The label falls last: a cut leaves what is made anew.
        act.script(
            r#"
made=
if found=$(blkid -p -s TYPE -s UUID -s LABEL -o export -- "$1"); then
  for line in "TYPE=$2" "UUID=$3"; do
    case "$NL$found$NL" in *"$NL$line$NL"*) ;; *) fail "$1 is not empty" ;; esac
  done
  case "$NL$found$NL" in *"${NL}LABEL=$4$NL"*) ;; *) made=yes ;; esac
fi
if [ -z "$made" ]; then
  if [ -z "$5" ]; then fail "$1 held a filesystem that incline made, and holds none any more; nothing is made anew where data was"; fi
  case "$2" in
  xfs)
    run mkfs.xfs -q -f -L "$4" -m "uuid=$3" "$1"
    run xfs_admin -L -- "$1"
    ;;
  *)
    run "mkfs.$2" -q -F -L "$4" -U "$3" "$1"
    run tune2fs -L '' "$1"
    ;;
  esac
fi"#,
            &[
                self.device.as_str(),
                self.name(),
                self.uuid.as_str(),
                NEW,
                if difference.missing { "yes" } else { "" },
            ],
        );
    }
}
