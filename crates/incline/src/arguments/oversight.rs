//! What looks after sites and after those who change them: drift, doctor, audit, evidence, approvals.
use super::{Bootstrap, Forks};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Approve a plan that `incline plan --out` saved: sign it with an SSH key of yours that its sites' inventories name
#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// The plan
    pub(crate) plan: PathBuf,
    /// The private key; default: the one that the SSH agent holds
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Say who changed what, and whether the record of that is whole
#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(subcommand)]
    pub(crate) what: OnAudit,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OnAudit {
    /// Say whether the trail is whole: nothing edited, taken out, put in or cut off
    Verify {
        /// Sites whose copies of the trail's end are asked for; default: none
        sites: Vec<String>,
        /// Print what was found as JSON
        #[arg(long)]
        json: bool,
    },
    /// List who did what, and how it ended
    Show {
        /// Only what was done to this site
        site: Option<String>,
        /// All that one command did, by the number that the list gives it
        #[arg(long, value_name = "NUMBER", conflicts_with = "site")]
        run: Option<u64>,
        /// Print the records themselves, one a line
        #[arg(long)]
        json: bool,
    },
}

/// Say what no longer holds, without changing anything
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Drift {
    #[command(subcommand)]
    pub(crate) what: Option<OnDrift>,
    /// The sites; default: all
    pub(crate) sites: Vec<String>,
    /// All sites
    #[arg(long, conflicts_with = "sites")]
    pub(crate) all: bool,
    /// Write reports into this folder: report.json, index.html, junit.xml, incline.prom; and keep a history of each site there
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// Keep the histories elsewhere: where several shards share them
    #[arg(long, value_name = "DIR", requires = "report")]
    pub(crate) history: Option<PathBuf>,
    /// Only what was not there before this moment (2026-11-24, or with a time)
    #[arg(long, value_name = "WHEN", requires = "report")]
    pub(crate) since: Option<String>,
    /// Only the sites that fall to shard I of N, from 0/N to N-1/N
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// How many sites are looked at side by side
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) at_once: u16,
    /// For how long one site may be looked at: 90s, 20m, 1h
    #[arg(long, value_name = "TIME", default_value = "20m")]
    pub(crate) site_deadline: humantime::Duration,
    /// After how long the run ends, with what it has
    #[arg(long, value_name = "TIME")]
    pub(crate) deadline: Option<humantime::Duration>,
    /// Tell of what is new and what is gone, at the address in INCLINE_WEBHOOK_URL
    #[arg(long, value_name = "FORM", requires = "report")]
    pub(crate) notify: Option<Notify>,
    /// Send metrics to the push gateway at the address in INCLINE_PUSH_URL
    #[arg(long, requires = "report")]
    pub(crate) push: bool,
    /// Exit with 0 although there is drift; with 1 still if something could not be checked
    #[arg(long)]
    pub(crate) exit_zero: bool,
    /// List what nobody can check, too
    #[arg(long)]
    pub(crate) full: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) bootstrap: Bootstrap,
    #[command(flatten)]
    pub(crate) forks: Forks,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OnDrift {
    /// Make one report of those of several shards
    Merge {
        /// The folders of their reports
        #[arg(required = true)]
        parts: Vec<PathBuf>,
        /// The folder of the report
        #[arg(long, value_name = "DIR")]
        report: PathBuf,
        /// Exit with 0 although there is drift
        #[arg(long)]
        exit_zero: bool,
    },
}

/// What a webhook is told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Notify {
    /// What is new and what is gone, as JSON
    Json,
    /// A message as Slack takes it, and what speaks like it
    Slack,
}

/// One of several parts of an estate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    /// Which, from 0, as an Indexed Job of Kubernetes counts.
    pub(crate) number: u32,
    /// Of how many.
    pub(crate) of: u32,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if number < of => Ok(Self { number, of }),
            _ => Err("a shard is `I/N`, and I is from 0 to N-1".to_owned()),
        }
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// Write for an auditor how a site's safeguards stand: a page and JSON, paragraph by paragraph, with drift, changes and approvals
#[derive(Debug, Args)]
pub(crate) struct Evidence {
    /// The site
    pub(crate) site: String,
    /// The folder of SITE.html and SITE.json
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Ask neither AWS nor hosts: only what the inventory asks for is judged
    #[arg(long)]
    pub(crate) offline: bool,
    #[command(flatten)]
    pub(crate) forks: Forks,
}

/// Say what this machine, these credentials and this network can reach of some sites, and what they cannot
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The sites; default: all
    pub(crate) sites: Vec<String>,
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) forks: Forks,
}
