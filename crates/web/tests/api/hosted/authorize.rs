//! `GET /oauth2/authorize` and the error page (oauth-federation.md §3, §3.1).

use domain::{Part, PartKind};
use serde::{Deserialize, Serialize};
use store::Changes;
use testkit::both_engines;

use super::{browser_sessions::signed_in, *};
use crate::{client_token::files, tokens::segment};

/// A challenge that S256 makes, of [`token::VERIFIER`](super::token::VERIFIER).
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const BASE: &str = "http://127.0.0.1:9229/_domain/my-app";

type Pairs<'a> = &'a [(&'a str, &'a str)];

/// Where the browser is sent with what an application asks for.
pub async fn sent_to(browser: &Browser<'_>, query: &str) -> String {
    location(&browser.get(&format!("/oauth2/authorize?{query}")).await)
}

/// The claims of a token in the fragment of a URL.
fn claims(url: &str, name: &str) -> Value {
    assert!(url.starts_with(&format!("{CALLBACK}#")), "{url}");
    segment(&parameter(url, name).unwrap(), 1)
}

#[tokio::test]
async fn who_is_signed_in_goes_back_with_a_code() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let browser = signed_in(&server, &site).await;
        let state = "a b+c/%2F=&d\r\nSet-Cookie: x=y\u{e4}";
        for path in ["/oauth2/authorize", "/authorize"] {
            let answer = browser.get(&format!("{path}?{}", asked(&site.client, &[("state", state)]))).await;
            let url = location(&answer);
            let (address, query) = url.split_once('?').unwrap();
            assert_eq!(address, CALLBACK);
            let code = parameter(&url, "code").unwrap();
            assert_eq!((code.len(), code.matches('-').count()), (36, 4));
            // What an application sent comes back unchanged, and is nothing but a value.
            let escaped = "a+b%2Bc%2F%252F%3D%26d%0D%0ASet-Cookie%3A+x%3Dy%C3%A4";
            assert_eq!(query, format!("code={code}&state={escaped}"));
            assert_eq!(parameter(&url, "state").as_deref(), Some(state));
            assert_eq!(answer.header("cache-control"), Some("no-cache, no-store, max-age=0, must-revalidate"));
        }
    })
    .await;
}

#[tokio::test]
async fn everybody_else_is_asked_to_sign_in() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let browser = Browser::new(&server);
    let query = format!("{}&state=a%20b&unknown=%2e", asked(&site.client, &[("identity_provider", "COGNITO")]));
    assert_eq!(sent_to(&browser, &query).await, format!("{BASE}/login?{query}"));
    // What is no session is none.
    browser.cookies.borrow_mut().insert("cognito".to_owned(), "x".to_owned());
    assert_eq!(sent_to(&browser, &query).await, format!("{BASE}/login?{query}"));
    // Nobody was told so, and nothing else takes an authorization request.
    assert_eq!(browser.post(&format!("/oauth2/authorize?{query}"), &[]).await.status, 405);
}

