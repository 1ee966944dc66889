//! Sign-ins at other identity providers that speak OpenID Connect or OAuth2 (oauth-federation.md §15.2, §16, §18).

mod attacks;
mod failures;
mod id_tokens;
mod inbound;
mod mapping;
mod providers;
mod users;

use std::sync::LazyLock;

use crypto::token::{SigningKey, generate_rsa_2048};
use serde_json::{Value, json};
use testkit::{Answer, Document, Server, both_engines};

use super::*;
use crate::{pools::with, tokens::segment};

/// The issuer that the provider `Okta` of these tests stands for, and what it publishes.
const ISSUER: &str = "https://id.example.com/tenant";
const DISCOVERY: &str = "https://id.example.com/tenant/.well-known/openid-configuration";
const JWKS: &str = "https://id.example.com/keys";
const AUTHORIZE: &str = "https://id.example.com/authorize";
const TOKEN: &str = "https://id.example.com/token";
const USER_INFO: &str = "https://id.example.com/userinfo";
/// Where providers send browsers back to.
const BACK: &str = "http://127.0.0.1:9229/_domain/my-app/oauth2/idpresponse";
/// When the tests begin.
const NOW: i64 = 1_767_323_045;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| key("provider-1"));
static OTHER_KEY: LazyLock<SigningKey> = LazyLock::new(|| key("provider-1"));

fn key(kid: &str) -> SigningKey {
    SigningKey::from_pkcs8(kid, &generate_rsa_2048().unwrap()).unwrap()
}

fn document(value: &Value) -> Document {
    Document::Text(value.to_string())
}

/// A pool with a domain, the provider `Okta`, and a client that may use it and the pool itself.
struct Scene<'server> {
    server: &'server Server,
    pool: String,
    client: String,
}

/// What comes of what is added to the requests that make these.
async fn scene(server: &Server, pool: Value, provider: Value, client: Value) -> Scene<'_> {
    let pool = server.pool(pool).await;
    let domain = json!({"UserPoolId": pool, "Domain": PREFIX, "ManagedLoginVersion": 2});
    server.call("CreateUserPoolDomain", domain).await.ok();
    let scene = Scene { server, pool, client: String::new() };
    scene.provider("Okta", with(json!({"AttributeMapping": {"email": "email"}}), &provider)).await;
    publish(server);
    let client = with(json!({"SupportedIdentityProviders": ["COGNITO", "Okta"]}), &client);
    let client = server.client_id(&scene.pool, client_members(client)).await;
    Scene { client, ..scene }
}

/// [`scene`] with nothing added.
async fn plain_scene(server: &Server) -> Scene<'_> {
    scene(server, json!({}), json!({}), json!({})).await
}

/// What the issuer publishes of itself, and what it says of a user's address beside the ID token.
fn publish(server: &Server) {
    let discovery = json!({"issuer": ISSUER, "authorization_endpoint": AUTHORIZE, "token_endpoint": TOKEN,
        "userinfo_endpoint": USER_INFO, "jwks_uri": JWKS});
    server.documents.publish(DISCOVERY, document(&discovery));
    server.documents.publish(JWKS, document(&json!({"keys": [KEY.public_jwk()]})));
    server.documents.publish(USER_INFO, document(&json!({"sub": "00u1"})));
}

/// A browser that was sent to a provider.
struct Left {
    /// Where to.
    location: String,
    state: String,
    nonce: String,
}

