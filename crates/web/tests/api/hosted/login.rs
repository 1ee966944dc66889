//! `/login` (oauth-federation.md §3.1, §4.1, §4.4, §5).

use service::quotas::{Category, Quotas};
use testkit::{
    both_engines,
    triggers::{Told, arn, lambda_config, notes, responds},
};

use super::*;

pub const INCORRECT: &str = "Incorrect username or password.";

/// The text of a page.
pub fn text(page: &Answer) -> &str {
    page.body.as_str().unwrap()
}

/// What the page says is wrong; nothing where it does not.
pub fn alert(page: &Answer) -> Option<&str> {
    let (_, rest) = text(page).split_once("role=\"alert\">")?;
    rest.split("</p>").next()
}

/// What page it is.
pub fn title(page: &Answer) -> &str {
    let (_, rest) = text(page).split_once("<h1>").unwrap();
    rest.split("</h1>").next().unwrap()
}

/// Signs in with a name and a password on the page that the query leads to.
pub async fn sign_in(browser: &Browser<'_>, query: &str, username: &str, password: &str) -> Answer {
    let path = format!("/login?{query}");
    browser.get(&path).await;
    browser.submit(&path, &[("username", username), ("password", password)]).await
}

/// Whether the answer takes the browser back to the application with a code.
pub fn is_back(answer: &Answer) {
    let location = location(answer);
    assert!(location.starts_with(&format!("{CALLBACK}?")), "{location}");
    assert!(parameter(&location, "code").is_some(), "{location}");
}

#[tokio::test]
async fn the_page_has_the_names_that_scripts_know() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let browser = Browser::new(&server);
        let page = browser.get(&format!("/login?{}", asked(&site.client, &[("state", "a b&c")]))).await;
        assert_eq!(page.status, 200);
        assert_eq!(hidden(&page, "_csrf"), browser.cookies.borrow()["XSRF-TOKEN"]);
        let stable = text(&page).replace(&site.client, "[client]").replace(&hidden(&page, "_csrf"), "[csrf]");
        insta::allow_duplicates! { insta::assert_snapshot!(stable, @r#"
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Sign in</title>
        <link rel="icon" href="/_domain/my-app/_assets/icon.svg">
        <link rel="stylesheet" href="/_domain/my-app/_assets/style.css">
        </head>
        <body>
        <main class="modal-dialog">
        <div class="modal-content background-customizable modal-content-mobile visible-md visible-lg">
        <div class="modal-body">
        <h1>Sign in</h1>
        <form name="cognitoSignInForm" class="cognito-asf" method="POST" action="/_domain/my-app/login?client_id=[client]&#38;response_type=code&#38;redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&#38;state=a+b%26c">
        <input type="hidden" name="_csrf" value="[csrf]">
        <input type="hidden" name="cognitoAsfData" value="">
        <p><label for="signInFormUsername" class="label-customizable">Username</label>
        <input id="signInFormUsername" name="username" type="text" class="inputField-customizable" value="" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus></p>
        <p><label for="signInFormPassword" class="label-customizable">Password</label>
        <input id="signInFormPassword" name="password" type="password" class="inputField-customizable" value="" autocomplete="current-password" autocapitalize="none" spellcheck="false" required></p>
        <p><input type="submit" name="signInSubmitButton" value="Sign in" class="submitButton-customizable"></p>
        </form>
        <p><a class="redirect-customizable" href="/_domain/my-app/forgotPassword?client_id=[client]&#38;response_type=code&#38;redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&#38;state=a+b%26c">Forgot your password?</a></p>
        <p><a class="redirect-customizable" href="/_domain/my-app/signup?client_id=[client]&#38;response_type=code&#38;redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&#38;state=a+b%26c">Sign up</a></p>
        </div>
        </div>
        </main>
        </body>
        </html>
        "#); }
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
        assert_eq!(
            page.header("content-security-policy"),
            Some(
                "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
            )
        );
        let style = browser.get("/_assets/style.css").await;
        assert_eq!((style.status, style.header("content-type")), (200, Some("text/css; charset=utf-8")));
    })
    .await;
}

