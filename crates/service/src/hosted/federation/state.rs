//! What goes along while a browser is at another provider (oauth-federation.md §16, §17.2): sealed in `state` or
//! `RelayState`, good for five minutes, once, and in the browser that has left.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use crypto::{hash::constant_time_eq, seal::Purpose};
use domain::{AuthorizationRequest, Pool, Spent, time};
use serde::{Deserialize, Serialize};
use store::{Changes, CommitError, Taken};
use wire::Timestamp;

use super::{ATTEMPT_SECONDS, Failure};
use crate::{ApiError, Ctx};

/// How a provider is spoken to. What was sealed for the one does not pass at the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OpenID Connect and OAuth2: `state`.
    Oidc,
    /// SAML: `RelayState`.
    Saml,
}

/// What goes along.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// The provider's name.
    pub provider: String,
    /// What the application has asked for.
    pub request: AuthorizationRequest,
    /// What the browser's `csrf-state` cookie must hold: random, 43 characters.
    pub browser: String,
    /// The nonce that the provider's ID token must repeat, or the id of the SAML request. Random, so that it also tells
    /// one state from another.
    pub nonce: String,
    /// From this moment on it is refused: five minutes after the browser left.
    pub expires_at: Timestamp,
}

impl State {
    /// That of a browser which leaves for a provider now.
    #[must_use]
    pub fn new(ctx: &Ctx, provider: &str, request: &AuthorizationRequest, nonce: String) -> Self {
        Self {
            provider: provider.to_owned(),
            request: with_nonce(ctx, request.clone()),
            browser: random(ctx),
            nonce,
            expires_at: ctx.now.plus(ATTEMPT_SECONDS * time::SECOND),
        }
    }

    /// As it stands in a URL or a form.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn seal(&self, ctx: &Ctx, pool: &Pool, protocol: Protocol) -> Result<String, ApiError> {
        let payload = serde_json::to_vec(self)?;
        let identity = identity(pool, protocol);
        let sealed = ctx.app.ring.seal_bytes(ctx.entropy(), Purpose::ProviderState, &identity, &payload);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What has come back, which is used up by this. `cookie` is the browser's `csrf-state`.
    ///
    /// # Errors
    /// [`Failure::Page`] when it is of no use: forged, of another pool, browser or protocol, too old, or used before.
    pub async fn take(
        ctx: &Ctx,
        pool: &Pool,
        protocol: Protocol,
        text: &str,
        cookie: Option<&str>,
    ) -> Result<Self, Failure> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid(protocol))?;
        let opened = ctx.app.ring.open_bytes(Purpose::ProviderState, &identity(pool, protocol), &bytes);
        let opened = opened.map_err(|_| invalid(protocol))?;
        let state: Self = serde_json::from_slice(&opened).map_err(|_| invalid(protocol))?;
        // Somebody else's way to a provider must not end in this browser.
        if !cookie.is_some_and(|cookie| constant_time_eq(cookie.as_bytes(), state.browser.as_bytes())) {
            return Err(invalid(protocol));
        }
        if ctx.now >= state.expires_at {
            // Decision: the service shows these words above its login page. Here they stand on the error page, since
            // what the login page was shown with is not known any more in full.
            return Err(Failure::Page("Something went wrong".to_owned()));
        }
        let mut changes = Changes::new();
        changes.insert(Spent { id: format!("provider-state/{}", state.nonce), expires_at: state.expires_at });
        match ctx.app.commit(changes).await {
            Err(CommitError::Taken(Taken::Spent { .. })) => Err(invalid(protocol)),
            Err(error) => Err(ApiError::from(error).into()),
            Ok(()) => Ok(state),
        }
    }
}

/// What the application has asked for, with a nonce: after a sign-in at another provider its ID token has one even where it
/// has sent none (§3).
pub(super) fn with_nonce(ctx: &Ctx, mut request: AuthorizationRequest) -> AuthorizationRequest {
    request.nonce.get_or_insert_with(|| random(ctx));
    request
}

/// 32 random bytes as 43 characters of base64url.
pub(super) fn random(ctx: &Ctx) -> String {
    URL_SAFE_NO_PAD.encode(crypto::random::bytes::<32>(ctx.entropy()))
}

fn identity(pool: &Pool, protocol: Protocol) -> String {
    match protocol {
        Protocol::Oidc => format!("{}/oidc", pool.id),
        Protocol::Saml => format!("{}/saml", pool.id),
    }
}

/// Decision: the service's words are known of `RelayState` alone; those of `state` follow them.
fn invalid(protocol: Protocol) -> Failure {
    let name = match protocol {
        Protocol::Oidc => "state",
        Protocol::Saml => "relayState",
    };
    Failure::Page(format!("Invalid {name} from identity provider"))
}
