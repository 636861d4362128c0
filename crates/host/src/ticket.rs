//! What one host needs of another. What lets a host into a cluster: a token of a quarter of an hour, and for the control plane
//! the keys to its certificates; a control-plane host makes it, and takes it back when the host is in. Or a key and a certificate,
//! which the authority's host issues. incline carries it, in memory.
use crate::frame::Frame;
use crate::kind::{Difference, Item, Kubelet, Role};
use crate::prelude::*;
use crate::program::{bare, errand};
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

    /// A part of it, as a file holds it.
    pub(crate) fn file(&self, name: &str) -> Secret {
        Secret::new(format!("{}\n", self.part(name).trim_end()).into_bytes())
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

/// Who gives a host what it needs, and what that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrance {
    /// The hosts that may give it, in the order in which they are asked.
    pub by: Vec<String>,
    errand: Errand,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Errand {
    Join { name: String, role: Role },
    Certificate { folder: String, name: String, address: String },
    Drain { name: String },
}

impl Entrance {
    /// What an item needs of another host, if it does: always, or with such a difference.
    pub(crate) fn of(item: &Item, difference: Option<&Difference>) -> Option<Self> {
        let (by, errand) = match item {
            Item::Node(node) => (&node.by, Errand::Join { name: node.name.to_string(), role: node.role }),
            Item::HostCertificate(certificate) => (
                &certificate.by,
                Errand::Certificate {
                    folder: certificate.folder.to_string(),
                    name: certificate.name.to_string(),
                    address: certificate.address.to_string(),
                },
            ),
            Item::Kubelet(kubelet) if difference.is_some_and(Kubelet::is_upgrade) => {
                (&kubelet.by, Errand::Drain { name: kubelet.node.to_string() })
            }
            _ => return None,
        };
        (!by.is_empty()).then(|| Self { by: by.clone(), errand })
    }

    /// What is needed, for a sentence.
    pub fn what(&self) -> &'static str {
        match self.errand {
            Errand::Join { .. } => "no control-plane host lets it in",
            Errand::Certificate { .. } => "no host issues a certificate to it",
            Errand::Drain { .. } => "it cannot be drained, and takes work as before",
        }
    }

    /// The program by which another host makes the ticket. A node and an etcd member of the same name are what an earlier life
    /// of the host left: they go, or etcd would refuse the new one.
    pub fn program(&self, nonce: &str, who: &str) -> String {
        match &self.errand {
            Errand::Join { name, role } => {
                errand(nonce, who, &format!("set -- {} {}\n{}\n", shell(name), role.state(), MAKE.trim()))
            }
            Errand::Certificate { folder, name, address } => {
                let library = bare(include_str!("authority.sh"));
                let words = format!("set -- {} {} {}", shell(folder), shell(name), shell(address));
                errand(nonce, who, &format!("{library}{words}\n{}\n", ISSUE.trim()))
            }
            Errand::Drain { name } => errand(nonce, who, &format!("set -- {}\n{}\n", shell(name), DRAIN.trim())),
        }
    }
}

impl Ticket {
    /// The program by which the host that made the ticket takes it back, where there is something to take back.
    pub fn back(&self, nonce: &str, who: &str) -> Option<String> {
        let text = || errand(nonce, who, &format!("set -- {}\n{}\n", shell(self.id()), TAKE_BACK.trim()));
        (!self.id().is_empty()).then(text)
    }
}

const ISSUE: &str = r#"
if [ ! -e "$1/authority.key" ]; then fail 'it keeps no authority'; fi
issue "$1" "$2" "$3"
separator=$(printf '\036')
emit ticket 0 0 "key=$key${separator}certificate=$certificate${separator}ca=$ca"
emit end 0 0 ''"#;

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

const DRAIN: &str = r#"
export KUBECONFIG=/etc/kubernetes/admin.conf
if [ ! -e "$KUBECONFIG" ]; then fail 'it is no member of the control plane itself'; fi
drain "$1"
emit ticket 0 0 "drained=$1"
emit end 0 0 ''"#;

const TAKE_BACK: &str = r#"
export KUBECONFIG=/etc/kubernetes/admin.conf
# With the certificates that it lends, kubeadm leaves a token that ends them after two hours, and is good for nothing else.
revoke 'Proxy for managing TTL'
kubeadm token delete "$1" >/dev/null
kubectl --namespace kube-system delete secret kubeadm-certs --ignore-not-found >/dev/null
emit end 0 0 ''"#;
