//! Providers that do not answer, or answer that something has gone wrong (oauth-federation.md §3.1).

use super::*;

#[tokio::test]
async fn what_the_token_endpoint_answers_instead_of_tokens() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let status = |status: u16, body: Value| Document::Status(status, body.to_string());
    for (answer, words) in [
        (Document::Silence, "Timeout occurred in calling IdP token endpoint"),
        (Document::Broken, "Connection reset"),
        (status(400, json!({"error": "invalid_grant"})), "Okta Error - 400 invalid_grant"),
        (status(401, json!({"error": "invalid client\r\n"})), "Okta Error - 401 error getting token"),
        (status(500, json!({"error": {"message": "x"}})), "Okta Error - 500 error getting token"),
        (status(302, json!({"access_token": "at"})), "Okta Error - 302 error getting token"),
        (Document::Text("<html>".to_owned()), "Okta Error - 200 error getting token"),
        (document(&json!({"id_token": "x"})), "Okta Error - 200 error getting token"),
        (document(&json!({"access_token": "at"})), "The identity provider has sent no ID token."),
        (Document::Text(json!({"access_token": "a".repeat(300_000)}).to_string()), "Connection reset"),
    ] {
        let browser = Browser::new(&server);
        let left = scene.leave(&browser, "Okta", &[]).await;
        server.documents.publish(TOKEN, answer.clone());
        let refused = said(&location(&scene.back(&browser, &left.state).await));
        assert_eq!(refused, format!("invalid_request: {words}"), "{answer:.60?}");
        assert!(
            !browser.cookies.borrow().contains_key("csrf-state") && !browser.cookies.borrow().contains_key("cognito")
        );
    }
}

#[tokio::test]
async fn keys_that_cannot_be_read() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    for (answer, words) in [
        (Document::Silence, "Timeout in calling jwks uri"),
        (Document::Broken, "Error in calling jwks uri"),
        (Document::Status(500, String::new()), "Error in calling jwks uri"),
    ] {
        server.documents.publish(JWKS, answer.clone());
        assert_eq!(scene.refusal(json!({})).await, format!("invalid_request: {words}"), "{answer:?}");
        // What has failed is left alone for ten seconds, and called the same meanwhile.
        publish(&server);
        assert_eq!(scene.refusal(json!({})).await, format!("invalid_request: {words}"), "{answer:?}");
        server.advance(10);
    }
    scene.redeem(&scene.sign_in(json!({})).await).await;
}

#[tokio::test]
async fn endpoints_that_cannot_be_found() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let found = |change: Value| {
        let usual =
            json!({"issuer": ISSUER, "authorization_endpoint": AUTHORIZE, "token_endpoint": TOKEN, "jwks_uri": JWKS});
        document(&with(usual, &change))
    };
    for (answer, words) in [
        (Document::Silence, "Read timed out"),
        (Document::Broken, "Connection reset"),
        (found(json!({"issuer": "https://other.example.com"})), "Connection reset"),
        (found(json!({"issuer": format!("{ISSUER}//")})), "Connection reset"),
        (found(json!({"issuer": format!("{ISSUER}/other")})), "Connection reset"),
        (found(json!({"authorization_endpoint": "http://id.example.com/authorize"})), "Connection reset"),
        (found(json!({"token_endpoint": "https://10.0.0.1:9200/"})), "Connection reset"),
        (found(json!({"authorization_endpoint": null})), "Okta Error - its discovery document names no such endpoint"),
    ] {
        server.documents.publish(DISCOVERY, answer.clone());
        let asked = asked(&scene.client, &[("identity_provider", "Okta"), ("state", "mine")]);
        let browser = Browser::new(&server);
        let url = location(&browser.get(&format!("/oauth2/authorize?{asked}")).await);
        assert_eq!(said(&url), format!("invalid_request: {words}"), "{answer:.200?}");
        server.advance(300);
    }
}

#[tokio::test]
async fn what_the_provider_says_has_gone_wrong() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    for (pairs, words) in [
        (
            &[("error", "access_denied"), ("error_description", "The user said no.")][..],
            "access_denied: The user said no.",
        ),
        (&[("error", "login_required")], "login_required: login_required"),
        (&[("error", "own_code"), ("code", "c0de")], "invalid_request: own_code"),
        (&[("error", "invalid_scope"), ("error_description", "a\r\nb")], "invalid_request: ab"),
        (&[], "invalid_request: The identity provider has sent no code."),
    ] {
        let browser = Browser::new(&server);
        let left = scene.leave(&browser, "Okta", &[]).await;
        server.documents.take_asked();
        let pairs: Vec<_> = pairs.iter().copied().chain([("state", left.state.as_str())]).collect();
        let url = location(&browser.get(&format!("/oauth2/idpresponse?{}", query(&pairs))).await);
        assert_eq!(said(&url), words);
        assert!(server.documents.take_asked().is_empty());
        assert!(!browser.cookies.borrow().contains_key("csrf-state"));
    }
}

#[tokio::test]
async fn a_provider_or_a_client_that_has_changed_meanwhile() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let named = json!({"UserPoolId": scene.pool, "ClientId": scene.client});
    let only_own = with(client_members(json!({})), &named);
    let browser = Browser::new(&server);
    let left = scene.leave(&browser, "Okta", &[]).await;
    server.call("UpdateUserPoolClient", only_own).await.ok();
    scene.answers(&left, &json!({}));
    let refused = said(&location(&scene.back(&browser, &left.state).await));
    assert_eq!(refused, "invalid_request: Identity provider Okta does not exist.");

    let both = with(client_members(json!({"SupportedIdentityProviders": ["COGNITO", "Okta"]})), &named);
    server.call("UpdateUserPoolClient", both).await.ok();
    let left = scene.leave(&browser, "Okta", &[]).await;
    server.call("DeleteIdentityProvider", json!({"UserPoolId": scene.pool, "ProviderName": "Okta"})).await.ok();
    let refused = said(&location(&scene.back(&browser, &left.state).await));
    assert_eq!(refused, "invalid_request: Identity provider Okta does not exist.");

    scene.provider("Okta", json!({})).await;
    let left = scene.leave(&browser, "Okta", &[]).await;
    server.call("DeleteUserPoolClient", named).await.ok();
    let url = location(&scene.back(&browser, &left.state).await);
    assert_eq!(parameter(&url, "error").as_deref(), Some("Client does not exist"), "{url}");
}

#[tokio::test]
async fn tokens_that_were_asked_for_are_refused_in_the_fragment() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let browser = Browser::new(&server);
    let left = scene.leave(&browser, "Okta", &[("response_type", "token")]).await;
    server.documents.publish(TOKEN, Document::Broken);
    let url = location(&scene.back(&browser, &left.state).await);
    assert_eq!(url, format!("{CALLBACK}#error_description=Connection+reset&state=mine&error=invalid_request"));
}
