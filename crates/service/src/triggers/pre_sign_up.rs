//! PreSignUp (triggers-security.md §5): whether somebody may become a user, and what is taken for proven.

use std::collections::BTreeMap;

use domain::{Medium, Pool};
use serde::Deserialize;
use serde_json::json;
use wire::AttributeType;

use super::{Event, Metadata, NO_CLIENT, Trigger, call, function, request};
use crate::{ApiError, Ctx};

/// A user that is about to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewUser<'a> {
    /// The username that will be stored.
    pub user_name: &'a str,
    /// `UserAttributes` as given.
    pub attributes: &'a [AttributeType],
    /// The attribute that the given name fills, and that name.
    pub identity: Option<(Medium, &'a str)>,
    /// `ValidationData`.
    pub validation_data: Option<&'a [AttributeType]>,
    /// `ClientMetadata`.
    pub metadata: Option<&'a Metadata>,
}

/// What PreSignUp answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Response {
    auto_confirm_user: Option<bool>,
    auto_verify_email: Option<bool>,
    auto_verify_phone: Option<bool>,
}

/// What a sign-up need not prove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waived {
    /// The user is confirmed without a code.
    pub confirmation: bool,
    /// These addresses are verified.
    pub verification: Vec<Medium>,
}

/// Asks the pool's function about somebody who signs up through a client.
///
/// # Errors
/// See [`call`].
pub async fn sign_up(ctx: &Ctx, pool: &Pool, client_id: &str, user: NewUser<'_>) -> Result<Waived, ApiError> {
    ask(ctx, pool, "SignUp", client_id, user).await.map(waived)
}

fn waived(response: Response) -> Waived {
    let is_waived = |answered: Option<bool>| answered == Some(true);
    let email = is_waived(response.auto_verify_email).then_some(Medium::Email);
    let phone = is_waived(response.auto_verify_phone).then_some(Medium::Sms);
    Waived {
        confirmation: is_waived(response.auto_confirm_user),
        verification: email.into_iter().chain(phone).collect(),
    }
}

/// Asks the pool's function about somebody who comes from another identity provider for the first time. Such a user has
/// no aliases, as the function is told.
///
/// # Errors
/// See [`call`].
pub async fn external_provider(
    ctx: &Ctx,
    pool: &Pool,
    client_id: &str,
    user_name: &str,
    attributes: &[AttributeType],
) -> Result<Waived, ApiError> {
    let blank = |name: &str| AttributeType { name: name.to_owned(), value: None };
    let aliases = ["cognito:email_alias", "cognito:phone_number_alias"].map(blank);
    let attributes: Vec<_> = attributes.iter().cloned().chain(aliases).collect();
    let user = NewUser { user_name, attributes: &attributes, identity: None, validation_data: None, metadata: None };
    ask(ctx, pool, "ExternalProvider", client_id, user).await.map(waived)
}

/// Asks the pool's function about somebody whom an administrator creates, or who is brought along from elsewhere. What
/// it answers is of no interest, unless it fails.
///
/// # Errors
/// See [`call`].
pub async fn admin_create_user(ctx: &Ctx, pool: &Pool, user: NewUser<'_>) -> Result<(), ApiError> {
    ask(ctx, pool, "AdminCreateUser", NO_CLIENT, user).await.map(drop)
}

async fn ask(
    ctx: &Ctx,
    pool: &Pool,
    source: &'static str,
    client_id: &str,
    user: NewUser<'_>,
) -> Result<Response, ApiError> {
    let Some(arn) = function(pool, Trigger::PreSignUp) else { return Ok(Response::default()) };
    // Decision: an address that somebody signs up with as the username is told as an attribute, too: the userName of
    // such a user says nothing.
    let identity = user.identity.map(|(medium, name)| (medium.attribute(), name)).into_iter();
    let attributes: BTreeMap<_, _> = identity.chain(pairs(user.attributes)).collect();
    let validation_data: Option<BTreeMap<_, _>> = user.validation_data.map(|data| pairs(data).collect());
    let members = [("userAttributes", json!(attributes)), ("validationData", json!(validation_data))];
    let event = Event {
        trigger: Trigger::PreSignUp,
        source,
        user_name: user.user_name,
        client_id: Some(client_id),
        request: request(members, user.metadata),
        response: json!({"autoConfirmUser": false, "autoVerifyEmail": false, "autoVerifyPhone": false}),
    };
    call(ctx, pool, arn, event).await
}

fn pairs(given: &[AttributeType]) -> impl Iterator<Item = (&str, &str)> {
    given.iter().map(|given| (given.name.as_str(), given.value.as_deref().unwrap_or_default()))
}
