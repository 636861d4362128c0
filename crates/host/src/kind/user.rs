//! Users and groups (passwd(5), group(5)). Passwords are not incline's.
use super::{Difference, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{Account, Path};
use serde::{Deserialize, Serialize};

/// The lines of users and groups, asked once; where names come from elsewhere too, by getent.
const ACCOUNTS: Topic = Topic {
    name: "accounts",
    program: r#"
if has getent; then emit accounts 0 0 "$($T getent passwd)$NL--$NL$($T getent group)"
else emit accounts 0 0 "$(cat /etc/passwd)$NL--$NL$(cat /etc/group)"; fi"#,
    split: None,
    aside: false,
};

/// The fields of a user's or a group's line.
fn line(seen: &Answers, groups: bool, name: &str) -> Result<Option<Vec<String>>, String> {
    let text = seen.get(&ACCOUNTS, &["all"])?.text();
    let (users, all_groups) = text.split_once("\n--\n").ok_or("the host did not list its users")?;
    let lines = if groups { all_groups } else { users };
    let found = lines.lines().find(|line| line.split(':').next() == Some(name));
    Ok(found.map(|line| line.split(':').map(ToOwned::to_owned).collect()))
}

fn field(line: &[String], at: usize) -> &str {
    line.get(at).map_or("", String::as_str)
}

/// A group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Group {
    /// Its name.
    pub name: Account,
    /// Its number; without it, any will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
}

impl Kind for Group {
    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&ACCOUNTS, &["all"]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = Difference::default();
        match (known!(line(seen, true, self.name.as_str())), self.gid) {
            (None, gid) => {
                difference.missing = true;
                difference.add("gid", None, Some(gid.map_or("any".into(), |gid| gid.to_string().into())));
            }
            (Some(line), Some(gid)) => difference.compare("gid", field(&line, 2), gid.to_string()),
            (Some(_), None) => {}
        }
        difference.judged()
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        let gid = self.gid.map(|gid| gid.to_string()).unwrap_or_default();
        let verb = if difference.missing { "add" } else { "" };
        act.script(
            r#"
if [ -z "$3" ]; then run groupmod -g "$2" "$1"
elif has groupadd; then run groupadd --system ${2:+-g "$2"} "$1"
else
  # A bare busybox: the line that groupadd would write, with the first number below 1000 that is free.
  beside /etc/group
  { cat /etc/group && name=$1 id=$2 awk -F: '{ used[$3] = 1 } END { id = ENVIRON["id"]; if (id == "") for (id = 999; id in used; id--); print ENVIRON["name"] ":x:" id ":" }' /etc/group; } >"$temporary" || fail "/etc/group cannot be written"
  settle /etc/group 0644 root root
fi"#,
            &[self.name.as_str(), &gid, verb],
        );
    }
}

/// A user, who cannot log in with a password.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct User {
    /// The name.
    pub name: Account,
    /// The number; without it, any will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The main group. Default: one of the user's name, which must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Account>,
    /// Further groups that the user must be in; in which others the user is, is left as it is.
    #[serde(default)]
    pub groups: Vec<Account>,
    /// The home folder, which is not made. Default: `/nonexistent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<Path>,
    /// The login shell. Default: `/usr/sbin/nologin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Path>,
}

impl User {
    fn main_group(&self) -> &Account {
        self.group.as_ref().unwrap_or(&self.name)
    }

    fn home(&self) -> &str {
        self.home.as_ref().map_or("/nonexistent", Path::as_str)
    }

    fn shell(&self) -> &str {
        self.shell.as_ref().map_or("/usr/sbin/nologin", Path::as_str)
    }
}

impl Kind for User {
    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&ACCOUNTS, &["all"]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = Difference::default();
        let group = known!(line(seen, true, self.main_group().as_str()));
        match known!(line(seen, false, self.name.as_str())) {
            None => {
                difference.missing = true;
                difference.add("uid", None, Some(self.uid.map_or("any".into(), |uid| uid.to_string().into())));
            }
            Some(line) => {
                if let Some(uid) = self.uid {
                    difference.compare("uid", field(&line, 2), uid.to_string());
                }
                let gid = group.as_ref().map_or("", |group| field(group, 2));
                if field(&line, 3) != gid {
                    difference.add("group", Some(field(&line, 3).into()), Some(self.main_group().as_str().into()));
                }
                difference.compare("home", field(&line, 5), self.home());
                difference.compare("shell", field(&line, 6), self.shell());
            }
        }
        for wished in &self.groups {
            let members =
                known!(line(seen, true, wished.as_str())).map(|line| field(&line, 3).to_owned()).unwrap_or_default();
            if !members.split(',').any(|member| member == self.name.as_str()) {
                difference.add(&format!("groups.{wished}"), Some("not in it".into()), Some("in it".into()));
            }
        }
        difference.judged()
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        let uid = self.uid.map(|uid| uid.to_string()).unwrap_or_default();
        let name = self.name.as_str();
        if difference.missing {
            act.script(
                r#"
if has useradd; then run useradd --system --no-create-home ${2:+-u "$2"} -g "$3" -d "$4" -s "$5" "$1"
else
  beside /etc/passwd
  gid=$(group=$3 awk -F: '$1 == ENVIRON["group"] { print $3 }' /etc/group)
  if [ -z "$gid" ]; then fail "there is no group $3"; fi
  { cat /etc/passwd && name=$1 id=$2 gid=$gid home=$4 shell=$5 awk -F: '{ used[$3] = 1 } END { id = ENVIRON["id"]; if (id == "") for (id = 999; id in used; id--); print ENVIRON["name"] ":x:" id ":" ENVIRON["gid"] "::" ENVIRON["home"] ":" ENVIRON["shell"] }' /etc/passwd; } >"$temporary" || fail "/etc/passwd cannot be written"
  settle /etc/passwd 0644 root root
fi"#,
                &[name, &uid, self.main_group().as_str(), self.home(), self.shell()],
            );
        } else {
            for (property, flag, value) in [
                ("uid", "-u", uid.as_str()),
                ("group", "-g", self.main_group().as_str()),
                ("home", "-d", self.home()),
                ("shell", "-s", self.shell()),
            ] {
                if difference.has(property) {
                    act.run(&["usermod", flag, value, name]);
                }
            }
        }
        for wished in self.groups.iter().filter(|wished| difference.has(&format!("groups.{wished}"))) {
            act.script(
                r#"
if has usermod; then run usermod -a -G "$2" "$1"
else
  beside /etc/group
  name=$1 group=$2 awk -F: -v OFS=: '$1 == ENVIRON["group"] { $4 = $4 == "" ? ENVIRON["name"] : $4 "," ENVIRON["name"] } { print }' /etc/group >"$temporary" || fail "/etc/group cannot be written"
  settle /etc/group 0644 root root
fi"#,
                &[name, wished.as_str()],
            );
        }
    }
}
