//! UpdateUserAttributes (accounts.md §11.5): users change their own attributes, as far as the token's client may write.
//!
//! Order: access token, then as [`attribute_change`] says.

use domain::attributes::Writer;
use wire::{UpdateUserAttributesRequest, UpdateUserAttributesResponse};

use super::attribute_change;
use crate::{ApiError, Ctx, attributes::Wording, messages::Functions, retry, tokens::access};

/// Changes the attributes of the user whom the token is about.
///
/// # Errors
/// Those of the access token (auth-flows.md §8), and of UpdateUserAttributes in accounts.md §11.5 and §21.
pub async fn run(ctx: &Ctx, input: UpdateUserAttributesRequest) -> Result<UpdateUserAttributesResponse, ApiError> {
    let functions = Functions::told(input.client_metadata.as_ref(), None);
    let details = retry::on_conflict(ctx, || async {
        let caller = access::authenticate(ctx, &input.access_token).await?;
        let (writer, given) = (Writer::Client(&caller.client), &input.user_attributes);
        attribute_change::apply(ctx, &caller.pool, writer, &caller.user, given, Wording::Update, &functions).await
    })
    .await?;
    ctx.app.outbox.notify();
    // Decision: where no code was sent the list is there and empty, so that callers may look into it unasked.
    Ok(UpdateUserAttributesResponse { code_delivery_details_list: Some(details) })
}
