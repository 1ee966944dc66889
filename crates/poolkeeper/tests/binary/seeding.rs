//! `poolkeeper dev --seed`: what the file says is there before the first request, and stays as it is at the next start.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{self, Program, call};

const SEED: &str = r#"
[[UserPools]]
Id = "eu-central-1_Example01"
PoolName = "shop"
AutoVerifiedAttributes = ["email"]
Schema = [{ Name = "plan", AttributeDataType = "String", Mutable = true }]

[UserPools.Policies.PasswordPolicy]
MinimumLength = 10

[[UserPools.ResourceServers]]
Identifier = "orders"
Name = "Orders"
Scopes = [{ ScopeName = "read", ScopeDescription = "Read orders" }]

[[UserPools.Clients]]
ClientId = "1example23456789webclient"
ClientName = "web"
ExplicitAuthFlows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]

[[UserPools.Clients]]
ClientId = "1example23456789backend00"
ClientName = "backend"
ClientSecret = "aSecretOfTheBackEnd0123456789abcdef"

[[UserPools.Groups]]
GroupName = "admins"
Precedence = 1

[[UserPools.Users]]
Username = "ana"
Sub = "0b9e6a4c-3f2d-4c58-9a57-2d1c3e4f5a6b"
Password = "First-Passw0rd"
Attributes = { email = "ana@example.com", email_verified = true, "custom:plan" = "gold" }
Groups = ["admins"]

[[UserPools.Users]]
Username = "bob"
TemporaryPassword = "Temp0rary-Password"

[[UserPools.Users]]
Username = "eve"
Password = "Third-Passw0rd"
Enabled = false
"#;

const POOL: &str = "eu-central-1_Example01";
const WEB: &str = "1example23456789webclient";

fn start(folder: &Path, seed: &Path) -> Program {
    let data = folder.join("data");
    let (data, seed) = (data.to_str().unwrap(), seed.to_str().unwrap());
    Program::start(&["dev", "--listen", "127.0.0.1:0", "--data-dir", data, "--seed", seed], &[])
}

/// Runs a server that is expected not to start.
fn refused(folder: &Path, seed: &Path) -> String {
    let data = folder.join("data");
    let (data, seed) = (data.to_str().unwrap(), seed.to_str().unwrap());
    let (code, output, error) =
        support::run(&["dev", "--listen", "127.0.0.1:0", "--data-dir", data, "--seed", seed], &[]);
    assert_eq!((code, output.as_str()), (Some(1), ""), "{error}");
    error
}

fn sign_in(address: &str, username: &str, password: &str) -> (u16, Value) {
    let parameters = json!({"USERNAME": username, "PASSWORD": password});
    let body = json!({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": WEB, "AuthParameters": parameters});
    call(address, "InitiateAuth", &body)
}

/// Everything about the pool, the dates included.
fn state(address: &str) -> Vec<Value> {
    let pool = json!({"UserPoolId": POOL});
    let of = |operation: &str, more: Value| {
        let mut body = pool.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, answer) = call(address, operation, &body);
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    };
    vec![
        of("DescribeUserPool", json!({})),
        of("DescribeUserPoolClient", json!({"ClientId": WEB})),
        of("DescribeUserPoolClient", json!({"ClientId": "1example23456789backend00"})),
        of("GetGroup", json!({"GroupName": "admins"})),
        of("DescribeResourceServer", json!({"Identifier": "orders"})),
        of("ListUsers", json!({})),
        of("AdminListGroupsForUser", json!({"Username": "ana"})),
    ]
}

#[test]
fn what_the_file_says_is_there_at_once_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let seed = folder.path().join("pools.toml");
    fs::write(&seed, SEED).unwrap();

    let mut program = start(folder.path(), &seed);
    let address = program.address();
    let (status, tokens) = sign_in(&address, "ana", "First-Passw0rd");
    assert_eq!(status, 200, "{tokens}");
    let (_, user) = call(&address, "AdminGetUser", &json!({"UserPoolId": POOL, "Username": "ana"}));
    let attributes = user["UserAttributes"].as_array().unwrap();
    for (name, value) in [
        ("sub", "0b9e6a4c-3f2d-4c58-9a57-2d1c3e4f5a6b"),
        ("email", "ana@example.com"),
        ("email_verified", "true"),
        ("custom:plan", "gold"),
    ] {
        assert!(attributes.contains(&json!({"Name": name, "Value": value})), "{name}: {user}");
    }
    let (_, challenge) = sign_in(&address, "bob", "Temp0rary-Password");
    assert_eq!(challenge["ChallengeName"], "NEW_PASSWORD_REQUIRED");
    let (_, error) = sign_in(&address, "eve", "Third-Passw0rd");
    assert_eq!(error["message"], "User is disabled.");
    let before = state(&address);
    assert_eq!(before[2]["UserPoolClient"]["ClientSecret"], "aSecretOfTheBackEnd0123456789abcdef");
    assert_eq!(before[6]["Groups"][0]["GroupName"], "admins");
    let text = program.output_until("Seeded from");
    let made = "2 clients made; 1 group made; 1 resource server made; 3 users made; 1 user pool made";
    assert!(text.contains(made), "{text}");
    assert_eq!(program.stop(), Some(0));

    let mut again = start(folder.path(), &seed);
    let address = again.address();
    assert_eq!(state(&address), before);
    let text = again.output_until("Seeded from");
    assert!(text.contains("nothing changed, 8 as they were"), "{text}");
    assert_eq!(sign_in(&address, "ana", "First-Passw0rd").0, 200);
    assert_eq!(again.stop(), Some(0));
}

