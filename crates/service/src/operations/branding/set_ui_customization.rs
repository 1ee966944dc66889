//! SetUICustomization (oauth-federation.md §12.3): style rules and picture are replaced together.

use domain::{UiCustomization, ui_customization::ALL_CLIENTS};
use store::{Changes, Key};
use wire::{SetUICustomizationRequest, SetUICustomizationResponse};

use super::{assets, classic, css};
use crate::{ApiError, Ctx, capacity, retry};

/// Most bytes of style rules and picture together, as they travel.
const LARGEST: usize = 135 * 1_024;

/// Sets the look of the classic pages of a client, or of all that have none of their own.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for a pool without a domain, for rules that pages do not
/// offer, and for a picture that is neither PNG nor JPEG.
pub async fn run(ctx: &Ctx, input: SetUICustomizationRequest) -> Result<SetUICustomizationResponse, ApiError> {
    let client_id = input.client_id.as_deref().unwrap_or(ALL_CLIENTS);
    retry::on_conflict(ctx, async || {
        // Load.
        let (pool, client) = classic::pool_and_client(ctx, &input.user_pool_id, client_id).await?;
        let has_domain = !ctx.app.store.domains(&pool.id).await?.is_empty();
        let before = ctx.app.store.part::<UiCustomization>(&pool.id, client_id).await?;

        // Decide.
        if !has_domain {
            return Err(ApiError::invalid_parameter(
                "There has to be an existing domain associated with this user pool",
            ));
        }
        check(&input)?;
        let look = UiCustomization {
            pool_id: pool.id.clone(),
            client_id: client_id.to_owned(),
            css: input.css.clone(),
            image: input.image_file.clone(),
            created_at: before.as_ref().map_or(ctx.now, |before| before.created_at),
            modified_at: ctx.now,
        };

        // Commit. Pool and client must still be there; whoever deletes the client takes this along.
        let mut changes = Changes::new();
        capacity::hold(&mut changes, &pool);
        if let Some(client) = &client {
            changes.assert(Key::Client { id: client.id.clone() }, client.version);
        }
        changes.put(before.as_ref(), &look);
        ctx.app.commit(changes).await?;
        Ok(SetUICustomizationResponse { ui_customization: classic::answer(ctx, &look).await? })
    })
    .await
}

fn check(input: &SetUICustomizationRequest) -> Result<(), ApiError> {
    let css = input.css.as_deref().unwrap_or_default();
    let image = input.image_file.as_ref().map(|image| image.0.as_slice());
    // Base64 makes four characters of three bytes.
    let sent = image.map_or(0, |image| image.len().div_ceil(3) * 4);
    if css.len() + sent > LARGEST {
        return Err(ApiError::invalid_parameter("request parameters too large"));
    }
    if let Some(fault) = css::fault(css) {
        return Err(ApiError::invalid_parameter(fault));
    }
    if image.is_some_and(|image| !assets::is_png(image) && !assets::is_jpeg(image)) {
        // Decision: the service's words are not recorded.
        return Err(ApiError::invalid_parameter("ImageFile must be a PNG or JPEG picture."));
    }
    Ok(())
}
