//! AdminUpdateUserAttributes (accounts.md §11.5): an administrator changes attributes, verified flags included.
//!
//! Order: pool, user, then as [`attribute_change`] says.

use domain::attributes::Writer;
use wire::{AdminUpdateUserAttributesRequest, AdminUpdateUserAttributesResponse};

use super::attribute_change;
use crate::{ApiError, Ctx, attributes::Wording, lookup, messages::Functions, retry};

/// Changes a user's attributes.
///
/// # Errors
/// Those of AdminUpdateUserAttributes in accounts.md §11.5 and §21; `CodeDeliveryFailureException` when a change waits
/// for a code that nobody could deliver.
pub async fn run(
    ctx: &Ctx,
    input: AdminUpdateUserAttributesRequest,
) -> Result<AdminUpdateUserAttributesResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let functions = Functions::told(input.client_metadata.as_ref(), None);
    retry::on_conflict(ctx, || async {
        let before = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
        let (writer, given) = (Writer::Administrator, &input.user_attributes);
        attribute_change::apply(ctx, &pool, writer, &before, given, Wording::Update, &functions).await
    })
    .await?;
    ctx.app.outbox.notify();
    Ok(AdminUpdateUserAttributesResponse {})
}