#[tokio::test]
async fn a_password_leads_back_to_the_application() {
    both_engines(async |server| {
        for secret in [false, true] {
            let prefix = if secret { "with-secret" } else { PREFIX };
            let site = if secret {
                let pool = server.pool(json!({})).await;
                server.call("CreateUserPoolDomain", json!({"UserPoolId": pool, "Domain": prefix})).await.ok();
                let client = server.client_id(&pool, client_members(json!({"GenerateSecret": true}))).await;
                let alice = server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
                Site { pool, client, alice }
            } else {
                site(&server, json!({}), json!({})).await
            };
            let browser = Browser::at(&server, prefix);
            let answer = sign_in(&browser, &asked(&site.client, &[("state", "x y/ä")]), "alice", PASSWORD).await;
            is_back(&answer);
            assert_eq!(parameter(&location(&answer), "state").as_deref(), Some("x y/ä"));
            assert!(browser.cookies.borrow().contains_key("cognito"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_host_of_its_own_has_links_without_a_prefix() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let request = Request::builder()
        .uri(format!("/login?{}", asked(&site.client, &[])))
        .header("host", "my-app.auth.localhost:9229")
        .body(Body::empty())
        .unwrap();
    let page = server.request(request).await;
    assert!(text(&page).contains("action=\"/login?client_id="), "{}", text(&page));
    assert!(!text(&page).contains("/_domain/"));
}

#[tokio::test]
async fn what_is_wrong_with_the_request_is_told_before_anything_is_shown() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let browser = Browser::new(&server);
    for path in ["/login", "/signup", "/confirm", "/forgotPassword", "/confirmforgotPassword", "/challenge"] {
        for (query, error) in [
            (asked("nobody", &[]), "Client+does+not+exist"),
            (asked(&site.client, &[("redirect_uri", "https://evil.example/")]), "redirect_mismatch"),
            (format!("{}&client_id=twice", asked(&site.client, &[])), "invalid_request"),
        ] {
            let answer = browser.get(&format!("{path}?{query}")).await;
            let location = location(&answer);
            let expected = format!("http://127.0.0.1:9229/_domain/my-app/error?error={error}");
            assert!(location.starts_with(&expected), "{location}");
            assert_eq!(self::location(&browser.submit(&format!("{path}?{query}"), &[]).await), location);
        }
        let answer = browser.get(&format!("{path}?{}", asked(&site.client, &[("scope", "nonsense")]))).await;
        assert_eq!(parameter(&location(&answer), "error").as_deref(), Some("invalid_scope"));
    }
}

#[tokio::test]
async fn a_wrong_password_shows_the_page_again() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let browser = Browser::new(&server);
        let query = asked(&site.client, &[]);
        let page = sign_in(&browser, &query, " alice", "wrong").await;
        assert_eq!((page.status, alert(&page)), (200, Some(INCORRECT)));
        assert!(text(&page).contains("<title>Error: Sign in</title>"));
        assert!(
            text(&page).contains("name=\"username\" type=\"text\" class=\"inputField-customizable\" value=\"alice\"")
        );
        assert!(!text(&page).contains("wrong"));
        assert!(!browser.cookies.borrow().contains_key("cognito"));
        // Clients that hide nobody say who is unknown, as the service's do.
        assert_eq!(alert(&sign_in(&browser, &query, "nobody", "wrong").await), Some("User does not exist."));
        is_back(&sign_in(&browser, &query, "alice ", PASSWORD).await);
    })
    .await;
}

#[tokio::test]
async fn an_unknown_user_looks_like_a_known_one() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({"PreventUserExistenceErrors": "ENABLED"})).await;
        let browser = Browser::new(&server);
        let query = asked(&site.client, &[]);
        for path in ["/login", "/forgotPassword", "/confirmforgotPassword", "/confirm", "/resendcode"] {
            let mut answers = Vec::new();
            for username in ["alice", "ghost"] {
                let path = format!("{path}?{query}");
                browser.get(&path).await;
                let fields = [("username", username), ("password", "Wrong-pass-1"), ("verification_code", "000000")];
                let answer = browser.submit(&path, &fields).await;
                let headers: Vec<_> = answer
                    .headers
                    .iter()
                    .filter(|(name, _)| name != "x-amz-cognito-request-id")
                    .map(|(name, value)| format!("{name}: {value}").replace(username, "[user]"))
                    .collect();
                let body = answer.body.as_str().unwrap_or_default().replace(username, "[user]");
                answers.push((answer.status, headers, body));
            }
            if path != "/confirm" && path != "/resendcode" {
                assert_eq!(answers[0], answers[1], "{path}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn forms_of_other_pages_are_not_taken() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let query = asked(&site.client, &[]);
        let browser = Browser::new(&server);
        browser.get(&format!("/login?{query}")).await;
        let own = browser.cookies.borrow()["XSRF-TOKEN"].clone();
        let other = "00000000-0000-4000-8000-000000000000";
        let credentials = [("username", "alice"), ("password", PASSWORD)];
        for path in
            ["/login", "/challenge", "/signup", "/confirm", "/resendcode", "/forgotPassword", "/confirmforgotPassword"]
        {
            for csrf in [&[][..], &[("_csrf", "")], &[("_csrf", other)], &[("_csrf", &own[1..])]] {
                let fields: Vec<_> = credentials.iter().chain(csrf).copied().collect();
                let answer = browser.post(&format!("{path}?{query}"), &fields).await;
                assert_eq!((answer.status, title(&answer)), (403, "Please try again"), "{path}");
            }
        }
        // A browser without the cookie has no token that could be right.
        let fresh = Browser::new(&server);
        let fields: Vec<_> = credentials.iter().copied().chain([("_csrf", own.as_str())]).collect();
        assert_eq!(fresh.post(&format!("/login?{query}"), &fields).await.status, 403);
        is_back(&browser.post(&format!("/login?{query}"), &fields).await);
    })
    .await;
}

