//! Sign-ins at other identity providers (oauth-federation.md §16 to §18): where the browser is sent, what the provider
//! says of its user, and which user of the pool that is.
//!
//! - [`oidc`]: providers that speak OpenID Connect, or OAuth2 in their own ways;
//! - [`saml`]: providers that speak SAML;
//! - [`state`](State): what goes along while the browser is there;
//! - [`profile`]: who it is here, with the triggers and the attribute mapping; both of the above end there.

mod id_token;
pub(crate) mod mapped;
pub mod oidc;
pub mod profile;
pub mod saml;
mod state;
mod token_call;
mod user_info;

use std::sync::Arc;

use domain::{AuthorizationRequest, Client, IdentityProvider, Pool, oauth::Authentication};
use store::Stored;
use wire::{ErrorKind, IdentityProviderTypeType};

pub use self::state::{Protocol, State};
use super::{
    Site,
    authorize::{Asked, Back},
};
use crate::{ApiError, Ctx, quotas};

/// How long a browser may stay at a provider, in seconds.
pub const ATTEMPT_SECONDS: i64 = 300;

/// A browser that is to go to a provider.
#[derive(Debug)]
pub struct Departure {
    /// Where it goes.
    pub location: String,
    /// The value of its `csrf-state` cookie.
    pub browser: String,
}

/// A browser that is back.
#[derive(Debug)]
pub struct Arrival {
    /// The application's client.
    pub client: Arc<Stored<Client>>,
    /// What the application had asked for.
    pub request: AuthorizationRequest,
    /// Who has signed in, and how.
    pub authentication: Authentication,
}

/// What the provider says of its user, in the form that [`profile::complete`] takes.
#[derive(Debug)]
pub struct Said {
    /// The provider's own id of the user: `sub`, `id`, `user_id` or NameID.
    pub subject: String,
    /// What it says of the user, by its own names: strings, numbers, booleans, or lists of these.
    pub claims: serde_json::Map<String, serde_json::Value>,
    /// What the InboundFederation function is told (`request.attributes`).
    pub attributes: serde_json::Value,
    /// The level that it has vouched for, through `AcrMapping`.
    pub level: Option<domain::Level>,
    /// `issuer` among the user's identities: the entity id of a SAML provider.
    pub issuer: Option<String>,
}

/// Why a browser that is back gets nothing.
#[derive(Debug)]
pub enum Failure {
    /// Nobody knows what it is about: the error page says this.
    Page(String),
    /// The application is told.
    Back(Box<Back>),
    /// The server failed.
    Failed(ApiError),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Failure {
    /// The application is told that it cannot be done, in these words (§3.1).
    pub(super) fn refused(request: &AuthorizationRequest, description: impl Into<String>) -> Self {
        Self::Back(Box::new(Back::to(request, "invalid_request", Some(description.into()))))
    }

    /// The application is told of an error in its own words, unless they say that the server has failed, which the log
    /// tells (§3.1).
    pub(super) fn told(request: &AuthorizationRequest, error: &ApiError) -> Self {
        let back = match error.kind {
            kind if kind.is_server_fault() => {
                tracing::error!(cause = ?error.cause, "a sign-in at another provider could not be completed");
                Back::to(request, "server_error", None)
            }
            // Somebody is already called so: a second try may find why.
            ErrorKind::UsernameExists => Back::to(request, "server_error", Some(error.message.clone())),
            _ => Back::to(request, "invalid_request", Some(error.message.clone())),
        };
        Self::Back(Box::new(back))
    }
}

/// Sends the browser to a provider of the client, which `asked.provider` names.
///
/// # Errors
/// When the provider is not there or cannot be reached; `TooManyRequestsException`.
pub async fn begin(ctx: &Ctx, site: &Site, asked: &Asked) -> Result<Departure, Failure> {
    quotas::check_federation(ctx)?;
    let name = asked.provider.as_deref().unwrap_or_default();
    let Some(provider) = provider_of(ctx, &site.pool, &asked.client, name).await? else {
        return Err(gone(&asked.request, name));
    };
    match provider.provider_type {
        IdentityProviderTypeType::Saml => saml::begin(ctx, site, asked, &provider).await,
        _ => oidc::begin(ctx, site, asked, &provider).await,
    }
}

/// The client and the provider of a browser that is back: both may have changed while it was away.
///
/// # Errors
/// [`Failure::Page`] when the client is gone, [`Failure::Back`] when it does not have the provider any more.
async fn parties(
    ctx: &Ctx,
    pool: &Pool,
    request: &AuthorizationRequest,
    provider: &str,
) -> Result<(Arc<Stored<Client>>, IdentityProvider), Failure> {
    let client = ctx.app.client(&request.client_id).await?.filter(|client| client.pool_id == pool.id);
    let client = client.ok_or_else(|| Failure::Page("Client does not exist".to_owned()))?;
    let found = provider_of(ctx, pool, &client, provider).await?;
    found.map(|found| (client, found)).ok_or_else(|| gone(request, provider))
}

/// Decision: the service's words for a provider that a client does not have (any more) are not recorded.
fn gone(request: &AuthorizationRequest, name: &str) -> Failure {
    Failure::refused(request, format!("Identity provider {name} does not exist."))
}

/// A provider that a client has, by its name.
///
/// # Errors
/// When the store cannot be read.
pub async fn provider_of(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    name: &str,
) -> Result<Option<IdentityProvider>, ApiError> {
    if !client.supported_identity_providers.iter().any(|supported| supported == name) {
        return Ok(None);
    }
    Ok(ctx.app.store.part::<IdentityProvider>(&pool.id, name).await?.map(|stored| stored.value))
}