#[test]
fn a_changed_file_changes_what_it_names_and_deletes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let seed = folder.path().join("pools.toml");
    fs::write(&seed, SEED).unwrap();
    let mut program = start(folder.path(), &seed);
    let address = program.address();
    let extra = json!({"UserPoolId": POOL, "Username": "zoe", "MessageAction": "SUPPRESS"});
    assert_eq!(call(&address, "AdminCreateUser", &extra).0, 200);
    let before = state(&address);
    assert_eq!(program.stop(), Some(0));

    let changed = SEED
        .replace("MinimumLength = 10", "MinimumLength = 12")
        .replace("\"gold\"", "\"silver\"")
        .replace("First-Passw0rd", "Other-Passw0rd")
        .replace("Enabled = false", "Enabled = true")
        .replace("aSecretOf", "anotherSecretOf")
        .replace("Precedence = 1", "Precedence = 2")
        .replace(
            "Mutable = true }]",
            "Mutable = true }, { Name = \"seats\", AttributeDataType = \"Number\", Mutable = true }]",
        );
    let without_bob =
        changed.replace("[[UserPools.Users]]\nUsername = \"bob\"\nTemporaryPassword = \"Temp0rary-Password\"\n", "");
    assert_ne!(changed, without_bob);
    fs::write(&seed, without_bob).unwrap();
    let mut program = start(folder.path(), &seed);
    let address = program.address();
    let after = state(&address);
    assert_eq!(after[0]["UserPool"]["Policies"]["PasswordPolicy"]["MinimumLength"], 12);
    let schema = after[0]["UserPool"]["SchemaAttributes"].as_array().unwrap();
    assert!(schema.iter().any(|attribute| attribute["Name"] == "custom:seats"), "{schema:?}");
    assert_eq!(after[1], before[1], "the client that was not changed");
    assert_eq!(after[2]["UserPoolClient"]["ClientSecret"], "anotherSecretOfTheBackEnd0123456789abcdef");
    assert_eq!(after[3]["Group"]["Precedence"], 2);
    assert_eq!(after[4], before[4]);
    assert_eq!(after[5]["Users"].as_array().unwrap().len(), 4, "bob and zoe are still there");
    let (status, answer) = sign_in(&address, "ana", "Other-Passw0rd");
    assert_eq!(status, 200, "{answer}");
    assert_eq!(sign_in(&address, "ana", "First-Passw0rd").1["message"], "Incorrect username or password.");
    assert_eq!(sign_in(&address, "eve", "Third-Passw0rd").0, 200);
    let text = program.output_until("Seeded from");
    let expected = "1 client changed; 1 group changed; 2 users changed; 1 user pool changed; 2 as they were";
    assert!(text.contains(expected), "{text}");
    assert_eq!(program.stop(), Some(0));
}

