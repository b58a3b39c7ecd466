//! Messages of a feed.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    candlewire_fuzz::feed::run(input);
});
