//! The codes that confirm a sign-up: sent again, expired, guessed at, asked for by nobody (accounts.md §4, §8, §9).

use std::time::Duration;

use domain::CodePurpose;
use serde_json::json;
use service::messages::Sender;
use testkit::{Server, both_engines};

use crate::sign_up::{attributes, confirm, get, other, resend, scene, sign_up, value};

#[tokio::test]
async fn a_code_that_cannot_be_sent_leaves_no_user_behind() {
    let server = Server::builder().sender(testkit::smtp(1, Duration::from_secs(1))).start().await;
    let sms = json!({"SnsCallerArn": "arn:aws:iam::000000000000:role/sms", "ExternalId": "x"});
    let members = json!({"AutoVerifiedAttributes": ["phone_number"], "SmsConfiguration": sms});
    let (pool, client) = scene(&server, members, json!({"PreventUserExistenceErrors": "ENABLED"})).await;
    let phone = [("phone_number", "+14325551212")];
    let undelivered = "CodeDeliveryFailureException: Unable to deliver code to user";
    assert_eq!(sign_up(&server, &client, "alice", &phone).await.error(), undelivered);
    let invited = json!({"UserPoolId": pool, "Username": "alice", "UserAttributes": attributes(&phone)});
    assert_eq!(server.call("AdminCreateUser", invited).await.error(), undelivered);
    let found = server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": "alice"})).await;
    assert_eq!(found.error(), "UserNotFoundException: User does not exist.");
    // That a medium is not delivered tells nothing about who exists.
    resend(&server, &client, "nobody").await.ok();
}

#[tokio::test]
async fn a_code_that_cannot_be_sent_again_is_not_replaced() {
    let server = Server::builder().sender(Sender::Nobody).start().await;
    // Nothing had to be verified at first.
    let (pool, client) = scene(&server, json!({"AutoVerifiedAttributes": []}), json!({})).await;
    sign_up(&server, &client, "alice", &[("email", "alice@example.com")]).await.ok();
    server.call("UpdateUserPool", json!({"UserPoolId": pool, "AutoVerifiedAttributes": ["email"]})).await.ok();
    let refused = resend(&server, &client, "alice").await.error();
    assert!(refused.starts_with("CodeDeliveryFailureException: "), "{refused}");
    let sub = value(&get(&server, &pool, "alice").await, "sub").unwrap();
    assert!(server.app.store.code(&pool, &sub, CodePurpose::SignUp).await.unwrap().is_none());
}

#[tokio::test]
async fn a_code_verifies_only_the_address_that_it_went_to() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({})).await;
    sign_up(&server, &client, "alice", &[("email", "alice@example.com")]).await.ok();
    let code = server.last_code(&pool, "alice").await;
    let change =
        json!({"UserPoolId": pool, "Username": "alice", "UserAttributes": attributes(&[("email", "eve@example.com")])});
    server.call("AdminUpdateUserAttributes", change).await.ok();
    confirm(&server, &client, "alice", &code).await.ok();
    let user = get(&server, &pool, "alice").await;
    assert_eq!((&user["UserStatus"], value(&user, "email_verified").as_deref()), (&json!("CONFIRMED"), Some("false")));
}

#[tokio::test]
async fn codes_expire_after_a_day_and_a_new_one_replaces_the_old() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({})).await;
    sign_up(&server, &client, "alice", &[("email", "alice@example.com")]).await.ok();
    let first = server.last_code(&pool, "alice").await;
    server.advance(24 * 3_600);
    let expired = "ExpiredCodeException: Invalid code provided, please request a code again.";
    assert_eq!(confirm(&server, &client, "alice", &first).await.error(), expired);

    insta::assert_json_snapshot!(resend(&server, &client, "alice").await.ok(), @r#"
    {
      "CodeDeliveryDetails": {
        "Destination": "a***@e***",
        "DeliveryMedium": "EMAIL",
        "AttributeName": "email"
      }
    }
    "#);
    let second = server.last_code(&pool, "alice").await;
    assert_eq!(server.messages(&pool, "alice").await[0]["purpose"], "ResendCode");
    assert_ne!(first, second);
    assert_eq!(
        confirm(&server, &client, "alice", &first).await.error(),
        "CodeMismatchException: Invalid verification code provided, please try again."
    );
    server.advance(24 * 3_600 - 1);
    confirm(&server, &client, "alice", &second).await.ok();
    assert_eq!(
        resend(&server, &client, "alice").await.error(),
        "InvalidParameterException: User is already confirmed."
    );
}

