#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| poolkeeper_fuzzing::providers::saml_messages(data));
