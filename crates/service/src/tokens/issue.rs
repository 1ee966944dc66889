//! The tokens of a sign-in (auth-flows.md §17).

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use crypto::token::MOST_CLAIMS;
use domain::{
    Authorized, Client, Factor, Level, Pool, User,
    attributes::is_readable,
    claims::Overrides,
    oauth::{Authentication, OPENID},
    session::SignIn,
    time,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use wire::{AuthFlowType, AuthenticationResultType, Timestamp};

use super::{
    access::{AccessClaims, SCOPE},
    assurance,
    groups::{self, GroupClaims},
    issuer,
    pre_token_generation::{self, Occasion},
    refresh::RefreshToken,
};
use crate::{ApiError, Ctx, tracking, triggers, users};

/// The sign-in that tokens belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its id, the same in all of its tokens.
    pub origin_jti: String,
    /// When the user signed in interactively, in seconds.
    pub auth_time: i64,
    /// The device that it came from, where the pool keeps track of devices and knows this one.
    pub device_key: Option<String>,
    /// What has been proven.
    pub factors: Vec<Factor>,
    /// Whether its tokens say so.
    pub says_how: bool,
    /// Whether it has just begun and its first refresh token is due.
    pub is_new: bool,
    /// The event by which threat protection remembers the sign-in, where it looks.
    pub event_id: Option<String>,
    /// The refresh token that takes the place of another one, where one does.
    pub replacement: Option<Replacement>,
    /// What an application was granted at the authorization endpoint; none where the API was asked.
    pub authorized: Option<Authorized>,
    /// The level of assurance that another provider has vouched for.
    pub level: Option<Level>,
    /// The browser session that has led to it.
    pub browser_session: Option<String>,
}

/// A refresh token that takes the place of another one of its sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// Its number in the family.
    pub number: u32,
    /// When it expires: when the first one does.
    pub expires_at: Timestamp,
}

impl Grant {
    /// A sign-in that succeeds now. Whoever knows the device names it afterwards: what the client said of it in
    /// `sign_in` is not taken over.
    #[must_use]
    pub fn new(ctx: &Ctx, user: &User, sign_in: &SignIn) -> Self {
        Self {
            origin_jti: ctx.uuid(),
            auth_time: user.auth_time(ctx.now),
            device_key: None,
            factors: sign_in.factors.clone(),
            says_how: sign_in.flow == AuthFlowType::UserAuth,
            is_new: true,
            event_id: None,
            replacement: None,
            authorized: None,
            level: None,
            browser_session: None,
        }
    }

    /// A sign-in at the login pages that an application is granted something of now.
    #[must_use]
    pub fn authorized(ctx: &Ctx, authentication: &Authentication, authorized: Authorized) -> Self {
        Self {
            origin_jti: ctx.uuid(),
            auth_time: authentication.auth_time,
            device_key: authentication.device_key.clone(),
            factors: authentication.factors.clone(),
            says_how: true,
            is_new: true,
            event_id: authentication.event_id.clone(),
            replacement: None,
            authorized: Some(authorized),
            level: authentication.level,
            browser_session: Some(authentication.session_id.clone()).filter(|id| !id.is_empty()),
        }
    }

    /// The sign-in that a refresh token continues, with the refresh token that takes the place of that one.
    #[must_use]
    pub fn continued(token: &RefreshToken, replacement: Option<Replacement>) -> Self {
        Self {
            origin_jti: token.origin_jti.clone(),
            auth_time: token.auth_time,
            device_key: token.device_key.clone(),
            factors: token.factors.clone(),
            says_how: token.says_how,
            is_new: false,
            event_id: token.event_id.clone(),
            replacement,
            authorized: token.authorized.clone(),
            level: token.level,
            browser_session: None,
        }
    }
}

