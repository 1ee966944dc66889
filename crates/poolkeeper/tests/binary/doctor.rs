//! `doctor` and `migrate`, and what `ready` says of a database that does not answer.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use cluster::Scratch;
use serde_json::{Value, json};

use crate::support::{Program, call, get, run, serve};

/// What a check found: status, words, advice.
type Checks = BTreeMap<String, (String, String, String)>;

/// Runs `doctor --json`: whether it failed, and each check.
fn doctor(arguments: &[&str], environment: &[(&str, &str)]) -> (bool, Checks) {
    let arguments: Vec<&str> = ["doctor", "--json"].into_iter().chain(arguments.iter().copied()).collect();
    let (code, output, error) = run(&arguments, environment);
    let report: Value = serde_json::from_str(&output).unwrap_or_else(|_| panic!("{output} {error}"));
    let checks = report.get("checks").and_then(Value::as_array).unwrap().iter().map(|check| {
        let text = |name: &str| check[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(check["advice"].is_null(), text("status") == "ok", "{check}");
        (text("check"), (text("status"), text("found"), text("advice")))
    });
    let checks: Checks = checks.collect();
    let is_broken = checks.values().any(|(status, ..)| status == "problem");
    assert_eq!(
        (report.get("healthy").and_then(Value::as_bool), code),
        (Some(!is_broken), Some(i32::from(is_broken))),
        "{error}"
    );
    assert_eq!(error.contains("problem"), is_broken, "{error}");
    (is_broken, checks)
}

#[track_caller]
fn assert_check(checks: &Checks, check: &str, status: &str, words: &str) {
    let (found_status, found, advice) = checks.get(check).unwrap_or_else(|| panic!("no {check} in {checks:?}"));
    let text = format!("{found}. {advice}");
    assert!(found_status == status && text.contains(words), "{check}: {found_status}: {text}");
}

/// A data directory with an access key in it, and the master key.
fn prepared() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let (_, master, _) = run(&["keys", "generate-master"], &[]);
    let master = master.trim().to_owned();
    let arguments = ["keys", "create", "--data-dir", folder.path().to_str().unwrap()];
    assert_eq!(run(&arguments, &[("POOLKEEPER_MASTER_KEY", &master)]).0, Some(0));
    (folder, master)
}

/// A change made behind the server's back.
fn meddle(folder: &Path, sql: &str) {
    rusqlite::Connection::open(folder.join("poolkeeper.db")).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn every_check_is_a_line_and_none_stops_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("none");
    let (code, output, error) = run(&["doctor", "--data-dir", data.to_str().unwrap()], &[]);
    assert_eq!((code, error.trim()), (Some(1), "poolkeeper: there is a problem"));
    let statuses = ["ok", "warning", "problem", "skipped"];
    for line in output.lines() {
        assert!(statuses.iter().any(|status| line.starts_with(&format!("{status:<9}"))), "{line}");
        assert!(line.ends_with('.'), "{line}");
    }
    let line = |check: &str| output.lines().find(|line| line.contains(&format!(" {check} "))).unwrap_or_default();
    assert!(line("master_key").starts_with("problem") && line("master_key").contains("generate-master"), "{output}");
    assert!(line("database").starts_with("warning") && line("database").contains("--data-dir"), "{output}");
    assert!(line("smtp").starts_with("skipped"), "{output}");
    assert!(!data.exists(), "nothing was made");
}

#[test]
fn a_configuration_that_cannot_be_read_is_the_only_thing_to_tell() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("poolkeeper.toml");
    fs::write(&file, "[email.smtp]\nhost = \"mail\"\npassword = 424242\n").unwrap();
    let (is_broken, checks) = doctor(&["--config", file.to_str().unwrap()], &[]);
    assert!(is_broken);
    assert_check(&checks, "configuration", "problem", "poolkeeper.toml:3:");
    assert_check(&checks, "everything_else", "skipped", "");
    assert!(!format!("{checks:?}").contains("424242"), "{checks:?}");
    // What is wrong in one place keeps nobody from looking at the others.
    fs::write(&file, "[server]\naccount_id = \"1\"\n[keys]\nmaster_key_file = \"none\"\n").unwrap();
    let (_, checks) = doctor(&["--config", file.to_str().unwrap(), "--data-dir", "/no/such/directory"], &[]);
    assert_check(&checks, "configuration", "problem", "twelve digits");
    assert_check(&checks, "master_key", "problem", "cannot read the master key");
    assert_check(&checks, "data_directory", "warning", "there is no");
}

