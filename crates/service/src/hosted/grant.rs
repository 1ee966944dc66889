//! What an application gets once its user is signed in: a code, or tokens (oauth-federation.md §3).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    AuthorizationCode, AuthorizationRequest, Authorized, Client, Pool, ResponseType, User,
    oauth::{Authentication, CODE_LIFE},
};
use store::{Changes, Stored};
use wire::UserStatusType;

use super::query;
use crate::{
    ApiError, Ctx,
    tokens::{Grant, Occasion, access, issue},
};

/// The URL that takes the browser back to the application, with a code or with tokens.
///
/// # Errors
/// When the user has been deleted, disabled or signed out everywhere since the sign-in, or the store fails; those of the
/// pool's function that says what tokens contain.
pub async fn give(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    request: &AuthorizationRequest,
    authentication: &Authentication,
) -> Result<String, ApiError> {
    let user = user(ctx, pool, authentication).await?;
    let authorized =
        Authorized { scopes: request.scopes.clone(), resource: request.resource.clone(), nonce: request.nonce.clone() };
    let state = request.state.as_deref();
    match request.response_type {
        ResponseType::Code => {
            let code = ctx.uuid();
            let mut changes = Changes::new();
            changes.insert_user_part(AuthorizationCode {
                pool_id: pool.id.clone(),
                id: id_of_code(&code),
                client_id: client.id.clone(),
                redirect_uri: request.redirect_uri.clone(),
                code_challenge: request.code_challenge.clone(),
                authorized,
                authentication: authentication.clone(),
                expires_at: ctx.now.plus(CODE_LIFE),
            });
            ctx.app.commit(changes).await?;
            Ok(location_with(request, [("code", Some(code.as_str())), ("state", state)]))
        }
        ResponseType::Token => {
            let grant = Grant::authorized(ctx, authentication, authorized);
            let tokens = issue(ctx, pool, client, &user, &grant, &Occasion::hosted()).await?;
            // The refresh token among them never leaves the server.
            let expires_in = tokens.expires_in.map(|seconds| seconds.to_string());
            Ok(location_with(
                request,
                [
                    ("id_token", tokens.id_token.as_deref()),
                    ("access_token", tokens.access_token.as_deref()),
                    ("token_type", tokens.token_type.as_deref()),
                    ("expires_in", expires_in.as_deref()),
                    ("state", state),
                ],
            ))
        }
    }
}

/// The user of a sign-in, as stored now.
///
/// # Errors
/// When the user is gone, disabled or has been signed out everywhere since; `PasswordResetRequiredException` and
/// `UserNotConfirmedException` by the user's status.
pub(super) async fn user(ctx: &Ctx, pool: &Pool, authentication: &Authentication) -> Result<Stored<User>, ApiError> {
    let user = ctx.app.store.user(&pool.id, &authentication.sub).await?.ok_or_else(ApiError::no_such_user)?;
    if !user.enabled {
        return Err(ApiError::user_disabled());
    }
    if user.refuses_tokens_of(authentication.auth_time) {
        // Decision: the service's words are not recorded.
        return Err(ApiError::not_authorized("The user has been signed out."));
    }
    check_status(&user)?;
    Ok(user)
}

/// Whether the user's status lets anybody sign in as them.
///
/// # Errors
/// `PasswordResetRequiredException` and `UserNotConfirmedException`.
pub(super) fn check_status(user: &User) -> Result<(), ApiError> {
    match user.status {
        UserStatusType::ResetRequired => Err(access::password_reset_required()),
        UserStatusType::Unconfirmed => Err(access::not_confirmed()),
        _ => Ok(()),
    }
}

/// What a code is stored under, so that whoever reads the database cannot use it.
pub(super) fn id_of_code(code: &str) -> String {
    URL_SAFE_NO_PAD.encode(crypto::hash::sha256(code.as_bytes()))
}

/// The sign-in that a code leads to, by the id that it is stored under: the same however often it is exchanged at once, so
/// that the sign-in is kept track of only once.
pub(super) fn origin_jti_of_code(ctx: &Ctx, id: &str) -> String {
    let key = ctx.app.ring.subkey("sign-ins of authorization codes");
    crypto::random::uuid_from(&crypto::hash::hmac_sha256_fields(&key, &[id.as_bytes()]))
}

fn location_with<const N: usize>(request: &AuthorizationRequest, pairs: [(&str, Option<&str>); N]) -> String {
    let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
    location(&request.redirect_uri, request.response_type, pairs)
}

/// A redirect URI with parameters in its query, or in its fragment where tokens were asked for.
#[must_use]
pub fn location<'a>(
    redirect_uri: &str,
    response_type: ResponseType,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let separator = match response_type {
        ResponseType::Token => '#',
        ResponseType::Code if redirect_uri.contains('?') => '&',
        ResponseType::Code => '?',
    };
    format!("{redirect_uri}{separator}{}", query(pairs))
}
