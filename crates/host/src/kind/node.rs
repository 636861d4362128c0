//! A node of a Kubernetes cluster, made by kubeadm: founded, or joined with a ticket that a control-plane host makes for one
//! apply (<https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/high-availability/>).
use super::{Command, Difference, Item, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answer, Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use crate::words::{FileName, Mode, Path, Word, root};
use incline_model::plan::Impact;
use serde::{Deserialize, Serialize};

/// What the host is in a cluster: `none`, `half` (kubeadm was interrupted), `worker` or `control-plane`; and the API that it
/// belongs to.
pub(super) const NODE: Topic = Topic {
    name: "node",
    program: r#"
state=none
server=
if [ -e /etc/kubernetes/kubelet.conf ]; then
  state=worker
  config=/etc/kubernetes/kubelet.conf
  # There the kubelet asks the API server beside it.
  # In the midst of a restore, its manifests stand aside.
  if [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ] || [ -e /etc/kubernetes/restoring ]; then state=control-plane config=/etc/kubernetes/admin.conf; fi
  server=$(sed -n 's/^ *server: //p' "$config")
fi
if [ -e /var/lib/incline/joining ]; then state=half; fi
emit node "$i" 0 "$state $server""#,
    split: None,
    aside: false,
};

/// Whether an answer says that kubeadm was never at work on the host.
pub(super) fn is_none(answer: &Answer) -> bool {
    answer.text().split(' ').next() == Some("none")
}

/// A node of a Kubernetes cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Node {
    /// Its name.
    pub name: FileName,
    /// What it is in the cluster.
    pub role: Role,
    /// The API's name and port: `api.example:6443`.
    pub api: Word,
    /// The control-plane hosts that may let it in, in the order in which they are asked. Who has none founds the cluster.
    #[serde(default)]
    pub by: Vec<String>,
    /// kubeadm's JoinConfiguration, with `@TOKEN@` and `@CERTIFICATE_KEY@` where those of the ticket go.
    #[serde(default)]
    pub join: String,
}

/// What a node is in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// It runs the API and etcd.
    ControlPlane,
    /// It runs workloads.
    Worker,
}

impl Role {
    /// As it is told and asked.
    pub(crate) fn state(self) -> &'static str {
        match self {
            Self::ControlPlane => "control-plane",
            Self::Worker => "worker",
        }
    }
}

impl Node {
    /// Whether the host is a whole member of its cluster.
    pub(crate) fn is_member(&self, seen: &Answers) -> Result<bool, String> {
        let answer = seen.get(&NODE, &[])?.text();
        Ok(answer.split(' ').next() == Some(self.role.state()))
    }
}

impl Kind for Node {
    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&NODE, &[]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let answer = known!(seen.get(&NODE, &[])).text();
        let (state, server) = answer.trim_end().split_once(' ').unwrap_or((answer.trim_end(), ""));
        let refused = |cause: String, hint: &str| Judgement::Refused { cause, hint: hint.to_owned() };
        let wished = self.role.state();
        let how = if self.by.is_empty() { "founds the cluster" } else { "joins the cluster" };
        let mut difference = Difference::default();
        match state {
            "none" => {
                difference.missing = true;
                difference.add("member", None, Some(format!("{wished}, {how}").into()));
            }
            // Nothing was built on it yet: what an interrupted kubeadm left is thrown away.
            "half" => difference.add(
                "member",
                Some("half a member, left by an interrupted run".into()),
                Some(format!("reset, then {wished}, {how}").into()),
            ),
            _ if server != format!("https://{}", self.api) => {
                return refused(
                    format!("it is a node of another cluster: {server}"),
                    "if nobody needs that any more, run `kubeadm reset` on it by hand, or name another host",
                );
            }
            _ if state != wished => {
                return refused(
                    format!("it is a {state} node, and would be a {wished} one"),
                    "a node does not change its role: take it out of the inventory, apply, and run `kubeadm reset` on it",
                );
            }
            _ => {}
        }
        difference.judged()
    }

    fn act(&self, difference: &Difference, act: &mut Act<'_>) {
        if !difference.missing {
            // kubeadm takes this host's etcd member along, if the cluster has one of it.
            act.script("run kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock", &[]);
        }
        act.script(
            r#"
run mkdir -p /var/lib/incline /etc/kubernetes
: >/var/lib/incline/joining || fail '/var/lib/incline cannot be written'
ashore /var/lib/incline/joining /var/lib/incline"#,
            &[],
        );
        match act.ticket {
            _ if self.by.is_empty() => act.script(FOUND, &[]),
            Some(ticket) => {
                let private = |act: &mut Act<'_>, path: &str, text: String| {
                    if let Ok(path) = Path::try_from(path.to_owned()) {
                        act.put_private(&path, Mode(0o600), &root(), &root(), crate::Secret::new(text.into_bytes()));
                    }
                };
                act.script("run mkdir -p /run/incline", &[]);
                if self.role == Role::ControlPlane {
                    private(act, "/etc/kubernetes/encryption.yaml", ticket.encryption().to_owned());
                }
                private(act, "/run/incline/discovery.conf", ticket.discovery(self.api.as_str()));
                private(act, "/run/incline/join.yaml", ticket.fill(&self.join));
                act.script(JOIN, &[]);
            }
            None => act.call("fail", &["no control-plane host has let it in"]),
        }
        act.script("rm -f /var/lib/incline/joining\nashore /var/lib/incline", &[]);
    }

    fn undo(&self) -> Option<Item> {
        Command::removal(format!("reset {}", self.name), RESET.to_owned(), "/etc/kubernetes/kubelet.conf")
            .map(Item::Command)
    }

    fn impact(&self, difference: &Difference) -> Impact {
        if difference.missing { Impact::None } else { Impact::InPlace }
    }
}

/// The key that encrypts secrets in etcd is made here, once, and leaves the control plane's hosts only to another of them.
const FOUND: &str = r#"
path=/etc/kubernetes/encryption.yaml
if [ ! -e "$path" ]; then
  beside "$path"
  ready=0600
  key=$(dd if=/dev/urandom bs=32 count=1 iflag=fullblock | base64)
  printf 'apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets, configmaps]\n  providers:\n  - secretbox:\n      keys:\n      - name: key1\n        secret: %s\n  - identity: {}\n' "$key" >"$temporary"
  settle "$path" 0600 root root
fi
kubeadm_or_fail init /etc/incline/kubeadm/init.yaml
# Whoever joins gets a token of its own.
revoke ''"#;

/// What etcd holds on a disk of its own is that disk's matter: kubeadm would empty it, whoever keeps the disk.
const RESET: &str =
    "kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock --skip-phases remove-etcd-member || exit
rm -rf /etc/kubernetes /var/lib/incline/joining /var/lib/incline/upgrading /var/lib/incline/settings || exit
if ! mountpoint -q /var/lib/etcd; then rm -rf /var/lib/etcd; fi";

/// What the ticket gave lies in memory, and goes however it ends.
const JOIN: &str = r#"
trap 'rm -f /run/incline/join.yaml /run/incline/discovery.conf; leave' EXIT
kubeadm_or_fail join /run/incline/join.yaml"#;
