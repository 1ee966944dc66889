//! `POST /oauth2/revoke` (oauth-federation.md §8).

use testkit::both_engines;

use super::{
    token::{basic, bring, code_of, post, refusal, token, tokens},
    *,
};

async fn revoke(server: &Server, client: &str, token: &str) -> Answer {
    post(server, "/oauth2/revoke", None, &[("client_id", client), ("token", token)]).await
}

/// Whether the tokens of an answer are still good.
async fn are_good(server: &Server, client: &str, tokens: &Value) -> [bool; 2] {
    let access = json!({"AccessToken": token(tokens, "access_token")});
    let form =
        [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token(tokens, "refresh_token"))];
    let refreshed = post(server, "/oauth2/token", None, &form).await;
    [server.call("GetUser", access).await.status == 200, refreshed.status == 200]
}

#[tokio::test]
async fn a_revoked_sign_in_has_ended() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let (one, other) = (tokens(&server, &site, &[]).await, tokens(&server, &site, &[]).await);
        for _ in 0..2 {
            let answer = revoke(&server, &site.client, token(&one, "refresh_token")).await;
            assert_eq!((answer.status, &answer.body), (200, &Value::Null));
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            assert_eq!(are_good(&server, &site.client, &one).await, [false; 2]);
        }
        assert_eq!(are_good(&server, &site.client, &other).await, [true; 2]);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_revoked() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        let one = tokens(&server, &site, &[]).await;
        let refresh = token(&one, "refresh_token");
        let other = server.client_id(&site.pool, client_members(json!({}))).await;
        for (client, given) in [(&other, refresh), (&site.client, "x"), (&site.client, &refresh[1..])] {
            let answer = revoke(&server, client, given).await;
            assert_eq!((answer.status, answer.body), (200, Value::Null));
        }
        assert_eq!(refusal(&revoke(&server, &site.client, "").await), "400 invalid_request");
        for name in ["access_token", "id_token"] {
            let answer = revoke(&server, &site.client, token(&one, name)).await;
            assert_eq!(refusal(&answer), "400 unsupported_token_type");
        }
        assert_eq!(refusal(&revoke(&server, "unknown", refresh).await), "401 invalid_client");
        assert_eq!(refusal(&revoke(&server, "", refresh).await), "400 invalid_request");
        assert_eq!(are_good(&server, &site.client, &one).await, [true; 2]);
        let off = server.client_id(&site.pool, client_members(json!({"EnableTokenRevocation": false}))).await;
        let code = code_of(&server, &site, &off, &[]).await;
        let kept = bring(&server, &off, &code, &[]).await.ok();
        let answer = revoke(&server, &off, token(&kept, "refresh_token")).await;
        assert_eq!(refusal(&answer), "400 invalid_request");
        assert_eq!(are_good(&server, &off, &kept).await, [true; 2]);
        // Another pool's domain does not know the client.
        let elsewhere = server.pool(json!({})).await;
        let domain = json!({"UserPoolId": elsewhere, "Domain": "other-app"});
        server.call("CreateUserPoolDomain", domain).await.ok();
        let form = [("client_id", site.client.as_str()), ("token", refresh)];
        let answer = Browser::at(&server, "other-app").post("/oauth2/revoke", &form).await;
        assert_eq!(refusal(&answer), "401 invalid_client");
        assert_eq!(are_good(&server, &site.client, &one).await, [true; 2]);
    })
    .await;
}

#[tokio::test]
async fn clients_with_a_secret_prove_themselves() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    let made = server.client(&site.pool, client_members(json!({"GenerateSecret": true}))).await;
    let [client, secret] = ["ClientId", "ClientSecret"].map(|name| made[name].as_str().unwrap());
    let code = code_of(&server, &site, client, &[]).await;
    let one = bring(&server, client, &code, &[("client_secret", secret)]).await.ok();
    let form = [("token", token(&one, "refresh_token"))];
    let refused = "401 invalid_client: invalid_client_secret";
    assert_eq!(refusal(&revoke(&server, client, form[0].1).await), refused);
    let answer = post(&server, "/oauth2/revoke", Some(&basic(client, "x")), &form).await;
    assert_eq!(refusal(&answer), refused);
    let access = json!({"AccessToken": token(&one, "access_token")});
    server.call("GetUser", access.clone()).await.ok();
    post(&server, "/oauth2/revoke", Some(&basic(client, secret)), &form).await.ok();
    assert_eq!(server.call("GetUser", access).await.error(), "NotAuthorizedException: Access Token has been revoked");
}
