//! The built program: what it prints, what it refuses, how it ends.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "another process is waited for, in real time")]

#[path = "binary/doctor.rs"]
mod doctor;
#[path = "binary/draining.rs"]
mod draining;
#[path = "binary/messages.rs"]
mod messages;
#[path = "binary/migrating.rs"]
mod migrating;
#[path = "binary/moving.rs"]
mod moving;
#[path = "binary/reshaping.rs"]
mod reshaping;
#[path = "binary/rotating.rs"]
mod rotating;
#[path = "binary/seeding.rs"]
mod seeding;
mod support;
#[path = "binary/templates.rs"]
mod templates;
#[path = "binary/transferring.rs"]
mod transferring;

use std::{fs, net::TcpListener, time::Duration};

use serde_json::{Value, json};
use support::{Program, call, call_with, get, send};

#[test]
fn dev_says_where_it_is_and_what_to_type() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::dev(folder.path());
    let address = program.address();
    let first = program.line(0);
    assert_eq!(first, format!("Poolkeeper {} (dev) listening on {address}", env!("CARGO_PKG_VERSION")));
    let text = program.output_until("--no-sign-request");
    assert!(text.contains(&format!("Inbox   {address}/_poolkeeper/inbox")), "{text}");
    assert!(
        text.contains(&format!("aws cognito-idp create-user-pool --pool-name demo --endpoint-url {address}")),
        "{text}"
    );
    let (status, health) = get(&address, "/_poolkeeper/health");
    assert_eq!((status, &health["status"]), (200, &json!("ok")));
    // What the printed line does.
    let (status, pool) = call(&address, "CreateUserPool", &json!({"PoolName": "demo"}));
    assert_eq!(status, 200, "{pool}");
    assert!(pool["UserPool"]["Id"].as_str().unwrap().starts_with("us-east-1_"));
    assert_eq!(get(&address, "/_poolkeeper/inbox").0, 200);
    assert_eq!(program.stop(), Some(0));
}

#[test]
fn dev_needs_no_command_and_keeps_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("a/b");
    let mut program = Program::start(&["--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()], &[]);
    let address = program.address();
    assert_eq!(call(&address, "CreateUserPool", &json!({"PoolName": "kept"})).0, 200);
    assert_eq!(program.stop(), Some(0));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(data.join("master.key")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let mut again = Program::dev(&data);
    let (_, pools) = call(&again.address(), "ListUserPools", &json!({"MaxResults": 10}));
    assert_eq!(pools["UserPools"][0]["Name"], "kept");
    assert_eq!(again.stop(), Some(0));
}

#[test]
fn the_environment_configures_and_options_override_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let environment = [
        ("POOLKEEPER_LISTEN", "127.0.0.1:1"),
        ("POOLKEEPER_DATA_DIR", data),
        ("POOLKEEPER_BASE_URL", "http://pool.test/"),
    ];
    for command in [&["dev", "--listen", "127.0.0.1:0"][..], &["--listen", "127.0.0.1:0"]] {
        let mut program = Program::start(command, &environment);
        let address = program.address();
        let (_, pool) = call(&address, "CreateUserPool", &json!({"PoolName": "x"}));
        let id = pool["UserPool"]["Id"].as_str().unwrap();
        let (_, document) = get(&address, &format!("/{id}/.well-known/openid-configuration"));
        assert_eq!(document["issuer"], format!("http://pool.test/{id}"));
        assert_eq!(program.stop(), Some(0));
    }
}

#[test]
fn a_file_configures_and_wrong_ones_are_refused_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("poolkeeper.toml");
    fs::write(&file, "[server]\nlisten = \"127.0.0.1:0\"\n\n[store]\ndata_dir = \"data\"\n").unwrap();
    let path = file.to_str().unwrap();
    let mut program = Program::start(&["dev", "--config", path], &[]);
    program.address();
    assert!(folder.path().join("data/poolkeeper.db").exists(), "paths start from the file");
    assert_eq!(program.stop(), Some(0));

    fs::write(&file, "[server]\nlisten = \"127.0.0.1:0\"\n\nlissen = 1\n").unwrap();
    for command in [&["dev", "--config", path][..], &["config", "check", "--config", path]] {
        let (code, _, error) = support::run(command, &[]);
        assert_eq!(code, Some(1));
        assert!(error.contains(&format!("{path}:4:")) && error.contains("`lissen`"), "{error}");
        assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    }
    let (code, _, error) = support::run(&["dev", "--config", "/no/such/file"], &[]);
    assert!(code == Some(1) && error.contains("/no/such/file"), "{error}");
}

