//! What decides access is never remembered: what one server has answered, the next request at another one obeys.

use serde_json::json;
use testkit::srp::SignIn;

use crate::support::*;

const DISABLED: &str = "NotAuthorizedException: User is disabled.";
const ACCESS_REVOKED: &str = "NotAuthorizedException: Access Token has been revoked";
const REFRESH_REVOKED: &str = "NotAuthorizedException: Refresh Token has been revoked";
const UNKNOWN: &str = "UserNotFoundException: User does not exist.";
const RESET: &str = "PasswordResetRequiredException: Password reset required for the user";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_tokens_is_seen_at_once() {
    let Some([a, b]) = servers().await else { return };
    let (pool, client) = scene(&a).await;
    // Several times, each with tokens that the other server has seen before.
    for round in 0..5 {
        let name = format!("user-{round}");
        a.confirmed_user(&pool, &name, PASSWORD, json!({"email": format!("{name}@example.com")})).await;
        let used = async || {
            let tokens = tokens(&a, &client, &name, PASSWORD).await;
            get_user(&b, &tokens.access).await.ok();
            refresh(&b, &client, &tokens.refresh).await.ok();
            tokens
        };

        let old = used().await;
        let kept = used().await;
        a.call("RevokeToken", json!({"ClientId": client, "Token": old.refresh})).await.ok();
        assert_eq!(get_user(&b, &old.access).await.error(), ACCESS_REVOKED);
        assert_eq!(refresh(&b, &client, &old.refresh).await.error(), REFRESH_REVOKED);
        get_user(&b, &kept.access).await.ok();

        a.call("GlobalSignOut", json!({"AccessToken": kept.access})).await.ok();
        assert_eq!(get_user(&b, &kept.access).await.error(), ACCESS_REVOKED);
        assert_eq!(refresh(&b, &client, &kept.refresh).await.error(), REFRESH_REVOKED);

        let tokens = used().await;
        administer(&a, "AdminUserGlobalSignOut", &pool, &name).await.ok();
        assert_eq!(get_user(&b, &tokens.access).await.error(), ACCESS_REVOKED);
        assert_eq!(refresh(&b, &client, &tokens.refresh).await.error(), REFRESH_REVOKED);

        let tokens = used().await;
        administer(&a, "AdminDisableUser", &pool, &name).await.ok();
        assert_eq!(get_user(&b, &tokens.access).await.error(), DISABLED);
        assert_eq!(refresh(&b, &client, &tokens.refresh).await.error(), DISABLED);
        assert_eq!(b.sign_in(&client, &name, PASSWORD).await.error(), DISABLED);
        administer(&a, "AdminEnableUser", &pool, &name).await.ok();
        assert_eq!(get_user(&b, &tokens.access).await.error(), ACCESS_REVOKED);
        b.sign_in(&client, &name, PASSWORD).await.ok();

        let tokens = used().await;
        administer(&a, "AdminResetUserPassword", &pool, &name).await.ok();
        assert_eq!(get_user(&b, &tokens.access).await.error(), RESET);
        assert_eq!(refresh(&b, &client, &tokens.refresh).await.error(), RESET);
        assert_eq!(b.sign_in(&client, &name, PASSWORD).await.error(), RESET);
        set_password(&a, &pool, &name, PASSWORD, true).await.ok();

        let tokens = used().await;
        a.call("DeleteUser", json!({"AccessToken": tokens.access})).await.ok();
        assert_eq!(get_user(&b, &tokens.access).await.error(), UNKNOWN);
        assert_eq!(refresh(&b, &client, &tokens.refresh).await.error(), UNKNOWN);
        assert_eq!(b.sign_in(&client, &name, PASSWORD).await.error(), UNKNOWN);
        assert_eq!(administer(&b, "AdminGetUser", &pool, &name).await.error(), UNKNOWN);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_password_is_refused_at_once() {
    let Some([a, b]) = servers().await else { return };
    let (pool, client) = scene(&a).await;
    b.sign_in(&client, "alice", PASSWORD).await.ok();
    let begun = SignIn::start(&b, &client, &pool, "alice", PASSWORD).await;
    set_password(&a, &pool, "alice", NEW, true).await.ok();
    assert_eq!(b.sign_in(&client, "alice", PASSWORD).await.error(), INCORRECT);
    // A sign-in that was under way with it is over, too.
    assert_eq!(begun.finish(&b).await.error(), INCORRECT);
    b.sign_in(&client, "alice", NEW).await.ok();

    let access = tokens(&b, &client, "alice", NEW).await.access;
    let change = json!({"AccessToken": access, "PreviousPassword": NEW, "ProposedPassword": PASSWORD});
    b.call("ChangePassword", change).await.ok();
    assert_eq!(a.sign_in(&client, "alice", NEW).await.error(), INCORRECT);
    a.sign_in(&client, "alice", PASSWORD).await.ok();
}

/// Clocks of servers agree only so far. A sign-in at one that is ahead must not outlive a sign-out at one that is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_reaches_tokens_of_a_server_whose_clock_is_ahead() {
    let Some([a, b]) = servers().await else { return };
    let (pool, client) = scene(&a).await;
    b.app.clock.advance(1_900);
    for operation in ["AdminUserGlobalSignOut", "AdminDisableUser"] {
        let tokens = tokens(&b, &client, "alice", PASSWORD).await;
        get_user(&a, &tokens.access).await.ok();
        administer(&a, operation, &pool, "alice").await.ok();
        administer(&a, "AdminEnableUser", &pool, "alice").await.ok();
        for server in [&a, &b] {
            assert_eq!(get_user(server, &tokens.access).await.error(), ACCESS_REVOKED, "{operation}");
            assert_eq!(refresh(server, &client, &tokens.refresh).await.error(), REFRESH_REVOKED, "{operation}");
        }
    }
    // Whoever signs in afterwards is not sent away, at either.
    for server in [&a, &b] {
        let tokens = tokens(server, &client, "alice", PASSWORD).await;
        for server in [&a, &b] {
            get_user(server, &tokens.access).await.ok();
        }
    }
}

/// A token that is renewed while its sign-in is revoked is worth nothing afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_at_the_moment_of_a_revocation_does_not_survive_it() {
    let Some([a, b]) = servers().await else { return };
    let (_, client) = scene(&a).await;
    for _ in 0..10 {
        let tokens = tokens(&a, &client, "alice", PASSWORD).await;
        let renewing = tokio::spawn({
            let (b, client, token) = (b.clone(), client.clone(), tokens.refresh.clone());
            async move { refresh(&b, &client, &token).await }
        });
        a.call("RevokeToken", json!({"ClientId": client, "Token": tokens.refresh})).await.ok();
        assert_eq!(refresh(&b, &client, &tokens.refresh).await.error(), REFRESH_REVOKED);
        let renewed = renewing.await.unwrap();
        if renewed.status == 200 {
            let access = renewed.ok()["AuthenticationResult"]["AccessToken"].as_str().unwrap().to_owned();
            for server in [&a, &b] {
                assert_eq!(get_user(server, &access).await.error(), ACCESS_REVOKED);
            }
        } else {
            assert_eq!(renewed.error(), REFRESH_REVOKED);
        }
    }
    // The same revocation at both at once is one revocation.
    let tokens = tokens(&a, &client, "alice", PASSWORD).await;
    let outcomes = at_once([&a, &b, &a, &b].map(|server| {
        let (server, request) = (server.clone(), json!({"ClientId": client, "Token": tokens.refresh}));
        async move { server.call("RevokeToken", request).await }
    }))
    .await;
    assert_eq!(tally(&outcomes), [("ok", 4)].into());
}

