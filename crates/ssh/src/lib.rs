//! The System of hosts: connections over SSH (russh), one program a look, one a change, and what the host says while they
//! run. Everything about what is looked at and changed is `incline-host`'s.
//!
//! What may not live here: decisions. An unknown or changed host key is always refused.
mod connect;
mod error;
mod keys;
mod route;
mod sign;
mod system;
mod talk;
mod trust;

pub use connect::Connections;
pub use error::Error;
pub use keys::{Ask, Keys};
pub use route::{Config, Hop, Root, Route, local};
pub use sign::Signer;
pub use system::{Hosts, Part};
pub use trust::Trust;
