//! Who may call signed operations in production (triggers-security.md §19.3, §19.4).

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use axum::body::Body;
use crypto::sigv4::{SignedRequest, sign};
use http::{Method, Request};
use serde_json::{Value, json};
use store::Changes;
use testkit::{Answer, Server};

const HOST: &str = "auth.example.com";
const TARGET: &str = "AWSCognitoIdentityProviderService.ListUserPools";
const BODY: &str = r#"{"MaxResults": 1}"#;
const MISMATCH: &str = "InvalidSignatureException: The request signature we calculated does not match the signature you \
                        provided. Check your AWS Secret Access Key and signing method. Consult the service \
                        documentation for details.";

struct Production {
    server: Server,
    id: String,
    secret: String,
}

/// A request that is signed, and may then be tampered with.
#[derive(Clone)]
struct Signed {
    headers: Vec<(String, String)>,
    body: String,
}

async fn production() -> Production {
    let server = Server::builder().production().start().await;
    let (id, secret) = server.access_key().await;
    Production { server, id, secret }
}

impl Production {
    fn now(&self) -> i64 {
        self.server.app.clock.now().seconds()
    }

    fn sign_with(&self, id: &str, secret: &str, token: Option<&str>, region: &str, at: i64) -> Signed {
        let fixed = [("host", HOST), ("content-type", "application/x-amz-json-1.1"), ("x-amz-target", TARGET)];
        let request = SignedRequest { method: "POST", path: "/", query: "", headers: &fixed, body: BODY.as_bytes() };
        let added = sign(&request, id, secret, token, region, at).unwrap();
        let fixed = fixed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Signed { headers: fixed.chain(added).collect(), body: BODY.to_owned() }
    }

    fn signed(&self) -> Signed {
        self.sign_with(&self.id, &self.secret, None, "us-east-1", self.now())
    }

    async fn send(&self, signed: &Signed) -> Answer {
        let mut request = Request::builder().method(Method::POST).uri("/");
        for (name, value) in &signed.headers {
            request = request.header(name, value);
        }
        self.server.request(request.body(Body::from(signed.body.clone())).unwrap()).await
    }
}

impl Signed {
    fn header(&self, name: &str) -> &str {
        &self.headers.iter().find(|(present, _)| present == name).unwrap().1
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(present, _)| present != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(present, _)| present != name);
        self
    }

    fn authorization(self, change: impl Fn(&str) -> String) -> Self {
        let changed = change(self.header("authorization"));
        self.with("authorization", &changed)
    }
}

#[tokio::test]
async fn the_right_key_opens() {
    let production = production().await;
    let answer = production.send(&production.signed()).await.ok();
    assert_eq!(answer, json!({"UserPools": []}));
    // Whether there is a space after a comma does not matter.
    let dense = production.signed().authorization(|text| text.replace(", ", ","));
    production.send(&dense).await.ok();
    // A header that was not signed may change on the way.
    let changed = production.signed().with("user-agent", "proxy").with("x-forwarded-for", "1.2.3.4");
    production.send(&changed).await.ok();
}

#[tokio::test]
async fn pools_take_the_region_of_the_verified_scope() {
    let production = production().await;
    let fixed = [("host", HOST), ("x-amz-target", "AWSCognitoIdentityProviderService.CreateUserPool")];
    let body = r#"{"PoolName": "x"}"#;
    let request = SignedRequest { method: "POST", path: "/", query: "", headers: &fixed, body: body.as_bytes() };
    let added = sign(&request, &production.id, &production.secret, None, "eu-north-1", production.now()).unwrap();
    let fixed = fixed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let signed = Signed { headers: fixed.chain(added).collect(), body: body.to_owned() };
    let pool = production.send(&signed).await.ok();
    assert!(pool["UserPool"]["Id"].as_str().unwrap().starts_with("eu-north-1_"), "{pool}");
}

#[tokio::test]
async fn unsigned_requests_are_refused() {
    let production = production().await;
    let answer = production.send(&production.signed().without("authorization")).await;
    assert_eq!(answer.error(), "MissingAuthenticationTokenException: Missing Authentication Token");
    assert_eq!(answer.status, 400);
    // The signature comes before everything that the request says.
    let empty = production.server.call("ListUserPools", json!({})).await;
    assert_eq!(empty.error(), "MissingAuthenticationTokenException: Missing Authentication Token");
    let broken = Signed { body: "{".to_owned(), ..production.signed().without("authorization") };
    assert_eq!(
        production.send(&broken).await.error(),
        "MissingAuthenticationTokenException: Missing Authentication Token"
    );
    // An operation that does not exist is told from one that needs a signature.
    let unknown = production.server.call("NoSuchOperation", json!({})).await;
    assert!(unknown.error().starts_with("UnknownOperationException: "));
}

