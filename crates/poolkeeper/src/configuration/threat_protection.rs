//! `[threat_protection]`: what threat protection goes by, beside what pools say.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;
use service::threat::StolenPasswords;

/// `[threat_protection]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThreatProtectionSection {
    /// List of hashes of stolen passwords.
    stolen_passwords: Option<PathBuf>,
}

impl ThreatProtectionSection {
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        self.stolen_passwords.iter_mut().for_each(|path| *path = folder.join(&*path));
    }

    /// The passwords that are known to be stolen; looks at a few places of the file.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn stolen_passwords(&self) -> anyhow::Result<StolenPasswords> {
        let Some(file) = &self.stolen_passwords else { return Ok(StolenPasswords::default()) };
        StolenPasswords::open(file).with_context(|| {
            format!(
                "cannot use {} (threat_protection.stolen_passwords). Give the file of SHA-1 hashes, sorted, one \
                 `HEX40:COUNT` a line, that the downloader of Pwned Passwords writes, or leave the setting out",
                file.display()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::configuration::Configuration;

    #[tokio::test]
    async fn a_list_of_stolen_passwords_that_cannot_be_used_is_named() {
        let text = "[threat_protection]\nstolen_passwords = \"pwned.txt\"";
        let mut configuration = Configuration::parse(text).unwrap();
        let folder = tempfile::tempdir().unwrap();
        configuration.resolve_paths(folder.path());
        let path = folder.path().join("pwned.txt");
        for contents in [None, Some("Password1!")] {
            contents.into_iter().for_each(|contents| std::fs::write(&path, contents).unwrap());
            let error = configuration.threat_protection.stolen_passwords().unwrap_err().to_string();
            assert!(error.contains(&*path.to_string_lossy()), "{error}");
            assert!(error.contains("threat_protection.stolen_passwords"), "{error}");
            assert_eq!(configuration.check().await.unwrap_err().to_string(), error);
        }
        std::fs::write(&path, "32CA9FC1A0F5B6330E3F4C8C1BBECDE9BEDB9573:9\n").unwrap();
        let stolen = configuration.threat_protection.stolen_passwords().unwrap();
        assert!(stolen.contains("32CA9FC1A0F5B6330E3F4C8C1BBECDE9BEDB9573").unwrap());
        let none = Configuration::default().threat_protection.stolen_passwords().unwrap();
        assert!(!none.is_there());
    }
}
