//! How risk is judged, and stolen passwords (triggers-security.md §15.2).

use service::threat::StolenPasswords;

use super::{
    context::encoded_data,
    sign_in::{ABROAD, BLOCKED, HOME, LAPTOP, PASSWORD, PHONE, STOLEN, Scene, context, told},
    *,
};
use crate::sign_in::INCORRECT;

const REFUSED: &str = "InvalidPasswordException: Provided password cannot be used for security reasons.";

/// A sign-in with a device that has this id; the decision and the level of its risk.
async fn with_device(scene: &Scene, address: &str, id: &str) -> String {
    let data = encoded_data(&scene.client, &json!({"UserAgent": LAPTOP, "DeviceId": id}));
    let request = json!({
        "UserPoolId": scene.pool, "ClientId": scene.client, "AuthFlow": "ADMIN_USER_PASSWORD_AUTH",
        "AuthParameters": {"USERNAME": "alice", "PASSWORD": PASSWORD},
        "ContextData": with(context(address, PHONE), &json!({"EncodedData": data})),
    });
    scene.server.call("AdminInitiateAuth", request).await.ok();
    scene.server.advance(1);
    scene.latest().await
}

async fn judge(scene: &Scene, event: &Value, value: &str) {
    let request = json!({
        "UserPoolId": scene.pool, "Username": "alice", "EventId": event["EventId"], "FeedbackValue": value
    });
    scene.server.call("AdminUpdateAuthEventFeedback", request).await.ok();
}

#[tokio::test]
async fn devices_are_known_by_their_ids_until_they_are_marked() {
    const NO_RISK: &str = "SignIn Pass NoRisk - [Password:Success]";
    const HIGH: &str = "SignIn Pass AccountTakeover High [Password:Success]";
    let scene = Scene::new("AUDIT", json!({}), "OFF").await;
    assert_eq!(with_device(&scene, HOME, "mine").await, NO_RISK);
    assert_eq!(with_device(&scene, ABROAD, "mine").await, NO_RISK);
    // Another device of the same name, in a third network.
    assert_eq!(with_device(&scene, "82.7.7.7", "other").await, NO_RISK);
    let other = scene.events().await.remove(0);
    judge(&scene, &other, "Invalid").await;
    assert_eq!(with_device(&scene, HOME, "other").await, HIGH);
    assert_eq!(with_device(&scene, "82.7.7.8", "third").await, HIGH);
    assert_eq!(with_device(&scene, "82.7.7.8", "mine").await, NO_RISK);
    judge(&scene, &other, "Valid").await;
    assert_eq!(with_device(&scene, "82.8.8.8", "other").await, NO_RISK);
}

#[tokio::test]
async fn guesses_before_the_right_password_raise_the_risk() {
    let scene = Scene::new("ENFORCED", json!({}), "OFF").await;
    scene.signs_in(HOME, LAPTOP).await;
    for _ in 0..5 {
        assert_eq!(scene.begin("Wrong-password-1", ABROAD, PHONE).await.error(), INCORRECT);
        scene.server.advance(60);
    }
    assert_eq!(scene.begin(PASSWORD, ABROAD, PHONE).await.error(), BLOCKED);
    assert_eq!(scene.latest().await, "SignIn Fail Block High [Password:Success]");
    // At home that is nobody's fault.
    scene.signs_in(HOME, LAPTOP).await;
}

/// What chooses a password: its answer, and the newest event of alice.
async fn choose(scene: &Scene, operation: &str, password: &str) -> (Result<(), String>, String) {
    let Scene { server, pool, client } = scene;
    let request = match operation {
        "ChangePassword" => {
            let tokens = scene.signs_in(HOME, LAPTOP).await;
            json!({
                "AccessToken": tokens["AccessToken"], "PreviousPassword": PASSWORD, "ProposedPassword": password,
            })
        }
        "ConfirmForgotPassword" => {
            server.call("ForgotPassword", json!({"ClientId": client, "Username": "alice"})).await.ok();
            server.advance(1);
            let code = server.last_code(pool, "alice").await;
            json!({"ClientId": client, "Username": "alice", "ConfirmationCode": code, "Password": password})
        }
        _ => json!({"ClientId": client, "Username": "bob", "Password": password}),
    };
    let answer = server.call(operation, request).await;
    server.advance(1);
    let outcome = if answer.status == 200 { Ok(()) } else { Err(answer.error()) };
    let username = if operation == "SignUp" { "bob" } else { "alice" };
    let listed = server.call("AdminListUserAuthEvents", json!({"UserPoolId": pool, "Username": username})).await;
    let event = if listed.status == 200 { told(&listed.ok()["AuthEvents"][0]) } else { listed.error() };
    (outcome, event)
}

