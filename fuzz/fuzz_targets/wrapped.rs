//! The fuzzer's way to the body of this name.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pitot_fuzz::body("wrapped").expect("it is one of the bodies")(bytes));
