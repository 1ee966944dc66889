//! A forgotten password, from every side (accounts.md §3–§8).

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
async fn a_secret_hash_is_required_exactly_when_the_client_has_a_secret() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let secret = server.client(&pool, json!({"GenerateSecret": true})).await;
    let (id, key) = (secret["ClientId"].as_str().unwrap(), secret["ClientSecret"].as_str().unwrap());
    let public = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "ana", OLD, json!({"email": "ana@example.com"})).await;
    let right = crypto::hash::secret_hash("ana", id, key);
    let wrong = crypto::hash::secret_hash("bob", id, key);

    let call = async |client: &str, hash: Option<&str>| {
        let request = json!({"ClientId": client, "Username": "ana", "SecretHash": hash});
        server.call("ForgotPassword", request).await
    };
    call(id, Some(&right)).await.ok();
    assert_eq!(
        call(id, None).await.error(),
        format!("NotAuthorizedException: Client {id} is configured with secret but SECRET_HASH was not received")
    );
    assert_eq!(
        call(id, Some(&wrong)).await.error(),
        format!("NotAuthorizedException: Unable to verify secret hash for client {id}")
    );
    assert_eq!(
        call(&public, Some(&right)).await.error(),
        format!("NotAuthorizedException: Unable to verify secret hash for client {public}")
    );
    let code = server.last_code(&pool, "ana").await;
    assert_eq!(
        confirm(&server, id, "ana", &code, NEW).await.error(),
        format!("NotAuthorizedException: Client {id} is configured with secret but SECRET_HASH was not received")
    );
    let request =
        json!({"ClientId": id, "Username": "ana", "ConfirmationCode": code, "Password": NEW, "SecretHash": right});
    server.call("ConfirmForgotPassword", request).await.ok();
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
async fn a_code_to_an_address_that_is_no_longer_the_users_is_worthless() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({"email": "ana@example.com"})).await;
    forgot(&server, &client, "ana").await.ok();
    let code = server.last_code(&pool, "ana").await;
    let attributes =
        json!([{"Name": "email", "Value": "new@example.com"}, {"Name": "email_verified", "Value": "true"}]);
    let update = json!({"UserPoolId": pool, "Username": "ana", "UserAttributes": attributes});
    server.call("AdminUpdateUserAttributes", update).await.ok();
    let expired = "ExpiredCodeException: Invalid code provided, please request a code again.";
    assert_eq!(confirm(&server, &client, "ana", &code, NEW).await.error(), expired);
}

#[tokio::test]
async fn wrong_codes_are_limited_by_the_hour_and_by_the_day() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({}), json!({"email": "ana@example.com"})).await;
        let limited = "LimitExceededException: Attempt limit exceeded, please try after some time.";
        for _ in 0..6 {
            forgot(&server, &client, "ana").await.ok();
            let code = server.last_code(&pool, "ana").await;
            for _ in 0..5 {
                let answer = confirm(&server, &client, "ana", &other(&code), NEW).await.error();
                assert_eq!(answer, "CodeMismatchException: Invalid verification code provided, please try again.");
            }
            assert_eq!(confirm(&server, &client, "ana", &code, NEW).await.error(), limited, "even the right code");
            server.advance(3_600);
        }
        forgot(&server, &client, "ana").await.ok();
        let code = server.last_code(&pool, "ana").await;
        let answer = confirm(&server, &client, "ana", &code, NEW).await.error();
        assert!(answer.starts_with("TooManyFailedAttemptsException: "), "{answer}");
        server.advance(24 * 3_600);
        forgot(&server, &client, "ana").await.ok();
        let code = server.last_code(&pool, "ana").await;
        confirm(&server, &client, "ana", &code, NEW).await.ok();
    })
    .await;
}

