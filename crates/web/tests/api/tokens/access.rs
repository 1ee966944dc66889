//! Access tokens as credentials (auth-flows.md §8, §17).

use super::*;

/// A token whose claims were changed, with its old signature.
fn with_claims(token: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = segment(token, 1);
    change(&mut claims);
    let parts: Vec<&str> = token.split('.').collect();
    format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2])
}

/// A token signed by one of the server's own keys.
pub async fn signed_by(server: &Server, pool: &str, kid: &str, claims: &Value) -> String {
    let keys = server.app.store.signing_keys(pool).await.unwrap();
    let record = keys.iter().find(|key| key.kid == kid).unwrap();
    let der = server.app.ring.open(crypto::seal::Purpose::SigningKey, kid, &record.private).unwrap();
    let key = crypto::token::SigningKey::from_pkcs8(kid, &der).unwrap();
    key.sign(claims.to_string().as_bytes()).unwrap()
}

#[tokio::test]
async fn an_access_token_opens_its_own_account() {
    both_engines(async |server| {
        let (_, _, tokens) = scene(&server, json!({})).await;
        // Once checked, once remembered.
        for _ in 0..2 {
            let user = get_user(&server, &tokens.access).await.ok();
            insta::allow_duplicates! { insta::assert_json_snapshot!(user, @r#"
            {
              "Username": "alice",
              "UserAttributes": [
                {
                  "Name": "sub",
                  "Value": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef"
                },
                {
                  "Name": "email",
                  "Value": "alice@example.com"
                },
                {
                  "Name": "email_verified",
                  "Value": "true"
                }
              ]
            }
            "#); }
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_else_does() {
    both_engines(async |server| {
        let (_, _, tokens) = scene(&server, json!({})).await;
        let forged = "NotAuthorizedException: Could not verify signature for Access Token";
        let other = segment(&tokens.id, 1)["sub"].as_str().unwrap().replace('a', "b");
        let parts: Vec<&str> = tokens.access.split('.').collect();
        let header = |json: Value| format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(json.to_string()), parts[1], parts[2]);
        let kid = &segment(&tokens.access, 0)["kid"];
        let id_kid = &segment(&tokens.id, 0)["kid"];
        for (token, outcome) in [
            (tokens.id.clone(), INVALID),
            (tokens.refresh.clone(), INVALID),
            ("x".to_owned(), INVALID),
            ("a.b.c".to_owned(), INVALID),
            (format!("{}.{}", parts[0], parts[1]), INVALID),
            (format!("{}.{}.", parts[0], parts[1]), forged),
            (format!("{}.{}", tokens.access, parts[2]), INVALID),
            ("A".repeat(100_000), INVALID),
            (with_claims(&tokens.access, |claims| claims["sub"] = json!(other)), forged),
            (with_claims(&tokens.access, |claims| claims["exp"] = json!(i64::MAX)), forged),
            (
                with_claims(&tokens.access, |claims| claims["iss"] = json!("http://127.0.0.1:9229/us-east-1_nowhere")),
                INVALID,
            ),
            (with_claims(&tokens.access, |claims| *claims = json!({})), INVALID),
            (header(json!({"kid": kid, "alg": "none"})), INVALID),
            (header(json!({"kid": kid, "alg": "HS256"})), INVALID),
            (header(json!({"kid": "unknown", "alg": "RS256"})), INVALID),
            (header(json!({"kid": id_kid, "alg": "RS256"})), INVALID),
            (header(json!({"kid": kid, "alg": "RS256", "typ": "JWT"})), forged),
            (header(json!({"kid": kid, "alg": "RS256", "crit": ["x"]})), INVALID),
        ] {
            assert_eq!(get_user(&server, &token).await.error(), outcome, "{token:.200}");
        }
        get_user(&server, &tokens.access).await.ok();
    })
    .await;
}

#[tokio::test]
async fn what_our_own_keys_sign_must_still_be_an_access_token() {
    let server = Server::memory().await;
    let (pool, _, tokens) = scene(&server, json!({})).await;
    let claims = segment(&tokens.access, 1);
    let access_kid = segment(&tokens.access, 0)["kid"].as_str().unwrap().to_owned();
    let id_kid = segment(&tokens.id, 0)["kid"].as_str().unwrap().to_owned();
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let good = signed_by(&server, &pool, &access_kid, &claims).await;
    get_user(&server, &good).await.ok();
    for (kid, claims, outcome) in [
        (&id_kid, claims.clone(), INVALID),
        (&access_kid, with("token_use", json!("id")), INVALID),
        (&access_kid, with("iss", json!(format!("https://elsewhere.example/{pool}"))), INVALID),
        (&access_kid, with("client_id", json!("unknown")), INVALID),
        (
            &access_kid,
            with("scope", json!("openid email")),
            "NotAuthorizedException: Access Token does not have required scopes",
        ),
        (&access_kid, with("sub", json!("unknown")), UNKNOWN),
        (&access_kid, with("exp", json!(0)), EXPIRED),
    ] {
        let token = signed_by(&server, &pool, kid, &claims).await;
        assert_eq!(get_user(&server, &token).await.error(), outcome, "{claims}");
    }
}

#[tokio::test]
async fn a_token_is_of_one_pool() {
    both_engines(async |server| {
        let (pool, _, tokens) = scene(&server, json!({})).await;
        let (other_pool, other_client, other_tokens) = scene(&server, json!({})).await;
        // Another pool's key under this pool's issuer, and the reverse.
        let kid = segment(&tokens.access, 0)["kid"].as_str().unwrap().to_owned();
        let other_kid = segment(&other_tokens.access, 0)["kid"].as_str().unwrap().to_owned();
        let crossed = signed_by(&server, &other_pool, &other_kid, &segment(&tokens.access, 1)).await;
        assert_eq!(get_user(&server, &crossed).await.error(), INVALID);
        let mut claims = segment(&tokens.access, 1);
        claims["client_id"] = json!(other_client);
        let crossed = signed_by(&server, &pool, &kid, &claims).await;
        assert_eq!(get_user(&server, &crossed).await.error(), INVALID);
        // Whatever was remembered of a token does not outlive its client or its pool.
        for tokens in [&tokens, &other_tokens] {
            get_user(&server, &tokens.access).await.ok();
        }
        let request = json!({"UserPoolId": other_pool, "ClientId": other_client});
        server.call("DeleteUserPoolClient", request).await.ok();
        assert_eq!(get_user(&server, &other_tokens.access).await.error(), INVALID);
        server.call("DeleteUserPool", json!({"UserPoolId": pool})).await.ok();
        assert_eq!(get_user(&server, &tokens.access).await.error(), INVALID);
    })
    .await;
}

#[tokio::test]
async fn the_users_state_is_looked_up_every_time() {
    both_engines(async |server| {
        let (pool, client, tokens) = scene(&server, json!({})).await;
        get_user(&server, &tokens.access).await.ok();
        administer(&server, "AdminDisableUser", &pool).await.ok();
        assert_eq!(get_user(&server, &tokens.access).await.error(), DISABLED);
        assert_eq!(refreshed(&server, &client, &tokens.refresh).await.error(), DISABLED);
        // Enabling does not bring tokens back; a new sign-in does, in the very same second.
        administer(&server, "AdminEnableUser", &pool).await.ok();
        assert_eq!(get_user(&server, &tokens.access).await.error(), REVOKED);
        assert_eq!(refreshed(&server, &client, &tokens.refresh).await.error(), REFRESH_REVOKED);
        let tokens = super::tokens(&server, &client, "alice").await;
        get_user(&server, &tokens.access).await.ok();

        administer(&server, "AdminResetUserPassword", &pool).await.ok();
        let reset = "PasswordResetRequiredException: Password reset required for the user";
        assert_eq!(get_user(&server, &tokens.access).await.error(), reset);
        assert_eq!(refreshed(&server, &client, &tokens.refresh).await.error(), reset);
        administer(&server, "AdminDeleteUser", &pool).await.ok();
        assert_eq!(get_user(&server, &tokens.access).await.error(), UNKNOWN);
        assert_eq!(refreshed(&server, &client, &tokens.refresh).await.error(), UNKNOWN);
        // Somebody else under the same name is somebody else.
        server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        assert_eq!(get_user(&server, &tokens.access).await.error(), UNKNOWN);
    })
    .await;
}

#[tokio::test]
async fn a_withdrawn_key_takes_its_tokens_along() {
    both_engines(async |server| {
        let (pool, client, tokens) = scene(&server, json!({})).await;
        // Remembered from now on.
        get_user(&server, &tokens.access).await.ok();
        let kid = segment(&tokens.access, 0)["kid"].as_str().unwrap().to_owned();
        let keys = server.app.store.signing_keys(&pool).await.unwrap();
        let withdrawn = keys.iter().find(|key| key.kid == kid).unwrap();
        let fresh = server.app.store.stock_keys(1).await.unwrap().remove(0);
        let mut successor = fresh.value.clone();
        successor.pool_id.clone_from(&pool);
        successor.usage = withdrawn.usage;
        successor.state = withdrawn.state;
        let mut changes = store::Changes::new();
        changes.delete(store::Key::SigningKey { kid }, withdrawn.version);
        changes.replace(&fresh, successor);
        server.app.commit(changes).await.unwrap();
        server.app.tokens.forget_pool(&pool);

        assert_eq!(get_user(&server, &tokens.access).await.error(), INVALID);
        // The sign-in goes on with the new key.
        let answer = refreshed(&server, &client, &tokens.refresh).await.ok();
        get_user(&server, answer["AuthenticationResult"]["AccessToken"].as_str().unwrap()).await.ok();
    })
    .await;
}
