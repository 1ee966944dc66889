//! GetClientToken (auth-flows.md §3, §19): access tokens of clients that speak for themselves.

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

use crate::{pools::with, tokens::segment};

pub const UNAUTHORIZED: &str = "NotAuthorizedException: Invalid client or secret";
const NOT_ENABLED: &str = "InvalidParameterException: Auth flow not enabled for this client";
const FLOW: &str = "ALLOW_CLIENT_TOKEN_AUTH";

/// A client with a secret.
#[derive(Clone)]
pub struct Machine {
    pub id: String,
    pub secret: String,
}

/// Makes the resource server `files` with the scopes `read` and `write`.
pub async fn files(server: &Server, pool: &str) {
    let scope = |name: &str| json!({"ScopeName": name, "ScopeDescription": name});
    let request = json!({"UserPoolId": pool, "Identifier": "files", "Name": "Files",
        "Scopes": [scope("read"), scope("write")]});
    server.call("CreateResourceServer", request).await.ok();
}

/// A client that gets tokens for itself.
pub async fn machine(server: &Server, pool: &str, members: Value) -> Machine {
    let usual = json!({"GenerateSecret": true, "ExplicitAuthFlows": [FLOW],
        "AllowedOAuthScopes": ["files/read", "files/write"]});
    let made = server.client(pool, with(usual, &members)).await;
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    Machine { id: text("ClientId"), secret: text("ClientSecret") }
}

async fn scene(server: &Server) -> (String, Machine) {
    let pool = server.pool(json!({})).await;
    files(server, &pool).await;
    let machine = machine(server, &pool, json!({})).await;
    (pool, machine)
}

pub async fn ask(server: &Server, machine: &Machine, members: Value) -> Answer {
    let request = with(json!({"ClientId": machine.id, "Secret": machine.secret}), &members);
    server.call("GetClientToken", request).await
}

pub async fn token(server: &Server, machine: &Machine) -> String {
    let answer = ask(server, machine, json!({})).await.ok();
    answer["ClientAuthenticationResult"]["AccessToken"].as_str().unwrap().to_owned()
}

