//! The settings of a client that can change: what CreateUserPoolClient and UpdateUserPoolClient share (accounts.md
//! §14.1, §14.2, §11.4). Whatever a request leaves out takes its default, in an update too.
//!
//! Order: the service's own rules, then the settings are put into the client.

use domain::{Client, Pool, schema};
use wire::{
    AnalyticsConfigurationType, CreateUserPoolClientRequest, ExplicitAuthFlowsType, FeatureType, OAuthFlowType,
    PreventUserExistenceErrorTypes, RefreshTokenRotationType, TokenValidityUnitsType, UpdateUserPoolClientRequest,
};

use super::{lifetimes, oauth};
use crate::{
    ApiError, Ctx,
    tiers::{self, Feature},
};

/// Minutes for one sign-in step when nothing else is said.
const AUTH_SESSION_MINUTES: i64 = 3;

/// Every setting that both requests can carry.
pub struct Settings {
    pub refresh_token_validity: Option<i64>,
    pub access_token_validity: Option<i64>,
    pub id_token_validity: Option<i64>,
    pub token_validity_units: Option<TokenValidityUnitsType>,
    pub read_attributes: Option<Vec<String>>,
    pub write_attributes: Option<Vec<String>>,
    pub explicit_auth_flows: Option<Vec<ExplicitAuthFlowsType>>,
    pub supported_identity_providers: Option<Vec<String>>,
    pub callback_urls: Option<Vec<String>>,
    pub logout_urls: Option<Vec<String>>,
    pub default_redirect_uri: Option<String>,
    pub allowed_o_auth_flows: Option<Vec<OAuthFlowType>>,
    pub allowed_o_auth_scopes: Option<Vec<String>>,
    pub allowed_o_auth_flows_user_pool_client: Option<bool>,
    pub analytics_configuration: Option<AnalyticsConfigurationType>,
    pub prevent_user_existence_errors: Option<PreventUserExistenceErrorTypes>,
    pub enable_token_revocation: Option<bool>,
    pub enable_propagate_additional_user_context_data: Option<bool>,
    pub auth_session_validity: Option<i64>,
    pub refresh_token_rotation: Option<RefreshTokenRotationType>,
}

impl From<CreateUserPoolClientRequest> for Settings {
    /// Leaves out the name and what makes the secret.
    fn from(request: CreateUserPoolClientRequest) -> Self {
        Self {
            refresh_token_validity: request.refresh_token_validity,
            access_token_validity: request.access_token_validity,
            id_token_validity: request.id_token_validity,
            token_validity_units: request.token_validity_units,
            read_attributes: request.read_attributes,
            write_attributes: request.write_attributes,
            explicit_auth_flows: request.explicit_auth_flows,
            supported_identity_providers: request.supported_identity_providers,
            callback_urls: request.callback_urls,
            logout_urls: request.logout_urls,
            default_redirect_uri: request.default_redirect_uri,
            allowed_o_auth_flows: request.allowed_o_auth_flows,
            allowed_o_auth_scopes: request.allowed_o_auth_scopes,
            allowed_o_auth_flows_user_pool_client: request.allowed_o_auth_flows_user_pool_client,
            analytics_configuration: request.analytics_configuration,
            prevent_user_existence_errors: request.prevent_user_existence_errors,
            enable_token_revocation: request.enable_token_revocation,
            enable_propagate_additional_user_context_data: request.enable_propagate_additional_user_context_data,
            auth_session_validity: request.auth_session_validity,
            refresh_token_rotation: request.refresh_token_rotation,
        }
    }
}

impl From<UpdateUserPoolClientRequest> for Settings {
    /// Leaves out the ids and the name.
    fn from(request: UpdateUserPoolClientRequest) -> Self {
        Self {
            refresh_token_validity: request.refresh_token_validity,
            access_token_validity: request.access_token_validity,
            id_token_validity: request.id_token_validity,
            token_validity_units: request.token_validity_units,
            read_attributes: request.read_attributes,
            write_attributes: request.write_attributes,
            explicit_auth_flows: request.explicit_auth_flows,
            supported_identity_providers: request.supported_identity_providers,
            callback_urls: request.callback_urls,
            logout_urls: request.logout_urls,
            default_redirect_uri: request.default_redirect_uri,
            allowed_o_auth_flows: request.allowed_o_auth_flows,
            allowed_o_auth_scopes: request.allowed_o_auth_scopes,
            allowed_o_auth_flows_user_pool_client: request.allowed_o_auth_flows_user_pool_client,
            analytics_configuration: request.analytics_configuration,
            prevent_user_existence_errors: request.prevent_user_existence_errors,
            enable_token_revocation: request.enable_token_revocation,
            enable_propagate_additional_user_context_data: request.enable_propagate_additional_user_context_data,
            auth_session_validity: request.auth_session_validity,
            refresh_token_rotation: request.refresh_token_rotation,
        }
    }
}

