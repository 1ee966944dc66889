//! Whole requests, as a small server on this machine receives them, and what is made of its answers.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use crypto::envelope::Context;
use domain::Secret;
use http::{HeaderMap, Method};
use poolkeeper_aws::{AccessKey, CallError, Connection, Failure, Invocation, Mail, Settings, TextMessage};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

#[path = "requests/records.rs"]
mod records;

const FUNCTION: &str = "arn:aws:lambda:eu-central-1:000000000000:function:pre-sign-up:live";
const KEY: &str = "arn:aws:kms:eu-west-1:000000000000:key/11111111-2222-3333-4444-555555555555";

/// What a server has received.
struct Received {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Who signed it, for which region and service.
    fn scope(&self) -> String {
        let authorization = self.header("authorization");
        let credential = authorization.strip_prefix("AWS4-HMAC-SHA256 Credential=").unwrap().split(',').next().unwrap();
        assert!(authorization.contains("SignedHeaders=") && authorization.contains("Signature="), "{authorization}");
        let parts: Vec<&str> = credential.split('/').collect();
        [parts[0], parts[2], parts[3], parts[4]].join("/")
    }
}

/// What a server answers.
#[derive(Clone)]
struct Answer {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
}

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
    Answer { status, headers: headers.to_vec(), body: body.to_owned() }
}

/// A server that gives its answers in order and remembers what it was asked. Without an answer it keeps its clients
/// waiting.
struct Server {
    address: String,
    received: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Server {
    async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let shared = Shared { answers: Arc::new(Mutex::new(answers.into_iter().collect())), received: Arc::default() };
        let received = shared.received.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(take).with_state(shared);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, received, task }
    }

    async fn connection(&self, region: Option<&str>) -> Connection {
        connection(&self.address, region).await
    }

    /// What it was asked since the last look.
    fn all(&self) -> Vec<Received> {
        std::mem::take(&mut *self.received.lock().unwrap())
    }

    fn only(&self) -> Received {
        let mut received = self.all();
        assert_eq!(received.len(), 1, "requests");
        received.remove(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let path = parts.uri.path_and_query().unwrap().to_string();
    shared.received.lock().unwrap().push(Received { method: parts.method, path, headers: parts.headers, body });
    let next = shared.answers.lock().unwrap().pop_front();
    let Some(answer) = next else { return std::future::pending().await };
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.body)).unwrap()
}

async fn connection(address: &str, region: Option<&str>) -> Connection {
    let secret = |text: &str| Secret::new(text.to_owned());
    let settings = Settings {
        region: region.map(str::to_owned),
        endpoint: Some(address.to_owned()),
        access_key: Some(AccessKey {
            id: "AKIDEXAMPLE".to_owned(),
            secret: secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: Some(secret("session-token")),
        }),
    };
    Connection::open(&settings).await.unwrap()
}

