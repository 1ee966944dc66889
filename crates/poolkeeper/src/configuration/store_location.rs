//! `[store]`: where the data is, and how durable.

use std::path::{Path, PathBuf};

use anyhow::bail;
use serde::Deserialize;
use store::{Durability, Location};

use crate::mode::Mode;

/// The data directory that is used when none is set.
const DEFAULT_DATA_DIR: &str = "poolkeeper-data";
/// The database in the data directory.
const FILE_NAME: &str = "poolkeeper.db";

/// `[store]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSection {
    /// The data directory, if one is set.
    pub data_dir: Option<PathBuf>,
    /// `sqlite:PATH` or `sqlite::memory:`.
    pub url: Option<String>,
    /// What an acknowledged change survives.
    pub durability: Option<DurabilityChoice>,
}

/// What an acknowledged change survives.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DurabilityChoice {
    /// Loss of power.
    Full,
    /// The end of the process.
    Normal,
}

impl StoreSection {
    /// The data directory: the one that is set, or one below the current folder, wherever the configuration file is.
    pub fn data_dir(&self) -> &Path {
        self.data_dir.as_deref().unwrap_or(Path::new(DEFAULT_DATA_DIR))
    }

    /// Makes relative paths start from `folder`, which is the configuration file's.
    pub fn resolve_paths(&mut self, folder: &Path) {
        if let Some(data_dir) = &mut self.data_dir {
            *data_dir = folder.join(&*data_dir);
        }
        let path = self.url.as_deref().and_then(|url| url.strip_prefix("sqlite:")).filter(|path| *path != ":memory:");
        if let Some(path) = path.filter(|path| !path.is_empty()) {
            let path = folder.join(path.strip_prefix("//").unwrap_or(path));
            self.url = Some(format!("sqlite:{}", path.display()));
        }
    }

    /// Where the database is.
    ///
    /// # Errors
    /// When the URL is of no known form.
    pub fn location(&self) -> anyhow::Result<Location> {
        let Some(url) = &self.url else { return Ok(Location::File(self.data_dir().join(FILE_NAME))) };
        match url.strip_prefix("sqlite:") {
            Some(":memory:") => Ok(Location::Memory),
            Some(path) if !path.is_empty() => {
                Ok(Location::File(PathBuf::from(path.strip_prefix("//").unwrap_or(path))))
            }
            _ => bail!("the store '{url}' is not supported: write sqlite:PATH or sqlite::memory:"),
        }
    }

    /// How the database is opened.
    ///
    /// # Errors
    /// When the URL is of no known form.
    pub fn options(&self, mode: Mode) -> anyhow::Result<store::Options> {
        let durability = match (self.durability, mode) {
            (Some(DurabilityChoice::Full), _) | (None, Mode::Serve) => Durability::Full,
            (Some(DurabilityChoice::Normal), _) | (None, Mode::Dev) => Durability::Normal,
        };
        let options = match self.location()? {
            Location::Memory => store::Options::memory(),
            Location::File(path) => store::Options::file(path),
        };
        Ok(store::Options { durability, ..options })
    }

    /// Where the master key of `dev` is kept: beside the database. Nowhere when the data is in memory.
    ///
    /// # Errors
    /// When the URL is of no known form.
    pub fn folder(&self) -> anyhow::Result<Option<PathBuf>> {
        Ok(match self.location()? {
            Location::Memory => None,
            Location::File(path) => Some(path.parent().unwrap_or(Path::new("")).to_owned()),
        })
    }

    /// The database in words.
    ///
    /// # Errors
    /// When the URL is of no known form.
    pub fn described(&self) -> anyhow::Result<String> {
        Ok(match self.location()? {
            Location::Memory => "in memory, gone when the server stops".to_owned(),
            Location::File(path) => std::path::absolute(&path).unwrap_or(path).display().to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use store::{Durability, Location};

    use super::{DurabilityChoice, StoreSection};
    use crate::mode::Mode;

    #[test]
    fn urls_name_a_place() {
        let place = |url: &str| StoreSection { url: Some(url.to_owned()), ..StoreSection::default() }.location();
        assert_eq!(place("sqlite::memory:").unwrap(), Location::Memory);
        assert_eq!(place("sqlite:x/y.db").unwrap(), Location::File("x/y.db".into()));
        assert_eq!(place("sqlite:///x/y.db").unwrap(), Location::File("/x/y.db".into()));
        for wrong in ["", "sqlite:", "x.db", "postgres://localhost/x"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
        assert_eq!(StoreSection::default().location().unwrap(), Location::File("poolkeeper-data/poolkeeper.db".into()));
    }

    #[test]
    fn paths_in_a_file_start_from_its_folder_and_the_usual_one_does_not() {
        let resolved = |mut section: StoreSection| {
            section.resolve_paths(Path::new("/etc/poolkeeper"));
            section.location().unwrap()
        };
        let usual = StoreSection::default();
        assert_eq!(resolved(usual.clone()), usual.location().unwrap());
        let named = StoreSection { data_dir: Some("data".into()), ..usual.clone() };
        assert_eq!(resolved(named), Location::File("/etc/poolkeeper/data/poolkeeper.db".into()));
        let url = |url: &str| StoreSection { url: Some(url.to_owned()), ..StoreSection::default() };
        assert_eq!(resolved(url("sqlite:my.db")), Location::File("/etc/poolkeeper/my.db".into()));
        assert_eq!(resolved(url("sqlite::memory:")), Location::Memory);
    }

    #[test]
    fn production_survives_loss_of_power_unless_told_otherwise() {
        let durability = |choice, mode| {
            StoreSection { durability: choice, ..StoreSection::default() }.options(mode).unwrap().durability
        };
        assert_eq!(durability(None, Mode::Serve), Durability::Full);
        assert_eq!(durability(None, Mode::Dev), Durability::Normal);
        assert_eq!(durability(Some(DurabilityChoice::Normal), Mode::Serve), Durability::Normal);
        assert_eq!(durability(Some(DurabilityChoice::Full), Mode::Dev), Durability::Full);
    }
}
