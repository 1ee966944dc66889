//! Devices of users (auth-flows.md §12): the words for them, their secrets, and finding one. A device that was named
//! to a client and not confirmed yet is stored nowhere.

use crypto::{
    seal::Purpose,
    srp::{self, Verifier},
};
use domain::{Device, Pool, Sealed};
use store::Stored;
use wire::{DeviceConfigurationType, ErrorKind};

use crate::{ApiError, Ctx};

/// Longest device key that is looked up, in bytes (DeviceKeyType).
const LONGEST_KEY: usize = 55;
/// What group keys are made of, after the `-`.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How many of these characters a group key has.
const GROUP_KEY_CHARACTERS: usize = 8;

/// What the pool says about devices.
///
/// # Errors
/// `InvalidUserPoolConfigurationException` when it does not keep track of them.
pub fn configuration(pool: &Pool) -> Result<&DeviceConfigurationType, ApiError> {
    // Decision: the service's words are not known.
    pool.sign_in.devices.as_ref().ok_or_else(|| {
        ApiError::new(
            ErrorKind::InvalidUserPoolConfiguration,
            "Device tracking is not enabled for the user pool. Set DeviceConfiguration of the pool to enable it.",
        )
    })
}

/// Whether a remembered device has to prove itself at sign-in, in place of a second factor.
#[must_use]
pub fn are_challenged(pool: &Pool) -> bool {
    pool.sign_in.devices.as_ref().is_some_and(|devices| devices.challenge_required_on_new_device == Some(true))
}

/// A confirmed device of a user; none in a pool that does not keep track of devices.
///
/// # Errors
/// When the store cannot be read.
pub async fn find(ctx: &Ctx, pool: &Pool, sub: &str, key: &str) -> Result<Option<Stored<Device>>, ApiError> {
    let is_key =
        key.len() <= LONGEST_KEY && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if pool.sign_in.devices.is_none() || !is_key {
        return Ok(None);
    }
    Ok(ctx.app.store.user_part(&pool.id, sub, key).await?)
}

/// [`find`] for whoever cannot do without.
///
/// # Errors
/// `ResourceNotFoundException`.
pub async fn existing(ctx: &Ctx, pool: &Pool, sub: &str, key: &str) -> Result<Stored<Device>, ApiError> {
    find(ctx, pool, sub, key).await?.ok_or_else(does_not_exist)
}

/// The user has no such device.
#[must_use]
pub fn does_not_exist() -> ApiError {
    ApiError::not_found("Device does not exist.")
}

/// The key of a new device.
#[must_use]
pub fn new_key(ctx: &Ctx, pool: &Pool) -> String {
    format!("{}_{}", pool.region(), ctx.uuid())
}

/// `DeviceGroupKey` of a device that is not confirmed yet: made from its key, so that nothing has to be stored about
/// devices that never are.
#[must_use]
pub fn group_key(ctx: &Ctx, key: &str) -> String {
    let mac = crypto::hash::hmac_sha256(&ctx.app.ring.subkey("device group keys"), key.as_bytes());
    let characters = mac.iter().filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()));
    let characters = characters.take(GROUP_KEY_CHARACTERS).map(|character| char::from(*character));
    std::iter::once('-').chain(characters).collect()
}

/// Salt and verifier as they are stored; `identity` is [`Device::identity`].
#[must_use]
pub fn sealed(ctx: &Ctx, identity: &str, verifier: &Verifier) -> Sealed {
    let text = format!("{}.{}", srp::to_hex(&verifier.salt), srp::to_hex(&verifier.verifier));
    ctx.app.ring.seal(ctx.entropy(), Purpose::DeviceVerifier, identity, text.as_bytes())
}

/// Salt and verifier of a device.
///
/// # Errors
/// When they cannot be opened with the master keys.
pub fn opened(ctx: &Ctx, device: &Device) -> Result<Verifier, ApiError> {
    let identity = Device::identity(&device.pool_id, &device.sub, &device.key);
    let text = ctx.app.ring.open(Purpose::DeviceVerifier, &identity, &device.verifier)?;
    let text = std::str::from_utf8(&text).map_err(ApiError::internal)?;
    let parts =
        text.split_once('.').and_then(|(salt, verifier)| Some((srp::from_hex(salt)?, srp::from_hex(verifier)?)));
    let (salt, verifier) = parts.ok_or_else(|| ApiError::internal("a device's verifier is not hexadecimal"))?;
    Ok(Verifier { salt, verifier })
}
