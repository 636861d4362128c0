//! The nouns of incline: what a person typed ([`inventory`]), what is valid ([`site`]), what must be ([`desired`]),
//! what would change ([`plan`]), and what is wrong with the input ([`fault`]).
//!
//! What may not live here: I/O, clock, chance, async. The crate is `no_std`, so the compiler itself refuses files,
//! time, environment, printing and maps of random order; its short dependency list is held by a test.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod desired;
pub mod drift;
pub mod estate;
pub mod event;
pub mod fault;
pub mod fetch;
mod hex;
pub mod inventory;
pub mod lock;
pub mod observed;
pub mod plan;
mod prelude;
pub mod quote;
pub mod region;
pub mod scalar;
pub mod shape;
pub mod site;
pub mod tenant;
pub mod yaml;

pub use hex::hex;
