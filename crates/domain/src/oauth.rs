//! What the OAuth2 endpoints and the login pages remember (oauth-federation.md §3, §5, §6): what an application asks for,
//! what it was granted, the code that stands for that for five minutes, and the session of a browser.

use serde::{Deserialize, Serialize};
use wire::Timestamp;

use crate::{Factor, Level, UserPart, UserPartKind, time};

/// How long an authorization code is good for, in milliseconds.
pub const CODE_LIFE: i64 = 5 * time::MINUTE;

/// The scope without which there are no ID tokens.
pub const OPENID: &str = "openid";
/// The scope of a user's profile.
pub const PROFILE: &str = "profile";
/// The scope of a user's mail address.
pub const EMAIL: &str = "email";
/// The scope of a user's phone number.
pub const PHONE: &str = "phone";

/// How an application gets what it is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseType {
    /// A code, in the query.
    Code,
    /// The tokens themselves, in the fragment.
    Token,
}

/// What an application asks for at the authorization endpoint, after it was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The client.
    pub client_id: String,
    /// What is to come back.
    pub response_type: ResponseType,
    /// Where the browser goes in the end: one of the client's `CallbackURLs`.
    pub redirect_uri: String,
    /// What goes back unchanged.
    pub state: Option<String>,
    /// What is asked for; all of it is the client's.
    pub scopes: Vec<String>,
    /// What ID tokens repeat.
    pub nonce: Option<String>,
    /// SHA-256 of the verifier that the token endpoint wants to see, base64url (RFC 7636, S256).
    pub code_challenge: Option<String>,
    /// The service that the access token is for (RFC 8707).
    pub resource: Option<String>,
}

/// What an application was granted, as far as refreshed tokens repeat it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorized {
    /// The scopes of its access tokens.
    pub scopes: Vec<String>,
    /// `aud` of its access tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// `nonce` of its first ID token. Refreshed ones have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

impl Authorized {
    /// Whether a scope was granted.
    #[must_use]
    pub fn has(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
    }

    /// Whether these scopes show an attribute (§10.1): `openid` alone shows all of them, others only their own.
    #[must_use]
    pub fn shows(&self, attribute: &str) -> bool {
        let narrowing = [PROFILE, EMAIL, PHONE];
        match attribute {
            "email" | "email_verified" if self.has(EMAIL) => true,
            "phone_number" | "phone_number_verified" if self.has(PHONE) => true,
            _ => self.has(PROFILE) || !narrowing.iter().any(|scope| self.has(scope)),
        }
    }
}

/// A user who is signed in, as codes and browser sessions remember it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authentication {
    /// The user.
    pub sub: String,
    /// When the user signed in interactively, in seconds.
    pub auth_time: i64,
    /// What was proven.
    pub factors: Vec<Factor>,
    /// The level that another provider has vouched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Who has signed the user in: `COGNITO`, or the name of an identity provider.
    pub provider: String,
    /// The device, where the pool keeps track of devices and knows this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_key: Option<String>,
    /// The event by which threat protection remembers the sign-in, where it looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// The browser session that it belongs to; empty before there is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub session_id: String,
}

/// A code that an application exchanges for tokens, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationCode {
    /// The pool.
    pub pool_id: String,
    /// SHA-256 of the code, base64url.
    pub id: String,
    /// The client.
    pub client_id: String,
    /// Where the code was sent: the token endpoint wants to see the same.
    pub redirect_uri: String,
    /// SHA-256 of the verifier that the token endpoint wants to see, base64url.
    pub code_challenge: Option<String>,
    /// What is granted.
    pub authorized: Authorized,
    /// Who is signed in, and how.
    pub authentication: Authentication,
    /// From this moment on it is refused.
    pub expires_at: Timestamp,
}

impl UserPart for AuthorizationCode {
    const KIND: UserPartKind = UserPartKind::AuthorizationCode;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn sub(&self) -> &str {
        ""
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// The session of a browser at the login pages, which its cookie carries sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrowserSession {
    /// The pool.
    pub pool_id: String,
    /// The client that the user signed in for.
    pub client_id: String,
    /// Who is signed in, and how. Its `session_id` is this session's own.
    pub authentication: Authentication,
    /// From this moment on it is refused.
    pub expires_at: Timestamp,
    /// How often the domain had changed its pages ([`Domain::page_switches`](crate::Domain::page_switches)).
    #[serde(default)]
    pub page_switches: u64,
}

#[cfg(test)]
mod tests {
    use super::Authorized;

    #[test]
    fn scopes_show_their_attributes() {
        let shown = |scopes: &[&str]| {
            let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            let authorized = Authorized { scopes, resource: None, nonce: None };
            ["email", "email_verified", "phone_number", "name", "custom:x"].map(|name| authorized.shows(name))
        };
        assert_eq!(shown(&["openid"]), [true; 5]);
        assert_eq!(shown(&["openid", "a/b"]), [true; 5]);
        assert_eq!(shown(&["openid", "email"]), [true, true, false, false, false]);
        assert_eq!(shown(&["openid", "phone"]), [false, false, true, false, false]);
        assert_eq!(shown(&["openid", "phone", "profile"]), [true; 5]);
    }
}
