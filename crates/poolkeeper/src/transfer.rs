//! `poolkeeper export` and `poolkeeper import`, which `[beyond]` has to allow.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Write},
    path::Path,
};

use anyhow::{Context, bail};
use crypto::random::SystemEntropy;
use indicatif::HumanCount;
use service::transfer::{self, Keys};
use store::archive::{Progress, Stage};

use crate::{
    backup::{Part, refuse_existing},
    configuration::Configuration,
    master_key, opening, print,
    progress::Shown,
    system,
};

/// Bytes that are read or written at once.
const BUFFER: usize = 1_024 * 1_024;

/// Writes a pool into a file that only the given key opens.
///
/// # Errors
/// When `[beyond]` does not allow it, the file exists, there is no such pool, or reading or writing fails.
pub async fn export(
    configuration: &Configuration,
    user_pool_id: &str,
    key: &Path,
    output: &Path,
) -> anyhow::Result<()> {
    allowed(configuration)?;
    refuse_existing(output, false)?;
    let recipient = master_key::read(key)?;
    let opened = opening::to_look(configuration).await?;
    let keys = Keys { ring: &opened.ring, recipient: &recipient, entropy: &SystemEntropy };
    let part = Part::new(output)?;
    let mut buffer = BufWriter::with_capacity(BUFFER, &part.file);
    let mut shown = Shown::default();
    let written =
        transfer::export(&opened.store, &keys, user_pool_id, system::now(), &mut buffer, &mut |users, about| {
            shown.tell(&progress(Stage::Reading, users, about))
        })
        .await;
    shown.end();
    let users = written?;
    buffer.flush().with_context(|| format!("cannot write {}", output.display()))?;
    drop(buffer);
    refuse_existing(output, false)?;
    part.complete(output)?;
    print(&format!(
        "{}: {user_pool_id} with {} users, for the key {}",
        output.display(),
        HumanCount(users),
        recipient.active_id()
    ))
}

/// Reads a pool from a file.
///
/// # Errors
/// When `[beyond]` does not allow it, the file cannot be trusted, the pool exists, or writing fails.
pub async fn import(configuration: &Configuration, key: &Path, input: &Path) -> anyhow::Result<()> {
    allowed(configuration)?;
    let recipient = master_key::read(key)?;
    let file = File::open(input).with_context(|| format!("cannot read {}", input.display()))?;
    let opened = opening::for_keys(configuration).await?;
    let keys = Keys { ring: &opened.ring, recipient: &recipient, entropy: &SystemEntropy };
    let mut shown = Shown::default();
    let read =
        transfer::import(&opened.store, &keys, &mut BufReader::with_capacity(BUFFER, file), &mut |users, all| {
            shown.tell(&progress(Stage::Loading, users, all))
        })
        .await;
    shown.end();
    let (pool, users) = read?;
    print(&format!("{pool} with {} users, from {}", HumanCount(users), input.display()))
}

const fn progress(stage: Stage, users: u64, all: u64) -> Progress {
    Progress { stage, rows: users, of_rows: all, bytes: 0, of_bytes: 0 }
}

fn allowed(configuration: &Configuration) -> anyhow::Result<()> {
    if configuration.beyond.export_and_import {
        return Ok(());
    }
    bail!(
        "this takes passwords out of an installation or brings them in, which the original cannot do. Allow it with \
         `export_and_import = true` in the section [beyond] of the configuration file"
    )
}
