//! Ports that only some may reach: a table of nftables of incline's own (nft(8)), at boot and now.
use super::path::Text;
use super::{Command, Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answer, Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{FileName, Path};
use incline_model::plan::Impact;
use incline_model::quote::shell;
use incline_model::scalar::Cidr;
use serde::{Deserialize, Serialize};

/// A table as it holds now.
const TABLE: Topic = Topic {
    name: "nft",
    program: r#"
for table; do
  if ! has nft; then emit nft "$i" 127 nft
  elif out=$($T nft -s list table inet "$table" 2>&1); then emit nft "$i" 0 "$out"
  else case "$out" in *'No such file'*) emit nft "$i" 1 '' ;; *) emit nft "$i" 125 "$out" ;; esac; fi
  i=$((i + 1))
done"#,
    split: None,
    aside: false,
};

/// Ports that only some may reach. Other tables of the host are left alone: what they drop stays dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Firewall {
    /// The table's name.
    pub name: FileName,
    /// The ports, TCP and UDP.
    pub ports: Vec<u16>,
    /// Who may reach them.
    pub from: Vec<Cidr>,
}

impl Firewall {
    /// The table, word for word as nft lists it.
    fn table(&self) -> String {
        let mut text = format!(
            "table inet {} {{\n\tchain input {{\n\t\ttype filter hook input priority filter; policy accept;\n\t\tiif \"lo\" accept\n",
            self.name
        );
        for port in &self.ports {
            for transport in ["tcp", "udp"] {
                for cidr in &self.from {
                    // A single address stands without its length.
                    let cidr = cidr.to_string();
                    let cidr = cidr.trim_end_matches("/32");
                    text.push_str(&format!("\t\tip saddr {cidr} {transport} dport {port} accept\n"));
                }
                text.push_str(&format!("\t\t{transport} dport {port} drop\n"));
            }
        }
        text.push_str("\t}\n}\n");
        text
    }

    fn rules(&self) -> Text<'_> {
        // Replaced in one transaction: there is no moment without it.
        let text = format!("table inet {name}\ndelete table inet {name}\n{}", self.table(), name = self.name);
        Text::of_root(Path::below("/etc/incline", format!("{}.nft", self.name)), text)
    }

    fn unit_name(&self) -> String {
        format!("incline-firewall-{}.service", self.name)
    }

    fn unit(&self) -> Text<'_> {
        let rules = self.rules().path;
        let text = format!(
            "[Unit]\nDescription=The firewall of {name}\nDefaultDependencies=no\nAfter=local-fs.target nftables.service\nBefore=network-pre.target\nWants=network-pre.target\n\n\
             [Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'exec nft -f {rules}'\n\n[Install]\nWantedBy=sysinit.target\n",
            name = self.name
        );
        Text::of_root(Path::below("/etc/systemd/system", self.unit_name()), text)
    }
}

impl Kind for Firewall {
    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        self.rules().ask(asks);
        self.unit().ask(asks);
        asks.ask(&TABLE, &[self.name.as_str()]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = known!(self.rules().compare(seen));
        let unit = known!(self.unit().compare(seen));
        difference.take_in("unit.", unit.properties);
        difference.texts.extend(unit.texts);
        let now = known!(seen.get_if_there(&TABLE, &[self.name.as_str()])).map_or(String::new(), Answer::text);
        if now.trim_end() != self.table().trim_end() {
            let is = if now.is_empty() { "none" } else { "other rules" };
            difference.add("rules that hold", Some(is.into()), Some("those of the file".into()));
        }
        difference.judged()
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        act.call("folder", &["/etc/incline"]);
        self.rules().act(difference, act);
        self.unit().act(&difference.below("unit."), act);
        act.script(
            "run systemctl daemon-reload\nrun systemctl enable \"$1\"\nrun systemctl restart \"$1\"",
            &[&self.unit_name()],
        );
    }

    fn undo(&self) -> Option<Item> {
        let (rules, unit) = (self.rules().path, self.unit().path);
        let script = format!(
            "systemctl disable --now {}; nft delete table inet {}; rm -f {} {}; systemctl daemon-reload",
            shell(&self.unit_name()),
            shell(self.name.as_str()),
            shell(rules.as_str()),
            shell(unit.as_str())
        );
        Command::removal(format!("remove the firewall {}", self.name), script, rules.as_str()).map(Item::Command)
    }

    fn impact(&self, difference: &Difference) -> Impact {
        if difference.missing { Impact::InPlace } else { Impact::InterruptsTraffic }
    }
}
