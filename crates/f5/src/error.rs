//! Why a device could not be asked, or did not do what it was asked.
use incline_model::event::Trouble;

/// Why a device could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers, or not as who it must be.
    #[error("{unit} cannot be reached: {why}")]
    Unreachable {
        /// The unit.
        unit: String,
        /// Why, down to the first cause.
        why: String,
    },
    /// It does not let us in.
    #[error("{unit} does not let {user} in: {why}")]
    Login {
        /// The unit.
        unit: String,
        /// Who asked.
        user: String,
        /// What it said.
        why: String,
    },
    /// It answered with an error.
    #[error("{unit}: {status}: {message}")]
    Refused {
        /// The unit.
        unit: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        message: String,
    },
    /// Neither unit of a pair is the active one.
    #[error("no unit is active: {0}")]
    NoneActive(String),
    /// It is not fit for us.
    #[error("{unit}: {why}")]
    Unfit {
        /// The unit.
        unit: String,
        /// What is wanting.
        why: String,
    },
    /// It answered with something else than it must.
    #[error("{unit} answered something else than {what}")]
    Strange {
        /// The unit.
        unit: String,
        /// What was expected.
        what: &'static str,
    },
    /// The authority's file cannot be read.
    #[error("{path}: {why}")]
    Authority {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
}

impl Error {
    /// The way out.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { .. } => "look at the way to it, and at `f5.units` and `f5.trust` in the inventory",
            Self::Login { .. } => "look at `f5.user` and `f5.password`; AS3 wants the role Administrator",
            Self::Refused { status: 503, .. } => "it is busy, or starting: run again in two minutes",
            Self::NoneActive(_) => "look at the pair's state: one must be active",
            Self::Unfit { .. } => "install AS3 (f5-appsvcs), or a newer one",
            Self::Authority { .. } => "name a file with certificates in PEM",
            Self::Refused { .. } | Self::Strange { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let trouble = Self::new(error.to_string());
        match error.hint() {
            Some(hint) => trouble.hint(hint),
            None => trouble,
        }
    }
}
