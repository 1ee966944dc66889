//! Threat protection in sign-ins (triggers-security.md §15.2, §15.4): what is remembered, and what is done about risks.

mod custom;
mod second_factors;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use testkit::{Answer, both_engines};

use super::*;
use crate::{
    session_tracking::locations::countries,
    sign_in::{INCORRECT, administer, initiate, respond},
};

/// One that nobody has stolen.
pub const PASSWORD: &str = "Quiet-river-bends-7";
/// One that everybody tries.
pub const STOLEN: &str = "Password1!";
pub const BLOCKED: &str = "NotAuthorizedException: Unable to login because of security reasons.";
const REFUSED: &str = "NotAuthorizedException: Request not allowed due to security reasons.";

/// Addresses in Switzerland begin with 81, those in Norway with 82.
pub const HOME: &str = "81.2.69.160";
pub const ABROAD: &str = "82.0.0.1";
/// What devices say that they are.
pub const LAPTOP: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0.0.0 Safari/537.36";
pub const PHONE: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// A pool that looks at risks, a client of it, and alice.
pub struct Scene {
    pub server: Server,
    pub pool: String,
    pub client: String,
}

impl Scene {
    /// With these members of the pool; `mfa` is its MFA configuration.
    pub async fn new(mode: &str, more: Value, mfa: &str) -> Self {
        let places = countries(&[(81, "Switzerland"), (82, "Norway")]);
        let server = Server::builder().settings(|settings| settings.locations = places).start().await;
        let sms = json!({"SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"}});
        let pool = pool(&server, mode, &with(sms, &more)).await;
        if mfa != "OFF" {
            let config = json!({
                "UserPoolId": pool, "MfaConfiguration": mfa, "SoftwareTokenMfaConfiguration": {"Enabled": true},
                "SmsMfaConfiguration": {"SmsAuthenticationMessage": "{####}"},
            });
            server.call("SetUserPoolMfaConfig", config).await.ok();
        }
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
        Self { server, pool, client }
    }

    /// SetRiskConfiguration.
    pub async fn configure(&self, members: Value) {
        let request = with(json!({"UserPoolId": self.pool}), &members);
        self.server.call("SetRiskConfiguration", request).await.ok();
    }

    /// AdminInitiateAuth for a user who is there with that device.
    pub async fn begin(&self, password: &str, address: &str, device: &str) -> Answer {
        let request = json!({
            "UserPoolId": self.pool, "ClientId": self.client, "AuthFlow": "ADMIN_USER_PASSWORD_AUTH",
            "AuthParameters": {"USERNAME": "alice", "PASSWORD": password},
            "ContextData": context(address, device),
        });
        self.server.call("AdminInitiateAuth", request).await
    }

    /// The same of a sign-in that leads to tokens; a second later.
    pub async fn signs_in(&self, address: &str, device: &str) -> Value {
        let answer = self.begin(PASSWORD, address, device).await.ok();
        self.server.advance(1);
        answer["AuthenticationResult"].clone()
    }

    /// The user's events, the newest first.
    pub async fn events(&self) -> Vec<Value> {
        let request = json!({"UserPoolId": self.pool, "Username": "alice"});
        let listed = self.server.call("AdminListUserAuthEvents", request).await.ok();
        listed["AuthEvents"].as_array().unwrap().clone()
    }

    /// Type, outcome, decision, level and challenges of the newest event, as one line.
    pub async fn latest(&self) -> String {
        told(&self.events().await[0])
    }
}

/// An event as one line.
pub fn told(event: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let risk = &event["EventRisk"];
    let challenges = event["ChallengeResponses"].as_array().unwrap().iter();
    let challenges: Vec<String> = challenges
        .map(|answered| format!("{}:{}", text(&answered["ChallengeName"]), text(&answered["ChallengeResponse"])))
        .collect();
    let stolen = if risk["CompromisedCredentialsDetected"] == true { " stolen" } else { "" };
    format!(
        "{} {} {} {}{stolen} [{}]",
        text(&event["EventType"]),
        text(&event["EventResponse"]),
        text(&risk["RiskDecision"]),
        text(&risk["RiskLevel"]),
        challenges.join(" ")
    )
}

pub fn context(address: &str, device: &str) -> Value {
    json!({
        "IpAddress": address, "ServerName": "app.example.com", "ServerPath": "/login",
        "HttpHeaders": [{"headerName": "User-Agent", "headerValue": device}],
    })
}

