//! ListWebAuthnCredentials (auth-flows.md §14): a user's passkeys by id.

use domain::{Passkey, passkey::MOST_PASSKEYS};
use wire::{ListWebAuthnCredentialsRequest, ListWebAuthnCredentialsResponse, WebAuthnCredentialDescription};

use crate::{ApiError, Ctx, paging, tokens::access};

/// One page of the passkeys of the user whom the token is about; those of earlier relying parties are among them.
///
/// # Errors
/// Those of the access token (auth-flows.md §8); `InvalidParameterException` for a bad page token.
pub async fn run(
    ctx: &Ctx,
    input: ListWebAuthnCredentialsRequest,
) -> Result<ListWebAuthnCredentialsResponse, ApiError> {
    let caller = access::authenticate(ctx, &input.access_token).await?;
    let (pool_id, sub) = (&caller.pool.id, &caller.user.sub);
    let scope = format!("ListWebAuthnCredentials\n{pool_id}\n{sub}");
    let size = paging::size(input.max_results).min(MOST_PASSKEYS);
    let after = paging::read(ctx, &scope, input.next_token.as_deref())?;
    let mut passkeys =
        ctx.app.store.user_parts::<Passkey>(pool_id, sub, after.as_deref(), size.saturating_add(1)).await?;
    let next_token = paging::cut(ctx, &scope, &mut passkeys, size, |passkey| &passkey.id);
    let credentials = passkeys.into_iter().map(|passkey| description(passkey.value)).collect();
    Ok(ListWebAuthnCredentialsResponse { credentials, next_token })
}

fn description(passkey: Passkey) -> WebAuthnCredentialDescription {
    WebAuthnCredentialDescription {
        credential_id: passkey.id,
        friendly_credential_name: passkey.name,
        relying_party_id: passkey.relying_party_id,
        authenticator_attachment: passkey.attachment,
        authenticator_transports: passkey.transports,
        created_at: passkey.created_at,
    }
}
