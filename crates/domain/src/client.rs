//! App clients (accounts.md §14): who may call, with which flows, and for how long their tokens live.

use serde::{Deserialize, Serialize};
use wire::{
    AnalyticsConfigurationType, ExplicitAuthFlowsType, FeatureType, OAuthFlowType, PreventUserExistenceErrorTypes,
    RefreshTokenRotationType, TimeUnitsType, Timestamp, TokenValidityUnitsType,
};

use crate::{RiskSettings, Sealed, time};

/// `SSOSession.MaxValidityMinutes` of clients for which nobody has set it.
pub const DEFAULT_SSO_MINUTES: i64 = 60;

/// One of a client's active secrets (at most two; any of them counts).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientSecret {
    /// `<client id>--<epoch seconds>`.
    pub id: String,
    /// The secret, sealed with the client's id as identity.
    pub value: Sealed,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An app client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// 26 lower-case alphanumerics, unique over all pools.
    pub id: String,
    /// The pool that it belongs to.
    pub pool_id: String,
    /// `ClientName`.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub modified_at: Timestamp,
    /// Active secrets; empty for a public client.
    pub secrets: Vec<ClientSecret>,
    /// `RefreshTokenValidity` in `units.refresh_token` (days when unset); 0 stands for 30 days.
    pub refresh_token_validity: i64,
    /// `AccessTokenValidity` in its unit (hours when unset); `None` is one hour.
    pub access_token_validity: Option<i64>,
    /// `IdTokenValidity` in its unit (hours when unset); `None` is one hour.
    pub id_token_validity: Option<i64>,
    /// `TokenValidityUnits` as given.
    pub token_validity_units: Option<TokenValidityUnitsType>,
    /// `ReadAttributes`; `None` means the default set.
    pub read_attributes: Option<Vec<String>>,
    /// `WriteAttributes`; `None` means the default set.
    pub write_attributes: Option<Vec<String>>,
    /// `ExplicitAuthFlows`; empty acts as refresh, SRP and custom.
    pub explicit_auth_flows: Vec<ExplicitAuthFlowsType>,
    /// `PreventUserExistenceErrors`; `None` acts as LEGACY and is left out of answers.
    pub prevent_user_existence_errors: Option<PreventUserExistenceErrorTypes>,
    /// `EnableTokenRevocation`; true adds `origin_jti` to tokens.
    pub enable_token_revocation: bool,
    /// `AuthSessionValidity` in minutes, 3 to 15.
    pub auth_session_validity: i64,
    /// `SupportedIdentityProviders` as given; empty is left out of answers.
    #[serde(default)]
    pub supported_identity_providers: Vec<String>,
    /// `RefreshTokenRotation`: whether every refresh replaces the refresh token.
    #[serde(default)]
    pub refresh_token_rotation: Option<RefreshTokenRotationType>,
    /// What the client may do at the OAuth endpoints.
    #[serde(default)]
    pub oauth: OAuthSettings,
    /// `EnablePropagateAdditionalUserContextData`: whether threat protection believes the address that the client
    /// names for its user.
    #[serde(default)]
    pub propagates_user_context: bool,
    /// `SSOSession.MaxValidityMinutes`: how long a browser's session at the login pages may sign users in here without
    /// asking them again; 0 is never. `None` while nobody has set it, which acts as 60.
    #[serde(default)]
    pub sso_minutes: Option<i64>,
    /// `AnalyticsConfiguration`: for which application events are told, and whether they name users.
    #[serde(default)]
    pub analytics: Option<AnalyticsConfigurationType>,
    /// What threat protection does about risks here; `None` where that is what the pool says.
    #[serde(default)]
    pub risk: Option<RiskSettings>,
}

/// What a client may do at the OAuth endpoints (accounts.md §14.1).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OAuthSettings {
    /// `AllowedOAuthFlowsUserPoolClient`: whether it may do anything there.
    pub enabled: bool,
    /// `AllowedOAuthFlows`.
    pub flows: Vec<OAuthFlowType>,
    /// `AllowedOAuthScopes`.
    pub scopes: Vec<String>,
    /// `CallbackURLs`: where a browser may be sent after a sign-in.
    pub callback_urls: Vec<String>,
    /// `LogoutURLs`: where a browser may be sent after a sign-out.
    pub logout_urls: Vec<String>,
    /// `DefaultRedirectURI`, one of `callback_urls`.
    pub default_redirect_uri: Option<String>,
}

impl Client {
    /// Whether unknown users must look like known ones to this client.
    #[must_use]
    pub fn hides_unknown_users(&self) -> bool {
        self.prevent_user_existence_errors == Some(PreventUserExistenceErrorTypes::Enabled)
    }

    /// Whether every refresh replaces the refresh token.
    #[must_use]
    pub fn rotates_refresh_tokens(&self) -> bool {
        self.refresh_token_rotation.as_ref().is_some_and(|rotation| rotation.feature == FeatureType::Enabled)
    }

    /// For how many seconds a refresh token that was replaced still counts.
    #[must_use]
    pub fn refresh_grace_seconds(&self) -> i64 {
        self.refresh_token_rotation.as_ref().and_then(|rotation| rotation.retry_grace_period_seconds).unwrap_or(0)
    }

    /// Life of an access token in seconds.
    #[must_use]
    pub fn access_token_seconds(&self) -> i64 {
        let unit = self.token_validity_units.as_ref().and_then(|units| units.access_token);
        token_seconds(
            self.access_token_validity.unwrap_or(1),
            unit,
            TimeUnitsType::Hours,
            self.access_token_validity.is_none(),
        )
    }

    /// Life of an ID token in seconds.
    #[must_use]
    pub fn id_token_seconds(&self) -> i64 {
        let unit = self.token_validity_units.as_ref().and_then(|units| units.id_token);
        token_seconds(self.id_token_validity.unwrap_or(1), unit, TimeUnitsType::Hours, self.id_token_validity.is_none())
    }

    /// Life of a refresh token in seconds; a validity of 0 stands for 30 days.
    #[must_use]
    pub fn refresh_token_seconds(&self) -> i64 {
        if self.refresh_token_validity == 0 {
            return 30 * time::DAY / time::SECOND;
        }
        let unit = self.token_validity_units.as_ref().and_then(|units| units.refresh_token);
        token_seconds(self.refresh_token_validity, unit, TimeUnitsType::Days, false)
    }

    /// Life of one sign-in step in milliseconds.
    #[must_use]
    pub const fn auth_session_milliseconds(&self) -> i64 {
        self.auth_session_validity * time::MINUTE
    }
}

/// `value` in `unit`, in seconds. A value that was never set keeps its default unit, whatever the client says.
fn token_seconds(value: i64, unit: Option<TimeUnitsType>, default: TimeUnitsType, is_default: bool) -> i64 {
    let unit = if is_default { default } else { unit.unwrap_or(default) };
    value.saturating_mul(seconds_in(unit))
}

/// The seconds in a unit of a token's life.
#[must_use]
pub const fn seconds_in(unit: TimeUnitsType) -> i64 {
    match unit {
        TimeUnitsType::Seconds => 1,
        TimeUnitsType::Minutes => 60,
        TimeUnitsType::Hours => 3_600,
        TimeUnitsType::Days => 86_400,
    }
}
