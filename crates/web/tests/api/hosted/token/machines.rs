//! `client_credentials`: clients that speak for themselves.

use super::*;
use crate::client_token::files;

struct Machine {
    id: String,
    secret: String,
}

fn members(more: &Value) -> Value {
    let usual = json!({
        "GenerateSecret": true,
        "AllowedOAuthFlowsUserPoolClient": true,
        "AllowedOAuthFlows": ["client_credentials"],
        "AllowedOAuthScopes": ["files/read", "files/write"],
    });
    with(usual, more)
}

async fn machine(server: &Server, pool: &str, more: Value) -> Machine {
    let made = server.client(pool, members(&more)).await;
    let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
    Machine { id: text("ClientId"), secret: text("ClientSecret") }
}

async fn ask(server: &Server, machine: &Machine, more: &[(&str, &str)]) -> Answer {
    let form: Vec<_> = [("grant_type", "client_credentials")].into_iter().chain(more.iter().copied()).collect();
    post(server, "/oauth2/token", Some(&basic(&machine.id, &machine.secret)), &form).await
}

/// The scopes of the token, or the error.
async fn scopes(server: &Server, machine: &Machine, scope: &str) -> String {
    let answer = ask(server, machine, &[("scope", scope)]).await;
    if answer.status != 200 {
        return refusal(&answer);
    }
    segment(token(&answer.body, "access_token"), 1)["scope"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_client_gets_a_token_for_itself() {
    both_engines(async |server| {
        let site = site(&server, json!({}), json!({})).await;
        files(&server, &site.pool).await;
        let machine = machine(&server, &site.pool, json!({})).await;
        let mut answer = ask(&server, &machine, &[]).await.ok();
        let mut claims = segment(token(&answer, "access_token"), 1);
        answer["access_token"] = json!("[token]");
        insta::allow_duplicates! { insta::assert_json_snapshot!(answer, @r#"
        {
          "access_token": "[token]",
          "expires_in": 3600,
          "token_type": "Bearer"
        }
        "#); }
        assert_eq!((&claims["sub"], &claims["client_id"]), (&json!(machine.id), &json!(machine.id)));
        for drawn in ["sub", "client_id", "jti"] {
            claims[drawn] = json!("[drawn]");
        }
        insta::allow_duplicates! { insta::assert_json_snapshot!(claims, @r#"
        {
          "sub": "[drawn]",
          "token_use": "access",
          "scope": "files/read files/write",
          "auth_time": 1767323045,
          "iss": "http://127.0.0.1:9229/us-east-1_O2c3Nifle",
          "exp": 1767326645,
          "iat": 1767323045,
          "version": 2,
          "jti": "[drawn]",
          "client_id": "[drawn]"
        }
        "#); }
    })
    .await;
}

#[tokio::test]
async fn it_is_good_for_scopes_of_resource_servers() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    files(&server, &site.pool).await;
    let machine = machine(&server, &site.pool, json!({})).await;
    for (scope, expected) in [
        ("", "files/read files/write"),
        ("files/write", "files/write"),
        ("files/write files/write", "files/write"),
        ("files/delete", INVALID_SCOPE),
        ("files/read openid", INVALID_SCOPE),
        ("aws.cognito.signin.user.admin", INVALID_SCOPE),
    ] {
        assert_eq!(scopes(&server, &machine, scope).await, expected, "{scope}");
    }
    server.call("DeleteResourceServer", json!({"UserPoolId": site.pool, "Identifier": "files"})).await.ok();
    for scope in ["", "files/read"] {
        assert_eq!(scopes(&server, &machine, scope).await, INVALID_SCOPE);
    }
}

#[tokio::test]
async fn only_clients_with_a_secret_and_this_flow_get_one() {
    let server = Server::memory().await;
    let site = site(&server, json!({}), json!({})).await;
    files(&server, &site.pool).await;
    let good = machine(&server, &site.pool, json!({})).await;
    let wrong = Machine { id: good.id.clone(), secret: "x".to_owned() };
    assert_eq!(refusal(&ask(&server, &wrong, &[]).await), INVALID_SECRET);
    let none = Machine { id: good.id.clone(), secret: String::new() };
    assert_eq!(refusal(&ask(&server, &none, &[]).await), INVALID_SECRET);
    let public = Machine { id: site.client.clone(), secret: String::new() };
    assert_eq!(refusal(&ask(&server, &public, &[]).await), INVALID_CLIENT);
    let codes = client_members(json!({"GenerateSecret": true}));
    let codes = machine(&server, &site.pool, codes).await;
    assert_eq!(refusal(&ask(&server, &codes, &[]).await), UNAUTHORIZED);
    let off = machine(&server, &site.pool, json!({"AllowedOAuthFlowsUserPoolClient": false})).await;
    assert_eq!(refusal(&ask(&server, &off, &[]).await), UNAUTHORIZED);
    // A token of its own says nothing of a user.
    let answer = ask(&server, &good, &[]).await.ok();
    let access = token(&answer, "access_token");
    let refused = server.call("GetUser", json!({"AccessToken": access})).await.error();
    assert!(refused.starts_with("NotAuthorizedException: "), "{refused}");
}

#[tokio::test]
async fn functions_of_the_third_version_are_told_the_metadata() {
    let server = Server::memory().await;
    let told = triggers::Told::default();
    triggers::notes(&server, &told, "PreTokenGeneration");
    let function = json!({"LambdaVersion": "V3_0", "LambdaArn": triggers::arn("PreTokenGeneration")});
    let site = site(&server, json!({"LambdaConfig": {"PreTokenGenerationConfig": function}}), json!({})).await;
    files(&server, &site.pool).await;
    let machine = machine(&server, &site.pool, json!({})).await;
    ask(&server, &machine, &[("aws_client_metadata", r#"{"why":"nightly"}"#)]).await.ok();
    let event = told.only();
    assert_eq!(event["triggerSource"], "TokenGeneration_ClientCredentials");
    assert_eq!(event["request"]["clientMetadata"], json!({"why": "nightly"}));
    for wrong in ["x", "[]", r#"{"why":1}"#, r#"{"why":{}}"#, "null"] {
        let answer = ask(&server, &machine, &[("aws_client_metadata", wrong)]).await;
        assert_eq!(refusal(&answer), INVALID_REQUEST, "{wrong}");
    }
}
