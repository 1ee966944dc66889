//! What becomes of the password, and what else must end with the old one (accounts.md §6.3, §6.4, §7).

use super::*;

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
async fn a_password_that_was_used_lately_is_not_chosen_again() {
    both_engines(async |server| {
        let pool = server.pool(json!({"Policies": {"PasswordPolicy": {"PasswordHistorySize": 2}}})).await;
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "ana", OLD, json!({})).await;
        let token = server.sign_in(&client, "ana", OLD).await.ok()["AuthenticationResult"]["AccessToken"].clone();
        let change = async |previous: &str, proposed: &str| {
            let request = json!({"AccessToken": token, "PreviousPassword": previous, "ProposedPassword": proposed});
            server.call("ChangePassword", request).await
        };
        let used = "PasswordHistoryPolicyViolationException: Password has previously been used";
        assert_eq!(change(OLD, OLD).await.error(), used, "the present one counts");
        change(OLD, NEW).await.ok();
        assert_eq!(change(NEW, OLD).await.error(), used);
        change(NEW, "Third-Passw0rd").await.ok();
        // Two are remembered, and five changes an hour allowed.
        change("Third-Passw0rd", OLD).await.ok();
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
