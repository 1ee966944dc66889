//! GetUserAttributeVerificationCode (accounts.md §11.5): another code for an address; the earlier one is worthless
//! from then on.
//!
//! Order: name of the attribute, access token, address, who could deliver the code, the limit of requests, the words
//! that CustomMessage has; then code, message and count are committed together.

use domain::{AttemptPurpose, CodePurpose, Medium, MessagePurpose};
use store::Changes;
use wire::{
    CodeDeliveryDetailsType, GetUserAttributeVerificationCodeRequest, GetUserAttributeVerificationCodeResponse,
};

use super::verifiable;
use crate::{
    ApiError, Ctx, codes,
    messages::{self, Functions, Letter},
    operations::recovery::delivery,
    retry,
    tokens::access,
};

/// Sends a code to an address of the user whom the token is about.
///
/// # Errors
/// Those of the access token (auth-flows.md §8), and of GetUserAttributeVerificationCode in accounts.md §11.5 and §21.
pub async fn run(
    ctx: &Ctx,
    input: GetUserAttributeVerificationCodeRequest,
) -> Result<GetUserAttributeVerificationCodeResponse, ApiError> {
    let medium = verifiable(&input.attribute_name)?;
    let functions = Functions::told(input.client_metadata.as_ref(), None);
    let details = retry::on_conflict(ctx, || send(ctx, &input.access_token, medium, &functions)).await?;
    ctx.app.outbox.notify();
    Ok(GetUserAttributeVerificationCodeResponse { code_delivery_details: Some(details) })
}

async fn send(
    ctx: &Ctx,
    token: &str,
    medium: Medium,
    functions: &Functions<'_>,
) -> Result<CodeDeliveryDetailsType, ApiError> {
    let caller = access::authenticate(ctx, token).await?;
    let (pool, user) = (&caller.pool, &caller.user);
    let (purpose, counted) = (CodePurpose::verification(medium), AttemptPurpose::AttributeCode);
    let (outstanding, requests) = tokio::try_join!(
        ctx.app.store.code(&pool.id, &user.sub, purpose),
        ctx.app.store.attempts(&pool.id, &user.sub, counted),
    )?;
    // Decision: while a new address waits for its code, that one gets the new code too: the user asks because the
    // first did not arrive.
    let pending = outstanding.as_ref().filter(|code| code.is_pending && ctx.now < code.expires_at);
    let destination = pending.map(|code| code.destination.as_str()).or_else(|| user.address(medium));
    let destination = destination.ok_or_else(|| unset(medium))?;
    ctx.app.outbox.can_deliver(pool, medium)?;
    let limit = ctx.app.settings.limits.attribute_codes_per_hour;
    let count = codes::count_request(ctx, requests.as_ref(), (&pool.id, &user.sub), counted, limit)?;

    let (code, mut row) = codes::issue(ctx, &pool.id, &user.sub, purpose, medium, destination);
    row.is_pending = pending.is_some();
    let (client_id, purpose) = (Some(caller.client.id.as_str()), MessagePurpose::VerifyUserAttribute);
    let letter = Letter { pool, client_id, user, purpose, medium, destination, code: &code };
    let message = messages::write(ctx, &letter, functions).await?;
    let mut changes = Changes::new();
    changes.put(requests.as_ref(), count).put(outstanding.as_ref(), row).insert(message);
    ctx.app.commit(changes).await?;
    Ok(delivery(medium, destination))
}

fn unset(medium: Medium) -> ApiError {
    ApiError::invalid_parameter(match medium {
        Medium::Email => "User does not have a valid registered email address",
        Medium::Sms => "User does not have a valid registered phone number",
    })
}
