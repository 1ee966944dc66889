//! One private PostgreSQL server.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    account::{Account, is_root},
    certificate,
    folder::Folder,
    packages::postgresql_programs,
    port,
    process::{Process, Signal, freeze, kill_all},
    psql::{Access, initdb},
};

/// How long a start may take, recovery after a crash included, and how long an end.
const PATIENCE: Duration = Duration::from_secs(120);

/// What keeps the disk of a server full.
const BALLAST: &str = "ballast";

/// What is not as usual.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// Lines of postgresql.conf, after the usual ones (`fsync = on`, `max_connections = 100`): name and value.
    pub settings: Vec<(String, String)>,
    /// Speaks TLS, and nothing else.
    pub tls: bool,
    /// Keeps the data on a file system in memory of this size, in mebibytes: for root on Linux. A new server takes about
    /// 60, a PostgreSQL that cannot extend its log ends; 160 leave room for a test.
    pub data_limit_mib: Option<u64>,
    /// Where the temporary folder with the data is made; where temporary files belong when nothing is said. The
    /// server's user has to get through.
    pub folder: Option<PathBuf>,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Waits until all clients have left.
    Smart,
    /// Ends connections, rolls back, and writes a checkpoint.
    Fast,
    /// Ends at once; the next start recovers.
    Immediate,
    /// SIGKILL of the server and its children.
    Kill,
}

/// A server with password authentication (scram-sha-256) over TCP alone. It is killed, and its data removed, when it is
/// dropped.
#[derive(Debug)]
pub struct Postgres {
    // First: before the folder goes.
    process: Option<Process>,
    port: u16,
    access: Access,
    account: Account,
    data: PathBuf,
    limited: bool,
    folder: Folder,
}

impl Postgres {
    /// Makes and starts a server; returns when it accepts connections.
    ///
    /// # Errors
    /// When it cannot be made or started: with the end of its log.
    pub fn start(options: &PostgresOptions) -> Result<Self> {
        let account = Account::for_servers()?;
        let folder = Folder::new(options.folder.as_deref())?;
        let data = folder.private("data", account)?;
        let certificate = if options.tls { Some(certificate::make(&folder, account)?) } else { None };
        let access = Access::new(certificate.as_ref().map(|certificate| certificate.authority.clone()))?;
        let port = port::free()?;
        let mut server = Self { process: None, port, access, account, data, limited: false, folder };
        if let Some(mebibytes) = options.data_limit_mib {
            server.limit(mebibytes)?;
        }
        let password = server.folder.write("superuser", &server.access.superuser_password, account)?;
        initdb(account, &server.data, &password)?;
        server.configure(options, certificate.as_ref())?;
        server.launch()?;
        server.access.create_role(port)?;
        Ok(server)
    }

