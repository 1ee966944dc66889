//! AddCustomAttributes (accounts.md §11.2): what was added never goes away and never changes.

use domain::schema;
use store::Changes;
use wire::{AddCustomAttributesRequest, AddCustomAttributesResponse};

use crate::{ApiError, Ctx, import, lookup, retry};

/// Adds custom attributes to a pool's schema.
///
/// # Errors
/// `ResourceNotFoundException`; `UserImportInProgressException`; `InvalidParameterException` for a rule of §11.2.
pub async fn run(ctx: &Ctx, input: AddCustomAttributesRequest) -> Result<AddCustomAttributesResponse, ApiError> {
    retry::on_conflict(ctx, async || {
        let before = lookup::current_pool(ctx, &input.user_pool_id).await?;
        import::refuse_during_import(ctx, &before).await?;
        let mut after = before.value.clone();
        schema::add_custom(&mut after.schema, &input.custom_attributes)?;
        after.modified_at = ctx.now;
        let mut changes = Changes::new();
        changes.replace(&before, after);
        ctx.app.commit(changes).await?;
        Ok(AddCustomAttributesResponse {})
    })
    .await
}
