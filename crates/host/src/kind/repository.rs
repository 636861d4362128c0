//! A source of packages with the key that signs it: of apt (sources.list(5), deb822) or of dnf (dnf.conf(5)).
use super::path::{ask_text, compare_text};
use super::{Command, Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{FileName, Mode, Path, Url, Word, root};
use incline_model::quote::shell;
use serde::{Deserialize, Serialize};

/// A source of packages, with the key that signs it: no key is trusted for any other source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Repository {
    /// Its name, and that of its files.
    pub name: FileName,
    /// The key that signs it, as armoured OpenPGP text.
    pub key: String,
    /// What kind of source it is.
    #[serde(flatten)]
    pub source: Source,
}

/// A kind of source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// A source of apt.
    Apt(Apt),
    /// A source of dnf.
    Dnf(Dnf),
}

/// A source of apt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Apt {
    /// Its address.
    pub url: Url,
    /// The suite: `bookworm`, or `/` for a flat one.
    pub suite: Word,
    /// Its components; none for a flat one.
    #[serde(default)]
    pub components: Vec<Word>,
}

/// A source of dnf.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Dnf {
    /// Its address.
    pub url: Url,
}

impl Repository {
    /// The key's file and the source's file, with their contents.
    fn files(&self) -> Vec<(Path, String)> {
        let name = &self.name;
        let (key, file, text) = match &self.source {
            Source::Apt(apt) => {
                let key = format!("/etc/apt/keyrings/{name}.asc");
                let components: Vec<&str> = apt.components.iter().map(Word::as_str).collect();
                let components = if components.is_empty() {
                    String::new()
                } else {
                    format!("Components: {}\n", components.join(" "))
                };
                let text =
                    format!("Types: deb\nURIs: {}\nSuites: {}\n{components}Signed-By: {key}\n", apt.url, apt.suite);
                (key, format!("/etc/apt/sources.list.d/{name}.sources"), text)
            }
            Source::Dnf(dnf) => {
                let key = format!("/etc/pki/rpm-gpg/{name}.asc");
                let text =
                    format!("[{name}]\nname={name}\nbaseurl={}\nenabled=1\ngpgcheck=1\ngpgkey=file://{key}\n", dnf.url);
                (key, format!("/etc/yum.repos.d/{name}.repo"), text)
            }
        };
        [(key, self.key.clone()), (file, text)]
            .into_iter()
            .filter_map(|(path, text)| Some((Path::try_from(path).ok()?, text)))
            .collect()
    }
}

impl Kind for Repository {
    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        for (path, text) in self.files() {
            ask_text(asks, &path, text.as_bytes());
        }
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let root = root();
        let mut difference = Difference { missing: true, ..Difference::default() };
        for ((path, text), what) in self.files().into_iter().zip(["key", "source"]) {
            let found = known!(compare_text(seen, &path, text.as_bytes(), (Mode(0o644), &root, &root)));
            difference.missing &= found.missing;
            for mut property in found.properties {
                property.path = format!("{what}.{}", property.path);
                difference.properties.push(property);
            }
            difference.texts.extend(found.texts);
        }
        difference.judged()
    }

    fn undo(&self) -> Option<Item> {
        let files = self.files();
        let paths: Vec<String> = files.iter().map(|(path, _)| shell(path.as_str())).collect();
        let (source, _) = files.last()?;
        Command::removal(format!("remove {}", self.name), format!("rm -f {}", paths.join(" ")), source.as_str())
            .map(Item::Command)
    }

    fn act(&self, _: &Difference, act: &mut Act<'_>) {
        let files = self.files();
        for (path, _) in &files {
            act.script("umask 022\nrun mkdir -p -- \"$1\"\numask 077", &[path.folder()]);
        }
        for (path, text) in &files {
            act.put(path, Mode(0o644), &root(), &root(), text.as_bytes());
        }
        match &self.source {
            Source::Apt(_) => {
                act.run(&["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", "update"]);
            }
            Source::Dnf(_) => {
                if let Some((key, _)) = files.first() {
                    act.run(&["rpm", "--import", key.as_str()]);
                }
            }
        }
    }
}
