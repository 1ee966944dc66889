//! `POST /oauth2/token` (oauth-federation.md §6).

mod attacks;
mod machines;
mod refreshed;

use base64::{Engine, engine::general_purpose::STANDARD};
use testkit::{both_engines, triggers};

use super::{
    authorize::{CHALLENGE, sent_to},
    browser_sessions::signed_in,
    *,
};
use crate::{pools::with, tokens::segment};

/// What [`CHALLENGE`] is made of (RFC 7636, appendix B).
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// What applications of these tests ask for to be bound to their codes.
pub const CHALLENGED: [(&str, &str); 2] = [("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];

/// A form at an endpoint of the domain, with a header `Authorization` where there is one.
pub async fn post(server: &Server, path: &str, authorization: Option<&str>, form: &[(&str, &str)]) -> Answer {
    let mut request = Request::post(format!("/_domain/{PREFIX}{path}"))
        .header("host", "127.0.0.1:9229")
        .header("content-type", "application/x-www-form-urlencoded");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    server.request(request.body(Body::from(query(form))).unwrap()).await
}

/// HTTP Basic.
pub fn basic(client: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")))
}

/// A code for alice.
pub async fn code(server: &Server, site: &Site, more: &[(&str, &str)]) -> String {
    code_of(server, site, &site.client, more).await
}

/// A code for alice, for another client than the site's.
pub async fn code_of(server: &Server, site: &Site, client: &str, more: &[(&str, &str)]) -> String {
    let browser = signed_in(server, site).await;
    let url = sent_to(&browser, &asked(client, more)).await;
    let code = parameter(&url, "code");
    assert!(code.is_some(), "{url}");
    code.unwrap()
}

/// A form that brings a code; `more` is added, or replaces what is in it. An empty value counts as none.
pub fn exchange<'a>(client: &'a str, code: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual =
        [("grant_type", "authorization_code"), ("client_id", client), ("code", code), ("redirect_uri", CALLBACK)];
    let usual = usual.into_iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    usual.chain(more.iter().copied()).collect()
}

/// Brings a code.
pub async fn bring(server: &Server, client: &str, code: &str, more: &[(&str, &str)]) -> Answer {
    post(server, "/oauth2/token", None, &exchange(client, code, more)).await
}

/// The tokens for the code that a browser has brought back in this URL.
pub async fn redeem(server: &Server, client: &str, url: &str) -> Value {
    let code = parameter(url, "code");
    assert!(code.is_some(), "no code in {url}");
    bring(server, client, &code.unwrap(), &[]).await.ok()
}

/// The tokens of alice at the site's client.
pub async fn tokens(server: &Server, site: &Site, more: &[(&str, &str)]) -> Value {
    let code = code(server, site, more).await;
    bring(server, &site.client, &code, &[]).await.ok()
}

/// A token of an answer.
pub fn token<'a>(answer: &'a Value, name: &str) -> &'a str {
    assert!(answer[name].is_string(), "no {name} in {answer}");
    answer[name].as_str().unwrap()
}

