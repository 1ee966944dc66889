//! CreateTerms (oauth-federation.md §13).

use domain::{Terms, TermsOfClient};
use store::{Changes, Key};
use wire::{CreateTermsRequest, CreateTermsResponse};

use super::{answer, exist, links, of_client};
use crate::{ApiError, Ctx, capacity, lookup, retry};

/// Most documents in a pool.
const MOST: usize = 40;

/// Makes a terms document for a client.
///
/// # Errors
/// `ResourceNotFoundException`, `TermsExistsException`, `LimitExceededException`; `InvalidParameterException` for links
/// without a default, or that are none.
pub async fn run(ctx: &Ctx, input: CreateTermsRequest) -> Result<CreateTermsResponse, ApiError> {
    retry::on_conflict(ctx, async || {
        // Load.
        let (client, pool) = lookup::current_client_of_pool(ctx, &input.user_pool_id, &input.client_id).await?;
        let present = of_client(ctx, &pool.id, &client.id, &input.terms_name).await?;

        // Decide.
        let terms = Terms {
            pool_id: pool.id.clone(),
            id: ctx.uuid(),
            client_id: client.id.clone(),
            name: input.terms_name.clone(),
            source: input.terms_source,
            enforcement: input.enforcement,
            links: links(input.links.as_ref())?,
            created_at: ctx.now,
            modified_at: ctx.now,
        };
        if present.is_some() {
            return Err(exist(&terms.name));
        }
        capacity::room_for::<Terms>(ctx, &pool, MOST, "terms documents").await?;

        // Commit. A client that is deleted meanwhile must not leave a document behind.
        let mut changes = Changes::new();
        capacity::hold(&mut changes, &pool);
        changes.assert(Key::Client { id: client.id.clone() }, client.version);
        changes.insert(&terms);
        changes.insert(&TermsOfClient::from(&terms));
        ctx.app.commit(changes).await?;
        Ok(CreateTermsResponse { terms: Some(answer(&terms)) })
    })
    .await
}