#[tokio::test]
async fn tokens_come_in_the_fragment() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let browser = signed_in(&server, &site).await;
        let query = asked(&site.client, &[("response_type", "token"), ("state", "s"), ("nonce", "n")]);
        let url = sent_to(&browser, &query).await;
        let names: Vec<_> = url.split_once('#').unwrap().1.split('&').map(|pair| pair.split('=').next()).collect();
        let expected = ["id_token", "access_token", "token_type", "expires_in", "state"];
        assert_eq!(names, expected.map(Some), "{url}");
        assert_eq!(parameter(&url, "token_type").as_deref(), Some("Bearer"));
        assert_eq!(parameter(&url, "expires_in").as_deref(), Some("3600"));
        let (id, access) = (claims(&url, "id_token"), claims(&url, "access_token"));
        assert_eq!((&id["nonce"], &access["nonce"]), (&json!("n"), &Value::Null));
        assert_eq!(access["scope"], "openid email phone profile aws.cognito.signin.user.admin");
        assert_eq!((&access["version"], &access["client_id"]), (&json!(2), &json!(site.client)));

        // Without `openid` the application is not told who it is.
        let query = asked(&site.client, &[("response_type", "token"), ("scope", "aws.cognito.signin.user.admin")]);
        let url = sent_to(&browser, &query).await;
        assert_eq!(parameter(&url, "id_token"), None);
        assert_eq!(claims(&url, "access_token")["scope"], "aws.cognito.signin.user.admin");
        server.call("GetUser", json!({"AccessToken": parameter(&url, "access_token")})).await.ok();
    })
    .await;
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_is_not_registered() {
    let server = Server::memory().await;
    let callbacks = [CALLBACK, "myapp://signed-in", "http://localhost:3000/cb", "https://app.example/ü"];
    let site = site(&server, json!({}), json!({"CallbackURLs": callbacks})).await;
    let browser = signed_in(&server, &site).await;
    for good in callbacks {
        let url = sent_to(&browser, &asked(&site.client, &[("redirect_uri", good)])).await;
        assert!(url.starts_with(&format!("{good}?code=")), "{url}");
    }
    let mismatch = format!("{BASE}/error?error=redirect_mismatch&client_id={}", site.client);
    for trick in [
        "https://app.example/callback/",
        "https://app.example/callback?x",
        "https://app.example/callback#x",
        "https://app.example/callback%23",
        "https://app.example/call%62ack",
        "https://app.example/callback/../callback",
        "https://app.example/callback.evil.example",
        "https://app.example/CALLBACK",
        "https://APP.example/callback",
        "HTTPS://app.example/callback",
        "http://app.example/callback",
        "https://app.example:443/callback",
        "https://app.example.evil.example/callback",
        "https://evil.example/https://app.example/callback",
        "https://app.example@evil.example/callback",
        "https://user@app.example/callback",
        "https://evil.example\\@app.example/callback",
        "https:app.example/callback",
        "//app.example/callback",
        "/callback",
        " https://app.example/callback",
        "https://app.example/callback\r\nSet-Cookie: a=b",
        "https://app.example/callback\0",
        "http://localhost:3001/cb",
        "http://127.0.0.1:3000/cb",
        "myapp://signed-in/",
        "javascript:alert(1)",
    ] {
        for more in [[("response_type", "code")], [("response_type", "token")], [("response_type", "x")]] {
            let query = asked(&site.client, &[("redirect_uri", trick), more[0]]);
            assert_eq!(sent_to(&browser, &query).await, mismatch, "{trick:?}");
        }
    }
    // One client's address is not another's.
    let other = server.client_id(&site.pool, client_members(json!({"CallbackURLs": ["https://b.example/"]}))).await;
    assert!(sent_to(&browser, &asked(&other, &[])).await.starts_with(&format!("{BASE}/error?error=redirect_mismatch")));
}

#[tokio::test]
async fn what_nobody_can_be_told_ends_at_the_error_page() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let elsewhere = server.pool(json!({})).await;
    let foreign = server.client_id(&elsewhere, client_members(json!({}))).await;
    let browser = signed_in(&server, &site).await;
    let good = asked(&site.client, &[]);
    let long = "x".repeat(4_097);
    let many = ["a", "b", "c", "d"].map(|name| (name, &long[1..]));
    for (query, error) in [
        (asked("unknown", &[]), "Client+does+not+exist"),
        (asked(&foreign, &[]), "Client+does+not+exist"),
        (asked("", &[]), "Required+parameters+missing"),
        (String::new(), "Required+parameters+missing"),
        (asked(&site.client, &[("response_type", "token id_token")]), "invalid_request"),
        (asked(&site.client, &[("response_type", "id_token")]), "invalid_request"),
        (asked(&site.client, &[("response_type", "CODE")]), "invalid_request"),
        // Who says something twice may mean either.
        (format!("{good}&state=a&state=b"), "invalid_request"),
        (format!("{good}&redirect_uri=https%3A%2F%2Fevil.example"), "invalid_request"),
        (format!("{good}&client_id={}", site.client), "invalid_request"),
        (format!("{good}&scop%65=openid&scope=email"), "invalid_request"),
        (asked(&site.client, &[("state", long.as_str())]), "invalid_request"),
        (asked(&site.client, &[(long.as_str(), "")]), "invalid_request"),
        (format!("{good}&{}", query(&many)), "invalid_request"),
    ] {
        assert_eq!(sent_to(&browser, &query).await, format!("{BASE}/error?error={error}"), "{query}");
    }
}

