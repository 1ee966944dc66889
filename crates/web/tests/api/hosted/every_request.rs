//! What holds for every request to a domain: its headers and cookies (oauth-federation.md §5), the host that it comes to,
//! and how many there may be.

use std::net::SocketAddr;

use service::quotas::Rates;

use super::{
    authorize::sent_to,
    browser_sessions::{COOKIE, enters},
    login::{is_back, title},
    *,
};

const CERTIFICATE: &str = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000";
const CSRF: &str = "00000000-0000-4000-8000-000000000000";
const OWN_HOST: &str = "login.example.com";

/// A server that browsers reach at this address.
async fn server_at(base_url: &str) -> Server {
    Server::builder().settings(|settings| base_url.clone_into(&mut settings.base_url)).start().await
}

/// Gives the pool a domain that is a host of its own.
async fn own_host(server: &Server, pool: &str) {
    let certificate = json!({"CertificateArn": CERTIFICATE});
    let request = json!({"UserPoolId": pool, "Domain": OWN_HOST, "CustomDomainConfig": certificate});
    server.call("CreateUserPoolDomain", request).await.ok();
}

/// A request of a browser that has a token against forms of others.
fn request(method: Method, host: &str, uri: &str) -> http::request::Builder {
    Request::builder().method(method).uri(uri).header("host", host).header("cookie", format!("XSRF-TOKEN={CSRF}"))
}

/// The cookies that an answer sets.
fn cookies(answer: &Answer) -> Vec<&str> {
    let lines = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    lines.map(|(_, line)| line.as_str()).collect()
}

#[tokio::test]
async fn all_answers_have_the_headers_of_a_domain() {
    let server = server_at("https://id.example.com").await;
    let site = site(&server, json!({}), json!({})).await;
    own_host(&server, &site.pool).await;
    let query = asked(&site.client, &[]);
    let mut shown = String::new();
    for (method, path) in [
        (Method::GET, format!("/login?{query}")),
        (Method::GET, format!("/oauth2/authorize?{query}")),
        (Method::POST, "/oauth2/token".to_owned()),
        (Method::DELETE, "/login".to_owned()),
        (Method::GET, "/nothing".to_owned()),
    ] {
        let uri = format!("/_domain/{PREFIX}{path}");
        let answer = server.request(request(method, "id.example.com", &uri).body(Body::empty()).unwrap()).await;
        let id = answer.header("x-amz-cognito-request-id").unwrap();
        assert_eq!((id.len(), id.matches('-').count()), (36, 4));
        shown.push_str(&format!("{} {}\n", answer.status, path.split('?').next().unwrap()));
        let mut lines: Vec<_> = answer.headers.iter().map(|(name, value)| format!("  {name}: {value}\n")).collect();
        lines.sort();
        shown.push_str(&lines.concat().replace(id, "[id]").replace(&site.client, "[client]"));
    }
    insta::assert_snapshot!(shown, @"
    200 /login
      cache-control: no-cache, no-store, max-age=0, must-revalidate
      content-length: 1904
      content-security-policy: default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'
      content-type: text/html; charset=utf-8
      expires: 0
      pragma: no-cache
      referrer-policy: no-referrer
      set-cookie: XSRF-TOKEN=00000000-0000-4000-8000-000000000000; Path=/_domain/my-app; Secure; HttpOnly; SameSite=Lax
      strict-transport-security: max-age=31536000
      x-amz-cognito-request-id: [id]
      x-content-type-options: nosniff
      x-frame-options: DENY
      x-xss-protection: 1; mode=block
    302 /oauth2/authorize
      cache-control: no-cache, no-store, max-age=0, must-revalidate
      content-length: 0
      expires: 0
      location: https://id.example.com/_domain/my-app/login?client_id=[client]&response_type=code&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback
      pragma: no-cache
      set-cookie: XSRF-TOKEN=00000000-0000-4000-8000-000000000000; Path=/_domain/my-app; Secure; HttpOnly; SameSite=Lax
      strict-transport-security: max-age=31536000
      x-amz-cognito-request-id: [id]
      x-content-type-options: nosniff
      x-frame-options: DENY
      x-xss-protection: 1; mode=block
    400 /oauth2/token
      access-control-allow-origin: *
      access-control-expose-headers: x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date
      cache-control: no-cache, no-store, max-age=0, must-revalidate
      content-length: 27
      content-type: application/json;charset=UTF-8
      expires: 0
      pragma: no-cache
      set-cookie: XSRF-TOKEN=00000000-0000-4000-8000-000000000000; Path=/_domain/my-app; Secure; HttpOnly; SameSite=Lax
      strict-transport-security: max-age=31536000
      x-amz-cognito-request-id: [id]
      x-content-type-options: nosniff
      x-frame-options: DENY
      x-xss-protection: 1; mode=block
    405 /login
      allow: GET,HEAD,POST
      cache-control: no-cache, no-store, max-age=0, must-revalidate
      content-length: 0
      expires: 0
      pragma: no-cache
      set-cookie: XSRF-TOKEN=00000000-0000-4000-8000-000000000000; Path=/_domain/my-app; Secure; HttpOnly; SameSite=Lax
      strict-transport-security: max-age=31536000
      x-amz-cognito-request-id: [id]
      x-content-type-options: nosniff
      x-frame-options: DENY
      x-xss-protection: 1; mode=block
    400 /nothing
      access-control-allow-origin: *
      access-control-expose-headers: x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date
      cache-control: no-cache, no-store, max-age=0, must-revalidate
      content-length: 113
      content-type: application/json
      expires: 0
      pragma: no-cache
      set-cookie: XSRF-TOKEN=00000000-0000-4000-8000-000000000000; Path=/_domain/my-app; Secure; HttpOnly; SameSite=Lax
      strict-transport-security: max-age=31536000
      x-amz-cognito-request-id: [id]
      x-content-type-options: nosniff
      x-frame-options: DENY
      x-xss-protection: 1; mode=block
    ");
}

#[tokio::test]
async fn what_anybody_may_keep_is_the_same_for_all() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let look =
        json!({"UserPoolId": site.pool, "CSS": ".label-customizable {font-weight: 400;}", "ImageFile": "iVBORw0KGgo="});
    server.call("SetUICustomization", look).await.ok();
    let browser = Browser::new(&server);
    let folder = "/ALL/20260102030405/assets";
    for path in [
        "/_assets/style.css",
        "/_assets/icon.svg",
        "/_assets/passkey.js",
        &format!("{folder}/CSS/custom-css.css"),
        &format!("{folder}/images/image.jpg"),
    ] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("cache-control").unwrap().starts_with("public, max-age="), "{answer:?}");
        assert_eq!(cookies(&answer), [""; 0], "{path}");
    }
    let answer = browser.get(&format!("{folder}/images/nothing.jpg")).await;
    assert_eq!(cookies(&answer).len(), 1, "{answer:?}");
}

