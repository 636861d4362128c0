//! What nobody may see.
use crate::prelude::*;
use core::fmt;
use incline_model::hex;
use incline_model::inventory::SecretSource;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A secret's bytes: never printed, and wiped when they are dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for whoever sends them on.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The digest (SHA-256, hexadecimal) of key and bytes by which a host's file is compared without being read back.
    pub(crate) fn keyed(&self, key: &str) -> String {
        let mut hasher = Sha256::new();
        hasher.update(key.as_bytes());
        hasher.update(&*self.0);
        hex(&hasher.finalize())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Secrets by where they come from.
pub type Secrets = BTreeMap<SecretSource, Secret>;
