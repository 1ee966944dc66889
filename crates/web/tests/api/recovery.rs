//! A forgotten password, from every side (accounts.md §3–§8).

mod guards;
mod passwords;

use serde_json::{Value, json};
use testkit::{Server, both_engines};

const OLD: &str = "Old-Passw0rd";
const NEW: &str = "New-Passw0rd";

/// A pool, a client and a confirmed user with these attributes.
async fn scene(server: &Server, client: Value, attributes: Value) -> (String, String) {
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, client).await;
    server.confirmed_user(&pool, "ana", OLD, attributes).await;
    (pool, client)
}

async fn forgot(server: &Server, client: &str, username: &str) -> testkit::Answer {
    server.call("ForgotPassword", json!({"ClientId": client, "Username": username})).await
}

async fn confirm(server: &Server, client: &str, username: &str, code: &str, password: &str) -> testkit::Answer {
    let request = json!({"ClientId": client, "Username": username, "ConfirmationCode": code, "Password": password});
    server.call("ConfirmForgotPassword", request).await
}

/// A code that is not this one.
fn other(code: &str) -> String {
    code.chars().map(|digit| if digit == '9' { '0' } else { char::from(digit as u8 + 1) }).collect()
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_way_of_a_code() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({}), json!({"email": "ana@example.com"})).await;
        let answer = forgot(&server, &client, "ana").await.ok();
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(answer, @r#"
            {
              "CodeDeliveryDetails": {
                "Destination": "a***@e***",
                "DeliveryMedium": "EMAIL",
                "AttributeName": "email"
              }
            }
            "#);
        }
        // Nothing has changed yet.
        server.sign_in(&client, "ana", OLD).await.ok();
        let code = server.last_code(&pool, "ana").await;
        assert_eq!(confirm(&server, &client, "ana", &code, NEW).await.ok(), json!({}));
        assert_eq!(
            server.sign_in(&client, "ana", OLD).await.error(),
            "NotAuthorizedException: Incorrect username or password."
        );
        server.sign_in(&client, "ana", NEW).await.ok();
        let user = server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": "ana"})).await.ok();
        assert_eq!(user["UserStatus"], "CONFIRMED");
        // The code is spent.
        assert_eq!(
            confirm(&server, &client, "ana", &code, "Another-Passw0rd").await.error(),
            "ExpiredCodeException: Invalid code provided, please request a code again."
        );
    })
    .await;
}

#[tokio::test]
async fn the_message_carries_the_code_to_the_verified_address() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({"email": "ana@example.com"})).await;
    forgot(&server, &client, "ana").await.ok();
    let message = server.messages(&pool, "ana").await.remove(0);
    assert_eq!(message["destination"], "ana@example.com");
    assert_eq!(message["purpose"], "ForgotPassword");
    let code = message["code"].as_str().unwrap();
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
    assert_eq!(message["body"], format!("Your password reset code is {code}"));
}

#[tokio::test]
async fn the_verified_phone_comes_first_unless_the_pool_says_otherwise() {
    let server = Server::memory().await;
    let both = json!({"email": "ana@example.com", "phone_number": "+14325551212"});
    let option = |name: &str, priority: i64| json!({"Name": name, "Priority": priority});
    let cases = [
        (json!(null), both.clone(), "SMS +*******1212"),
        (
            json!(null),
            json!({"email": "ana@example.com", "phone_number": "+14325551212", "phone_number_verified": "false"}),
            "EMAIL a***@e***",
        ),
        (json!([option("verified_email", 1), option("verified_phone_number", 2)]), both.clone(), "EMAIL a***@e***"),
        (json!([option("verified_email", 2), option("verified_phone_number", 1)]), both.clone(), "SMS +*******1212"),
        (
            json!([option("verified_email", 1), option("verified_phone_number", 2)]),
            json!({"phone_number": "+14325551212"}),
            "SMS +*******1212",
        ),
        (json!([option("verified_email", 1)]), json!({"phone_number": "+14325551212"}), "none"),
        (json!([option("admin_only", 1)]), both, "administrator"),
    ];
    for (setting, attributes, expected) in cases {
        let members = if setting.is_null() {
            json!({})
        } else {
            json!({"AccountRecoverySetting": {"RecoveryMechanisms": setting}})
        };
        let pool = server.pool(members).await;
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "ana", OLD, attributes).await;
        let answer = forgot(&server, &client, "ana").await;
        match expected {
            "none" => assert_eq!(
                answer.error(),
                "InvalidParameterException: Cannot reset password for the user as there is no registered/verified email or phone_number"
            ),
            "administrator" => {
                assert_eq!(answer.error(), "NotAuthorizedException: Contact administrator to reset password.");
            }
            expected => {
                let details = answer.ok()["CodeDeliveryDetails"].clone();
                let text = format!(
                    "{} {}",
                    details["DeliveryMedium"].as_str().unwrap(),
                    details["Destination"].as_str().unwrap()
                );
                assert_eq!(text, expected, "{setting}");
            }
        }
    }
}