/// Browsers keep our cookies from forms of others, so that a token would be a new one.
#[tokio::test]
async fn forms_of_other_providers_leave_the_token_alone() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let path = format!("/login?{}", asked(&site.client, &[]));
    let browser = Browser::new(&server);
    browser.get(&path).await;
    let own = std::mem::take(&mut *browser.cookies.borrow_mut());
    for provider in ["/oauth2/idpresponse", "/saml2/idpresponse"] {
        let answer = browser.post(provider, &[("state", "x"), ("RelayState", "x"), ("SAMLResponse", "x")]).await;
        assert_eq!((answer.status, cookies(&answer)), (302, Vec::new()), "{provider}");
    }
    browser.cookies.borrow_mut().extend(own);
    is_back(&browser.submit(&path, &[("username", "alice"), ("password", PASSWORD)]).await);
    // Whoever comes by a link brings them along.
    assert_eq!(cookies(&Browser::new(&server).get("/oauth2/idpresponse").await).len(), 1);
}

#[tokio::test]
async fn browsers_are_told_to_come_by_https() {
    let own = Some("max-age=31536000 ; includeSubDomains");
    for (base_url, host, path, policy) in [
        ("https://id.example.com", "id.example.com", "/_domain/my-app", Some("max-age=31536000")),
        ("https://id.example.com", OWN_HOST, "", own),
        ("https://id.example.com", "my-app.auth.example.com", "", own),
        // Browsers would come so to every other server of the machine.
        ("https://id.example.com", "my-app.auth.localhost", "", None),
        ("https://localhost:9229", "localhost:9229", "/_domain/my-app", None),
        ("https://127.0.0.1:9229", "127.0.0.1:9229", "/_domain/my-app", None),
        ("http://id.example.com", "id.example.com", "/_domain/my-app", None),
        ("http://id.example.com", OWN_HOST, "", None),
    ] {
        let server = Server::builder().settings(|settings| {
            base_url.clone_into(&mut settings.base_url);
            settings.auth_domain = Some("auth.example.com".to_owned());
        });
        let server = server.start().await;
        let site = site(&server, json!({}), json!({})).await;
        own_host(&server, &site.pool).await;
        let uri = format!("{path}/login?{}", asked(&site.client, &[]));
        let answer = server.request(request(Method::GET, host, &uri).body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.header("strict-transport-security")), (200, policy), "{base_url} {host}");
    }
}

