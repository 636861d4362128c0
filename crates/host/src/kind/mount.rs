//! A mounted filesystem, now and after the next boot: by a `.mount` unit (systemd.mount(5)) or a line of fstab(5).
use super::path::Text;
use super::{Command, Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{Path, UnitName, Word};
use incline_model::plan::Impact;
use incline_model::quote::shell;
use serde::{Deserialize, Serialize};

/// What is mounted (proc(5), mountinfo), and the lines of fstab.
const MOUNTS: Topic = Topic {
    name: "mounts",
    program: r#"
fstab=
if [ -e /etc/fstab ]; then fstab=$(cat /etc/fstab); fi
emit mounts 0 0 "$(cat /proc/self/mountinfo)$NL--$NL$fstab""#,
    split: None,
    aside: false,
};

/// What a source that is named by label or UUID is now; a volume of the device mapper by both of its names.
const SOURCE: Topic = Topic {
    name: "source",
    program: r#"
for source; do
  case "$source" in
  UUID=*) real=$(readlink -f "/dev/disk/by-uuid/${source#UUID=}") ;;
  LABEL=*) real=$(readlink -f "/dev/disk/by-label/${source#LABEL=}") ;;
  /dev/*) real=$(readlink -f -- "$source") ;;
  *) real=$source ;;
  esac
  if [ -e "/sys/class/block/${real##*/}/dm/name" ]; then
    read -r mapped <"/sys/class/block/${real##*/}/dm/name"
    real=$real$NL/dev/mapper/$mapped
  fi
  emit source "$i" 0 "$real"
  i=$((i + 1))
done"#,
    split: None,
    aside: false,
};