#[tokio::test]
async fn nothing_from_a_request_becomes_part_of_a_page() {
    let server = Server::memory().await;
    let site = site(&server, json!({"Schema": [{"Name": "email", "Required": true}]}), json!({})).await;
    let browser = Browser::new(&server);
    let evil = "\"'><script>alert(1)</script><x y='";
    let query =
        asked(&site.client, &[("state", evil), ("nonce", evil), ("login_hint", evil), ("lang", evil), (evil, evil)]);
    // As an attacker writes it: nothing encoded that need not be.
    let raw = format!("{}&extra='><script>alert(1)</script>", asked(&site.client, &[]))
        .replace('<', "%3c")
        .replace('>', "%3e");
    for query in [&query, &raw] {
        for path in
            ["/login", "/signup", "/confirm", "/resendcode", "/forgotPassword", "/confirmforgotPassword", "/challenge"]
        {
            let path = format!("{path}?{query}");
            let seen = browser.get(&path).await;
            let fields = [
                ("username", evil),
                ("password", evil),
                ("verification_code", evil),
                ("requiredAttributes[email]", evil),
                ("challenge", "SMS_MFA"),
                ("session", evil),
                ("shown", r#"{"CODE_DELIVERY_DESTINATION":"<script>alert(1)</script>"}"#),
            ];
            let answered = browser.submit(&path, &fields).await;
            for page in [seen, answered] {
                let body = page.body.as_str().unwrap_or_default();
                assert!(!body.contains("<script") && !body.contains("<x"), "{body}");
                assert!(!body.contains("='>") && !body.contains("\"'>"), "{body}");
            }
        }
    }
}

#[tokio::test]
async fn wrong_passwords_lock() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let browser = Browser::new(&server);
        let query = asked(&site.client, &[]);
        for _ in 0..5 {
            assert_eq!(alert(&sign_in(&browser, &query, "alice", "wrong").await), Some(INCORRECT));
        }
        let locked = sign_in(&browser, &query, "alice", PASSWORD).await;
        assert_eq!((locked.status, alert(&locked)), (200, Some("Password attempts exceeded")));
        server.advance(3_600);
        is_back(&sign_in(&browser, &query, "alice", PASSWORD).await);
    })
    .await;
}

