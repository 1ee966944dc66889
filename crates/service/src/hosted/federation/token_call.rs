//! The provider's token endpoint (oauth-federation.md §16): tokens for a code. The pool proves itself with its secret in
//! the form, or to Apple with a token that it signs itself.

use crypto::{seal::Purpose, token::es256};
use domain::{IdentityProvider, Secret};
use serde_json::{Map, Value, json};
use wire::IdentityProviderTypeType;

use super::oidc::{Refused, connection, detail, no_endpoint, place, with_query};
use crate::{
    ApiError, Ctx,
    hosted::query,
    issuers::{Outgoing, Received, Unanswered},
    operations::identity_providers::details::{CLIENT_SECRET, PRIVATE_KEY},
};

/// Who reads the tokens that the pool signs for Apple.
const APPLE: &str = "https://appleid.apple.com";
/// How long these are good, in seconds.
const PROOF_LIFE: i64 = 300;
/// Longest code of an error that is handed on, in characters.
const LONGEST_ERROR: usize = 64;

/// The members of the provider's answer, an access token among them.
///
/// # Errors
/// Those of §3.1 that speak of the token endpoint.
pub(super) async fn exchange(
    ctx: &Ctx,
    provider: &IdentityProvider,
    redirect_uri: &str,
    code: &str,
) -> Result<Map<String, Value>, Refused> {
    let url = place(ctx, provider, "token_url", |found| found.token.as_ref()).await?;
    let url = url.ok_or_else(|| no_endpoint(provider))?;
    let secret = secret(ctx, provider)?;
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect_uri),
        ("client_id", detail(provider, "client_id")),
    ];
    pairs.extend(secret.as_ref().map(|secret| ("client_secret", secret.reveal().as_str())));
    let form = query(pairs);
    let outgoing = if detail(provider, "token_request_method") == "GET" {
        Outgoing::get(&with_query(&url, &form))
    } else {
        Outgoing { url, form: Some(Secret::new(form)), bearer: None }
    };
    let Received { status, body } = ctx.app.issuers.send(outgoing).await.map_err(|unanswered| match unanswered {
        Unanswered::TimedOut => "Timeout occurred in calling IdP token endpoint".to_owned(),
        failed @ Unanswered::Failed(_) => connection(&failed).to_owned(),
    })?;
    let answer: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
    if status == 200 && answer.get("access_token").is_some_and(Value::is_string) {
        return Ok(answer);
    }
    let code = answer.get("error").and_then(Value::as_str).filter(|code| is_code(code));
    let code = code.unwrap_or("error getting token");
    Err(format!("{} Error - {status} {code}", provider.name).into())
}

/// Whether a text is the code of an error, such as `invalid_grant`.
fn is_code(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_ERROR && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What the pool proves itself with; clients of OpenID Connect may have nothing.
fn secret(ctx: &Ctx, provider: &IdentityProvider) -> Result<Option<Secret<String>>, ApiError> {
    let open = |key: &str| {
        let Some(sealed) = provider.secrets.get(key) else { return Ok(None) };
        let opened = ctx.app.ring.open(Purpose::ProviderSecret, &provider.secret_identity(key), sealed)?;
        let text = String::from_utf8(opened.to_vec()).map_err(ApiError::internal)?;
        Ok::<_, ApiError>(Some(Secret::new(text)))
    };
    if provider.provider_type != IdentityProviderTypeType::SignInWithApple {
        return open(CLIENT_SECRET);
    }
    let Some(key) = open(PRIVATE_KEY)? else { return Ok(None) };
    let now = ctx.now.seconds();
    let claims = json!({
        "iss": detail(provider, "team_id"), "iat": now, "exp": now.saturating_add(PROOF_LIFE), "aud": APPLE,
        "sub": detail(provider, "client_id"),
    });
    let signed = es256::sign(key.reveal(), detail(provider, "key_id"), claims.to_string().as_bytes());
    signed.map(|token| Some(Secret::new(token))).map_err(ApiError::internal)
}
