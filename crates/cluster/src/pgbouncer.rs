//! PgBouncer in front of one PostgreSQL server, with a server connection per transaction.

use std::time::Duration;

use anyhow::Result;

use crate::{account::Account, folder::Folder, port, postgres::Postgres, process::Process, psql::Access};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A pooler that hands each transaction to any of its connections. It is killed when it is dropped.
#[derive(Debug)]
pub struct PgBouncer {
    // First: before the folder goes.
    process: Process,
    port: u16,
    access: Access,
    account: Account,
    folder: Folder,
}

impl PgBouncer {
    /// Starts one for all databases of a server, with up to `pool_size` connections to each; returns when it accepts
    /// connections.
    ///
    /// # Errors
    /// When it cannot be started: with the end of its log.
    pub fn start(postgres: &Postgres, pool_size: u32) -> Result<Self> {
        let account = Account::for_servers()?;
        let folder = Folder::new(None)?;
        let (port, access) = (port::free()?, postgres.access().without_tls());
        let users = format!("\"poolkeeper\" \"{}\"\n\"postgres\" \"{}\"\n", access.password, access.superuser_password);
        let users = folder.write("users.txt", &users, account)?;
        let tls = match postgres.ca_file() {
            Some(authority) => {
                format!("server_tls_sslmode = verify-ca\nserver_tls_ca_file = {}\n", authority.display())
            }
            None => String::new(),
        };
        let configuration = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = {pool_size}\nmax_client_conn = 1000\n{tls}",
            postgres.port(),
            users.display(),
        );
        folder.write("pgbouncer.ini", &configuration, account)?;
        let process = launch(&folder, account, &access, port)?;
        Ok(Self { process, port, access, account, folder })
    }

    /// How `poolkeeper` reaches a database through it.
    pub fn url(&self, database: &str) -> String {
        self.access.url(&format!("127.0.0.1:{}", self.port), database)
    }

    /// Kills it, because newer versions take SIGTERM for a wish to wait for all clients. Nothing happens when it is
    /// stopped already.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<()> {
        self.process.kill().map(drop)
    }

    /// Starts it again on the same port, stopping it first when it runs; returns when it accepts connections.
    ///
    /// # Errors
    /// When it cannot be started: with the end of its log.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.process = launch(&self.folder, self.account, &self.access, self.port)?;
        Ok(())
    }
}

fn launch(folder: &Folder, account: Account, access: &Access, port: u16) -> Result<Process> {
    let mut command = account.command("/usr/sbin/pgbouncer", folder.path());
    command.arg(folder.path().join("pgbouncer.ini"));
    let mut process = Process::start(folder, "pgbouncer", command)?;
    process.wait_until_ready(PATIENCE, || access.sql(port, "postgres", "SELECT 1").ok())?;
    Ok(process)
}