#[test]
fn a_server_at_work_is_looked_at_without_being_disturbed() {
    let (folder, master) = prepared();
    let data = folder.path().to_str().unwrap();
    let environment = [("POOLKEEPER_MASTER_KEY", master.as_str())];
    let mut program = Program::start(&["dev", "--listen", "127.0.0.1:0", "--data-dir", data], &environment);
    let address = program.address();
    let (status, pool) = call(&address, "CreateUserPool", &json!({"PoolName": "x"}));
    assert_eq!(status, 200, "{pool}");
    let (is_broken, checks) = doctor(&["--data-dir", data, "--base-url", "http://127.0.0.1:9229"], &environment);
    assert!(!is_broken, "{checks:?}");
    for check in ["configuration", "base_url", "master_key", "data_directory", "schema", "restore", "outbox"] {
        assert_check(&checks, check, "ok", "");
    }
    assert_check(&checks, "database", "ok", "SQLite");
    assert_check(&checks, "master_key_of_data", "ok", "sealed with this master key");
    assert!(checks.get("signing_keys").unwrap().1.contains("of 1 pool"), "{checks:?}");
    assert_check(&checks, "access_keys", "ok", "1 key");
    assert_eq!(call(&address, "CreateUserPool", &json!({"PoolName": "y"})).0, 200);
    assert_eq!(program.stop(), Some(0));
}

#[test]
fn a_key_for_user_pools_must_be_among_the_keys() {
    let (folder, master) = prepared();
    let data = folder.path().to_str().unwrap();
    let environment = [("POOLKEEPER_MASTER_KEY", master.as_str())];
    meddle(folder.path(), "DELETE FROM access_keys");
    let look_after = |only: &str| {
        let arguments = ["keys", "create", "--data-dir", data, "--only", only];
        assert_eq!(run(&arguments, &environment).0, Some(0));
        doctor(&["--data-dir", data], &environment).1
    };
    assert_check(&look_after("kms:Decrypt"), "access_keys", "warning", "there is none for user pools");
    let checks = look_after("cognito-idp:Admin*");
    assert_check(&checks, "access_keys", "ok", "2 keys, 2 of them for some operations only");
}

#[test]
fn what_is_wrong_in_the_data_is_told() {
    let (folder, master) = prepared();
    let data = folder.path().to_str().unwrap();
    let environment = [("POOLKEEPER_MASTER_KEY", master.as_str())];
    let look = || doctor(&["--data-dir", data], &environment).1;
    assert_check(&look(), "signing_keys", "warning", "the stock is empty");
    meddle(folder.path(), "INSERT INTO meta VALUES ('restore-in-progress', 'begun by a test')");
    assert_check(&look(), "restore", "problem", "begun by a test");
    let messages = "INSERT INTO messages VALUES ('a', 'p', 0, 0, 1000, 1, ''), ('b', 'p', 2, 0, 1000, 1, '')";
    meddle(folder.path(), messages);
    assert_check(&look(), "outbox", "problem", "1 message on the way, the oldest for");
    assert_check(&look(), "outbox", "problem", "1 message given up");

    // Another key: what it was sealed with, and what it does not open.
    let (_, other, _) = run(&["keys", "generate-master"], &[]);
    let (_, checks) = doctor(&["--data-dir", data], &[("POOLKEEPER_MASTER_KEY", other.trim())]);
    assert_check(&checks, "master_key_of_data", "problem", "not the master key");
    assert_check(&checks, "access_keys", "problem", "cannot be opened");
    assert_check(&checks, "schema", "ok", "");

    meddle(folder.path(), "DELETE FROM access_keys");
    assert_check(&look(), "access_keys", "warning", "poolkeeper keys create");
    meddle(folder.path(), "INSERT INTO migrations VALUES (900, 'later', '0')");
    assert_check(&look(), "schema", "problem", "newer Poolkeeper");
    fs::write(folder.path().join("poolkeeper.db"), "x".repeat(10_000)).unwrap();
    assert_check(&look(), "database", "problem", "not a database");
}