/// The scopes of the token of an answer.
fn scopes(answer: Answer) -> String {
    let answer = answer.ok();
    let token = answer["ClientAuthenticationResult"]["AccessToken"].as_str().unwrap();
    segment(token, 1)["scope"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_client_gets_a_token_for_itself() {
    both_engines(async |server| {
        let (_, machine) = scene(&server).await;
        let mut answer = ask(&server, &machine, json!({"ClientMetadata": {"why": "nightly"}})).await.ok();
        let token = answer["ClientAuthenticationResult"]["AccessToken"].as_str().unwrap().to_owned();
        answer["ClientAuthenticationResult"]["AccessToken"] =
            json!({"header": segment(&token, 0), "claims": segment(&token, 1)});
        insta::allow_duplicates! { insta::assert_json_snapshot!(answer, @r#"
        {
          "ClientAuthenticationResult": {
            "AccessToken": {
              "header": {
                "kid": "test-only-01",
                "alg": "RS256"
              },
              "claims": {
                "sub": "rhiby5hnm9hsrtdcwktqggjjc6",
                "token_use": "access",
                "scope": "files/read files/write",
                "auth_time": 1767323045,
                "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
                "exp": 1767326645,
                "iat": 1767323045,
                "version": 2,
                "jti": "6009fea6-3961-40ac-9b43-ea69e0338937",
                "client_id": "rhiby5hnm9hsrtdcwktqggjjc6"
              }
            },
            "ExpiresIn": 3600,
            "TokenType": "Bearer"
          }
        }
        "#); }
        // A token is new each time.
        let again = self::token(&server, &machine).await;
        assert_ne!(segment(&token, 1)["jti"], segment(&again, 1)["jti"]);
    })
    .await;
}

#[tokio::test]
async fn it_lives_as_long_as_the_client_says() {
    let server = Server::memory().await;
    let (pool, _) = scene(&server).await;
    let units = json!({"AccessTokenValidity": 20, "TokenValidityUnits": {"AccessToken": "minutes"}});
    let machine = machine(&server, &pool, units).await;
    let answer = ask(&server, &machine, json!({})).await.ok();
    assert_eq!(answer["ClientAuthenticationResult"]["ExpiresIn"], 1_200);
    let claims = segment(answer["ClientAuthenticationResult"]["AccessToken"].as_str().unwrap(), 1);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 1_200);
}

#[tokio::test]
async fn either_of_two_secrets_will_do_and_nothing_else() {
    both_engines(async |server| {
        let (pool, first) = scene(&server).await;
        let request = json!({"UserPoolId": pool, "ClientId": first.id});
        server.advance(1);
        let added = server.call("AddUserPoolClientSecret", request.clone()).await.ok();
        let secret = added["ClientSecretDescriptor"]["ClientSecretValue"].as_str().unwrap().to_owned();
        let second = Machine { secret, ..first.clone() };
        ask(&server, &first, json!({})).await.ok();
        ask(&server, &second, json!({})).await.ok();
        let wrong = |secret: &str| Machine { secret: secret.to_owned(), ..first.clone() };
        let longer = format!("{}x", first.secret);
        for secret in [&first.secret[1..], &longer, &first.secret.to_uppercase(), &"x".repeat(51), &first.id] {
            assert_eq!(ask(&server, &wrong(secret), json!({})).await.error(), UNAUTHORIZED, "{secret}");
        }
        let listed = server.call("ListUserPoolClientSecrets", request.clone()).await.ok();
        let id = &listed["ClientSecrets"][0]["ClientSecretId"];
        server.call("DeleteUserPoolClientSecret", with(request, &json!({"ClientSecretId": id}))).await.ok();
        assert_eq!(ask(&server, &first, json!({})).await.error(), UNAUTHORIZED);
        ask(&server, &second, json!({})).await.ok();

        // Another client's, that of nobody, and that of a client which has none.
        let other = machine(&server, &pool, json!({})).await;
        let mixed = Machine { id: other.id, secret: second.secret.clone() };
        assert_eq!(ask(&server, &mixed, json!({})).await.error(), UNAUTHORIZED);
        let unknown = Machine { id: "unknown".to_owned(), ..second.clone() };
        assert_eq!(ask(&server, &unknown, json!({})).await.error(), UNAUTHORIZED);
        let public = Machine { id: server.client_id(&pool, json!({})).await, ..second.clone() };
        assert_eq!(ask(&server, &public, json!({})).await.error(), UNAUTHORIZED);
        server.call("DeleteUserPoolClient", json!({"UserPoolId": pool, "ClientId": second.id})).await.ok();
        assert_eq!(ask(&server, &second, json!({})).await.error(), UNAUTHORIZED);
    })
    .await;
}

#[tokio::test]
async fn scopes_are_those_of_the_client_and_of_its_resource_servers() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        files(&server, &pool).await;
        let all = json!({"AllowedOAuthScopes": ["files/write", "openid", "aws.cognito.signin.user.admin", "files/read"]});
        let machine = machine(&server, &pool, all).await;
        let ask = async |scopes: &[&str]| ask(&server, &machine, json!({"Scopes": scopes})).await;
        assert_eq!(scopes(ask(&[]).await), "files/write files/read");
        assert_eq!(scopes(ask(&["files/read"]).await), "files/read");
        assert_eq!(scopes(ask(&["files/read", "files/write", "files/read"]).await), "files/read files/write");
        // Of users, of nobody, and of the client in part.
        for scope in ["openid", "aws.cognito.signin.user.admin", "files/delete", "files", "files/", "/read", "FILES/read"] {
            let error = format!("InvalidParameterException: Invalid scope requested: {scope}");
            assert_eq!(ask(&["files/read", scope]).await.error(), error);
        }
        let hostile = ask(&["files/read files/write"]).await.error();
        assert!(hostile.starts_with("InvalidParameterException: 1 validation error detected"), "{hostile}");

        // A resource server that loses a scope, or goes, takes it along until it is there again.
        let update = json!({"UserPoolId": pool, "Identifier": "files", "Name": "Files",
            "Scopes": [{"ScopeName": "read", "ScopeDescription": "read"}]});
        server.call("UpdateResourceServer", update).await.ok();
        assert_eq!(scopes(ask(&[]).await), "files/read");
        let gone = "InvalidParameterException: Invalid scope requested: files/write";
        assert_eq!(ask(&["files/write"]).await.error(), gone);
        server.call("DeleteResourceServer", json!({"UserPoolId": pool, "Identifier": "files"})).await.ok();
        let none = format!(
            "InvalidParameterException: Client {} has no scopes of resource servers. Add some to its AllowedOAuthScopes.",
            machine.id
        );
        assert_eq!(ask(&[]).await.error(), none);
        files(&server, &pool).await;
        assert_eq!(scopes(ask(&[]).await), "files/write files/read");
    })
    .await;
}