/// A sign-in that is being checked while the user is disabled, or the password replaced, must not succeed by what was
/// read before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_at_the_moment_of_a_change_is_before_it_or_after_it() {
    let Some([a, b]) = servers().await else { return };
    let (pool, client) = scene(&a).await;
    for _ in 0..10 {
        let signing_in = tokio::spawn({
            let (b, client) = (b.clone(), client.clone());
            async move { b.sign_in(&client, "alice", PASSWORD).await }
        });
        administer(&a, "AdminDisableUser", &pool, "alice").await.ok();
        let answer = signing_in.await.unwrap();
        if answer.status == 200 {
            let access = answer.ok()["AuthenticationResult"]["AccessToken"].as_str().unwrap().to_owned();
            assert_eq!(get_user(&b, &access).await.error(), DISABLED);
            administer(&a, "AdminEnableUser", &pool, "alice").await.ok();
            assert_eq!(get_user(&b, &access).await.error(), ACCESS_REVOKED);
        } else {
            assert_eq!(answer.error(), DISABLED);
            administer(&a, "AdminEnableUser", &pool, "alice").await.ok();
        }
    }
    // Rows of a user who was deleted meanwhile do not come back.
    let sub = attribute(&a, &pool, "alice", "sub").await.unwrap();
    let guessing = tokio::spawn({
        let (b, client) = (b.clone(), client.clone());
        async move { b.sign_in(&client, "alice", "Wr0ng-password").await }
    });
    administer(&a, "AdminDeleteUser", &pool, "alice").await.ok();
    guessing.await.unwrap();
    assert_eq!(a.app.store.user(&pool, &sub).await.unwrap(), None);
    assert_eq!(a.app.store.password(&pool, &sub).await.unwrap(), None);
}
