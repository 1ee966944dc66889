//! AddUserPoolClientSecret (accounts.md §14.1): a second secret, which counts from now on as the first one does.

use store::Changes;
use wire::{AddUserPoolClientSecretRequest, AddUserPoolClientSecretResponse, ErrorKind};

use super::secrets;
use crate::{ApiError, Ctx, lookup, retry, secret_hash};

/// Adds a secret that the request brings, or makes one and tells it this once.
///
/// # Errors
/// `ResourceNotFoundException`; `LimitExceededException` for a third; `InvalidParameterException` for a client
/// without a secret, and for one that it has.
pub async fn run(
    ctx: &Ctx,
    input: AddUserPoolClientSecretRequest,
) -> Result<AddUserPoolClientSecretResponse, ApiError> {
    let generated = input.client_secret.is_none().then(|| secrets::generate(ctx));
    let secret = input.client_secret.as_ref().or(generated.as_ref()).cloned().unwrap_or_default();
    retry::on_conflict(ctx, async || {
        // Load.
        let (before, _) = lookup::current_client_of_pool(ctx, &input.user_pool_id, &input.client_id).await?;

        // Decide.
        if before.secrets.is_empty() {
            // Decision: whether a client has a secret cannot be changed later, and its apps know none.
            return Err(ApiError::invalid_parameter(
                "Client secrets can only be added to a client that was created with a secret.",
            ));
        }
        if before.secrets.len() >= secrets::MOST {
            let message = format!("Client secrets cannot exceed limit of {} secrets.", secrets::MOST);
            return Err(ApiError::new(ErrorKind::LimitExceeded, message));
        }
        for present in &before.secrets {
            if secret_hash::reveal(ctx, &before, present)? == secret {
                // Decision: with one value under two ids, deleting one of them would not end it.
                return Err(ApiError::invalid_parameter("The client already has this secret."));
            }
        }
        let mut after = before.value.clone();
        let added = secrets::add(ctx, &mut after, &secret);
        after.modified_at = ctx.now;

        // Commit.
        let mut changes = Changes::new();
        changes.replace(&before, after);
        ctx.app.commit(changes).await?;
        let descriptor = secrets::descriptor(&added, generated.clone());
        Ok(AddUserPoolClientSecretResponse { client_secret_descriptor: Some(descriptor) })
    })
    .await
}
