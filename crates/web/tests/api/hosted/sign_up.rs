//! `/signup`, `/confirm` and `/resendcode` (oauth-federation.md §4.3, §4.4, §13).

use testkit::{
    both_engines,
    triggers::{Told, arn, lambda_config, notes},
};

use super::{
    login::{alert, is_back, sign_in, text, title},
    *,
};
use crate::sign_up::{get, other, value};

/// A pool that verifies mail addresses and demands one.
fn members() -> Value {
    json!({"AutoVerifiedAttributes": ["email"], "Schema": [{"Name": "email", "Required": true}]})
}

/// Sends the form of `/signup`.
async fn register(browser: &Browser<'_>, query: &str, fields: &[(&str, &str)]) -> Answer {
    let path = format!("/signup?{query}");
    browser.get(&path).await;
    browser.submit(&path, fields).await
}

/// bob's form.
const BOB: [(&str, &str); 3] =
    [("username", "bob"), ("password", PASSWORD), ("requiredAttributes[email]", "bob@example.com")];

#[tokio::test]
async fn a_user_registers_confirms_and_signs_in() {
    both_engines(async |server| {
        for secret in [false, true] {
            let prefix = if secret { "with-secret" } else { PREFIX };
            let pool = server.pool(members()).await;
            server.call("CreateUserPoolDomain", json!({"UserPoolId": pool, "Domain": prefix})).await.ok();
            let client = server.client_id(&pool, client_members(json!({"GenerateSecret": secret}))).await;
            let browser = Browser::at(&server, prefix);
            let query = asked(&client, &[("state", "s t")]);
            let login = browser.get(&format!("/login?{query}")).await;
            assert!(text(&login).contains(&format!("/signup?{}\">Sign up</a>", query.replace('&', "&#38;"))));
            let page = browser.get(&format!("/signup?{query}")).await;
            for part in [
                "name=\"username\" type=\"text\"",
                "name=\"requiredAttributes[email]\" type=\"email\"",
                "name=\"password\" type=\"password\"",
                "autocomplete=\"new-password\"",
                "At least 8 characters, with an upper-case letter, a lower-case letter, a digit and a symbol.",
            ] {
                assert!(text(&page).contains(part), "{part}: {}", text(&page));
            }
            // What the pool does not ask for is not taken, whoever sends it.
            let more: Vec<_> = BOB.into_iter().chain([("requiredAttributes[name]", "Bob"), ("name", "Bob")]).collect();
            let sent = location(&register(&browser, &query, &more).await);
            assert!(sent.starts_with(&format!("http://127.0.0.1:9229/_domain/{prefix}/confirm?client_id=")), "{sent}");
            assert_eq!(
                (parameter(&sent, "login_hint").as_deref(), parameter(&sent, "state").as_deref()),
                (Some("bob"), Some("s t"))
            );
            let user = get(&server, &pool, "bob").await;
            assert_eq!((value(&user, "email").as_deref(), value(&user, "name")), (Some("bob@example.com"), None));

            let page = browser.get(&sent).await;
            assert_eq!(title(&page), "Confirm your registration");
            assert!(text(&page).contains("value=\"bob\"") && text(&page).contains("name=\"verification_code\""));
            let confirm = sent.as_str();
            let code = server.last_code(&pool, "bob").await;
            let wrong = browser.submit(confirm, &[("username", "bob"), ("verification_code", &other(&code))]).await;
            assert_eq!(
                (wrong.status, alert(&wrong)),
                (200, Some("Invalid verification code provided, please try again."))
            );
            let resent = browser.submit(&confirm.replace("/confirm?", "/resendcode?"), &[("username", "bob")]).await;
            assert_eq!((resent.status, alert(&resent)), (200, None));
            assert!(text(&resent).contains("We have sent another code to b***@e***."), "{}", text(&resent));
            let code = server.last_code(&pool, "bob").await;
            let done =
                browser.submit(confirm, &[("username", "bob"), ("verification_code", &format!(" {code} "))]).await;
            let login = location(&done);
            assert!(login.starts_with(&format!("http://127.0.0.1:9229/_domain/{prefix}/login?client_id=")), "{login}");
            assert!(text(&browser.get(&login).await).contains("value=\"bob\""));
            is_back(&sign_in(&browser, login.split_once('?').unwrap().1, "bob", PASSWORD).await);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_said_and_what_was_typed_stays() {
    both_engines(async |server| {
        let site = site(&server, members(), json!({})).await;
        let browser = Browser::new(&server);
        let query = asked(&site.client, &[]);
        for (fields, error) in [
            (&[("username", "alice"), BOB[1], BOB[2]][..], "User already exists"),
            (
                &[BOB[0], ("password", "short"), BOB[2]],
                "Password did not conform with policy: Password not long enough",
            ),
            (&BOB[..2], "Attributes did not conform to the schema: email: The attribute is required"),
        ] {
            let page = register(&browser, &query, fields).await;
            assert_eq!((page.status, title(&page), alert(&page)), (200, "Sign up", Some(error)));
            assert!(text(&page).contains(&format!("value=\"{}\"", fields[0].1)));
            assert!(!text(&page).contains(PASSWORD) && !text(&page).contains("\"short\""));
        }
        // The API's constraints hold here as well.
        let long = "x".repeat(129);
        let page = register(&browser, &query, &[("username", &long), BOB[1], BOB[2]]).await;
        assert!(alert(&page).unwrap().starts_with("1 validation error detected"), "{page:?}");
        let page = register(&browser, &query, &[BOB[1], BOB[2]]).await;
        assert!(alert(&page).is_some());
    })
    .await;
}

#[tokio::test]
async fn names_are_what_the_pool_has_for_names() {
    both_engines(async |server| {
        for (names, label, asks_for_email) in [
            (json!(["email"]), "Email address", false),
            (json!(["phone_number"]), "Phone number", true),
            (json!(["email", "phone_number"]), "Email address or phone number", true),
        ] {
            let pool = crate::pools::with(members(), &json!({
                "UsernameAttributes": names, "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"},
            }));
            let pool = server.pool(pool).await;
            let client = server.client_id(&pool, client_members(json!({}))).await;
            let prefix = format!("names-{}", label.len());
            server.call("CreateUserPoolDomain", json!({"UserPoolId": pool, "Domain": prefix})).await.ok();
            let browser = Browser::at(&server, &prefix);
            let query = asked(&client, &[]);
            let page = browser.get(&format!("/signup?{query}")).await;
            assert!(text(&page).contains(&format!("<label for=\"username\" class=\"label-customizable\">{label}</label>")), "{}", text(&page));
            assert_eq!(text(&page).contains("requiredAttributes[email]"), asks_for_email);
            if label != "Phone number" {
                let fields = [("username", "bob@example.com"), ("password", PASSWORD), ("requiredAttributes[email]", "")];
                let sent = location(&register(&browser, &query, &fields).await);
                assert!(sent.contains("/confirm?"), "{sent}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_registers_where_administrators_do_it() {
    let server = Server::memory().await;
    let only = json!({"AdminCreateUserConfig": {"AllowAdminCreateUserOnly": true}});
    let site = site(&server, crate::pools::with(members(), &only), json!({})).await;
    let browser = Browser::new(&server);
    let query = asked(&site.client, &[]);
    let login = browser.get(&format!("/login?{query}")).await;
    assert!(!text(&login).contains("/signup"));
    let shown = browser.get(&format!("/signup?{query}")).await;
    let sent = register(&browser, &query, &BOB).await;
    for page in [shown, sent] {
        assert_eq!((page.status, alert(&page)), (403, Some("SignUp is not permitted for this user pool")));
    }
}

#[tokio::test]
async fn who_is_sent_nothing_is_told_so() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let browser = Browser::new(&server);
    let page = register(&browser, &asked(&site.client, &[]), &BOB[..2]).await;
    let text = "You are registered, but no code could be sent to you. Please ask an administrator to confirm it.";
    assert_eq!((page.status, alert(&page)), (200, Some(text)));
}

#[tokio::test]
async fn terms_are_agreed_to_where_both_are_there() {
    let server = Server::memory().await;
    let site = site(&server, members(), json!({})).await;
    let browser = Browser::new(&server);
    let path = format!("/signup?{}", asked(&site.client, &[]));
    let document = |name: &str, link: &str| {
        json!({
            "UserPoolId": site.pool, "ClientId": site.client, "TermsName": name, "TermsSource": "LINK",
            "Enforcement": "NONE", "Links": {"cognito:default": link},
        })
    };
    let terms = "By signing up, you agree to our <a href=\"https://app.example/terms?a=1&#38;b=2\">Terms of use</a> and \
                 <a href=\"https://app.example/privacy\">Privacy policy</a>.";
    server.call("CreateTerms", document("terms-of-use", "https://app.example/terms?a=1&b=2")).await.ok();
    assert!(!text(&browser.get(&path).await).contains("By signing up"));
    server.call("CreateTerms", document("privacy-policy", "https://app.example/privacy")).await.ok();
    let page = browser.get(&path).await;
    assert!(text(&page).contains(terms), "{}", text(&page));
}

#[tokio::test]
async fn functions_are_told_and_can_confirm() {
    let server = Server::memory().await;
    let told = Told::default();
    let triggers = ["PreSignUp", "CustomMessage", "PostConfirmation"];
    for trigger in triggers {
        notes(&server, &told, trigger);
    }
    let pool = crate::pools::with(members(), &json!({"LambdaConfig": lambda_config(&triggers)}));
    let site = site(&server, pool, json!({})).await;
    let browser = Browser::new(&server);
    let query = asked(&site.client, &[]);
    told.take();
    let sources = |told: &Told| {
        let events = told.take();
        events.iter().map(|event| event["triggerSource"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let confirm = location(&register(&browser, &query, &BOB).await);
    assert_eq!(sources(&told), ["PreSignUp_SignUp", "CustomMessage_SignUp"]);
    browser.submit(&confirm.replace("/confirm?", "/resendcode?"), &[("username", "bob")]).await;
    assert_eq!(sources(&told), ["CustomMessage_ResendCode"]);
    let code = server.last_code(&site.pool, "bob").await;
    location(&browser.submit(&confirm, &[("username", "bob"), ("verification_code", &code)]).await);
    assert_eq!(sources(&told), ["PostConfirmation_ConfirmSignUp"]);

    server.function(&arn("PreSignUp"), |mut event| {
        event["response"]["autoConfirmUser"] = json!(true);
        Ok(event.to_string())
    });
    let carol = [("username", "carol"), ("password", PASSWORD), ("requiredAttributes[email]", "carol@example.com")];
    let sent = location(&register(&browser, &query, &carol).await);
    assert!(sent.contains("/login?"), "{sent}");
    is_back(&sign_in(&browser, &query, "carol", PASSWORD).await);
}
