//! `reshape`: users of a pool that exists sign in by other names.

use std::fs;

use serde_json::json;

use crate::support::{self, Program, call};

#[test]
fn users_sign_in_by_their_address_after_a_reshape() {
    let folder = tempfile::tempdir().unwrap();
    let (data, config) = (folder.path().join("data"), folder.path().join("poolkeeper.toml"));
    let mut program = Program::dev(&data);
    let address = program.address();
    let (_, made) = call(&address, "CreateUserPool", &json!({"PoolName": "people"}));
    let pool = made.pointer("/UserPool/Id").unwrap().as_str().unwrap().to_owned();
    let request = json!({"UserPoolId": pool, "ClientName": "app", "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH",
        "ALLOW_REFRESH_TOKEN_AUTH"]});
    let (_, made) = call(&address, "CreateUserPoolClient", &request);
    let client = made.pointer("/UserPoolClient/ClientId").unwrap().as_str().unwrap().to_owned();
    let attributes =
        json!([{"Name": "email", "Value": "anna@example.com"}, {"Name": "email_verified", "Value": "true"}]);
    let request =
        json!({"UserPoolId": pool, "Username": "anna", "MessageAction": "SUPPRESS", "UserAttributes": attributes});
    assert_eq!(call(&address, "AdminCreateUser", &request).0, 200);
    let request = json!({"UserPoolId": pool, "Username": "anna", "Password": "Correct-horse-1", "Permanent": true});
    assert_eq!(call(&address, "AdminSetUserPassword", &request).0, 200);
    let sign_in = |address: &str| {
        let parameters = json!({"USERNAME": "anna@example.com", "PASSWORD": "Correct-horse-1"});
        let request = json!({"ClientId": client, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters});
        call(address, "InitiateAuth", &request).0
    };
    assert_eq!(sign_in(&address), 400);
    assert_eq!(program.stop(), Some(0));

    let reshape = |aliases: &str| {
        let (data, config) = (data.to_str().unwrap(), config.to_str().unwrap());
        let mut arguments = vec!["reshape", "--user-pool-id", &pool, "--alias-attributes", aliases];
        arguments.extend(["--username-attributes", "none", "--required", "email", "--data-dir", data]);
        arguments.extend(["--config", config]);
        support::run(&arguments, &[])
    };
    fs::write(&config, "").unwrap();
    let (code, _, error) = reshape("email");
    assert!(code == Some(1) && error.contains("`reshape = true` in the section [beyond]"), "{error}");
    fs::write(&config, "[beyond]\nreshape = true\n").unwrap();
    let (code, _, error) = reshape("shoe_size");
    assert!(code == Some(1) && error.contains("shoe_size is no alias attribute"), "{error}");
    let (code, told, error) = reshape("email");
    assert_eq!(code, Some(0), "{error}");
    assert!(told.contains(&pool) && told.contains("1 users were looked at"), "{told}");

    let mut program = Program::dev(&data);
    let address = program.address();
    assert_eq!(sign_in(&address), 200);
    let (_, described) = call(&address, "DescribeUserPool", &json!({"UserPoolId": pool}));
    assert_eq!(described.pointer("/UserPool/AliasAttributes"), Some(&json!(["email"])));
    assert_eq!(program.stop(), Some(0));
}
