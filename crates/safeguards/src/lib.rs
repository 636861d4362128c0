//! HIPAA's safeguards as rules: what a site is, and what is rendered of it → findings. The rules are data, below `rules/`, in the
//! language of AWS CloudFormation Guard, whatever the document is of.
//!
//! What may not live here: any system, any file, the clock. The crate is `no_std`, so the compiler itself refuses them.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod assess;
mod catalogue;
mod document;
mod guard;
mod prelude;

pub use assess::{Assessment, Bearing, Finding, assess};
pub use catalogue::{Catalogue, Category, Of, Rule, Severity};
pub use document::{Document, of_aws, of_onprem};
pub use guard::Reads;

use crate::prelude::*;

/// A file of rules is broken, which is a bug of ours.
#[derive(Debug, thiserror::Error)]
#[error("the rules in {file} are broken: {cause}")]
pub struct Error {
    /// The file.
    pub file: &'static str,
    /// Why.
    pub cause: String,
}
