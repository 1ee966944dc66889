//! DeleteIdentityProvider (oauth-federation.md §15).
//!
//! Decision: clients that name the provider keep its name, and users who came from it stay. A provider that is set up
//! anew under the name counts for them again; an update of such a client has to leave the name out until then. The
//! attribute `identities` stays in the schema, from which nothing is ever taken out.

use store::Changes;
use wire::DeleteIdentityProviderRequest;

use super::{find_to_change, identifiers};
use crate::{ApiError, Ctx, lookup, retry};

/// Deletes a provider.
///
/// # Errors
/// `ResourceNotFoundException`, `UnsupportedIdentityProviderException`.
pub async fn run(ctx: &Ctx, input: DeleteIdentityProviderRequest) -> Result<(), ApiError> {
    retry::on_conflict(ctx, async || {
        let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
        let before = find_to_change(ctx, &pool.id, &input.provider_name).await?;
        let mut nameless = before.value.clone();
        nameless.identifiers.clear();
        let mut changes = Changes::new();
        changes.delete_part(&before);
        identifiers::change(ctx, &mut changes, &nameless, &before.identifiers).await?;
        ctx.app.commit(changes).await?;
        Ok(())
    })
    .await
}
