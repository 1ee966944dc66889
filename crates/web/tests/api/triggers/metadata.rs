//! ClientMetadata: which functions are told it, and which are not (triggers-security.md §4.2).

use super::*;
use crate::attributes::access_token;

const TRIGGERS: [&str; 3] = ["PreSignUp", "PostConfirmation", "CustomMessage"];

/// Sources of the next events, so many of them: with a plus, where the function was told the metadata, or a minus.
async fn told_metadata(told: &Told, number: usize) -> Vec<String> {
    let metadata = json!({"who": "knows"});
    let mut sources = Vec::new();
    for event in told.next(number).await {
        let request = &event["request"];
        let given = request.get("clientMetadata").filter(|given| !given.is_null());
        if let Some(given) = given {
            assert_eq!(*given, metadata, "{event}");
        }
        let mark = if given.is_some() { "+" } else { "-" };
        sources.push(format!("{mark}{}", event["triggerSource"].as_str().unwrap()));
    }
    sources
}

#[tokio::test]
async fn functions_are_told_what_is_meant_for_them() {
    let mut server = Server::memory().await;
    let (pool, client, told) = scene(&server, &TRIGGERS, json!({})).await;
    let (with_senders, of_senders, told_senders) =
        scene(&server, &["CustomEmailSender", "CustomSMSSender"], json!({})).await;
    server.send_messages();
    for (pool, client, told, are_senders) in
        [(&pool, &client, &told, false), (&with_senders, &of_senders, &told_senders, true)]
    {
        // Everybody is there first, and nobody is told of that.
        for name in ["resender", "confirmer", "approved"] {
            server.call("SignUp", sign_up(client, name, &[("email", "a@example.com")])).await.ok();
        }
        for name in ["forgetter", "updater", "updated", "reset"] {
            server.confirmed_user(pool, name, PASSWORD, json!({"email": "a@example.com"})).await;
        }
        let token = access_token(&server, client, "updater").await;
        let of_client = |name: &str, members: Value| {
            crate::pools::with(json!({"ClientId": client, "Username": name, "Password": PASSWORD}), &members)
        };
        let of_pool =
            |name: &str, members: Value| crate::pools::with(json!({"UserPoolId": pool, "Username": name}), &members);
        let email = |address: &str| list(&[("email", address)]);
        let mut code = server.last_code(pool, "confirmer").await;
        // Three codes, and for the first functions seven new users besides.
        told_metadata(told, if are_senders { 3 } else { 10 }).await;
        for (operation, request, expected, expected_senders) in [
            (
                "SignUp",
                of_client("new", json!({"UserAttributes": email("new@example.com")})),
                &["+PreSignUp_SignUp", "+CustomMessage_SignUp"][..],
                &["+CustomEmailSender_SignUp"][..],
            ),
            (
                "AdminCreateUser",
                of_pool(
                    "created",
                    json!({"UserAttributes": email("c@example.com"), "DesiredDeliveryMediums": ["EMAIL"]}),
                ),
                &["+PreSignUp_AdminCreateUser", "-CustomMessage_AdminCreateUser"],
                &["-CustomEmailSender_AdminCreateUser"],
            ),
            (
                "ResendConfirmationCode",
                of_client("resender", json!({})),
                &["+CustomMessage_ResendCode"],
                &["-CustomEmailSender_ResendCode"],
            ),
            ("ConfirmSignUp", of_client("confirmer", json!({})), &["+PostConfirmation_ConfirmSignUp"], &[]),
            ("AdminConfirmSignUp", of_pool("approved", json!({})), &["+PostConfirmation_ConfirmSignUp"], &[]),
            (
                "ForgotPassword",
                of_client("forgetter", json!({})),
                &["+CustomMessage_ForgotPassword"],
                &["+CustomEmailSender_ForgotPassword"],
            ),
            (
                "ConfirmForgotPassword",
                of_client("forgetter", json!({})),
                &["+PostConfirmation_ConfirmForgotPassword"],
                &[],
            ),
            (
                "AdminResetUserPassword",
                of_pool("reset", json!({})),
                &["+CustomMessage_ForgotPassword"],
                &["-CustomEmailSender_ForgotPassword"],
            ),
            (
                "GetUserAttributeVerificationCode",
                json!({"AccessToken": token, "AttributeName": "email"}),
                &["+CustomMessage_VerifyUserAttribute"],
                &["-CustomEmailSender_VerifyUserAttribute"],
            ),
            (
                "UpdateUserAttributes",
                json!({"AccessToken": token, "UserAttributes": email("u@example.com")}),
                &["+CustomMessage_UpdateUserAttribute"],
                &["-CustomEmailSender_UpdateUserAttribute"],
            ),
            (
                "AdminUpdateUserAttributes",
                of_pool("updated", json!({"UserAttributes": email("v@example.com")})),
                &["+CustomMessage_UpdateUserAttribute"],
                &["-CustomEmailSender_UpdateUserAttribute"],
            ),
        ] {
            let mut request = crate::pools::with(request, &json!({"ClientMetadata": {"who": "knows"}}));
            if operation.starts_with("Confirm") {
                request["ConfirmationCode"] = json!(code);
            }
            server.call(operation, request).await.ok();
            if operation == "ForgotPassword" {
                code = server.last_code(pool, "forgetter").await;
            }
            let expected = if are_senders { expected_senders } else { expected };
            assert_eq!(told_metadata(told, expected.len()).await, expected, "{operation}");
        }
    }
    server.stop_jobs().await;
}

