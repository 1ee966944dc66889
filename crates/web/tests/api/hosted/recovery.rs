//! `/forgotPassword` and `/confirmforgotPassword` (oauth-federation.md §4.3, §4.4).

use testkit::{
    both_engines,
    triggers::{Told, lambda_config, notes, responds},
};

use super::{
    login::{INCORRECT, alert, is_back, sign_in, text, title},
    *,
};
use crate::sign_up::other;

const NEW: &str = "N3w-pass-word";

/// Sends the form of `/forgotPassword`.
async fn forget(browser: &Browser<'_>, query: &str, username: &str) -> Answer {
    let path = format!("/forgotPassword?{query}");
    browser.get(&path).await;
    browser.submit(&path, &[("username", username)]).await
}

#[tokio::test]
async fn a_forgotten_password_is_replaced() {
    both_engines(async |server| {
        for secret in [false, true] {
            let prefix = if secret { "with-secret" } else { PREFIX };
            let pool = server.pool(json!({})).await;
            server.call("CreateUserPoolDomain", json!({"UserPoolId": pool, "Domain": prefix})).await.ok();
            let client = server.client_id(&pool, client_members(json!({"GenerateSecret": secret}))).await;
            server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
            let browser = Browser::at(&server, prefix);
            let query = asked(&client, &[("state", "s")]);
            let login = browser.get(&format!("/login?{query}")).await;
            assert!(text(&login).contains(&format!("/forgotPassword?{}\">", query.replace('&', "&#38;"))));
            let sent = location(&forget(&browser, &query, "alice").await);
            let start = format!("http://127.0.0.1:9229/_domain/{prefix}/confirmforgotPassword?client_id=");
            assert!(sent.starts_with(&start), "{sent}");
            let page = browser.get(&sent).await;
            assert_eq!(title(&page), "Choose a new password");
            let code = server.last_code(&pool, "alice").await;
            let submit = async |code: &str, password: &str| {
                let fields = [("username", "alice"), ("verification_code", code), ("password", password)];
                browser.submit(&sent, &fields).await
            };
            let wrong = submit(&other(&code), NEW).await;
            assert_eq!(
                (wrong.status, alert(&wrong)),
                (200, Some("Invalid verification code provided, please try again."))
            );
            let weak = submit(&code, "short").await;
            assert_eq!(alert(&weak), Some("Password does not conform to policy: Password not long enough"));
            let done = location(&submit(&code, NEW).await);
            assert!(done.contains("/login?") && parameter(&done, "login_hint").as_deref() == Some("alice"), "{done}");
            assert_eq!(alert(&sign_in(&browser, &query, "alice", PASSWORD).await), Some(INCORRECT));
            is_back(&sign_in(&browser, &query, "alice", NEW).await);
        }
    })
    .await;
}

#[tokio::test]
async fn names_that_nobody_has_are_said_to_be_unknown_only_where_the_client_says_so() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let browser = Browser::new(&server);
        let page = forget(&browser, &asked(&site.client, &[]), "nobody").await;
        assert_eq!((page.status, alert(&page)), (200, Some("Username/client id combination not found.")));
        let hiding = client_members(json!({"PreventUserExistenceErrors": "ENABLED"}));
        let hiding = server.client_id(&site.pool, hiding).await;
        let sent = location(&forget(&browser, &asked(&hiding, &[]), "nobody").await);
        assert!(sent.contains("/confirmforgotPassword?"), "{sent}");
    })
    .await;
}

#[tokio::test]
async fn requests_are_limited() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let browser = Browser::new(&server);
    let query = asked(&site.client, &[]);
    let mut refusals = 0;
    for _ in 0..30 {
        let answer = forget(&browser, &query, "alice").await;
        if answer.status != 302 {
            assert_eq!(alert(&answer), Some("Attempt limit exceeded, please try after some time."));
            refusals += 1;
        }
    }
    assert!((1..30).contains(&refusals), "{refusals}");
}

#[tokio::test]
async fn administrators_may_keep_it_to_themselves() {
    let server = Server::memory().await;
    let recovery = json!({"AccountRecoverySetting": {"RecoveryMechanisms": [{"Name": "admin_only", "Priority": 1}]}});
    let site = site(&server, recovery, json!({})).await;
    let browser = Browser::new(&server);
    let query = asked(&site.client, &[]);
    let login = browser.get(&format!("/login?{query}")).await;
    assert!(!text(&login).contains("/forgotPassword"));
    let shown = browser.get(&format!("/forgotPassword?{query}")).await;
    let sent = forget(&browser, &query, "alice").await;
    for page in [shown, sent] {
        assert_eq!((page.status, alert(&page)), (403, Some("Contact administrator to reset password.")));
    }
}

#[tokio::test]
async fn functions_are_told() {
    let server = Server::memory().await;
    let told = Told::default();
    let triggers = ["CustomMessage", "PostConfirmation", "UserMigration"];
    notes(&server, &told, "CustomMessage");
    notes(&server, &told, "PostConfirmation");
    responds(
        &server,
        &told,
        "UserMigration",
        |_| json!({"userAttributes": {"email": "bob@example.com", "email_verified": "true"}, "messageAction": "SUPPRESS"}),
    );
    let site = site(&server, json!({"LambdaConfig": lambda_config(&triggers)}), json!({})).await;
    let browser = Browser::new(&server);
    told.take();
    let sent = location(&forget(&browser, &asked(&site.client, &[]), "bob").await);
    let code = server.last_code(&site.pool, "bob").await;
    let fields = [("username", "bob"), ("verification_code", code.as_str()), ("password", NEW)];
    location(&browser.submit(&sent, &fields).await);
    let sources: Vec<_> = told.take().iter().map(|event| event["triggerSource"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        sources,
        ["UserMigration_ForgotPassword", "CustomMessage_ForgotPassword", "PostConfirmation_ConfirmForgotPassword"]
    );
}
