//! `poolkeeper keys rotate-signing`.

use anyhow::{Context, bail};
use crypto::random::SystemEntropy;
use indicatif::HumanCount;
use service::tokens::rotation::{OldKeys, rotate};
use store::{
    Location, Store,
    archive::{Progress, Stage},
};

use crate::{configuration::Configuration, opening, print, progress::Shown, system};

/// Pools that are read at once.
const AT_ONCE: usize = 200;

/// Gives one pool, or all of them where none is named, new signing keys. When it fails on the way, those before have
/// them already.
///
/// # Errors
/// When there is no such pool, or the data cannot be opened or written.
pub async fn run(configuration: &Configuration, pool: Option<&str>, withdraw: bool) -> anyhow::Result<()> {
    match configuration.store.location()? {
        Location::Memory => bail!("a store in memory holds no pools. Name the data directory of the server"),
        Location::File(path) if !path.exists() => {
            bail!("there is no database at {}. Name the data directory of the server (--data-dir)", path.display())
        }
        _ => {}
    }
    let old = if withdraw { OldKeys::Withdraw } else { OldKeys::Overlap };
    let opened = opening::for_keys(configuration).await?;
    let pools = match pool {
        Some(pool) => vec![pool.to_owned()],
        None => all_pools(&opened.store).await?,
    };
    let of_rows = u64::try_from(pools.len()).unwrap_or_default();
    let mut shown = Shown::default();
    for (rows, pool) in (0..).zip(&pools) {
        shown.tell(&Progress { stage: Stage::Loading, rows, of_rows, bytes: 0, of_bytes: 0 });
        let rotated = rotate(&opened.store, &opened.ring, &SystemEntropy, pool, old, system::now()).await;
        if let Err(error) = rotated {
            shown.end();
            return Err(error).with_context(|| format!("{} of {of_rows} pools have new keys", HumanCount(rows)));
        }
    }
    shown.end();
    let about_old = if withdraw { "the old ones count no more" } else { "the old ones count for another day" };
    print(&format!("{} user pools have new signing keys; {about_old}", HumanCount(of_rows)))
}

async fn all_pools(store: &Store) -> anyhow::Result<Vec<String>> {
    let mut ids: Vec<String> = Vec::new();
    loop {
        let page = store.pools(ids.last().map(String::as_str), AT_ONCE).await?;
        if page.is_empty() {
            return Ok(ids);
        }
        ids.extend(page.into_iter().map(|pool| pool.value.id));
    }
}
