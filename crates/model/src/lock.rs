//! `incline.lock`: every artifact, image and machine image that a site boots from, pinned by digest.
//!
//! The lock stands beside the inventories, is written by `incline lock`, reviewed and committed. Nothing is ever
//! fetched by name or version alone.
use crate::fault::{Fault, did_you_mean};
use crate::prelude::*;
use crate::scalar::{AmiId, Digest512, ImageDigest, Line, Name, Region, Url, Version};
use crate::{inventory, shape, yaml};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The file's name, beside the inventories.
pub const FILE_NAME: &str = "incline.lock";

/// The lock file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Lock {
    /// The version of this file's format: `v1`.
    pub version: inventory::FormatVersion,
    /// Files that nodes boot from.
    pub artifacts: Vec<Artifact>,
    /// Container images of Kubernetes itself.
    pub images: Vec<Image>,
    /// Machine images by region.
    pub amis: Vec<Ami>,
}

/// A file that nodes boot from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Artifact {
    /// What it is: `network` (the manifest of the pod network); for sites in AWS `kubernetes` (a sysext image of kubelet,
    /// kubeadm, kubectl and CNI plugins); for hosts on premises one of [`HOST_ARTIFACTS`], or [`CSI_NFS`].
    pub name: Name,
    /// The Kubernetes version that it serves.
    pub kubernetes: Version,
    /// Where it was fetched from, once.
    pub source: Url,
    /// The file's name in the mirror.
    pub file: Line,
    /// Its size in bytes.
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub size: u32,
    /// Its SHA-512, in hexadecimal: what Ignition verifies.
    pub sha512: Digest512,
}

/// A container image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Image {
    /// The image's name below the mirror, as kubeadm expects it: `kube-apiserver`, `coredns`, `etcd`, `pause` …
    pub name: Line,
    /// Its tag.
    pub tag: Line,
    /// The Kubernetes version that it serves.
    pub kubernetes: Version,
    /// Where it was fetched from, once.
    pub source: Line,
    /// Its manifest's digest.
    pub digest: ImageDigest,
}

/// A machine image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Ami {
    /// The region.
    pub region: Region,
    /// The image's id, which AWS never reuses.
    pub id: AmiId,
    /// The Flatcar release that it holds.
    pub release: Line,
}

/// What one AWS site boots from.
#[derive(Debug, Clone, PartialEq)]
pub struct Pins {
    /// The sysext image of Kubernetes.
    pub kubernetes: Artifact,
    /// The pod network's manifest.
    pub network: Artifact,
    /// The images of Kubernetes itself, sorted by name.
    pub images: Vec<Image>,
    /// The machine image.
    pub ami: Ami,
}

/// What the hosts of one on-prem site run.
#[derive(Debug, Clone, PartialEq)]
pub struct HostPins {
    /// The files that hosts fetch, by name: all of [`HOST_ARTIFACTS`], and [`CSI_NFS`] where there is NFS.
    pub artifacts: BTreeMap<String, Artifact>,
    /// The images of Kubernetes itself, sorted by name.
    pub images: Vec<Image>,
}

/// Something that a site needs and the lock does not pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpinned {
    /// Which choice of the site asks for it.
    pub asked_by: AskedBy,
    /// What is not pinned.
    pub cause: String,
    /// How to pin it.
    pub hint: Option<String>,
}

/// The choice of a site that decides what it boots from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedBy {
    /// Its Kubernetes version.
    Version,
    /// Its region.
    Region,
}

/// The name of the sysext image of Kubernetes, which nodes in AWS boot from.
pub const SYSEXT: &str = "kubernetes";

