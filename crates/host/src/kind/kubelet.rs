//! The kubelet of a node: its program, and by it the node's version. On a member of a cluster, another version is an upgrade
//! (<https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-upgrade/>): the node is drained, kubeadm upgrades what it
//! made, the kubelet is replaced, and takes work again once it is ready.
use super::artifact::Artifact;
use super::node::Role;
use super::{Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{FileName, Mode, Path, Word, root};
use incline_model::plan::Impact;
use serde::{Deserialize, Serialize};

/// What runs: `none` where the host is no whole member of a cluster; else the version of the kubelet, and whether its program was
/// replaced since it started, and whether an upgrade was begun.
const RUNNING: Topic = Topic {
    name: "kubelet",
    program: r#"
if [ ! -e /etc/kubernetes/kubelet.conf ] || [ -e /var/lib/incline/joining ]; then
  emit kubelet "$i" 0 none
  return
fi
pid=$(pidof kubelet)
pid=${pid%% *}
program=${pid:+/proc/$pid/exe}
text=$($T "${program:-kubelet}" --version 3<&- 9>&-)
text=${text##* }
case $(readlink "$program") in *' (deleted)') text="$text replaced" ;; esac
if [ -e /var/lib/incline/upgrading ]; then text="$text upgrading"; fi
emit kubelet "$i" 0 "$text""#,
    split: None,
    aside: false,
};

/// The kubelet of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Kubelet {
    /// Its program.
    pub program: Artifact,
    /// The program's version: `v1.36.3`.
    pub version: Word,
    /// The node's name.
    pub node: FileName,
    /// What the node is in the cluster.
    pub role: Role,
    /// Whether the control plane's upgrade begins with this node.
    #[serde(default)]
    pub first: bool,
    /// The control-plane hosts that may drain the node, in the order in which they are asked.
    pub by: Vec<String>,
    /// kubeadm's UpgradeConfiguration.
    pub upgrade: String,
}

/// Major and minor number of a version.
fn minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix('v')?.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// Whether a version comes before another: by its numbers, for text puts 1.9 behind 1.10.
fn is_older(version: &str, than: &str) -> bool {
    let numbers = |version: &str| -> Vec<u32> {
        let numbers = version.trim_start_matches('v').split(|letter: char| !letter.is_ascii_digit());
        numbers.map_while(|number| number.parse().ok()).collect()
    };
    numbers(version) < numbers(than)
}

/// Adds how what runs differs from the version that is wished for.
fn compare(answer: &str, wished: &str, difference: &mut Difference) -> Result<(), Judgement> {
    let words: Vec<&str> = answer.split_whitespace().collect();
    let running = words.first().copied().unwrap_or_default();
    if running == "none" {
        return Ok(());
    }
    let refused = |cause: String, hint: String| Err(Judgement::Refused { cause, hint });
    let (Some(is), Some(must)) = (minor(running), minor(wished)) else {
        return Err(Judgement::Unknown(format!("the kubelet does not say its version: {}", answer.trim_end())));
    };
    if is_older(wished, running) {
        return refused(
            format!("the node runs {running}, and Kubernetes takes no step back to {wished}"),
            "set the version that runs; a snapshot of etcd from before the upgrade leads further back".to_owned(),
        );
    }
    if is.0 != must.0 || must.1 > is.1 + 1 {
        return refused(
            format!("the node runs {running}, and would leave out a minor version on its way to {wished}"),
            format!("one minor version at a time: first {}.{}", is.0, is.1 + 1),
        );
    }
    difference.compare("version", running, wished);
    if words.contains(&"upgrading") {
        difference.add("upgrade", Some("begun by an interrupted run".into()), Some("done, takes work".into()));
    } else if words.contains(&"replaced") && running == wished {
        difference.add("running", Some("a program that was replaced".into()), Some("this one".into()));
    }
    Ok(())
}

impl Kubelet {
    /// Whether a difference is one that only a drained node may be rid of.
    pub(crate) fn is_upgrade(difference: &Difference) -> bool {
        difference.has("version") || difference.has("upgrade")
    }
}

impl Kind for Kubelet {
    fn subject(&self) -> String {
        self.program.subject()
    }

    fn ask(&self, asks: &mut Asks) {
        self.program.ask(asks);
        asks.ask(&RUNNING, &[]);
    }

