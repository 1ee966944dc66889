//! A pool's signing keys, opened and parsed once.

use std::sync::{Arc, atomic::Ordering};

use crypto::{
    seal::Purpose,
    token::{SigningKey, VerifyingKey},
};
use domain::{SigningKeyRecord, SigningKeyState, SigningKeyUse, Timestamp};

use super::Tokens;
use crate::{ApiError, App, memory};

/// What a pool signs with and what its tokens are checked with.
pub struct PoolKeys {
    /// Signs ID tokens.
    pub id: SigningKey,
    /// Signs access tokens.
    pub access: SigningKey,
    /// Key id, state and public half of each key that has signed access tokens.
    verifying: Vec<(String, SigningKeyState, VerifyingKey)>,
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
            .filter(|record| record.usage == Some(SigningKeyUse::Access))
            .map(|record| Ok((record.kid.clone(), record.state, VerifyingKey::new(&record.modulus, &record.exponent)?)))
            .collect::<Result<_, crypto::token::TokenError>>()
            .map_err(ApiError::internal)?;
        Ok(Self { id: signing(SigningKeyUse::Id)?, access: signing(SigningKeyUse::Access)?, verifying })
    }

    /// The key that checks access tokens with this key id at `now`.
    #[must_use]
    pub fn access_verifier(&self, kid: &str, now: Timestamp) -> Option<&VerifyingKey> {
        let counts = |entry: &&(String, SigningKeyState, VerifyingKey)| entry.0 == kid && entry.1.verifies(now);
        self.verifying.iter().find(counts).map(|(_, _, key)| key)
    }
}

impl Tokens {
    /// The keys of a pool.
    ///
    /// # Errors
    /// When the store cannot be read or a key cannot be opened.
    pub async fn pool_keys(&self, app: &App, pool_id: &str) -> Result<Arc<PoolKeys>, ApiError> {
        if app.freshness.is_good()
            && let Some(keys) = self.pools.get(pool_id)
        {
            return Ok(keys);
        }
        let generation = self.generation.load(Ordering::SeqCst);
        let records: Vec<_> = app.store.signing_keys(pool_id).await?.into_iter().map(|record| record.value).collect();
        let keys = Arc::new(PoolKeys::open(app, &records)?);
        memory::keep(&self.pools, pool_id, &keys, &self.generation, generation);
        Ok(keys)
    }
}