impl Scene<'_> {
    async fn provider(&self, name: &str, members: Value) {
        let details = json!({"client_id": format!("pool-at-{name}"), "client_secret": "s3cret", "oidc_issuer": ISSUER,
            "authorize_scopes": "openid email", "attributes_request_method": "GET"});
        let usual = json!({"UserPoolId": self.pool, "ProviderName": name, "ProviderType": "OIDC",
            "ProviderDetails": details});
        self.server.call("CreateIdentityProvider", with(usual, &members)).await.ok();
    }

    /// Sends a browser to a provider.
    async fn leave(&self, browser: &Browser<'_>, provider: &str, more: &[(&str, &str)]) -> Left {
        let more: Vec<_> =
            [("identity_provider", provider), ("state", "mine")].into_iter().chain(more.iter().copied()).collect();
        let location = location(&browser.get(&format!("/oauth2/authorize?{}", asked(&self.client, &more))).await);
        let of = |name: &str| parameter(&location, name).unwrap_or_default();
        let (state, nonce) = (of("state"), of("nonce"));
        assert!(state.len() > 100, "{location}");
        Left { location, state, nonce }
    }

    /// Has the token endpoint answer any code with an ID token of these claims.
    fn answers(&self, left: &Left, claims: &Value) {
        self.answers_with(&KEY.sign(id_token(left, claims).to_string().as_bytes()).unwrap());
    }

    /// The same with any ID token.
    fn answers_with(&self, id_token: &str) {
        let tokens =
            json!({"access_token": "at-okta", "id_token": id_token, "token_type": "Bearer", "expires_in": 3600});
        self.server.documents.publish(TOKEN, document(&tokens));
    }

    /// Brings a browser back from a provider.
    async fn back(&self, browser: &Browser<'_>, state: &str) -> Answer {
        browser.get(&format!("/oauth2/idpresponse?{}", query(&[("code", "c0de"), ("state", state)]))).await
    }

    /// A whole sign-in at Okta in a new browser, and where it leads to.
    async fn sign_in(&self, claims: Value) -> String {
        let browser = Browser::new(self.server);
        let left = self.leave(&browser, "Okta", &[]).await;
        let sub = claims.get("sub").cloned().unwrap_or_else(|| json!("00u1"));
        self.server.documents.publish(USER_INFO, document(&json!({"sub": sub})));
        self.answers(&left, &claims);
        location(&self.back(&browser, &left.state).await)
    }

    /// [`Scene::sign_in`] that is refused: the error and its description.
    async fn refusal(&self, claims: Value) -> String {
        let url = self.sign_in(claims).await;
        said(&url)
    }

    /// The claims of the ID token that a code is good for.
    async fn redeem(&self, url: &str) -> Value {
        segment(self.tokens(url).await["id_token"].as_str().unwrap(), 1)
    }

    async fn tokens(&self, url: &str) -> Value {
        token::redeem(self.server, &self.client, url).await
    }

    /// Status and attributes of a user, or the error.
    async fn user(&self, username: &str) -> Value {
        crate::triggers::shown(self.server, &self.pool, username).await
    }

    async fn users(&self) -> usize {
        let listed = self.server.call("ListUsers", json!({"UserPoolId": self.pool})).await.ok();
        listed["Users"].as_array().unwrap().len()
    }

    async fn link(&self, username: &str, attribute: &str, value: &str) {
        let own = json!({"ProviderName": "Cognito", "ProviderAttributeValue": username});
        let other =
            json!({"ProviderName": "Okta", "ProviderAttributeName": attribute, "ProviderAttributeValue": value});
        let request = json!({"UserPoolId": self.pool, "DestinationUser": own, "SourceUser": other});
        self.server.call("AdminLinkProviderForUser", request).await.ok();
    }
}

/// The claims of an ID token of Okta, with changes; `null` takes a claim away.
fn id_token(left: &Left, change: &Value) -> Value {
    let usual = json!({"iss": ISSUER, "aud": "pool-at-Okta", "sub": "00u1", "exp": NOW + 600, "iat": NOW,
        "nonce": left.nonce});
    let mut claims = with(usual, change);
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// What an application is told of an error: code and description.
fn said(url: &str) -> String {
    assert!(url.starts_with(&format!("{CALLBACK}?")) || url.contains("/error?"), "{url}");
    assert_eq!(parameter(url, "code"), None, "{url}");
    let of = |name: &str| parameter(url, name).unwrap_or_default();
    if url.starts_with(CALLBACK) {
        assert_eq!(of("state"), "mine", "{url}");
    }
    [of("error"), of("error_description")].join(": ").trim_end_matches(": ").to_owned()
}
