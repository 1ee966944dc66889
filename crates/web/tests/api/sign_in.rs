//! Signing in by password, who may, and what everybody else is told (auth-flows.md §2 to §10).

mod administrators;
pub mod custom;
mod flows;
mod hashes;
mod lockout;
pub mod mfa;
mod new_password;
mod srp;
mod user_auth;

use std::sync::Arc;

use serde_json::{Value, json};
use store::{Changes, Key};
use testkit::{Answer, Server, both_engines};

use crate::tokens::{decoded, undrawn};

pub const PASSWORD: &str = "Passw0rd!";
pub const INCORRECT: &str = "NotAuthorizedException: Incorrect username or password.";
const UNKNOWN: &str = "UserNotFoundException: User does not exist.";
pub const INVALID_SESSION: &str = "NotAuthorizedException: Invalid session for the user.";
const EXPIRED_SESSION: &str = "NotAuthorizedException: Invalid session for the user, session is expired.";
pub const USED_SESSION: &str = "NotAuthorizedException: Invalid session for the user, session can only be used once.";
pub const LOCKED: &str = "NotAuthorizedException: Password attempts exceeded";
pub const NO_DEVICE: &str = "ResourceNotFoundException: Device does not exist.";

/// A pool, a client with these members, and the confirmed user `alice`.
async fn scene(server: &Server, client: Value) -> (String, String) {
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, client).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
    (pool, client)
}

fn hides() -> Value {
    json!({"PreventUserExistenceErrors": "ENABLED"})
}

pub async fn initiate(server: &Server, client: &str, flow: &str, parameters: Value) -> Answer {
    let request = json!({"AuthFlow": flow, "ClientId": client, "AuthParameters": parameters});
    server.call("InitiateAuth", request).await
}

pub async fn admin_initiate(server: &Server, pool: &str, client: &str, flow: &str, parameters: Value) -> Answer {
    let request = json!({"UserPoolId": pool, "AuthFlow": flow, "ClientId": client, "AuthParameters": parameters});
    server.call("AdminInitiateAuth", request).await
}

async fn admin_sign_in(server: &Server, pool: &str, client: &str, username: &str, password: &str) -> Answer {
    let parameters = json!({"USERNAME": username, "PASSWORD": password});
    admin_initiate(server, pool, client, "ADMIN_USER_PASSWORD_AUTH", parameters).await
}

pub async fn respond(
    server: &Server,
    client: &str,
    challenge: &str,
    session: Option<&str>,
    responses: Value,
) -> Answer {
    let request =
        json!({"ClientId": client, "ChallengeName": challenge, "Session": session, "ChallengeResponses": responses});
    server.call("RespondToAuthChallenge", request).await
}

pub async fn administer(server: &Server, operation: &str, pool: &str, username: &str) {
    server.call(operation, json!({"UserPoolId": pool, "Username": username})).await.ok();
}

pub async fn set_password(server: &Server, pool: &str, username: &str, password: &str, permanent: bool) {
    let request = json!({"UserPoolId": pool, "Username": username, "Password": password, "Permanent": permanent});
    server.call("AdminSetUserPassword", request).await.ok();
}

/// The outcomes of the same thing done many times at once, sorted.
pub async fn at_once<F>(count: usize, server: &Arc<Server>, call: impl Fn(Arc<Server>) -> F) -> Vec<String>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|_| tokio::spawn(call(server.clone()))).collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        let answer = task.await.unwrap();
        outcomes.push(if answer.status == 200 { "ok".to_owned() } else { answer.error() });
    }
    outcomes.sort();
    outcomes
}

/// What many equal outcomes look like.
pub fn times(count: usize, outcome: &str) -> Vec<String> {
    vec![outcome.to_owned(); count]
}

