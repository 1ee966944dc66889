//! Self-hosted, wire-compatible Amazon Cognito user pools server: command line, configuration, wiring, shutdown.

mod access_keys;
mod arguments;
mod backup;
mod banner;
mod code_keys;
mod configuration;
mod copy;
mod destinations;
mod doctor;
mod lambda;
mod logs;
mod master_key;
mod messages;
mod migrate;
mod mode;
mod opening;
mod progress;
mod reference;
mod reshape;
mod restore;
mod run;
mod seed;
mod senders;
mod signals;
mod signing_keys;
mod sweeping;
mod system;
mod template;
mod threads;
mod transfer;

use std::{io::Write, process::ExitCode};

use clap::Parser;
use tokio::runtime::{Builder, Runtime};

use arguments::{Arguments, Command, ConfigCommand, KeysCommand, MessageFilter, MessagesCommand, StoreOptions};
use configuration::Configuration;
use mode::Mode;
use seed::SeedOptions;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match carry_out(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line: what is wrong and what to do. The error may not be printable when stderr is closed.
            _ = writeln!(std::io::stderr(), "poolkeeper: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        None => start(Mode::Dev, Configuration::for_running(&arguments.dev.run)?, &arguments.dev.seed),
        Some(Command::Dev(options)) => start(Mode::Dev, Configuration::for_running(&options.run)?, &options.seed),
        Some(Command::Serve(options)) => {
            start(Mode::Serve, Configuration::for_running(&options)?, &SeedOptions::default())
        }
        Some(Command::Keys { command: KeysCommand::GenerateMaster }) => print(&master_key::generate()),
        Some(Command::Keys { command: KeysCommand::Create { label, only, store } }) => {
            let configuration = Configuration::for_store(&store)?;
            runtime()?.block_on(access_keys::create(&configuration, &label, only))
        }
        Some(Command::Keys { command: KeysCommand::List { store } }) => {
            let configuration = Configuration::for_store(&store)?;
            runtime()?.block_on(access_keys::list(&configuration))
        }
        Some(Command::Keys { command: KeysCommand::Delete { id, store } }) => {
            let configuration = Configuration::for_store(&store)?;
            runtime()?.block_on(access_keys::delete(&configuration, &id))
        }
        Some(Command::Keys { command: KeysCommand::RotateSigning { pool, all: _, withdraw, store } }) => {
            let configuration = Configuration::for_store(&store)?;
            runtime()?.block_on(signing_keys::run(&configuration, pool.as_deref(), withdraw))
        }
        Some(Command::Backup { output, replace, store }) => {
            let configuration = Configuration::for_store(&store)?;
            runtime()?.block_on(backup::run(&configuration, &output, replace))
        }
        Some(Command::Restore { input, replace, store }) => {
            let configuration = Configuration::for_store(&store)?;
            runtime()?.block_on(restore::run(&configuration, &input, replace))
        }
        Some(Command::Copy { from, to, replace, config }) => {
            let configuration = Configuration::for_store(&StoreOptions { config, ..StoreOptions::default() })?;
            runtime()?.block_on(copy::run(&configuration, &from, &to, replace))
        }
        Some(Command::Export { user_pool_id, key, output, store }) => {
            let configuration = Configuration::for_store(&store)?;
            runtime()?.block_on(transfer::export(&configuration, &user_pool_id, &key, &output))
        }
        Some(Command::Import { key, input, store }) => {
            let configuration = Configuration::for_store(&store)?;
            runtime()?.block_on(transfer::import(&configuration, &key, &input))
        }
        Some(Command::Reshape { user_pool_id, alias_attributes, username_attributes, required, store }) => {
            let configuration = Configuration::for_store(&store)?;
            let work = reshape::run(&configuration, &user_pool_id, &alias_attributes, &username_attributes, &required);
            runtime()?.block_on(work)
        }
        Some(Command::Messages { command }) => about_messages(command),
        Some(Command::Doctor { json, run }) => runtime()?.block_on(doctor::run(&run, json)),
        Some(Command::Migrate { dry_run, store }) => {
            let configuration = Configuration::for_store(&store)?;
            runtime()?.block_on(migrate::run(&configuration, dry_run))
        }
        Some(Command::Config { command: ConfigCommand::Reference }) => print(reference::text().trim_end()),
        Some(Command::Config { command: ConfigCommand::Check(options) }) => {
            let configuration = Configuration::for_running(&options)?;
            runtime()?.block_on(configuration.check())?;
            print("The configuration is good.")
        }
    }
}

fn about_messages(command: MessagesCommand) -> anyhow::Result<()> {
    match command {
        MessagesCommand::List { filter, limit, store } => {
            let configuration = Configuration::for_store(&store)?;
            runtime()?.block_on(messages::list(&configuration, &filter, limit))
        }
        MessagesCommand::Show { id, store } => {
            let configuration = Configuration::for_store(&store)?;
            runtime()?.block_on(messages::show(&configuration, &id))
        }
        MessagesCommand::Requeue { ids, user_pool_id, store } => {
            let configuration = Configuration::for_store(&store)?;
            let filter = MessageFilter { user_pool_id, state: None };
            runtime()?.block_on(messages::requeue(&configuration, &ids, &filter))
        }
        MessagesCommand::Drop { ids, filter, store } => {
            let configuration = Configuration::for_store(&store)?;
            runtime()?.block_on(messages::drop_messages(&configuration, &ids, &filter))
        }
    }
}

fn start(mode: Mode, configuration: Configuration, seed: &SeedOptions) -> anyhow::Result<()> {
    logs::start(mode)?;
    let runtime = Builder::new_multi_thread().enable_all().on_thread_start(threads::touch_memory).build()?;
    runtime.block_on(run::run(mode, &configuration, seed))
}

fn runtime() -> anyhow::Result<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}

/// A line on standard output. Whoever reads it may have gone.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}
