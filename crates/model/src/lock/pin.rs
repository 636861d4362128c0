//! A value that a lock file pins, or that it is not pinned.
use core::fmt;
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::prelude::*;

/// What is written in place of a value that no lock file pins.
pub const NOT_PINNED: &str = "(not pinned)";

/// A value that a lock file pins, if it does. As text, a missing one is [`NOT_PINNED`], which is no digest, address or id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pin<T> {
    /// The value.
    Pinned(T),
    /// The lock file does not pin it, or there is no lock file.
    Missing,
}

impl<T> Pin<T> {
    /// The value, if it is pinned.
    pub fn pinned(&self) -> Option<&T> {
        match self {
            Self::Pinned(value) => Some(value),
            Self::Missing => None,
        }
    }

    /// Something of the value, pinned or missing as the value is.
    pub fn map<'a, U>(&'a self, of: impl FnOnce(&'a T) -> U) -> Pin<U> {
        match self {
            Self::Pinned(value) => Pin::Pinned(of(value)),
            Self::Missing => Pin::Missing,
        }
    }

    /// Whether there is no value.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

impl<T> From<Option<T>> for Pin<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Missing, Self::Pinned)
    }
}

impl<T: fmt::Display> fmt::Display for Pin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned(value) => value.fmt(f),
            Self::Missing => f.write_str(NOT_PINNED),
        }
    }
}

impl<T: Serialize> Serialize for Pin<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Pinned(value) => value.serialize(serializer),
            Self::Missing => serializer.serialize_str(NOT_PINNED),
        }
    }
}

/// Of text: [`NOT_PINNED`], or the value's own.
impl<'de, T: DeserializeOwned> Deserialize<'de> for Pin<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == NOT_PINNED { Ok(Self::Missing) } else { T::deserialize(text.into_deserializer()).map(Self::Pinned) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{AmiId, Digest512, ImageDigest, Url};

    #[test]
    fn a_missing_pin_is_no_value_of_any_kind() {
        assert!(NOT_PINNED.parse::<Digest512>().is_err());
        assert!(NOT_PINNED.parse::<ImageDigest>().is_err());
        assert!(NOT_PINNED.parse::<AmiId>().is_err());
        assert!(NOT_PINNED.parse::<Url>().is_err());
    }

    #[test]
    fn a_pin_is_written_and_read_as_its_value() {
        let pinned: Pin<AmiId> = serde_json::from_str("\"ami-0a1b2c3d4e5f60718\"").unwrap();
        assert_eq!(serde_json::to_string(&pinned).unwrap(), "\"ami-0a1b2c3d4e5f60718\"");
        let missing: Pin<AmiId> = serde_json::from_str("\"(not pinned)\"").unwrap();
        assert!(missing.is_missing());
        assert_eq!(serde_json::to_string(&missing).unwrap(), "\"(not pinned)\"");
        assert!(serde_json::from_str::<Pin<AmiId>>("\"ami-1\"").is_err());
        assert_eq!(missing.map(AmiId::as_str).to_string(), NOT_PINNED);
    }
}
