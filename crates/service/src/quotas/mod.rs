//! Quotas (accounts.md §20): how many requests are taken in a second, and how many things there may be.
//!
//! Rates count in this process; servers on one database have theirs each. A request is looked at once, before its
//! operation runs. What is narrow comes first: whoever is held back by the limit of an address, a user or a pool takes
//! nothing from those who share a category with them.

mod bucket;
mod category;
mod counts;
mod domains;
mod guesses;
mod rates;

use std::{
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    sync::Arc,
};

use bucket::Bucket;
use quick_cache::sync::Cache;
use serde_json::Value;
use wire::{ErrorKind, Operation};

pub use category::Category;
pub use counts::{Counts, room};
pub use domains::at_domain;
pub(crate) use domains::of_client_at_domain;
pub(crate) use guesses::{Guess, Guessed, guess};
pub use rates::Rates;

use crate::{ApiError, Ctx};

/// How many users, pools and addresses are told apart at a time; whoever was not seen for longest is forgotten. Each
/// takes about a hundred bytes.
const TOLD_APART: usize = 65_536;
/// How much of its rate an address may save up, in seconds: an office may come to work at the same minute.
const SAVED_BY_ADDRESSES: u32 = 60;
/// RespondToAuthChallenge may come this many times as often as sign-ins may begin, before it counts as one.
const ANSWERS_PER_SIGN_IN: u32 = 3;

/// What the operator allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Requests per second.
    pub rates: Rates,
    /// Things that there may be.
    pub counts: Counts,
}

impl Quotas {
    /// Everything as often, and as many of everything, as anybody likes: what `dev` has.
    #[must_use]
    pub const fn off() -> Self {
        Self { rates: Rates::off(), counts: Counts::off() }
    }

    /// The service's own, as an account finds them before it asks for more. Addresses are the generous ones': of the
    /// service's nothing is known.
    #[must_use]
    pub const fn service() -> Self {
        Self { rates: Rates::service(), counts: Counts::service() }
    }

    /// What `serve` has: ten times the service's rates, and as many things as the service grants to those who ask.
    #[must_use]
    pub const fn generous() -> Self {
        Self { rates: Rates::generous(), counts: Counts::generous() }
    }
}

/// What has been asked for lately, in this process.
pub struct Throttle {
    categories: [Bucket; Category::ALL.len()],
    answers: Bucket,
    /// Of users, of operations on pools and of addresses, by what they are.
    others: Cache<u64, Arc<Bucket>>,
    /// Of wrong guesses, by address.
    guesses: Cache<(Guessed, IpAddr), Arc<Bucket>>,
    /// Keyed by the process, so that nobody can choose names that share a bucket with somebody.
    hasher: RandomState,
}

impl Throttle {
    /// Nothing has been asked for.
    pub(crate) fn new() -> Self {
        Self {
            categories: std::array::from_fn(|_| Bucket::full()),
            answers: Bucket::full(),
            others: Cache::new(TOLD_APART),
            guesses: Cache::new(TOLD_APART),
            hasher: RandomState::new(),
        }
    }

    /// Takes one from whatever `key` names.
    fn take(&self, key: impl Hash, rate: u32, saved: u32, ctx: &Ctx) -> Result<(), ApiError> {
        let made = || Ok::<_, std::convert::Infallible>(Arc::new(Bucket::full()));
        let Ok(bucket) = self.others.get_or_insert_with(&self.hasher.hash_one(key), made);
        allow(bucket.take(rate, saved, ctx.now))
    }
}

/// Whether a request may be carried out.
///
/// # Errors
/// `TooManyRequestsException`.
pub(crate) fn check(ctx: &Ctx, operation: Operation, body: &Value) -> Result<(), ApiError> {
    let (rates, throttle) = (&ctx.app.settings.quotas.rates, &ctx.app.throttle);
    if ctx.own.is_seeding || *rates == Rates::off() {
        return Ok(());
    }
    let category = Category::of(operation);
    let text = |name: &str| body.get(name).and_then(Value::as_str);

    if writes_for_anybody(operation) {
        check_address(ctx)?;
    }
    if let Some((rate, is_read)) = category.rate_of_user(rates).filter(|(rate, _)| *rate != 0) {
        // Decision: a token stands for its user; whose it is is not known yet, and whoever could claim anybody's name
        // in one of their own making would hold back others.
        let place = text("UserPoolId").or_else(|| text("ClientId"));
        let inner = |path: &str| body.pointer(path).and_then(Value::as_str);
        let name = text("Username")
            .or_else(|| inner("/AuthParameters/USERNAME"))
            .or_else(|| inner("/ChallengeResponses/USERNAME"))
            // Whether the pool tells upper case from lower is not known yet; two users who share a rate do no harm.
            .map(str::to_lowercase);
        if let Some(user) = name.as_deref().or_else(|| text("AccessToken")) {
            throttle.take(("user", place, user, is_read), rate, 1, ctx)?;
        }
    }
    if rates.per_pool != 0
        && category.counts_by_pool()
        && let Some(pool) = text("UserPoolId")
    {
        throttle.take(("pool", pool, operation.name()), rates.per_pool, 1, ctx)?;
    }

    let answers = matches!(operation, Operation::RespondToAuthChallenge | Operation::AdminRespondToAuthChallenge);
    if answers && throttle.answers.take(rates.of(category).saturating_mul(ANSWERS_PER_SIGN_IN), 1, ctx.now) {
        return Ok(());
    }
    check_category(ctx, category)
}

/// Whether a sign-in at another identity provider may begin. It is none of the pool's own sign-ins, and no operation.
///
/// # Errors
/// `TooManyRequestsException`.
pub(crate) fn check_federation(ctx: &Ctx) -> Result<(), ApiError> {
    check_address(ctx)?;
    check_category(ctx, Category::UserFederation)
}

fn check_address(ctx: &Ctx) -> Result<(), ApiError> {
    let rate = ctx.app.settings.quotas.rates.per_address;
    if rate == 0 {
        return Ok(());
    }
    ctx.app.throttle.take(("address", network(ctx.client_address)), rate, SAVED_BY_ADDRESSES, ctx)
}

fn check_category(ctx: &Ctx, category: Category) -> Result<(), ApiError> {
    let rate = ctx.app.settings.quotas.rates.of(category);
    #[expect(clippy::indexing_slicing, reason = "there is a bucket for each category")]
    allow(ctx.app.throttle.categories[category as usize].take(rate, 1, ctx.now))
}

fn allow(is_allowed: bool) -> Result<(), ApiError> {
    if is_allowed { Ok(()) } else { Err(exceeded()) }
}

/// Somebody asks, or guesses, too often.
pub(crate) fn exceeded() -> ApiError {
    ApiError::new(ErrorKind::TooManyRequests, "Rate exceeded")
}

/// Operations that need no credentials and leave rows behind, for names that nobody has as well.
const fn writes_for_anybody(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::SignUp
            | Operation::ConfirmSignUp
            | Operation::ResendConfirmationCode
            | Operation::ForgotPassword
            | Operation::ConfirmForgotPassword
            | Operation::InitiateAuth
    )
}

/// What one customer of a provider has: an address, or under IPv6 the network that it is in.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::network;

    #[test]
    fn addresses_of_one_customer_are_one() {
        let of = |text: &str| network(text.parse::<IpAddr>().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("2001:db8:1:2:ffff::"), "2001:db8:1:2::");
        assert_eq!(of("2001:db8:1:3::"), "2001:db8:1:3::");
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