#[tokio::test]
async fn a_password_is_exchanged_for_tokens() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({})).await;
        let answer = server.sign_in(&client, "alice", PASSWORD).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(decoded(answer.clone()), @r#"
        {
          "ChallengeParameters": {},
          "AuthenticationResult": {
            "AccessToken": {
              "header": {
                "kid": "test-only-01",
                "alg": "RS256"
              },
              "claims": {
                "sub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef",
                "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
                "client_id": "cgqnq25d7v3j8fm9ernm8hn77b",
                "origin_jti": "1cc65f5c-d87b-40a8-97a7-22c462dc5054",
                "event_id": "511c1324-571c-4561-9d98-c92972287cb0",
                "token_use": "access",
                "scope": "aws.cognito.signin.user.admin",
                "auth_time": 1767323045,
                "exp": 1767326645,
                "iat": 1767323045,
                "jti": "869adac9-4e5c-47c0-8740-be20e82802c1",
                "username": "alice"
              }
            },
            "ExpiresIn": 3600,
            "TokenType": "Bearer",
            "RefreshToken": {
              "header": {
                "cty": "JWT",
                "enc": "A256GCM",
                "alg": "dir",
                "kid": "[master key]"
              }
            },
            "IdToken": {
              "header": {
                "kid": "test-only-00",
                "alg": "RS256"
              },
              "claims": {
                "sub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef",
                "email": "alice@example.com",
                "email_verified": true,
                "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
                "cognito:username": "alice",
                "origin_jti": "1cc65f5c-d87b-40a8-97a7-22c462dc5054",
                "aud": "cgqnq25d7v3j8fm9ernm8hn77b",
                "event_id": "511c1324-571c-4561-9d98-c92972287cb0",
                "token_use": "id",
                "auth_time": 1767323045,
                "exp": 1767326645,
                "iat": 1767323045,
                "jti": "ad547314-e8fc-42bf-a5a4-64cafeda857a"
              }
            }
          }
        }
        "#); }
        let by_administrator = admin_sign_in(&server, &pool, &client, "alice", PASSWORD).await.ok();
        assert_eq!(undrawn(by_administrator), undrawn(answer));
        // The older spelling of the same flow.
        let parameters = json!({"USERNAME": "alice", "PASSWORD": PASSWORD});
        admin_initiate(&server, &pool, &client, "ADMIN_NO_SRP_AUTH", parameters).await.ok();
    })
    .await;
}

#[tokio::test]
async fn users_sign_in_by_any_of_their_names() {
    both_engines(async |server| {
        let pool = server.pool(json!({"AliasAttributes": ["email", "preferred_username"]})).await;
        let client = server.client_id(&pool, json!({})).await;
        let attributes = json!({"email": "alice@example.com", "preferred_username": "ally"});
        let sub = server.confirmed_user(&pool, "alice", PASSWORD, attributes).await;
        for name in ["alice", "alice@example.com", "ally", &sub] {
            let answer = decoded(server.sign_in(&client, name, PASSWORD).await.ok());
            let claims = &answer["AuthenticationResult"]["AccessToken"]["claims"];
            assert_eq!((&claims["username"], &claims["sub"]), (&json!("alice"), &json!(sub)), "{name}");
        }
        assert_eq!(server.sign_in(&client, "ALICE", PASSWORD).await.error(), UNKNOWN);
    })
    .await;
}

