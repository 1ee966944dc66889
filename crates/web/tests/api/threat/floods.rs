//! Strangers who want to fill somebody's history: how much they can add to it, and what that changes (triggers-security.md
//! §15.2, §15.4).

use domain::time;
use testkit::{authenticator::Authenticator, triggers::lambda_config};

use super::{
    sign_in::{ABROAD, BLOCKED, HOME, LAPTOP, PASSWORD, PHONE, Scene},
    *,
};
use crate::sign_in::{
    INCORRECT,
    custom::{ALL, functions},
    initiate, respond,
};

const REFUSED: &str = "NotAuthorizedException: Request not allowed due to security reasons.";
/// Wrong guesses that a server takes from an address in an hour.
const MOST: usize = 4;
/// Far more.
const FLOOD: usize = 10;

/// A server that takes few wrong guesses, a pool of it that looks at risks in this mode, with these members besides, a
/// client with these, and alice.
async fn scene(mode: &str, more: Value, client: Value) -> Scene {
    let most = u32::try_from(MOST).unwrap();
    let limited = Server::builder().settings(|settings| settings.limits.wrong_guesses_per_address_and_hour = most);
    let server = limited.start().await;
    let pool = pool(&server, mode, &more).await;
    let client = server.client_id(&pool, client).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
    Scene { server, pool, client }
}

#[tokio::test]
async fn a_blocked_address_leaves_no_more_than_it_may_guess() {
    let scene = scene("ENFORCED", json!({}), json!({})).await;
    let Scene { server, client, .. } = &scene;
    scene.configure(json!({"RiskExceptionConfiguration": {"BlockedIPRangeList": ["127.0.0.0/8"]}})).await;
    for _ in 0..FLOOD {
        let parameters = json!({"USERNAME": "alice", "PASSWORD": PASSWORD});
        assert_eq!(initiate(server, client, "USER_PASSWORD_AUTH", parameters).await.error(), REFUSED);
        let responses = json!({"USERNAME": "alice", "SMS_MFA_CODE": "000000"});
        assert_eq!(respond(server, client, "SMS_MFA", Some(&"x".repeat(20)), responses).await.error(), REFUSED);
    }
    assert_eq!(scene.events().await.len(), MOST);
    assert_eq!(scene.latest().await, "SignIn Fail Block - []");
}

#[tokio::test]
async fn whoever_does_not_know_the_clients_secret_leaves_nothing_at_all() {
    let scene = scene("ENFORCED", json!({}), json!({"GenerateSecret": true})).await;
    scene.configure(json!({"RiskExceptionConfiguration": {"BlockedIPRangeList": ["127.0.0.0/8"]}})).await;
    let parameters = json!({"USERNAME": "alice", "PASSWORD": PASSWORD, "SECRET_HASH": "AAAA"});
    let refused = initiate(&scene.server, &scene.client, "USER_PASSWORD_AUTH", parameters).await;
    assert_eq!(refused.error(), REFUSED);
    assert_eq!(scene.events().await, [] as [Value; 0]);
}

