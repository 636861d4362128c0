//! A command, and what proves that it is done.
use super::{Difference, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::Line;
use incline_model::quote::shell;
use serde::{Deserialize, Serialize};

/// Whether a proof holds. A proof whose command is not there does not hold.
const PROOF: Topic = Topic {
    name: "proof",
    program: r#"
for proof; do
  out=$($T /bin/sh -c "$proof" 2>&1 3<&- 9>&-)
  status=$?
  case $status in 0 | 124) ;; *) status=1 ;; esac
  emit proof "$i" "$status" "$out"
  i=$((i + 1))
done"#,
    split: None,
    aside: false,
};

/// A command, and what proves that it is done. Both are shell text; what varies belongs into files beside them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Command {
    /// What it is called.
    pub name: Line,
    /// What is run.
    pub run: String,
    /// What succeeds, and changes nothing, once it is done.
    pub unless: String,
    /// How long it may take, in seconds. Default: 600.
    #[serde(default = "ten_minutes")]
    pub timeout: u32,
}

fn ten_minutes() -> u32 {
    600
}

impl Command {
    /// What takes away something that one file stands for.
    pub(super) fn removal(name: String, run: String, file: &str) -> Option<Self> {
        let unless = format!("! [ -e {} ]", shell(file));
        Some(Self { name: Line::try_from(name).ok()?, run, unless, timeout: ten_minutes() })
    }
}

impl Kind for Command {
    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&PROOF, &[&self.unless]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = Difference::default();
        if !known!(seen.get(&PROOF, &[&self.unless])).is_yes() {
            difference.add("done", Some(false.into()), Some(true.into()));
        }
        difference.judged()
    }

    fn stays(&self) -> bool {
        false
    }

    fn act(&self, _: &Difference, act: &mut Act<'_>) {
        act.script(
            r#"
if has timeout; then
  out=$(timeout "$2" /bin/sh -c "$1" 2>&1 3<&- 9>&-)
  status=$?
  case $status in
  0) ;;
  124 | 143) fail "it was ended: it took longer than $2 seconds" ;;
  *) fail "it failed ($status)$NL$out" ;;
  esac
else
  run /bin/sh -c "$1"
fi"#,
            &[&self.run, &self.timeout.to_string()],
        );
    }
}
