//! GetTokensFromRefreshToken, and refresh tokens that are rotated (auth-flows.md §18).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

use crate::tokens::{decoded, segment, undrawn};

const PASSWORD: &str = "Passw0rd!";
const INVALID: &str = "NotAuthorizedException: Invalid Refresh Token.";
const REVOKED: &str = "NotAuthorizedException: Refresh Token has been revoked";
const ACCESS_REVOKED: &str = "NotAuthorizedException: Access Token has been revoked";
const REUSED: &str = "RefreshTokenReuseException: Refresh Token has been replaced and cannot be used again";

/// Settings of a client whose refresh tokens are rotated, with this grace period in seconds.
fn rotating(grace: Option<i64>) -> Value {
    let mut rotation = json!({"Feature": "ENABLED"});
    if let Some(grace) = grace {
        rotation["RetryGracePeriodSeconds"] = json!(grace);
    }
    json!({"ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"], "RefreshTokenRotation": rotation})
}

fn token(answer: &Value, name: &str) -> String {
    answer["AuthenticationResult"][name].as_str().unwrap().to_owned()
}

async fn renew(server: &Server, client: &str, token: &str) -> Answer {
    server.call("GetTokensFromRefreshToken", json!({"ClientId": client, "RefreshToken": token})).await
}

async fn get_user(server: &Server, access: &str) -> Answer {
    server.call("GetUser", json!({"AccessToken": access})).await
}

/// A pool, a client, and the tokens of alice's sign-in.
async fn scene(server: &Server, members: Value) -> (String, String, Value) {
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, members).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
    let tokens = server.sign_in(&client, "alice", PASSWORD).await.ok();
    (pool, client, tokens)
}

#[tokio::test]
async fn without_rotation_the_refresh_token_stays() {
    both_engines(async |server| {
        let (_, client, first) = scene(&server, json!({})).await;
        server.advance(600);
        let answer = renew(&server, &client, &token(&first, "RefreshToken")).await.ok();
        let parameters = json!({"REFRESH_TOKEN": token(&first, "RefreshToken")});
        let request = json!({"AuthFlow": "REFRESH_TOKEN_AUTH", "ClientId": client, "AuthParameters": parameters});
        let mut expected = server.call("InitiateAuth", request).await.ok();
        expected.as_object_mut().unwrap().remove("ChallengeParameters");
        assert_eq!(undrawn(answer), undrawn(expected));
        for _ in 0..2 {
            let again = renew(&server, &client, &token(&first, "RefreshToken")).await.ok();
            assert_eq!(again["AuthenticationResult"].get("RefreshToken"), None);
            get_user(&server, &token(&again, "AccessToken")).await.ok();
        }
    })
    .await;
}

#[tokio::test]
async fn every_refresh_replaces_the_token() {
    both_engines(async |server| {
        let mut members = rotating(Some(10));
        members["EnableTokenRevocation"] = json!(false);
        let (pool, client, first) = scene(&server, members).await;
        server.advance(600);
        let second = renew(&server, &client, &token(&first, "RefreshToken")).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(decoded(second.clone()), @r#"
        {
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
                "event_id": "d294b711-a5e3-41e3-978d-791762a52425",
                "token_use": "access",
                "scope": "aws.cognito.signin.user.admin",
                "auth_time": 1767323045,
                "exp": 1767327245,
                "iat": 1767323645,
                "jti": "08dda804-9036-4974-84e0-0d26f7892b44",
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
                "event_id": "d294b711-a5e3-41e3-978d-791762a52425",
                "token_use": "id",
                "auth_time": 1767323045,
                "exp": 1767327245,
                "iat": 1767323645,
                "jti": "82862f35-c644-412c-96d8-325646f3990a"
              }
            }
          }
        }
        "#); }
        let third = renew(&server, &client, &token(&second, "RefreshToken")).await.ok();
        let fourth = renew(&server, &client, &token(&third, "RefreshToken")).await.ok();
        let refresh: BTreeSet<String> =
            [&first, &second, &third, &fourth].map(|answer| token(answer, "RefreshToken")).into();
        assert_eq!(refresh.len(), 4);
        for answer in [&second, &third, &fourth] {
            let (before, after) = (segment(&token(&first, "AccessToken"), 1), segment(&token(answer, "AccessToken"), 1));
            for claim in ["origin_jti", "auth_time", "sub"] {
                assert_eq!(before[claim], after[claim], "{claim}");
            }
            assert_ne!(before["jti"], after["jti"]);
            get_user(&server, &token(answer, "AccessToken")).await.ok();
        }
        // The flow that could not give the new token to anybody: no list of flows allows it, nor does the one that is left
        // out.
        let refused = "InvalidParameterException: REFRESH_TOKEN_AUTH is not enabled for the client, because its refresh \
                       tokens are rotated. Use GetTokensFromRefreshToken.";
        for flow in ["REFRESH_TOKEN_AUTH", "REFRESH_TOKEN"] {
            let parameters = json!({"REFRESH_TOKEN": token(&fourth, "RefreshToken")});
            let request = json!({"AuthFlow": flow, "ClientId": client, "AuthParameters": parameters});
            assert_eq!(server.call("InitiateAuth", request.clone()).await.error(), refused);
            let mut update = rotating(Some(10));
            update["ExplicitAuthFlows"] = json!([]);
            update["UserPoolId"] = json!(pool);
            update["ClientId"] = json!(client);
            server.call("UpdateUserPoolClient", update.clone()).await.ok();
            assert_eq!(server.call("InitiateAuth", request.clone()).await.error(), refused);
            let mut by_administrator = request;
            by_administrator["UserPoolId"] = json!(pool);
            assert_eq!(server.call("AdminInitiateAuth", by_administrator).await.error(), refused);
            update["ExplicitAuthFlows"] = json!(["ALLOW_USER_PASSWORD_AUTH"]);
            server.call("UpdateUserPoolClient", update).await.ok();
        }
    })
    .await;
}