/// The claims of an ID token, in the order in which they are written.
#[derive(Serialize)]
pub(super) struct IdClaims<'a> {
    pub(super) sub: &'a str,
    #[serde(rename = "cognito:groups", skip_serializing_if = "<[String]>::is_empty")]
    pub(super) groups: &'a [String],
    #[serde(rename = "cognito:preferred_role", skip_serializing_if = "Option::is_none")]
    pub(super) preferred_role: Option<&'a str>,
    #[serde(rename = "cognito:roles", skip_serializing_if = "<[String]>::is_empty")]
    pub(super) roles: &'a [String],
    #[serde(flatten)]
    pub(super) attributes: BTreeMap<&'a str, Value>,
    pub(super) iss: &'a str,
    #[serde(rename = "cognito:username")]
    pub(super) username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) origin_jti: Option<&'a str>,
    pub(super) aud: &'a str,
    pub(super) event_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acr: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) act: Option<&'a Value>,
    pub(super) token_use: &'static str,
    pub(super) auth_time: i64,
    pub(super) exp: i64,
    pub(super) iat: i64,
    pub(super) jti: &'a str,
}

/// Makes an access token, an ID token and, when one is due, a refresh token; the pool's function is asked what they
/// are to contain. Two RSA signatures, about half a millisecond.
///
/// # Errors
/// When the pool's keys cannot be read or opened; those of the function.
pub async fn issue(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    user: &User,
    grant: &Grant,
    occasion: &Occasion<'_>,
) -> Result<AuthenticationResultType, ApiError> {
    let claims = groups::claims(ctx, user).await?;
    let authorized = grant.authorized.as_ref();
    let scopes = authorized.map_or_else(|| vec![SCOPE.to_owned()], |authorized| authorized.scopes.clone());
    let asked = scopes.iter().map(String::as_str).collect();
    let overrides = pre_token_generation::ask(ctx, pool, client, user, &claims, asked, occasion).await?;
    let GroupClaims { groups, roles, preferred_role } = claims;
    let keys = ctx.app.tokens.pool_keys(&ctx.app, &pool.id).await?;
    let iss = issuer(&ctx.app.settings, &pool.id);
    let (event_id, iat) = (grant.event_id.clone().unwrap_or_else(|| ctx.uuid()), ctx.now.seconds());
    // Without it, neither a session that is kept track of nor a sign-in whose refresh token was stolen could be ended.
    let is_revocable =
        client.enable_token_revocation || client.rotates_refresh_tokens() || pool.sign_in.tracked_sessions.is_some();
    let origin_jti = is_revocable.then_some(grant.origin_jti.as_str());
    let assurance::Assurance { acr, amr } = assurance::claims(ctx, pool, grant);
    let expires_in = client.access_token_seconds();
    let access = AccessClaims {
        sub: user.sub.clone(),
        device_key: grant.device_key.clone(),
        groups: groups.clone(),
        iss: iss.clone(),
        client_id: client.id.clone(),
        origin_jti: origin_jti.map(str::to_owned),
        event_id: event_id.clone(),
        acr: acr.clone(),
        amr: amr.clone(),
        act: None,
        aud: authorized.and_then(|authorized| authorized.resource.clone()),
        token_use: "access".to_owned(),
        scope: scopes.join(" "),
        auth_time: grant.auth_time,
        exp: iat.saturating_add(expires_in),
        iat,
        jti: ctx.uuid(),
        username: user.username.clone(),
        version: authorized.map(|_| 2),
    };
    let access = encoded(&access, overrides, |overrides, claims| overrides.change_access_token(claims, &client.id))?;
    let access_token = keys.access.sign(&access).map_err(ApiError::internal)?;
    let id = IdClaims {
        sub: &user.sub,
        groups: &groups,
        preferred_role: preferred_role.as_deref(),
        roles: &roles,
        attributes: attribute_claims(client, user, authorized),
        iss: &iss,
        username: &user.username,
        nonce: authorized.and_then(|authorized| authorized.nonce.as_deref()),
        at_hash: authorized.map(|_| at_hash(&access_token)),
        origin_jti,
        aud: &client.id,
        event_id: &event_id,
        acr: acr.as_deref(),
        amr: &amr,
        act: None,
        token_use: "id",
        auth_time: grant.auth_time,
        exp: iat.saturating_add(client.id_token_seconds()),
        iat,
        jti: &ctx.uuid(),
    };
    // Without `openid`, an application is not told who it is.
    let id_token = if authorized.is_none_or(|authorized| authorized.has(OPENID)) {
        let id = encoded(&id, overrides, Overrides::change_id_token)?;
        Some(keys.id.sign(&id).map_err(ApiError::internal)?)
    } else {
        None
    };
    let refresh_token = refresh_token(pool, client, user, grant, ctx).map(|token| token.seal(ctx)).transpose()?;
    tracking::follow(ctx, pool, client, user, grant).await?;
    Ok(AuthenticationResultType {
        access_token: Some(access_token),
        expires_in: Some(expires_in),
        token_type: Some("Bearer".to_owned()),
        refresh_token,
        id_token,
        new_device_metadata: None,
    })
}

