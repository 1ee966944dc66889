//! Sign-ins at SAML providers (oauth-federation.md §17, §18).

mod confusion;

use base64::{Engine, engine::general_purpose::STANDARD};
use service::quotas::Category;
use testkit::{
    Document, both_engines,
    triggers::{Told, lambda_config, responds},
};

use super::*;
use crate::{
    pools::with,
    saml_provider::{NOW, PROVIDER, SIGN_IN, assertion, encoded, metadata, response, signed},
    tokens::segment,
};

/// Where providers send their answers.
const ADDRESS: &str = "http://127.0.0.1:9229/_domain/my-app/saml2/idpresponse";
const RESPONSE_SIGNATURE: &str = "server_error: Invalid SAML response received: SAML Response signature is invalid. ";
const ASSERTION_SIGNATURE: &str = "server_error: Invalid SAML response received: SAML Assertion signature is invalid. ";
const PAGE: &str = "/_domain/my-app/error?error=Invalid+relayState+from+identity+provider";

/// A pool with a domain, the provider `Adfs`, and a client that may use it.
struct Scene<'server> {
    server: &'server Server,
    pool: String,
    client: String,
}

async fn scene<'server>(server: &'server Server, pool: Value, details: &Value) -> Scene<'server> {
    let pool = server.pool(pool).await;
    server.call("CreateUserPoolDomain", json!({"UserPoolId": pool, "Domain": PREFIX})).await.ok();
    let details = with(json!({"MetadataFile": metadata("")}), details);
    let provider = json!({"UserPoolId": pool, "ProviderName": "Adfs", "ProviderType": "SAML", "ProviderDetails": details,
        "AttributeMapping": {"email": "mail", "name": "display"}});
    server.call("CreateIdentityProvider", provider).await.ok();
    let client = server.client_id(&pool, client_members(json!({"SupportedIdentityProviders": ["Adfs"]}))).await;
    Scene { server, pool, client }
}

async fn plain_scene(server: &Server) -> Scene<'_> {
    scene(server, json!({}), &json!({})).await
}

/// A browser that was sent to the provider: the request's id, and what it has to bring back.
struct Left {
    id: String,
    relay_state: String,
}

impl Scene<'_> {
    async fn leave(&self, browser: &Browser<'_>) -> Left {
        self.leave_for(browser, "Adfs").await
    }

    async fn leave_for(&self, browser: &Browser<'_>, provider: &str) -> Left {
        let query = asked(&self.client, &[("identity_provider", provider), ("state", "mine")]);
        let url = location(&browser.get(&format!("/oauth2/authorize?{query}")).await);
        assert!(url.starts_with(&format!("{SIGN_IN}&SAMLRequest=")), "{url}");
        let request = request_in(&url);
        let id = request.split(" ID=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        Left { id, relay_state: parameter(&url, "RelayState").unwrap() }
    }

    /// What an assertion must say to answer the request, with changes.
    fn answer(&self, left: &Left, change: &Value) -> String {
        assertion(&self.pool, &with(json!({"recipient": ADDRESS, "request": left.id}), change))
    }

    async fn back(&self, browser: &Browser<'_>, left: &Left, message: &str) -> String {
        let fields = [("SAMLResponse", encoded(message)), ("RelayState", left.relay_state.clone())];
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        location(&browser.post("/saml2/idpresponse", &fields).await)
    }

    /// A whole sign-in with an assertion that was changed, and where it leads to.
    async fn sign_in(&self, change: &Value) -> String {
        let browser = Browser::new(self.server);
        let left = self.leave(&browser).await;
        let message = response(&signed(&self.answer(&left, change)), ADDRESS, &left.id);
        self.back(&browser, &left, &message).await
    }

    async fn redeem(&self, url: &str) -> Value {
        let tokens = token::redeem(self.server, &self.client, url).await;
        segment(tokens["id_token"].as_str().unwrap(), 1)
    }
}

/// The request that a URL carries: a DEFLATE stream of one stored block.
fn request_in(url: &str) -> String {
    let bytes = STANDARD.decode(parameter(url, "SAMLRequest").unwrap()).unwrap();
    String::from_utf8(bytes[5..].to_vec()).unwrap()
}

/// The error that the application is told.
fn told(url: &str) -> String {
    assert!(url.starts_with(CALLBACK), "{url}");
    assert_eq!(parameter(url, "state").as_deref(), Some("mine"));
    format!("{}: {}", parameter(url, "error").unwrap(), parameter(url, "error_description").unwrap())
}

