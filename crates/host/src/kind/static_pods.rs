//! The static pods of a control-plane host: what kubeadm would make of its configuration, beside what the kubelet runs
//! (<https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-reconfigure/>).
use super::{Difference, Judgement, Kind, known, would};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use incline_model::plan::Impact;
use serde::{Deserialize, Serialize};

/// What kubeadm would make, and what is, as [`would::compare`] reads it. Words: the configuration and the
/// patch of the API server as they must be, which the host may not have yet.
const MANIFESTS: Topic = Topic {
    name: "staticpods",
    program: concat!(
        include_str!("../would.sh"),
        r#"
if ! has kubeadm || ! [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ] || [ -e /var/lib/incline/joining ]; then
  emit staticpods "$i" 1 ''
  return
fi
kubeadm_would "$1" "$2" control-plane all
status=$?
is=
if [ "$status" -ne 0 ]; then is=$(sed -n 's/^ *image: .*://p' /etc/kubernetes/manifests/kube-apiserver.yaml); fi
would_beside "$status" "$is" /etc/kubernetes/manifests kube-apiserver.yaml kube-controller-manager.yaml kube-scheduler.yaml
emit staticpods "$i" 0 "$text""#
    ),
    split: None,
    aside: false,
};

/// The static pods of a control-plane host: API server, controller manager and scheduler. etcd's is made when it joins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct StaticPods {
    /// kubeadm's configuration, as it stands in `/etc/incline/kubeadm/init.yaml`.
    pub config: String,
    /// What is merged into the API server's manifest: by it, the server starts again when a file that it reads at its start changes.
    pub patch: String,
}

impl Kind for StaticPods {
    fn subject(&self) -> String {
        "/etc/kubernetes/manifests".to_owned()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&MANIFESTS, &[&self.config, &self.patch]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let answer = known!(seen.get(&MANIFESTS, &[&self.config, &self.patch]));
        // Before kubeadm has been here, it makes them of this very configuration.
        if !answer.is_yes() {
            return Judgement::Same;
        }
        would::compare(answer, &self.config, Difference::default())
    }

    fn act(&self, _: &Difference, act: &mut Act<'_>) {
        act.script(RECONFIGURE, &[]);
    }

    fn impact(&self, _: &Difference) -> Impact {
        Impact::InPlace
    }

    fn stays(&self) -> bool {
        false
    }
}

/// The kubelet starts each pod anew whose manifest changes; the next host's turn comes when this one's API is ready again.
const RECONFIGURE: &str = r#"
# First, for whoever comes after an interruption finds the manifests still to be made.
keep_settings
before=$(sha256sum /etc/kubernetes/manifests/*.yaml)
old=
for name in kube-apiserver kube-controller-manager kube-scheduler; do old="$old $name:$(pidof "$name")"; done
run kubeadm init phase control-plane all --config /etc/incline/kubeadm/init.yaml
for name in kube-apiserver kube-controller-manager kube-scheduler; do
  was=$(printf '%s\n' "$before" | grep "/$name.yaml\$")
  if [ "$was" = "$(sha256sum "/etc/kubernetes/manifests/$name.yaml")" ]; then continue; fi
  tries=0
  while now=$(pidof "$name") || now=; [ -z "$now" ] || case "$old " in *" $name:$now "*) true ;; *) false ;; esac; do
    tries=$((tries + 1))
    if [ "$tries" -ge 180 ]; then fail "$name was not started again within three minutes; crictl logs and the kubelet's journal say why"; fi
    sleep 1
  done
done
api_ready 'it was given its new settings'"#;
