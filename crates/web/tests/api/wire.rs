//! The protocol around the operations: targets, bodies, sizes, headers, CORS, unknown documents (accounts.md §1,
//! auth-flows.md §1, oauth-federation.md §1).

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use http::{Method, Request};
use hyper::body::Frame;
use poolkeeper_web::Options;
use serde_json::{Value, json};
use testkit::{Answer, Server};
use tokio::time::timeout;
use tower::ServiceExt;

const TARGET: &str = "AWSCognitoIdentityProviderService.";

/// A POST to `/` with these headers and this body.
async fn post(server: &Server, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut request = Request::builder().method(Method::POST).uri("/").header("host", "127.0.0.1:9229");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.request(request.body(body.into()).unwrap()).await
}

/// An operation's call with headers in place of the usual ones.
async fn call(server: &Server, operation: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let target = format!("{TARGET}{operation}");
    let headers: Vec<_> = [("x-amz-target", target.as_str())].into_iter().chain(headers.iter().copied()).collect();
    post(server, &headers, body).await
}

fn with_header(headers: &[(&str, &str)], operation: &str) -> Request<Body> {
    let mut request =
        Request::builder().method(Method::POST).uri("/").header("x-amz-target", format!("{TARGET}{operation}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from("{}")).unwrap()
}

#[tokio::test]
async fn a_success_is_whole() {
    let server = Server::memory().await;
    let answer = server.call("ListUserPools", json!({"MaxResults": 1})).await;
    insta::assert_debug_snapshot!(answer, @r#"
    Answer {
        status: 200,
        headers: [
            (
                "content-type",
                "application/x-amz-json-1.1",
            ),
            (
                "x-amzn-requestid",
                "04af53be-a46b-45d1-bb8c-adf511d6d76d",
            ),
            (
                "access-control-allow-origin",
                "*",
            ),
            (
                "access-control-expose-headers",
                "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date",
            ),
            (
                "content-length",
                "16",
            ),
        ],
        body: Object {
            "UserPools": Array [],
        },
    }
    "#);
}

#[tokio::test]
async fn an_error_is_whole() {
    let server = Server::memory().await;
    let answer = server.call("DescribeUserPool", json!({"UserPoolId": "us-east-1_none"})).await;
    insta::assert_debug_snapshot!(answer, @r#"
    Answer {
        status: 400,
        headers: [
            (
                "content-type",
                "application/x-amz-json-1.1",
            ),
            (
                "x-amzn-requestid",
                "04af53be-a46b-45d1-bb8c-adf511d6d76d",
            ),
            (
                "access-control-allow-origin",
                "*",
            ),
            (
                "access-control-expose-headers",
                "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date",
            ),
            (
                "x-amzn-errortype",
                "ResourceNotFoundException:",
            ),
            (
                "x-amzn-errormessage",
                "User pool us-east-1_none does not exist.",
            ),
            (
                "content-length",
                "91",
            ),
        ],
        body: Object {
            "__type": String("ResourceNotFoundException"),
            "message": String("User pool us-east-1_none does not exist."),
        },
    }
    "#);
}

#[tokio::test]
async fn operations_without_an_output_answer_an_empty_body() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let answer = server.call("DeleteUserPool", json!({"UserPoolId": pool})).await;
    assert_eq!((answer.status, &answer.body), (200, &Value::Null));
    assert_eq!(answer.header("content-length"), Some("0"));
    assert_eq!(answer.header("content-type"), Some("application/x-amz-json-1.1"));
}

#[tokio::test]
async fn requests_without_a_known_target_name_no_operation() {
    let server = Server::memory().await;
    let missing = post(&server, &[], "{}").await;
    assert_eq!(
        missing.error(),
        "UnknownOperationException: The request names no operation: the header X-Amz-Target is missing."
    );
    assert_eq!(missing.status, 400);
    let unknown = call(&server, "NoSuchOperation", &[], "{}").await;
    assert_eq!(unknown.error(), "UnknownOperationException: There is no operation 'NoSuchOperation'.");
    for target in ["ListUserPools", "AWSCognitoIdentityService.ListUserPools", "", "AWSCognitoIdentityProviderService"]
    {
        let answer = post(&server, &[("x-amz-target", target)], "{}").await;
        assert_eq!(
            answer.error(),
            "UnknownOperationException: X-Amz-Target must begin with AWSCognitoIdentityProviderService.",
            "{target}"
        );
    }
    // Names are case-sensitive.
    let lower = call(&server, "listuserpools", &[], "{}").await;
    assert_eq!(lower.error(), "UnknownOperationException: There is no operation 'listuserpools'.");
    let long = call(&server, &"x".repeat(5_000), &[], "{}").await;
    assert!(long.error().len() < 250, "a long name is not repeated whole");
}

#[tokio::test]
async fn operations_that_are_not_built_say_so() {
    let server = Server::memory().await;
    let answer = server.call("GetSigningCertificate", json!({"UserPoolId": "us-east-1_x"})).await;
    assert_eq!(
        answer.error(),
        "UnknownOperationException: GetSigningCertificate is not built yet in this version of Poolkeeper. \
         docs/compatibility.md lists what is."
    );
}

#[tokio::test]
async fn content_types_of_json_are_taken_and_others_refused() {
    let server = Server::memory().await;
    for good in [
        "application/x-amz-json-1.1",
        "application/x-amz-json-1.0",
        "application/json",
        "application/json; charset=utf-8",
        "Application/X-Amz-Json-1.1",
    ] {
        let answer = call(&server, "ListUserPools", &[("content-type", good)], r#"{"MaxResults": 1}"#).await;
        assert_eq!(answer.status, 200, "{good}: {answer:?}");
    }
    assert_eq!(call(&server, "ListUserPools", &[], r#"{"MaxResults": 1}"#).await.status, 200, "none at all");
    for wrong in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        let answer = call(&server, "ListUserPools", &[("content-type", wrong)], r#"{"MaxResults": 1}"#).await;
        assert_eq!(
            answer.error(),
            "SerializationException: The request body must be JSON with Content-Type application/x-amz-json-1.1",
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_objects_are_refused() {
    let server = Server::memory().await;
    for broken in ["{", "nonsense", "{\"MaxResults\": 1} x", "{\"MaxResults\": 01}", "\u{feff}{}", "{'a': 1}"] {
        let answer = call(&server, "ListUserPools", &[], broken).await;
        assert_eq!(answer.error(), "SerializationException: The request body could not be parsed as JSON", "{broken}");
    }
    let invalid_text = call(&server, "ListUserPools", &[], vec![b'{', b'"', 0xff, b'"', b':', b'1', b'}']).await;
    assert!(invalid_text.error().starts_with("SerializationException: "));
    for other in ["[]", "1", "\"x\"", "true", "null"] {
        let answer = call(&server, "ListUserPools", &[], other).await;
        assert!(answer.error().starts_with("SerializationException: "), "{other}: {answer:?}");
    }
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(call(&server, "ListUserPools", &[], nested).await.error().starts_with("SerializationException: "));
}

#[tokio::test]
async fn no_body_is_an_empty_object() {
    let server = Server::memory().await;
    assert_eq!(
        call(&server, "ListUserPools", &[], "").await.error(),
        "InvalidParameterException: 1 validation error detected: Value null at 'maxResults' failed to satisfy constraint: \
         Member must not be null"
    );
}

#[tokio::test]
async fn bodies_have_a_limit() {
    let server = Server::memory().await;
    let within = format!("{{\"MaxResults\": 1, \"x\": \"{}\"}}", "x".repeat(1_000_000));
    assert_eq!(call(&server, "ListUserPools", &[], within).await.status, 200, "what the API allows fits");
    let beyond = format!("{{\"MaxResults\": 1, \"x\": \"{}\"}}", "x".repeat(1_048_576));
    let answer = call(&server, "ListUserPools", &[], beyond).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.error(), "RequestEntityTooLargeException: Request size exceeded the limit of 1048576 bytes.");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

/// A body that begins and never ends.
struct Endless(Option<Vec<u8>>);

impl HttpBody for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(Frame::data(Bytes::from(piece))))))
    }
}

#[tokio::test]
async fn nothing_is_read_of_requests_that_lead_nowhere() {
    let server = Server::memory().await;
    let endless = || Body::new(Endless(Some(b"{".to_vec())));
    let at_once = Duration::from_secs(5);
    let answer = timeout(at_once, call(&server, "NoSuchOperation", &[], endless())).await.unwrap();
    assert!(answer.error().starts_with("UnknownOperationException: "), "{answer:?}");
    let answer = timeout(at_once, post(&server, &[], endless())).await.unwrap();
    assert!(answer.error().starts_with("UnknownOperationException: "), "{answer:?}");
    let xml = [("content-type", "text/xml")];
    let answer = timeout(at_once, call(&server, "ListUserPools", &xml, endless())).await.unwrap();
    assert!(answer.error().starts_with("SerializationException: "), "{answer:?}");
}

#[tokio::test]
async fn slow_large_bodies_take_no_more_than_their_share() {
    let server = Server::memory().await;
    let options = Options { max_bytes_of_all_bodies: 100_000, ..Options::default() };
    let router = poolkeeper_web::router(server.app.clone(), options);
    let send = async |body: Body| {
        let target = format!("{TARGET}ListUserPools");
        let request = Request::post("/").header("x-amz-target", target).body(body).unwrap();
        router.clone().oneshot(request).await.unwrap().status().as_u16()
    };
    let text = |length: usize| Body::from(format!("{{\"MaxResults\": 1, \"x\": \"{}\"}}", "x".repeat(length)));
    assert_eq!(send(text(60_000)).await, 200);
    {
        let slow = send(Body::new(Endless(Some(vec![b'x'; 80_000]))));
        assert!(timeout(Duration::from_millis(50), slow).await.is_err(), "it is waited for");
        let mut slow = pin!(send(Body::new(Endless(Some(vec![b'x'; 80_000])))));
        tokio::select! {
            biased;
            _ = &mut slow => unreachable!("it never ends"),
            status = send(text(60_000)) => assert_eq!(status, 503),
        }
        tokio::select! {
            biased;
            _ = &mut slow => unreachable!("it never ends"),
            status = send(text(2_000)) => assert_eq!(status, 200, "usual requests always find room"),
        }
    }
    assert_eq!(send(text(60_000)).await, 200, "the room was given back");
}

#[tokio::test]
async fn error_messages_make_safe_and_short_headers() {
    let server = Server::memory().await;
    let hostile = format!("x\r\nSet-Cookie: a=b\u{0}é{}", "y".repeat(20_000));
    let answer = server.call("ListUserPools", json!({"MaxResults": 1, "NextToken": hostile})).await;
    let text = answer.error();
    assert!(text.starts_with("InvalidParameterException: "), "{text}");
    assert!(answer.header("set-cookie").is_none());
    let header = answer.header("x-amzn-errormessage").unwrap();
    assert!(header.len() <= 1_024 && header.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{header}");
}

#[tokio::test]
async fn other_methods_call_nothing() {
    let server = Server::memory().await;
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let request = Request::builder()
            .method(method.clone())
            .uri("/")
            .header("x-amz-target", format!("{TARGET}ListUserPools"))
            .body(Body::from(r#"{"MaxResults": 1}"#))
            .unwrap();
        let answer = server.request(request).await;
        assert_eq!(answer.status, 405);
        assert_eq!(answer.header("allow"), Some("POST, OPTIONS"));
        assert_eq!(
            answer.error(),
            format!("UnknownOperationException: Operations are called by POST, not by {method}.")
        );
    }
}

#[tokio::test]
async fn unknown_documents_are_refused_as_on_the_issuers_host() {
    let server = Server::memory().await;
    for path in ["/", "/x", "/us-east-1_x", "/us-east-1_x/.well-known/other", "/%00", "/a/b/c/d", "//"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(answer.body, @r#"
            {
              "code": "BadRequest",
              "message": "The server did not understand the operation that was requested.",
              "type": "client"
            }
            "#);
        }
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
    }
}

#[tokio::test]
async fn browsers_of_any_origin_may_call() {
    let server = Server::memory().await;
    let asked = "content-type,x-amz-target,x-amz-user-agent,cache-control,amz-sdk-invocation-id,amz-sdk-request";
    let preflight = |path: &'static str| {
        Request::builder()
            .method(Method::OPTIONS)
            .uri(path)
            .header("origin", "http://localhost:3000")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", asked)
            .body(Body::empty())
            .unwrap()
    };
    for path in ["/", "/us-east-1_x/.well-known/jwks.json", "/elsewhere"] {
        let answer = server.request(preflight(path)).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(answer.header("access-control-allow-headers"), Some(asked), "{path}");
        assert!(answer.header("access-control-allow-methods").unwrap().contains("POST"), "{path}");
        assert_eq!(answer.header("access-control-max-age"), Some("172800"), "{path}");
    }
    // Errors, too: otherwise a page could not tell them from a lost network.
    let refused = post(&server, &[("origin", "http://localhost:3000")], "{}").await;
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    assert!(refused.header("access-control-expose-headers").unwrap().contains("x-amzn-ErrorType"));
    assert_eq!(refused.header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn requests_have_ids_of_their_own() {
    let server = Server::memory().await;
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let answer = post(&server, &[], "{}").await;
        ids.insert(answer.header("x-amzn-requestid").unwrap().to_owned());
    }
    assert_eq!(ids.len(), 50);
}

#[tokio::test]
async fn pools_take_the_region_of_the_signature() {
    let server = Server::memory().await;
    let authorization = "AWS4-HMAC-SHA256 Credential=any/20200101/ap-south-2/cognito-idp/aws4_request, SignedHeaders=host, Signature=00";
    let make = async |headers: &[(&str, &str)]| {
        let answer = call(&server, "CreateUserPool", headers, r#"{"PoolName": "x"}"#).await.ok();
        answer["UserPool"]["Id"].as_str().unwrap().to_owned()
    };
    assert!(make(&[("authorization", authorization)]).await.starts_with("ap-south-2_"));
    assert!(make(&[]).await.starts_with("us-east-1_"));
    assert!(make(&[("authorization", "Bearer x")]).await.starts_with("us-east-1_"));
    assert!(make(&[("authorization", "AWS4-HMAC-SHA256 Credential=a/b/<x>/c/d")]).await.starts_with("us-east-1_"));
}

#[tokio::test]
async fn discovery_documents_can_be_fetched_by_anybody() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let keys = server.get(&format!("/{pool}/.well-known/jwks.json")).await;
    assert_eq!((keys.status, keys.header("content-type")), (200, Some("application/json")));
    assert_eq!(keys.header("access-control-allow-origin"), Some("*"));
    assert_eq!(keys.header("cache-control"), Some("public, max-age=86400"));
    assert_eq!(keys.body["keys"].as_array().unwrap().len(), 2, "one for ID tokens, one for access tokens");
    let configuration = server.get(&format!("/{pool}/.well-known/openid-configuration")).await;
    assert_eq!(configuration.status, 200);
    assert_eq!(configuration.header("cache-control"), Some("no-cache"));
    assert_eq!(configuration.body["issuer"], format!("http://127.0.0.1:9229/{pool}"));
    assert_eq!(configuration.body["jwks_uri"], format!("http://127.0.0.1:9229/{pool}/.well-known/jwks.json"));
    for path in ["jwks.json", "openid-configuration"] {
        let unknown = server.get(&format!("/us-east-1_none/.well-known/{path}")).await;
        assert_eq!(unknown.status, 400);
        assert_eq!(
            unknown.body,
            json!({"code": "ResourceNotFoundException", "message": "User pool us-east-1_none does not exist.", "type": "client"})
        );
    }
}

#[tokio::test]
async fn hostile_headers_do_no_harm() {
    let server = Server::memory().await;
    let long = "x".repeat(30_000);
    for headers in [
        [("user-agent", long.as_str()), ("x-forwarded-for", long.as_str())],
        [("x-forwarded-for", ",,,,"), ("content-type", "application/json;;;;")],
        [("authorization", long.as_str()), ("x-amz-date", "yesterday")],
    ] {
        let answer = server.request(with_header(&headers, "ListUserPools")).await;
        assert!(answer.error().starts_with("InvalidParameterException: "), "{answer:?}");
    }
}

#[tokio::test]
async fn confirmation_links_confirm() {
    let server = Server::memory().await;
    let template = json!({"DefaultEmailOption": "CONFIRM_WITH_LINK", "EmailMessageByLink": "Follow {##this##}."});
    let pool = server.pool(json!({"AutoVerifiedAttributes": ["email"], "VerificationMessageTemplate": template})).await;
    let client = server.client_id(&pool, json!({})).await;
    let sign_up = json!({
        "ClientId": client,
        "Username": "zoë & co",
        "Password": "Passw0rd!",
        "UserAttributes": [{"Name": "email", "Value": "zoe@example.com"}],
    });
    // A space is no username; everything else that needs escaping is.
    let sign_up = serde_json::from_str(&sign_up.to_string().replace("zoë & co", "zoë&co")).unwrap();
    server.call("SignUp", sign_up).await.ok();
    let messages = server.messages(&pool, "zoë&co").await;
    let body = messages[0]["body"].as_str().unwrap();
    let (_, rest) = body.split_once("href=\"http://127.0.0.1:9229").unwrap();
    let (path, _) = rest.split_once('"').unwrap();
    let path = path.replace("&amp;", "&");
    assert!(path.starts_with("/confirmUser/?"), "{path}");

    let status = async || {
        let user = server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": "zoë&co"})).await.ok();
        user["UserStatus"].as_str().unwrap().to_owned()
    };
    // Scanners of mail look at links before people do.
    let look = Request::builder().method(Method::HEAD).uri(&path).body(Body::empty()).unwrap();
    assert_eq!(server.request(look).await.status, 200);
    assert_eq!(status().await, "UNCONFIRMED");
    let wrong = server.get(&path.replace("confirmation_code=", "confirmation_code=9")).await;
    assert_eq!(wrong.status, 400);
    assert_eq!(status().await, "UNCONFIRMED");
    let page = server.get(&path).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    assert!(page.body.as_str().unwrap().contains("Your registration has been confirmed."));
    assert_eq!(status().await, "CONFIRMED");
    assert_eq!(server.get(&path).await.status, 400, "a link works once");
}

#[tokio::test]
async fn without_links_nobody_is_confirmed_by_a_page() {
    let server = Server::memory().await;
    let pool = server.pool(json!({"AutoVerifiedAttributes": ["email"]})).await;
    let client = server.client(&pool, json!({"GenerateSecret": true})).await;
    let (id, secret) = (client["ClientId"].as_str().unwrap(), client["ClientSecret"].as_str().unwrap());
    let sign_up = json!({
        "ClientId": id,
        "Username": "alice",
        "Password": "Passw0rd!",
        "SecretHash": crypto::hash::secret_hash("alice", id, secret),
        "UserAttributes": [{"Name": "email", "Value": "alice@example.com"}],
    });
    server.call("SignUp", sign_up).await.ok();
    let code = server.last_code(&pool, "alice").await;
    let link = |code: &str| format!("/confirmUser/?client_id={id}&user_name=alice&confirmation_code={code}");
    let page = server.get(&link(&code)).await;
    assert_eq!(page.status, 400);
    let user = server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": "alice"})).await.ok();
    assert_eq!(user["UserStatus"], "UNCONFIRMED");
    // However often it is tried, it looks the same and counts for nothing.
    for _ in 0..40 {
        let wrong = server.get(&link("000000")).await;
        assert_eq!((wrong.status, &wrong.body), (400, &page.body));
    }
    let confirm = json!({
        "ClientId": id,
        "Username": "alice",
        "ConfirmationCode": code,
        "SecretHash": crypto::hash::secret_hash("alice", id, secret),
    });
    server.call("ConfirmSignUp", confirm).await.ok();
}

#[tokio::test]
async fn too_many_wrong_links_look_like_any_wrong_link() {
    let server = Server::memory().await;
    let template = json!({"DefaultEmailOption": "CONFIRM_WITH_LINK"});
    let pool = server.pool(json!({"AutoVerifiedAttributes": ["email"], "VerificationMessageTemplate": template})).await;
    let client = server.client_id(&pool, json!({})).await;
    let sign_up = json!({
        "ClientId": client,
        "Username": "alice",
        "Password": "Passw0rd!",
        "UserAttributes": [{"Name": "email", "Value": "alice@example.com"}],
    });
    server.call("SignUp", sign_up).await.ok();
    let mut pages = Vec::new();
    for user in ["nobody", "alice"] {
        for _ in 0..40 {
            let link = format!("/confirmUser/?client_id={client}&user_name={user}&confirmation_code=none");
            let page = server.get(&link).await;
            pages.push((page.status, page.body));
        }
    }
    pages.dedup();
    assert_eq!(pages.len(), 1, "{pages:?}");
}

#[tokio::test]
async fn broken_confirmation_links_say_nothing_about_users() {
    let server = Server::memory().await;
    let template = json!({"DefaultEmailOption": "CONFIRM_WITH_LINK"});
    let pool = server.pool(json!({"VerificationMessageTemplate": template})).await;
    let client = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "alice", "Passw0rd!", json!({})).await;
    let mut pages = Vec::new();
    for query in [
        String::new(),
        "?".to_owned(),
        "?client_id=none&user_name=alice&confirmation_code=123456".to_owned(),
        format!("?client_id={client}&user_name=alice&confirmation_code=123456"),
        format!("?client_id={client}&user_name=nobody&confirmation_code=123456"),
        format!("?client_id={client}&user_name=%ff%00&confirmation_code=%22"),
        format!("?client_id={client}&client_id={client}&user_name=alice&confirmation_code=1"),
    ] {
        let page = server.get(&format!("/confirmUser/{query}")).await;
        assert_eq!(page.status, 400, "{query}");
        pages.push(page.body);
    }
    pages.dedup();
    assert_eq!(pages.len(), 1);
}

#[tokio::test]
async fn without_a_sender_nothing_is_promised() {
    let server = Server::builder().sender(service::messages::Sender::Nobody).start().await;
    let pool = server.pool(json!({"AutoVerifiedAttributes": ["email"]})).await;
    let client = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "alice", "Passw0rd!", json!({"email": "alice@example.com"})).await;
    let expected = "CodeDeliveryFailureException: Unable to deliver code to user";
    let forgot = server.call("ForgotPassword", json!({"ClientId": client, "Username": "alice"})).await;
    assert_eq!(forgot.error(), expected);
    let attributes = json!([{"Name": "email", "Value": "bob@example.com"}]);
    let sign_up = json!({"ClientId": client, "Username": "bob", "Password": "Passw0rd!", "UserAttributes": attributes});
    assert_eq!(server.call("SignUp", sign_up).await.error(), expected);
    let bob = server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": "bob"})).await;
    assert_eq!(bob.error(), "UserNotFoundException: User does not exist.", "nothing was kept");
    assert_eq!(server.messages(&pool, "alice").await.len(), 0);
}
