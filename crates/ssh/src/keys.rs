//! Keys to log in with: a file, perhaps encrypted, perhaps with a certificate beside it; or an agent's.
use crate::error::Error;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_key::Certificate;
use russh::keys::{PrivateKey, load_openssh_certificate, load_secret_key};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// Asks a person for a passphrase; nothing where there is nobody to ask.
pub type Ask = fn(&str) -> Option<Zeroizing<String>>;

/// A private key, and its certificate where there is one.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) key: Arc<PrivateKey>,
    pub(crate) certificate: Option<Certificate>,
}

/// Keys, each read once, and each passphrase asked once.
pub struct Keys {
    ask: Ask,
    loaded: Mutex<BTreeMap<PathBuf, Result<Identity, Error>>>,
}

impl Keys {
    /// No keys yet.
    pub fn new(ask: Ask) -> Self {
        Self { ask, loaded: Mutex::new(BTreeMap::new()) }
    }

    /// The key in a file.
    pub(crate) async fn load(&self, path: &Path) -> Result<Identity, Error> {
        // Whoever comes second waits for the passphrase that the first one asks for.
        let mut loaded = self.loaded.lock().await;
        if let Some(known) = loaded.get(path) {
            return known.clone();
        }
        let found = self.read(path);
        loaded.insert(path.to_path_buf(), found.clone());
        found
    }

    fn read(&self, path: &Path) -> Result<Identity, Error> {
        let unusable = |why: String| Error::Key { path: path.to_path_buf(), why };
        let key = match load_secret_key(path, None) {
            Ok(key) => key,
            Err(russh::keys::Error::KeyIsEncrypted) => {
                let prompt = format!("Passphrase of {}: ", path.display());
                let passphrase = (self.ask)(&prompt).ok_or_else(|| {
                    unusable("it is encrypted, and there is nobody to ask for its passphrase".to_owned())
                })?;
                load_secret_key(path, Some(&passphrase)).map_err(|_| unusable("the passphrase is wrong".to_owned()))?
            }
            Err(error) => return Err(unusable(error.to_string())),
        };
        // ssh-keygen -s writes KEY-cert.pub beside the key.
        let mut beside = path.as_os_str().to_owned();
        beside.push("-cert.pub");
        let beside = PathBuf::from(beside);
        let certificate = beside
            .exists()
            .then(|| {
                load_openssh_certificate(&beside)
                    .map_err(|error| Error::Key { path: beside.clone(), why: error.to_string() })
            })
            .transpose()?;
        Ok(Identity { key: Arc::new(key), certificate })
    }
}

/// The agent that SSH_AUTH_SOCK names.
pub(crate) async fn agent() -> Result<AgentClient<tokio::net::UnixStream>, Error> {
    AgentClient::connect_env()
        .await
        .map_err(|error| Error::NoKey(format!("no key is named, and there is no agent ({error})")))
}
