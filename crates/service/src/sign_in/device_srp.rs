//! DEVICE_SRP_AUTH and DEVICE_PASSWORD_VERIFIER (auth-flows.md §12): a remembered device proves that it knows its
//! secret, in place of a second factor.
//!
//! Both steps can be taken without `Session`: some clients send none. Decision: then the sign-in that the device was last
//! asked in is continued, which is kept with the device. Wrong proofs count as wrong codes of second factors do.

use domain::{
    Device, Factor,
    session::{SignInSession, Waiting},
};
use store::{Changes, Stored};
use wire::ChallengeNameType;

use super::{
    Outcome, Proven, Request, device, guard, session,
    srp::{self, Claim, Whose},
};
use crate::{ApiError, Ctx, devices, lookup, retry};

/// Answers DEVICE_KEY and SRP_A with the challenge DEVICE_PASSWORD_VERIFIER.
///
/// # Errors
/// See auth-flows.md §7 and §8.
pub(super) async fn begin(ctx: &Ctx, request: &Request) -> Result<Outcome, ApiError> {
    let (username, key) = (request.required("USERNAME")?, request.required("DEVICE_KEY")?);
    let srp_a = request.required("SRP_A")?;
    request.check_secret_hash(ctx, username)?;
    let client_public = srp::client_public(srp_a)?;
    let before = waiting(ctx, request, username, key, ChallengeNameType::DeviceSrpAuth).await?;
    retry::on_conflict(ctx, || async {
        let standing = guard::standing(ctx, request, &before).await?;
        standing.check_lock(ctx)?;
        let device = remembered(ctx, request, &before, key).await?;
        let name = ChallengeNameType::DevicePasswordVerifier;
        let mut after = session::new(ctx, request, &before.sub, before.sign_in.clone(), name, Waiting::Nothing);
        after.password_version = before.password_version;
        let whose =
            Whose { identity: &identity(request), sub: &before.sub, user_id: key, session_id: Some(after.id.clone()) };
        let verifier = devices::opened(ctx, &device)?;
        let mut parameters = srp::challenge(ctx, request, &verifier, &client_public, whose)?;
        parameters.insert("USERNAME".to_owned(), standing.user.username.clone());
        parameters.insert("DEVICE_KEY".to_owned(), key.to_owned());
        let session = Some(session::seal(ctx, request, &after)?);
        let mut changes = Changes::new();
        changes.put_user_part(Some(&device), Device { waiting: Some(after), ..device.value.clone() });
        standing.go_on(ctx, request, &before, None, changes).await?;
        Ok(Outcome::Challenge { name, session, parameters, available: None })
    })
    .await
}

/// Checks the answer to DEVICE_PASSWORD_VERIFIER.
///
/// # Errors
/// See auth-flows.md §7 and §8.
pub(super) async fn verify(ctx: &Ctx, request: &Request) -> Result<Proven, ApiError> {
    let (username, key) = (request.required("USERNAME")?, request.required("DEVICE_KEY")?);
    let signature = request.required("PASSWORD_CLAIM_SIGNATURE")?;
    let block = request.required("PASSWORD_CLAIM_SECRET_BLOCK")?;
    let timestamp = request.required("TIMESTAMP")?;
    request.check_secret_hash(ctx, username)?;
    let waiting = waiting(ctx, request, username, key, ChallengeNameType::DevicePasswordVerifier).await?;
    let (secret_block, exchange) =
        srp::open(ctx, request, &identity(request), block).ok_or_else(ApiError::wrong_credentials)?;
    if exchange.session_id.as_ref() != Some(&waiting.id) || exchange.user_id != key {
        return Err(session::invalid());
    }
    let claim = Claim { exchange, secret_block, signature, timestamp };
    let _turn = ctx.app.one_at_a_time(&request.pool.id, &waiting.sub).await?;
    retry::on_conflict(ctx, || prove(ctx, request, &waiting, key, &claim)).await
}

async fn prove(
    ctx: &Ctx,
    request: &Request,
    waiting: &SignInSession,
    key: &str,
    claim: &Claim<'_>,
) -> Result<Proven, ApiError> {
    let standing = guard::standing(ctx, request, waiting).await?;
    standing.check_lock(ctx)?;
    let device = remembered(ctx, request, waiting, key).await?;
    if !claim.is_signed(&device.group_key, &devices::opened(ctx, &device)?)? {
        standing.count_wrong(ctx, request).await?;
        return Err(ApiError::wrong_credentials());
    }
    let mut changes = Changes::new();
    changes.put_user_part(Some(&device), device::used(ctx, &device));
    standing.accept(ctx, request, waiting, Factor::Device, None, changes).await
}

/// The session that waits for the answer to `challenge`: the one that was sent, or else the one that is kept with the
/// device.
///
/// # Errors
/// Those of auth-flows.md §7.
async fn waiting(
    ctx: &Ctx,
    request: &Request,
    username: &str,
    key: &str,
    challenge: ChallengeNameType,
) -> Result<SignInSession, ApiError> {
    if request.session.is_some() {
        let session = session::resume(ctx, request, challenge).await?;
        let is_theirs = request.names(ctx, username, &session.sub).await?;
        return if is_theirs { Ok(session) } else { Err(session::invalid()) };
    }
    let device = match lookup::user(ctx, &request.pool, username).await? {
        Some(user) => devices::find(ctx, &request.pool, &user.sub, key).await?,
        None => None,
    };
    match device.and_then(|device| device.value.waiting) {
        Some(session) if session.challenge == challenge => {
            session::check(ctx, request, &session).await?;
            Ok(session)
        }
        Some(_) => Err(session::invalid()),
        // Where no device waits, a session is missing, whoever is asked about.
        None => request.required_session().and(Err(session::invalid())),
    }
}

/// The device that the sign-in waits for. The pool or the user may have decided meanwhile that it stands in for nothing.
///
/// # Errors
/// `ResourceNotFoundException` when the user has no such device, or no longer; `NotAuthorizedException`.
async fn remembered(
    ctx: &Ctx,
    request: &Request,
    waiting: &SignInSession,
    key: &str,
) -> Result<Stored<Device>, ApiError> {
    let device = devices::existing(ctx, &request.pool, &waiting.sub, key).await?;
    let is_named = waiting.sign_in.device_key.as_deref() == Some(key);
    if is_named && device.is_remembered && devices::are_challenged(&request.pool) {
        return Ok(device);
    }
    Err(session::invalid())
}

/// What secret blocks of devices are sealed for.
fn identity(request: &Request) -> String {
    format!("device/{}", request.client.id)
}
