//! `messages list`, `show`, `requeue` and `drop`, and senders that write lines and post.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{self, Program, call};

const PATIENCE: Duration = Duration::from_secs(30);

/// A mail server on a free port that answers this to every RCPT; with `250 …` it takes mails and hands them out.
fn mail_server(answer: &'static str) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, mails) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut write, sender) = (stream.unwrap(), sender.clone());
            std::thread::spawn(move || {
                let mut lines = BufReader::new(write.try_clone().unwrap()).lines().map_while(Result::ok);
                _ = write.write_all(b"220 test\r\n");
                while let Some(line) = lines.next() {
                    let told = match line.split(' ').next().unwrap() {
                        "RCPT" => answer,
                        "DATA" => {
                            _ = write.write_all(b"354 go on\r\n");
                            let mail: Vec<String> = lines.by_ref().take_while(|line| line != ".").collect();
                            _ = sender.send(mail.join("\n"));
                            "250 taken"
                        }
                        _ => "250 ok",
                    };
                    _ = write.write_all(format!("{told}\r\n").as_bytes());
                }
            });
        }
    });
    (port, mails)
}

/// A server in `dev` with this configuration.
fn start(folder: &Path, configuration: &str) -> Program {
    let file = folder.join("poolkeeper.toml");
    fs::write(&file, configuration).unwrap();
    let (data, file) = (folder.join("data"), file.to_str().unwrap().to_owned());
    let arguments = ["dev", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap(), "--config", &file];
    Program::start(&arguments, &[])
}

fn smtp(port: u16) -> String {
    format!(
        "[email]\nsender = \"smtp\"\nfrom = \"no-reply@example.com\"\n[email.smtp]\nhost = \"127.0.0.1\"\nport = {port}\nencryption = \"none\"\n"
    )
}

fn pool(address: &str) -> String {
    let (_, made) = call(address, "CreateUserPool", &json!({"PoolName": "p"}));
    made.pointer("/UserPool/Id").unwrap().as_str().unwrap().to_owned()
}

/// Makes users who are invited by this medium.
fn invite(address: &str, pool: &str, numbers: std::ops::Range<u32>, medium: &str) {
    for number in numbers {
        let attribute = match medium {
            "EMAIL" => json!({"Name": "email", "Value": format!("user-{number}@example.com")}),
            _ => json!({"Name": "phone_number", "Value": format!("+4915112345{number:03}")}),
        };
        let request = json!({
            "UserPoolId": pool, "Username": format!("{medium}-{number}"), "TemporaryPassword": "Temporary-1",
            "UserAttributes": [attribute], "DesiredDeliveryMediums": [medium],
        });
        let (status, answer) = call(address, "AdminCreateUser", &request);
        assert_eq!(status, 200, "{answer}");
    }
}

fn messages(data: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    support::run(&[&["messages"], arguments, &["--data-dir", data]].concat(), &[])
}