/// Whether there is anything in the folder that would be mounted upon. One that is mounted already, or would be when it is asked
/// for, is not looked into: a server that does not answer would hold whoever does.
const BELOW: Topic = Topic {
    name: "below",
    program: r#"
mounted=$NL
while read -r _ _ _ _ at _; do mounted=$mounted$at$NL; done </proc/self/mountinfo
for folder; do
  status=1
  case "$mounted" in
  *"$NL$folder$NL"*) ;;
  *) for file in "$folder"/* "$folder"/.[!.]*; do if [ -e "$file" ]; then status=0; fi; done ;;
  esac
  emit below "$i" "$status" ''
  i=$((i + 1))
done"#,
    split: None,
    aside: false,
};

/// A mounted filesystem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Mount {
    /// Where it is mounted. The folder is made.
    pub path: Path,
    /// What is mounted: a device, `UUID=…`, `LABEL=…`, or `SERVER:/EXPORT`.
    pub source: Word,
    /// The filesystem's type.
    pub kind: Word,
    /// Its options.
    #[serde(default)]
    pub options: Vec<Word>,
    /// What mounts it after a boot.
    #[serde(default)]
    pub by: By,
    /// Units that must have come up before it: what opens the volume, what encrypts the way to the server.
    #[serde(default)]
    pub after: Vec<UnitName>,
}

/// What mounts after a boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum By {
    /// A unit of systemd.
    #[default]
    Unit,
    /// A line of fstab.
    Fstab,
}

/// A mounted filesystem, as the kernel tells it.
struct Mounted {
    kind: String,
    source: String,
    options: String,
}

/// mountinfo writes spaces, tabs, newlines and backslashes in octal; fstab does too.
fn decoded(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

fn encoded(text: &str) -> String {
    text.replace('\\', "\\134").replace(' ', "\\040")
}

impl Mount {
    fn options(&self) -> String {
        if self.options.is_empty() {
            return "defaults".to_owned();
        }
        self.options.iter().map(Word::as_str).collect::<Vec<_>>().join(",")
    }

    fn is_of_network(&self) -> bool {
        self.source.as_str().contains(":/")
    }

    fn unit(&self) -> Text<'_> {
        let path = Path::below("/etc/systemd/system", UnitName::of_mount(&self.path));
        // A percent sign is systemd's own; a path with spaces stands as it is.
        let (what, at) = (self.source.as_str().replace('%', "%%"), self.path.as_str().replace('%', "%%"));
        let after: String = self.after.iter().map(|unit| format!("Requires={unit}\nAfter={unit}\n")).collect();
        let (order, timeout, install) = if self.is_of_network() {
            // Whoever comes first waits for the server; nothing else does.
            let order = "DefaultDependencies=no\nAfter=network-online.target\nWants=network-online.target\nConflicts=umount.target\nBefore=umount.target\n";
            (order, "TimeoutSec=30\n", "")
        } else if self.after.is_empty() {
            ("", "", "\n[Install]\nWantedBy=multi-user.target\n")
        } else {
            // Not before local-fs.target, as others: what it comes after may need the network, and nobody could log in until then.
            let order = "DefaultDependencies=no\nConflicts=umount.target\nBefore=umount.target\n";
            (order, "", "\n[Install]\nWantedBy=multi-user.target\n")
        };
        let text = format!(
            "[Unit]\nDescription=Mount {at}\n{order}{after}\n[Mount]\nWhat={what}\nWhere={at}\nType={}\nOptions={}\n{timeout}{install}",
            self.kind,
            self.options()
        );
        Text::of_root(path, text)
    }

    /// What mounts a network's filesystem when it is first asked for, and again if that failed: a mount unit alone tries once, and
    /// after a power cut its server may take longer to come up.
    fn automount(&self) -> Option<Text<'_>> {
        self.is_of_network().then(|| {
            let at = self.path.as_str().replace('%', "%%");
            let text = format!(
                "[Unit]\nDescription=Mount {at} when it is asked for\nDefaultDependencies=no\nConflicts=umount.target\nBefore=umount.target\n\n\
                 [Automount]\nWhere={at}\n\n[Install]\nWantedBy=multi-user.target\n"
            );
            Text::of_root(Path::below("/etc/systemd/system", self.starter()), text)
        })
    }

    /// The unit that is enabled.
    fn starter(&self) -> String {
        let mount = UnitName::of_mount(&self.path);
        let stem = mount.as_str().trim_end_matches(".mount");
        if self.is_of_network() { format!("{stem}.automount") } else { mount.to_string() }
    }

    fn line(&self) -> String {
        format!(
            "{} {} {} {} 0 0",
            encoded(self.source.as_str()),
            encoded(self.path.as_str()),
            self.kind,
            self.options()
        )
    }
}

impl Kind for Mount {
    fn subject(&self) -> String {
        self.path.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&MOUNTS, &["all"]);
        asks.ask(&SOURCE, &[self.source.as_str()]);
        asks.ask(&BELOW, &[self.path.as_str()]);
        if self.by == By::Unit {
            self.unit().ask(asks);
            if let Some(automount) = self.automount() {
                automount.ask(asks);
            }
        }
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let text = known!(seen.get(&MOUNTS, &["all"])).text();
        let (mounted, fstab) = text.split_once("\n--\n").unwrap_or((text.as_str(), ""));
        let mut difference = match self.by {
            By::Unit => {
                let mut difference = known!(self.unit().compare(seen));
                if let Some(automount) = self.automount() {
                    difference.take_in("automount.", known!(automount.compare(seen)).properties);
                }
                difference
            }
            By::Fstab => {
                let mut difference = Difference::default();
                let mine = |line: &&str| {
                    line.split_ascii_whitespace().nth(1).map(decoded).as_deref() == Some(self.path.as_str())
                };
                let is = fstab.lines().filter(|line| !line.trim_start().starts_with('#')).find(mine);
                if is != Some(&self.line()) {
                    difference.missing = is.is_none();
                    difference.add("fstab", is.map(Into::into), Some(self.line().into()));
                }
                difference
            }
        };
        // The last one at a place is the one that is seen.
        let mut is = mounted.lines().filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let mut before = before.split(' ').skip(4);
            let (at, options) = (decoded(before.next()?), before.next()?.to_owned());
            let mut after = after.split(' ');
            // Below a network's filesystem lies what mounts it when it is asked for.
            (at == self.path.as_str() && !after.clone().any(|word| word == "autofs")).then(|| Mounted {
                kind: after.next().unwrap_or("").to_owned(),
                source: decoded(after.next().unwrap_or("")),
                options,
            })
        });
        match is.next_back() {
            None if known!(seen.get(&BELOW, &[self.path.as_str()])).is_yes() => {
                return Judgement::Refused {
                    cause: format!(
                        "nothing is mounted at {}, and there are files in it that a mount would hide",
                        self.path
                    ),
                    hint: "move them away, or name another place".to_owned(),
                };
            }
            None => difference.add("mounted", Some(false.into()), Some(true.into())),
            Some(is) => {
                difference.missing = false;
                // nfs4 is what the kernel calls an nfs mount of version 4.
                if is.kind != self.kind.as_str() && !(is.kind == "nfs4" && self.kind.as_str() == "nfs") {
                    difference.add("mounted.type", Some(is.kind.into()), Some(self.kind.as_str().into()));
                }
                let real = known!(seen.get(&SOURCE, &[self.source.as_str()])).text();
                if is.source != self.source.as_str() && !real.lines().any(|name| name == is.source) {
                    difference.add("mounted.source", Some(is.source.into()), Some(self.source.as_str().into()));
                }
                let wants_ro = self.options.iter().any(|option| option.as_str() == "ro");
                let is_ro = is.options.split(',').any(|option| option == "ro");
                difference.compare("mounted.readOnly", is_ro, wants_ro);
            }
        }
        difference.judged()
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        let path = self.path.as_str();
        act.call("folder", &[path]);
        match self.by {
            By::Unit => {
                let name = UnitName::of_mount(&self.path);
                self.unit().act(difference, act);
                if let Some(automount) = self.automount() {
                    automount.act(&difference.below("automount."), act);
                }
                // Which makes systemd read its files, too.
                act.run(&["systemctl", "enable", &self.starter()]);
                if !difference
                    .properties
                    .iter()
                    .all(|change| matches!(change.path.as_str(), "mode" | "owner" | "group"))
                {
                    act.script(
                        "started stop \"$1\"\nstarted restart \"$2\"\nstarted start \"$1\"",
                        &[name.as_str(), &self.starter()],
                    );
                }
            }
            By::Fstab => {
                if difference.has("fstab") {
                    act.script(
                        r#"
beside /etc/fstab
: >>/etc/fstab
out=$({ at=$1 line=$2 awk '{ if ($1 !~ /^#/ && $2 == ENVIRON["at"]) next; print } END { print ENVIRON["line"] }' /etc/fstab >"$temporary"; } 2>&1) || fail "/etc/fstab cannot be written: $out"
settle /etc/fstab 0644 root root"#,
                        &[&encoded(path), &self.line()],
                    );
                }
                if difference.properties.iter().any(|change| change.path.starts_with("mounted.")) {
                    act.run(&["umount", "--", path]);
                }
                if difference.properties.iter().any(|change| change.path.starts_with("mounted")) {
                    act.run(&["mount", "-t", self.kind.as_str(), "-o", &self.options(), self.source.as_str(), path]);
                }
            }
        }
    }

    fn after(&self) -> &[UnitName] {
        &self.after
    }

    fn undo(&self) -> Option<Item> {
        if self.by == By::Fstab {
            return None;
        }
        let file = self.unit().path;
        let (name, path) = (UnitName::of_mount(&self.path), shell(file.as_str()));
        let starter = shell(&self.starter());
        let automount =
            self.automount().map_or(String::new(), |automount| format!(" {}", shell(automount.path.as_str())));
        let script = format!(
            "systemctl disable --now {starter} {}; rm -f {path}{automount}; systemctl daemon-reload",
            shell(name.as_str())
        );
        Command::removal(format!("unmount {}", self.path), script, file.as_str()).map(Item::Command)
    }

    fn impact(&self, difference: &Difference) -> Impact {
        if difference.properties.iter().any(|change| change.path.starts_with("mounted.")) {
            Impact::InterruptsTraffic
        } else {
            Impact::InPlace
        }
    }
}
