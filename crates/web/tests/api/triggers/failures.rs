//! Functions that fail, are not there, answer nonsense, or never come to an end (triggers-security.md §3): every
//! operation that calls them fails, and has done nothing.

use std::future::pending;

use super::*;
use crate::attributes::access_token;

/// A pool with this function, alice who has signed up, and bob who is confirmed and signed in; and requests that call
/// the function, all of which can be repeated as long as they fail.
async fn requests(server: &Server, trigger: &str) -> (Told, Vec<(&'static str, Value)>) {
    let told = Told::default();
    let (pool, client, _) = scene(server, &[], json!({})).await;
    server.call("SignUp", sign_up(&client, "alice", &[("email", "alice@example.com")])).await.ok();
    server.confirmed_user(&pool, "bob", PASSWORD, json!({"email": "bob@example.com"})).await;
    let token = access_token(server, &client, "bob").await;
    let config = lambda_config(&[trigger]);
    let update = json!({
        "UserPoolId": pool, "AutoVerifiedAttributes": ["email", "phone_number"], "LambdaConfig": config,
        "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"},
    });
    server.call("UpdateUserPool", update).await.ok();
    notes(server, &told, trigger);
    let create = json!({
        "UserPoolId": pool, "Username": "dave", "UserAttributes": list(&[("email", "dave@example.com")]),
        "DesiredDeliveryMediums": ["EMAIL"],
    });
    let (phone, other_phone) = (list(&[("phone_number", "+12065550100")]), list(&[("phone_number", "+12065550101")]));
    let of_bob = |members: Value| crate::pools::with(json!({"UserPoolId": pool, "Username": "bob"}), &members);
    let requests = match trigger {
        "PreSignUp" => vec![("SignUp", sign_up(&client, "carol", &[])), ("AdminCreateUser", create)],
        _ => vec![
            ("SignUp", sign_up(&client, "carol", &[("email", "carol@example.com")])),
            ("AdminCreateUser", create),
            ("ResendConfirmationCode", json!({"ClientId": client, "Username": "alice"})),
            ("ForgotPassword", json!({"ClientId": client, "Username": "bob"})),
            ("GetUserAttributeVerificationCode", json!({"AccessToken": token, "AttributeName": "email"})),
            ("UpdateUserAttributes", json!({"AccessToken": token, "UserAttributes": phone})),
            ("AdminUpdateUserAttributes", of_bob(json!({"UserAttributes": other_phone}))),
            ("AdminResetUserPassword", of_bob(json!({}))),
        ],
    };
    (told, requests)
}

/// Everything that could have changed.
async fn state(server: &Server) -> Value {
    let pools = server.call("ListUserPools", json!({"MaxResults": 60})).await.ok();
    let pool = pools["UserPools"][0]["Id"].as_str().unwrap();
    let users = server.call("ListUsers", json!({"UserPoolId": pool})).await.ok();
    json!([users, server.get("/_poolkeeper/messages").await.ok()])
}

#[tokio::test]
async fn an_operation_whose_function_fails_has_done_nothing() {
    for (trigger, wrong) in [
        (
            "PreSignUp",
            vec![json!({"autoConfirmUser": "true"}), json!({"autoVerifyEmail": 1}), json!({"autoVerifyPhone": {}})],
        ),
        ("CustomMessage", vec![json!({"emailMessage": 1}), json!({"smsMessage": false}), json!({"emailSubject": []})]),
    ] {
        let server = Server::memory().await;
        let (told, requests) = requests(&server, trigger).await;
        let before = state(&server).await;
        for (fault, error) in faults(&wrong) {
            let fault: Arc<Fault> = Arc::new(fault);
            let shared = fault.clone();
            server.function(&arn(trigger), move |event| shared(event));
            for (operation, request) in &requests {
                let refused = server.call(operation, request.clone()).await.error();
                assert_eq!(refused, error.replace("{}", trigger), "{operation}");
            }
        }
        assert_eq!(state(&server).await, before, "{trigger}");
        // Nothing else was wrong with them.
        notes(&server, &told, trigger);
        told.take();
        for (operation, request) in &requests {
            server.call(operation, request.clone()).await.ok();
            assert_eq!(told.take().len(), 1, "{operation}");
        }
    }
}

/// This one takes the five seconds that it is about, once for each function.
#[tokio::test]
async fn a_function_that_never_ends_is_not_waited_for() {
    for trigger in ["PreSignUp", "CustomMessage"] {
        let server = Server::memory().await;
        let (_, requests) = requests(&server, trigger).await;
        let calls = Arc::new(Mutex::new(0));
        let counted = calls.clone();
        server.slow_function(
            &arn(trigger),
            Arc::new(move |_| {
                *counted.lock().unwrap() += 1;
                Box::pin(pending())
            }),
        );
        let (operation, request) = requests.first().unwrap();
        assert_eq!(
            server.call(operation, request.clone()).await.error(),
            format!(
                "UnexpectedLambdaException: {trigger} invocation failed due to error Socket timeout while invoking Lambda function."
            )
        );
        assert_eq!(*calls.lock().unwrap(), 1, "what it did is done");
    }
}
