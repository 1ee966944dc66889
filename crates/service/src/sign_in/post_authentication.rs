//! PostAuthentication: the pool's function is told of a sign-in that is complete (triggers-security.md §4, §6). When it
//! fails there are no tokens.

use domain::{Client, Pool, User};
use serde_json::{Map, Value, json};

use super::Request;
use crate::{
    ApiError, Ctx,
    triggers::{self, Event, Metadata, Trigger},
};

/// Tells the function that `user` has signed in. `is_new_device`: with a device that the pool did not know.
///
/// Decision: where a pool remembers no devices, `newDeviceUsed` is false and not left out.
///
/// # Errors
/// See [`triggers::call`].
pub(super) async fn tell(ctx: &Ctx, request: &Request, user: &User, is_new_device: bool) -> Result<(), ApiError> {
    tell_of(ctx, &request.pool, &request.client, user, is_new_device, request.client_metadata.as_ref()).await
}

/// [`tell`] of a sign-in that was no request of these operations.
///
/// # Errors
/// See [`triggers::call`].
pub(crate) async fn tell_of(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    user: &User,
    is_new_device: bool,
    metadata: Option<&Metadata>,
) -> Result<(), ApiError> {
    let Some(arn) = triggers::function(pool, Trigger::PostAuthentication) else { return Ok(()) };
    let members = [
        ("userAttributes", json!(triggers::user_attributes(pool, user))),
        ("newDeviceUsed", Value::from(is_new_device)),
    ];
    let event = Event {
        trigger: Trigger::PostAuthentication,
        source: "Authentication",
        user_name: &user.username,
        client_id: Some(&client.id),
        request: triggers::request(members, metadata),
        response: json!({}),
    };
    // Nothing is read, but it has to be there.
    triggers::call::<Map<String, Value>>(ctx, pool, arn, event).await.map(drop)
}
