//! `migrate_from`: users move from one server to another as they come. The pool they leave is one of a production server,
//! which checks signatures; the one they come to is one of `poolkeeper dev`.

#![expect(clippy::indexing_slicing, reason = "tests")]

use std::{fs, thread};

use serde_json::{Value, json};

use crate::support::{self, Program, call, call_with, get};

const PASSWORD: &str = "Right-Passw0rd";
const WRONG: &str = "NotAuthorizedException: Incorrect username or password.";
const UNKNOWN: &str = "UserNotFoundException: User does not exist.";
const STUCK: &str =
    "UserLambdaValidationException: UserMigration failed with error This user cannot be moved. Ask an administrator.";
const AWAY: &str = "UnexpectedLambdaException: UserMigration invocation failed due to error ServiceException.";

/// The server that users leave.
struct Source {
    program: Program,
    address: String,
    key: Value,
    pool: String,
    client: Value,
}

/// The server that users come to.
struct Target {
    program: Program,
    address: String,
}

/// A pool of the target's, with a client for each way to speak of unknown users.
struct Pool {
    id: String,
    legacy: String,
    hiding: String,
}

fn now() -> i64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs().try_into().unwrap()
}

/// The answer, or the error as the clients print it.
fn outcome((status, answer): (u16, Value)) -> Result<Value, String> {
    let text = |name: &str| answer[name].as_str().unwrap_or_default();
    if status == 200 { Ok(answer) } else { Err(format!("{}: {}", text("__type"), text("message"))) }
}

fn attributes(list: &[(&str, &str)]) -> Value {
    list.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect()
}

impl Source {
    fn start(data: &str) -> Self {
        let (_, master, _) = support::run(&["keys", "generate-master"], &[]);
        let environment = [("POOLKEEPER_MASTER_KEY", master.trim())];
        let (code, key, error) = support::run(&["keys", "create", "--label", "x", "--data-dir", data], &environment);
        assert_eq!(code, Some(0), "{error}");
        let mut program = Program::start(&["serve", "--listen", "127.0.0.1:0", "--data-dir", data], &environment);
        let address = program.address();
        let key = serde_json::from_str(&key).unwrap();
        let mut source = Self { program, address, key, pool: String::new(), client: Value::Null };
        let schema = json!([{"Name": "plan", "AttributeDataType": "String", "Mutable": true}]);
        let folds = json!({"CaseSensitive": false});
        let pool = json!({
            "PoolName": "old", "AliasAttributes": ["email"], "Schema": schema, "UsernameConfiguration": folds,
        });
        source.pool = source.signed("CreateUserPool", &pool)["UserPool"]["Id"].as_str().unwrap().to_owned();
        let totp = json!({"Enabled": true});
        source.admin(
            "SetUserPoolMfaConfig",
            json!({"MfaConfiguration": "OPTIONAL", "SoftwareTokenMfaConfiguration": totp}),
        );
        let readable = ["email", "email_verified", "name", "custom:plan"];
        let client = json!({
            "ClientName": "c", "GenerateSecret": true, "ReadAttributes": readable,
            "PreventUserExistenceErrors": "ENABLED", "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"],
        });
        source.client = source.admin("CreateUserPoolClient", client)["UserPoolClient"].clone();
        source
    }

    /// An administrator's request.
    fn signed(&self, operation: &str, body: &Value) -> Value {
        let text = body.to_string();
        let target = format!("AWSCognitoIdentityProviderService.{operation}");
        let headers = [("host", self.address.trim_start_matches("http://")), ("x-amz-target", target.as_str())];
        let request = crypto::sigv4::SignedRequest {
            method: "POST",
            path: "/",
            query: "",
            headers: &headers,
            body: text.as_bytes(),
        };
        let [id, secret] = ["AccessKeyId", "SecretAccessKey"].map(|name| self.key[name].as_str().unwrap());
        let added = crypto::sigv4::sign(&request, id, secret, None, "us-east-1", now()).unwrap();
        let answer = outcome(call_with(&self.address, operation, body, &added));
        answer.unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    /// The same about the pool.
    fn admin(&self, operation: &str, mut body: Value) -> Value {
        body["UserPoolId"] = json!(self.pool);
        self.signed(operation, &body)
    }

    fn user(&self, name: &str, is_temporary: bool) {
        let email = format!("{name}@example.com");
        let list = [("email", &*email), ("email_verified", "true"), ("custom:plan", "gold")];
        let user = json!({"Username": name, "UserAttributes": attributes(&list), "MessageAction": "SUPPRESS"});
        self.admin("AdminCreateUser", user);
        let password = json!({"Username": name, "Password": PASSWORD, "Permanent": !is_temporary});
        self.admin("AdminSetUserPassword", password);
    }

    /// From now on the user needs a code of an authenticator.
    fn authenticator(&self, name: &str) {
        let [id, secret] = ["ClientId", "ClientSecret"].map(|name| self.client[name].as_str().unwrap());
        let hash = crypto::hash::secret_hash(name, id, secret);
        let parameters = json!({"USERNAME": name, "PASSWORD": PASSWORD, "SECRET_HASH": hash});
        let body = json!({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": id, "AuthParameters": parameters});
        let ask = |operation: &str, body: &Value| outcome(call(&self.address, operation, body)).unwrap();
        let token = ask("InitiateAuth", &body)["AuthenticationResult"]["AccessToken"].clone();
        let secret = ask("AssociateSoftwareToken", &json!({"AccessToken": token}))["SecretCode"].clone();
        let code = crypto::totp::code_of(&from_base32(secret.as_str().unwrap()), now() / 30);
        let verified = ask("VerifySoftwareToken", &json!({"AccessToken": token, "UserCode": code}));
        assert_eq!(verified["Status"], "SUCCESS");
        let setting = json!({"Enabled": true, "PreferredMfa": true});
        self.admin("AdminSetUserMFAPreference", json!({"Username": name, "SoftwareTokenMfaSettings": setting}));
    }
}

fn from_base32(text: &str) -> Vec<u8> {
    let digit = |byte: u8| if byte.is_ascii_uppercase() { byte - b'A' } else { byte - b'2' + 26 };
    let bits: String = text.bytes().map(|byte| format!("{:05b}", digit(byte))).collect();
    bits.as_bytes().chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte * 2 + (bit - b'0'))).collect()
}