/// SDKs sign the operation with whatever they have, since the model does not say that nobody looks at it.
#[tokio::test]
async fn signatures_are_not_looked_at() {
    let server = Server::builder().production().start().await;
    let nobodys = "AWS4-HMAC-SHA256 Credential=AKIA/20200101/us-east-1/cognito-idp/aws4_request, SignedHeaders=host, \
                   Signature=00";
    for authorization in ["", "Bearer x", nobodys] {
        let request = Request::post("/")
            .header("x-amz-target", "AWSCognitoIdentityProviderService.GetClientToken")
            .header("authorization", authorization)
            .body(Body::from(json!({"ClientId": "none", "Secret": "x".repeat(51)}).to_string()))
            .unwrap();
        assert_eq!(server.request(request).await.error(), UNAUTHORIZED, "{authorization}");
    }
}

#[tokio::test]
async fn the_flow_stands_alone_and_needs_a_secret() {
    both_engines(async |server| {
        let (pool, machine) = scene(&server).await;
        let create = async |members: Value| {
            let request = with(json!({"UserPoolId": pool, "ClientName": "c", "ExplicitAuthFlows": [FLOW]}), &members);
            server.call("CreateUserPoolClient", request).await
        };
        let update = async |members: Value| {
            let request = with(json!({"UserPoolId": pool, "ClientId": machine.id}), &members);
            server.call("UpdateUserPoolClient", request).await
        };
        let alone = "InvalidParameterException: ALLOW_CLIENT_TOKEN_AUTH cannot be used with other auth flows.";
        let secret = "InvalidParameterException: ALLOW_CLIENT_TOKEN_AUTH can not be selected if client does not have a client secret.";
        assert_eq!(create(json!({})).await.error(), secret);
        for other in ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_TOKEN_EXCHANGE_DELEGATION"] {
            let both = json!({"ExplicitAuthFlows": [FLOW, other]});
            assert_eq!(create(with(both.clone(), &json!({"GenerateSecret": true}))).await.error(), alone);
            assert_eq!(update(both).await.error(), alone);
        }
        let legacy = json!({"ExplicitAuthFlows": [FLOW, "ADMIN_NO_SRP_AUTH"]});
        let mixed = "InvalidParameterException: Auth flow name with prefix 'ALLOW' cannot be used with legacy auth flow names.";
        assert_eq!(update(legacy).await.error(), mixed);
        // It is shown as it was given.
        let shown = server.call("DescribeUserPoolClient", json!({"UserPoolId": pool, "ClientId": machine.id})).await.ok();
        assert_eq!(shown["UserPoolClient"]["ExplicitAuthFlows"], json!([FLOW]));

        // No user signs in by such a client.
        server.confirmed_user(&pool, "alice", "Passw0rd!", json!({})).await;
        let hash = crypto::hash::secret_hash("alice", &machine.id, &machine.secret);
        for flow in ["USER_PASSWORD_AUTH", "USER_SRP_AUTH", "CUSTOM_AUTH", "USER_AUTH", "REFRESH_TOKEN_AUTH"] {
            let parameters = json!({"USERNAME": "alice", "PASSWORD": "Passw0rd!", "SRP_A": "2", "SECRET_HASH": hash});
            let request = json!({"AuthFlow": flow, "ClientId": machine.id, "AuthParameters": parameters});
            let error = server.call("InitiateAuth", request).await.error();
            assert!(error.starts_with("InvalidParameterException: "), "{flow}: {error}");
            assert!(error.contains("not enabled for th"), "{flow}: {error}");
        }
        // And a client that signs users in gets no tokens for itself.
        update(json!({"ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH"], "AllowedOAuthScopes": ["files/read"]})).await.ok();
        assert_eq!(ask(&server, &machine, json!({})).await.error(), NOT_ENABLED);
        update(json!({"AllowedOAuthScopes": ["files/read"]})).await.ok();
        assert_eq!(ask(&server, &machine, json!({})).await.error(), NOT_ENABLED);
        // Who does not know the secret is not told.
        let wrong = Machine { secret: "x".repeat(51), ..machine.clone() };
        assert_eq!(ask(&server, &wrong, json!({})).await.error(), UNAUTHORIZED);
    })
    .await;
}

