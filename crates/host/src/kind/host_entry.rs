//! A name that the host knows by a line of `/etc/hosts` (hosts(5)): it holds where there is no DNS yet, and when there is none any more.
use super::{Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::Word;
use serde::{Deserialize, Serialize};

/// The addresses that names have in `/etc/hosts`, a line each. Words: the names.
const ENTRIES: Topic = Topic {
    name: "hostentry",
    program: r#"
for name; do
  found=
  while read -r address names; do
    case "$address" in '#'* | '') continue ;; esac
    for word in ${names%%#*}; do if [ "$word" = "$name" ]; then found=$found$address$NL; fi; done
  done </etc/hosts
  emit hostentry "$i" 0 "$found"
  i=$((i + 1))
done"#,
    split: None,
    aside: false,
};

/// A name, and where it leads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HostEntry {
    /// The name.
    pub name: Word,
    /// Its address; without one, the file does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Word>,
}

impl Kind for HostEntry {
    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&ENTRIES, &[self.name.as_str()]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = Difference::default();
        let text = known!(seen.get(&ENTRIES, &[self.name.as_str()])).text();
        let is: Vec<&str> = text.lines().collect();
        let must: Vec<&str> = self.address.iter().map(Word::as_str).collect();
        if is != must {
            difference.missing = is.is_empty();
            let shown = |addresses: &[&str]| (!addresses.is_empty()).then(|| addresses.join(", ").into());
            difference.add("address", shown(&is), shown(&must));
        }
        difference.judged()
    }

    fn act(&self, _: &Difference, act: &mut Act<'_>) {
        // Other names of its lines stay.
        act.script(
            r#"
beside /etc/hosts
: >>/etc/hosts
out=$({ name=$1 address=$2 awk '
  {
    line = $0
    sub(/#.*/, "", line)
    count = split(line, words)
    found = 0
    rest = words[1]
    for (i = 2; i <= count; i++) if (words[i] == ENVIRON["name"]) found = 1; else rest = rest " " words[i]
    if (!found) print
    else if (rest != words[1]) print rest
  }
  END { if (ENVIRON["address"] != "") print ENVIRON["address"] " " ENVIRON["name"] }' /etc/hosts >"$temporary"; } 2>&1) || fail "/etc/hosts cannot be written: $out"
settle /etc/hosts 0644 root root"#,
            &[self.name.as_str(), self.address.as_ref().map_or("", Word::as_str)],
        );
    }

    fn undo(&self) -> Option<Item> {
        Some(Item::HostEntry(Self { name: self.name.clone(), address: None }))
    }
}
