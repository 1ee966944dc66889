//! CreateManagedLoginBranding (oauth-federation.md §12.1).

use domain::{Branding, BrandingOfClient};
use store::{Changes, Key};
use wire::{CreateManagedLoginBrandingRequest, CreateManagedLoginBrandingResponse};

use super::{Wishes, answer, exists, of_client};
use crate::{ApiError, Ctx, capacity, lookup, retry};

/// Most styles in a pool.
const MOST: usize = 20;

/// Gives a client a style.
///
/// # Errors
/// `ResourceNotFoundException`, `ManagedLoginBrandingExistsException`, `LimitExceededException`;
/// `InvalidParameterException` for settings and pictures that no page could show.
pub async fn run(
    ctx: &Ctx,
    input: CreateManagedLoginBrandingRequest,
) -> Result<CreateManagedLoginBrandingResponse, ApiError> {
    let (pool_id, client_id) = (input.user_pool_id, input.client_id);
    let wishes = Wishes {
        use_provided_values: input.use_cognito_provided_values,
        settings: input.settings,
        assets: input.assets,
    };
    retry::on_conflict(ctx, async || {
        // Load.
        let (client, pool) = lookup::current_client_of_pool(ctx, &pool_id, &client_id).await?;
        let present = of_client(ctx, &pool.id, &client.id).await?;

        // Decide.
        let mut style = Branding {
            pool_id: pool.id.clone(),
            id: ctx.uuid(),
            client_id: client.id.clone(),
            use_provided_values: false,
            settings: None,
            assets: Vec::new(),
            created_at: ctx.now,
            modified_at: ctx.now,
        };
        wishes.apply(&mut style)?;
        if present.is_some() {
            return Err(exists());
        }
        capacity::room_for::<Branding>(ctx, &pool, MOST, "managed login branding styles").await?;

        // Commit. A client that is deleted meanwhile must not leave a style behind.
        let mut changes = Changes::new();
        capacity::hold(&mut changes, &pool);
        changes.assert(Key::Client { id: client.id.clone() }, client.version);
        changes.insert(&style);
        changes.insert(&BrandingOfClient {
            pool_id: style.pool_id.clone(),
            client_id: style.client_id.clone(),
            branding_id: style.id.clone(),
        });
        ctx.app.commit(changes).await?;
        Ok(CreateManagedLoginBrandingResponse { managed_login_branding: Some(answer(&style, false)) })
    })
    .await
}
