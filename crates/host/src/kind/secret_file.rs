//! A file whose content nobody may see.
use super::path::{KEYED, STAT, compare_ownership, stat};
use super::{Absent, Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks};
use crate::prelude::*;
use crate::secret::{Secret, Secrets};
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
    /// Text before and after the secret, which stands in quotes between them. Default: none; the file is the secret itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub around: Option<(String, String)>,
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

impl SecretFile {
    /// What the file holds.
    fn content(&self, secrets: &Secrets) -> Result<Secret, String> {
        let secret = secrets.get(&self.secret).ok_or_else(|| "its secret is not known here".to_owned())?;
        let Some((before, after)) = &self.around else { return Ok(secret.clone()) };
        let inner = secret.expose().trim_ascii_end();
        if inner.iter().any(|byte| byte.is_ascii_control() || b"\"\\".contains(byte)) {
            return Err("its secret cannot stand in quotes: it has a quote, a backslash or a line break".to_owned());
        }
        Ok(Secret::new([before.as_bytes(), inner, after.as_bytes()].concat()))
    }
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
                let secret = known!(self.content(secrets));
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
            match self.content(act.secrets) {
                Ok(secret) => act.put_private(&self.path, self.mode, &self.owner, &self.group, secret),
                Err(why) => act.call("fail", &[&why]),
            }
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
