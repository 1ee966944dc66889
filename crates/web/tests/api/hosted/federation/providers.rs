//! What each kind of provider is asked, and what is taken of its answers (oauth-federation.md §15.1, §16).

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use service::quotas::Category;

use super::*;

/// The parameters of a URL but those that are random.
fn parameters(url: &str) -> Vec<(String, String)> {
    let (_, query) = url.split_once('?').unwrap();
    let parameters = service::hosted::Parameters::read(query.as_bytes()).unwrap();
    let fixed = parameters.iter().filter(|(name, _)| !["state", "nonce"].contains(name));
    fixed.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn sign_ins_at_providers_have_a_rate_of_their_own() {
    let server = Server::builder()
        .settings(|settings| {
            settings.quotas.rates.set(Category::UserFederation, 2);
            settings.quotas.rates.set(Category::UserAuthentication, 1);
        })
        .start()
        .await;
    let scene = plain_scene(&server).await;
    let query = asked(&scene.client, &[("identity_provider", "Okta")]);
    let leave = async || Browser::new(&server).get(&format!("/oauth2/authorize?{query}")).await.status;
    assert_eq!([leave().await, leave().await, leave().await], [302, 302, 429]);
    server.advance(1);
    assert_eq!(leave().await, 302);
}

#[tokio::test]
async fn an_address_may_leave_for_providers_as_often_as_it_may_sign_in() {
    let server = Server::builder().settings(|settings| settings.quotas.rates.per_address = 1).start().await;
    let scene = plain_scene(&server).await;
    let query = asked(&scene.client, &[("identity_provider", "Okta")]);
    for number in 0..61 {
        let answer = Browser::new(&server).get(&format!("/oauth2/authorize?{query}")).await;
        assert_eq!(answer.status, if number < 60 { 302 } else { 429 }, "{number}");
    }
}

#[tokio::test]
async fn a_user_of_an_openid_provider_signs_in() {
    both_engines(async |server| {
        let scene = plain_scene(&server).await;
        let browser = Browser::new(&server);
        let left = scene.leave(&browser, "Okta", &[]).await;
        assert!(left.location.starts_with(&format!("{AUTHORIZE}?")), "{}", left.location);
        let expected = pairs(&[("client_id", "pool-at-Okta"), ("redirect_uri", BACK), ("response_type", "code"),
            ("scope", "openid email")]);
        assert_eq!(parameters(&left.location), expected);
        assert_eq!(left.nonce.len(), 43);
        assert!(browser.cookies.borrow().contains_key("csrf-state"));
        assert_eq!(server.documents.take_asked(), [DISCOVERY]);

        scene.answers(&left, &json!({"email": "a@okta.example", "acr": "high"}));
        let user_info = json!({"sub": "00u1", "email": "other@okta.example", "name": "A"});
        server.documents.publish(USER_INFO, document(&user_info));
        let url = location(&scene.back(&browser, &left.state).await);
        assert!(url.starts_with(&format!("{CALLBACK}?code=")) && url.ends_with("&state=mine"), "{url}");
        assert!(!browser.cookies.borrow().contains_key("csrf-state"));
        assert!(browser.cookies.borrow().contains_key("cognito"));
        let requests = server.documents.take_requests();
        let urls: Vec<_> = requests.iter().map(|asked| asked.url.as_str()).collect();
        assert_eq!(urls, [TOKEN, DISCOVERY, JWKS, USER_INFO]);
        let form = query(&[("grant_type", "authorization_code"), ("code", "c0de"), ("redirect_uri", BACK),
            ("client_id", "pool-at-Okta"), ("client_secret", "s3cret")]);
        assert_eq!((requests[0].form.as_deref(), requests[0].bearer.as_deref()), (Some(form.as_str()), None));
        assert_eq!((requests[3].form.as_deref(), requests[3].bearer.as_deref()), (None, Some("at-okta")));

        let claims = scene.redeem(&url).await;
        // Clients that sent no nonce are told one all the same.
        assert_eq!(claims["nonce"].as_str().unwrap().len(), 43);
        let sub = claims["sub"].as_str().unwrap();
        let chosen = ["cognito:username", "cognito:groups", "email", "email_verified", "acr", "amr", "identities", "auth_time"];
        let shown: Value = chosen.into_iter().map(|name| (name.to_owned(), claims[name].clone())).collect();
        let group = format!("{}_Okta", scene.pool);
        assert_eq!(shown, json!({"cognito:username": "Okta_00u1", "cognito:groups": [group], "email": "a@okta.example",
            "email_verified": false, "acr": "urn:cognito:loa:1", "amr": ["fed"], "auth_time": NOW,
            "identities": [{"userId": "00u1", "providerName": "Okta", "providerType": "OIDC", "issuer": null,
                "primary": "true", "dateCreated": "1767323045000"}]}));
        let identities = r#"[{"userId":"00u1","providerName":"Okta","providerType":"OIDC","issuer":null,"primary":true,"dateCreated":1767323045000}]"#;
        assert_eq!(scene.user("Okta_00u1").await, json!({"status": "EXTERNAL_PROVIDER", "sub": sub,
            "email": "a@okta.example", "email_verified": "false", "identities": identities}));
        let found = json!({"UserPoolId": scene.pool, "GroupName": group});
        let group = server.call("GetGroup", found).await.ok();
        assert_eq!(group["Group"]["Description"], "Autogenerated group for users who sign in using Okta");

        // The next time it is the same user, from whichever browser.
        let again = scene.redeem(&scene.sign_in(json!({"email": "new@okta.example"})).await).await;
        assert_eq!((&again["sub"], &again["email"]), (&claims["sub"], &json!("new@okta.example")));
        assert_eq!(scene.users().await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_nonce_of_the_application_is_its_own() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let browser = Browser::new(&server);
    let left = scene.leave(&browser, "Okta", &[("nonce", "n-of-the-application")]).await;
    assert_ne!(left.nonce, "n-of-the-application");
    scene.answers(&left, &json!({}));
    let url = location(&scene.back(&browser, &left.state).await);
    assert_eq!(scene.redeem(&url).await["nonce"], "n-of-the-application");
}

#[tokio::test]
async fn what_the_details_name_needs_no_discovery() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let details = json!({"client_id": "pool-at-Okta", "oidc_issuer": ISSUER, "authorize_scopes": "openid",
        "attributes_request_method": "POST", "authorize_url": "https://own.example/authorize?tenant=1",
        "token_url": "https://own.example/token", "attributes_url": "https://own.example/me",
        "jwks_uri": "https://own.example/keys"});
    let request = json!({"UserPoolId": scene.pool, "ProviderName": "Okta", "ProviderDetails": details});
    server.call("UpdateIdentityProvider", request).await.ok();
    server.documents.publish("https://own.example/keys", document(&json!({"keys": [KEY.public_jwk()]})));
    server.documents.publish("https://own.example/me", document(&json!({"sub": "00u1", "email": "me@own.example"})));
    let browser = Browser::new(&server);
    let left = scene.leave(&browser, "Okta", &[]).await;
    assert!(left.location.starts_with("https://own.example/authorize?tenant=1&client_id="), "{}", left.location);
    let token = KEY.sign(id_token(&left, &json!({})).to_string().as_bytes()).unwrap();
    let tokens = json!({"access_token": "at", "id_token": token});
    server.documents.publish("https://own.example/token", document(&tokens));
    let url = location(&scene.back(&browser, &left.state).await);
    assert_eq!(scene.redeem(&url).await["email"], "me@own.example");
    let requests = server.documents.take_requests();
    let urls: Vec<_> = requests.iter().map(|asked| asked.url.as_str()).collect();
    assert_eq!(urls, ["https://own.example/token", "https://own.example/keys", "https://own.example/me"]);
    // A client without a secret; a POST without parameters.
    assert!(!requests[0].form.as_ref().unwrap().contains("client_secret"));
    assert_eq!((requests[2].form.as_deref(), requests[2].bearer.as_deref()), (Some(""), Some("at")));
}

#[tokio::test]
async fn hints_and_levels_go_to_the_provider_and_back() {
    let server = Server::memory().await;
    let levels = json!({"AcrMapping": {"Level1": "low", "Level3": "high"}});
    let scene = scene(&server, json!({"UserPoolTier": "ESSENTIALS"}), levels, json!({})).await;
    let browser = Browser::new(&server);
    let wishes = [
        ("login_hint", "a@okta.example"),
        ("prompt", "login consent"),
        ("acr_values", "urn:cognito:loa:3 urn:cognito:loa:2 urn:cognito:loa:1"),
    ];
    let left = scene.leave(&browser, "Okta", &wishes).await;
    let more = pairs(&[("login_hint", "a@okta.example"), ("prompt", "login consent"), ("acr_values", "high low")]);
    assert_eq!(parameters(&left.location)[4..], more);
    for (acr, level) in [(json!("high"), 3), (json!("low"), 1), (json!("other"), 1), (json!(null), 1), (json!(3), 1)] {
        let left = scene.leave(&browser, "Okta", &[("prompt", "login")]).await;
        scene.answers(&left, &json!({"acr": acr}));
        let url = location(&scene.back(&browser, &left.state).await);
        assert_eq!(scene.redeem(&url).await["acr"], json!(format!("urn:cognito:loa:{level}")), "{acr}");
    }
}

/// A social provider, which a scene's client may use as well.
async fn social(scene: &Scene<'_>, name: &str, details: Value, mapping: Value) {
    let members = json!({"ProviderType": name, "ProviderDetails": details, "AttributeMapping": mapping});
    scene.provider(name, members).await;
    let members = client_members(json!({"SupportedIdentityProviders": ["COGNITO", "Okta", name]}));
    let request = with(members, &json!({"UserPoolId": scene.pool, "ClientId": scene.client}));
    scene.server.call("UpdateUserPoolClient", request).await.ok();
}

#[tokio::test]
async fn google() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let details = json!({"client_id": "g", "client_secret": "gs", "authorize_scopes": "email profile openid"});
    let mapping = json!({"email": "email", "email_verified": "email_verified", "birthdate": "birthdays",
        "phone_number": "phoneNumbers"});
    social(&scene, "Google", details, mapping).await;
    let browser = Browser::new(&server);
    let left =
        scene.leave(&browser, "Google", &[("login_hint", "a@gmail.example"), ("prompt", "select_account")]).await;
    assert!(left.location.starts_with("https://accounts.google.com/o/oauth2/v2/auth?"), "{}", left.location);
    let more =
        pairs(&[("scope", "email profile openid"), ("login_hint", "a@gmail.example"), ("prompt", "select_account")]);
    assert_eq!(parameters(&left.location)[3..], more);
    let google = "https://accounts.google.com";
    let discovery = json!({"issuer": google, "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs"});
    server.documents.publish(&format!("{google}/.well-known/openid-configuration"), document(&discovery));
    let keys = json!({"keys": [KEY.public_jwk()]});
    server.documents.publish("https://www.googleapis.com/oauth2/v3/certs", document(&keys));
    let claims = json!({"iss": google, "aud": "g", "azp": "g", "sub": "1234567890", "email": "a@gmail.example",
        "email_verified": true});
    let token = KEY.sign(id_token(&left, &claims).to_string().as_bytes()).unwrap();
    let tokens = json!({"access_token": "at-google", "id_token": token});
    server.documents.publish("https://www.googleapis.com/oauth2/v4/token", document(&tokens));
    let people = "https://people.googleapis.com/v1/people/me?personFields=birthdays,phoneNumbers";
    let person = json!({"resourceName": "people/1234567890", "birthdays": [{"date": {"year": 1990, "month": 2, "day": 3}}],
        "phoneNumbers": [{"value": "+12065550100"}, {"value": "+12065550101"}], "names": "none"});
    server.documents.publish(people, document(&person));
    server.documents.take_requests();
    let url = location(&scene.back(&browser, &left.state).await);
    assert!(server.documents.take_asked().contains(&people.to_owned()));
    let user = scene.user("Google_1234567890").await;
    let shown: Value = ["email", "email_verified", "birthdate", "phone_number"].map(|name| user[name].clone()).into();
    assert_eq!(shown, json!(["a@gmail.example", "true", "1990-02-03", "+12065550100"]), "{url}");
}

#[tokio::test]
async fn facebook() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let details = json!({"client_id": "f", "client_secret": "fs", "authorize_scopes": "public_profile,email",
        "api_version": "v17.0"});
    social(&scene, "Facebook", details, json!({"email": "email", "name": "name"})).await;
    let browser = Browser::new(&server);
    let left = scene.leave(&browser, "Facebook", &[("login_hint", "a")]).await;
    assert!(left.location.starts_with("https://www.facebook.com/v17.0/dialog/oauth?"), "{}", left.location);
    assert_eq!(parameters(&left.location)[3..], pairs(&[("scope", "public_profile,email")]));
    assert_eq!(left.nonce, "");
    let tokens = json!({"access_token": "at-facebook", "token_type": "bearer", "expires_in": 5_183_944});
    server.documents.publish("https://graph.facebook.com/v17.0/oauth/access_token", document(&tokens));
    let me = "https://graph.facebook.com/v17.0/me?fields=email,id,name";
    server.documents.publish(me, document(&json!({"id": "10223", "name": "A", "email": "a@fb.example"})));
    let url = location(&scene.back(&browser, &left.state).await);
    let requests = server.documents.take_requests();
    let form = query(&[
        ("grant_type", "authorization_code"),
        ("code", "c0de"),
        ("redirect_uri", BACK),
        ("client_id", "f"),
        ("client_secret", "fs"),
    ]);
    assert_eq!(requests[0].url, format!("https://graph.facebook.com/v17.0/oauth/access_token?{form}"));
    assert_eq!((&requests[1].url, requests[1].bearer.as_deref()), (&me.to_owned(), Some("at-facebook")));
    let claims = scene.redeem(&url).await;
    assert_eq!((&claims["cognito:username"], &claims["name"]), (&json!("Facebook_10223"), &json!("A")));
    assert_eq!(claims["nonce"].as_str().unwrap().len(), 43);
    // Without an answer nobody is known.
    for answer in [Document::Status(400, "{}".to_owned()), Document::Broken, document(&json!({"name": "A"}))] {
        let left = scene.leave(&Browser::new(&server), "Facebook", &[]).await;
        server.documents.publish(me, answer.clone());
        let stranger = Browser::new(&server);
        let again = scene.leave(&stranger, "Facebook", &[]).await;
        assert_ne!(left.state, again.state);
        let refused = said(&location(&scene.back(&stranger, &again.state).await));
        assert!(refused.starts_with("invalid_request: "), "{answer:?}: {refused}");
    }
}

#[tokio::test]
async fn login_with_amazon() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let details = json!({"client_id": "a", "client_secret": "as", "authorize_scopes": "profile postal_code"});
    social(&scene, "LoginWithAmazon", details, json!({"email": "email"})).await;
    let browser = Browser::new(&server);
    let left = scene.leave(&browser, "LoginWithAmazon", &[]).await;
    assert!(left.location.starts_with("https://www.amazon.com/ap/oa?"), "{}", left.location);
    server.documents.publish("https://api.amazon.com/auth/o2/token", document(&json!({"access_token": "at-amazon"})));
    let profile = json!({"user_id": "amzn1.account.K2LI", "name": "A", "email": "a@amazon.example"});
    server.documents.publish("https://api.amazon.com/user/profile", document(&profile));
    let url = location(&scene.back(&browser, &left.state).await);
    let requests = server.documents.take_requests();
    assert_eq!(requests[1].bearer.as_deref(), Some("at-amazon"));
    let claims = scene.redeem(&url).await;
    assert_eq!(claims["cognito:username"], "LoginWithAmazon_amzn1.account.K2LI");
    assert_eq!(claims["email"], "a@amazon.example");
}

