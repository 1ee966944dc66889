//! AdminUpdateUserAttributes (accounts.md §11.5): an administrator changes attributes, verified flags included.

use domain::{
    Medium, Pool,
    attributes::{Writer, changes_address, updated},
};
use store::Changes;
use wire::{
    AdminUpdateUserAttributesRequest, AdminUpdateUserAttributesResponse, AttributeType, ErrorKind,
    VerifiedAttributeType,
};

use crate::{
    ApiError, Ctx,
    attributes::{self, Wording},
    lookup, retry, users,
};

/// Changes a user's attributes.
///
/// # Errors
/// Those of AdminUpdateUserAttributes in accounts.md §11.5 and §21.
pub async fn run(
    ctx: &Ctx,
    input: AdminUpdateUserAttributesRequest,
) -> Result<AdminUpdateUserAttributesResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    retry::on_conflict(ctx, || async {
        let before = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
        let changed = updated(&pool, Writer::Administrator, &before, &input.user_attributes)
            .map_err(|refusal| attributes::refused(refusal, Wording::Update))?;
        for medium in [Medium::Email, Medium::Sms] {
            // Decision: where the pool only verifies addresses automatically, the new address is unverified at once
            // and no code goes out, since nothing is known of a code in that case.
            if changes_address(&before, &changed, medium) && waits_for_code(&pool, medium, &input.user_attributes) {
                return Err(ApiError::not_supported(&format!(
                    "Changing {} without {} in a pool that verifies it before the update",
                    medium.attribute(),
                    medium.verified_attribute()
                )));
            }
        }
        let mut after = before.value.clone();
        after.attributes = changed;
        after.modified_at = ctx.now;
        let exists = |kind| attributes::name_exists(ErrorKind::AliasExists, kind, "User already exists");
        let wanted = attributes::new_claims(&pool, Some(&before), &after);
        if let Some((kind, _)) = attributes::other_owner(ctx, &pool, &before.sub, &wanted).await? {
            return Err(exists(kind));
        }
        let mut changes = Changes::new();
        users::replace(&mut changes, &pool, &before, after);
        attributes::committed(ctx.app.commit(changes).await, exists)
    })
    .await?;
    Ok(AdminUpdateUserAttributesResponse {})
}

/// Whether a new address would have to wait for its code: the pool asks for that, and the request does not vouch for
/// the address.
fn waits_for_code(pool: &Pool, medium: Medium, given: &[AttributeType]) -> bool {
    let attribute = match medium {
        Medium::Email => VerifiedAttributeType::Email,
        Medium::Sms => VerifiedAttributeType::PhoneNumber,
    };
    let vouched =
        given.iter().rfind(|given| given.name == medium.verified_attribute()).and_then(|given| given.value.as_deref());
    pool.verification_before_update.contains(&attribute)
        && !vouched.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}
