//! Walks through a range of candles.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    candlewire_fuzz::pages::run(input);
});
