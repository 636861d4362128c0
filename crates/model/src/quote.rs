//! The one function through which text becomes part of a shell line.
use crate::prelude::*;

/// Characters that mean nothing but themselves to a POSIX shell, to systemd's environment files and to unit files.
pub fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./:@=+,".contains(&b))
}

/// Quotes `text` as one word of a POSIX shell line (XCU 2.2.2: nothing is special between single quotes but the quote).
pub fn shell(text: &str) -> String {
    if is_word(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
