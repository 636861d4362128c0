//! An encrypted volume on a disk: LUKS2, made once, opened by keys that a tang server or the machine's TPM gives back
//! (cryptsetup(8), clevis(1)).
use super::block::{DISK, disk, gone};
use super::path::STAT;
use super::{Command, Difference, Item, Judgement, Kind, known, lost};
use crate::act::Act;
use crate::ask::{Answer, Answers, Asks, Topic};
use crate::clevis::{Bound, Policy};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{FileName, Line, Path, UnitName, Uuid};
use incline_model::inventory::onprem::Tang;
use incline_model::quote::shell;
use incline_model::scalar::AgeRecipient;
use serde::{Deserialize, Serialize};

/// What the headers of LUKS2 volumes say (cryptsetup-luksDump(8)). Words: the device.
const HEADER: Topic = Topic {
    name: "luks",
    program: r#"
for device; do
  if ! has cryptsetup; then emit luks "$i" 127 cryptsetup
  elif $T cryptsetup isLuks --type luks2 -- "$device"; then
    out=$($T cryptsetup luksDump --dump-json-metadata -- "$device" 2>&1)
    case $? in 0) emit luks "$i" 0 "$out" ;; *) emit luks "$i" 125 "$out" ;; esac
  else emit luks "$i" 1 ''; fi
  i=$((i + 1))
done"#,
    split: None,
    aside: false,
};

/// The label of a volume that is not whole yet: it was never opened, and holds nothing.
const NEW: &str = super::filesystem::NEW;

/// An encrypted volume. A disk on which anything is written is never formatted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Luks {
    /// The disk.
    pub device: Path,
    /// The opened volume's name below `/dev/mapper`, and its label.
    pub name: FileName,
    /// What it is known again by.
    pub uuid: Uuid,
    /// Tang servers, any of which gives the key back.
    #[serde(default)]
    pub tang: Vec<Tang>,
    /// Whether the machine's TPM2 must give its part too.
    #[serde(default)]
    pub tpm2: bool,
    /// Who can open the recovery key that lies, encrypted, in the volume's header.
    pub recovery: AgeRecipient,
    /// The service that opens it.
    pub by: UnitName,
}

impl Luks {
    fn opened(&self) -> String {
        format!("/dev/mapper/{}", self.name)
    }

    fn policy(&self) -> Policy<'_> {
        Policy { tang: &self.tang, tpm2: self.tpm2 }
    }
}

impl Kind for Luks {
    fn subject(&self) -> String {
        self.device.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&DISK, &[self.device.as_str()]);
        asks.ask(&HEADER, &[self.device.as_str()]);
        asks.ask(&STAT, &[&self.opened()]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let Some(disk) = known!(disk(seen, &self.device)) else { return gone(&self.device) };
        let mut difference = Difference::default();
        let is_ours = disk.holds.as_deref() == Some("crypto_LUKS") && disk.uuid.as_deref() == Some(self.uuid.as_str());
        match disk.holds {
            Some(what) if !is_ours => {
                return Judgement::Refused {
                    cause: format!("{} holds {what}, which incline did not make", self.device),
                    hint: "nothing is formatted over: wipe it by hand if nobody needs it, or name another disk"
                        .to_owned(),
                };
            }
            None => {
                difference.missing = true;
                difference.add("volume", None, Some("LUKS2".into()));
            }
            Some(_) if disk.label.as_deref() == Some(NEW) => {
                difference.missing = true;
                difference.add("volume", Some("half made, never opened".into()), Some("LUKS2".into()));
            }
            Some(_) => {
                let header =
                    known!(seen.get_if_there(&HEADER, &[self.device.as_str()])).map_or(String::new(), Answer::text);
                let bound = known!(Bound::read(&header));
                difference.compare("label", disk.label.unwrap_or_default(), self.name.as_str());
                let (is, must) = (bound.shown(&self.tang), self.policy().shown());
                if is != [must.clone()] {
                    difference.add("opened by", Some(is.join("; and by ").into()), Some(must.into()));
                }
                difference.compare("recovery", bound.recovery.join(", "), self.recovery.as_str());
                let strange = bound.strange.join(", ");
                if !strange.is_empty() {
                    difference.add("keys that nobody declared", Some(strange.into()), None);
                }
                difference.compare("opened", known!(seen.get(&STAT, &[&self.opened()])).is_yes(), true);
            }
        }
        difference.judged()
    }

    fn made_before(&self, difference: Difference) -> Judgement {
        if difference.missing { lost("an encrypted volume", &self.device) } else { Judgement::Differs(difference) }
    }

    /// Without its keys, nobody reads what is on the disk any more (NIST SP 800-88, cryptographic erase). What stands on the
    /// volume ends with its service; what keeps it open keeps it whole.
    fn undo(&self) -> Option<Item> {
        let (by, name, device) = (shell(self.by.as_str()), shell(self.name.as_str()), shell(self.device.as_str()));
        let script = format!(
            "systemctl disable --now {by}; if [ -e /dev/mapper/{name} ]; then cryptsetup close {name} || exit; fi; \
             if cryptsetup isLuks {device}; then cryptsetup luksErase --batch-mode {device} || exit; fi; wipefs --quiet --all {device}"
        );
        let name = Line::try_from(self.device.to_string()).ok()?;
        let unless = format!("! cryptsetup isLuks {device}");
        Some(Item::Command(Command { name, run: script, unless, timeout: 600 }))
    }

    fn holds_data(&self) -> bool {
        true
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        let (device, policy, recovery) = (self.device.as_str(), self.policy().config(), self.recovery.as_str());
        act.library(include_str!("../luks.sh"));
        if difference.missing {
            act.call("luks_make", &[device, self.uuid.as_str(), NEW, self.name.as_str(), &policy, recovery]);
        }
        if difference.has("opened by") {
            act.call("luks_bind", &[device, &policy]);
        }
        if difference.has("recovery") {
            act.call("luks_escrow", &[device, recovery]);
        }
        if difference.has("keys that nobody declared") {
            act.call("luks_tidy", &[device]);
        }
        if difference.has("label") {
            act.run(&["cryptsetup", "config", "--label", self.name.as_str(), "--", device]);
        }
        if difference.missing || difference.has("opened") {
            // The service waits for its keys for as long as it takes; whoever applies does not.
            act.script(
                r#"out=$(timeout 120 systemctl restart "$1" 2>&1 3<&- 9>&-) || fail "it was not opened within two minutes; the journal of $1 says why$NL$out""#,
                &[self.by.as_str()],
            );
        }
    }
}
