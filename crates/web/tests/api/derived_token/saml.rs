//! SAML assertions of the pool's providers (auth-flows.md §19; oauth-federation.md §17, §18).

use testkit::Document;

use super::{
    other_issuers::{enable, link, provider},
    *,
};
use crate::saml_provider::{ENTITY, NOW, OTHER, PROVIDER, Provider, assertion, encoded, metadata, response, signed};

const METADATA: &str = "https://idp.example/metadata";
const EXPIRED: &str = "NotAuthorizedException: Subject Token has expired";

/// A house whose pool has the provider `Adfs`, which calls alice `Alice@idp`. The gateway may use it.
async fn with_provider(server: Server, details: Value) -> House {
    let house = House::new(server).await;
    house.server.documents.publish(METADATA, Document::Text(metadata("")));
    let request =
        json!({"UserPoolId": house.pool, "ProviderName": "Adfs", "ProviderType": "SAML", "ProviderDetails": details});
    house.server.call("CreateIdentityProvider", request).await.ok();
    enable(&house, &["Adfs"]).await;
    link(&house, &house.pool, "Adfs", "alice", "Alice@idp").await;
    house
}

async fn with_file(server: Server) -> House {
    with_provider(server, json!({"MetadataFile": metadata("")})).await
}

/// The members of a request that exchanges an assertion.
fn subject(message: &str) -> Value {
    json!({"SubjectToken": encoded(message), "SubjectTokenType": "SAML2", "SubjectTokenProviderName": "Adfs"})
}

fn made(house: &House, change: Value) -> String {
    signed(&assertion(&house.pool, &change))
}

async fn refusal(house: &House, message: &str) -> String {
    house.exchange(subject(message)).await.error()
}

#[tokio::test]
async fn an_assertion_stands_once_for_the_user_who_is_linked() {
    both_engines(async |server| {
        let house = with_file(server).await;
        let first = made(&house, json!({"made": NOW - 10}));
        let answer = house.exchange(with(subject(&first), &json!({"Scopes": ["files/read", "openid"]}))).await.ok();
        let claims = segment(issued(&answer), 1);
        assert_eq!((&claims["username"], &claims["scope"]), (&json!("alice"), &json!("files/read")));
        // It is good as long as the assertion, whose provider's clock may be a minute behind.
        assert_eq!((&claims["auth_time"], &claims["exp"]), (&json!(NOW - 10), &json!(NOW + 360)));
        assert_eq!((&answer["ExpiresIn"], &answer["TokenType"]), (&json!(360), &json!("Bearer")));
        assert!(claims["acr"].is_null() && claims["origin_jti"].is_null());
        assert_eq!(refusal(&house, &first).await, INVALID_SUBJECT);
        // One with another id, for scopes of the pool itself; in base64url, by way of a domain of the pool.
        house.server.call("CreateUserPoolDomain", json!({"UserPoolId": house.pool, "Domain": "my-app"})).await.ok();
        let recipient = "http://127.0.0.1:9229/_domain/my-app/saml2/idpresponse";
        let second = made(&house, json!({"id": "_2", "recipient": recipient, "attributes": {"note": ["~~~???"]}}));
        let url_safe = encoded(&second).replace('+', "-").replace('/', "_").replace('=', "");
        let members = json!({"SubjectToken": url_safe, "Scopes": [ADMIN]});
        let own = house.exchange(with(subject(&second), &members)).await.ok();
        assert_eq!(house.get_user(issued(&own)).await.ok()["Username"], "alice");
        assert_eq!(refusal(&house, &second).await, INVALID_SUBJECT);

        // What fails for another reason leaves it as it is.
        let third = made(&house, json!({"id": "_3"}));
        let members = json!({"Scopes": ["openid"]});
        let none = house.exchange(with(subject(&third), &members)).await.error();
        assert!(none.starts_with("InvalidParameterException: None of the requested scopes"), "{none}");
        house.exchange(subject(&third)).await.ok();
    })
    .await;
}

