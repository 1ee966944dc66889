//! Tokens of identity providers of the pool (auth-flows.md §19; oauth-federation.md §15, §18): which are good, and what is
//! tried with those that are not.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use crypto::token::{SigningKey, generate_rsa_2048};
use domain::IdentityProvider;
use store::Changes;
use testkit::Document;

use super::*;

const ISSUER: &str = "https://id.example.com/tenant";
const DISCOVERY: &str = "https://id.example.com/tenant/.well-known/openid-configuration";
const JWKS: &str = "https://id.example.com/keys";
/// When the tests begin.
const NOW: i64 = 1_767_323_045;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| key("provider-1"));
static OTHER_KEY: LazyLock<SigningKey> = LazyLock::new(|| key("provider-1"));
static NEXT_KEY: LazyLock<SigningKey> = LazyLock::new(|| key("provider-2"));

fn key(kid: &str) -> SigningKey {
    SigningKey::from_pkcs8(kid, &generate_rsa_2048().unwrap()).unwrap()
}

/// A house whose pool has the provider `Okta`, at which alice is `00u1`. The gateway may use it.
async fn with_provider(server: Server) -> House {
    let house = House::new(server).await;
    let details = json!({"client_id": "pool-at-okta", "attributes_request_method": "GET", "oidc_issuer": ISSUER,
        "authorize_scopes": "openid"});
    provider(&house, &house.pool, "Okta", details).await;
    enable(&house, &["Okta"]).await;
    link(&house, &house.pool, "Okta", "alice", "00u1").await;
    publish(&house, &[&KEY]);
    house
}

pub(super) async fn provider(house: &House, pool: &str, name: &str, details: Value) {
    let request = json!({"UserPoolId": pool, "ProviderName": name, "ProviderType": "OIDC", "ProviderDetails": details});
    house.server.call("CreateIdentityProvider", request).await.ok();
}

pub(super) async fn enable(house: &House, providers: &[&str]) {
    let flows = ["ALLOW_TOKEN_EXCHANGE_IMPERSONATION", "ALLOW_TOKEN_EXCHANGE_DELEGATION"];
    let members = json!({"SupportedIdentityProviders": providers, "ExplicitAuthFlows": flows,
        "AllowedOAuthScopes": [ADMIN, "files/read"]});
    house.configure(members).await;
}

pub(super) async fn link(house: &House, pool: &str, provider: &str, username: &str, subject: &str) {
    let named = |provider: &str, value: &str| json!({"ProviderName": provider, "ProviderAttributeName": "Cognito_Subject", "ProviderAttributeValue": value});
    let request = json!({"UserPoolId": pool, "DestinationUser": named("Cognito", username),
        "SourceUser": named(provider, subject)});
    house.server.call("AdminLinkProviderForUser", request).await.ok();
}

fn publish(house: &House, keys: &[&SigningKey]) {
    let jwks: Vec<_> = keys.iter().map(|key| key.public_jwk()).collect();
    let text = |document: Value| Document::Text(document.to_string());
    house
        .server
        .documents
        .publish(DISCOVERY, text(json!({"issuer": ISSUER, "jwks_uri": JWKS, "scopes_supported": []})));
    house.server.documents.publish(JWKS, text(json!({"keys": jwks})));
}

