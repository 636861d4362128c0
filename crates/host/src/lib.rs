//! What a host must have, and the shell programs that look at it and make it so: items as data, one file a kind, each with
//! its questions, its difference and its change. All programs are plain POSIX shell.
//!
//! What may not live here: connections, files, clock, chance. The crate is `no_std`, so the compiler itself refuses them;
//! what is sent to a host and what came back are values.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod act;
mod anchor;
mod ask;
mod clevis;
mod frame;
mod host;
mod kind;
mod mark;
mod prelude;
mod program;
mod restore;
mod secret;
mod ticket;
mod words;

pub use act::Payload;
pub use anchor::Anchor;
pub use ask::{Answers, Asks};
pub use frame::Garbled;
pub use host::{Entry, Host, Marked, Membership, Seen, Sighting, View};
pub use kind::{Difference, Identity, Item, Judgement, SITE, TextChange};
pub use program::{Change, Conversation, Heard, SHELL, bootstrap, change, hold, look};
pub use restore::Restore;
pub use secret::{Secret, Secrets};
pub use ticket::{Entrance, Ticket};
