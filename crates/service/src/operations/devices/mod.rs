//! Devices (auth-flows.md §12): users confirm the one that they sign in with, and they and administrators have it
//! remembered, look at it and forget it. Signing in with one is in [`crate::sign_in`].

pub mod admin_forget_device;
pub mod admin_get_device;
pub mod admin_list_devices;
pub mod admin_update_device_status;
pub mod confirm_device;
pub mod forget_device;
pub mod get_device;
pub mod list_devices;
pub mod update_device_status;

use domain::{Device, Pool, User};
use store::{Changes, Stored};
use wire::{AttributeType, DeviceRememberedStatusType, DeviceType, ErrorKind};

use crate::{
    ApiError, Ctx, devices, lookup, paging, retry,
    tokens::access::{self, Authenticated},
};

/// Whose token this is, in a pool that keeps track of devices. The model lets the token be left out of two of the
/// operations, which cannot do without either.
///
/// # Errors
/// Those of the access token (auth-flows.md §8); `InvalidUserPoolConfigurationException`.
async fn owner(ctx: &Ctx, access_token: Option<&str>) -> Result<Authenticated, ApiError> {
    let token = access_token.ok_or_else(|| ApiError::invalid_parameter("Missing required parameter AccessToken"))?;
    let caller = access::authenticate(ctx, token).await?;
    devices::configuration(&caller.pool)?;
    Ok(caller)
}

/// The user whom an administrator names for an operation whose model does not know `UserNotFoundException`.
///
/// Decision: it is said that something is missing all the same, as the error that the model has.
async fn named_user(ctx: &Ctx, pool: &Pool, username: &str) -> Result<Stored<User>, ApiError> {
    devices::configuration(pool)?;
    lookup::user(ctx, pool, username).await?.ok_or_else(|| ApiError::not_found("User does not exist."))
}

/// A device as answers show it.
fn device_type(device: &Device, administrative: Vec<AttributeType>) -> DeviceType {
    let attribute = |name: &str, value: &str| AttributeType { name: name.to_owned(), value: Some(value.to_owned()) };
    let mut attributes = vec![attribute("device_status", "valid")];
    attributes.extend(device.name.as_deref().map(|name| attribute("device_name", name)));
    attributes.push(attribute("last_ip_used", &device.last_address));
    attributes.extend(administrative);
    DeviceType {
        device_key: Some(device.key.clone()),
        device_attributes: Some(attributes),
        device_create_date: Some(device.created_at),
        device_last_modified_date: Some(device.modified_at),
        device_last_authenticated_date: Some(device.authenticated_at),
    }
}

/// What users see of a device of theirs. Decision: the attributes that begin with `dev:` are for administrators.
fn for_user(device: &Device) -> DeviceType {
    device_type(device, Vec::new())
}

/// What administrators see of a device.
fn for_administrator(ctx: &Ctx, pool: &Pool, user: &User, device: &Device) -> DeviceType {
    let owner = format!("{}.{}", user.username, pool.id);
    let (region, account) = (pool.region(), &ctx.app.settings.account_id);
    let arn = format!("arn:aws:cognito-idp:{region}:{account}:owner/{owner}/device/{}", device.key);
    let status = if device.is_remembered {
        DeviceRememberedStatusType::Remembered
    } else {
        DeviceRememberedStatusType::NotRemembered
    };
    let known = [
        ("dev:device_arn", arn),
        ("dev:device_owner", owner),
        ("dev:device_remembered_status", status.as_str().to_owned()),
    ];
    let software = device.software.clone().map(|software| ("dev:device_sdk", software));
    let attributes = known.into_iter().chain(software);
    let attributes = attributes.map(|(name, value)| AttributeType { name: name.to_owned(), value: Some(value) });
    device_type(device, attributes.collect())
}

/// One page of a user's devices by key, and the token for the next one; `operation` is the list's name.
///
/// # Errors
/// `InvalidParameterException` for a bad token.
async fn page(
    ctx: &Ctx,
    operation: &str,
    user: &User,
    limit: Option<i64>,
    token: Option<&str>,
) -> Result<(Vec<Stored<Device>>, Option<String>), ApiError> {
    let scope = format!("{operation}\n{}\n{}", user.pool_id, user.sub);
    let size = paging::size(limit);
    let after = paging::read(ctx, &scope, token)?;
    let mut page = ctx.app.store.user_parts(&user.pool_id, &user.sub, after.as_deref(), size + 1).await?;
    let next_token = paging::cut(ctx, &scope, &mut page, size, |device: &Stored<Device>| &device.value.key);
    Ok((page, next_token))
}

/// Has a device remembered, or no longer. Decision: a request that says neither has nothing to do and is refused; the
/// service's words are not known.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` without a status.
async fn set_status(
    ctx: &Ctx,
    pool: &Pool,
    sub: &str,
    key: &str,
    status: Option<DeviceRememberedStatusType>,
) -> Result<(), ApiError> {
    let status =
        status.ok_or_else(|| ApiError::invalid_parameter("Missing required parameter DeviceRememberedStatus"))?;
    retry::on_conflict(ctx, || async {
        let device = devices::existing(ctx, pool, sub, key).await?;
        let mut after = device.value.clone();
        after.is_remembered = status == DeviceRememberedStatusType::Remembered;
        after.modified_at = ctx.now;
        let mut changes = Changes::new();
        changes.put_user_part(Some(&device), after);
        Ok(ctx.app.commit(changes).await?)
    })
    .await
}

/// Deletes a device. A sign-in that waits for it cannot go on, and tokens that were given to it refresh no more.
///
/// # Errors
/// `ResourceNotFoundException`.
async fn forget(ctx: &Ctx, pool: &Pool, sub: &str, key: &str) -> Result<(), ApiError> {
    retry::on_conflict(ctx, || async {
        let device = devices::existing(ctx, pool, sub, key).await?;
        let mut changes = Changes::new();
        changes.delete_user_part(&device);
        Ok(ctx.app.commit(changes).await?)
    })
    .await
}

/// The device of a token was confirmed before. Decision: the service's words are not known.
fn exists() -> ApiError {
    ApiError::new(ErrorKind::DeviceKeyExists, "Device key already exists.")
}