/// Whether a client is made or changed: the words differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// CreateUserPoolClient.
    Creating,
    /// UpdateUserPoolClient.
    Updating,
}

/// Puts `settings` into `client`, whose id, name and secrets stand already.
///
/// # Errors
/// The service's error for the first rule that is broken.
pub fn apply(
    ctx: &Ctx,
    client: &mut Client,
    pool: &Pool,
    settings: &Settings,
    known: &oauth::Known,
    deed: Deed,
) -> Result<(), ApiError> {
    let flows = flows(ctx, client, pool, settings)?;
    check_attributes(pool, settings, deed)?;
    let lifetimes = lifetimes::of(settings)?;
    let rotation = rotation(settings, &flows)?;
    let oauth = oauth::settings(client, pool, settings, known)?;
    check_user_context(client, settings)?;
    let analytics = analytics(ctx, client, settings)?;

    client.refresh_token_validity = lifetimes.refresh;
    client.access_token_validity = settings.access_token_validity;
    client.id_token_validity = settings.id_token_validity;
    client.token_validity_units = lifetimes.units;
    client.read_attributes = settings.read_attributes.as_deref().map(distinct);
    client.write_attributes = settings.write_attributes.as_deref().map(distinct);
    client.explicit_auth_flows = flows;
    client.prevent_user_existence_errors = settings.prevent_user_existence_errors;
    client.enable_token_revocation = settings.enable_token_revocation.unwrap_or(true);
    client.auth_session_validity = settings.auth_session_validity.unwrap_or(AUTH_SESSION_MINUTES);
    client.supported_identity_providers =
        distinct(settings.supported_identity_providers.as_deref().unwrap_or_default());
    client.refresh_token_rotation = rotation;
    client.oauth = oauth;
    client.propagates_user_context = settings.enable_propagate_additional_user_context_data == Some(true);
    client.analytics = analytics;
    Ok(())
}

/// Each item once, in the order given.
pub fn distinct<T: Clone + PartialEq>(items: &[T]) -> Vec<T> {
    let mut distinct = Vec::with_capacity(items.len());
    for item in items {
        if !distinct.contains(item) {
            distinct.push(item.clone());
        }
    }
    distinct
}

fn flows(ctx: &Ctx, client: &Client, pool: &Pool, settings: &Settings) -> Result<Vec<ExplicitAuthFlowsType>, ApiError> {
    let flows = distinct(settings.explicit_auth_flows.as_deref().unwrap_or_default());
    let modern = flows.iter().filter(|flow| flow.as_str().starts_with("ALLOW_")).count();
    if modern != 0 && modern != flows.len() {
        return Err(ApiError::invalid_parameter(
            "Auth flow name with prefix 'ALLOW' cannot be used with legacy auth flow names.",
        ));
    }
    if flows.contains(&ExplicitAuthFlowsType::AllowUserAuth) {
        tiers::check(ctx, pool.tier, &[Feature::PasswordlessSignIn])?;
    }
    if flows.contains(&ExplicitAuthFlowsType::AllowClientTokenAuth) {
        check_client_tokens(client, &flows)?;
    }
    Ok(flows)
}

/// A client that gets tokens for itself proves itself by a secret, and signs no users in.
///
/// Decision: the service's words are not recorded.
fn check_client_tokens(client: &Client, flows: &[ExplicitAuthFlowsType]) -> Result<(), ApiError> {
    if flows.len() > 1 {
        return Err(ApiError::invalid_parameter("ALLOW_CLIENT_TOKEN_AUTH cannot be used with other auth flows."));
    }
    if client.secrets.is_empty() {
        return Err(ApiError::invalid_parameter(
            "ALLOW_CLIENT_TOKEN_AUTH can not be selected if client does not have a client secret.",
        ));
    }
    Ok(())
}

