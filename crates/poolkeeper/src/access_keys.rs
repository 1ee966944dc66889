//! `poolkeeper keys create`, `list` and `delete`.

use anyhow::{Context, bail};
use crypto::random::SystemEntropy;
use domain::{AccessKey, ActionPattern, Secret};
use serde_json::{Value, json};
use service::access_keys;
use store::{Changes, CommitError, Key, Location, Row};
use wire::Timestamp;

use crate::{configuration::Configuration, opening, print, system};

/// Makes a key, for these actions or (where none is named) for everything, and prints it, the secret included.
///
/// # Errors
/// When the data cannot be opened or written.
pub async fn create(configuration: &Configuration, label: &str, only: Vec<ActionPattern>) -> anyhow::Result<()> {
    refuse_memory(configuration)?;
    let opened = opening::for_keys(configuration).await?;
    let only = (!only.is_empty()).then_some(only);
    let made = access_keys::make(&opened.ring, &SystemEntropy, label, only, system::now());
    let document = shown(&made.row, Some(&made.secret));
    let mut changes = Changes::new();
    changes.insert(Row::AccessKey(Box::new(made.row)));
    opened.store.commit(changes).await.context("the key was not kept")?;
    print(&document.to_string())
}

/// Prints all keys, a JSON object a line, without their secrets.
///
/// # Errors
/// When the data cannot be opened or read.
pub async fn list(configuration: &Configuration) -> anyhow::Result<()> {
    refuse_memory(configuration)?;
    refuse_missing(configuration)?;
    let opened = opening::for_keys(configuration).await?;
    for key in opened.store.access_keys().await? {
        print(&shown(&key, None).to_string())?;
    }
    Ok(())
}

/// A key, with its secret while that is known. What it may be used for is there only where that is not everything.
fn shown(key: &AccessKey, secret: Option<&Secret<String>>) -> Value {
    let members = [
        Some(("AccessKeyId", json!(key.id))),
        secret.map(|secret| ("SecretAccessKey", json!(secret.reveal()))),
        Some(("Label", json!(key.label))),
        Some(("CreateDate", json!(moment(key.created_at)))),
        key.only.as_ref().map(|only| ("Only", json!(only))),
    ];
    members.into_iter().flatten().collect()
}

/// Deletes a key.
///
/// # Errors
/// When there is no such key, or the data cannot be opened or written.
pub async fn delete(configuration: &Configuration, id: &str) -> anyhow::Result<()> {
    refuse_memory(configuration)?;
    refuse_missing(configuration)?;
    let opened = opening::for_keys(configuration).await?;
    let Some(key) = opened.store.access_key(id).await? else {
        bail!("there is no access key {id}. `poolkeeper keys list` lists those that there are");
    };
    let mut changes = Changes::new();
    changes.delete(Key::AccessKey { id: id.to_owned() }, key.version);
    match opened.store.commit(changes).await {
        Ok(()) => Ok(()),
        Err(CommitError::Conflict) => bail!("the access key {id} was changed meanwhile. Try again"),
        Err(error) => Err(error).context("the key was not deleted"),
    }
}

/// A key made in memory would be gone before it was printed.
fn refuse_memory(configuration: &Configuration) -> anyhow::Result<()> {
    if configuration.store.location()? == Location::Memory {
        bail!("a store in memory holds no keys. Name the data directory of the server");
    }
    Ok(())
}

/// Where there is no database there are no keys: making one would answer a mistyped directory with an empty list.
fn refuse_missing(configuration: &Configuration) -> anyhow::Result<()> {
    if let Location::File(path) = configuration.store.location()?
        && !path.exists()
    {
        bail!("there is no database at {}. Name the data directory of the server (--data-dir)", path.display());
    }
    Ok(())
}

/// RFC 3339.
pub fn moment(at: Timestamp) -> Option<String> {
    jiff::Timestamp::from_millisecond(at.milliseconds()).ok().map(|moment| moment.to_string())
}