#[test]
fn pools_that_cannot_sign_are_named() {
    let (folder, master) = prepared();
    let data = folder.path().to_str().unwrap();
    let environment = [("POOLKEEPER_MASTER_KEY", master.as_str())];
    let mut program = Program::start(&["dev", "--listen", "127.0.0.1:0", "--data-dir", data], &environment);
    let (_, pool) = call(&program.address(), "CreateUserPool", &json!({"PoolName": "x"}));
    let id = pool["UserPool"]["Id"].as_str().unwrap().to_owned();
    assert_eq!(program.stop(), Some(0));
    meddle(folder.path(), &format!("DELETE FROM signing_keys WHERE pool_id = '{id}'"));
    let (_, checks) = doctor(&["--data-dir", data], &environment);
    assert_check(&checks, "signing_keys", "problem", &format!("1 pool without both of its keys, such as {id}"));
}

#[test]
#[cfg(unix)]
fn files_that_others_can_read_are_named() {
    use std::os::unix::fs::PermissionsExt;

    let (folder, master) = prepared();
    let file = folder.path().join("key");
    fs::write(&file, &master).unwrap();
    let look = |mode: u32| {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let environment = [("POOLKEEPER_MASTER_KEY_FILE", file.to_str().unwrap())];
        doctor(&["--data-dir", folder.path().to_str().unwrap()], &environment).1
    };
    assert_check(&look(0o600), "master_key", "ok", "nobody else can read");
    assert_check(&look(0o640), "master_key", "warning", "chmod 600");
}

#[test]
fn certificates_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("poolkeeper.toml");
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/tests/data/test-only-");
    let look = |key: &str| {
        let text = format!("[server]\ntls_certificate = \"{data}certificate.pem\"\ntls_key = \"{data}{key}\"\n");
        fs::write(&file, text).unwrap();
        doctor(&["--config", file.to_str().unwrap(), "--data-dir", "/no/such/directory"], &[]).1
    };
    assert_check(&look("key.pem"), "tls_certificate", "ok", "more days");
    assert_check(&look("other-key.pem"), "tls_certificate", "problem", "key belongs to the certificate");
}

/// A mail server of a few lines for one connection, which answers AUTH so.
fn mail_server(auth: &'static str) -> (u16, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = Vec::new();
        stream.write_all(b"220 test\r\n").unwrap();
        for line in BufReader::new(stream.try_clone().unwrap()).lines() {
            let Ok(line) = line else { break };
            let command = line.split_ascii_whitespace().next().unwrap_or_default().to_owned();
            let answer = match command.as_str() {
                "EHLO" => "250-test\r\n250 AUTH PLAIN LOGIN",
                "AUTH" => auth,
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            heard.push(command);
            if stream.write_all(format!("{answer}\r\n").as_bytes()).is_err() {
                break;
            }
        }
        heard
    });
    (port, thread)
}

#[test]
fn the_mail_server_is_greeted_and_gets_no_mail() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("poolkeeper.toml");
    let look = |port: u16| {
        let text = format!(
            "[email]\nsender = \"smtp\"\nfrom = \"a@example.com\"\n[email.smtp]\nhost = \"127.0.0.1\"\nport = {port}\n\
             encryption = \"none\"\nusername = \"keeper\"\npassword = \"hunter2\"\n"
        );
        fs::write(&file, text).unwrap();
        let (_, checks) = doctor(&["--config", file.to_str().unwrap(), "--data-dir", "/no/such/directory"], &[]);
        assert!(!format!("{checks:?}").contains("hunter2"), "{checks:?}");
        checks
    };
    let (port, server) = mail_server("235 welcome");
    assert_check(&look(port), "smtp", "ok", "");
    assert_eq!(server.join().unwrap(), ["EHLO", "AUTH", "NOOP", "QUIT"]);
    let (port, server) = mail_server("535 who?");
    assert_check(&look(port), "smtp", "problem", "check username, password");
    assert!(!server.join().unwrap().contains(&"MAIL".to_owned()));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_check(&look(nobody), "smtp", "problem", "no connection to the mail server");
}

