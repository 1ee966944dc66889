//! Providers that speak SAML (oauth-federation.md §17).
//!
//! ```text
//! begin:  provider's sign-in page ← SAMLRequest, RelayState
//! finish: RelayState → provider → form → signature, claims (the crate `saml`) → used once → profile::complete
//! ```
//!
//! A provider with `IDPInit` may also begin (§17.5): its `RelayState` is what an application would have asked for.
//!
//! Not built: signed requests, which are refused here; encrypted answers, which are refused when the provider is made; single
//! logout.

use std::sync::Arc;

use ::saml::{Assertion, Error, Expected, request::SignInRequest};
use domain::{AuthorizationRequest, Client, IdentityProvider, Pool, time};
use serde_json::{Map, Value};
use store::{Changes, CommitError, Stored, Taken};
use wire::IdentityProviderTypeType;

use super::{
    Arrival, Departure, Failure, Protocol, Said, State, mapped, oidc::with_query, parties, profile, provider_of,
    state::with_nonce,
};
use crate::{
    ApiError, Ctx,
    hosted::{
        Parameters, Site,
        authorize::{self, Asked, Back, Refusal},
        query,
    },
    quotas,
    saml_provider::{self, answer_address, entity_id},
};

/// How old an answer may be that nobody has asked for, in milliseconds.
const LONGEST_AGE: i64 = 6 * time::MINUTE;

/// Sends the browser to the provider.
///
/// # Errors
/// [`Failure::Back`] when nobody knows where the provider is, and for one that wants signed requests.
pub(super) async fn begin(
    ctx: &Ctx,
    site: &Site,
    asked: &Asked,
    provider: &IdentityProvider,
) -> Result<Departure, Failure> {
    let request = &asked.request;
    if provider.details.contains_key("RequestSigningAlgorithm") {
        let words = "Signed requests to SAML providers are not supported by this Poolkeeper version yet.";
        return Err(Failure::refused(request, words));
    }
    let metadata = saml_provider::metadata(ctx, provider).await;
    let metadata = metadata.map_err(|error| Failure::refused(request, no_metadata(provider, &error)))?;
    let state = State::new(ctx, &provider.name, request, format!("_{}", ctx.uuid()));
    let sealed = state.seal(ctx, &site.pool, Protocol::Saml)?;
    let parameter = SignInRequest {
        id: &state.nonce,
        now: ctx.now,
        issuer: &entity_id(&site.pool.id),
        answer_to: &answer_address(&site.base),
        destination: &metadata.sign_in,
    }
    .parameter()
    .ok_or_else(|| Failure::refused(request, "The address of the identity provider is too long."))?;
    let pairs = [("SAMLRequest", parameter.as_str()), ("RelayState", sealed.as_str())];
    Ok(Departure { location: with_query(&metadata.sign_in, &query(pairs)), browser: state.browser })
}

/// What an answer is about.
struct Expectation {
    client: Arc<Stored<Client>>,
    provider: IdentityProvider,
    request: AuthorizationRequest,
    /// The id of our request; none where the provider has begun.
    id: Option<String>,
}

impl Expectation {
    /// What a browser brings back that has left with this `RelayState`.
    async fn of_ours(ctx: &Ctx, pool: &Pool, relay_state: &str, cookie: Option<&str>) -> Result<Self, Failure> {
        let State { provider, request, nonce, .. } =
            State::take(ctx, pool, Protocol::Saml, relay_state, cookie).await?;
        let (client, provider) = parties(ctx, pool, &request, &provider).await?;
        Ok(Self { client, provider, request, id: Some(nonce) })
    }

    /// What a provider asks for that has begun by itself. What it may ask for is what an application may.
    async fn of_theirs(ctx: &Ctx, site: &Site, relay_state: &str) -> Result<Self, Failure> {
        let invalid = || Failure::Page("Invalid relayState from identity provider".to_owned());
        let parameters = Parameters::read(relay_state.as_bytes()).map_err(|_repeated| invalid())?;
        let asked = authorize::check(ctx, &site.pool, site.domain.is_managed(), &parameters).await?;
        let Asked { client, request, provider, .. } = asked;
        let provider = provider_of(ctx, &site.pool, &client, provider.as_deref().unwrap_or_default()).await?;
        let may_begin = |provider: &IdentityProvider| {
            provider.provider_type == IdentityProviderTypeType::Saml
                && provider.details.get("IDPInit").is_some_and(|value| value == "true")
        };
        let provider = provider.filter(may_begin).ok_or_else(invalid)?;
        quotas::check_federation(ctx)?;
        Ok(Self { client, provider, request: with_nonce(ctx, request), id: None })
    }
}