#[tokio::test]
async fn incomplete_signatures_are_told_what_they_lack() {
    let production = production().await;
    let error = async |value: &str| production.send(&production.signed().with("authorization", value)).await.error();
    insta::assert_snapshot!(error("AWS4-HMAC-SHA256 nonsense").await, @"IncompleteSignatureException: Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization=AWS4-HMAC-SHA256 nonsense");
    insta::assert_snapshot!(error("Bearer x").await, @"IncompleteSignatureException: Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization=Bearer x");
    let no_signature = production.signed().authorization(|text| text.split(", Signature=").next().unwrap().to_owned());
    insta::assert_snapshot!(normal(&production, &production.send(&no_signature).await), @"IncompleteSignatureException: Authorization header requires 'Signature' parameter. Authorization=AWS4-HMAC-SHA256 Credential=AKIA…/20260102/us-east-1/cognito-idp/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target");
    let no_date = production.signed().without("x-amz-date");
    let text = production.send(&no_date).await.error();
    let expected = "IncompleteSignatureException: Authorization header requires existence of either a 'X-Amz-Date' or a \
                    'Date' header. ";
    assert!(text.starts_with(expected), "{text}");
}

/// The error without the key's id, which differs with every change of how randomness is used.
fn normal(production: &Production, answer: &Answer) -> String {
    answer.error().replace(&production.id, "AKIA…")
}

#[tokio::test]
async fn unknown_keys_are_refused() {
    let production = production().await;
    let unknown = production.sign_with("AKIAAAAAAAAAAAAAAAAA", "secret", None, "us-east-1", production.now());
    let text = "UnrecognizedClientException: The security token included in the request is invalid.";
    assert_eq!(production.send(&unknown).await.error(), text);
    // A long-term key has no session token.
    let token = production.sign_with(&production.id, &production.secret, Some("TOKEN"), "us-east-1", production.now());
    assert_eq!(production.send(&token).await.error(), text);
}

#[tokio::test]
async fn deleted_keys_stop_working_at_once() {
    let production = production().await;
    production.send(&production.signed()).await.ok();
    let store = &production.server.app.store;
    let key = store.access_key(&production.id).await.unwrap().unwrap();
    let mut changes = Changes::new();
    changes.delete(store::Key::AccessKey { id: production.id.clone() }, key.version);
    store.commit(changes).await.unwrap();
    assert_eq!(
        production.send(&production.signed()).await.error(),
        "UnrecognizedClientException: The security token included in the request is invalid."
    );
}

#[tokio::test]
async fn wrong_signatures_are_refused() {
    let production = production().await;
    let wrong_secret = production.sign_with(&production.id, "wrong", None, "us-east-1", production.now());
    assert_eq!(production.send(&wrong_secret).await.error(), MISMATCH);
    let other_body = Signed { body: BODY.replace('1', "2"), ..production.signed() };
    assert_eq!(production.send(&other_body).await.error(), MISMATCH);
    let other_target = production.signed().with("x-amz-target", "AWSCognitoIdentityProviderService.CreateUserPool");
    assert_eq!(production.send(&other_target).await.error(), MISMATCH);
    let other_host = production.signed().with("host", "evil.example");
    assert_eq!(production.send(&other_host).await.error(), MISMATCH);
    let cut = production.signed().authorization(|text| text[..text.len() - 1].to_owned());
    assert!(production.send(&cut).await.error().starts_with("InvalidSignatureException: "));
    let signed = production.signed();
    let mut query = Request::builder().method(Method::POST).uri("/?a=b");
    for (name, value) in &signed.headers {
        query = query.header(name, value);
    }
    let answer = production.server.request(query.body(Body::from(BODY)).unwrap()).await;
    assert_eq!(answer.error(), MISMATCH);
}