/// What SES, KMS, CloudWatch Logs and S3 say, as long as requests are signed.
fn services_of_aws(head: &str, _: &str) -> (u16, &'static str) {
    assert!(head.contains("AWS4-HMAC-SHA256"), "{head}");
    if head.starts_with("GET /v2/email/account") {
        (200, r#"{"SendingEnabled": true, "ProductionAccessEnabled": false}"#)
    } else if head.contains("TrentService.DescribeKey") {
        (400, r#"{"__type": "AccessDeniedException", "message": "no"}"#)
    } else if head.contains("Logs_20140328.DescribeLogStreams") {
        (400, r#"{"__type": "ResourceNotFoundException", "message": "There is no such group."}"#)
    } else {
        (200, "")
    }
}

/// Whoever takes messages, events and logs is looked at, and gets none.
#[test]
fn receivers_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("poolkeeper.toml");
    fs::write(folder.path().join("secret"), "a secret of a webhook\n").unwrap();
    let arguments = ["--config", file.to_str().unwrap(), "--data-dir", "/no/such/directory"];
    let nowhere = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ];
    let look = |text: &str| {
        fs::write(&file, text).unwrap();
        let (_, checks) = doctor(&arguments, &nowhere);
        assert!(!format!("{checks:?}").contains("a secret"), "{checks:?}");
        checks
    };
    let checks = look("");
    assert_check(&checks, "sms", "skipped", "Set sms.sender");
    for check in ["kms_keys", "analytics", "log_destinations", "named_by_pools"] {
        assert!(!checks.contains_key(check), "{check}");
    }

    let port = serve(services_of_aws);
    let aws = format!(
        "aws = {{ region = \"eu-west-1\", endpoint = \"http://127.0.0.1:{port}\", access_key_id = \"A\", \
         secret_access_key_file = \"secret\" }}\n"
    );
    let sections = format!(
        "[email]\nsender = \"ses\"\nfrom = \"a@example.com\"\n{aws}\
         [sms]\nsender = \"webhook\"\nurl = \"http://127.0.0.1:{port}/send\"\nsecret_file = \"secret\"\n\
         [[kms_keys]]\narn = \"arn:aws:kms:eu-west-1:123456789012:key/a\"\nkind = \"aws\"\n{aws}\
         [analytics]\nkind = \"file\"\npath = \"events.jsonl\"\n\
         [[log_destinations]]\narn = \"arn:aws:logs:eu-west-1:123456789012:log-group:a\"\nkind = \"aws\"\n{aws}\
         [[log_destinations]]\narn = \"arn:aws:s3:::users\"\nkind = \"aws\"\n{aws}"
    );
    let checks = look(&sections);
    assert_check(&checks, "ses", "warning", "Ask for production access");
    assert_check(&checks, "sms", "ok", "nothing was sent");
    assert_check(&checks, "kms_keys", "ok", "for want of the right kms:DescribeKey");
    assert_check(&checks, "analytics", "ok", "events.jsonl can be written to");
    assert_check(&checks, "log_destinations", "problem", "There is no such group");
    assert_check(&checks, "log_destinations", "problem", "arn:aws:s3:::users: AWS has it");

    // Nobody there, no credentials, nowhere to write.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fs::write(folder.path().join("events.jsonl"), "").unwrap();
    let checks = look(&format!(
        "[email]\nsender = \"file\"\nfrom = \"a@example.com\"\nfile = \"events.jsonl\"\n\
         [sms]\nsender = \"sns\"\naws = {{ region = \"eu-west-1\" }}\n\
         [analytics]\nkind = \"otlp\"\nurl = \"http://{nobody}/v1/logs\"\n\
         [[kms_keys]]\narn = \"*\"\nkind = \"local\"\n\
         [[log_destinations]]\narn = \"*\"\nkind = \"file\"\npath = \"none/logs.jsonl\"\n"
    ));
    assert_check(&checks, "email_file", "warning", "chmod 600");
    assert_check(&checks, "sms", "problem", "Set AWS_ACCESS_KEY_ID");
    assert_check(&checks, "analytics", "problem", "nobody can be reached at 127.0.0.1");
    assert_check(&checks, "kms_keys", "ok", "stands in for KMS");
    assert_check(&checks, "log_destinations", "problem", "is no folder");
}

/// In `dev` pools may name anything; `serve` needs entries in its configuration.
#[test]
fn what_pools_name_is_looked_for_in_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::dev(folder.path());
    let address = program.address();
    let key = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555";
    let group = "arn:aws:logs:us-east-1:123456789012:log-group:users";
    let sender = json!({"LambdaVersion": "V1_0", "LambdaArn": "arn:aws:lambda:us-east-1:123456789012:function:send"});
    let functions = json!({"CustomEmailSender": sender, "KMSKeyID": key});
    let (status, made) = call(&address, "CreateUserPool", &json!({"PoolName": "p", "LambdaConfig": functions}));
    assert_eq!(status, 200, "{made}");
    let request = json!({"UserPoolId": made["UserPool"]["Id"], "LogConfigurations": [{
        "EventSource": "userNotification", "LogLevel": "ERROR", "CloudWatchLogsConfiguration": {"LogGroupArn": group},
    }]});
    let (status, answer) = call(&address, "SetLogDeliveryConfiguration", &request);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(program.stop(), Some(0));
    let data = folder.path().to_str().unwrap();
    let (_, checks) = doctor(&["--data-dir", data], &[]);
    assert_check(&checks, "named_by_pools", "problem", &format!("that go to {group}; functions"));
    assert_check(&checks, "named_by_pools", "problem", &format!("{key}. Add them to [[log_destinations]]"));
    let file = folder.path().join("poolkeeper.toml");
    fs::write(
        &file,
        "[[kms_keys]]\narn = \"*\"\nkind = \"local\"\n[[log_destinations]]\narn = \"arn:aws:logs:*\"\nkind = \"file\"\npath = \"a\"\n",
    )
    .unwrap();
    let (_, checks) = doctor(&["--data-dir", data, "--config", file.to_str().unwrap()], &[]);
    assert_check(&checks, "named_by_pools", "ok", "every key that a pool names");
    assert_check(&checks, "log_destinations", "ok", "can be written to");
}

