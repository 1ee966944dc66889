//! What threat protection goes by.

use super::{Section, setting};

/// `[threat_protection]`.
pub const THREAT_PROTECTION: Section = Section {
    name: "threat_protection",
    settings: &[setting(
        "stolen_passwords",
        "\"FILE\"",
        "none",
        "",
        "List of stolen passwords, in which pools with threat protection look passwords up: SHA-1 hashes, sorted, one `HEX40:COUNT` a line, as the downloader of Pwned Passwords writes them (some 40 GB). It is searched where it lies, and may be replaced while the server runs. A few hundred passwords that everybody tries are known without it. docs/threat-protection.md.",
    )],
};
