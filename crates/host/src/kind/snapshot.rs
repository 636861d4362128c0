//! Snapshots that a timer takes: whether the newest is young and large enough.
use super::{Difference, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{Path, UnitName};
use serde::{Deserialize, Serialize};

/// The newest file of a folder: its age in minutes and its size in bytes. Words: the folder.
const NEWEST: Topic = Topic {
    name: "newest",
    program: r#"
for folder; do
  newest=
  for file in "$folder"/*; do
    if [ -f "$file" ] && { [ -z "$newest" ] || [ "$file" -nt "$newest" ]; }; then newest=$file; fi
  done
  if [ -z "$newest" ]; then emit newest "$i" 1 ''
  elif out=$(stat -c '%Y %s' -- "$newest"); then
    emit newest "$i" 0 "$((($(date +%s) - ${out% *}) / 60)) ${out#* }"
  else emit newest "$i" 125 "$newest cannot be read"; fi
  i=$((i + 1))
done"#,
    split: None,
    aside: false,
};

/// Snapshots that a timer takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Snapshot {
    /// The folder that they lie in, and nothing else does.
    pub folder: Path,
    /// How old the newest may be, in minutes.
    pub within_minutes: u32,
    /// How small it may be, in bytes.
    pub at_least_bytes: u64,
    /// The service that takes one.
    pub by: UnitName,
}

impl Kind for Snapshot {
    fn subject(&self) -> String {
        self.folder.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&NEWEST, &[self.folder.as_str()]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = Difference::default();
        let answer = known!(seen.get(&NEWEST, &[self.folder.as_str()]));
        let text = answer.text();
        let numbers =
            text.trim_end().split_once(' ').and_then(|(age, size)| Some((age.parse().ok()?, size.parse().ok()?)));
        match numbers {
            _ if !answer.is_yes() => {
                difference.missing = true;
                difference.add("newest", None, Some("taken".into()));
            }
            None => return Judgement::Unknown("the host says neither age nor size of the newest".to_owned()),
            Some((age, size)) => {
                let (age, size): (i64, u64) = (age, size);
                if age > i64::from(self.within_minutes) {
                    let most = format!("at most {} minutes", self.within_minutes);
                    difference.add("age", Some(format!("{age} minutes").into()), Some(most.into()));
                }
                if size < self.at_least_bytes {
                    let least = format!("at least {} bytes", self.at_least_bytes);
                    difference.add("size", Some(format!("{size} bytes").into()), Some(least.into()));
                }
            }
        }
        difference.judged()
    }

    fn act(&self, _: &Difference, act: &mut Act<'_>) {
        act.run(&["systemctl", "start", self.by.as_str()]);
    }
}
