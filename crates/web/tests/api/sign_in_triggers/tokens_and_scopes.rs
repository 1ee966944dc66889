//! What PreTokenGeneration changes (§9.3).

use super::*;

const ADMIN: &str = "aws.cognito.signin.user.admin";

/// A scene whose function answers this response in this version.
async fn answering(server: &Server, version: &str, response: Value) -> Scene {
    let scene = scene(server, &[], json!({})).await;
    answer(server, &scene, version, response).await;
    scene
}

/// Has the scene's function answer this response in this version from now on.
async fn answer(server: &Server, scene: &Scene, version: &str, response: Value) {
    responds(server, &scene.told, "PreTokenGeneration", move |_| response.clone());
    let config = json!({"LambdaVersion": version, "LambdaArn": arn("PreTokenGeneration")});
    let request = json!({"UserPoolId": scene.pool, "LambdaConfig": {"PreTokenGenerationConfig": config}});
    server.call("UpdateUserPool", request).await.ok();
}

#[tokio::test]
async fn the_first_version_changes_the_id_token_and_the_groups_of_both() {
    both_engines(async |server| {
        let response = json!({"claimsOverrideDetails": {
            "claimsToAddOrOverride": {"plan": "gold", "email": "other@example.com", "sub": "forged", "cognito:username": "root"},
            "claimsToSuppress": ["email_verified", "iss"],
            "groupOverrideDetails": {
                "groupsToOverride": ["guests"],
                "iamRolesToOverride": ["arn:aws:iam::123456789012:role/guest"],
                "preferredRole": "arn:aws:iam::123456789012:role/guest",
            },
        }});
        let scene = answering(&server, "V1_0", response).await;
        let answer = sign_in(&server, &scene.client, "alice", PASSWORD).await.ok();
        let (id, access) = (claims(&answer, "IdToken"), claims(&answer, "AccessToken"));
        assert_eq!([&id["plan"], &id["email"]], ["gold", "other@example.com"]);
        assert_eq!(id.get("email_verified"), None);
        assert_eq!(id["cognito:groups"], json!(["guests"]));
        assert_eq!(id["cognito:roles"], json!(["arn:aws:iam::123456789012:role/guest"]));
        assert_eq!(id["cognito:preferred_role"], "arn:aws:iam::123456789012:role/guest");
        assert_eq!(access["cognito:groups"], json!(["guests"]));
        assert_eq!(access.get("plan"), None);
        assert!(id["sub"] != "forged" && id["cognito:username"] == "alice" && id["iss"].is_string());
        server.call("GetUser", json!({"AccessToken": token(&answer, "AccessToken")})).await.ok();

        // After a refresh it is the same: the function is asked again.
        let parameters = json!({"REFRESH_TOKEN": token(&answer, "RefreshToken")});
        let renewed = initiate(&server, &scene.client, "REFRESH_TOKEN_AUTH", parameters).await.ok();
        assert_eq!(claims(&renewed, "IdToken")["plan"], "gold");
    })
    .await;
}

#[tokio::test]
async fn later_versions_change_both_tokens_and_the_scopes() {
    both_engines(async |server| {
        let response = json!({"claimsAndScopeOverrideDetails": {
            "idTokenGeneration": {"claimsToAddOrOverride": {"seats": 3, "rights": ["a", {"b": true}]}},
            "accessTokenGeneration": {
                "claimsToAddOrOverride": {"tenant": {"id": 7}, "client_id": "forged", "exp": 9999999999_i64},
                "claimsToSuppress": ["username", "jti"],
                "scopesToAdd": ["shop/read", "shop/write"],
                "scopesToSuppress": ["shop/write"],
            },
            "groupOverrideDetails": null,
        }});
        let scene = answering(&server, "V2_0", response).await;
        let answer = sign_in(&server, &scene.client, "alice", PASSWORD).await.ok();
        let (id, access) = (claims(&answer, "IdToken"), claims(&answer, "AccessToken"));
        assert_eq!((&id["seats"], &id["rights"]), (&json!(3), &json!(["a", {"b": true}])));
        assert_eq!(access["tenant"], json!({"id": 7}));
        assert_eq!(access["scope"], format!("{ADMIN} shop/read"));
        assert!(access["client_id"] == scene.client && access["username"] == "alice" && access["jti"].is_string());
        assert_ne!(access["exp"], 9999999999_i64);
        server.call("GetUser", json!({"AccessToken": token(&answer, "AccessToken")})).await.ok();
    })
    .await;
}

