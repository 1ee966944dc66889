//! `refresh_token`.

use super::*;
use crate::hosted::browser_sessions::{begin, with_cookie};

async fn refresh(server: &Server, client: &str, token: &str, more: &[(&str, &str)]) -> Answer {
    let form: Vec<_> = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    post(server, "/oauth2/token", None, &form).await
}

#[tokio::test]
async fn refreshed_tokens_are_those_of_the_same_sign_in() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let asked = [("scope", "openid email"), ("nonce", "n-0")];
        let first = tokens(&server, &site, &asked).await;
        server.advance(60);
        let refresh_token = token(&first, "refresh_token");
        let second = refresh(&server, &site.client, refresh_token, &[]).await.ok();
        let names: Vec<_> = second.as_object().unwrap().keys().collect();
        assert_eq!(names, ["id_token", "access_token", "expires_in", "token_type"], "it is not rotated");
        let claims = |answer: &Value, name: &str| segment(token(answer, name), 1);
        for name in ["id_token", "access_token"] {
            let (before, after) = (claims(&first, name), claims(&second, name));
            for claim in ["origin_jti", "auth_time", "scope", "amr", "acr", "aud", "email", "sub"] {
                assert_eq!(before.get(claim), after.get(claim), "{claim}");
            }
            assert_ne!(before["iat"], after["iat"]);
        }
        assert_eq!(claims(&second, "id_token").get("nonce"), None);
        assert_eq!(claims(&second, "access_token")["scope"], "openid email");
        // Nobody gets more than what was granted by asking for it.
        for scope in ["openid email phone", "aws.cognito.signin.user.admin", "openid"] {
            let third = refresh(&server, &site.client, refresh_token, &[("scope", scope)]).await.ok();
            assert_eq!(claims(&third, "access_token")["scope"], "openid email");
        }
    })
    .await;
}

#[tokio::test]
async fn refresh_tokens_know_as_many_scopes_as_a_client_may_have() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let names: Vec<_> = (0..49).map(|number| format!("{number:02}{}", "s".repeat(248))).collect();
    let scopes: Vec<_> = names.iter().map(|name| json!({"ScopeName": name, "ScopeDescription": "x"})).collect();
    let files = json!({"UserPoolId": site.pool, "Identifier": "files", "Name": "Files", "Scopes": scopes});
    server.call("CreateResourceServer", files).await.ok();
    let scopes = names.iter().map(|name| format!("files/{name}")).chain(["openid".to_owned()]).collect::<Vec<_>>();
    let client = server.client_id(&site.pool, client_members(json!({"AllowedOAuthScopes": scopes}))).await;
    let code = code_of(&server, &site, &client, &[]).await;
    let first = bring(&server, &client, &code, &[]).await.ok();
    let good = token(&first, "refresh_token");
    assert!(good.len() > 16_384, "{}", good.len());
    let second = refresh(&server, &client, good, &[]).await.ok();
    assert_eq!(segment(token(&second, "access_token"), 1)["scope"], scopes.join(" "));
    server.call("RevokeToken", json!({"ClientId": client, "Token": good})).await.ok();
    assert_eq!(refusal(&refresh(&server, &client, good, &[]).await), INVALID_GRANT);
}

#[tokio::test]
async fn refresh_tokens_that_are_no_good() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let other = server.client_id(&site.pool, client_members(json!({}))).await;
        let first = tokens(&server, &site, &[]).await;
        let good = token(&first, "refresh_token");
        assert_eq!(refusal(&refresh(&server, &other, good, &[]).await), INVALID_GRANT);
        assert_eq!(refusal(&refresh(&server, &site.client, good, &[("client_secret", "x")]).await), INVALID_SECRET);
        for wrong in ["x", &good[1..], token(&first, "access_token"), token(&first, "id_token")] {
            assert_eq!(refusal(&refresh(&server, &site.client, wrong, &[]).await), INVALID_GRANT, "{wrong}");
        }
        let request = json!({"UserPoolId": site.pool, "Username": "alice"});
        server.call("AdminDisableUser", request.clone()).await.ok();
        assert_eq!(refusal(&refresh(&server, &site.client, good, &[]).await), INVALID_GRANT);
        server.call("AdminEnableUser", request.clone()).await.ok();
        let first = tokens(&server, &site, &[]).await;
        let good = token(&first, "refresh_token");
        refresh(&server, &site.client, good, &[]).await.ok();
        server.call("AdminUserGlobalSignOut", request.clone()).await.ok();
        assert_eq!(refusal(&refresh(&server, &site.client, good, &[]).await), INVALID_GRANT);
        let second = tokens(&server, &site, &[]).await;
        server.call("AdminDeleteUser", request).await.ok();
        let answer = refresh(&server, &site.client, token(&second, "refresh_token"), &[]).await;
        assert_eq!(refusal(&answer), INVALID_GRANT);
    })
    .await;
}

