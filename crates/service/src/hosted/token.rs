//! `POST /oauth2/token` (oauth-federation.md §6): tokens for a code, for a refresh token, or for a client itself.
//!
//! Order: rates, the client and its secret, the kind of grant, then what that kind asks for.
//!
//! Decision: a code that comes twice revokes nothing, although RFC 6749 §4.1.2 would like that. The service is not known to
//! do it, and pages that exchange their code twice by mistake, as some frameworks make them do, would sign out their
//! users; what a thief of a code can do ends with PKCE.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    AuthorizationCode, Authorized, Client, Pool,
    attributes::is_readable,
    oauth::{EMAIL, PHONE},
};
use serde_json::{Map, Value, json};
use store::{Changes, Key, Stored};
use wire::{AuthenticationResultType, ErrorKind, OAuthFlowType, Operation};

use super::{Parameters, Site, client_authentication, grant};
use crate::{
    ApiError, Ctx,
    operations::clients::settings::distinct,
    quotas, retry, scopes,
    tokens::{self, Grant, Occasion, refresh::RefreshToken},
};

/// How long a verifier may be (RFC 7636 §4.1), in characters.
const VERIFIER_LENGTHS: std::ops::RangeInclusive<usize> = 43..=128;

/// The body of a good answer.
pub type Answer = Value;

/// Why there are no tokens.
#[derive(Debug)]
pub enum Refusal {
    /// The code of the error, and what it is about.
    Known(&'static str, Option<String>),
    /// The server failed, or has too much to do.
    Failed(ApiError),
}

impl From<ApiError> for Refusal {
    /// Decision: how the failure of a pool's function is told here is not recorded; it is told as the authorization
    /// endpoint tells it.
    fn from(error: ApiError) -> Self {
        match error.kind {
            ErrorKind::UserLambdaValidation | ErrorKind::UnexpectedLambda | ErrorKind::InvalidLambdaResponse => {
                Self::Known("invalid_request", Some(error.message))
            }
            ErrorKind::TooManyRequests | ErrorKind::ConcurrentModification => Self::Failed(error),
            kind if kind.is_server_fault() => Self::Failed(error),
            // Users who are gone, disabled or signed out, and tokens that are no longer good.
            _ => INVALID_GRANT,
        }
    }
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        ApiError::from(error).into()
    }
}

const MALFORMED: Refusal = Refusal::Known("invalid_request", None);
const INVALID_GRANT: Refusal = Refusal::Known("invalid_grant", None);
const INVALID_SCOPE: Refusal = Refusal::Known("invalid_scope", None);
const UNAUTHORIZED: Refusal = Refusal::Known("unauthorized_client", None);

/// Answers a form. `authorization` is the header of that name.
///
/// # Errors
/// Those of §6.
pub async fn answer(ctx: &Ctx, site: &Site, authorization: Option<&str>, form: &Parameters) -> Result<Answer, Refusal> {
    let grant_type = form.get("grant_type");
    let twin = match grant_type {
        Some("client_credentials") => Operation::GetClientToken,
        _ => Operation::GetTokensFromRefreshToken,
    };
    quotas::check(ctx, twin, &Value::Null)?;
    let credentials = client_authentication::credentials(authorization, form)?;
    let client = client_authentication::client(ctx, &site.pool, &credentials).await?;
    match grant_type {
        None => Err(MALFORMED),
        Some("authorization_code") => exchange(ctx, &site.pool, &client, form).await,
        Some("refresh_token") => refresh(ctx, &site.pool, &client, form).await,
        Some("client_credentials") => for_itself(ctx, &site.pool, &client, form).await,
        Some(_) => Err(Refusal::Known("unsupported_grant_type", None)),
    }
}

/// `authorization_code`: tokens for a code, which is good for one exchange.
async fn exchange(ctx: &Ctx, pool: &Pool, client: &Client, form: &Parameters) -> Result<Answer, Refusal> {
    let (Some(code), Some(redirect_uri)) = (form.get("code"), form.get("redirect_uri")) else { return Err(MALFORMED) };
    if !allows(client, OAuthFlowType::Code) {
        return Err(UNAUTHORIZED);
    }
    let (id, verifier) = (grant::id_of_code(code), form.get("code_verifier"));
    let occasion = Occasion::hosted();
    let exchanged = retry::on_conflict(ctx, || async {
        // Load. One that is not there has been used, or never was.
        let Some(code) = ctx.app.store.user_part::<AuthorizationCode>(&pool.id, "", &id).await? else {
            return Ok(Err(INVALID_GRANT));
        };
        if let Err(refusal) = check_code(ctx, client, &code, redirect_uri, verifier) {
            return Ok(Err(refusal));
        }
        let user = grant::user(ctx, pool, &code.authentication).await?;

        // Decide. Before the commit: when the tokens cannot be made, the code must go on counting.
        let origin_jti = grant::origin_jti_of_code(ctx, &id);
        let grant = Grant { origin_jti, ..Grant::authorized(ctx, &code.authentication, code.authorized.clone()) };
        let tokens = tokens::issue(ctx, pool, client, &user, &grant, &occasion).await?;

        // Commit. Of several exchanges at once one finds the code there; and a user who is deleted, disabled or signed
        // out everywhere meanwhile gets nothing.
        let mut changes = Changes::new();
        changes.delete_user_part(&code);
        changes.assert(Key::User { pool_id: pool.id.clone(), sub: user.sub.clone() }, user.version);
        ctx.app.commit(changes).await?;
        Ok(Ok(tokens))
    });
    exchanged.await?.map(body)
}

