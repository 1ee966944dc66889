//! REFRESH_TOKEN_AUTH (auth-flows.md §18).

use super::*;

#[tokio::test]
async fn a_refresh_token_continues_the_sign_in() {
    both_engines(async |server| {
        let (pool, client, tokens) = scene(&server, json!({})).await;
        server.advance(600);
        let request = json!({
            "UserPoolId": pool,
            "Username": "alice",
            "UserAttributes": [{"Name": "given_name", "Value": "Alice"}],
        });
        server.call("AdminUpdateUserAttributes", request).await.ok();
        let answer = refreshed(&server, &client, &tokens.refresh).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(decoded(answer.clone()), @r#"
        {
          "ChallengeParameters": {},
          "AuthenticationResult": {
            "AccessToken": {
              "header": {
                "kid": "test-only-01",
                "alg": "RS256"
              },
              "claims": {
                "sub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef",
                "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
                "client_id": "cgqnq25d7v3j8fm9ernm8hn77b",
                "origin_jti": "1cc65f5c-d87b-40a8-97a7-22c462dc5054",
                "event_id": "08dda804-9036-4974-84e0-0d26f7892b44",
                "token_use": "access",
                "scope": "aws.cognito.signin.user.admin",
                "auth_time": 1767323045,
                "exp": 1767327245,
                "iat": 1767323645,
                "jti": "82862f35-c644-412c-96d8-325646f3990a",
                "username": "alice"
              }
            },
            "ExpiresIn": 3600,
            "TokenType": "Bearer",
            "IdToken": {
              "header": {
                "kid": "test-only-00",
                "alg": "RS256"
              },
              "claims": {
                "sub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef",
                "email": "alice@example.com",
                "email_verified": true,
                "given_name": "Alice",
                "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
                "cognito:username": "alice",
                "origin_jti": "1cc65f5c-d87b-40a8-97a7-22c462dc5054",
                "aud": "cgqnq25d7v3j8fm9ernm8hn77b",
                "event_id": "08dda804-9036-4974-84e0-0d26f7892b44",
                "token_use": "id",
                "auth_time": 1767323045,
                "exp": 1767327245,
                "iat": 1767323645,
                "jti": "3161734c-f0c2-4c7f-95f6-b7e5d35f6d74"
              }
            }
          }
        }
        "#); }
        for (name, before) in [("AccessToken", &tokens.access), ("IdToken", &tokens.id)] {
            let (before, after) =
                (segment(before, 1), segment(answer["AuthenticationResult"][name].as_str().unwrap(), 1));
            for claim in ["origin_jti", "auth_time", "sub", "iss"] {
                assert_eq!(before[claim], after[claim], "{name} {claim}");
            }
            for claim in ["jti", "event_id", "iat", "exp"] {
                assert_ne!(before[claim], after[claim], "{name} {claim}");
            }
        }
        get_user(&server, answer["AuthenticationResult"]["AccessToken"].as_str().unwrap()).await.ok();
        // It can be used again, by its other name, and by the other operation.
        for (operation, flow) in [
            ("InitiateAuth", "REFRESH_TOKEN"),
            ("AdminInitiateAuth", "REFRESH_TOKEN_AUTH"),
            ("AdminInitiateAuth", "REFRESH_TOKEN"),
        ] {
            let mut request =
                json!({"AuthFlow": flow, "ClientId": client, "AuthParameters": {"REFRESH_TOKEN": tokens.refresh}});
            if operation == "AdminInitiateAuth" {
                request["UserPoolId"] = json!(pool);
            }
            server.call(operation, request).await.ok();
        }
    })
    .await;
}

#[tokio::test]
async fn only_the_clients_own_tokens_are_taken() {
    both_engines(async |server| {
        let (pool, client, tokens) = scene(&server, json!({})).await;
        let other_client = server.client_id(&pool, json!({})).await;
        assert_eq!(refreshed(&server, &other_client, &tokens.refresh).await.error(), INVALID_REFRESH);
        let mut tampered = tokens.refresh.clone().into_bytes();
        let middle = tampered.len() / 2;
        tampered[middle] = if tampered[middle] == b'A' { b'B' } else { b'A' };
        for token in [
            &tokens.access,
            &tokens.id,
            &String::from_utf8(tampered).unwrap(),
            &tokens.refresh[..tokens.refresh.len() - 1],
            "x",
            "....",
            &"A".repeat(131_072),
        ] {
            assert_eq!(refreshed(&server, &client, token).await.error(), INVALID_REFRESH, "{token:.200}");
        }
        let parameters = json!({"REFRESH_TOKEN": tokens.refresh, "DEVICE_KEY": "us-east-1_0-a"});
        let request = json!({"AuthFlow": "REFRESH_TOKEN", "ClientId": client, "AuthParameters": parameters});
        let answer = server.call("InitiateAuth", request).await;
        assert_eq!(answer.error(), "ResourceNotFoundException: Device does not exist.");
    })
    .await;
}

#[tokio::test]
async fn the_secret_hash_is_over_the_stored_name() {
    both_engines(async |server| {
        let pool = server.pool(json!({"AliasAttributes": ["email"]})).await;
        let client = server.client(&pool, json!({"GenerateSecret": true})).await;
        let (id, secret) = (client["ClientId"].as_str().unwrap(), client["ClientSecret"].as_str().unwrap());
        let sub = server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "a@example.com"})).await;
        let hash = |name: &str| crypto::hash::secret_hash(name, id, secret);
        let sign_in = json!({"USERNAME": "a@example.com", "PASSWORD": PASSWORD, "SECRET_HASH": hash("a@example.com")});
        let request = json!({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": id, "AuthParameters": sign_in});
        let answer = server.call("InitiateAuth", request).await.ok();
        let token = &answer["AuthenticationResult"]["RefreshToken"];
        let attempt = async |hash: Option<String>, token: &Value| {
            let parameters = json!({"REFRESH_TOKEN": token, "SECRET_HASH": hash});
            let request = json!({"AuthFlow": "REFRESH_TOKEN_AUTH", "ClientId": id, "AuthParameters": parameters});
            server.call("InitiateAuth", request).await
        };
        for name in ["alice", &sub] {
            attempt(Some(hash(name)), token).await.ok();
        }
        let wrong = format!("NotAuthorizedException: SecretHash does not match for the client: {id}");
        for name in ["a@example.com", "", "bob"] {
            assert_eq!(attempt(Some(hash(name)), token).await.error(), wrong);
        }
        let missing =
            format!("NotAuthorizedException: Client {id} is configured with secret but SECRET_HASH was not received");
        assert_eq!(attempt(None, token).await.error(), missing);
        assert_eq!(attempt(Some(hash("alice")), &json!("x.x.x.x.x")).await.error(), INVALID_REFRESH);
    })
    .await;
}

#[tokio::test]
async fn clients_without_the_flow_do_not_refresh() {
    let server = Server::memory().await;
    let (pool, client, tokens) = scene(&server, json!({})).await;
    let request = json!({"UserPoolId": pool, "ClientId": client, "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"]});
    server.call("UpdateUserPoolClient", request).await.ok();
    assert_eq!(
        refreshed(&server, &client, &tokens.refresh).await.error(),
        "InvalidParameterException: Auth flow not enabled for this client"
    );
}
