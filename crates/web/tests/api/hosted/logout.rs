//! `GET /logout` (oauth-federation.md §4.2).

use testkit::both_engines;

use super::{
    browser_sessions::{COOKIE, begin, enters, signed_in, track, with_cookie},
    *,
};

fn path(pairs: &[(&str, &str)]) -> String {
    format!("/logout?{}", query(pairs))
}

#[tokio::test]
async fn a_browser_signs_out() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let browser = signed_in(&server, &site).await;
        let elsewhere = signed_in(&server, &site).await;
        let copy = with_cookie(&server, &browser.cookies.borrow()[COOKIE]);
        let client = ("client_id", site.client.as_str());
        // Whatever else is said is neither followed nor repeated.
        let ignored = [("state", "s"), ("redirect_uri", CALLBACK), ("response_type", "code")];
        let answer = browser.get(&path(&[&[client, ("logout_uri", SIGNED_OUT)], &ignored[..]].concat())).await;
        assert_eq!(location(&answer), SIGNED_OUT);
        let cleared = "cognito=; Path=/_domain/my-app; Max-Age=0; HttpOnly; SameSite=Lax; \
                       Expires=Thu, 01 Jan 1970 00:00:10 GMT";
        assert!(answer.headers.contains(&("set-cookie".to_owned(), cleared.to_owned())), "{answer:?}");
        assert!(!browser.cookies.borrow().contains_key(COOKIE));
        // Nor is a copy of the cookie from before of any use; another browser's session goes on.
        assert!(!enters(&copy, &site.client, &[]).await);
        assert!(enters(&elsewhere, &site.client, &[]).await);
        // Once more, and without a session at all.
        for browser in [&copy, &browser, &with_cookie(&server, "x")] {
            let answer = browser.get(&path(&[client, ("logout_uri", SIGNED_OUT)])).await;
            assert_eq!(location(&answer), SIGNED_OUT);
        }
    })
    .await;
}

#[tokio::test]
async fn a_browser_signs_out_and_in_again() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let browser = signed_in(&server, &site).await;
        let copy = with_cookie(&server, &browser.cookies.borrow()[COOKIE]);
        let usual = [("client_id", site.client.as_str()), ("redirect_uri", CALLBACK), ("response_type", "code")];
        let more =
            [("state", "a b"), ("nonce", "n"), ("identity_provider", "Corp"), ("idp_identifier", "corp.example")];
        let to_login = location(&browser.get(&path(&[&usual[..], &more[..]].concat())).await);
        let scopes = "openid email phone profile aws.cognito.signin.user.admin";
        let login = [&usual[..], &more[..2], &[("scope", scopes)]].concat();
        assert_eq!(to_login, format!("http://127.0.0.1:9229/_domain/{PREFIX}/login?{}", query(&login)));
        assert!(!enters(&copy, &site.client, &[]).await);
        let chosen = [&usual[..], &[("scope", "openid")]].concat();
        let to_login = location(&browser.get(&path(&chosen)).await);
        assert_eq!(to_login, format!("http://127.0.0.1:9229/_domain/{PREFIX}/login?{}", query(&chosen)));
    })
    .await;
}

/// What is none of the client's `LogoutURLs`, and what else is missing.
#[tokio::test]
async fn what_signing_out_refuses() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let other_pool = server.pool(json!({})).await;
        let foreign = server.client_id(&other_pool, client_members(json!({}))).await;
        let browser = signed_in(&server, &site).await;
        let cookie = browser.cookies.borrow()[COOKIE].clone();
        let client = ("client_id", site.client.as_str());
        let (missing, mismatch) = ("Required+parameters+missing", "redirect_mismatch");
        let code = ("response_type", "code");
        for (pairs, error, names_client) in [
            (vec![], missing, false),
            (vec![("logout_uri", SIGNED_OUT)], missing, false),
            (vec![("client_id", "unknown"), ("logout_uri", SIGNED_OUT)], "Client+does+not+exist", false),
            (vec![("client_id", &foreign), ("logout_uri", SIGNED_OUT)], "Client+does+not+exist", false),
            (vec![client], missing, true),
            (vec![client, ("redirect_uri", CALLBACK)], missing, true),
            (vec![client, code], missing, true),
            (vec![client, ("logout_uri", "https://evil.example/")], mismatch, true),
            (vec![client, ("logout_uri", &format!("{SIGNED_OUT}/"))], mismatch, true),
            // Each kind of address has a list of its own, and the first one wins.
            (vec![client, ("logout_uri", CALLBACK)], mismatch, true),
            (vec![client, ("logout_uri", CALLBACK), ("redirect_uri", CALLBACK), code], mismatch, true),
            (vec![client, ("redirect_uri", SIGNED_OUT), code], mismatch, true),
            (vec![client, ("logout_uri", SIGNED_OUT), ("logout_uri", SIGNED_OUT)], "invalid_request", false),
        ] {
            let answer = browser.get(&path(&pairs)).await;
            let named = if names_client { format!("&client_id={}", site.client) } else { String::new() };
            let expected = format!("http://127.0.0.1:9229/_domain/{PREFIX}/error?error={error}{named}");
            assert_eq!(location(&answer), expected, "{pairs:?}");
        }
        let good = path(&[client, ("logout_uri", SIGNED_OUT)]);
        assert_eq!(browser.submit(&good, &[]).await.status, 405);
        // None of these has ended anything.
        assert_eq!(browser.cookies.borrow()[COOKIE], cookie);
        assert!(enters(&browser, &site.client, &[]).await);
        // Nor can a cookie be ended at another pool's domain.
        let request = json!({"UserPoolId": other_pool, "Domain": "other"});
        server.call("CreateUserPoolDomain", request).await.ok();
        let there = Browser::at(&server, "other");
        there.cookies.borrow_mut().insert(COOKIE.to_owned(), cookie);
        let answer = there.get(&path(&[("client_id", &foreign), ("logout_uri", SIGNED_OUT)])).await;
        assert_eq!(location(&answer), SIGNED_OUT);
        assert!(enters(&browser, &site.client, &[]).await);
    })
    .await;
}

#[tokio::test]
async fn of_two_at_the_same_moment_both_sign_out() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let twin = server.twin().await;
        for tracking in ["DISABLED", "ENABLED"] {
            track(&server, &site.pool, tracking).await;
            let cookie = begin(&server, &site, |_| {}).await.cookie;
            let (one, other) = (with_cookie(&server, &cookie), with_cookie(&twin, &cookie));
            let good = path(&[("client_id", &site.client), ("logout_uri", SIGNED_OUT)]);
            let (one, other) = server.overtaken(0, one.get(&good), other.get(&good)).await;
            assert_eq!([location(&one), location(&other)], [SIGNED_OUT; 2]);
            assert!(!enters(&with_cookie(&server, &cookie), &site.client, &[]).await);
        }
    })
    .await;
}