#[tokio::test]
async fn sign_in_with_apple() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref()).unwrap();
    let private = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", STANDARD.encode(der.as_ref()));
    let details = json!({"client_id": "com.example.web", "team_id": "TEAM", "key_id": "KEY1", "private_key": private,
        "authorize_scopes": "email name"});
    let mapping = json!({"email": "email", "given_name": "firstName", "name": "name", "nickname": "email"});
    social(&scene, "SignInWithApple", details, mapping).await;
    let browser = Browser::new(&server);
    let left = scene.leave(&browser, "SignInWithApple", &[("login_hint", "a")]).await;
    assert!(left.location.starts_with("https://appleid.apple.com/auth/authorize?"), "{}", left.location);
    assert_eq!(parameters(&left.location)[3..], pairs(&[("response_mode", "form_post"), ("scope", "email name")]));
    let apple = "https://appleid.apple.com";
    let discovery = json!({"issuer": apple, "jwks_uri": format!("{apple}/auth/keys"), "userinfo_endpoint": USER_INFO});
    server.documents.publish(&format!("{apple}/.well-known/openid-configuration"), document(&discovery));
    server.documents.publish(&format!("{apple}/auth/keys"), document(&json!({"keys": [KEY.public_jwk()]})));
    let claims = json!({"iss": apple, "aud": "com.example.web", "sub": "001.abc.1", "email": "a@icloud.example"});
    let token = KEY.sign(id_token(&left, &claims).to_string().as_bytes()).unwrap();
    let tokens = json!({"access_token": "at-apple", "id_token": token});
    server.documents.publish(&format!("{apple}/auth/token"), document(&tokens));
    // What the browser carries of anything but the name is not looked at.
    let user = json!({"name": {"firstName": "Ann", "lastName": "Lee"}, "email": "victim@example.com", "sub": "x"});
    let form = [("code", "c0de"), ("state", left.state.as_str()), ("user", &user.to_string())];
    let url = location(&browser.post("/oauth2/idpresponse", &form).await);
    let requests = server.documents.take_requests();
    assert!(requests.iter().all(|asked| asked.url != USER_INFO), "{requests:?}");
    let asked = requests.iter().find(|asked| asked.url == format!("{apple}/auth/token")).unwrap();
    let form = service::hosted::Parameters::read(asked.form.as_ref().unwrap().as_bytes()).unwrap();
    let proof = form.get("client_secret").unwrap();
    assert_eq!(segment(proof, 0), json!({"alg": "ES256", "kid": "KEY1"}));
    assert_eq!(
        segment(proof, 1),
        json!({"iss": "TEAM", "iat": NOW, "exp": NOW + 300, "aud": apple, "sub": "com.example.web"})
    );
    let (signed, signature) = proof.rsplit_once('.').unwrap();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
    public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let claims = scene.redeem(&url).await;
    let shown: Value = ["cognito:username", "given_name", "name", "email"].map(|name| claims[name].clone()).into();
    assert_eq!(shown, json!(["SignInWithApple_001.abc.1", "Ann", "Ann Lee", "a@icloud.example"]));
}
