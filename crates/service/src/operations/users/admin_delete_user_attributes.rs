//! AdminDeleteUserAttributes (accounts.md §11.5): an administrator deletes attributes.
//!
//! Order: pool, user, then as [`attribute_change`] says.

use domain::attributes::Writer;
use wire::{AdminDeleteUserAttributesRequest, AdminDeleteUserAttributesResponse};

use super::attribute_change::{self, blank};
use crate::{ApiError, Ctx, attributes::Wording, lookup, messages::Functions, retry};

/// Deletes attributes of a user; those that are not set are none to delete.
///
/// # Errors
/// Those of AdminDeleteUserAttributes in accounts.md §11.5 and §21.
pub async fn run(
    ctx: &Ctx,
    input: AdminDeleteUserAttributesRequest,
) -> Result<AdminDeleteUserAttributesResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let given = blank(&input.user_attribute_names);
    // Nothing is sent that functions would have a part in.
    let functions = Functions::default();
    retry::on_conflict(ctx, || async {
        let before = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
        attribute_change::apply(ctx, &pool, Writer::Administrator, &before, &given, Wording::Deletion, &functions).await
    })
    .await?;
    Ok(AdminDeleteUserAttributesResponse {})
}