#[test]
fn config_reference_and_check() {
    let (code, text, _) = support::run(&["config", "reference"], &[]);
    assert_eq!(code, Some(0));
    assert!(text.starts_with("# Configuration\n") && text.contains("POOLKEEPER_MASTER_KEY"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    fs::write(&file, "[server]\ntls_certificate = \"no.pem\"\ntls_key = \"no.key\"\n").unwrap();
    let (code, _, error) = support::run(&["config", "check", "--config", file.to_str().unwrap()], &[]);
    assert!(code == Some(1) && error.contains("no.pem"), "{error}");
    fs::write(&file, "").unwrap();
    let (code, text, _) = support::run(&["config", "check", "--config", file.to_str().unwrap()], &[]);
    assert_eq!((code, text.trim()), (Some(0), "The configuration is good."));
    for (name, value, reason) in [
        ("POOLKEEPER_BASE_URL", "pool.test", "pool.test"),
        ("POOLKEEPER_STORE", "mysql://keeper:secret@localhost/x", "the store's URL"),
        ("POOLKEEPER_STORE", "postgres://keeper:secret@localhost/x?sslmode=prefer", "sslmode=prefer"),
    ] {
        let (code, _, error) = support::run(&["config", "check"], &[(name, value)]);
        assert!(code == Some(1) && error.contains(reason) && !error.contains("secret"), "{error}");
    }
}

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = ["dev", "--listen", &address, "--data-dir", data.to_str().unwrap()];
    let (code, output, error) = support::run(&arguments, &[]);
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(error.contains(&format!("cannot listen on {address}")), "{error}");
    assert!(!data.exists(), "nothing was touched");
}

#[test]
fn a_data_directory_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    // A file where a directory should be: also root is refused.
    let data = file.join("data");
    let (code, output, error) =
        support::run(&["dev", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()], &[]);
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(error.contains(data.to_str().unwrap()) && error.contains("--data-dir"), "{error}");
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Program::dev(folder.path());
    first.address();
    let arguments = ["dev", "--listen", "127.0.0.1:0", "--data-dir", folder.path().to_str().unwrap()];
    let (code, _, error) = support::run(&arguments, &[]);
    assert!(code == Some(1) && error.contains("in use by another server"), "{error}");
    let keys = ["keys", "list", "--data-dir", folder.path().to_str().unwrap()];
    let (code, _, error) = support::run(&keys, &[]);
    assert!(code == Some(1) && error.contains("in use by another server"), "{error}");
    assert_eq!(first.stop(), Some(0));
}

#[test]
fn a_newer_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::dev(folder.path());
    program.address();
    assert_eq!(program.stop(), Some(0));
    let database = rusqlite::Connection::open(folder.path().join("poolkeeper.db")).unwrap();
    database.execute("INSERT INTO migrations (number, name, checksum) VALUES (900, 'later', '0')", []).unwrap();
    drop(database);
    let arguments = ["dev", "--listen", "127.0.0.1:0", "--data-dir", folder.path().to_str().unwrap()];
    let (code, output, error) = support::run(&arguments, &[]);
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(error.contains("newer Poolkeeper") && error.contains("900"), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("poolkeeper.db"), "x".repeat(10_000)).unwrap();
    let arguments = ["dev", "--listen", "127.0.0.1:0", "--data-dir", folder.path().to_str().unwrap()];
    let (code, _, error) = support::run(&arguments, &[]);
    assert!(code == Some(1) && error.contains("not a database"), "{error}");
}

#[test]
fn serve_needs_a_master_key_and_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    let (code, output, error) = support::run(&arguments, &[]);
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(error.contains("POOLKEEPER_MASTER_KEY") && error.contains("poolkeeper keys generate-master"), "{error}");
    assert!(!data.exists());

    let (code, key, _) = support::run(&["keys", "generate-master"], &[]);
    assert_eq!((code, key.trim().split(':').count()), (Some(0), 2));
    let file = folder.path().join("key");
    fs::write(&file, &key).unwrap();
    // From a file, then the same key from the environment.
    for environment in [("POOLKEEPER_MASTER_KEY_FILE", file.to_str().unwrap()), ("POOLKEEPER_MASTER_KEY", key.trim())] {
        let mut program = Program::start(&arguments, &[environment]);
        let address = program.address();
        assert_eq!(program.line(0), format!("Poolkeeper {} (serve) listening on {address}", env!("CARGO_PKG_VERSION")));
        assert_eq!(program.stop(), Some(0));
    }
    let (_, other, _) = support::run(&["keys", "generate-master"], &[]);
    let (code, output, error) = support::run(&arguments, &[("POOLKEEPER_MASTER_KEY", other.trim())]);
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(error.contains("not the master key that the data was sealed with"), "{error}");
    let (code, _, error) = support::run(&arguments, &[("POOLKEEPER_MASTER_KEY", "secret-but-wrong")]);
    assert!(code == Some(1) && !error.contains("secret-but-wrong"), "{error}");
}