#[tokio::test]
async fn the_provider_is_asked_who_it_is() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let query = asked(&scene.client, &[("identity_provider", "Adfs")]);
    let url = location(&Browser::new(&server).get(&format!("/oauth2/authorize?{query}")).await);
    let request = request_in(&url);
    let id = request.split(" ID=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!((id.len(), id.starts_with('_')), (37, true));
    let destination = SIGN_IN.replace('&', "&amp;");
    let expected = format!(
        "<saml2p:AuthnRequest xmlns:saml2p=\"urn:oasis:names:tc:SAML:2.0:protocol\" AssertionConsumerServiceURL=\"{ADDRESS}\" \
         Destination=\"{destination}\" ID=\"{id}\" IssueInstant=\"2026-01-02T03:04:05.000Z\" \
         ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Version=\"2.0\">\
         <saml2:Issuer xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\">urn:amazon:cognito:sp:{}</saml2:Issuer></saml2p:AuthnRequest>",
        scene.pool
    );
    assert_eq!(request, expected);
}

#[tokio::test]
async fn somebody_new_becomes_a_user_and_stays_one() {
    both_engines(async |server| {
        let scene = plain_scene(&server).await;
        let attributes = json!({"mail": ["alice@idp.example"], "display": ["Alice &amp; Co", "A"], "other": ["x"]});
        let url = scene.sign_in(&json!({"attributes": attributes})).await;
        assert_eq!(parameter(&url, "state").as_deref(), Some("mine"));
        let first = scene.redeem(&url).await;
        assert_eq!(
            (&first["cognito:username"], &first["email"]),
            (&json!("Adfs_Alice@idp"), &json!("alice@idp.example"))
        );
        assert_eq!((&first["name"], &first["email_verified"]), (&json!("[Alice+%26+Co,A]"), &json!(false)));
        let identity = &first["identities"][0];
        assert_eq!((&identity["userId"], &identity["providerType"]), (&json!("Alice@idp"), &json!("SAML")));
        assert_eq!(identity["issuer"], "https://idp.example/metadata");
        // The whole response may be signed instead, or both.
        for (id, how) in [("_2", "whole"), ("_3", "both")] {
            let browser = Browser::new(&server);
            let left = scene.leave(&browser).await;
            let answer = scene.answer(&left, &json!({"id": id, "attributes": {"mail": ["new@idp.example"]}}));
            let answer = if how == "both" { signed(&answer) } else { answer };
            let message = signed(&response(&answer, ADDRESS, &left.id));
            let again = scene.redeem(&scene.back(&browser, &left, &message).await).await;
            assert_eq!((&again["sub"], &again["email"]), (&first["sub"], &json!("new@idp.example")), "{how}");
            assert_eq!(again["name"], "[Alice+%26+Co,A]");
        }
        let user = json!({"UserPoolId": scene.pool, "Username": "Adfs_Alice@idp"});
        assert_eq!(server.call("AdminGetUser", user).await.ok()["UserStatus"], "EXTERNAL_PROVIDER");
    })
    .await;
}

