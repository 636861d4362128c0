//! Kernel modules: a file below `/etc/modules-load.d`, and what is loaded now (modules-load.d(5)).
use super::path::Text;
use super::{Absent, Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{FileName, ModuleName, Path};
use serde::{Deserialize, Serialize};

/// Whether modules are in the kernel: loaded, or built in.
const LOADED: Topic = Topic {
    name: "module",
    program: r#"
builtin=/lib/modules/$(uname -r)/modules.builtin
for module; do
  # The kernel writes every dash of a module's name as an underscore; files have either.
  if [ -d "/sys/module/$module" ]; then emit module "$i" 0 loaded
  elif tr - _ <"$builtin" | grep -q "/$module\.ko"; then emit module "$i" 0 builtin
  else
    out=$(modprobe -n "$module" 2>&1)
    case $out in *'not found'*) emit module "$i" 1 absent ;; *) emit module "$i" 1 '' ;; esac
  fi
  i=$((i + 1))
done"#,
    split: None,
    aside: false,
};

/// Kernel modules: one whole file, and what is loaded now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Modules {
    /// The file's name below `/etc/modules-load.d`; it ends with `.conf`.
    pub file: FileName,
    /// The modules.
    pub names: Vec<ModuleName>,
}

impl Modules {
    fn path(&self) -> Path {
        Path::below("/etc/modules-load.d", &self.file)
    }

    fn text(&self) -> Text<'_> {
        Text::of_root(self.path(), self.content())
    }

    fn content(&self) -> String {
        self.names.iter().map(|name| format!("{name}\n")).collect()
    }
}

/// As the kernel writes it.
fn inside(name: &ModuleName) -> String {
    name.as_str().replace('-', "_")
}

impl Kind for Modules {
    fn subject(&self) -> String {
        self.path().to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        self.text().ask(asks);
        for name in &self.names {
            asks.ask(&LOADED, &[&inside(name)]);
        }
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = known!(self.text().compare(seen));
        for name in &self.names {
            let answer = known!(seen.get(&LOADED, &[&inside(name)]));
            if answer.text().trim_end() == "absent" {
                return Judgement::Refused {
                    cause: format!("the kernel has no module {name}"),
                    hint: "install the kernel's package that has it, or another kernel".to_owned(),
                };
            }
            if !answer.is_yes() {
                difference.add(name.as_str(), Some("not loaded".into()), Some("loaded".into()));
            }
        }
        difference.judged()
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        self.text().act(difference, act);
        for name in self.names.iter().filter(|name| difference.has(name.as_str())) {
            act.run(&["modprobe", name.as_str()]);
        }
    }

    fn undo(&self) -> Option<Item> {
        Absent::at(&self.path())
    }
}
