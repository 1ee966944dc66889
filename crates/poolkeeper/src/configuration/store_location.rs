//! `[store]` and `[store.postgres]`: where the data is, how durable, and how a database across a network is used.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use serde::Deserialize;
use store::{Address, Durability, Isolation, Location, PostgresOptions};

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
    /// `sqlite:PATH`, `sqlite::memory:` or `postgres://…`.
    pub url: Option<String>,
    /// What an acknowledged change survives.
    pub durability: Option<DurabilityChoice>,
    /// How PostgreSQL is used.
    pub postgres: PostgresSection,
}

/// `[store.postgres]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresSection {
    /// File with the password, in place of one in the URL.
    pub password_file: Option<PathBuf>,
    /// A copy from which lists are read.
    pub replica_url: Option<String>,
    /// Isolation of the transactions that write.
    pub isolation: Option<IsolationChoice>,
    /// Whether statements are prepared once per connection.
    pub prepared_statements: Option<bool>,
    /// Open connections at most.
    pub max_connections: Option<usize>,
    /// Seconds that a request waits for the database.
    pub patience_seconds: Option<u64>,
}

/// Isolation of the transactions that write.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IsolationChoice {
    /// What the database is set to.
    Database,
    /// READ COMMITTED.
    ReadCommitted,
    /// REPEATABLE READ.
    RepeatableRead,
    /// SERIALIZABLE.
    Serializable,
}

impl PostgresSection {
    /// The options for the database at `url`. Reads the password's file.
    fn options(&self, url: &str) -> anyhow::Result<PostgresOptions> {
        let password = match &self.password_file {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the database's password from {}", path.display()))?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        };
        let address = |url: &str, key: &str| -> anyhow::Result<Address> {
            let address = Address::parse(url).map_err(|reason| anyhow::anyhow!("{key}: {reason}"))?;
            Ok(match &password {
                Some(password) => address.with_password(password),
                None => address,
            })
        };
        let mut options = PostgresOptions::new(address(url, "store.url")?);
        if let Some(url) = &self.replica_url {
            options.replica = Some(address(url, "store.postgres.replica_url")?);
        }
        if let Some(isolation) = self.isolation {
            options.isolation = match isolation {
                IsolationChoice::Database => Isolation::Database,
                IsolationChoice::ReadCommitted => Isolation::ReadCommitted,
                IsolationChoice::RepeatableRead => Isolation::RepeatableRead,
                IsolationChoice::Serializable => Isolation::Serializable,
            };
        }
        if let Some(prepared_statements) = self.prepared_statements {
            options.prepared_statements = prepared_statements;
        }
        if let Some(most) = self.max_connections {
            if !(2..=1_000).contains(&most) {
                bail!("store.postgres.max_connections must be from 2 to 1,000");
            }
            options.max_connections = most;
        }
        if let Some(seconds) = self.patience_seconds {
            if !(1..=300).contains(&seconds) {
                bail!("store.postgres.patience_seconds must be from 1 to 300");
            }
            options.patience = Duration::from_secs(seconds);
        }
        Ok(options)
    }
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
        if let Some(path) = &mut self.postgres.password_file {
            *path = folder.join(&*path);
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
        if store::is_url(url) {
            return Ok(Location::Postgres(Box::new(self.postgres.options(url)?)));
        }
        match url.strip_prefix("sqlite:") {
            Some(":memory:") => Ok(Location::Memory),
            Some(path) if !path.is_empty() => {
                Ok(Location::File(PathBuf::from(path.strip_prefix("//").unwrap_or(path))))
            }
            // The URL is not repeated: it may hold a password.
            _ => bail!("the store's URL is not supported: write sqlite:PATH, sqlite::memory:, or postgres://…"),
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
            Location::Postgres(postgres) => store::Options::postgres(*postgres),
        };
        Ok(store::Options { durability, ..options })
    }

    /// Where the master key of `dev` is kept: beside the database, or in the data directory when that is across a
    /// network. Nowhere when the data is in memory.
    ///
    /// # Errors
    /// When the URL is of no known form.
    pub fn folder(&self) -> anyhow::Result<Option<PathBuf>> {
        Ok(match self.location()? {
            Location::Memory => None,
            Location::File(path) => Some(path.parent().unwrap_or(Path::new("")).to_owned()),
            Location::Postgres(_) => Some(self.data_dir().to_owned()),
        })
    }

    /// The database in words, without a password.
    ///
    /// # Errors
    /// When the URL is of no known form.
    pub fn described(&self) -> anyhow::Result<String> {
        Ok(self.location()?.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use store::{Address, Durability, Isolation, Location, PostgresOptions};

    use super::{DurabilityChoice, StoreSection};
    use crate::mode::Mode;

    #[test]
    fn urls_name_a_place() {
        let place = |url: &str| StoreSection { url: Some(url.to_owned()), ..StoreSection::default() }.location();
        assert_eq!(place("sqlite::memory:").unwrap(), Location::Memory);
        assert_eq!(place("sqlite:x/y.db").unwrap(), Location::File("x/y.db".into()));
        assert_eq!(place("sqlite:///x/y.db").unwrap(), Location::File("/x/y.db".into()));
        for wrong in ["", "sqlite:", "x.db", "postgres://", "postgres://keeper:secret@localhost/x?sslmode=prefer"] {
            let error = format!("{:#}", place(wrong).unwrap_err());
            assert!(!error.contains("secret"), "{error}");
        }
        let shown = place("postgres://keeper:secret@db.example.com/x").unwrap().to_string();
        assert_eq!(shown, "postgres://db.example.com:5432/x");
        assert_eq!(StoreSection::default().location().unwrap(), Location::File("poolkeeper-data/poolkeeper.db".into()));
    }

    #[test]
    fn the_database_is_used_as_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), "from a file\n").unwrap();
        let mut section: StoreSection = toml::from_str(
            "url = \"postgres://keeper@db.example.com/x\"\n[postgres]\npassword_file = \"password\"\n\
             replica_url = \"postgres://keeper@copy.example.com/x\"\nisolation = \"serializable\"\n\
             prepared_statements = false\nmax_connections = 4\npatience_seconds = 3\n",
        )
        .unwrap();
        section.resolve_paths(folder.path());
        let Location::Postgres(options) = section.location().unwrap() else { unreachable!("another place") };
        let address =
            |host: &str| Address::parse(&format!("postgres://keeper@{host}/x")).unwrap().with_password("from a file");
        let expected = PostgresOptions {
            replica: Some(address("copy.example.com")),
            isolation: Isolation::Serializable,
            prepared_statements: false,
            max_connections: 4,
            patience: Duration::from_secs(3),
            ..PostgresOptions::new(address("db.example.com"))
        };
        assert_eq!(*options, expected);
        for wrong in ["max_connections = 1", "patience_seconds = 0"] {
            let text = format!("url = \"postgres://keeper@db/x\"\n[postgres]\n{wrong}");
            assert!(toml::from_str::<StoreSection>(&text).unwrap().location().is_err(), "{wrong}");
        }
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