#[tokio::test]
async fn answers_that_are_not_the_providers_are_told_to_the_application() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let refused = async |make: &dyn Fn(&Left, String) -> String| {
        let browser = Browser::new(&server);
        let left = scene.leave(&browser).await;
        let message = make(&left, scene.answer(&left, &json!({})));
        told(&scene.back(&browser, &left, &message).await)
    };
    let words = |reason: &str| format!("server_error: Invalid SAML response received: {reason}. ");
    let around = |assertion: &str, left: &Left| response(assertion, ADDRESS, &left.id);
    let unsigned = refused(&|left, answer| around(&answer, left)).await;
    assert_eq!(unsigned, ASSERTION_SIGNATURE);
    let changed = refused(&|left, answer| around(&signed(&answer).replace("Alice", "Mallory"), left)).await;
    assert_eq!(changed, ASSERTION_SIGNATURE);
    let changed = refused(&|left, answer| signed(&around(&answer, left)).replace("Alice", "Mallory")).await;
    assert_eq!(changed, RESPONSE_SIGNATURE);
    let two = refused(&|left, answer| {
        let evil = answer.replace("_1\"", "_2\"").replace("Alice", "Mallory");
        around(&format!("{evil}{}", signed(&answer)), left)
    })
    .await;
    assert_eq!(two, words("it is not a response or an assertion of the form that is taken"));
    let alone = refused(&|_, answer| signed(&answer)).await;
    assert_eq!(alone, words("it may not be shown here"));
    let failed =
        refused(&|left, answer| around(&signed(&answer), left).replace("status:Success", "status:Responder")).await;
    assert_eq!(failed, words("the provider has refused the sign-in"));
    let elsewhere = refused(&|left, answer| response(&signed(&answer), "https://evil.example", &left.id)).await;
    assert_eq!(elsewhere, words("it may not be shown here"));
    let of_another = refused(&|_, answer| response(&signed(&answer), ADDRESS, "_other")).await;
    assert_eq!(of_another, words("it may not be shown here"));
    assert_eq!(refused(&|_, _| "<a>".to_owned()).await, words("it is not XML of the form that is taken"));
    let long = refused(&|left, answer| around(&signed(&answer), left) + &" ".repeat(100_000)).await;
    assert_eq!(long, words("it is not XML of the form that is taken"));
    for (change, reason) in [
        (json!({"issuer": "https://other.example"}), "it is another provider's"),
        (json!({"audience": "urn:amazon:cognito:sp:us-east-1_other"}), "it is meant for another audience"),
        (json!({"recipient": "https://evil.example"}), "it may not be shown here"),
        (json!({"recipient": format!("http://127.0.0.1:9229/{}", scene.pool)}), "it may not be shown here"),
        (json!({"request": null}), "it may not be shown here"),
        (json!({"request": "_other"}), "it may not be shown here"),
        (json!({"until": NOW - 60}), "it has expired"),
        (json!({"from": NOW + 61}), "it is not valid yet"),
    ] {
        assert_eq!(told(&scene.sign_in(&change).await), words(reason), "{change}");
    }
    let wide = told(&scene.sign_in(&json!({"attributes": {"display": ["𝄞"]}})).await);
    assert!(wide.starts_with("invalid_request: Invalid user attributes: name: "), "{wide}");
    // Where nobody wants them, they harm nobody; and nothing so far has made a user, or used the id up.
    let url = scene.sign_in(&json!({"attributes": {"other": ["𝄞"]}})).await;
    scene.redeem(&url).await;
    assert_eq!(told(&scene.sign_in(&json!({})).await), words("it was used before"));
}

#[tokio::test]
async fn a_signature_that_says_too_much_is_no_signature() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let sign_in = async |length: usize| {
        let browser = Browser::new(&server);
        let left = scene.leave(&browser).await;
        let answer = PROVIDER.signed(&scene.answer(&left, &json!({})), &" ".repeat(length));
        scene.back(&browser, &left, &response(&answer, ADDRESS, &left.id)).await
    };
    assert_eq!(told(&sign_in(16 * 1_024).await), ASSERTION_SIGNATURE);
    scene.redeem(&sign_in(15 * 1_024).await).await;
}

#[tokio::test]
async fn an_answer_belongs_to_the_browser_that_has_left() {
    both_engines(async |server| {
        let scene = plain_scene(&server).await;
        let browser = Browser::new(&server);
        let left = scene.leave(&browser).await;
        let message = response(&signed(&scene.answer(&left, &json!({}))), ADDRESS, &left.id);
        let page = async |browser: &Browser<'_>, left: &Left| {
            let url = scene.back(browser, left, &message).await;
            assert!(url.ends_with(PAGE), "{url}");
        };
        page(&Browser::new(&server), &left).await;
        let other = Browser::new(&server);
        scene.leave(&other).await;
        page(&other, &left).await;
        for relay_state in ["".to_owned(), "x".to_owned(), asked(&scene.client, &[("identity_provider", "Adfs")])] {
            page(&browser, &Left { id: String::new(), relay_state }).await;
        }
        let url = scene.back(&browser, &left, &message).await;
        scene.redeem(&url).await;
        // Once.
        page(&browser, &left).await;
    })
    .await;
}

