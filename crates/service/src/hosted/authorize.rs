//! `/oauth2/authorize`: whether what an application asks for is in order (oauth-federation.md §3, §3.1).
//!
//! Order: lengths, client, where the answer goes, kind of answer, what the client is allowed, challenge, scopes, provider,
//! how the user is to be asked. Until it is known where the answer goes, refusals end at the error page; nothing is ever
//! sent to an address that the client has not registered.

use std::sync::Arc;

use domain::{
    AuthorizationRequest, Client, IdentityProviderIdentifier, Level, Pool, ResponseType,
    oauth::{EMAIL, OPENID, PHONE, PROFILE},
};
use serde_json::Value;
use store::Stored;
use wire::{OAuthFlowType, Operation};

use super::Parameters;
use crate::{
    ApiError, Ctx,
    operations::{
        clients::{oauth::redirect, settings::distinct},
        identity_providers::COGNITO,
    },
    quotas, scopes,
    tiers::{self, Feature},
};

/// Longest value of a parameter, in bytes.
///
/// Decision: the service's limits are not recorded. Values travel in the addresses of pages, which browsers and proxies
/// take up to about eight thousand characters.
const LONGEST: usize = 4_096;
/// Longest parameters together, in bytes: pages repeat them in each of their forms and links.
const LONGEST_TOGETHER: usize = 16_384;
/// Characters of a challenge: SHA-256 in base64url.
const CHALLENGE_LENGTH: usize = 43;

/// What an application asks for, and how the user is to be asked.
pub struct Asked {
    /// The client.
    pub client: Arc<Stored<Client>>,
    /// What it asks for.
    pub request: AuthorizationRequest,
    /// The identity provider that the request names, one of the client's: `COGNITO` for the login page, or another one,
    /// which is asked at once; none where it is all the same.
    pub provider: Option<String>,
    /// What `login_hint` says.
    pub login_hint: Option<String>,
    /// The values of `prompt`; empty on classic domains, which ignore it.
    pub prompt: Vec<String>,
    /// How old the authentication may be, in seconds.
    pub max_age: Option<i64>,
    /// The levels of assurance that are wished for, in the application's order; empty where it has no wish that the pool
    /// knows.
    pub acr_values: Vec<Level>,
}

impl Asked {
    /// The other provider that is asked at once, where the request names one.
    #[must_use]
    pub fn external(&self) -> Option<&str> {
        self.provider.as_deref().filter(|name| *name != COGNITO)
    }

    /// Whether `prompt` has this value.
    #[must_use]
    pub fn prompts(&self, value: &str) -> bool {
        self.prompt.iter().any(|prompt| prompt == value)
    }
}

/// Why an application gets nothing.
#[derive(Debug)]
pub enum Refusal {
    /// It cannot be told, because nobody knows where it is: the error page says so.
    Page {
        /// What the page says.
        error: &'static str,
        /// The client, where one was named that exists.
        client_id: Option<String>,
    },
    /// It is told.
    Back(Back),
    /// The server could not find out.
    Failed(ApiError),
}

/// An error that goes back to the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Back {
    /// Where to.
    pub redirect_uri: String,
    /// How: in the fragment for [`ResponseType::Token`].
    pub response_type: ResponseType,
    /// What goes back unchanged.
    pub state: Option<String>,
    /// The code of the error.
    pub error: &'static str,
    /// What it is about, in words.
    pub description: Option<String>,
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Back {
    /// The same error for the application that has asked.
    #[must_use]
    pub fn to(request: &AuthorizationRequest, error: &'static str, description: Option<String>) -> Self {
        Self {
            redirect_uri: request.redirect_uri.clone(),
            response_type: request.response_type,
            state: request.state.clone(),
            error,
            description,
        }
    }

    /// The URL that tells the application: `error_description`, `state`, `error`, in that order.
    #[must_use]
    pub fn location(&self) -> String {
        let pairs = [
            ("error_description", self.description.as_deref()),
            ("state", self.state.as_deref()),
            ("error", Some(self.error)),
        ];
        let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
        super::grant::location(&self.redirect_uri, self.response_type, pairs)
    }
}

/// Counts an authorization request that goes on with a browser's session among the sign-ins of its address. The login page
/// and sign-ins at other providers count their own.
///
/// # Errors
/// `TooManyRequestsException`.
pub fn count(ctx: &Ctx) -> Result<(), ApiError> {
    quotas::check(ctx, Operation::InitiateAuth, &Value::Null)
}

