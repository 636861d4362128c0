//! What is valid: a [`Site`] has private fields and is made only by validation, so whoever holds one need not check
//! again. Validation reports every fault, never only the first.
mod aws;
mod onprem;

pub use aws::{Aws, Member, PeerOther, PeerSide, VpnEnd, ZoneSubnets};
pub use onprem::{OnPrem, VpnTunnel};
pub(crate) use {aws::Joined, aws::check as check_aws, onprem::check as check_onprem};

use crate::fault::{Fault, Path, did_you_mean};
use crate::inventory::{Approvals, Inventory, Safeguards};
use crate::lock::Need;
use crate::prelude::*;
use crate::scalar::{Cidr, Name};

/// A valid site.
#[derive(Debug, Clone, PartialEq)]
pub enum Site {
    /// In AWS.
    Aws(Box<Aws>),
    /// On premises.
    OnPrem(Box<OnPrem>),
}

impl Site {
    /// The site's name.
    pub fn name(&self) -> &Name {
        match self {
            Self::Aws(site) => &site.typed().name,
            Self::OnPrem(site) => &site.typed().name,
        }
    }

    /// What it boots from and the lock file does not pin. While there is any, the site is not applied.
    pub fn lacking(&self) -> &[Need] {
        match self {
            Self::Aws(site) => site.lacking(),
            Self::OnPrem(site) => site.lacking(),
        }
    }

    /// The safeguards that the site is held to.
    pub fn safeguards(&self) -> Option<&Safeguards> {
        match self {
            Self::Aws(site) => site.typed().safeguards.as_ref(),
            Self::OnPrem(site) => site.typed().safeguards.as_ref(),
        }
    }

    /// Who must approve its plans.
    pub fn approvals(&self) -> Option<&Approvals> {
        self.safeguards()?.approvals.as_ref()
    }
}

/// Gathers the faults of one inventory, each at the place of the value that it is about.
pub(crate) struct Report<'a> {
    inventory: &'a Inventory,
    pub(crate) faults: Vec<Fault>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(inventory: &'a Inventory) -> Self {
        Self { inventory, faults: Vec::new() }
    }

    /// Reports a fault about the value at `path`.
    pub(crate) fn fault(&mut self, path: &Path, cause: impl Into<String>, hint: impl Into<Option<String>>) {
        self.faults.push(Fault {
            file: self.inventory.file.clone(),
            place: Some(self.inventory.node.place_of(path)),
            path: path.to_string(),
            cause: cause.into(),
            hint: hint.into(),
        });
    }

    /// Reports every name that stands twice.
    pub(crate) fn unique<'n>(&mut self, what: &str, names: impl IntoIterator<Item = (Path, &'n str)>) {
        let mut seen = BTreeSet::new();
        for (path, name) in names {
            if !seen.insert(name) {
                self.fault(
                    &path,
                    format!("{what} `{name}` stands twice"),
                    "every one needs a name of its own".to_owned(),
                );
            }
        }
    }

    /// Reports a name that is none of the known ones.
    pub(crate) fn known<'n>(
        &mut self,
        path: &Path,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'n str> + Clone,
    ) -> bool {
        let found = known.clone().into_iter().any(|word| word == name);
        if !found {
            self.fault(path, format!("there is no {what} `{name}`"), did_you_mean(name, known));
        }
        found
    }

    /// Reports every pair of networks that share addresses.
    pub(crate) fn disjoint(&mut self, networks: &[(Path, String, Cidr)]) {
        for (index, (path, what, cidr)) in networks.iter().enumerate() {
            if let Some((_, other, clash)) = networks[..index].iter().find(|(_, _, earlier)| earlier.overlaps(cidr)) {
                self.fault(
                    path,
                    format!("{what} {cidr} overlaps {other} {clash}"),
                    "networks that can reach one another must not share addresses".to_owned(),
                );
            }
        }
    }

    /// Reports map keys that are not Kubernetes label keys, or that Kubernetes keeps for itself.
    pub(crate) fn labels<'n>(&mut self, path: &Path, keys: impl IntoIterator<Item = &'n String>) {
        for key in keys {
            match crate::inventory::label_key(key) {
                Err(invalid) => self.fault(&path.at(key), invalid.cause, invalid.hint),
                // NodeRestriction refuses these from a kubelet (https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction).
                Ok(_)
                    if key.split('/').next().is_some_and(|prefix| {
                        prefix != key && (prefix.ends_with("kubernetes.io") || prefix.ends_with("k8s.io"))
                    }) =>
                {
                    self.fault(
                        &path.at(key),
                        format!("the label `{key}` belongs to Kubernetes itself"),
                        "a kubelet may not set it; use a prefix of your own".to_owned(),
                    );
                }
                Ok(_) => {}
            }
        }
    }

    /// Reports what does not hold in what a site says about its safeguards.
    pub(crate) fn safeguards(&mut self, safeguards: Option<&Safeguards>) {
        let Some(approvals) = safeguards.and_then(|safeguards| safeguards.approvals.as_ref()) else { return };
        let path = Path::root().at("safeguards").at("approvals");
        let approvers = path.at("approvers");
        let each = || approvals.approvers.iter().enumerate();
        self.unique("the approver", each().map(|(i, one)| (approvers.at(i).at("user"), one.user.as_str())));
        self.unique("the key", each().map(|(i, one)| (approvers.at(i).at("key"), one.key.without_comment())));
        for (index, approver) in each() {
            if !["ssh-ed25519 ", "sk-ssh-ed25519@openssh.com "]
                .iter()
                .any(|kind| approver.key.as_str().starts_with(kind))
            {
                self.fault(
                    &approvers.at(index).at("key"),
                    "plans are approved by Ed25519 keys",
                    "`ssh-keygen -t ed25519`, or `-t ed25519-sk` for a hardware token".to_owned(),
                );
            }
        }
        // Whoever applies may be one of them, and does not count.
        if approvals.approvers.len() <= usize::from(approvals.needed) {
            self.fault(
                &approvers,
                format!(
                    "{} must approve beside who applies, and only {} may",
                    approvals.needed,
                    approvals.approvers.len()
                ),
                "name one more than are needed, so that each of them can apply".to_owned(),
            );
        }
    }

    /// Reports a Kubernetes version that incline does not know how to set up, and pod and service networks of odd size.
    pub(crate) fn kubernetes(&mut self, kubernetes: &crate::inventory::Kubernetes, nodes: u64) {
        let path = Path::root().at("kubernetes");
        let (major, minor, _) = kubernetes.version.parts();
        if major != 1 || !(34..=36).contains(&minor) {
            self.fault(
                &path.at("version"),
                format!("incline does not set up Kubernetes {}", kubernetes.version),
                "1.34, 1.35 and 1.36 are set up by this version of incline".to_owned(),
            );
        }
        // Each node takes a /24 of the pods' network (kube-controller-manager's --node-cidr-mask-size).
        let room = 1_u64 << 24_u8.saturating_sub(kubernetes.pod_cidr.prefix());
        if kubernetes.pod_cidr.prefix() > 24 || nodes > room {
            self.fault(
                &path.at("podCidr"),
                format!("{} has room for {room} nodes, and the site can grow to {nodes}", kubernetes.pod_cidr),
                "every node takes a /24 of it".to_owned(),
            );
        }
        if !(12..=24).contains(&kubernetes.service_cidr.prefix()) {
            self.fault(
                &path.at("serviceCidr"),
                format!("{} is an odd size for services", kubernetes.service_cidr),
                "a /12 to /24; Kubernetes refuses larger, and smaller ones run out".to_owned(),
            );
        }
    }
}