pub fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn a_sign_in_is_remembered_under_the_id_in_its_tokens() {
    both_engines(async |server| {
        let pool = pool(&server, "AUDIT", &json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        let tokens = server.sign_in(&client, "alice", PASSWORD).await.ok()["AuthenticationResult"].clone();
        let id = claims(&tokens["AccessToken"])["event_id"].clone();
        assert_eq!(claims(&tokens["IdToken"])["event_id"], id);
        // Refreshed tokens point to the sign-in.
        let refresh = json!({"REFRESH_TOKEN": tokens["RefreshToken"]});
        let refreshed = initiate(&server, &client, "REFRESH_TOKEN_AUTH", refresh).await.ok();
        assert_eq!(claims(&refreshed["AuthenticationResult"]["AccessToken"])["event_id"], id);
        let request = json!({"UserPoolId": pool, "Username": "alice"});
        let mut listed = server.call("AdminListUserAuthEvents", request).await.ok();
        assert_eq!(listed["AuthEvents"][0]["EventId"], id);
        listed["AuthEvents"][0]["EventId"] = json!("[id]");
        insta::allow_duplicates! { insta::assert_json_snapshot!(listed, @r#"
        {
          "AuthEvents": [
            {
              "EventId": "[id]",
              "EventType": "SignIn",
              "CreationDate": 1767323045.0,
              "EventResponse": "Pass",
              "EventRisk": {
                "RiskDecision": "NoRisk",
                "CompromisedCredentialsDetected": false
              },
              "ChallengeResponses": [
                {
                  "ChallengeName": "Password",
                  "ChallengeResponse": "Success"
                }
              ],
              "EventContextData": {
                "IpAddress": "127.0.0.1",
                "DeviceName": "Other, Other",
                "City": "null",
                "Country": "null"
              }
            }
          ]
        }
        "#) };
    })
    .await;
}

#[tokio::test]
async fn nothing_is_remembered_while_it_is_off() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, json!({})).await;
    let sub = server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
    server.sign_in(&client, "alice", PASSWORD).await.ok();
    assert_eq!(server.sign_in(&client, "alice", "Wrong-password-1").await.error(), INCORRECT);
    let parts = server.app.store.user_part_documents(&pool, &sub, 10).await.unwrap();
    assert!(parts.is_empty(), "{parts:?}");
}

#[tokio::test]
async fn wrong_passwords_are_remembered_and_requests_without_an_answer_are_not() {
    let scene = Scene::new("AUDIT", json!({}), "OFF").await;
    let Scene { server, client, .. } = &scene;
    assert_eq!(scene.begin("Wrong-password-1", HOME, LAPTOP).await.error(), INCORRECT);
    assert_eq!(scene.latest().await, "SignIn Fail NoRisk - [Password:Failure]");
    // Nothing was answered.
    initiate(server, client, "USER_SRP_AUTH", testkit::srp::initiate(client, "alice")["AuthParameters"].clone())
        .await
        .ok();
    initiate(server, client, "USER_AUTH", json!({"USERNAME": "alice"})).await;
    assert_eq!(initiate(server, client, "USER_PASSWORD_AUTH", json!({"USERNAME": "alice"})).await.status, 400);
    assert_eq!(scene.events().await.len(), 1);
    // While the user is locked, nothing is looked at.
    for _ in 0..9 {
        assert_eq!(scene.begin("Wrong-password-1", HOME, LAPTOP).await.status, 400);
    }
    assert_eq!(scene.events().await.len(), 5);
}

#[tokio::test]
async fn a_proof_of_a_password_is_remembered_as_one() {
    let scene = Scene::new("AUDIT", json!({}), "OFF").await;
    let Scene { server, pool, client } = &scene;
    let srp = testkit::srp::SignIn::start(server, client, pool, "alice", "Wrong-password-1").await;
    assert_eq!(srp.finish(server).await.error(), INCORRECT);
    assert_eq!(scene.latest().await, "SignIn Fail NoRisk - [Password:Failure]");
    server.advance(1);
    let srp = testkit::srp::SignIn::start(server, client, pool, "alice", PASSWORD).await;
    srp.finish(server).await.ok();
    assert_eq!(scene.latest().await, "SignIn Pass NoRisk - [Password:Success]");
}

#[tokio::test]
async fn a_risky_sign_in_is_refused_where_that_is_enforced() {
    let scene = Scene::new("ENFORCED", json!({}), "OFF").await;
    scene.signs_in(HOME, LAPTOP).await;
    // Who travels, and who has a new device at home, is none.
    scene.signs_in(ABROAD, LAPTOP).await;
    scene.signs_in(HOME, PHONE).await;
    let scene = Scene::new("ENFORCED", json!({}), "OFF").await;
    scene.signs_in(HOME, LAPTOP).await;
    assert_eq!(scene.begin(PASSWORD, ABROAD, PHONE).await.error(), BLOCKED);
    assert_eq!(scene.latest().await, "SignIn Fail Block Medium [Password:Success]");
    let event = scene.events().await.remove(0);
    assert_eq!(event["EventContextData"]["Country"], "Norway");
    // The user says that it was him.
    let request = json!({
        "UserPoolId": scene.pool, "Username": "alice", "EventId": event["EventId"], "FeedbackValue": "Valid"
    });
    scene.server.call("AdminUpdateAuthEventFeedback", request).await.ok();
    scene.signs_in(ABROAD, PHONE).await;
    assert_eq!(scene.latest().await, "SignIn Pass NoRisk - [Password:Success]");
}

#[tokio::test]
async fn a_risk_is_only_remembered_where_that_is_all() {
    let scene = Scene::new("AUDIT", json!({}), "OFF").await;
    scene.signs_in(HOME, LAPTOP).await;
    scene.signs_in(ABROAD, PHONE).await;
    assert_eq!(scene.latest().await, "SignIn Pass AccountTakeover Medium [Password:Success]");
}

#[tokio::test]
async fn what_is_done_depends_on_the_level_and_on_the_client() {
    let scene = Scene::new("ENFORCED", json!({}), "OFF").await;
    let takeover = |action: &str| {
        let action = json!({"Notify": false, "EventAction": action});
        json!({"AccountTakeoverRiskConfiguration": {"Actions": {"MediumAction": action}}})
    };
    scene.configure(takeover("NO_ACTION")).await;
    scene.signs_in(HOME, LAPTOP).await;
    scene.signs_in(ABROAD, PHONE).await;
    assert_eq!(scene.latest().await, "SignIn Pass AccountTakeover Medium [Password:Success]");
    let scene = Scene::new("ENFORCED", json!({}), "OFF").await;
    scene.configure(takeover("NO_ACTION")).await;
    scene.configure(with(takeover("BLOCK"), &json!({"ClientId": scene.client}))).await;
    scene.signs_in(HOME, LAPTOP).await;
    assert_eq!(scene.begin(PASSWORD, ABROAD, PHONE).await.error(), BLOCKED);
}

#[tokio::test]
async fn addresses_are_refused_or_left_alone() {
    let scene = Scene::new("ENFORCED", json!({}), "OFF").await;
    scene.configure(json!({"RiskExceptionConfiguration": {"BlockedIPRangeList": ["82.0.0.0/8"]}})).await;
    assert_eq!(scene.begin(PASSWORD, ABROAD, LAPTOP).await.error(), REFUSED);
    assert_eq!(scene.latest().await, "SignIn Fail Block - []");
    // It does not matter what the password is, or whether there is such a user.
    assert_eq!(scene.begin("Wrong-password-1", ABROAD, LAPTOP).await.error(), REFUSED);
    let request = json!({
        "UserPoolId": scene.pool, "ClientId": scene.client, "AuthFlow": "ADMIN_USER_PASSWORD_AUTH",
        "AuthParameters": {"USERNAME": "nobody", "PASSWORD": PASSWORD}, "ContextData": context(ABROAD, LAPTOP),
    });
    assert_eq!(scene.server.call("AdminInitiateAuth", request).await.error(), REFUSED);
    scene.signs_in(HOME, LAPTOP).await;
    scene.configure(json!({"RiskExceptionConfiguration": {"SkippedIPRangeList": ["82.0.0.0/8"]}})).await;
    scene.signs_in(ABROAD, PHONE).await;
    assert_eq!(scene.latest().await, "SignIn Pass NoRisk - [Password:Success]");
}

/// AdminSetUserPassword takes what anybody could have; only the sign-in shows it.
#[tokio::test]
async fn whoever_signs_in_with_a_stolen_password_has_to_replace_it() {
    const RESET: &str = "PasswordResetRequiredException: Password reset required for user due to security reasons";
    for (mode, flow) in
        [("ENFORCED", "USER_PASSWORD_AUTH"), ("AUDIT", "USER_PASSWORD_AUTH"), ("ENFORCED", "USER_SRP_AUTH")]
    {
        let scene = Scene::new(mode, json!({"AutoVerifiedAttributes": ["email"]}), "OFF").await;
        let Scene { server, pool, client } = &scene;
        let verified = json!([{"Name": "email_verified", "Value": "true"}]);
        let request = json!({"UserPoolId": pool, "Username": "alice", "UserAttributes": verified});
        server.call("AdminUpdateUserAttributes", request).await.ok();
        crate::sign_in::set_password(server, pool, "alice", STOLEN, true).await;
        if flow == "USER_SRP_AUTH" {
            // Nobody sees the password.
            let srp = testkit::srp::SignIn::start(server, client, pool, "alice", STOLEN).await;
            srp.finish(server).await.ok();
            assert_eq!(scene.latest().await, "SignIn Pass NoRisk - [Password:Success]");
            continue;
        }
        let signed_in = server.sign_in(client, "alice", STOLEN).await;
        if mode == "AUDIT" {
            signed_in.ok();
            assert_eq!(scene.latest().await, "SignIn Pass NoRisk - stolen [Password:Success]");
            continue;
        }
        assert_eq!(signed_in.error(), RESET);
        assert_eq!(scene.latest().await, "SignIn Fail Block - stolen [Password:Success]");
        let user = server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": "alice"})).await.ok();
        assert_eq!(user["UserStatus"], "RESET_REQUIRED");
        // Only whoever has the mail box gets on.
        server.call("ForgotPassword", json!({"ClientId": client, "Username": "alice"})).await.ok();
        let code = server.last_code(pool, "alice").await;
        let confirm = |password: &str| json!({"ClientId": client, "Username": "alice", "ConfirmationCode": code, "Password": password});
        let refused = server.call("ConfirmForgotPassword", confirm("Password1!")).await.error();
        assert_eq!(refused, "InvalidPasswordException: Provided password cannot be used for security reasons.");
        server.call("ConfirmForgotPassword", confirm(PASSWORD)).await.ok();
        server.sign_in(client, "alice", PASSWORD).await.ok();
    }
}

/// The temporary password may be a stolen one, since it is replaced; the new one may not.
#[tokio::test]
async fn a_temporary_password_is_replaced_by_one_that_nobody_has_stolen() {
    let scene = Scene::new("ENFORCED", json!({}), "OFF").await;
    let Scene { server, pool, client } = &scene;
    crate::sign_in::set_password(server, pool, "alice", STOLEN, false).await;
    let challenge = server.sign_in(client, "alice", STOLEN).await.ok();
    let session = challenge["Session"].as_str().unwrap();
    let reply = async |password: &str| {
        let responses = json!({"USERNAME": "alice", "NEW_PASSWORD": password});
        respond(server, client, "NEW_PASSWORD_REQUIRED", Some(session), responses).await
    };
    let refused = reply("P@ssw0rd1!").await.error();
    assert_eq!(refused, "InvalidPasswordException: Provided password cannot be used for security reasons.");
    reply(PASSWORD).await.ok();
    // One event for both steps.
    assert_eq!(scene.latest().await, "SignIn Pass NoRisk - stolen [Password:Success]");
    assert_eq!(scene.events().await.len(), 1);
}

#[tokio::test]
async fn whoever_is_deleted_meanwhile_leaves_nothing_behind() {
    let scene = Scene::new("AUDIT", json!({}), "OFF").await;
    let Scene { server, pool, client } = &scene;
    let sub = claims(&scene.signs_in(HOME, LAPTOP).await["AccessToken"])["sub"].as_str().unwrap().to_owned();
    // The sign-in commits what it is remembered by at last.
    let (_, ()) = server
        .overtaken(1, server.sign_in(client, "alice", PASSWORD), async {
            administer(&server.twin().await, "AdminDeleteUser", pool, "alice").await;
        })
        .await;
    let parts = server.app.store.user_part_documents(pool, &sub, 10).await.unwrap();
    assert!(parts.is_empty(), "{parts:?}");
}
