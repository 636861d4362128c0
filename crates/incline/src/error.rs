//! What a command ends with: an exit code, or a failure with cause and hint.
use crate::view::count;
use incline_model::fault::Fault;
use incline_model::lock::Need;
use incline_model::scalar::Invalid;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit codes, as the README documents them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or nothing to do.
    Done,
    /// Failed.
    Failed,
    /// There are differences, and the caller asked to be told.
    Differences,
    /// Wrong usage.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Differences => 2,
            // EX_USAGE of sysexits.h.
            Exit::Usage => 64,
        })
    }
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The input has faults, each at its place.
    #[error("{} found", count(faults.len(), "fault"))]
    Faults {
        faults: Vec<Fault>,
        /// The texts of the files, for snippets.
        texts: BTreeMap<String, String>,
    },
    /// Safeguards of high severity do not hold, and nobody excepted them.
    #[error("{} of high severity {} not hold, and nothing was done", count(faults.len(), "safeguard"), if faults.len() == 1 { "does" } else { "do" })]
    Refused {
        /// One a safeguard and site.
        faults: Vec<Fault>,
        /// The texts of the files, for snippets.
        texts: BTreeMap<String, String>,
    },
    /// Sites lack pins in the lock file.
    #[error("{}", crate::pins::refusal(missing))]
    NotPinned {
        /// What is missing, with the sites that need it.
        missing: BTreeMap<Need, Vec<String>>,
    },
    /// Nothing can be written down, or what was is not to be trusted.
    #[error("nothing was changed without its record in the audit trail")]
    Audit(#[source] incline_audit::Error),
    #[error("cannot judge by the safeguards")]
    Safeguards(#[source] incline_safeguards::Error),
    #[error("cannot {verb} {}", path.display())]
    File {
        verb: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("there are no inventories in {}", .0.display())]
    NoInventories(PathBuf),
    #[error("there is no site `{name}` in this estate")]
    NoSite { name: String, hint: Option<String> },
    #[error("no VPN tunnel ends at the site `{site}`")]
    NoTunnels { site: String },
    #[error("the site {site} cannot be rendered")]
    Render {
        site: String,
        #[source]
        source: incline_render::Error,
    },
    #[error("the templates cannot be used")]
    Templates(#[source] incline_render::Error),
    #[error("cannot sign in for {site}")]
    SignIn {
        site: String,
        #[source]
        source: incline_aws::SignIn,
    },
    #[error("cannot look at {site}")]
    Look {
        site: String,
        #[source]
        source: Box<incline_aws::Error>,
    },
    #[error("{cause}")]
    Usage { cause: String, hint: String },
    #[error("{cause}")]
    Other { cause: String, hint: Option<String> },
}

/// An argument that is none of the inventory's words is wrong usage, with the same message.
impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        Self::Usage { cause: invalid.cause, hint: invalid.hint.unwrap_or_default() }
    }
}

impl Failure {
    pub(crate) fn file(verb: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { verb, path, source }
    }

    pub(crate) fn exit(&self) -> Exit {
        if matches!(self, Self::Usage { .. } | Self::NoSite { .. }) { Exit::Usage } else { Exit::Failed }
    }

    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NoInventories(_) => {
                Some("`incline init aws NAME` writes a starter; `--inventories DIR` names another folder".to_owned())
            }
            Self::NoSite { hint, .. } | Self::Other { hint, .. } => hint.clone(),
            Self::Usage { hint, .. } => Some(hint.clone()),
            Self::SignIn { source, .. } => Some(source.hint()),
            Self::Look { source, .. } => source.hint(),
            Self::Templates(_) => Some("run without `--templates` to use incline's own".to_owned()),
            Self::NoTunnels { .. } => {
                Some("an AWS site's `vpn.connections` names the on-prem site that a connection goes to".to_owned())
            }
            Self::Refused { .. } => Some(
                "make it hold, or except it in the inventory, with who approved it and until when; `incline explain RULE` says more"
                    .to_owned(),
            ),
            Self::NotPinned { .. } => Some(
                "run these commands, then this one again; `incline lock status` adds the form and the address of each file"
                    .to_owned(),
            ),
            Self::Audit(_) => Some(
                "`incline audit verify` says what is wrong with the trail; `--audit FILE` begins another one, which the next audit will ask about"
                    .to_owned(),
            ),
            Self::Safeguards(_) | Self::Faults { .. } | Self::File { .. } | Self::Render { .. } => None,
        }
    }
}