#[tokio::test]
async fn the_error_page_repeats_nothing() {
    let server = Server::memory().await;
    site(&server, json!({}), json!({})).await;
    let browser = Browser::new(&server);
    let answer = browser.get("/error?error=redirect_mismatch&client_id=abc").await;
    assert_eq!((answer.status, answer.header("content-type")), (400, Some("text/html; charset=utf-8")));
    let page = answer.body.as_str().unwrap();
    assert!(page.contains("An error was encountered with the requested page."), "{page}");
    assert!(page.contains("redirect_mismatch"), "{page}");
    for query in
        ["error=%3Cscript%3Ealert(1)%3C%2Fscript%3E", "error=Call+555-0100", "error_description=x55", "x55", ""]
    {
        let answer = browser.get(&format!("/error?{query}")).await;
        let page = answer.body.as_str().unwrap();
        assert_eq!(answer.status, 400);
        assert!(!page.contains("script") && !page.contains("55") && !page.contains("Call"), "{page}");
    }
}

/// Each error, and whether it comes in the query or in the fragment.
#[tokio::test]
async fn applications_are_told_what_was_wrong() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let only_codes = server.client_id(&site.pool, client_members(json!({"AllowedOAuthFlows": ["code"]}))).await;
    let only_tokens = server.client_id(&site.pool, client_members(json!({"AllowedOAuthFlows": ["implicit"]}))).await;
    let nobodys = server.client_id(&site.pool, client_members(json!({"SupportedIdentityProviders": []}))).await;
    let off = server.client_id(&site.pool, client_members(json!({"AllowedOAuthFlowsUserPoolClient": false}))).await;
    let browser = signed_in(&server, &site).await;
    let own = site.client.as_str();
    let token = ("response_type", "token");
    let unavailable =
        "error_description=Login+option+is+not+available.+Please+try+another+one&state=s&error=invalid_request";
    let switched_off = "error_description=Client+is+not+enabled+for+OAuth2.0+flows&state=s&error=invalid_request";
    let (malformed, bad_scope) = ("state=s&error=invalid_request", "state=s&error=invalid_scope");
    let unauthorized = "state=s&error=unauthorized_client";
    let s256 = ("code_challenge_method", "S256");
    let half = CHALLENGE.split_at(42).0;
    let rows: [(&str, Pairs<'_>, &str); 22] = [
        (own, &[("response_type", "")], malformed),
        (own, &[("code_challenge", CHALLENGE)], malformed),
        (own, &[s256], malformed),
        (own, &[("code_challenge", CHALLENGE), ("code_challenge_method", "plain")], malformed),
        (own, &[("code_challenge", half), s256], malformed),
        (own, &[("code_challenge", &half.replace('E', "+")), s256, token], malformed),
        (own, &[("scope", "openid files/read")], bad_scope),
        (own, &[("scope", "openid OPENID")], bad_scope),
        (own, &[("scope", "openid,email")], bad_scope),
        (own, &[("scope", "openid\temail")], bad_scope),
        (own, &[("scope", " ")], bad_scope),
        (own, &[("scope", "email aws.cognito.signin.user.admin")], bad_scope),
        (own, &[("scope", "x"), token], bad_scope),
        (own, &[("max_age", "soon")], malformed),
        (own, &[("max_age", "-1")], malformed),
        (own, &[("identity_provider", "Google")], unavailable),
        (own, &[("idp_identifier", "example.com")], unavailable),
        (&only_codes, &[token], unauthorized),
        (&only_tokens, &[], unauthorized),
        (&nobodys, &[], unauthorized),
        (&off, &[], switched_off),
        (&off, &[token], switched_off),
    ];
    for (client, more, expected) in rows {
        let more: Vec<_> = more.iter().copied().chain([("state", "s")]).collect();
        let separator = if more.contains(&token) { '#' } else { '?' };
        let url = sent_to(&browser, &asked(client, &more)).await;
        assert_eq!(url, format!("{CALLBACK}{separator}{expected}"), "{more:?}");
    }
}

