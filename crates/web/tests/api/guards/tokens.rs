//! Tokens that are something else than the access token that they are given out as, at every operation that takes one.
//! What one operation makes of them in detail is with `tokens/access.rs`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use testkit::both_engines;

use super::*;
use crate::{every_operation::answers_to, tokens::segment};

const INVALID: &str = "NotAuthorizedException: Invalid Access Token";
const FORGED: &str = "NotAuthorizedException: Could not verify signature for Access Token";
const REVOKED: &str = "NotAuthorizedException: Access Token has been revoked";

fn token(answer: &Value, name: &str) -> String {
    answer["AuthenticationResult"][name].as_str().unwrap().to_owned()
}

/// Header, claims and signature in the form of a token.
fn joined(header: &Value, claims: &Value, signature: &str) -> String {
    let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}.{signature}", encoded(header), encoded(claims))
}

/// Claims signed by the key of `pool` that signs access tokens, under any name.
async fn signed(server: &Server, pool: &str, own_kid: &str, kid: &str, claims: &Value) -> String {
    let keys = server.app.store.signing_keys(pool).await.unwrap();
    let record = keys.iter().find(|key| key.kid == own_kid).unwrap();
    let der = server.app.ring.open(crypto::seal::Purpose::SigningKey, own_kid, &record.private).unwrap();
    crypto::token::SigningKey::from_pkcs8(kid, &der).unwrap().sign(claims.to_string().as_bytes()).unwrap()
}

/// What every operation answers to a token, which must be the same.
async fn refused_everywhere(server: &Server, what: &str, token: &str, error: &str) {
    let answers = answers_to(server, token).await;
    assert!(answers.len() > 20, "{}", answers.len());
    for (operation, answer) in answers {
        assert_eq!(answer, error, "{operation}: {what}");
    }
}

