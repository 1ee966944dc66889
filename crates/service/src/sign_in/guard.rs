//! What all answers to a challenge of a second factor share (auth-flows.md §7, §10): whose they are, the lock, counting
//! wrong ones, and what a right one changes.
//!
//! Order: parameters → secret hash → session → username → device → turn → user and password as they are now → lock →
//! the answer. Where the answer is a code, the turn comes before what is read: whether the session was used comes out of
//! the same read as the user. Wrong answers are counted per user, whatever the factor, as failed passwords
//! are: five lock.

use std::borrow::Cow;

use domain::{
    AttemptPurpose, Attempts, Factor, Password, User,
    attempts::Lock,
    session::{Entrance, SignInSession},
};
use store::{Changes, FactorSnapshot, Key, StepSnapshot, Stored};
use wire::{ChallengeName, ChallengeNameType, UserStatusType};

use super::{Proven, Request, Seen, device, next, session};
use crate::{
    ApiError, Ctx, codes,
    quotas::{self, Guess, Guessed},
    tokens::access::{not_confirmed, password_reset_required},
    users,
};

/// A user who answers, as everything stands now.
pub(super) struct Standing {
    /// The user.
    pub user: Stored<User>,
    factors: FactorSnapshot,
    guess: Guess,
}

/// The session that this answer to `challenge` belongs to. What else the answer must contain has been asked for before.
///
/// # Errors
/// `InvalidParameterException` for missing parameters, those of the secret hash and of auth-flows.md §7, and for an
/// unknown device.
pub(super) async fn resume(
    ctx: &Ctx,
    request: &Request,
    challenge: ChallengeNameType,
) -> Result<SignInSession, ApiError> {
    let waiting = unread(ctx, request, challenge)?;
    session::check_unspent(ctx, &waiting.id).await?;
    if !request.names(ctx, request.required("USERNAME")?, &waiting.sub).await? {
        return Err(session::invalid());
    }
    Ok(with_device(ctx, request, &waiting).await?.into_owned())
}

/// The session that a code belongs to, as far as it tells by itself: the rest is for [`resumed`].
///
/// # Errors
/// Those of [`resume`], but for those of a session that was used, of a username that is not its user's, and of devices.
pub(super) fn unread(ctx: &Ctx, request: &Request, challenge: ChallengeNameType) -> Result<SignInSession, ApiError> {
    let username = request.required("USERNAME")?;
    request.required_session()?;
    request.check_secret_hash(ctx, username)?;
    session::unread(ctx, request, challenge)
}

/// The session with the device that the answer names.
async fn with_device<'a>(
    ctx: &Ctx,
    request: &Request,
    waiting: &'a SignInSession,
) -> Result<Cow<'a, SignInSession>, ApiError> {
    let mut waiting = Cow::Borrowed(waiting);
    if let Some(key) = device::named(ctx, request, &waiting.sub).await? {
        waiting.to_mut().sign_in.device_key = Some(key);
    }
    Ok(waiting)
}

/// A guess by the client of this request, which counts for its address once it turns out to be wrong.
///
/// # Errors
/// `NotAuthorizedException` while the address has been wrong too often.
pub(super) fn guess(ctx: &Ctx, request: &Request) -> Result<Guess, ApiError> {
    match request.entrance {
        Entrance::Public | Entrance::Hosted => {
            quotas::guess(ctx, Guessed::Users, ctx.client_address).ok_or_else(locked)
        }
        Entrance::Admin => Ok(Guess::of_nobody()),
    }
}

/// Too many wrong guesses, by this user or from this address.
pub(super) fn locked() -> ApiError {
    ApiError::not_authorized("Password attempts exceeded")
}

/// The user, who must be allowed to go on: present, enabled, and with the password that the session has proven.
///
/// # Errors
/// `NotAuthorizedException` (that of a session which was used meanwhile, too), `UserNotConfirmedException` and
/// `PasswordResetRequiredException`.
pub(super) async fn standing(ctx: &Ctx, request: &Request, waiting: &SignInSession) -> Result<Standing, ApiError> {
    let snapshot = read(ctx, request, waiting).await?;
    let user = snapshot.user.ok_or_else(session::invalid)?;
    stands(ctx, request, waiting, user, snapshot.password, snapshot.factors)
}

/// The same with what [`unread`] has left to be looked at: whether USERNAME is the user's, and the device.
///
/// # Errors
/// Those of [`standing`] and [`resume`].
pub(super) async fn resumed<'a>(
    ctx: &Ctx,
    request: &Request,
    waiting: &'a SignInSession,
) -> Result<(Standing, Cow<'a, SignInSession>), ApiError> {
    let snapshot = read(ctx, request, waiting).await?;
    let user = snapshot.user.ok_or_else(session::invalid)?;
    if !request.names_user(ctx, request.required("USERNAME")?, &user).await? {
        return Err(session::invalid());
    }
    let waiting = with_device(ctx, request, waiting).await?;
    let standing = stands(ctx, request, &waiting, user, snapshot.password, snapshot.factors)?;
    Ok((standing, waiting))
}

