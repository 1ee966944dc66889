//! Codes that are sent during a sign-in, as a first or as a second factor (auth-flows.md §6, §7): sending one, and
//! holding an answer against it.
//!
//! A code is not stored. Its keyed hash travels in the sealed session that waits for it, so it is good for that session
//! only, for as long as that session, and used up with it.

use std::collections::BTreeMap;

use domain::{
    AttemptPurpose, Attempts, Medium, Message, MessagePurpose, Pool, Spent,
    session::{Entrance, SignInSession, Waiting},
};
use store::{Changes, Stored};
use wire::{ChallengeNameType, ErrorKind};

use super::{Outcome, Proven, Request, Seen, session};
use crate::{
    ApiError, Ctx, codes,
    messages::{self, Functions, Letter},
    retry,
    triggers::{self, Trigger},
};

/// What the keyed hash is made for, beside pool and user: a code of another purpose never fits.
const PURPOSE: &str = "sign-in";

/// A code that is to go out.
pub(super) struct Sending {
    /// The challenge that asks for it.
    pub challenge: ChallengeNameType,
    /// How it travels.
    pub medium: Medium,
    /// How long it is.
    pub digits: usize,
    /// The session that asked for it and is used up with it, where that has not happened before.
    pub spends: Option<Spent>,
}

/// Sends a code to the user's address for its medium, and answers the challenge that asks for it. Whether the address is
/// verified is for the caller to judge; it must be there.
///
/// # Errors
/// `TooManyRequestsException` when too many were sent in the last hour, to this user or to this address;
/// `InvalidUserPoolConfigurationException` when nobody delivers messages of this medium; `InternalErrorException`.
pub(super) async fn send(ctx: &Ctx, request: &Request, proven: &Proven, sending: Sending) -> Result<Outcome, ApiError> {
    let medium = sending.medium;
    let address = proven.user.address(medium).ok_or_else(|| ApiError::internal("a code without an address"))?;
    let waiting = |hash| Waiting::Code { hash, medium, destination: address.to_owned() };
    deliver(ctx, request, proven, address, sending, waiting).await
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
    let sending = Sending { challenge: ChallengeNameType::EmailOtp, medium: Medium::Email, digits, spends: None };
    deliver(ctx, request, proven, address, sending, waiting).await
}

async fn deliver(
    ctx: &Ctx,
    request: &Request,
    proven: &Proven,
    address: &str,
    sending: Sending,
    waiting: impl FnOnce(String) -> Waiting,
) -> Result<Outcome, ApiError> {
    let (pool, user) = (&request.pool, &proven.user);
    let Sending { challenge, medium, digits, spends } = sending;
    can_deliver(ctx, pool, medium)?;
    if triggers::function(pool, Trigger::CustomMessage).is_some() {
        // A function is not asked about a message that may not be sent.
        check_room(ctx, request, &user.sub, address, &proven.seen).await?;
    }
    let code = crypto::random::digits(ctx.entropy(), digits);
    let hash = crypto::hash::code_hash(&ctx.app.code_key, &pool.id, &user.sub, PURPOSE, &code);
    let session = session::start(ctx, request, proven, challenge, waiting(hash))?;
    let purpose = MessagePurpose::Authentication;
    let client_id = Some(request.client.id.as_str());
    let letter = Letter { pool, client_id, user, purpose, medium, destination: address, code: &code };
    let message = messages::write(ctx, &letter, &functions(request)).await?;
    commit(ctx, request, (&user.sub, address), message, spends, &proven.seen).await?;
    ctx.app.outbox.notify();
    let parameters = delivery(medium, &medium.mask(address));
    Ok(Outcome::Challenge { name: challenge, session: Some(session), parameters, available: None })
}

/// The part that functions have in a code's message. What begins a sign-in tells them nothing, a client's answer only
/// whoever sends the message, an administrator's answer CustomMessage as well (triggers-security.md §4.2).
fn functions(request: &Request) -> Functions<'_> {
    let metadata = request.client_metadata.as_ref();
    Functions::told(metadata.filter(|_| request.entrance == Entrance::Admin), metadata)
}

