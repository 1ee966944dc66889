//! What comes before a sign-in (triggers-security.md §4, §6, §10): a user whom nobody knows is brought along by the
//! UserMigration trigger, and the PreAuthentication trigger may turn the sign-in away.
//!
//! Order: what every sign-in must bring, the secret hash, the user, migration, PreAuthentication. Where a pool has
//! neither function nothing of this is looked at, here.
//!
//! Decision: PreAuthentication is asked once for each beginning, before the password is looked at (with SRP: before
//! SRP_A is answered), whatever the state of the user; not in CUSTOM_AUTH, whose functions see the user first anyway.

use domain::User;
use serde_json::{Map, Value, json};
use wire::AuthFlowType;

use super::{Request, migration};
use crate::{
    ApiError, Ctx, lookup,
    triggers::{self, Event, Trigger},
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
    let pre_authentication = triggers::function(pool, Trigger::PreAuthentication);
    if pre_authentication.is_none() && triggers::function(pool, Trigger::UserMigration).is_none() {
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
    match pre_authentication {
        Some(arn) if user.is_some() || request.client.hides_unknown_users() => {
            may_sign_in(ctx, request, arn, username, user.as_deref()).await
        }
        _ => Ok(()),
    }
}

/// Asks whether this user, or somebody whom nobody knows, may sign in.
///
/// Decision: of somebody whom nobody knows there are no attributes.
async fn may_sign_in(
    ctx: &Ctx,
    request: &Request,
    arn: &str,
    username: &str,
    user: Option<&User>,
) -> Result<(), ApiError> {
    let pool = &request.pool;
    let attributes = user.map(|user| triggers::user_attributes(pool, user)).unwrap_or_default();
    let members = [("userAttributes", json!(attributes)), ("validationData", json!(request.validation_data))];
    let not_found = request.client.hides_unknown_users().then(|| ("userNotFound", Value::from(user.is_none())));
    let event = Event {
        trigger: Trigger::PreAuthentication,
        source: "Authentication",
        user_name: user.map_or(username, |user| &user.username),
        client_id: Some(&request.client.id),
        request: triggers::request(members.into_iter().chain(not_found), None),
        response: json!({}),
    };
    // Nothing is read, but it has to be there.
    triggers::call::<Map<String, Value>>(ctx, pool, arn, event).await.map(drop)
}