/// Everything that decides, of a session that was not used so far.
async fn read(ctx: &Ctx, request: &Request, waiting: &SignInSession) -> Result<StepSnapshot, ApiError> {
    let snapshot = ctx.app.store.step_snapshot(&request.pool.id, &waiting.sub, &waiting.id).await?;
    if snapshot.is_spent { Err(session::what_became_of(ctx, &waiting.id).await?) } else { Ok(snapshot) }
}

fn stands(
    ctx: &Ctx,
    request: &Request,
    waiting: &SignInSession,
    user: Stored<User>,
    password: Option<Stored<Password>>,
    factors: FactorSnapshot,
) -> Result<Standing, ApiError> {
    let guess = guess(ctx, request)?;
    if !user.enabled {
        return Err(ApiError::user_disabled());
    }
    if user.status == UserStatusType::Unconfirmed {
        return Err(not_confirmed());
    }
    if user.status == UserStatusType::ResetRequired {
        return Err(password_reset_required());
    }
    // Another password may have been set meanwhile: then this session has proven nothing.
    if waiting.password_version.is_some() && password.map(|password| password.version) != waiting.password_version {
        return Err(session::invalid());
    }
    Ok(Standing { user, factors, guess })
}

/// Refuses to look at an answer, or to ask for one, while the user is locked.
///
/// # Errors
/// `NotAuthorizedException`.
pub(super) fn check_lock(ctx: &Ctx, attempts: Option<&Stored<Attempts>>) -> Result<(), ApiError> {
    if attempts.is_some_and(|attempts| attempts.lock(ctx.now) == Lock::Locked) {
        return Err(locked());
    }
    Ok(())
}

impl Standing {
    /// [`check_lock`] for this user.
    ///
    /// # Errors
    /// `NotAuthorizedException`.
    pub(super) fn check_lock(&self, ctx: &Ctx) -> Result<(), ApiError> {
        check_lock(ctx, self.factors.wrong.as_ref())
    }

    /// What the next step needs of this.
    pub(super) fn seen(&self) -> Box<Seen> {
        Seen::with_factors(self.factors.clone())
    }

    /// Counts a wrong answer; the session stays usable.
    ///
    /// # Errors
    /// A conflict when another answer was counted meanwhile.
    pub(super) async fn count_wrong(self, ctx: &Ctx, request: &Request) -> Result<(), ApiError> {
        request.watch.wrong(&self.user.sub, Some(ChallengeName::Mfa));
        let version = self.factors.wrong.as_ref().map(|attempts| attempts.version);
        let mut counted = self.factors.wrong.map_or_else(
            || Attempts::none(&self.user.pool_id, &self.user.sub, AttemptPurpose::SecondFactor, ctx.now),
            |attempts| attempts.value,
        );
        counted.record_sign_in_failure(ctx.now);
        let mut changes = Changes::new();
        changes.save(counted, version);
        ctx.app.commit(changes).await?;
        self.guess.was_wrong();
        Ok(())
    }

    /// Commits `changes` and what a right answer changes besides: the count starts over, the session is used up, and
    /// the user becomes `after`.
    ///
    /// # Errors
    /// `NotAuthorizedException` when the session was used meanwhile; conflicts.
    pub(super) async fn accept(
        self,
        ctx: &Ctx,
        request: &Request,
        waiting: &SignInSession,
        factor: Factor,
        after: Option<User>,
        mut changes: Changes,
    ) -> Result<Proven, ApiError> {
        let seen = self.seen();
        if waiting.sign_in.step_up.is_some() {
            // On the way to a level another code may follow; otherwise one second factor is enough.
            let user = after.as_ref().unwrap_or(&self.user);
            next::check(ctx, request, user, &waiting.sign_in.clone().with(factor), &seen).await?;
        }
        start_over(&mut changes, &self.user, AttemptPurpose::SecondFactor, self.factors.wrong.as_ref());
        let mut proven = self.go_on(ctx, request, waiting, after, changes).await?;
        proven.sign_in = proven.sign_in.with(factor);
        proven.seen = seen;
        Ok(proven)
    }

    /// Commits `changes` and uses the session up, for an answer that leads on and proves nothing.
    ///
    /// # Errors
    /// `NotAuthorizedException` when the session was used meanwhile; conflicts.
    pub(super) async fn go_on(
        self,
        ctx: &Ctx,
        request: &Request,
        waiting: &SignInSession,
        after: Option<User>,
        changes: Changes,
    ) -> Result<Proven, ApiError> {
        use_up(ctx, request, waiting, self.user, after, changes).await
    }
}

