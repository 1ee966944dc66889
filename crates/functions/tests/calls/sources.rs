//! Users from another pool, where that pool answers what no good pool answers. Good answers come from a real one
//! (crates/poolkeeper/tests/binary/migrating.rs).

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::Secret;
use poolkeeper_functions::{
    Functions, Way,
    migrate_from::{AccessKey, Options},
};
use serde_json::{Value, json};
use service::triggers::{Failure, Invocation, RunFunctions};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::support::{ARN, REQUEST_ID, event, functions};

/// A pool that answers everything with what it was started with: a status and a body.
struct Source {
    endpoint: String,
    /// Heads and bodies.
    requests: Arc<Mutex<Vec<(String, Value)>>>,
    connections: Arc<AtomicUsize>,
}

impl Source {
    async fn start(answers: &'static [(&'static str, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (requests, connections) = (Arc::<Mutex<Vec<_>>>::default(), Arc::new(AtomicUsize::new(0)));
        let (log, count) = (requests.clone(), connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, answers, log.clone()));
            }
        });
        Self { endpoint, requests, connections }
    }

    fn functions(&self) -> Functions {
        let key = AccessKey { id: "AKIAEXAMPLE".to_owned(), secret: Secret::new("secret".to_owned()) };
        functions(Way::MigrateFrom(Options {
            endpoint: self.endpoint.parse().unwrap(),
            region: "eu-west-1".to_owned(),
            pool: "eu-west-1_Source".to_owned(),
            client: "client".to_owned(),
            client_secret: None,
            access_key: Some(key),
            attributes: vec!["*".to_owned()],
            ca_file: None,
        }))
    }
}

