//! The certificates of a control-plane host, as kubeadm keeps them
//! (<https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/>).
use super::{Difference, Judgement, Kind, known};
use crate::act::Act;
use crate::ask::{Answers, Asks, Topic};
use crate::prelude::*;
use crate::secret::Secrets;
use incline_model::plan::Impact;
use serde::{Deserialize, Serialize};

/// What kubeadm says of its certificates, as JSON.
const CERTIFICATES: Topic = Topic {
    name: "certificates",
    program: r#"
if ! has kubeadm || ! [ -e /etc/kubernetes/pki/apiserver.crt ]; then emit certificates "$i" 127 kubeadm; return; fi
# By the configuration that it has anyway: the cluster need not answer for this.
out=$($T kubeadm certs check-expiration --config /etc/incline/kubeadm/init.yaml --output json 2>/dev/null 3<&- 9>&-)
status=$?
case $status in 0 | 124) ;; *) status=125 out='kubeadm cannot read them' ;; esac
emit certificates "$i" "$status" "$out""#,
    split: None,
    aside: false,
};

/// What is read of kubeadm's answer.
#[derive(Deserialize)]
struct Expiration {
    certificates: Vec<Certificate>,
    #[serde(rename = "certificateAuthorities", default)]
    authorities: Vec<Certificate>,
}

#[derive(Deserialize)]
struct Certificate {
    name: String,
    /// Seconds until it expires.
    #[serde(rename = "residualTime")]
    left: i64,
    #[serde(default)]
    missing: bool,
}

const DAY: i64 = 24 * 60 * 60;

/// The certificates of a control-plane host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Certificates {
    /// How many days before they expire they are renewed.
    pub days_before: u16,
}

impl Kind for Certificates {
    fn subject(&self) -> String {
        "/etc/kubernetes/pki".to_owned()
    }

    fn ask(&self, asks: &mut Asks) {
        asks.ask(&CERTIFICATES, &[]);
    }

    fn judge(&self, seen: &Answers, _: &Secrets) -> Judgement {
        let mut difference = Difference::default();
        // Before the host is a member it has none, and kubeadm makes fresh ones.
        let Some(answer) = known!(seen.get_if_there(&CERTIFICATES, &[])) else { return Judgement::Same };
        let expiration: Expiration = match serde_json::from_str(&answer.text()) {
            Ok(expiration) => expiration,
            Err(error) => {
                return Judgement::Unknown(format!("what kubeadm says of its certificates is not read: {error}"));
            }
        };
        let limit = i64::from(self.days_before) * DAY;
        if let Some(authority) = expiration.authorities.iter().find(|authority| authority.left < limit) {
            return Judgement::Refused {
                cause: format!("the authority {} expires in {} days", authority.name, authority.left / DAY),
                hint: "a new authority is made by hand, with every kubeconfig of the cluster".to_owned(),
            };
        }
        // The founder alone has the last.
        let wanting = |one: &&Certificate| one.left < limit && !(one.missing && one.name == "super-admin.conf");
        for certificate in expiration.certificates.iter().filter(wanting) {
            let how = if certificate.missing {
                "missing".to_owned()
            } else {
                format!("expires in {} days", certificate.left / DAY)
            };
            difference.add(&certificate.name, Some(how.into()), Some("renewed".into()));
        }
        difference.judged()
    }

    fn act(&self, _: &Difference, act: &mut Act<'_>) {
        act.script(RENEW, &[]);
    }

    fn impact(&self, _: &Difference) -> Impact {
        Impact::InPlace
    }

    fn stays(&self) -> bool {
        false
    }
}

/// Static pods read their certificates when they start: each is taken away, and brought back once it is gone. The manifests
/// stay on the same disk throughout: an interrupted run leaves them beside their folder, from where the next brings them back.
const RENEW: &str = r#"
run kubeadm certs renew all --config /etc/incline/kubeadm/init.yaml
aside=/etc/kubernetes/incline-aside
run mkdir -p "$aside"
for name in kube-scheduler kube-controller-manager kube-apiserver etcd; do
  if [ -e "/etc/kubernetes/manifests/$name.yaml" ]; then run mv "/etc/kubernetes/manifests/$name.yaml" "$aside/"; fi
  tries=0
  while pidof "$name" >/dev/null && [ "$tries" -lt 120 ]; do
    tries=$((tries + 1))
    sleep 1
  done
  run mv "$aside/$name.yaml" /etc/kubernetes/manifests/
done
run rmdir "$aside"
api_ready 'its certificates were renewed'"#;