/// Has the count of wrong answers start over, with a right one.
///
/// A right answer has to get past the same count as a wrong one: otherwise guesses that are made at the same time, here
/// or on another server, would not count for each other.
pub(super) fn start_over(
    changes: &mut Changes,
    user: &User,
    purpose: AttemptPurpose,
    attempts: Option<&Stored<Attempts>>,
) {
    match attempts {
        Some(attempts) => codes::forget(changes, attempts),
        None => {
            changes.assert_no_attempts(&user.pool_id, &user.sub, purpose);
        }
    }
}

/// Commits `changes` and what an answer that leads on changes always: its session is used up, and the user becomes
/// `after`. The user and the password that the session has proven must still be as they were.
///
/// # Errors
/// `NotAuthorizedException` when the session was used meanwhile; conflicts.
pub(super) async fn use_up(
    ctx: &Ctx,
    request: &Request,
    waiting: &SignInSession,
    user: Stored<User>,
    after: Option<User>,
    mut changes: Changes,
) -> Result<Proven, ApiError> {
    let (pool_id, sub) = (user.pool_id.clone(), user.sub.clone());
    changes.insert(session::mark(waiting));
    if let Some(password_version) = waiting.password_version {
        changes.assert(Key::Password { pool_id: pool_id.clone(), sub: sub.clone() }, password_version);
    }
    let user = match after {
        Some(after) => {
            users::replace(&mut changes, &request.pool, &user, after.clone());
            Stored { value: after, version: user.version + 1 }
        }
        None => {
            changes.assert(Key::User { pool_id, sub }, user.version);
            user
        }
    };
    session::commit(ctx, changes).await?;
    Ok(Proven {
        user,
        password_version: waiting.password_version,
        sign_in: waiting.sign_in.clone(),
        seen: Box::default(),
    })
}

#[cfg(test)]
mod tests {
    use domain::{Password, PasswordHash};

    use super::{super::testing, *};
    use crate::messages::{
        Sender,
        testing::{app, ctx, user},
    };

    /// Guesses at another server, while a right answer is looked at here.
    #[tokio::test]
    async fn a_guess_that_is_counted_meanwhile_counts_for_a_right_answer() {
        for failed_before in [0, 3] {
            let app = app(Sender::Inbox, true).await;
            let ctx = ctx(&app);
            let alice = user("alice", &[]);
            let (pool_id, sub, now) = (alice.pool_id.clone(), alice.sub.clone(), alice.created_at);
            let mut counted = Attempts::none(&pool_id, &sub, AttemptPurpose::SecondFactor, now);
            let mut changes = Changes::new();
            changes.insert(alice);
            for _ in 0..failed_before {
                counted.record_sign_in_failure(now);
            }
            if failed_before > 0 {
                changes.insert(counted.clone());
            }
            app.store.commit(changes).await.unwrap();
            let request = testing::request(&pool_id);
            let waiting = testing::waiting(&ctx, &request, &sub, ChallengeNameType::SmsMfa);
            let standing = standing(&ctx, &request, &waiting).await.unwrap();
            let mut changes = Changes::new();
            counted.record_sign_in_failure(now);
            let before = app.store.attempts(&pool_id, &sub, AttemptPurpose::SecondFactor).await.unwrap();
            changes.put(before.as_ref(), counted);
            app.store.commit(changes).await.unwrap();
            let accepted = standing.accept(&ctx, &request, &waiting, Factor::Sms, None, Changes::new()).await;
            assert!(accepted.err().unwrap().is_conflict, "{failed_before}");
        }
    }

    /// What another server changes, while a right answer is looked at here.
    #[tokio::test]
    async fn what_changes_meanwhile_counts_for_a_right_answer() {
        for changed in ["user", "password", "session"] {
            let app = app(Sender::Inbox, true).await;
            let ctx = ctx(&app);
            let alice = user("alice", &[]);
            let (pool_id, sub) = (alice.pool_id.clone(), alice.sub.clone());
            let current = PasswordHash::Argon2id { phc: String::new() };
            let password = Password { pool_id, sub, current, expires_at: None, history: Vec::new() };
            let request = testing::request(&password.pool_id);
            let mut waiting = testing::waiting(&ctx, &request, &password.sub, ChallengeNameType::SmsMfa);
            waiting.password_version = Some(1);
            let mut changes = Changes::new();
            changes.insert(alice).insert(password.clone());
            app.store.commit(changes).await.unwrap();
            let standing = standing(&ctx, &request, &waiting).await.unwrap();
            let mut changes = Changes::new();
            match changed {
                "user" => changes.replace(&standing.user, User { enabled: false, ..standing.user.value.clone() }),
                "password" => changes.save(password, Some(1)),
                _ => changes.insert(session::mark(&waiting)),
            };
            app.store.commit(changes).await.unwrap();
            let accepted = standing.accept(&ctx, &request, &waiting, Factor::Sms, None, Changes::new()).await;
            let refused = accepted.err().unwrap();
            if changed == "session" {
                assert_eq!(refused.to_string(), session::used().to_string());
            } else {
                assert!(refused.is_conflict, "{changed}");
            }
        }
    }
}