#[tokio::test]
async fn signatures_are_good_for_five_minutes_either_way() {
    let production = production().await;
    let at = |offset: i64| {
        production.sign_with(&production.id, &production.secret, None, "us-east-1", production.now() + offset)
    };
    for offset in [-300, -299, 0, 299, 300] {
        production.send(&at(offset)).await.ok();
    }
    assert_eq!(
        production.send(&at(-301)).await.error(),
        "InvalidSignatureException: Signature expired: 20260102T025904Z is now earlier than 20260102T025905Z \
         (20260102T030405Z - 5 min.)"
    );
    assert_eq!(
        production.send(&at(301)).await.error(),
        "InvalidSignatureException: Signature not yet current: 20260102T030906Z is still later than 20260102T030905Z \
         (20260102T030405Z + 5 min.)"
    );
}

#[tokio::test]
async fn scopes_must_fit() {
    let production = production().await;
    let region = production.sign_with(&production.id, &production.secret, None, "US_EAST", production.now());
    let region = production.send(&region).await.error();
    assert!(
        region.starts_with("InvalidSignatureException: Credential should be scoped to a valid region, not 'US_EAST'."),
        "{region}"
    );
    let service = production.signed().authorization(|text| text.replace("/cognito-idp/", "/sts/"));
    let service = production.send(&service).await.error();
    assert!(
        service
            .starts_with("InvalidSignatureException: Credential should be scoped to correct service: 'cognito-idp'."),
        "{service}"
    );
    let date = production.signed().authorization(|text| text.replace("/20260102/", "/20260101/"));
    let date = production.send(&date).await.error();
    assert!(date.starts_with("InvalidSignatureException: Date in Credential scope does not match"), "{date}");
}

#[tokio::test]
async fn what_leads_elsewhere_must_be_signed() {
    let production = production().await;
    let added = production.signed().with("x-amz-extra", "1");
    let error = production.send(&added).await.error();
    assert!(error.starts_with("InvalidSignatureException: ") && error.contains("x-amz-extra"), "{error}");
    let hash = production.signed().with("x-amz-content-sha256", "0000");
    assert!(production.send(&hash).await.error().starts_with("InvalidSignatureException: "));
}

#[tokio::test]
async fn public_operations_ignore_signatures() {
    let production = production().await;
    let body = json!({"ClientId": "none", "Username": "alice"});
    let unsigned = production.server.call("ForgotPassword", body.clone()).await;
    let expected = "ResourceNotFoundException: User pool client none does not exist.";
    assert_eq!(unsigned.error(), expected);
    for authorization in ["Bearer x", "AWS4-HMAC-SHA256 Credential=AKIA/20200101/us-east-1/cognito-idp/aws4_request"] {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/")
            .header("x-amz-target", "AWSCognitoIdentityProviderService.ForgotPassword")
            .header("authorization", authorization)
            .body(Body::from(body.to_string()))
            .unwrap();
        assert_eq!(production.server.request(request).await.error(), expected);
    }
}

#[tokio::test]
async fn every_signed_operation_is_closed_to_strangers() {
    let production = production().await;
    let mut closed = 0;
    for operation in wire::Operation::ALL {
        let answer = production.server.call(operation.name(), Value::Object(serde_json::Map::new())).await;
        let is_closed = answer.error().starts_with("MissingAuthenticationTokenException: ");
        let is_exempt = matches!(operation.name(), "GetClientToken" | "GetDerivedToken");
        assert_eq!(is_closed, operation.is_signed() && !is_exempt, "{}: {answer:?}", operation.name());
        closed += usize::from(is_closed);
    }
    assert!(closed >= 100, "only {closed} operations were tried");
}

/// What is logged, in a text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn authorization_headers_are_repeated_in_part_and_never_logged() {
    let production = production().await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let long = format!("Bearer secret-token {}", "x".repeat(3_000));
    let answer = production.send(&production.signed().with("authorization", &long)).await;
    let short = production.send(&production.signed().with("authorization", "Bearer secret-token")).await;
    drop(guard);
    let text = answer.body["message"].as_str().unwrap();
    assert!((2_040..=2_048).contains(&text.len()), "{}", text.len());
    assert!(answer.error().starts_with("IncompleteSignatureException: "), "{answer:?}");
    assert!(short.error().ends_with("Authorization=Bearer secret-token"), "{short:?}");
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("IncompleteSignatureException"), "{logged}");
    assert!(!logged.contains("secret-token"), "{logged}");
}
