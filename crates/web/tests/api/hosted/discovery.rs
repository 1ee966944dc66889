//! The discovery document of a pool with a domain (oauth-federation.md §1). Without one: `tokens`.

use super::*;

async fn document(server: &Server, pool: &str) -> Value {
    server.get(&format!("/{pool}/.well-known/openid-configuration")).await.ok()
}

#[tokio::test]
async fn the_document_names_what_the_domain_serves() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let mut document = document(&server, &site.pool).await;
    let names: Vec<_> = document.as_object().unwrap().keys().cloned().collect();
    assert!(names.is_sorted(), "{names:?}");
    for name in ["issuer", "jwks_uri"] {
        let value = document[name].as_str().unwrap().replace(&site.pool, "[pool]");
        document[name] = json!(value);
    }
    insta::assert_json_snapshot!(document, @r#"
    {
      "authorization_endpoint": "http://127.0.0.1:9229/_domain/my-app/oauth2/authorize",
      "end_session_endpoint": "http://127.0.0.1:9229/_domain/my-app/logout",
      "id_token_signing_alg_values_supported": [
        "RS256"
      ],
      "issuer": "http://127.0.0.1:9229/[pool]",
      "jwks_uri": "http://127.0.0.1:9229/[pool]/.well-known/jwks.json",
      "response_types_supported": [
        "code",
        "token"
      ],
      "revocation_endpoint": "http://127.0.0.1:9229/_domain/my-app/oauth2/revoke",
      "scopes_supported": [
        "openid",
        "email",
        "phone",
        "profile"
      ],
      "subject_types_supported": [
        "public"
      ],
      "token_endpoint": "http://127.0.0.1:9229/_domain/my-app/oauth2/token",
      "token_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "client_secret_post"
      ],
      "userinfo_endpoint": "http://127.0.0.1:9229/_domain/my-app/oauth2/userInfo"
    }
    "#);
    // All of them are there.
    let browser = Browser::new(&server);
    for name in
        ["authorization_endpoint", "end_session_endpoint", "revocation_endpoint", "token_endpoint", "userinfo_endpoint"]
    {
        let answer = browser.get(document[name].as_str().unwrap()).await;
        assert!([302, 400, 405].contains(&answer.status), "{name}: {answer:?}");
        assert_ne!(answer.body["code"], "BadRequest", "{name} leads nowhere");
    }
}

#[tokio::test]
async fn of_two_domains_the_custom_one_is_named() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let certificate = json!({"CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"});
    let request = json!({"UserPoolId": site.pool, "Domain": "auth.example.com", "CustomDomainConfig": certificate});
    server.call("CreateUserPoolDomain", request.clone()).await.ok();
    let named = document(&server, &site.pool).await["token_endpoint"].clone();
    assert_eq!(named, "http://auth.example.com:9229/oauth2/token");
    server.call("DeleteUserPoolDomain", json!({"UserPoolId": site.pool, "Domain": "auth.example.com"})).await.ok();
    let named = document(&server, &site.pool).await["token_endpoint"].clone();
    assert_eq!(named, "http://127.0.0.1:9229/_domain/my-app/oauth2/token");
    server.call("DeleteUserPoolDomain", json!({"UserPoolId": site.pool, "Domain": PREFIX})).await.ok();
    assert_eq!(document(&server, &site.pool).await.get("token_endpoint"), None);
}

/// Who configures a prefix below a name of the operator's finds it there.
#[tokio::test]
async fn prefixes_stand_below_the_name_that_the_operator_has_given() {
    let server =
        Server::builder().settings(|settings| settings.auth_domain = Some("auth.example.com".to_owned())).start().await;
    let site = site(&server, json!({}), json!({})).await;
    let named = document(&server, &site.pool).await["authorization_endpoint"].clone();
    assert_eq!(named, "http://my-app.auth.example.com:9229/oauth2/authorize");
}
