//! Fuzz targets: what parsers of foreign input are fed with, and what must hold whatever that is.
//!
//! A target is a plain function of bytes. It returns where the parser refused the bytes as it should, and panics where
//! something is wrong. `fuzz/` runs each under libFuzzer; the tests of this crate run each on its seeds, which lie in
//! `fuzz/seeds`, and on a few hundred changed seeds, so that no target rots.
//!
//! | File | Targets |
//! |---|---|
//! | [`requests`] | requests to a server in process: operations, whole HTTP requests, answers of functions, import files |
//! | [`secrets`] | what cryptography reads: tokens, signatures, SRP, password hashes, encrypted messages, data on devices, passkeys |
//! | [`rules`] | texts that pure code reads: filters, lines of imports, addresses, URLs of databases |
//! | [`files`] | archives and exports |
//! | [`answers`] | what servers answer that this one asks: mail servers, functions behind URLs, other pools |
//! | [`mails`] | messages that become mails |
//! | [`providers`] | responses, assertions and metadata of SAML providers |
//!
//! Inputs are text wherever that is possible, so that seeds can be read and written by hand.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a target that finds something stops with what it saw"
)]

pub mod answers;
pub mod files;
pub mod input;
pub mod mails;
pub mod providers;
pub mod requests;
pub mod rules;
pub mod secrets;
mod world;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which the file in `fuzz/fuzz_targets` and the folder in `fuzz/seeds` have as well.
    pub name: &'static str,
    /// Runs it on an input.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "archives", run: files::archives },
    Target { name: "csv_lines", run: rules::csv_lines },
    Target { name: "database_urls", run: rules::database_urls },
    Target { name: "encoded_data", run: secrets::encoded_data },
    Target { name: "encrypted_messages", run: secrets::encrypted_messages },
    Target { name: "exports", run: files::exports },
    Target { name: "filters", run: rules::filters },
    Target { name: "function_answers", run: requests::function_answers },
    Target { name: "http_requests", run: requests::http_requests },
    Target { name: "import_files", run: requests::import_files },
    Target { name: "mails", run: mails::mails },
    Target { name: "networks", run: rules::networks },
    Target { name: "operations", run: requests::operations },
    Target { name: "passkeys", run: secrets::passkeys },
    Target { name: "password_hashes", run: secrets::password_hashes },
    Target { name: "remote_answers", run: answers::remote_answers },
    Target { name: "saml_messages", run: providers::saml_messages },
    Target { name: "signatures", run: secrets::signatures },
    Target { name: "smtp_replies", run: answers::smtp_replies },
    Target { name: "srp", run: secrets::srp },
    Target { name: "tokens", run: secrets::tokens },
    Target { name: "wire_shapes", run: rules::wire_shapes },
];