fn listed(data: &str, arguments: &[&str]) -> Vec<Value> {
    let (code, text, error) = messages(data, &[&["list"], arguments].concat());
    assert_eq!(code, Some(0), "{error}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn messages_that_were_given_up_are_shown_sent_again_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let (refusing, _) = mail_server("550 <user-1@example.com> is unknown");
    let mut program = start(folder.path(), &smtp(refusing));
    let address = program.address();
    let (one, other) = (pool(&address), pool(&address));
    invite(&address, &one, 0..3, "EMAIL");
    invite(&address, &other, 3..4, "EMAIL");
    // Servers may be at work.
    until("all are dead", || listed(data, &["--state", "dead"]).len() == 4);
    assert_eq!(program.stop(), Some(0));

    let dead = listed(data, &["--user-pool-id", &one]);
    assert_eq!(dead.len(), 3);
    assert_eq!(listed(data, &["--limit", "2"]).len(), 2);
    assert_eq!(listed(data, &["--state", "pending"]).len(), 0);
    let newest = dead.first().unwrap();
    let expected = json!({
        "State": "dead", "Medium": "EMAIL", "Purpose": "AdminCreateUser", "Destination": "u***@e***", "Tries": 1,
        "LastError": "the mail server answered 550", "UserPoolId": one, "Username": "EMAIL-2",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&newest[key], value, "{key}");
    }
    let id = newest["Id"].as_str().unwrap();
    let (code, text, error) = messages(data, &["show", id]);
    assert_eq!((code, serde_json::from_str::<Value>(&text).unwrap()), (Some(0), newest.clone()), "{error}");
    for text in [text, dead.iter().map(ToString::to_string).collect()] {
        assert!(!text.contains("Temporary-1") && !text.contains("@example.com"), "{text}");
    }
    for command in ["show", "requeue", "drop"] {
        let (code, _, error) = messages(data, &[command, "none-such"]);
        assert!(code == Some(1) && error.contains("there is no message none-such"), "{error}");
    }

    let (code, text, error) = messages(data, &["requeue", id]);
    assert_eq!((code, text.trim()), (Some(0), "1 messages are tried again"), "{error}");
    let (code, _, error) = messages(data, &["requeue", id]);
    assert!(code == Some(1) && error.contains("is pending"), "{error}");
    let (code, text, error) = messages(data, &["requeue", "--user-pool-id", &one]);
    assert_eq!((code, text.trim()), (Some(0), "2 messages are tried again"), "{error}");
    assert!(error.contains("4 of 4 rows"), "{error}");
    assert_eq!(listed(data, &["--state", "pending"]).len(), 3);
    let (code, text, error) = messages(data, &["drop"]);
    assert_eq!((code, text.trim()), (Some(0), "1 messages are removed"), "{error}");
    assert_eq!(listed(data, &["--user-pool-id", &other]).len(), 0);

    let (taking, mails) = mail_server("250 ok");
    let mut program = start(folder.path(), &smtp(taking));
    program.address();
    let mut to: Vec<String> = (0..3).map(|_| mails.recv_timeout(PATIENCE).unwrap()).collect();
    to.sort_by_key(|mail| mail.find("user-").map(|start| mail[start..].to_owned()));
    for (number, mail) in to.iter().enumerate() {
        assert!(mail.contains(&format!("To: user-{number}@example.com")) && mail.contains("Temporary-1"), "{mail}");
    }
    // Kept for the inbox.
    until("they are sent", || listed(data, &["--state", "sent"]).len() == 3);
    assert_eq!(program.stop(), Some(0));
    let (code, text, error) = messages(data, &["drop", "--state", "sent"]);
    assert_eq!((code, text.trim()), (Some(0), "3 messages are removed"), "{error}");
}

#[test]
fn a_file_takes_mails_and_a_webhook_text_messages() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sms.secret"), "a secret of the webhook\n").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/sms", listener.local_addr().unwrap());
    let mut program = start(
        folder.path(),
        &format!(
            "[email]\nsender = \"file\"\nfrom = \"no-reply@example.com\"\nfile = \"mails.jsonl\"\n\
             [sms]\nsender = \"webhook\"\nurl = \"{url}\"\nsecret_file = \"sms.secret\"\nmessages_per_second = 100\n"
        ),
    );
    let address = program.address();
    let pool = pool(&address);
    invite(&address, &pool, 0..1, "EMAIL");
    let path = folder.path().join("mails.jsonl");
    until("a line is there", || fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n')));
    let line: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(
        (&line["to"], &line["from"], &line["medium"], &line["subject"]),
        (
            &json!("user-0@example.com"),
            &json!("no-reply@example.com"),
            &json!("EMAIL"),
            &json!("Your temporary password")
        )
    );
    assert!(line["body"].as_str().unwrap().contains("Temporary-1"));

    invite(&address, &pool, 0..1, "SMS");
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = String::new();
    let body = loop {
        let mut piece = [0; 4_096];
        let read = stream.read(&mut piece).unwrap();
        assert_ne!(read, 0, "{text}");
        text += std::str::from_utf8(&piece[..read]).unwrap();
        let found = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str::<Value>(body).ok());
        if let Some(body) = found {
            break body;
        }
    };
    stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert!(text.to_ascii_lowercase().contains("\r\nx-poolkeeper-signature: v1="), "{text}");
    assert_eq!(
        (&body["to"], &body["poolId"], &body["purpose"]),
        (&json!("+4915112345000"), &json!(pool), &json!("AdminCreateUser"))
    );
    assert!(body["text"].as_str().unwrap().contains("Temporary-1"));
    let data = folder.path().join("data");
    until("it is sent", || listed(data.to_str().unwrap(), &["--state", "sent"]).len() == 2);
    assert_eq!(program.stop(), Some(0));
    assert!(!program.log().contains("Temporary-1") && !program.log().contains("a secret of the webhook"));
}

/// The log of a pool, in the log group that it names, as CloudWatch Logs is told.
#[test]
fn a_message_that_was_given_up_is_in_the_log_of_its_pool() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("aws.secret"), "hunter2").unwrap();
    let (refusing, _) = mail_server("550 <user-1@example.com> is unknown");
    let (sender, requests) = channel();
    let mut answers = vec![(400, r#"{"__type": "ResourceNotFoundException"}"#)];
    let logs = support::serve(move |head, body| {
        let targets = head.lines().find_map(|line| line.split_once("Logs_20140328."));
        let target = targets.map(|(_, target)| target.to_owned()).unwrap_or_default();
        assert!(head.contains("/eu-central-1/logs/aws4_request"), "{head}");
        sender.send((target, serde_json::from_str::<Value>(body).unwrap())).unwrap();
        answers.pop().unwrap_or((200, "{}"))
    });
    let configuration = format!(
        "{}[[log_destinations]]\narn = \"arn:aws:logs:*\"\nkind = \"aws\"\naws = {{ endpoint = \"http://127.0.0.1:{logs}\", \
         access_key_id = \"AKIAEXAMPLE\", secret_access_key_file = \"aws.secret\" }}\n",
        smtp(refusing)
    );
    let mut program = start(folder.path(), &configuration);
    let address = program.address();
    let pool = pool(&address);
    let group = "arn:aws:logs:eu-central-1:123456789012:log-group:/shop/users";
    let request = json!({"UserPoolId": pool, "LogConfigurations": [{
        "EventSource": "userNotification", "LogLevel": "ERROR", "CloudWatchLogsConfiguration": {"LogGroupArn": group},
    }]});
    let (status, answer) = call(&address, "SetLogDeliveryConfiguration", &request);
    assert_eq!(status, 200, "{answer}");
    invite(&address, &pool, 1..2, "EMAIL");
    let stream = json!({"logGroupName": "/shop/users", "logStreamName": pool});
    for expected in ["PutLogEvents", "CreateLogStream", "PutLogEvents"] {
        let (target, mut body) = requests.recv_timeout(PATIENCE).unwrap();
        assert_eq!(target, expected);
        let events = body.as_object_mut().unwrap().remove("logEvents");
        assert_eq!(body, stream);
        let Some(events) = events else { continue };
        let record: Value = serde_json::from_str(events[0]["message"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&record["eventSource"], &record["logSourceId"]),
            (&json!("USER_NOTIFICATION"), &json!({"userPoolId": pool}))
        );
        assert_eq!(record["eventTimestamp"], events[0]["timestamp"].to_string());
        assert!(!record.to_string().contains("user-1@"), "{record}");
    }
    assert_eq!(program.stop(), Some(0));
}
