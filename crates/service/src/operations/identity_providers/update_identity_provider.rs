//! UpdateIdentityProvider (oauth-federation.md §15): maps and lists that the request has replace the old ones whole,
//! others stay. A private key stays where new details leave it out, since no answer ever shows it.

use store::Changes;
use wire::{UpdateIdentityProviderRequest, UpdateIdentityProviderResponse};

use super::{acr_mapping, answer, details, find_to_change, identifiers, mapping, seal};
use crate::{ApiError, Ctx, lookup, retry};

/// Changes a provider.
///
/// # Errors
/// `ResourceNotFoundException`, `UnsupportedIdentityProviderException`; `InvalidParameterException` for details that are
/// missing or wrong, and for identifiers that are taken.
pub async fn run(ctx: &Ctx, input: UpdateIdentityProviderRequest) -> Result<UpdateIdentityProviderResponse, ApiError> {
    retry::on_conflict(ctx, async || {
        // Load.
        let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
        let before = find_to_change(ctx, &pool.id, &input.provider_name).await?;

        // Decide.
        let mut after = before.value.clone();
        if let Some(given) = &input.provider_details {
            let has_private_key = after.secrets.contains_key(details::PRIVATE_KEY);
            let details = details::of(ctx, after.provider_type, given, has_private_key).await?;
            after.details = details.plain;
            after.secrets.retain(|key, _| key == details::PRIVATE_KEY);
            let secrets = seal(ctx, &after, details.secrets);
            after.secrets.extend(secrets);
        }
        if input.attribute_mapping.is_some() {
            after.attribute_mapping = mapping::of(&pool, after.provider_type, input.attribute_mapping.as_ref())?;
        }
        if input.idp_identifiers.is_some() {
            after.identifiers = identifiers::distinct(input.idp_identifiers.as_deref());
        }
        if input.acr_mapping.is_some() {
            after.acr_mapping = acr_mapping(after.provider_type, input.acr_mapping.as_ref())?;
        }
        after.modified_at = ctx.now;
        let answer = answer(ctx, &after)?;

        // Commit.
        let mut changes = Changes::new();
        changes.replace(&before, &after);
        identifiers::change(ctx, &mut changes, &after, &before.identifiers).await?;
        ctx.app.commit(changes).await?;
        Ok(UpdateIdentityProviderResponse { identity_provider: answer })
    })
    .await
}
