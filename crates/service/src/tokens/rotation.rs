//! New signing keys for a pool (`poolkeeper keys rotate-signing`). The old ones stay in the pool's key set until the
//! last of their tokens has expired, or are withdrawn at once with all that they have signed.
//!
//! Servers may be at work: they see the change within a second (`memory`), and may sign with the old keys until then.

use crypto::seal::KeyRing;
use domain::{Entropy, SigningKeyRecord, SigningKeyState, SigningKeyUse, Timestamp, time};
use store::{Changes, CommitError, Key, Store, Stored};

use super::stock;
use crate::ApiError;

/// How long a key counts after its last signature, in milliseconds: a day is the longest life of an access or ID token.
/// The minute is for servers that have not heard of the new keys yet, and for clocks that are apart.
const OVERLAP: i64 = time::DAY + time::MINUTE;
/// How often it is tried while servers change the same keys.
const TRIES: usize = 8;

/// What becomes of the keys that signed so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldKeys {
    /// They count for another day.
    Overlap,
    /// They count no more, nor does any token that they have signed.
    Withdraw,
}

/// Why a pool keeps its keys.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// There is no such pool.
    #[error("there is no user pool {0}")]
    NoPool(String),
    /// Servers took the same keys again and again.
    #[error("the keys were changed at the same time again and again. Run the command again")]
    Busy,
    /// No key could be made.
    #[error("a signing key could not be made: {0}")]
    NotMade(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Gives a pool two new keys, from the stock where there are some; making them takes a fraction of a second.
///
/// # Errors
/// See [`RotationError`]; the pool then has its old keys.
pub async fn rotate(
    store: &Store,
    ring: &KeyRing,
    entropy: &dyn Entropy,
    pool_id: &str,
    old: OldKeys,
    now: Timestamp,
) -> Result<(), RotationError> {
    for _ in 0..TRIES {
        let Some(pool) = store.pool(pool_id).await? else { return Err(RotationError::NoPool(pool_id.to_owned())) };
        let keys = store.signing_keys(pool_id).await?;
        let mut changes = Changes::new();
        // A pool that is deleted meanwhile must not leave keys behind.
        changes.assert(Key::Pool { id: pool.id.clone() }, pool.version);
        for key in keys {
            retire(&mut changes, key, old, now);
        }
        let mut stock = store.stock_keys(2).await?.into_iter();
        for usage in [SigningKeyUse::Id, SigningKeyUse::Access] {
            match stock.next() {
                Some(key) => changes.save(key.value.given(pool_id, usage), Some(key.version)),
                None => changes.insert(made(ring, entropy, now).await?.given(pool_id, usage)),
            };
        }
        match store.commit(changes).await {
            Ok(()) => return Ok(()),
            Err(CommitError::Store(error)) => return Err(error.into()),
            Err(_) => {}
        }
    }
    Err(RotationError::Busy)
}

/// What becomes of one of the pool's keys. Of those that signed before, the ones whose time is over go.
fn retire(changes: &mut Changes, key: Stored<SigningKeyRecord>, old: OldKeys, now: Timestamp) {
    let is_over = !key.state.verifies(now);
    let is_active = key.state == SigningKeyState::Active;
    if is_over || old == OldKeys::Withdraw {
        changes.delete(Key::SigningKey { kid: key.kid.clone() }, key.version);
    } else if is_active {
        let (mut record, version) = (key.value, key.version);
        record.state = SigningKeyState::Retired { until: now.plus(OVERLAP) };
        changes.save(record, Some(version));
    }
}

async fn made(ring: &KeyRing, entropy: &dyn Entropy, now: Timestamp) -> Result<SigningKeyRecord, RotationError> {
    let not_made =
        |error: ApiError| RotationError::NotMade(error.cause.map_or(error.message, |cause| cause.to_string()));
    stock::make(ring, entropy, now).await.map_err(not_made)
}
