//! VerifyUserAttribute (accounts.md §11.5): a code proves that an address is the user's. An address that has waited
//! for it takes the place of the old one.
//!
//! Order: name of the attribute, access token, limit of wrong codes, code, whether the names are free; then user,
//! names, code and count change together. A right code that is refused for another's alias is not used up.

use domain::{AttemptPurpose, Code, CodePurpose, Medium, Pool, User};
use store::{Changes, Stored};
use wire::{ErrorKind, VerifyUserAttributeRequest, VerifyUserAttributeResponse};

use super::verifiable;
use crate::{
    ApiError, Ctx, attributes,
    codes::{self, Checked, WrongCodes},
    retry,
    tokens::access::{self, Authenticated},
    users,
};

/// Makes an address of the user whom the token is about a verified one.
///
/// # Errors
/// Those of the access token (auth-flows.md §8), and of VerifyUserAttribute in accounts.md §11.5 and §21.
pub async fn run(ctx: &Ctx, input: VerifyUserAttributeRequest) -> Result<VerifyUserAttributeResponse, ApiError> {
    let medium = verifiable(&input.attribute_name)?;
    let Authenticated { pool, user, .. } = access::authenticate(ctx, &input.access_token).await?;
    let _turn = ctx.app.one_at_a_time(&pool.id, &user.sub).await?;
    retry::on_conflict(ctx, || attempt(ctx, &input, medium)).await?;
    Ok(VerifyUserAttributeResponse {})
}

async fn attempt(ctx: &Ctx, input: &VerifyUserAttributeRequest, medium: Medium) -> Result<(), ApiError> {
    let Authenticated { pool, user: before, .. } = access::authenticate(ctx, &input.access_token).await?;
    let limits = WrongCodes {
        purpose: AttemptPurpose::verification(medium),
        per_hour: ctx.app.settings.limits.wrong_attribute_codes_per_hour,
        per_day: ctx.app.settings.limits.wrong_codes_per_day,
    };
    let (outstanding, attempts) = tokio::try_join!(
        ctx.app.store.code(&pool.id, &before.sub, CodePurpose::verification(medium)),
        ctx.app.store.attempts(&pool.id, &before.sub, limits.purpose),
    )?;
    // A code to an address that has been changed since proves nothing about the new one.
    let outstanding =
        outstanding.filter(|code| code.is_pending || before.address(medium) == Some(code.destination.as_str()));
    let subject = (pool.id.as_str(), before.sub.as_str());
    let checked = codes::check(ctx, outstanding.as_ref(), attempts.as_ref(), subject, limits, &input.code)
        .await
        .map_err(limit_of_a_day)?;
    // A right code does not end the count of wrong ones here: whoever is to guess the code of somebody else's address
    // could always prove one of their own in between.
    let (Checked::Right { keep, .. }, Some(code)) = (checked, outstanding) else {
        return Err(ApiError::code_mismatch());
    };
    let outcome = verify(ctx, &pool, &before, &code, keep.clone()).await;
    if outcome.as_ref().is_err_and(|refusal| refusal.kind == ErrorKind::AliasExists) {
        ctx.app.commit(keep).await?;
    }
    outcome
}

/// Makes the address that the code went to the user's own, and spends the code.
async fn verify(
    ctx: &Ctx,
    pool: &Pool,
    before: &Stored<User>,
    code: &Stored<Code>,
    mut changes: Changes,
) -> Result<(), ApiError> {
    let medium = code.medium;
    let mut after = before.value.clone();
    after.attributes.insert(medium.attribute().to_owned(), code.destination.clone());
    after.attributes.insert(medium.verified_attribute().to_owned(), "true".to_owned());
    after.modified_at = ctx.now;
    let claims = attributes::new_claims(pool, Some(before), &after);
    if let Some((kind, _)) = attributes::other_owner(ctx, pool, &before.sub, &claims).await? {
        return Err(attributes::alias_exists(kind));
    }
    codes::discard(&mut changes, code);
    users::replace(&mut changes, pool, before, after);
    attributes::committed(ctx.app.commit(changes).await, attributes::alias_exists)
}

/// The model of this operation knows one error for too many wrong codes.
fn limit_of_a_day(error: ApiError) -> ApiError {
    if error.kind == ErrorKind::TooManyFailedAttempts { ApiError::attempt_limit() } else { error }
}
