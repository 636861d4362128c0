//! What can be typed. Doc comments here are the help texts and the man page.
mod lock;
mod oversight;

pub(crate) use lock::*;
pub(crate) use oversight::*;

use crate::hosts::FORKS;
use clap::{Args, Parser, Subcommand, ValueEnum};
use incline_render::ApiBy;
use std::path::PathBuf;

/// Plan, apply and check Kubernetes sites in AWS and on premises, from one inventory file a site
#[derive(Debug, Parser)]
#[command(name = "incline", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes:\n  0   done, or nothing to do\n  1   failed\n  2   there are differences (plan --detailed-exitcode, drift)\n  64  wrong usage";

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Folder of the inventories: one YAML file a site, and incline.lock
    #[arg(long, global = true, value_name = "DIR", default_value = "inventories", env = "INCLINE_INVENTORIES")]
    pub(crate) inventories: PathBuf,
    /// Folder whose stacks/, nodes/, hosts/ and ignition/ files are used instead of incline's own of the same name
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) templates: Option<PathBuf>,
    /// File of the audit trail, which what changes something, and drift, is added to; default: incline/audit.jsonl in the user's state folder
    #[arg(long, global = true, value_name = "FILE", env = "INCLINE_AUDIT")]
    pub(crate) audit: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(Init),
    Check(Check),
    Explain(Explain),
    Plan(Plan),
    Approve(Approve),
    Apply(Apply),
    Drift(Drift),
    Audit(Audit),
    Evidence(Evidence),
    Doctor(Doctor),
    Trust(Trust),
    Nodes(Nodes),
    Destroy(Destroy),
    Restore(Restore),
    IamPolicy(IamPolicy),
    Render(Render),
    Graph(Graph),
    VpnConfig(VpnConfig),
    F5(F5),
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

/// Check all inventories, alone and together: report every fault, and every safeguard that does not hold
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Print faults and findings as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print them as other tools read them
    #[arg(long, conflicts_with = "json")]
    pub(crate) format: Option<CheckFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// SARIF 2.1.0, for code review
    Sarif,
    /// JUnit's XML, for CI
    Junit,
}

/// Say what a safeguard asks for, why, and how to make it hold
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The rule; default: list all
    pub(crate) rule: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show what would change
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The sites; default: all
    pub(crate) sites: Vec<String>,
    /// Plan without asking anybody, as if nothing existed
    #[arg(long, conflicts_with_all = ["against", "change_sets"])]
    pub(crate) offline: bool,
    /// Plan without asking AWS, against a folder that `incline render` wrote, or that templates were fetched into; sites in AWS only
    #[arg(long, value_name = "DIR", conflicts_with = "change_sets")]
    pub(crate) against: Option<PathBuf>,
    /// Let CloudFormation judge too: make change sets, show what they would do, and remove them (with --out: keep them for
    /// apply)
    #[arg(long)]
    pub(crate) change_sets: bool,
    /// Look for drift too, and plan to mend it
    #[arg(long, conflicts_with_all = ["offline", "against"])]
    pub(crate) mend_drift: bool,
    #[command(flatten)]
    pub(crate) named: Named,
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
    #[command(flatten)]
    pub(crate) bootstrap: Bootstrap,
    #[command(flatten)]
    pub(crate) forks: Forks,
}

/// Where the API's name leads on hosts
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Bootstrap {
    /// Lead the API's name to the host that founds the cluster, while nothing balances the API yet
    #[arg(long)]
    bootstrap_direct: bool,
}

impl Bootstrap {
    pub(crate) fn api(self) -> ApiBy {
        if self.bootstrap_direct { ApiBy::Founder } else { ApiBy::Balancer }
    }
}

/// How many hosts are asked at once
#[derive(Debug, Clone, Args)]
pub(crate) struct Forks {
    /// How many hosts are worked on side by side
    #[arg(long, value_name = "N", default_value_t = FORKS, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) forks: u16,
}

/// Resources that a person names, one by one
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Named {
    /// A resource that a rollback passes over
    #[arg(long, value_name = "STACK/RESOURCE")]
    pub(crate) skip: Vec<String>,
    /// A resource that a deletion leaves where it is
    #[arg(long, value_name = "STACK/RESOURCE")]
    pub(crate) retain: Vec<String>,
}

/// How a plan is carried out
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// How many stacks are changed side by side
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) parallel: u16,
    #[command(flatten)]
    pub(crate) forks: Forks,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print what happens as JSON lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// Make what the inventories say true
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The sites; default: all
    pub(crate) sites: Vec<String>,
    /// Carry out a plan that `incline plan --out` saved, if all is still as it was
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sites", "target"])]
    pub(crate) plan: Option<PathBuf>,
    /// Only this stack, and what it takes values from, or this stage of a host (SITE/HOST/STAGE); `*` for any text
    #[arg(long, value_name = "TARGET")]
    pub(crate) target: Vec<String>,
    /// Look for drift too, and mend it
    #[arg(long)]
    pub(crate) mend_drift: bool,
    #[command(flatten)]
    pub(crate) named: Named,
    #[command(flatten)]
    pub(crate) bootstrap: Bootstrap,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// Show the SSH host keys of a site's hosts, and write those that were looked at into its inventory