#[tokio::test]
async fn users_of_email_pools_are_called_by_their_sub() {
    both_engines(async |server| {
        let members = json!({"UsernameAttributes": ["email"], "UsernameConfiguration": {"CaseSensitive": false}});
        let pool = server.pool(members).await;
        let client = server.client_id(&pool, json!({})).await;
        let sub = server.confirmed_user(&pool, "bo@example.com", PASSWORD, json!({})).await;
        for name in ["bo@example.com", "BO@Example.com", &sub] {
            let answer = decoded(server.sign_in(&client, name, PASSWORD).await.ok());
            let result = &answer["AuthenticationResult"];
            assert_eq!(result["AccessToken"]["claims"]["username"], json!(sub), "{name}");
            assert_eq!(result["IdToken"]["claims"]["cognito:username"], json!(sub), "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn unknown_users_and_wrong_passwords() {
    both_engines(async |server| {
        let (pool, open) = scene(&server, json!({})).await;
        let hiding = server.client_id(&pool, hides()).await;
        for (client, unknown) in [(&open, UNKNOWN), (&hiding, INCORRECT)] {
            assert_eq!(server.sign_in(client, "alice", "Wr0ng-password").await.error(), INCORRECT);
            assert_eq!(server.sign_in(client, "nobody", PASSWORD).await.error(), unknown);
            assert_eq!(admin_sign_in(&server, &pool, client, "alice", "Wr0ng-password").await.error(), INCORRECT);
            assert_eq!(admin_sign_in(&server, &pool, client, "nobody", PASSWORD).await.error(), unknown);
        }
        // A password must not pass for one that it begins with, nor with blanks around it.
        for near in ["Passw0rd", "Passw0rd!!", "passw0rd!", " Passw0rd!", "Passw0rd!\0"] {
            set_password(&server, &pool, "alice", PASSWORD, true).await;
            assert_eq!(server.sign_in(&open, "alice", near).await.error(), INCORRECT, "{near:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn parameters_are_asked_for_by_name() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({})).await;
    let missing = |name: &str| format!("InvalidParameterException: Missing required parameter {name}");
    for (flow, parameters, name) in [
        ("USER_PASSWORD_AUTH", json!({}), "USERNAME"),
        ("USER_PASSWORD_AUTH", json!({"PASSWORD": PASSWORD}), "USERNAME"),
        ("USER_PASSWORD_AUTH", json!({"USERNAME": "", "PASSWORD": PASSWORD}), "USERNAME"),
        ("USER_PASSWORD_AUTH", json!({"USERNAME": "alice"}), "PASSWORD"),
        ("USER_PASSWORD_AUTH", json!({"USERNAME": "alice", "PASSWORD": null}), "PASSWORD"),
        ("USER_SRP_AUTH", json!({"SRP_A": "2"}), "USERNAME"),
        ("USER_SRP_AUTH", json!({"USERNAME": "alice"}), "SRP_A"),
        ("REFRESH_TOKEN_AUTH", json!({}), "REFRESH_TOKEN"),
        ("REFRESH_TOKEN", Value::Null, "REFRESH_TOKEN"),
    ] {
        assert_eq!(initiate(&server, &client, flow, parameters).await.error(), missing(name), "{flow}");
    }
    let answer = admin_initiate(&server, &pool, &client, "ADMIN_NO_SRP_AUTH", json!({"USERNAME": "alice"})).await;
    assert_eq!(answer.error(), missing("PASSWORD"));
}

#[tokio::test]
async fn what_clients_send_besides_is_ignored() {
    let server = Server::memory().await;
    let (_, client) = scene(&server, json!({})).await;
    let request = json!({
        "AuthFlow": "USER_PASSWORD_AUTH",
        "ClientId": client,
        "AuthParameters": {"USERNAME": "alice", "PASSWORD": PASSWORD, "DEVICE_KEY": null, "FAVOURITE_COLOUR": "green"},
        "ClientMetadata": {"a": "b"},
        "AnalyticsMetadata": {"AnalyticsEndpointId": "x"},
        "UserContextData": {"EncodedData": "x", "IpAddress": "192.0.2.1"},
        "Unknown": 1,
    });
    server.call("InitiateAuth", request).await.ok();
    // No pool remembers devices, so whatever key is named does not exist.
    let parameters = json!({"USERNAME": "alice", "PASSWORD": PASSWORD, "DEVICE_KEY": "us-east-1_0-a"});
    assert_eq!(initiate(&server, &client, "USER_PASSWORD_AUTH", parameters).await.error(), NO_DEVICE);
}

#[tokio::test]
async fn a_client_with_a_secret_must_show_that_it_has_it() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client(&pool, json!({"GenerateSecret": true})).await;
        let (id, secret) = (client["ClientId"].as_str().unwrap(), client["ClientSecret"].as_str().unwrap());
        server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        let wrong = format!("NotAuthorizedException: Unable to verify secret hash for client {id}");
        let missing =
            format!("NotAuthorizedException: Client {id} is configured with secret but SECRET_HASH was not received");
        let with = |hash: Option<String>| json!({"USERNAME": "alice", "PASSWORD": PASSWORD, "SECRET_HASH": hash});
        for (hash, outcome) in [
            (None, missing.as_str()),
            (Some("bm8=".to_owned()), &wrong),
            (Some(crypto::hash::secret_hash("Alice", id, secret)), &wrong),
            (Some(crypto::hash::secret_hash("alice", "another", secret)), &wrong),
        ] {
            assert_eq!(initiate(&server, id, "USER_PASSWORD_AUTH", with(hash.clone())).await.error(), outcome);
            assert_eq!(
                admin_initiate(&server, &pool, id, "ADMIN_USER_PASSWORD_AUTH", with(hash)).await.error(),
                outcome
            );
        }
        let right = crypto::hash::secret_hash("alice", id, secret);
        initiate(&server, id, "USER_PASSWORD_AUTH", with(Some(right.clone()))).await.ok();
        // The hash is looked at before the user is: it does not tell who exists.
        let parameters = json!({"USERNAME": "nobody", "PASSWORD": PASSWORD, "SECRET_HASH": right});
        assert_eq!(initiate(&server, id, "USER_PASSWORD_AUTH", parameters).await.error(), wrong);
        // A public client can have made no hash.
        let public = server.client_id(&pool, json!({})).await;
        let answer = initiate(&server, &public, "USER_PASSWORD_AUTH", with(Some(right))).await;
        let refused = format!("NotAuthorizedException: Unable to verify secret hash for client {public}");
        assert_eq!(answer.error(), refused);
    })
    .await;
}

#[tokio::test]
async fn what_a_users_status_shows() {
    both_engines(async |server| {
        let (pool, open) = scene(&server, json!({})).await;
        let hiding = server.client_id(&pool, hides()).await;

        // Before the password is looked at.
        let unconfirmed = "UserNotConfirmedException: User is not confirmed.";
        let request = json!({"ClientId": open, "Username": "new", "Password": PASSWORD});
        server.call("SignUp", request).await.ok();
        for (client, password) in [(&open, PASSWORD), (&open, "Wr0ng-password"), (&hiding, PASSWORD)] {
            assert_eq!(server.sign_in(client, "new", password).await.error(), unconfirmed);
        }

        let disabled = "NotAuthorizedException: User is disabled.";
        administer(&server, "AdminDisableUser", &pool, "alice").await;
        for (client, password, outcome) in [
            (&open, PASSWORD, disabled),
            (&open, "Wr0ng-password", disabled),
            (&hiding, PASSWORD, disabled),
            (&hiding, "Wr0ng-password", INCORRECT),
        ] {
            assert_eq!(server.sign_in(client, "alice", password).await.error(), outcome);
        }
        administer(&server, "AdminEnableUser", &pool, "alice").await;
        server.sign_in(&open, "alice", PASSWORD).await.ok();

        let reset = "PasswordResetRequiredException: Password reset required for the user";
        administer(&server, "AdminResetUserPassword", &pool, "alice").await;
        for client in [&open, &hiding] {
            assert_eq!(server.sign_in(client, "alice", PASSWORD).await.error(), reset);
            assert_eq!(server.sign_in(client, "alice", "Wr0ng-password").await.error(), INCORRECT);
        }
    })
    .await;
}

#[tokio::test]
async fn users_without_a_password() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let (open, hiding) = (server.client_id(&pool, json!({})).await, server.client_id(&pool, hides()).await);
        let sub = server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "a@example.com"})).await;
        let password = server.app.store.password(&pool, &sub).await.unwrap().unwrap();
        let mut changes = Changes::new();
        changes.delete(Key::Password { pool_id: pool.clone(), sub }, password.version);
        server.app.commit(changes).await.unwrap();
        for client in [&open, &hiding] {
            assert_eq!(server.sign_in(client, "alice", PASSWORD).await.error(), INCORRECT);
        }
        // As an import leaves them.
        administer(&server, "AdminResetUserPassword", &pool, "alice").await;
        let reset = "PasswordResetRequiredException: Password reset required for the user";
        assert_eq!(server.sign_in(&open, "alice", PASSWORD).await.error(), reset);
        assert_eq!(server.sign_in(&hiding, "alice", PASSWORD).await.error(), INCORRECT);
    })
    .await;
}

