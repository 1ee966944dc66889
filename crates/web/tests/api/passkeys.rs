//! Passkeys (auth-flows.md §14): registering, listing and deleting them, and signing in with one.

mod chosen;
mod registration;
mod sign_in;

use serde_json::{Value, json};
use testkit::{Answer, Server, authenticator::Authenticator};

const PASSWORD: &str = "Abcdef1!";
const RELYING_PARTY: &str = "auth.example.com";

/// A pool whose users sign in with passwords and passkeys, one of its clients, and access tokens of its users.
struct House {
    server: Server,
    pool: String,
    client: String,
}

impl House {
    /// With these members of WebAuthnConfiguration.
    async fn new(server: Server, configuration: Value) -> Self {
        let policies = json!({"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "WEB_AUTHN"]}});
        let pool = server.pool(json!({"Policies": policies})).await;
        configure(&server, &pool, configuration).await;
        let client = client(&server, &pool, "LEGACY").await;
        Self { server, pool, client }
    }

    /// The usual one, with the user `alice`.
    async fn usual(server: Server) -> Self {
        let house = Self::new(server, json!({"RelyingPartyId": RELYING_PARTY})).await;
        house.user("alice").await;
        house
    }

    /// A new user; answers the sub.
    async fn user(&self, username: &str) -> String {
        self.server.confirmed_user(&self.pool, username, PASSWORD, json!({})).await
    }

    async fn token(&self, username: &str) -> String {
        access_token(&self.server, &self.client, username).await
    }

    async fn start(&self, token: &str) -> Value {
        start(&self.server, token).await.ok()["CredentialCreationOptions"].clone()
    }

    async fn complete(&self, token: &str, credential: &Value) -> Answer {
        self.server.call("CompleteWebAuthnRegistration", json!({"AccessToken": token, "Credential": credential})).await
    }

    /// Registers this authenticator for the user of the token.
    async fn register(&self, token: &str, authenticator: &mut Authenticator) {
        let options = self.start(token).await;
        let credential = authenticator.create(&options, |_| ());
        assert_eq!(self.complete(token, &credential).await.ok(), json!({}));
    }

    async fn list(&self, token: &str) -> Vec<Value> {
        let answer = self.server.call("ListWebAuthnCredentials", json!({"AccessToken": token})).await.ok();
        answer["Credentials"].as_array().cloned().unwrap()
    }

    /// The ids of the user's passkeys.
    async fn ids(&self, token: &str) -> Vec<String> {
        self.list(token).await.iter().map(|one| one["CredentialId"].as_str().unwrap().to_owned()).collect()
    }

    async fn delete(&self, token: &str, id: &str) -> Answer {
        self.server.call("DeleteWebAuthnCredential", json!({"AccessToken": token, "CredentialId": id})).await
    }
}

async fn configure(server: &Server, pool: &str, configuration: Value) {
    let request = json!({"UserPoolId": pool, "WebAuthnConfiguration": configuration});
    server.call("SetUserPoolMfaConfig", request).await.ok();
}

async fn client(server: &Server, pool: &str, existence_errors: &str) -> String {
    let flows = ["ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"];
    let members = json!({"ExplicitAuthFlows": flows, "PreventUserExistenceErrors": existence_errors});
    server.client_id(pool, members).await
}

async fn access_token(server: &Server, client: &str, username: &str) -> String {
    let answer = server.sign_in(client, username, PASSWORD).await.ok();
    answer["AuthenticationResult"]["AccessToken"].as_str().unwrap().to_owned()
}

async fn start(server: &Server, token: &str) -> Answer {
    server.call("StartWebAuthnRegistration", json!({"AccessToken": token})).await
}
