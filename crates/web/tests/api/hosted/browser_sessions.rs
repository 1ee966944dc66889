//! Sessions of browsers at the login pages (oauth-federation.md §5, §20), at the authorization endpoint. Each is begun as
//! the login pages begin one after an interactive sign-in.

use std::net::{IpAddr, Ipv4Addr};

use domain::{Factor, Level, oauth::Authentication};
use service::{
    Caller, Ctx, OwnWishes,
    hosted::browser_session::{self, Begun},
};
use testkit::both_engines;

use super::*;
use crate::pools::with;

/// The name of the cookie.
pub const COOKIE: &str = "cognito";

/// A request from a browser, now.
pub fn ctx(server: &Server) -> Ctx {
    Ctx {
        app: server.app.clone(),
        now: server.app.clock.now(),
        request_id: "request".to_owned(),
        client_address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0".to_owned()),
        sdk_agent: None,
        caller: Caller::Anyone,
        region: "us-east-1".to_owned(),
        own: OwnWishes::default(),
    }
}

/// Begins a session of alice, who has just given her password for the site's client.
pub async fn begin(server: &Server, site: &Site, change: impl FnOnce(&mut Authentication)) -> Begun {
    let ctx = ctx(server);
    let user = server.app.store.user(&site.pool, &site.alice).await.unwrap().unwrap();
    let mut authentication = Authentication {
        sub: site.alice.clone(),
        auth_time: user.auth_time(ctx.now),
        factors: vec![Factor::Password],
        level: None,
        provider: "COGNITO".to_owned(),
        device_key: None,
        event_id: None,
        session_id: String::new(),
    };
    change(&mut authentication);
    let client = server.app.client(&site.client).await.unwrap().unwrap();
    let domains = server.app.store.domains(&site.pool).await.unwrap();
    let at = service::hosted::Site::by_path(&server.app, &domains[0].domain).await.unwrap().unwrap();
    browser_session::begin(&ctx, &at, &client, authentication).await.unwrap()
}

/// A browser with this cookie.
pub fn with_cookie<'server>(server: &'server Server, cookie: &str) -> Browser<'server> {
    let browser = Browser::new(server);
    browser.cookies.borrow_mut().insert(COOKIE.to_owned(), cookie.to_owned());
    browser
}

/// A browser in which alice has just signed in with her password.
pub async fn signed_in<'server>(server: &'server Server, site: &Site) -> Browser<'server> {
    with_cookie(server, &begin(server, site, |_| {}).await.cookie)
}

/// Whether a browser gets what a client asks for without a word of its user's; else it is sent to the login page.
pub async fn enters(browser: &Browser<'_>, client: &str, more: &[(&str, &str)]) -> bool {
    let sent_to = location(&browser.get(&format!("/oauth2/authorize?{}", asked(client, more))).await);
    let has_entered = parameter(&sent_to, "code").is_some();
    assert!(has_entered && sent_to.starts_with(CALLBACK) || sent_to.contains("/login?client_id="), "{sent_to}");
    has_entered
}

/// Switches tracking on, or off.
pub async fn track(server: &Server, pool: &str, tracking: &str) {
    let request = json!({"UserPoolId": pool, "UserSessionTracking": tracking, "TokenSession": {"MaxPerUser": 20}});
    server.call("SetUserPoolSessionConfiguration", request).await.ok();
}

async fn set_window(server: &Server, pool: &str, client: &str, minutes: i64) {
    let request = json!({"UserPoolId": pool, "ClientId": client, "SSOSession": {"MaxValidityMinutes": minutes}});
    server.call("SetUserPoolClientSessionConfiguration", request).await.ok();
}

