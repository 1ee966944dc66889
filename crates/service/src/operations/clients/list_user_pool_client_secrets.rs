//! ListUserPoolClientSecrets (accounts.md §14.1): ids and dates, oldest first, never the secrets themselves.

use wire::{ListUserPoolClientSecretsRequest, ListUserPoolClientSecretsResponse};

use super::secrets;
use crate::{ApiError, Ctx, lookup, paging};

/// The client's secrets. There are two at most, so that a page holds all of them.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for any token, since none is ever given out.
pub async fn run(
    ctx: &Ctx,
    input: ListUserPoolClientSecretsRequest,
) -> Result<ListUserPoolClientSecretsResponse, ApiError> {
    let (client, pool) = lookup::current_client_of_pool(ctx, &input.user_pool_id, &input.client_id).await?;
    let scope = format!("ListUserPoolClientSecrets\n{}\n{}", pool.id, client.id);
    paging::read(ctx, &scope, input.next_token.as_deref())?;
    let client_secrets = client.secrets.iter().map(|secret| secrets::descriptor(secret, None)).collect();
    Ok(ListUserPoolClientSecretsResponse { client_secrets: Some(client_secrets), next_token: None })
}