/// Rotation of refresh tokens, which REFRESH_TOKEN_AUTH has no place for. A list of flows that is left out stands for
/// that flow, too, but does not ask for it.
///
/// Decision: neither the condition nor the words of the refusal are recorded. A grace period that is left out is 0 and
/// answered, as Terraform's provider reports of the service.
fn rotation(
    settings: &Settings,
    flows: &[ExplicitAuthFlowsType],
) -> Result<Option<RefreshTokenRotationType>, ApiError> {
    let Some(rotation) = &settings.refresh_token_rotation else { return Ok(None) };
    if rotation.feature == FeatureType::Enabled && flows.contains(&ExplicitAuthFlowsType::AllowRefreshTokenAuth) {
        return Err(ApiError::invalid_parameter(
            "ALLOW_REFRESH_TOKEN_AUTH cannot be used when RefreshTokenRotation is ENABLED.",
        ));
    }
    let grace = Some(rotation.retry_grace_period_seconds.unwrap_or(0));
    Ok(Some(RefreshTokenRotationType { retry_grace_period_seconds: grace, ..rotation.clone() }))
}

/// §11.4: a client may only list what the schema has, must be able to write what is required of a user, and never
/// writes what only the service or an administrator sets.
fn check_attributes(pool: &Pool, settings: &Settings, deed: Deed) -> Result<(), ApiError> {
    let doing = match deed {
        Deed::Creating => "creating",
        Deed::Updating => "updating",
    };
    let is_listable = |name: &String| {
        !schema::is_developer_only(name) && pool.schema.iter().any(|entry| entry.name.as_deref() == Some(name.as_str()))
    };
    if let Some(read) = &settings.read_attributes
        && !read.iter().all(is_listable)
    {
        return Err(ApiError::invalid_parameter(format!("Invalid read attributes specified while {doing} a client")));
    }
    let Some(write) = &settings.write_attributes else { return Ok(()) };
    let is_writable = |name: &String| is_listable(name) && !UNWRITABLE.contains(&name.as_str());
    let mut required =
        pool.schema.iter().filter(|entry| entry.required == Some(true)).filter_map(|entry| entry.name.as_deref());
    if !write.iter().all(is_writable)
        || required.any(|name| name != "sub" && !write.iter().any(|listed| listed == name))
    {
        return Err(ApiError::invalid_parameter(format!("Invalid write attributes specified while {doing} a client")));
    }
    Ok(())
}

/// What no client writes.
const UNWRITABLE: [&str; 4] = ["sub", "identities", "email_verified", "phone_number_verified"];

/// Only who proves the secret may say where its user is.
fn check_user_context(client: &Client, settings: &Settings) -> Result<(), ApiError> {
    if settings.enable_propagate_additional_user_context_data == Some(true) && client.secrets.is_empty() {
        return Err(ApiError::invalid_parameter(
            "Client Secret is required to set EnablePropagateAdditionalUserContextData as true",
        ));
    }
    Ok(())
}

/// For which application events are told: either its ARN, or its id with a role and an external id, neither of which
/// means anything here. A structure with nothing in it asks for nothing; one with `UserDataShared` alone names no
/// application. The operator is warned when nobody takes events.
fn analytics(ctx: &Ctx, client: &Client, settings: &Settings) -> Result<Option<AnalyticsConfigurationType>, ApiError> {
    let given = settings.analytics_configuration.as_ref();
    let Some(analytics) = given.filter(|given| **given != AnalyticsConfigurationType::default()) else {
        return Ok(None);
    };
    let by_arn = analytics.application_arn.is_some();
    let id_parts = [&analytics.application_id, &analytics.role_arn, &analytics.external_id];
    let given = id_parts.iter().filter(|part| part.is_some()).count();
    if by_arn && given == 0 || given == id_parts.len() && !by_arn {
        if !ctx.app.records.has_analytics() {
            let client = &client.id;
            tracing::warn!(
                client,
                "AnalyticsConfiguration is set, but the configuration has no [analytics]: the client's events are dropped"
            );
        }
        return Ok(Some(analytics.clone()));
    }
    Err(ApiError::invalid_parameter(
        "Invalid analytics configuration given, either <application arn> or <application id, role arn, external id> are valid",
    ))
}
