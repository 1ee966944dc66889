//! `keys rotate-signing`: pools sign with other keys, and what the old ones have signed still counts.

use serde_json::{Value, json};

use crate::support::{self, Program, call, get};

fn key_ids(address: &str, pool: &str) -> Vec<String> {
    let (_, document) = get(address, &format!("/{pool}/.well-known/jwks.json"));
    let keys = document.pointer("/keys").and_then(Value::as_array).unwrap();
    keys.iter().map(|key| key.pointer("/kid").unwrap().as_str().unwrap().to_owned()).collect()
}

/// A server whose tokens have the same issuer whatever its port is.
fn start(data: &str) -> Program {
    let base = "http://auth.example.com";
    Program::start(&["dev", "--listen", "127.0.0.1:0", "--base-url", base, "--data-dir", data], &[])
}

#[test]
fn tokens_outlive_a_rotation_of_keys_and_not_their_withdrawal() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut program = start(data);
    let address = program.address();
    let pools = ["one", "two"].map(|name| {
        let (_, made) = call(&address, "CreateUserPool", &json!({"PoolName": name}));
        made.pointer("/UserPool/Id").unwrap().as_str().unwrap().to_owned()
    });
    let [pool, other] = &pools;
    let flows = json!(["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]);
    let request = json!({"UserPoolId": pool, "ClientName": "app", "ExplicitAuthFlows": flows});
    let (_, made) = call(&address, "CreateUserPoolClient", &request);
    let client = made.pointer("/UserPoolClient/ClientId").unwrap().as_str().unwrap().to_owned();
    let request = json!({"UserPoolId": pool, "Username": "anna", "MessageAction": "SUPPRESS"});
    assert_eq!(call(&address, "AdminCreateUser", &request).0, 200);
    let request = json!({"UserPoolId": pool, "Username": "anna", "Password": "Correct-horse-1", "Permanent": true});
    assert_eq!(call(&address, "AdminSetUserPassword", &request).0, 200);
    let parameters = json!({"USERNAME": "anna", "PASSWORD": "Correct-horse-1"});
    let request = json!({"ClientId": client, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters});
    let (_, tokens) = call(&address, "InitiateAuth", &request);
    let access = tokens.pointer("/AuthenticationResult/AccessToken").unwrap().clone();
    let get_user = |address: &str| call(address, "GetUser", &json!({"AccessToken": access})).0;
    assert_eq!(get_user(&address), 200);
    let before = pools.each_ref().map(|pool| key_ids(&address, pool));
    assert_eq!(program.stop(), Some(0));

    let rotate =
        |arguments: &[&str]| support::run(&[&["keys", "rotate-signing", "--data-dir", data], arguments].concat(), &[]);
    let (code, _, error) = rotate(&[]);
    assert!(code == Some(2) && error.contains("--pool <ID>"), "{error}");
    let (code, _, error) = rotate(&["--pool", "us-east-1_nowhere"]);
    assert!(code == Some(1) && error.contains("there is no user pool us-east-1_nowhere"), "{error}");
    let (code, told, error) = rotate(&["--pool", pool]);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(told.trim_end(), "1 user pools have new signing keys; the old ones count for another day");

    let mut program = start(data);
    let address = program.address();
    assert_eq!(get_user(&address), 200);
    let after = key_ids(&address, pool);
    assert!(after.len() == 4 && before[0].iter().all(|kid| after.contains(kid)), "{after:?}");
    assert_eq!(key_ids(&address, other), before[1]);
    assert_eq!(program.stop(), Some(0));

    let (code, told, error) = rotate(&["--all", "--withdraw"]);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(told.trim_end(), "2 user pools have new signing keys; the old ones count no more");
    let mut program = start(data);
    let address = program.address();
    assert_eq!(get_user(&address), 400);
    for (pool, before) in pools.iter().zip(&before) {
        let keys = key_ids(&address, pool);
        assert!(keys.len() == 2 && keys.iter().all(|kid| !before.contains(kid) && !after.contains(kid)), "{keys:?}");
    }
    let parameters = json!({"REFRESH_TOKEN": tokens.pointer("/AuthenticationResult/RefreshToken")});
    let request = json!({"ClientId": client, "AuthFlow": "REFRESH_TOKEN_AUTH", "AuthParameters": parameters});
    let (status, renewed) = call(&address, "InitiateAuth", &request);
    assert_eq!(status, 200);
    let request = json!({"AccessToken": renewed.pointer("/AuthenticationResult/AccessToken")});
    assert_eq!(call(&address, "GetUser", &request).0, 200);
    assert_eq!(program.stop(), Some(0));
}