/// Commits a message, or what takes its place, with what is counted: one more code for `sub`, the user or the
/// stand-in, and one more to `address`.
///
/// # Errors
/// `TooManyRequestsException`, and `NotAuthorizedException` when the session was used meanwhile.
pub(super) async fn commit(
    ctx: &Ctx,
    request: &Request,
    (sub, address): (&str, &str),
    message: Message,
    spends: Option<Spent>,
    seen: &Seen,
) -> Result<(), ApiError> {
    let seen = seen.for_first_try();
    retry::on_conflict(ctx, || async {
        let known = seen().and_then(|seen| seen.counts.get());
        let mut changes = match known.filter(|counts| counts.address == address) {
            Some(counts) => with_one_more(ctx, request, sub, counts)?,
            None => with_one_more(ctx, request, sub, &counts(ctx, request, sub, address).await?)?,
        };
        changes.insert(message.clone());
        if let Some(spent) = spends.clone() {
            changes.insert(spent);
        }
        session::commit(ctx, changes).await
    })
    .await
}

/// Refuses to begin with something that would end in one code too many; what it begins with stays usable.
///
/// # Errors
/// `TooManyRequestsException`.
pub(super) async fn check_room(
    ctx: &Ctx,
    request: &Request,
    sub: &str,
    address: &str,
    seen: &Seen,
) -> Result<(), ApiError> {
    let counts = seen.counts.get_or_try_init(|| counts(ctx, request, sub, address)).await?;
    with_one_more(ctx, request, sub, counts).map(drop)
}

/// How many codes were sent lately: to a user, or stand-in, and to an address, since one that is not verified may be that
/// of any number of users.
pub(super) struct Counts {
    address: String,
    /// Whose count that of the address is.
    to: String,
    of_user: Option<Stored<Attempts>>,
    of_address: Option<Stored<Attempts>>,
}

async fn counts(ctx: &Ctx, request: &Request, sub: &str, address: &str) -> Result<Counts, ApiError> {
    let (pool_id, store) = (&request.pool.id, &ctx.app.store);
    let name = format!("{pool_id}\naddress\n{}", address.to_lowercase());
    let to = crypto::random::uuid_from(&crypto::hash::hmac_sha256(&ctx.app.decoy_key, name.as_bytes()));
    let (of_user, of_address) = tokio::try_join!(
        store.attempts(pool_id, sub, AttemptPurpose::SignInCode),
        store.attempts(pool_id, &to, AttemptPurpose::SignInCodeTo),
    )?;
    Ok(Counts { address: address.to_owned(), to, of_user, of_address })
}

/// The counts with one more code in them.
///
/// Decision: the models of the sign-in operations do not know LimitExceededException; the words are that one's.
fn with_one_more(ctx: &Ctx, request: &Request, sub: &str, counts: &Counts) -> Result<Changes, ApiError> {
    let (pool_id, Counts { to, of_user, of_address, .. }) = (&request.pool.id, counts);
    let limit = ctx.app.settings.limits.sign_in_codes_per_hour;
    let mut changes = Changes::new();
    for (before, whose, purpose) in
        [(of_user, sub, AttemptPurpose::SignInCode), (of_address, to, AttemptPurpose::SignInCodeTo)]
    {
        let counted = codes::count_request(ctx, before.as_ref(), (pool_id, whose), purpose, limit)
            .map_err(|refused| ApiError::new(ErrorKind::TooManyRequests, refused.message))?;
        changes.put(before.as_ref(), counted);
    }
    Ok(changes)
}

/// Refuses when nobody delivers messages of this medium.
///
/// Decision: the models of the sign-in operations do not know CodeDeliveryFailureException.
///
/// # Errors
/// `InvalidUserPoolConfigurationException`.
pub(super) fn can_deliver(ctx: &Ctx, pool: &Pool, medium: Medium) -> Result<(), ApiError> {
    ctx.app
        .outbox
        .can_deliver(pool, medium)
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