#[tokio::test]
async fn requests_are_limited_for_known_and_unknown_users_alike() {
    let server = Server::memory().await;
    let (_, client) =
        scene(&server, json!({"PreventUserExistenceErrors": "ENABLED"}), json!({"email": "ana@example.com"})).await;
    for username in ["ana", "nobody"] {
        for _ in 0..5 {
            forgot(&server, &client, username).await.ok();
        }
        assert_eq!(
            forgot(&server, &client, username).await.error(),
            "LimitExceededException: Attempt limit exceeded, please try after some time.",
            "{username}"
        );
        for _ in 0..5 {
            let answer = confirm(&server, &client, username, "no-code", NEW).await.error();
            assert_eq!(
                answer, "CodeMismatchException: Invalid verification code provided, please try again.",
                "{username}"
            );
        }
        assert_eq!(
            confirm(&server, &client, username, "no-code", NEW).await.error(),
            "LimitExceededException: Attempt limit exceeded, please try after some time.",
            "{username}"
        );
    }
    server.advance(3_600);
    forgot(&server, &client, "ana").await.ok();
}

#[tokio::test]
async fn guesses_at_once_gain_nothing_over_guesses_in_a_row() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({}), json!({"email": "ana@example.com"})).await;
        forgot(&server, &client, "ana").await.ok();
        let code = server.last_code(&pool, "ana").await;
        let guesses: Vec<String> = (0..40).map(|guess| format!("{guess:06}")).filter(|guess| *guess != code).collect();
        let server = std::sync::Arc::new(server);
        let mut calls = tokio::task::JoinSet::new();
        for guess in guesses {
            let (server, client) = (server.clone(), client.clone());
            calls.spawn(async move { confirm(&server, &client, "ana", &guess, NEW).await.error() });
        }
        let answers = calls.join_all().await;
        let looked_at = answers.iter().filter(|answer| answer.starts_with("CodeMismatch")).count();
        assert_eq!(looked_at, 5, "{answers:?}");
    })
    .await;
}

#[tokio::test]
async fn a_code_is_spent_once_however_many_use_it_at_once() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({}), json!({"email": "ana@example.com"})).await;
        forgot(&server, &client, "ana").await.ok();
        let code = server.last_code(&pool, "ana").await;
        let server = std::sync::Arc::new(server);
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..10 {
            let (server, client, code) = (server.clone(), client.clone(), code.clone());
            calls.spawn(async move { confirm(&server, &client, "ana", &code, &format!("{NEW}{number}")).await.status });
        }
        let successes = calls.join_all().await.into_iter().filter(|status| *status == 200).count();
        assert_eq!(successes, 1);
    })
    .await;
}

#[tokio::test]
async fn a_refused_password_does_not_use_up_the_code() {
    let server = Server::memory().await;
    let policy = json!({"Policies": {"PasswordPolicy": {"MinimumLength": 8, "RequireUppercase": true, "RequireLowercase": true, "RequireNumbers": true, "RequireSymbols": true, "PasswordHistorySize": 2}}});
    let pool = server.pool(policy).await;
    let client = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "ana", OLD, json!({"email": "ana@example.com"})).await;
    forgot(&server, &client, "ana").await.ok();
    let code = server.last_code(&pool, "ana").await;
    let mut answers = Vec::new();
    for password in ["Sh0rt!", "no-upper-case-1", "NO-LOWER-CASE-1", "No-numbers", "NoSymbols1", OLD] {
        answers.push(confirm(&server, &client, "ana", &code, password).await.error());
    }
    insta::assert_snapshot!(answers.join("\n"), @"
    InvalidPasswordException: Password does not conform to policy: Password not long enough
    InvalidPasswordException: Password does not conform to policy: Password must have uppercase characters
    InvalidPasswordException: Password does not conform to policy: Password must have lowercase characters
    InvalidPasswordException: Password does not conform to policy: Password must have numeric characters
    InvalidPasswordException: Password does not conform to policy: Password must have symbol characters
    PasswordHistoryPolicyViolationException: Password has previously been used
    ");
    confirm(&server, &client, "ana", &code, NEW).await.ok();
    // The last two may not come back: the new one and the one before it.
    forgot(&server, &client, "ana").await.ok();
    let code = server.last_code(&pool, "ana").await;
    for password in [NEW, OLD] {
        let answer = confirm(&server, &client, "ana", &code, password).await.error();
        assert_eq!(answer, "PasswordHistoryPolicyViolationException: Password has previously been used", "{password}");
    }
    confirm(&server, &client, "ana", &code, "Third-Passw0rd").await.ok();
    forgot(&server, &client, "ana").await.ok();
    let code = server.last_code(&pool, "ana").await;
    confirm(&server, &client, "ana", &code, OLD).await.ok();
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

#[tokio::test]
async fn an_administrator_resets_a_password() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({}), json!({"email": "ana@example.com"})).await;
        let tokens = server.sign_in(&client, "ana", OLD).await.ok();
        let reset = json!({"UserPoolId": pool, "Username": "ana"});
        assert_eq!(server.call("AdminResetUserPassword", reset.clone()).await.ok(), json!({}));
        let user = server.call("AdminGetUser", reset.clone()).await.ok();
        assert_eq!(user["UserStatus"], "RESET_REQUIRED");
        let required = "PasswordResetRequiredException: Password reset required for the user";
        assert_eq!(server.sign_in(&client, "ana", OLD).await.error(), required);
        let token = &tokens["AuthenticationResult"]["AccessToken"];
        assert_eq!(server.call("GetUser", json!({"AccessToken": token})).await.error(), required);
        // Asking again leaves the state as it is.
        forgot(&server, &client, "ana").await.ok();
        let code = server.last_code(&pool, "ana").await;
        confirm(&server, &client, "ana", &code, NEW).await.ok();
        server.sign_in(&client, "ana", NEW).await.ok();
        assert_eq!(server.call("AdminGetUser", reset).await.ok()["UserStatus"], "CONFIRMED");
    })
    .await;
}

