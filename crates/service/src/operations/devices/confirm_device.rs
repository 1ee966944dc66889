//! ConfirmDevice (auth-flows.md §12): the client that has just signed in hands over the SRP verifier of a secret that
//! it has made for itself, and is known by its device key from then on.
//!
//! Order: token, pool, device key, verifier, whether it is confirmed already, how many there are.

use base64::{Engine, engine::general_purpose::STANDARD};
use crypto::srp::{SrpError, Verifier};
use domain::Device;
use store::{Changes, Key};
use wire::{ConfirmDeviceRequest, ConfirmDeviceResponse, DeviceSecretVerifierConfigType};

use super::{exists, owner};
use crate::{ApiError, Ctx, devices, retry};

/// Longest text about a client that is kept, in characters.
const LONGEST_SOFTWARE: usize = 256;
/// Most devices of a user.
///
/// Decision: the service is not known to have a limit, and the model of the operation knows no error for it. A new device
/// takes the place of the one that nobody has signed in with for longest, which is forgotten. Devices that are confirmed at
/// the same moment may be more than that by as many.
const MOST_DEVICES: usize = 1_000;

/// Confirms the device that the token was given to.
///
/// # Errors
/// Those of the access token (auth-flows.md §8), `InvalidUserPoolConfigurationException`, `InvalidParameterException`
/// for another device's key or for what is no verifier, `DeviceKeyExistsException`.
pub async fn run(ctx: &Ctx, input: ConfirmDeviceRequest) -> Result<ConfirmDeviceResponse, ApiError> {
    let caller = owner(ctx, Some(&input.access_token)).await?;
    let (pool, sub, key) = (&caller.pool, &caller.user.sub, &input.device_key);
    if caller.claims.device_key.as_ref() != Some(key) {
        return Err(ApiError::invalid_parameter("Invalid device key given."));
    }
    let verifier = verifier(input.device_secret_verifier_config.as_ref())?;
    let needs_consent = devices::configuration(pool)?.device_only_remembered_on_user_prompt == Some(true);
    let software = ctx.user_agent.as_ref().map(|agent| agent.chars().take(LONGEST_SOFTWARE).collect());
    let device = Device {
        pool_id: pool.id.clone(),
        sub: sub.clone(),
        key: key.clone(),
        group_key: devices::group_key(ctx, key),
        name: input.device_name,
        verifier: devices::sealed(ctx, &Device::identity(&pool.id, sub, key), &verifier),
        is_remembered: !needs_consent,
        software,
        last_address: ctx.client_address.to_string(),
        created_at: ctx.now,
        modified_at: ctx.now,
        authenticated_at: ctx.now,
        waiting: None,
    };
    retry::on_conflict(ctx, || async {
        if devices::find(ctx, pool, sub, key).await?.is_some() {
            return Err(exists());
        }
        let user = ctx.app.store.user(&pool.id, sub).await?.ok_or_else(ApiError::no_such_user)?;
        let devices = ctx.app.store.current_user_parts::<Device>(&pool.id, sub, MOST_DEVICES).await?;
        let mut changes = Changes::new();
        if devices.len() == MOST_DEVICES
            && let Some(oldest) = devices.iter().min_by_key(|device| device.value.authenticated_at)
        {
            changes.delete_user_part(oldest);
        }
        changes.insert_user_part(device.clone());
        // A user who is being deleted leaves no device behind.
        changes.assert(Key::User { pool_id: pool.id.clone(), sub: sub.clone() }, user.version);
        Ok(ctx.app.commit(changes).await?)
    })
    .await?;
    Ok(ConfirmDeviceResponse { user_confirmation_necessary: Some(needs_consent) })
}

/// Reads salt and verifier. Decision: the service's words for those that are none are not known. A device without a
/// verifier could never prove itself, so it is not taken either.
fn verifier(given: Option<&DeviceSecretVerifierConfigType>) -> Result<Verifier, ApiError> {
    let missing = |name: &str| {
        ApiError::invalid_parameter(format!("Missing required parameter DeviceSecretVerifierConfig{name}"))
    };
    let given = given.ok_or_else(|| missing(""))?;
    let verifier = given.password_verifier.as_deref().ok_or_else(|| missing(".PasswordVerifier"))?;
    let salt = given.salt.as_deref().ok_or_else(|| missing(".Salt"))?;
    let decoded = |name: &str, text: &str| {
        STANDARD
            .decode(text)
            .map_err(|_| invalid(name, "it must be base64 of a positive number, most significant byte first"))
    };
    let salt = decoded("Salt", salt)?;
    if salt.iter().all(|byte| *byte == 0) {
        return Err(invalid("Salt", "it must not be zero"));
    }
    Verifier::from_client(&salt, &decoded("PasswordVerifier", verifier)?).map_err(|error| match error {
        SrpError::TooLong => invalid("", "the salt may have 64 bytes, and the verifier 384"),
        _ => invalid("PasswordVerifier", "it must not be a multiple of the modulus"),
    })
}

fn invalid(name: &str, reason: &str) -> ApiError {
    let dot = if name.is_empty() { "" } else { "." };
    ApiError::invalid_parameter(format!("Invalid DeviceSecretVerifierConfig{dot}{name}: {reason}."))
}
