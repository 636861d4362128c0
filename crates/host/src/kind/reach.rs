//! What a host must be able to reach over the network. Nothing here is ever changed: what is out of reach is told.
use super::{Difference, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{Line, Word};
use serde::{Deserialize, Serialize};

/// Whether a TCP port answers, and how. Words: the name or address, the port. Status 0: `open`, or `refused`; 1: `unknown`
/// (the name), or `silent`: nobody answers, or no way leads there.
const REACH: Topic = Topic {
    name: "reach",
    program: r#"
while [ $# -gt 1 ]; do
  if has getent && ! getent ahosts "$1" >/dev/null; then emit reach "$i" 1 unknown
  elif ! has timeout; then emit reach "$i" 127 timeout
  elif ! has bash && ! has nc; then emit reach "$i" 127 'neither bash nor nc'
  else
    if has bash; then out=$(timeout 5 bash -c ': <"/dev/tcp/$0/$1"' "$1" "$2" 2>&1 3<&- 9>&-)
    else out=$(timeout 5 nc -v -z "$1" "$2" 2>&1 3<&- 9>&-); fi
    status=$?
    case $status:$out in 0:*) emit reach "$i" 0 open ;; *refused*) emit reach "$i" 0 refused ;; *) emit reach "$i" 1 silent ;; esac
  fi
  i=$((i + 1))
  shift 2
done"#,
    split: None,
    aside: false,
};

/// What a host must be able to reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Reach {
    /// Its name or address.
    pub host: Word,
    /// Its TCP port.
    pub port: u16,
    /// What it is to the host.
    pub what: Line,
    /// Whether somebody must answer there already. Where not, a refusal shows that the way is open.
    #[serde(default)]
    pub open: bool,
}

impl Kind for Reach {
    fn subject(&self) -> String {
        format!("{} {}:{}", self.what, self.host, self.port)
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&REACH, &[self.host.as_str(), &self.port.to_string()]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let Self { host, port, what, .. } = self;
        let (cause, hint) = match known!(seen.get(&REACH, &[host.as_str(), &port.to_string()])).text().trim_end() {
            "open" => return Judgement::Same,
            "refused" if !self.open => return Judgement::Same,
            "refused" => (
                format!("{what} does not answer: {host}:{port} refuses connections"),
                "start it, or mend the address in the inventory",
            ),
            "unknown" => (format!("{what} has a name that the host does not know: {host}"), "enter it into DNS"),
            _ => (
                format!("{what} is out of reach: {host}:{port} is silent"),
                "look for a firewall on the way, and whether the address is in use at all",
            ),
        };
        Judgement::Refused { cause, hint: hint.to_owned() }
    }

    fn act(&self, _: &Difference, act: &mut Act<'_>) {
        act.call("fail", &["nothing brings nearer what is out of reach"]);
    }

    fn stays(&self) -> bool {
        false
    }
}
