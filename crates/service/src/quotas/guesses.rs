//! Wrong guesses from one client address: passwords, codes, second factors and secrets of clients. Users have counts of
//! their own (auth-flows.md §10); whoever tries one password with each of many users is held back by none of those.
//!
//! An address may be wrong a number of times, and gets those back over an hour; while none is left, nothing that it
//! guesses is looked at. Each guess takes one before it is looked at, and brings it back unless it was wrong, so that
//! guesses at the same moment gain nothing over guesses in a row.
//!
//! Decision: the service's rule is not known; a lock that doubles, as users have, would let one guesser lock out all
//! who share an address.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{bucket::Bucket, network};
use crate::Ctx;

/// One hour in microseconds, which is what buckets count in.
const HOUR: i64 = 3_600_000_000;

/// A guess that is being looked at.
pub(crate) struct Guess {
    /// What it has taken one from, and how much that is; none where there is no limit.
    taken: Option<(Arc<Bucket>, i64)>,
    is_wrong: AtomicBool,
}

impl Guess {
    /// One that counts for no address: signed requests come from servers that guess for many.
    pub(crate) const fn of_nobody() -> Self {
        Self { taken: None, is_wrong: AtomicBool::new(false) }
    }

    /// It was wrong, and counts.
    pub(crate) fn was_wrong(&self) {
        self.is_wrong.store(true, Ordering::Relaxed);
    }
}

impl Drop for Guess {
    fn drop(&mut self) {
        if let (Some((bucket, token)), false) = (&self.taken, self.is_wrong.load(Ordering::Relaxed)) {
            bucket.give_back(*token);
        }
    }
}

/// A guess by the client of this request; none while its address has been wrong too often.
pub(crate) fn guess(ctx: &Ctx) -> Option<Guess> {
    let most = ctx.app.settings.limits.wrong_guesses_per_address_and_hour;
    if most == 0 {
        return Some(Guess::of_nobody());
    }
    let throttle = &ctx.app.throttle;
    let made = || Ok::<_, std::convert::Infallible>(Arc::new(Bucket::full()));
    let Ok(bucket) = throttle.guesses.get_or_insert_with(&network(ctx.client_address), made);
    let token = (HOUR / i64::from(most)).max(1);
    let taken = bucket.take_of(token, HOUR, ctx.now).then_some((bucket, token))?;
    Some(Guess { taken: Some(taken), is_wrong: AtomicBool::new(false) })
}