#[tokio::test]
async fn an_administrator_is_told_why_a_password_cannot_be_reset() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, json!({})).await;
    let alone = server
        .pool(json!({"AccountRecoverySetting": {"RecoveryMechanisms": [{"Name": "admin_only", "Priority": 1}]}}))
        .await;
    server.confirmed_user(&alone, "ana", OLD, json!({"email": "a@example.com"})).await;
    server.confirmed_user(&pool, "disabled", OLD, json!({"email": "d@example.com"})).await;
    server.call("AdminDisableUser", json!({"UserPoolId": pool, "Username": "disabled"})).await.ok();
    server.confirmed_user(&pool, "unreachable", OLD, json!({})).await;
    server
        .call("AdminCreateUser", json!({"UserPoolId": pool, "Username": "invited", "MessageAction": "SUPPRESS"}))
        .await
        .ok();
    let sign_up = json!({"ClientId": client, "Username": "unconfirmed", "Password": OLD});
    server.call("SignUp", sign_up).await.ok();
    let mut answers = Vec::new();
    for (pool, username) in [
        (pool.as_str(), "nobody"),
        (&pool, "disabled"),
        (&pool, "unreachable"),
        (&pool, "invited"),
        (&pool, "unconfirmed"),
        (&alone, "ana"),
        ("us-east-1_nosuch", "ana"),
    ] {
        let answer = server.call("AdminResetUserPassword", json!({"UserPoolId": pool, "Username": username})).await;
        answers.push(format!("{username}: {}", answer.error()));
    }
    insta::assert_snapshot!(answers.join("\n"), @"
    nobody: UserNotFoundException: User does not exist.
    disabled: NotAuthorizedException: User is disabled.
    unreachable: InvalidParameterException: Cannot reset password for the user as there is no registered/verified email or phone_number
    invited: NotAuthorizedException: User password cannot be reset in the current state.
    unconfirmed: NotAuthorizedException: User password cannot be reset in the current state.
    ana: InvalidParameterException: Cannot reset password for the user as the account recovery setting is admin_only. Use AdminSetUserPassword.
    ana: ResourceNotFoundException: User pool us-east-1_nosuch does not exist.
    ");
}