/// The claims of a token for alice, with changes; `null` takes a claim away.
fn claims(change: &Value) -> Value {
    let usual = json!({"iss": ISSUER, "aud": "pool-at-okta", "sub": "00u1", "exp": NOW + 600, "iat": NOW,
        "nonce": "n", "amr": ["pwd"], "acr": "high", "auth_time": NOW - 86_400});
    let mut claims = with(usual, change);
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

fn signed(key: &SigningKey, change: &Value) -> String {
    key.sign(claims(change).to_string().as_bytes()).unwrap()
}

fn token(change: Value) -> String {
    signed(&KEY, &change)
}

/// The members of a request that exchanges a token of Okta.
fn subject(token: &str) -> Value {
    json!({"SubjectToken": token, "SubjectTokenType": "ID_TOKEN", "SubjectTokenProviderName": "Okta"})
}

async fn refusal(house: &House, token: &str) -> String {
    house.exchange(subject(token)).await.error()
}

#[tokio::test]
async fn a_token_of_a_provider_stands_for_the_user_who_is_linked() {
    both_engines(async |server| {
        let house = with_provider(server).await;
        let request = with(subject(&token(json!({}))), &json!({"Scopes": ["files/read", "openid"]}));
        let answer = house.exchange(request).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(plain(answer), @r#"
        {
          "IssuedToken": {
            "header": {
              "kid": "test-only-01",
              "alg": "RS256"
            },
            "claims": {
              "sub": "d87b60a8-57a7-42c4-a2dc-5054511c1324",
              "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
              "client_id": "rlt2of4jrz82o9mlpwsrvix8ft",
              "event_id": "be5f90e0-b333-4fd9-b889-e113684e61e3",
              "token_use": "access",
              "scope": "files/read",
              "auth_time": 1767323045,
              "exp": 1767323645,
              "iat": 1767323045,
              "jti": "28ccf627-3b6f-42c3-8c27-4425c1e773b2",
              "username": "alice"
            }
          },
          "IssuedTokenType": "ACCESS_TOKEN",
          "TokenType": "Bearer",
          "ExpiresIn": 600,
          "Scopes": [
            "files/read"
          ]
        }
        "#); }
        assert_eq!(house.server.documents.take_asked(), [DISCOVERY, JWKS]);

        // Who asks for nothing gets nothing; for what the client has not, neither.
        let asked = |scopes: Value| with(subject(&token(json!({"aud": ["x", "pool-at-okta"]}))), &scopes);
        assert_eq!(house.exchange(asked(json!({}))).await.ok()["Scopes"], json!([]));
        let refused = house.exchange(asked(json!({"Scopes": ["files/write", "openid"]}))).await.error();
        assert!(refused.starts_with("InvalidParameterException: None of the requested scopes"), "{refused}");
        let own = house.exchange(asked(json!({"Scopes": [ADMIN]}))).await.ok();
        assert_eq!(house.get_user(issued(&own)).await.ok()["Username"], "alice");
        // An access token passes as well, and an actor.
        let access = with(subject(&token(json!({}))), &json!({"SubjectTokenType": "ACCESS_TOKEN"}));
        house.exchange(access).await.ok();
        house.server.confirmed_user(&house.pool, "bob", PASSWORD, json!({})).await;
        link(&house, &house.pool, "Okta", "bob", "00u2").await;
        let actor = json!({"ActorToken": token(json!({"sub": "00u2", "exp": NOW + 60})), "ActorTokenType": "ID_TOKEN",
            "ActorTokenProviderName": "Okta"});
        let answer = house.exchange(actor).await.ok();
        let bob = json!({"UserPoolId": house.pool, "Username": "bob"});
        let bob = house.server.call("AdminGetUser", bob).await.ok();
        let claims = segment(issued(&answer), 1);
        assert_eq!(claims["act"], json!({"sub": bob["UserAttributes"][0]["Value"]}));
        assert_eq!((&claims["username"], &claims["exp"]), (&json!("alice"), &json!(NOW + 60)));
        assert!(house.server.documents.take_asked().is_empty(), "the keys are known");
    })
    .await;
}

#[tokio::test]
async fn nothing_but_the_issuers_signature_counts() {
    let house = with_provider(Server::memory().await).await;
    let good = token(json!({}));
    let [_, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { unreachable!() };
    let encoded = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let header = |json: Value| format!("{}.{body}.{signature}", encoded(json));
    let unsigned = |json: Value| format!("{}.{body}.", encoded(json));
    let by_secret = |secret: &[u8]| {
        let signed = format!("{}.{body}", encoded(json!({"kid": "provider-1", "alg": "HS256"})));
        let mac = crypto::hash::hmac_sha256(secret, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
    };
    let public = serde_json::to_value(KEY.public_jwk()).unwrap();
    let other = claims(&json!({"sub": "00u2"}));
    for forged in [
        format!("{}.{}.{signature}", encoded(json!({"kid": "provider-1", "alg": "RS256"})), encoded(other)),
        signed(&OTHER_KEY, &json!({})),
        signed(&NEXT_KEY, &json!({})),
        unsigned(json!({"kid": "provider-1", "alg": "none"})),
        unsigned(json!({"kid": "provider-1", "alg": "RS256"})),
        header(json!({"alg": "RS256"})),
        header(json!({"kid": "provider-1", "alg": "PS256"})),
        header(json!({"kid": "provider-1", "alg": "ES256"})),
        header(json!({"kid": "provider-1", "alg": "RS256", "crit": ["b64"], "b64": false})),
        by_secret(public["n"].as_str().unwrap().as_bytes()),
        by_secret(public.to_string().as_bytes()),
        // Tokens of the pool itself.
        house.access.clone(),
        house.id.clone(),
        "a.b.c".to_owned(),
        "x".repeat(20_000),
    ] {
        assert_eq!(refusal(&house, &forged).await, INVALID_SUBJECT, "{forged}");
    }
    house.exchange(subject(&good)).await.ok();
    // Nor does it pass as one of the pool's.
    let own = json!({"SubjectToken": good, "SubjectTokenType": "ID_TOKEN"});
    assert_eq!(house.exchange(own).await.error(), INVALID_SUBJECT);
}

#[tokio::test]
async fn what_is_signed_must_be_meant_for_the_pool_now() {
    let house = with_provider(Server::memory().await).await;
    for change in [
        json!({"iss": "https://id.example.com"}),
        json!({"iss": format!("{ISSUER}//")}),
        json!({"iss": format!("{ISSUER}/other")}),
        json!({"iss": null}),
        json!({"aud": "another-client"}),
        json!({"aud": ["another-client"]}),
        json!({"aud": []}),
        json!({"aud": null}),
        json!({"aud": house.gateway.id}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": "0".repeat(256)}),
        json!({"exp": null}),
        json!({"exp": "1767323645"}),
        json!({"iat": null}),
        json!({"iat": NOW + 61}),
        json!({"nbf": NOW + 61}),
        json!({"act": {"sub": "somebody"}}),
        json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
    ] {
        assert_eq!(refusal(&house, &token(change.clone())).await, INVALID_SUBJECT, "{change}");
    }
    for exp in [json!(NOW), json!(NOW - 1), json!(NOW as f64 + 0.9), json!(-1e30)] {
        let expired = refusal(&house, &token(json!({"exp": exp}))).await;
        assert_eq!(expired, "NotAuthorizedException: Subject Token has expired", "{exp}");
    }
    for change in [
        json!({"iat": NOW + 60, "nbf": NOW + 60}),
        json!({"exp": NOW as f64 + 1.5, "iat": NOW as f64}),
        json!({"iss": format!("{ISSUER}/")}),
        // Who has got it from the provider is not looked at.
        json!({"aud": ["another-client", "pool-at-okta"], "azp": "another-client"}),
    ] {
        house.exchange(subject(&token(change))).await.ok();
    }
}

#[tokio::test]
async fn only_who_is_linked_is_meant() {
    both_engines(async |server| {
        let house = with_provider(server).await;
        let nobody = "UserNotFoundException: User does not exist.";
        // A name that looks like the provider's user, taken by somebody else.
        house.server.confirmed_user(&house.pool, "Okta_00u9", PASSWORD, json!({"email": "o@example.com"})).await;
        for change in [json!({"sub": "00u9"}), json!({"sub": "00U1"}), json!({"sub": "alice"})] {
            assert_eq!(refusal(&house, &token(change.clone())).await, nobody, "{change}");
        }
        let both = json!({"sub": "00u9", "email": "alice@example.com", "email_verified": true});
        assert_eq!(refusal(&house, &token(both)).await, nobody);

        let administer = async |operation: &str| {
            house.server.call(operation, json!({"UserPoolId": house.pool, "Username": "alice"})).await.ok();
        };
        let old = token(json!({}));
        house.server.advance(5);
        administer("AdminUserGlobalSignOut").await;
        assert_eq!(refusal(&house, &old).await, "NotAuthorizedException: Subject Token has been revoked");
        house.server.advance(5);
        let new = token(json!({"iat": NOW + 10}));
        house.exchange(subject(&new)).await.ok();
        administer("AdminDisableUser").await;
        assert_eq!(refusal(&house, &new).await, "NotAuthorizedException: User is disabled.");
        administer("AdminDeleteUser").await;
        assert_eq!(refusal(&house, &new).await, nobody);
    })
    .await;
}

#[tokio::test]
async fn the_provider_must_be_the_pools_and_the_clients() {
    let house = with_provider(Server::memory().await).await;
    let good = token(json!({}));
    enable(&house, &["COGNITO"]).await;
    let not_enabled = "InvalidParameterException: Identity provider Okta is not enabled for the client.";
    assert_eq!(refusal(&house, &good).await, not_enabled);
    let unknown = with(subject(&good), &json!({"SubjectTokenProviderName": "COGNITO"}));
    let missing = "ResourceNotFoundException: Identity provider COGNITO does not exist.";
    assert_eq!(house.exchange(unknown).await.error(), missing);

    // Another provider of the same issuer has another audience, and other users.
    let details = json!({"client_id": "another", "attributes_request_method": "GET", "oidc_issuer": ISSUER,
        "authorize_scopes": "openid"});
    provider(&house, &house.pool, "Other", details.clone()).await;
    enable(&house, &["Okta", "Other"]).await;
    let other = |token: &str| with(subject(token), &json!({"SubjectTokenProviderName": "Other"}));
    assert_eq!(house.exchange(other(&good)).await.error(), INVALID_SUBJECT);
    let nobody = house.exchange(other(&token(json!({"aud": "another"})))).await.error();
    assert_eq!(nobody, "UserNotFoundException: User does not exist.");
    // So has the same provider of another pool, even where its user is linked.
    let elsewhere = house.server.pool(json!({})).await;
    provider(&house, &elsewhere, "Foreign", details).await;
    house.server.confirmed_user(&elsewhere, "eve", PASSWORD, json!({})).await;
    link(&house, &elsewhere, "Foreign", "eve", "00u3").await;
    let foreign = with(subject(&good), &json!({"SubjectTokenProviderName": "Foreign"}));
    let missing = "ResourceNotFoundException: Identity provider Foreign does not exist.";
    assert_eq!(house.exchange(foreign).await.error(), missing);

    let facebook = json!({"UserPoolId": house.pool, "ProviderName": "Facebook", "ProviderType": "Facebook",
        "ProviderDetails": {"client_id": "f", "client_secret": "s", "authorize_scopes": "email"}});
    house.server.call("CreateIdentityProvider", facebook).await.ok();
    enable(&house, &["Facebook"]).await;
    let opaque = with(subject(&good), &json!({"SubjectTokenProviderName": "Facebook"}));
    let unsupported = house.exchange(opaque).await.error();
    assert!(unsupported.contains("A token of a provider of type Facebook is not supported"), "{unsupported}");

    // A type that signs no tokens has none, whatever its stored details say.
    let amazon = json!({"UserPoolId": house.pool, "ProviderName": "LoginWithAmazon", "ProviderType": "LoginWithAmazon",
        "ProviderDetails": {"client_id": "pool-at-okta", "client_secret": "s", "authorize_scopes": "profile"}});
    house.server.call("CreateIdentityProvider", amazon).await.ok();
    let stored = house.server.app.store.part::<IdentityProvider>(&house.pool, "LoginWithAmazon").await;
    let before = stored.unwrap().unwrap();
    let mut after = before.value.clone();
    after.details.insert("oidc_issuer".to_owned(), ISSUER.to_owned());
    let mut changes = Changes::new();
    changes.replace(&before, &after);
    house.server.app.commit(changes).await.unwrap();
    enable(&house, &["LoginWithAmazon"]).await;
    let opaque = with(subject(&good), &json!({"SubjectTokenProviderName": "LoginWithAmazon"}));
    let unsupported = house.exchange(opaque).await.error();
    assert!(unsupported.contains("A token of a provider of type LoginWithAmazon is not supported"), "{unsupported}");
}

#[tokio::test]
async fn users_are_told_apart_by_the_claim_that_the_mapping_names() {
    both_engines(async |server| {
        let house = with_provider(server).await;
        let mapping =
            json!({"UserPoolId": house.pool, "ProviderName": "Okta", "AttributeMapping": {"username": "employee"}});
        house.server.call("UpdateIdentityProvider", mapping).await.ok();
        let answer = house.exchange(subject(&token(json!({"sub": "s-1", "employee": "00u1"})))).await.ok();
        assert_eq!(segment(issued(&answer), 1)["username"], "alice");
        // Whose `sub` is what alice is told apart by is not alice.
        let other = token(json!({"sub": "00u1", "employee": "00u2"}));
        assert_eq!(refusal(&house, &other).await, "UserNotFoundException: User does not exist.");
        for employee in [json!(null), json!(""), json!("0".repeat(257)), json!("00u1\n")] {
            let nobody = token(json!({"employee": employee}));
            assert_eq!(refusal(&house, &nobody).await, INVALID_SUBJECT, "{employee}");
        }
    })
    .await;
}

#[tokio::test]
async fn keys_are_read_again_when_they_are_due_and_no_sooner() {
    let house = with_provider(Server::memory().await).await;
    let asked = || house.server.documents.take_asked().len();
    let (old, new) = (token(json!({"exp": NOW + 6_000})), signed(&NEXT_KEY, &json!({"exp": NOW + 6_000})));
    house.exchange(subject(&old)).await.ok();
    assert_eq!(asked(), 2);
    // A key that is not known yet, again and again.
    publish(&house, &[&KEY, &NEXT_KEY]);
    for _ in 0..3 {
        assert_eq!(refusal(&house, &new).await, INVALID_SUBJECT);
    }
    house.exchange(subject(&old)).await.ok();
    assert_eq!(asked(), 0);
    house.server.advance(10);
    house.exchange(subject(&new)).await.ok();
    assert_eq!(asked(), 2);
    // One that the issuer has withdrawn counts until they are read again.
    publish(&house, &[&NEXT_KEY]);
    house.server.advance(299);
    house.exchange(subject(&old)).await.ok();
    assert_eq!(asked(), 0);
    house.server.advance(1);
    assert_eq!(refusal(&house, &old).await, INVALID_SUBJECT);
    assert_eq!(asked(), 2);
    house.exchange(subject(&new)).await.ok();
    // Who names the place of the keys needs no discovery.
    let details = json!({"client_id": "pool-at-okta", "attributes_request_method": "GET", "oidc_issuer": ISSUER,
        "authorize_scopes": "openid", "jwks_uri": "https://keys.example.com/"});
    let request = json!({"UserPoolId": house.pool, "ProviderName": "Okta", "ProviderDetails": details});
    house.server.call("UpdateIdentityProvider", request).await.ok();
    assert_eq!(refusal(&house, &new).await, INVALID_SUBJECT);
    assert_eq!(house.server.documents.take_asked(), ["https://keys.example.com/"]);
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_well_is_left_alone_for_a_while() {
    let house = with_provider(Server::memory().await).await;
    let good = token(json!({"exp": NOW + 6_000}));
    let text = |document: Value| Document::Text(document.to_string());
    let jwks = json!({"keys": [KEY.public_jwk()], "padding": "x".repeat(256 * 1_024)});
    for (url, document) in [
        (JWKS, Document::Silence),
        (DISCOVERY, Document::Silence),
        (JWKS, Document::Text(jwks.to_string())),
        (JWKS, Document::Text("<html>".to_owned())),
        (JWKS, text(json!({"keys": []}))),
        (DISCOVERY, Document::Text("<html>".to_owned())),
        (DISCOVERY, text(json!({"issuer": "https://other.example.com", "jwks_uri": JWKS}))),
        (DISCOVERY, text(json!({"issuer": ISSUER, "jwks_uri": "http://id.example.com/keys"}))),
        (DISCOVERY, text(json!({"issuer": ISSUER, "jwks_uri": "https://10.0.0.1:9200/keys"}))),
        (DISCOVERY, text(json!({"issuer": ISSUER}))),
    ] {
        publish(&house, &[&KEY]);
        let described = format!("{url} {document:?}");
        house.server.documents.publish(url, document);
        assert_eq!(refusal(&house, &good).await, INVALID_SUBJECT, "{described:.200}");
        let asked = house.server.documents.take_asked();
        assert!(!asked.is_empty() && asked.iter().all(|url| [DISCOVERY, JWKS].contains(&url.as_str())), "{asked:?}");
        publish(&house, &[&KEY]);
        assert_eq!(refusal(&house, &good).await, INVALID_SUBJECT, "{described:.200}");
        assert!(house.server.documents.take_asked().is_empty());
        house.server.advance(10);
    }
    house.exchange(subject(&good)).await.ok();
}
