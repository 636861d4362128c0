//! Signatures of files by SSH keys, as `ssh-keygen -Y sign` makes them and `ssh-keygen -Y verify` takes them
//! (https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig).
use crate::error::Error;
use crate::keys::{Keys, agent};
use russh::keys::ssh_key::{LineEnding, SshSig};
use russh::keys::{HashAlg, PublicKey};
use std::path::Path;

/// A public key that may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer(PublicKey);

impl Signer {
    /// A key, as it stands in a `.pub` file.
    ///
    /// # Errors
    /// It is none.
    pub fn new(key: &str) -> Result<Self, String> {
        PublicKey::from_openssh(key).map(Self).map_err(|error| format!("`{key}` is not an SSH public key: {error}"))
    }

    /// Its fingerprint (SHA-256), as OpenSSH prints it.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Whether a signature is this key's, for this message and in this namespace.
    pub fn has_signed(&self, namespace: &str, message: &[u8], signature: &str) -> bool {
        SshSig::from_pem(signature).is_ok_and(|signature| self.0.verify(namespace, message, &signature).is_ok())
    }

    /// Signs a message by this key, which the agent holds.
    ///
    /// # Errors
    /// There is no agent, or it does not hold the key.
    pub async fn sign_by_agent(&self, namespace: &str, message: &[u8]) -> Result<String, Error> {
        let failed = |why: String| Error::NoKey(format!("the agent does not sign by {}: {why}", self.fingerprint()));
        let mut agent = agent().await?;
        let data = SshSig::signed_data(namespace, HashAlg::Sha512, message).map_err(|e| failed(e.to_string()))?;
        let signature =
            agent.sign_request_signature(&self.0, None, &data).await.map_err(|error| failed(error.to_string()))?;
        SshSig::new(self.0.key_data().clone(), namespace, HashAlg::Sha512, signature)
            .and_then(|signature| signature.to_pem(LineEnding::LF))
            .map_err(|error| failed(error.to_string()))
    }
}

impl Keys {
    /// Signs a message by the private key in a file; who signed, and the signature.
    ///
    /// # Errors
    /// The key cannot be used.
    pub async fn sign(&self, path: &Path, namespace: &str, message: &[u8]) -> Result<(Signer, String), Error> {
        let key = self.load(path).await?.key;
        let signature = key
            .sign(namespace, HashAlg::Sha512, message)
            .and_then(|signature| signature.to_pem(LineEnding::LF))
            .map_err(|error| Error::Key { path: path.to_path_buf(), why: error.to_string() })?;
        Ok((Signer(key.public_key().clone()), signature))
    }
}