#[tokio::test]
async fn a_temporary_password_ends() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({})).await;
        set_password(&server, &pool, "alice", PASSWORD, false).await;
        server.advance(7 * 86_400 - 1);
        let answer = server.sign_in(&client, "alice", PASSWORD).await.ok();
        assert_eq!(answer["ChallengeName"], "NEW_PASSWORD_REQUIRED");
        server.advance(1);
        let over = "NotAuthorizedException: Temporary password has expired and must be reset by an administrator.";
        assert_eq!(server.sign_in(&client, "alice", PASSWORD).await.error(), over);
        // Only whoever knows it is told.
        assert_eq!(server.sign_in(&client, "alice", "Wr0ng-password").await.error(), INCORRECT);
        set_password(&server, &pool, "alice", PASSWORD, false).await;
        server.sign_in(&client, "alice", PASSWORD).await.ok();
    })
    .await;
}

#[tokio::test]
async fn hostile_parameters() {
    let server = Server::memory().await;
    let (_, client) = scene(&server, hides()).await;
    let long = "x".repeat(131_072);
    for (username, password) in [
        (long.as_str(), PASSWORD),
        ("alice", long.as_str()),
        ("alice\0", PASSWORD),
        ("' OR 1=1 --", PASSWORD),
        ("\u{202e}alice", PASSWORD),
        ("%", PASSWORD),
    ] {
        assert_eq!(server.sign_in(&client, username, password).await.error(), INCORRECT);
    }
    let answer = server.sign_in(&client, "alice", &"x".repeat(131_073)).await;
    assert!(answer.error().starts_with("InvalidParameterException: 1 validation error detected: "), "{answer:?}");
    for parameters in [json!([]), json!("x"), json!({"USERNAME": 1}), json!({"USERNAME": {"a": 1}})] {
        let answer = initiate(&server, &client, "USER_PASSWORD_AUTH", parameters).await;
        assert!(answer.error().starts_with("SerializationException: "), "{answer:?}");
    }
}

#[tokio::test]
async fn a_password_of_the_other_form_is_replaced_when_it_was_right() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        let sub = server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        let stored = server.app.store.password(&pool, &sub).await.unwrap().unwrap();
        let mut older = stored.value.clone();
        let phc = crypto::password::argon2id_hash(&*server.app.entropy, PASSWORD).unwrap();
        older.current = domain::PasswordHash::Argon2id { phc };
        let mut changes = Changes::new();
        changes.replace(&stored, older);
        server.app.commit(changes).await.unwrap();

        // There is nothing yet that SRP could use, which must not show.
        let before = testkit::srp::SignIn::start(&server, &client, &pool, "alice", PASSWORD).await;
        assert_eq!(before.finish(&server).await.error(), INCORRECT);
        assert_eq!(server.sign_in(&client, "alice", "Wr0ng-password").await.error(), INCORRECT);
        server.sign_in(&client, "alice", PASSWORD).await.ok();
        let after = server.app.store.password(&pool, &sub).await.unwrap().unwrap();
        assert!(matches!(after.current, domain::PasswordHash::Srp { .. }));
        let after = testkit::srp::SignIn::start(&server, &client, &pool, "alice", PASSWORD).await;
        after.finish(&server).await.ok();
    })
    .await;
}