#[tokio::test]
async fn an_assertion_names_who_acts() {
    let house = with_file(Server::memory().await).await;
    let bob = house.server.confirmed_user(&house.pool, "bob", PASSWORD, json!({})).await;
    link(&house, &house.pool, "Adfs", "bob", "Bob@idp").await;
    let actor = |message: &str| json!({"ActorToken": encoded(message), "ActorTokenType": "SAML2", "ActorTokenProviderName": "Adfs"});
    let bobs = made(&house, json!({"id": "_b", "name": "Bob@idp", "until": NOW + 60}));
    let answer = house.exchange(actor(&bobs)).await.ok();
    let claims = segment(issued(&answer), 1);
    assert_eq!((&claims["act"], &claims["exp"]), (&json!({"sub": bob}), &json!(NOW + 120)));
    assert_eq!(house.exchange(actor(&bobs)).await.error(), INVALID_ACTOR);
    // Nor is one good for two things at once.
    let both = made(&house, json!({"id": "_c"}));
    assert_eq!(house.exchange(with(subject(&both), &actor(&both))).await.error(), INVALID_ACTOR);
}

#[tokio::test]
async fn nothing_but_what_the_provider_has_signed_counts() {
    let house = with_file(Server::memory().await).await;
    let plain = assertion(&house.pool, &json!({}));
    let good = signed(&plain);
    let whole = response(&good, METADATA, "_request");
    for forged in [
        plain.clone(),
        good.replace("Alice", "Mallory"),
        good.replace("_1\"", "_2\""),
        good.replace("rsa-sha256", "hmac-sha256"),
        // Only an assertion is one: a response is for the login pages.
        whole.clone(),
        signed(&whole),
        signed(&response(&plain, METADATA, "_request")),
        format!("<!DOCTYPE a>{good}"),
        format!("<a>{good}</a>"),
        "text".to_owned(),
        house.access.clone(),
    ] {
        assert_eq!(refusal(&house, &forged).await, INVALID_SUBJECT, "{forged}");
    }
    for token in [good.clone(), house.access.clone(), "?".to_owned(), "A".repeat(100_004)] {
        let request = with(subject(""), &json!({"SubjectToken": token}));
        let error = house.exchange(request).await.error();
        assert!(error == INVALID_SUBJECT || error.contains("validation error"), "{error}");
    }
    house.exchange(subject(&good)).await.ok();
}

#[tokio::test]
async fn what_is_signed_must_be_meant_for_the_pool_now() {
    let house = with_file(Server::memory().await).await;
    for change in [
        json!({"issuer": "https://other.example"}),
        json!({"audience": "urn:amazon:cognito:sp:us-east-1_other"}),
        json!({"audience": ENTITY}),
        json!({"recipient": "https://evil.example/saml2/idpresponse"}),
        json!({"recipient": null}),
        json!({"recipient": "http://127.0.0.1:9229/_domain/my-app/saml2/idpresponse"}),
        // It answers a request that somebody else has made.
        json!({"request": "_request"}),
        json!({"made": NOW + 61}),
        json!({"from": NOW + 61}),
        json!({"name": "x".repeat(257)}),
    ] {
        assert_eq!(refusal(&house, &made(&house, change.clone())).await, INVALID_SUBJECT, "{change}");
    }
    assert_eq!(refusal(&house, &made(&house, json!({"until": NOW - 60}))).await, EXPIRED);
    house.exchange(subject(&made(&house, json!({"until": NOW - 59, "from": NOW + 60, "made": NOW + 60})))).await.ok();
}