#[tokio::test]
async fn wrong_passkeys_leave_no_more_than_their_address_may_guess() {
    let policies = json!({"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "WEB_AUTHN"]}});
    let flows = json!({"ExplicitAuthFlows": ["ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH"]});
    let scene = scene("AUDIT", json!({"Policies": policies}), flows).await;
    let Scene { server, pool, client } = &scene;
    let configuration = json!({"RelyingPartyId": "auth.example.com"});
    let request = json!({"UserPoolId": pool, "WebAuthnConfiguration": configuration});
    server.call("SetUserPoolMfaConfig", request).await.ok();
    let tokens = server.sign_in(client, "alice", PASSWORD).await.ok();
    let token = &tokens["AuthenticationResult"]["AccessToken"];
    let options = server.call("StartWebAuthnRegistration", json!({"AccessToken": token})).await.ok();
    let mut key = Authenticator::es256(1);
    let credential = key.create(&options["CredentialCreationOptions"], |_| ());
    let request = json!({"AccessToken": token, "Credential": credential});
    server.call("CompleteWebAuthnRegistration", request).await.ok();

    let wanted = json!({"USERNAME": "alice", "PREFERRED_CHALLENGE": "WEB_AUTHN"});
    let challenge = initiate(server, client, "USER_AUTH", wanted).await.ok();
    let options = challenge["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"].as_str().unwrap();
    let options: Value = serde_json::from_str(options).unwrap();
    let session = challenge["Session"].as_str();
    let answer = async |credential: Value| {
        let responses = json!({"USERNAME": "alice", "CREDENTIAL": credential.to_string()});
        respond(server, client, "WEB_AUTHN", session, responses).await
    };
    let before = scene.events().await.len();
    for _ in 0..FLOOD {
        let wrong = key.get(&options, |facts| facts.challenge = "AAAA".to_owned());
        assert_eq!(answer(wrong).await.error(), INCORRECT);
    }
    assert_eq!(scene.events().await.len() - before, MOST);
    // Signatures are not guessed: the right one counts, whatever else came from the address.
    assert!(answer(key.get(&options, |_| ())).await.ok()["AuthenticationResult"].is_object());
    // Passwords are.
    let locked = server.sign_in(client, "alice", PASSWORD).await.error();
    assert_eq!(locked, "NotAuthorizedException: Password attempts exceeded");
}

#[tokio::test]
async fn failed_challenges_of_the_pools_own_leave_no_more_than_their_address_may_guess() {
    let more = json!({
        "LambdaConfig": lambda_config(ALL),
        "UserPoolAddOns": {
            "AdvancedSecurityMode": "AUDIT", "AdvancedSecurityAdditionalFlows": {"CustomAuthMode": "AUDIT"},
        },
    });
    let scene = scene("AUDIT", more, json!({"ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH"]})).await;
    let Scene { server, client, .. } = &scene;
    functions(server);
    for _ in 0..FLOOD {
        let mut asked = initiate(server, client, "CUSTOM_AUTH", json!({"USERNAME": "alice"})).await.ok();
        let refused = loop {
            let responses = json!({"USERNAME": "alice", "ANSWER": "3"});
            let answer = respond(server, client, "CUSTOM_CHALLENGE", asked["Session"].as_str(), responses).await;
            if answer.status != 200 {
                break answer.error();
            }
            asked = answer.ok();
        };
        assert_eq!(refused, INCORRECT);
    }
    assert_eq!(scene.events().await.len(), MOST);
}

/// What a user is known by stays known, however often strangers fail for that user.
#[tokio::test]
async fn sixty_failures_do_not_make_a_stolen_password_less_of_a_risk() {
    for is_marked in [false, true] {
        let scene = Scene::new("ENFORCED", json!({}), "OFF").await;
        scene.signs_in(HOME, LAPTOP).await;
        let risk = async || {
            assert_eq!(scene.begin(PASSWORD, ABROAD, PHONE).await.error(), BLOCKED);
            let event = scene.events().await.remove(0);
            scene.server.advance(1);
            (event["EventRisk"]["RiskLevel"].clone(), event["EventId"].clone())
        };
        let (before, thief) = risk().await;
        if is_marked {
            let request = json!({
                "UserPoolId": scene.pool, "Username": "alice", "EventId": thief, "FeedbackValue": "Invalid"
            });
            scene.server.call("AdminUpdateAuthEventFeedback", request).await.ok();
        }
        let (marked, _) = risk().await;
        assert_eq!(
            (before, &marked),
            (json!("Medium"), &json!(if is_marked { "High" } else { "Medium" })),
            "{is_marked}"
        );
        for _ in 0..60 {
            assert_eq!(scene.begin("Wrong-password-1", "83.0.0.1", LAPTOP).await.error(), INCORRECT);
            // Longer than any lock lasts, and than failures count.
            scene.server.advance(time::HOUR / 1_000);
        }
        assert_eq!(risk().await.0, marked, "{is_marked}");
        // Nor do they keep the user out.
        scene.signs_in(HOME, LAPTOP).await;
        assert_eq!(scene.latest().await, "SignIn Pass NoRisk - [Password:Success]");
    }
}
