//! An SRP sign-in as a client does it, in two steps, so that a test can do something in between.

use base64::{Engine, engine::general_purpose::STANDARD};
use crypto::srp::client::{Answer as Challenge, Client, Login};
use serde_json::{Value, json};

use crate::{Answer, Server};

/// A secret exponent for tests; any will do.
const SECRET_EXPONENT: [u8; 32] = [0x5A; 32];
/// How the server's clock reads to an SRP client, when it has not been moved.
pub const TIMESTAMP: &str = "Fri Jan 2 03:04:05 UTC 2026";

/// A sign-in that has been started.
pub struct SignIn {
    /// What the server answered to the start.
    pub challenge: Value,
    client_id: String,
    /// The answer to the challenge, ready to send; a test may change it first.
    pub responses: Value,
}

impl SignIn {
    /// InitiateAuth with USER_SRP_AUTH, and the client's arithmetic on the challenge.
    pub async fn start(server: &Server, client_id: &str, pool: &str, username: &str, password: &str) -> Self {
        let request = initiate(client_id, username);
        let challenge = server.call("InitiateAuth", request).await.ok();
        let responses = respond(&challenge, pool, password);
        Self { challenge, client_id: client_id.to_owned(), responses }
    }

    /// RespondToAuthChallenge with PASSWORD_VERIFIER.
    pub async fn finish(&self, server: &Server) -> Answer {
        let request = json!({
            "ClientId": self.client_id,
            "ChallengeName": "PASSWORD_VERIFIER",
            "ChallengeResponses": self.responses,
        });
        server.call("RespondToAuthChallenge", request).await
    }
}

/// The request that starts a sign-in.
#[must_use]
pub fn initiate(client_id: &str, username: &str) -> Value {
    let parameters = json!({"USERNAME": username, "SRP_A": Client::new(&SECRET_EXPONENT).srp_a()});
    json!({"AuthFlow": "USER_SRP_AUTH", "ClientId": client_id, "AuthParameters": parameters})
}

/// The answer to a PASSWORD_VERIFIER challenge.
#[must_use]
pub fn respond(challenge: &Value, pool: &str, password: &str) -> Value {
    respond_at(challenge, pool, password, TIMESTAMP)
}

/// The same by another clock.
#[must_use]
pub fn respond_at(challenge: &Value, pool: &str, password: &str, timestamp: &str) -> Value {
    let parameter =
        |name: &str| challenge["ChallengeParameters"][name].as_str().expect("a challenge parameter").to_owned();
    let (salt, srp_b, user_id, block) =
        (parameter("SALT"), parameter("SRP_B"), parameter("USER_ID_FOR_SRP"), parameter("SECRET_BLOCK"));
    let secret_block = STANDARD.decode(&block).expect("a secret block is base64");
    let login = Login { pool_name: domain::pool::short_name(pool), user_id: &user_id, password };
    let answer = Challenge { salt: &salt, srp_b: &srp_b, secret_block: &secret_block };
    let signature = Client::new(&SECRET_EXPONENT).sign(login, answer, timestamp).expect("the server's values are good");
    json!({
        "USERNAME": user_id,
        "PASSWORD_CLAIM_SECRET_BLOCK": block,
        "PASSWORD_CLAIM_SIGNATURE": STANDARD.encode(signature),
        "TIMESTAMP": timestamp,
    })
}
