//! The machines: a database, nodes, and for each node a network of its own to the database.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use cluster::{Node, NodeOptions, Patroni, Postgres, PostgresOptions, Proxy, packages, through};
use serde_json::Value;

use crate::{client::AccessKey, record::Record, scene::text};

/// The database of the run.
const DATABASE: &str = "torture";
/// What every node calls itself, since tokens of one are for all.
const BASE_URL: &str = "http://torture.test";
/// How long a request may take at a node: whoever waits that long after the last request has seen the last change.
pub const REQUEST_SECONDS: u64 = 10;

/// What the nodes keep their data in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum StoreKind {
    /// Two PostgreSQL servers under Patroni with etcd
    Patroni,
    /// One PostgreSQL server
    Postgres,
    /// An SQLite file, with one node
    Sqlite,
}

impl StoreKind {
    /// How many nodes work on it.
    pub const fn nodes(self) -> usize {
        match self {
            Self::Patroni | Self::Postgres => 3,
            Self::Sqlite => 1,
        }
    }

    /// In words.
    pub const fn described(self) -> &'static str {
        match self {
            Self::Patroni => "a pair of PostgreSQL servers with synchronous replication under Patroni",
            Self::Postgres => "one PostgreSQL server",
            Self::Sqlite => "an SQLite file",
        }
    }
}

/// The database behind the nodes.
pub enum Database {
    /// Two servers.
    Patroni(Box<Patroni>),
    /// One server.
    Postgres(Box<Postgres>),
    /// A file.
    Sqlite(PathBuf),
}

/// Everything that can fail.
pub struct World {
    /// The database.
    pub database: Database,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// For each node, its ways to the database's servers.
    pub links: Vec<Vec<Proxy>>,
    /// Where the nodes listen.
    pub addresses: Vec<SocketAddr>,
    /// Who may administer.
    pub key: AccessKey,
    // Last: what is above has its files in it.
    _folder: tempfile::TempDir,
}

impl World {
    /// Starts everything; installs what is missing. `mail` is where the nodes send messages.
    pub fn start(kind: StoreKind, binary: &Path, mail: SocketAddr) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let binary = std::path::absolute(binary)?;
        anyhow::ensure!(binary.is_file(), "there is no {}. Build it, or name another one (--binary)", binary.display());
        let database = Database::start(kind, folder.path()).context("starting the database")?;
        let master_key = run(Command::new(&binary).args(["keys", "generate-master"]))?.trim().to_owned();
        let created = run(Command::new(&binary)
            .args(["keys", "create", "--label", "torture"])
            .current_dir(folder.path())
            .env("POOLKEEPER_MASTER_KEY", &master_key)
            .env("POOLKEEPER_STORE", database.url(None)?))?;
        let created: Value = serde_json::from_str(&created).context("poolkeeper keys create")?;
        let member = |name: &str| text(&created, name).context("an access key has an id and a secret");
        let key = AccessKey { id: member("/AccessKeyId")?, secret: member("/SecretAccessKey")? };

        let (mut nodes, mut links, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..kind.nodes() {
            let proxies = database.ports().into_iter().map(Proxy::start).collect::<Result<Vec<_>>>()?;
            let url = database.url(Some(&proxies))?;
            let node = Node::start(NodeOptions {
                binary: binary.clone(),
                command: "serve".to_owned(),
                config: configuration(&url, mail),
                environment: vec![
                    ("POOLKEEPER_MASTER_KEY".to_owned(), master_key.clone()),
                    ("POOLKEEPER_LOG".to_owned(), "info".to_owned()),
                ],
            })?;
            addresses.push(node.endpoint().trim_start_matches("http://").parse()?);
            nodes.push(node);
            links.push(proxies);
        }
        Ok(Self { database, nodes, links, addresses, key, _folder: folder })
    }

