//! Which client may use which flow through which operation (auth-flows.md §3, §4).

use super::*;

const FLOWS: [&str; 8] = [
    "USER_PASSWORD_AUTH",
    "ADMIN_USER_PASSWORD_AUTH",
    "ADMIN_NO_SRP_AUTH",
    "USER_SRP_AUTH",
    "CUSTOM_AUTH",
    "USER_AUTH",
    "REFRESH_TOKEN_AUTH",
    "REFRESH_TOKEN",
];

/// What an operation says to each flow when it carries no parameters at all: one that is allowed asks for some.
async fn verdicts(server: &Server, pool: Option<&str>, client: &str) -> Value {
    let mut verdicts = serde_json::Map::new();
    for flow in FLOWS {
        let answer = match pool {
            Some(pool) => admin_initiate(server, pool, client, flow, json!({})).await,
            None => initiate(server, client, flow, json!({})).await,
        };
        verdicts.insert(flow.to_owned(), Value::from(answer.error()));
    }
    Value::Object(verdicts)
}

async fn client_with(server: &Server, pool: &str, flows: &[&str]) -> String {
    server.client_id(pool, json!({"ExplicitAuthFlows": flows})).await
}

#[tokio::test]
async fn a_client_with_every_flow() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let flows = [
        "ALLOW_USER_PASSWORD_AUTH",
        "ALLOW_ADMIN_USER_PASSWORD_AUTH",
        "ALLOW_USER_SRP_AUTH",
        "ALLOW_REFRESH_TOKEN_AUTH",
        "ALLOW_CUSTOM_AUTH",
    ];
    let client = client_with(&server, &pool, &flows).await;
    insta::assert_json_snapshot!(verdicts(&server, None, &client).await, @r#"
    {
      "USER_PASSWORD_AUTH": "InvalidParameterException: Missing required parameter USERNAME",
      "ADMIN_USER_PASSWORD_AUTH": "InvalidParameterException: Initiate Auth method not supported",
      "ADMIN_NO_SRP_AUTH": "InvalidParameterException: Initiate Auth method not supported",
      "USER_SRP_AUTH": "InvalidParameterException: Missing required parameter USERNAME",
      "CUSTOM_AUTH": "InvalidParameterException: Missing required parameter USERNAME",
      "USER_AUTH": "InvalidParameterException: USER_AUTH is not enabled for the client.",
      "REFRESH_TOKEN_AUTH": "InvalidParameterException: Missing required parameter REFRESH_TOKEN",
      "REFRESH_TOKEN": "InvalidParameterException: Missing required parameter REFRESH_TOKEN"
    }
    "#);
    insta::assert_json_snapshot!(verdicts(&server, Some(&pool), &client).await, @r#"
    {
      "USER_PASSWORD_AUTH": "InvalidParameterException: Initiate Auth method not supported",
      "ADMIN_USER_PASSWORD_AUTH": "InvalidParameterException: Missing required parameter USERNAME",
      "ADMIN_NO_SRP_AUTH": "InvalidParameterException: Missing required parameter USERNAME",
      "USER_SRP_AUTH": "InvalidParameterException: Missing required parameter USERNAME",
      "CUSTOM_AUTH": "InvalidParameterException: Missing required parameter USERNAME",
      "USER_AUTH": "InvalidParameterException: USER_AUTH is not enabled for the client.",
      "REFRESH_TOKEN_AUTH": "InvalidParameterException: Missing required parameter REFRESH_TOKEN",
      "REFRESH_TOKEN": "InvalidParameterException: Missing required parameter REFRESH_TOKEN"
    }
    "#);
}

#[tokio::test]
async fn a_client_with_no_flow_to_speak_of() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let client = client_with(&server, &pool, &["ALLOW_CUSTOM_AUTH"]).await;
    insta::assert_json_snapshot!(verdicts(&server, None, &client).await, @r#"
    {
      "USER_PASSWORD_AUTH": "InvalidParameterException: USER_PASSWORD_AUTH flow not enabled for this client",
      "ADMIN_USER_PASSWORD_AUTH": "InvalidParameterException: Initiate Auth method not supported",
      "ADMIN_NO_SRP_AUTH": "InvalidParameterException: Initiate Auth method not supported",
      "USER_SRP_AUTH": "InvalidParameterException: USER_SRP_AUTH is not enabled for the client.",
      "CUSTOM_AUTH": "InvalidParameterException: Missing required parameter USERNAME",
      "USER_AUTH": "InvalidParameterException: USER_AUTH is not enabled for the client.",
      "REFRESH_TOKEN_AUTH": "InvalidParameterException: Auth flow not enabled for this client",
      "REFRESH_TOKEN": "InvalidParameterException: Auth flow not enabled for this client"
    }
    "#);
    insta::assert_json_snapshot!(verdicts(&server, Some(&pool), &client).await, @r#"
    {
      "USER_PASSWORD_AUTH": "InvalidParameterException: Initiate Auth method not supported",
      "ADMIN_USER_PASSWORD_AUTH": "InvalidParameterException: Auth flow not enabled for this client",
      "ADMIN_NO_SRP_AUTH": "InvalidParameterException: Auth flow not enabled for this client",
      "USER_SRP_AUTH": "InvalidParameterException: USER_SRP_AUTH is not enabled for the client.",
      "CUSTOM_AUTH": "InvalidParameterException: Missing required parameter USERNAME",
      "USER_AUTH": "InvalidParameterException: USER_AUTH is not enabled for the client.",
      "REFRESH_TOKEN_AUTH": "InvalidParameterException: Auth flow not enabled for this client",
      "REFRESH_TOKEN": "InvalidParameterException: Auth flow not enabled for this client"
    }
    "#);
    let client = client_with(&server, &pool, &["ALLOW_REFRESH_TOKEN_AUTH"]).await;
    assert_eq!(
        initiate(&server, &client, "CUSTOM_AUTH", json!({})).await.error(),
        "InvalidParameterException: CUSTOM_AUTH is not enabled for the client."
    );
}

#[tokio::test]
async fn the_older_values_stand_for_more_than_they_say() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let asks = |answer: Answer| answer.error().contains("Missing required parameter");
    let older = client_with(&server, &pool, &["USER_PASSWORD_AUTH"]).await;
    for flow in ["USER_PASSWORD_AUTH", "USER_SRP_AUTH", "REFRESH_TOKEN_AUTH"] {
        assert!(asks(initiate(&server, &older, flow, json!({})).await), "{flow}");
    }
    assert!(!asks(admin_initiate(&server, &pool, &older, "ADMIN_NO_SRP_AUTH", json!({})).await));
    let older = client_with(&server, &pool, &["ADMIN_NO_SRP_AUTH"]).await;
    for flow in ["ADMIN_NO_SRP_AUTH", "ADMIN_USER_PASSWORD_AUTH", "USER_SRP_AUTH", "REFRESH_TOKEN"] {
        assert!(asks(admin_initiate(&server, &pool, &older, flow, json!({})).await), "{flow}");
    }
    assert!(!asks(initiate(&server, &older, "USER_PASSWORD_AUTH", json!({})).await));
    let custom = client_with(&server, &pool, &["CUSTOM_AUTH_FLOW_ONLY"]).await;
    insta::assert_json_snapshot!(verdicts(&server, None, &custom).await, @r#"
    {
      "USER_PASSWORD_AUTH": "InvalidParameterException: Only custom auth (lambda driven) is enabled for this client.",
      "ADMIN_USER_PASSWORD_AUTH": "InvalidParameterException: Initiate Auth method not supported",
      "ADMIN_NO_SRP_AUTH": "InvalidParameterException: Initiate Auth method not supported",
      "USER_SRP_AUTH": "InvalidParameterException: Only custom auth (lambda driven) is enabled for this client.",
      "CUSTOM_AUTH": "InvalidParameterException: Missing required parameter USERNAME",
      "USER_AUTH": "InvalidParameterException: Only custom auth (lambda driven) is enabled for this client.",
      "REFRESH_TOKEN_AUTH": "InvalidParameterException: Only custom auth (lambda driven) is enabled for this client.",
      "REFRESH_TOKEN": "InvalidParameterException: Only custom auth (lambda driven) is enabled for this client."
    }
    "#);
}

#[tokio::test]
async fn without_srp_verifiers_there_is_no_srp() {
    let server =
        Server::builder().settings(|settings| settings.srp_off = service::settings::SrpOff::Everywhere).start().await;
    let (pool, client) = scene(&server, hides()).await;
    let refused = "InvalidParameterException: USER_SRP_AUTH is not enabled for the client.";
    let parameters = testkit::srp::initiate(&client, "alice")["AuthParameters"].clone();
    assert_eq!(initiate(&server, &client, "USER_SRP_AUTH", parameters.clone()).await.error(), refused);
    assert_eq!(admin_initiate(&server, &pool, &client, "USER_SRP_AUTH", parameters).await.error(), refused);
    server.sign_in(&client, "alice", PASSWORD).await.ok();
    assert_eq!(server.sign_in(&client, "alice", "Wr0ng-password").await.error(), INCORRECT);
    assert_eq!(server.sign_in(&client, "nobody", PASSWORD).await.error(), INCORRECT);
}

#[tokio::test]
async fn pools_and_clients_must_exist_and_belong_together() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({})).await;
    let other_pool = server.pool(json!({})).await;
    let unknown = "0123456789abcdefghijklmnop";
    let no_client = |id: &str| format!("ResourceNotFoundException: User pool client {id} does not exist.");
    assert_eq!(server.sign_in(unknown, "alice", PASSWORD).await.error(), no_client(unknown));
    assert_eq!(admin_sign_in(&server, &pool, unknown, "alice", PASSWORD).await.error(), no_client(unknown));
    assert_eq!(admin_sign_in(&server, &other_pool, &client, "alice", PASSWORD).await.error(), no_client(&client));
    assert_eq!(
        admin_sign_in(&server, "us-east-1_nowhere", &client, "alice", PASSWORD).await.error(),
        "ResourceNotFoundException: User pool us-east-1_nowhere does not exist."
    );
    let answer = respond(&server, unknown, "PASSWORD_VERIFIER", None, json!({})).await;
    assert_eq!(answer.error(), no_client(unknown));
    let request = json!({"UserPoolId": other_pool, "ClientId": client, "ChallengeName": "NEW_PASSWORD_REQUIRED"});
    assert_eq!(server.call("AdminRespondToAuthChallenge", request).await.error(), no_client(&client));
    // A pool takes its clients along.
    server.call("DeleteUserPool", json!({"UserPoolId": pool})).await.ok();
    assert_eq!(server.sign_in(&client, "alice", PASSWORD).await.error(), no_client(&client));
}

