//! What the `Session` strings and SRP secret blocks carry between the steps of a sign-in (auth-flows.md §7, §11).
//! They are sealed, so that any node can take the next step and nobody can change or swap one.

use serde::{Deserialize, Serialize};
use wire::{ChallengeNameType, Timestamp};

/// Which operation pair a sign-in belongs to: a session of one is refused by the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entrance {
    /// InitiateAuth and RespondToAuthChallenge.
    Public,
    /// AdminInitiateAuth and AdminRespondToAuthChallenge.
    Admin,
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
    /// The user.
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
    /// `USER_ID_FOR_SRP`.
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
}
