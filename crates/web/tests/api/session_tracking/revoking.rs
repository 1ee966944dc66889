//! How sessions end.

use super::*;

async fn revoke(server: &Server, access: &str, session: &str) -> Answer {
    server.call("RevokeUserSession", json!({"AccessToken": access, "SessionId": session})).await
}

async fn admin_revoke(server: &Server, pool: &str, username: &str, session: &str) -> Answer {
    let request = json!({"UserPoolId": pool, "Username": username, "SessionId": session});
    server.call("AdminRevokeUserSession", request).await
}

/// The session is over, and its tokens are good for nothing.
async fn assert_over(server: &Server, client: &str, tokens: &Tokens) {
    assert!(!is_good(server, &tokens.access).await);
    assert_eq!(refresh(server, client, &tokens.refresh).await.error(), REFRESH_REVOKED);
}

#[tokio::test]
async fn users_revoke_their_other_sessions() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, 20).await;
        let (one, two) = (sign_in(&server, &client, "alice").await, sign_in(&server, &client, "alice").await);
        let later = Tokens::of(&refresh(&server, &client, &one.refresh).await.ok());
        let (own, other) = (current(&server, &one.access).await, current(&server, &two.access).await);
        // One's own session, by any of its tokens, is not revoked in this way.
        let refused = "InvalidParameterException: The current session cannot be revoked with its own access token. Use \
                       RevokeToken or GlobalSignOut.";
        assert_eq!(revoke(&server, &one.access, &own).await.error(), refused);
        assert_eq!(revoke(&server, &later.access, &own).await.error(), refused);
        assert!(is_good(&server, &one.access).await);

        assert_eq!(revoke(&server, &two.access, &own).await.ok(), json!({}));
        assert_over(&server, &client, &one).await;
        assert!(!is_good(&server, &later.access).await, "nor are tokens that were refreshed");
        let sessions = listed(&server, &two.access).await;
        assert_eq!(sessions.iter().map(id).collect::<Vec<_>>(), [&other]);
        assert_eq!(revoke(&server, &two.access, &own).await.error(), NO_SESSION);

        // Another user's session is none of one's own.
        server.confirmed_user(&pool, "bob", PASSWORD, json!({})).await;
        let bob = sign_in(&server, &client, "bob").await;
        let session_of_bob = current(&server, &bob.access).await;
        assert_eq!(revoke(&server, &two.access, &session_of_bob).await.error(), NO_SESSION);
        assert_eq!(admin_revoke(&server, &pool, "alice", &session_of_bob).await.error(), NO_SESSION);
        assert!(is_good(&server, &bob.access).await);
        // There are no such sessions.
        for session in ["sso", "tkn"].map(|kind| format!("{kind}{}", "a".repeat(25))) {
            assert_eq!(revoke(&server, &two.access, &session).await.error(), NO_SESSION);
        }
        for session in ["", "x", &format!("TKN{}", "a".repeat(25)), &format!("tkn{}", "A".repeat(25))] {
            let answer = revoke(&server, &two.access, session).await.error();
            assert!(answer.starts_with("InvalidParameterException: "), "{answer}");
        }
        let request = json!({"AccessToken": two.access, "SessionId": other, "RevokeAssociatedSessions": "ALL"});
        let answer = server.call("RevokeUserSession", request).await.error();
        assert!(answer.starts_with("InvalidParameterException: 1 validation error"), "{answer}");
        assert_eq!(revoke(&server, "a.b.c", &own).await.error(), "NotAuthorizedException: Invalid Access Token");
    })
    .await;
}

#[tokio::test]
async fn administrators_revoke_any_session() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, 20).await;
        let (one, two) = (sign_in(&server, &client, "alice").await, sign_in(&server, &client, "alice").await);
        let session = current(&server, &one.access).await;
        let refused = [
            admin_revoke(&server, "us-east-1_nowhere", "alice", &session).await.error(),
            admin_revoke(&server, &pool, "nobody", &session).await.error(),
        ];
        assert_eq!(refused, [NO_POOL, NO_USER]);
        assert!(is_good(&server, &one.access).await);
        for (tokens, associated) in [(&one, "NONE"), (&two, "LINKED")] {
            let session = current(&server, &tokens.access).await;
            let request = json!({
                "UserPoolId": pool, "Username": "alice", "SessionId": session, "RevokeAssociatedSessions": associated,
            });
            assert_eq!(server.call("AdminRevokeUserSession", request).await.ok(), json!({}));
            assert_over(&server, &client, tokens).await;
        }
        assert_eq!(admin_list(&server, &pool, "alice").await.ok(), json!({"Sessions": []}));
    })
    .await;
}

#[tokio::test]
async fn sessions_of_clients_without_revocation_can_be_ended_too() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, 1).await;
        let client_without = server.client_id(&pool, json!({"EnableTokenRevocation": false})).await;
        let tokens = sign_in(&server, &client_without, "alice").await;
        let session = current(&server, &tokens.access).await;
        assert_eq!(admin_revoke(&server, &pool, "alice", &session).await.ok(), json!({}));
        assert_over(&server, &client_without, &tokens).await;
        let tokens = sign_in(&server, &client_without, "alice").await;
        sign_in(&server, &client, "alice").await;
        assert_over(&server, &client_without, &tokens).await;
    })
    .await;
}

