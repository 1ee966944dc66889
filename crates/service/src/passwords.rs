//! Passwords: hashing, checking, and the rules for a new one (accounts.md §6.3, docs/security.md).
//!
//! A pool in which SRP is possible keeps the sealed SRP verifier and nothing else; where SRP is switched off it is
//! Argon2id and nothing else. A password of the other form, or a hash that was imported, is replaced when it has been
//! given correctly once. SRP shows no password, so that it cannot be used until then: there is nothing to check an
//! imported hash with.
//!
//! A password that is set in any way ends an outstanding reset code ([`end_reset_code`]): whoever holds an old code must
//! not undo what an administrator or the user has done since.

mod turns;

use crypto::{
    password::imported::ImportedHash,
    seal::Purpose,
    srp::{self, Verifier},
};
use domain::{CodePurpose, Password, PasswordHash, Pool, User, password::LONGEST_PASSWORD};
use store::Changes;
use wire::{ErrorKind, Timestamp};

use self::turns::TURNS;
use crate::{ApiError, Ctx, codes};

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
/// When hashing or sealing fails; `TooManyRequestsException` when too many hashes are being computed.
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
/// When hashing or sealing fails; `TooManyRequestsException` when too many hashes are being computed.
pub async fn hash(ctx: &Ctx, pool: &Pool, user: &User, password: &str) -> Result<PasswordHash, ApiError> {
    if ctx.app.settings.srp_off.applies_to(&pool.id) {
        let (entropy, password) = (ctx.app.entropy.clone(), password.to_owned());
        let phc = TURNS
            .run(move || crypto::password::argon2id_hash(&*entropy, &password))
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
/// When the hash cannot be opened or read; `TooManyRequestsException` when too many hashes are being computed.
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
            TURNS.run(move || crypto::password::argon2id_verify(&phc, &password)).await
        }
        PasswordHash::Imported { hash } => {
            let text = ctx.app.ring.open(Purpose::PasswordVerifier, &imported_identity(pool, user), hash)?;
            let text = str::from_utf8(&text).map_err(ApiError::internal)?;
            let hash = ImportedHash::parse(text).map_err(ApiError::internal)?;
            let password = password.to_owned();
            TURNS.run(move || hash.matches(&password)).await
        }
    }
}

/// A hash from another system, as it is kept until its password has been given once. `text` must be one that
/// [`ImportedHash::parse`] takes.
#[must_use]
pub fn imported(ctx: &Ctx, pool: &Pool, user: &User, text: &str) -> PasswordHash {
    let identity = imported_identity(pool, user);
    PasswordHash::Imported {
        hash: ctx.app.ring.seal(ctx.entropy(), Purpose::PasswordVerifier, &identity, text.as_bytes()),
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
    let is_srp_off = ctx.app.settings.srp_off.applies_to(&pool.id);
    match hash {
        PasswordHash::Srp { .. } => is_srp_off,
        PasswordHash::Argon2id { .. } => !is_srp_off,
        PasswordHash::Imported { .. } => true,
    }
}

/// [`matches`] for a sign-in: `known` is the user and the hash, if there are both. Whoever is refused cannot tell from
/// the answer or from the time that it takes whether there is such a user.
///
/// A password of more than 256 characters is nobody's. It is wrong for everybody, whatever a hash says to it, and the
/// work is that for an unknown user.
///
/// A hash of a form that the pool does not keep costs its own check and that of an unknown user. Where passwords
/// are kept as verifiers but this one is still an Argon2id hash, that makes a constant of about 15 ms more: the user is
/// told from others until the next right password, which is cheaper than 15 ms more for everybody for good.
///
/// # Errors
/// When the hash cannot be opened or read; `TooManyRequestsException` when too many hashes are being computed.
pub async fn matches_for_sign_in(
    ctx: &Ctx,
    pool: &Pool,
    known: Option<(&User, &PasswordHash)>,
    username: &str,
    password: &str,
) -> Result<bool, ApiError> {
    if password.chars().nth(LONGEST_PASSWORD).is_some() {
        // Not the password itself: Argon2 takes no more than 1,024 bytes.
        pretend_to_match(ctx, pool, username, "").await?;
        return Ok(false);
    }
    let mut is_right = false;
    let mut is_checked = false;
    if let Some((user, hash)) = known {
        is_right = matches(ctx, pool, user, hash, password).await?;
        is_checked = is_right || !is_outdated(ctx, pool, hash);
    }
    if !is_checked {
        pretend_to_match(ctx, pool, username, password).await?;
    }
    Ok(is_right)
}

/// Does the work of [`matches`] for a user that does not exist, or has no password.
async fn pretend_to_match(ctx: &Ctx, pool: &Pool, username: &str, password: &str) -> Result<(), ApiError> {
    if ctx.app.settings.srp_off.applies_to(&pool.id) {
        let (entropy, password) = (ctx.app.entropy.clone(), password.to_owned());
        let hashed = TURNS.run(move || crypto::password::argon2id_hash(&*entropy, &password)).await?;
        return hashed.map(drop).map_err(ApiError::internal);
    }
    // A verifier is opened, and one modular exponentiation computed, as for a known user.
    let nobody = ctx.app.stand_in.verifier(&ctx.app.ring)?;
    std::hint::black_box(srp::verify_password(&nobody, pool.short_name(), username, password));
    Ok(())
}

/// Adds the end of the user's outstanding reset code, if there is one, to the changes that set a password.
///
/// # Errors
/// When the store cannot be read.
pub async fn end_reset_code(ctx: &Ctx, changes: &mut Changes, pool: &Pool, sub: &str) -> Result<(), ApiError> {
    if let Some(code) = ctx.app.store.code(&pool.id, sub, CodePurpose::Reset).await? {
        codes::discard(changes, &code);
    }
    Ok(())
}

/// What the verifier of a user is sealed for.
pub(crate) fn identity_of(pool_id: &str, sub: &str) -> String {
    format!("{pool_id}/{sub}")
}

/// What a hash that an import brought along is sealed for: neither is ever taken for the other.
pub(crate) fn imported_identity_of(pool_id: &str, sub: &str) -> String {
    format!("{pool_id}/{sub}/imported")
}

fn identity(pool: &Pool, user: &User) -> String {
    identity_of(&pool.id, &user.sub)
}

fn imported_identity(pool: &Pool, user: &User) -> String {
    imported_identity_of(&pool.id, &user.sub)
}
