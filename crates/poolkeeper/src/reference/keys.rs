//! Keys, passwords and what tokens say.

use super::{Section, setting};

/// `[keys]`.
pub const KEYS: Section = Section {
    name: "keys",
    settings: &[
        setting(
            "master_key_file",
            "\"FILE\"",
            "none",
            "`POOLKEEPER_MASTER_KEY_FILE`, or the keys themselves in `POOLKEEPER_MASTER_KEY`",
            "Master keys, one `id:base64` a line, the one that seals first; `poolkeeper keys generate-master` makes one. `serve` does not start without; `dev` makes one in the data directory.",
        ),
        setting(
            "stock",
            "number",
            "8",
            "",
            "Ready signing keys, at most 1,000. Each new pool takes two; they are made in the background.",
        ),
    ],
};

/// `[passwords]`.
pub const PASSWORDS: Section = Section {
    name: "passwords",
    settings: &[setting(
        "srp_off",
        "[\"POOL ID\", …] or [\"*\"]",
        "[]",
        "",
        "Pools whose passwords are kept as Argon2id hashes instead of SRP verifiers; `*` stands for all. Users of these pools cannot sign in by SRP.",
    )],
};

/// `[issuer]`.
pub const ISSUER: Section = Section {
    name: "issuer",
    settings: &[setting(
        "form",
        "\"server\" or \"aws\"",
        "\"server\"",
        "",
        "Form of the tokens' issuer: `server` is `{base_url}/{pool id}`, where verifiers find the keys; `aws` is `https://cognito-idp.{region}.amazonaws.com/{pool id}`, for verifiers that insist on that host and are told where the keys are.",
    )],
};
