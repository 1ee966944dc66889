//! Sign-ins that are kept track of (auth-flows.md §19 "Session tracking"): one record for each sign-in by way of one
//! client, which follows the refresh tokens of that sign-in, and one for each session of a browser at the login pages,
//! which sign-ins are born of.

use serde::{Deserialize, Serialize};
use wire::Timestamp;

use crate::{UserPart, UserPartKind};

/// Token sessions that a user may have at once in pools that have set no number.
pub const DEFAULT_MOST_SESSIONS: i64 = 20;

/// SSO sessions that a user may have at once. The service names no number; without one, sign-ins could fill the list.
pub const MOST_SSO_SESSIONS: usize = 100;

/// What stands for a device or a country that is not known.
pub const UNKNOWN: &str = "unknown";

/// What a session is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionKind {
    /// A sign-in by way of one client, with its tokens.
    #[default]
    Token,
    /// A browser at the login pages ([`BrowserSession`](crate::BrowserSession)).
    Sso,
}

/// One sign-in by way of one client, or one session of a browser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackedSession {
    /// The pool.
    pub pool_id: String,
    /// The user.
    pub sub: String,
    /// `tkn` and 25 lower-case letters and digits, derived from `origin_jti`; or `sso` and 25, drawn.
    pub id: String,
    /// What it is of. Records of earlier versions are all of tokens.
    #[serde(default)]
    pub kind: SessionKind,
    /// The sign-in, as its tokens name it; of an SSO session the id once more.
    pub origin_jti: String,
    /// The SSO session that the sign-in was born of, where it was born of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin_session_id: Option<String>,
    /// The client; of an SSO session the one that the user signed in for.
    pub client_id: String,
    /// When the user signed in interactively, in seconds: by it a global sign-out ends the session.
    pub auth_time: i64,
    /// When the sign-in succeeded.
    pub created_at: Timestamp,
    /// When it last gave out tokens.
    pub last_active_at: Timestamp,
    /// From where it last did; of an SSO session, from where the browser signed in.
    #[serde(flatten)]
    pub origin: SessionOrigin,
    /// When its refresh token, or the browser's cookie, stops working.
    pub expires_at: Timestamp,
}

/// From where a session was last used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionOrigin {
    /// What the client says that it runs on, at most 1,024 characters.
    pub device: String,
    /// The address.
    pub address: String,
    /// English name of the city, at most 256 characters; none when it is not known.
    pub city: Option<String>,
    /// English name of the country, at most 256 characters, or `unknown`.
    pub country: String,
}

impl UserPart for TrackedSession {
    const KIND: UserPartKind = UserPartKind::Session;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn sub(&self) -> &str {
        &self.sub
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// Which sign-in of a user was the last one to be kept track of. Every new one writes it over, so that of several at
/// the same moment each counts the ones before it; it has an empty id, with which no list shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewestSession {
    /// The pool.
    pub pool_id: String,
    /// The user.
    pub sub: String,
    /// The session.
    pub session_id: String,
    /// When no session is left that it could have been counted with.
    pub expires_at: Timestamp,
}

impl UserPart for NewestSession {
    const KIND: UserPartKind = UserPartKind::Session;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn sub(&self) -> &str {
        &self.sub
    }

    fn id(&self) -> &str {
        ""
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{SessionKind, TrackedSession};

    #[test]
    fn records_of_earlier_versions_are_of_tokens() {
        let record = json!({
            "pool_id": "p", "sub": "s", "id": "tkn", "origin_jti": "j", "client_id": "c", "auth_time": 1, "created_at": 1.0,
            "last_active_at": 2.0, "device": "d", "address": "a", "city": null, "country": "unknown", "expires_at": 3.0,
        });
        let read: TrackedSession = serde_json::from_value(record).unwrap();
        assert_eq!((read.kind, read.origin_session_id), (SessionKind::Token, None));
    }
}