/// Claims as JSON, after the changes that a function wants, if there are any.
///
/// # Errors
/// `InvalidLambdaResponseException` when these make the token longer than what this server looks at.
pub(super) fn encoded(
    claims: &impl Serialize,
    overrides: Option<&Overrides>,
    change: impl FnOnce(&Overrides, &mut Map<String, Value>),
) -> Result<Vec<u8>, ApiError> {
    let Some(overrides) = overrides else { return Ok(serde_json::to_vec(claims)?) };
    let mut changed = serde_json::to_value(claims)?;
    if let Value::Object(changed) = &mut changed {
        change(overrides, changed);
    }
    let changed = serde_json::to_vec(&changed)?;
    // What is too long without the function, an ID token with much about its user, is none of the function's doing.
    if changed.len() > MOST_CLAIMS && changed.len() > serde_json::to_vec(claims)?.len() {
        return Err(triggers::unrecognizable());
    }
    Ok(changed)
}

fn refresh_token(pool: &Pool, client: &Client, user: &User, grant: &Grant, ctx: &Ctx) -> Option<RefreshToken> {
    let first = || Replacement {
        number: 0,
        expires_at: ctx.now.plus(client.refresh_token_seconds().saturating_mul(time::SECOND)),
    };
    let Replacement { number, expires_at } = grant.replacement.or_else(|| grant.is_new.then(first))?;
    Some(RefreshToken {
        pool_id: pool.id.clone(),
        client_id: client.id.clone(),
        sub: user.sub.clone(),
        origin_jti: grant.origin_jti.clone(),
        number,
        auth_time: grant.auth_time,
        device_key: grant.device_key.clone(),
        factors: grant.factors.clone(),
        says_how: grant.says_how,
        event_id: grant.event_id.clone(),
        // OpenID Connect Core §12.2: a refreshed ID token should have no nonce.
        authorized: grant.authorized.clone().map(|authorized| Authorized { nonce: None, ..authorized }),
        level: grant.level,
        issued_at: ctx.now,
        expires_at,
    })
}

/// What ties an ID token to the access token beside it (OpenID Connect Core §3.1.3.6): half of its SHA-256.
fn at_hash(access_token: &str) -> String {
    let hash = crypto::hash::sha256(access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(hash.get(..16).unwrap_or_default())
}

/// The attributes that the client may read, as far as scopes show them: the two verified flags as booleans, the address as an object, everything
/// else as text whatever its type in the schema.
pub(super) fn attribute_claims<'a>(
    client: &Client,
    user: &'a User,
    authorized: Option<&Authorized>,
) -> BTreeMap<&'a str, Value> {
    let is_shown = |name: &str| is_readable(client, name) && authorized.is_none_or(|authorized| authorized.shows(name));
    let readable = user.attributes.iter().filter(|(name, _)| is_shown(name));
    let identities = users::identities_claim(user).filter(|_| is_shown(users::IDENTITIES));
    readable
        .map(|(name, value)| {
            let claim = match name.as_str() {
                "email_verified" | "phone_number_verified" => Value::from(value == "true"),
                "address" => json!({ "formatted": value }),
                _ => Value::from(value.as_str()),
            };
            (name.as_str(), claim)
        })
        .chain(identities.map(|identities| (users::IDENTITIES, identities)))
        .collect()
}
