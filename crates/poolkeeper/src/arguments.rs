//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

/// Self-hosted, wire-compatible Amazon Cognito user pools server.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = "Without a command, `dev` is run.")]
pub struct Arguments {
    /// What to do; `dev` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of `dev`, when no command is named.
    #[command(flatten)]
    pub run: RunOptions,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a local emulator: any AWS credentials, an inbox at /_poolkeeper/inbox, a clock that tests can move
    Dev(RunOptions),
    /// Run a production server: signatures are checked, and a master key is needed
    Serve(RunOptions),
    /// Manage the master key and the access keys with which administrators sign requests
    Keys {
        /// What to do with keys.
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Check a configuration file, or print what one may contain
    Config {
        /// What to do with the configuration.
        #[command(subcommand)]
        command: ConfigCommand,
    },
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
    /// Database: sqlite:PATH, or sqlite::memory: [default: poolkeeper.db in the data directory]
    #[arg(long, env = "POOLKEEPER_STORE", hide_env_values = true, value_name = "URL")]
    pub store: Option<String>,
}

/// `poolkeeper keys …`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Print a new master key: put it into a file or into POOLKEEPER_MASTER_KEY, and keep a copy elsewhere
    GenerateMaster,
    /// Make an access key and print it as JSON; its secret is shown this once (stop the server first)
    Create {
        /// What the key is for, in your words
        #[arg(long, default_value = "")]
        label: String,
        /// Where the data is.
        #[command(flatten)]
        store: StoreOptions,
    },
    /// List the access keys as JSON lines, without their secrets (stop the server first)
    List {
        /// Where the data is.
        #[command(flatten)]
        store: StoreOptions,
    },
    /// Delete an access key (stop the server first)
    Delete {
        /// The access key id, AKIA…
        id: String,
        /// Where the data is.
        #[command(flatten)]
        store: StoreOptions,
    },
}

/// `poolkeeper config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting with its default and meaning
    Reference,
    /// Read the configuration as `serve` would, with all files that it names, and say what is wrong
    Check(RunOptions),
}
