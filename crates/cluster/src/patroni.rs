//! Two PostgreSQL servers that replicate synchronously under Patroni, which keeps in etcd who leads.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{
    account::Account,
    folder::Folder,
    http,
    packages::postgresql_programs,
    port,
    process::{Process, Signal, freeze, kill_all, signal_all, wait_until},
    psql::{Access, INITDB},
};

/// How long starting etcd may take, and the whole pair: two starts of PostgreSQL and a base backup.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long Patroni may take to say who a member is. One that is paused never says anything.
const ANSWER: Duration = Duration::from_secs(2);

/// Seconds after which a leader that says nothing loses its office. Newer versions of Patroni raise it to their least,
/// 20.
const TIME_TO_LIVE: u32 = 8;

/// Seconds between the rounds in which a member looks after itself and says that it lives.
const ROUND: u32 = 1;

/// Seconds for which a member tries to reach etcd; the time to live has to be a round and two of these.
const RETRIES: u32 = 3;

/// A pair with one leader and one synchronous standby, and the etcd that it needs. All is killed, and the data removed,
/// when it is dropped.
#[derive(Debug)]
pub struct Patroni {
    // First the processes, then the folder.
    members: [Member; 2],
    etcd: Process,
    access: Access,
    account: Account,
    folder: Folder,
}

#[derive(Debug)]
struct Member {
    /// Not a word of PostgreSQL's: Patroni puts it into `synchronous_standby_names` as it is, where `first` is one.
    name: &'static str,
    port: u16,
    rest_port: u16,
    data: PathBuf,
    /// Patroni, which is not the parent of its PostgreSQL.
    process: Option<Process>,
}

impl Patroni {
    /// Starts etcd and both members; returns when there are a leader and a synchronous standby.
    ///
    /// # Errors
    /// When one of them cannot be started, or they do not find together within three minutes.
    pub fn start() -> Result<Self> {
        let account = Account::for_servers()?;
        let folder = Folder::new(None)?;
        let etcd_port = port::free()?;
        let etcd = start_etcd(&folder, account, etcd_port)?;
        let access = Access::new(None)?;
        let members = [Member::new("north", &folder, account)?, Member::new("south", &folder, account)?];
        for member in &members {
            let configuration = member.configuration(etcd_port, &access)?.to_string();
            folder.write(&format!("{}.yml", member.name), &configuration, account)?;
        }
        let mut pair = Self { members, etcd, access, account, folder };
        pair.start_member(0)?;
        pair.start_member(1)?;
        pair.wait_until_healthy(PATIENCE)?;
        pair.on_leader(|port| pair.access.create_role(port))?;
        Ok(pair)
    }

    /// How `poolkeeper` reaches a database on whichever member takes writes.
    pub fn url(&self, database: &str) -> String {
        self.url_through(self.ports(), database)
    }

    /// The same through proxies of the two members' ports.
    pub fn url_through(&self, ports: [u16; 2], database: &str) -> String {
        let url = self.access.url(&ports.map(|port| format!("127.0.0.1:{port}")).join(","), database);
        format!("{url}&target_session_attrs=read-write")
    }

    /// The ports of the two members' PostgreSQL.
    pub fn ports(&self) -> [u16; 2] {
        self.members.each_ref().map(|member| member.port)
    }

    /// Makes a database that belongs to `poolkeeper`.
    ///
    /// # Errors
    /// When there is no leader, or it refuses.
    pub fn create_database(&self, name: &str) -> Result<()> {
        self.on_leader(|port| self.access.create_database(port, name))
    }

