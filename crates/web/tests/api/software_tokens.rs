//! Software tokens (auth-flows.md §13, §19): handing one out, its first code, and its end.

use std::sync::Arc;

use domain::{AttemptPurpose, MfaMethod, SoftwareToken};
use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines, totp};
use tokio::task::JoinSet;

use crate::{
    attributes::{access_token, tamper},
    pools::with,
    users::{PASSWORD, UNKNOWN, get, named, set_password, value},
};

const WRONG: &str = "EnableSoftwareTokenMFAException: Code mismatch and fail enable Software Token MFA";
const REUSED: &str = "ExpiredCodeException: Your software token has already been used once.";
const NOT_OFFERED: &str = "SoftwareTokenMFANotFoundException: Software Token MFA has not been enabled by the userPool";
const NOT_SET_UP: &str = "InvalidParameterException: User has not set up software token mfa";
const INVALID_SESSION: &str = "NotAuthorizedException: Invalid session for the user.";
const USED_SESSION: &str = "NotAuthorizedException: Invalid session for the user, session can only be used once.";
const OVER: &str = "NotAuthorizedException: Invalid session for the user, session is expired.";
const EITHER: &str = "InvalidParameterException: Exactly one of AccessToken and Session is required.";

/// Has a pool offer software tokens: `mfa` is ON or OPTIONAL.
pub(crate) async fn offer_tokens(server: &Server, pool: &str, mfa: &str) {
    let request = json!({
        "UserPoolId": pool, "MfaConfiguration": mfa, "SoftwareTokenMfaConfiguration": {"Enabled": true},
    });
    server.call("SetUserPoolMfaConfig", request).await.ok();
}

/// A pool that offers software tokens, a client, alice, and her access token.
pub(crate) async fn scene(server: &Server) -> (String, String, String) {
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
    let token = access_token(server, &client, "alice").await;
    offer_tokens(server, &pool, "OPTIONAL").await;
    (pool, client, token)
}

/// A pool that demands a second factor, a client, and alice, who has none.
async fn demanding(server: &Server) -> (String, String) {
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
    offer_tokens(server, &pool, "ON").await;
    (pool, client)
}

async fn associate(server: &Server, credential: &Value) -> Answer {
    server.call("AssociateSoftwareToken", credential.clone()).await
}

async fn verify(server: &Server, credential: &Value, code: &str) -> Answer {
    server.call("VerifySoftwareToken", with(json!({"UserCode": code}), credential)).await
}

pub(crate) fn text(answer: &Value, member: &str) -> String {
    answer[member].as_str().unwrap().to_owned()
}

/// Sets up a software token with an access token; answers the secret code.
pub(crate) async fn set_up(server: &Server, token: &str) -> String {
    let credential = json!({"AccessToken": token});
    let secret = text(&associate(server, &credential).await.ok(), "SecretCode");
    verify(server, &credential, &totp::code(server, &secret, 0)).await.ok();
    secret
}

/// The session of a sign-in that waits for MFA_SETUP.
async fn waiting(server: &Server, client: &str) -> Value {
    let answer = server.sign_in(client, "alice", PASSWORD).await.ok();
    assert_eq!(answer["ChallengeName"], "MFA_SETUP", "{answer}");
    json!({"Session": answer["Session"]})
}

async fn respond(server: &Server, client: &str, challenge: &str, session: &Value, more: Value) -> Answer {
    let responses = with(json!({"USERNAME": "alice"}), &more);
    let request =
        json!({"ClientId": client, "ChallengeName": challenge, "Session": session, "ChallengeResponses": responses});
    server.call("RespondToAuthChallenge", request).await
}

async fn stored(server: &Server, pool: &str) -> Option<SoftwareToken> {
    let sub = value(&get(server, pool, "alice").await, "sub").unwrap();
    server.app.store.user_part::<SoftwareToken>(pool, &sub, "").await.unwrap().map(|token| token.value)
}

