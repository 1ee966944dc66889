//! EMAIL_OTP and SMS_OTP as first factors (auth-flows.md §4, §6, §9): a code that was sent stands for the password. The
//! right one makes the address a verified one and an unconfirmed user CONFIRMED.
//!
//! Wrong codes are counted per user apart from failed passwords, and for stand-ins too.

use domain::{
    AttemptPurpose, Attempts, Factor, Medium, MessagePurpose, Spent, User,
    session::{SignInSession, Waiting},
    time,
};
use store::{Changes, Stored};
use wire::{ChallengeNameType, ErrorKind, UserStatusType};

use super::{
    Outcome, Proven, Request, Seen,
    code::{self, Sending},
    guard, mfa_code, session,
    user_auth::{self, Subject},
};
use crate::{
    ApiError, Ctx, lookup,
    operations::recovery::{message_for_nobody, simulated_address},
    retry,
};

/// Digits of a code.
const DIGITS: usize = 8;
/// Wrong codes in an hour after which no more are looked at.
///
/// Decision: the service was seen to take six in a row; where it stops is not known. So many leave a guesser one chance
/// in five million an hour.
const MOST_WRONG: usize = 20;
/// What the hash of a code that nobody gets is made for: no answer is ever held against it.
const NOBODY: &str = "sign-in of nobody";

/// Sends a code. For a stand-in, and for a disabled user, nothing is sent and everything else looks the same.
/// `spends` is the session that asked for it.
///
/// # Errors
/// `TooManyRequestsException` when too many were sent; the session stays usable. `InvalidUserPoolConfigurationException` when nobody delivers messages of this medium; `InternalErrorException`.
pub(super) async fn send(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject<'_>,
    challenge: ChallengeNameType,
    spends: Option<Spent>,
) -> Result<Outcome, ApiError> {
    let medium = medium(challenge);
    match &subject.user {
        Some(user) if user.enabled => {
            let proven = Proven {
                user: user.clone(),
                password_version: None,
                sign_in: subject.sign_in.clone(),
                seen: Box::default(),
            };
            code::send(ctx, request, &proven, Sending { challenge, medium, digits: DIGITS, spends }).await
        }
        _ => pretend_to_send(ctx, request, subject, Sending { challenge, medium, digits: DIGITS, spends }).await,
    }
}

/// Makes a code and its message and commits as [`code::send`] does; the message is handed to nobody.
async fn pretend_to_send(
    ctx: &Ctx,
    request: &Request,
    subject: &Subject<'_>,
    sending: Sending,
) -> Result<Outcome, ApiError> {
    let (pool, Sending { challenge, medium, digits, spends }) = (&request.pool, sending);
    code::can_deliver(ctx, pool, medium)?;
    let destination = match subject.user.as_deref().and_then(|user| user.address(medium)) {
        Some(address) => address.to_owned(),
        None => simulated_address(subject.username, &subject.sub, medium),
    };
    let code = crypto::random::digits(ctx.entropy(), digits);
    // As long as that of a code that is sent: a sealed session shows how much is in it.
    let hash = crypto::hash::code_hash(&ctx.app.code_key, &pool.id, &subject.sub, NOBODY, &code);
    let purpose = MessagePurpose::Authentication;
    let message = message_for_nobody(ctx, &request.client, pool, &subject.sub, purpose, medium, &code)?;
    let parameters = code::delivery(medium, &medium.mask(&destination));
    // Names that are no addresses share those that are made up for them.
    let is_made_up = subject.user.is_none() && destination != subject.username;
    let counted_to = if is_made_up { subject.sub.clone() } else { destination.clone() };
    let waiting = Waiting::Code { hash, medium, destination };
    let session = session::new(ctx, request, &subject.sub, subject.sign_in.clone(), challenge, waiting);
    let session = Some(session::seal(ctx, request, &session)?);
    code::commit(ctx, request, (&subject.sub, &counted_to), message, spends, &Seen::default()).await?;
    Ok(Outcome::Challenge { name: challenge, session, parameters, available: None })
}

/// Checks the answer to EMAIL_OTP or SMS_OTP where the code is the first factor.
///
/// # Errors
/// See auth-flows.md §7 and §8.
pub(super) async fn verify(ctx: &Ctx, request: &Request, challenge: ChallengeNameType) -> Result<Proven, ApiError> {
    request.required("USERNAME")?;
    let given = request.required(match medium(challenge) {
        Medium::Email => "EMAIL_OTP_CODE",
        Medium::Sms => "SMS_OTP_CODE",
    })?;
    let (subject, waiting) = user_auth::resume(ctx, request, challenge).await?;
    if !waiting.sign_in.factors.is_empty() {
        return Err(session::invalid());
    }
    let _turn = ctx.app.one_at_a_time(&request.pool.id, &waiting.sub).await?;
    retry::on_conflict(ctx, || attempt(ctx, request, &waiting, subject.username, given)).await
}

