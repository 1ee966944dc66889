//! RevokeToken, GlobalSignOut and AdminUserGlobalSignOut (auth-flows.md §18).

use super::*;

async fn revoke(server: &Server, client: &str, token: &str) -> Answer {
    server.call("RevokeToken", json!({"ClientId": client, "Token": token})).await
}

#[tokio::test]
async fn a_revoked_sign_in_is_over_and_the_others_are_not() {
    both_engines(async |server| {
        let (_, client, first) = scene(&server, json!({})).await;
        let second = tokens(&server, &client, "alice").await;
        let later = refreshed(&server, &client, &first.refresh).await.ok();
        let later = later["AuthenticationResult"]["AccessToken"].as_str().unwrap();
        get_user(&server, later).await.ok();

        assert_eq!(revoke(&server, &client, &first.refresh).await.ok(), json!({}));
        for access in [&first.access, later] {
            assert_eq!(get_user(&server, access).await.error(), REVOKED);
        }
        assert_eq!(refreshed(&server, &client, &first.refresh).await.error(), REFRESH_REVOKED);
        get_user(&server, &second.access).await.ok();
        refreshed(&server, &client, &second.refresh).await.ok();
        // Again, and whatever else is not a token of this client.
        for token in [first.refresh.as_str(), "x", "a.b.c.d.e"] {
            assert_eq!(revoke(&server, &client, token).await.ok(), json!({}));
        }
        // The mark of a revocation stays as long as any of its tokens could.
        server.advance(3_000);
        server.app.store.sweep(server.app.clock.now(), 1_000).await.unwrap();
        assert_eq!(get_user(&server, &first.access).await.error(), REVOKED);
        server.advance(29 * 86_400);
        server.app.store.sweep(server.app.clock.now(), 1_000).await.unwrap();
        assert_eq!(refreshed(&server, &client, &first.refresh).await.error(), REFRESH_REVOKED);
    })
    .await;
}

#[tokio::test]
async fn who_may_revoke_what() {
    both_engines(async |server| {
        let (pool, client, tokens) = scene(&server, json!({})).await;
        for token in [&tokens.access, &tokens.id] {
            let answer = revoke(&server, &client, token).await;
            assert_eq!(answer.error(), "UnsupportedTokenTypeException: Only refresh tokens can be revoked.");
        }
        // Another client has no say.
        let other = server.client(&pool, json!({"GenerateSecret": true})).await;
        let (id, secret) = (other["ClientId"].as_str().unwrap(), other["ClientSecret"].as_str().unwrap());
        let attempt = async |client: &str, secret: Option<&str>| {
            let request = json!({"ClientId": client, "ClientSecret": secret, "Token": tokens.refresh});
            server.call("RevokeToken", request).await
        };
        assert_eq!(attempt(id, Some(secret)).await.ok(), json!({}));
        get_user(&server, &tokens.access).await.ok();
        let unauthorized = "UnauthorizedException: Invalid client or secret";
        let wrong = "0".repeat(51);
        for (client, secret) in [(id, None), (id, Some(wrong.as_str())), (&client, Some(secret)), ("unknown", None)] {
            assert_eq!(attempt(client, secret).await.error(), unauthorized);
        }
        let request = json!({"ClientId": client, "Token": ""});
        assert!(
            server
                .call("RevokeToken", request)
                .await
                .error()
                .starts_with("InvalidParameterException: 1 validation error")
        );
        get_user(&server, &tokens.access).await.ok();
    })
    .await;
}

#[tokio::test]
async fn a_client_without_revocation() {
    both_engines(async |server| {
        let (_, client, tokens) = scene(&server, json!({"EnableTokenRevocation": false})).await;
        for token in [&tokens.access, &tokens.id] {
            let claims = segment(token, 1);
            assert!(claims.get("origin_jti").is_none() && claims["jti"].is_string(), "{claims}");
        }
        assert_eq!(
            revoke(&server, &client, &tokens.refresh).await.error(),
            "UnsupportedOperationException: Token revocation is not enabled for this client."
        );
        get_user(&server, &tokens.access).await.ok();
    })
    .await;
}

#[tokio::test]
async fn signing_out_everywhere() {
    both_engines(async |server| {
        let (_, client, first) = scene(&server, json!({})).await;
        let second = tokens(&server, &client, "alice").await;
        let out = async |token: &str| server.call("GlobalSignOut", json!({"AccessToken": token})).await;
        assert_eq!(out(&first.access).await.ok(), json!({}));
        assert_eq!(out(&first.access).await.error(), REVOKED);
        for tokens in [&first, &second] {
            assert_eq!(get_user(&server, &tokens.access).await.error(), REVOKED);
            assert_eq!(refreshed(&server, &client, &tokens.refresh).await.error(), REFRESH_REVOKED);
        }
        // A new sign-in works at once, here within the same millisecond, and can be ended in it too.
        let third = tokens(&server, &client, "alice").await;
        get_user(&server, &third.access).await.ok();
        refreshed(&server, &client, &third.refresh).await.ok();
        assert_eq!(out(&third.access).await.ok(), json!({}));
        assert_eq!(get_user(&server, &third.access).await.error(), REVOKED);
        assert_eq!(get_user(&server, &first.access).await.error(), REVOKED);
        server.advance(10);
        let fourth = tokens(&server, &client, "alice").await;
        let claims = segment(&fourth.access, 1);
        assert_eq!(claims["auth_time"], claims["iat"]);
        assert_eq!(out(&first.id).await.error(), INVALID);
    })
    .await;
}

#[tokio::test]
async fn an_administrator_signs_a_user_out() {
    both_engines(async |server| {
        let (pool, client, tokens) = scene(&server, json!({})).await;
        assert_eq!(administer(&server, "AdminUserGlobalSignOut", &pool).await.ok(), json!({}));
        assert_eq!(get_user(&server, &tokens.access).await.error(), REVOKED);
        assert_eq!(refreshed(&server, &client, &tokens.refresh).await.error(), REFRESH_REVOKED);
        server.sign_in(&client, "alice", PASSWORD).await.ok();
        let request = |pool: &str, username: &str| json!({"UserPoolId": pool, "Username": username});
        let operation = "AdminUserGlobalSignOut";
        assert_eq!(server.call(operation, request(&pool, "nobody")).await.error(), UNKNOWN);
        assert_eq!(
            server.call(operation, request("us-east-1_nowhere", "alice")).await.error(),
            "ResourceNotFoundException: User pool us-east-1_nowhere does not exist."
        );
    })
    .await;
}
