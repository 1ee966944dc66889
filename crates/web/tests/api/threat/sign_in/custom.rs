//! CUSTOM_AUTH, which has a mode of its own.

use testkit::triggers::lambda_config;

use super::*;
use crate::sign_in::custom::{ALL, functions};

async fn scene(flows: Value) -> Scene {
    let more = json!({
        "LambdaConfig": lambda_config(ALL),
        "UserPoolAddOns": {"AdvancedSecurityMode": "ENFORCED", "AdvancedSecurityAdditionalFlows": flows},
    });
    let mut scene = Scene::new("ENFORCED", more, "OFF").await;
    functions(&scene.server);
    let members = json!({"ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH"]});
    scene.client = scene.server.client_id(&scene.pool, members).await;
    scene
}

/// CUSTOM_AUTH with this answer, from abroad with a new device.
async fn answers(scene: &Scene, given: &str) -> Answer {
    let request = json!({
        "UserPoolId": scene.pool, "ClientId": scene.client, "AuthFlow": "CUSTOM_AUTH",
        "AuthParameters": {"USERNAME": "alice"}, "ContextData": context(ABROAD, PHONE),
    });
    let mut asked = scene.server.call("AdminInitiateAuth", request).await.ok();
    loop {
        let request = json!({
            "UserPoolId": scene.pool, "ClientId": scene.client, "ChallengeName": "CUSTOM_CHALLENGE",
            "Session": asked["Session"], "ChallengeResponses": {"USERNAME": "alice", "ANSWER": given},
            "ContextData": context(ABROAD, PHONE),
        });
        let answer = scene.server.call("AdminRespondToAuthChallenge", request).await;
        if answer.status != 200 || answer.body["ChallengeName"].is_null() {
            return answer;
        }
        asked = answer.ok();
    }
}

#[tokio::test]
async fn challenges_of_the_pools_own_are_watched_where_that_is_wanted() {
    let scene = scene(json!({"CustomAuthMode": "ENFORCED"})).await;
    scene.signs_in(HOME, LAPTOP).await;
    assert_eq!(answers(&scene, "3").await.error(), INCORRECT);
    assert_eq!(scene.latest().await, "SignIn Fail NoRisk - []");
    scene.server.advance(1);
    assert_eq!(answers(&scene, "2").await.error(), BLOCKED);
    assert_eq!(scene.latest().await, "SignIn Fail Block Medium []");
}

#[tokio::test]
async fn and_are_let_through_where_they_are_only_remembered_or_not_watched() {
    let audit = scene(json!({"CustomAuthMode": "AUDIT"})).await;
    audit.signs_in(HOME, LAPTOP).await;
    answers(&audit, "2").await.ok();
    assert_eq!(audit.latest().await, "SignIn Pass AccountTakeover Medium []");
    let off = scene(json!({})).await;
    off.signs_in(HOME, LAPTOP).await;
    answers(&off, "2").await.ok();
    assert_eq!(answers(&off, "3").await.error(), INCORRECT);
    assert_eq!(off.events().await.len(), 1);
}
