//! What others change between a request's look and its commit counts: the request decides anew. Each case holds a request
//! at one server just before it commits, changes something at another server on the same data, and lets the first go on.

mod accounts;
mod means;
mod sign_ins;
mod tokens;

use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines, totp};

use crate::{
    pools::with,
    sign_in::{INCORRECT, INVALID_SESSION, LOCKED, NO_DEVICE, PASSWORD, USED_SESSION, mfa},
};

const OTHER_PASSWORD: &str = "An0ther-one";
const DISABLED: &str = "NotAuthorizedException: User is disabled.";
const UNKNOWN: &str = "UserNotFoundException: User does not exist.";
const SIGNED_OUT: &str = "NotAuthorizedException: Access Token has been revoked";
const RESET: &str = "PasswordResetRequiredException: Password reset required for the user";

/// In place of an administrator's deed: the very same request is quicker at the other server.
const TWICE: &str = "";

/// A pool with everything that these cases need, and two servers.
struct House {
    /// Whose requests are held.
    server: Server,
    /// Where others change something meanwhile.
    twin: Server,
    pool: String,
    client: String,
}

impl House {
    async fn new(server: Server, pool: Value, mfa: &str, client: Value) -> Self {
        // Where a second factor is demanded, codes may not be the first one.
        let factors: &[&str] = if mfa == "ON" { &["PASSWORD"] } else { &["PASSWORD", "EMAIL_OTP", "WEB_AUTHN"] };
        let usual = json!({
            "AutoVerifiedAttributes": ["email"],
            "Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": factors}},
            "AccountRecoverySetting": {"RecoveryMechanisms": [
                {"Name": "verified_email", "Priority": 1}, {"Name": "verified_phone_number", "Priority": 2},
            ]},
        });
        let members = with(usual, &pool);
        let pool = mfa::pool(&server, members, mfa::all(mfa)).await;
        let request = json!({"UserPoolId": pool, "WebAuthnConfiguration": {"RelyingPartyId": "auth.example.com"}});
        server.call("SetUserPoolMfaConfig", with(request, &mfa::all(mfa))).await.ok();
        let flows = ["ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH"];
        let members = with(json!({"ExplicitAuthFlows": flows, "AuthSessionValidity": 15}), &client);
        let client = server.client_id(&pool, members).await;
        let twin = server.twin().await;
        Self { server, twin, pool, client }
    }

    /// One whose users are asked for no second factor that they have not switched on.
    async fn usual(server: Server) -> Self {
        Self::new(server, json!({}), "OPTIONAL", json!({})).await
    }

    /// A new user with verified addresses.
    async fn user(&self, username: &str) {
        let number: usize = username.bytes().map(usize::from).sum();
        let attributes =
            json!({"email": format!("{username}@example.com"), "phone_number": format!("+1206555{number:04}")});
        self.server.confirmed_user(&self.pool, username, PASSWORD, attributes).await;
    }

    /// What an administrator does to a user at the other server.
    async fn administer(&self, operation: &str, username: &str) {
        let more = match operation {
            "AdminSetUserPassword" => json!({"Password": OTHER_PASSWORD, "Permanent": true}),
            "AdminUpdateUserAttributes" => {
                let attribute = |name: &str, value: &str| json!({"Name": name, "Value": value});
                let email = format!("other.{username}@example.com");
                json!({"UserAttributes": [attribute("email", &email), attribute("email_verified", "true")]})
            }
            "AdminForgetDevice" => json!({"DeviceKey": self.device_key(username).await}),
            "AdminUpdateDeviceStatus" => {
                json!({"DeviceKey": self.device_key(username).await, "DeviceRememberedStatus": "not_remembered"})
            }
            _ => json!({}),
        };
        let request = with(json!({"UserPoolId": self.pool, "Username": username}), &more);
        self.twin.call(operation, request).await.ok();
    }

    /// The key of the user's only device.
    async fn device_key(&self, username: &str) -> Value {
        let request = json!({"UserPoolId": self.pool, "Username": username});
        let listed = self.twin.call("AdminListDevices", request).await.ok();
        assert_eq!(listed["Devices"].as_array().map(Vec::len), Some(1), "{listed}");
        listed["Devices"][0]["DeviceKey"].clone()
    }

    /// Requests of several users that are overtaken, each as its row says: whose it is, what an administrator does to that
    /// user meanwhile, or [`TWICE`], and what comes of the request. `prepare` makes the user and the request.
    async fn each_overtaken<N: AsRef<str>>(
        &self,
        operation: &str,
        rows: impl IntoIterator<Item = (N, &str, &str)>,
        prepare: impl AsyncFn(&str) -> Value,
    ) {
        for (username, deed, expected) in rows {
            let username = username.as_ref();
            let request = prepare(username).await;
            let outcome = match deed {
                TWICE => self.twice(operation, request).await,
                _ => self.while_administered(operation, request, deed, username).await,
            };
            assert_eq!(outcome, expected, "{operation} of {username}: {deed}");
        }
    }

    /// What a request to the first server comes to when an administrator does something to the user before it commits.
    async fn while_administered(&self, operation: &str, body: Value, deed: &str, username: &str) -> String {
        said(&self.overtaken(0, operation, body, self.administer(deed, username)).await)
    }

    /// What a request to the first server answers when something happens between its look and its commit after
    /// `before` others.
    async fn overtaken(
        &self,
        before: usize,
        operation: &str,
        body: Value,
        meanwhile: impl Future<Output = ()>,
    ) -> Answer {
        self.server.overtaken(before, self.server.call(operation, body), meanwhile).await.0
    }

    /// What a request comes to when the very same one is quicker at the other server.
    async fn twice(&self, operation: &str, body: Value) -> String {
        let other = async { drop(self.twin.call(operation, body.clone()).await.ok()) };
        said(&self.overtaken(0, operation, body.clone(), other).await)
    }

    /// The access token of a sign-in by password.
    async fn access_token(&self, username: &str) -> String {
        let tokens = self.server.sign_in(&self.client, username, PASSWORD).await.ok();
        tokens["AuthenticationResult"]["AccessToken"].as_str().unwrap().to_owned()
    }

    /// The answer to a challenge, as a request.
    fn answer(&self, challenge: &Value, username: &str, responses: Value) -> Value {
        json!({
            "ClientId": self.client,
            "ChallengeName": challenge["ChallengeName"],
            "Session": challenge["Session"],
            "ChallengeResponses": with(json!({"USERNAME": username}), &responses),
        })
    }
}

/// `ok`, or the error.
fn said(answer: &Answer) -> String {
    if answer.status == 200 { "ok".to_owned() } else { answer.error() }
}

/// Runs a case with a house on every engine.
async fn in_a_house(case: impl AsyncFn(House)) {
    both_engines(async |server| case(House::usual(server).await).await).await;
}
