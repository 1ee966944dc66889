//! Codes that are sent during a sign-in, as a first or as a second factor (auth-flows.md §6, §7): sending one, and
//! holding an answer against it.
//!
//! A code is not stored. Its keyed hash travels in the sealed session that waits for it, so it is good for that session
//! only, for as long as that session, and used up with it.

use std::collections::BTreeMap;

use domain::{Medium, MessagePurpose, session::SignInSession, session::Waiting};
use store::Changes;
use wire::{ChallengeNameType, ErrorKind};

use super::{Outcome, Proven, Request, session};
use crate::{ApiError, Ctx, messages};

/// What the keyed hash is made for, beside pool and user: a code of another purpose never fits.
const PURPOSE: &str = "sign-in";

/// Sends a code of so many digits to the user's address for this medium, and answers the challenge that asks for it.
/// Whether the address is verified is for the caller to judge; it must be there.
///
/// # Errors
/// `InvalidUserPoolConfigurationException` when nobody delivers messages of this medium; `InternalErrorException`.
pub(super) async fn send(
    ctx: &Ctx,
    request: &Request,
    proven: &Proven,
    challenge: ChallengeNameType,
    medium: Medium,
    digits: usize,
) -> Result<Outcome, ApiError> {
    let address = proven.user.address(medium).ok_or_else(|| ApiError::internal("a code without an address"))?;
    let waiting = |hash| Waiting::Code { hash, medium, destination: address.to_owned() };
    deliver(ctx, request, proven, challenge, (medium, address), digits, waiting).await
}

/// Sends a code of so many digits to a mail address that becomes the user's with it, and answers EMAIL_OTP.
///
/// # Errors
/// Those of [`send`].
pub(super) async fn send_to_new_email(
    ctx: &Ctx,
    request: &Request,
    proven: &Proven,
    address: &str,
    digits: usize,
) -> Result<Outcome, ApiError> {
    let waiting = |hash| Waiting::NewEmail { hash, destination: address.to_owned() };
    deliver(ctx, request, proven, ChallengeNameType::EmailOtp, (Medium::Email, address), digits, waiting).await
}

async fn deliver(
    ctx: &Ctx,
    request: &Request,
    proven: &Proven,
    challenge: ChallengeNameType,
    (medium, address): (Medium, &str),
    digits: usize,
    waiting: impl FnOnce(String) -> Waiting,
) -> Result<Outcome, ApiError> {
    let (pool, user) = (&request.pool, &proven.user);
    can_deliver(ctx, medium)?;
    let code = crypto::random::digits(ctx.entropy(), digits);
    let hash = crypto::hash::code_hash(&ctx.app.code_key, &pool.id, &user.sub, PURPOSE, &code);
    let session = session::start(ctx, request, proven, challenge, waiting(hash))?;
    let purpose = MessagePurpose::Authentication;
    let client_id = Some(request.client.id.as_str());
    let mut changes = Changes::new();
    changes.insert(messages::write(ctx, pool, client_id, user, purpose, medium, address, &code)?);
    ctx.app.commit(changes).await?;
    ctx.app.outbox.notify();
    let parameters = delivery(medium, &medium.mask(address));
    Ok(Outcome::Challenge { name: challenge, session: Some(session), parameters, available: None })
}

/// Refuses when nobody delivers messages of this medium.
///
/// Decision: the models of the sign-in operations do not know CodeDeliveryFailureException.
///
/// # Errors
/// `InvalidUserPoolConfigurationException`.
pub(super) fn can_deliver(ctx: &Ctx, medium: Medium) -> Result<(), ApiError> {
    ctx.app
        .outbox
        .can_deliver(medium)
        .map_err(|refusal| ApiError::new(ErrorKind::InvalidUserPoolConfiguration, refusal.message))
}

/// `ChallengeParameters` that say where a code went; the destination is masked already.
pub(super) fn delivery(medium: Medium, masked: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("CODE_DELIVERY_DELIVERY_MEDIUM".to_owned(), medium.delivery_medium().as_str().to_owned()),
        ("CODE_DELIVERY_DESTINATION".to_owned(), masked.to_owned()),
    ])
}

/// Whether this is the code that the session waits for, compared in constant time. Never, where it waits for none.
pub(super) fn matches(ctx: &Ctx, session: &SignInSession, given: &str) -> bool {
    let hash = match &session.waiting {
        Waiting::Code { hash, .. } | Waiting::NewEmail { hash, .. } => hash.as_str(),
        _ => "",
    };
    crypto::hash::code_matches(&ctx.app.code_key, &session.pool_id, &session.sub, PURPOSE, given, hash)
}
