//! What runs on a node and no other item compares: further static pods, etcd's manifest, the cluster's authority, and
//! how etcd is
//! encrypted. incline makes none of it anew: etcd's data, the authority and the encryption key are the cluster itself.
use super::{Judgement, Kind, Role, known};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::kind::Difference;
use crate::prelude::*;
use crate::secret::Secrets;
use incline_model::plan::PropertyChange;
use serde::{Deserialize, Serialize};

/// Set apart by a record separator: the static pods; digests of the authorities' certificates; how many keys encrypt
/// etcd and the
/// rest of that configuration; kubeadm's version, its status, and etcd's manifest as it would be and as it is. No key
/// is told.
/// No (1) where the host is no whole member of a cluster. Words: role, kubeadm's configuration.
const FILES: Topic = Topic {
    name: "clusterfiles",
    program: concat!(
        include_str!("../would.sh"),
        r#"
cd /etc/kubernetes || { emit clusterfiles "$i" 1 ''; return; }
if [ ! -e kubelet.conf ] || [ -e /var/lib/incline/joining ]; then emit clusterfiles "$i" 1 ''; return; fi
separator=$(printf '\036')
all=$(ls -1 manifests)$separator
for file in pki/ca.crt kubelet.conf admin.conf controller-manager.conf scheduler.conf; do
  case $file in
  *.crt) pem=$(cat "$file") ;;
  *) pem=$(sed -n 's/^ *certificate-authority-data: //p' "$file" | base64 -d) ;;
  esac
  if [ -n "$pem" ]; then
    sum=$(printf '%s\n' "$pem" | sed '/^-----/d' | tr -d ' \n' | sha256sum)
    all="$all$file ${sum%% *}$NL"
  fi
done
all=$all$separator
if [ "$1" = controlPlane ]; then
  all="$all$(grep -c '^ *secret: ' encryption.yaml)$NL$(sed -e '/^ *- name: /d' -e '/^ *secret: /d' encryption.yaml)$separator"
  # While a node is upgraded, its etcd may be of either version.
  if [ ! -e /var/lib/incline/upgrading ] && has kubeadm && [ "$(kubelet --version)" = "Kubernetes $(kubeadm version -o short)" ]; then
    kubeadm_would "$2" '' etcd local
    status=$?
    all="$all$(kubeadm version -o short) $status$separator"
    if [ "$status" -eq 0 ]; then
      all="$all$(cat "$would/etcd.yaml")$separator$(cat manifests/etcd.yaml)"
    else
      all="$all$out"
    fi
    rm -rf "$would"
  fi
fi
cd /
emit clusterfiles "$i" 0 "$all""#
    ),
    split: None,
    aside: false,
};

/// What a member's encryption configuration is but for its keys, as the host that founds a cluster makes it.
const ENCRYPTION: &str = "apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets, configmaps]
  providers:
  - secretbox:
      keys:
  - identity: {}";

/// The static pods of a member of the control plane; a worker has none.
const PODS: [&str; 4] = ["etcd.yaml", "kube-apiserver.yaml", "kube-controller-manager.yaml", "kube-scheduler.yaml"];

/// What runs on a node beside what other items compare.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClusterFiles {
    /// What the node is.
    pub role: Role,
    /// kubeadm's configuration, by which it would make etcd's manifest.
    pub config: String,
    /// Further static pods that may run, by the names of their files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<String>,
}

impl ClusterFiles {
    fn words(&self) -> [&str; 2] {
        [if self.role == Role::ControlPlane { "controlPlane" } else { "worker" }, &self.config]
    }

    fn pods(&self, listed: &str, found: &mut Vec<PropertyChange>) {
        let own: &[&str] = if self.role == Role::ControlPlane { &PODS } else { &[] };
        let is_known = |name: &&str| own.contains(name) || self.pods.iter().any(|one| one == name);
        for name in listed.lines().filter(|name| !name.is_empty() && !is_known(name)) {
            found.push(PropertyChange::in_place(format!("static pod {name}"), Some("runs".into()), None));
        }
        for name in own.iter().filter(|name| listed.lines().all(|line| line != **name)) {
            found.push(PropertyChange::in_place(format!("static pod {name}"), None, Some("runs".into())));
        }
    }

