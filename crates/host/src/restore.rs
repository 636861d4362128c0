//! What gives a cluster's etcd back what a snapshot holds. One control-plane host takes the snapshot and is the cluster's one
//! member of etcd then; the others leave before, and join again by the next apply.
use crate::act::{Act, Payload};
use crate::prelude::*;
use crate::program::{Change, finish};
use crate::secret::{Secret, Secrets};

/// Where a snapshot lies that was sent.
const SENT: &str = "/var/lib/incline/sent.age";

/// One of the changes that restore a cluster, each of one host.
#[derive(Debug)]
pub enum Restore {
    /// A snapshot is decrypted and looked at.
    Unpack {
        /// The age identity that reads it.
        identity: Secret,
        /// A snapshot on the machine that runs incline, and its length in bytes; otherwise the newest on the host.
        snapshot: Option<(String, u64)>,
    },
    /// A host leaves the control plane.
    Leave,
    /// etcd has what the snapshot holds.
    Swap,
}

impl Restore {
    /// The change that does it.
    pub fn change(self) -> Change {
        let (secrets, local) = (Secrets::new(), BTreeMap::new());
        let mut act = Act::new(&secrets, &local);
        act.library(include_str!("restore.sh"));
        let item = match self {
            Self::Unpack { identity, snapshot } => {
                let source = snapshot.map_or("", |(path, bytes)| {
                    act.run(&["mkdir", "-p", "/var/lib/incline"]);
                    act.call("beside", &[SENT]);
                    act.script(
                        "path=$2\nreceive 0600 \"$1\"\nsettle \"$2\" 0600 root root",
                        &[&bytes.to_string(), SENT],
                    );
                    act.payloads.push(Payload::File { path, bytes });
                    SENT
                });
                act.call("restore_unpack", &[source, &identity.expose().len().to_string()]);
                act.payloads.push(Payload::Secret(identity));
                act.run(&["rm", "-f", "--", SENT]);
                "the snapshot"
            }
            Self::Leave => {
                act.call("restore_leave", &[]);
                "the control plane"
            }
            Self::Swap => {
                act.call("restore_swap", &[]);
                "etcd"
            }
        };
        finish(act, vec![item.to_owned()])
    }
}