#[tokio::test]
async fn only_an_access_token_is_one() {
    both_engines(async |server| {
        let (pool, client) = scene(&server).await;
        let (elsewhere, its_client) = scene(&server).await;
        let ours = server.sign_in(&client, "alice", PASSWORD).await.ok();
        let theirs = server.sign_in(&its_client, "alice", PASSWORD).await.ok();
        let access = token(&ours, "AccessToken");
        let (header, claims) = (segment(&access, 0), segment(&access, 1));
        let kid = header["kid"].as_str().unwrap();
        let their_kid = segment(&token(&theirs, "AccessToken"), 0)["kid"].as_str().unwrap().to_owned();
        let signature = access.split('.').next_back().unwrap();
        let other_user = with(claims.clone(), &json!({"sub": segment(&token(&theirs, "AccessToken"), 1)["sub"]}));

        refused_everywhere(&server, "an ID token", &token(&ours, "IdToken"), INVALID).await;
        refused_everywhere(&server, "a refresh token", &token(&ours, "RefreshToken"), INVALID).await;
        let none = |alg: &str| joined(&json!({"alg": alg, "kid": kid}), &claims, "");
        for alg in ["none", "None", "NONE", "nOnE", "HS256", "RS384", "ES256"] {
            refused_everywhere(&server, alg, &none(alg), INVALID).await;
        }
        refused_everywhere(&server, "no signature", &joined(&header, &claims, ""), FORGED).await;
        refused_everywhere(&server, "another user", &joined(&header, &other_user, signature), FORGED).await;
        // A key that the sender brings along, or says where to fetch.
        for more in
            [json!({"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}}), json!({"jku": "http://127.0.0.1:1/jwks.json"})]
        {
            let header = with(json!({"alg": "RS256", "kid": "mine"}), &more);
            refused_everywhere(&server, "a key of the sender's", &joined(&header, &claims, signature), INVALID).await;
        }
        for trick in ["", "../../../../dev/null", "' OR '1'='1", "\u{0}", &"k".repeat(10_000), &kid.to_uppercase()] {
            let header = json!({"alg": "RS256", "kid": trick});
            refused_everywhere(&server, trick, &joined(&header, &claims, signature), INVALID).await;
        }
        let forged = signed(&server, &elsewhere, &their_kid, &their_kid, &claims).await;
        refused_everywhere(&server, "another pool's key", &forged, INVALID).await;
        // The test's pools have few keys in common; one that is not the same number.
        let modulus = |keys: &[store::Stored<domain::SigningKeyRecord>], kid: &str| {
            keys.iter().find(|key| key.kid == kid).unwrap().modulus.clone()
        };
        let (keys, theirs) = (
            server.app.store.signing_keys(&pool).await.unwrap(),
            server.app.store.signing_keys(&elsewhere).await.unwrap(),
        );
        let another = theirs.iter().find(|key| key.modulus != modulus(&keys, kid)).unwrap().kid.clone();
        let forged = signed(&server, &elsewhere, &another, kid, &claims).await;
        refused_everywhere(&server, "another pool's key under our name", &forged, FORGED).await;
        let crossed = with(claims.clone(), &json!({"client_id": its_client}));
        let forged = signed(&server, &pool, kid, kid, &crossed).await;
        refused_everywhere(&server, "another pool's client", &forged, INVALID).await;
        let id_kid = segment(&token(&ours, "IdToken"), 0)["kid"].as_str().unwrap().to_owned();
        let forged = signed(&server, &pool, &id_kid, &id_kid, &claims).await;
        refused_everywhere(&server, "the key of ID tokens", &forged, INVALID).await;
        // None of this has done anything to the token itself.
        server.call("GetUser", json!({"AccessToken": access})).await.ok();
    })
    .await;
}

#[tokio::test]
async fn a_sign_in_that_is_over_is_over_everywhere() {
    both_engines(async |server| {
        let (pool, client) = scene(&server).await;
        let sign_in = async || server.sign_in(&client, "alice", PASSWORD).await.ok();
        let named = json!({"UserPoolId": pool, "Username": "alice"});
        for operation in ["RevokeToken", "GlobalSignOut", "AdminUserGlobalSignOut"] {
            let tokens = sign_in().await;
            let access = token(&tokens, "AccessToken");
            // Once looked at, it is remembered.
            server.call("GetUser", json!({"AccessToken": access})).await.ok();
            let request = match operation {
                "RevokeToken" => json!({"ClientId": client, "Token": token(&tokens, "RefreshToken")}),
                "GlobalSignOut" => json!({"AccessToken": access}),
                _ => named.clone(),
            };
            server.call(operation, request).await.ok();
            refused_everywhere(&server, operation, &access, REVOKED).await;
            // Nor does it come back by the other token.
            let refresh =
                begin(&client, "REFRESH_TOKEN_AUTH", json!({"REFRESH_TOKEN": token(&tokens, "RefreshToken")}));
            assert_eq!(
                server.call("InitiateAuth", refresh).await.error(),
                "NotAuthorizedException: Refresh Token has been revoked",
                "{operation}"
            );
        }
        let access = token(&sign_in().await, "AccessToken");
        server.advance(3_600);
        refused_everywhere(&server, "an old one", &access, "NotAuthorizedException: Access Token has expired").await;
    })
    .await;
}

#[tokio::test]
async fn only_a_refresh_token_of_the_client_continues() {
    both_engines(async |server| {
        let (pool, client) = scene(&server).await;
        let (_, elsewhere) = scene(&server).await;
        let sibling = super::client(&server, &pool, json!({})).await;
        let tokens = server.sign_in(&client, "alice", PASSWORD).await.ok();
        let refresh = token(&tokens, "RefreshToken");
        let secretive = server.client_id(&pool, json!({"GenerateSecret": true})).await;
        let invalid = "NotAuthorizedException: Invalid Refresh Token.";
        for (client, token, what) in [
            (&client, token(&tokens, "AccessToken"), "an access token"),
            (&client, token(&tokens, "IdToken"), "an ID token"),
            (&sibling, refresh.clone(), "another client's"),
            (&elsewhere, refresh.clone(), "another pool's"),
        ] {
            for operation in ["REFRESH_TOKEN_AUTH", "REFRESH_TOKEN"] {
                let request = begin(client, operation, json!({"REFRESH_TOKEN": token}));
                assert_eq!(server.call("InitiateAuth", request).await.error(), invalid, "{what}");
            }
            let request = json!({"ClientId": client, "RefreshToken": token});
            let refused = server.call("GetTokensFromRefreshToken", request).await.error();
            assert_eq!(refused, invalid, "{what}");
        }
        // A client with a secret asks for it before it looks.
        let request = json!({"ClientId": secretive, "RefreshToken": refresh});
        assert_ne!(server.call("GetTokensFromRefreshToken", request).await.status, 200);
        let request = begin(&client, "REFRESH_TOKEN_AUTH", json!({"REFRESH_TOKEN": refresh}));
        server.call("InitiateAuth", request).await.ok();
    })
    .await;
}