#[tokio::test]
async fn users_who_are_signed_in_set_one_up() {
    both_engines(async |server| {
        let (pool, client, token) = scene(&server).await;
        let credential = json!({"AccessToken": token});
        assert_eq!(verify(&server, &credential, "123456").await.error(), NOT_SET_UP);
        let answer = associate(&server, &credential).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(answer, @r#"
        {
          "SecretCode": "QKDC6NOGISYSYVWYGJLEN44ZBIYWC42M6DBNY7YV6236LU27NV2A"
        }
        "#); }
        let first = text(&answer, "SecretCode");
        // Nothing is registered by that, and asking again hands out another one.
        assert_eq!(stored(&server, &pool).await, None);
        let second = text(&associate(&server, &credential).await.ok(), "SecretCode");
        assert_ne!(first, second);
        assert_eq!(verify(&server, &credential, &totp::code(&server, &first, 0)).await.error(), WRONG);
        for steps in [-2, 2] {
            assert_eq!(verify(&server, &credential, &totp::code(&server, &second, steps)).await.error(), WRONG);
        }
        let request = json!({
            "AccessToken": token, "UserCode": totp::code(&server, &second, -1), "FriendlyDeviceName": "My phone",
        });
        let answer = server.call("VerifySoftwareToken", request).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(answer, @r#"
        {
          "Status": "SUCCESS"
        }
        "#); }
        let kept = stored(&server, &pool).await.unwrap();
        assert_eq!(kept.friendly_name.as_deref(), Some("My phone"));
        assert!(!kept.secret.0.contains(&second));

        // It is not asked for before the user says so.
        let user = get(&server, &pool, "alice").await;
        assert_eq!((&user["UserMFASettingList"], &user["PreferredMfaSetting"]), (&Value::Null, &Value::Null));

        // The same code again, and another one: the answer to the first time may have been lost.
        assert_eq!(verify(&server, &credential, &totp::code(&server, &second, -1)).await.error(), REUSED);
        verify(&server, &credential, &totp::code(&server, &second, 0)).await.ok();
        assert_eq!(verify(&server, &credential, &totp::code(&server, &second, 0)).await.error(), REUSED);
        let again = stored(&server, &pool).await.unwrap();
        assert_eq!(SoftwareToken { last_step: kept.last_step, ..again.clone() }, kept);
        assert_eq!(again.last_step.unwrap(), kept.last_step.unwrap() + 1);

        // The one in use stays in use until another one is verified.
        let third = text(&associate(&server, &credential).await.ok(), "SecretCode");
        assert_eq!(stored(&server, &pool).await.unwrap().secret, kept.secret);
        assert_eq!(verify(&server, &credential, &totp::code(&server, &second, 1)).await.error(), WRONG);
        verify(&server, &credential, &totp::code(&server, &third, 1)).await.ok();
        assert_ne!(stored(&server, &pool).await.unwrap().secret, kept.secret);

        // What is not verified in an hour is forgotten.
        let fourth = text(&associate(&server, &credential).await.ok(), "SecretCode");
        server.advance(3_599);
        assert_eq!(verify(&server, &credential, "000000").await.error(), WRONG);
        server.advance(1);
        let token = access_token(&server, &client, "alice").await;
        let credential = json!({"AccessToken": token});
        assert_eq!(verify(&server, &credential, &totp::code(&server, &fourth, 0)).await.error(), WRONG);
        verify(&server, &credential, &totp::code(&server, &third, 0)).await.ok();
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_by_a_client_that_is_gone_sets_nothing_up() {
    both_engines(async |server| {
        let (pool, client) = demanding(&server).await;
        let first = waiting(&server, &client).await;
        let answer = associate(&server, &first).await.ok();
        let (code, second) =
            (totp::code(&server, &text(&answer, "SecretCode"), 0), json!({"Session": answer["Session"]}));
        server.call("DeleteUserPoolClient", json!({"UserPoolId": pool, "ClientId": client})).await.ok();
        let gone = format!("ResourceNotFoundException: User pool client {client} does not exist.");
        assert_eq!(associate(&server, &first).await.error(), gone);
        assert_eq!(verify(&server, &second, &code).await.error(), gone);
        assert!(stored(&server, &pool).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn users_who_are_signing_in_set_one_up() {
    both_engines(async |server| {
        let (pool, client) = demanding(&server).await;
        let first = waiting(&server, &client).await;
        assert_eq!(verify(&server, &first, "123456").await.error(), INVALID_SESSION);
        let answer = associate(&server, &first).await.ok();
        assert_eq!(text(&answer, "SecretCode").len(), 52);
        let (secret, second) = (text(&answer, "SecretCode"), json!({"Session": answer["Session"]}));
        assert_ne!(first, second);
        // A page that is loaded again asks again, with the first session or the second; each secret is the session's.
        for session in [&first, &second] {
            let again = associate(&server, session).await.ok();
            assert_ne!(again["SecretCode"], answer["SecretCode"]);
        }
        // The code must be of this session's secret; the session outlives wrong ones, and takes a step's time.
        server.advance(179);
        for code in ["000000", &totp::code(&server, &secret, 2)] {
            assert_eq!(verify(&server, &second, code).await.error(), WRONG);
        }
        let code = totp::code(&server, &secret, 0);
        let request = json!({"Session": second["Session"], "UserCode": code, "FriendlyDeviceName": "My phone"});
        let answer = server.call("VerifySoftwareToken", request.clone()).await.ok();
        assert_eq!(answer["Status"], "SUCCESS");
        let third = answer["Session"].clone();
        assert_eq!(server.call("VerifySoftwareToken", request).await.error(), USED_SESSION);
        // Whoever has another session of the time before, and knows the password, replaces nothing.
        let spare = associate(&server, &json!({"Session": third})).await;
        assert_eq!(spare.error(), INVALID_SESSION);
        let kept = stored(&server, &pool).await.unwrap();

        // The set-up is registered whether the sign-in goes on or not.
        let answer = server.sign_in(&client, "alice", PASSWORD).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(answer, {".Session" => "[session]"}, @r#"
        {
          "ChallengeName": "SOFTWARE_TOKEN_MFA",
          "Session": "[session]",
          "ChallengeParameters": {
            "FRIENDLY_DEVICE_NAME": "My phone",
            "USER_ID_FOR_SRP": "alice"
          }
        }
        "#); }
        let other = answer["Session"].clone();
        let same = json!({"SOFTWARE_TOKEN_MFA_CODE": code});
        assert_eq!(respond(&server, &client, "SOFTWARE_TOKEN_MFA", &other, same).await.error(), REUSED);

        let settings = async || {
            let user = get(&server, &pool, "alice").await;
            (user["UserMFASettingList"].clone(), user["PreferredMfaSetting"].clone())
        };
        assert_eq!(settings().await, (Value::Null, Value::Null));
        server.advance(179);
        let answer = respond(&server, &client, "MFA_SETUP", &third, json!({})).await.ok();
        assert!(answer["AuthenticationResult"]["AccessToken"].is_string(), "{answer}");
        // The sign-in that it was demanded for switches it on.
        let switched_on = (json!(["SOFTWARE_TOKEN_MFA"]), json!("SOFTWARE_TOKEN_MFA"));
        assert_eq!(settings().await, switched_on);
        assert_eq!(answer["ChallengeParameters"], json!({}));
        assert_eq!(respond(&server, &client, "MFA_SETUP", &third, json!({})).await.error(), USED_SESSION);
        assert_eq!(stored(&server, &pool).await.unwrap(), kept);
        assert_eq!(settings().await, switched_on);
        // So it is asked for when the pool does not demand one any more.
        offer_tokens(&server, &pool, "OPTIONAL").await;
        let answer = server.sign_in(&client, "alice", PASSWORD).await.ok();
        assert_eq!(answer["ChallengeName"], "SOFTWARE_TOKEN_MFA");
    })
    .await;
}

#[tokio::test]
async fn a_set_up_takes_no_preference_away() {
    both_engines(async |server| {
        let (pool, client) = demanding(&server).await;
        // The user prefers text messages, and has lost the phone since.
        tamper(&server, &pool, "alice", |user| {
            user.mfa.sms = true;
            user.mfa.preferred = Some(MfaMethod::Sms);
        })
        .await;
        let answer = associate(&server, &waiting(&server, &client).await).await.ok();
        let code = totp::code(&server, &text(&answer, "SecretCode"), 0);
        let answer = verify(&server, &json!({"Session": answer["Session"]}), &code).await.ok();
        respond(&server, &client, "MFA_SETUP", &answer["Session"], json!({})).await.ok();
        let user = get(&server, &pool, "alice").await;
        assert_eq!(user["UserMFASettingList"], json!(["SMS_MFA", "SOFTWARE_TOKEN_MFA"]));
        assert_eq!(user["PreferredMfaSetting"], "SMS_MFA");
    })
    .await;
}

#[tokio::test]
async fn a_token_that_was_set_up_meanwhile_is_not_replaced() {
    both_engines(async |server| {
        let (pool, client) = demanding(&server).await;
        // Somebody who knows only the password has begun to sign in before the user has set up a token.
        let early = waiting(&server, &client).await;
        let prepared = associate(&server, &early).await.ok();
        let (guest, foreign) = (json!({"Session": prepared["Session"]}), text(&prepared, "SecretCode"));
        let own = associate(&server, &waiting(&server, &client).await).await.ok();
        let code = totp::code(&server, &text(&own, "SecretCode"), 0);
        verify(&server, &json!({"Session": own["Session"]}), &code).await.ok();
        let kept = stored(&server, &pool).await.unwrap();
        assert_eq!(verify(&server, &guest, &totp::code(&server, &foreign, 0)).await.error(), INVALID_SESSION);
        assert_eq!(associate(&server, &early).await.error(), INVALID_SESSION);
        assert_eq!(stored(&server, &pool).await.unwrap(), kept);
    })
    .await;
}

#[tokio::test]
async fn sessions_are_good_for_what_they_are_for() {
    both_engines(async |server| {
        let (pool, client) = demanding(&server).await;
        let session = waiting(&server, &client).await;
        let prepared = associate(&server, &session).await.ok();
        let (secret, ready) = (text(&prepared, "SecretCode"), json!({"Session": prepared["Session"]}));
        // Not a session, a session of another kind, a changed one.
        let hostile = ["x".repeat(20), "A".repeat(4_096), format!("{}A", text(&session, "Session")), "é".repeat(20)];
        for wrong in hostile {
            let wrong = json!({"Session": wrong});
            assert_eq!(associate(&server, &wrong).await.error(), INVALID_SESSION);
            assert_eq!(verify(&server, &wrong, "123456").await.error(), INVALID_SESSION);
        }
        let request = json!({"UserPoolId": pool, "Username": "bob", "TemporaryPassword": PASSWORD});
        server.call("AdminCreateUser", request).await.ok();
        let answer = server.sign_in(&client, "bob", PASSWORD).await.ok();
        assert_eq!(answer["ChallengeName"], "NEW_PASSWORD_REQUIRED");
        let other = json!({"Session": answer["Session"]});
        assert_eq!(associate(&server, &other).await.error(), INVALID_SESSION);
        // One that is not verified does not go on, and one client's is worth nothing to another.
        let refused = respond(&server, &client, "MFA_SETUP", &ready["Session"], json!({})).await.error();
        assert!(refused.starts_with("InvalidParameterException"), "{refused}");
        let second = server.client_id(&pool, json!({})).await;
        let refused = respond(&server, &second, "MFA_SETUP", &ready["Session"], json!({})).await.error();
        assert_eq!(refused, INVALID_SESSION);
        let code = totp::code(&server, &secret, 0);
        // A user who is disabled, or whose password was replaced, is out.
        named(&server, "AdminDisableUser", &pool, "alice").await.ok();
        for answer in [associate(&server, &session).await, verify(&server, &ready, &code).await] {
            assert_eq!(answer.error(), "NotAuthorizedException: User is disabled.");
        }
        named(&server, "AdminEnableUser", &pool, "alice").await.ok();
        set_password(&server, &pool, "alice", PASSWORD, true).await.ok();
        for answer in [associate(&server, &session).await, verify(&server, &ready, &code).await] {
            assert_eq!(answer.error(), INVALID_SESSION);
        }
        // So is one who comes too late.
        let session = waiting(&server, &client).await;
        let ready = json!({"Session": associate(&server, &session).await.ok()["Session"]});
        server.advance(180);
        for answer in [associate(&server, &session).await, verify(&server, &ready, "123456").await] {
            assert_eq!(answer.error(), OVER);
        }
        // A pool that has stopped offering tokens takes no new ones.
        let session = waiting(&server, &client).await;
        let ready = json!({"Session": associate(&server, &session).await.ok()["Session"]});
        server.call("SetUserPoolMfaConfig", json!({"UserPoolId": pool, "MfaConfiguration": "OFF"})).await.ok();
        for answer in [associate(&server, &session).await, verify(&server, &ready, "123456").await] {
            assert_eq!(answer.error(), NOT_OFFERED);
        }
        named(&server, "AdminDeleteUser", &pool, "alice").await.ok();
        assert_eq!(associate(&server, &session).await.error(), INVALID_SESSION);
    })
    .await;
}

#[tokio::test]
async fn requests_name_one_user_and_a_code_of_six_digits() {
    both_engines(async |server| {
        let (pool, _, token) = scene(&server).await;
        let both = json!({"AccessToken": token, "Session": "x".repeat(20)});
        for credential in [json!({}), both] {
            assert_eq!(associate(&server, &credential).await.error(), EITHER);
            assert_eq!(verify(&server, &credential, "123456").await.error(), EITHER);
        }
        let credential = json!({"AccessToken": token});
        for code in ["", "12345", "1234567", "12345a", "１２３４５６", " 12345"] {
            let refusal = verify(&server, &credential, code).await.error();
            assert!(refusal.starts_with("InvalidParameterException: ") && refusal.contains("'userCode'"), "{refusal}");
            assert!(code.is_empty() || !refusal.contains(code), "the code is nobody's business: {refusal}");
        }
        let foreign = json!({"AccessToken": "a.b.c"});
        for answer in [associate(&server, &foreign).await, verify(&server, &foreign, "123456").await] {
            assert_eq!(answer.error(), "NotAuthorizedException: Invalid Access Token");
        }
        let closed = server.pool(json!({})).await;
        let other = server.client_id(&closed, json!({})).await;
        server.confirmed_user(&closed, "alice", PASSWORD, json!({})).await;
        let outside = json!({"AccessToken": access_token(&server, &other, "alice").await});
        for answer in [associate(&server, &outside).await, verify(&server, &outside, "123456").await] {
            assert_eq!(answer.error(), NOT_OFFERED);
        }
        for status in ["UserNotConfirmedException", "PasswordResetRequiredException"] {
            tamper(&server, &pool, "alice", |user| {
                user.status = if status.starts_with("User") {
                    wire::UserStatusType::Unconfirmed
                } else {
                    wire::UserStatusType::ResetRequired
                };
            })
            .await;
            assert!(verify(&server, &credential, "123456").await.error().starts_with(status));
        }
        tamper(&server, &pool, "alice", |user| user.status = wire::UserStatusType::Confirmed).await;
        named(&server, "AdminDeleteUser", &pool, "alice").await.ok();
        for answer in [associate(&server, &credential).await, verify(&server, &credential, "123456").await] {
            assert_eq!(answer.error(), UNKNOWN);
        }
    })
    .await;
}

#[tokio::test]
async fn guesses_are_counted() {
    both_engines(async |server| {
        let (pool, client, token) = scene(&server).await;
        let credential = json!({"AccessToken": token});
        let secret = text(&associate(&server, &credential).await.ok(), "SecretCode");
        let right = totp::code(&server, &secret, 0);
        let wrong = if right == "000000" { "000001" } else { "000000" };
        for _ in 0..15 {
            assert_eq!(verify(&server, &credential, wrong).await.error(), WRONG);
        }
        let limit = "TooManyRequestsException: Attempt limit exceeded, please try after some time.";
        assert_eq!(verify(&server, &credential, &right).await.error(), limit);
        // Neither handing out another one nor a sign-in starts over, and sign-ins go on.
        associate(&server, &credential).await.ok();
        assert_eq!(verify(&server, &credential, wrong).await.error(), limit);
        server.sign_in(&client, "alice", PASSWORD).await.ok();
        server.advance(3_600);
        let token = access_token(&server, &client, "alice").await;
        set_up(&server, &token).await;
        let sub = value(&get(&server, &pool, "alice").await, "sub").unwrap();
        let purpose = AttemptPurpose::VerifySoftwareToken;
        assert_eq!(server.app.store.attempts(&pool, &sub, purpose).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_code_that_is_sent_many_times_at_once_is_right_once() {
    both_engines(async |server| {
        let (pool, _, token) = scene(&server).await;
        let server = Arc::new(server);
        let credential = json!({"AccessToken": token});
        let secret = text(&associate(&server, &credential).await.ok(), "SecretCode");
        let request = json!({"AccessToken": token, "UserCode": totp::code(&server, &secret, 0)});
        let mut verifying = JoinSet::new();
        for _ in 0..8 {
            let (server, request) = (server.clone(), request.clone());
            verifying.spawn(async move { server.call("VerifySoftwareToken", request).await });
        }
        // The first is right; for the others the code is used.
        let answers = verifying.join_all().await;
        let (right, wrong): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(right.len(), 1);
        assert!(wrong.iter().all(|answer| answer.error() == REUSED));
        assert!(stored(&server, &pool).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn administrators_remove_a_token_that_was_lost() {
    both_engines(async |server| {
        let (pool, client, token) = scene(&server).await;
        let delete = async |username: &str| named(&server, "AdminDeleteSoftwareToken", &pool, username).await;
        // That there is none is no error.
        assert_eq!(delete("alice").await.ok(), json!({}));
        let secret = set_up(&server, &token).await;
        let on = json!({"AccessToken": token, "SoftwareTokenMfaSettings": {"Enabled": true, "PreferredMfa": true}});
        server.call("SetUserMFAPreference", on.clone()).await.ok();
        let credential = json!({"AccessToken": token});
        let pending = text(&associate(&server, &credential).await.ok(), "SecretCode");
        let challenge = server.sign_in(&client, "alice", PASSWORD).await.ok();
        assert_eq!(challenge["ChallengeName"], "SOFTWARE_TOKEN_MFA");
        server.advance(60);
        assert_eq!(delete("alice").await.ok(), json!({}));
        let user = get(&server, &pool, "alice").await;
        assert_eq!((&user["UserMFASettingList"], &user["PreferredMfaSetting"]), (&Value::Null, &Value::Null));
        assert_eq!(stored(&server, &pool).await, None);
        // Nothing of it is good any more, not even what was pending.
        let code = json!({"SOFTWARE_TOKEN_MFA_CODE": totp::code(&server, &secret, 0)});
        let refusal = respond(&server, &client, "SOFTWARE_TOKEN_MFA", &challenge["Session"], code).await.error();
        assert!(refusal.starts_with("SoftwareTokenMFANotFoundException: "), "{refusal}");
        assert_eq!(verify(&server, &credential, &totp::code(&server, &pending, 0)).await.error(), NOT_SET_UP);
        assert_eq!(
            server.call("SetUserMFAPreference", on).await.error(),
            "InvalidParameterException: User has not verified software token mfa"
        );
        let answer = server.sign_in(&client, "alice", PASSWORD).await.ok();
        assert!(answer["AuthenticationResult"].is_object(), "{answer}");
        set_up(&server, &token).await;

        assert_eq!(delete("nobody").await.error(), UNKNOWN);
        tamper(&server, &pool, "alice", |user| user.status = wire::UserStatusType::Unconfirmed).await;
        assert_eq!(delete("alice").await.error(), "UserNotConfirmedException: User is not confirmed.");
        tamper(&server, &pool, "alice", |user| user.status = wire::UserStatusType::Confirmed).await;
        // A user who is deleted leaves no token to the next one of that name.
        named(&server, "AdminDeleteUser", &pool, "alice").await.ok();
        server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        assert_eq!(stored(&server, &pool).await, None);
    })
    .await;
}