#[tokio::test]
async fn an_address_may_be_left_out_where_there_is_no_choice() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let browser = signed_in(&server, &site).await;
    let two = [CALLBACK, "https://b.example/"];
    let missing = format!("{BASE}/error?error=Required+parameters+missing");
    let sent = async |members: Value| {
        let client = server.client_id(&site.pool, client_members(members)).await;
        sent_to(&browser, &asked(&client, &[("redirect_uri", "")])).await
    };
    assert!(sent(json!({})).await.starts_with(&format!("{CALLBACK}?code=")));
    assert_eq!(sent(json!({"CallbackURLs": two})).await, missing);
    let url = sent(json!({"CallbackURLs": two, "DefaultRedirectURI": two[1]})).await;
    assert!(url.starts_with("https://b.example/?code="), "{url}");
    assert_eq!(sent(json!({"SupportedIdentityProviders": []})).await, missing);
}

#[tokio::test]
async fn scopes_are_those_that_the_client_has_and_that_mean_something() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    files(&server, &site.pool).await;
    let scopes = ["openid", "email", "files/read", "files/write"];
    let client = server.client_id(&site.pool, client_members(json!({"AllowedOAuthScopes": scopes}))).await;
    let browser = signed_in(&server, &site).await;
    let granted = async |scope: &str| {
        let url = sent_to(&browser, &asked(&client, &[("response_type", "token"), ("scope", scope)])).await;
        match parameter(&url, "error") {
            Some(error) => error,
            None => claims(&url, "access_token")["scope"].as_str().unwrap().to_owned(),
        }
    };
    assert_eq!(granted("").await, "openid email files/read files/write");
    assert_eq!(granted("files/write openid files/write").await, "files/write openid");
    let update = json!({"UserPoolId": site.pool, "Identifier": "files", "Name": "Files",
        "Scopes": [{"ScopeName": "write", "ScopeDescription": "w"}]});
    server.call("UpdateResourceServer", update).await.ok();
    assert_eq!(granted("").await, "openid email files/write");
    assert_eq!(granted("files/read openid").await, "openid");
    assert_eq!(granted("files/read").await, "invalid_scope");
    assert_eq!(granted("files/delete").await, "invalid_scope");
}

#[tokio::test]
async fn scopes_of_attributes_need_openid_whoever_names_them() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let browser = signed_in(&server, &site).await;
    for (scopes, is_enough) in [
        (&["email"][..], false),
        (&["phone", "aws.cognito.signin.user.admin"], false),
        (&["profile"], false),
        (&["email", "openid"], true),
        (&["aws.cognito.signin.user.admin"], true),
    ] {
        let client = server.client_id(&site.pool, client_members(json!({"AllowedOAuthScopes": scopes}))).await;
        for more in [&[][..], &[("scope", scopes.join(" "))]] {
            let more: Vec<_> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let url = sent_to(&browser, &asked(&client, &more)).await;
            let expected = if is_enough { None } else { Some("invalid_scope") };
            assert_eq!(parameter(&url, "error").as_deref(), expected, "{scopes:?} {more:?} {url}");
        }
    }
}

/// What is stored where an identifier of a provider should be, and cannot be read.
#[derive(Serialize, Deserialize)]
struct Spoilt {
    pool_id: String,
    identifier: String,
}

impl Part for Spoilt {
    const KIND: PartKind = PartKind::IdentityProviderIdentifier;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn id(&self) -> &str {
        &self.identifier
    }
}