    /// Runs SQL on the leader as the superuser, statement by statement; rows come one a line, columns with `|` between.
    ///
    /// # Errors
    /// When there is no leader, or it refuses a statement; those before it have been done.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        self.on_leader(|port| self.access.sql(port, database, sql))
    }

    fn on_leader<T>(&self, work: impl FnOnce(u16) -> Result<T>) -> Result<T> {
        let leader = self.wait_for_leader(PATIENCE)?;
        work(self.member(leader)?.port)
    }

    fn member(&self, index: usize) -> Result<&Member> {
        self.members.get(index).with_context(|| format!("the pair has the members 0 and 1, not {index}"))
    }

    fn member_mut(&mut self, index: usize) -> Result<&mut Member> {
        self.members.get_mut(index).with_context(|| format!("the pair has the members 0 and 1, not {index}"))
    }

    /// The member that leads now and takes writes; `None` between two leaders, also while the old one has yet to notice
    /// that there is a new one.
    ///
    /// # Errors
    /// When the members cannot be asked. One that does not answer does not lead.
    pub fn leader(&self) -> Result<Option<usize>> {
        // Both at the same time: one that is paused takes its time to say nothing.
        let leads = std::thread::scope(|scope| {
            let asked = self.members.each_ref().map(|member| scope.spawn(|| member.is("primary")));
            asked.map(|thread| thread.join().ok())
        });
        match leads {
            [Some(true), Some(false)] => Ok(Some(0)),
            [Some(false), Some(true)] => Ok(Some(1)),
            [Some(_), Some(_)] => Ok(None),
            _ => anyhow::bail!("a thread that asks a member has ended early"),
        }
    }

    /// Waits until a member leads and takes writes.
    ///
    /// # Errors
    /// When the time is over: with the ends of the logs.
    pub fn wait_for_leader(&self, timeout: Duration) -> Result<usize> {
        wait_until(timeout, || self.leader()).map_err(|error| self.with_logs("there is no leader", &error))
    }

    /// Waits until a member leads and the other is a synchronous standby that receives all that the leader writes.
    ///
    /// # Errors
    /// When the time is over: with the ends of the logs.
    pub fn wait_until_healthy(&self, timeout: Duration) -> Result<()> {
        let streaming = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'";
        let healthy = || {
            let Some(leader) = self.leader()? else { return Ok(None) };
            let standby = self.member(1 - leader)?;
            let streams = standby.is("synchronous")
                && self.access.sql(self.member(leader)?.port, "postgres", streaming).is_ok_and(|count| count == "1");
            Ok(streams.then_some(()))
        };
        wait_until(timeout, healthy).map_err(|error| self.with_logs("there is no leader with a standby", &error))
    }

    /// An error that ends with the ends of the logs of both members.
    fn with_logs(&self, what: &str, error: &anyhow::Error) -> anyhow::Error {
        let logs = self.members.each_ref().map(|member| match &member.process {
            Some(process) => process.log_end(),
            None => format!("{} does not run", member.name),
        });
        anyhow::anyhow!("{what}: {error:#}; {}", logs.join("\n"))
    }

    /// Hands the lead over to the standby, as before maintenance; returns when Patroni says that it is done.
    ///
    /// # Errors
    /// When there is no leader or no standby that could take over.
    pub fn switchover(&self) -> Result<()> {
        let leader = self.wait_for_leader(PATIENCE)?;
        let (from, to) = (self.member(leader)?, self.member(1 - leader)?);
        let body = json!({"leader": from.name, "candidate": to.name}).to_string();
        let (status, answer) = http::request(from.rest_port, "POST", "/switchover", &body, PATIENCE)?;
        anyhow::ensure!(status == 200, "Patroni refuses to switch over ({status}): {answer}");
        Ok(())
    }

    /// SIGKILL of a member's Patroni and PostgreSQL, as when its machine dies; returns when nothing of it runs.
    ///
    /// # Errors
    /// When something of it does not end.
    pub fn kill_member(&mut self, index: usize) -> Result<()> {
        self.member_mut(index)?.kill()
    }

    /// Starts a member, killing first what still runs of it; it joins in its own time ([`Self::wait_until_healthy`]).
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_member(&mut self, index: usize) -> Result<()> {
        self.kill_member(index)?;
        let member = self.member(index)?;
        let mut command = self.account.command("/usr/bin/patroni", self.folder.path());
        command.arg(self.folder.path().join(format!("{}.yml", member.name)));
        let process = Process::start(&self.folder, member.name, command)?;
        self.member_mut(index)?.process = Some(process);
        Ok(())
    }

    /// SIGSTOP of all that a member runs: it stands still, its connections stay open, new ones hang.
    ///
    /// # Errors
    /// When there is no such member, or something of it does not stand still.
    pub fn pause_member(&self, index: usize) -> Result<()> {
        self.member(index)?.freeze().map(drop)
    }

    /// SIGCONT, after [`Self::pause_member`].
    ///
    /// # Errors
    /// When there is no such member, or something of it did not stand still.
    pub fn resume_member(&self, index: usize) -> Result<()> {
        // Nothing frozen starts or ends anything: what is found now is what was frozen then.
        signal_all(&self.member(index)?.freeze()?, Signal::CONT);
        Ok(())
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        for member in &mut self.members {
            drop(member.kill());
        }
        drop(self.etcd.kill());
    }
}

impl Member {
    fn new(name: &'static str, folder: &Folder, account: Account) -> Result<Self> {
        // Patroni makes and remakes the folder of the data, inside one that belongs to its account.
        let data = folder.private(name, account)?.join("data");
        Ok(Self { name, port: port::free()?, rest_port: port::free()?, data, process: None })
    }