#[tokio::test]
async fn resends_are_counted() {
    let server = Server::memory().await;
    let (_, client) = scene(&server, json!({}), json!({"PreventUserExistenceErrors": "ENABLED"})).await;
    sign_up(&server, &client, "alice", &[("email", "alice@example.com")]).await.ok();
    for name in ["alice", "nobody"] {
        for _ in 0..5 {
            resend(&server, &client, name).await.ok();
        }
        assert_eq!(
            resend(&server, &client, name).await.error(),
            "LimitExceededException: Attempt limit exceeded, please try after some time.",
            "{name}"
        );
    }
    server.advance(3_600);
    resend(&server, &client, "alice").await.ok();
}

#[tokio::test]
async fn wrong_codes_are_counted() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({})).await;
    sign_up(&server, &client, "alice", &[("email", "alice@example.com")]).await.ok();
    let code = server.last_code(&pool, "alice").await;
    let mismatch = "CodeMismatchException: Invalid verification code provided, please try again.";
    for _ in 0..15 {
        assert_eq!(confirm(&server, &client, "alice", &other(&code)).await.error(), mismatch);
    }
    let limit = "LimitExceededException: Attempt limit exceeded, please try after some time.";
    assert_eq!(confirm(&server, &client, "alice", &code).await.error(), limit);
    server.advance(3_600);
    for _ in 0..15 {
        assert_eq!(confirm(&server, &client, "alice", &other(&code)).await.error(), mismatch);
    }
    server.advance(3_600);
    assert_eq!(
        confirm(&server, &client, "alice", &code).await.error(),
        "TooManyFailedAttemptsException: Too many failed attempts. Request a new code and try again tomorrow, or ask an administrator for help."
    );
    // A day later the way is open again, with a new code.
    server.advance(24 * 3_600);
    resend(&server, &client, "alice").await.ok();
    let code = server.last_code(&pool, "alice").await;
    confirm(&server, &client, "alice", &code).await.ok();
}

#[tokio::test]
async fn guesses_at_the_same_time_gain_nothing() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({}), json!({})).await;
        sign_up(&server, &client, "alice", &[("email", "alice@example.com")]).await.ok();
        let wrong = other(&server.last_code(&pool, "alice").await);
        let (server, client, wrong) = (&server, &client, &wrong);
        let mut looked_at = 0;
        // Twice as many as are taken, in bursts.
        for _ in 0..6 {
            let burst = tokio::join!(
                confirm(server, client, "alice", wrong),
                confirm(server, client, "alice", wrong),
                confirm(server, client, "alice", wrong),
                confirm(server, client, "alice", wrong),
                confirm(server, client, "alice", wrong),
            );
            for answer in [burst.0, burst.1, burst.2, burst.3, burst.4] {
                looked_at += usize::from(answer.error().starts_with("CodeMismatchException"));
            }
        }
        assert_eq!(looked_at, 15);
    })
    .await;
}

#[tokio::test]
async fn an_unknown_user_is_named_so_where_that_is_no_secret() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({})).await;
    let unknown = "UserNotFoundException: Username/client id combination not found.";
    assert_eq!(confirm(&server, &client, "nobody", "123456").await.error(), unknown);
    assert_eq!(resend(&server, &client, "nobody").await.error(), unknown);
    sign_up(&server, &client, "alice", &[("email", "alice@example.com")]).await.ok();
    server.call("AdminDisableUser", json!({"UserPoolId": pool, "Username": "alice"})).await.ok();
    let code = server.last_code(&pool, "alice").await;
    assert_eq!(confirm(&server, &client, "alice", &code).await.error(), "NotAuthorizedException: User is disabled.");
    assert_eq!(resend(&server, &client, "alice").await.error(), "NotAuthorizedException: User is disabled.");
}

