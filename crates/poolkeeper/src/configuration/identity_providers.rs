//! `[identity_providers]`: how other identity providers are reached.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::mode::Mode;

/// `[identity_providers]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdentityProvidersSection {
    /// PEM file with certificates that are trusted beside the public authorities.
    pub ca_file: Option<PathBuf>,
    /// Whether providers on this machine may be reached over http and on any port.
    local: Option<bool>,
}

impl IdentityProvidersSection {
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        self.ca_file.iter_mut().for_each(|path| *path = folder.join(&*path));
    }

    /// Whether providers on this machine may be reached over http and on any port: in `dev`, unless the file says
    /// otherwise.
    pub fn local(&self, mode: Mode) -> bool {
        self.local.unwrap_or(mode == Mode::Dev)
    }
}

#[cfg(test)]
mod tests {
    use crate::{configuration::Configuration, mode::Mode};

    #[test]
    fn providers_of_this_machine_are_for_developers() {
        let local = |text: &str| {
            let section = Configuration::parse(text).unwrap().identity_providers;
            [Mode::Dev, Mode::Serve].map(|mode| section.local(mode))
        };
        assert_eq!(local(""), [true, false]);
        assert_eq!(local("[identity_providers]\nlocal = true"), [true, true]);
        assert_eq!(local("[identity_providers]\nlocal = false"), [false, false]);
    }
}
