//! What sites need a lock file to pin, and how to pin it.
use super::known::{ARTIFACTS, IMAGES, Known, KnownImage, Users};
use super::{FILE_NAME, Lock};
use crate::inventory::Content;
use crate::prelude::*;
use crate::scalar::{Region, Version};
use core::fmt;

/// Something that a site needs pinned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A file, for a version of Kubernetes.
    Artifact(&'static Known, Version),
    /// An image, for a version of Kubernetes.
    Image(&'static KnownImage, Version),
    /// The machine image of a region.
    Ami(Region),
}

/// The choice of a site that decides what it boots from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AskedBy {
    /// Its Kubernetes version.
    Version,
    /// Its region.
    Region,
}

impl Need {
    /// All that a site needs.
    pub fn all(content: &Content) -> Vec<Self> {
        match content {
            Content::Aws(site) => {
                let mut needs = of_version(&site.kubernetes.version, |users| matches!(users, Users::Aws | Users::All));
                needs.push(Self::Ami(site.region.clone()));
                needs
            }
            Content::OnPrem(site) => of_hosts(&site.kubernetes.version, site.nfs.is_some()),
        }
    }

    /// Which choice of a site asks for it.
    pub fn asked_by(&self) -> AskedBy {
        match self {
            Self::Artifact(..) | Self::Image(..) => AskedBy::Version,
            Self::Ami(_) => AskedBy::Region,
        }
    }

    /// The command that pins it. What a person fills in is in capitals: `FILE`, `URL`, `TAG`, `DIGEST`, `ID`, `RELEASE`.
    pub fn command(&self) -> String {
        match self {
            Self::Artifact(known, version) => {
                let source = known.address(version).filter(|(_, is_whole)| *is_whole);
                let source = source.map_or_else(|| "URL".to_owned(), |(address, _)| address);
                format!("incline lock artifact {} {version} FILE --source {source}", known.name)
            }
            Self::Image(known, version) => {
                let tag = if known.tagged_by_version { format!("v{version}") } else { "TAG".to_owned() };
                format!(
                    "incline lock image {} {tag} sha256:DIGEST --kubernetes {version} --source {}:{tag}",
                    known.name, known.repository
                )
            }
            Self::Ami(region) => format!("incline lock ami {region} ID --release RELEASE"),
        }
    }

    /// What it must be and where it is published.
    pub fn about(&self) -> String {
        match self {
            Self::Artifact(known, version) => {
                let form = known.form.describe();
                match (known.address(version), known.inside) {
                    (Some((address, _)), Some(inside)) => format!("{form}; published as `{inside}` in {address}"),
                    (Some((address, _)), None) => format!("{form}; published at {address}"),
                    (None, _) => format!("{form}, of the pod network that you choose (VXLAN on UDP 8472)"),
                }
            }
            Self::Image(known, version) if known.tagged_by_version => {
                format!(
                    "the digest that `skopeo inspect --format '{{{{.Digest}}}}' docker://{}:v{version}` prints",
                    known.repository
                )
            }
            Self::Image(known, version) => format!(
                "the tag that `kubeadm config images list --kubernetes-version v{version}` prints, and its digest in {}",
                known.repository
            ),
            Self::Ami(_) => "Flatcar Container Linux; ids by region in \
                https://stable.release.flatcar-linux.net/amd64-usr/current/flatcar_production_ami_all.json"
                .to_owned(),
        }
    }
}

/// As a noun: "artifact kubelet for Kubernetes 1.36.3".
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Artifact(known, version) => write!(f, "artifact {} for Kubernetes {version}", known.name),
            Self::Image(known, version) => write!(f, "image {} for Kubernetes {version}", known.name),
            Self::Ami(region) => write!(f, "machine image for {region}"),
        }
    }
}

fn of_version(version: &Version, who: impl Fn(Users) -> bool) -> Vec<Need> {
    let artifacts = ARTIFACTS.iter().filter(|known| who(known.users));
    let images = IMAGES.iter().map(|known| Need::Image(known, version.clone()));
    artifacts.map(|known| Need::Artifact(known, version.clone())).chain(images).collect()
}

