//! An SRP sign-in as a client does it, in two steps, so that a test can do something in between; by a password or by
//! the secret of a device.

use base64::{Engine, engine::general_purpose::STANDARD};
use crypto::srp::client::{Answer as Challenge, Client, Login};
use serde_json::{Value, json};

use crate::{Answer, SeededEntropy, Server};

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
    let user_id = parameter(challenge, "USER_ID_FOR_SRP");
    let login = Login { pool_name: domain::pool::short_name(pool), user_id, password };
    signed(challenge, user_id, login, timestamp)
}

fn parameter<'a>(challenge: &'a Value, name: &str) -> &'a str {
    challenge["ChallengeParameters"][name].as_str().expect("a challenge parameter")
}

/// The answer to a challenge with SALT, SRP_B and SECRET_BLOCK.
fn signed(challenge: &Value, username: &str, login: Login<'_>, timestamp: &str) -> Value {
    let block = parameter(challenge, "SECRET_BLOCK");
    let secret_block = STANDARD.decode(block).expect("a secret block is base64");
    let (salt, srp_b) = (parameter(challenge, "SALT"), parameter(challenge, "SRP_B"));
    let answer = Challenge { salt, srp_b, secret_block: &secret_block };
    let signature = Client::new(&SECRET_EXPONENT).sign(login, answer, timestamp).expect("the server's values are good");
    json!({
        "USERNAME": username,
        "PASSWORD_CLAIM_SECRET_BLOCK": block,
        "PASSWORD_CLAIM_SIGNATURE": STANDARD.encode(signature),
        "TIMESTAMP": timestamp,
    })
}

/// A device as its client keeps it.
#[derive(Clone, Debug)]
pub struct Device {
    /// `DeviceKey`.
    pub key: String,
    /// `DeviceGroupKey`.
    pub group_key: String,
    /// The secret that the client has made up.
    pub secret: String,
}

impl Device {
    /// The new device in the answer to a sign-in.
    #[must_use]
    pub fn new(answer: &Value) -> Self {
        let metadata = &answer["AuthenticationResult"]["NewDeviceMetadata"];
        let text = |name: &str| metadata[name].as_str().expect("a new device").to_owned();
        let key = text("DeviceKey");
        Self { group_key: text("DeviceGroupKey"), secret: STANDARD.encode(&key), key }
    }

    /// `DeviceSecretVerifierConfig`.
    #[must_use]
    pub fn verifier(&self) -> Value {
        let made = crypto::srp::make_verifier(&SeededEntropy::new(1), &self.group_key, &self.key, &self.secret);
        let encoded = |number: &[u8]| STANDARD.encode(crypto::srp::encode_integer(number));
        json!({"PasswordVerifier": encoded(&made.verifier), "Salt": encoded(&made.salt)})
    }

    /// The answer to DEVICE_SRP_AUTH.
    #[must_use]
    pub fn start(&self, username: &str) -> Value {
        json!({"USERNAME": username, "DEVICE_KEY": self.key, "SRP_A": Client::new(&SECRET_EXPONENT).srp_a()})
    }

    /// The answer to DEVICE_PASSWORD_VERIFIER.
    #[must_use]
    pub fn respond(&self, challenge: &Value, username: &str) -> Value {
        let login = Login { pool_name: &self.group_key, user_id: &self.key, password: &self.secret };
        let mut answer = signed(challenge, username, login, TIMESTAMP);
        answer["DEVICE_KEY"] = json!(self.key);
        answer
    }
}
