//! `GET /oauth2/userInfo` (oauth-federation.md §7): what an access token shows of its user.

use domain::{
    Authorized,
    attributes::is_readable,
    oauth::{EMAIL, OPENID, PHONE, PROFILE},
};
use serde_json::{Map, Value, json};
use wire::Operation;

use super::Site;
use crate::{ApiError, Ctx, quotas, tokens::access, users};

/// The attributes that `profile` shows beside the pool's own.
const OF_PROFILE: [&str; 14] = [
    "name",
    "family_name",
    "given_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
];

/// What is said of a token that is not, or no longer, good.
const NOT_GOOD: &str = "Access token is expired, disabled, or deleted, or the user has globally signed out.";
/// What is said of one that is for something else.
const NO_OPENID: &str = "Access token does not contain openid scope";

/// Why nothing is shown.
#[derive(Debug)]
pub enum Refusal {
    /// The request has no token.
    NoToken,
    /// Its token is of no use.
    InvalidToken(&'static str),
    /// The server failed, or has too much to do.
    Failed(ApiError),
}

/// Shows the user of an access token. `authorization` is the header of that name.
///
/// # Errors
/// Those of §7.
pub async fn show(ctx: &Ctx, site: &Site, authorization: Option<&str>) -> Result<Value, Refusal> {
    let token = authorization.and_then(bearer).ok_or(Refusal::NoToken)?;
    quotas::check(ctx, Operation::GetUser, &json!({"AccessToken": token})).map_err(Refusal::Failed)?;
    let authenticated =
        access::authenticate_for(ctx, token, OPENID, NO_OPENID).await.map_err(|error| match error.kind {
            kind if kind.is_server_fault() => Refusal::Failed(error),
            _ if error.message == NO_OPENID => Refusal::InvalidToken(NO_OPENID),
            _ => Refusal::InvalidToken(NOT_GOOD),
        })?;
    if authenticated.pool.id != site.pool.id {
        return Err(Refusal::InvalidToken(NOT_GOOD));
    }
    let scopes = authenticated.claims.scope.split(' ').map(str::to_owned).collect();
    let authorized = Authorized { scopes, resource: None, nonce: None };
    let is_shown = |name: &str| is_readable(&authenticated.client, name) && shows(&authorized, name);
    let attributes = users::attribute_list(&authenticated.user).into_iter();
    let shown = attributes.filter(|attribute| attribute.name == "sub" || is_shown(&attribute.name));
    let mut shown: Map<_, _> = shown.map(|attribute| (attribute.name, attribute.value.into())).collect();
    shown.insert("username".to_owned(), authenticated.user.value.username.into());
    Ok(Value::Object(shown))
}

/// The token of a header `Bearer …`.
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    Some(token.trim()).filter(|token| !token.is_empty() && scheme.eq_ignore_ascii_case("bearer"))
}

/// Whether these scopes show an attribute: `openid` alone shows all of them.
fn shows(authorized: &Authorized, attribute: &str) -> bool {
    let is_of_profile = || OF_PROFILE.contains(&attribute) || attribute.starts_with("custom:");
    match attribute {
        "email" | "email_verified" if authorized.has(EMAIL) => true,
        "phone_number" | "phone_number_verified" if authorized.has(PHONE) => true,
        _ if authorized.has(PROFILE) => is_of_profile() || attribute == users::IDENTITIES,
        _ => ![EMAIL, PHONE].iter().any(|scope| authorized.has(scope)),
    }
}