    /// How etcd's manifest differs: the lines of the members that etcd began with are of the day on which it joined.
    fn etcd(&self, parts: &[&str], found: &mut Vec<PropertyChange>) -> Result<(), String> {
        let [said, would, rest @ ..] = parts else { return Ok(()) };
        let (version, status) = said.split_once(' ').unwrap_or((said, ""));
        let ([is], "0") = (rest, status) else {
            // A kubeadm of another version takes no such configuration: it is replaced first.
            return match self.config.contains(&format!("kubernetesVersion: \"{version}\"")) {
                true => Err(format!("kubeadm cannot say what it would make of etcd: {}", would.trim())),
                false => Ok(()),
            };
        };
        let lines = |text: &'_ str| -> BTreeSet<String> {
            let own = |line: &&str| !line.trim_start().starts_with("- --initial-cluster");
            text.lines().map(str::trim_end).filter(own).map(ToOwned::to_owned).collect()
        };
        let (would, is) = (lines(would), lines(is));
        for (some, others, is_there) in [(&is, &would, true), (&would, &is, false)] {
            for line in some.difference(others) {
                let line = Some(line.trim().into());
                let (before, after) = if is_there { (line, None) } else { (None, line) };
                found.push(PropertyChange::in_place("etcd.yaml", before, after));
            }
        }
        Ok(())
    }
}

/// The authority that a node trusts is the same in all of its files.
fn authority(listed: &str, found: &mut Vec<PropertyChange>) {
    let sums: Vec<(&str, &str)> = listed.lines().filter_map(|line| line.split_once(' ')).collect();
    let Some((_, expected)) = sums.iter().find(|(file, _)| *file == "kubelet.conf") else { return };
    for (file, sum) in sums.iter().filter(|(_, sum)| sum != expected) {
        let shown = |sum: &str| format!("sha256:{}", sum.get(..12).unwrap_or(sum));
        let (before, after) = (Some(shown(sum).into()), Some(shown(expected).into()));
        found.push(PropertyChange::in_place(format!("authority in {file}"), before, after));
    }
}

fn encryption(told: &str, found: &mut Vec<PropertyChange>) {
    let (keys, rest) = told.split_once('\n').unwrap_or((told, ""));
    if rest.trim_end() != ENCRYPTION {
        let first = rest.lines().skip_while(|line| line.trim() != "providers:").nth(1).unwrap_or("nothing").trim();
        let first = first.trim_start_matches("- ");
        let (before, after) = (format!("begins with {first}"), "begins with secretbox:, and is as incline made it");
        found.push(PropertyChange::in_place("encryption.yaml", Some(before.into()), Some(after.into())));
    } else if keys.parse() == Ok(0) {
        found.push(PropertyChange::in_place("encryption.yaml", Some("no key".into()), Some("a key".into())));
    }
}

