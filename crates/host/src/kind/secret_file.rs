//! A file whose content nobody may see.
use super::path::{KEYED, STAT, compare_ownership, stat};
use super::{Absent, Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{Account, Mode, Path, root};
use incline_model::inventory::SecretSource;
use serde::{Deserialize, Serialize};

/// A file whose content nobody may see: it comes from a secret's source, goes over the encrypted connection alone, and is
/// compared by a digest with a key that is new each time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SecretFile {
    /// Where it stands.
    pub path: Path,
    /// Where the machine that runs incline finds its content.
    pub secret: SecretSource,
    /// Its permissions. Default: `0600`.
    #[serde(default = "owner_alone")]
    pub mode: Mode,
    /// Its owner. Default: root.
    #[serde(default = "root")]
    pub owner: Account,
    /// Its group. Default: root.
    #[serde(default = "root")]
    pub group: Account,
}

fn owner_alone() -> Mode {
    Mode(0o600)
}

impl Kind for SecretFile {
    fn subject(&self) -> String {
        self.path.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&STAT, &[self.path.as_str()]);
        asks.ask(&KEYED, &[self.path.as_str()]);
    }

    fn judge(&self, seen: &Answers, secrets: &Secrets) -> Judgement {
        let mut difference = Difference::default();
        match known!(stat(seen, &self.path)) {
            None => {
                difference.missing = true;
                difference.add("content", None, Some("(secret)".into()));
            }
            Some(stat) if stat.kind == "file" => {
                compare_ownership(&mut difference, &stat, self.mode, &self.owner, &self.group);
                let Some(secret) = secrets.get(&self.secret) else {
                    return Judgement::Unknown("its secret is not known here".to_owned());
                };
                let is = known!(seen.get(&KEYED, &[self.path.as_str()])).text();
                if is.split(' ').next() != Some(secret.keyed(&seen.nonce).as_str()) {
                    difference.add("content", Some("(another secret)".into()), Some("(secret)".into()));
                }
            }
            Some(stat) => difference.add("type", Some(stat.kind.into()), Some("file".into())),
        }
        difference.judged()
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        if difference.is_of_content() {
            act.put_secret(&self.path, self.mode, &self.owner, &self.group, &self.secret);
        } else {
            act.ownership(&self.path, self.mode, &self.owner, &self.group, difference);
        }
    }

    fn secret(&self) -> Option<&SecretSource> {
        Some(&self.secret)
    }

    fn undo(&self) -> Option<Item> {
        Absent::at(&self.path)
    }
}