#[tokio::test]
async fn an_unknown_user_answers_like_a_known_one_where_that_is_a_secret() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({}), json!({"PreventUserExistenceErrors": "ENABLED"})).await;
        // A known user without a code, and nobody.
        sign_up(&server, &client, "alice", &[]).await.ok();
        let expired = "ExpiredCodeException: Invalid code provided, please request a code again.";
        let mismatch = "CodeMismatchException: Invalid verification code provided, please try again.";
        let limit = "LimitExceededException: Attempt limit exceeded, please try after some time.";
        for name in ["alice", "nobody"] {
            assert_eq!(confirm(&server, &client, name, "123456").await.error(), expired, "{name}");
        }
        let details = resend(&server, &client, "nobody").await.ok();
        assert_eq!(details["CodeDeliveryDetails"]["DeliveryMedium"], "EMAIL");
        assert_eq!(resend(&server, &client, "nobody").await.ok(), details);
        resend(&server, &client, "alice").await.ok();
        assert!(server.messages(&pool, "nobody").await.is_empty() && server.messages(&pool, "alice").await.is_empty());
        for name in ["alice", "nobody"] {
            for _ in 0..15 {
                assert_eq!(confirm(&server, &client, name, "123456").await.error(), mismatch, "{name}");
            }
            assert_eq!(confirm(&server, &client, name, "123456").await.error(), limit, "{name}");
        }
        // A disabled user is hidden from whoever does not have the code.
        sign_up(&server, &client, "bob", &[("email", "bob@example.com")]).await.ok();
        let code = server.last_code(&pool, "bob").await;
        server.call("AdminDisableUser", json!({"UserPoolId": pool, "Username": "bob"})).await.ok();
        assert_eq!(confirm(&server, &client, "bob", &other(&code)).await.error(), mismatch);
        assert_eq!(confirm(&server, &client, "bob", &code).await.error(), "NotAuthorizedException: User is disabled.");
        resend(&server, &client, "bob").await.ok();
        assert_eq!(server.messages(&pool, "bob").await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_pool_that_verifies_nothing_resends_nothing() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, json!({})).await;
    let refused = "InvalidParameterException: Cannot resend codes. Auto verification not turned on.";
    assert_eq!(resend(&server, &client, "nobody").await.error(), refused);
    let (_, client) = scene(&server, json!({}), json!({})).await;
    sign_up(&server, &client, "alice", &[]).await.ok();
    assert_eq!(resend(&server, &client, "alice").await.error(), refused);
}

#[tokio::test]
async fn a_session_that_nobody_was_given_is_refused() {
    let server = Server::memory().await;
    let (_, client) = scene(&server, json!({}), json!({})).await;
    let session = "x".repeat(20);
    let request = json!({"ClientId": client, "Username": "alice", "ConfirmationCode": "123456", "Session": session});
    assert_eq!(
        server.call("ConfirmSignUp", request).await.error(),
        "NotAuthorizedException: Invalid session for the user."
    );
}

#[tokio::test]
async fn without_anything_to_verify_no_code_goes_out() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({})).await;
    let answer = sign_up(&server, &client, "alice", &[]).await.ok();
    assert_eq!(answer.get("CodeDeliveryDetails"), None);
    assert!(server.messages(&pool, "alice").await.is_empty());
    assert_eq!(
        confirm(&server, &client, "alice", "123456").await.error(),
        "ExpiredCodeException: Invalid code provided, please request a code again."
    );
    let admin = json!({"UserPoolId": pool, "Username": "alice"});
    assert_eq!(server.call("AdminConfirmSignUp", admin.clone()).await.ok(), json!({}));
    assert_eq!(get(&server, &pool, "alice").await["UserStatus"], "CONFIRMED");
    assert_eq!(
        server.call("AdminConfirmSignUp", admin).await.error(),
        "NotAuthorizedException: User cannot be confirmed. Current status is CONFIRMED"
    );
}
