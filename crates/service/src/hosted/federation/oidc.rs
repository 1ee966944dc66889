//! Providers that speak OpenID Connect or OAuth2 (oauth-federation.md §16).
//!
//! ```text
//! begin:  provider's authorization endpoint ← state, nonce
//! finish: state → provider → tokens (token_call) → ID token (id_token) → user_info → profile::complete
//! ```
//!
//! | Provider | Says who it is by | ID token | What is special |
//! |---|---|---|---|
//! | OIDC | `sub` | yes | endpoints may come from discovery; levels of assurance go both ways |
//! | Google | `sub` | yes | more of a user is asked of another interface, by name |
//! | Sign in with Apple | `sub` | yes | comes back with a form; the name is in that; the pool proves itself with a key |
//! | Facebook | `id` | no | codes are exchanged with a GET; what is asked of a user is named |
//! | Login with Amazon | `user_id` | no | |

use domain::{AuthorizationRequest, IdentityProvider, Level};
use serde_json::{Map, Value};
use wire::IdentityProviderTypeType;

use super::{
    Arrival, Departure, Failure, Protocol, Said, State, id_token, mapped, parties, profile, state::random, token_call,
    user_info,
};
use crate::{
    ApiError, Ctx,
    hosted::{Parameters, Site, authorize::Asked, query},
    issuers::{Endpoints, Issuer, Unanswered, is_same},
};

/// Longest value of Apple's form that is looked at, in bytes.
const LONGEST_NAME: usize = 1_024;

/// Sends the browser to the provider.
///
/// # Errors
/// [`Failure::Back`] when nobody knows where the provider is.
pub(super) async fn begin(
    ctx: &Ctx,
    site: &Site,
    asked: &Asked,
    provider: &IdentityProvider,
) -> Result<Departure, Failure> {
    let (request, kind) = (&asked.request, provider.provider_type);
    let found = place(ctx, provider, "authorize_url", |found| found.authorization.as_ref()).await;
    let url = found.map_err(|words| Failure::refused(request, words))?;
    let url = url.ok_or_else(|| Failure::refused(request, no_endpoint(provider)))?;

    let state = State::new(ctx, &provider.name, request, random(ctx));
    let sealed = state.seal(ctx, &site.pool, Protocol::Oidc)?;
    let redirect_uri = redirect_uri(site);
    let prompt: Vec<_> = asked.prompt.iter().map(String::as_str).filter(|value| *value != "none").collect();
    let (prompt, levels) = (prompt.join(" "), levels_there(provider, &asked.acr_values));
    let takes_hints = matches!(kind, IdentityProviderTypeType::Oidc | IdentityProviderTypeType::Google);
    let is_apple = kind == IdentityProviderTypeType::SignInWithApple;
    let pairs = [
        ("client_id", Some(detail(provider, "client_id"))),
        ("redirect_uri", Some(redirect_uri.as_str())),
        ("response_type", Some("code")),
        // Apple demands it wherever something is asked of a user.
        ("response_mode", is_apple.then_some("form_post")),
        ("scope", Some(detail(provider, "authorize_scopes"))),
        ("state", Some(sealed.as_str())),
        ("nonce", has_id_tokens(kind).then_some(state.nonce.as_str())),
        ("login_hint", asked.login_hint.as_deref().filter(|_| takes_hints)),
        ("prompt", Some(prompt.as_str())),
        ("acr_values", Some(levels.as_str())),
    ];
    let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
    Ok(Departure { location: with_query(&url, &query(pairs)), browser: state.browser })
}

