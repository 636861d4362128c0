//! A program of the operating system's own, and the packages that bring it.
use super::{Difference, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{FileName, PackageName};
use serde::{Deserialize, Serialize};

/// Whether programs are there; for those that are not, who could bring them.
const TOOL: Topic = Topic {
    name: "tool",
    program: r#"
manager=
for name in apt-get dnf; do if [ -z "$manager" ] && has "$name"; then manager=$name; fi; done
for name; do
  if has "$name"; then emit tool "$i" 0 ''; else emit tool "$i" 1 "$manager"; fi
  i=$((i + 1))
done"#,
    split: None,
    aside: false,
};

/// A program of the operating system's own: what a node runs itself comes as an artifact, by digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tool {
    /// The program.
    pub name: FileName,
    /// Debian's and Ubuntu's packages that bring it.
    pub apt: Vec<PackageName>,
    /// The Red Hat family's packages that bring it.
    pub dnf: Vec<PackageName>,
}

impl Kind for Tool {
    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&TOOL, &[self.name.as_str()]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let answer = known!(seen.get(&TOOL, &[self.name.as_str()]));
        if answer.is_yes() {
            return Judgement::Same;
        }
        let packages = match answer.text().as_str() {
            "apt-get" => &self.apt,
            "dnf" => &self.dnf,
            _ => {
                return Judgement::Refused {
                    cause: format!("{} is not on the host, and nothing there could install it", self.name),
                    hint: "take a system whose image has it".to_owned(),
                };
            }
        };
        let mut difference = Difference { missing: true, ..Difference::default() };
        let packages: Vec<&str> = packages.iter().map(PackageName::as_str).collect();
        difference.add("packages", None, Some(packages.join(" ").into()));
        difference.judged()
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        let packages = difference.properties.first().and_then(|change| change.after.as_ref()?.as_str()).unwrap_or("");
        let mut words = vec![self.name.as_str()];
        words.extend(packages.split(' '));
        act.script(
            r#"
tool=$1
shift
if has apt-get; then apt_install "$@"; else run dnf -y -q --setopt=install_weak_deps=False install "$@"; fi
if ! has "$tool"; then fail "$* did not bring $tool"; fi"#,
            &words,
        );
    }
}
