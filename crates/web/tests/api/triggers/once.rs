//! Functions are called once a message or decision, however often an operation decides anew (triggers-security.md §3).
//!
//! Each function here changes what the operation rests on while it is called, so that the operation meets a conflict.

use super::*;
use crate::attributes::access_token;

/// A server whose functions may use it.
async fn shared() -> Arc<Server> {
    Arc::new(Server::memory().await)
}

/// A function that sends this request, once, before it answers.
fn interferes(server: &Arc<Server>, told: &Told, trigger: &str, operation: &'static str, request: Value) {
    let (told, caller) = (told.clone(), server.clone());
    let first = Arc::new(Mutex::new(true));
    server.slow_function(
        &arn(trigger),
        Arc::new(move |event| {
            told.push(event.clone());
            let is_first = std::mem::take(&mut *first.lock().unwrap());
            let (server, request) = (caller.clone(), request.clone());
            Box::pin(async move {
                if is_first {
                    server.call(operation, request).await.ok();
                }
                Ok(event.to_string())
            })
        }),
    );
}

fn conflicts(server: &Server) -> u64 {
    server.app.metrics.conflicts.get()
}

#[tokio::test]
async fn a_conflict_does_not_call_custom_message_again() {
    for operation in [
        "ResendConfirmationCode",
        "ForgotPassword",
        "AdminResetUserPassword",
        "GetUserAttributeVerificationCode",
        "UpdateUserAttributes",
        "AdminUpdateUserAttributes",
    ] {
        let server = shared().await;
        let (pool, client, told) = scene(&server, &["CustomMessage"], json!({})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
        server.call("SignUp", sign_up(&client, "bob", &[("email", "bob@example.com")])).await.ok();
        let token = access_token(&server, &client, "alice").await;
        let phone = list(&[("phone_number", "+12065550100")]);
        let name = list(&[("name", "Alice")]);
        let of_alice = |members: Value| crate::pools::with(json!({"UserPoolId": pool, "Username": "alice"}), &members);
        let rename = ("AdminUpdateUserAttributes", of_alice(json!({"UserAttributes": name})));
        let of_client = |name: &str| json!({"ClientId": client, "Username": name});
        let request = match operation {
            "ResendConfirmationCode" => of_client("bob"),
            "ForgotPassword" => of_client("alice"),
            "GetUserAttributeVerificationCode" => json!({"AccessToken": token, "AttributeName": "email"}),
            "UpdateUserAttributes" => json!({"AccessToken": token, "UserAttributes": phone}),
            "AdminResetUserPassword" => of_alice(json!({})),
            _ => of_alice(json!({"UserAttributes": phone})),
        };
        // What is counted is changed by the same request, and a user by a change of the name.
        let counts =
            !matches!(operation, "UpdateUserAttributes" | "AdminUpdateUserAttributes" | "AdminResetUserPassword");
        let (by, with) = if counts { (operation, request.clone()) } else { rename };
        told.take();
        interferes(&server, &told, "CustomMessage", by, with);
        let before = conflicts(&server);
        server.call(operation, request).await.ok();
        assert_eq!(conflicts(&server), before + 1, "{operation}");
        assert_eq!(told.take().len(), if counts { 2 } else { 1 }, "{operation}");
    }
}

/// The user changes while PreAuthentication is asked about the sign-in that follows a sign-up.
#[tokio::test]
async fn a_conflict_does_not_call_pre_authentication_again() {
    let server = shared().await;
    let members = json!({"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}}});
    let (pool, _, told) = scene(&server, &["PreAuthentication"], members).await;
    let client = server.client_id(&pool, json!({"ExplicitAuthFlows": ["ALLOW_USER_AUTH"]})).await;
    server.call("SignUp", sign_up(&client, "bob", &[("email", "bob@example.com")])).await.ok();
    let code = server.last_code(&pool, "bob").await;
    let request = json!({"ClientId": client, "Username": "bob", "ConfirmationCode": code});
    let session = server.call("ConfirmSignUp", request).await.ok()["Session"].clone();
    let rename = json!({"UserPoolId": pool, "Username": "bob", "UserAttributes": list(&[("name", "Bob")])});
    interferes(&server, &told, "PreAuthentication", "AdminUpdateUserAttributes", rename);
    let before = conflicts(&server);
    let request = json!({"AuthFlow": "USER_AUTH", "ClientId": client, "Session": session, "AuthParameters": {}});
    let answer = server.call("InitiateAuth", request).await.ok();
    assert!(answer["AuthenticationResult"]["AccessToken"].is_string(), "{answer}");
    assert_eq!(conflicts(&server), before + 1);
    assert_eq!(told.sources(), ["PreAuthentication_Authentication"]);
}

/// While PreSignUp is asked, whoever has the alias that moves is changed; and once more while CustomMessage is.
#[tokio::test]
async fn a_conflict_does_not_call_pre_sign_up_again() {
    let server = shared().await;
    let (pool, client, told) =
        scene(&server, &["PreSignUp", "CustomMessage"], json!({"AliasAttributes": ["email"]})).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "a@example.com"})).await;
    let rename = json!({"UserPoolId": pool, "Username": "alice", "UserAttributes": list(&[("name", "Alice")])});
    told.take();
    responds(&server, &told, "PreSignUp", |_| json!({"autoVerifyEmail": true}));
    interferes(&server, &told, "CustomMessage", "AdminUpdateUserAttributes", rename.clone());
    let before = conflicts(&server);
    let signed_up = server.call("SignUp", sign_up(&client, "bob", &[("email", "a@example.com")])).await.ok();
    assert_eq!(conflicts(&server), before + 1);
    let events = told.take();
    let sources: Vec<_> = events.iter().map(|event| event["triggerSource"].clone()).collect();
    assert_eq!(sources, ["PreSignUp_SignUp", "CustomMessage_SignUp"]);
    // The user that they were told of is the one that there is.
    assert_eq!(events[1]["request"]["userAttributes"]["sub"], signed_up["UserSub"]);
    assert_eq!(shown(&server, &pool, "a@example.com").await["sub"], signed_up["UserSub"]);

    interferes(
        &server,
        &told,
        "PreSignUp",
        "AdminUpdateUserAttributes",
        json!({
            "UserPoolId": pool, "Username": "bob", "UserAttributes": list(&[("name", "Bob")]),
        }),
    );
    let create = json!({
        "UserPoolId": pool, "Username": "carol", "MessageAction": "SUPPRESS", "ForceAliasCreation": true,
        "UserAttributes": list(&[("email", "a@example.com"), ("email_verified", "true")]),
    });
    let before = conflicts(&server);
    let created = server.call("AdminCreateUser", create).await.ok();
    assert_eq!(conflicts(&server), before + 1);
    assert_eq!(told.sources(), ["PreSignUp_AdminCreateUser"]);
    let sub = created["User"]["Attributes"].as_array().unwrap().iter().find(|one| one["Name"] == "sub").unwrap();
    assert_eq!(shown(&server, &pool, "a@example.com").await["sub"], sub["Value"]);
}
