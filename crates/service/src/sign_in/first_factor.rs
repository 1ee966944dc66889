//! What all proofs of a password share (auth-flows.md §8 to §10): who may try, the lock, counting failures, and what
//! a success changes.
//!
//! Order: unknown (where that is said) → disabled (where that is said) → unconfirmed → lock → the proof → reset
//! required → disabled → expired temporary password. One attempt per user at a time, so that a burst of guesses is
//! counted one by one.
//!
//! Decision: the reference chapters disagree on whether RESET_REQUIRED shows before the password is right, and so
//! does every report. Here only whoever knows the password, or asks for a user without one through a client that
//! hides nothing, is told; the same holds for disabled users through a client that hides unknown ones.

use std::sync::{Mutex, PoisonError};

use domain::{AttemptPurpose, Attempts, Factor, Password, Spent, User, session::SignIn};
use store::{Changes, CommitError, Key, SignInSnapshot, Stored};
use wire::{ChallengeName, UserStatusType};

use super::{Proven, Request, Seen, guard, next, session};
use crate::{
    ApiError, Ctx, lookup, passwords, retry,
    tokens::access::{not_confirmed, password_reset_required},
};

/// A proof of a password.
pub(super) trait Proof {
    /// Whether the proof holds for this user, who is allowed to try. For a user without a (fitting) password the same
    /// work is done, and the answer is no.
    async fn holds(&self, ctx: &Ctx, request: &Request, snapshot: &SignInSnapshot) -> Result<bool, ApiError>;

    /// The password itself, if the proof shows it.
    fn password(&self) -> Option<&str>;

    /// What makes the proof usable only once, if anything does.
    fn spends(&self) -> Option<Spent>;
}

/// Checks a proof for the user, or the stand-in, `sub`. What was read of whom on the way may be handed over, so that it is
/// read once: it is committed against, and read anew after others of the same user were waited for.
///
/// # Errors
/// See auth-flows.md §8 and §9.
pub(super) async fn prove(
    ctx: &Ctx,
    request: &Request,
    sub: &str,
    proof: &impl Proof,
    sign_in: &SignIn,
    read: Option<SignInSnapshot>,
) -> Result<Proven, ApiError> {
    let pool = &request.pool;
    let guess = &guard::guess(ctx, request)?;
    let at_once = ctx.app.turn_at_once(&pool.id, sub);
    let read = &Mutex::new(read.filter(|_| at_once.is_some()));
    let _turn = match at_once {
        Some(turn) => turn,
        None => ctx.app.one_at_a_time(&pool.id, sub).await?,
    };
    retry::on_conflict(ctx, || async {
        let handed_over = read.lock().unwrap_or_else(PoisonError::into_inner).take();
        let is_handed_over = handed_over.is_some();
        let snapshot = match handed_over {
            Some(snapshot) => snapshot,
            None => lookup::sign_in_snapshot(ctx, pool, sub).await?,
        };
        let hides = request.client.hides_unknown_users();
        match &snapshot.user {
            None if !hides => return Err(ApiError::no_such_user()),
            Some(user) => check_before(user, hides)?,
            None => {}
        }
        guard::check_lock(ctx, snapshot.attempts.as_ref())?;
        let holds = proof.holds(ctx, request, &snapshot).await?;
        let SignInSnapshot { user, password, attempts } = snapshot;
        let (Some(user), true) = (&user, holds) else {
            if let Some(user) = user.filter(|_| password.is_none() && !hides)
                && user.status == UserStatusType::ResetRequired
            {
                // An imported user: there is no password that could be right.
                return Err(password_reset_required());
            }
            request.watch.wrong(sub, Some(ChallengeName::Password));
            let refused = count_failure(ctx, request, sub, attempts).await?;
            guess.was_wrong();
            return Err(refused);
        };
        let password = password.ok_or_else(|| ApiError::internal("a proof held without a password"))?;
        if let Err(refusal) = check_after(ctx, user, &password) {
            // Nothing is committed here that would meet a lock which was set since.
            return Err(if is_handed_over { CommitError::Conflict.into() } else { refusal });
        }
        accept(ctx, request, proof, user, password, attempts, sign_in).await
    })
    .await
}