#[tokio::test]
async fn a_provider_that_may_begin_says_what_is_asked_for() {
    let server = Server::memory().await;
    let scene = scene(&server, json!({}), &json!({"IDPInit": "true"})).await;
    let relay_state = |more: &[(&str, &str)]| {
        let more: Vec<_> =
            [("identity_provider", "Adfs"), ("state", "mine")].into_iter().chain(more.iter().copied()).collect();
        asked(&scene.client, &more)
    };
    let browser = Browser::new(&server);
    let bring = async |relay_state: String, change: Value, request: &str| {
        let left = Left { id: String::new(), relay_state };
        let answer = scene.answer(&left, &with(json!({"request": null}), &change));
        scene.back(&browser, &left, &response(&signed(&answer), ADDRESS, request)).await
    };
    let url = bring(relay_state(&[("scope", "openid email")]), json!({}), "").await;
    assert_eq!(parameter(&url, "state").as_deref(), Some("mine"));
    let claims = scene.redeem(&url).await;
    assert_eq!(claims["email"], "alice@idp.example");
    // As after any sign-in at another provider, there is a nonce (§3).
    assert_eq!(claims["nonce"].as_str().map(str::len), Some(43));
    // Once, and not for long; in answer to nothing; for what the client may have.
    let refused = async |change: Value, request: &str| told(&bring(relay_state(&[]), change, request).await);
    let words = |reason: &str| format!("server_error: Invalid SAML response received: {reason}. ");
    assert_eq!(refused(json!({}), "").await, words("it was used before"));
    assert_eq!(refused(json!({"id": "_2", "request": "_x"}), "").await, words("it may not be shown here"));
    assert_eq!(refused(json!({"id": "_2"}), "_x").await, words("it may not be shown here"));
    assert_eq!(refused(json!({"id": "_2", "made": NOW - 361}), "").await, words("it has expired"));
    let url = bring(relay_state(&[("scope", "unknown")]), json!({"id": "_2"}), "").await;
    assert_eq!(parameter(&url, "error").as_deref(), Some("invalid_scope"));
    let url = bring(relay_state(&[("redirect_uri", "https://evil.example")]), json!({"id": "_2"}), "").await;
    assert!(url.contains("/error?error=redirect_mismatch"), "{url}");
    let url = bring(relay_state(&[("nonce", "own")]), json!({"id": "_2", "made": NOW - 360}), "").await;
    assert_eq!(scene.redeem(&url).await["nonce"], "own");
    // Only where it was said that it may.
    let details = json!({"UserPoolId": scene.pool, "ProviderName": "Adfs",
        "ProviderDetails": {"MetadataFile": metadata(""), "IDPInit": "false"}});
    server.call("UpdateIdentityProvider", details).await.ok();
    let url = bring(relay_state(&[]), json!({"id": "_3"}), "").await;
    assert!(url.ends_with(PAGE), "{url}");
}

#[tokio::test]
async fn providers_that_begin_have_a_rate() {
    let server =
        Server::builder().settings(|settings| settings.quotas.rates.set(Category::UserFederation, 1)).start().await;
    let scene = scene(&server, json!({}), &json!({"IDPInit": "true"})).await;
    let relay_state = asked(&scene.client, &[("identity_provider", "Adfs")]);
    let browser = Browser::new(&server);
    let arrive = async || {
        let fields = [("SAMLResponse", "x"), ("RelayState", relay_state.as_str())];
        browser.post("/saml2/idpresponse", &fields).await.status
    };
    assert_eq!([arrive().await, arrive().await], [302, 429]);
}

#[tokio::test]
async fn what_is_not_built_is_refused() {
    let server = Server::memory().await;
    let scene = scene(&server, json!({}), &json!({"RequestSigningAlgorithm": "rsa-sha256"})).await;
    let leave = async || {
        let query = asked(&scene.client, &[("identity_provider", "Adfs"), ("state", "mine")]);
        told(&location(&Browser::new(&server).get(&format!("/oauth2/authorize?{query}")).await))
    };
    let unsupported =
        "invalid_request: Signed requests to SAML providers are not supported by this Poolkeeper version yet.";
    assert_eq!(leave().await, unsupported);
    let url = "https://idp.example/metadata";
    server.documents.publish(url, Document::Text(metadata(" validUntil=\"2026-01-02T03:05:00Z\"")));
    let details = json!({"UserPoolId": scene.pool, "ProviderName": "Adfs", "ProviderDetails": {"MetadataURL": url}});
    server.call("UpdateIdentityProvider", details).await.ok();
    server.advance(60);
    server.documents.publish(url, Document::Broken);
    assert_eq!(leave().await, "invalid_request: Error retrieving metadata of Adfs");
}

#[tokio::test]
async fn the_pools_function_hears_what_the_assertion_says() {
    let server = Server::memory().await;
    let told = Told::default();
    responds(&server, &told, "InboundFederation", |_| json!({"userAttributesToMap": {"mail": "function@idp.example"}}));
    let scene = scene(&server, json!({"LambdaConfig": lambda_config(&["InboundFederation"])}), &json!({})).await;
    let url = scene.sign_in(&json!({"attributes": {"mail": ["a@idp.example"], "groups": ["R &amp; D", "b"]}})).await;
    assert_eq!(scene.redeem(&url).await["email"], "function@idp.example");
    let expected = json!({"providerName": "Adfs", "providerType": "SAML",
        "attributes": {"samlResponse": {"groups": "[R+%26+D,b]", "mail": "a@idp.example"}}});
    assert_eq!(told.only()["request"], expected);
}
