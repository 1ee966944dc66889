//! StartWebAuthnRegistration (auth-flows.md §14): what the browser is to have a passkey made with.
//!
//! Order: access token, whether the pool takes passkeys, its relying party, how many the user has. A registration that
//! was begun before and not completed is given up.

use domain::{PendingPasskey, time};
use store::{Changes, Key};
use wire::{ErrorKind, StartWebAuthnRegistrationRequest, StartWebAuthnRegistrationResponse};

use super::{check_count, check_enabled};
use crate::{ApiError, Ctx, retry, tokens::access, web_authn};

/// How long a registration may take, in milliseconds. Decision: the service says 60 seconds to the browser and not how
/// long it waits itself; users may have to look for a key first.
const LIFETIME: i64 = 5 * time::MINUTE;

/// Begins a registration.
///
/// # Errors
/// Those of the access token (auth-flows.md §8), `WebAuthnNotEnabledException`,
/// `WebAuthnConfigurationMissingException`, `LimitExceededException`.
pub async fn run(
    ctx: &Ctx,
    input: StartWebAuthnRegistrationRequest,
) -> Result<StartWebAuthnRegistrationResponse, ApiError> {
    let credential_creation_options = retry::on_conflict(ctx, || async {
        let caller = access::authenticate(ctx, &input.access_token).await?;
        let (pool, user) = (&caller.pool, &caller.user);
        check_enabled(pool)?;
        let relying_party_id = web_authn::relying_party_id(ctx, pool).await?.ok_or_else(no_relying_party)?;
        let before = ctx.app.store.user_part::<PendingPasskey>(&pool.id, &user.sub, "").await?;
        let present = web_authn::passkeys(ctx, pool, &user.sub).await?;
        check_count(present.len())?;

        let ceremony = web_authn::ceremony(ctx, pool, relying_party_id, Some(user));
        let options = web_authn::creation_options(&ceremony, user, &present);
        let pending = PendingPasskey {
            pool_id: pool.id.clone(),
            sub: user.sub.clone(),
            key: ctx.uuid(),
            client_id: caller.client.id.clone(),
            ceremony,
            expires_at: ctx.now.plus(LIFETIME),
        };

        let mut changes = Changes::new();
        // A user who is being deleted leaves nothing behind.
        changes.assert(Key::User { pool_id: pool.id.clone(), sub: user.sub.clone() }, user.version);
        changes.put_user_part(before.as_ref(), pending);
        ctx.app.commit(changes).await?;
        Ok(options)
    })
    .await?;
    Ok(StartWebAuthnRegistrationResponse { credential_creation_options })
}

fn no_relying_party() -> ApiError {
    ApiError::new(
        ErrorKind::WebAuthnConfigurationMissing,
        "This user pool has no relying party: set WebAuthnConfiguration.RelyingPartyId with SetUserPoolMfaConfig, or give the pool a domain.",
    )
}
