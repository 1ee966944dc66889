//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::ActionPattern;

use crate::seed::SeedOptions;

const BACKUP_EXAMPLES: &str = "Examples:
  poolkeeper backup --output monday.poolkeeper --data-dir data
  poolkeeper backup --output - --config poolkeeper.toml | zstd > monday.poolkeeper.zst";
const RESTORE_EXAMPLES: &str = "Examples:
  poolkeeper restore --input monday.poolkeeper --data-dir data
  zstd -dc monday.poolkeeper.zst | poolkeeper restore --input - --config poolkeeper.toml --replace";
const COPY_EXAMPLES: &str = "Examples:
  POOLKEEPER_COPY_TO=postgres://keeper:PASSWORD@db.example.com/poolkeeper \\
    poolkeeper copy --from sqlite:data/poolkeeper.db
  poolkeeper copy --from postgres://keeper@localhost/poolkeeper --to sqlite:data/poolkeeper.db";
const EXPORT_EXAMPLES: &str = "Examples:
  poolkeeper keys generate-master > recipient.key
  poolkeeper export --user-pool-id eu-west-1_AbCdEfGh1 --key recipient.key --output pool.export --config poolkeeper.toml";
const IMPORT_EXAMPLES: &str = "Examples:
  poolkeeper import --key recipient.key --input pool.export --config poolkeeper.toml";
const RESHAPE_EXAMPLES: &str = "Examples:
  poolkeeper reshape --user-pool-id eu-west-1_AbCdEfGh1 --alias-attributes email,preferred_username \\
    --username-attributes none --required email --config poolkeeper.toml";
const REQUEUE_EXAMPLES: &str = "Examples:
  poolkeeper messages list --state dead --config poolkeeper.toml
  poolkeeper messages requeue --user-pool-id eu-west-1_AbCdEfGh1 --config poolkeeper.toml";
const DOCTOR_EXAMPLES: &str = "Examples:
  poolkeeper doctor --config poolkeeper.toml
  poolkeeper doctor --config poolkeeper.toml --json | jq '.checks[] | select(.status != \"ok\")'";
const MIGRATE_EXAMPLES: &str = "Examples:
  poolkeeper migrate --dry-run --config poolkeeper.toml
  poolkeeper migrate --config poolkeeper.toml";

