//! What a pool keeps for a client besides the client: its style, the look of its classic pages, its terms documents.

use domain::{Branding, Client, Terms, UiCustomization};
use store::{Changes, Stored};

use crate::{
    ApiError, Ctx,
    operations::{branding, terms},
};

/// What removes it.
///
/// # Errors
/// When the store cannot be read.
pub async fn of(ctx: &Ctx, client: &Client) -> Result<Changes, ApiError> {
    let (store, pool_id) = (&ctx.app.store, client.pool_id.as_str());
    let mut changes = Changes::new();
    if let Some(of_client) = branding::of_client(ctx, pool_id, &client.id).await? {
        let style: Option<Stored<Branding>> = store.part(pool_id, &of_client.branding_id).await?;
        changes.delete_part(&of_client);
        style.iter().for_each(|style| {
            changes.delete_part(style);
        });
    }
    for name in terms::NAMES {
        let Some(of_client) = terms::of_client(ctx, pool_id, &client.id, name).await? else { continue };
        let document: Option<Stored<Terms>> = store.part(pool_id, &of_client.terms_id).await?;
        changes.delete_part(&of_client);
        document.iter().for_each(|document| {
            changes.delete_part(document);
        });
    }
    if let Some(look) = store.part::<UiCustomization>(pool_id, &client.id).await? {
        changes.delete_part(&look);
    }
    Ok(changes)
}
