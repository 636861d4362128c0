//! The audit trail (45 CFR 164.312(b)): who changed what, from where, and with what result. JSON objects, one a line; each
//! holds the digest of the one before and its own, and is on the disk before what it announces begins. What a chain cannot
//! show, that its end was cut off or that all of it was written anew, is shown by its [`Head`], copied to where
//! whoever writes the trail cannot take it back.
//!
//! What may not live here: decisions, and asking anything of AWS, hosts or people. Secrets never reach a record.
mod chain;
mod person;
mod record;
mod trail;

pub use chain::{Checked, Flaw, Head, check, pieces};
pub use person::Person;
pub use record::{Access, Approval, FORMAT, Look, Planned, PlannedStep, Record, What};
pub use trail::{Error, Trail};

#[cfg(test)]
mod tests;
