#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| poolkeeper_fuzzing::secrets::password_hashes(data));
