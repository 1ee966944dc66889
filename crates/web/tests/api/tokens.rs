//! What is in tokens, who accepts them, and how they end (auth-flows.md §17, §18).

pub mod access;
mod ending;
mod refresh;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

const PASSWORD: &str = "Passw0rd!";
const INVALID: &str = "NotAuthorizedException: Invalid Access Token";
const EXPIRED: &str = "NotAuthorizedException: Access Token has expired";
const REVOKED: &str = "NotAuthorizedException: Access Token has been revoked";
const REFRESH_REVOKED: &str = "NotAuthorizedException: Refresh Token has been revoked";
const INVALID_REFRESH: &str = "NotAuthorizedException: Invalid Refresh Token.";
const UNKNOWN: &str = "UserNotFoundException: User does not exist.";
const DISABLED: &str = "NotAuthorizedException: User is disabled.";

/// One segment of a token, as JSON.
pub fn segment(token: &str, index: usize) -> Value {
    let text = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

/// An answer with its tokens taken apart: header and claims of access and ID token, and the header of the refresh
/// token, the rest of which is sealed.
pub fn decoded(mut answer: Value) -> Value {
    let result = answer["AuthenticationResult"].as_object_mut().unwrap();
    for name in ["AccessToken", "IdToken"] {
        let token = result[name].as_str().unwrap().to_owned();
        assert_eq!(token.split('.').count(), 3);
        result[name] = json!({"header": segment(&token, 0), "claims": segment(&token, 1)});
    }
    if let Some(token) = result.get("RefreshToken").map(|token| token.as_str().unwrap().to_owned()) {
        assert_eq!(token.split('.').count(), 5);
        assert!(token.starts_with("eyJjdHkiOiJKV1Qi"));
        let mut header = segment(&token, 0);
        header["kid"] = json!("[master key]");
        result["RefreshToken"] = json!({"header": header});
    }
    answer
}

/// The same without what is drawn anew for each sign-in: what two sign-ins of one user at one moment have in common.
/// `sign_in::a_password_is_exchanged_for_tokens` shows all of it.
pub fn undrawn(answer: Value) -> Value {
    let mut answer = decoded(answer);
    for name in ["AccessToken", "IdToken"] {
        let claims = answer["AuthenticationResult"][name]["claims"].as_object_mut().unwrap();
        for claim in ["origin_jti", "event_id", "jti"] {
            assert!(claims.remove(claim).is_some_and(|id| id.as_str().is_some_and(|id| id.len() == 36)), "{claim}");
        }
    }
    answer
}

/// The tokens of a sign-in.
struct Tokens {
    access: String,
    id: String,
    refresh: String,
}

async fn tokens(server: &Server, client: &str, username: &str) -> Tokens {
    let answer = server.sign_in(client, username, PASSWORD).await.ok();
    let token = |name: &str| answer["AuthenticationResult"][name].as_str().unwrap().to_owned();
    Tokens { access: token("AccessToken"), id: token("IdToken"), refresh: token("RefreshToken") }
}

async fn scene(server: &Server, client: Value) -> (String, String, Tokens) {
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, client).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
    let tokens = tokens(server, &client, "alice").await;
    (pool, client, tokens)
}

async fn get_user(server: &Server, access: &str) -> Answer {
    server.call("GetUser", json!({"AccessToken": access})).await
}

async fn refreshed(server: &Server, client: &str, token: &str) -> Answer {
    let parameters = json!({"REFRESH_TOKEN": token});
    let request = json!({"AuthFlow": "REFRESH_TOKEN_AUTH", "ClientId": client, "AuthParameters": parameters});
    server.call("InitiateAuth", request).await
}

async fn administer(server: &Server, operation: &str, pool: &str) -> Answer {
    server.call(operation, json!({"UserPoolId": pool, "Username": "alice"})).await
}