#[tokio::test]
async fn who_has_signed_in_enters_at_every_client_for_an_hour() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let other = server.client_id(&site.pool, client_members(json!({}))).await;
        assert!(!enters(&Browser::new(&server), &site.client, &[]).await);
        let begun = begin(&server, &site, |authentication| {
            // As much as can be remembered.
            authentication.device_key = Some(format!("us-east-1_{}", "d".repeat(36)));
            authentication.event_id = Some("e".repeat(36));
            authentication.factors = vec![Factor::Password, Factor::SoftwareToken, Factor::RoamingPasskey];
        })
        .await;
        assert_eq!(begun.seconds, 3_600);
        assert!(begun.cookie.len() < 1_024, "{}", begun.cookie.len());
        assert!(begun.cookie.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        let browser = with_cookie(&server, &begun.cookie);
        for client in [&site.client, &other] {
            assert!(enters(&browser, client, &[]).await);
        }
        // Use makes it no longer.
        server.advance(3_599);
        assert!(enters(&browser, &other, &[]).await);
        assert_eq!(browser.cookies.borrow()[COOKIE], begun.cookie);
        server.advance(1);
        assert!(!enters(&browser, &site.client, &[]).await);
        // Nothing of it is stored where sessions are not kept track of.
        let (app, pool) = (&server.app, &site.pool);
        assert_eq!(app.store.user_part_documents(pool, &site.alice, 9).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn the_login_page_begins_a_session() {
    for (base_url, secure) in [("http://127.0.0.1:9229", ""), ("https://127.0.0.1:9229", "; Secure")] {
        let server = Server::builder().settings(|settings| base_url.clone_into(&mut settings.base_url)).start().await;
        let site = site(&server, json!({}), json!({})).await;
        let other = server.client_id(&site.pool, client_members(json!({}))).await;
        let browser = Browser::new(&server);
        let path = format!("/login?{}", asked(&site.client, &[]));
        let mut cookies = Vec::new();
        for _ in 0..2 {
            browser.get(&path).await;
            let answer = browser.submit(&path, &[("username", "alice"), ("password", PASSWORD)]).await;
            assert!(location(&answer).starts_with(CALLBACK));
            let value = browser.cookies.borrow()[COOKIE].clone();
            let whole =
                format!("{COOKIE}={value}; Path=/_domain/{PREFIX}; Max-Age=3600{secure}; HttpOnly; SameSite=Lax");
            assert!(answer.headers.contains(&("set-cookie".to_owned(), whole)), "{answer:?}");
            assert!(enters(&browser, &other, &[]).await);
            cookies.push(value);
        }
        assert_ne!(cookies[0], cookies[1], "each sign-in begins one");
    }
}

#[tokio::test]
async fn each_client_has_a_window_of_its_own() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let [never, long] = [
            server.client_id(&site.pool, client_members(json!({}))).await,
            server.client_id(&site.pool, client_members(json!({}))).await,
        ];
        track(&server, &site.pool, "ENABLED").await;
        assert_eq!(begin(&server, &site, |_| {}).await.seconds, 3_600);
        set_window(&server, &site.pool, &never, 0).await;
        set_window(&server, &site.pool, &long, 180).await;
        let begun = begin(&server, &site, |_| {}).await;
        assert_eq!(begun.seconds, 10_800);
        let browser = with_cookie(&server, &begun.cookie);
        let entered = async || {
            let [usual, long] = [enters(&browser, &site.client, &[]).await, enters(&browser, &long, &[]).await];
            assert!(!enters(&browser, &never, &[]).await);
            [usual, long]
        };
        assert_eq!(entered().await, [true, true]);
        server.advance(3_599);
        assert_eq!(entered().await, [true, true]);
        server.advance(1);
        assert_eq!(entered().await, [false, true]);
        // A shorter window counts at once; a longer one cannot wake up what is over.
        set_window(&server, &site.pool, &long, 60).await;
        assert_eq!(entered().await, [false, false]);
        set_window(&server, &site.pool, &long, 129_600).await;
        assert_eq!(entered().await, [false, true]);
        server.advance(7_199);
        assert_eq!(entered().await, [false, true]);
        server.advance(1);
        assert_eq!(entered().await, [false, false]);

        // The settings sleep while tracking is off.
        track(&server, &site.pool, "DISABLED").await;
        let begun = begin(&server, &site, |_| {}).await;
        assert_eq!(begun.seconds, 3_600);
        let browser = with_cookie(&server, &begun.cookie);
        assert!(enters(&browser, &never, &[]).await);
        server.advance(3_600);
        assert!(!enters(&browser, &long, &[]).await);
    })
    .await;
}

