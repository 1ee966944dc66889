//! One-time codes: making them, and checking them without giving a guesser more than the limit (accounts.md §4).

use domain::{AttemptPurpose, Attempts, Code, CodePurpose, Medium, time};
use store::{Changes, Key, Stored};

use crate::{
    ApiError, Ctx,
    quotas::{self, Guessed},
};

/// Digits of a code.
const DIGITS: usize = 6;

/// A new code for `sub`, and its row, which replaces any earlier one.
#[must_use]
pub fn issue(
    ctx: &Ctx,
    pool_id: &str,
    sub: &str,
    purpose: CodePurpose,
    medium: Medium,
    destination: &str,
) -> (String, Code) {
    let code = crypto::random::digits(ctx.entropy(), DIGITS);
    let lifetime = match purpose {
        CodePurpose::SignUp | CodePurpose::VerifyEmail | CodePurpose::VerifyPhoneNumber => 24 * time::HOUR,
        CodePurpose::Reset => time::HOUR,
    };
    let row = Code {
        pool_id: pool_id.to_owned(),
        sub: sub.to_owned(),
        purpose,
        hash: crypto::hash::code_hash(&ctx.app.code_key, pool_id, sub, purpose.as_str(), &code),
        medium,
        destination: destination.to_owned(),
        is_pending: false,
        issued_at: ctx.now,
        expires_at: ctx.now.plus(lifetime),
    };
    (code, row)
}

/// A code that no answer matches, for a user that does not exist: checking against it does all the work and counts.
#[must_use]
pub fn never_right(ctx: &Ctx, pool_id: &str, sub: &str, purpose: CodePurpose) -> Stored<Code> {
    let row = Code {
        pool_id: pool_id.to_owned(),
        sub: sub.to_owned(),
        purpose,
        hash: String::new(),
        medium: Medium::Email,
        destination: String::new(),
        is_pending: false,
        issued_at: ctx.now,
        expires_at: ctx.now.plus(time::HOUR),
    };
    Stored { value: row, version: 0 }
}

/// How many wrong codes are taken.
#[derive(Clone, Copy, Debug)]
pub struct WrongCodes {
    /// What is counted.
    pub purpose: AttemptPurpose,
    /// Most in an hour.
    pub per_hour: usize,
    /// Most in a day.
    pub per_day: usize,
}

/// What [`check`] finds.
pub enum Checked {
    /// The code is right.
    Right {
        /// Spends it and clears the count; to be committed together with what the code allows.
        spend: Changes,
        /// To be committed instead when the request is refused for another reason: the code stays good, yet the
        /// guess has to get past the row of attempts like any other.
        keep: Changes,
    },
    /// The code is wrong and has been counted.
    Wrong,
}

/// Checks a code and counts a wrong one, in a commit of its own.
///
/// A right code changes the row of attempts too: of many guesses at once only one gets past each state of that row,
/// so that guesses in parallel gain nothing over guesses in a row.
///
/// # Errors
/// `LimitExceededException` (of the user, or of the client's address) and `TooManyFailedAttemptsException` before the
/// code is looked at, `ExpiredCodeException` when none is outstanding.
pub async fn check(
    ctx: &Ctx,
    code: Option<&Stored<Code>>,
    attempts: Option<&Stored<Attempts>>,
    subject: (&str, &str),
    limits: WrongCodes,
    given: &str,
) -> Result<Checked, ApiError> {
    let (pool_id, sub) = subject;
    let guess = quotas::guess(ctx, Guessed::Users, ctx.client_address).ok_or_else(ApiError::attempt_limit)?;
    let version = attempts.map(|attempts| attempts.version);
    let mut counted = attempts
        .map_or_else(|| Attempts::none(pool_id, sub, limits.purpose, ctx.now), |attempts| attempts.value.clone());
    if counted.count_since(ctx.now, time::HOUR) >= limits.per_hour {
        return Err(ApiError::attempt_limit());
    }
    if counted.count_since(ctx.now, time::DAY) >= limits.per_day {
        return Err(ApiError::too_many_failed_attempts());
    }
    let code = code.filter(|code| ctx.now < code.expires_at).ok_or_else(ApiError::expired_code)?;
    let right = crypto::hash::code_matches(&ctx.app.code_key, pool_id, sub, code.purpose.as_str(), given, &code.hash);
    let mut changes = Changes::new();
    if right {
        let mut keep = Changes::new();
        keep.save(counted.clone(), version);
        counted.recent.clear();
        counted.expires_at = ctx.now;
        changes.save(counted, version);
        discard(&mut changes, code);
        return Ok(Checked::Right { spend: changes, keep });
    }
    counted.record(ctx.now, time::DAY);
    changes.save(counted, version);
    ctx.app.commit(changes).await?;
    guess.was_wrong();
    Ok(Checked::Wrong)
}

/// Makes an outstanding code worthless.
pub fn discard(changes: &mut Changes, code: &Stored<Code>) {
    let key = Key::Code { pool_id: code.pool_id.clone(), sub: code.sub.clone(), purpose: code.purpose };
    changes.delete(key, code.version);
}

/// Forgets a user's attempts of one purpose.
pub fn forget(changes: &mut Changes, attempts: &Stored<Attempts>) {
    let key = Key::Attempts { pool_id: attempts.pool_id.clone(), sub: attempts.sub.clone(), purpose: attempts.purpose };
    changes.delete(key, attempts.version);
}

/// Counts one more request of `purpose`; the row must be committed together with what the request causes.
///
/// # Errors
/// `LimitExceededException` when there were `per_hour` already.
pub fn count_request(
    ctx: &Ctx,
    attempts: Option<&Stored<Attempts>>,
    subject: (&str, &str),
    purpose: AttemptPurpose,
    per_hour: usize,
) -> Result<Attempts, ApiError> {
    let mut counted = attempts
        .map_or_else(|| Attempts::none(subject.0, subject.1, purpose, ctx.now), |attempts| attempts.value.clone());
    if counted.count_since(ctx.now, time::HOUR) >= per_hour {
        return Err(ApiError::attempt_limit());
    }
    counted.record(ctx.now, time::HOUR);
    Ok(counted)
}