impl Kind for ClusterFiles {
    fn subject(&self) -> String {
        "/etc/kubernetes".to_owned()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&FILES, &self.words());
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let answer = known!(seen.get(&FILES, &self.words()));
        // Before the host is a node, it has none of them.
        if !answer.is_yes() {
            return Judgement::Same;
        }
        let text = answer.text();
        let parts: Vec<&str> = text.trim_end().split('\u{1e}').collect();
        let [pods, authorities, more @ ..] = parts.as_slice() else {
            return Judgement::Unknown("the host said something unexpected of /etc/kubernetes".to_owned());
        };
        let mut found = Vec::new();
        self.pods(pods, &mut found);
        authority(authorities, &mut found);
        if let (Role::ControlPlane, [told, etcd @ ..]) = (self.role, more) {
            encryption(told, &mut found);
            if let Err(why) = self.etcd(etcd, &mut found) {
                // What was found is told before what is not known.
                return if found.is_empty() { Judgement::Unknown(why) } else { Judgement::Beyond(found) };
            }
        }
        if found.is_empty() { Judgement::Same } else { Judgement::Beyond(found) }
    }

    fn act(&self, _: &Difference, _: &mut Act<'_>) {}

    fn stays(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::Answer;

    const CONFIG: &str = "kubernetesVersion: \"v1.36.3\"";
    const ETCD: &str = "    - etcd\n    - --initial-cluster=a=https://10.0.0.1:2380\n    - --client-cert-auth=true";

    fn judged(role: Role, told: &[&str]) -> Judgement {
        let item = ClusterFiles { role, config: CONFIG.to_owned(), pods: Vec::new() };
        let words = item.words().map(ToOwned::to_owned).to_vec();
        let mut seen = Answers::default();
        seen.answers.insert((FILES.name, words), Answer::yes(told.join("\u{1e}")));
        item.judge(&seen, &Secrets::new())
    }

    fn member(pods: &str, authorities: &str, encryption: &str, etcd: &str) -> Judgement {
        let joined = ETCD.replace("a=https", "b=https://10.0.0.2:2380,a=https");
        assert_ne!(joined, ETCD);
        let etcd = if etcd.is_empty() { joined.as_str() } else { etcd };
        judged(Role::ControlPlane, &[pods, authorities, encryption, "v1.36.3 0", ETCD, etcd])
    }

    fn found(judgement: Judgement) -> Vec<String> {
        let Judgement::Beyond(changes) = judgement else { panic!("{judgement:?}") };
        changes.into_iter().map(|change| change.path).collect()
    }

    #[test]
    fn a_sound_member_and_a_sound_worker_are_as_they_must_be() {
        let pods = PODS.join("\n");
        let encryption = format!("1\n{ENCRYPTION}");
        let authorities = "pki/ca.crt aa\nkubelet.conf aa\nadmin.conf aa\n";
        assert_eq!(member(&pods, authorities, &encryption, ""), Judgement::Same);
        assert_eq!(judged(Role::Worker, &["", "pki/ca.crt aa\nkubelet.conf aa\n", ""]), Judgement::Same);
        // Of a version that its kubeadm does not know, nothing is said.
        let other = [pods.as_str(), authorities, &encryption, "v1.35.9 1", "no such version"];
        assert_eq!(judged(Role::ControlPlane, &other), Judgement::Same);
        let same = [pods.as_str(), authorities, &encryption, "v1.36.3 1", "no space"];
        assert!(matches!(judged(Role::ControlPlane, &same), Judgement::Unknown(_)));
    }

    #[test]
    fn what_somebody_planted_is_found_and_left_where_it_is() {
        let pods = PODS.join("\n");
        let encryption = format!("1\n{ENCRYPTION}");
        let authorities = "pki/ca.crt aa\nkubelet.conf aa\n";
        let planted = format!("{pods}\nshell.yaml");
        assert_eq!(found(member(&planted, authorities, &encryption, "")), ["static pod shell.yaml"]);
        assert_eq!(found(judged(Role::Worker, &["shell.yaml", authorities, ""])), ["static pod shell.yaml"]);
        let foreign = authorities.replace("pki/ca.crt aa", "pki/ca.crt bb");
        assert_eq!(found(member(&pods, &foreign, &encryption, "")), ["authority in pki/ca.crt"]);
        let open = encryption
            .replace("  - secretbox:\n      keys:\n  - identity: {}", "  - identity: {}\n  - secretbox:\n      keys:");
        assert_eq!(found(member(&pods, authorities, &open, "")), ["encryption.yaml"]);
        let strangers = ETCD.replace("client-cert-auth=true", "client-cert-auth=false");
        assert_eq!(found(member(&pods, authorities, &encryption, &strangers)), ["etcd.yaml", "etcd.yaml"]);
    }
}