#[tokio::test]
async fn only_who_is_linked_is_meant() {
    both_engines(async |server| {
        let house = with_file(server).await;
        let nobody = "UserNotFoundException: User does not exist.";
        house.server.confirmed_user(&house.pool, "Adfs_eve", PASSWORD, json!({})).await;
        for name in ["eve", "alice@idp", "Alice@idp ", "alice", "alice@example.com"] {
            assert_eq!(refusal(&house, &made(&house, json!({"name": name}))).await, nobody, "{name}");
        }
        let administer = async |operation: &str| {
            house.server.call(operation, json!({"UserPoolId": house.pool, "Username": "alice"})).await.ok();
        };
        let old = made(&house, json!({}));
        house.server.advance(5);
        administer("AdminUserGlobalSignOut").await;
        assert_eq!(refusal(&house, &old).await, "NotAuthorizedException: Subject Token has been revoked");
        house.server.advance(5);
        let new = made(&house, json!({"made": NOW + 10}));
        administer("AdminDisableUser").await;
        assert_eq!(refusal(&house, &new).await, "NotAuthorizedException: User is disabled.");
        administer("AdminEnableUser").await;
        // Nothing of this has used the id up.
        house.server.advance(5);
        house.exchange(subject(&made(&house, json!({"made": NOW + 15})))).await.ok();
    })
    .await;
}

#[tokio::test]
async fn the_provider_must_be_one_of_the_client_that_makes_assertions() {
    let house = with_file(Server::memory().await).await;
    let good = made(&house, json!({}));
    let nobody = with(subject(&good), &json!({"SubjectTokenProviderName": null}));
    let required = "InvalidParameterException: SubjectTokenProviderName is required with SubjectTokenType SAML2.";
    assert_eq!(house.exchange(nobody).await.error(), required);
    let nobody = json!({"ActorToken": encoded(&good), "ActorTokenType": "SAML2"});
    let required = "InvalidParameterException: ActorTokenProviderName is required with ActorTokenType SAML2.";
    assert_eq!(house.exchange(nobody).await.error(), required);
    let details = json!({"client_id": "c", "attributes_request_method": "GET", "oidc_issuer": "https://id.example.com",
        "authorize_scopes": "openid"});
    provider(&house, &house.pool, "Okta", details).await;
    enable(&house, &["Okta"]).await;
    let other = with(subject(&good), &json!({"SubjectTokenProviderName": "Okta"}));
    let none = "InvalidParameterException: Identity provider Okta makes no SAML assertions.";
    assert_eq!(house.exchange(other).await.error(), none);
    let not_enabled = "InvalidParameterException: Identity provider Adfs is not enabled for the client.";
    assert_eq!(refusal(&house, &good).await, not_enabled);
    // A provider of the same name in another pool is another one.
    let elsewhere = house.server.pool(json!({})).await;
    enable(&house, &["Adfs"]).await;
    assert_eq!(refusal(&house, &signed(&assertion(&elsewhere, &json!({})))).await, INVALID_SUBJECT);
    house.exchange(subject(&good)).await.ok();
}

#[tokio::test]
async fn of_two_providers_neither_speaks_for_the_other() {
    let house = with_file(Server::memory().await).await;
    let details = json!({"MetadataFile": OTHER.metadata("")});
    let provider =
        json!({"UserPoolId": house.pool, "ProviderName": "Other", "ProviderType": "SAML", "ProviderDetails": details});
    house.server.call("CreateIdentityProvider", provider).await.ok();
    enable(&house, &["Adfs", "Other"]).await;
    house.server.confirmed_user(&house.pool, "bob", PASSWORD, json!({})).await;
    link(&house, &house.pool, "Other", "bob", "Alice@idp").await;
    let exchange = async |name: &str, by: &Provider, issuer: &str| {
        let message = by.signed(&assertion(&house.pool, &json!({"issuer": issuer})), "");
        house.exchange(with(subject(&message), &json!({"SubjectTokenProviderName": name}))).await
    };
    for (name, by, issuer) in [
        ("Adfs", &OTHER, OTHER.entity),
        ("Adfs", &OTHER, ENTITY),
        ("Adfs", &PROVIDER, OTHER.entity),
        ("Other", &PROVIDER, ENTITY),
        ("Other", &PROVIDER, OTHER.entity),
        ("Other", &OTHER, ENTITY),
    ] {
        assert_eq!(exchange(name, by, issuer).await.error(), INVALID_SUBJECT, "{name} {issuer}");
    }
    for (name, by, username) in [("Adfs", &PROVIDER, "alice"), ("Other", &OTHER, "bob")] {
        let answer = exchange(name, by, by.entity).await.ok();
        assert_eq!(segment(issued(&answer), 1)["username"], username);
    }
}