#[tokio::test]
async fn an_application_asks_for_a_newer_or_a_better_sign_in() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let browser = signed_in(&server, &site).await;
        let good = async |more: &[(&str, &str)]| enters(&browser, &site.client, more).await;
        // No age is young enough for 0.
        assert!(!good(&[("max_age", "0")]).await);
        assert!(good(&[("max_age", "1")]).await);
        server.advance(100);
        assert!(good(&[("max_age", "100")]).await);
        assert!(!good(&[("max_age", "99")]).await);

        let level = |number: u8| format!("urn:cognito:loa:{number}");
        assert!(good(&[("acr_values", &level(1))]).await);
        assert!(!good(&[("acr_values", &level(2))]).await);
        assert!(good(&[("acr_values", &format!("{} {}", level(4), level(1)))]).await, "it takes the first one, too");
        assert!(good(&[("acr_values", "urn:other")]).await, "no level asks for nothing");
        let begun = begin(&server, &site, |authentication| authentication.factors.push(Factor::Sms)).await;
        let browser = with_cookie(&server, &begun.cookie);
        assert!(enters(&browser, &site.client, &[("acr_values", &level(3))]).await);
        assert!(!enters(&browser, &site.client, &[("acr_values", &level(4))]).await);
        let begun = begin(&server, &site, |authentication| {
            authentication.factors = vec![Factor::Provider];
            authentication.level = Some(Level::Two);
        })
        .await;
        let browser = with_cookie(&server, &begun.cookie);
        assert!(enters(&browser, &site.client, &[("acr_values", &level(2))]).await);
        assert!(!enters(&browser, &site.client, &[("acr_values", &level(3))]).await);
    })
    .await;
}

#[tokio::test]
async fn an_application_asks_to_see_the_login_page_or_not_to() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let request = json!({"UserPoolId": site.pool, "Domain": "managed", "ManagedLoginVersion": 2});
        server.call("DeleteUserPoolDomain", json!({"UserPoolId": site.pool, "Domain": PREFIX})).await.ok();
        server.call("CreateUserPoolDomain", request).await.ok();
        let (stranger, browser) = (Browser::at(&server, "managed"), Browser::at(&server, "managed"));
        let cookie = begin(&server, &site, |_| {}).await.cookie;
        browser.cookies.borrow_mut().insert(COOKIE.to_owned(), cookie);
        assert!(enters(&browser, &site.client, &[("prompt", "none")]).await);
        assert!(!enters(&browser, &site.client, &[("prompt", "login")]).await);
        assert!(enters(&browser, &site.client, &[("prompt", "none")]).await, "the session is still there");
        for (browser, more) in [(&stranger, ("state", "s")), (&browser, ("max_age", "0"))] {
            let path = format!("/oauth2/authorize?{}", asked(&site.client, &[("prompt", "none"), more]));
            let sent_to = location(&browser.get(&path).await);
            assert!(sent_to.starts_with(CALLBACK), "{sent_to}");
            assert_eq!(parameter(&sent_to, "error").as_deref(), Some("login_required"));
        }
    })
    .await;
}

#[tokio::test]
async fn other_pages_end_all_sessions() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let change = async |members: Value| {
            let request = with(json!({"UserPoolId": site.pool, "Domain": PREFIX}), &members);
            server.call("UpdateUserPoolDomain", request).await.ok();
        };
        let classic = signed_in(&server, &site).await;
        change(json!({"ManagedLoginVersion": 1})).await;
        assert!(enters(&classic, &site.client, &[]).await, "they are the same pages");
        change(json!({"ManagedLoginVersion": 2})).await;
        assert!(!enters(&classic, &site.client, &[]).await);
        let managed = signed_in(&server, &site).await;
        assert!(enters(&managed, &site.client, &[]).await);
        change(json!({"ManagedLoginVersion": 1})).await;
        for browser in [&managed, &classic] {
            assert!(!enters(browser, &site.client, &[]).await);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_cookie_of_the_pool_is_no_session() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let good = begin(&server, &site, |_| {}).await.cookie;
        assert!(enters(&with_cookie(&server, &good), &site.client, &[]).await);
        let mut bad = vec![String::new(), "x".to_owned(), "ä".to_owned(), format!("{good}A"), format!("{good}=")];
        bad.push("A".repeat(5_000));
        bad.extend((0..good.len()).step_by(41).map(|length| good[..length].to_owned()));
        for at in (0..good.len()).step_by(41) {
            let other = if &good[at..=at] == "A" { "B" } else { "A" };
            bad.push(format!("{}{other}{}", &good[..at], &good[at + 1..]));
        }
        // Another pool of the same server has other sessions, whoever they are of.
        let other = server.pool(json!({})).await;
        let client = server.client_id(&other, client_members(json!({}))).await;
        let alice = server.confirmed_user(&other, "alice", PASSWORD, json!({})).await;
        let domain = json!({"UserPoolId": other, "Domain": "other"});
        server.call("CreateUserPoolDomain", domain).await.ok();
        bad.push(begin(&server, &Site { pool: other, client, alice }, |_| {}).await.cookie);
        for cookie in bad {
            assert!(!enters(&with_cookie(&server, &cookie), &site.client, &[]).await, "{cookie}");
        }
    })
    .await;
}

