//! The System of tenants on a BIG-IP. What is written goes by AS3, a tenant at a time, all or nothing; what is read comes from plain
//! iControl REST, because a dry run of AS3 would leave "changes pending" on a pair every night. Of the device, only the site's own
//! partitions are read, and what they refer to.
//!
//! What is asked and how answers are read is pure (`read.rs`); requests are sent in `client.rs` alone.
mod client;
mod error;
mod propose;
mod read;
mod system;
mod trust;

pub use error::Error;
pub use propose::Proposal;
pub use system::{Device, Tenants};