#[test]
fn a_database_across_a_network_that_is_away_is_told_without_its_password() {
    let (_, master, _) = run(&["keys", "generate-master"], &[]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://keeper:hunter2@{nobody}/x");
    let environment = [("POOLKEEPER_MASTER_KEY", master.trim()), ("POOLKEEPER_STORE", url.as_str())];
    let (is_broken, checks) = doctor(&[], &environment);
    assert!(is_broken && !format!("{checks:?}").contains("hunter2"), "{checks:?}");
    assert_check(&checks, "database", "problem", "cannot be reached");
    assert_check(&checks, "data", "skipped", "Mend the connection first");
    assert_check(&checks, "smtp", "skipped", "");
    let (code, output, error) = run(&["migrate", "--dry-run"], &environment);
    assert!(code == Some(1) && output.is_empty() && !error.contains("hunter2"), "{output} {error}");
}

#[test]
fn a_database_across_a_network_is_migrated_and_then_in_order() {
    let Some(scratch) = Scratch::from_environment().unwrap() else { return };
    let (_, master, _) = run(&["keys", "generate-master"], &[]);
    let url = scratch.url();
    let password = url.split(['@', ':']).nth(2).unwrap_or_default().to_owned();
    let environment = [("POOLKEEPER_MASTER_KEY", master.trim()), ("POOLKEEPER_STORE", url.as_str())];
    let tables = || scratch.sql("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()").unwrap();
    let look = || {
        let (_, checks) = doctor(&[], &environment);
        assert!(password.is_empty() || !format!("{checks:?}").contains(&password), "{checks:?}");
        checks
    };
    let checks = look();
    assert_check(&checks, "schema", "warning", "poolkeeper migrate");
    assert!(!checks.contains_key("outbox"));
    let (code, script, _) = run(&["migrate", "--dry-run"], &environment);
    assert!(code == Some(0) && script.contains("-- migration 1: ") && script.contains("CREATE TABLE"), "{script}");
    assert_eq!(tables(), "0", "only told");
    let (code, done, error) = run(&["migrate"], &environment);
    assert!(code == Some(0) && done.contains("applied migration 1, ") && !done.contains(&url), "{done} {error}");
    assert_ne!(tables(), "0");
    for (arguments, start) in [(&["migrate"][..], "postgres://"), (&["migrate", "--dry-run"], "-- postgres://")] {
        let (code, nothing, _) = run(arguments, &environment);
        assert!(code == Some(0) && nothing.starts_with(start) && nothing.contains("is up to date"), "{nothing}");
    }

    assert_eq!(run(&["keys", "create"], &environment).0, Some(0));
    let checks = look();
    for check in ["isolation", "clock", "schema", "restore", "access_keys", "outbox", "connections"] {
        assert_check(&checks, check, "ok", "");
    }
    assert_check(&checks, "database", "ok", "takes changes");
    assert_check(&checks, "prepared_statements", "ok", "they work");
    assert_check(&checks, "master_key_of_data", "ok", "");
    let is_safe = scratch.sql("SHOW fsync").unwrap() == "on";
    assert_check(&checks, "durability", if is_safe { "ok" } else { "problem" }, "fsync");

    let name = scratch.sql("SELECT current_database()").unwrap();
    scratch.sql(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).unwrap();
    assert_check(&look(), "database", "problem", "default_transaction_read_only");
}

#[test]
fn a_file_is_migrated_too() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = |rest: &[&'static str]| {
        let mut all = vec!["migrate".to_owned(), "--data-dir".to_owned(), data.display().to_string()];
        all.extend(rest.iter().map(ToString::to_string));
        all
    };
    let migrate = |rest: &[&'static str]| {
        let all = arguments(rest);
        run(&all.iter().map(String::as_str).collect::<Vec<_>>(), &[])
    };
    let (code, script, _) = migrate(&["--dry-run"]);
    assert!(code == Some(0) && script.contains("WITHOUT ROWID"), "in the words of this engine: {script}");
    assert!(!data.exists());
    let (code, done, _) = migrate(&[]);
    assert!(code == Some(0) && done.contains("applied migration 1, "), "{done}");
    assert!(migrate(&[]).1.contains("is up to date"));
    let (code, _, error) = run(&["migrate", "--store", "sqlite::memory:"], &[]);
    assert!(code == Some(1) && error.contains("in memory"), "{error}");
}

#[test]
fn a_database_that_does_not_answer_makes_a_server_not_ready_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::dev(folder.path());
    let address = program.address();
    assert_eq!(get(&address, "/_poolkeeper/ready"), (200, json!({"status": "ready"})));
    let other = rusqlite::Connection::open(folder.path().join("poolkeeper.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let (answer, took) = loop {
        let began = Instant::now();
        let answer = get(&address, "/_poolkeeper/ready");
        // What was found before holds for a moment.
        if answer.0 == 503 {
            break (answer, began.elapsed());
        }
        assert!(Instant::now() < deadline, "{answer:?}");
    };
    assert_eq!(answer.1["status"], "not ready");
    assert!(answer.1["reason"].as_str().unwrap().contains("no answer within 2 seconds"), "{answer:?}");
    assert!(took < Duration::from_secs(5), "the store's own patience is longer: {took:?}");
    assert_eq!(get(&address, "/_poolkeeper/health").0, 200);
    drop(other);
    while get(&address, "/_poolkeeper/ready").0 != 200 {
        assert!(Instant::now() < deadline, "it does not become ready again");
    }
    assert_eq!(program.stop(), Some(0));
}