/// What is said without looking at the proof.
pub(super) fn check_before(user: &User, hides: bool) -> Result<(), ApiError> {
    if !user.enabled && !hides {
        return Err(ApiError::user_disabled());
    }
    if user.status == UserStatusType::Unconfirmed {
        return Err(not_confirmed());
    }
    Ok(())
}

/// What only whoever has proven the password is told.
fn check_after(ctx: &Ctx, user: &User, password: &Password) -> Result<(), ApiError> {
    if !user.enabled {
        return Err(ApiError::user_disabled());
    }
    if user.status == UserStatusType::ResetRequired {
        return Err(password_reset_required());
    }
    if password.expires_at.is_some_and(|end| ctx.now >= end) {
        return Err(ApiError::not_authorized("Temporary password has expired and must be reset by an administrator."));
    }
    Ok(())
}

/// Counts a failed proof; answers what the caller is told.
async fn count_failure(
    ctx: &Ctx,
    request: &Request,
    sub: &str,
    attempts: Option<Stored<Attempts>>,
) -> Result<ApiError, ApiError> {
    let version = attempts.as_ref().map(|attempts| attempts.version);
    let mut counted = attempts.map_or_else(
        || Attempts::none(&request.pool.id, sub, AttemptPurpose::SignIn, ctx.now),
        |attempts| attempts.value,
    );
    counted.record_sign_in_failure(ctx.now);
    let mut changes = Changes::new();
    changes.save(counted, version);
    ctx.app.commit(changes).await?;
    Ok(ApiError::wrong_credentials())
}

