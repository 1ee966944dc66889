//! What is tried with the way back from a provider: in another browser, again, later, at another pool, with what belongs
//! to somebody else (oauth-federation.md §16).

use super::*;
use crate::saml_provider;

const INVALID_STATE: &str = "Invalid state from identity provider";

/// What the error page is told.
fn page(answer: &Answer) -> String {
    let url = location(answer);
    assert!(
        url.starts_with("http://127.0.0.1:9229/_domain/my-app/error?") || url.contains("/_domain/other/error?"),
        "{url}"
    );
    parameter(&url, "error").unwrap()
}

#[tokio::test]
async fn only_the_browser_that_left_comes_back() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let (victim, attacker) = (Browser::new(&server), Browser::new(&server));
    let left = scene.leave(&attacker, "Okta", &[]).await;
    scene.answers(&left, &json!({}));
    // Somebody else's sign-in is put into the browser of a victim, who has a way of their own under way or none.
    assert_eq!(page(&scene.back(&victim, &left.state).await), INVALID_STATE);
    let own = scene.leave(&victim, "Okta", &[]).await;
    assert_eq!(page(&scene.back(&victim, &left.state).await), INVALID_STATE);
    for cookie in ["", "x", &own.nonce, &left.nonce] {
        let stranger = Browser::new(&server);
        stranger.cookies.borrow_mut().insert("csrf-state".to_owned(), cookie.to_owned());
        assert_eq!(page(&scene.back(&stranger, &left.state).await), INVALID_STATE, "{cookie}");
    }
    assert!(!victim.cookies.borrow().contains_key("cognito"));
    assert!(server.documents.take_asked().iter().all(|url| url == DISCOVERY));
    // None of that stands in the way of either.
    scene.answers(&own, &json!({}));
    scene.redeem(&location(&scene.back(&victim, &own.state).await)).await;
    scene.answers(&left, &json!({}));
    scene.redeem(&location(&scene.back(&attacker, &left.state).await)).await;
}

#[tokio::test]
async fn a_state_is_good_once_and_for_five_minutes() {
    both_engines(async |server| {
        let scene = plain_scene(&server).await;
        let browser = Browser::new(&server);
        let left = scene.leave(&browser, "Okta", &[]).await;
        let cookies = browser.cookies.borrow().clone();
        scene.answers(&left, &json!({}));
        scene.redeem(&location(&scene.back(&browser, &left.state).await)).await;
        *browser.cookies.borrow_mut() = cookies.clone();
        assert_eq!(page(&scene.back(&browser, &left.state).await), INVALID_STATE);
        // A state that has led to nothing is used as well.
        let left = scene.leave(&browser, "Okta", &[]).await;
        let cookies = browser.cookies.borrow().clone();
        scene.answers(&left, &json!({"nonce": "other"}));
        said(&location(&scene.back(&browser, &left.state).await));
        *browser.cookies.borrow_mut() = cookies;
        scene.answers(&left, &json!({}));
        assert_eq!(page(&scene.back(&browser, &left.state).await), INVALID_STATE);

        for (seconds, is_good) in [(299, true), (300, false)] {
            let browser = Browser::new(&server);
            let left = scene.leave(&browser, "Okta", &[]).await;
            server.advance(seconds);
            scene.answers(&left, &json!({}));
            let answer = scene.back(&browser, &left.state).await;
            assert_eq!(parameter(&location(&answer), "code").is_some(), is_good, "{seconds}");
            if !is_good {
                assert_eq!(page(&answer), "Something went wrong");
            }
            server.advance(1);
        }
    })
    .await;
}

#[tokio::test]
async fn a_state_is_good_at_its_own_pool_only() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let other = server.pool(json!({})).await;
    server.call("CreateUserPoolDomain", json!({"UserPoolId": other, "Domain": "other"})).await.ok();
    let browser = Browser::new(&server);
    let left = scene.leave(&browser, "Okta", &[]).await;
    let elsewhere = Browser::at(&server, "other");
    *elsewhere.cookies.borrow_mut() = browser.cookies.borrow().clone();
    assert_eq!(page(&scene.back(&elsewhere, &left.state).await), INVALID_STATE);
    for state in ["", "x", "AAAA", &left.state[1..], &format!("{}A", left.state), &left.state.to_ascii_uppercase()] {
        assert_eq!(page(&scene.back(&browser, state).await), INVALID_STATE, "{state}");
    }
    let without = browser.get("/oauth2/idpresponse?code=c0de").await;
    assert_eq!(page(&without), INVALID_STATE);
    let twice = format!("/oauth2/idpresponse?code=a&code=b&state={}", left.state);
    assert_eq!(browser.get(&twice).await.status, 400);
    // Nothing of it was used up.
    scene.answers(&left, &json!({}));
    scene.redeem(&location(&scene.back(&browser, &left.state).await)).await;
}