impl Target {
    /// The functions are called what their part of the configuration is called.
    fn start(folder: &std::path::Path, source: &Source) -> Self {
        let key = &source.key;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        fs::write(folder.join("client.secret"), text(&source.client["ClientSecret"])).unwrap();
        fs::write(folder.join("key.secret"), text(&key["SecretAccessKey"])).unwrap();
        fs::write(folder.join("wrong.secret"), "another").unwrap();
        let common = format!(
            "endpoint = \"{}\", pool = \"{}\", client = \"{}\"",
            source.address,
            source.pool,
            text(&source.client["ClientId"])
        );
        let right = format!("{common}, client_secret_file = \"client.secret\"");
        let id = text(&key["AccessKeyId"]);
        let entries = [
            ("full", format!("{right}, access_key_id = \"{id}\", secret_access_key_file = \"key.secret\"")),
            ("plain", right.clone()),
            ("few", format!("{right}, attributes = [\"email\", \"email_verified\"]")),
            ("wrong-client", format!("{common}, client_secret_file = \"wrong.secret\"")),
            ("wrong-key", format!("{right}, access_key_id = \"{id}\", secret_access_key_file = \"wrong.secret\"")),
        ];
        let entries =
            entries.map(|(name, keys)| format!("[[functions]]\narn = \"*:{name}\"\nmigrate_from = {{ {keys} }}\n"));
        let file = folder.join("poolkeeper.toml");
        fs::write(&file, entries.concat()).unwrap();
        let data = folder.join("target");
        let arguments = [
            "dev",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            data.to_str().unwrap(),
            "--config",
            file.to_str().unwrap(),
        ];
        let mut program = Program::start(&arguments, &[]);
        let address = program.address();
        Self { program, address }
    }

    fn ask(&self, operation: &str, body: &Value) -> Value {
        outcome(call(&self.address, operation, body)).unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    fn pool(&self, function: &str, mut settings: Value) -> Pool {
        let arn = format!("arn:aws:lambda:us-east-1:123456789012:function:{function}");
        settings["PoolName"] = json!(function);
        settings["UsernameConfiguration"] = json!({"CaseSensitive": false});
        settings["LambdaConfig"] = json!({"UserMigration": arn});
        let id = self.ask("CreateUserPool", &settings)["UserPool"]["Id"].as_str().unwrap().to_owned();
        let [legacy, hiding] = ["LEGACY", "ENABLED"].map(|mode| {
            let client = json!({
                "UserPoolId": id, "ClientName": mode, "PreventUserExistenceErrors": mode,
                "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"],
            });
            let client = self.ask("CreateUserPoolClient", &client);
            client["UserPoolClient"]["ClientId"].as_str().unwrap().to_owned()
        });
        Pool { id, legacy, hiding }
    }