/// Whether the client that brings a code is the one that it was made for.
///
/// Decision: a verifier that is missing, wrong or uncalled for is `invalid_grant`. One without a challenge is refused, since
/// somebody may have taken the challenge out of the request on its way (RFC 9700 §4.8.2).
fn check_code(
    ctx: &Ctx,
    client: &Client,
    code: &Stored<AuthorizationCode>,
    redirect_uri: &str,
    verifier: Option<&str>,
) -> Result<(), Refusal> {
    if code.client_id != client.id || ctx.now >= code.expires_at {
        return Err(INVALID_GRANT);
    }
    if code.redirect_uri != redirect_uri {
        return Err(Refusal::Known("unauthorized_client", Some("invalid_redirect".to_owned())));
    }
    let is_proven = match (&code.code_challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) if VERIFIER_LENGTHS.contains(&verifier.len()) => {
            let made = URL_SAFE_NO_PAD.encode(crypto::hash::sha256(verifier.as_bytes()));
            crypto::hash::constant_time_eq(made.as_bytes(), challenge.as_bytes())
        }
        _ => false,
    };
    if is_proven && reads_what_scopes_show(client, &code.authorized) { Ok(()) } else { Err(INVALID_GRANT) }
}

/// Whether the client may read both attributes of each scope that stands for two.
fn reads_what_scopes_show(client: &Client, authorized: &Authorized) -> bool {
    let shown = [(EMAIL, ["email", "email_verified"]), (PHONE, ["phone_number", "phone_number_verified"])];
    let mut granted = shown.iter().filter(|(scope, _)| authorized.has(scope));
    granted.all(|(_, attributes)| attributes.iter().all(|name| is_readable(client, name)))
}

/// `refresh_token`: new tokens of the same sign-in. `scope` makes no difference: they have the scopes of the first ones.
async fn refresh(ctx: &Ctx, pool: &Pool, client: &Client, form: &Parameters) -> Result<Answer, Refusal> {
    let token = form.get("refresh_token").ok_or(MALFORMED)?;
    let token = RefreshToken::open(ctx, &client.id, token)?;
    Ok(body(tokens::renew(ctx, pool, client, &token, None, &Occasion::refresh()).await?))
}

/// `client_credentials`: an access token that speaks for the client.
async fn for_itself(ctx: &Ctx, pool: &Pool, client: &Client, form: &Parameters) -> Result<Answer, Refusal> {
    if client.secrets.is_empty() {
        return Err(Refusal::Known("invalid_client", None));
    }
    if !allows(client, OAuthFlowType::ClientCredentials) {
        return Err(UNAUTHORIZED);
    }
    let metadata = form.get("aws_client_metadata").map(serde_json::from_str::<BTreeMap<String, String>>);
    let metadata = metadata.transpose().map_err(|_| MALFORMED)?;
    let own = &client.oauth.scopes;
    let wanted = match form.get("scope") {
        None => own.clone(),
        Some(scopes) => {
            let wanted: Vec<_> = scopes.split_whitespace().map(str::to_owned).collect();
            if !wanted.iter().all(|scope| own.contains(scope)) {
                return Err(INVALID_SCOPE);
            }
            distinct(&wanted)
        }
    };
    // Those of OpenID Connect are about users, and those whose resource server is gone mean nothing.
    let granted = scopes::of_resource_servers(ctx, pool, &wanted).await?;
    if granted.is_empty() {
        return Err(INVALID_SCOPE);
    }
    let access_token = tokens::issue_to_client(ctx, pool, client, &granted, metadata.as_ref()).await?;
    Ok(json!({
        "access_token": access_token,
        "expires_in": client.access_token_seconds(),
        "token_type": "Bearer",
    }))
}

fn allows(client: &Client, flow: OAuthFlowType) -> bool {
    client.oauth.enabled && client.oauth.flows.contains(&flow)
}

/// What a client gets to see of its tokens.
fn body(tokens: AuthenticationResultType) -> Answer {
    let members = [
        ("id_token", tokens.id_token.map(Value::from)),
        ("access_token", tokens.access_token.map(Value::from)),
        ("refresh_token", tokens.refresh_token.map(Value::from)),
        ("expires_in", tokens.expires_in.map(Value::from)),
        ("token_type", tokens.token_type.map(Value::from)),
    ];
    let present = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect::<Map<_, _>>())
}