    /// What Patroni is told about this member; YAML is said to contain JSON.
    fn configuration(&self, etcd_port: u16, access: &Access) -> Result<Value> {
        let (rest, postgres) = (format!("127.0.0.1:{}", self.rest_port), format!("127.0.0.1:{}", self.port));
        let initdb = INITDB.map(|(option, value)| json!({option: value}));
        Ok(json!({
            "scope": "poolkeeper",
            "name": self.name,
            "restapi": {"listen": rest, "connect_address": rest},
            // Etcd's version 2, in which a leader renews its office only where it still holds it. With version 3 Patroni
            // before 3.0.3 takes it back whoever has it now (patroni/patroni#2689): a leader that stood still for longer
            // than the time to live comes back as a second one, and what the first wrote meanwhile is rewound.
            "etcd": {"host": format!("127.0.0.1:{etcd_port}")},
            "bootstrap": {
                "dcs": {
                    "ttl": TIME_TO_LIVE,
                    "loop_wait": ROUND,
                    "retry_timeout": RETRIES,
                    // In bytes. What was acknowledged has reached the standby, whatever this is; zero would count what
                    // the leader wrote and nobody was told about, and keep the standby from ever taking over.
                    "maximum_lag_on_failover": 1_048_576,
                    "synchronous_mode": true,
                    "postgresql": {
                        "use_pg_rewind": true,
                        "use_slots": true,
                        "parameters": {
                            "hot_standby": "on",
                            "wal_level": "replica",
                            "wal_log_hints": "on",
                            "max_connections": 100,
                        },
                    },
                },
                "initdb": initdb,
            },
            "postgresql": {
                "listen": postgres,
                "connect_address": postgres,
                "data_dir": self.data,
                "bin_dir": postgresql_programs()?,
                "pgpass": self.data.with_file_name("pgpass"),
                "authentication": {
                    "superuser": {"username": "postgres", "password": access.superuser_password},
                    "replication": {"username": "replication", "password": access.superuser_password},
                },
                "parameters": {"unix_socket_directories": ""},
                "pg_hba": [
                    "host all all 127.0.0.1/32 scram-sha-256",
                    "host replication replication 127.0.0.1/32 scram-sha-256",
                ],
                // Without it a base backup waits for the next checkpoint of a server with nothing to do.
                "basebackup": [{"checkpoint": "fast"}],
            },
            "watchdog": {"mode": "off"},
        }))
    }

    /// Whether Patroni says so: `primary` or `synchronous`.
    fn is(&self, role: &str) -> bool {
        let asked = http::request(self.rest_port, "GET", &format!("/{role}"), "", ANSWER);
        self.process.is_some() && asked.is_ok_and(|(status, _)| status == 200)
    }

    /// Stops all that this member runs and answers the ids.
    fn freeze(&self) -> Result<Vec<u32>> {
        let mut processes = match &self.process {
            Some(process) => freeze(process.id())?,
            None => Vec::new(),
        };
        // After Patroni, which could start another.
        if let Some(postmaster) = self.postmaster() {
            processes.extend(freeze(postmaster)?);
        }
        Ok(processes)
    }

    /// The id of this member's PostgreSQL, when it has one.
    fn postmaster(&self) -> Option<u32> {
        let file = fs::read_to_string(self.data.join("postmaster.pid")).ok()?;
        let id = file.lines().next()?.parse().ok()?;
        // One that crashed leaves its file behind, and its id may be somebody else's by now.
        let command = fs::read_to_string(format!("/proc/{id}/cmdline")).ok()?;
        command.contains(self.data.to_str()?).then_some(id)
    }

    fn kill(&mut self) -> Result<()> {
        kill_all(&self.freeze()?)?;
        if let Some(mut process) = self.process.take() {
            process.kill()?;
        }
        match fs::remove_file(self.data.join("postmaster.pid")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("removing postmaster.pid"),
            _ => Ok(()),
        }
    }
}

fn start_etcd(folder: &Folder, account: Account, port: u16) -> Result<Process> {
    let data = folder.private("etcd", account)?;
    let (clients, peers) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{}", port::free()?));
    let mut command = account.command("/usr/bin/etcd", folder.path());
    command.arg("--enable-v2").arg("--data-dir").arg(data);
    command.args(["--name", "only", "--initial-cluster", &format!("only={peers}")]);
    command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
    command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
    let mut process = Process::start(folder, "etcd", command)?;
    let healthy =
        || http::request(port, "GET", "/health", "", ANSWER).is_ok_and(|(status, _)| status == 200).then_some(());
    process.wait_until_ready(PATIENCE, healthy)?;
    Ok(process)
}
