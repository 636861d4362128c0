//! Which host keys are believed.
use crate::error::Error;
use russh::keys::ssh_key::PublicKey;
use russh::keys::{HashAlg, known_hosts};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Who vouches for a host's key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// It has this SHA-256 fingerprint, as OpenSSH prints it.
    Pinned(String),
    /// These known_hosts files know it; hashed names are understood.
    Known(Vec<PathBuf>),
    /// Nobody: the key is looked at, and the connection refused.
    Nobody,
}

/// What became of a host's key.
pub(crate) type Verdict = Arc<Mutex<Option<Error>>>;

/// Judges the keys that a server shows.
pub(crate) struct Judge {
    pub(crate) hop: String,
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) trust: Trust,
    pub(crate) verdict: Verdict,
}

impl Judge {
    fn judge(&self, key: &PublicKey) -> Option<Error> {
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let hop = self.hop.clone();
        match &self.trust {
            Trust::Pinned(pinned) if *pinned == fingerprint => None,
            Trust::Pinned(pinned) => Some(Error::ChangedKey { hop, fingerprint, pinned: pinned.clone() }),
            Trust::Known(files) => {
                for file in files {
                    match known_hosts::check_known_hosts_path(&self.address, self.port, key, file) {
                        Ok(true) => return None,
                        Ok(false) => {}
                        Err(russh::keys::Error::KeyChanged { line }) => {
                            let pinned = format!("the one in line {line} of {}", file.display());
                            return Some(Error::ChangedKey { hop, fingerprint, pinned });
                        }
                        Err(error) => {
                            return Some(Error::Key { path: file.clone(), why: error.to_string() });
                        }
                    }
                }
                Some(Error::UnknownKey { hop, fingerprint })
            }
            Trust::Nobody => Some(Error::UnknownKey { hop, fingerprint }),
        }
    }
}

impl russh::client::Handler for Judge {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &russh::keys::PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let refused = match key {
            russh::keys::PublicKeyOrCertificate::PublicKey { key, .. } => self.judge(key),
            // Only plain keys are offered for negotiation; a certificate is nobody's answer to that.
            russh::keys::PublicKeyOrCertificate::Certificate(_) => Some(Error::Garbled {
                hop: self.hop.clone(),
                why: "it showed a host certificate, and was asked for a key".to_owned(),
            }),
        };
        let accepted = refused.is_none();
        if let Ok(mut verdict) = self.verdict.lock() {
            *verdict = refused;
        }
        Ok(accepted)
    }
}
