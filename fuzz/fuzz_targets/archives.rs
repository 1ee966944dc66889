#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| poolkeeper_fuzzing::files::archives(data));
