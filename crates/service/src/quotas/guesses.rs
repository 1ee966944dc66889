//! Wrong guesses from one client address: passwords, codes and second factors. Users have counts of their own
//! (auth-flows.md §10); whoever tries one password with each of many users is held back by none of those. Secrets of clients
//! are counted apart: the servers of an application hand on what their users guess, and must still be able to prove
//! themselves. So are sign-ins that are refused for their address, which leave events.
//!
//! An address may be wrong a number of times, and gets those back over an hour; while none is left, nothing that it
//! guesses is looked at. Each guess takes one before it is looked at, and brings it back unless it was wrong, so that
//! guesses at the same moment gain nothing over guesses in a row.
//!
//! Decision: the service's rule is not known; a lock that doubles, as users have, would let one guesser lock out all
//! who share an address.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{bucket::Bucket, network};
use crate::Ctx;

/// One hour in microseconds, which is what buckets count in.
const HOUR: i64 = 3_600_000_000;

/// What is counted by itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Guessed {
    /// What users prove themselves with.
    Users,
    /// Secrets of clients.
    Clients,
    /// Nothing: the address is refused whatever it says.
    Refused,
}

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

/// A guess from this address; none while it has been wrong too often.
pub(crate) fn guess(ctx: &Ctx, guessed: Guessed, address: IpAddr) -> Option<Guess> {
    let most = ctx.app.settings.limits.wrong_guesses_per_address_and_hour;
    if most == 0 {
        return Some(Guess::of_nobody());
    }
    let throttle = &ctx.app.throttle;
    let made = || Ok::<_, std::convert::Infallible>(Arc::new(Bucket::full()));
    let Ok(bucket) = throttle.guesses.get_or_insert_with(&(guessed, network(address)), made);
    let token = (HOUR / i64::from(most)).max(1);
    let taken = bucket.take_of(token, HOUR, ctx.now).then_some((bucket, token))?;
    Some(Guess { taken: Some(taken), is_wrong: AtomicBool::new(false) })
}
