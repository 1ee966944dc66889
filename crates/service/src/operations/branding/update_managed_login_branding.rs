//! UpdateManagedLoginBranding (oauth-federation.md §12.1).

use store::Changes;
use wire::{UpdateManagedLoginBrandingRequest, UpdateManagedLoginBrandingResponse};

use super::{Wishes, answer, find};
use crate::{ApiError, Ctx, lookup, retry};

/// Changes a style.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for settings and pictures that no page could show, and
/// where pool or style are not named.
pub async fn run(
    ctx: &Ctx,
    input: UpdateManagedLoginBrandingRequest,
) -> Result<UpdateManagedLoginBrandingResponse, ApiError> {
    let pool_id = required(input.user_pool_id, "userPoolId")?;
    let id = required(input.managed_login_branding_id, "managedLoginBrandingId")?;
    let wishes = Wishes {
        use_provided_values: input.use_cognito_provided_values,
        settings: input.settings,
        assets: input.assets,
    };
    retry::on_conflict(ctx, async || {
        let pool = lookup::current_pool(ctx, &pool_id).await?;
        let before = find(ctx, &pool.id, &id).await?;
        let mut after = before.value.clone();
        wishes.apply(&mut after)?;
        after.modified_at = ctx.now;
        let mut changes = Changes::new();
        changes.replace(&before, &after);
        ctx.app.commit(changes).await?;
        Ok(UpdateManagedLoginBrandingResponse { managed_login_branding: Some(answer(&after, false)) })
    })
    .await
}

/// Decision: the model does not demand these two, but nothing can be meant without them.
fn required(member: Option<String>, path: &str) -> Result<String, ApiError> {
    member.ok_or_else(|| {
        ApiError::invalid_parameter(format!(
            "1 validation error detected: Value null at '{path}' failed to satisfy constraint: Member must not be null"
        ))
    })
}
