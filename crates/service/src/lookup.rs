//! Pools, clients and users as operations name them, with the service's words when they are not there
//! (accounts.md §1.5, §2.2).

use std::sync::Arc;

use domain::{Client, Password, Pool, User};
use store::{SignInSnapshot, Stored};
use tokio::sync::MutexGuard;

use crate::{ApiError, Ctx};

/// The pool of that id.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn pool(ctx: &Ctx, id: &str) -> Result<Arc<Stored<Pool>>, ApiError> {
    ctx.app.pool(id).await?.ok_or_else(|| no_such_pool(id))
}

/// The pool of that id as it is at this moment, for operations that show or change it. [`pool`] may be a second behind
/// what another server has changed, and an administrator's next request may come to any server.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn current_pool(ctx: &Ctx, id: &str) -> Result<Stored<Pool>, ApiError> {
    ctx.app.store.pool(id).await?.ok_or_else(|| no_such_pool(id))
}

/// The client of that id.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn client(ctx: &Ctx, id: &str) -> Result<Arc<Stored<Client>>, ApiError> {
    ctx.app.client(id).await?.ok_or_else(|| no_such_client(id))
}

/// The client of that id together with its pool.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn client_and_pool(ctx: &Ctx, id: &str) -> Result<(Arc<Stored<Client>>, Arc<Stored<Pool>>), ApiError> {
    let client = client(ctx, id).await?;
    let pool = ctx.app.pool(&client.pool_id).await?.ok_or_else(|| no_such_client(id))?;
    Ok((client, pool))
}

/// A client as operations with a pool id name it: it must be that pool's.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn client_of_pool(
    ctx: &Ctx,
    pool_id: &str,
    id: &str,
) -> Result<(Arc<Stored<Client>>, Arc<Stored<Pool>>), ApiError> {
    let pool = pool(ctx, pool_id).await?;
    let client = client(ctx, id).await?;
    if client.pool_id != pool.id {
        return Err(no_such_client(id));
    }
    Ok((client, pool))
}

/// [`client_of_pool`] as both are at this moment; see [`current_pool`].
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn current_client_of_pool(
    ctx: &Ctx,
    pool_id: &str,
    id: &str,
) -> Result<(Stored<Client>, Stored<Pool>), ApiError> {
    let pool = current_pool(ctx, pool_id).await?;
    let client = ctx.app.store.client(id).await?.filter(|client| client.pool_id == pool.id);
    Ok((client.ok_or_else(|| no_such_client(id))?, pool))
}

/// The answer to the id of a pool that is not there.
pub(crate) fn no_such_pool(id: &str) -> ApiError {
    ApiError::not_found(format!("User pool {id} does not exist."))
}

fn no_such_client(id: &str) -> ApiError {
    ApiError::not_found(format!("User pool client {id} does not exist."))
}

/// A user by username, alias or sub. Somebody who is not there takes as long as somebody who is; so it is with the four
/// functions below.
///
/// # Errors
/// When the store cannot be read.
pub async fn user(ctx: &Ctx, pool: &Pool, username: &str) -> Result<Option<Stored<User>>, ApiError> {
    let nobody = subject(ctx, pool, username, None);
    let user = ctx.app.store.user_by_name_or_nobody(&pool.id, &pool.fold(username), &nobody).await?;
    ctx.app.stand_in.read_user_unless(user.is_some())?;
    Ok(user)
}

/// The user, or the stand-in, `sub`.
///
/// # Errors
/// When the store cannot be read.
pub async fn user_of(ctx: &Ctx, pool: &Pool, sub: &str) -> Result<Option<Stored<User>>, ApiError> {
    let user = ctx.app.store.user(&pool.id, sub).await?;
    ctx.app.stand_in.read_user_unless(user.is_some())?;
    Ok(user)
}

/// The password of the user, or the stand-in, `sub`.
///
/// # Errors
/// When the store cannot be read.
pub async fn password(ctx: &Ctx, pool: &Pool, sub: &str) -> Result<Option<Stored<Password>>, ApiError> {
    let password = ctx.app.store.password(&pool.id, sub).await?;
    ctx.app.stand_in.read_password_unless(password.is_some())?;
    Ok(password)
}

/// What a sign-in has to know about the user, or the stand-in, `sub`.
///
/// # Errors
/// When the store cannot be read.
pub async fn sign_in_snapshot(ctx: &Ctx, pool: &Pool, sub: &str) -> Result<SignInSnapshot, ApiError> {
    let snapshot = ctx.app.store.sign_in_snapshot(&pool.id, sub).await?;
    read_in_place_of(ctx, &snapshot)?;
    Ok(snapshot)
}

/// The same of a user by username, alias or sub, or of the stand-in for one; and its id.
///
/// # Errors
/// When the store cannot be read.
pub async fn sign_in_by_name(ctx: &Ctx, pool: &Pool, username: &str) -> Result<(String, SignInSnapshot), ApiError> {
    let nobody = subject(ctx, pool, username, None);
    let snapshot = ctx.app.store.sign_in_snapshot_by_name(&pool.id, &pool.fold(username), &nobody).await?;
    read_in_place_of(ctx, &snapshot)?;
    let sub = snapshot.user.as_ref().map_or(nobody, |user| user.sub.clone());
    Ok((sub, snapshot))
}

/// Does the work of reading what was not found.
fn read_in_place_of(ctx: &Ctx, snapshot: &SignInSnapshot) -> Result<(), ApiError> {
    ctx.app.stand_in.read_user_unless(snapshot.user.is_some())?;
    ctx.app.stand_in.read_password_unless(snapshot.password.is_some())
}

/// A user whom an administrator names.
///
/// # Errors
/// `UserNotFoundException`.
pub async fn user_for_administrator(ctx: &Ctx, pool: &Pool, username: &str) -> Result<Stored<User>, ApiError> {
    user(ctx, pool, username).await?.ok_or_else(ApiError::no_such_user)
}

/// The id under which attempts and codes of a user are kept. For a name that nobody has it is a stand-in, always the
/// same for the same name, so that the same work is done and the same limits hold.
#[must_use]
pub fn subject(ctx: &Ctx, pool: &Pool, username: &str, user: Option<&User>) -> String {
    let name = pool.fold(username);
    let mac = crypto::hash::hmac_sha256(&ctx.app.decoy_key, format!("{}\n{name}", pool.id).as_bytes());
    match user {
        Some(user) => user.sub.clone(),
        None => crypto::random::uuid_from(&mac),
    }
}

/// Waits for the turn of the user whom `username` names, or of the stand-in for one: secrets of one user are looked at
/// one at a time, so that a burst of guesses cannot get ahead of their count.
///
/// # Errors
/// When the store cannot be read; `TooManyRequestsException` when too many others wait.
pub async fn turn<'a>(ctx: &'a Ctx, pool: &Pool, username: &str) -> Result<MutexGuard<'a, ()>, ApiError> {
    let user = user(ctx, pool, username).await?;
    let sub = subject(ctx, pool, username, user.as_deref());
    ctx.app.one_at_a_time(&pool.id, &sub).await
}