/// Checks what an application asks for. `is_managed` is whether the domain shows managed login pages.
///
/// Decision: values that the chapter calls malformed without saying which those are, are a challenge that no SHA-256 is,
/// an age that is no number, a `prompt` that is unknown or joins `none` to others (OpenID Connect Core §3.1.2.1), and a
/// resource that clients could not have as a callback URL.
///
/// # Errors
/// Those of §3.1.
pub async fn check(ctx: &Ctx, pool: &Pool, is_managed: bool, parameters: &Parameters) -> Result<Asked, Refusal> {
    let together: usize = parameters.iter().map(|(name, value)| name.len() + value.len()).sum();
    if together > LONGEST_TOGETHER || parameters.iter().any(|(name, value)| name.len().max(value.len()) > LONGEST) {
        return Err(page("invalid_request"));
    }
    let client_id = parameters.get("client_id").ok_or_else(|| page("Required parameters missing"))?;
    let client = ctx.app.client(client_id).await?.filter(|client| client.pool_id == pool.id);
    let client = client.ok_or_else(|| page("Client does not exist"))?;
    quotas::of_client_at_domain(ctx, &client.id)?;
    let redirect_uri = redirect_uri(&client, parameters.get("redirect_uri"))?;
    let given_type = match parameters.get("response_type") {
        Some("code") => Some(ResponseType::Code),
        Some("token") => Some(ResponseType::Token),
        Some(_) => return Err(page("invalid_request")),
        None => None,
    };
    let response_type = given_type.unwrap_or(ResponseType::Code);
    let mut request = AuthorizationRequest {
        client_id: client.id.clone(),
        response_type,
        redirect_uri,
        state: parameters.get("state").map(str::to_owned),
        scopes: Vec::new(),
        nonce: parameters.get("nonce").map(str::to_owned),
        code_challenge: None,
        resource: None,
    };
    let back = |(error, description): Fault| Refusal::Back(Back::to(&request, error, description.map(str::to_owned)));
    // From here on the application is told, also of what could not be found out.
    let failed = |error: ApiError| {
        tracing::error!(id = ctx.request_id, cause = error.cause.as_deref(), "an authorization request failed");
        back(("server_error", None))
    };
    given_type.ok_or_else(|| back(MALFORMED))?;
    check_client(&client, response_type).map_err(back)?;
    let code_challenge = code_challenge(parameters).map_err(back)?;
    let wanted = wanted_scopes(&client, parameters.get("scope")).map_err(back)?;
    let scopes = scopes::existing(ctx, pool, &wanted).await.map_err(failed)?;
    if scopes.is_empty() {
        return Err(back(INVALID_SCOPE));
    }
    let provider = match parameters.get("identity_provider") {
        Some(name) => Some(name.to_owned()),
        None => provider_identified(ctx, pool, parameters.get("idp_identifier")).await.map_err(failed)?,
    };
    if provider.as_ref().is_some_and(|name| !client.supported_identity_providers.contains(name)) {
        return Err(back(NO_SUCH_PROVIDER));
    }
    let prompt = prompt(parameters.get("prompt").filter(|_| is_managed)).map_err(back)?;
    let max_age = max_age(parameters.get("max_age")).map_err(back)?;
    // Classic pages know neither of the two.
    let resource = parameters.get("resource").filter(|_| is_managed);
    if resource.is_some_and(|resource| redirect(resource).is_err()) {
        return Err(back(MALFORMED));
    }
    let levels = parameters.get("acr_values").filter(|_| tiers::includes(ctx, pool.tier, Feature::StepUp));
    let acr_values = levels.unwrap_or_default().split_whitespace().filter_map(|name| pool.level_called(name)).collect();
    request.scopes = scopes;
    request.code_challenge = code_challenge;
    request.resource = resource.map(str::to_owned);
    let login_hint = parameters.get("login_hint").map(str::to_owned);
    Ok(Asked { client, request, provider, login_hint, prompt, max_age, acr_values })
}

/// The code of an error that goes back, and what it is about.
type Fault = (&'static str, Option<&'static str>);

