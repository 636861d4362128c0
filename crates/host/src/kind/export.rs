//! Directories that are exported over NFS: one whole file below `/etc/exports.d`, and what is exported now (exports(5)).
use super::path::Text;
use super::{Command, Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answer, Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{FileName, Path, Word};
use incline_model::quote::shell;
use serde::{Deserialize, Serialize};

/// What is exported now: exportfs(8) keeps it in this table.
const TABLE: Topic = Topic {
    name: "exports",
    program: r#"
if ! has exportfs; then emit exports 0 127 exportfs; return; fi
out=
if [ -e /var/lib/nfs/etab ]; then out=$(cat /var/lib/nfs/etab); fi
emit exports 0 0 "$out""#,
    split: None,
    aside: false,
};

/// Exported directories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Exports {
    /// The file's name below `/etc/exports.d`; it ends with `.exports`.
    pub file: FileName,
    /// What is exported.
    pub exports: Vec<Export>,
}

/// An exported directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Export {
    /// The directory.
    pub path: Path,
    /// Who may mount it: addresses, networks.
    pub clients: Vec<Word>,
    /// Options: `rw`, `sync`, `root_squash`, `xprtsec=mtls`, … .
    pub options: Vec<Word>,
}

impl Exports {
    fn path(&self) -> Path {
        Path::below("/etc/exports.d", &self.file)
    }

    fn text(&self) -> Text<'_> {
        Text::of_root(self.path(), self.content())
    }

    fn content(&self) -> String {
        let mut text = String::new();
        for export in &self.exports {
            let options = export.options.iter().map(Word::as_str).collect::<Vec<_>>().join(",");
            // exports(5): quotes hold spaces, and a backslash and three octal digits any other character.
            let path = export.path.as_str().replace('\\', "\\134").replace('"', "\\042").replace('#', "\\043");
            text.push_str(&format!("\"{path}\""));
            for client in &export.clients {
                text.push_str(&format!(" {client}({options})"));
            }
            text.push('\n');
        }
        text
    }
}

impl Kind for Exports {
    fn subject(&self) -> String {
        self.path().to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        self.text().ask(asks);
        asks.ask(&TABLE, &["now"]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = known!(self.text().compare(seen));
        // nfs-kernel-server may be an item of the same stage.
        let table = known!(seen.get_if_there(&TABLE, &["now"])).map_or(String::new(), Answer::text);
        for export in &self.exports {
            for client in &export.clients {
                let now = table.lines().find_map(|line| {
                    let (at, rest) = line.split_once('\t')?;
                    let options = rest.strip_prefix(client.as_str())?.strip_prefix('(')?.strip_suffix(')')?;
                    (at.replace("\\040", " ") == export.path.as_str()).then_some(options)
                });
                let name = format!("exported.{}.{client}", export.path);
                match now {
                    None => difference.add(&name, Some(false.into()), Some(true.into())),
                    Some(options) => {
                        let is: BTreeSet<&str> = options.split(',').collect();
                        let lacking: Vec<&str> =
                            export.options.iter().map(Word::as_str).filter(|option| !is.contains(option)).collect();
                        if !lacking.is_empty() {
                            difference.add(&name, Some(options.into()), Some(lacking.join(",").into()));
                        }
                    }
                }
            }
        }
        difference.judged()
    }

    fn undo(&self) -> Option<Item> {
        let path = self.path();
        let script = format!("rm -f {} && exportfs -ra", shell(path.as_str()));
        Command::removal(format!("remove {}", self.file), script, path.as_str()).map(Item::Command)
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        act.call("folder", &[self.path().folder()]);
        self.text().act(difference, act);
        act.run(&["exportfs", "-ra"]);
    }
}
