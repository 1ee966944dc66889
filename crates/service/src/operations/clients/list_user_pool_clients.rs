//! ListUserPoolClients (accounts.md §12.2): a pool's clients by id.

use wire::{ClientTypeType, ListUserPoolClientsRequest, ListUserPoolClientsResponse, UserPoolClientDescription};

use crate::{ApiError, Ctx, lookup, paging};

/// One page of clients.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for a bad token.
pub async fn run(ctx: &Ctx, input: ListUserPoolClientsRequest) -> Result<ListUserPoolClientsResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    let kind = input.client_type.unwrap_or(ClientTypeType::Regular);
    let scope = format!("ListUserPoolClients\n{}\n{}", pool.id, kind.as_str());
    let size = paging::size(input.max_results);
    let after = paging::read(ctx, &scope, input.next_token.as_deref())?;

    let mut clients = match kind {
        ClientTypeType::Regular => ctx.app.store.clients(&pool.id, after.as_deref(), size.saturating_add(1)).await?,
        // Clients come to be by CreateUserPoolClient alone; none registered itself.
        ClientTypeType::Dcr => Vec::new(),
    };
    let next_token = paging::cut(ctx, &scope, &mut clients, size, |client| &client.id);
    let user_pool_clients = clients
        .into_iter()
        .map(|client| UserPoolClientDescription {
            client_id: Some(client.value.id),
            user_pool_id: Some(client.value.pool_id),
            client_name: Some(client.value.name),
        })
        .collect();
    Ok(ListUserPoolClientsResponse { user_pool_clients: Some(user_pool_clients), next_token })
}