#[tokio::test]
async fn a_signed_in_user_changes_the_password() {
    both_engines(async |server| {
        let (_, client) = scene(&server, json!({}), json!({"email": "ana@example.com"})).await;
        let token = server.sign_in(&client, "ana", OLD).await.ok()["AuthenticationResult"]["AccessToken"].clone();
        let change = async |previous: Option<&str>, proposed: &str| {
            let request = json!({"AccessToken": token, "PreviousPassword": previous, "ProposedPassword": proposed});
            server.call("ChangePassword", request).await
        };
        assert_eq!(
            change(Some("Wrong-Passw0rd"), NEW).await.error(),
            "NotAuthorizedException: Incorrect username or password."
        );
        assert_eq!(
            change(None, NEW).await.error(),
            "InvalidParameterException: Missing required parameter PreviousPassword"
        );
        assert_eq!(
            change(Some(OLD), "short").await.error(),
            "InvalidPasswordException: Password does not conform to policy: Password not long enough"
        );
        assert_eq!(change(Some(OLD), NEW).await.ok(), json!({}));
        server.sign_in(&client, "ana", NEW).await.ok();
        // The token lives on; the fifth call of the hour is the last.
        change(Some(NEW), OLD).await.ok();
        assert_eq!(
            change(Some(OLD), NEW).await.error(),
            "LimitExceededException: Attempt limit exceeded, please try after some time."
        );
        server.advance(3_599);
        assert!(change(Some(OLD), NEW).await.error().starts_with("LimitExceeded"));
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_under_way_stops_working_when_the_password_is_reset() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({"email": "ana@example.com"})).await;
    let attempt = testkit::srp::SignIn::start(&server, &client, &pool, "ana", OLD).await;
    forgot(&server, &client, "ana").await.ok();
    let code = server.last_code(&pool, "ana").await;
    confirm(&server, &client, "ana", &code, NEW).await.ok();
    assert_eq!(attempt.finish(&server).await.error(), "NotAuthorizedException: Incorrect username or password.");
    let attempt = testkit::srp::SignIn::start(&server, &client, &pool, "ana", NEW).await;
    attempt.finish(&server).await.ok();
}

#[tokio::test]
async fn a_changed_password_makes_an_outstanding_code_worthless() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({"email": "ana@example.com"})).await;
    forgot(&server, &client, "ana").await.ok();
    let code = server.last_code(&pool, "ana").await;
    let token = server.sign_in(&client, "ana", OLD).await.ok()["AuthenticationResult"]["AccessToken"].clone();
    let change = json!({"AccessToken": token, "PreviousPassword": OLD, "ProposedPassword": NEW});
    server.call("ChangePassword", change).await.ok();
    assert_eq!(
        confirm(&server, &client, "ana", &code, "Thief-Passw0rd").await.error(),
        "ExpiredCodeException: Invalid code provided, please request a code again."
    );
    server.sign_in(&client, "ana", NEW).await.ok();
}

#[tokio::test]
async fn a_medium_that_nobody_delivers_does_not_tell_who_exists() {
    let settings = service::messages::SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: 9,
        encryption: service::messages::Encryption::None,
        username: None,
        password: None,
        from: "no-reply@example.com".to_owned(),
        ca_file: None,
        timeout: std::time::Duration::from_secs(1),
    };
    let sender = service::messages::Sender::Smtp(service::messages::SmtpSender::new(&settings).unwrap());
    let server = Server::builder().sender(sender).start().await;
    let pool = server.pool(json!({})).await;
    let legacy = server.client_id(&pool, json!({})).await;
    let hiding = server.client_id(&pool, json!({"PreventUserExistenceErrors": "ENABLED"})).await;
    server.confirmed_user(&pool, "phone", OLD, json!({"phone_number": "+14325551212"})).await;
    server.confirmed_user(&pool, "mail", OLD, json!({"email": "mail@example.com"})).await;
    assert!(forgot(&server, &legacy, "phone").await.error().starts_with("CodeDeliveryFailureException: "));
    for username in ["phone", "mail", "nobody", "+14325551212", "+14325550000"] {
        forgot(&server, &hiding, username).await.ok();
    }
    // Where nothing at all can be delivered, everybody is told the same.
    let server = Server::builder().sender(service::messages::Sender::Nobody).start().await;
    let pool = server.pool(json!({})).await;
    let hiding = server.client_id(&pool, json!({"PreventUserExistenceErrors": "ENABLED"})).await;
    server.confirmed_user(&pool, "mail", OLD, json!({"email": "mail@example.com"})).await;
    for username in ["mail", "nobody", "+14325551212"] {
        let answer = forgot(&server, &hiding, username).await.error();
        assert!(answer.starts_with("CodeDeliveryFailureException: "), "{answer}");
    }
}
