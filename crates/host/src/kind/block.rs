//! A disk that must be there.
use super::{Difference, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::Path;
use serde::{Deserialize, Serialize};

/// What a disk is: its kernel name, its size in bytes, and what was written at its beginning (blkid(8), `--probe`).
pub(crate) const DISK: Topic = Topic {
    name: "disk",
    program: r#"
for path; do
  real=$(readlink -f -- "$path")
  if [ ! -b "$real" ]; then
    if [ -e "$path" ]; then emit disk "$i" 0 "kind other"; else emit disk "$i" 1 ''; fi
  else
    read -r sectors <"/sys/class/block/${real##*/}/size" || sectors=0
    facts="kind disk${NL}name ${real##*/}${NL}bytes $((sectors * 512))"
    if has blkid; then
      found=$($T blkid -p -o export -- "$real" 2>&1)
      case $? in
      0) facts="$facts$NL$(printf '%s\n' "$found" | sed -n 's/^\(TYPE\|PTTYPE\|UUID\|LABEL\|VERSION\)=/\1 /p')" ;;
      2) ;;
      *) facts="$facts${NL}unreadable $found" ;;
      esac
    else
      facts="$facts${NL}unreadable blkid is not on the host"
    fi
    for user in "/sys/class/block/${real##*/}/holders"/*; do if [ -e "$user" ]; then facts="$facts${NL}holder ${user##*/}"; fi; done
    emit disk "$i" 0 "$facts"
  fi
  i=$((i + 1))
done"#,
    split: None,
    aside: false,
};

/// What is known of a disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Disk {
    /// Its size in bytes.
    pub(crate) bytes: u64,
    /// What is written on it: a filesystem, `crypto_LUKS`, a partition table.
    pub(crate) holds: Option<String>,
    /// Its filesystem's label, or its volume's.
    pub(crate) label: Option<String>,
    /// Its filesystem's UUID, or its volume's.
    pub(crate) uuid: Option<String>,
}

/// What is known of a disk; `None` if it is not there.
pub(crate) fn disk(seen: &Answers, device: &Path) -> Result<Option<Disk>, String> {
    let answer = seen.get(&DISK, &[device.as_str()])?;
    if !answer.is_yes() {
        return Ok(None);
    }
    let text = answer.text();
    let fact =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(ToOwned::to_owned);
    if fact("kind").as_deref() != Some("disk") {
        return Err(format!("{device} is no block device"));
    }
    if let Some(why) = fact("unreadable") {
        return Err(why);
    }
    let holds = fact("TYPE").or_else(|| fact("PTTYPE").map(|table| format!("a partition table ({table})")));
    let holds = holds.or_else(|| fact("holder").map(|holder| format!("something in use by {holder}")));
    Ok(Some(Disk {
        bytes: fact("bytes").and_then(|bytes| bytes.parse().ok()).unwrap_or(0),
        holds,
        label: fact("LABEL"),
        uuid: fact("UUID"),
    }))
}

/// A disk is not there: whatever should be on it cannot be made, and must not be looked for elsewhere.
pub(crate) fn gone(device: &Path) -> Judgement {
    Judgement::Refused {
        cause: format!("{device} is not there"),
        hint: "a missing disk is no new disk: put it back, or change the inventory".to_owned(),
    }
}

/// A disk that must be there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BlockDevice {
    /// Its stable name, as in `/dev/disk/by-id/…`.
    pub device: Path,
    /// The least size in GiB.
    #[serde(default)]
    pub at_least_gib: u64,
}

impl Kind for BlockDevice {
    fn subject(&self) -> String {
        self.device.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&DISK, &[self.device.as_str()]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        match known!(disk(seen, &self.device)) {
            None => gone(&self.device),
            Some(disk) if disk.bytes >> 30 < self.at_least_gib => Judgement::Refused {
                cause: format!("{} has {} GiB, and must have {}", self.device, disk.bytes >> 30, self.at_least_gib),
                hint: "name another disk".to_owned(),
            },
            Some(_) => Judgement::Same,
        }
    }

    fn stays(&self) -> bool {
        false
    }

    fn act(&self, _: &Difference, _: &mut Act<'_>) {}
}