#[tokio::test]
async fn a_state_is_good_at_its_own_kind_of_provider_only() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let saml = json!({"ProviderType": "SAML", "ProviderDetails": {"MetadataFile": saml_provider::metadata("")}});
    scene.provider("Adfs", saml).await;
    let members = client_members(json!({"SupportedIdentityProviders": ["Okta", "Adfs"]}));
    let request = with(members, &json!({"UserPoolId": scene.pool, "ClientId": scene.client}));
    server.call("UpdateUserPoolClient", request).await.ok();

    let browser = Browser::new(&server);
    let left = scene.leave(&browser, "Okta", &[]).await;
    let message = saml_provider::encoded("<x/>");
    let form = [("SAMLResponse", message.as_str()), ("RelayState", &left.state)];
    let answer = browser.post("/saml2/idpresponse", &form).await;
    assert_eq!(page(&answer), "Invalid relayState from identity provider");
    // Nothing of it was used up.
    scene.answers(&left, &json!({}));
    scene.redeem(&location(&scene.back(&browser, &left.state).await)).await;

    let browser = Browser::new(&server);
    let to_adfs = asked(&scene.client, &[("identity_provider", "Adfs")]);
    let url = location(&browser.get(&format!("/oauth2/authorize?{to_adfs}")).await);
    let relay_state = parameter(&url, "RelayState").unwrap();
    assert_eq!(page(&scene.back(&browser, &relay_state).await), INVALID_STATE);
}

#[tokio::test]
async fn a_code_of_another_sign_in_is_not_taken() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let (victim, attacker) = (Browser::new(&server), Browser::new(&server));
    let theirs = scene.leave(&victim, "Okta", &[]).await;
    let own = scene.leave(&attacker, "Okta", &[]).await;
    // The provider answers the code that was stolen with the nonce of the sign-in that it was made for.
    scene.answers(&theirs, &json!({"sub": "victim"}));
    let refused = said(&location(&scene.back(&attacker, &own.state).await));
    assert_eq!(refused, "invalid_request: Invalid ID token received: the nonce is another one");
    assert_eq!(scene.users().await, 0);
}

#[tokio::test]
async fn providers_are_not_mixed_up() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let details = json!({"client_id": "pool-at-Evil", "oidc_issuer": "https://evil.example", "authorize_scopes": "openid",
        "attributes_request_method": "GET", "authorize_url": "https://evil.example/a", "token_url": "https://evil.example/t",
        "attributes_url": "https://evil.example/me", "jwks_uri": "https://evil.example/keys"});
    scene.provider("Evil", json!({"ProviderDetails": details})).await;
    let members = client_members(json!({"SupportedIdentityProviders": ["Okta", "Evil"]}));
    let request = with(members, &json!({"UserPoolId": scene.pool, "ClientId": scene.client}));
    server.call("UpdateUserPoolClient", request).await.ok();

    // A browser that was sent to one comes back from another that says who it is.
    let browser = Browser::new(&server);
    let left = scene.leave(&browser, "Evil", &[]).await;
    server.documents.take_asked();
    let honest = query(&[("code", "c0de"), ("state", &left.state), ("iss", ISSUER)]);
    let refused = said(&location(&browser.get(&format!("/oauth2/idpresponse?{honest}")).await));
    assert_eq!(refused, "invalid_request: The answer is another identity provider's.");
    assert!(server.documents.take_asked().is_empty(), "nobody is told the code");
    // A provider hands on an ID token that another one has made, for itself or for the other.
    server.documents.publish("https://evil.example/keys", document(&json!({"keys": [OTHER_KEY.public_jwk()]})));
    for (signer, claims) in [
        (&KEY, json!({})),
        (&KEY, json!({"aud": "pool-at-Evil"})),
        (&OTHER_KEY, json!({"aud": "pool-at-Evil"})),
        (&OTHER_KEY, json!({"iss": "https://evil.example"})),
    ] {
        let left = scene.leave(&browser, "Evil", &[]).await;
        let token = signer.sign(id_token(&left, &claims).to_string().as_bytes()).unwrap();
        let tokens = json!({"access_token": "at", "id_token": token});
        server.documents.publish("https://evil.example/t", document(&tokens));
        let refused = said(&location(&scene.back(&browser, &left.state).await));
        assert!(refused.starts_with("invalid_request: Invalid ID token received: "), "{claims}: {refused}");
    }
    // The same user id at another provider is another user.
    let left = scene.leave(&browser, "Evil", &[]).await;
    let claims = json!({"iss": "https://evil.example", "aud": "pool-at-Evil"});
    let token = OTHER_KEY.sign(id_token(&left, &claims).to_string().as_bytes()).unwrap();
    server.documents.publish("https://evil.example/t", document(&json!({"access_token": "at", "id_token": token})));
    let theirs = scene.redeem(&location(&scene.back(&browser, &left.state).await)).await;
    let ours = scene.redeem(&scene.sign_in(json!({})).await).await;
    assert_ne!(theirs["sub"], ours["sub"]);
    assert_eq!((&theirs["cognito:username"], &ours["cognito:username"]), (&json!("Evil_00u1"), &json!("Okta_00u1")));
}

