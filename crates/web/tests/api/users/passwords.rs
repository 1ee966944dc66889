//! Passwords that administrators set, and what they put an end to (accounts.md §7.2, §10.1).

use super::*;

/// Gives a user a reset code as ForgotPassword does, in whatever state the user is.
pub(crate) async fn outstanding_reset_code(
    server: &Server,
    pool: &str,
    username: &str,
    destination: &str,
    code: &str,
) -> String {
    let sub = value(&get(server, pool, username).await, "sub").unwrap();
    let purpose = domain::CodePurpose::Reset;
    let now = server.app.clock.now();
    let mut changes = store::Changes::new();
    changes.insert(domain::Code {
        pool_id: pool.to_owned(),
        sub: sub.clone(),
        purpose,
        hash: crypto::hash::code_hash(&server.app.code_key, pool, &sub, purpose.as_str(), code),
        medium: domain::Medium::Email,
        destination: destination.to_owned(),
        is_pending: false,
        issued_at: now,
        expires_at: now.plus(domain::time::HOUR),
    });
    server.app.commit(changes).await.unwrap();
    sub
}

#[tokio::test]
async fn a_password_set_by_an_administrator() {
    both_engines(async |server| {
        let pool =
            server.pool(json!({"Policies": {"PasswordPolicy": {"MinimumLength": 8, "PasswordHistorySize": 2}}})).await;
        let client = server.client_id(&pool, json!({})).await;
        create(&server, &pool, "alice", &[], json!({})).await.ok();
        assert_eq!(set_password(&server, &pool, "alice", "password-1", true).await.ok(), json!({}));
        assert_eq!(get(&server, &pool, "alice").await["UserStatus"], "CONFIRMED");
        server.sign_in(&client, "alice", "password-1").await.ok();
        for used in ["password-1"] {
            assert_eq!(
                set_password(&server, &pool, "alice", used, true).await.error(),
                "PasswordHistoryPolicyViolationException: Password has previously been used"
            );
        }
        set_password(&server, &pool, "alice", "password-2", true).await.ok();
        assert_eq!(
            set_password(&server, &pool, "alice", "password-1", false).await.error(),
            "PasswordHistoryPolicyViolationException: Password has previously been used"
        );
        set_password(&server, &pool, "alice", "password-3", true).await.ok();
        // Two back is far enough.
        set_password(&server, &pool, "alice", "password-1", false).await.ok();
        assert_eq!(get(&server, &pool, "alice").await["UserStatus"], "FORCE_CHANGE_PASSWORD");
        assert_eq!(server.sign_in(&client, "alice", "password-1").await.ok()["ChallengeName"], "NEW_PASSWORD_REQUIRED");
        assert_eq!(
            set_password(&server, &pool, "alice", "short", true).await.error(),
            "InvalidPasswordException: Password did not conform with password policy: Password not long enough"
        );
        assert_eq!(set_password(&server, &pool, "nobody", "password-1", true).await.error(), UNKNOWN);
    })
    .await;
}

#[tokio::test]
async fn a_new_password_ends_a_lock() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
    for _ in 0..6 {
        assert_eq!(server.sign_in(&client, "alice", "Wr0ng-password").await.status, 400);
    }
    assert_eq!(
        server.sign_in(&client, "alice", PASSWORD).await.error(),
        "NotAuthorizedException: Password attempts exceeded"
    );
    set_password(&server, &pool, "alice", "Another-1", true).await.ok();
    server.sign_in(&client, "alice", "Another-1").await.ok();
}

#[tokio::test]
async fn a_password_set_by_an_administrator_ends_an_outstanding_reset_code() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
        let confirm = async |code: &str| {
            let request = json!({
                "ClientId": client, "Username": "alice", "ConfirmationCode": code, "Password": "Attacker-Passw0rd1",
            });
            server.call("ConfirmForgotPassword", request).await
        };
        for permanent in [true, false] {
            server.call("ForgotPassword", json!({"ClientId": client, "Username": "alice"})).await.ok();
            let code = server.last_code(&pool, "alice").await;
            set_password(&server, &pool, "alice", "Admin-Passw0rd1", permanent).await.ok();
            let gone = "ExpiredCodeException: Invalid code provided, please request a code again.";
            assert_eq!(confirm(&code).await.error(), gone);
            // Nor does it come back with the next state.
            set_password(&server, &pool, "alice", "Admin-Passw0rd2", true).await.ok();
            assert_eq!(confirm(&code).await.error(), gone);
        }
        server.sign_in(&client, "alice", "Admin-Passw0rd2").await.ok();
    })
    .await;
}

#[tokio::test]
async fn a_repeated_invitation_ends_an_outstanding_reset_code() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        create(&server, &pool, "alice", &[("email", "a@example.com")], json!({"MessageAction": "SUPPRESS"})).await.ok();
        let sub = outstanding_reset_code(&server, &pool, "alice", "a@example.com", "123456").await;
        let reset = domain::CodePurpose::Reset;
        assert!(server.app.store.code(&pool, &sub, reset).await.unwrap().is_some());
        let members = json!({"MessageAction": "RESEND", "DesiredDeliveryMediums": ["EMAIL"]});
        create(&server, &pool, "alice", &[], members).await.ok();
        assert_eq!(server.app.store.code(&pool, &sub, reset).await.unwrap(), None);
    })
    .await;
}
