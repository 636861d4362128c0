//! Whatever the bytes are, reading an inventory ends with a site or with faults whose places lie inside the text.
//!
//! In crates/model: `cargo +nightly fuzz run inventory fuzz/corpus/inventory ../../inventories` (the example estate is
//! part of the seed corpus).
#![no_main]

use incline_model::estate::Estate;
use incline_model::inventory::Parser;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static PARSER: LazyLock<Parser> = LazyLock::new(Parser::default);

fuzz_target!(|bytes: &[u8]| {
    let faults = match PARSER.parse("fuzz.yaml", bytes) {
        Ok(inventory) => Estate::new(&[inventory], None).err().unwrap_or_default(),
        Err(faults) => faults,
    };
    for fault in faults {
        assert!(!fault.cause.is_empty());
        if let Some(place) = fault.place {
            assert!(place.offset <= bytes.len() && place.offset + place.length <= bytes.len() + 1, "{fault:?}");
        }
    }
});
