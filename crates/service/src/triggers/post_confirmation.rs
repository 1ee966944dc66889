//! PostConfirmation (triggers-security.md §6): a user was confirmed, or has set a new password by a code.

use domain::{Pool, User};
use serde_json::{Map, Value, json};

use super::{Event, Metadata, Trigger, call, function, request, user_attributes};
use crate::{ApiError, Ctx};

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// A sign-up was confirmed.
    SignUp,
    /// A forgotten password was replaced.
    ForgotPassword,
}

/// Tells the pool's function of `user`, as stored now. What has happened stays when it fails.
///
/// # Errors
/// See [`call`].
pub async fn tell(
    ctx: &Ctx,
    pool: &Pool,
    confirmed: Confirmed,
    user: &User,
    client_id: Option<&str>,
    metadata: Option<&Metadata>,
) -> Result<(), ApiError> {
    let Some(arn) = function(pool, Trigger::PostConfirmation) else { return Ok(()) };
    let event = Event {
        trigger: Trigger::PostConfirmation,
        source: match confirmed {
            Confirmed::SignUp => "ConfirmSignUp",
            Confirmed::ForgotPassword => "ConfirmForgotPassword",
        },
        user_name: &user.username,
        client_id,
        request: request([("userAttributes", json!(user_attributes(pool, user)))], metadata),
        response: json!({}),
    };
    // Nothing is read, but it has to be there.
    call::<Map<String, Value>>(ctx, pool, arn, event).await.map(drop)
}