#[derive(Debug, Args)]
pub(crate) struct Trust {
    /// The site
    pub(crate) site: String,
    /// Write the keys without asking; only where they come from a network that nobody can stand in
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print them as JSON, and write nothing
    #[arg(long, conflicts_with = "yes")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) forks: Forks,
}

/// List a site's machines: zone, state, and what they run from
#[derive(Debug, Args)]
pub(crate) struct Nodes {
    /// The site
    pub(crate) site: String,
    /// Stop a pool's instance refresh
    #[arg(long, value_name = "POOL", conflicts_with = "reset_size")]
    pub(crate) cancel: Option<String>,
    /// Set a pool's size to what the inventory says, whatever an autoscaler made of it
    #[arg(long, value_name = "POOL")]
    pub(crate) reset_size: Option<String>,
    /// Set the size without asking
    #[arg(long, requires = "reset_size")]
    pub(crate) yes: bool,
    /// Print them as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Remove a site from AWS, or from its hosts; what holds data is kept unless it is named
#[derive(Debug, Args)]
pub(crate) struct Destroy {
    /// The site
    pub(crate) site: String,
    /// A resource that holds data and is removed, too (STACK/RESOURCE); a disk whose keys are destroyed (HOST/DISK)
    #[arg(long, value_name = "NAME")]
    pub(crate) data: Vec<String>,
    /// A resource that is left where it is, since it cannot be deleted (STACK/RESOURCE); a disk that stays, encrypted (HOST/DISK)
    #[arg(long, value_name = "NAME")]
    pub(crate) retain: Vec<String>,
    /// The site's name, typed out, for where nobody is asked
    #[arg(long, value_name = "SITE")]
    pub(crate) confirm: Option<String>,
    /// How many stacks are removed side by side
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) parallel: u16,
    #[command(flatten)]
    pub(crate) forks: Forks,
    /// Print what happens as JSON lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// Give a cluster's etcd back what a snapshot holds; the other control-plane hosts leave, and join again by the next apply
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The site
    pub(crate) site: String,
    /// Who may read snapshots: the file of an age identity
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: PathBuf,
    /// The control-plane host that gets it; default: the first
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// A local copy of a snapshot; default: the newest on that host
    #[arg(long, value_name = "FILE")]
    pub(crate) snapshot: Option<PathBuf>,
    /// A control-plane host that does not answer, and never comes back as it was
    #[arg(long, value_name = "HOST")]
    pub(crate) lost: Vec<String>,
    /// The site's name, typed out, for where nobody is asked
    #[arg(long, value_name = "SITE")]
    pub(crate) confirm: Option<String>,
}

/// Print the least rights that a command needs in a site's account, as a list of IAM policies
#[derive(Debug, Args)]
pub(crate) struct IamPolicy {
    /// The site
    pub(crate) site: String,
    /// The command
    #[arg(long = "for", value_enum, default_value = "apply")]
    pub(crate) command: RightsFor,
}

/// A command that asks AWS for something
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RightsFor {
    /// `plan`
    Plan,
    /// `plan --change-sets`
    ChangeSets,
    /// `drift`
    Drift,
    /// `apply`, `nodes` and `destroy`
    Apply,
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

/// Print what the device must be told at which an on-prem site's VPN tunnels end; keys are not part of it
#[derive(Debug, Args)]
pub(crate) struct VpnConfig {
    /// The on-prem site
    pub(crate) site: String,
    /// The device
    #[arg(long, default_value = "text")]
    pub(crate) format: VpnFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VpnFormat {
    /// In words, for any device
    Text,
    /// Commands for a BIG-IP
    Bigip,
    /// strongSwan's swanctl.conf
    Swanctl,
}

/// Look at a site's BIG-IP
#[derive(Debug, Args)]
pub(crate) struct F5 {
    #[command(subcommand)]
    pub(crate) what: OnF5,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OnF5 {
    /// Read a partition that somebody else made, and print the part of an inventory that would make it
    Import {
        /// The site, whose inventory says where its BIG-IP is
        site: String,
        /// The partition
        #[arg(long, value_name = "NAME")]
        partition: String,
    },
}

/// Print the JSON Schema of an inventory, for editors; of the lock file; of a drift report
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// What the schema is of
    #[arg(default_value = "inventory")]
    pub(crate) of: SchemaOf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SchemaOf {
    /// The report of `drift --report` and `drift --json`
    Drift,
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
