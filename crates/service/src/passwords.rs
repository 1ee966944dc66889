//! Passwords: hashing, checking, and the rules for a new one (accounts.md §6.3, DESIGN §4).
//!
//! A pool in which SRP is possible keeps the sealed SRP verifier and nothing else; where SRP is switched off it is
//! Argon2id and nothing else. A password of the other form is replaced when it has been given correctly once.

use crypto::{
    seal::Purpose,
    srp::{self, Verifier},
};
use domain::{Password, PasswordHash, Pool, User};
use wire::{ErrorKind, Timestamp};

use crate::{ApiError, Ctx};

/// How the first words of a policy miss differ by operation.
#[derive(Clone, Copy, Debug)]
pub enum Wording {
    /// ConfirmForgotPassword, ChangePassword, NEW_PASSWORD_REQUIRED.
    DoesNotConform,
    /// SignUp.
    DidNotConform,
    /// AdminCreateUser, AdminSetUserPassword.
    DidNotConformWithPasswordPolicy,
}

/// Checks a new password against the pool's policy.
///
/// # Errors
/// `InvalidPasswordException` naming the first miss.
pub fn check_policy(pool: &Pool, password: &str, wording: Wording) -> Result<(), ApiError> {
    let lead = match wording {
        Wording::DoesNotConform => "Password does not conform to policy: ",
        Wording::DidNotConform => "Password did not conform with policy: ",
        Wording::DidNotConformWithPasswordPolicy => "Password did not conform with password policy: ",
    };
    match pool.password_policy.miss(password) {
        None => Ok(()),
        Some(miss) => Err(ApiError::new(ErrorKind::InvalidPassword, format!("{lead}{miss}"))),
    }
}

/// Refuses a password that is among the last ones, the current one included, as many as the policy says.
///
/// # Errors
/// `PasswordHistoryPolicyViolationException`.
pub async fn check_history(
    ctx: &Ctx,
    pool: &Pool,
    user: &User,
    before: Option<&Password>,
    password: &str,
) -> Result<(), ApiError> {
    let size = usize::try_from(pool.password_policy.history_size.unwrap_or(0)).unwrap_or(0);
    let Some(before) = before else { return Ok(()) };
    for hash in std::iter::once(&before.current).chain(&before.history).take(size) {
        if matches(ctx, pool, user, hash, password).await? {
            return Err(ApiError::new(ErrorKind::PasswordHistoryPolicyViolation, "Password has previously been used"));
        }
    }
    Ok(())
}

/// The row of a user who gets `password`. `temporary` ones expire and never enter the history.
///
/// # Errors
/// When hashing or sealing fails.
pub async fn row(
    ctx: &Ctx,
    pool: &Pool,
    user: &User,
    before: Option<&Password>,
    password: &str,
    temporary: bool,
) -> Result<Password, ApiError> {
    let expires_at: Option<Timestamp> = temporary.then(|| pool.password_policy.temporary_expiry(ctx.now));
    let mut history = Vec::new();
    if let Some(before) = before {
        if before.expires_at.is_none() {
            history.push(before.current.clone());
        }
        history.extend(before.history.iter().cloned());
        // The longest history that a policy can ask for, the current password apart.
        history.truncate(23);
    }
    let current = hash(ctx, pool, user, password).await?;
    Ok(Password { pool_id: pool.id.clone(), sub: user.sub.clone(), current, expires_at, history })
}

/// A password in the form that the pool keeps.
///
/// # Errors
/// When hashing or sealing fails.
pub async fn hash(ctx: &Ctx, pool: &Pool, user: &User, password: &str) -> Result<PasswordHash, ApiError> {
    if ctx.app.settings.srp_off.applies_to(&pool.id) {
        let (entropy, password) = (ctx.app.entropy.clone(), password.to_owned());
        let phc = off_the_runtime(move || crypto::password::argon2id_hash(&*entropy, &password))
            .await?
            .map_err(ApiError::internal)?;
        return Ok(PasswordHash::Argon2id { phc });
    }
    let verifier = srp::make_verifier(ctx.entropy(), pool.short_name(), &user.username, password);
    let sealed = ctx.app.ring.seal(ctx.entropy(), Purpose::PasswordVerifier, &identity(pool, user), &verifier.verifier);
    Ok(PasswordHash::Srp { salt: srp::to_hex(&verifier.salt), verifier: sealed })
}

/// Whether `password` is the one behind `hash`.
///
/// # Errors
/// When the hash cannot be opened or read.
pub async fn matches(
    ctx: &Ctx,
    pool: &Pool,
    user: &User,
    hash: &PasswordHash,
    password: &str,
) -> Result<bool, ApiError> {
    match hash {
        PasswordHash::Srp { .. } => {
            let verifier = verifier(ctx, pool, user, hash)?.ok_or_else(|| ApiError::internal("not an SRP verifier"))?;
            Ok(srp::verify_password(&verifier, pool.short_name(), &user.username, password))
        }
        PasswordHash::Argon2id { phc } => {
            let (phc, password) = (phc.clone(), password.to_owned());
            off_the_runtime(move || crypto::password::argon2id_verify(&phc, &password)).await
        }
    }
}

/// The SRP verifier in a hash; none when it is of the other form.
///
/// # Errors
/// When it cannot be opened with the master keys.
pub fn verifier(ctx: &Ctx, pool: &Pool, user: &User, hash: &PasswordHash) -> Result<Option<Verifier>, ApiError> {
    let PasswordHash::Srp { salt, verifier } = hash else { return Ok(None) };
    let opened = ctx.app.ring.open(Purpose::PasswordVerifier, &identity(pool, user), verifier)?;
    let salt = srp::from_hex(salt).ok_or_else(|| ApiError::internal("a stored salt is not hexadecimal"))?;
    Ok(Some(Verifier { salt, verifier: opened.to_vec() }))
}

/// Whether a hash is of the form that the pool no longer keeps.
#[must_use]
pub fn is_outdated(ctx: &Ctx, pool: &Pool, hash: &PasswordHash) -> bool {
    ctx.app.settings.srp_off.applies_to(&pool.id) == matches!(hash, PasswordHash::Srp { .. })
}

/// Does the work of [`matches`] for a user that does not exist, or has no password.
///
/// # Errors
/// When hashing fails.
pub async fn pretend_to_match(ctx: &Ctx, pool: &Pool, username: &str, password: &str) -> Result<(), ApiError> {
    if ctx.app.settings.srp_off.applies_to(&pool.id) {
        let (entropy, password) = (ctx.app.entropy.clone(), password.to_owned());
        let hashed = off_the_runtime(move || crypto::password::argon2id_hash(&*entropy, &password)).await?;
        return hashed.map(drop).map_err(ApiError::internal);
    }
    // One modular exponentiation, as for a known user; the verifier that it is compared with is never right.
    let nobody = Verifier { salt: ctx.app.decoy_key.to_vec(), verifier: vec![0; 384] };
    std::hint::black_box(srp::verify_password(&nobody, pool.short_name(), username, password));
    Ok(())
}

/// Argon2 takes 15 ms: not on the threads that answer requests.
async fn off_the_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
}

fn identity(pool: &Pool, user: &User) -> String {
    format!("{}/{}", pool.id, user.sub)
}
