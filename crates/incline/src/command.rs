//! One file a command: read, ask the pure crates, hand the answer to a view.
pub(crate) mod check;
pub(crate) mod graph;
pub(crate) mod init;
pub(crate) mod lock;
pub(crate) mod plan;
pub(crate) mod render;
pub(crate) mod schema;
pub(crate) mod shell;