#[test]
fn keys_open_a_production_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let (_, master, _) = support::run(&["keys", "generate-master"], &[]);
    let environment = [("POOLKEEPER_MASTER_KEY", master.trim())];
    let create = |label: &str, only: &[&str]| {
        let arguments = [&["keys", "create", "--label", label, "--data-dir", data], only].concat();
        let (code, text, error) = support::run(&arguments, &environment);
        assert_eq!(code, Some(0), "{error}");
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let (used, spare) = (create("terraform", &[]), create("spare", &[]));
    let lists = create("lists", &["--only", "cognito-idp:List*"]);
    let other = create("function", &["--only", "kms:Decrypt,cognito-idp:AdminGetUser", "--only", "cognito-idp:Tag*"]);
    assert_eq!(other["Only"], json!(["kms:Decrypt", "cognito-idp:AdminGetUser", "cognito-idp:Tag*"]));
    let (_, listed, _) = support::run(&["keys", "list", "--data-dir", data], &environment);
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(listed.len(), 4);
    for created in [&used, &spare, &lists, &other] {
        let mut without = created.clone();
        without.as_object_mut().unwrap().remove("SecretAccessKey").unwrap();
        assert!(listed.contains(&without), "{without}");
    }
    assert_eq!((used.get("Only"), &used["Label"]), (None, &json!("terraform")));
    let delete = |id: &Value| support::run(&["keys", "delete", id.as_str().unwrap(), "--data-dir", data], &environment);
    assert_eq!(delete(&spare["AccessKeyId"]).0, Some(0));
    let (code, _, error) = delete(&spare["AccessKeyId"]);
    assert!(code == Some(1) && error.contains("there is no access key"), "{error}");

    let mut program = Program::start(&["serve", "--listen", "127.0.0.1:0", "--data-dir", data], &environment);
    let address = program.address();
    let body = json!({"MaxResults": 1});
    let (status, answer) = call(&address, "ListUserPools", &body);
    assert_eq!((status, &answer["__type"]), (400, &json!("MissingAuthenticationTokenException")));
    let signed = |key: &Value| {
        let (id, secret) = (key["AccessKeyId"].as_str().unwrap(), key["SecretAccessKey"].as_str().unwrap());
        let text = body.to_string();
        let host = address.trim_start_matches("http://").to_owned();
        let target = "AWSCognitoIdentityProviderService.ListUserPools";
        let headers = [("host", host.as_str()), ("x-amz-target", target)];
        let request = crypto::sigv4::SignedRequest {
            method: "POST",
            path: "/",
            query: "",
            headers: &headers,
            body: text.as_bytes(),
        };
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let added = crypto::sigv4::sign(&request, id, secret, None, "us-east-1", i64::try_from(now).unwrap()).unwrap();
        call_with(&address, "ListUserPools", &body, &added)
    };
    assert_eq!(signed(&used), (200, json!({"UserPools": []})));
    assert_eq!(signed(&lists), (200, json!({"UserPools": []})));
    let (status, answer) = signed(&other);
    assert_eq!((status, &answer["__type"]), (400, &json!("AccessDeniedException")));
    let (status, answer) = signed(&spare);
    assert_eq!((status, &answer["__type"]), (400, &json!("UnrecognizedClientException")));
    for path in ["messages", "clock", "inbox", "ready"] {
        assert_eq!(get(&address, &format!("/_poolkeeper/{path}")).0, 404, "{path}");
    }
    assert_eq!(program.stop(), Some(0));
    let log = program.log();
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "a JSON object a line: {log}");
}

#[test]
fn a_key_is_limited_to_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let refused = |only: &str| {
        let arguments = ["keys", "create", "--only", only, "--data-dir", data.to_str().unwrap()];
        let (code, text, error) = support::run(&arguments, &[]);
        assert_eq!((code, text.as_str()), (Some(2), ""), "{only}: {error}");
        error
    };
    let error = refused("kms:Decrypt,cognito-idp:AdminGetUsr");
    assert!(error.contains("'cognito-idp:AdminGetUsr'") && error.contains("cognito-idp:AdminGetUser,"), "{error}");
    assert!(refused("cognito-idp:GetUser").contains("nobody needs an access key"));
    assert!(refused("*").contains("without limits"));
    for nothing in ["", "kms:Decrypt,", "kms:*Decrypt", "s3:*"] {
        assert!(refused(nothing).contains("Did you mean "), "{nothing}");
    }
    assert!(!data.exists());
}

#[test]
fn keys_are_not_looked_for_where_there_is_no_data() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("mistyped");
    let (_, master, _) = support::run(&["keys", "generate-master"], &[]);
    let environment = [("POOLKEEPER_MASTER_KEY", master.trim())];
    for arguments in [vec!["keys", "list"], vec!["keys", "delete", "AKIAX"]] {
        let arguments: Vec<&str> = arguments.into_iter().chain(["--data-dir", data.to_str().unwrap()]).collect();
        let (code, text, error) = support::run(&arguments, &environment);
        assert!(code == Some(1) && text.is_empty() && error.contains("there is no database at"), "{error}");
    }
    assert!(!data.exists());
}