/// A pool that takes codes by mail as the first factor, with these functions; a client of it that may use them, and the
/// confirmed user alice.
async fn by_code(server: &Server, triggers: &[&str]) -> (String, String, Told) {
    let members = json!({"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}}});
    let (pool, _, told) = scene(server, triggers, members).await;
    let flows = json!({"ExplicitAuthFlows": ["ALLOW_USER_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]});
    let client = server.client_id(&pool, flows).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "a@example.com"})).await;
    told.take();
    (pool, client, told)
}

#[tokio::test]
async fn functions_of_a_sign_in_are_told_what_is_meant_for_them() {
    let mut server = Server::memory().await;
    server.send_messages();
    for (trigger, begins, answers, administrator_answers) in [
        (
            "CustomMessage",
            "-CustomMessage_Authentication",
            "-CustomMessage_Authentication",
            "+CustomMessage_Authentication",
        ),
        (
            "CustomEmailSender",
            "-CustomEmailSender_Authentication",
            "+CustomEmailSender_Authentication",
            "+CustomEmailSender_Authentication",
        ),
    ] {
        let (pool, client, told) = by_code(&server, &[trigger]).await;
        for (prefix, answers) in [("", answers), ("Admin", administrator_answers)] {
            let mut of_client = json!({"ClientId": client, "ClientMetadata": {"who": "knows"}});
            if !prefix.is_empty() {
                of_client["UserPoolId"] = json!(pool);
            }
            let request = |members: Value| crate::pools::with(of_client.clone(), &members);
            let begin = |parameters: Value| {
                server.call(
                    if prefix.is_empty() { "InitiateAuth" } else { "AdminInitiateAuth" },
                    request(json!({"AuthFlow": "USER_AUTH", "AuthParameters": parameters})),
                )
            };
            let challenge = begin(json!({"USERNAME": "alice", "PREFERRED_CHALLENGE": "EMAIL_OTP"})).await.ok();
            assert_eq!(challenge["ChallengeName"], "EMAIL_OTP");
            assert_eq!(told_metadata(&told, 1).await, [begins], "{prefix}");
            let choices = begin(json!({"USERNAME": "alice"})).await.ok();
            let answer = request(json!({
                "ChallengeName": "SELECT_CHALLENGE", "Session": choices["Session"],
                "ChallengeResponses": {"USERNAME": "alice", "ANSWER": "EMAIL_OTP"},
            }));
            let operation = format!("{prefix}RespondToAuthChallenge");
            let challenge = server.call(&operation, answer).await.ok();
            assert_eq!(challenge["ChallengeName"], "EMAIL_OTP");
            assert_eq!(told_metadata(&told, 1).await, [answers], "{prefix}");
            // The code is the one of the message, whoever sends it.
            let code = server.last_code(&pool, "alice").await;
            let answer = request(json!({
                "ChallengeName": "EMAIL_OTP", "Session": challenge["Session"],
                "ChallengeResponses": {"USERNAME": "alice", "EMAIL_OTP_CODE": code},
            }));
            let tokens = server.call(&operation, answer).await.ok();
            assert!(tokens["AuthenticationResult"]["AccessToken"].is_string(), "{tokens}");
        }
        assert_eq!(told.take(), Vec::<Value>::new());
    }
    server.stop_jobs().await;
}

/// A sign-in that cannot be told its code has not begun; one that waits can go on when the function is well again.
#[tokio::test]
async fn a_sign_in_whose_function_fails_can_be_repeated() {
    let server = Server::memory().await;
    let (pool, client, told) = by_code(&server, &["CustomMessage"]).await;
    for prefix in ["", "Admin"] {
        let mut of_client = json!({"ClientId": client});
        if !prefix.is_empty() {
            of_client["UserPoolId"] = json!(pool);
        }
        let request = |members: Value| crate::pools::with(of_client.clone(), &members);
        let parameters = json!({"USERNAME": "alice", "PREFERRED_CHALLENGE": "EMAIL_OTP"});
        let begin = request(json!({"AuthFlow": "USER_AUTH", "AuthParameters": parameters}));
        let choose = request(json!({"AuthFlow": "USER_AUTH", "AuthParameters": {"USERNAME": "alice"}}));
        let (begins, answers) = (format!("{prefix}InitiateAuth"), format!("{prefix}RespondToAuthChallenge"));
        let choices = server.call(&begins, choose).await.ok();
        let answer = request(json!({
            "ChallengeName": "SELECT_CHALLENGE", "Session": choices["Session"],
            "ChallengeResponses": {"USERNAME": "alice", "ANSWER": "EMAIL_OTP"},
        }));
        for (fault, error) in faults(&[json!({"emailMessage": 1})]) {
            let fault: Arc<Fault> = Arc::new(fault);
            let shared = fault.clone();
            server.function(&arn("CustomMessage"), move |event| shared(event));
            let error = error.replace("{}", "CustomMessage");
            assert_eq!(server.call(&begins, begin.clone()).await.error(), error, "{begins}");
            assert_eq!(server.call(&answers, answer.clone()).await.error(), error, "{answers}");
        }
        assert_eq!(server.messages(&pool, "alice").await.len(), if prefix.is_empty() { 0 } else { 2 });
        notes(&server, &told, "CustomMessage");
        server.call(&begins, begin).await.ok();
        server.call(&answers, answer).await.ok();
    }
}