#[tokio::test]
async fn every_state_of_a_user_is_answered_as_the_tables_say() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let legacy = server.client_id(&pool, json!({})).await;
        let hiding = server.client_id(&pool, json!({"PreventUserExistenceErrors": "ENABLED"})).await;
        let verified = json!([{"Name": "email", "Value": "x@example.com"}, {"Name": "email_verified", "Value": "true"}]);
        for name in ["disabled", "reset-required", "unreachable"] {
            let attributes = if name == "unreachable" { json!({}) } else { json!({"email": format!("{name}@example.com")}) };
            server.confirmed_user(&pool, name, OLD, attributes).await;
        }
        server.call("AdminDisableUser", json!({"UserPoolId": pool, "Username": "disabled"})).await.ok();
        server.call("AdminResetUserPassword", json!({"UserPoolId": pool, "Username": "reset-required"})).await.ok();
        let invite = json!({"UserPoolId": pool, "Username": "invited", "UserAttributes": verified, "MessageAction": "SUPPRESS"});
        server.call("AdminCreateUser", invite).await.ok();
        let sign_up = json!({"ClientId": legacy, "Username": "unconfirmed", "Password": OLD, "UserAttributes": [{"Name": "email", "Value": "u@example.com"}]});
        server.call("SignUp", sign_up).await.ok();

        let mut answers = Vec::new();
        for username in ["unconfirmed", "invited", "reset-required", "disabled", "unreachable", "nobody", "nobody@example.com", "+14325551212"] {
            for (mode, client) in [("LEGACY", &legacy), ("ENABLED", &hiding)] {
                let answer = forgot(&server, client, username).await;
                let text = match answer.status {
                    200 => answer.ok()["CodeDeliveryDetails"]["Destination"].as_str().unwrap().to_owned(),
                    _ => answer.error(),
                };
                answers.push(format!("{username} {mode}: {text}"));
            }
        }
        insta::allow_duplicates! { insta::assert_snapshot!(answers.join("\n"), @"
        unconfirmed LEGACY: InvalidParameterException: Cannot reset password for the user as there is no registered/verified email or phone_number
        unconfirmed ENABLED: u***@c***
        invited LEGACY: NotAuthorizedException: User password cannot be reset in the current state.
        invited ENABLED: NotAuthorizedException: User password cannot be reset in the current state.
        reset-required LEGACY: r***@e***
        reset-required ENABLED: r***@e***
        disabled LEGACY: NotAuthorizedException: User is disabled.
        disabled ENABLED: q***@h***
        unreachable LEGACY: InvalidParameterException: Cannot reset password for the user as there is no registered/verified email or phone_number
        unreachable ENABLED: q***@w***
        nobody LEGACY: UserNotFoundException: Username/client id combination not found.
        nobody ENABLED: a***@b***
        nobody@example.com LEGACY: UserNotFoundException: Username/client id combination not found.
        nobody@example.com ENABLED: n***@e***
        +14325551212 LEGACY: UserNotFoundException: Username/client id combination not found.
        +14325551212 ENABLED: +*******1212
        "); }
        for username in ["nobody", "disabled", "unreachable", "unconfirmed"] {
            assert!(server.messages(&pool, username).await.iter().all(|message| message["purpose"] != "ForgotPassword"), "{username}");
        }
    })
    .await;
}

#[tokio::test]
async fn confirmation_is_answered_as_the_tables_say() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let legacy = server.client_id(&pool, json!({})).await;
        let hiding = server.client_id(&pool, json!({"PreventUserExistenceErrors": "ENABLED"})).await;
        for name in ["ana", "disabled"] {
            server.confirmed_user(&pool, name, OLD, json!({"email": format!("{name}@example.com")})).await;
        }
        server.call("AdminDisableUser", json!({"UserPoolId": pool, "Username": "disabled"})).await.ok();
        let mut answers = Vec::new();
        for username in ["ana", "disabled", "nobody"] {
            for (mode, client) in [("LEGACY", &legacy), ("ENABLED", &hiding)] {
                answers.push(format!(
                    "{username} {mode}: {}",
                    confirm(&server, client, username, "123456", NEW).await.error()
                ));
            }
        }
        insta::allow_duplicates! { insta::assert_snapshot!(answers.join("\n"), @"
        ana LEGACY: ExpiredCodeException: Invalid code provided, please request a code again.
        ana ENABLED: ExpiredCodeException: Invalid code provided, please request a code again.
        disabled LEGACY: NotAuthorizedException: User is disabled.
        disabled ENABLED: CodeMismatchException: Invalid verification code provided, please try again.
        nobody LEGACY: UserNotFoundException: Username/client id combination not found.
        nobody ENABLED: CodeMismatchException: Invalid verification code provided, please try again.
        "); }
    })
    .await;
}

