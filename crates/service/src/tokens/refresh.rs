//! What a refresh token carries. To clients it is opaque (`crypto::token::refresh`); it opens only for its client.

use domain::{Authorized, Factor, Level};
use serde::{Deserialize, Serialize};
use wire::{ErrorKind, Timestamp};

use crate::{ApiError, Ctx};

/// The sealed contents of a refresh token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefreshToken {
    /// The pool.
    pub pool_id: String,
    /// The client.
    pub client_id: String,
    /// The user.
    pub sub: String,
    /// The sign-in: what is revoked.
    pub origin_jti: String,
    /// Its number in the sign-in's family, where refresh tokens are rotated.
    #[serde(default)]
    pub number: u32,
    /// When the user signed in interactively, in seconds.
    pub auth_time: i64,
    /// The device that the sign-in came from, where the pool keeps track of devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_key: Option<String>,
    /// What the sign-in has proven.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub factors: Vec<Factor>,
    /// Whether its tokens say so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub says_how: bool,
    /// The event by which threat protection remembers the sign-in, where it looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// What an application was granted at the authorization endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorized: Option<Authorized>,
    /// The level of assurance that another provider has vouched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// When it was made.
    pub issued_at: Timestamp,
    /// From this moment on it is refused.
    pub expires_at: Timestamp,
}

impl RefreshToken {
    /// The token as clients get it.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn seal(&self, ctx: &Ctx) -> Result<String, ApiError> {
        let payload = serde_json::to_vec(self)?;
        Ok(crypto::token::refresh::seal(&ctx.app.ring, ctx.entropy(), &self.client_id, &payload))
    }

    /// Reads a token that `client_id` presents; nothing is said yet about whether it is still good.
    ///
    /// # Errors
    /// `Invalid Refresh Token.` for everything that is not a token of this client.
    pub fn open(ctx: &Ctx, client_id: &str, token: &str) -> Result<Self, ApiError> {
        let payload = crypto::token::refresh::open(&ctx.app.ring, client_id, token).map_err(|_| invalid())?;
        serde_json::from_slice(&payload).map_err(|_| invalid())
    }
}

/// Not a refresh token, or another client's.
#[must_use]
pub fn invalid() -> ApiError {
    ApiError::not_authorized("Invalid Refresh Token.")
}

/// It was replaced longer ago than the grace period.
#[must_use]
pub fn reused() -> ApiError {
    // Decision: the service's words are not recorded.
    ApiError::new(ErrorKind::RefreshTokenReuse, "Refresh Token has been replaced and cannot be used again")
}

/// The sign-in was revoked, or all of the user's were.
#[must_use]
pub fn revoked() -> ApiError {
    ApiError::not_authorized("Refresh Token has been revoked")
}
