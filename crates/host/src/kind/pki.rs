//! Who may read and write the keys of a node: what kubeadm and incline made below `/etc/kubernetes`
//! (<https://kubernetes.io/docs/setup/best-practices/certificates/>).
use super::{Difference, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::Mode;
use serde::{Deserialize, Serialize};

/// Mode, owner and path of each, links followed; no (1) before the host is a node.
const MODES: Topic = Topic {
    name: "pki",
    program: r#"
if [ ! -e /etc/kubernetes/pki ]; then emit pki "$i" 1 ''; return; fi
if ! has find; then emit pki "$i" 127 find; return; fi
out=$(find -L /etc/kubernetes/pki /etc/kubernetes/encryption.yaml /etc/kubernetes/*.conf -exec stat -L -c '%f %U %n' -- {} +)
if [ -z "$out" ]; then emit pki "$i" 125 'the keys below /etc/kubernetes cannot be listed'; return; fi
emit pki "$i" 0 "$out""#,
    split: None,
    aside: false,
};

/// The keys of a node are root's, read by root alone, and no certificate is anybody's to replace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Pki {}

/// Whether only root may read a path.
fn is_secret(path: &str) -> bool {
    [".key", ".conf", "/encryption.yaml"].iter().any(|end| path.ends_with(end))
}

impl Kind for Pki {
    fn subject(&self) -> String {
        "keys below /etc/kubernetes".to_owned()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&MODES, &["now"]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let answer = known!(seen.get(&MODES, &["now"]));
        let mut difference = Difference::default();
        if !answer.is_yes() {
            return Judgement::Same;
        }
        for line in answer.text().lines() {
            let mut words = line.splitn(3, ' ');
            let (Some(raw), Some(owner), Some(path)) = (words.next(), words.next(), words.next()) else { continue };
            let Ok(raw) = u32::from_str_radix(raw, 16) else {
                return Judgement::Unknown("stat said something unexpected".to_owned());
            };
            let mode = raw & 0o7777;
            let most = mode & if is_secret(path) { 0o700 } else { 0o755 };
            difference.compare(&format!("{path} mode"), Mode(mode).to_string(), Mode(most).to_string());
            difference.compare(&format!("{path} owner"), owner, "root");
        }
        difference.judged()
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        for change in &difference.properties {
            let must = change.after.as_ref().and_then(|after| after.as_str()).unwrap_or_default();
            match change.path.rsplit_once(' ') {
                Some((path, "owner")) => act.run(&["chown", "--", must, path]),
                Some((path, "mode")) => act.run(&["chmod", "--", must, path]),
                _ => {}
            }
        }
    }

    fn stays(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::Answer;

    fn judged(listed: Option<&str>) -> Judgement {
        let answer = listed.map_or(Answer::no(), Answer::yes);
        let mut seen = Answers::default();
        seen.answers.insert((MODES.name, vec!["now".to_owned()]), answer);
        Pki {}.judge(&seen, &Secrets::new())
    }

    #[test]
    fn a_key_that_others_may_read_and_a_certificate_that_they_may_replace_differ() {
        assert_eq!(judged(None), Judgement::Same);
        let sound = "41ed root /etc/kubernetes/pki\n8180 root /etc/kubernetes/pki/ca.key\n81a4 root /etc/kubernetes/pki/ca.crt\n\
                     8180 root /etc/kubernetes/pki/sa.pub\n8180 root /etc/kubernetes/admin.conf";
        assert_eq!(judged(Some(sound)), Judgement::Same);
        let open = sound.replace("8180 root /etc/kubernetes/pki/ca.key", "81a4 root /etc/kubernetes/pki/ca.key");
        let open = open.replace("81a4 root /etc/kubernetes/pki/ca.crt", "81b6 eve /etc/kubernetes/pki/ca.crt");
        let Judgement::Differs(difference) = judged(Some(&open)) else { panic!("it differs") };
        let found: Vec<String> = difference
            .properties
            .iter()
            .map(|one| format!("{}: {} -> {}", one.path, one.before.clone().unwrap(), one.after.clone().unwrap()))
            .collect();
        assert_eq!(
            found,
            [
                r#"/etc/kubernetes/pki/ca.key mode: "0644" -> "0600""#,
                r#"/etc/kubernetes/pki/ca.crt mode: "0666" -> "0644""#,
                r#"/etc/kubernetes/pki/ca.crt owner: "eve" -> "root""#,
            ]
        );
    }
}
