//! A fuzz target: the body whose name the binary has.

#![no_main]

mod bodies;

use std::sync::LazyLock;

static BODY: LazyLock<bodies::Body> = LazyLock::new(|| {
    let named = bodies::TARGETS.iter().find(|(name, _)| *name == env!("CARGO_BIN_NAME"));
    named.expect("every binary is some body's").1
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| BODY(bytes));
