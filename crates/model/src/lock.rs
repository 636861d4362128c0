//! `incline.lock`: every artifact, image and machine image that a site boots from, pinned by digest.
//!
//! The lock stands beside the inventories, is written by `incline lock`, reviewed and committed. Nothing is ever
//! fetched by name or version alone.
mod known;
mod need;
mod pin;

pub use known::{ARTIFACTS, Form, HEAD, IMAGES, Known, KnownImage, Users, artifact, image};
pub(crate) use need::fault;
pub use need::{AskedBy, Need, in_words};
pub use pin::{NOT_PINNED, Pin};

use crate::fault::Fault;
use crate::prelude::*;
use crate::scalar::{AmiId, Digest512, ImageDigest, Line, Name, Region, Url, Version};
use crate::{inventory, shape, yaml};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The file's name, beside the inventories.
pub const FILE_NAME: &str = "incline.lock";

/// The sysext image of Kubernetes, which nodes in AWS boot from.
const SYSEXT: &str = "kubernetes";

/// The manifest of the pod network.
const NETWORK: &str = "network";

/// The lock file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// kubeadm, kubectl and CNI plugins); for hosts on premises the others of [`ARTIFACTS`].
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
    pub kubernetes: Pin<Artifact>,
    /// The pod network's manifest.
    pub network: Pin<Artifact>,
    /// The images of Kubernetes itself, by name.
    pub images: Images,
    /// The machine image.
    pub ami: Pin<Ami>,
}

/// What the hosts of one on-prem site run.
#[derive(Debug, Clone, PartialEq)]
pub struct HostPins {
    /// The files that hosts fetch, by name.
    pub artifacts: BTreeMap<&'static str, Pin<Artifact>>,
    /// The images of Kubernetes itself, by name.
    pub images: Images,
}

/// The images of Kubernetes itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Images(BTreeMap<&'static str, Pin<Image>>);

impl Images {
    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Pin<Image>)> {
        self.0.iter().map(|(name, image)| (*name, image))
    }

    /// The tag of one of them.
    pub fn tag(&self, name: &str) -> Pin<&Line> {
        self.0.get(name).map_or(Pin::Missing, |image| image.map(|image| &image.tag))
    }
}

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
    pub fn pins(&self, version: &Version, region: &Region) -> Pins {
        Pins {
            kubernetes: self.artifact(SYSEXT, version).cloned().into(),
            network: self.artifact(NETWORK, version).cloned().into(),
            images: self.images(version),
            ami: self.ami(region).cloned().into(),
        }
    }

    /// Picks what the hosts of an on-prem site of this version run.
    pub fn host_pins(&self, version: &Version) -> HostPins {
        let names = ARTIFACTS.iter().filter(|known| known.users != Users::Aws).map(|known| known.name);
        HostPins {
            artifacts: names.map(|name| (name, self.artifact(name, version).cloned().into())).collect(),
            images: self.images(version),
        }
    }

    /// The artifact of that name for a version of Kubernetes.
    pub fn artifact(&self, name: &str, version: &Version) -> Option<&Artifact> {
        self.artifacts.iter().find(|artifact| artifact.name.as_str() == name && artifact.kubernetes == *version)
    }

    /// The image of that name for a version of Kubernetes.
    pub fn image(&self, name: &str, version: &Version) -> Option<&Image> {
        self.images.iter().find(|image| image.name.as_str() == name && image.kubernetes == *version)
    }

    /// The machine image of a region.
    pub fn ami(&self, region: &Region) -> Option<&Ami> {
        self.amis.iter().find(|ami| ami.region == *region)
    }

    fn images(&self, version: &Version) -> Images {
        Images(IMAGES.iter().map(|known| (known.name, self.image(known.name, version).cloned().into())).collect())
    }
}

/// The JSON Schema of a lock file.
pub fn json_schema() -> serde_json::Value {
    shape::schema_of::<Lock>()
}
