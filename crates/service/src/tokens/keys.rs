//! A pool's signing keys, opened and parsed once.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crypto::{
    seal::Purpose,
    token::{SigningKey, VerifyingKey},
};
use domain::{SigningKeyRecord, SigningKeyState, SigningKeyUse, Timestamp};

use super::Tokens;
use crate::{ApiError, App, memory};

/// How long a request waits for keys that are being made ready, which takes some 2 ms of a free processor.
const LONGEST_WAIT: Duration = Duration::from_millis(10);

/// What a pool signs with and what its tokens are checked with.
pub struct PoolKeys {
    /// Signs ID tokens.
    pub id: SigningKey,
    /// Signs access tokens.
    pub access: SigningKey,
    /// What checks tokens: each key that has signed some.
    verifying: Vec<Verifying>,
}

/// The public half of a key.
struct Verifying {
    kid: String,
    usage: SigningKeyUse,
    state: SigningKeyState,
    key: VerifyingKey,
}

impl PoolKeys {
    fn open(app: &App, records: &[SigningKeyRecord]) -> Result<Self, ApiError> {
        let signing = |usage: SigningKeyUse| {
            let record = records
                .iter()
                .find(|record| record.usage == Some(usage) && record.state == SigningKeyState::Active)
                .ok_or_else(|| ApiError::internal("a pool has no active signing key"))?;
            let der = app.ring.open(Purpose::SigningKey, &record.kid, &record.private)?;
            SigningKey::from_pkcs8(&record.kid, &der).map_err(ApiError::internal)
        };
        let verifying = records
            .iter()
            .filter_map(|record| record.usage.map(|usage| (record, usage)))
            .map(|(record, usage)| {
                let key = VerifyingKey::new(&record.modulus, &record.exponent)?;
                Ok(Verifying { kid: record.kid.clone(), usage, state: record.state, key })
            })
            .collect::<Result<_, crypto::token::TokenError>>()
            .map_err(ApiError::internal)?;
        Ok(Self { id: signing(SigningKeyUse::Id)?, access: signing(SigningKeyUse::Access)?, verifying })
    }

    /// Has both keys do what the library of cryptography puts off until a key's first signature, half a millisecond
    /// each: it draws the number that hides the key from whoever measures time.
    ///
    /// # Errors
    /// When they cannot sign.
    fn warm_up(&self) -> Result<(), ApiError> {
        for key in [&self.id, &self.access] {
            // Nobody ever sees this token, and it says nothing.
            key.sign(b"{}").map_err(ApiError::internal)?;
        }
        Ok(())
    }

    /// The key that checks access tokens with this key id at `now`.
    #[must_use]
    pub fn access_verifier(&self, kid: &str, now: Timestamp) -> Option<&VerifyingKey> {
        self.verifier(kid, SigningKeyUse::Access, now)
    }

    /// The key that checks ID tokens with this key id at `now`.
    #[must_use]
    pub fn id_verifier(&self, kid: &str, now: Timestamp) -> Option<&VerifyingKey> {
        self.verifier(kid, SigningKeyUse::Id, now)
    }

    fn verifier(&self, kid: &str, usage: SigningKeyUse, now: Timestamp) -> Option<&VerifyingKey> {
        let counts = |key: &&Verifying| key.kid == kid && key.usage == usage && key.state.verifies(now);
        self.verifying.iter().find(counts).map(|verifying| &verifying.key)
    }
}

impl Tokens {
    /// The keys of a pool.
    ///
    /// # Errors
    /// When the store cannot be read or a key cannot be opened.
    pub async fn pool_keys(&self, app: &App, pool_id: &str) -> Result<Arc<PoolKeys>, ApiError> {
        if let Some(keys) = self.keys_in_memory(app, pool_id) {
            return Ok(keys);
        }
        let is_ready = |warming: &Vec<String>| warming.iter().all(|id| id != pool_id);
        if !is_ready(&self.warming.borrow()) {
            // They are there sooner than by doing the same once more.
            let mut warming = self.warming.subscribe();
            let ended = warming.wait_for(is_ready);
            _ = tokio::time::timeout(LONGEST_WAIT, ended).await;
            if let Some(keys) = self.keys_in_memory(app, pool_id) {
                return Ok(keys);
            }
        }
        self.read_keys(app, pool_id, |_keys| Ok(())).await
    }

    /// Takes a pool's keys into memory, ready to sign, before anybody asks for them. Whoever does meanwhile waits for that,
    /// a little while.
    ///
    /// # Errors
    /// As [`Self::pool_keys`], and when the keys cannot sign.
    pub(crate) async fn warm_up(&self, app: &App, pool_id: &str) -> Result<(), ApiError> {
        self.warming.send_modify(|warming| warming.push(pool_id.to_owned()));
        let read = self.read_keys(app, pool_id, PoolKeys::warm_up).await;
        self.warming.send_modify(|warming| warming.retain(|id| id != pool_id));
        read.map(drop)
    }

    fn keys_in_memory(&self, app: &App, pool_id: &str) -> Option<Arc<PoolKeys>> {
        if app.freshness.is_good() { self.pools.get(pool_id) } else { None }
    }

    /// Reads and opens a pool's keys and keeps them, after `prepare` has seen them.
    async fn read_keys(
        &self,
        app: &App,
        pool_id: &str,
        prepare: impl FnOnce(&PoolKeys) -> Result<(), ApiError>,
    ) -> Result<Arc<PoolKeys>, ApiError> {
        let generation = self.generation.load(Ordering::SeqCst);
        let records: Vec<_> = app.store.signing_keys(pool_id).await?.into_iter().map(|record| record.value).collect();
        let keys = Arc::new(PoolKeys::open(app, &records)?);
        prepare(&keys)?;
        memory::keep(&self.pools, pool_id, &keys, &self.generation, generation);
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use crypto::random::SystemEntropy;
    use store::Changes;
    use tokio::time::Instant;

    use super::LONGEST_WAIT;
    use crate::{
        messages::{
            Sender,
            testing::{START, app, pool},
        },
        tokens::rotation::{OldKeys, rotate},
    };

    #[tokio::test]
    async fn whoever_asks_while_keys_are_made_ready_waits_for_them_but_not_for_long() {
        let (app, pool) = (app(Sender::Inbox, true).await, pool());
        let id = pool.id.clone();
        let mut changes = Changes::new();
        changes.insert(pool);
        app.commit(changes).await.unwrap();
        rotate(&app.store, &app.ring, &SystemEntropy, &id, OldKeys::Overlap, START).await.unwrap();

        app.tokens.warming.send_replace(vec![id.clone()]);
        let before = app.store.statistics().reads;
        let (asked, ready) = tokio::join!(app.tokens.pool_keys(&app, &id), app.tokens.warm_up(&app, &id));
        assert!(asked.is_ok() && ready.is_ok());
        assert_eq!(app.store.statistics().reads - before, 1);

        app.forget_all();
        // Nobody ends this one.
        app.tokens.warming.send_replace(vec!["another".to_owned(), id.clone()]);
        let began = Instant::now();
        assert!(app.tokens.pool_keys(&app, &id).await.is_ok());
        assert!(began.elapsed() >= LONGEST_WAIT);
    }
}
