//! What the operations on the look of the classic pages share.

use domain::{Client, Pool, UiCustomization, ui_customization::ALL_CLIENTS};
use store::Stored;
use wire::UICustomizationType;

use crate::{ApiError, Ctx, date_version, hosted, lookup};

/// The pool, and the client where one is meant.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn pool_and_client(
    ctx: &Ctx,
    pool_id: &str,
    client_id: &str,
) -> Result<(Stored<Pool>, Option<Stored<Client>>), ApiError> {
    if client_id == ALL_CLIENTS {
        return Ok((lookup::current_pool(ctx, pool_id).await?, None));
    }
    let (client, pool) = lookup::current_client_of_pool(ctx, pool_id, client_id).await?;
    Ok((pool, Some(client)))
}

/// The look as answers show it.
///
/// # Errors
/// When the store cannot be read.
pub async fn answer(ctx: &Ctx, look: &UiCustomization) -> Result<UICustomizationType, ApiError> {
    let domains = ctx.app.store.domains(&look.pool_id).await?;
    let base = hosted::public_base(&ctx.app.settings, &domains);
    let image = look.image.as_ref().and(base).map(|base| format!("{base}{}", hosted::look::image_path(look)));
    Ok(UICustomizationType {
        user_pool_id: Some(look.pool_id.clone()),
        client_id: Some(look.client_id.clone()),
        image_url: image,
        css: look.css.clone(),
        css_version: Some(date_version::of(look.modified_at)),
        last_modified_date: Some(look.modified_at),
        creation_date: Some(look.created_at),
    })
}