async fn serve(stream: TcpStream, answers: &[(&str, &str)], log: Arc<Mutex<Vec<(String, Value)>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let number = {
            let mut log = log.lock().unwrap();
            log.push((head, serde_json::from_slice(&body).unwrap()));
            log.len() - 1
        };
        let answer = match answers[number.min(answers.len() - 1)] {
            ("hang", _) => return tokio::time::sleep(Duration::from_secs(60)).await,
            ("close", _) => return,
            ("long", _) => format!("HTTP/1.1 200 X\r\ncontent-length: 2000000\r\n\r\n{}", " ".repeat(2_000_000)),
            (status, body) => format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn migration(source: &str) -> Value {
    let mut event = event(&json!({"password": "Hunter2!", "validationData": null, "userAttributes": null}));
    event["triggerSource"] = json!(source);
    event["response"] = json!({"userAttributes": null, "finalUserStatus": null, "forceAliasCreation": null});
    event
}

async fn call(functions: &Functions, event: Value) -> Result<Value, Failure> {
    let output = functions.run(ARN, event, Invocation::RequestResponse, REQUEST_ID).await?;
    Ok(serde_json::from_str(&output).unwrap())
}

const TOKENS: (&str, &str) = ("200 OK", r#"{"AuthenticationResult": {"AccessToken": "a.b.c"}}"#);
const USER: (&str, &str) =
    ("200 OK", r#"{"Username": "zoë", "UserAttributes": [{"Name": "email", "Value": "zoe@example.com"}]}"#);

#[tokio::test]
async fn the_event_comes_back_with_the_user_over_one_connection() {
    let source = Source::start(&[TOKENS, USER]).await;
    let asked = migration("UserMigration_Authentication");
    let mut expected = asked.clone();
    expected["response"] = json!({
        "userAttributes": {"email": "zoe@example.com"}, "finalUserStatus": "CONFIRMED", "messageAction": "SUPPRESS",
        "forceAliasCreation": null,
    });
    assert_eq!(call(&source.functions(), asked).await, Ok(expected));
    assert_eq!(source.connections.load(Ordering::SeqCst), 1);
    let requests = source.requests.lock().unwrap();
    let [(head, sign_in), (_, token)] = requests.as_slice() else { panic!("{requests:?}") };
    assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("x-amz-target: AWSCognitoIdentityProviderService.InitiateAuth\r\n"), "{head}");
    let parameters = json!({"USERNAME": "zoë", "PASSWORD": "Hunter2!"});
    let expected = json!({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": "client", "AuthParameters": parameters});
    assert_eq!((sign_in, token), (&expected, &json!({"AccessToken": "a.b.c"})));
}

#[tokio::test]
async fn answers_that_say_nothing_of_the_user_fail_the_call() {
    const REFUSED: &str = r#"{"__type": "NotAuthorizedException", "message": "Unable to verify secret hash"}"#;
    const LOCKED: &str = r#"{"__type": "NotAuthorizedException", "message": "Password attempts exceeded"}"#;
    let cases: &[(&'static [(&'static str, &'static str)], &str)] = &[
        (&[("302 Found\r\nlocation: http://127.0.0.1:1/", "")], "ServiceException"),
        (&[("500 X", r#"{"__type": "InternalErrorException"}"#)], "ServiceException"),
        (&[("503 X", "<html>")], "ServiceException"),
        (&[("200 OK", "<html>")], "ServiceException"),
        (&[("200 OK", "[]")], "ServiceException"),
        (&[("400 X", "{}")], "ServiceException"),
        (&[("400 X", REFUSED)], "ServiceException"),
        (&[("400 X", LOCKED)], "TooManyRequestsException"),
        (&[("429 X", "")], "TooManyRequestsException"),
        (&[("400 X", r#"{"__type": "x.y#TooManyRequestsException"}"#)], "TooManyRequestsException"),
        (&[("400 X", r#"{"__type": "ThrottlingException"}"#)], "TooManyRequestsException"),
        (&[("close", "")], "ServiceException"),
        (&[("hang", "")], "ServiceException"),
        (&[("long", "")], "ServiceException"),
        (&[TOKENS, ("400 X", r#"{"__type": "UserNotFoundException"}"#)], "ServiceException"),
        (&[TOKENS, ("close", "")], "ServiceException"),
    ];
    for (answers, name) in cases {
        let source = Source::start(answers).await;
        let failure = call(&source.functions(), migration("UserMigration_Authentication")).await;
        assert_eq!(failure, Err(Failure::NotCalled((*name).to_owned())), "{answers:?}");
        let asked = source.requests.lock().unwrap().len();
        assert_eq!(asked, answers.len(), "a request is sent once: {answers:?}");
    }
}

#[tokio::test]
async fn who_is_not_known_there_or_cannot_come_along_leaves_the_event_as_it_is() {
    const NO_ADDRESS: &str = r#"{"Username": "zoë", "Enabled": true, "UserStatus": "CONFIRMED", "UserAttributes": []}"#;
    const DISABLED: &str = r#"{"Username": "zoë", "Enabled": false, "UserStatus": "CONFIRMED", "UserAttributes": [
        {"Name": "email", "Value": "zoe@example.com"}, {"Name": "email_verified", "Value": "true"}]}"#;
    const UNCONFIRMED: &str = r#"{"Username": "zoë", "Enabled": true, "UserStatus": "UNCONFIRMED", "UserAttributes": [
        {"Name": "email", "Value": "zoe@example.com"}, {"Name": "email_verified", "Value": "true"}]}"#;
    let cases: [(&str, &'static [(&'static str, &'static str)]); 5] = [
        ("UserMigration_Authentication", &[("400 X", r#"{"__type": "UserNotFoundException"}"#)]),
        ("UserMigration_Authentication", &[("400 X", r#"{"__type": "UserNotConfirmedException"}"#)]),
        ("UserMigration_ForgotPassword", &[("200 OK", NO_ADDRESS)]),
        ("UserMigration_ForgotPassword", &[("200 OK", DISABLED)]),
        ("UserMigration_ForgotPassword", &[("200 OK", UNCONFIRMED)]),
    ];
    for (trigger, answers) in cases {
        let source = Source::start(answers).await;
        let asked = migration(trigger);
        assert_eq!(call(&source.functions(), asked.clone()).await, Ok(asked), "{answers:?}");
    }
    let source = Source::start(&[("400 X", r#"{"__type": "UserNotFoundException"}"#)]).await;
    let asked = migration("UserMigration_ForgotPassword");
    assert_eq!(call(&source.functions(), asked.clone()).await, Ok(asked));
    let requests = source.requests.lock().unwrap();
    let (head, body) = &requests[0];
    assert_eq!(body, &json!({"UserPoolId": "eu-west-1_Source", "Username": "zoë"}));
    assert!(head.contains("authorization: AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/"), "{head}");
    assert!(head.contains("/eu-west-1/cognito-idp/aws4_request"), "{head}");
}

#[tokio::test]
async fn other_triggers_are_not_answered() {
    let source = Source::start(&[TOKENS]).await;
    let failure = call(&source.functions(), migration("PreSignUp_SignUp")).await;
    assert_eq!(failure, Err(Failure::NotCalled("InvalidRequestContentException".to_owned())));
    assert_eq!(source.requests.lock().unwrap().len(), 0);
}