/// What the hosts of an on-prem site need.
fn of_hosts(version: &Version, nfs: bool) -> Vec<Need> {
    of_version(version, |users| match users {
        Users::OnPrem | Users::All => true,
        Users::Nfs => nfs,
        Users::Aws => false,
    })
}

/// Needs in words, by kind: "artifacts age, runc and image etcd for Kubernetes 1.36.3; machine image for us-east-1".
pub fn in_words(needs: &[Need]) -> String {
    let mut versions: BTreeMap<&str, (Vec<&str>, Vec<&str>)> = BTreeMap::new();
    let mut parts = Vec::new();
    for need in needs {
        match need {
            Need::Artifact(known, version) => versions.entry(version.as_str()).or_default().0.push(known.name),
            Need::Image(known, version) => versions.entry(version.as_str()).or_default().1.push(known.name),
            Need::Ami(_) => {}
        }
    }
    for (version, (artifacts, images)) in versions {
        let kinds = [("artifact", artifacts), ("image", images)].into_iter().filter(|(_, names)| !names.is_empty());
        let kinds: Vec<String> = kinds
            .map(|(kind, names)| format!("{kind}{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", ")))
            .collect();
        parts.push(format!("{} for Kubernetes {version}", kinds.join(" and ")));
    }
    parts.extend(needs.iter().filter(|need| matches!(need, Need::Ami(_))).map(ToString::to_string));
    parts.join("; ")
}

/// What a site lacks, asked for by one of its choices, as the cause of a fault and its hint.
pub(crate) fn fault(lacking: &[Need], lock: Option<&Lock>) -> (String, String) {
    let words = in_words(lacking);
    let hint = match lacking {
        [one] => format!("`{}`", one.command()),
        _ => "`incline lock status` lists the command for each".to_owned(),
    };
    let Some(lock) = lock else { return (format!("there is no {FILE_NAME}: not pinned: {words}"), hint) };
    let asked = lacking.iter().find_map(|need| match need {
        Need::Artifact(_, version) | Need::Image(_, version) => Some(version),
        Need::Ami(_) => None,
    });
    let pinned: BTreeSet<&str> = lock.artifacts.iter().map(|artifact| artifact.kubernetes.as_str()).collect();
    let hint = match asked {
        Some(version) if !pinned.is_empty() && !pinned.contains(version.as_str()) => {
            format!("{hint}; pinned is Kubernetes {}", pinned.into_iter().collect::<Vec<_>>().join(", "))
        }
        _ => hint,
    };
    (format!("{FILE_NAME} does not pin {words}"), hint)
}

impl Lock {
    /// Whether something is pinned.
    pub fn has(&self, need: &Need) -> bool {
        match need {
            Need::Artifact(known, version) => self.artifact(known.name, version).is_some(),
            Need::Image(known, version) => self.image(known.name, version).is_some(),
            Need::Ami(region) => self.ami(region).is_some(),
        }
    }

    /// What of a site's needs is not pinned.
    pub fn lacking(&self, content: &Content) -> Vec<Need> {
        Need::all(content).into_iter().filter(|need| !self.has(need)).collect()
    }

    /// What is pinned and none of these needs, as the arguments of `incline lock remove`.
    pub fn unused(&self, needs: &[Need]) -> Vec<String> {
        let wanted: BTreeSet<String> = needs
            .iter()
            .map(|need| match need {
                Need::Artifact(known, version) => format!("artifact {} {version}", known.name),
                Need::Image(known, version) => format!("image {} {version}", known.name),
                Need::Ami(region) => format!("ami {region}"),
            })
            .collect();
        let artifacts = self.artifacts.iter().map(|pinned| format!("artifact {} {}", pinned.name, pinned.kubernetes));
        let images = self.images.iter().map(|pinned| format!("image {} {}", pinned.name, pinned.kubernetes));
        let amis = self.amis.iter().map(|pinned| format!("ami {}", pinned.region));
        artifacts.chain(images).chain(amis).filter(|pinned| !wanted.contains(pinned)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Parser;
    use crate::lock::{NETWORK, NOT_PINNED, Pin, SYSEXT};
    use crate::site::Site;
    use crate::{estate::Estate, inventory::Inventory};

    /// The starters that `incline init` writes.
    fn starters() -> Vec<Inventory> {
        let aws = include_str!("../../../../templates/init/aws.yaml").replace("my-site", "cloud");
        let onprem = include_str!("../../../../templates/init/onprem.yaml").replace("my-site", "cellar");
        let parser = Parser::default();
        [("cellar.yaml", onprem), ("cloud.yaml", aws)]
            .into_iter()
            .map(|(file, text)| parser.parse(file, text.as_bytes()).unwrap())
            .collect()
    }

    #[test]
    fn without_a_lock_sites_are_valid_and_know_what_they_lack() {
        let estate = Estate::new(&starters(), None).unwrap();
        let lacking = |site: &str| in_words(estate.site(site).unwrap().lacking());
        let images = "images coredns, etcd, kube-apiserver, kube-controller-manager, kube-proxy, kube-scheduler, pause";
        assert_eq!(
            lacking("cloud"),
            format!("artifacts kubernetes, network and {images} for Kubernetes 1.36.3; machine image for us-east-1")
        );
        assert_eq!(
            lacking("cellar"),
            format!(
                "artifacts age, cni-plugins, containerd, crictl, etcdctl, etcdutl, kubeadm, kubectl, kubelet, network, \
                 runc and {images} for Kubernetes 1.36.3"
            )
        );
        let Some(Site::Aws(cloud)) = estate.site("cloud") else { unreachable!() };
        assert!(cloud.pins().kubernetes.is_missing() && cloud.pins().network.is_missing());
        assert!(cloud.pins().images.iter().all(|(_, image)| image.is_missing()));
        assert_eq!(cloud.pins().images.tag("pause").to_string(), NOT_PINNED);
        assert_eq!(cloud.pins().ami, Pin::Missing);
    }

    #[test]
    fn what_is_not_pinned_is_a_fault_at_the_choice_that_asks_for_it() {
        let faults = Estate::unpinned(&starters(), None);
        let places: Vec<(&str, &str)> = faults.iter().map(|fault| (fault.file.as_str(), fault.path.as_str())).collect();
        let version = "kubernetes.version";
        assert_eq!(places, [("cellar.yaml", version), ("cloud.yaml", "region"), ("cloud.yaml", version)]);
        assert_eq!(faults[1].hint.as_deref(), Some("`incline lock ami us-east-1 ID --release RELEASE`"));
    }

    #[test]
    fn a_pin_of_another_version_is_none() {
        let content = &starters()[1].content;
        let text = |version: &str| {
            format!(
                "version: v1\nartifacts:\n- {{name: network, kubernetes: \"{version}\", source: \"https://a.example/x\", \
                 file: x, size: 1, sha512: \"{}\"}}\nimages: []\namis: []\n",
                "ab".repeat(64)
            )
        };
        let lock = |version: &str| Lock::parse("incline.lock", &text(version)).unwrap();
        let needs = Need::all(content);
        assert_eq!(lock("1.36.3").lacking(content).len(), needs.len() - 1);
        assert_eq!(lock("1.36.3").unused(&needs), Vec::<String>::new());
        assert_eq!(lock("1.36.30").lacking(content).len(), needs.len());
        assert_eq!(lock("1.36.30").unused(&needs), ["artifact network 1.36.30"]);
        let (_, hint) = fault(&lock("1.36.30").lacking(content), Some(&lock("1.36.30")));
        assert!(hint.ends_with("; pinned is Kubernetes 1.36.30"), "{hint}");
    }

    #[test]
    fn what_nodes_boot_from_is_known() {
        for name in [SYSEXT, NETWORK] {
            assert!(super::super::artifact(name).is_some(), "{name}");
        }
    }
}
