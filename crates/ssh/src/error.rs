//! Why a host could not be worked on.
use incline_model::event::Trouble;
use std::path::PathBuf;

/// Why a host could not be worked on. Every message names the hop at which it happened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No connection could be made.
    #[error("{hop} cannot be reached: {why}")]
    Unreachable {
        /// Where.
        hop: String,
        /// Why.
        why: String,
        /// Whether it may go better a moment later.
        transient: bool,
    },
    /// Nothing says which key the host has.
    #[error("{hop} has the host key {fingerprint}, which nothing vouches for")]
    UnknownKey {
        /// Where.
        hop: String,
        /// The key's fingerprint.
        fingerprint: String,
    },
    /// The host's key is another one than it must be.
    #[error("{hop} has the host key {fingerprint}, and must have {pinned}")]
    ChangedKey {
        /// Where.
        hop: String,
        /// The key's fingerprint.
        fingerprint: String,
        /// What it must be.
        pinned: String,
    },
    /// The host does not let the user in.
    #[error("{hop} lets {user} in with none of: {}", tried.join(", "))]
    NotLetIn {
        /// Where.
        hop: String,
        /// The user.
        user: String,
        /// What was tried.
        tried: Vec<String>,
    },
    /// A private key cannot be used.
    #[error("the key {} cannot be used: {why}", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// There is neither a key nor an agent with one.
    #[error("there is no key to log in with: {0}")]
    NoKey(String),
    /// The user does not get root's rights.
    #[error("{hop} does not give root's rights: {said}")]
    NoRoot {
        /// Where.
        hop: String,
        /// What sudo said.
        said: String,
    },
    /// The connection ended before the program did.
    #[error("{hop} went away in the middle{}", if said.is_empty() { String::new() } else { format!(": {said}") })]
    Cut {
        /// Where.
        hop: String,
        /// What was said last, outside of what the program says.
        said: String,
    },
    /// What came is not what our program says.
    #[error("{hop}: {why}")]
    Garbled {
        /// Where.
        hop: String,
        /// What came.
        why: String,
    },
    /// Nothing was heard for long.
    #[error("{hop} said nothing for {seconds} seconds")]
    Silent {
        /// Where.
        hop: String,
        /// For how long.
        seconds: u64,
    },
    /// A file that should be sent cannot be read.
    #[error("{path} cannot be read: {why}")]
    Local {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
}

impl Error {
    /// Whether it may go better a moment later, and nothing has changed yet.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { transient: true, .. })
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownKey { .. } => {
                "`incline trust SITE` shows the keys of all hosts; compare them with what the hosts' consoles say, then let it write them".to_owned()
            }
            Self::ChangedKey { .. } => "the host was installed anew, or somebody stands in between: ask who runs it before you change the pin".to_owned(),
            Self::NotLetIn { user, .. } => format!("see that the key stands in ~/.ssh/authorized_keys of {user}, and that `ssh.user` and `ssh.key` are right"),
            Self::NoKey(_) => "name `ssh.key`, or start an agent (SSH_AUTH_SOCK)".to_owned(),
            Self::NoRoot { .. } => "let the user become root: `USER ALL=(root) NOPASSWD: /bin/sh` in /etc/sudoers.d, or `ssh.becomeRoot`".to_owned(),
            Self::Cut { .. } => "run again: what was begun is taken up where it was left".to_owned(),
            _ => return None,
        })
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let hint = error.hint();
        Self { cause: error.to_string(), details: Vec::new(), hint }
    }
}
