//! `migrate_from` of `[[functions]]`: another user pool, from which users come along.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use domain::Secret;
use functions::migrate_from::{AccessKey, Options};
use http::Uri;
use serde::Deserialize;

use super::{base_url, secret_file};

/// `migrate_from = { … }`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MigrateFromSection {
    /// The id of the other pool.
    pub pool: String,
    /// The id of its client.
    pub client: String,
    /// A file with that client's secret.
    pub client_secret_file: Option<PathBuf>,
    /// Where the other pool is.
    pub endpoint: Option<String>,
    /// The region of its access keys.
    pub region: Option<String>,
    /// Who may call AdminGetUser there.
    pub access_key_id: Option<String>,
    /// A file with the secret of that key.
    pub secret_access_key_file: Option<PathBuf>,
    /// Names of the attributes that come along.
    pub attributes: Option<Vec<String>>,
    /// Certificates that are trusted instead of the public ones.
    pub ca_file: Option<PathBuf>,
}

impl MigrateFromSection {
    /// Paths start from where the configuration file is.
    pub(super) fn resolve_paths(&mut self, folder: &Path) {
        for path in [&mut self.client_secret_file, &mut self.secret_access_key_file, &mut self.ca_file] {
            path.iter_mut().for_each(|path| *path = folder.join(&*path));
        }
    }

    /// # Errors
    /// Says what is wrong, and with which key.
    pub(super) fn options(&self) -> anyhow::Result<Options> {
        let own_region = self.pool.split_once('_').map(|(region, _)| region).filter(|region| !region.is_empty());
        let Some(own_region) = own_region else { bail!("pool must be a user pool id such as us-east-1_Example01") };
        ensure!(!self.client.is_empty(), "client must be the id of a client of that pool");
        let region = self.region.as_deref().unwrap_or(own_region);
        let endpoint = match &self.endpoint {
            Some(endpoint) => base_url(endpoint).context("endpoint")?,
            None => format!("https://cognito-idp.{region}.amazonaws.com"),
        };
        let endpoint: Uri = endpoint.parse().context("endpoint or region make no address")?;
        let access_key = match (&self.access_key_id, &self.secret_access_key_file) {
            (Some(id), Some(path)) => {
                let secret = Secret::new(secret_file(path, "secret_access_key_file")?);
                Some(AccessKey { id: id.clone(), secret })
            }
            (None, None) => None,
            _ => bail!("access_key_id and secret_access_key_file belong together: set both or neither"),
        };
        let client_secret = match &self.client_secret_file {
            Some(path) => Some(Secret::new(secret_file(path, "client_secret_file")?)),
            None => None,
        };
        let attributes = self.attributes.clone().unwrap_or_else(|| vec!["*".to_owned()]);
        ensure!(!attributes.is_empty(), "attributes must name some: a user without attributes is not brought along");
        Ok(Options {
            endpoint,
            region: region.to_owned(),
            pool: self.pool.clone(),
            client: self.client.clone(),
            client_secret,
            access_key,
            attributes,
            ca_file: self.ca_file.clone(),
        })
    }
}
