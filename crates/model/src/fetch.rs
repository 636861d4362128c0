//! What nodes fetch while they boot and nobody but a person brings there: files in the artifact bucket, images in the
//! registry, each by its digest; and the commands that bring it.
use crate::prelude::*;
use crate::quote::shell;
use core::fmt;
use serde::{Deserialize, Serialize};

/// A file or an image that `incline.lock` pins and that nodes fetch from the site's own account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fetched {
    /// The file's or the image's name.
    pub name: String,
    /// Where it was fetched from when it was pinned.
    pub source: String,
    /// Where nodes fetch it from.
    pub at: Origin,
}

/// Where nodes fetch something from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// An object in S3, whose key holds its SHA-512.
    Object {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// Its size in bytes.
        size: u32,
    },
    /// An image in ECR.
    Image {
        /// The registry's address: account and region are part of it.
        registry: String,
        /// The repository.
        repository: String,
        /// The tag.
        tag: String,
        /// The manifest's digest.
        digest: String,
    },
}

/// Something that is not where nodes fetch it from, or of which nobody can say so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    /// What nodes fetch.
    #[serde(flatten)]
    pub what: Fetched,
    /// What was found in its place.
    pub found: Found,
    /// The shell lines that bring it, in order; empty for what could not be looked at.
    pub commands: Vec<String>,
}

/// What was found where nodes fetch something from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Found {
    /// Nothing.
    Nothing,
    /// An object of another size, in bytes.
    OtherSize(u64),
    /// It could not be looked at, and why.
    NotChecked(String),
}

impl fmt::Display for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Origin::Object { bucket, key, .. } => write!(f, "s3://{bucket}/{key}"),
            Origin::Image { registry, repository, digest, .. } => write!(f, "{registry}/{repository}@{digest}"),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Found::Nothing => write!(f, "{} is missing: {}", self.what.name, self.what),
            Found::OtherSize(size) => match &self.what.at {
                Origin::Object { size: pinned, .. } => {
                    write!(f, "{} has {size} bytes, and incline.lock says {pinned}: {}", self.what.name, self.what)
                }
                Origin::Image { .. } => write!(f, "{} has {size} bytes: {}", self.what.name, self.what),
            },
            Found::NotChecked(why) => write!(f, "{} was not checked ({why}): {}", self.what.name, self.what),
        }
    }
}

impl Missing {
    /// Something that was looked for, with the commands that bring it.
    pub fn new(what: &Fetched, found: Found) -> Self {
        let commands = match found {
            Found::NotChecked(_) => Vec::new(),
            Found::Nothing | Found::OtherSize(_) => what.commands(),
        };
        Self { what: what.clone(), found, commands }
    }
}

impl Fetched {
    /// The shell lines that bring it to where nodes fetch it from. An image is copied with all its platforms and with
    /// its digest: what `docker push` sends has another one.
    pub fn commands(&self) -> Vec<String> {
        match &self.at {
            Origin::Object { .. } => vec![
                format!("curl --fail --location --output {} {}", shell(&self.name), shell(&self.source)),
                format!("aws s3 cp {} {}", shell(&self.name), shell(&self.to_string())),
            ],
            Origin::Image { registry, repository, tag, digest } => {
                let from = format!("docker://{}@{digest}", without_tag(&self.source));
                let to = format!("docker://{registry}/{repository}:{tag}");
                vec![format!("skopeo copy --all --preserve-digests {} {}", shell(&from), shell(&to))]
            }
        }
    }
}

/// The shell lines that come before all others: signing in to the registries of what is missing.
pub fn sign_in(missing: &[Missing]) -> Vec<String> {
    let registries: BTreeSet<&str> = missing
        .iter()
        .filter(|missing| !missing.commands.is_empty())
        .filter_map(|missing| match &missing.what.at {
            Origin::Image { registry, .. } => Some(registry.as_str()),
            Origin::Object { .. } => None,
        })
        .collect();
    let line = |registry: &str| {
        // ACCOUNT.dkr.ecr.REGION.amazonaws.com
        let region = registry.split('.').nth(3).unwrap_or_default();
        format!(
            "aws ecr get-login-password --region {} | skopeo login --username AWS --password-stdin {}",
            shell(region),
            shell(registry)
        )
    };
    registries.into_iter().map(line).collect()
}

/// What is missing, a line each, with the indented shell lines that bring it.
pub fn lines(missing: &[Missing]) -> Vec<String> {
    let indented = |line: &String| format!("  {line}");
    let mut lines: Vec<String> = sign_in(missing);
    for one in missing {
        lines.push(one.to_string());
        lines.extend(one.commands.iter().map(indented));
    }
    lines
}

/// An image's name without its tag: a colon before the last slash is a port's.
fn without_tag(image: &str) -> &str {
    let name = image.rfind('/').map_or(0, |slash| slash + 1);
    match image.get(name..).and_then(|rest| rest.find(':')) {
        Some(colon) => image.get(..name + colon).unwrap_or(image),
        None => image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> Fetched {
        let at = Origin::Object { bucket: "b".to_owned(), key: format!("mirror/ab/{name}"), size: 3 };
        Fetched { name: name.to_owned(), source: "https://mirror.example/k.raw".to_owned(), at }
    }

    fn image(source: &str) -> Fetched {
        let at = Origin::Image {
            registry: "123456789012.dkr.ecr.us-east-1.amazonaws.com".to_owned(),
            repository: "clinic/kubernetes/pause".to_owned(),
            tag: "3.10.2".to_owned(),
            digest: "sha256:aa".to_owned(),
        };
        Fetched { name: "pause".to_owned(), source: source.to_owned(), at }
    }

    #[test]
    fn commands_bring_files_and_images_to_where_nodes_fetch_them() {
        assert_eq!(
            object("it's.raw").commands(),
            [
                r"curl --fail --location --output 'it'\''s.raw' https://mirror.example/k.raw",
                r"aws s3 cp 'it'\''s.raw' 's3://b/mirror/ab/it'\''s.raw'",
            ]
        );
        let to = "docker://123456789012.dkr.ecr.us-east-1.amazonaws.com/clinic/kubernetes/pause:3.10.2";
        for (source, from) in [
            ("registry.k8s.io/pause:3.10.2", "registry.k8s.io/pause"),
            ("registry.k8s.io/pause", "registry.k8s.io/pause"),
            ("mirror.internal:5000/pause:3.10.2", "mirror.internal:5000/pause"),
        ] {
            let wanted = format!("skopeo copy --all --preserve-digests docker://{from}@sha256:aa {to}");
            assert_eq!(image(source).commands(), [wanted]);
        }
    }

    #[test]
    fn the_registry_is_signed_in_to_once_and_only_where_an_image_is_to_be_brought() {
        let missing = |what: &Fetched| Missing::new(what, Found::Nothing);
        let pause = image("registry.k8s.io/pause:3.10.2");
        let unknown = Missing::new(&pause, Found::NotChecked("denied".to_owned()));
        assert!(sign_in(&[missing(&object("k.raw")), unknown.clone()]).is_empty());
        assert!(unknown.commands.is_empty() && unknown.to_string().starts_with("pause was not checked (denied): 1234"));
        assert_eq!(
            sign_in(&[missing(&pause), missing(&pause)]),
            [
                "aws ecr get-login-password --region us-east-1 | skopeo login --username AWS --password-stdin 123456789012.dkr.ecr.us-east-1.amazonaws.com"
            ]
        );
    }
}
