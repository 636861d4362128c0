//! What can be typed after `incline lock`.
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use incline_model::lock::{ARTIFACTS, IMAGES};
use std::path::PathBuf;

fn artifacts() -> PossibleValuesParser {
    PossibleValuesParser::new(ARTIFACTS.map(|known| known.name))
}

fn images() -> PossibleValuesParser {
    PossibleValuesParser::new(IMAGES.map(|known| known.name))
}

/// Pin what nodes boot from
#[derive(Debug, Args)]
pub(crate) struct Lock {
    #[command(subcommand)]
    pub(crate) what: Pin,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Pin {
    /// List what each site needs and is not pinned, with the command that pins it; exits with 1 if there is any
    Status,
    /// Pin a file by the digest of a local copy
    Artifact {
        /// `kubernetes` (the sysext image of nodes in AWS), `network` (the pod network's manifest), or what hosts on
        /// premises run
        #[arg(value_parser = artifacts())]
        name: String,
        /// The Kubernetes version that it serves
        kubernetes: String,
        /// The local copy
        file: PathBuf,
        /// Where it was fetched from
        #[arg(long)]
        source: String,
    },
    /// Pin a container image of Kubernetes by its manifest's digest
    Image {
        /// The image's name as kubeadm lists it, without registry
        #[arg(value_parser = images())]
        name: String,
        /// The tag
        tag: String,
        /// The digest: `sha256:…`
        digest: String,
        /// The Kubernetes version that it serves
        #[arg(long)]
        kubernetes: String,
        /// Where it was fetched from
        #[arg(long)]
        source: String,
    },
    /// Pin a region's machine image
    Ami {
        /// The region
        region: String,
        /// The image's id
        id: String,
        /// The Flatcar release that it holds
        #[arg(long)]
        release: String,
    },
    /// Remove a pin
    Remove {
        #[command(subcommand)]
        what: Unpin,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Unpin {
    /// Remove the pin of a file
    Artifact {
        /// The artifact's name
        name: String,
        /// The Kubernetes version that it serves
        kubernetes: String,
    },
    /// Remove the pin of a container image
    Image {
        /// The image's name
        name: String,
        /// The Kubernetes version that it serves
        kubernetes: String,
    },
    /// Remove the pin of a region's machine image
    Ami {
        /// The region
        region: String,
    },
}