#[tokio::test]
async fn who_may_sign_in_no_more_has_no_session() {
    both_engines(async |server| {
        let site = site(&server, json!({"AutoVerifiedAttributes": ["email"]}), json!({})).await;
        let alice = json!({"UserPoolId": site.pool, "Username": "alice"});
        for (number, operation) in
            ["AdminDisableUser", "AdminUserGlobalSignOut", "AdminResetUserPassword", "AdminDeleteUser"]
                .iter()
                .enumerate()
        {
            for tracking in ["DISABLED", "ENABLED"] {
                if *operation == "AdminDeleteUser" && tracking == "ENABLED" {
                    continue;
                }
                track(&server, &site.pool, tracking).await;
                server.advance(2);
                let browser = signed_in(&server, &site).await;
                assert!(enters(&browser, &site.client, &[]).await, "{number} {tracking}");
                server.call(operation, alice.clone()).await.ok();
                assert!(!enters(&browser, &site.client, &[]).await, "{operation} {tracking}");
                match *operation {
                    // For good.
                    "AdminDisableUser" => {
                        server.call("AdminEnableUser", alice.clone()).await.ok();
                        assert!(!enters(&browser, &site.client, &[]).await);
                    }
                    "AdminResetUserPassword" => {
                        let mut request = alice.clone();
                        request["Password"] = PASSWORD.into();
                        request["Permanent"] = true.into();
                        server.call("AdminSetUserPassword", request).await.ok();
                    }
                    _ => {}
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_is_its_providers() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let details = json!({
            "client_id": "x", "client_secret": "s", "authorize_scopes": "openid",
            "attributes_request_method": "GET", "oidc_issuer": "https://corp.example",
            "authorize_url": "https://corp.example/authorize", "token_url": "https://corp.example/token",
            "attributes_url": "https://corp.example/me", "jwks_uri": "https://corp.example/keys",
        });
        let request = json!({
            "UserPoolId": site.pool, "ProviderName": "Corp", "ProviderType": "OIDC", "ProviderDetails": details,
        });
        server.call("CreateIdentityProvider", request).await.ok();
        let providers = |names: Value| client_members(json!({"SupportedIdentityProviders": names}));
        let both = server.client_id(&site.pool, providers(json!(["COGNITO", "Corp"]))).await;
        let only = server.client_id(&site.pool, providers(json!(["Corp"]))).await;
        let own = signed_in(&server, &site).await;
        let begun = begin(&server, &site, |authentication| "Corp".clone_into(&mut authentication.provider)).await;
        let corp = with_cookie(&server, &begun.cookie);
        let named = |name: &'static str| [("identity_provider", name)];
        // Who signed in at the pool; who signed in there.
        assert!(enters(&own, &both, &[]).await && enters(&corp, &both, &[]).await);
        assert!(enters(&own, &both, &named("COGNITO")).await);
        assert!(!enters(&corp, &both, &named("COGNITO")).await);
        assert!(enters(&corp, &both, &named("Corp")).await);
        assert!(enters(&corp, &only, &[]).await);
        assert!(!enters(&own, &only, &[]).await, "the client does not have it");
        assert!(!enters(&corp, &site.client, &[]).await);
        let path = format!("/oauth2/authorize?{}", asked(&both, &named("Corp")));
        assert!(!location(&own.get(&path).await).starts_with(CALLBACK), "it is asked");
        // A provider that is gone has signed nobody in.
        let request = json!({"UserPoolId": site.pool, "ProviderName": "Corp"});
        assert_eq!(server.call("DeleteIdentityProvider", request).await.status, 200);
        assert!(!enters(&corp, &both, &[]).await);
        assert!(enters(&own, &both, &[]).await);
    })
    .await;
}
