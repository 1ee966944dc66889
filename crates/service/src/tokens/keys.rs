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