#[tokio::test]
async fn rotated_refresh_tokens_come_with_their_successors() {
    both_engines(async |server| {
        let rotation = json!({
            "RefreshTokenRotation": {"Feature": "ENABLED", "RetryGracePeriodSeconds": 10},
            "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"],
        });
        let site = site(&server, json!({}), rotation).await;
        let first = tokens(&server, &site, &[("scope", "openid")]).await;
        let first = token(&first, "refresh_token");
        let second = refresh(&server, &site.client, first, &[]).await.ok();
        assert_eq!(segment(token(&second, "access_token"), 1)["scope"], "openid");
        server.advance(9);
        refresh(&server, &site.client, first, &[]).await.ok();
        server.advance(2);
        assert_eq!(refusal(&refresh(&server, &site.client, first, &[]).await), INVALID_GRANT);
        // It is in two hands: the whole sign-in has ended.
        let answer = refresh(&server, &site.client, token(&second, "refresh_token"), &[]).await;
        assert_eq!(refusal(&answer), INVALID_GRANT);
    })
    .await;
}

#[tokio::test]
async fn refresh_tokens_of_the_api_are_good_here_too() {
    both_engines(async |server| {
        let flows = json!({"ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]});
        let devices = json!({"DeviceConfiguration": {"DeviceOnlyRememberedOnUserPrompt": false}});
        let site = site(&server, json!({}), flows).await;
        let api_token = async |client: &str| {
            let answer = server.sign_in(client, "alice", PASSWORD).await.ok();
            answer["AuthenticationResult"]["RefreshToken"].as_str().unwrap().to_owned()
        };
        let from_api = api_token(&site.client).await;
        let answer = refresh(&server, &site.client, &from_api, &[]).await.ok();
        assert_eq!(segment(token(&answer, "access_token"), 1)["scope"], "aws.cognito.signin.user.admin");
        // Not where devices are remembered; those from here, where browsers have none, are.
        let update = with(json!({"UserPoolId": site.pool}), &devices);
        server.call("UpdateUserPool", update).await.ok();
        let from_api = api_token(&site.client).await;
        assert_eq!(refusal(&refresh(&server, &site.client, &from_api, &[]).await), INVALID_GRANT);
        let key = || Some(format!("us-east-1_{}", "d".repeat(36)));
        let begun = begin(&server, &site, |authentication| authentication.device_key = key()).await;
        let browser = with_cookie(&server, &begun.cookie);
        let code = parameter(&sent_to(&browser, &asked(&site.client, &[])).await, "code").unwrap();
        let own = bring(&server, &site.client, &code, &[]).await.ok();
        assert_eq!(segment(token(&own, "access_token"), 1)["device_key"], json!(key()));
        refresh(&server, &site.client, token(&own, "refresh_token"), &[]).await.ok();
    })
    .await;
}

#[tokio::test]
async fn functions_are_told_that_it_is_a_refresh() {
    let server = Server::memory().await;
    let told = triggers::Told::default();
    triggers::notes(&server, &told, "PreTokenGeneration");
    let config = json!({"LambdaConfig": triggers::lambda_config(&["PreTokenGeneration"])});
    let site = site(&server, config, json!({})).await;
    let first = tokens(&server, &site, &[]).await;
    refresh(&server, &site.client, token(&first, "refresh_token"), &[]).await.ok();
    assert_eq!(told.sources(), ["TokenGeneration_HostedAuth", "TokenGeneration_RefreshTokens"]);
}
