//! NEW_PASSWORD_REQUIRED and the session that waits for its answer (auth-flows.md §6, §7).

use super::*;

const TEMPORARY: &str = "Temp-Passw0rd";
const NEW: &str = "New-Passw0rd1";

/// A user with a temporary password, and attributes as an administrator gives them.
async fn invited(server: &Server, pool: &str, username: &str, attributes: &[(&str, &str)]) {
    let attributes: Vec<Value> = attributes.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
    let request = json!({
        "UserPoolId": pool,
        "Username": username,
        "TemporaryPassword": TEMPORARY,
        "UserAttributes": attributes,
        "MessageAction": "SUPPRESS",
    });
    server.call("AdminCreateUser", request).await.ok();
}

/// The session of a sign-in with the temporary password.
async fn session(server: &Server, client: &str, username: &str) -> String {
    let answer = server.sign_in(client, username, TEMPORARY).await.ok();
    assert_eq!(answer["ChallengeName"], "NEW_PASSWORD_REQUIRED");
    answer["Session"].as_str().unwrap().to_owned()
}

async fn answer(server: &Server, client: &str, session: &str, responses: Value) -> Answer {
    respond(server, client, "NEW_PASSWORD_REQUIRED", Some(session), responses).await
}

fn with(password: &str) -> Value {
    json!({"USERNAME": "alice", "NEW_PASSWORD": password})
}

async fn setting(server: &Server, pool: Value) -> (String, String) {
    let pool = server.pool(pool).await;
    let client = server.client_id(&pool, json!({})).await;
    (pool, client)
}