/// What comes of a browser that is back from such a provider. `cookie` is its `csrf-state`.
///
/// # Errors
/// [`Failure::Page`] when nobody here has sent it there; [`Failure::Back`] for everything that goes wrong afterwards.
pub async fn finish(ctx: &Ctx, site: &Site, parameters: &Parameters, cookie: Option<&str>) -> Result<Arrival, Failure> {
    let pool = &site.pool;
    let text = parameters.get("state").unwrap_or_default();
    let State { provider, request, nonce, .. } = State::take(ctx, pool, Protocol::Oidc, text, cookie).await?;
    let (client, provider) = parties(ctx, pool, &request, &provider).await?;
    if let Some(error) = parameters.get("error") {
        return Err(relayed(&request, error, parameters.get("error_description")));
    }
    let said = match what_is_said(ctx, site, &provider, parameters, &nonce).await {
        Ok(said) => said,
        Err(Refused::Words(words)) => return Err(Failure::refused(&request, words)),
        Err(Refused::Failed(error)) => return Err(Failure::told(&request, &error)),
    };
    let authentication = profile::complete(ctx, pool, &client, &provider, &request, said).await?;
    Ok(Arrival { client, request, authentication })
}

/// Why nobody knows who has signed in.
pub(super) enum Refused {
    /// What the application is told.
    Words(String),
    /// The server failed.
    Failed(ApiError),
}

