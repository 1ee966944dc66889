//! UpdateTerms (oauth-federation.md §13): what a request leaves out stays as it is.

use domain::TermsOfClient;
use store::Changes;
use wire::{UpdateTermsRequest, UpdateTermsResponse};

use super::{answer, exist, find, links, of_client};
use crate::{ApiError, Ctx, lookup, retry};

/// Changes a terms document.
///
/// # Errors
/// `ResourceNotFoundException`, `TermsExistsException`; `InvalidParameterException` for links without a default, or
/// that are none.
pub async fn run(ctx: &Ctx, input: UpdateTermsRequest) -> Result<UpdateTermsResponse, ApiError> {
    retry::on_conflict(ctx, async || {
        // Load.
        let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
        let before = find(ctx, &pool.id, &input.terms_id).await?;

        // Decide.
        let mut after = before.value.clone();
        after.name = input.terms_name.clone().unwrap_or(after.name);
        after.source = input.terms_source.unwrap_or(after.source);
        after.enforcement = input.enforcement.unwrap_or(after.enforcement);
        if input.links.is_some() {
            after.links = links(input.links.as_ref())?;
        }
        after.modified_at = ctx.now;

        // Commit.
        let mut changes = Changes::new();
        changes.replace(&before, &after);
        if after.name != before.name {
            let old = of_client(ctx, &pool.id, &after.client_id, &before.name).await?;
            if of_client(ctx, &pool.id, &after.client_id, &after.name).await?.is_some() {
                return Err(exist(&after.name));
            }
            if let Some(old) = old {
                changes.delete_part(&old);
            }
            changes.insert(&TermsOfClient::from(&after));
        }
        ctx.app.commit(changes).await?;
        Ok(UpdateTermsResponse { terms: Some(answer(&after)) })
    })
    .await
}
