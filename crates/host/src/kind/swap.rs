//! No swap, now and after the next boot.
use super::{Difference, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use serde::{Deserialize, Serialize};

/// What is swapped to now, and what `/etc/fstab` would swap to after a boot; and systemd's own units, of partitions that
/// say of themselves that they are swap.
const SWAPS: Topic = Topic {
    name: "swap",
    program: r#"
out=
if [ ! -e /proc/swaps ]; then emit swap 0 125 'the host has no /proc/swaps'; return; fi
while read -r name rest; do if [ "$name" != Filename ]; then out="${out}live $name$NL"; fi; done </proc/swaps
if [ -e /etc/fstab ]; then
  while read -r what where kind rest; do
    case "$what" in '#'*) continue ;; esac
    if [ "$kind" = swap ]; then out="${out}fstab $what$NL"; fi
  done </etc/fstab
fi
if [ -d /run/systemd/system ] && [ "$(readlink /etc/systemd/system/swap.target)" != /dev/null ]; then out="${out}target swap.target$NL"; fi
emit swap 0 0 "$out""#,
    split: None,
    aside: false,
};

/// No swap: the kubelet's memory limits would not hold, and what a pod kept in memory would reach a disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NoSwap {}

impl Kind for NoSwap {
    fn subject(&self) -> String {
        "swap".to_owned()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&SWAPS, &["now"]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let text = known!(seen.get(&SWAPS, &["now"])).text();
        let mut difference = Difference::default();
        for line in text.lines() {
            let (place, what) = line.split_once(' ').unwrap_or((line, ""));
            let (name, after) = match place {
                "live" => ("live", "off"),
                "fstab" => ("fstab", "not listed"),
                _ => ("target", "masked"),
            };
            difference.add(name, Some(what.into()), Some(after.into()));
        }
        difference.judged()
    }

    fn stays(&self) -> bool {
        false
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        if difference.has("target") {
            act.run(&["systemctl", "mask", "swap.target"]);
        }
        if difference.has("fstab") {
            // The lines stay, as comments: whoever put them there may want to know.
            act.script(
                r##"
beside /etc/fstab
out=$({ awk '$1 !~ /^#/ && $3 == "swap" { print "# no swap (incline): " $0; next } { print }' /etc/fstab >"$temporary"; } 2>&1) || fail "/etc/fstab cannot be written: $out"
settle /etc/fstab 0644 root root"##,
                &[],
            );
        }
        if difference.has("live") {
            act.run(&["swapoff", "-a"]);
        }
    }
}