    fn judge(&self, seen: &Answers, secrets: &Secrets) -> Judgement {
        let mut difference = match self.program.judge(seen, secrets) {
            Judgement::Same => Difference::default(),
            Judgement::Differs(difference) => difference,
            other => return other,
        };
        match compare(&known!(seen.get(&RUNNING, &[])).text(), self.version.as_str(), &mut difference) {
            Ok(()) => difference.judged(),
            Err(judgement) => judgement,
        }
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        let upgrades = Self::is_upgrade(difference);
        if upgrades {
            if let Ok(path) = Path::try_from("/run/incline/upgrade.yaml".to_owned()) {
                act.script(BEGIN, &[]);
                act.put(&path, Mode(0o600), &root(), &root(), self.upgrade.as_bytes());
            }
            act.script(UPGRADE, &[self.role.state(), if self.first { "first" } else { "" }, self.version.as_str()]);
        }
        self.program.act(difference, act);
        // A node that is not one yet has nothing to start.
        act.script("if [ -e /etc/kubernetes/kubelet.conf ] && [ ! -e /var/lib/incline/joining ]; then started restart kubelet.service; fi", &[]);
        if upgrades {
            act.script(TAKES_WORK, &[self.node.as_str(), self.version.as_str()]);
        }
    }

    fn impact(&self, difference: &Difference) -> Impact {
        if Self::is_upgrade(difference) {
            Impact::RollsNodes
        } else if difference.missing {
            Impact::None
        } else {
            Impact::InPlace
        }
    }

    fn rolls(&self, difference: &Difference) -> u16 {
        u16::from(Self::is_upgrade(difference))
    }

    fn undo(&self) -> Option<Item> {
        self.program.undo()
    }
}

/// Whoever comes after an interruption finds it, and ends what was begun.
const BEGIN: &str = r#"
run mkdir -p /run/incline
: >/var/lib/incline/upgrading || fail '/var/lib/incline cannot be written'
ashore /var/lib/incline/upgrading /var/lib/incline"#;

/// kubeadm upgrades what it made here: static pods with their certificates, the kubelet's settings; on the first host what the whole
/// cluster has, too. It takes back what does not come up.
const UPGRADE: &str = r#"
if [ "$1" = control-plane ] && [ "$2" = first ]; then
  keep_settings
  run kubeadm upgrade apply "$3" --yes --config /run/incline/upgrade.yaml
else
  run kubeadm upgrade node --config /run/incline/upgrade.yaml
fi
if [ "$1" = control-plane ]; then
  serves=$("/proc/$(pidof kube-apiserver)/exe" --version)
  serves=${serves##* }
  if [ "$serves" != "$3" ]; then fail "the API server beside it is ${serves:-not there}, and not $3: the control plane's first host comes first"; fi
fi"#;

/// The node takes work again, as its own credentials allow it to say. One that somebody cordoned before stays so.
const TAKES_WORK: &str = r#"
config=/etc/kubernetes/kubelet.conf
tries=0
until is=$(kubectl --kubeconfig "$config" get node "$1" -o 'jsonpath={.status.nodeInfo.kubeletVersion} {.status.conditions[?(@.type=="Ready")].status}' 2>&1) && [ "$is" = "$2 True" ]; do
  tries=$((tries + 1))
  if [ "$tries" -ge 180 ]; then fail "the node is not ready three minutes after its kubelet was started: it is $is, and must be $2 True"; fi
  sleep 1
done
if [ "$(kubectl --kubeconfig "$config" get node "$1" -o 'jsonpath={.metadata.annotations.incline/drained}')" = yes ]; then
  run kubectl --kubeconfig "$config" uncordon "$1"
  run kubectl --kubeconfig "$config" annotate node "$1" incline/drained-
fi
rm -f /var/lib/incline/upgrading /run/incline/upgrade.yaml
ashore /var/lib/incline"#;

#[cfg(test)]
mod tests {
    use super::*;

    /// The properties that differ, or why nothing is done.
    fn judged(answer: &str, wished: &str) -> Result<Vec<String>, String> {
        let mut difference = Difference::default();
        match compare(answer, wished, &mut difference) {
            Ok(()) => Ok(difference.properties.into_iter().map(|change| change.path).collect()),
            Err(Judgement::Refused { cause, hint }) => Err(format!("{cause}; {hint}")),
            Err(_) => Err("unknown".to_owned()),
        }
    }

    #[test]
    fn one_minor_version_at_a_time_and_never_back() {
        let is = |paths: &[&str]| Ok(paths.iter().map(ToString::to_string).collect());
        assert_eq!(judged("none", "v1.36.3"), is(&[]));
        assert_eq!(judged("v1.36.3", "v1.36.3"), is(&[]));
        assert_eq!(judged("v1.36.3", "v1.36.10"), is(&["version"]));
        assert_eq!(judged("v1.9.3", "v1.10.0"), is(&["version"]));
        assert_eq!(judged("v1.36.3 upgrading", "v1.36.3"), is(&["upgrade"]));
        assert_eq!(judged("v1.36.3 replaced", "v1.36.3"), is(&["running"]));
        assert!(judged("v1.34.9", "v1.36.3").is_err_and(|why| why.contains("first 1.35")));
        assert!(judged("v1.36.10", "v1.36.9").is_err_and(|why| why.contains("no step back")));
        assert_eq!(judged("", "v1.36.3"), Err("unknown".to_owned()));
    }
}