#[tokio::test]
async fn the_documents_of_an_issuer() {
    both_engines(async |server| {
        let (pool, _, tokens) = scene(&server, json!({})).await;
        let configuration = server.get(&format!("/{pool}/.well-known/openid-configuration")).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(configuration, @r#"
        {
          "id_token_signing_alg_values_supported": [
            "RS256"
          ],
          "issuer": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
          "jwks_uri": "http://127.0.0.1:9229/us-east-1_O2c3Nifle/.well-known/jwks.json",
          "response_types_supported": [
            "code",
            "token"
          ],
          "scopes_supported": [
            "openid",
            "email",
            "phone",
            "profile"
          ],
          "subject_types_supported": [
            "public"
          ],
          "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post"
          ]
        }
        "#); }
        let keys = server.get(&format!("/{pool}/.well-known/jwks.json")).await.ok();
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(keys, {".keys[].n" => "[modulus]"}, @r#"
            {
              "keys": [
                {
                  "alg": "RS256",
                  "e": "AQAB",
                  "kid": "test-only-00",
                  "kty": "RSA",
                  "n": "[modulus]",
                  "use": "sig"
                },
                {
                  "alg": "RS256",
                  "e": "AQAB",
                  "kid": "test-only-01",
                  "kty": "RSA",
                  "n": "[modulus]",
                  "use": "sig"
                }
              ]
            }
            "#);
        }
        // Whoever has only these documents can check both tokens; each is signed by its own key.
        assert_eq!(segment(&tokens.access, 1)["iss"], configuration["issuer"]);
        assert_ne!(segment(&tokens.access, 0)["kid"], segment(&tokens.id, 0)["kid"]);
        for token in [&tokens.access, &tokens.id] {
            let kid = &segment(token, 0)["kid"];
            let matching: Vec<_> = keys["keys"].as_array().unwrap().iter().filter(|key| &key["kid"] == kid).collect();
            let [key] = matching.as_slice() else { panic!("one key has the token's id") };
            let key = crypto::token::VerifyingKey::new(key["n"].as_str().unwrap(), key["e"].as_str().unwrap()).unwrap();
            key.verify(token).unwrap();
        }
        let unknown = server.get("/us-east-1_nowhere/.well-known/jwks.json").await;
        assert_eq!(unknown.status, 400);
    })
    .await;
}

#[tokio::test]
async fn an_issuer_that_looks_like_the_service() {
    let server = Server::builder().settings(|settings| settings.issuer = service::settings::Issuer::Aws).start().await;
    let (pool, _, tokens) = scene(&server, json!({})).await;
    let issuer = format!("https://cognito-idp.us-east-1.amazonaws.com/{pool}");
    assert_eq!(segment(&tokens.access, 1)["iss"], json!(issuer));
    let configuration = server.get(&format!("/{pool}/.well-known/openid-configuration")).await.ok();
    assert_eq!(configuration["issuer"], json!(issuer));
    assert_eq!(configuration["jwks_uri"], json!(format!("http://127.0.0.1:9229/{pool}/.well-known/jwks.json")));
    get_user(&server, &tokens.access).await.ok();
}

