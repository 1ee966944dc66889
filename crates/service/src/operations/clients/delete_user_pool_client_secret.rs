//! DeleteUserPoolClientSecret (accounts.md §14.1): what was made with the secret does not count any more.

use store::Changes;
use wire::{DeleteUserPoolClientSecretRequest, DeleteUserPoolClientSecretResponse};

use crate::{ApiError, Ctx, lookup, retry};

/// Deletes one of two secrets.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for the last one.
pub async fn run(
    ctx: &Ctx,
    input: DeleteUserPoolClientSecretRequest,
) -> Result<DeleteUserPoolClientSecretResponse, ApiError> {
    retry::on_conflict(ctx, async || {
        // Load.
        let (before, _) = lookup::current_client_of_pool(ctx, &input.user_pool_id, &input.client_id).await?;

        // Decide. Decision: the errors are what the model has for either; the service's words are not recorded.
        let mut after = before.value.clone();
        after.secrets.retain(|secret| secret.id != input.client_secret_id);
        if after.secrets.len() == before.secrets.len() {
            return Err(ApiError::not_found(format!("Client secret {} does not exist.", input.client_secret_id)));
        }
        if after.secrets.is_empty() {
            return Err(ApiError::invalid_parameter("The last secret of a client cannot be deleted."));
        }
        after.modified_at = ctx.now;

        // Commit.
        let mut changes = Changes::new();
        changes.replace(&before, after);
        ctx.app.commit(changes).await?;
        Ok(DeleteUserPoolClientSecretResponse {})
    })
    .await
}