#[tokio::test]
async fn a_domain_with_a_host_of_its_own_is_whole() {
    let server = server_at("https://id.example.com").await;
    let site = site(&server, json!({}), json!({})).await;
    own_host(&server, &site.pool).await;
    let browser = Browser::at_host(&server, OWN_HOST);
    let query = asked(&site.client, &[("state", "s")]);
    let url = sent_to(&browser, &query).await;
    assert_eq!(url, format!("https://{OWN_HOST}/login?{query}"));
    let page = browser.get(&url).await;
    let csrf = browser.cookies.borrow()["XSRF-TOKEN"].clone();
    assert_eq!(cookies(&page), [format!("XSRF-TOKEN={csrf}; Path=/; Secure; HttpOnly; SameSite=Lax")]);
    let answer = browser.submit(&url, &[("username", "alice"), ("password", PASSWORD)]).await;
    is_back(&answer);
    let session = browser.cookies.borrow()[COOKIE].clone();
    assert_eq!(
        cookies(&answer),
        [
            format!("{COOKIE}={session}; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax"),
            format!("XSRF-TOKEN={csrf}; Path=/; Secure; HttpOnly; SameSite=Lax"),
        ]
    );
    assert!(enters(&browser, &site.client, &[]).await);
    let code = parameter(&location(&answer), "code").unwrap();
    let form = token::exchange(&site.client, &code, &[]);
    let tokens = browser.post("/oauth2/token", &form).await.ok();
    let mut bearer = request(Method::GET, OWN_HOST, "/oauth2/userInfo");
    bearer = bearer.header("authorization", format!("Bearer {}", tokens["access_token"].as_str().unwrap()));
    assert_eq!(server.request(bearer.body(Body::empty()).unwrap()).await.ok()["username"], "alice");
    let signed_out = format!("/logout?{}", super::query(&[("client_id", &site.client), ("logout_uri", SIGNED_OUT)]));
    let answer = browser.get(&signed_out).await;
    assert_eq!(location(&answer), SIGNED_OUT);
    let cleared =
        format!("{COOKIE}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax; Expires=Thu, 01 Jan 1970 00:00:10 GMT");
    assert_eq!(cookies(&answer)[0], cleared);
    assert!(!enters(&browser, &site.client, &[]).await);
}

#[tokio::test]
async fn a_browser_is_sent_to_the_name_that_cookies_are_kept_for() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let query = asked(&site.client, &[]);
    let base = "http://127.0.0.1:9229/_domain/my-app";
    for host in ["localhost:9229", "[::1]:9229"] {
        let browser = Browser::by_name(&server, host);
        for path in [format!("/oauth2/authorize?{query}"), format!("/login?{query}"), "/logout".to_owned()] {
            assert_eq!(location(&browser.get(&path).await), format!("{base}{path}"), "{host}");
        }
        // Applications, and whoever follows no redirect, may come by any name.
        let answer = browser.post("/oauth2/token", &[("grant_type", "authorization_code")]).await;
        assert_eq!((answer.status, &answer.body["error"]), (400, &json!("invalid_request")), "{host}");
        assert_eq!(browser.get("/oauth2/userInfo").await.status, 400, "{host}");
    }
    for host in ["127.0.0.1:9229", "127.0.0.1:8080", "localhost", "evil.example", "localhost@evil.example"] {
        let url = sent_to(&Browser::by_name(&server, host), &query).await;
        assert_eq!(url, format!("{base}/login?{query}"), "{host}");
    }
}

