//! HIPAA's safeguards as rules: what a site is, and what is rendered of it → findings. The rules are data, below `rules/`; AWS's
//! Guard judges by them (<https://docs.aws.amazon.com/cfn-guard/latest/ug/writing-rules.html>), whatever the document is of.
//!
//! What may not live here: any system, any file, the clock. Guard needs `std`, so that the compiler does not hold this crate to it as it
//! holds the other pure ones; `clippy.toml` does.

mod assess;
mod catalogue;
mod document;
mod judge;

pub use assess::{Assessment, Bearing, Finding, assess};
pub use catalogue::{Catalogue, Eligible, Of, Rule, Severity};
pub use document::{Document, of_aws, of_onprem};

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of rules is broken, which is a bug of ours.
    #[error("the rules in {file} are broken: {cause}")]
    Rules {
        /// The file.
        file: &'static str,
        /// Why.
        cause: String,
    },
    /// The engine cannot judge.
    #[error("the {of} cannot be judged: {cause}")]
    Judge {
        /// What the documents are.
        of: &'static str,
        /// The engine's own words.
        cause: String,
    },
}
