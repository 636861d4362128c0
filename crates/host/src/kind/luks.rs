//! An encrypted volume on a disk: LUKS2, made once and opened after it (cryptsetup(8)).
use super::block::{DISK, disk, gone};
use super::path::STAT;
use super::{Difference, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{FileName, Path};
use incline_model::inventory::SecretSource;
use incline_model::plan::Impact;
use serde::{Deserialize, Serialize};

/// An encrypted volume. A disk on which anything is written is never formatted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Luks {
    /// The disk.
    pub device: Path,
    /// The opened volume's name below `/dev/mapper`, and its label.
    pub name: FileName,
    /// Where the machine that runs incline finds the key.
    pub key: SecretSource,
}

impl Luks {
    fn opened(&self) -> String {
        format!("/dev/mapper/{}", self.name)
    }
}

impl Kind for Luks {
    fn subject(&self) -> String {
        self.device.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&DISK, &[self.device.as_str()]);
        asks.ask(&STAT, &[&self.opened()]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let Some(disk) = known!(disk(seen, &self.device)) else { return gone(&self.device) };
        let opened = known!(seen.get(&STAT, &[&self.opened()])).is_yes();
        let mut difference = Difference::default();
        match (disk.holds.as_deref(), disk.label.as_deref()) {
            (None, _) => {
                difference.missing = true;
                difference.add("volume", None, Some("LUKS2".into()));
                difference.add("opened", Some(false.into()), Some(true.into()));
            }
            (Some("crypto_LUKS"), Some(label)) if label == self.name.as_str() => {
                difference.compare("opened", opened, true);
            }
            (Some(what), _) => {
                return Judgement::Refused {
                    cause: format!("{} holds {what}, which incline did not make", self.device),
                    hint: "nothing is formatted over: wipe it by hand if nobody needs it, or name another disk"
                        .to_owned(),
                };
            }
        }
        difference.judged()
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        let device = self.device.as_str();
        if difference.missing {
            // Looked at once more by the tool that is about to write.
            act.script("if blkid -p -- \"$1\" >/dev/null; then fail \"$1 is not empty any more\"; fi", &[device]);
            act.feed(
                &self.key,
                &[
                    "cryptsetup",
                    "luksFormat",
                    "--type",
                    "luks2",
                    "--batch-mode",
                    "--label",
                    self.name.as_str(),
                    "--key-file",
                    "-",
                    device,
                ],
            );
        }
        if difference.has("opened") {
            act.feed(
                &self.key,
                &["cryptsetup", "open", "--type", "luks2", "--key-file", "-", device, self.name.as_str()],
            );
        }
    }

    fn impact(&self, _: &Difference) -> Impact {
        Impact::InPlace
    }

    fn secret(&self) -> Option<&SecretSource> {
        Some(&self.key)
    }
}