/// A port at which nobody listens.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn a_function_is_called() {
    let server = Server::start([answer(200, &[("x-amzn-requestid", "r")], r#"{"version":"1"}"#)]).await;
    let lambda = server.connection(None).await.lambda();
    let returned = lambda.invoke(FUNCTION, br#"{"a":1}"#.to_vec(), Invocation::RequestResponse).await.unwrap();
    assert_eq!(returned, br#"{"version":"1"}"#);
    let received = server.only();
    assert_eq!(received.method, Method::POST);
    let name = "arn%3Aaws%3Alambda%3Aeu-central-1%3A000000000000%3Afunction%3Apre-sign-up%3Alive";
    assert_eq!(received.path, format!("/2015-03-31/functions/{name}/invocations"));
    assert_eq!(received.header("x-amz-invocation-type"), "RequestResponse");
    assert_eq!(received.header("x-amz-security-token"), "session-token");
    assert!(received.header("user-agent").contains("app/poolkeeper"), "{}", received.header("user-agent"));
    assert_eq!(received.json(), json!({"a": 1}));
    // The region is the function's own.
    assert_eq!(received.scope(), "AKIDEXAMPLE/eu-central-1/lambda/aws4_request");
}

#[tokio::test]
async fn a_region_that_is_given_counts_for_all_functions() {
    let server = Server::start([answer(200, &[], "null")]).await;
    let lambda = server.connection(Some("us-west-2")).await.lambda();
    assert_eq!(lambda.invoke(FUNCTION, b"{}".to_vec(), Invocation::RequestResponse).await.unwrap(), b"null");
    assert_eq!(server.only().scope(), "AKIDEXAMPLE/us-west-2/lambda/aws4_request");
}

#[tokio::test]
async fn an_event_is_handed_over_and_not_waited_for() {
    let server = Server::start([answer(202, &[], "")]).await;
    let lambda = server.connection(None).await.lambda();
    assert_eq!(lambda.invoke(FUNCTION, b"{}".to_vec(), Invocation::Event).await.unwrap(), b"");
    assert_eq!(server.only().header("x-amz-invocation-type"), "Event");
}

#[tokio::test]
async fn what_functions_throw() {
    for (header, body, message) in [
        ("Unhandled", r#"{"errorMessage":"no way!","errorType":"Error","trace":[]}"#, "no way!"),
        ("Handled", r#"{"errorMessage":""}"#, ""),
        ("Unhandled", r#"{"errorType":"Sandbox.Timedout"}"#, "Sandbox.Timedout"),
        ("Unhandled", r#"{"errorMessage":null}"#, "Unhandled"),
        ("Unhandled", "not json", "Unhandled"),
        ("Unhandled", "", "Unhandled"),
    ] {
        let server = Server::start([answer(200, &[("x-amz-function-error", header)], body)]).await;
        let lambda = server.connection(None).await.lambda();
        let outcome = lambda.invoke(FUNCTION, b"{}".to_vec(), Invocation::RequestResponse).await;
        assert_eq!(outcome, Err(Failure::Threw(message.to_owned())), "{body}");
    }
}

/// triggers-security.md §13.1. Each is asked once: what the function did the first time has been done.
#[tokio::test]
async fn refusals_of_lambda_keep_their_names() {
    let typed = |name: &'static str| [("x-amzn-errortype", name)];
    for (status, headers, body, name) in [
        (
            404,
            &typed("ResourceNotFoundException")[..],
            r#"{"Message":"Function not found"}"#,
            "ResourceNotFoundException",
        ),
        (403, &typed("AccessDeniedException"), r#"{"Message":"no"}"#, "AccessDeniedException"),
        (429, &typed("TooManyRequestsException"), "{}", "TooManyRequestsException"),
        (400, &typed("InvalidRequestContentException:http://x/"), "{}", "InvalidRequestContentException"),
        (413, &typed("RequestTooLargeException"), "{}", "RequestTooLargeException"),
        (500, &typed("ServiceException"), "{}", "ServiceException"),
        (502, &typed("KMSDisabledException"), "{}", "KMSDisabledException"),
        (410, &typed("EFSMountFailureException"), "{}", "EFSMountFailureException"),
        (403, &[], r#"{"__type":"a.b#UnrecognizedClientException"}"#, "UnrecognizedClientException"),
        // Names that nobody knows yet are passed on; those that could be no name are not.
        (418, &typed("TeapotException"), "{}", "TeapotException"),
        (400, &typed("<b> \"x\""), "{}", "bx"),
        // Answers that name nothing.
        (400, &[], "", "InvalidRequestContentException"),
        (401, &[], "", "AccessDeniedException"),
        (403, &[], "<html>", "AccessDeniedException"),
        (404, &[], "not found", "ResourceNotFoundException"),
        (413, &[], "{}", "RequestTooLargeException"),
        (429, &[], "{}", "TooManyRequestsException"),
        (500, &[], "oops", "ServiceException"),
        (503, &[], "", "ServiceException"),
    ] {
        let server = Server::start([answer(status, headers, body)]).await;
        let lambda = server.connection(None).await.lambda();
        let outcome = lambda.invoke(FUNCTION, b"{}".to_vec(), Invocation::RequestResponse).await;
        let Err(Failure::NotCalled { name: told, reason }) = outcome else { panic!("{status} {body}: {outcome:?}") };
        assert_eq!(told, name, "{status} {body}: {reason}");
        assert!(reason.starts_with("Lambda: "), "{reason}");
        server.only();
    }
}

#[tokio::test]
async fn a_function_that_cannot_be_reached() {
    let lambda = connection(&nowhere().await, None).await.lambda();
    let outcome = lambda.invoke(FUNCTION, b"{}".to_vec(), Invocation::RequestResponse).await;
    let Err(Failure::NotCalled { name, reason }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(name, "ServiceUnreachable");
    assert!(reason.contains("Connection refused") && reason.ends_with("if one is configured"), "{reason}");
}

/// Whoever waits no longer, as triggers do after five seconds, has left nothing behind.
#[tokio::test]
async fn a_function_that_hangs_can_be_given_up() {
    let server = Server::start([answer(200, &[], "1")]).await;
    let lambda = server.connection(None).await.lambda();
    let call = |longest| {
        let invoked = lambda.invoke(FUNCTION, b"{}".to_vec(), Invocation::RequestResponse);
        tokio::time::timeout(longest, invoked)
    };
    assert_eq!(call(Duration::from_secs(30)).await.unwrap().unwrap(), b"1");
    assert!(call(Duration::from_millis(300)).await.is_err());
    assert_eq!(server.received.lock().unwrap().len(), 2);
}

fn mail() -> Mail<'static> {
    Mail {
        message: "From: a@example.com\r\nSubject: =?utf-8?b?w6Q=?=\r\n\r\nä\r\n".as_bytes(),
        from: "Shop <shop@example.com>",
        to: "alice@example.com",
        source_arn: Some("arn:aws:ses:eu-west-1:000000000000:identity/shop@example.com"),
        configuration_set: Some("codes"),
        region: None,
    }
}

#[tokio::test]
async fn a_mail_is_handed_over() {
    let server = Server::start([answer(200, &[], r#"{"MessageId":"m-1"}"#)]).await;
    let ses = server.connection(Some("eu-central-1")).await.ses().unwrap();
    assert_eq!(ses.send(mail()).await.unwrap(), "m-1");
    let received = server.only();
    assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", "/v2/email/outbound-emails"));
    assert_eq!(received.scope(), "AKIDEXAMPLE/eu-central-1/ses/aws4_request");
    let expected = json!({
        "FromEmailAddress": "Shop <shop@example.com>",
        "FromEmailAddressIdentityArn": "arn:aws:ses:eu-west-1:000000000000:identity/shop@example.com",
        "Destination": {"ToAddresses": ["alice@example.com"]},
        "Content": {"Raw": {"Data": STANDARD.encode(mail().message)}},
        "ConfigurationSetName": "codes",
    });
    assert_eq!(received.json(), expected);
}

#[tokio::test]
async fn a_mail_may_say_nothing_but_itself() {
    let server = Server::start([answer(200, &[], r#"{"MessageId":"m-2"}"#)]).await;
    let ses = server.connection(Some("eu-central-1")).await.ses().unwrap();
    let bare = Mail { source_arn: None, configuration_set: None, region: Some("us-east-1"), ..mail() };
    ses.send(bare).await.unwrap();
    let received = server.only();
    assert_eq!(received.scope(), "AKIDEXAMPLE/us-east-1/ses/aws4_request");
    let names: Vec<String> = received.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[tokio::test]
async fn what_ses_refuses() {
    for (status, name, is_permanent) in [
        (400, "MessageRejected", true),
        (400, "BadRequestException", true),
        (400, "MailFromDomainNotVerifiedException", false),
        (400, "SendingPausedException", false),
        (404, "NotFoundException", false),
        (429, "TooManyRequestsException", false),
        (403, "AccessDeniedException", false),
        (500, "InternalFailure", false),
    ] {
        let body = r#"{"message":"Address alice@example.com is blacklisted"}"#;
        let server = Server::start([answer(status, &[("x-amzn-errortype", name)], body)]).await;
        let ses = server.connection(Some("eu-central-1")).await.ses().unwrap();
        let error = ses.send(mail()).await.unwrap_err();
        assert_eq!(error.is_permanent, is_permanent, "{name}");
        assert!(error.reason.starts_with(&format!("SES answered {name}")), "{error}");
        assert!(!error.reason.contains("alice"), "{error}");
        server.only();
    }
    let ses = connection(&nowhere().await, Some("eu-central-1")).await.ses().unwrap();
    let error = ses.send(mail()).await.unwrap_err();
    assert!(!error.is_permanent && error.reason.contains("ServiceUnreachable"), "{error}");
}

const PUBLISHED: &str = r#"<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>
    <MessageId>s-1</MessageId></PublishResult></PublishResponse>"#;

fn text_message() -> TextMessage<'static> {
    TextMessage { phone_number: "+15555550100", text: "Code: 123456 & ä", sender_id: Some("Shop"), region: None }
}

#[tokio::test]
async fn a_text_message_is_handed_over() {
    let server = Server::start([answer(200, &[], PUBLISHED), answer(200, &[], PUBLISHED)]).await;
    let sns = server.connection(Some("eu-central-1")).await.sns().unwrap();
    assert_eq!(sns.publish(text_message()).await.unwrap(), "s-1");
    let received = server.only();
    assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", "/"));
    assert_eq!(received.scope(), "AKIDEXAMPLE/eu-central-1/sns/aws4_request");
    assert_eq!(received.header("content-type"), "application/x-www-form-urlencoded");
    let mut pairs: Vec<&str> = str::from_utf8(&received.body).unwrap().split('&').collect();
    let (mut names, mut values): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
    for pair in pairs.extract_if(.., |pair| pair.starts_with("MessageAttributes")) {
        let (name, value) = pair.split_once('=').unwrap();
        names.push(name.rsplit('.').next().unwrap().to_owned());
        values.push(value.to_owned());
    }
    let expected = [
        "Action=Publish",
        "Version=2010-03-31",
        "PhoneNumber=%2B15555550100",
        "Message=Code%3A%20123456%20%26%20%C3%A4",
    ];
    assert_eq!(pairs, expected);
    names.sort_unstable();
    values.sort_unstable();
    assert_eq!(names, ["DataType", "DataType", "Name", "Name", "StringValue", "StringValue"]);
    assert_eq!(values, ["AWS.SNS.SMS.SMSType", "AWS.SNS.SMS.SenderID", "Shop", "String", "String", "Transactional"]);

    let bare = TextMessage { sender_id: None, region: Some("us-east-1"), ..text_message() };
    sns.publish(bare).await.unwrap();
    let received = server.only();
    assert_eq!(received.scope(), "AKIDEXAMPLE/us-east-1/sns/aws4_request");
    assert!(!str::from_utf8(&received.body).unwrap().contains("SenderID"));
}

#[tokio::test]
async fn what_sns_refuses() {
    for (status, name, is_permanent) in [
        (400, "InvalidParameter", true),
        (400, "ParameterValueInvalid", true),
        (403, "AuthorizationError", false),
        (400, "Throttled", false),
        (403, "InvalidClientTokenId", false),
        (500, "InternalError", false),
    ] {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{name}</Code><Message>+15555550100 is wrong</Message></Error>\
             <RequestId>r</RequestId></ErrorResponse>"
        );
        let server = Server::start([answer(status, &[], &body)]).await;
        let sns = server.connection(Some("eu-central-1")).await.sns().unwrap();
        let error = sns.publish(text_message()).await.unwrap_err();
        assert_eq!(error.is_permanent, is_permanent, "{name}");
        assert!(error.reason.starts_with(&format!("SNS answered {name}")), "{error}");
        assert!(!error.reason.contains("5555"), "{error}");
        server.only();
    }
}

fn context() -> Context {
    Context::new([("userpool-id", "eu-west-1_AbCdEf123"), ("aws-crypto-public-key", "A1b2")]).unwrap()
}

fn generated(length: usize) -> Answer {
    let (plaintext, blob) = (STANDARD.encode(vec![7; length]), STANDARD.encode("blob"));
    answer(200, &[], &json!({"KeyId": KEY, "Plaintext": plaintext, "CiphertextBlob": blob}).to_string())
}

#[tokio::test]
async fn a_data_key_is_made_and_decrypted() {
    let plaintext = json!({"KeyId": KEY, "Plaintext": STANDARD.encode([7; 32])}).to_string();
    let server = Server::start([generated(32), answer(200, &[], &plaintext)]).await;
    let kms = server.connection(None).await.kms();
    let alias = "arn:aws:kms:eu-west-1:000000000000:alias/codes";
    let data_key = kms.generate_data_key(alias, &context()).await.unwrap();
    assert_eq!(data_key.plaintext.as_ref(), &[7; 32]);
    let encrypted = data_key.encrypted;
    assert_eq!(encrypted.provider, "aws-kms");
    assert_eq!((encrypted.info.as_slice(), encrypted.ciphertext.as_slice()), (KEY.as_bytes(), &b"blob"[..]));
    let received = server.only();
    assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", "/"));
    assert_eq!(received.header("x-amz-target"), "TrentService.GenerateDataKey");
    assert_eq!(received.scope(), "AKIDEXAMPLE/eu-west-1/kms/aws4_request");
    let pairs = json!({"userpool-id": "eu-west-1_AbCdEf123", "aws-crypto-public-key": "A1b2"});
    assert_eq!(received.json(), json!({"KeyId": alias, "EncryptionContext": pairs, "KeySpec": "AES_256"}));

    assert_eq!(kms.decrypt(KEY, b"blob", &context()).await.unwrap().as_ref(), &[7; 32]);
    let received = server.only();
    assert_eq!(received.header("x-amz-target"), "TrentService.Decrypt");
    let blob = STANDARD.encode("blob");
    assert_eq!(received.json(), json!({"CiphertextBlob": blob, "EncryptionContext": pairs, "KeyId": KEY}));
}

#[tokio::test]
async fn what_kms_refuses() {
    for (status, name, tries) in [
        (400, "NotFoundException", 1),
        (400, "AccessDeniedException", 1),
        (400, "DisabledException", 1),
        // Both may pass by themselves.
        (400, "ThrottlingException", 3),
        (500, "KMSInternalException", 3),
    ] {
        let body = json!({"__type": name, "message": "The text of it"}).to_string();
        let server = Server::start(vec![answer(status, &[], &body); 5]).await;
        let kms = server.connection(None).await.kms();
        let error: CallError = kms.generate_data_key(KEY, &context()).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.status), (name, Some(status)));
        assert!(error.to_string().starts_with(&format!("KMS: {name}: The text of it")), "{error}");
        assert_eq!(server.received.lock().unwrap().len(), tries, "{name}");
    }
    let server = Server::start([generated(31), answer(200, &[], "{}"), answer(200, &[], "<html>")]).await;
    let kms = server.connection(None).await.kms();
    for _ in 0..3 {
        assert_eq!(kms.generate_data_key(KEY, &context()).await.unwrap_err().code, "UnreadableAnswer");
    }
}

#[tokio::test]
async fn kms_passes_over_a_fault_of_the_moment() {
    let server = Server::start([answer(500, &[], r#"{"__type":"KMSInternalException"}"#), generated(32)]).await;
    let kms = server.connection(None).await.kms();
    assert!(kms.generate_data_key(KEY, &context()).await.is_ok());
}