/// `error` and `error_description` of an answer, after its status.
pub fn refusal(answer: &Answer) -> String {
    let words: Vec<_> = answer.body.as_object().unwrap().values().map(|value| value.as_str().unwrap()).collect();
    assert_eq!(answer.header("content-type"), Some("application/json;charset=UTF-8"));
    assert_eq!(answer.header("cache-control"), Some("no-cache, no-store, max-age=0, must-revalidate"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    format!("{} {}", answer.status, words.join(": "))
}

const INVALID_REQUEST: &str = "400 invalid_request";
const INVALID_GRANT: &str = "400 invalid_grant";
const INVALID_SECRET: &str = "400 invalid_client: invalid_client_secret";
const INVALID_CLIENT: &str = "400 invalid_client";
const INVALID_SCOPE: &str = "400 invalid_scope";
const UNAUTHORIZED: &str = "400 unauthorized_client";
const INVALID_REDIRECT: &str = "400 unauthorized_client: invalid_redirect";

#[tokio::test]
async fn a_code_is_exchanged_for_tokens() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let asked = [("scope", "openid email"), ("nonce", "n-0"), ("state", "s"), CHALLENGED[0], CHALLENGED[1]];
        let code = code(&server, &site, &asked).await;
        server.advance(299);
        let answer = bring(&server, &site.client, &code, &[("code_verifier", VERIFIER)]).await;
        assert_eq!(answer.header("content-type"), Some("application/json;charset=UTF-8"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let headers = ["cache-control", "pragma"].map(|name| answer.header(name).unwrap());
        assert_eq!(headers, ["no-cache, no-store, max-age=0, must-revalidate", "no-cache"]);
        let mut body = answer.ok();
        let [id, access] = ["id_token", "access_token"].map(|name| token(&body, name).to_owned());
        assert_eq!(token(&body, "refresh_token").split('.').count(), 5);
        for name in ["id_token", "access_token", "refresh_token"] {
            body[name] = json!("[token]");
        }
        insta::allow_duplicates! { insta::assert_json_snapshot!(body, @r#"
        {
          "id_token": "[token]",
          "access_token": "[token]",
          "refresh_token": "[token]",
          "expires_in": 3600,
          "token_type": "Bearer"
        }
        "#); }
        // What ties the two together (OpenID Connect Core §3.1.3.6).
        let hash = crypto::hash::sha256(access.as_bytes());
        let half = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&hash[..16]);
        let (mut id, mut access) = (segment(&id, 1), segment(&access, 1));
        assert_eq!(id["at_hash"], json!(half));
        assert_eq!((&id["origin_jti"], &id["event_id"]), (&access["origin_jti"], &access["event_id"]));
        assert_eq!((&id["aud"], &access["client_id"]), (&json!(site.client), &json!(site.client)));
        (id["aud"], access["client_id"]) = (json!("[client]"), json!("[client]"));
        for claims in [&mut id, &mut access] {
            for drawn in ["at_hash", "origin_jti", "event_id", "jti", "sub"] {
                if claims.get(drawn).is_some() {
                    claims[drawn] = json!("[drawn]");
                }
            }
        }
        insta::allow_duplicates! { insta::assert_json_snapshot!(id, @r#"
        {
          "sub": "[drawn]",
          "email": "alice@example.com",
          "email_verified": true,
          "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
          "cognito:username": "alice",
          "nonce": "n-0",
          "at_hash": "[drawn]",
          "origin_jti": "[drawn]",
          "aud": "[client]",
          "event_id": "[drawn]",
          "acr": "urn:cognito:loa:1",
          "amr": [
            "pwd"
          ],
          "token_use": "id",
          "auth_time": 1767323045,
          "exp": 1767326944,
          "iat": 1767323344,
          "jti": "[drawn]"
        }
        "#); }
        insta::allow_duplicates! { insta::assert_json_snapshot!(access, @r#"
        {
          "sub": "[drawn]",
          "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
          "client_id": "[client]",
          "origin_jti": "[drawn]",
          "event_id": "[drawn]",
          "acr": "urn:cognito:loa:1",
          "amr": [
            "pwd"
          ],
          "token_use": "access",
          "scope": "openid email",
          "auth_time": 1767323045,
          "exp": 1767326944,
          "iat": 1767323344,
          "jti": "[drawn]",
          "username": "alice",
          "version": 2
        }
        "#); }
    })
    .await;
}

#[tokio::test]
async fn without_openid_there_is_no_id_token() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let answer = tokens(&server, &site, &[("scope", "aws.cognito.signin.user.admin")]).await;
    let names: Vec<_> = answer.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "refresh_token", "expires_in", "token_type"]);
    server.call("GetUser", json!({"AccessToken": token(&answer, "access_token")})).await.ok();
}

#[tokio::test]
async fn forms_say_what_they_bring() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let code = code(&server, &site, &[]).await;
    let own = site.client.as_str();
    for (more, expected) in [
        (("grant_type", ""), INVALID_REQUEST),
        (("grant_type", "password"), "400 unsupported_grant_type"),
        (("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), "400 unsupported_grant_type"),
        (("client_id", ""), INVALID_REQUEST),
        (("code", ""), INVALID_REQUEST),
        (("redirect_uri", ""), INVALID_REQUEST),
        (("client_id", "unknown"), INVALID_CLIENT),
        (("grant_type", "refresh_token"), INVALID_REQUEST),
    ] {
        assert_eq!(refusal(&bring(&server, own, &code, &[more]).await), expected, "{more:?}");
    }
    let send = async |method: &str, content_type: &str, body: String| {
        let request = Request::builder()
            .method(method)
            .uri(format!("/_domain/{PREFIX}/oauth2/token"))
            .header("host", "127.0.0.1:9229")
            .header("content-type", content_type);
        server.request(request.body(Body::from(body)).unwrap()).await
    };
    let form = query(&exchange(own, &code, &[]));
    let (is_form, json_form) = ("application/x-www-form-urlencoded", json!({"grant_type": "authorization_code"}));
    for (content_type, body) in [
        ("application/json", json_form.to_string()),
        ("text/plain", form.clone()),
        ("", form.clone()),
        (is_form, format!("{form}&code=x")),
        (is_form, format!("{form}&grant_type=authorization_code")),
        (is_form, format!("{form}{}", "&x=1&y".repeat(60))),
    ] {
        assert_eq!(refusal(&send("POST", content_type, body).await), INVALID_REQUEST, "{content_type}");
    }
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(send(method, is_form, form.clone()).await.status, 405);
    }
    assert_eq!(send("OPTIONS", is_form, String::new()).await.header("access-control-allow-origin"), Some("*"));
    // None of this has used the code up.
    send("POST", &format!("{is_form}; charset=UTF-8"), form).await.ok();
}

#[tokio::test]
async fn clients_with_a_secret_prove_themselves() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let request = client_members(json!({"GenerateSecret": true}));
        let made = server.client(&site.pool, request).await;
        let [client, first] = ["ClientId", "ClientSecret"].map(|name| made[name].as_str().unwrap().to_owned());
        let added = json!({"UserPoolId": site.pool, "ClientId": client, "ClientSecret": "pepper+and+salt_0123456789"});
        server.call("AddUserPoolClientSecret", added).await.ok();
        let second = "pepper+and+salt_0123456789";
        for secret in [first.as_str(), second] {
            let code = code_of(&server, &site, &client, &[]).await;
            for wrong in ["", "x", &secret[1..], &secret.to_uppercase()] {
                let more = [("client_secret", wrong)];
                assert_eq!(refusal(&bring(&server, &client, &code, &more).await), INVALID_SECRET, "{wrong}");
            }
            bring(&server, &client, &code, &[("client_secret", secret)]).await.ok();
        }
        // By header, escaped as RFC 6749 wants it or not, with or without the client's name in the form.
        for (secret, named) in [(first.as_str(), ""), (second, client.as_str()), ("pepper%2Band%2Bsalt_0123456789", "")]
        {
            let code = code_of(&server, &site, &client, &[]).await;
            let form = exchange(named, &code, &[]);
            let wrong = basic(&client, "x");
            assert_eq!(refusal(&post(&server, "/oauth2/token", Some(&wrong), &form).await), INVALID_SECRET);
            post(&server, "/oauth2/token", Some(&basic(&client, secret)), &form).await.ok();
        }
        // Both at once, two clients at once, and what is no proof.
        let code = code_of(&server, &site, &client, &[]).await;
        let right = basic(&client, second);
        let form = exchange(&client, &code, &[("client_secret", second)]);
        assert_eq!(refusal(&post(&server, "/oauth2/token", Some(&right), &form).await), INVALID_REQUEST);
        let form = exchange(&site.client, &code, &[]);
        assert_eq!(refusal(&post(&server, "/oauth2/token", Some(&right), &form).await), INVALID_REQUEST);
        for header in ["Basic", "Basic ?", "Bearer x", "x", ""] {
            let answer = post(&server, "/oauth2/token", Some(header), &exchange(&client, &code, &[])).await;
            assert_eq!(refusal(&answer), INVALID_REQUEST, "{header}");
        }
        // A public client has nothing to show, although some show an empty secret.
        let code = code_of(&server, &site, &site.client, &[]).await;
        let form = exchange(&site.client, &code, &[]);
        let answer = post(&server, "/oauth2/token", Some(&basic(&site.client, "x")), &form).await;
        assert_eq!(refusal(&answer), INVALID_SECRET);
        post(&server, "/oauth2/token", Some(&basic(&site.client, "")), &form).await.ok();
    })
    .await;
}

