//! What a machine must bring before anything is done to it. Nothing here is ever changed: what is wanting is told.
use super::node::{NODE, is_none};
use super::{Difference, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::Word;
use serde::{Deserialize, Serialize};

/// What the machine is, a line a fact: `time` (seconds since 1970), `uuid`, `name`, `architecture`, `memory` (KiB), `cpus`,
/// `systems` (of os-release(5)), and `port` for each TCP port that somebody listens on, in hexadecimal.
const MACHINE: Topic = Topic {
    name: "machine",
    program: r#"
cpus=0
while read -r word _; do if [ "$word" = processor ]; then cpus=$((cpus + 1)); fi; done </proc/cpuinfo
while read -r word memory _; do if [ "$word" = MemTotal: ]; then break; fi; done </proc/meminfo
uuid=
if [ -r /sys/class/dmi/id/product_uuid ]; then uuid=$(cat /sys/class/dmi/id/product_uuid); fi
systems=$(if [ -r /etc/os-release ]; then . /etc/os-release; printf '%s %s' "$ID" "$ID_LIKE"; fi)
ports=$(sed -n 's/^ *[0-9]*: [0-9A-F]*:\([0-9A-F]*\) [0-9A-F]*:0000 0A .*/port \1/p' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
emit machine "$i" 0 "time $(date +%s)${NL}uuid $uuid${NL}name $(uname -n)${NL}architecture $(uname -m)${NL}memory $memory${NL}cpus $cpus${NL}systems $systems${NL}$ports""#,
    split: None,
    aside: false,
};

/// What a machine must bring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Machine {
    /// Memory, in MiB.
    #[serde(default)]
    pub memory_mib: u64,
    /// Processors.
    #[serde(default)]
    pub cpus: u64,
    /// Its architecture, as `uname -m` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Word>,
    /// Systems of which it must run one, or one like it: `ID` and `ID_LIKE` of os-release(5).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub systems: Vec<String>,
    /// TCP ports on which nobody may listen before the host is a node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
}

/// What sets a machine apart from others, and what it has in common with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its clock, in seconds since 1970.
    pub time: i64,
    /// The UUID of its hardware, if it tells one.
    pub uuid: Option<String>,
    /// Its hostname.
    pub name: String,
}

fn fact<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap_or_default().trim()
}

impl Machine {
    /// What sets it apart.
    pub(crate) fn identity(&self, seen: &Answers) -> Option<Identity> {
        let text = seen.get(&MACHINE, &[]).ok()?.text();
        let uuid = fact(&text, "uuid").to_ascii_lowercase();
        Some(Identity {
            time: fact(&text, "time").parse().ok()?,
            uuid: (!uuid.is_empty()).then_some(uuid),
            name: fact(&text, "name").to_owned(),
        })
    }
}

impl Kind for Machine {
    fn subject(&self) -> String {
        "itself".to_owned()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&MACHINE, &[]);
        asks.ask(&NODE, &[]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let text = known!(seen.get(&MACHINE, &[])).text();
        let mut wanting = Vec::new();
        let number = |name: &str| fact(&text, name).parse::<u64>().unwrap_or(0);
        let memory = number("memory") / 1024;
        if memory < self.memory_mib {
            wanting.push(format!("it has {memory} MiB of memory, and {} are needed", self.memory_mib));
        }
        if number("cpus") < self.cpus {
            wanting.push(format!("it has {} processors, and {} are needed", number("cpus"), self.cpus));
        }
        let architecture = fact(&text, "architecture");
        if let Some(needed) = self.architecture.as_ref().filter(|needed| needed.as_str() != architecture) {
            wanting.push(format!("it is of architecture {architecture}, and what is pinned runs on {needed}"));
        }
        let systems = fact(&text, "systems");
        let is_known = |system: &str| self.systems.iter().any(|known| known == system);
        if !self.systems.is_empty() && !systems.split(' ').any(is_known) {
            let is = if systems.is_empty() { "a system without /etc/os-release" } else { systems };
            wanting.push(format!("it runs {is}, and must run one of, or one like: {}", self.systems.join(", ")));
        }
        // A member's own API server and kubelet listen there, and so do those that an interrupted run has left, which the node resets.
        if known!(seen.get(&NODE, &[]).map(is_none)) {
            let taken: BTreeSet<u16> = text
                .lines()
                .filter_map(|line| u16::from_str_radix(line.strip_prefix("port ")?, 16).ok())
                .filter(|port| self.ports.contains(port))
                .collect();
            if !taken.is_empty() {
                let taken: Vec<String> = taken.iter().map(ToString::to_string).collect();
                wanting.push(format!("somebody listens on what Kubernetes needs: port {}", taken.join(", ")));
            }
        }
        if wanting.is_empty() {
            return Judgement::Same;
        }
        Judgement::Refused { cause: wanting.join("; "), hint: "give it what it needs, or name another host".to_owned() }
    }

    fn act(&self, _: &Difference, act: &mut Act<'_>) {
        act.call("fail", &["nothing gives a machine what it does not have"]);
    }

    fn stays(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::Answer;

    #[test]
    fn what_an_interrupted_run_left_listening_is_in_nobodys_way() {
        let machine = Machine { memory_mib: 0, cpus: 0, architecture: None, systems: Vec::new(), ports: vec![6443] };
        for (node, refused) in [("none ", true), ("half ", false), ("control-plane https://api:6443", false)] {
            let mut seen = Answers::default();
            // 0x192B is 6443.
            seen.answers.insert((MACHINE.name, Vec::new()), Answer::yes("name host-1\nport 192B"));
            seen.answers.insert((NODE.name, Vec::new()), Answer::yes(node));
            let judgement = machine.judge(&seen, &Secrets::new());
            assert_eq!(matches!(judgement, Judgement::Refused { .. }), refused, "{node}");
        }
    }
}
