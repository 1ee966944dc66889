//! How other identity providers are reached.

use super::{Section, setting};

/// `[identity_providers]`.
pub const IDENTITY_PROVIDERS: Section = Section {
    name: "identity_providers",
    settings: &[
        setting(
            "ca_file",
            "\"FILE\"",
            "none",
            "",
            "PEM file with certificates of authorities that are trusted beside the public ones when other identity providers are asked, such as a company's own.",
        ),
        setting(
            "local",
            "true or false",
            "true in `dev`, false in `serve`",
            "",
            "Whether the OIDC providers of pools may be on this machine (`localhost`, `127.0.0.1`, `[::1]`), over http as well and on any port: a Keycloak in a container, or another pool of this server. Elsewhere only https on ports 443 and 80 counts. Whoever may create identity providers can have this server ask anything on its own machine then.",
        ),
    ],
};
