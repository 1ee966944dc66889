//! `aws = { … }`: how AWS, or what speaks its protocols, is reached. Several sections have one.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use aws::{AccessKey, Settings};
use domain::Secret;
use serde::Deserialize;

use super::secret_file;

/// `aws = { … }`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AwsSection {
    /// The region.
    pub region: Option<String>,
    /// An address instead of AWS's own.
    pub endpoint: Option<String>,
    /// Who we are, instead of what the standard chain finds.
    pub access_key_id: Option<String>,
    /// A file with the secret of that key.
    pub secret_access_key_file: Option<PathBuf>,
}

impl AwsSection {
    /// Paths in the file start from where the file is.
    pub fn resolve_paths(&mut self, folder: &Path) {
        if let Some(path) = &mut self.secret_access_key_file {
            *path = folder.join(&*path);
        }
    }

    /// # Errors
    /// When the settings contradict themselves, or the file cannot be read.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let access_key = match (&self.access_key_id, &self.secret_access_key_file) {
            (Some(id), Some(path)) => {
                let secret = Secret::new(secret_file(path, "aws.secret_access_key_file")?);
                Some(AccessKey { id: id.clone(), secret, session_token: None })
            }
            (None, None) => None,
            _ => bail!("aws.access_key_id and aws.secret_access_key_file belong together: set both or neither"),
        };
        let settings = Settings { region: self.region.clone(), endpoint: self.endpoint.clone(), access_key };
        settings.check().context("aws")?;
        Ok(settings)
    }
}
