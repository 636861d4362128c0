//! One file a command: read, ask the crates that know, hand the answer to a view.
pub(crate) mod apply;
pub(crate) mod check;
pub(crate) mod destroy;
pub(crate) mod drift;
pub(crate) mod f5;
pub(crate) mod graph;
pub(crate) mod iam_policy;
pub(crate) mod init;
pub(crate) mod lock;
pub(crate) mod nodes;
pub(crate) mod plan;
pub(crate) mod render;
pub(crate) mod restore;
pub(crate) mod schema;
pub(crate) mod shell;
pub(crate) mod trust;
pub(crate) mod vpn_config;