    /// A pool that has all attributes of the old one.
    fn whole_pool(&self, function: &str) -> Pool {
        let schema = json!([{"Name": "plan", "AttributeDataType": "String", "Mutable": true}]);
        self.pool(function, json!({"AliasAttributes": ["email"], "Schema": schema}))
    }

    fn sign_in(&self, client: &str, name: &str, password: &str) -> Result<Value, String> {
        let parameters = json!({"USERNAME": name, "PASSWORD": password});
        let body = json!({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client, "AuthParameters": parameters});
        outcome(call(&self.address, "InitiateAuth", &body))
    }

    fn refused(&self, client: &str, name: &str, password: &str) -> String {
        self.sign_in(client, name, password).unwrap_err()
    }

    fn forgot(&self, client: &str, name: &str) -> Result<Value, String> {
        outcome(call(&self.address, "ForgotPassword", &json!({"ClientId": client, "Username": name})))
    }

    /// Resets the password with the code that was sent.
    fn reset(&self, pool: &Pool, name: &str, password: &str) {
        let path = format!("/_poolkeeper/messages?user_pool_id={}&username={name}&limit=1", pool.id);
        let (_, messages) = get(&self.address, &path);
        let code = messages["messages"][0]["code"].clone();
        let body = json!({"ClientId": pool.legacy, "Username": name, "ConfirmationCode": code, "Password": password});
        self.ask("ConfirmForgotPassword", &body);
        assert!(self.sign_in(&pool.legacy, name, password).is_ok());
    }

    /// The user without what is different each time.
    fn user(&self, pool: &Pool, name: &str) -> (String, Value) {
        let user = self.ask("AdminGetUser", &json!({"UserPoolId": pool.id, "Username": name}));
        let list = user["UserAttributes"].as_array().unwrap().iter();
        let list = list.filter(|attribute| attribute["Name"] != "sub");
        let attributes =
            list.map(|attribute| (attribute["Name"].as_str().unwrap().to_owned(), attribute["Value"].clone()));
        (
            format!("{} {}", user["Username"].as_str().unwrap(), user["UserStatus"].as_str().unwrap()),
            attributes.collect(),
        )
    }

    fn users(&self, pool: &Pool) -> usize {
        self.ask("ListUsers", &json!({"UserPoolId": pool.id}))["Users"].as_array().unwrap().len()
    }
}

fn moved(name: &str) -> Value {
    json!({"email": format!("{name}@example.com"), "email_verified": "true", "custom:plan": "gold"})
}

