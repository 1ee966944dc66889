//! GetUICustomization (oauth-federation.md §12.3): the client's own look, or that of all clients, or nothing.

use domain::{UiCustomization, ui_customization::ALL_CLIENTS};
use wire::{GetUICustomizationRequest, GetUICustomizationResponse, UICustomizationType};

use super::classic;
use crate::{ApiError, Ctx};

/// Shows the look of the classic pages of a client, or of all that have none of their own.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn run(ctx: &Ctx, input: GetUICustomizationRequest) -> Result<GetUICustomizationResponse, ApiError> {
    let client_id = input.client_id.as_deref().unwrap_or(ALL_CLIENTS);
    let (pool, _client) = classic::pool_and_client(ctx, &input.user_pool_id, client_id).await?;
    let mut look = ctx.app.store.part::<UiCustomization>(&pool.id, client_id).await?;
    if look.is_none() && client_id != ALL_CLIENTS {
        look = ctx.app.store.part(&pool.id, ALL_CLIENTS).await?;
    }
    let ui_customization = match look {
        Some(look) => classic::answer(ctx, &look).await?,
        None => UICustomizationType::default(),
    };
    Ok(GetUICustomizationResponse { ui_customization })
}
