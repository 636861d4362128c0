//! Kernel parameters: a file below `/etc/sysctl.d`, and the values that hold now (sysctl.d(5)).
use super::path::Text;
use super::{Absent, Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answer, Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{FileName, Line, Path, SysctlKey};
use serde::{Deserialize, Serialize};

/// The values of paths below `/proc/sys`, asked once for all. The shell's own `read` takes single bytes, and of most
/// parameters the kernel gives the first one alone to who asks so.
const LIVE: Topic = Topic {
    name: "sysctl",
    program: r#"
out=$(grep -H '' -- "$@" 2>/dev/null)
status=$?
case $status in 1 | 2) status=0 ;; esac
emit sysctl "$i" "$status" "$out""#,
    split: Some(split),
    aside: false,
};

/// Lines `PATH:VALUE`.
fn split(questions: &[Vec<String>], answer: &Answer) -> Vec<Answer> {
    let text = answer.text();
    let one = |question: &Vec<String>| {
        let path = question.first().map_or("", String::as_str);
        let value = text.lines().find_map(|line| line.strip_prefix(path)?.strip_prefix(':'));
        value.map_or(Answer::no(), Answer::yes)
    };
    questions.iter().map(one).collect()
}

/// Kernel parameters: one whole file, and the values that hold now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Sysctl {
    /// The file's name below `/etc/sysctl.d`; it ends with `.conf`.
    pub file: FileName,
    /// Values by parameter.
    pub values: BTreeMap<SysctlKey, Line>,
}

impl Sysctl {
    fn path(&self) -> Path {
        Path::below("/etc/sysctl.d", &self.file)
    }

    fn text(&self) -> Text<'_> {
        Text::of_root(self.path(), self.content())
    }

    fn content(&self) -> String {
        self.values.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
    }
}

/// Where a parameter's value stands: `.` parts folders, and `/` stands for a dot in a name.
fn live(key: &SysctlKey) -> String {
    let swapped: String = key
        .as_str()
        .chars()
        .map(|c| {
            if c == '.' {
                '/'
            } else if c == '/' {
                '.'
            } else {
                c
            }
        })
        .collect();
    format!("/proc/sys/{swapped}")
}

/// The kernel separates the numbers of a value with tabs.
fn plain(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

impl Kind for Sysctl {
    fn subject(&self) -> String {
        self.path().to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        self.text().ask(asks);
        for key in self.values.keys() {
            asks.ask(&LIVE, &[&live(key)]);
        }
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = known!(self.text().compare(seen));
        for (key, value) in &self.values {
            let answer = known!(seen.get(&LIVE, &[&live(key)]));
            if answer.is_yes() {
                difference.compare(key.as_str(), plain(&answer.text()), plain(value.as_str()));
            } else {
                difference.add(key.as_str(), None, Some(plain(value.as_str()).into()));
            }
        }
        difference.judged()
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        self.text().act(difference, act);
        for (key, value) in self.values.iter().filter(|(key, _)| difference.has(key.as_str())) {
            act.script(
                "if [ ! -e \"$1\" ]; then fail \"the kernel has no parameter $3\"; fi\nout=$({ printf '%s\\n' \"$2\" >\"$1\"; } 2>&1) || fail \"the kernel does not take $2 for $3: $out\"",
                &[&live(key), value.as_str(), key.as_str()],
            );
        }
    }

    fn undo(&self) -> Option<Item> {
        Absent::at(&self.path())
    }
}