async fn attempt(
    ctx: &Ctx,
    request: &Request,
    waiting: &SignInSession,
    username: &str,
    given: &str,
) -> Result<Proven, ApiError> {
    let (pool, sub) = (&request.pool, &waiting.sub);
    let guess = guard::guess(ctx, request)?;
    let user = lookup::user_of(ctx, pool, sub).await?;
    let attempts = ctx.app.store.attempts(&pool.id, sub, AttemptPurpose::FirstCode).await?;
    if attempts.as_ref().is_some_and(|attempts| attempts.count_since(ctx.now, time::HOUR) >= MOST_WRONG) {
        return Err(guard::locked());
    }
    let (Some(user), true) = (user, code::matches(ctx, waiting, given)) else {
        request.watch.wrong(sub, None);
        let refused = count_wrong(ctx, request, sub, attempts).await?;
        guess.was_wrong();
        return Err(refused);
    };
    if !user.enabled {
        return Err(ApiError::user_disabled());
    }
    let subject = Subject { username, user: Some(user.clone()), sub: sub.clone(), sign_in: waiting.sign_in.clone() };
    // A second factor may have been switched on since the code was sent, or the user may have been reset.
    if !user_auth::choices(ctx, request, &subject).await?.contains(&waiting.challenge) {
        return Err(session::invalid());
    }
    let after = after(ctx, request, waiting, &user).await?;
    accept(ctx, request, waiting, user, after, attempts).await
}

/// The user after the right code; none when nothing changes.
async fn after(
    ctx: &Ctx,
    request: &Request,
    waiting: &SignInSession,
    user: &Stored<User>,
) -> Result<Option<User>, ApiError> {
    let after = mfa_code::after(ctx, request, waiting, user).await?;
    if user.status != UserStatusType::Unconfirmed {
        return Ok(after);
    }
    let confirmed = after.unwrap_or_else(|| user.value.clone());
    Ok(Some(User { status: UserStatusType::Confirmed, modified_at: ctx.now, ..confirmed }))
}

/// Counts a wrong code; answers what the caller is told. The session stays usable.
async fn count_wrong(
    ctx: &Ctx,
    request: &Request,
    sub: &str,
    attempts: Option<Stored<Attempts>>,
) -> Result<ApiError, ApiError> {
    let mut counted = attempts.as_ref().map_or_else(
        || Attempts::none(&request.pool.id, sub, AttemptPurpose::FirstCode, ctx.now),
        |attempts| attempts.value.clone(),
    );
    counted.record(ctx.now, time::HOUR);
    let mut changes = Changes::new();
    changes.put(attempts.as_ref(), counted);
    ctx.app.commit(changes).await?;
    Ok(ApiError::new(ErrorKind::CodeMismatch, "Invalid code or auth state for the user."))
}

/// Commits what a right code changes: the session is used up, the count starts over, and the user becomes `after`.
async fn accept(
    ctx: &Ctx,
    request: &Request,
    waiting: &SignInSession,
    user: Stored<User>,
    after: Option<User>,
    attempts: Option<Stored<Attempts>>,
) -> Result<Proven, ApiError> {
    let mut changes = Changes::new();
    guard::start_over(&mut changes, &user, AttemptPurpose::FirstCode, attempts.as_ref());
    let proven = guard::use_up(ctx, request, waiting, user, after, changes).await?;
    let factor = match medium(waiting.challenge) {
        Medium::Email => Factor::Email,
        Medium::Sms => Factor::Sms,
    };
    Ok(Proven { sign_in: proven.sign_in.with(factor), ..proven })
}

/// How the code of a challenge travels.
const fn medium(challenge: ChallengeNameType) -> Medium {
    match challenge {
        ChallengeNameType::SmsOtp => Medium::Sms,
        _ => Medium::Email,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};
    use crate::messages::{
        Sender,
        testing::{app, ctx, user},
    };

    /// Guesses at another server, while the right code is looked at here.
    #[tokio::test]
    async fn a_guess_that_is_counted_meanwhile_counts_for_the_right_code() {
        for failed_before in [0, 3] {
            let app = app(Sender::Inbox, true).await;
            let ctx = ctx(&app);
            let alice = user("alice", &[]);
            let (pool_id, sub) = (alice.pool_id.clone(), alice.sub.clone());
            let request = testing::request(&pool_id);
            let mut changes = Changes::new();
            changes.insert(alice);
            app.store.commit(changes).await.unwrap();
            let attempts = async || app.store.attempts(&pool_id, &sub, AttemptPurpose::FirstCode).await.unwrap();
            for _ in 0..failed_before {
                count_wrong(&ctx, &request, &sub, attempts().await).await.unwrap();
            }
            let seen = attempts().await;
            count_wrong(&ctx, &request, &sub, attempts().await).await.unwrap();
            let user = app.store.user(&pool_id, &sub).await.unwrap().unwrap();
            let waiting = testing::waiting(&ctx, &request, &sub, ChallengeNameType::EmailOtp);
            let accepted = accept(&ctx, &request, &waiting, user, None, seen).await;
            assert!(accepted.err().unwrap().is_conflict, "{failed_before}");
        }
    }
}
