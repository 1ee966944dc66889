//! What servers answer that this one asks. They stand on a port of this machine and say what the input says.

use std::{cell::RefCell, time::Duration};

use domain::{Secret, message::MessageContent};
use functions::{ArnPattern, Definition, Functions, Way, migrate_from, url};
use serde_json::{Value, json};
use service::{
    messages::{Encryption, Outgoing, SmtpSender, SmtpSettings, Transport},
    triggers::{Invocation, RunFunctions},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};
use wire::Timestamp;

use crate::{input, mails::message};

/// More than anything here takes, since the other side never waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of a mail server's replies.
const LONGEST_REPLIES: usize = 4_096;
/// What ends an answer in an input, where another one follows.
const NEXT: &[u8] = b"\n---\n";

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().enable_all().build().expect("a runtime"));
}

/// Asks a server that gives these answers, one for each connection, and no more.
fn asking(answers: Vec<Vec<u8>>, speaks_first: bool, ask: impl AsyncFnOnce(u16)) {
    RUNTIME.with_borrow(|runtime| {
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let port = listener.local_addr().expect("an address").port();
            let server = tokio::spawn(async move {
                for answer in answers {
                    let Ok((stream, _)) = listener.accept().await else { return };
                    _ = say(stream, &answer, speaks_first).await;
                }
            });
            let asked = tokio::time::timeout(PATIENCE, ask(port)).await;
            server.abort();
            asked.expect("it waits for an answer that does not come");
        });
    });
}

/// Says everything at once and then nothing more.
async fn say(mut stream: TcpStream, answer: &[u8], speaks_first: bool) -> std::io::Result<()> {
    let mut asked = vec![0; 4_096];
    if !speaks_first {
        _ = stream.read(&mut asked).await?;
    }
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    while stream.read(&mut asked).await? > 0 {}
    Ok(())
}

/// The replies of a mail server, all at once.
pub fn smtp_replies(data: &[u8]) {
    // For each line of a reply, lettre reads all of that reply once more; thousands of lines take it seconds.
    let data = data.get(..LONGEST_REPLIES).unwrap_or(data);
    let replies = String::from_utf8_lossy(data).replace("\r\n", "\n").replace('\n', "\r\n");
    asking(vec![replies.into_bytes()], true, async |port| {
        let settings = SmtpSettings {
            host: "127.0.0.1".to_owned(),
            port,
            encryption: Encryption::None,
            username: None,
            password: None,
            from: "no-reply@mail.example".to_owned(),
            ca_file: None,
            timeout: 2 * PATIENCE,
        };
        let sender = SmtpSender::new(&settings).expect("a mail server");
        let content = MessageContent {
            destination: "alice@example.com".to_owned(),
            subject: "Your code".to_owned(),
            body: "Your code is\n.\n123456.".to_owned(),
            ..MessageContent::default()
        };
        _ = sender.send(Outgoing { message: &message(), content: &content }).await;
    });
}

/// Who is asked (a webhook, an emulator, another pool for a sign-in, another pool for a reset), and the HTTP answers.
pub fn remote_answers(data: &[u8]) {
    let Some((way, rest)) = input::choice(data, 4) else { return };
    let mut answers = Vec::new();
    let mut rest = rest;
    // The other pool is asked up to three times.
    while let Some(end) = rest.windows(NEXT.len()).position(|window| window == NEXT).filter(|_| answers.len() < 3) {
        answers.push(rest.get(..end).unwrap_or_default().to_vec());
        rest = rest.get(end + NEXT.len()..).unwrap_or_default();
    }
    answers.push(rest.to_vec());
    asking(answers, false, async |port| {
        let definition = Definition {
            arn: ArnPattern::new("*"),
            timeout: 2 * PATIENCE,
            way: if way < 2 { function(port, way) } else { other_pool(port) },
        };
        let functions = Functions::new(vec![definition], || Timestamp(1_767_323_045_000)).expect("a way");
        let source = if way == 3 { "UserMigration_ForgotPassword" } else { "UserMigration_Authentication" };
        let event = json!({
            "version": "1", "region": "eu-west-1", "userPoolId": "eu-west-1_Pool", "userName": "alice@example.com",
            "triggerSource": source, "callerContext": {}, "request": {"password": "Passw0rd!"}, "response": {},
        });
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:migrate";
        let outcome = functions.run(arn, event, Invocation::RequestResponse, "request").await;
        if let Ok(output) = outcome
            && way >= 2
        {
            let event: Value = serde_json::from_str(&output).expect("an event");
            assert!(event["response"].is_object(), "{event}");
        }
    });
}

fn function(port: u16, way: usize) -> Way {
    let url = format!("http://127.0.0.1:{port}/").parse().expect("a URL");
    let webhook = url::Kind::Webhook(Secret::new("a secret of the webhook".to_owned()));
    Way::Url(url::Options { url, kind: if way == 0 { webhook } else { url::Kind::Emulator }, ca_file: None })
}

fn other_pool(port: u16) -> Way {
    Way::MigrateFrom(migrate_from::Options {
        endpoint: format!("http://127.0.0.1:{port}").parse().expect("a URL"),
        region: "eu-west-1".to_owned(),
        pool: "eu-west-1_Other".to_owned(),
        client: "client".to_owned(),
        client_secret: Some(Secret::new("secret".to_owned())),
        access_key: Some(migrate_from::AccessKey {
            id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: Secret::new("secret".to_owned()),
        }),
        attributes: vec!["*".to_owned()],
        ca_file: None,
    })
}