#[tokio::test]
async fn a_stolen_password_is_not_chosen_where_that_is_enforced() {
    let refused = || Err(REFUSED.to_owned());
    let filter = |occasions: &[&str], action: &str| json!({"CompromisedCredentialsRiskConfiguration": {"EventFilter": occasions, "Actions": {"EventAction": action}}});
    let no_user = "UserNotFoundException: User does not exist.";
    for (operation, mode, configuration, password, outcome, event) in [
        ("SignUp", "ENFORCED", json!({}), STOLEN, refused(), no_user),
        ("SignUp", "AUDIT", json!({}), STOLEN, Ok(()), "SignUp Pass NoRisk - stolen []"),
        ("SignUp", "ENFORCED", json!({}), "Cedar-7-lantern", Ok(()), "SignUp Pass NoRisk - []"),
        ("SignUp", "ENFORCED", filter(&["SIGN_IN"], "BLOCK"), STOLEN, Ok(()), "SignUp Pass NoRisk - []"),
        ("SignUp", "ENFORCED", filter(&["SIGN_UP"], "NO_ACTION"), STOLEN, Ok(()), "SignUp Pass NoRisk - stolen []"),
        ("ChangePassword", "ENFORCED", json!({}), STOLEN, refused(), "PasswordChange Fail Block - stolen []"),
        ("ChangePassword", "AUDIT", json!({}), STOLEN, Ok(()), "PasswordChange Pass NoRisk - stolen []"),
        ("ChangePassword", "ENFORCED", json!({}), "Cedar-7-lantern", Ok(()), "PasswordChange Pass NoRisk - []"),
        ("ConfirmForgotPassword", "ENFORCED", json!({}), STOLEN, refused(), "PasswordChange Fail Block - stolen []"),
        ("ConfirmForgotPassword", "AUDIT", json!({}), STOLEN, Ok(()), "PasswordChange Pass NoRisk - stolen []"),
        (
            "ConfirmForgotPassword",
            "ENFORCED",
            filter(&["SIGN_UP", "SIGN_IN"], "BLOCK"),
            STOLEN,
            Ok(()),
            "PasswordChange Pass NoRisk - []",
        ),
    ] {
        let scene = Scene::new(mode, json!({"AutoVerifiedAttributes": ["email"]}), "OFF").await;
        if configuration != json!({}) {
            scene.configure(configuration.clone()).await;
        }
        let found = choose(&scene, operation, password).await;
        assert_eq!(found, (outcome, event.to_owned()), "{operation} {mode} {configuration} {password}");
    }
}

#[tokio::test]
async fn whoever_does_not_look_at_risks_takes_any_password() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, json!({})).await;
    let request = json!({"ClientId": client, "Username": "bob", "Password": STOLEN});
    server.call("SignUp", request).await.ok();
}

#[tokio::test]
async fn the_operators_list_is_looked_up_and_may_fail() {
    const UNUSUAL: &str = "Cedar-7-lantern";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pwned.txt");
    let mut hashes: Vec<_> = (0..5_000_u32).map(|number| crypto::hash::sha1_hex(&number.to_be_bytes())).collect();
    hashes.push(crypto::hash::sha1_hex(UNUSUAL.as_bytes()));
    hashes.sort();
    std::fs::write(&path, hashes.join(":3\r\n") + ":1\r\n").unwrap();
    let stolen = StolenPasswords::open(&path).unwrap();
    let server = Server::builder().settings(|settings| settings.stolen_passwords = stolen).start().await;
    let pool = pool(&server, "ENFORCED", &json!({})).await;
    let client = server.client_id(&pool, json!({})).await;
    let sign_up = async |username: &str, password: &str| {
        server.call("SignUp", json!({"ClientId": client, "Username": username, "Password": password})).await
    };
    assert_eq!(sign_up("bob", UNUSUAL).await.error(), REFUSED);
    sign_up("bob", "Cedar-8-lantern").await.ok();
    // A list that cannot be read keeps nobody out, and what everybody tries is known without it.
    std::fs::remove_file(&path).unwrap();
    sign_up("carol", UNUSUAL).await.ok();
    assert_eq!(sign_up("dave", STOLEN).await.error(), REFUSED);
}