#[tokio::test]
async fn scopes_show_only_what_the_client_may_read() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    for (readable, scope, expected) in [
        (json!(["email"]), "openid email", INVALID_GRANT),
        (json!(["name"]), "openid email", INVALID_GRANT),
        (json!(["phone_number"]), "openid phone", INVALID_GRANT),
        (json!(["email"]), "openid profile", ""),
        (json!(["email", "email_verified"]), "openid email", ""),
    ] {
        let client = server.client_id(&site.pool, client_members(json!({"ReadAttributes": readable}))).await;
        let code = code_of(&server, &site, &client, &[("scope", scope)]).await;
        let answer = bring(&server, &client, &code, &[]).await;
        match expected {
            "" => assert_eq!(answer.status, 200, "{answer:?}"),
            _ => assert_eq!(refusal(&answer), expected, "{readable} {scope}"),
        }
    }
}

#[tokio::test]
async fn the_function_of_the_pool_is_told_that_it_is_about_a_hosted_sign_in() {
    let server = Server::memory().await;
    let told = triggers::Told::default();
    triggers::notes(&server, &told, "PreTokenGeneration");
    let config = json!({"LambdaConfig": triggers::lambda_config(&["PreTokenGeneration"])});
    let site = site(&server, config, json!({})).await;
    tokens(&server, &site, &[]).await;
    let expected = json!({
        "version": "1",
        "region": "us-east-1",
        "userPoolId": site.pool,
        "userName": "alice",
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": site.client},
        "triggerSource": "TokenGeneration_HostedAuth",
        "request": {
            "userAttributes": {
                "sub": site.alice,
                "email": "alice@example.com",
                "email_verified": "true",
                "cognito:user_status": "CONFIRMED",
            },
            "groupConfiguration": {"groupsToOverride": [], "iamRolesToOverride": [], "preferredRole": null},
        },
        "response": {"claimsOverrideDetails": null},
    });
    assert_eq!(told.only(), expected);
    let browser = signed_in(&server, &site).await;
    sent_to(&browser, &asked(&site.client, &[("response_type", "token")])).await;
    assert_eq!(told.sources(), ["TokenGeneration_HostedAuth"]);
    assert_eq!(told.sources(), Vec::<String>::new());
}

