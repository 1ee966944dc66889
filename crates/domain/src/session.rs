//! What the `Session` strings and SRP secret blocks carry between the steps of a sign-in (auth-flows.md §7, §11).
//! They are sealed, so that any node can take the next step and nobody can change or swap one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::{AuthFlowType, ChallengeNameType, Timestamp};

use crate::{Factor, Level, Medium, MfaMethod, Sealed};

/// Which operation pair a sign-in belongs to: a session of one is refused by the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entrance {
    /// InitiateAuth and RespondToAuthChallenge.
    Public,
    /// AdminInitiateAuth and AdminRespondToAuthChallenge.
    Admin,
    /// The login pages.
    Hosted,
}

/// A sign-in under way: what every step hands on to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignIn {
    /// How it was begun.
    pub flow: AuthFlowType,
    /// What has been proven, in that order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub factors: Vec<Factor>,
    /// The device that it comes from, as the client says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_key: Option<String>,
    /// Challenges of the pool's own that were answered, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answered: Vec<Answered>,
    /// The client's public value A, base64, where CUSTOM_AUTH was begun with one and the password is still to be
    /// proven with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_public: Option<String>,
    /// What it is to reach, in USER_AUTH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_up: Option<StepUp>,
    /// What threat protection has seen of it, where it looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched: Option<Watched>,
    /// When it was begun, at the login pages, where it has to end in time as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_at: Option<Timestamp>,
}

/// What threat protection has seen of a sign-in under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// The event that remembers it.
    pub event_id: String,
    /// Whether it is so risky that a second factor is asked for, where the user has one.
    pub demands_second_factor: bool,
}

/// A level of assurance that a sign-in aims at: it leads to tokens when that is reached, and not before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUp {
    /// The level.
    pub target: Level,
    /// The access token whose sign-in has proven a part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit: Option<Credit>,
}

/// An earlier sign-in that a later one builds on, as long as it has not been ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// Its id; none where the client has revocation switched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin_jti: Option<String>,
    /// When it began, in seconds.
    pub auth_time: i64,
}

impl SignIn {
    /// One that begins.
    #[must_use]
    pub const fn new(flow: AuthFlowType) -> Self {
        Self {
            flow,
            factors: Vec::new(),
            device_key: None,
            answered: Vec::new(),
            client_public: None,
            step_up: None,
            watched: None,
            begun_at: None,
        }
    }

    /// Whether it is so risky that a second factor is asked for, where the user has one.
    #[must_use]
    pub fn is_risky(&self) -> bool {
        self.watched.as_ref().is_some_and(|watched| watched.demands_second_factor)
    }

    /// With one more thing proven.
    #[must_use]
    pub fn with(mut self, factor: Factor) -> Self {
        if !self.factors.contains(&factor) {
            self.factors.push(factor);
        }
        self
    }
}

/// A challenge that was answered in CUSTOM_AUTH, as the pool's functions see it (`session` of their events).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The challenge; `SRP_A` for the public value that CUSTOM_AUTH can be begun with.
    pub name: String,
    /// Whether the answer was right.
    pub is_right: bool,
    /// What the function that made the challenge called it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}

/// What a step waits for, beside the name of the challenge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Waiting {
    /// Nothing that would have to be remembered.
    #[default]
    Nothing,
    /// A code that was sent.
    Code {
        /// Keyed hash of the code, base64; no answer matches an empty one.
        hash: String,
        /// How it was sent.
        medium: Medium,
        /// Where to: only that address becomes verified by it.
        destination: String,
    },
    /// A code that was sent to a mail address that becomes the user's with it, as a second factor is set up.
    NewEmail {
        /// Keyed hash of the code, base64.
        hash: String,
        /// Where it went.
        destination: String,
    },
    /// One of several second factors, to be chosen or set up.
    Method(Vec<MfaMethod>),
    /// One of several first factors.
    FirstFactor(Vec<ChallengeNameType>),
    /// A software token that was handed out, or that was verified.
    SoftwareToken {
        /// The secret, sealed; none when it was verified.
        secret: Option<Sealed>,
    },
    /// A passkey's signature over a challenge: the state of the verifier, as JSON.
    Passkey(String),
    /// An answer that a function of the pool checks.
    Custom {
        /// `privateChallengeParameters`.
        private: BTreeMap<String, String>,
        /// `challengeMetadata`.
        metadata: Option<String>,
    },
}

/// A sign-in that waits for the answer to one challenge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignInSession {
    /// Random id: what is marked as spent.
    pub id: String,
    /// The pool.
    pub pool_id: String,
    /// The client.
    pub client_id: String,
    /// The user, or the stand-in for a user that does not exist.
    pub sub: String,
    /// Who may continue it.
    pub entrance: Entrance,
    /// The challenge that must be answered next.
    pub challenge: ChallengeNameType,
    /// From this moment on it is refused. Fixed when it is made: a client whose sessions are given another length
    /// meanwhile changes neither this nor how long the mark of its use is kept.
    pub expires_at: Timestamp,
    /// Version of the password that the user has proven to know; once it is replaced, the session is worthless.
    pub password_version: Option<i64>,
    /// What happened so far.
    pub sign_in: SignIn,
    /// What the challenge waits for.
    pub waiting: Waiting,
}

/// The server's half of an SRP exchange, carried by the client in SECRET_BLOCK.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct SrpExchange {
    /// Random id: what is marked as spent.
    pub id: String,
    /// The pool.
    pub pool_id: String,
    /// The client.
    pub client_id: String,
    /// The user, or the stand-in for a user that does not exist.
    pub sub: String,
    /// `USER_ID_FOR_SRP`, or the device key.
    pub user_id: String,
    /// Who may continue it.
    pub entrance: Entrance,
    /// From this moment on it is refused; fixed when it is made, as for [`SignInSession`].
    pub expires_at: Timestamp,
    /// The server's secret exponent b, base64.
    pub secret_exponent: String,
    /// The server's public value B, base64.
    pub server_public: String,
    /// The client's public value A, base64.
    pub client_public: String,
    /// Id of the session that belongs to it; none in USER_SRP_AUTH, which has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The device that the client named when it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_key: Option<String>,
}

/// What leads from SignUp by way of ConfirmSignUp to a sign-in: `Session` of either operation (auth-flows.md §4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignUpSession {
    /// Random id: what is marked as spent.
    pub id: String,
    /// The pool.
    pub pool_id: String,
    /// The client.
    pub client_id: String,
    /// The user.
    pub sub: String,
    /// How the code of the sign-up was sent.
    pub medium: Medium,
    /// Where to.
    pub destination: String,
    /// From this moment on it is refused.
    pub expires_at: Timestamp,
}