#[tokio::test]
async fn applications_are_told_what_the_server_could_not_find_out() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let mut changes = Changes::new();
        changes.insert(&Spoilt { pool_id: site.pool.clone(), identifier: "example.com".to_owned() });
        server.app.store.commit(changes).await.unwrap();
        let browser = Browser::new(&server);
        for path in ["/oauth2/authorize", "/login"] {
            for (kind, separator) in [("code", '?'), ("token", '#')] {
                let more = [("idp_identifier", "example.com"), ("state", "s"), ("response_type", kind)];
                let url = location(&browser.get(&format!("{path}?{}", asked(&site.client, &more))).await);
                assert_eq!(url, format!("{CALLBACK}{separator}state=s&error=server_error"), "{path}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn applications_say_whether_users_are_asked() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let browser = signed_in(&server, &site).await;
    let stranger = Browser::new(&server);
    let client = site.client.as_str();
    // Classic pages know no `prompt`.
    for prompt in ["none", "login", "x"] {
        let query = asked(client, &[("prompt", prompt)]);
        assert!(sent_to(&browser, &query).await.starts_with(&format!("{CALLBACK}?code=")));
        assert!(sent_to(&stranger, &query).await.starts_with(&format!("{BASE}/login?")));
    }
    let update = json!({"UserPoolId": site.pool, "Domain": PREFIX, "ManagedLoginVersion": 2});
    server.call("UpdateUserPoolDomain", update).await.ok();
    let browser = signed_in(&server, &site).await;
    let prompted = async |browser: &Browser<'_>, prompt: &str| {
        sent_to(browser, &asked(client, &[("prompt", prompt), ("state", "s")])).await
    };
    assert!(prompted(&browser, "none").await.starts_with(&format!("{CALLBACK}?code=")));
    assert_eq!(prompted(&stranger, "none").await, format!("{CALLBACK}?state=s&error=login_required"));
    for prompt in ["login", "consent login"] {
        assert!(prompted(&browser, prompt).await.starts_with(&format!("{BASE}/login?")), "{prompt}");
    }
    assert!(prompted(&browser, "select_account consent").await.starts_with(&format!("{CALLBACK}?code=")));
    for prompt in ["none login", "LOGIN", "x"] {
        assert_eq!(prompted(&browser, prompt).await, format!("{CALLBACK}?state=s&error=invalid_request"), "{prompt}");
    }
    // A session may be too old for an application, or of another provider.
    server.advance(10);
    for (more, enters) in [
        (("max_age", "10"), true),
        (("max_age", "9"), false),
        (("max_age", "0"), false),
        (("identity_provider", "COGNITO"), true),
    ] {
        let url = sent_to(&browser, &asked(client, &[more])).await;
        assert_eq!(url.starts_with(CALLBACK), enters, "{more:?} {url}");
    }
}

#[tokio::test]
async fn access_tokens_name_the_service_that_they_are_for() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let browser = signed_in(&server, &site).await;
    let sent = async |browser: &Browser<'_>, resource: &str| {
        sent_to(browser, &asked(&site.client, &[("response_type", "token"), ("resource", resource)])).await
    };
    assert_eq!(claims(&sent(&browser, "https://files.example/").await, "access_token")["aud"], Value::Null, "classic");
    let update = json!({"UserPoolId": site.pool, "Domain": PREFIX, "ManagedLoginVersion": 2});
    server.call("UpdateUserPoolDomain", update).await.ok();
    let browser = signed_in(&server, &site).await;
    for resource in ["https://files.example/", "http://localhost:3000", "myapp://files"] {
        let url = sent(&browser, resource).await;
        assert_eq!(claims(&url, "access_token")["aud"], resource);
        assert_eq!(claims(&url, "id_token")["aud"], json!(site.client));
    }
    for resource in ["files", "http://files.example", "https://files.example/#a", "javascript:x"] {
        assert_eq!(sent(&browser, resource).await, format!("{CALLBACK}#error=invalid_request"), "{resource}");
    }
}

#[tokio::test]
async fn users_who_are_gone_or_held_back_get_nothing() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let request = json!({"UserPoolId": site.pool, "Username": "alice"});
        for (deed, undone) in [("AdminDisableUser", Some("AdminEnableUser")), ("AdminUserGlobalSignOut", None)] {
            let browser = signed_in(&server, &site).await;
            assert!(sent_to(&browser, &asked(&site.client, &[])).await.starts_with(CALLBACK));
            server.advance(1);
            server.call(deed, request.clone()).await.ok();
            assert!(sent_to(&browser, &asked(&site.client, &[])).await.contains("/login?"), "{deed}");
            if let Some(undone) = undone {
                server.call(undone, request.clone()).await.ok();
            }
        }
    })
    .await;
}

#[tokio::test]
async fn rates_of_addresses_hold_for_users_who_are_signed_in() {
    let server = Server::builder().settings(|settings| settings.quotas.rates.per_address = 1).start().await;
    let site = site(&server, json!({}), json!({})).await;
    let browser = signed_in(&server, &site).await;
    // An address may save up what it has in a minute.
    for number in 0..61 {
        let answer = browser.get(&format!("/oauth2/authorize?{}", asked(&site.client, &[]))).await;
        assert_eq!(answer.status, if number < 60 { 302 } else { 429 }, "{number}");
    }
}
