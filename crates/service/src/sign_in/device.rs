//! Devices in a sign-in (auth-flows.md §12): which one the client names, whether it has to prove itself
//! ([`super::device_srp`] checks the proof), and which one the tokens belong to.

use domain::{
    Device, Factor,
    session::{SignIn, Waiting},
};
use store::{Changes, Stored};
use wire::{ChallengeNameType, NewDeviceMetadataType};

use super::{Outcome, Proven, Request, Seen, session};
use crate::{ApiError, Ctx, devices, retry};

/// The device that DEVICE_KEY names, which must be one of the user, or the stand-in, `sub`. It is asked before anything
/// is proven or spent: clients send the same proof again without the key when it is refused.
///
/// # Errors
/// `ResourceNotFoundException`.
pub(super) async fn named(ctx: &Ctx, request: &Request, sub: &str) -> Result<Option<String>, ApiError> {
    let Some(key) = request.parameter("DEVICE_KEY") else { return Ok(None) };
    devices::existing(ctx, &request.pool, sub, key).await?;
    Ok(Some(key.to_owned()))
}

/// DEVICE_SRP_AUTH, where a remembered device was named, has proven nothing so far, and the pool wants it to.
///
/// Decision: whether a second factor is due makes no difference.
///
/// # Errors
/// When the store fails.
pub(super) async fn step(ctx: &Ctx, request: &Request, proven: &Proven) -> Result<Option<Outcome>, ApiError> {
    let sign_in = &proven.sign_in;
    let seen = proven.seen.for_first_try();
    retry::on_conflict(ctx, || async {
        let fresh = Seen::default();
        let seen = seen().unwrap_or(&fresh);
        let Some(device) = asked(ctx, request, &proven.user.sub, sign_in, seen).await? else { return Ok(None) };
        let (name, sub) = (ChallengeNameType::DeviceSrpAuth, &proven.user.sub);
        let mut waiting = session::new(ctx, request, sub, sign_in.clone(), name, Waiting::Nothing);
        waiting.password_version = proven.password_version;
        let session = Some(session::seal(ctx, request, &waiting)?);
        let mut changes = Changes::new();
        // Clients that send no session find theirs with the device.
        changes.put_user_part(Some(device), Device { waiting: Some(waiting), ..device.value.clone() });
        ctx.app.commit(changes).await?;
        let parameters = [("USERNAME".to_owned(), proven.user.username.clone())].into();
        Ok(Some(Outcome::Challenge { name, session, parameters, available: None }))
    })
    .await
}

/// Whether a remembered device has to prove itself next.
///
/// # Errors
/// When the store fails.
pub(super) async fn is_asked(
    ctx: &Ctx,
    request: &Request,
    sub: &str,
    sign_in: &SignIn,
    seen: &Seen,
) -> Result<bool, ApiError> {
    Ok(asked(ctx, request, sub, sign_in, seen).await?.is_some())
}

/// The remembered device that has to prove itself next; none when none has to.
async fn asked<'a>(
    ctx: &Ctx,
    request: &Request,
    sub: &str,
    sign_in: &SignIn,
    seen: &'a Seen,
) -> Result<Option<&'a Stored<Device>>, ApiError> {
    let Some(key) = &sign_in.device_key else { return Ok(None) };
    if !devices::are_challenged(&request.pool) || sign_in.factors.contains(&Factor::Device) {
        return Ok(None);
    }
    let device = seen.device.get_or_try_init(|| devices::find(ctx, &request.pool, sub, key)).await?;
    Ok(device.as_ref().filter(|device| device.is_remembered))
}

/// The device that tokens are for, where the pool keeps track of devices.
#[derive(Default)]
pub(super) struct Holder {
    /// Its key.
    pub(super) key: Option<String>,
    /// What the client has to know to confirm it, when it is a new one.
    pub(super) metadata: Option<NewDeviceMetadataType>,
}

/// The device that the tokens of a sign-in which succeeds now are for: the one that was named, or a new one.
///
/// # Errors
/// When the store fails.
pub(super) async fn holder(ctx: &Ctx, request: &Request, proven: &Proven) -> Result<Holder, ApiError> {
    let pool = &request.pool;
    if pool.sign_in.devices.is_none() {
        return Ok(Holder::default());
    }
    if let Some(key) = &proven.sign_in.device_key
        && note_use(ctx, request, &proven.user.sub, key).await?
    {
        return Ok(Holder { key: Some(key.clone()), metadata: None });
    }
    let key = devices::new_key(ctx, pool);
    let metadata =
        NewDeviceMetadataType { device_key: Some(key.clone()), device_group_key: Some(devices::group_key(ctx, &key)) };
    Ok(Holder { key: Some(key), metadata: Some(metadata) })
}

/// Notes that somebody has signed in with a device; whether it is still there.
async fn note_use(ctx: &Ctx, request: &Request, sub: &str, key: &str) -> Result<bool, ApiError> {
    retry::on_conflict(ctx, || async {
        let Some(device) = devices::find(ctx, &request.pool, sub, key).await? else { return Ok(false) };
        let after = used(ctx, &device);
        if after != device.value {
            let mut changes = Changes::new();
            changes.put_user_part(Some(&device), after);
            ctx.app.commit(changes).await?;
        }
        Ok(true)
    })
    .await
}

/// The device after somebody has signed in with it.
pub(super) fn used(ctx: &Ctx, device: &Stored<Device>) -> Device {
    let last_address = ctx.client_address.to_string();
    Device { last_address, authenticated_at: ctx.now, waiting: None, ..device.value.clone() }
}
