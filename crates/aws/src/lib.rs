//! The System of stacks: CloudFormation, and what a site in AWS needs beside it. Signing in, looking, change sets, following
//! events, ways out of failed states, artifacts, machines, drift.
//!
//! What may not live here: decisions. Written to the API references; no type of AWS's own crates in its public face.
mod artifacts;
mod changeset;
mod copies;
mod drift;
mod error;
mod fetched;
mod follow;
pub mod iam;
mod journal;
mod linked_roles;
mod mend;
mod nodes;
mod restore;
mod session;
mod stacks;
mod system;
mod wire;

pub use drift::serving::last_day as certificate_last_day;
pub use error::Error;
pub use journal::{Call, Journal, Mode};
pub use nodes::Node;
pub use session::{Session, SignIn};
pub use system::{Part, Stacks};