#[tokio::test]
async fn functions_of_the_second_version_see_and_change_what_was_granted() {
    both_engines(async |server| {
        let told = triggers::Told::default();
        triggers::responds(&server, &told, "PreTokenGeneration", |_| {
            json!({"claimsAndScopeOverrideDetails": {"accessTokenGeneration": {
                "claimsToAddOrOverride": {"tenant": 7, "aud": "forged", "version": 1},
                "scopesToAdd": ["shop/read"],
                "scopesToSuppress": ["email"],
            }}})
        });
        let function = json!({"LambdaVersion": "V2_0", "LambdaArn": triggers::arn("PreTokenGeneration")});
        let pool = json!({"LambdaConfig": {"PreTokenGenerationConfig": function}});
        let site = site(&server, pool, json!({})).await;
        let tokens = tokens(&server, &site, &[("scope", "openid email")]).await;
        assert_eq!(told.only()["request"]["scopes"], json!(["openid", "email"]));
        let access = segment(tokens["access_token"].as_str().unwrap(), 1);
        assert_eq!((&access["scope"], &access["tenant"]), (&json!("openid shop/read"), &json!(7)));
        assert_eq!((access.get("aud"), &access["version"]), (None, &json!(2)));
        // What a token shows goes by the scopes that it has.
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        let request = Request::get(format!("/_domain/{PREFIX}/oauth2/userInfo"))
            .header("host", "127.0.0.1:9229")
            .header("authorization", bearer);
        let shown = server.request(request.body(Body::empty()).unwrap()).await.ok();
        assert_eq!(shown["email"], "alice@example.com");
    })
    .await;
}

#[tokio::test]
async fn a_function_that_fails_leaves_the_code_good() {
    let server = Server::memory().await;
    let config = json!({"LambdaConfig": triggers::lambda_config(&["PreTokenGeneration"])});
    let site = site(&server, config, json!({})).await;
    server.function(&triggers::arn("PreTokenGeneration"), |_| {
        Err(service::triggers::Failure::Threw("no tokens today".to_owned()))
    });
    let code = code(&server, &site, &[]).await;
    let answer = bring(&server, &site.client, &code, &[]).await;
    let words = "PreTokenGeneration failed with error no tokens today.";
    assert_eq!(refusal(&answer), format!("400 invalid_request: {words}"));
    let browser = signed_in(&server, &site).await;
    let url = sent_to(&browser, &asked(&site.client, &[("response_type", "token")])).await;
    let told = query(&[("error_description", words), ("error", "invalid_request")]);
    assert_eq!(url, format!("{CALLBACK}#{told}"));
    triggers::notes(&server, &triggers::Told::default(), "PreTokenGeneration");
    bring(&server, &site.client, &code, &[]).await.ok();
}