#[tokio::test]
async fn flows_and_challenges_that_do_not_exist() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({})).await;
    insta::assert_snapshot!(initiate(&server, &client, "NO_SUCH_FLOW", json!({})).await.error(), @"InvalidParameterException: 1 validation error detected: Value 'NO_SUCH_FLOW' at 'authFlow' failed to satisfy constraint: Member must satisfy enum value set: [USER_SRP_AUTH, REFRESH_TOKEN_AUTH, REFRESH_TOKEN, CUSTOM_AUTH, ADMIN_NO_SRP_AUTH, USER_PASSWORD_AUTH, ADMIN_USER_PASSWORD_AUTH, USER_AUTH]");
    let answer = respond(&server, &client, "NO_SUCH_CHALLENGE", None, json!({})).await;
    assert!(answer.error().contains("Member must satisfy enum value set: ["), "{answer:?}");
    // A challenge that is never issued: no session can be waiting for an answer.
    let (challenge, session) = ("ADMIN_NO_SRP_AUTH", "A".repeat(200));
    let answer = respond(&server, &client, challenge, None, json!({"USERNAME": "alice"})).await;
    assert_eq!(answer.error(), "InvalidParameterException: Missing required parameter Session");
    let answer = respond(&server, &client, challenge, Some(&session), json!({"USERNAME": "alice"})).await;
    assert_eq!(answer.error(), INVALID_SESSION);
    let request = json!({
        "UserPoolId": pool, "ClientId": client, "ChallengeName": challenge, "Session": session,
        "ChallengeResponses": {"USERNAME": "alice"},
    });
    assert_eq!(server.call("AdminRespondToAuthChallenge", request).await.error(), INVALID_SESSION);
}
