//! Second factors that a risk demands.

use testkit::totp;

use super::*;

const NUMBER: &str = "+12065550100";

fn actions(action: &str) -> Value {
    let action = json!({"Notify": false, "EventAction": action});
    let actions = json!({"LowAction": action, "MediumAction": action, "HighAction": action});
    json!({"AccountTakeoverRiskConfiguration": {"Actions": actions}})
}

/// Alice, who has signed in at home; `number` says whether she has one.
async fn scene(action: &str, number: bool) -> Scene {
    let scene = Scene::new("ENFORCED", json!({}), "OPTIONAL").await;
    scene.configure(actions(action)).await;
    if number {
        let attributes = json!([
            {"Name": "phone_number", "Value": NUMBER}, {"Name": "phone_number_verified", "Value": "true"}
        ]);
        let request = json!({"UserPoolId": scene.pool, "Username": "alice", "UserAttributes": attributes});
        scene.server.call("AdminUpdateUserAttributes", request).await.ok();
    }
    scene.signs_in(HOME, LAPTOP).await;
    scene
}

#[tokio::test]
async fn a_factor_that_is_not_switched_on_is_asked_for_all_the_same() {
    for action in ["MFA_IF_CONFIGURED", "MFA_REQUIRED"] {
        let scene = scene(action, true).await;
        let Scene { server, client, pool } = &scene;
        let asked = scene.begin(PASSWORD, ABROAD, PHONE).await.ok();
        assert_eq!(asked["ChallengeName"], "SMS_MFA");
        assert_eq!(scene.latest().await, "SignIn InProgress AccountTakeover Medium [Password:Success]");
        let id = scene.events().await[0]["EventId"].clone();
        let reply = async |code: &str| {
            let responses = json!({"USERNAME": "alice", "SMS_MFA_CODE": code});
            let request = json!({
                "UserPoolId": pool, "ClientId": client, "ChallengeName": "SMS_MFA", "Session": asked["Session"],
                "ChallengeResponses": responses, "ContextData": context(ABROAD, PHONE),
            });
            server.call("AdminRespondToAuthChallenge", request).await
        };
        let code = server.last_code(pool, "alice").await;
        let wrong = if code == "000000" { "000001" } else { "000000" };
        assert_eq!(reply(wrong).await.error(), crate::sign_in::mfa::WRONG_CODE);
        assert_eq!(scene.latest().await, "SignIn Fail AccountTakeover Medium [Password:Success Mfa:Failure]");
        let tokens = reply(&code).await.ok()["AuthenticationResult"].clone();
        let passed = "SignIn Pass AccountTakeover Medium [Password:Success Mfa:Failure Mfa:Success]";
        assert_eq!(scene.latest().await, passed);
        assert_eq!(claims(&tokens["AccessToken"])["event_id"], id);
        assert_eq!(scene.events().await.len(), 2);
        // From now on the device is known.
        server.advance(1);
        scene.signs_in(ABROAD, PHONE).await;
    }
}

#[tokio::test]
async fn whoever_has_no_factor_is_let_through_or_refused() {
    let lenient = scene("MFA_IF_CONFIGURED", false).await;
    lenient.signs_in(ABROAD, PHONE).await;
    assert_eq!(lenient.latest().await, "SignIn Pass AccountTakeover Medium [Password:Success]");
    let strict = scene("MFA_REQUIRED", false).await;
    assert_eq!(strict.begin(PASSWORD, ABROAD, PHONE).await.error(), BLOCKED);
    assert_eq!(strict.latest().await, "SignIn Fail Block Medium [Password:Success]");
}

#[tokio::test]
async fn an_app_that_makes_codes_is_asked_for() {
    let scene = scene("MFA_REQUIRED", false).await;
    let tokens = scene.signs_in(HOME, LAPTOP).await;
    let token = json!({"AccessToken": tokens["AccessToken"]});
    let secret = scene.server.call("AssociateSoftwareToken", token.clone()).await.ok()["SecretCode"].clone();
    let code = totp::code(&scene.server, secret.as_str().unwrap(), 0);
    scene.server.call("VerifySoftwareToken", with(token, &json!({"UserCode": code}))).await.ok();
    let asked = scene.begin(PASSWORD, ABROAD, PHONE).await.ok();
    assert_eq!(asked["ChallengeName"], "SOFTWARE_TOKEN_MFA");
}

/// USER_AUTH can aim at a level, which a password alone may reach; the risk wants more.
#[tokio::test]
async fn no_level_leads_around_it() {
    let scene = Scene::new("ENFORCED", json!({}), "OPTIONAL").await;
    scene.configure(actions("MFA_REQUIRED")).await;
    let Scene { server, pool, .. } = &scene;
    let flows = json!({"ExplicitAuthFlows": ["ALLOW_USER_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH"]});
    let client = server.client_id(pool, flows).await;
    let scene = Scene { client, ..scene };
    let attributes = json!([{"Name": "phone_number", "Value": NUMBER}]);
    let request = json!({"UserPoolId": scene.pool, "Username": "alice", "UserAttributes": attributes});
    scene.server.call("AdminUpdateUserAttributes", request).await.ok();
    scene.signs_in(HOME, LAPTOP).await;
    for more in [json!({}), json!({"TARGET_ACR_VALUES": "urn:cognito:loa:1"})] {
        let parameters =
            with(json!({"USERNAME": "alice", "PASSWORD": PASSWORD, "PREFERRED_CHALLENGE": "PASSWORD"}), &more);
        let request = json!({
            "UserPoolId": scene.pool, "ClientId": scene.client, "AuthFlow": "USER_AUTH", "AuthParameters": parameters,
            "ContextData": context(ABROAD, PHONE),
        });
        let asked = scene.server.call("AdminInitiateAuth", request).await.ok();
        assert_eq!(asked["ChallengeName"], "SMS_MFA", "{more}");
    }
}