/// Self-hosted, wire-compatible Amazon Cognito user pools server.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = "Without a command, `dev` is run.")]
pub struct Arguments {
    /// What to do; `dev` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of `dev`, when no command is named.
    #[command(flatten)]
    pub dev: DevOptions,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a local emulator: any AWS credentials, an inbox at /_poolkeeper/inbox, a clock that tests can move
    Dev(DevOptions),
    /// Run a production server: signatures are checked, and a master key is needed
    Serve(RunOptions),
    /// Manage the master key and the access keys with which administrators sign requests
    Keys {
        /// What to do with keys.
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Write everything that the database holds into a file, while servers work on it
    ///
    /// The backup shows one moment: what changes after its beginning is not in it. It is text, for its owner alone,
    /// with a digest that `restore` checks; gzip and zstd make it much smaller. What was sealed stays sealed:
    /// without the master key no server starts on it, so keep that as well, but in another place.
    #[command(after_long_help = BACKUP_EXAMPLES)]
    Backup {
        /// File to write; complete when it has this name, FILE.part until then; `-` for standard output
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
        /// Overwrite the file if it exists
        #[arg(long)]
        replace: bool,
        /// Where the data is.
        #[command(flatten)]
        store: StoreOptions,
    },
    /// Load a backup into an empty database (stop all servers on it first)
    ///
    /// The whole file is checked before anything is changed; what was loaded is read back and compared by digest. Until
    /// that is done the database is marked, and no server starts on it. When a restore was interrupted, do it again with
    /// --replace. Servers need the master key that the data was sealed with, or they do not start.
    #[command(after_long_help = RESTORE_EXAMPLES)]
    Restore {
        /// File that `backup` wrote; `-` for standard input, which is kept in TMPDIR meanwhile
        #[arg(long, value_name = "FILE")]
        input: PathBuf,
        /// Remove everything that the database holds first
        #[arg(long)]
        replace: bool,
        /// Where the data is.
        #[command(flatten)]
        store: StoreOptions,
    },
    /// Copy everything from one database into another, empty one (stop all servers on that one first)
    ///
    /// As backup and restore without a file between them: one moment of the source, read back from the target and
    /// compared by digest. Servers may work on the source, but what they change from then on is not copied. URLs are
    /// sqlite:PATH and postgres://…, in either direction; one with a password is better passed in the environment.
    #[command(after_long_help = COPY_EXAMPLES)]
    Copy {
        /// Database to read
        #[arg(long, env = "POOLKEEPER_COPY_FROM", hide_env_values = true, value_name = "URL")]
        from: String,
        /// Database to fill
        #[arg(long, env = "POOLKEEPER_COPY_TO", hide_env_values = true, value_name = "URL")]
        to: String,
        /// Remove everything that the target holds first
        #[arg(long)]
        replace: bool,
        /// Configuration file (TOML), of which [store.postgres] is used
        #[arg(long, env = "POOLKEEPER_CONFIG", hide_env_values = true, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Write one user pool into a file for another installation, passwords included ([beyond] has to allow it)
    ///
    /// Takes along the pool, its keys, clients, groups, domains, identity providers and users, with password verifiers or
    /// hashes, so that everybody signs in as before. The file is encrypted for the given key, line by line; only who has
    /// that key can read it. Servers may be at work. Not taken along: outstanding codes and messages, import jobs,
    /// counters of attempts, revoked single sign-ins.
    #[command(after_long_help = EXPORT_EXAMPLES)]
    Export {
        /// The pool
        #[arg(long, value_name = "ID")]
        user_pool_id: String,
        /// File with the key of whoever is to read the export, as `keys generate-master` makes one
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// File to write; it must not exist
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
        /// Where the data is.
        #[command(flatten)]
        store: StoreOptions,
    },
    /// Read a user pool that `export` wrote, under its old ids ([beyond] has to allow it)
    ///
    /// The file is checked to its end before anything is written, and the pool appears at the end, complete. A pool that
    /// exists is never changed. A SQLite file must not be in use by a server; on PostgreSQL servers may be at work.
    #[command(after_long_help = IMPORT_EXAMPLES)]
    Import {
        /// File with the key that the export was written for
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// File that `export` wrote
        #[arg(long, value_name = "FILE")]
        input: PathBuf,
        /// Where the data is.
        #[command(flatten)]
        store: StoreOptions,
    },
    /// Change the sign-in names and required attributes of a user pool that exists ([beyond] has to allow it)
    ///
    /// All three lists are set as given; `none` is an empty one. When two users would own the same name, those are named and
    /// nothing is changed. Usernames stay what they are, and users who lack a required attribute stay as they are. A SQLite
    /// file must not be in use by a server; on PostgreSQL servers may be at work.
    #[command(after_long_help = RESHAPE_EXAMPLES)]
    Reshape {
        /// The pool
        #[arg(long, value_name = "ID")]
        user_pool_id: String,
        /// What users may sign in with besides their username: email, phone_number, preferred_username
        #[arg(long, value_name = "LIST", value_delimiter = ',', required = true)]
        alias_attributes: Vec<String>,
        /// What users sign in with instead of a username: email, phone_number
        #[arg(long, value_name = "LIST", value_delimiter = ',', required = true)]
        username_attributes: Vec<String>,
        /// Standard attributes that whoever signs up must give
        #[arg(long, value_name = "LIST", value_delimiter = ',', required = true)]
        required: Vec<String>,
        /// Where the data is.
        #[command(flatten)]
        store: StoreOptions,
    },
    /// Look at the messages that wait or were given up, and let them be tried again
    Messages {
        /// What to do with messages.
        #[command(subcommand)]
        command: MessagesCommand,
    },
    /// Check everything that a server needs, and say what to do about what is not in order
    ///
    /// Looks at the configuration as `serve` would use it, at the master key, the database, what is in it, and the mail
    /// server. Nothing is changed and no mail is sent; servers may be at work. One line for each check: `ok`, `warning`,
    /// `problem` or `skipped`, what was found, and what to do. Fails when there is a problem.
    #[command(after_long_help = DOCTOR_EXAMPLES)]
    Doctor {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        /// As for the server.
        #[command(flatten)]
        run: RunOptions,
    },
    /// Bring the database's schema up to date, as the start of a server does
    ///
    /// On a database that servers share, several may be started at once: one of them does it, the others wait, and
    /// servers of the version before go on working meanwhile and afterwards. A file must not be in use by a server.
    #[command(after_long_help = MIGRATE_EXAMPLES)]
    Migrate {
        /// Print what is missing as SQL, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Where the data is.
        #[command(flatten)]
        store: StoreOptions,
    },
    /// Check a configuration file, or print what one may contain
    Config {
        /// What to do with the configuration.
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

/// Options of `dev`.
#[derive(Args, Clone, Debug, Default)]
pub struct DevOptions {
    /// As for `serve`.
    #[command(flatten)]
    pub run: RunOptions,
    /// What there is to be.
    #[command(flatten)]
    pub seed: SeedOptions,
}

/// Options of `dev` and `serve`.
#[derive(Args, Clone, Debug, Default)]
pub struct RunOptions {
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:9229]
    #[arg(long, env = "POOLKEEPER_LISTEN", hide_env_values = true, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where clients reach the server, part of every token's issuer [default: from the address]
    #[arg(long, env = "POOLKEEPER_BASE_URL", hide_env_values = true, value_name = "URL")]
    pub base_url: Option<String>,
    /// Where the data is.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// Options of everything that opens the data.
#[derive(Args, Clone, Debug, Default)]
pub struct StoreOptions {
    /// Configuration file (TOML); `poolkeeper config reference` lists what it may contain
    #[arg(long, env = "POOLKEEPER_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data directory, used by one server at a time [default: poolkeeper-data]
    #[arg(long, env = "POOLKEEPER_DATA_DIR", hide_env_values = true, value_name = "DIRECTORY")]
    pub data_dir: Option<PathBuf>,
    /// Database: sqlite:PATH, sqlite::memory:, or postgres://… [default: poolkeeper.db in the data directory]
    #[arg(long, env = "POOLKEEPER_STORE", hide_env_values = true, value_name = "URL")]
    pub store: Option<String>,
}

/// `poolkeeper keys …`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Print a new master key: put it into a file or into POOLKEEPER_MASTER_KEY, and keep a copy elsewhere
    GenerateMaster,
    /// Make an access key and print it as JSON; its secret is shown this once (with SQLite, stop the server first)
    ///
    /// Without --only the key may be used for everything. Servers of versions that know no limits refuse a limited key.
    Create {
        /// What the key is for, in your words
        #[arg(long, default_value = "")]
        label: String,
        /// What the key may be used for, and nothing else, such as kms:Decrypt or cognito-idp:AdminGetUser; a `*` at the
        /// end stands for whatever follows (cognito-idp:List*). Several are separated by commas
        #[arg(long, value_name = "ACTION", value_delimiter = ',', value_parser = ActionPattern::parse)]
        only: Vec<ActionPattern>,
        /// Where the data is.
        #[command(flatten)]
        store: StoreOptions,
    },
    /// List the access keys as JSON lines, without their secrets (with SQLite, stop the server first)
    List {
        /// Where the data is.
        #[command(flatten)]
        store: StoreOptions,
    },
    /// Delete an access key (with SQLite, stop the server first)
    Delete {
        /// The access key id, AKIA…
        id: String,
        /// Where the data is.
        #[command(flatten)]
        store: StoreOptions,
    },
    /// Give user pools new keys that sign their tokens (with SQLite, stop the server first)
    ///
    /// The old keys stay in the pool's key set for a day and a minute, after which every token that they have signed has
    /// expired: nobody has to sign in again, and whoever checks tokens finds both. On PostgreSQL servers may be at work;
    /// they sign with the new keys within a second. All servers must be of this version. With --withdraw the old keys
    /// count no more: for keys that somebody else may have. Every access and ID token is then refused; refresh tokens
    /// go on.
    RotateSigning {
        /// The user pool
        #[arg(long, value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
        pool: Option<String>,
        /// All user pools
        #[arg(long)]
        all: bool,
        /// Withdraw the old keys at once, with all tokens that they have signed
        #[arg(long)]
        withdraw: bool,
        /// Where the data is.
        #[command(flatten)]
        store: StoreOptions,
    },
}

/// `poolkeeper messages …`
#[derive(Debug, Subcommand)]
pub enum MessagesCommand {
    /// Print messages as JSON lines, newest first; servers may be at work
    ///
    /// Neither codes nor whole addresses are shown.
    List {
        /// Which ones.
        #[command(flatten)]
        filter: MessageFilter,
        /// At most so many
        #[arg(long, default_value_t = 1_000, value_name = "NUMBER")]
        limit: usize,
        /// Where the data is.
        #[command(flatten)]
        store: StoreOptions,
    },
    /// Print one message as JSON; servers may be at work
    Show {
        /// The message's id, also in its Message-ID
        id: String,
        /// Where the data is.
        #[command(flatten)]
        store: StoreOptions,
    },
    /// Let messages that were given up be tried again at once (with SQLite, stop the server first)
    ///
    /// A message that is older than a day gets one more try. Codes do not become valid again: of most messages that were
    /// given up long ago, users have to ask for another one.
    #[command(after_long_help = REQUEUE_EXAMPLES)]
    Requeue {
        /// Ids of messages; without any, all that were given up
        ids: Vec<String>,
        /// Only messages of this user pool
        #[arg(long, value_name = "ID")]
        user_pool_id: Option<String>,
        /// Where the data is.
        #[command(flatten)]
        store: StoreOptions,
    },
    /// Remove messages that were given up, or are in another state (with SQLite, stop the server first)
    Drop {
        /// Ids of messages; without any, all in the given state
        ids: Vec<String>,
        /// Which ones; those that were given up unless --state says something else.
        #[command(flatten)]
        filter: MessageFilter,
        /// Where the data is.
        #[command(flatten)]
        store: StoreOptions,
    },
}

/// Which messages a command is about.
#[derive(Args, Clone, Debug, Default)]
pub struct MessageFilter {
    /// Only messages of this user pool
    #[arg(long, value_name = "ID")]
    pub user_pool_id: Option<String>,
    /// Only messages in this state
    #[arg(long, value_enum)]
    pub state: Option<MessageStateChoice>,
}

/// Where a message is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MessageStateChoice {
    /// Waiting for its sender, or for the next try
    Pending,
    /// Handed over, and kept for the inbox
    Sent,
    /// Given up
    Dead,
}

impl From<MessageStateChoice> for domain::MessageState {
    fn from(choice: MessageStateChoice) -> Self {
        match choice {
            MessageStateChoice::Pending => Self::Pending,
            MessageStateChoice::Sent => Self::Sent,
            MessageStateChoice::Dead => Self::Dead,
        }
    }
}

/// `poolkeeper config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting with its default and meaning
    Reference,
    /// Read the configuration as `serve` would, with all files that it names, and say what is wrong
    Check(RunOptions),
}