#[test]
fn users_move_as_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let mut source = Source::start(folder.path().join("source").to_str().unwrap());
    for name in ["ana", "bob", "cyn", "dan", "eva", "fay", "gil", "hal"] {
        source.user(name, name == "dan");
    }
    source.authenticator("cyn");
    source.admin("AdminDisableUser", json!({"Username": "eva"}));
    let mut target = Target::start(folder.path(), &source);
    let (full, plain) = (target.whole_pool("full"), target.whole_pool("plain"));

    // Whoever is not known, or not by this password, hears what the client says of unknown users, and is not stored.
    for pool in [&full, &plain] {
        for (name, password) in [("ana", "Wrong-Passw0rd"), ("zed", PASSWORD), ("eva", PASSWORD)] {
            assert_eq!(target.refused(&pool.legacy, name, password), UNKNOWN, "{name}");
            assert_eq!(target.refused(&pool.hiding, name, password), WRONG, "{name}");
        }
        assert_eq!(target.users(pool), 0);
    }

    // The first sign-in moves the user, with no reset and no message.
    for pool in [&full, &plain] {
        let tokens = target.sign_in(&pool.hiding, "ana", PASSWORD).unwrap();
        assert!(tokens["AuthenticationResult"]["AccessToken"].is_string(), "{tokens}");
        assert_eq!(target.user(pool, "ana"), ("ana CONFIRMED".to_owned(), moved("ana")));
        // By an alias, under the name that the user has there.
        assert!(target.sign_in(&pool.legacy, "HAL@example.com", PASSWORD).is_ok());
        assert_eq!(target.user(pool, "hal"), ("hal CONFIRMED".to_owned(), moved("hal")));
    }
    assert_eq!(get(&target.address, "/_poolkeeper/messages").1, json!({"messages": []}));
    let wrong = target.refused(&full.legacy, "ana", "Wrong-Passw0rd");
    assert_eq!(wrong, WRONG, "the user is known now");

    // Several first sign-ins at the same time are one user.
    thread::scope(|scope| {
        let sign_ins = [(); 8].map(|()| scope.spawn(|| target.sign_in(&full.legacy, "gil", PASSWORD)));
        for sign_in in sign_ins {
            assert!(sign_in.join().unwrap().is_ok());
        }
    });
    assert_eq!(target.users(&full), 3);

    // A forgotten password needs the access key.
    for name in ["bob", "zed", "eva"] {
        assert_eq!(
            target.forgot(&plain.legacy, name).unwrap_err(),
            format!("UserNotFoundException: Exception migrating user in app client {}", plain.legacy)
        );
        assert!(target.forgot(&plain.hiding, name).is_ok());
    }
    assert_eq!(target.users(&plain), 2);
    for name in ["zed", "eva"] {
        assert!(target.forgot(&full.legacy, name).is_err(), "{name}");
    }
    let sent = target.forgot(&full.legacy, "bob").unwrap();
    assert_eq!(sent["CodeDeliveryDetails"]["Destination"], "b***@e***");
    assert_eq!(target.user(&full, "bob"), ("bob RESET_REQUIRED".to_owned(), moved("bob")));
    target.reset(&full, "bob", "Another-Passw0rd");

    // A second factor, and a temporary password: the user proves an address.
    for name in ["cyn", "dan"] {
        let refused = target.refused(&full.legacy, name, PASSWORD);
        assert!(refused.starts_with("PasswordResetRequiredException"), "{name}: {refused}");
        assert_eq!(target.user(&full, name), (format!("{name} RESET_REQUIRED"), moved(name)));
        target.forgot(&full.legacy, name).unwrap();
        target.reset(&full, name, "Another-Passw0rd");
    }
    // Without the access key the challenge shows the attributes of one, and nothing those of the other.
    assert_eq!(target.refused(&plain.legacy, "cyn", PASSWORD), STUCK);
    assert_eq!(target.refused(&plain.legacy, "cyn", "Wrong-Passw0rd"), UNKNOWN);
    assert!(target.refused(&plain.legacy, "dan", PASSWORD).starts_with("PasswordResetRequiredException"));
    assert_eq!(target.user(&plain, "dan"), ("dan RESET_REQUIRED".to_owned(), moved("dan")));

    // An attribute that the pool does not have fails the migration, and can be left out.
    let [narrow, few] = ["full", "few"].map(|function| target.pool(function, json!({"AliasAttributes": ["email"]})));
    let refused = target.refused(&narrow.legacy, "fay", PASSWORD);
    assert!(refused.starts_with("InvalidLambdaResponseException") && refused.contains("custom:plan"), "{refused}");
    assert_eq!(target.users(&narrow), 0);
    assert!(target.sign_in(&few.legacy, "fay", PASSWORD).is_ok());
    let email = json!({"email": "fay@example.com", "email_verified": "true"});
    assert_eq!(target.user(&few, "fay"), ("fay CONFIRMED".to_owned(), email));

    // So can the name, where this pool makes names itself.
    let named = target.pool("few", json!({"UsernameAttributes": ["email"]}));
    assert!(target.sign_in(&named.legacy, "Fay@example.com", PASSWORD).is_ok());
    assert_eq!(target.users(&named), 1);

    // What is set wrong does not look like a user who is not known.
    let (client, key) = (target.whole_pool("wrong-client"), target.whole_pool("wrong-key"));
    assert_eq!(target.refused(&client.hiding, "ana", PASSWORD), AWAY);
    assert_eq!(target.forgot(&key.hiding, "ana").unwrap_err(), AWAY);

    // Users who have moved no longer need the server that they have left; others wait until it is back.
    assert_eq!(source.program.stop(), Some(0));
    assert!(target.sign_in(&full.hiding, "ana", PASSWORD).is_ok());
    assert!(target.sign_in(&full.hiding, "bob", "Another-Passw0rd").is_ok());
    assert_eq!(target.refused(&full.hiding, "fay", PASSWORD), AWAY);
    assert_eq!(target.forgot(&full.hiding, "fay").unwrap_err(), AWAY);

    assert_eq!(target.program.stop(), Some(0));
    let log = target.program.log();
    for told in [
        "access_key_id and secret_access_key_file",
        "has a second factor",
        "refused with NotAuthorizedException",
        "InvalidSignatureException",
        "onnection refused",
    ] {
        assert!(log.contains(told), "{told}: {log}");
    }
    assert_eq!(log.matches("not looked for there without").count(), 1, "{log}");
    for secret in
        ["Passw0rd", source.key["SecretAccessKey"].as_str().unwrap(), source.client["ClientSecret"].as_str().unwrap()]
    {
        assert!(!log.contains(secret), "{log}");
    }
}
