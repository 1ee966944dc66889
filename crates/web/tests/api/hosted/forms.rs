//! How long forms may be, and what of memory they take (`web::hosted::form`).

use std::sync::Arc;

use http::Response;
use testkit::triggers::{arn, lambda_config};
use tokio::sync::Notify;
use tower::ServiceExt;

use super::{login::alert, token::refusal, *};

/// A form that is `length` bytes long.
fn form_of(length: usize, begin: &str) -> String {
    let last = format!("{begin}=");
    last.clone() + &"x".repeat(length - last.len())
}

#[tokio::test]
async fn no_form_is_longer_than_it_need_be() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let browser = Browser::new(&server);
    let query = asked(&site.client, &[]);
    let status = async |path: &str, form: String| browser.send_form(&format!("{path}?{query}"), form).await.status;
    for path in
        ["/login", "/challenge", "/signup", "/confirm", "/resendcode", "/forgotPassword", "/confirmforgotPassword"]
    {
        assert_eq!(status(path, form_of(65_536, "a")).await, 403, "{path}: it has no token of its browser");
        assert_eq!(status(path, form_of(65_537, "a")).await, 413, "{path}");
    }
    assert_eq!(status("/oauth2/idpresponse", form_of(65_536, "a")).await, 302);
    assert_eq!(status("/oauth2/idpresponse", form_of(65_537, "a")).await, 413);
    // Whatever a body may be at all.
    assert_eq!(status("/saml2/idpresponse", form_of(1_048_576, "a")).await, 302);
    assert_eq!(status("/saml2/idpresponse", form_of(1_048_577, "a")).await, 413);

    let refresh = format!("grant_type=refresh_token&client_id={}&refresh_token", site.client);
    let answer = async |path: &str, form: String| browser.send_form(path, form).await;
    assert_eq!(refusal(&answer("/oauth2/token", form_of(262_144, &refresh)).await), "400 invalid_grant");
    assert_eq!(refusal(&answer("/oauth2/token", form_of(262_145, &refresh)).await), "400 invalid_request");
    let revoked = format!("client_id={}&token", site.client);
    assert_eq!(answer("/oauth2/revoke", form_of(262_144, &revoked)).await.status, 200);
    assert_eq!(refusal(&answer("/oauth2/revoke", form_of(262_145, &revoked)).await), "400 invalid_request");
}

/// Pages repeat them in each of their forms.
#[tokio::test]
async fn what_no_page_of_ours_carries_along_is_not_repeated() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let browser = Browser::new(&server);
    let path = format!("/challenge?{}", asked(&site.client, &[]));
    browser.get(&path).await;
    let shown = |length: usize| json!({"AVAILABLE_CHALLENGES": r#"["PASSWORD"]"#, "x": "<".repeat(length)}).to_string();
    let around = shown(0).len();
    for (session, username, length, is_taken) in [
        (8_192, 5, 0, true),
        (8_193, 5, 0, false),
        (1, 8_192, 0, true),
        (1, 8_193, 0, false),
        (1, 5, 32_768 - around, true),
        (1, 5, 32_769 - around, false),
    ] {
        let (session, username) = ("<".repeat(session), "<".repeat(username));
        let fields = [
            ("challenge", "SELECT_CHALLENGE"),
            ("session", &session),
            ("username", &username),
            ("shown", &shown(length)),
            ("answer", "EMAIL_OTP"),
        ];
        // As short as a form can be.
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let csrf = browser.cookies.borrow()["XSRF-TOKEN"].clone();
        let answer = browser.send_form(&path, format!("_csrf={csrf}&{}", fields.join("&"))).await;
        if is_taken {
            assert_eq!((answer.status, alert(&answer)), (200, Some("Something went wrong")), "{answer:?}");
        } else {
            assert!(location(&answer).contains("/login?client_id="), "{answer:?}");
        }
    }
}

/// Pages are made of what forms hold, several times over.
#[tokio::test]
async fn a_form_keeps_its_place_in_memory_until_it_is_answered() {
    let server = Server::memory().await;
    let (asked_for, answered) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    server.slow_function(&arn("PreAuthentication"), {
        let (asked_for, answered) = (asked_for.clone(), answered.clone());
        Arc::new(move |event| {
            let (asked_for, answered) = (asked_for.clone(), answered.clone());
            Box::pin(async move {
                asked_for.notify_one();
                answered.notified().await;
                Ok(event.to_string())
            })
        })
    });
    let site = site(&server, json!({"LambdaConfig": lambda_config(&["PreAuthentication"])}), json!({})).await;
    // Room for one such form, and not for two.
    let options = poolkeeper_web::Options { max_bytes_of_all_bodies: 60_000, ..Default::default() };
    let router = poolkeeper_web::router(server.app.clone(), options);
    let csrf = "00000000-0000-4000-8000-000000000000";
    let uri = format!("/_domain/{PREFIX}/login?{}", asked(&site.client, &[]));
    let credentials = query(&[("_csrf", csrf), ("username", "alice"), ("password", PASSWORD)]);
    let sent = async || {
        let request = Request::post(&uri)
            .header("host", "127.0.0.1:9229")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", format!("XSRF-TOKEN={csrf}"))
            .body(Body::from(form_of(50_000, &format!("{credentials}&cognitoAsfData"))));
        router.clone().oneshot(request.unwrap()).await.unwrap()
    };
    let meanwhile = async {
        asked_for.notified().await;
        let refused = sent().await.status();
        answered.notify_one();
        refused
    };
    let (first, refused) = tokio::join!(sent(), meanwhile);
    let is_back = |answer: &Response<Body>| answer.headers()["location"].to_str().unwrap().starts_with(CALLBACK);
    assert!(is_back(&first), "{first:?}");
    assert_eq!(refused, 503);
    answered.notify_one();
    assert!(is_back(&sent().await));
}
