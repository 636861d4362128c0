//! What lets a host into a cluster: a token of a quarter of an hour, and for the control plane the keys to its certificates.
//! A control-plane host makes it, incline carries it in memory, and takes it back when the host is in.
use crate::frame::Frame;
use crate::kind::{Item, Role};
use crate::prelude::*;
use crate::program::errand;
use crate::secret::Secret;
use incline_model::quote::shell;

/// A ticket. None of it is ever shown.
#[derive(Debug)]
pub struct Ticket {
    parts: BTreeMap<String, Secret>,
}

impl Ticket {
    /// Reads what the host said.
    pub(crate) fn read(frame: &Frame) -> Self {
        let text = String::from_utf8_lossy(&frame.text);
        let parts = text
            .split('\u{1e}')
            .filter_map(|part| part.split_once('='))
            .map(|(key, value)| (key.to_owned(), Secret::new(value.as_bytes().to_vec())))
            .collect();
        Self { parts }
    }

    fn part(&self, name: &str) -> &str {
        self.parts.get(name).and_then(|part| core::str::from_utf8(part.expose()).ok()).unwrap_or_default()
    }

    /// The part of the token that is no secret, by which it is taken back.
    fn id(&self) -> &str {
        self.part("token").split('.').next().unwrap_or_default()
    }

    /// The configuration that encrypts what lies in etcd, as every API server of the cluster must have it.
    pub(crate) fn encryption(&self) -> &str {
        self.part("encryption")
    }

    /// A kubeconfig that says where the cluster is and who vouches for it.
    pub(crate) fn discovery(&self, api: &str) -> String {
        let (ca, token) = (self.part("ca"), self.part("token"));
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: cluster\n  cluster:\n    server: https://{api}\n    certificate-authority-data: {ca}\n\
             contexts:\n- name: discovery\n  context: {{cluster: cluster, user: ticket}}\ncurrent-context: discovery\n\
             users:\n- name: ticket\n  user: {{token: {token}}}\n"
        )
    }

    /// Puts the ticket's own values into a JoinConfiguration.
    pub(crate) fn fill(&self, text: &str) -> String {
        text.replace("@TOKEN@", self.part("token")).replace("@CERTIFICATE_KEY@", self.part("key"))
    }
}

/// Who lets a host in, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrance {
    /// The node's name.
    pub name: String,
    /// The control-plane hosts that may let it in, in the order in which they are asked.
    pub by: Vec<String>,
    role: Role,
}

impl Entrance {
    /// How an item enters a cluster, if it is one that joins.
    pub(crate) fn of(item: &Item) -> Option<Self> {
        let Item::Node(node) = item else { return None };
        (!node.by.is_empty()).then(|| Self { name: node.name.to_string(), by: node.by.clone(), role: node.role })
    }

    /// The program by which a control-plane host makes the ticket. A node and an etcd member of the same name are what an
    /// earlier life of the host left: they go, or etcd would refuse the new one.
    pub fn program(&self, nonce: &str, who: &str) -> String {
        let role = self.role.state();
        errand(nonce, who, &format!("set -- {} {role}\n{}\n", shell(&self.name), MAKE.trim()))
    }
}

impl Ticket {
    /// The program by which a control-plane host takes the ticket back.
    pub fn back(&self, nonce: &str, who: &str) -> String {
        errand(nonce, who, &format!("set -- {}\n{}\n", shell(self.id()), TAKE_BACK.trim()))
    }
}

const MAKE: &str = r#"
export KUBECONFIG=/etc/kubernetes/admin.conf
if [ -e /var/lib/incline/joining ] || [ ! -e "$KUBECONFIG" ]; then fail 'it is no member of the control plane itself'; fi
pki=/etc/kubernetes/pki
key=
encryption=
if [ "$2" = control-plane ]; then
  forget "$1"
  key=$(dd if=/dev/urandom bs=32 count=1 iflag=fullblock | od -An -v -tx1 | tr -d ' \n')
  # Only builtins touch the key: what a process is given as words, everyone on the host can read.
  out=$(while IFS= read -r line; do
    printf '%s\n' "$line"
    if [ "$line" = 'kind: InitConfiguration' ]; then printf 'certificateKey: %s\n' "$key"; fi
  done </etc/incline/kubeadm/init.yaml | kubeadm init phase upload-certs --upload-certs --skip-certificate-key-print --config /dev/stdin 2>&1 3<&-) || fail "the certificates cannot be lent$NL$out"
  encryption=$(cat /etc/kubernetes/encryption.yaml)
fi
run kubectl delete node "$1" --ignore-not-found
token=$(kubeadm token create --ttl 15m --description "incline lets $1 in" 2>&1 3<&-) || fail "no token can be made$NL$token"
# Its warnings come first.
token=${token##*"$NL"}
ca=$(base64 <"$pki/ca.crt" | tr -d '\n')
separator=$(printf '\036')
emit ticket 0 0 "token=$token${separator}ca=$ca${separator}key=$key${separator}encryption=$encryption$NL"
emit end 0 0 ''"#;

const TAKE_BACK: &str = r#"
export KUBECONFIG=/etc/kubernetes/admin.conf
# With the certificates that it lends, kubeadm leaves a token that ends them after two hours, and is good for nothing else.
revoke 'Proxy for managing TTL'
kubeadm token delete "$1" >/dev/null
kubectl --namespace kube-system delete secret kubeadm-certs --ignore-not-found >/dev/null
emit end 0 0 ''"#;
