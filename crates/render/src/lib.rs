//! Valid site + templates → what must be: CloudFormation stacks and node configurations, byte for byte the same for the
//! same input. The one place that knows minijinja; templates come in as values.
//!
//! What may not live here: network, clock, files. The crate is `no_std`, so the compiler itself refuses them.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod context;
mod f5;
mod hosts;
mod node;
mod prelude;
mod stacks;
mod storage;
mod templates;
mod vpn;

pub use f5::render_tenants;
pub use hosts::{ApiBy, render_hosts};
pub use stacks::render;
pub use templates::Templates;
pub use vpn::{VpnDevice, render_vpn};

use crate::prelude::*;

/// Why a site could not be rendered. A valid site and incline's own templates never give one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A template does not parse, or a value is missing in it.
    #[error("the template {name} cannot be rendered{}", .line.map_or(String::new(), |line| format!(" (line {line})")))]
    Template {
        /// The template's name.
        name: String,
        /// The line, counted from 1, where the renderer knows it.
        line: Option<usize>,
        /// The renderer's own words.
        #[source]
        source: minijinja::Error,
    },
    /// There is no file of that name among the templates.
    #[error("there is no template {name}")]
    NoTemplate {
        /// The name.
        name: String,
    },
    /// What a template gave is not YAML, or not of the shape that it must have.
    #[error("the template {name} gives no valid YAML: {cause}")]
    NotYaml {
        /// The template's name.
        name: String,
        /// The first fault, with its line in the rendered text.
        cause: String,
    },
    /// Two items of a host are about the same thing.
    #[error("the host {host} has two items for {what}")]
    Clash {
        /// The host.
        host: String,
        /// What both are about.
        what: String,
    },
    /// A stack's parameter is put out by no earlier stack.
    #[error("the stack {stack} wants the parameter {parameter}, which no stack before it puts out")]
    NoOutput {
        /// The stack.
        stack: String,
        /// The parameter.
        parameter: String,
    },
    /// A template or user data is larger than AWS takes.
    #[error("{what} is {size} bytes, and AWS takes {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// Its size in bytes.
        size: usize,
        /// AWS's limit in bytes.
        limit: usize,
    },
}
