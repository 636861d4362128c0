//! The one integration binary. Cases are data below `tests/cases`; tests against third-party peers (linters, the real
//! Ignition, kubeadm, an AWS emulator) are ignored here, and run by `cargo xtask test`, which sets their peers up.
// A test that cannot go on says so by panicking; clippy sees helper functions as production code.
#![allow(missing_docs, clippy::panic, clippy::unwrap_used)]

mod audit;
mod aws;
mod balancers;
mod cli;
mod f5;
mod fixtures;
mod hostile;
mod hosts;
mod lock;
mod members;
mod mistakes;
mod pages;
mod peers;
mod plans;
mod rendering;
mod reports;
mod rules;
mod safeguards;
mod scripts;
mod semantics;
mod support;
