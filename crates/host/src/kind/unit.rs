//! A systemd unit: its file, whether it starts at boot, runs, or may never run (systemctl(1)).
use super::path::Text;
use super::{Command, Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answer, Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{Path, UnitName};
use incline_model::quote::shell;
use serde::{Deserialize, Serialize};

/// What systemd says of units, asked once for all.
const SHOW: Topic = Topic {
    name: "unit",
    program: r#"
if ! has systemctl; then emit unit "$i" 127 systemctl; return; fi
if [ ! -d /run/systemd/system ]; then emit unit "$i" 125 'systemd is not at work on the host'; return; fi
out=$($T systemctl show --no-pager -p LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,DropInPaths -- "$@" 2>&1)
status=$?
emit unit "$i" "$status" "$out""#,
    split: Some(split),
    aside: false,
};

/// One block a unit, in the order in which they were asked.
fn split(questions: &[Vec<String>], answer: &Answer) -> Vec<Answer> {
    let text = answer.text();
    let blocks: Vec<&str> = text.split("\n\n").collect();
    if !answer.is_yes() || blocks.len() != questions.len() {
        let why = if answer.is_yes() { "systemd gave another number of answers" } else { text.trim() };
        return questions.iter().map(|_| Answer::unknown(why)).collect();
    }
    blocks.into_iter().map(Answer::yes).collect()
}

/// A systemd unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Unit {
    /// Its name.
    pub name: UnitName,
    /// Its file's content; without it, the unit comes from elsewhere: a package, or systemd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Whether it starts at boot; without it, that is left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether it runs; without it, that is left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
    /// Whether it may never run.
    #[serde(default)]
    pub masked: bool,
    /// Files of this machine that may extend a unit whose content stands here, by their paths; all others are removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop_ins: Vec<Path>,
}

impl Unit {
    fn text(&self) -> Option<Text<'_>> {
        let content = self.content.as_deref()?;
        Some(Text::of_root(Path::below("/etc/systemd/system", &self.name), content))
    }

    /// Files of this machine that extend the unit, of those that systemd names (systemd.unit(5)): what a distribution
    /// ships below
    /// `/usr/lib`, and what extends all units alike, are not incline's matter.
    fn strays<'a>(&self, named: &'a str) -> Vec<&'a str> {
        let folder = format!("/{}.d/", self.name);
        let is_stray = |path: &&str| {
            (path.starts_with("/etc/") || path.starts_with("/run/"))
                && path.contains(&folder)
                && self.drop_ins.iter().all(|known| known.as_str() != *path)
        };
        if self.content.is_none() { Vec::new() } else { named.split(' ').filter(is_stray).collect() }
    }
}

impl Kind for Unit {
    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        if let Some(text) = self.text() {
            text.ask(asks);
        }
        asks.ask(&SHOW, &[self.name.as_str()]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = Difference::default();
        // A masked unit is a link to /dev/null where its file would be.
        if let (Some(text), false) = (self.text(), self.masked) {
            difference = known!(text.compare(seen));
        }
        let text = known!(seen.get(&SHOW, &[self.name.as_str()])).text();
        let fact = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_default()
        };
        let masked = fact("LoadState") == "masked";
        if self.masked || masked {
            difference.compare("masked", masked, self.masked);
        }
        for stray in self.strays(fact("DropInPaths")) {
            difference.add("dropIn", Some(stray.into()), None);
        }
        if fact("NeedDaemonReload") == "yes" {
            difference.add("loaded", Some("an older file".into()), Some("the file".into()));
        }
        if let (Some(enabled), false) = (self.enabled, self.masked) {
            let state = fact("UnitFileState");
            // These start with or without being enabled.
            let is = matches!(state, "enabled" | "enabled-runtime" | "alias" | "static" | "indirect" | "generated");
            let cannot = matches!(state, "static" | "indirect" | "generated" | "alias");
            if is != enabled && !cannot {
                difference.add("enabled", Some(is.into()), Some(enabled.into()));
            }
        }
        let running = if self.masked { Some(false) } else { self.running };
        if let Some(running) = running {
            let (active, sub) = (fact("ActiveState"), fact("SubState"));
            // A timer waits, and a oneshot that has run and remains is active too.
            let is = matches!(active, "active" | "reloading");
            if is != running && !(active == "activating" && running) {
                difference.add(
                    "running",
                    Some(if active == "failed" { format!("failed ({sub})") } else { active.to_owned() }.into()),
                    Some(if running { "active" } else { "inactive" }.into()),
                );
            } else if active == "activating" && running && sub == "auto-restart" {
                difference.add("running", Some("ends and is started again".into()), Some("active".into()));
            }
        }
        difference.judged()
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        let name = self.name.as_str();
        if difference.has("masked") {
            act.run(&["systemctl", if self.masked { "mask" } else { "unmask" }, name]);
        }
        if let (Some(text), false) = (self.text(), self.masked) {
            text.act(difference, act);
        }
        for stray in difference.properties.iter().filter(|change| change.path == "dropIn") {
            if let Some(path) = stray.before.as_ref().and_then(|before| before.as_str()) {
                act.run(&["rm", "-f", "--", path]);
            }
        }
        // To enable it makes systemd read its files anyway.
        let is_enabled_now = self.enabled == Some(true) && difference.has("enabled");
        let is_read = ["loaded", "masked", "dropIn"].iter().any(|property| difference.has(property));
        if (difference.is_of_content() || is_read) && !is_enabled_now {
            act.run(&["systemctl", "daemon-reload"]);
        }
        if let (Some(enabled), true) = (self.enabled, difference.has("enabled")) {
            act.run(&["systemctl", if enabled { "enable" } else { "disable" }, name]);
        }
        // What a file had added ends with it.
        let was_extended = difference.has("dropIn") && self.running == Some(true) && !self.masked;
        if difference.has("running") || was_extended {
            let runs = self.running == Some(true) && !self.masked;
            act.script("started \"$2\" \"$1\"", &[name, if runs { "restart" } else { "stop" }]);
        }
    }

    fn undo(&self) -> Option<Item> {
        let path = self.text()?.path;
        let (name, file) = (shell(self.name.as_str()), shell(path.as_str()));
        let script = format!("systemctl disable --now {name}; rm -f {file}; systemctl daemon-reload");
        Command::removal(format!("remove {}", self.name), script, path.as_str()).map(Item::Command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_extends_a_unit_of_inclines_is_a_stray_and_a_distributions_is_not() {
        let unit = |content: Option<&str>, known: &[&str]| Unit {
            name: UnitName::try_from("kubelet.service".to_owned()).unwrap(),
            content: content.map(ToOwned::to_owned),
            enabled: None,
            running: None,
            masked: false,
            drop_ins: known.iter().map(|path| Path::try_from((*path).to_owned()).unwrap()).collect(),
        };
        let named = "/usr/lib/systemd/system/service.d/10-timeout-abort.conf /etc/systemd/system/kubelet.service.d/open.conf \
                     /run/systemd/system/kubelet.service.d/50-x.conf";
        let both =
            ["/etc/systemd/system/kubelet.service.d/open.conf", "/run/systemd/system/kubelet.service.d/50-x.conf"];
        assert_eq!(unit(Some("[Service]\n"), &[]).strays(named), both);
        assert_eq!(unit(Some("[Service]\n"), &both[..1]).strays(named), both[1..]);
        assert!(unit(None, &[]).strays(named).is_empty());
        assert!(unit(Some("[Service]\n"), &[]).strays("").is_empty());
    }
}