    /// Copies the logs of the nodes into a folder, and adds that of the faults.
    pub fn keep_logs(&self, folder: &Path, record: &Record) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("faults.log"), record.events())?;
        for (number, node) in self.nodes.iter().enumerate() {
            std::fs::copy(node.folder().join("node.log"), folder.join(format!("node-{number}.log")))?;
        }
        Ok(())
    }
}

fn configuration(url: &str, mail: SocketAddr) -> String {
    format!(
        r#"
[server]
admin_listen = "{{admin_listen}}"
base_url = "{BASE_URL}"
request_timeout_seconds = {REQUEST_SECONDS}

[store]
url = "{url}"

[quotas]
start_from = "off"

[limits]
wrong_guesses_per_address_and_hour = 0

[email]
sender = "smtp"
from = "Torture <no-reply@torture.test>"

[email.smtp]
host = "{}"
port = {}
encryption = "none"
"#,
        mail.ip(),
        mail.port()
    )
}

impl Database {
    fn start(kind: StoreKind, folder: &Path) -> Result<Self> {
        Ok(match kind {
            StoreKind::Patroni => {
                packages::patroni()?;
                let pair = Patroni::start()?;
                pair.create_database(DATABASE)?;
                Self::Patroni(Box::new(pair))
            }
            StoreKind::Postgres => {
                packages::postgresql()?;
                let server = Postgres::start(&PostgresOptions::default())?;
                server.create_database(DATABASE)?;
                Self::Postgres(Box::new(server))
            }
            StoreKind::Sqlite => Self::Sqlite(folder.join("torture.db")),
        })
    }

    /// Ports of the servers.
    fn ports(&self) -> Vec<u16> {
        match self {
            Self::Patroni(pair) => pair.ports().to_vec(),
            Self::Postgres(server) => vec![server.port()],
            Self::Sqlite(_) => Vec::new(),
        }
    }

    /// How to reach it, straight or through proxies of [`Self::ports`].
    fn url(&self, proxies: Option<&[Proxy]>) -> Result<String> {
        let ports: Vec<u16> = match proxies {
            Some(proxies) => proxies.iter().map(Proxy::port).collect(),
            None => self.ports(),
        };
        match self {
            Self::Patroni(pair) => {
                let ports: [u16; 2] = ports.try_into().ok().context("a pair has two ports")?;
                Ok(pair.url_through(ports, DATABASE))
            }
            Self::Postgres(server) => through(&server.url(DATABASE), *ports.first().context("a server has a port")?),
            Self::Sqlite(path) => Ok(format!("sqlite:{}", path.display())),
        }
    }

    /// Runs a query with one column of text; a line a row.
    pub fn lines(&self, query: &str) -> Result<Vec<String>> {
        let text = match self {
            Self::Patroni(pair) => pair.sql(DATABASE, query)?,
            Self::Postgres(server) => server.sql(DATABASE, query)?,
            Self::Sqlite(path) => {
                let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
                let connection = rusqlite::Connection::open_with_flags(path, flags)?;
                let mut statement = connection.prepare(query)?;
                let rows = statement.query_map([], |row| row.get(0))?;
                return Ok(rows.collect::<Result<_, _>>()?);
            }
        };
        Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// Runs SQL as the superuser on the server that takes writes.
    pub fn administer(&self, sql: &str) -> Result<()> {
        match self {
            Self::Patroni(pair) => pair.sql(DATABASE, sql)?,
            Self::Postgres(server) => server.sql(DATABASE, sql)?,
            Self::Sqlite(_) => anyhow::bail!("an SQLite file has no superuser"),
        };
        Ok(())
    }
}

/// Runs a program to its end; what it has printed.
fn run(command: &mut Command) -> Result<String> {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"POOLKEEPER_")) {
        command.env_remove(name);
    }
    let output = command.output().with_context(|| format!("starting {}", command.get_program().display()))?;
    anyhow::ensure!(
        output.status.success(),
        "{} ended with {}: {}",
        command.get_program().display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
