//! Opening the data with the master key that belongs to it.

use anyhow::{Context, bail};
use crypto::seal::KeyRing;
use store::Store;

use crate::{configuration::Configuration, master_key, mode::Mode};

/// The open data and the keys that it was sealed with.
pub struct Opened {
    /// The data.
    pub store: Store,
    /// The master keys.
    pub ring: KeyRing,
}

/// For `dev` and `serve`.
///
/// # Errors
/// Says what is wrong with the data directory, the database or the master key.
pub async fn for_running(mode: Mode, configuration: &Configuration) -> anyhow::Result<Opened> {
    // The key comes first: without it, not even an empty database is made.
    let ring = master_key::for_running(mode, configuration)?;
    open(mode, configuration, ring).await
}

/// For `poolkeeper keys`, which asks for the durability of production.
///
/// # Errors
/// As [`for_running`].
pub async fn for_keys(configuration: &Configuration) -> anyhow::Result<Opened> {
    let ring = master_key::for_keys(configuration)?;
    open(Mode::Serve, configuration, ring).await
}

/// For commands that only read, beside servers that may be at work.
///
/// # Errors
/// As [`for_running`], and when the database has not been used yet.
pub async fn to_look(configuration: &Configuration) -> anyhow::Result<Opened> {
    let ring = master_key::for_keys(configuration)?;
    let store = Store::open_to_read(&configuration.store.options(Mode::Serve)?).context("cannot open the data")?;
    if !master_key::recognise(&store, &ring).await.context("cannot open the data")? {
        bail!("{} has not been used by a server yet", configuration.store.described()?);
    }
    Ok(Opened { store, ring })
}

async fn open(mode: Mode, configuration: &Configuration, ring: KeyRing) -> anyhow::Result<Opened> {
    let store = Store::open(&configuration.store.options(mode)?).await.context("cannot open the data")?;
    if let Some(mark) = store.unfinished_restore().await.context("cannot open the data")? {
        bail!(
            "{} holds an unfinished restore ({mark}). Wait for it, or run `poolkeeper restore --replace` or \
             `poolkeeper copy --replace` again",
            configuration.store.described()?
        );
    }
    master_key::check(&store, &ring).await?;
    Ok(Opened { store, ring })
}