#[tokio::test]
async fn a_username_may_be_an_alias_or_the_sub() {
    let server = Server::memory().await;
    let pool = server.pool(json!({"AliasAttributes": ["email", "phone_number"]})).await;
    let client = server.client_id(&pool, json!({})).await;
    let sub = server.confirmed_user(&pool, "ana", OLD, json!({"email": "ana@example.com"})).await;
    for username in ["ana", "ana@example.com", sub.as_str()] {
        forgot(&server, &client, username).await.ok();
        let code = server.last_code(&pool, username).await;
        confirm(&server, &client, username, &code, NEW).await.ok();
    }
}

#[tokio::test]
async fn codes_expire_after_an_hour_and_a_new_one_replaces_the_old() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({"email": "ana@example.com"})).await;
    forgot(&server, &client, "ana").await.ok();
    let first = server.last_code(&pool, "ana").await;
    server.advance(3_600);
    let expired = "ExpiredCodeException: Invalid code provided, please request a code again.";
    assert_eq!(confirm(&server, &client, "ana", &first, NEW).await.error(), expired);

    forgot(&server, &client, "ana").await.ok();
    let second = server.last_code(&pool, "ana").await;
    forgot(&server, &client, "ana").await.ok();
    let third = server.last_code(&pool, "ana").await;
    assert_ne!(second, third);
    let mismatch = "CodeMismatchException: Invalid verification code provided, please try again.";
    assert_eq!(confirm(&server, &client, "ana", &second, NEW).await.error(), mismatch);
    server.advance(3_599);
    confirm(&server, &client, "ana", &third, NEW).await.ok();
}

#[tokio::test]
async fn metadata_is_checked_for_its_shape_and_not_stored() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({"email": "ana@example.com"})).await;
    let before = server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": "ana"})).await.ok();
    let request = json!({
        "ClientId": client,
        "Username": "ana",
        "ClientMetadata": {"anything": "at all <>&\u{0} \u{1F600}", "": ""},
        "AnalyticsMetadata": {"AnalyticsEndpointId": "endpoint"},
        "UserContextData": {"IpAddress": "not an address", "EncodedData": "opaque"},
    });
    server.call("ForgotPassword", request).await.ok();
    assert_eq!(server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": "ana"})).await.ok(), before);
    let code = server.last_code(&pool, "ana").await;
    let request = json!({"ClientId": client, "Username": "ana", "ConfirmationCode": code, "Password": NEW, "ClientMetadata": {"k": "v"}});
    server.call("ConfirmForgotPassword", request).await.ok();
    let request = json!({"ClientId": client, "Username": "ana", "ClientMetadata": {"k": 1}});
    assert_eq!(
        server.call("ForgotPassword", request).await.error(),
        "SerializationException: class java.lang.Integer can not be converted to an String"
    );
}

#[tokio::test]
async fn unknown_clients_and_malformed_requests_are_refused() {
    let server = Server::memory().await;
    let mut answers = Vec::new();
    for request in [
        json!({"ClientId": "nosuchclient", "Username": "ana"}),
        json!({"ClientId": "not a client", "Username": ""}),
        json!({"Username": "ana"}),
        json!({"ClientId": null, "Username": null}),
        json!({"ClientId": "c", "Username": "a b"}),
        json!({"ClientId": "c", "Username": "x".repeat(129)}),
        json!({"ClientId": "c", "Username": ["ana"]}),
    ] {
        answers.push(server.call("ForgotPassword", request).await.error());
    }
    let request = json!({"ClientId": "c", "Username": "ana", "Password": "p"});
    answers.push(server.call("ConfirmForgotPassword", request).await.error());
    let request = json!({"ClientId": "nosuchclient", "Username": "ana", "Password": "p", "ConfirmationCode": "1"});
    answers.push(server.call("ConfirmForgotPassword", request).await.error());
    insta::assert_snapshot!(answers.join("\n"), @r"
    ResourceNotFoundException: User pool client nosuchclient does not exist.
    InvalidParameterException: 3 validation errors detected: Value at 'clientId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+]+; Value at 'username' failed to satisfy constraint: Member must have length greater than or equal to 1; Value at 'username' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{M}\p{S}\p{N}\p{P}]+
    InvalidParameterException: 1 validation error detected: Value at 'clientId' failed to satisfy constraint: Member must not be null
    InvalidParameterException: 2 validation errors detected: Value at 'clientId' failed to satisfy constraint: Member must not be null; Value at 'username' failed to satisfy constraint: Member must not be null
    InvalidParameterException: 1 validation error detected: Value at 'username' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{M}\p{S}\p{N}\p{P}]+
    InvalidParameterException: 1 validation error detected: Value at 'username' failed to satisfy constraint: Member must have length less than or equal to 128
    SerializationException: Start of list found where not expected
    InvalidParameterException: 1 validation error detected: Value null at 'confirmationCode' failed to satisfy constraint: Member must not be null
    ResourceNotFoundException: User pool client nosuchclient does not exist.
    ");
}