#[tokio::test]
async fn an_id_token_says_what_the_client_may_read() {
    both_engines(async |server| {
        let schema =
            json!([{"Name": "age", "AttributeDataType": "Number"}, {"Name": "vip", "AttributeDataType": "Boolean"}]);
        let pool = server.pool(json!({"Schema": schema})).await;
        let attributes = json!({
            "email": "a@example.com",
            "phone_number": "+4915112345678",
            "phone_number_verified": "false",
            "address": "1 High Street",
            "updated_at": "17",
            "name": "A",
            "custom:age": "40",
            "custom:vip": "true",
        });
        server.confirmed_user(&pool, "alice", PASSWORD, attributes).await;
        let usual = server.client_id(&pool, json!({})).await;
        let claims = segment(&tokens(&server, &usual, "alice").await.id, 1);
        insta::allow_duplicates! { insta::assert_json_snapshot!(claims, @r#"
        {
          "sub": "0c10cea7-3e6e-410d-bb43-dba308331651",
          "address": {
            "formatted": "1 High Street"
          },
          "email": "a@example.com",
          "email_verified": true,
          "name": "A",
          "phone_number": "+4915112345678",
          "phone_number_verified": false,
          "updated_at": "17",
          "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
          "cognito:username": "alice",
          "origin_jti": "1cc65f5c-d87b-40a8-97a7-22c462dc5054",
          "aud": "rz82o9mlpwsrvix8ftjfie8cyy",
          "event_id": "511c1324-571c-4561-9d98-c92972287cb0",
          "token_use": "id",
          "auth_time": 1767323045,
          "exp": 1767326645,
          "iat": 1767323045,
          "jti": "ad547314-e8fc-42bf-a5a4-64cafeda857a"
        }
        "#); }
        let list = json!({"ReadAttributes": ["name", "email_verified", "custom:age", "custom:vip"]});
        let narrow = server.client_id(&pool, list).await;
        let tokens = tokens(&server, &narrow, "alice").await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(segment(&tokens.id, 1), @r#"
        {
          "sub": "0c10cea7-3e6e-410d-bb43-dba308331651",
          "custom:age": "40",
          "custom:vip": "true",
          "email_verified": true,
          "name": "A",
          "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
          "cognito:username": "alice",
          "origin_jti": "3161734c-f0c2-4c7f-95f6-b7e5d35f6d74",
          "aud": "u43hlb5bzxdnql0185o40i58w8",
          "event_id": "ce8ab50d-f4af-49da-92ea-ac10943e5df1",
          "token_use": "id",
          "auth_time": 1767323045,
          "exp": 1767326645,
          "iat": 1767323045,
          "jti": "1b470195-f30c-4296-b547-f6dcd9b611e6"
        }
        "#); }
        let user = get_user(&server, &tokens.access).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(user, @r#"
        {
          "Username": "alice",
          "UserAttributes": [
            {
              "Name": "sub",
              "Value": "0c10cea7-3e6e-410d-bb43-dba308331651"
            },
            {
              "Name": "custom:age",
              "Value": "40"
            },
            {
              "Name": "custom:vip",
              "Value": "true"
            },
            {
              "Name": "email_verified",
              "Value": "true"
            },
            {
              "Name": "name",
              "Value": "A"
            }
          ]
        }
        "#); }
    })
    .await;
}

#[tokio::test]
async fn lifetimes_are_the_clients() {
    both_engines(async |server| {
        let units = json!({"AccessToken": "minutes", "IdToken": "seconds", "RefreshToken": "hours"});
        let members = json!({
            "AccessTokenValidity": 5, "IdTokenValidity": 301, "RefreshTokenValidity": 1, "TokenValidityUnits": units,
        });
        let (_, client, tokens) = scene(&server, members).await;
        let life = |token: &str| {
            let claims = segment(token, 1);
            claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
        };
        assert_eq!((life(&tokens.access), life(&tokens.id)), (300, 301));
        let again = refreshed(&server, &client, &tokens.refresh).await.ok();
        assert_eq!(again["AuthenticationResult"]["ExpiresIn"], 300);
        server.advance(299);
        get_user(&server, &tokens.access).await.ok();
        server.advance(1);
        assert_eq!(get_user(&server, &tokens.access).await.error(), EXPIRED);
        server.advance(3_599 - 300);
        refreshed(&server, &client, &tokens.refresh).await.ok();
        server.advance(1);
        let expired = "NotAuthorizedException: Refresh Token has expired";
        assert_eq!(refreshed(&server, &client, &tokens.refresh).await.error(), expired);
    })
    .await;
}

#[tokio::test]
async fn pools_wait_for_keys_when_the_stock_is_empty() {
    let server = Server::builder().settings(|settings| settings.key_stock = 2).start().await;
    // The stock that every test starts with is for eight pools.
    for _ in 0..8 {
        server.pool(json!({})).await;
    }
    let stop = tokio_util::sync::CancellationToken::new();
    let job = tokio::spawn(service::tokens::refill(server.app.clone(), stop.clone()));
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
    let tokens = tokens(&server, &client, "alice").await;
    get_user(&server, &tokens.access).await.ok();
    for token in [&tokens.access, &tokens.id] {
        // Standard base64 of 32 bytes.
        let kid = segment(token, 0)["kid"].as_str().unwrap().to_owned();
        assert!(kid.len() == 44 && kid.ends_with('='), "{kid}");
    }
    stop.cancel();
    job.await.unwrap();
}

#[tokio::test]
async fn pools_made_at_once_have_keys_of_their_own() {
    both_engines(async |server| {
        let server = std::sync::Arc::new(server);
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let server = server.clone();
                tokio::spawn(async move { server.pool(json!({})).await })
            })
            .collect();
        let mut kids = std::collections::BTreeSet::new();
        for task in tasks {
            let pool = task.await.unwrap();
            let keys = server.get(&format!("/{pool}/.well-known/jwks.json")).await.ok();
            for key in keys["keys"].as_array().unwrap() {
                assert!(kids.insert(key["kid"].as_str().unwrap().to_owned()), "{key}");
            }
        }
        assert_eq!(kids.len(), 16);
    })
    .await;
}
