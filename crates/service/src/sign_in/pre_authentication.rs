//! What comes before a sign-in (triggers-security.md §4, §6, §10): a user whom nobody knows is brought along by the
//! UserMigration trigger, and the PreAuthentication trigger may turn the sign-in away.
//!
//! Order: what every sign-in must bring, the secret hash, the user, migration, PreAuthentication. Where a pool has
//! neither function nothing of this is looked at, here. The session of a confirmed sign-up says itself whom it signs in:
//! with it, [`after_sign_up`] asks.
//!
//! Decision: PreAuthentication is asked once for each beginning, before the password is looked at (with SRP: before
//! SRP_A is answered), whatever the state of the user; with that session once everything else is right; not in
//! CUSTOM_AUTH, whose functions see the user first anyway.

use domain::{Client, Pool, User};
use serde_json::{Map, Value, json};
use wire::AuthFlowType;

use super::{Request, after_sign_up, migration};
use crate::{
    ApiError, Ctx, lookup,
    triggers::{self, Event, Metadata, Trigger},
};

/// Asks the pool's functions, if it has them.
///
/// # Errors
/// `InvalidParameterException` and `NotAuthorizedException` for what the flow itself would refuse first; see
/// [`triggers::call`] and [`migration::bring`].
pub(super) async fn ask(ctx: &Ctx, request: &Request, flow: AuthFlowType) -> Result<(), ApiError> {
    let needs: &[&str] = match flow {
        AuthFlowType::UserPasswordAuth | AuthFlowType::AdminUserPasswordAuth | AuthFlowType::AdminNoSrpAuth => {
            &["USERNAME", "PASSWORD"]
        }
        AuthFlowType::UserSrpAuth => &["USERNAME", "SRP_A"],
        AuthFlowType::UserAuth => &["USERNAME"],
        AuthFlowType::CustomAuth | AuthFlowType::RefreshTokenAuth | AuthFlowType::RefreshToken => return Ok(()),
    };
    let pool = &request.pool;
    if triggers::function(pool, Trigger::PreAuthentication).is_none()
        && triggers::function(pool, Trigger::UserMigration).is_none()
    {
        return Ok(());
    }
    if flow == AuthFlowType::UserAuth && after_sign_up::is_proof(ctx, request)? {
        return Ok(());
    }
    for name in needs {
        request.required(name)?;
    }
    let username = request.required("USERNAME")?;
    request.check_secret_hash(ctx, username)?;
    let mut user = lookup::user(ctx, pool, username).await?;
    if user.is_none()
        && flow != AuthFlowType::UserSrpAuth
        && let Some(password) = request.parameter("PASSWORD")
    {
        user = migration::bring(ctx, request, username, password).await?;
    }
    if user.is_none() && !request.client.hides_unknown_users() {
        return Ok(());
    }
    let validation_data = request.validation_data.as_ref();
    may_sign_in(ctx, pool, &request.client, username, user.as_deref(), validation_data).await
}

/// Asks the pool's function, if it has one, whether this user, or somebody whom nobody knows, may sign in.
///
/// Decision: of somebody whom nobody knows there are no attributes.
///
/// # Errors
/// See [`triggers::call`].
pub(crate) async fn may_sign_in(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    username: &str,
    user: Option<&User>,
    validation_data: Option<&Metadata>,
) -> Result<(), ApiError> {
    let Some(arn) = triggers::function(pool, Trigger::PreAuthentication) else { return Ok(()) };
    let attributes = user.map(|user| triggers::user_attributes(pool, user)).unwrap_or_default();
    let members = [("userAttributes", json!(attributes)), ("validationData", json!(validation_data))];
    let not_found = client.hides_unknown_users().then(|| ("userNotFound", Value::from(user.is_none())));
    let event = Event {
        trigger: Trigger::PreAuthentication,
        source: "Authentication",
        user_name: user.map_or(username, |user| &user.username),
        client_id: Some(&client.id),
        request: triggers::request(members.into_iter().chain(not_found), None),
        response: json!({}),
    };
    // Nothing is read, but it has to be there.
    triggers::call::<Map<String, Value>>(ctx, pool, arn, event).await.map(drop)
}