#[tokio::test]
async fn a_temporary_password_is_replaced() {
    both_engines(async |server| {
        let (pool, client) = setting(&server, json!({})).await;
        invited(&server, &pool, "alice", &[("email", "alice@example.com"), ("email_verified", "true")]).await;
        let mut challenge = server.sign_in(&client, "alice", TEMPORARY).await.ok();
        let session = challenge["Session"].as_str().unwrap().to_owned();
        assert!((100..2_000).contains(&session.len()), "{}", session.len());
        challenge["Session"] = json!("[sealed]");
        insta::allow_duplicates! { insta::assert_json_snapshot!(challenge, @r#"
        {
          "ChallengeName": "NEW_PASSWORD_REQUIRED",
          "Session": "[sealed]",
          "ChallengeParameters": {
            "USER_ID_FOR_SRP": "alice",
            "requiredAttributes": "[]",
            "userAttributes": "{\"email\":\"alice@example.com\",\"email_verified\":\"true\"}"
          }
        }
        "#); }

        let tokens = answer(&server, &client, &session, with(NEW)).await.ok();
        let user = server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": "alice"})).await.ok();
        assert_eq!(user["UserStatus"], "CONFIRMED");
        assert_eq!(server.sign_in(&client, "alice", TEMPORARY).await.error(), INCORRECT);
        assert_eq!(undrawn(tokens), undrawn(server.sign_in(&client, "alice", NEW).await.ok()));
        // Permanent: it does not end.
        server.advance(400 * 86_400);
        server.sign_in(&client, "alice", NEW).await.ok();
    })
    .await;
}

#[tokio::test]
async fn it_follows_every_proof_of_the_password() {
    both_engines(async |server| {
        let (pool, client) = setting(&server, json!({})).await;
        invited(&server, &pool, "alice", &[]).await;
        let srp = testkit::srp::SignIn::start(&server, &client, &pool, "alice", TEMPORARY).await;
        let challenge = srp.finish(&server).await.ok();
        assert_eq!(challenge["ChallengeName"], "NEW_PASSWORD_REQUIRED");
        let session = challenge["Session"].as_str().unwrap();
        // Clients leave what they sent before in the answer.
        let mut responses = srp.responses.clone();
        responses["NEW_PASSWORD"] = json!(TEMPORARY);
        // Without a history the temporary password may stay.
        answer(&server, &client, session, responses).await.ok();
        server.sign_in(&client, "alice", TEMPORARY).await.ok();
    })
    .await;
}

#[tokio::test]
async fn attributes_that_the_pool_demands_are_filled_in() {
    both_engines(async |server| {
        let schema = json!([
            {"Name": "given_name", "Required": true, "AttributeDataType": "String", "Mutable": true},
            {"Name": "email", "Required": true, "AttributeDataType": "String", "Mutable": true},
            {"Name": "birthdate", "Required": true, "AttributeDataType": "String", "Mutable": false},
            {"Name": "team", "AttributeDataType": "String", "Mutable": true},
        ]);
        let (pool, client) = setting(&server, json!({"Schema": schema})).await;
        invited(&server, &pool, "alice", &[("email", "alice@example.com"), ("nickname", "al")]).await;
        let challenge = server.sign_in(&client, "alice", TEMPORARY).await.ok();
        let parameters = &challenge["ChallengeParameters"];
        insta::allow_duplicates! { insta::assert_json_snapshot!(parameters, @r#"
        {
          "USER_ID_FOR_SRP": "alice",
          "requiredAttributes": "[\"userAttributes.given_name\",\"userAttributes.birthdate\"]",
          "userAttributes": "{\"email\":\"alice@example.com\",\"nickname\":\"al\"}"
        }
        "#); }
        let session = challenge["Session"].as_str().unwrap();
        let attempt = async |attributes: &[(&str, &str)]| {
            let mut responses = with(NEW);
            for (name, value) in attributes {
                responses[format!("userAttributes.{name}")] = json!(value);
            }
            answer(&server, &client, session, responses).await
        };
        let (given, born) = (("given_name", "Alice"), ("birthdate", "1990-01-01"));
        for (attributes, error) in [
            (&[][..], "InvalidParameterException: Invalid attributes given, given_name is missing"),
            (&[("given_name", ""), born], "InvalidParameterException: Invalid attributes given, given_name is missing"),
            (&[given], "InvalidParameterException: Invalid attributes given, birthdate is missing"),
            (
                &[given, born, ("email", "b@example.com")],
                "NotAuthorizedException: Cannot modify an already provided email",
            ),
            (
                &[given, born, ("email_verified", "true")],
                "NotAuthorizedException: A client attempted to write unauthorized attribute",
            ),
            (
                &[given, born, ("custom:team", "red")],
                "NotAuthorizedException: A client attempted to write unauthorized attribute",
            ),
        ] {
            assert_eq!(attempt(attributes).await.error(), error, "{attributes:?}");
        }
        let schema = "InvalidParameterException: Attributes did not conform to the schema";
        for (name, value, fault) in [
            ("sub", "x", "Attribute cannot be updated."),
            ("identities", "x", "Attribute does not exist in the schema."),
            ("colour", "red", "Attribute does not exist in the schema."),
            ("birthdate", "x", "String must be at least 10 characters"),
        ] {
            let outcome = attempt(&[given, born, (name, value)]).await.error();
            assert_eq!(outcome, format!("{schema}: {name}: {fault}\n"));
        }
        // Nothing of that has used the session up, or changed the user.
        let tokens = decoded(attempt(&[given, born, ("nickname", "ally")]).await.ok());
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(tokens["AuthenticationResult"]["IdToken"]["claims"], @r#"
            {
              "sub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef",
              "birthdate": "1990-01-01",
              "email": "alice@example.com",
              "given_name": "Alice",
              "nickname": "ally",
              "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
              "cognito:username": "alice",
              "origin_jti": "ce8ab50d-f4af-49da-92ea-ac10943e5df1",
              "aud": "cgqnq25d7v3j8fm9ernm8hn77b",
              "event_id": "10911f0a-5f15-4b3e-b0ba-e49aa71a0779",
              "token_use": "id",
              "auth_time": 1767323045,
              "exp": 1767326645,
              "iat": 1767323045,
              "jti": "c0924911-9595-4238-8f40-0bcd54c25180"
            }
            "#);
        }
    })
    .await;
}

#[tokio::test]
async fn the_new_password_must_please_the_pool() {
    both_engines(async |server| {
        let policy = json!({"PasswordPolicy": {"MinimumLength": 10, "RequireSymbols": true, "PasswordHistorySize": 2}});
        let (pool, client) = setting(&server, json!({"Policies": policy})).await;
        invited(&server, &pool, "alice", &[]).await;
        let session = session(&server, &client, "alice").await;
        assert_eq!(
            answer(&server, &client, &session, with("Short-1")).await.error(),
            "InvalidPasswordException: Password does not conform to policy: Password not long enough"
        );
        assert_eq!(
            answer(&server, &client, &session, with(TEMPORARY)).await.error(),
            "PasswordHistoryPolicyViolationException: Password has previously been used"
        );
        answer(&server, &client, &session, with(NEW)).await.ok();
    })
    .await;
}

#[tokio::test]
async fn a_session_is_for_one_answer() {
    both_engines(async |server| {
        let (pool, client) = setting(&server, json!({})).await;
        invited(&server, &pool, "alice", &[]).await;
        invited(&server, &pool, "bob", &[]).await;
        let good = session(&server, &client, "alice").await;
        let missing = |name: &str| format!("InvalidParameterException: Missing required parameter {name}");
        let challenge = "NEW_PASSWORD_REQUIRED";
        let without = respond(&server, &client, challenge, None, with(NEW)).await;
        assert_eq!(without.error(), missing("Session"));
        let answered = answer(&server, &client, &good, json!({"NEW_PASSWORD": NEW})).await;
        assert_eq!(answered.error(), missing("USERNAME"));
        let answered = answer(&server, &client, &good, json!({"USERNAME": "alice"})).await;
        assert_eq!(answered.error(), missing("NEW_PASSWORD"));

        // Nothing but this very session, for this user, client, challenge and entrance.
        let mut tampered = good.clone().into_bytes();
        tampered[60] = if tampered[60] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(tampered).unwrap();
        for session in [&tampered, &good[..good.len() - 4], &"A".repeat(4_096), "not/base64url+at=all", &"é".repeat(30)]
        {
            assert_eq!(answer(&server, &client, session, with(NEW)).await.error(), INVALID_SESSION, "{session}");
        }
        for name in ["bob", "nobody"] {
            let responses = json!({"USERNAME": name, "NEW_PASSWORD": NEW});
            assert_eq!(answer(&server, &client, &good, responses).await.error(), INVALID_SESSION);
        }
        let other_client = server.client_id(&pool, json!({})).await;
        assert_eq!(answer(&server, &other_client, &good, with(NEW)).await.error(), INVALID_SESSION);
        let code = json!({"USERNAME": "alice", "SOFTWARE_TOKEN_MFA_CODE": "123456"});
        let other = respond(&server, &client, "SOFTWARE_TOKEN_MFA", Some(&good), code).await;
        assert_eq!(other.error(), INVALID_SESSION);
        let admin = |session: &str| {
            json!({"UserPoolId": pool, "ClientId": client, "ChallengeName": challenge, "Session": session,
                   "ChallengeResponses": with(NEW)})
        };
        assert_eq!(server.call("AdminRespondToAuthChallenge", admin(&good)).await.error(), INVALID_SESSION);
        let begun = admin_sign_in(&server, &pool, &client, "alice", TEMPORARY).await.ok();
        let administrators = begun["Session"].as_str().unwrap();
        assert_eq!(answer(&server, &client, administrators, with(NEW)).await.error(), INVALID_SESSION);

        // After one success both are worthless.
        server.call("AdminRespondToAuthChallenge", admin(administrators)).await.ok();
        let again = server.call("AdminRespondToAuthChallenge", admin(administrators)).await;
        assert_eq!(again.error(), USED_SESSION);
        assert_eq!(answer(&server, &client, &good, with(NEW)).await.error(), INVALID_SESSION);
    })
    .await;
}

#[tokio::test]
async fn a_session_gets_old() {
    let server = Server::memory().await;
    let (pool, client) = setting(&server, json!({})).await;
    invited(&server, &pool, "alice", &[]).await;
    let old = session(&server, &client, "alice").await;
    server.advance(180);
    assert_eq!(answer(&server, &client, &old, with(NEW)).await.error(), EXPIRED_SESSION);
    let young = session(&server, &client, "alice").await;
    server.advance(179);
    answer(&server, &client, &young, with(NEW)).await.ok();
}

#[tokio::test]
async fn what_an_administrator_does_meanwhile_counts() {
    both_engines(async |server| {
        let (pool, client) = setting(&server, json!({})).await;
        invited(&server, &pool, "alice", &[]).await;
        let before = session(&server, &client, "alice").await;
        set_password(&server, &pool, "alice", "Other-Temp0rary", false).await;
        assert_eq!(answer(&server, &client, &before, with(NEW)).await.error(), INVALID_SESSION);
        set_password(&server, &pool, "alice", TEMPORARY, false).await;
        let before = session(&server, &client, "alice").await;
        administer(&server, "AdminDisableUser", &pool, "alice").await;
        assert_eq!(
            answer(&server, &client, &before, with(NEW)).await.error(),
            "NotAuthorizedException: User is disabled."
        );
        administer(&server, "AdminDeleteUser", &pool, "alice").await;
        assert_eq!(answer(&server, &client, &before, with(NEW)).await.error(), INVALID_SESSION);
    })
    .await;
}

#[tokio::test]
async fn of_many_answers_at_once_one_counts() {
    both_engines(async |server| {
        let (pool, client) = setting(&server, json!({})).await;
        invited(&server, &pool, "alice", &[]).await;
        let session = session(&server, &client, "alice").await;
        let server = Arc::new(server);
        let outcomes = at_once(20, &server, |server| {
            let (client, session) = (client.clone(), session.clone());
            async move { answer(&server, &client, &session, with(NEW)).await }
        })
        .await;
        assert_eq!(outcomes, [times(19, USED_SESSION), times(1, "ok")].concat());
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_name_that_somebody_else_owns_is_refused() {
    let server = Server::memory().await;
    let members = json!({"UsernameAttributes": ["email", "phone_number"]});
    let (pool, client) = setting(&server, members).await;
    server.confirmed_user(&pool, "alice@example.com", PASSWORD, json!({})).await;
    invited(&server, &pool, "+4915112345678", &[]).await;
    let answer = server.sign_in(&client, "+4915112345678", TEMPORARY).await.ok();
    let session = answer["Session"].as_str().unwrap();
    let responses = json!({
        "USERNAME": "+4915112345678",
        "NEW_PASSWORD": NEW,
        "userAttributes.email": "alice@example.com",
    });
    let answer = respond(&server, &client, "NEW_PASSWORD_REQUIRED", Some(session), responses).await;
    assert_eq!(answer.error(), "AliasExistsException: An account with the given email already exists.");
}

#[tokio::test]
async fn a_name_that_leads_to_somebody_else_is_refused() {
    both_engines(async |server| {
        let (pool, client) = setting(&server, json!({"AliasAttributes": ["email", "preferred_username"]})).await;
        let attributes = json!({"email": "bob@example.com", "preferred_username": "bobby"});
        let sub = server.confirmed_user(&pool, "bob", PASSWORD, attributes).await;
        invited(&server, &pool, "alice", &[]).await;
        let session = session(&server, &client, "alice").await;
        // Whatever kind of name it is: signing in by it must lead to its owner only.
        for name in ["bob", &sub, "bob@example.com", "bobby"] {
            let mut responses = with(NEW);
            responses["userAttributes.preferred_username"] = json!(name);
            assert_eq!(
                answer(&server, &client, &session, responses).await.error(),
                "AliasExistsException: An account with the given preferred_username already exists.",
                "{name}"
            );
        }
        // The session is as good as before, and the user's own name is no obstacle.
        let mut responses = with(NEW);
        responses["userAttributes.preferred_username"] = json!("alice");
        answer(&server, &client, &session, responses).await.ok();
        server.sign_in(&client, "bob", PASSWORD).await.ok();
    })
    .await;
}

#[tokio::test]
async fn what_no_operation_takes_as_a_password_is_refused() {
    let server = Server::memory().await;
    let policy = json!({"PasswordPolicy": {"MinimumLength": 8}});
    let (pool, client) = setting(&server, json!({"Policies": policy})).await;
    invited(&server, &pool, "alice", &[]).await;
    let session = session(&server, &client, "alice").await;
    let refused = async |password: &str| answer(&server, &client, &session, with(password)).await.error();
    let long = "x".repeat(257);
    insta::assert_snapshot!(refused(&long).await, @r"InvalidParameterException: 1 validation error detected: Value at 'challengeResponses.NEW_PASSWORD' failed to satisfy constraint: Member must have length less than or equal to 256");
    insta::assert_snapshot!(refused("New Passw0rd!").await, @r"InvalidParameterException: 1 validation error detected: Value at 'challengeResponses.NEW_PASSWORD' failed to satisfy constraint: Member must satisfy regular expression pattern: [\S]+");
    insta::assert_snapshot!(refused(&format!(" {long}")).await, @r"InvalidParameterException: 2 validation errors detected: Value at 'challengeResponses.NEW_PASSWORD' failed to satisfy constraint: Member must have length less than or equal to 256; Value at 'challengeResponses.NEW_PASSWORD' failed to satisfy constraint: Member must satisfy regular expression pattern: [\S]+");
    insta::assert_snapshot!(refused("New-Passw0rd!\n").await, @r"InvalidParameterException: 1 validation error detected: Value at 'challengeResponses.NEW_PASSWORD' failed to satisfy constraint: Member must satisfy regular expression pattern: [\S]+");
    let longest = format!("Aa1!{}", "x".repeat(252));
    answer(&server, &client, &session, with(&longest)).await.ok();
    server.sign_in(&client, "alice", &longest).await.ok();
}

#[tokio::test]
async fn a_session_keeps_the_time_that_it_was_given() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({"AuthSessionValidity": 3})).await;
        invited(&server, &pool, "alice", &[]).await;
        let validity = async |minutes: i64| {
            let flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH"];
            let request = json!({
                "UserPoolId": pool, "ClientId": client, "ExplicitAuthFlows": flows, "AuthSessionValidity": minutes,
            });
            server.call("UpdateUserPoolClient", request).await.ok();
        };
        let short = session(&server, &client, "alice").await;
        let proof = testkit::srp::SignIn::start(&server, &client, &pool, "alice", TEMPORARY).await;
        proof.finish(&server).await.ok();
        validity(15).await;
        let long = session(&server, &client, "alice").await;
        // The mark of the spent proof may be swept away now: it is refused for its age all the same.
        server.advance(180);
        assert_eq!(answer(&server, &client, &short, with(NEW)).await.error(), EXPIRED_SESSION);
        assert_eq!(proof.finish(&server).await.error(), EXPIRED_SESSION);
        validity(3).await;
        server.advance(15 * 60 - 181);
        answer(&server, &client, &long, with(NEW)).await.ok();
        assert_eq!(answer(&server, &client, &long, with(NEW)).await.error(), USED_SESSION);
        server.advance(1);
        assert_eq!(answer(&server, &client, &long, with(NEW)).await.error(), EXPIRED_SESSION);
    })
    .await;
}

#[tokio::test]
async fn it_ends_an_outstanding_reset_code() {
    both_engines(async |server| {
        let (pool, client) = setting(&server, json!({})).await;
        invited(&server, &pool, "alice", &[("email", "a@example.com"), ("email_verified", "true")]).await;
        let session = session(&server, &client, "alice").await;
        crate::users::passwords::outstanding_reset_code(&server, &pool, "alice", "a@example.com", "123456").await;
        answer(&server, &client, &session, with(NEW)).await.ok();
        let request = json!({
            "ClientId": client, "Username": "alice", "ConfirmationCode": "123456", "Password": "Attacker-Passw0rd1",
        });
        assert_eq!(
            server.call("ConfirmForgotPassword", request).await.error(),
            "ExpiredCodeException: Invalid code provided, please request a code again."
        );
    })
    .await;
}
