//! The settings of a node's kubelet: what kubeadm would make of its configuration, beside what the kubelet reads
//! (<https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-reconfigure/#reflecting-the-kubelet-changes>).
use super::{Difference, Judgement, Kind, known, would};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use serde::{Deserialize, Serialize};

/// What kubeadm would make, and what is, as [`would::compare`] reads it; no (1) where the host is no whole member of a cluster, and 2
/// where the kubelet was not started again since an interrupted run replaced what it reads. Words: the configuration as it must be.
const SETTINGS: Topic = Topic {
    name: "kubeletsettings",
    program: concat!(
        include_str!("../would.sh"),
        r#"
if ! has kubeadm || [ ! -e /etc/kubernetes/kubelet.conf ] || [ -e /var/lib/incline/joining ]; then
  emit kubeletsettings "$i" 1 ''
  return
fi
kubelet_would "$1"
would_beside $? 'that of another version' /var/lib/kubelet config.yaml kubeadm-flags.env
status=0
if [ -e /var/lib/incline/settings ]; then status=2; fi
emit kubeletsettings "$i" "$status" "$text""#
    ),
    split: None,
    aside: false,
};

/// The settings of a node's kubelet, and the flags that kubeadm gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KubeletSettings {
    /// kubeadm's configuration for this node: an InitConfiguration, a ClusterConfiguration and a KubeletConfiguration.
    pub config: String,
}

impl Kind for KubeletSettings {
    fn subject(&self) -> String {
        "/var/lib/kubelet/config.yaml".to_owned()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&SETTINGS, &[&self.config]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let answer = known!(seen.get(&SETTINGS, &[&self.config]));
        let mut difference = Difference::default();
        match answer.status {
            // What a node joins with is the founder's: it is compared once the host has joined.
            1 => {
                difference.missing = true;
                return Judgement::Differs(difference);
            }
            0 => {}
            _ => difference.add("running", Some("settings that were replaced".into()), Some("these".into())),
        }
        would::compare(answer, &self.config, difference)
    }

    fn act(&self, _: &Difference, act: &mut Act<'_>) {
        act.library(include_str!("../would.sh"));
        act.script(RECONFIGURE, &[&self.config]);
    }

    fn stays(&self) -> bool {
        false
    }
}

/// The kubelet reads its settings when it starts; pods run on meanwhile. What the cluster keeps for those that join comes first, for
/// whoever comes after an interruption finds the node's own still to be made.
const RECONFIGURE: &str = r#"
kubelet_would "$1" || fail "kubeadm cannot say what it would make$NL$out"
changed=
for name in config.yaml kubeadm-flags.env; do
  if [ "$(cat "$would/$name")" != "$(cat "/var/lib/kubelet/$name")" ]; then changed="$changed $name"; fi
done
if [ -n "$changed" ]; then
  if [ -e /etc/kubernetes/admin.conf ]; then keep_settings; fi
  : >/var/lib/incline/settings || fail '/var/lib/incline cannot be written'
  ashore /var/lib/incline/settings /var/lib/incline
  for name in $changed; do
    beside "/var/lib/kubelet/$name"
    # With the old one's owner and mode.
    run cp -p "/var/lib/kubelet/$name" "$temporary"
    cat "$would/$name" >"$temporary" || fail "$temporary cannot be written"
    ashore "$temporary"
    place "/var/lib/kubelet/$name"
  done
  ashore /var/lib/kubelet
fi
rm -rf "$would"
if [ -e /var/lib/incline/settings ]; then
  started restart kubelet.service
  # One that does not take its settings ends at once, and is tried again only after ten seconds.
  sleep 5
  if ! systemctl -q is-active kubelet.service; then
    fail "the kubelet does not run with its settings$NL$(journalctl -u kubelet.service -n 6 -o cat --no-pager)"
  fi
  rm -f /var/lib/incline/settings
  ashore /var/lib/incline
fi"#;
