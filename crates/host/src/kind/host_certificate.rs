//! A host's own key and certificate, by which hosts of the site know each other: made by the authority that one of them keeps.
use super::{Command, Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answer, Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{FileName, Mode, Path, Word, root};
use incline_model::quote::shell;
use serde::{Deserialize, Serialize};

/// What a host's certificate is: lines `NAME VALUE`. Words: the folder, and the days that must be left.
const CERTIFICATE: Topic = Topic {
    name: "hostcert",
    program: r#"
if ! has openssl; then emit hostcert "$i" 127 openssl; return; fi
while [ $# -gt 0 ]; do
  if [ ! -e "$1/host.crt" ]; then emit hostcert "$i" 1 ''
  else
    ends=no signed=no fits=no
    openssl x509 -in "$1/host.crt" -noout -checkend $(($2 * 86400)) >/dev/null && openssl x509 -in "$1/ca.crt" -noout -checkend $(($2 * 86400)) >/dev/null || ends=yes
    if openssl verify -no_check_time -CAfile "$1/ca.crt" "$1/host.crt" >/dev/null; then signed=yes; fi
    public=$(openssl x509 -in "$1/host.crt" -noout -pubkey)
    if [ -n "$public" ] && [ "$public" = "$(openssl pkey -in "$1/host.key" -pubout)" ]; then fits=yes; fi
    names=$(openssl x509 -in "$1/host.crt" -noout -ext subjectAltName | sed -n 's/^ *\(DNS:.*\)/\1/p')
    mode=$(stat -c '%a %U' -- "$1/host.key")
    emit hostcert "$i" 0 "ends $ends${NL}signed $signed${NL}fits $fits${NL}names $names${NL}key $mode"
  fi
  shift 2
  i=$((i + 1))
done"#,
    split: None,
    aside: false,
};

/// A host's own key and certificate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HostCertificate {
    /// Where `ca.crt`, `host.crt` and `host.key` lie, and on the authority's own host its key.
    pub folder: Path,
    /// The host's name.
    pub name: FileName,
    /// Its address.
    pub address: Word,
    /// The authority's name.
    pub authority: FileName,
    /// The hosts that may issue it; who has none keeps the authority itself.
    #[serde(default)]
    pub by: Vec<String>,
    /// How many days before it ends it is renewed.
    pub days_before: u16,
}

impl HostCertificate {
    fn question(&self) -> (String, String) {
        (self.folder.to_string(), self.days_before.to_string())
    }
}

impl Kind for HostCertificate {
    fn subject(&self) -> String {
        self.folder.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        let (folder, days) = self.question();
        asks.ask(&CERTIFICATE, &[&folder, &days]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let (folder, days) = self.question();
        let mut difference = Difference::default();
        let answer = known!(seen.get_if_there(&CERTIFICATE, &[&folder, &days]));
        let Some(text) = answer.filter(|answer| answer.is_yes()).map(Answer::text) else {
            difference.missing = true;
            let from = if self.by.is_empty() { "itself".to_owned() } else { self.by.join(" or ") };
            difference.add("certificate", None, Some(format!("issued by {from}").into()));
            return difference.judged();
        };
        let fact =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap_or_default();
        difference.compare("names", fact("names"), format!("DNS:{}, IP Address:{}", self.name, self.address));
        difference.compare("signed by ca.crt", fact("signed"), "yes");
        difference.compare("key fits", fact("fits"), "yes");
        difference.compare("key's mode and owner", fact("key"), "600 root");
        difference.compare(&format!("ends within {days} days"), fact("ends"), "no");
        difference.judged()
    }

    fn undo(&self) -> Option<Item> {
        let files = ["host.crt", "host.key", "ca.crt", "authority.crt", "authority.key"];
        let files: String =
            files.iter().map(|file| format!(" {}", shell(&format!("{}/{file}", self.folder)))).collect();
        let script = format!("rm -f --{files}");
        Command::removal(self.folder.to_string(), script, &format!("{}/host.crt", self.folder)).map(Item::Command)
    }

    fn act(&self, _: &Difference, act: &mut Act<'_>) {
        let folder = self.folder.as_str();
        act.run(&["mkdir", "-p", "--", folder]);
        match act.ticket {
            _ if self.by.is_empty() => {
                act.library(include_str!("../authority.sh"));
                act.call("authority", &[folder, self.authority.as_str()]);
                act.call("issue", &[folder, self.name.as_str(), self.address.as_str()]);
                act.call("keep", &[folder]);
            }
            // The certificate falls last: with it, all is there.
            Some(ticket) => {
                for (part, name, mode) in
                    [("ca", "ca.crt", 0o644), ("key", "host.key", 0o600), ("certificate", "host.crt", 0o644)]
                {
                    if let Ok(path) = Path::try_from(format!("{folder}/{name}")) {
                        act.put_private(&path, Mode(mode), &root(), &root(), ticket.file(part));
                    }
                }
            }
            None => act.call("fail", &["no host has issued it"]),
        }
    }
}