/// What comes of a browser that is back from such a provider, or comes from one that has begun. `cookie` is its
/// `csrf-state`.
///
/// # Errors
/// [`Failure::Page`] when nobody here has sent it there; [`Failure::Back`] for everything that goes wrong afterwards.
pub async fn finish(ctx: &Ctx, site: &Site, parameters: &Parameters, cookie: Option<&str>) -> Result<Arrival, Failure> {
    let pool = &site.pool;
    let text = parameters.get("RelayState").unwrap_or_default();
    // Ours has no such character.
    let expectation = if text.contains('=') {
        Expectation::of_theirs(ctx, site, text).await?
    } else {
        Expectation::of_ours(ctx, pool, text, cookie).await?
    };
    let Expectation { client, provider, request, id } = expectation;
    let metadata = saml_provider::metadata(ctx, &provider).await;
    let metadata = metadata.map_err(|error| Failure::refused(&request, no_metadata(&provider, &error)))?;

    let message = ::saml::decoded(parameters.get("SAMLResponse").unwrap_or_default())
        .and_then(|text| ::saml::read(&text, &metadata.certificates, ctx.now))
        .map_err(|error| invalid(&request, error))?;
    let address = answer_address(&site.base);
    // Decision: an address that the response names must be right; it need not name one.
    let is_ours = message.response.is_some_and(|response| {
        response.in_response_to == id && response.destination.is_none_or(|destination| destination == address)
    });
    if !is_ours {
        return Err(invalid(&request, Error::Confirmation));
    }
    let assertion = message.assertion;
    let expected = Expected {
        issuer: &metadata.entity_id,
        audience: &entity_id(&pool.id),
        recipients: &[address],
        in_response_to: id.as_deref(),
        now: ctx.now,
    };
    let until = assertion.check(&expected).map_err(|error| invalid(&request, error))?;
    if id.is_none() && ctx.now.since(assertion.issued_at) > LONGEST_AGE {
        return Err(invalid(&request, Error::Expired));
    }
    check_characters(&request, &provider, &assertion)?;
    let mut changes = Changes::new();
    changes.insert(saml_provider::spent(&provider, &assertion, until));
    match ctx.app.commit(changes).await {
        Err(CommitError::Taken(Taken::Spent { .. })) => return Err(not_taken(&request, "it was used before")),
        outcome => outcome.map_err(ApiError::from)?,
    }
    let said = said(assertion);
    let authentication = profile::complete(ctx, pool, &client, &provider, &request, said).await?;
    Ok(Arrival { client, request, authentication })
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Page { error, .. } => Self::Page(error.to_owned()),
            Refusal::Back(back) => Self::Back(Box::new(back)),
            Refusal::Failed(error) => Self::Failed(error),
        }
    }
}

/// The assertion as any provider's word.
///
/// Decision: an attribute without a value is a blank one.
fn said(assertion: Assertion) -> Said {
    let value = |mut values: Vec<String>| match (values.len(), values.pop()) {
        (0, _) => Value::from(""),
        (1, only) => Value::from(only),
        (_, last) => values.into_iter().chain(last).collect(),
    };
    let claims: Map<_, _> = assertion.attributes.into_iter().map(|(name, values)| (name, value(values))).collect();
    let attributes = Map::from_iter([("samlResponse".to_owned(), mapped::texts(&claims))]);
    Said {
        subject: assertion.name_id.value,
        claims,
        attributes: Value::Object(attributes),
        level: None,
        issuer: Some(assertion.issuer),
    }
}

/// The service takes no characters of four bytes from SAML providers (§15.2).
///
/// Decision: of values that are mapped; its words are not recorded.
fn check_characters(
    request: &AuthorizationRequest,
    provider: &IdentityProvider,
    assertion: &Assertion,
) -> Result<(), Failure> {
    let values = |source: &String| assertion.attributes.get(source).into_iter().flatten();
    let has_long = |source: &String| values(source).any(|value| value.chars().any(|c| c.len_utf8() > 3));
    match provider.attribute_mapping.iter().find(|(_, source)| has_long(source)) {
        Some((name, _)) => {
            let words = format!("Invalid user attributes: {name}: Attribute has characters that cannot be stored.\n ");
            Err(Failure::refused(request, words))
        }
        None => Ok(()),
    }
}

/// What applications are told of an answer that is not taken (§3.1).
fn invalid(request: &AuthorizationRequest, error: Error) -> Failure {
    match error {
        Error::ResponseSignature => not_taken(request, "SAML Response signature is invalid"),
        Error::AssertionSignature | Error::Unsigned => not_taken(request, "SAML Assertion signature is invalid"),
        // Decision: of the rest the service's words are not recorded.
        other => not_taken(request, &other.to_string()),
    }
}

fn not_taken(request: &AuthorizationRequest, reason: &str) -> Failure {
    tracing::info!(client = request.client_id, reason, "the answer of a SAML provider was not taken");
    let description = format!("Invalid SAML response received: {reason}. ");
    Failure::Back(Box::new(Back::to(request, "server_error", Some(description))))
}

/// Decision: the service's words are known only where a provider is made.
fn no_metadata(provider: &IdentityProvider, error: &str) -> String {
    tracing::warn!(provider = provider.name, error, "the metadata of a SAML provider could not be read");
    format!("Error retrieving metadata of {}", provider.name)
}