#[tokio::test]
async fn other_ends_of_a_sign_in_end_its_session() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, 20).await;
        let other = server.client_id(&pool, json!({"RefreshTokenValidity": 1})).await;
        let by_administrator = json!({"UserPoolId": pool, "Username": "alice"});
        let count = async || by_age(&admin_list(&server, &pool, "alice").await.ok()).len();

        let (one, two) = (sign_in(&server, &client, "alice").await, sign_in(&server, &client, "alice").await);
        for associated in [json!(null), json!("LINKED")] {
            let request = json!({"ClientId": client, "Token": one.refresh, "RevokeAssociatedSessions": associated});
            assert_eq!(server.call("RevokeToken", request).await.ok(), json!({}));
            assert_eq!(count().await, 1);
        }
        server.call("GlobalSignOut", json!({"AccessToken": two.access})).await.ok();
        assert_eq!(count().await, 0);
        sign_in(&server, &client, "alice").await;
        assert_eq!(count().await, 1);
        server.call("AdminUserGlobalSignOut", by_administrator.clone()).await.ok();
        assert_eq!(count().await, 0);
        sign_in(&server, &client, "alice").await;
        server.call("AdminDisableUser", by_administrator.clone()).await.ok();
        assert_eq!(count().await, 0);
        server.call("AdminEnableUser", by_administrator.clone()).await.ok();
        assert_eq!(count().await, 0, "for good");

        // What is over cannot be revoked.
        let tokens = sign_in(&server, &client, "alice").await;
        let session = current(&server, &tokens.access).await;
        server.call("AdminUserGlobalSignOut", by_administrator).await.ok();
        assert_eq!(admin_revoke(&server, &pool, "alice", &session).await.error(), NO_SESSION);

        // When the refresh token has expired, and when the client is gone.
        sign_in(&server, &other, "alice").await;
        server.advance(86_399);
        sign_in(&server, &client, "alice").await;
        assert_eq!(count().await, 2);
        server.advance(1);
        assert_eq!(count().await, 1);
        sign_in(&server, &other, "alice").await;
        assert_eq!(count().await, 2);
        let request = json!({"UserPoolId": pool, "ClientId": client});
        assert_eq!(server.call("DeleteUserPoolClient", request).await.status, 200);
        assert_eq!(count().await, 1);

        // A user takes the sessions along.
        let sub = server.app.store.user_by_name(&pool, "alice").await.unwrap().unwrap().value.sub;
        let request = json!({"UserPoolId": pool, "Username": "alice"});
        assert_eq!(server.call("AdminDeleteUser", request).await.status, 200);
        assert_eq!(server.app.store.user_part_documents(&pool, &sub, 9).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_that_comes_back_ends_the_session() {
    both_engines(async |server| {
        let (pool, _) = scene(&server, 20).await;
        let rotation = json!({"Feature": "ENABLED", "RetryGracePeriodSeconds": 0});
        let flows = json!(["ALLOW_USER_PASSWORD_AUTH"]);
        let client =
            server.client_id(&pool, json!({"RefreshTokenRotation": rotation, "ExplicitAuthFlows": flows})).await;
        let first = sign_in(&server, &client, "alice").await;
        let session = current(&server, &first.access).await;
        let renew = async |token: &str| {
            let request = json!({"ClientId": client, "RefreshToken": token});
            server.call("GetTokensFromRefreshToken", request).await
        };
        server.advance(10);
        let second = Tokens::of(&renew(&first.refresh).await.ok());
        let sessions = listed(&server, &second.access).await;
        assert_eq!((sessions.len(), id(&sessions[0])), (1, session.as_str()));
        assert!(sessions[0]["LastActiveDate"].as_f64() > sessions[0]["CreateDate"].as_f64());
        assert!(renew(&first.refresh).await.error().starts_with("RefreshTokenReuseException"));
        assert!(!is_good(&server, &second.access).await);
        assert_eq!(admin_list(&server, &pool, "alice").await.ok(), json!({"Sessions": []}));
    })
    .await;
}

#[tokio::test]
async fn a_session_that_is_used_while_it_is_revoked_stays_revoked() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, 20).await;
        for _ in 0..20 {
            let tokens = sign_in(&server, &client, "alice").await;
            let session = current(&server, &tokens.access).await;
            let (refreshed, revoked) = tokio::join!(
                refresh(&server, &client, &tokens.refresh),
                admin_revoke(&server, &pool, "alice", &session)
            );
            assert_eq!(revoked.ok(), json!({}));
            if refreshed.status == 200 {
                assert!(!is_good(&server, &Tokens::of(&refreshed.body).access).await);
            }
            assert_over(&server, &client, &tokens).await;
        }
        assert_eq!(admin_list(&server, &pool, "alice").await.ok(), json!({"Sessions": []}));
    })
    .await;
}
