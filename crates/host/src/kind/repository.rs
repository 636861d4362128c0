//! A source of packages with the key that signs it: of apt (sources.list(5), deb822) or of dnf (dnf.conf(5)).
use super::path::Text;
use super::{Command, Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{FileName, Path, Url, Word};
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
    /// The key's file, and the source's file.
    fn files(&self) -> [Text<'_>; 2] {
        let name = &self.name;
        let (key, file, text) = match &self.source {
            Source::Apt(apt) => {
                let key = Path::below("/etc/apt/keyrings", format!("{name}.asc"));
                let components: Vec<&str> = apt.components.iter().map(Word::as_str).collect();
                let components = if components.is_empty() {
                    String::new()
                } else {
                    format!("Components: {}\n", components.join(" "))
                };
                let text =
                    format!("Types: deb\nURIs: {}\nSuites: {}\n{components}Signed-By: {key}\n", apt.url, apt.suite);
                (key, Path::below("/etc/apt/sources.list.d", format!("{name}.sources")), text)
            }
            Source::Dnf(dnf) => {
                let key = Path::below("/etc/pki/rpm-gpg", format!("{name}.asc"));
                let text =
                    format!("[{name}]\nname={name}\nbaseurl={}\nenabled=1\ngpgcheck=1\ngpgkey=file://{key}\n", dnf.url);
                (key, Path::below("/etc/yum.repos.d", format!("{name}.repo")), text)
            }
        };
        [Text::of_root(key, self.key.as_str()), Text::of_root(file, text)]
    }
}

impl Kind for Repository {
    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        for file in self.files() {
            file.ask(asks);
        }
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = Difference { missing: true, ..Difference::default() };
        for (file, what) in self.files().iter().zip(["key", "source"]) {
            let found = known!(file.compare(seen));
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
        let [key, source] = self.files().map(|file| file.path);
        let script = format!("rm -f {} {}", shell(key.as_str()), shell(source.as_str()));
        Command::removal(format!("remove {}", self.name), script, source.as_str()).map(Item::Command)
    }

    fn act(&self, _: &Difference, act: &mut Act<'_>) {
        let files = self.files();
        for file in &files {
            act.call("folder", &[file.path.folder()]);
            file.write(act);
        }
        match &self.source {
            Source::Apt(_) => act.run(&["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", "update"]),
            Source::Dnf(_) => {
                let [key, _] = &files;
                act.run(&["rpm", "--import", key.path.as_str()]);
            }
        }
    }
}