/// The images that kubeadm needs, which a lock must pin for every version that a site runs.
pub const IMAGES: [&str; 7] =
    ["coredns", "etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "pause"];

/// The manifest of the driver of NFS volumes, which a site with NFS needs besides.
pub const CSI_NFS: &str = "csi-nfs";

/// The files that hosts on premises fetch, which a lock must pin for every version that a site runs: single programs, the
/// archives `cni-plugins` (unpacked into `/opt/cni/bin`) and `containerd` (unpacked into `/opt/incline`), and the manifest
/// `network`.
pub const HOST_ARTIFACTS: [&str; 11] = [
    "age",
    "cni-plugins",
    "containerd",
    "crictl",
    "etcdctl",
    "etcdutl",
    "kubeadm",
    "kubectl",
    "kubelet",
    "network",
    "runc",
];

impl Lock {
    /// Parses a lock file.
    ///
    /// # Errors
    /// Every fault of syntax and shape.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Fault>> {
        let node = yaml::parse(file, text)?;
        inventory::decode(file, &json_schema(), &node)
    }

    /// The lock file's text: sorted, and the same bytes for the same content.
    pub fn to_text(&self) -> String {
        let mut text = String::from(
            "# Written by `incline lock`. Review and commit; nothing boots that is not pinned here.\nversion: v1\n",
        );
        let quote = |text: &str| serde_json::Value::String(text.to_owned()).to_string();
        let mut section = |name: &str, mut entries: Vec<Vec<(&str, String)>>| {
            entries.sort();
            text.push_str(&if entries.is_empty() { format!("{name}: []\n") } else { format!("{name}:\n") });
            for entry in entries {
                for (index, (key, value)) in entry.into_iter().enumerate() {
                    text.push_str(&format!("  {} {key}: {value}\n", if index == 0 { "-" } else { " " }));
                }
            }
        };
        section(
            "artifacts",
            self.artifacts
                .iter()
                .map(|a| {
                    vec![
                        ("name", a.name.to_string()),
                        ("kubernetes", quote(a.kubernetes.as_str())),
                        ("source", quote(a.source.as_str())),
                        ("file", quote(a.file.as_str())),
                        ("size", a.size.to_string()),
                        ("sha512", quote(a.sha512.as_str())),
                    ]
                })
                .collect(),
        );
        section(
            "images",
            self.images
                .iter()
                .map(|i| {
                    vec![
                        ("name", quote(i.name.as_str())),
                        ("tag", quote(i.tag.as_str())),
                        ("kubernetes", quote(i.kubernetes.as_str())),
                        ("source", quote(i.source.as_str())),
                        ("digest", quote(i.digest.as_str())),
                    ]
                })
                .collect(),
        );
        section(
            "amis",
            self.amis
                .iter()
                .map(|a| {
                    vec![
                        ("region", a.region.to_string()),
                        ("id", a.id.as_str().to_owned()),
                        ("release", quote(a.release.as_str())),
                    ]
                })
                .collect(),
        );
        text
    }

    /// Picks what a site of this version in this region boots from.
    ///
    /// # Errors
    /// Everything that is not pinned.
    pub fn pins(&self, version: &Version, region: &Region) -> Result<Pins, Vec<Unpinned>> {
        let mut missing = Vec::new();
        let kubernetes = self.artifact(SYSEXT, version, &mut missing);
        let network = self.artifact("network", version, &mut missing);
        let images = self.kubernetes_images(version, &mut missing);
        let ami = self.amis.iter().find(|ami| ami.region == *region).cloned();
        if ami.is_none() {
            missing.push(Unpinned {
                asked_by: AskedBy::Region,
                cause: format!("{FILE_NAME} pins no machine image for {region}"),
                hint: Some(format!("`incline lock ami {region} ID --release RELEASE` pins one")),
            });
        }
        match (kubernetes, network, ami) {
            (Some(kubernetes), Some(network), Some(ami)) if missing.is_empty() => {
                Ok(Pins { kubernetes, network, images, ami })
            }
            _ => Err(missing),
        }
    }

    /// Picks what the hosts of an on-prem site of this version run, with NFS or without.
    ///
    /// # Errors
    /// Everything that is not pinned.
    pub fn host_pins(&self, version: &Version, nfs: bool) -> Result<HostPins, Vec<Unpinned>> {
        let mut missing = Vec::new();
        let names = || HOST_ARTIFACTS.into_iter().chain(nfs.then_some(CSI_NFS));
        let without: Vec<&str> = names().filter(|name| self.pinned(name, version).is_none()).collect();
        if !without.is_empty() {
            missing.push(Unpinned {
                asked_by: AskedBy::Version,
                cause: format!(
                    "{FILE_NAME} does not pin what hosts run of Kubernetes {version}: {}",
                    without.join(", ")
                ),
                hint: Some(format!("`incline lock artifact NAME {version} FILE --source URL` pins each")),
            });
        }
        let images = self.kubernetes_images(version, &mut missing);
        let artifacts =
            names().filter_map(|name| Some((name.to_owned(), self.pinned(name, version)?.clone()))).collect();
        if missing.is_empty() { Ok(HostPins { artifacts, images }) } else { Err(missing) }
    }

    fn pinned(&self, name: &str, version: &Version) -> Option<&Artifact> {
        self.artifacts.iter().find(|artifact| artifact.name.as_str() == name && artifact.kubernetes == *version)
    }

    fn artifact(&self, name: &str, version: &Version, missing: &mut Vec<Unpinned>) -> Option<Artifact> {
        let found = self.pinned(name, version);
        if found.is_none() {
            let named = self.artifacts.iter().filter(|artifact| artifact.name.as_str() == name);
            let versions: Vec<&str> = named.map(|artifact| artifact.kubernetes.as_str()).collect();
            let near = did_you_mean(version.as_str(), versions);
            missing.push(Unpinned {
                asked_by: AskedBy::Version,
                cause: format!("{FILE_NAME} pins no `{name}` artifact for Kubernetes {version}"),
                hint: Some(
                    near.unwrap_or_else(|| {
                        format!("`incline lock artifact {name} {version} FILE --source URL` pins one")
                    }),
                ),
            });
        }
        found.cloned()
    }

    fn kubernetes_images(&self, version: &Version, missing: &mut Vec<Unpinned>) -> Vec<Image> {
        let image =
            |name: &str| self.images.iter().find(|image| image.name.as_str() == name && image.kubernetes == *version);
        let without: Vec<&str> = IMAGES.into_iter().filter(|name| image(name).is_none()).collect();
        if !without.is_empty() {
            missing.push(Unpinned {
                asked_by: AskedBy::Version,
                cause: format!(
                    "{FILE_NAME} does not pin these images for Kubernetes {version}: {}",
                    without.join(", ")
                ),
                hint: Some(
                    "`kubeadm config images list` names the tags; `incline lock image` pins their digests".to_owned(),
                ),
            });
        }
        IMAGES.iter().filter_map(|name| image(name).cloned()).collect()
    }
}

/// The JSON Schema of a lock file.
pub fn json_schema() -> serde_json::Value {
    shape::schema_of::<Lock>()
}
