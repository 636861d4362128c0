//! What can be typed. Doc comments here are the help texts and the man page.
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Plan Kubernetes sites in AWS and on premises, from one inventory file a site
#[derive(Debug, Parser)]
#[command(name = "incline", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes:\n  0   done, or nothing to do\n  1   failed\n  2   there are differences (plan --detailed-exitcode)\n  64  wrong usage";

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Folder of the inventories: one YAML file a site, and incline.lock
    #[arg(long, global = true, value_name = "DIR", default_value = "inventories", env = "INCLINE_INVENTORIES")]
    pub(crate) inventories: PathBuf,
    /// Folder whose stacks/, nodes/ and ignition/ files are used instead of incline's own of the same name
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) templates: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(Init),
    Check(Check),
    Plan(Plan),
    Render(Render),
    Graph(Graph),
    Lock(Lock),
    Schema(Schema),
    Completions(Completions),
    Man(Man),
}

/// Write a commented starter inventory
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The kind of site
    pub(crate) kind: Kind,
    /// The site's name; the file is named after it
    pub(crate) name: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    /// A site in AWS
    Aws,
    /// A site on premises
    Onprem,
}

/// Check all inventories, alone and together, and report every fault
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Print the faults as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show what would change
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The sites; default: all
    pub(crate) sites: Vec<String>,
    /// Plan without asking AWS, as if nothing existed
    #[arg(long)]
    pub(crate) offline: bool,
    /// Plan without asking AWS, against a folder that `incline render` wrote, or that templates were fetched into
    #[arg(long, value_name = "DIR")]
    pub(crate) against: Option<PathBuf>,
    /// Show every property of what is created, too
    #[arg(long)]
    pub(crate) full: bool,
    /// Print the plan as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Save the plan as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Exit with 2 if there is anything to do
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}

/// Write templates, node configurations and parameters into a folder
#[derive(Debug, Args)]
pub(crate) struct Render {
    /// The sites; default: all
    pub(crate) sites: Vec<String>,
    /// The folder; each site gets its own in it
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// Draw a site: zones, subnets, pools, balancers, and what it is joined to
#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// The site; default: the whole estate
    pub(crate) site: Option<String>,
    /// The format
    #[arg(long, default_value = "svg")]
    pub(crate) format: GraphFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// A picture for browsers
    Svg,
    /// A graph for Graphviz
    Dot,
}

/// Pin what nodes boot from
#[derive(Debug, Args)]
pub(crate) struct Lock {
    #[command(subcommand)]
    pub(crate) what: Pin,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Pin {
    /// Show what the estate's sites need and whether it is pinned
    Status,
    /// Pin a file by the digest of a local copy
    Artifact {
        /// `kubernetes` (sysext image) or `network` (the pod network's manifest)
        #[arg(value_parser = ["kubernetes", "network"])]
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
        /// The image's name as kubeadm lists it, without registry: `kube-apiserver`
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
}

/// Print the JSON Schema of an inventory, for editors
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// What the schema is of
    #[arg(default_value = "inventory")]
    pub(crate) of: SchemaOf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SchemaOf {
    /// An inventory
    Inventory,
    /// The lock file
    Lock,
}

/// Print a completion script for a shell
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// Write the man pages into a folder
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The folder
    #[arg(value_name = "DIR")]
    pub(crate) out: PathBuf,
}
