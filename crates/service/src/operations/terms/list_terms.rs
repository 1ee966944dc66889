//! ListTerms (oauth-federation.md §13): a pool's terms documents by id.

use domain::Terms;
use wire::{ListTermsRequest, ListTermsResponse, TermsDescriptionType};

use crate::{ApiError, Ctx, lookup, paging};

/// One page of terms documents.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for a bad token.
pub async fn run(ctx: &Ctx, input: ListTermsRequest) -> Result<ListTermsResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    let (asked, token) = (input.max_results, input.next_token.as_deref());
    let (found, next_token) = paging::parts::<Terms>(ctx, "ListTerms", &pool.id, asked, token).await?;
    let terms = found.into_iter().map(|terms| TermsDescriptionType {
        terms_id: terms.value.id,
        terms_name: terms.value.name,
        enforcement: terms.value.enforcement,
        creation_date: terms.value.created_at,
        last_modified_date: terms.value.modified_at,
    });
    Ok(ListTermsResponse { terms: terms.collect(), next_token })
}