#[tokio::test]
async fn all_tokens_of_a_family_expire_with_the_first() {
    both_engines(async |server| {
        let mut members = rotating(Some(60));
        members["RefreshTokenValidity"] = json!(2);
        members["TokenValidityUnits"] = json!({"RefreshToken": "hours"});
        let (_, client, first) = scene(&server, members).await;
        server.advance(7_000);
        let second = renew(&server, &client, &token(&first, "RefreshToken")).await.ok();
        server.advance(199);
        let third = renew(&server, &client, &token(&second, "RefreshToken")).await.ok();
        server.advance(1);
        for answer in [&first, &second, &third] {
            let refused = renew(&server, &client, &token(answer, "RefreshToken")).await;
            assert_eq!(refused.error(), "NotAuthorizedException: Refresh Token has expired");
        }
    })
    .await;
}

#[tokio::test]
async fn a_replaced_token_counts_for_the_grace_period() {
    both_engines(async |server| {
        let (_, client, first) = scene(&server, rotating(Some(10))).await;
        let second = renew(&server, &client, &token(&first, "RefreshToken")).await.ok();
        server.advance(9);
        // The client did not get that answer, and tries again.
        let retried = renew(&server, &client, &token(&first, "RefreshToken")).await.ok();
        // Both answers lead on: whichever the client has, the other one is a retry of it.
        let third = renew(&server, &client, &token(&retried, "RefreshToken")).await.ok();
        let also_third = renew(&server, &client, &token(&second, "RefreshToken")).await.ok();
        server.advance(10);
        for answer in [&third, &also_third] {
            get_user(&server, &token(answer, "AccessToken")).await.ok();
        }
        // The first one's time has been over for long: somebody else has it, too. Nothing of the sign-in counts any more.
        assert_eq!(renew(&server, &client, &token(&first, "RefreshToken")).await.error(), REUSED);
        for answer in [&first, &second, &third, &also_third] {
            assert_eq!(renew(&server, &client, &token(answer, "RefreshToken")).await.error(), REVOKED);
            assert_eq!(get_user(&server, &token(answer, "AccessToken")).await.error(), ACCESS_REVOKED);
        }
        // Other sign-ins go on.
        let other = server.sign_in(&client, "alice", PASSWORD).await.ok();
        renew(&server, &client, &token(&other, "RefreshToken")).await.ok();
    })
    .await;
}

#[tokio::test]
async fn without_grace_a_token_counts_once() {
    both_engines(async |server| {
        for grace in [None, Some(0)] {
            let (_, client, first) = scene(&server, rotating(grace)).await;
            let second = renew(&server, &client, &token(&first, "RefreshToken")).await.ok();
            assert_eq!(renew(&server, &client, &token(&first, "RefreshToken")).await.error(), REUSED);
            assert_eq!(renew(&server, &client, &token(&second, "RefreshToken")).await.error(), REVOKED);
        }
    })
    .await;
}

