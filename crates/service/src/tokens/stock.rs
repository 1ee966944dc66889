//! The stock of signing keys. A new pool takes two; a background job makes new ones, so that no request waits for
//! the arithmetic unless the stock has run dry.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use crypto::{
    seal::{KeyRing, Purpose},
    token::SigningKey,
};
use domain::{Entropy, SigningKeyRecord, SigningKeyState, Timestamp};
use store::{Changes, Stored};
use tokio_util::sync::CancellationToken;
use wire::ErrorKind;

use super::Tokens;
use crate::{ApiError, App, Ctx, lease};

/// How long a request waits for keys that are still being made.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How often the stock is counted without being asked for.
const COUNT_EVERY: Duration = Duration::from_secs(60);
/// The same where other servers take from the stock too.
const COUNT_EVERY_SHARED: Duration = Duration::from_secs(1);
/// How often a request that waits for keys looks for those of other servers.
const LOOK: Duration = Duration::from_millis(200);
/// How long the job pauses after a failure.
const PAUSE: Duration = Duration::from_secs(5);

impl Tokens {
    /// Two keys from the stock, for a new pool. They are the pool's when the caller's changeset says so: it must
    /// name the versions given here, and a conflict means that another request was quicker. Waits up to ten seconds
    /// when the stock is empty.
    ///
    /// # Errors
    /// `TooManyRequestsException` when no keys are there after that time.
    pub async fn take_keys(&self, ctx: &Ctx) -> Result<[Stored<SigningKeyRecord>; 2], ApiError> {
        let waited = tokio::time::timeout(LONGEST_WAIT, async {
            loop {
                // Listening begins before looking, so that a key that is added in between is not missed.
                let added = self.added.notified();
                if let Some(keys) = self.pick(ctx).await? {
                    return Ok(keys);
                }
                self.taken.notify_one();
                // Where another server makes the keys, nobody here tells.
                _ = tokio::time::timeout(LOOK, added).await;
            }
        });
        waited.await.unwrap_or_else(|_| {
            Err(ApiError::new(ErrorKind::TooManyRequests, "Signing keys are still being made. Please try again."))
        })
    }

    async fn pick(&self, ctx: &Ctx) -> Result<Option<[Stored<SigningKeyRecord>; 2]>, ApiError> {
        let mut keys = ctx.app.store.stock_keys(self.stock.max(2)).await?;
        if keys.len() < 2 {
            return Ok(None);
        }
        let start = self.next.fetch_add(2, Ordering::Relaxed) % keys.len();
        keys.rotate_left(start);
        keys.truncate(2);
        Ok(<[_; 2]>::try_from(keys).ok())
    }
}

/// The background job: keeps `settings.key_stock` sealed keys ready until it is told to stop. Of several servers, one
/// does it for all.
pub async fn refill(app: Arc<App>, shutdown: CancellationToken) {
    lease::hold(app.clone(), "key stock", shutdown, |ours| keep_full(&app, ours)).await;
}

async fn keep_full(app: &App, shutdown: CancellationToken) {
    let every = if app.store.is_shared() { COUNT_EVERY_SHARED } else { COUNT_EVERY };
    loop {
        let pause = match fill(app, &shutdown).await {
            Ok(()) => every,
            Err(error) => {
                tracing::warn!(cause = error.cause.as_deref(), "signing keys could not be made");
                PAUSE
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = app.tokens.taken.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Makes keys until the stock is full. At shutdown it still makes those that a pool needs: a request that is under way
/// may be waiting for them.
async fn fill(app: &App, shutdown: &CancellationToken) -> Result<(), ApiError> {
    let wanted = || if shutdown.is_cancelled() { 2 } else { app.tokens.stock.max(2) };
    while app.store.stock_keys(wanted()).await?.len() < wanted() {
        let mut changes = Changes::new();
        changes.insert(make(&app.ring, &*app.entropy, app.clock.now()).await?);
        app.store.commit(changes).await?;
        app.tokens.added.notify_waiters();
    }
    Ok(())
}

/// A new key for the stock, made on a thread that may be busy for a while.
pub(super) async fn make(ring: &KeyRing, entropy: &dyn Entropy, now: Timestamp) -> Result<SigningKeyRecord, ApiError> {
    let der = match tokio::task::spawn_blocking(crypto::token::generate_rsa_2048).await {
        // The process is about to end, and so is whoever waits here.
        Err(error) if error.is_cancelled() => std::future::pending().await,
        made => made.map_err(ApiError::internal)?.map_err(ApiError::internal)?,
    };
    let kid = STANDARD.encode(crypto::random::bytes::<32>(entropy));
    let public = SigningKey::from_pkcs8(&kid, &der).map_err(ApiError::internal)?.public_jwk();
    Ok(SigningKeyRecord {
        private: ring.seal(entropy, Purpose::SigningKey, &kid, &der),
        kid,
        pool_id: String::new(),
        usage: None,
        state: SigningKeyState::Stock,
        modulus: public.n,
        exponent: public.e,
        created_at: now,
    })
}