#[test]
fn a_stock_of_keys_has_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("poolkeeper.toml");
    fs::write(&file, "[keys]\nstock = 1000000000\n").unwrap();
    let (code, _, error) = support::run(&["config", "check", "--config", file.to_str().unwrap()], &[]);
    assert!(code == Some(1) && error.contains("keys.stock"), "{error}");
}

#[test]
fn keys_work_on_the_data_of_dev_without_further_ado() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let (code, _, error) = support::run(&["keys", "create", "--data-dir", data], &[]);
    assert!(code == Some(1) && error.contains("generate-master"), "{error}");
    let mut program = Program::dev(folder.path());
    program.address();
    assert_eq!(program.stop(), Some(0));
    assert_eq!(support::run(&["keys", "create", "--data-dir", data], &[]).0, Some(0));
}

#[test]
fn operators_have_a_listener_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    // Port 0 is printed to the log only, so a free port is looked for here.
    let admin = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    fs::write(&file, format!("[server]\nadmin_listen = \"{admin}\"\n")).unwrap();
    let (_, master, _) = support::run(&["keys", "generate-master"], &[]);
    let data = folder.path().join("data");
    let arguments =
        ["serve", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap(), "--config", file.to_str().unwrap()];
    let mut program = Program::start(&arguments, &[("POOLKEEPER_MASTER_KEY", master.trim())]);
    program.address();
    let admin = format!("http://{admin}");
    assert_eq!(get(&admin, "/_poolkeeper/ready"), (200, json!({"status": "ready"})));
    let (status, metrics) = get(&admin, "/metrics");
    assert!(status == 200 && metrics.as_str().unwrap().contains("poolkeeper_store_commits_total"), "{metrics}");
    assert_eq!(get(&admin, "/_poolkeeper/health").0, 200);
    assert_eq!(get(&admin, "/").0, 404);
    assert_eq!(program.stop(), Some(0));
}

#[test]
#[cfg(unix)]
fn requests_under_way_are_answered_before_the_end() {
    use std::io::{Read, Write};

    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::dev(folder.path());
    let address = program.address();
    let body = json!({"PoolName": "last"}).to_string();
    let mut stream = std::net::TcpStream::connect(address.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: AWSCognitoIdentityProviderService.CreateUserPool\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The request has begun; its body comes after the signal.
    std::thread::sleep(Duration::from_millis(200));
    program.signal("TERM");
    std::thread::sleep(Duration::from_millis(200));
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(program.wait(), Some(0));
    let mut again = Program::dev(folder.path());
    let (_, pools) = call(&again.address(), "ListUserPools", &json!({"MaxResults": 10}));
    assert_eq!(pools["UserPools"][0]["Name"], "last");
}

#[test]
fn a_store_in_memory_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments =
        ["dev", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap(), "--store", "sqlite::memory:"];
    let mut program = Program::start(&arguments, &[]);
    assert_eq!(call(&program.address(), "CreateUserPool", &json!({"PoolName": "x"})).0, 200);
    assert_eq!(program.stop(), Some(0));
    assert!(!data.exists());
    let (code, _, error) = support::run(&["keys", "create", "--store", "sqlite::memory:"], &[]);
    assert!(code == Some(1) && error.contains("in memory"), "{error}");
}

#[test]
fn usage_errors_are_told() {
    for wrong in [&["serve", "--no-such-option"][..], &["--listen", "nowhere"], &["fly"], &["keys"]] {
        let (code, output, error) = support::run(wrong, &[]);
        assert_eq!((code, output.as_str()), (Some(2), ""), "{wrong:?}");
        assert!(error.contains("--help"), "{error}");
    }
    let (code, text, _) = support::run(&["--version"], &[]);
    assert_eq!((code, text.trim()), (Some(0), format!("poolkeeper {}", env!("CARGO_PKG_VERSION")).as_str()));
    let (code, _, error) = support::run(&["dev", "--listen", "127.0.0.1:0"], &[("POOLKEEPER_LOG", "a=b=c")]);
    assert!(code == Some(1) && error.contains("POOLKEEPER_LOG"), "{error}");
}

#[test]
fn broken_requests_do_not_disturb_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::dev(folder.path());
    let address = program.address();
    for raw in [
        "x\r\n\r\n",
        "GET\r\n\r\n",
        "POST / HTTP/9.9\r\n\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    ] {
        let answer = send(&address, raw.as_bytes());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{raw:?}: {answer}");
    }
    assert_eq!(get(&address, "/_poolkeeper/health").0, 200);
    assert_eq!(program.stop(), Some(0));
}