#[tokio::test]
async fn a_token_without_the_scope_opens_nothing() {
    both_engines(async |server| {
        let response =
            json!({"claimsAndScopeOverrideDetails": {"accessTokenGeneration": {"scopesToSuppress": [ADMIN]}}});
        let scene = answering(&server, "V3_0", response).await;
        let answer = sign_in(&server, &scene.client, "alice", PASSWORD).await.ok();
        assert_eq!(claims(&answer, "AccessToken").get("scope"), None);
        let refused = server.call("GetUser", json!({"AccessToken": token(&answer, "AccessToken")})).await.error();
        assert_eq!(refused, "NotAuthorizedException: Access Token does not have required scopes");
    })
    .await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let server = Server::memory().await;
    let scene = scene(&server, &[], json!({})).await;
    let first = |details: Value| ("V1_0", json!({"claimsOverrideDetails": details}));
    let second = |details: Value| ("V2_0", json!({"claimsAndScopeOverrideDetails": details}));
    let many: Vec<String> = (0..5_001).map(|number| number.to_string()).collect();
    let long = "x".repeat(97_000);
    for (version, response) in [
        first(json!({"claimsToAddOrOverride": {"seats": 3}})),
        first(json!({"claimsToAddOrOverride": {"rights": ["a"]}})),
        first(json!({"claimsToAddOrOverride": {"nothing": null}})),
        first(json!({"claimsToSuppress": "email"})),
        first(json!({"groupOverrideDetails": {"groupsToOverride": "guests"}})),
        first(json!("text")),
        second(json!({"idTokenGeneration": {"claimsToAddOrOverride": {"email_verified": [true]}}})),
        second(json!({"idTokenGeneration": {"claimsToAddOrOverride": ["a"]}})),
        second(json!({"accessTokenGeneration": {"scopesToAdd": ["two words"]}})),
        second(json!({"accessTokenGeneration": {"scopesToAdd": [1]}})),
        second(json!({"accessTokenGeneration": {"claimsToSuppress": many}})),
        // Tokens so long that this server would not look at them.
        first(json!({"claimsToAddOrOverride": {"plan": long}})),
        first(json!({"groupOverrideDetails": {"groupsToOverride": [long]}})),
        second(json!({"idTokenGeneration": {"claimsToAddOrOverride": {"plan": long}}})),
        second(json!({"accessTokenGeneration": {"claimsToAddOrOverride": {"plan": long}}})),
        second(json!({"accessTokenGeneration": {"scopesToAdd": [long]}})),
    ] {
        answer(&server, &scene, version, response.clone()).await;
        let refused = sign_in(&server, &scene.client, "alice", PASSWORD).await.error();
        assert_eq!(refused, "InvalidLambdaResponseException: Unrecognizable lambda output", "{response:.80}");
    }
    // Nothing at all is nothing to be done.
    for (version, response) in [
        ("V1_0", json!({"claimsOverrideDetails": null})),
        ("V1_0", json!({})),
        ("V2_0", json!({"claimsAndScopeOverrideDetails": {}})),
        ("V2_0", json!({"claimsAndScopeOverrideDetails": {"idTokenGeneration": null, "unknown": 1}})),
    ] {
        answer(&server, &scene, version, response).await;
        sign_in(&server, &scene.client, "alice", PASSWORD).await.ok();
    }
}

#[tokio::test]
async fn what_functions_add_may_be_long() {
    let server = Server::memory().await;
    let claims = json!({"claimsToAddOrOverride": {"plan": "x".repeat(90_000)}});
    let response = json!({"claimsAndScopeOverrideDetails":
        {"idTokenGeneration": claims, "accessTokenGeneration": claims}});
    let scene = answering(&server, "V2_0", response).await;
    let tokens = sign_in(&server, &scene.client, "alice", PASSWORD).await.ok();
    server.call("GetUser", json!({"AccessToken": token(&tokens, "AccessToken")})).await.ok();
}