const MALFORMED: Fault = ("invalid_request", None);
const INVALID_SCOPE: Fault = ("invalid_scope", None);
const UNAUTHORIZED: Fault = ("unauthorized_client", None);
/// Decision: the chapter does not say what comes of a provider that the client does not have.
const NO_SUCH_PROVIDER: Fault = ("invalid_request", Some("Login option is not available. Please try another one"));

const fn page(error: &'static str) -> Refusal {
    Refusal::Page { error, client_id: None }
}

/// Where the answer goes: one of the client's callback URLs, character by character. Where none is named and the client
/// has a single provider, it is the only one, or the default.
fn redirect_uri(client: &Client, given: Option<&str>) -> Result<String, Refusal> {
    let callbacks = &client.oauth.callback_urls;
    match (given, callbacks.as_slice()) {
        (Some(given), _) if callbacks.iter().any(|callback| callback == given) => Ok(given.to_owned()),
        (Some(_), _) => Err(Refusal::Page { error: "redirect_mismatch", client_id: Some(client.id.clone()) }),
        (None, _) if client.supported_identity_providers.len() != 1 => Err(page("Required parameters missing")),
        (None, [only]) => Ok(only.clone()),
        (None, _) => client.oauth.default_redirect_uri.clone().ok_or_else(|| page("Required parameters missing")),
    }
}

/// Whether the client may have its users signed in, and gets this kind of answer.
fn check_client(client: &Client, response_type: ResponseType) -> Result<(), Fault> {
    if !client.oauth.enabled {
        return Err(("invalid_request", Some("Client is not enabled for OAuth2.0 flows")));
    }
    let flow = match response_type {
        ResponseType::Code => OAuthFlowType::Code,
        ResponseType::Token => OAuthFlowType::Implicit,
    };
    // Decision: a client without any provider, by which nobody could sign in, is told the same.
    if client.oauth.flows.contains(&flow) && !client.supported_identity_providers.is_empty() {
        return Ok(());
    }
    Err(UNAUTHORIZED)
}

/// The challenge of RFC 7636, which must come with the one method that is known.
fn code_challenge(parameters: &Parameters) -> Result<Option<String>, Fault> {
    let is_hash = |text: &str| {
        text.len() == CHALLENGE_LENGTH
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    match (parameters.get("code_challenge"), parameters.get("code_challenge_method")) {
        (None, None) => Ok(None),
        (Some(challenge), Some("S256")) if is_hash(challenge) => Ok(Some(challenge.to_owned())),
        _ => Err(MALFORMED),
    }
}

/// What is asked for, each once; all that the client has where nothing is.
///
/// Decision: the chapter does not say which error scopes of attributes without `openid` are. They are the same where the
/// client has them without `openid` and the request names none.
fn wanted_scopes(client: &Client, given: Option<&str>) -> Result<Vec<String>, Fault> {
    let wanted: Vec<_> = match given {
        Some(given) => given.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
        None => client.oauth.scopes.clone(),
    };
    let has = |scope: &str| wanted.iter().any(|wanted| wanted == scope);
    let is_known = wanted.iter().all(|scope| client.oauth.scopes.contains(scope));
    let needs_openid = [EMAIL, PHONE, PROFILE].into_iter().any(has);
    if !is_known || (needs_openid && !has(OPENID)) {
        return Err(INVALID_SCOPE);
    }
    Ok(distinct(&wanted))
}

/// The provider that has an identifier. One that no provider has is handed on as a name that no client has either.
async fn provider_identified(ctx: &Ctx, pool: &Pool, identifier: Option<&str>) -> Result<Option<String>, ApiError> {
    let Some(identifier) = identifier else { return Ok(None) };
    let found = ctx.app.store.part::<IdentityProviderIdentifier>(&pool.id, identifier).await?;
    Ok(Some(found.map_or_else(String::new, |found| found.value.provider_name)))
}

fn prompt(given: Option<&str>) -> Result<Vec<String>, Fault> {
    let values: Vec<_> = given.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let is_known = |value: &String| matches!(value.as_str(), "none" | "login" | "select_account" | "consent");
    let is_alone = values.len() < 2 || !values.iter().any(|value| value == "none");
    if values.iter().all(is_known) && is_alone { Ok(values) } else { Err(MALFORMED) }
}

fn max_age(given: Option<&str>) -> Result<Option<i64>, Fault> {
    let Some(given) = given else { return Ok(None) };
    given.parse().ok().filter(|seconds| *seconds >= 0).map(Some).ok_or(MALFORMED)
}
