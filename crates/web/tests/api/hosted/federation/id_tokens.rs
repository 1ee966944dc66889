//! ID tokens of providers: which are good, and what is tried with those that are not (oauth-federation.md §16).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::*;

/// What the application is told of a sign-in whose ID token is made by `make`.
async fn outcome(scene: &Scene<'_>, make: impl FnOnce(&Left) -> String) -> String {
    let browser = Browser::new(scene.server);
    let left = scene.leave(&browser, "Okta", &[]).await;
    scene.answers_with(&make(&left));
    location(&scene.back(&browser, &left.state).await)
}

#[tokio::test]
async fn nothing_but_the_issuers_signature_counts() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let encoded = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let body = |left: &Left| encoded(id_token(left, &json!({})));
    let by_secret = |left: &Left, secret: &[u8]| {
        let signed = format!("{}.{}", encoded(json!({"kid": "provider-1", "alg": "HS256"})), body(left));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(crypto::hash::hmac_sha256(secret, signed.as_bytes())))
    };
    let public = serde_json::to_value(KEY.public_jwk()).unwrap();
    let good = |left: &Left| KEY.sign(id_token(left, &json!({})).to_string().as_bytes()).unwrap();
    type Make<'a> = Box<dyn Fn(&Left) -> String + 'a>;
    let makes: Vec<(&str, Make<'_>)> = vec![
        (
            "unsigned",
            Box::new(|left| format!("{}.{}.", encoded(json!({"kid": "provider-1", "alg": "none"})), body(left))),
        ),
        (
            "no signature",
            Box::new(|left| format!("{}.{}.", encoded(json!({"kid": "provider-1", "alg": "RS256"})), body(left))),
        ),
        ("the client's secret", Box::new(|left| by_secret(left, b"s3cret"))),
        ("the public key", Box::new(|left| by_secret(left, public["n"].as_str().unwrap().as_bytes()))),
        ("another key", Box::new(|left| OTHER_KEY.sign(id_token(left, &json!({})).to_string().as_bytes()).unwrap())),
        (
            "an unknown key",
            Box::new(|left| key("unknown").sign(id_token(left, &json!({})).to_string().as_bytes()).unwrap()),
        ),
        (
            "other claims",
            Box::new(|left| {
                let token = good(left);
                let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else { unreachable!() };
                format!("{header}.{}.{signature}", encoded(id_token(left, &json!({"sub": "00u2"}))))
            }),
        ),
        (
            "no key id",
            Box::new(|left| {
                let token = good(left);
                let [_, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { unreachable!() };
                format!("{}.{claims}.{signature}", encoded(json!({"alg": "RS256"})))
            }),
        ),
        ("no token", Box::new(|_| "x".repeat(20_000))),
    ];
    for (name, make) in makes {
        let refused = said(&outcome(&scene, make).await);
        assert!(refused.starts_with("invalid_request: Invalid ID token received: "), "{name}: {refused}");
    }
    assert_eq!(scene.users().await, 0);
    scene.redeem(&outcome(&scene, good).await).await;
}

#[tokio::test]
async fn what_is_signed_must_be_meant_for_this_sign_in() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    for (change, reason) in [
        (json!({"iss": "https://other.example.com"}), "it is another issuer's"),
        (json!({"iss": format!("{ISSUER}//")}), "it is another issuer's"),
        (json!({"iss": format!("{ISSUER}/other")}), "it is another issuer's"),
        (json!({"iss": "https://id.example.com/"}), "it is another issuer's"),
        (json!({"iss": null}), "claims are missing"),
        (json!({"aud": "another"}), "it is meant for another audience"),
        (json!({"aud": []}), "it is meant for another audience"),
        (json!({"aud": null}), "claims are missing"),
        (json!({"aud": ["another", "pool-at-Okta"], "azp": "another"}), "it is meant for another audience"),
        (json!({"azp": "another"}), "it is meant for another audience"),
        (json!({"exp": NOW}), "it has expired"),
        (json!({"exp": null}), "claims are missing"),
        (json!({"iat": NOW + 61}), "it is not good yet"),
        (json!({"iat": null}), "claims are missing"),
        (json!({"nbf": NOW + 61}), "it is not good yet"),
        (json!({"nonce": "other"}), "the nonce is another one"),
        (json!({"nonce": null}), "the nonce is another one"),
        (json!({"sub": ""}), "it names nobody"),
        (json!({"sub": "0".repeat(256)}), "it names nobody"),
        (json!({"sub": 7}), "claims are missing"),
        (json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}), "it is another kind of token"),
    ] {
        let sign = |left: &Left| KEY.sign(id_token(left, &change).to_string().as_bytes()).unwrap();
        let refused = said(&outcome(&scene, sign).await);
        assert_eq!(refused, format!("invalid_request: Invalid ID token received: {reason}"), "{change}");
    }
    assert_eq!(scene.users().await, 0);
    for change in [
        json!({"aud": ["pool-at-Okta"]}),
        json!({"aud": ["another", "pool-at-Okta"]}),
        json!({"aud": ["another", "pool-at-Okta"], "azp": "pool-at-Okta"}),
        json!({"iat": NOW + 60, "exp": NOW as f64 + 1.5}),
    ] {
        scene.redeem(&scene.sign_in(change).await).await;
    }
}

#[tokio::test]
async fn an_issuer_may_end_in_a_slash() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let issuer = format!("{ISSUER}/");
    let discovery =
        json!({"issuer": issuer, "authorization_endpoint": AUTHORIZE, "token_endpoint": TOKEN, "jwks_uri": JWKS});
    server.documents.publish(DISCOVERY, document(&discovery));
    for (says, is_good) in [(issuer.clone(), true), (format!("{issuer}/"), false)] {
        let browser = Browser::new(&server);
        let left = scene.leave(&browser, "Okta", &[]).await;
        scene.answers(&left, &json!({"iss": issuer}));
        let answer = query(&[("code", "c0de"), ("state", &left.state), ("iss", &says)]);
        let url = location(&browser.get(&format!("/oauth2/idpresponse?{answer}")).await);
        if is_good {
            scene.redeem(&url).await;
        } else {
            assert_eq!(said(&url), "invalid_request: The answer is another identity provider's.");
        }
    }
}