#[tokio::test]
async fn users_who_cannot_sign_in_yet_are_sent_on() {
    both_engines(async |server| {
        let site = site(&server, json!({"AutoVerifiedAttributes": ["email"]}), json!({})).await;
        let browser = Browser::new(&server);
        let query = asked(&site.client, &[("login_hint", "x")]);
        let attributes = json!([{"Name": "email", "Value": "bob@example.com"}]);
        let request = json!({
            "ClientId": site.client, "Username": "bob", "Password": PASSWORD, "UserAttributes": attributes
        });
        server.call("SignUp", request).await.ok();
        let sent = location(&sign_in(&browser, &query, "bob", PASSWORD).await);
        assert!(sent.starts_with("http://127.0.0.1:9229/_domain/my-app/confirm?client_id="), "{sent}");
        assert_eq!(parameter(&sent, "login_hint").as_deref(), Some("bob"));
        let page = browser.get(&sent).await;
        assert!(text(&page).contains("value=\"bob\""));

        let named = json!({"UserPoolId": site.pool, "Username": "alice"});
        server.call("AdminResetUserPassword", named.clone()).await.ok();
        let sent = location(&sign_in(&browser, &query, "alice", PASSWORD).await);
        assert!(sent.starts_with("http://127.0.0.1:9229/_domain/my-app/forgotPassword?client_id="), "{sent}");
        server.call("AdminDisableUser", named).await.ok();
        assert_eq!(alert(&sign_in(&browser, &query, "alice", PASSWORD).await), Some("User is disabled."));
    })
    .await;
}

#[tokio::test]
async fn other_providers_are_links() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let both = client_with_partner(&server, &site.pool).await;
    let browser = Browser::new(&server);
    let page =
        browser.get(&format!("/login?{}", asked(&both, &[("identity_provider", "COGNITO"), ("state", "s")]))).await;
    let query = asked(&both, &[("state", "s"), ("identity_provider", "Partner")]).replace('&', "&#38;");
    let link = format!("href=\"/_domain/my-app/oauth2/authorize?{query}\">Continue with Partner</a>");
    assert!(text(&page).contains(&link), "{}", text(&page));
    assert!(text(&page).contains("cognitoSignInForm"));

    // Users of this one sign in there only.
    let only = client_members(json!({"SupportedIdentityProviders": ["Partner"]}));
    let only = server.client_id(&site.pool, only).await;
    let query = asked(&only, &[]);
    let page = browser.get(&format!("/login?{query}")).await;
    assert!(text(&page).contains("Continue with Partner") && !text(&page).contains("<form"));
    for path in ["/login", "/signup", "/forgotPassword"] {
        let fields = [("username", "alice"), ("password", PASSWORD)];
        assert_eq!(browser.submit(&format!("{path}?{query}"), &fields).await.status, 403, "{path}");
    }
    // A request that names it goes there, from this page too.
    let query = asked(&both, &[("identity_provider", "Partner")]);
    let sent = location(&browser.get(&format!("/login?{query}")).await);
    assert_eq!(sent, format!("http://127.0.0.1:9229/_domain/my-app/oauth2/authorize?{query}"));
}

#[tokio::test]
async fn managed_pages_need_a_style() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let domain = json!({"UserPoolId": pool, "Domain": PREFIX, "ManagedLoginVersion": 2});
    server.call("CreateUserPoolDomain", domain).await.ok();
    let client = server.client_id(&pool, client_members(json!({}))).await;
    let browser = Browser::new(&server);
    let path = format!("/login?{}", asked(&client, &[]));
    let page = browser.get(&path).await;
    assert_eq!((page.status, title(&page)), (503, "Login pages unavailable"));
    let style = json!({"UserPoolId": pool, "ClientId": client, "UseCognitoProvidedValues": true});
    server.call("CreateManagedLoginBranding", style).await.ok();
    assert_eq!(title(&browser.get(&path).await), "Sign in");
}