#[test]
fn yaml_and_json_say_the_same() {
    let yaml = "
UserPools:
- Id: us-east-1_Yaml00001
  PoolName: y
  UsernameAttributes: [email]
  Clients: [{ClientId: yamlclient, ClientName: c, ExplicitAuthFlows: [ALLOW_USER_PASSWORD_AUTH, ALLOW_REFRESH_TOKEN_AUTH]}]
  Users:
  - Username: ana@example.com
    Password: First-Passw0rd
    Attributes: {email_verified: true}
";
    let json = json!({"UserPools": [{
        "Id": "us-east-1_Yaml00001", "PoolName": "y", "UsernameAttributes": ["email"],
        "Clients": [{"ClientId": "yamlclient", "ClientName": "c",
                     "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]}],
        "Users": [{"Username": "ana@example.com", "Password": "First-Passw0rd", "Attributes": {"email_verified": true}}],
    }]});
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a.yaml"), folder.path().join("a.json"));
    fs::write(&first, yaml).unwrap();
    fs::write(&second, json.to_string()).unwrap();
    for (file, expected) in [(&first, "1 user made"), (&second, "nothing changed, 3 as they were")] {
        let mut program = start(folder.path(), file);
        let address = program.address();
        let parameters = json!({"USERNAME": "ana@example.com", "PASSWORD": "First-Passw0rd"});
        let body = json!({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": "yamlclient", "AuthParameters": parameters});
        let (status, answer) = call(&address, "InitiateAuth", &body);
        assert_eq!(status, 200, "{answer}");
        let text = program.output_until("Seeded from");
        assert!(text.contains(expected), "{text}");
        assert_eq!(program.stop(), Some(0));
    }
}

#[test]
fn what_is_wrong_is_named_by_file_line_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let seed = folder.path().join("pools.toml");
    let changed = |from: &str, to: &str| {
        let text = SEED.replacen(from, to, 1);
        assert_ne!(text, SEED, "{from}");
        fs::write(&seed, text).unwrap();
        refused(folder.path(), &seed)
    };
    // The place that begins like this in what the file holds now.
    let at = |start: &str, expected: &str| {
        let text = fs::read_to_string(&seed).unwrap();
        let before = text.split(&format!("\n{start}")).next().unwrap();
        format!("{}:{}: {expected}", seed.display(), before.matches('\n').count() + 2)
    };
    // What is changed, to what, the beginning of the line that is named, and what is said about it.
    for (from, to, line, expected) in [
        (
            "MinimumLength = 10",
            "MinimumLength = \"ten\"",
            "MinimumLength",
            "UserPools[0].Policies.PasswordPolicy.MinimumLength: this must be a number, and it is a text",
        ),
        (
            "MinimumLength = 10",
            "MinimumLenght = 10",
            "MinimumLenght",
            "UserPools[0].Policies.PasswordPolicy.MinimumLenght: there is no such key; possible are MinimumLength,",
        ),
        (
            "MinimumLength = 10",
            "MinimumLength = 3",
            "MinimumLength",
            "UserPools[0].Policies.PasswordPolicy.MinimumLength: CreateUserPool answered InvalidParameterException",
        ),
        (
            "Username = \"ana\"",
            "UserName = \"ana\"",
            "UserName",
            "UserPools[0].Users[0].UserName: there is no such key; did you mean `Username`?",
        ),
        ("Id = \"eu-central-1_Example01\"", "", "[[UserPools]]", "UserPools[0].Id: this is missing"),
        ("eu-central-1_Example01", "Example01", "Id = ", "UserPools[0].Id: 'Example01' is no pool id"),
        ("Sub = \"0b9e", "Sub = \"0B9E", "Sub", "UserPools[0].Users[0].Sub: this must be a UUID"),
        (
            "Username = \"bob\"",
            "Username = \"ana\"",
            "[[UserPools.Users]]\nUsername = \"ana\"\nTemp",
            "UserPools[0].Users[1]: there is another user 'ana'",
        ),
        ("PoolName = \"shop\"", "PoolName = ", "PoolName", ""),
        (
            "Groups = [\"admins\"]",
            "Groups = [\"nobody\"]",
            "Groups",
            "UserPools[0].Users[0].Groups: 'nobody': ResourceNotFoundException",
        ),
        (
            "\"First-Passw0rd\"",
            "\"weak\"",
            "Password",
            "UserPools[0].Users[0].Password: AdminSetUserPassword answered InvalidPasswordException",
        ),
    ] {
        let error = changed(from, to);
        assert!(error.contains(&at(line, expected)), "{expected}: {error}");
        assert!(!error.contains("Passw0rd") && !error.contains("weak"), "{error}");
        assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    }
    // What cannot change is said, too; a failure leaves nothing behind that the next start would not find.
    fs::write(&seed, SEED).unwrap();
    let mut program = start(folder.path(), &seed);
    program.address();
    assert_eq!(program.stop(), Some(0));
    for (from, to, line, expected) in [
        (
            "\"0b9e6a4c",
            "\"1b9e6a4c",
            "Sub",
            "UserPools[0].Users[0].Sub: the user is there already with another sub, which stays: 0b9e6a4c-",
        ),
        (
            "AutoVerified",
            "UsernameAttributes = [\"email\"]\nAutoVerified",
            "UsernameAttributes",
            "UserPools[0].UsernameAttributes: this cannot be changed in an existing user pool",
        ),
        (
            "AttributeDataType = \"String\"",
            "AttributeDataType = \"Number\"",
            "Schema",
            "UserPools[0].Schema[0]: an attribute of an existing pool cannot be changed",
        ),
        (
            "ClientName = \"web\"",
            "ClientName = \"web\"\nGenerateSecret = true",
            "GenerateSecret",
            "UserPools[0].Clients[0].GenerateSecret: the client is there already and has no secret",
        ),
    ] {
        let error = changed(from, to);
        assert!(error.contains(&at(line, expected)), "{expected}: {error}");
    }
    let missing = folder.path().join("no.toml");
    assert!(refused(folder.path(), &missing).contains("no.toml"));
    let other = folder.path().join("pools.txt");
    fs::write(&other, SEED).unwrap();
    assert!(refused(folder.path(), &other).contains("must end in .toml"));
}

#[test]
fn only_dev_seeds() {
    let (code, _, error) = support::run(&["serve", "--seed", "pools.toml"], &[]);
    assert!(code == Some(2) && error.contains("--seed"), "{error}");
    let (_, help, _) = support::run(&["dev", "--help"], &[]);
    assert!(help.contains("--seed") && help.contains("--template") && help.contains("--parameter"), "{help}");
}