#[tokio::test]
async fn user_info_of_somebody_else_is_refused() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    for (answer, is_good) in [
        (document(&json!({"sub": "00u2", "email": "victim@example.com"})), false),
        (document(&json!({"sub": null, "email": "victim@example.com"})), false),
        (document(&json!({"email": "victim@example.com"})), false),
        // Who does not answer says nothing.
        (document(&json!({})), true),
        (Document::Text("eyJ.jwt.x".to_owned()), true),
        (Document::Status(403, json!({"sub": "00u2", "email": "victim@example.com"}).to_string()), true),
        (Document::Broken, true),
    ] {
        let browser = Browser::new(&server);
        let left = scene.leave(&browser, "Okta", &[]).await;
        scene.answers(&left, &json!({"sub": "00u1"}));
        server.documents.publish(USER_INFO, answer.clone());
        let url = location(&scene.back(&browser, &left.state).await);
        if is_good {
            assert_eq!(scene.redeem(&url).await["email"], json!(null), "{answer:?}");
        } else {
            let words = "invalid_request: The identity provider describes another user than its ID token.";
            assert_eq!(said(&url), words, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn an_address_makes_nobody_somebody_else() {
    for pool in [
        json!({}),
        json!({"AliasAttributes": ["email", "preferred_username"]}),
        json!({"UsernameAttributes": ["email"]}),
    ] {
        let server = Server::memory().await;
        let mapping = json!({"AttributeMapping": {"email": "email", "email_verified": "email_verified",
            "preferred_username": "preferred_username"}});
        let scene = scene(&server, pool.clone(), mapping, json!({})).await;
        let name = if pool.get("UsernameAttributes").is_some() { "alice@example.com" } else { "alice" };
        let alice = server.confirmed_user(&scene.pool, name, PASSWORD, json!({"email": "alice@example.com"})).await;
        let claims = json!({"email": "alice@example.com", "email_verified": true, "preferred_username": "alice"});
        let stranger = scene.redeem(&scene.sign_in(claims).await).await;
        assert_ne!(stranger["sub"], json!(alice), "{pool}");
        assert_eq!(stranger["cognito:username"], "Okta_00u1");
        // Alice still is who her names say, and is changed in nothing.
        for own in [name, "alice@example.com"] {
            let answer = server.sign_in(&server.client_id(&scene.pool, json!({})).await, own, PASSWORD).await;
            let is_name = own == name || pool.get("AliasAttributes").is_some();
            assert_eq!(answer.status == 200, is_name, "{pool} {own}");
        }
        assert_eq!(scene.user(name).await["email_verified"], "true");
        // Nor does the stranger's profile keep an address from its owner.
        let claims = json!({"sub": "00u2", "email": "bob@example.com", "email_verified": true});
        scene.redeem(&scene.sign_in(claims).await).await;
        let name = if pool.get("UsernameAttributes").is_some() { "bob@example.com" } else { "bob" };
        server.confirmed_user(&scene.pool, name, PASSWORD, json!({"email": "bob@example.com"})).await;
        let client = server.client_id(&scene.pool, json!({})).await;
        server.sign_in(&client, name, PASSWORD).await.ok();
    }
}

#[tokio::test]
async fn a_name_that_somebody_else_has_is_not_taken_over() {
    for pool in [json!({}), json!({"UsernameConfiguration": {"CaseSensitive": true}})] {
        let server = Server::memory().await;
        let scene = scene(&server, pool, json!({}), json!({})).await;
        let squatter = server.confirmed_user(&scene.pool, "Okta_00u1", PASSWORD, json!({})).await;
        let refused = scene.refusal(json!({})).await.to_lowercase();
        assert_eq!(refused, "server_error: already found an entry for username okta_00u1");
        let user = scene.user("Okta_00u1").await;
        assert_eq!(user, json!({"status": "CONFIRMED", "sub": squatter}));
        // The administrator can say that it is the same person.
        scene.link("Okta_00u1", "Cognito_Subject", "00u1").await;
        let claims = scene.redeem(&scene.sign_in(json!({})).await).await;
        assert_eq!(claims["sub"], json!(squatter));
    }
}

/// What AdminCreateUser gives an alias like a name of theirs is somebody else's as well.
#[tokio::test]
async fn an_alias_that_looks_like_a_profile_is_no_profile() {
    let server = Server::memory().await;
    let scene = scene(&server, json!({"AliasAttributes": ["preferred_username"]}), json!({}), json!({})).await;
    server.confirmed_user(&scene.pool, "eve", PASSWORD, json!({"preferred_username": "Okta_00u1"})).await;
    let refused = scene.refusal(json!({})).await.to_lowercase();
    assert_eq!(refused, "server_error: already found an entry for username okta_00u1");
    assert_eq!(scene.users().await, 1);
}