#[tokio::test]
async fn the_recipient_may_be_any_domain_of_the_pool_and_of_no_other() {
    let house = with_file(Server::memory().await).await;
    let elsewhere = house.server.pool(json!({})).await;
    let certificate = json!({"CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"});
    for (pool, domain) in [(&house.pool, "auth.example.com"), (&elsewhere, "login.example.org")] {
        let request = json!({"UserPoolId": pool, "Domain": domain, "CustomDomainConfig": certificate});
        house.server.call("CreateUserPoolDomain", request).await.ok();
    }
    house.server.call("CreateUserPoolDomain", json!({"UserPoolId": house.pool, "Domain": "my-app"})).await.ok();
    let to = |base: &str| {
        made(&house, json!({"id": format!("_{}", base.len()), "recipient": format!("{base}/saml2/idpresponse")}))
    };
    for base in ["http://login.example.org:9229", "http://auth.example.com", "http://127.0.0.1:9229"] {
        assert_eq!(refusal(&house, &to(base)).await, INVALID_SUBJECT, "{base}");
    }
    for base in ["http://auth.example.com:9229", "http://127.0.0.1:9229/_domain/my-app"] {
        house.exchange(subject(&to(base))).await.ok();
    }
}

/// Exchanges a new assertion, so many seconds after the beginning.
async fn exchange_at(house: &House, second: i64) -> Answer {
    let now = NOW + second;
    let new = made(house, json!({"id": format!("_{second}"), "made": now, "from": now, "until": now + 60}));
    house.exchange(subject(&new)).await
}

#[tokio::test]
async fn metadata_at_an_address_count_for_six_hours() {
    let house = with_provider(Server::memory().await, json!({"MetadataURL": METADATA})).await;
    let asked = || house.server.documents.take_asked();
    assert_eq!(asked(), [METADATA]);
    let others = metadata("").replace("https://idp.example/metadata", "https://other.example");
    house.server.documents.publish(METADATA, Document::Text(others));
    exchange_at(&house, 0).await.ok();
    let almost = 6 * 3_600 - 1;
    house.server.advance(almost);
    exchange_at(&house, almost).await.ok();
    assert!(asked().is_empty());
    house.server.advance(1);
    assert_eq!(exchange_at(&house, almost + 1).await.error(), INVALID_SUBJECT);
    assert_eq!(asked(), [METADATA]);
}

#[tokio::test]
async fn metadata_that_end_sooner_are_read_again() {
    let house = with_provider(Server::memory().await, json!({"MetadataURL": METADATA})).await;
    let until = |text: &str| Document::Text(metadata(&format!(" validUntil=\"{text}\"")));
    let details = json!({"UserPoolId": house.pool, "ProviderName": "Adfs", "ProviderDetails": {"MetadataURL": format!("{METADATA}/new")}});
    house.server.documents.publish(&format!("{METADATA}/new"), until("2026-01-02T03:05:05Z"));
    house.server.call("UpdateIdentityProvider", details).await.ok();
    house.server.documents.take_asked();
    house.server.advance(59);
    exchange_at(&house, 59).await.ok();
    assert!(house.server.documents.take_asked().is_empty());
    house.server.advance(1);
    assert_eq!(exchange_at(&house, 60).await.error(), INVALID_SUBJECT);
    // Not again at once.
    house.server.documents.publish(&format!("{METADATA}/new"), until("2026-01-02T04:05:05Z"));
    assert_eq!(exchange_at(&house, 61).await.error(), INVALID_SUBJECT);
    assert_eq!(house.server.documents.take_asked().len(), 1);
    house.server.advance(10);
    exchange_at(&house, 70).await.ok();
}
