//! DeleteUserAttributes (accounts.md §11.5): users delete attributes of their own that the token's client may write.
//!
//! Order: access token, then as [`attribute_change`] says.

use domain::attributes::Writer;
use wire::{DeleteUserAttributesRequest, DeleteUserAttributesResponse};

use super::attribute_change::{self, blank};
use crate::{ApiError, Ctx, attributes::Wording, messages::Functions, retry, tokens::access};

/// Deletes attributes of the user whom the token is about; those that are not set are none to delete.
///
/// # Errors
/// Those of the access token (auth-flows.md §8), and of DeleteUserAttributes in accounts.md §11.5 and §21.
pub async fn run(ctx: &Ctx, input: DeleteUserAttributesRequest) -> Result<DeleteUserAttributesResponse, ApiError> {
    let given = blank(&input.user_attribute_names);
    // Nothing is sent that functions would have a part in.
    let functions = Functions::default();
    retry::on_conflict(ctx, || async {
        let caller = access::authenticate(ctx, &input.access_token).await?;
        let writer = Writer::Client(&caller.client);
        attribute_change::apply(ctx, &caller.pool, writer, &caller.user, &given, Wording::Deletion, &functions).await
    })
    .await?;
    Ok(DeleteUserAttributesResponse {})
}