    /// Puts a small file system in memory where the data will be.
    fn limit(&mut self, mebibytes: u64) -> Result<()> {
        anyhow::ensure!(is_root(), "data_limit_mib needs root, who alone may mount a file system: run this as root");
        let (user, group) = self.account.numbers().context("root has an account for servers")?;
        let options = format!("size={mebibytes}m,mode=0700,uid={user},gid={group}");
        let mut mount = Command::new("mount");
        let output = mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&self.data).output()?;
        anyhow::ensure!(output.status.success(), "mount: {}", String::from_utf8_lossy(&output.stderr));
        self.limited = true;
        Ok(())
    }

    fn configure(&self, options: &PostgresOptions, certificate: Option<&certificate::Certificate>) -> Result<()> {
        let mut settings = vec![
            ("listen_addresses".to_owned(), "127.0.0.1".to_owned()),
            ("port".to_owned(), self.port.to_string()),
            ("unix_socket_directories".to_owned(), String::new()),
            ("max_connections".to_owned(), "100".to_owned()),
            ("fsync".to_owned(), "on".to_owned()),
        ];
        if let Some(certificate) = certificate {
            settings.push(("ssl".to_owned(), "on".to_owned()));
            settings.push(("ssl_cert_file".to_owned(), certificate.certificate.display().to_string()));
            settings.push(("ssl_key_file".to_owned(), certificate.key.display().to_string()));
        }
        if self.limited {
            // Two segments, so that the log leaves room for tables.
            settings.push(("min_wal_size".to_owned(), "32MB".to_owned()));
            settings.push(("max_wal_size".to_owned(), "48MB".to_owned()));
        }
        settings.extend(options.settings.iter().cloned());
        let mut file = File::options().append(true).open(self.data.join("postgresql.conf"))?;
        for (name, value) in settings {
            writeln!(file, "{name} = '{}'", value.replace('\'', "''"))?;
        }
        let kind = if options.tls { "hostssl" } else { "host" };
        fs::write(self.data.join("pg_hba.conf"), format!("{kind} all all 127.0.0.1/32 scram-sha-256\n"))?;
        Ok(())
    }

    fn launch(&mut self) -> Result<()> {
        let mut command = self.account.command(postgresql_programs()?.join("postgres"), self.folder.path());
        command.arg("-D").arg(&self.data);
        let mut process = Process::start(&self.folder, "postgres", command)?;
        process.wait_until_ready(PATIENCE, || self.access.sql(self.port, "postgres", "SELECT 1").ok())?;
        self.process = Some(process);
        Ok(())
    }

    /// The port that it listens on, also while it is stopped.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How `poolkeeper` reaches a database. Says `sslmode=disable` for a server without TLS and nothing for one with.
    pub fn url(&self, database: &str) -> String {
        self.access.url(&self.host(), database)
    }

    /// How the superuser reaches the database `postgres`.
    pub fn admin_url(&self) -> String {
        self.access.superuser_url(&self.host(), "postgres")
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Of a server with TLS: the certificate of the authority that signed the server's, in PEM. The server's is for
    /// localhost and 127.0.0.1.
    pub fn ca_file(&self) -> Option<&Path> {
        self.access.authority.as_deref()
    }

    /// The passwords, for what stands between a server and its clients.
    pub(crate) const fn access(&self) -> &Access {
        &self.access
    }

    /// Makes a database that belongs to `poolkeeper`.
    ///
    /// # Errors
    /// When the server refuses, as it does when there is one of this name.
    pub fn create_database(&self, name: &str) -> Result<()> {
        self.access.create_database(self.port, name)
    }

    /// Runs SQL as the superuser, statement by statement; rows come one a line, columns with `|` between.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses a statement; those before it have been done.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        self.access.sql(self.port, database, sql)
    }

    /// Stops it and waits until nothing of it runs. Nothing happens when it is stopped already.
    ///
    /// # Errors
    /// When it does not end within two minutes, which for [`Stop::Smart`] takes clients that leave.
    pub fn stop(&mut self, how: Stop) -> Result<()> {
        let Some(process) = &mut self.process else { return Ok(()) };
        match how {
            _ if process.has_ended().is_some() => {}
            Stop::Smart => process.signal(Signal::TERM)?,
            Stop::Fast => process.signal(Signal::INT)?,
            Stop::Immediate => process.signal(Signal::QUIT)?,
            // The children would notice by themselves, but not while one of them is busy.
            Stop::Kill => kill_all(&freeze(process.id())?)?,
        }
        process.wait(PATIENCE)?;
        self.process = None;
        Ok(())
    }

    /// Starts it again on the same port and data, stopping it first (fast) when it runs; returns when it accepts
    /// connections.
    ///
    /// # Errors
    /// When it cannot be started: with the end of its log.
    pub fn restart(&mut self) -> Result<()> {
        self.stop(Stop::Fast)?;
        // What SIGKILL left behind. Everything of this server has ended: that was waited for.
        match fs::remove_file(self.data.join("postmaster.pid")) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context("removing postmaster.pid"),
            _ => self.launch(),
        }
    }

    /// The folder of its data.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Fills the disk of a server with `data_limit_mib` to the last byte.
    ///
    /// # Errors
    /// When the disk is not a limited one, which would be the machine's.
    pub fn fill_disk(&self) -> Result<()> {
        anyhow::ensure!(self.limited, "only the disk of a server with data_limit_mib may be filled");
        let mut ballast = File::options().create(true).append(true).open(self.data.join(BALLAST))?;
        for size in [1 << 20, 4_096, 1] {
            let block = vec![0; size];
            loop {
                match ballast.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("filling the disk"),
                }
            }
        }
        Ok(())
    }

    /// Gives the room back that [`Self::fill_disk`] took.
    ///
    /// # Errors
    /// When nothing took it.
    pub fn free_disk(&self) -> Result<()> {
        fs::remove_file(self.data.join(BALLAST)).context("removing what fills the disk")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.stop(Stop::Kill));
        if self.limited {
            drop(Command::new("umount").arg("--lazy").arg(&self.data).status());
        }
    }
}