#[tokio::test]
async fn classic_pages_have_the_look_that_was_set() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let browser = Browser::new(&server);
        let path = format!("/login?{}", asked(&site.client, &[]));
        let css = ".label-customizable {font-weight: 400;}";
        let all = json!({"UserPoolId": site.pool, "CSS": css, "ImageFile": "iVBORw0KGgo="});
        server.call("SetUICustomization", all).await.ok();
        let page = browser.get(&path).await;
        let folder = "/_domain/my-app/ALL/20260102030405/assets";
        assert!(text(&page).contains(&format!("<link rel=\"stylesheet\" href=\"{folder}/CSS/custom-css.css\">")));
        assert!(text(&page).contains(&format!("src=\"{folder}/images/image.jpg\" alt=\"\">")));
        let style = browser.get(&format!("{folder}/CSS/custom-css.css")).await;
        assert_eq!((style.status, text(&style)), (200, css));
        assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
        assert_eq!(style.header("x-content-type-options"), Some("nosniff"));
        let logo = browser.get(&format!("{folder}/images/image.jpg")).await;
        assert_eq!((logo.status, logo.header("content-type")), (200, Some("image/png")));

        let own = json!({"UserPoolId": site.pool, "ClientId": site.client, "CSS": css});
        server.call("SetUICustomization", own).await.ok();
        let page = browser.get(&path).await;
        assert!(text(&page).contains(&format!("/{}/20260102030405/assets/CSS", site.client)));
        assert!(!text(&page).contains("<img"));
        for nothing in [
            format!("/{}/20260102030405/assets/images/image.jpg", site.client),
            "/nobody/20260102030405/assets/CSS/custom-css.css".to_owned(),
        ] {
            assert_eq!(browser.get(&nothing).await.status, 404, "{nothing}");
        }
    })
    .await;
}

#[tokio::test]
async fn threat_protection_remembers_what_happens_here() {
    let server = Server::memory().await;
    let site = site(&server, crate::threat::members("AUDIT"), json!({})).await;
    let browser = Browser::new(&server);
    let query = asked(&site.client, &[]);
    sign_in(&browser, &query, "alice", "wrong").await;
    is_back(&sign_in(&browser, &query, "alice", PASSWORD).await);
    let request = json!({"UserPoolId": site.pool, "Username": "alice"});
    let events = server.call("AdminListUserAuthEvents", request).await.ok();
    let events: Vec<_> = events["AuthEvents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["EventType"].as_str().unwrap(), event["EventResponse"].as_str().unwrap()))
        .collect();
    assert_eq!(events, [("SignIn", "Pass"), ("SignIn", "Fail")]);
}

#[tokio::test]
async fn functions_are_told_and_can_refuse() {
    let server = Server::memory().await;
    let told = Told::default();
    let triggers = ["PreAuthentication", "PostAuthentication", "UserMigration"];
    notes(&server, &told, "PreAuthentication");
    notes(&server, &told, "PostAuthentication");
    responds(
        &server,
        &told,
        "UserMigration",
        |_| json!({"userAttributes": {"email": "bob@example.com"}, "finalUserStatus": "CONFIRMED", "messageAction": "SUPPRESS"}),
    );
    let site = site(&server, json!({"LambdaConfig": lambda_config(&triggers)}), json!({})).await;
    let browser = Browser::new(&server);
    let query = asked(&site.client, &[]);
    told.take();
    is_back(&sign_in(&browser, &query, "bob", "old").await);
    let sources: Vec<_> = told.take().iter().map(|event| event["triggerSource"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        sources,
        ["UserMigration_Authentication", "PreAuthentication_Authentication", "PostAuthentication_Authentication"]
    );

    server.function(&arn("PreAuthentication"), |_| Err(service::triggers::Failure::Threw("not <now>".to_owned())));
    let refused = sign_in(&browser, &query, "alice", PASSWORD).await;
    assert_eq!(
        (refused.status, alert(&refused)),
        (200, Some("PreAuthentication failed with error not &#60;now&#62;."))
    );
}

#[tokio::test]
async fn sign_ins_count_for_the_quota_of_the_api() {
    let mut quotas = Quotas::off();
    quotas.rates.set(Category::UserAuthentication, 2);
    let server = Server::builder().settings(|settings| settings.quotas = quotas).start().await;
    let site = site(&server, json!({}), json!({})).await;
    let browser = Browser::new(&server);
    let query = asked(&site.client, &[]);
    is_back(&sign_in(&browser, &query, "alice", PASSWORD).await);
    server.sign_in(&site.client, "alice", PASSWORD).await.ok();
    let refused = sign_in(&browser, &query, "alice", PASSWORD).await;
    assert_eq!((refused.status, alert(&refused)), (429, Some("Rate exceeded")));
    // Answers to challenges count as well, three for one.
    let answer = async || {
        let fields = [("challenge", "SMS_MFA"), ("session", "x"), ("username", "alice"), ("code", "000000")];
        browser.submit(&format!("/challenge?{query}"), &fields).await.status
    };
    let mut answers = 0;
    while answer().await == 200 {
        answers += 1;
    }
    assert_eq!(answers, 6);
}
