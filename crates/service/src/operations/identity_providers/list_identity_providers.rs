//! ListIdentityProviders (accounts.md §12.2): a pool's providers by name.

use domain::IdentityProvider;
use wire::{ListIdentityProvidersRequest, ListIdentityProvidersResponse, ProviderDescription};

use crate::{ApiError, Ctx, lookup, paging};

/// One page of providers.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for a bad token.
pub async fn run(ctx: &Ctx, input: ListIdentityProvidersRequest) -> Result<ListIdentityProvidersResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    let (asked, token) = (input.max_results, input.next_token.as_deref());
    let (found, next_token) =
        paging::parts::<IdentityProvider>(ctx, "ListIdentityProviders", &pool.id, asked, token).await?;
    let providers = found.into_iter().map(|provider| ProviderDescription {
        provider_name: Some(provider.value.name),
        provider_type: Some(provider.value.provider_type),
        last_modified_date: Some(provider.value.modified_at),
        creation_date: Some(provider.value.created_at),
    });
    Ok(ListIdentityProvidersResponse { providers: providers.collect(), next_token })
}