/// Commits what a success changes: the count of failures starts over, a hash of an outdated form is replaced, and
/// what proves only once is spent. Mostly that is nothing.
async fn accept(
    ctx: &Ctx,
    request: &Request,
    proof: &impl Proof,
    user: &Stored<User>,
    password: Stored<Password>,
    attempts: Option<Stored<Attempts>>,
    sign_in: &SignIn,
) -> Result<Proven, ApiError> {
    let pool = &request.pool;
    let sign_in = sign_in.clone().with(Factor::Password);
    let seen = Box::<Seen>::default();
    if let Some(spent) = proof.spends()
        && let Err(refusal) = next::check(ctx, request, user, &sign_in, &seen).await
    {
        // Of a proof that was used before, that is said, whatever else stands in the way.
        let is_used = ctx.app.store.spent(&spent.id).await?.is_some();
        return Err(if is_used { session::used() } else { refusal });
    }
    let mut changes = Changes::new();
    let mut password_version = password.version;
    // What the decision rests on must still hold: otherwise a guess that another request is counting, here or on
    // another server, would not count for this one, and a password that was replaced meanwhile would do. Where nothing
    // else is to be changed this only reads.
    guard::start_over(&mut changes, user, AttemptPurpose::SignIn, attempts.as_ref());
    if let Some(clear) = proof.password()
        && passwords::is_outdated(ctx, pool, &password.current)
    {
        let mut replaced = password.value;
        replaced.current = passwords::hash(ctx, pool, user, clear).await?;
        changes.save(replaced, Some(password_version));
        password_version += 1;
    }
    if let Some(spent) = proof.spends() {
        changes.insert(spent);
    }
    let sub = || user.sub.clone();
    changes.assert(Key::User { pool_id: pool.id.clone(), sub: sub() }, user.version);
    changes.assert(Key::Password { pool_id: pool.id.clone(), sub: sub() }, password_version);
    session::commit(ctx, changes).await?;
    Ok(Proven { user: user.clone(), password_version: Some(password_version), sign_in, seen })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use domain::PasswordHash;
    use wire::AuthFlowType;

    use super::{super::testing::request, *};
    use crate::{
        App,
        messages::{
            Sender,
            testing::{app, ctx, user},
        },
    };

    /// A proof that holds when it is checked for the first time; while that goes on, another server commits something.
    struct Overtaken {
        by: fn(&SignInSnapshot) -> Changes,
        checks: AtomicUsize,
        /// Whether it holds the next time, too.
        holds_still: bool,
        spends: Option<Spent>,
    }

    impl Proof for Overtaken {
        async fn holds(&self, ctx: &Ctx, _request: &Request, snapshot: &SignInSnapshot) -> Result<bool, ApiError> {
            if self.checks.fetch_add(1, Ordering::SeqCst) > 0 {
                return Ok(self.holds_still);
            }
            ctx.app.store.commit((self.by)(snapshot)).await?;
            Ok(true)
        }

        fn password(&self) -> Option<&str> {
            None
        }

        fn spends(&self) -> Option<Spent> {
            self.spends.clone()
        }
    }

    /// So many failures, after those that were counted when the proof was begun.
    fn failures(snapshot: &SignInSnapshot, count: usize) -> Changes {
        let user = snapshot.user.as_ref().unwrap();
        let before = snapshot.attempts.as_ref();
        let now = user.created_at;
        let mut counted = before.map_or_else(
            || Attempts::none(&user.pool_id, &user.sub, AttemptPurpose::SignIn, now),
            |attempts| attempts.value.clone(),
        );
        (0..count).for_each(|_| counted.record_sign_in_failure(now));
        let mut changes = Changes::new();
        changes.put(before, counted);
        changes
    }

    fn another_password(snapshot: &SignInSnapshot) -> Changes {
        let before = snapshot.password.as_ref().unwrap();
        let mut changes = Changes::new();
        changes.replace(before, before.value.clone());
        changes
    }

    fn disabled(snapshot: &SignInSnapshot) -> Changes {
        let before = snapshot.user.as_ref().unwrap();
        let mut changes = Changes::new();
        changes.replace(before, User { enabled: false, ..before.value.clone() });
        changes
    }

    /// Somebody with a password, as read.
    async fn somebody(app: &App) -> SignInSnapshot {
        let alice = user("alice", &[]);
        let (pool_id, sub) = (alice.pool_id.clone(), alice.sub.clone());
        let current = PasswordHash::Argon2id { phc: String::new() };
        let mut changes = Changes::new();
        changes.insert(alice).insert(Password {
            pool_id: pool_id.clone(),
            sub: sub.clone(),
            current,
            expires_at: None,
            history: Vec::new(),
        });
        app.store.commit(changes).await.unwrap();
        app.store.sign_in_snapshot(&pool_id, &sub).await.unwrap()
    }

    /// What becomes of a sign-in of `whom`, and how often the proof was looked at.
    async fn attempt(
        ctx: &Ctx,
        whom: &SignInSnapshot,
        proof: Overtaken,
        read: Option<SignInSnapshot>,
    ) -> (String, usize) {
        let user = whom.user.as_ref().unwrap();
        let (request, sign_in) = (request(&user.pool_id), SignIn::new(AuthFlowType::UserPasswordAuth));
        let outcome = match prove(ctx, &request, &user.sub, &proof, &sign_in, read).await {
            Ok(proven) => format!("proven, password {:?}", proven.password_version),
            Err(error) => error.to_string(),
        };
        (outcome, proof.checks.load(Ordering::SeqCst))
    }

    /// The same of a user with so many failures. Whether the user was read before makes no difference.
    async fn prove_while(
        by: fn(&SignInSnapshot) -> Changes,
        failed_before: usize,
        holds_still: bool,
        spends: Option<Spent>,
    ) -> (String, usize) {
        let mut outcomes = Vec::new();
        for was_read in [false, true] {
            let app = app(Sender::Inbox, true).await;
            let mut snapshot = somebody(&app).await;
            if failed_before > 0 {
                app.store.commit(failures(&snapshot, failed_before)).await.unwrap();
                let user = snapshot.user.as_ref().unwrap();
                snapshot = app.store.sign_in_snapshot(&user.pool_id, &user.sub).await.unwrap();
            }
            let proof = Overtaken { by, checks: AtomicUsize::new(0), holds_still, spends: spends.clone() };
            let read = was_read.then(|| snapshot.clone());
            outcomes.push(attempt(&ctx(&app), &snapshot, proof, read).await);
        }
        assert_eq!(outcomes.first(), outcomes.last());
        outcomes.remove(0)
    }

    const LOCKED: &str = "NotAuthorizedException: Password attempts exceeded";

    #[tokio::test]
    async fn a_lock_that_another_server_sets_meanwhile_counts() {
        let mark = || Spent { id: "proof".to_owned(), expires_at: crate::messages::testing::START };
        for spends in [None, Some(mark())] {
            for failed_before in [0, 3] {
                let locks = |snapshot: &SignInSnapshot| failures(snapshot, 5);
                let outcome = prove_while(locks, failed_before, true, spends.clone()).await;
                assert_eq!(outcome, (LOCKED.to_owned(), 1), "{failed_before} {spends:?}");
                // Fewer than that are forgiven, yet not unseen: the proof is looked at again.
                let fails = |snapshot: &SignInSnapshot| failures(snapshot, 1);
                let outcome = prove_while(fails, failed_before, true, spends.clone()).await;
                assert_eq!(outcome, ("proven, password Some(1)".to_owned(), 2), "{failed_before} {spends:?}");
            }
        }
    }

    /// Guesses at the same time are refused one by one, without a look at the proof, once there were too many.
    #[tokio::test]
    async fn what_was_read_before_others_had_their_turn_does_not_count() {
        let app = app(Sender::Inbox, true).await;
        let ctx = ctx(&app);
        let snapshot = somebody(&app).await;
        let user = snapshot.user.as_ref().unwrap();
        let turn = app.one_at_a_time(&user.pool_id, &user.sub).await.unwrap();
        let (by, checks) = (|_: &SignInSnapshot| Changes::new(), AtomicUsize::new(0));
        let proof = Overtaken { by, checks, holds_still: true, spends: None };
        let guess = attempt(&ctx, &snapshot, proof, Some(snapshot.clone()));
        let others = async {
            app.store.commit(failures(&snapshot, 5)).await.unwrap();
            drop(turn);
        };
        let (outcome, ()) = tokio::join!(guess, others);
        assert_eq!(outcome, (LOCKED.to_owned(), 0));
    }

    /// Who has to reset a password is told so by a right one only, and a lock hides it.
    #[tokio::test]
    async fn what_was_read_before_a_lock_does_not_show_that_a_password_is_right() {
        let app = app(Sender::Inbox, true).await;
        let ctx = ctx(&app);
        let before = somebody(&app).await.user.unwrap();
        let mut changes = Changes::new();
        changes.replace(&before, User { status: UserStatusType::ResetRequired, ..before.value.clone() });
        app.store.commit(changes).await.unwrap();
        let snapshot = app.store.sign_in_snapshot(&before.pool_id, &before.sub).await.unwrap();
        let proof = || {
            let (by, checks) = (|_: &SignInSnapshot| Changes::new(), AtomicUsize::new(0));
            Overtaken { by, checks, holds_still: true, spends: None }
        };
        let (outcome, _) = attempt(&ctx, &snapshot, proof(), Some(snapshot.clone())).await;
        assert!(outcome.starts_with("PasswordResetRequiredException"), "{outcome}");
        app.store.commit(failures(&snapshot, 5)).await.unwrap();
        let outcome = attempt(&ctx, &snapshot, proof(), Some(snapshot.clone())).await;
        assert_eq!(outcome, (LOCKED.to_owned(), 1));
    }

    #[tokio::test]
    async fn a_password_or_a_user_that_changes_meanwhile_is_looked_at_again() {
        for failed_before in [0, 3] {
            let outcome = prove_while(another_password, failed_before, false, None).await;
            assert_eq!(outcome, ("NotAuthorizedException: Incorrect username or password.".to_owned(), 2));
            let outcome = prove_while(another_password, failed_before, true, None).await;
            assert_eq!(outcome, ("proven, password Some(2)".to_owned(), 2));
            let outcome = prove_while(disabled, failed_before, true, None).await;
            assert_eq!(outcome, ("NotAuthorizedException: User is disabled.".to_owned(), 1));
        }
        let outcome = prove_while(|_| Changes::new(), 0, true, None).await;
        assert_eq!(outcome, ("proven, password Some(1)".to_owned(), 1));
    }
}