impl From<String> for Refused {
    fn from(words: String) -> Self {
        Self::Words(words)
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

async fn what_is_said(
    ctx: &Ctx,
    site: &Site,
    provider: &IdentityProvider,
    parameters: &Parameters,
    nonce: &str,
) -> Result<Said, Refused> {
    // RFC 9207: a provider that says who it is cannot be taken for another one.
    let issuer = provider.details.get("oidc_issuer");
    if parameters.get("iss").is_some_and(|iss| !issuer.is_some_and(|issuer| is_same(issuer, iss))) {
        return Err("The answer is another identity provider's.".to_owned().into());
    }
    let code = parameters.get("code").ok_or_else(|| "The identity provider has sent no code.".to_owned())?;
    let tokens = token_call::exchange(ctx, provider, &redirect_uri(site), code).await?;
    let text = |name: &str| tokens.get(name).and_then(Value::as_str);
    let id_token = match (issuer, has_id_tokens(provider.provider_type)) {
        (Some(issuer), true) => {
            let token = text("id_token").ok_or_else(|| "The identity provider has sent no ID token.".to_owned())?;
            let issuer = Issuer { issuer: issuer.clone(), jwks_uri: provider.details.get("jwks_uri").cloned() };
            Some(id_token::read(ctx, &issuer, detail(provider, "client_id"), nonce, token).await?)
        }
        _ => None,
    };
    let user_info = user_info::ask(ctx, provider, text("access_token").unwrap_or_default(), id_token.as_ref()).await?;

    let mut claims = named_by_form(provider, parameters);
    claims.extend(user_info.clone());
    claims.extend(id_token.clone().unwrap_or_default());
    for name in ["access_token", "id_token"] {
        claims.extend(text(name).map(|token| (name.to_owned(), Value::from(token))));
    }
    let mut attributes = Map::new();
    attributes.insert("tokenResponse".to_owned(), mapped::texts(&tokens));
    attributes.extend(id_token.as_ref().map(|claims| ("idToken".to_owned(), mapped::texts(claims))));
    attributes.insert("userInfo".to_owned(), mapped::texts(&user_info));
    let acr = id_token.as_ref().and_then(|claims| claims.get("acr")).and_then(Value::as_str);
    Ok(Said {
        subject: mapped::subject(provider, &claims).unwrap_or_default(),
        level: Some(level_here(provider, acr)),
        issuer: None,
        attributes: Value::Object(attributes),
        claims,
    })
}

/// The name of a user at Apple, which only comes with the form, and only at the first time.
///
/// Decision: what the form says of anything else is not looked at. It comes by way of the browser and is not signed.
fn named_by_form(provider: &IdentityProvider, parameters: &Parameters) -> Map<String, Value> {
    let form = parameters.get("user").filter(|text| text.len() <= LONGEST_NAME);
    let form = form.filter(|_| provider.provider_type == IdentityProviderTypeType::SignInWithApple);
    let user: Value = form.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let part =
        |name: &str| user.pointer(&format!("/name/{name}")).and_then(Value::as_str).filter(|part| !part.is_empty());
    let parts = [("firstName", part("firstName")), ("lastName", part("lastName"))];
    let whole: Vec<_> = parts.iter().filter_map(|(_, part)| *part).collect();
    let whole = (!whole.is_empty()).then(|| ("name".to_owned(), Value::from(whole.join(" "))));
    let parts = parts.iter().filter_map(|(name, part)| Some(((*name).to_owned(), Value::from((*part)?))));
    parts.chain(whole).collect()
}

/// What the provider itself says has gone wrong. Codes of OAuth2 and OpenID Connect pass; others become the first.
///
/// Decision: not known of the service.
fn relayed(request: &AuthorizationRequest, error: &str, description: Option<&str>) -> Failure {
    const CODES: [&str; 6] = [
        "access_denied",
        "server_error",
        "temporarily_unavailable",
        "login_required",
        "interaction_required",
        "consent_required",
    ];
    let code = CODES.into_iter().find(|code| *code == error).unwrap_or("invalid_request");
    let description = description.unwrap_or(error);
    let description = description.chars().filter(|c| !c.is_control()).take(200).collect();
    Failure::Back(Box::new(crate::hosted::authorize::Back::to(request, code, Some(description))))
}

/// Where an endpoint of the provider is: where its details say, or else, of OpenID Connect, its discovery document.
///
/// # Errors
/// When the discovery document cannot be read, in words.
pub(super) async fn place(
    ctx: &Ctx,
    provider: &IdentityProvider,
    key: &str,
    found: impl Fn(&Endpoints) -> Option<&String>,
) -> Result<Option<String>, String> {
    if let Some(url) = provider.details.get(key) {
        return Ok(Some(url.clone()));
    }
    if provider.provider_type != IdentityProviderTypeType::Oidc {
        return Ok(None);
    }
    let endpoints = ctx.app.issuers.endpoints(detail(provider, "oidc_issuer"), ctx.now).await;
    let endpoints = endpoints.map_err(|unanswered| connection(&unanswered).to_owned())?;
    Ok(found(&endpoints).cloned())
}

/// What applications are told of a provider that cannot be reached (§3.1).
pub(super) const fn connection(unanswered: &Unanswered) -> &'static str {
    match unanswered {
        Unanswered::TimedOut => "Read timed out",
        Unanswered::Failed(_) => "Connection reset",
    }
}

/// What they are told of one that has no such endpoint.
pub(super) fn no_endpoint(provider: &IdentityProvider) -> String {
    format!("{} Error - its discovery document names no such endpoint", provider.name)
}

/// A member of `ProviderDetails`.
pub(super) fn detail<'a>(provider: &'a IdentityProvider, key: &str) -> &'a str {
    provider.details.get(key).map(String::as_str).unwrap_or_default()
}

/// A URL with more in its query.
pub(super) fn with_query(url: &str, query: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{query}")
}

/// Where the provider sends browsers back to.
fn redirect_uri(site: &Site) -> String {
    format!("{}/oauth2/idpresponse", site.base)
}

/// Whether providers of this type sign ID tokens.
pub(crate) const fn has_id_tokens(kind: IdentityProviderTypeType) -> bool {
    matches!(
        kind,
        IdentityProviderTypeType::Oidc | IdentityProviderTypeType::Google | IdentityProviderTypeType::SignInWithApple
    )
}

/// The provider's names of the levels that are wished for (§10.4); those that it has no name for are left out.
fn levels_there(provider: &IdentityProvider, wished: &[Level]) -> String {
    let names = wished.iter().filter_map(|level| provider.acr_mapping.get(level.key()));
    names.map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// The level that the provider vouches for by its own name of it: the lowest one where that says nothing.
fn level_here(provider: &IdentityProvider, acr: Option<&str>) -> Level {
    let is_meant = |level: &Level| provider.acr_mapping.get(level.key()).is_some_and(|name| Some(name.as_str()) == acr);
    Level::ALL.into_iter().find(is_meant).unwrap_or(Level::One)
}