#[tokio::test]
async fn a_token_of_a_client_opens_no_account() {
    both_engines(async |server| {
        let (pool, machine) = scene(&server).await;
        let token = token(&server, &machine).await;
        // Nor does that of a client which calls itself like a user.
        let invalid = "NotAuthorizedException: Invalid Access Token";
        for operation in ["GetUser", "GlobalSignOut", "DeleteUser", "ListUserSessions", "AssociateSoftwareToken"] {
            assert_eq!(server.call(operation, json!({"AccessToken": token})).await.error(), invalid, "{operation}");
        }
        let client = server.client_id(&pool, json!({})).await;
        let revoke = server.call("RevokeToken", json!({"Token": token, "ClientId": client})).await;
        assert_eq!(revoke.error(), "UnsupportedTokenTypeException: Only refresh tokens can be revoked.");
        let parameters = json!({"REFRESH_TOKEN": token});
        let request = json!({"AuthFlow": "REFRESH_TOKEN_AUTH", "ClientId": client, "AuthParameters": parameters});
        let error = server.call("InitiateAuth", request).await.error();
        assert_eq!(error, "NotAuthorizedException: Invalid Refresh Token.");
    })
    .await;
}

#[tokio::test]
async fn what_breaks_a_constraint_is_said() {
    let server = Server::memory().await;
    let (_, machine) = scene(&server).await;
    for members in [
        json!({"Secret": "short"}),
        json!({"Secret": null}),
        json!({"Secret": "not/a secret that could be one"}),
        json!({"ClientId": null}),
        json!({"ClientId": "no client"}),
        json!({"Scopes": [""]}),
        json!({"Scopes": vec!["files/read"; 51]}),
    ] {
        let error = ask(&server, &machine, members.clone()).await.error();
        assert!(error.starts_with("InvalidParameterException: "), "{members}: {error}");
        assert!(error.contains("validation error"), "{members}: {error}");
    }
}

#[tokio::test]
async fn too_many_requests_are_turned_away() {
    let server = Server::builder()
        .settings(|settings| settings.quotas.rates.set(service::quotas::Category::ClientAuthentication, 2))
        .start()
        .await;
    let server = Arc::new(server);
    let (_, machine) = scene(&server).await;
    let call = |server: Arc<Server>| {
        let machine = machine.clone();
        async move { ask(&server, &machine, json!({})).await }
    };
    let outcomes = crate::sign_in::at_once(10, &server, call).await;
    let refused = outcomes.iter().filter(|outcome| *outcome == "TooManyRequestsException: Rate exceeded").count();
    let answered = outcomes.iter().filter(|outcome| *outcome == "ok").count();
    assert_eq!((answered, refused), (2, 8), "{outcomes:?}");
}
