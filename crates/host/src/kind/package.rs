//! A package, of apt or of dnf: its version, and whether it is held at it.
use super::{Difference, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answer, Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{PackageName, Version};
use serde::{Deserialize, Serialize};

/// What is installed: `VERSION` and whether it is held, asked once for all.
const INSTALLED: Topic = Topic {
    name: "package",
    program: r#"
if has dpkg-query; then
  out=$($T dpkg-query -W -f '${Package} ${db:Status-Abbrev} ${Version}\n' -- "$@" 2>/dev/null)
  status=$?
  if [ "$status" -eq 1 ]; then status=0; fi
  emit package "$i" "$status" "$out"
elif has rpm; then
  locked=
  for list in /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list; do if [ -e "$list" ]; then locked="$locked$(cat "$list")$NL"; fi; done
  out=
  for package; do
    version=$($T rpm -q --qf '%{VERSION}-%{RELEASE}\n' -- "$package" 2>/dev/null | head -n 1) || version=
    case "$version" in '' | *' is not installed') continue ;; esac
    case "$NL$locked" in *"$NL$package-"[0-9]*) out="$out$package hi $version$NL" ;; *) out="$out$package ii $version$NL" ;; esac
  done
  emit package "$i" 0 "$out"
else
  emit package "$i" 125 'the host has neither dpkg nor rpm'
fi"#,
    split: Some(split),
    aside: false,
};

/// Lines `NAME STATUS VERSION`: `ii` is installed, `hi` is held (dpkg-query(1)).
fn split(questions: &[Vec<String>], answer: &Answer) -> Vec<Answer> {
    let text = answer.text();
    let one = |question: &Vec<String>| {
        let name = question.first().map_or("", String::as_str);
        let line = text.lines().find_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let (is, status, version) = (words.next()?, words.next()?, words.next()?);
            (is == name && status.get(1..2) == Some("i"))
                .then(|| format!("{} {version}", status.get(..1).unwrap_or("")))
        });
        line.map_or(Answer::no(), Answer::yes)
    };
    questions.iter().map(one).collect()
}

/// A package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Package {
    /// Its name.
    pub name: PackageName,
    /// Its version as the manager writes it; without it, any will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Whether it is held at its version, whoever upgrades the host.
    #[serde(default)]
    pub hold: bool,
    /// Whether it must not be there.
    #[serde(default)]
    pub absent: bool,
}

impl Kind for Package {
    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&INSTALLED, &[self.name.as_str()]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let answer = known!(seen.get(&INSTALLED, &[self.name.as_str()]));
        let text = answer.text();
        let is = answer.is_yes().then(|| text.split_once(' ').unwrap_or(("", text.as_str())));
        let mut difference = Difference::default();
        match is {
            Some((_, version)) if self.absent => difference.add("version", Some(version.into()), None),
            None if self.absent => {}
            None => {
                difference.missing = true;
                difference.add("version", None, Some(self.version.as_ref().map_or("any", Version::as_str).into()));
                if self.hold {
                    difference.add("hold", None, Some(true.into()));
                }
            }
            Some((held, version)) => {
                if let Some(wished) = &self.version {
                    difference.compare("version", version, wished.as_str());
                }
                difference.compare("hold", held == "h", self.hold);
            }
        }
        difference.judged()
    }

    fn stays(&self) -> bool {
        !self.absent
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        let version = self.version.as_ref().map_or("", Version::as_str);
        let flag = |on: bool| if on { "yes" } else { "" };
        // A held package is let go before its version changes, and is held again after it.
        act.script(
            r#"
if has apt-get; then
  if [ -n "$4" ]; then apt_get remove -- "$1" || fail "apt-get remove failed ($?)$NL$out"
  elif [ -n "$5" ]; then
    out=$(apt-mark unhold "$1" 2>&1 3<&- 9>&-)
    apt_install "$1${2:+=$2}"
  fi
  if [ -z "$4" ]; then if [ -n "$3" ]; then run apt-mark hold "$1"; else run apt-mark unhold "$1"; fi; fi
elif has dnf; then
  if [ -n "$4" ]; then run dnf -y -q remove "$1"
  elif [ -n "$5" ]; then
    if rpm -q -- "$1" >/dev/null && [ -n "$2" ]; then
      run dnf -y -q --setopt=install_weak_deps=False --disableplugin=versionlock distro-sync "$1-$2"
    else
      run dnf -y -q --setopt=install_weak_deps=False install "$1${2:+-$2}"
    fi
  fi
  if [ -z "$4" ]; then
    list=/etc/dnf/plugins/versionlock.list
    if [ -n "$3" ]; then
      if [ ! -e "$list" ]; then fail "$1 cannot be held: dnf's versionlock plugin is not installed"; fi
      version=$(rpm -q --qf '%{VERSION}-%{RELEASE}' -- "$1")
      beside "$list"
      { grep -v "^$1-[0-9]" "$list"; printf '%s-%s\n' "$1" "$version"; } >"$temporary"
      settle "$list" 0644 root root
    elif [ -e "$list" ]; then
      beside "$list"
      grep -v "^$1-[0-9]" "$list" >"$temporary"
      settle "$list" 0644 root root
    fi
  fi
else
  fail "$1: the host has neither apt-get nor dnf"
fi"#,
            &[self.name.as_str(), version, flag(self.hold), flag(self.absent), flag(difference.has("version"))],
        );
    }
}