#[tokio::test]
async fn a_replaced_token_does_not_come_back_when_rotation_is_switched_off() {
    both_engines(async |server| {
        let (pool, client, first) = scene(&server, rotating(Some(60))).await;
        let second = renew(&server, &client, &token(&first, "RefreshToken")).await.ok();
        let update = json!({"UserPoolId": pool, "ClientId": client, "RefreshTokenRotation": {"Feature": "DISABLED"}});
        server.call("UpdateUserPoolClient", update).await.ok();
        let third = renew(&server, &client, &token(&second, "RefreshToken")).await.ok();
        assert_eq!(third["AuthenticationResult"].get("RefreshToken"), None);
        assert_eq!(renew(&server, &client, &token(&first, "RefreshToken")).await.error(), REVOKED);
        assert_eq!(renew(&server, &client, &token(&second, "RefreshToken")).await.error(), REVOKED);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_all_get_the_same_successor() {
    both_engines(async |server| {
        let (_, client, first) = scene(&server, rotating(Some(60))).await;
        let token_one = token(&first, "RefreshToken");
        let answers = futures_of(&server, &client, &token_one).await;
        // All answers lead on, since all are of the same rank.
        for answer in &answers {
            renew(&server, &client, &token(answer, "RefreshToken")).await.ok();
        }
    })
    .await;
}

/// Four refreshes at once.
async fn futures_of(server: &Server, client: &str, token: &str) -> [Value; 4] {
    let one = || renew(server, client, token);
    let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
    [a.ok(), b.ok(), c.ok(), d.ok()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_at_once_without_grace_one_wins_at_most() {
    both_engines(async |server| {
        let (_, client, first) = scene(&server, rotating(None)).await;
        let token_one = token(&first, "RefreshToken");
        let (one, two) = tokio::join!(renew(&server, &client, &token_one), renew(&server, &client, &token_one));
        let (good, bad): (Vec<Answer>, Vec<Answer>) = [one, two].into_iter().partition(|answer| answer.status == 200);
        assert_eq!((good.len(), bad.len()), (1, 1));
        for answer in bad {
            assert_eq!(answer.error(), REUSED);
        }
        for answer in good {
            assert_eq!(renew(&server, &client, &token(&answer.ok(), "RefreshToken")).await.error(), REVOKED);
        }
    })
    .await;
}

#[tokio::test]
async fn ends_of_sign_ins_end_rotated_tokens() {
    both_engines(async |server| {
        let (pool, client, first) = scene(&server, rotating(Some(60))).await;
        let second = renew(&server, &client, &token(&first, "RefreshToken")).await.ok();
        // Any token of the family ends it.
        let request = json!({"ClientId": client, "Token": token(&first, "RefreshToken")});
        server.call("RevokeToken", request).await.ok();
        assert_eq!(renew(&server, &client, &token(&second, "RefreshToken")).await.error(), REVOKED);

        let administer = async |operation: &str| {
            server.call(operation, json!({"UserPoolId": pool, "Username": "alice"})).await.ok();
        };
        let again = async || {
            let first = server.sign_in(&client, "alice", PASSWORD).await.ok();
            server.advance(1);
            token(&renew(&server, &client, &token(&first, "RefreshToken")).await.ok(), "RefreshToken")
        };
        let signed_out = again().await;
        administer("AdminUserGlobalSignOut").await;
        assert_eq!(renew(&server, &client, &signed_out).await.error(), REVOKED);
        let disabled = again().await;
        administer("AdminDisableUser").await;
        assert_eq!(renew(&server, &client, &disabled).await.error(), "NotAuthorizedException: User is disabled.");
        administer("AdminEnableUser").await;
        assert_eq!(renew(&server, &client, &disabled).await.error(), REVOKED);
        let reset = again().await;
        administer("AdminResetUserPassword").await;
        assert_eq!(
            renew(&server, &client, &reset).await.error(),
            "PasswordResetRequiredException: Password reset required for the user"
        );
        administer("AdminDeleteUser").await;
        assert_eq!(renew(&server, &client, &reset).await.error(), "UserNotFoundException: User does not exist.");
    })
    .await;
}

#[tokio::test]
async fn only_refresh_tokens_of_the_client_are_taken() {
    both_engines(async |server| {
        let (pool, client, first) = scene(&server, json!({})).await;
        let refresh = token(&first, "RefreshToken");
        let other_client = server.client_id(&pool, json!({})).await;
        let (_, client_elsewhere, _) = scene(&server, json!({})).await;
        for other in [&other_client, &client_elsewhere] {
            assert_eq!(renew(&server, other, &refresh).await.error(), INVALID);
        }
        let mut tampered = refresh.clone().into_bytes();
        let middle = tampered.len() / 2;
        tampered[middle] = if tampered[middle] == b'A' { b'B' } else { b'A' };
        for wrong in [
            &token(&first, "AccessToken"),
            &token(&first, "IdToken"),
            &String::from_utf8(tampered).unwrap(),
            "x",
            "....",
        ] {
            assert_eq!(renew(&server, &client, wrong).await.error(), INVALID, "{wrong}");
        }
        // And the other way round.
        let invalid = "NotAuthorizedException: Invalid Access Token";
        for wrong in [&refresh, &token(&first, "IdToken")] {
            assert_eq!(get_user(&server, wrong).await.error(), invalid);
        }
        let missing = renew(&server, "2aaaaaaaaaaaaaaaaaaaaaaaaa", &refresh).await;
        assert!(missing.error().starts_with("ResourceNotFoundException: User pool client 2aaaaaaa"));
        let request = json!({"ClientId": client, "RefreshToken": refresh, "DeviceKey": "us-east-1_0-a"});
        let answer = server.call("GetTokensFromRefreshToken", request).await;
        assert_eq!(answer.error(), "ResourceNotFoundException: Device does not exist.");
    })
    .await;
}

#[tokio::test]
async fn the_secret_is_sent_in_clear() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client(&pool, json!({"GenerateSecret": true})).await;
        let (id, secret) = (client["ClientId"].as_str().unwrap(), client["ClientSecret"].as_str().unwrap());
        server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        let hash = crypto::hash::secret_hash("alice", id, secret);
        let parameters = json!({"USERNAME": "alice", "PASSWORD": PASSWORD, "SECRET_HASH": hash});
        let request = json!({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": id, "AuthParameters": parameters});
        let refresh = token(&server.call("InitiateAuth", request).await.ok(), "RefreshToken");
        let attempt = async |secret: Option<&str>| {
            let mut request = json!({"ClientId": id, "RefreshToken": refresh});
            if let Some(secret) = secret {
                request["ClientSecret"] = json!(secret);
            }
            server.call("GetTokensFromRefreshToken", request).await
        };
        attempt(Some(secret)).await.ok();
        let wrong = format!("NotAuthorizedException: Unable to verify secret for client {id}");
        for other in ["x".repeat(51), secret.to_uppercase(), format!("{secret}a")] {
            assert_eq!(attempt(Some(&other)).await.error(), wrong, "{other}");
        }
        assert_eq!(
            attempt(None).await.error(),
            format!("NotAuthorizedException: Client {id} is configured for secret but secret was not received")
        );
    })
    .await;
}

#[tokio::test]
async fn rotation_excludes_the_other_flow() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let made = server.client(&pool, rotating(None)).await;
        // What was not chosen is shown.
        assert_eq!(made["RefreshTokenRotation"], json!({"Feature": "ENABLED", "RetryGracePeriodSeconds": 0}));
        let made = server.client(&pool, rotating(Some(60))).await;
        assert_eq!(made["RefreshTokenRotation"], json!({"Feature": "ENABLED", "RetryGracePeriodSeconds": 60}));
        let mut both = rotating(None);
        both["ExplicitAuthFlows"] = json!(["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]);
        both["UserPoolId"] = json!(pool);
        both["ClientName"] = json!("both");
        assert_eq!(
            server.call("CreateUserPoolClient", both.clone()).await.error(),
            "InvalidParameterException: ALLOW_REFRESH_TOKEN_AUTH cannot be used when RefreshTokenRotation is ENABLED."
        );
        both["RefreshTokenRotation"] = json!({"Feature": "ENABLED", "RetryGracePeriodSeconds": 61});
        assert!(
            server
                .call("CreateUserPoolClient", both)
                .await
                .error()
                .starts_with("InvalidParameterException: 1 validation")
        );
    })
    .await;
}
