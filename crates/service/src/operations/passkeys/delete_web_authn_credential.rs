//! DeleteWebAuthnCredential (auth-flows.md §14): a user gives up a passkey.

use domain::Passkey;
use store::Changes;
use wire::{DeleteWebAuthnCredentialRequest, DeleteWebAuthnCredentialResponse};

use crate::{ApiError, Ctx, retry, tokens::access};

/// Deletes a passkey of the user whom the token is about. Nobody signs in with it any more from then on.
///
/// # Errors
/// Those of the access token (auth-flows.md §8), `ResourceNotFoundException`.
pub async fn run(
    ctx: &Ctx,
    input: DeleteWebAuthnCredentialRequest,
) -> Result<DeleteWebAuthnCredentialResponse, ApiError> {
    retry::on_conflict(ctx, || async {
        let caller = access::authenticate(ctx, &input.access_token).await?;
        let (pool_id, sub) = (&caller.pool.id, &caller.user.sub);
        // Decision: the service's words are not known.
        let missing = || ApiError::not_found("Credential does not exist.");
        if !is_id(&input.credential_id) {
            return Err(missing());
        }
        let found = ctx.app.store.user_part::<Passkey>(pool_id, sub, &input.credential_id).await?;
        let passkey = found.ok_or_else(missing)?;
        let mut changes = Changes::new();
        changes.delete_user_part(&passkey);
        Ok(ctx.app.commit(changes).await?)
    })
    .await?;
    Ok(DeleteWebAuthnCredentialResponse {})
}

/// Whether it is base64url: databases do not take every text as an id.
fn is_id(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
