//! The request of one step, the same for both entrances, and its parameters.

use std::{collections::BTreeMap, sync::Arc};

use domain::{Client, Pool, User, session::Entrance};
use store::Stored;
use wire::{AnalyticsMetadataType, ChallengeNameType, ContextDataType, UserContextDataType};

use super::watch::{Said, Watch};
use crate::{ApiError, Ctx, lookup, records::analytics, secret_hash, triggers::Metadata};

/// One step's request.
pub struct Request {
    /// Which pair of operations it came through.
    pub entrance: Entrance,
    /// The client.
    pub client: Arc<Stored<Client>>,
    /// The client's pool.
    pub pool: Arc<Stored<Pool>>,
    /// `AuthParameters` or `ChallengeResponses`; unknown keys are ignored.
    pub parameters: BTreeMap<String, String>,
    /// `Session`.
    pub session: Option<String>,
    /// The challenge that it answers; none where it begins a sign-in.
    pub challenge: Option<ChallengeNameType>,
    /// `ClientMetadata` of an answer to a challenge: for the pool's functions, never stored.
    pub client_metadata: Option<Metadata>,
    /// `ClientMetadata` of what begins a sign-in, which other functions are told, as `validationData`
    /// (triggers-security.md §4.2).
    pub validation_data: Option<Metadata>,
    /// `AnalyticsEndpointId`: on which endpoint events for analytics count.
    pub endpoint: Option<String>,
    /// What threat protection notes.
    pub(super) watch: Watch,
}

impl Request {
    /// Through InitiateAuth or RespondToAuthChallenge.
    ///
    /// # Errors
    /// `ResourceNotFoundException`.
    pub async fn public(
        ctx: &Ctx,
        client_id: &str,
        parameters: Option<BTreeMap<String, String>>,
        session: Option<String>,
        client_metadata: Option<Metadata>,
        context: Option<UserContextDataType>,
    ) -> Result<Self, ApiError> {
        let (client, pool) = lookup::client_and_pool(ctx, client_id).await?;
        let parameters = parameters.unwrap_or_default();
        let entrance = Entrance::Public;
        Ok(Self {
            entrance,
            client,
            pool,
            parameters,
            session,
            challenge: None,
            client_metadata,
            validation_data: None,
            endpoint: None,
            watch: Watch::new(Said::Public(context)),
        })
    }

    /// Through AdminInitiateAuth or AdminRespondToAuthChallenge.
    ///
    /// # Errors
    /// `ResourceNotFoundException`.
    pub async fn admin(
        ctx: &Ctx,
        pool_id: &str,
        client_id: &str,
        parameters: Option<BTreeMap<String, String>>,
        session: Option<String>,
        client_metadata: Option<Metadata>,
        context: Option<ContextDataType>,
    ) -> Result<Self, ApiError> {
        let (client, pool) = lookup::client_of_pool(ctx, pool_id, client_id).await?;
        let parameters = parameters.unwrap_or_default();
        let entrance = Entrance::Admin;
        Ok(Self {
            entrance,
            client,
            pool,
            parameters,
            session,
            challenge: None,
            client_metadata,
            validation_data: None,
            endpoint: None,
            watch: Watch::new(Said::Admin(context)),
        })
    }

    /// At the login pages, whose client and pool are known.
    #[must_use]
    pub fn hosted(
        client: Arc<Stored<Client>>,
        pool: Arc<Stored<Pool>>,
        parameters: BTreeMap<String, String>,
        session: Option<String>,
        context: Option<UserContextDataType>,
    ) -> Self {
        Self {
            entrance: Entrance::Hosted,
            client,
            pool,
            parameters,
            session,
            challenge: None,
            client_metadata: None,
            validation_data: None,
            endpoint: None,
            watch: Watch::new(Said::Public(context)),
        }
    }

    /// The same as the answer to a challenge.
    #[must_use]
    pub fn answering(self, challenge: ChallengeNameType) -> Self {
        Self { challenge: Some(challenge), ..self }
    }

    /// The same from an endpoint of analytics.
    #[must_use]
    pub fn from_endpoint(self, metadata: Option<AnalyticsMetadataType>) -> Self {
        Self { endpoint: analytics::endpoint(metadata), ..self }
    }

    /// The same as the first step of a sign-in.
    #[must_use]
    pub fn that_begins(self) -> Self {
        Self { client_metadata: None, validation_data: self.client_metadata, ..self }
    }

    /// A parameter; an empty one counts as absent.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter that must be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.parameter(name).ok_or_else(|| missing(name))
    }

    /// The session, where one must be there.
    pub(super) fn required_session(&self) -> Result<&str, ApiError> {
        self.session.as_deref().ok_or_else(|| missing("Session"))
    }

    /// Checks `SECRET_HASH` for the username that it must have been made with. The login pages are the server's own:
    /// there, the application proves itself when it exchanges its code.
    pub(super) fn check_secret_hash(&self, ctx: &Ctx, username: &str) -> Result<(), ApiError> {
        if self.entrance == Entrance::Hosted {
            return Ok(());
        }
        secret_hash::check(ctx, &self.client, username, self.parameter("SECRET_HASH"))
    }

    /// [`Self::names`] for a user who was read: whoever is called by username, as most clients do, need not be looked up.
    pub(super) async fn names_user(&self, ctx: &Ctx, username: &str, user: &User) -> Result<bool, ApiError> {
        Ok(self.pool.fold(username) == self.pool.fold(&user.username) || self.names(ctx, username, &user.sub).await?)
    }

    /// Whether `username`, as a challenge's answer spells it, means the user (or the stand-in) of that `sub`.
    pub(super) async fn names(&self, ctx: &Ctx, username: &str, sub: &str) -> Result<bool, ApiError> {
        let user = lookup::user(ctx, &self.pool, username).await?;
        // A stand-in is known to the client by its own id as well as by the name that was typed.
        Ok(username == sub || lookup::subject(ctx, &self.pool, username, user.as_deref()) == sub)
    }
}

fn missing(name: &str) -> ApiError {
    ApiError::invalid_parameter(format!("Missing required parameter {name}"))
}