/// A proxy may ask for it by a name of the machine that they share.
#[tokio::test]
async fn proxies_may_come_by_names_that_browsers_do_not_know() {
    for base_url in ["https://id.example.com", "https://localhost"] {
        let server = server_at(base_url).await;
        let site = site(&server, json!({}), json!({})).await;
        let query = asked(&site.client, &[]);
        for host in ["id.example.com", "localhost:9229", "127.0.0.1:9229", "ID.example.com:8443"] {
            let url = sent_to(&Browser::by_name(&server, host), &query).await;
            assert_eq!(url, format!("{base_url}/_domain/my-app/login?{query}"), "{host}");
        }
    }
}

/// The status of an answer to this address, and what it says.
async fn from(server: &Server, address: &str, method: Method, path: &str) -> Answer {
    let address: SocketAddr = format!("{address}:1000").parse().unwrap();
    let uri = format!("/_domain/{path}");
    let request = request(method, "127.0.0.1:9229", &uri).extension(poolkeeper_web::Peer(address));
    server.request(request.body(Body::empty()).unwrap()).await
}

async fn limited(change: impl FnOnce(&mut Rates)) -> Server {
    Server::builder().settings(|settings| change(&mut settings.quotas.rates)).start().await
}

#[tokio::test]
async fn an_address_has_a_rate_at_each_domain() {
    let server = limited(|rates| rates.per_domain_and_address = 2).await;
    for prefix in ["one", "two"] {
        let pool = server.pool(json!({})).await;
        server.call("CreateUserPoolDomain", json!({"UserPoolId": pool, "Domain": prefix})).await.ok();
    }
    for path in ["one/error", "one/_assets/style.css"] {
        assert_ne!(from(&server, "192.0.2.1", Method::GET, path).await.status, 429);
    }
    let page = from(&server, "192.0.2.1", Method::GET, "one/error").await;
    assert_eq!((page.status, page.header("x-frame-options")), (429, Some("DENY")));
    assert!(page.body.as_str().unwrap().contains("<!doctype html>"), "{page:?}");
    for (method, path) in
        [(Method::POST, "one/oauth2/token"), (Method::POST, "one/oauth2/revoke"), (Method::GET, "one/oauth2/userInfo")]
    {
        let refused = from(&server, "192.0.2.1", method, path).await;
        let body = json!({"error": "temporarily_unavailable", "error_description": "Rate exceeded"});
        assert_eq!((refused.status, &refused.body), (429, &body));
        assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    }
    assert_eq!(from(&server, "192.0.2.1", Method::GET, "two/error").await.status, 400);
    assert_eq!(from(&server, "192.0.2.2", Method::GET, "one/error").await.status, 400);
    server.advance(1);
    assert_eq!(from(&server, "192.0.2.1", Method::GET, "one/error").await.status, 400);
}

#[tokio::test]
async fn a_domain_has_a_rate() {
    let server = limited(|rates| rates.per_domain = 3).await;
    for prefix in ["one", "two"] {
        let pool = server.pool(json!({})).await;
        server.call("CreateUserPoolDomain", json!({"UserPoolId": pool, "Domain": prefix})).await.ok();
    }
    let status = async |address: &str, path: &str| from(&server, address, Method::GET, path).await.status;
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        assert_eq!(status(address, "one/error").await, 400);
    }
    assert_eq!(status("192.0.2.4", "one/error").await, 429);
    assert_eq!(status("192.0.2.4", "two/error").await, 400);
}

#[tokio::test]
async fn a_client_has_a_rate_at_its_domain() {
    let server = limited(|rates| rates.per_domain_and_client = 2).await;
    let site = site(&server, json!({}), json!({})).await;
    let other = server.client_id(&site.pool, client_members(json!({}))).await;
    let browser = Browser::new(&server);
    let exchanged = async |client: &str| browser.post("/oauth2/token", &token::exchange(client, "x", &[])).await.status;
    let path = format!("/login?{}", asked(&site.client, &[]));
    assert_eq!(title(&browser.get(&path).await), "Sign in");
    assert_eq!(exchanged(&site.client).await, 400);
    assert_eq!(exchanged(&site.client).await, 429);
    for path in [path.clone(), path.replace("/login", "/oauth2/authorize")] {
        assert_eq!(browser.get(&path).await.status, 429, "{path}");
    }
    assert_eq!(exchanged(&other).await, 400);
    server.advance(1);
    assert_eq!(title(&browser.get(&path).await), "Sign in");
}
