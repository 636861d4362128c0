//! The one integration binary. Cases are data below `tests/cases`; tests against third-party peers (linters, the real
//! Ignition, kubeadm, an AWS emulator) are ignored unless `cargo xtask test` has set their peers up.
#![allow(missing_docs)]

mod cli;
mod hostile;
mod mistakes;
mod peers;
mod plans;
mod rendering;
mod rules;
mod support;
