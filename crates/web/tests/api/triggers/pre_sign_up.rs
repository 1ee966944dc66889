//! PreSignUp (triggers-security.md §5).

use super::*;

/// PreSignUp that answers this.
fn waives(server: &Server, told: &Told, response: Value) {
    responds(server, told, "PreSignUp", move |_| response.clone());
}

#[tokio::test]
async fn the_function_is_told_what_the_request_says_of_the_new_user() {
    both_engines(async |server| {
        let (pool, client, told) = scene(&server, &["PreSignUp"], json!({})).await;
        let mut request = sign_up(&client, "Alice", &[("email", "alice@example.com"), ("custom:none", "")]);
        request["UserAttributes"] = json!(list(&[("email", "alice@example.com"), ("name", "Alice")]));
        request["ValidationData"] = json!(list(&[("captcha", "1+1"), ("other", "2")]));
        request["ClientMetadata"] = json!({"a": "b"});
        server.call("SignUp", request).await.ok();
        server.call("SignUp", sign_up(&client, "bob", &[])).await.ok();
        let create = json!({
            "UserPoolId": pool, "Username": "carol", "MessageAction": "SUPPRESS",
            "UserAttributes": list(&[("email", "carol@example.com"), ("email_verified", "true")]),
            "ValidationData": list(&[("from", "admin")]), "ClientMetadata": {"c": "d"},
        });
        server.call("AdminCreateUser", create).await.ok();
        server.call("AdminCreateUser", json!({"UserPoolId": pool, "Username": "dave"})).await.ok();
        let events = told.take();
        insta::allow_duplicates! { insta::assert_json_snapshot!(events[0], @r#"
        {
          "version": "1",
          "region": "us-east-1",
          "userPoolId": "us-east-1_O2c3Nifle",
          "userName": "Alice",
          "callerContext": {
            "awsSdkVersion": "aws-sdk-unknown-unknown",
            "clientId": "cgqnq25d7v3j8fm9ernm8hn77b"
          },
          "triggerSource": "PreSignUp_SignUp",
          "request": {
            "userAttributes": {
              "email": "alice@example.com",
              "name": "Alice"
            },
            "validationData": {
              "captcha": "1+1",
              "other": "2"
            },
            "clientMetadata": {
              "a": "b"
            }
          },
          "response": {
            "autoConfirmUser": false,
            "autoVerifyEmail": false,
            "autoVerifyPhone": false
          }
        }
        "#); }
        insta::allow_duplicates! { insta::assert_snapshot!(lines(&events), @r#"
        PreSignUp_SignUp Alice cgqnq25d7v3j8fm9ernm8hn77b {"userAttributes":{"email":"alice@example.com","name":"Alice"},"validationData":{"captcha":"1+1","other":"2"},"clientMetadata":{"a":"b"}}
        PreSignUp_SignUp bob cgqnq25d7v3j8fm9ernm8hn77b {"userAttributes":{},"validationData":null}
        PreSignUp_AdminCreateUser carol CLIENT_ID_NOT_APPLICABLE {"userAttributes":{"email":"carol@example.com","email_verified":"true"},"validationData":{"from":"admin"},"clientMetadata":{"c":"d"}}
        PreSignUp_AdminCreateUser dave CLIENT_ID_NOT_APPLICABLE {"userAttributes":{},"validationData":null}
        "#); }
    })
    .await;
}

/// SDKs in browsers cannot say what they are in `User-Agent`.
#[tokio::test]
async fn the_function_is_told_which_sdk_calls() {
    let server = Server::memory().await;
    let (_, client, told) = scene(&server, &["PreSignUp"], json!({})).await;
    let (node, browser) = ("aws-sdk-nodejs/2.856.0 linux/v12.18.4", "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0");
    for (number, (agent, sdk_agent, expected)) in [
        (node, None, "aws-sdk-nodejs-2.856.0"),
        (browser, None, "aws-sdk-unknown-unknown"),
        (browser, Some("aws-sdk-js/2.1639.0 callback"), "aws-sdk-js-2.1639.0"),
        (browser, Some("aws-amplify/5.0.4 js"), "aws-sdk-unknown-unknown"),
        (node, Some("\u{1f512}"), "aws-sdk-nodejs-2.856.0"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut request = http::Request::post("/")
            .header("host", "127.0.0.1:9229")
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", "AWSCognitoIdentityProviderService.SignUp")
            .header("user-agent", agent);
        if let Some(sdk_agent) = sdk_agent {
            request = request.header("x-amz-user-agent", sdk_agent);
        }
        let body = sign_up(&client, &format!("user{number}"), &[]).to_string();
        server.request(request.body(body.into()).unwrap()).await.ok();
        assert_eq!(told.only()["callerContext"]["awsSdkVersion"], expected, "{agent} {sdk_agent:?}");
    }
}

/// The name that the events have is the one that is stored; what was typed is among the attributes.
#[tokio::test]
async fn users_of_email_pools_are_called_by_their_sub() {
    let server = Server::memory().await;
    let (pool, client, told) = scene(&server, &["PreSignUp"], json!({"UsernameAttributes": ["email"]})).await;
    let signed_up = server.call("SignUp", sign_up(&client, "alice@example.com", &[])).await.ok();
    let event = told.only();
    assert_eq!(event["userName"], signed_up["UserSub"]);
    assert_eq!(event["request"]["userAttributes"], json!({"email": "alice@example.com"}));
    let create = json!({"UserPoolId": pool, "Username": "bob@example.com", "MessageAction": "SUPPRESS"});
    let created = server.call("AdminCreateUser", create).await.ok();
    let event = told.only();
    assert_eq!(event["userName"], created["User"]["Username"]);
    assert_eq!(event["request"]["userAttributes"], json!({"email": "bob@example.com"}));
}

#[tokio::test]
async fn what_it_waives_need_not_be_proven() {
    both_engines(async |server| {
        let (pool, client, told) = scene(&server, &["PreSignUp", "PostConfirmation"], json!({})).await;
        let both = [("email", "a@example.com"), ("phone_number", "+12065550100")];
        let cases = [
            (json!({}), "UNCONFIRMED", false, false),
            (
                json!({"autoConfirmUser": null, "autoVerifyEmail": null, "autoVerifyPhone": null}),
                "UNCONFIRMED",
                false,
                false,
            ),
            (json!({"autoConfirmUser": true, "more": [1]}), "CONFIRMED", false, false),
            (json!({"autoVerifyEmail": true}), "UNCONFIRMED", true, false),
            (json!({"autoVerifyPhone": true}), "UNCONFIRMED", false, true),
            (
                json!({"autoConfirmUser": true, "autoVerifyEmail": true, "autoVerifyPhone": true}),
                "CONFIRMED",
                true,
                true,
            ),
        ];
        for (number, (response, status, email, phone)) in cases.into_iter().enumerate() {
            waives(&server, &told, response.clone());
            let name = format!("user{number}");
            let answer = server.call("SignUp", sign_up(&client, &name, &both)).await.ok();
            let is_confirmed = status == "CONFIRMED";
            assert_eq!(answer["UserConfirmed"], is_confirmed, "{response}");
            assert_eq!(answer.get("CodeDeliveryDetails").is_none(), is_confirmed, "{response}");
            let user = shown(&server, &pool, &name).await;
            assert_eq!(
                (&user["status"], &user["email_verified"], &user["phone_number_verified"]),
                (&json!(status), &json!(email.to_string()), &json!(phone.to_string())),
                "{response}"
            );
            // Who is confirmed gets no code, and can sign in.
            assert_eq!(server.messages(&pool, &name).await.len(), usize::from(!is_confirmed));
            assert_eq!(server.sign_in(&client, &name, PASSWORD).await.status == 200, is_confirmed);
            let mut expected = vec!["PreSignUp_SignUp"];
            expected.extend(is_confirmed.then_some("PostConfirmation_ConfirmSignUp"));
            assert_eq!(told.sources(), expected, "{response}");
        }
    })
    .await;
}

/// Whoever is confirmed by it is told of as after a code: with the client, and what the request says to functions.
#[tokio::test]
async fn who_needs_no_code_is_told_of_with_the_metadata_of_the_sign_up() {
    let server = Server::memory().await;
    let (_, client, told) = scene(&server, &["PreSignUp", "PostConfirmation"], json!({})).await;
    waives(&server, &told, json!({"autoConfirmUser": true}));
    let mut request = sign_up(&client, "alice", &[("email", "alice@example.com")]);
    request["ClientMetadata"] = json!({"a": "b"});
    let signed_up = server.call("SignUp", request).await.ok();
    let [_, event] = told.take().try_into().unwrap();
    assert_eq!(event["triggerSource"], "PostConfirmation_ConfirmSignUp");
    assert_eq!(event["callerContext"]["clientId"], client);
    let attributes = json!({
        "cognito:user_status": "CONFIRMED", "email": "alice@example.com", "email_verified": "false",
        "sub": signed_up["UserSub"],
    });
    assert_eq!(event["request"], json!({"userAttributes": attributes, "clientMetadata": {"a": "b"}}));
}

#[tokio::test]
async fn an_address_that_is_not_there_cannot_be_verified() {
    let server = Server::memory().await;
    let (pool, client, told) = scene(&server, &["PreSignUp"], json!({})).await;
    for (response, error) in [
        (json!({"autoVerifyEmail": true}), "InvalidParameterException: Email is required to verify/un-verify an email"),
        (
            json!({"autoVerifyPhone": true, "autoConfirmUser": true}),
            "InvalidParameterException: Phone number is required to verify/un-verify a phone number",
        ),
    ] {
        waives(&server, &told, response);
        assert_eq!(server.call("SignUp", sign_up(&client, "alice", &[])).await.error(), error);
        assert_eq!(shown(&server, &pool, "alice").await, "UserNotFoundException: User does not exist.");
    }
}

#[tokio::test]
async fn an_alias_that_is_verified_moves() {
    both_engines(async |server| {
        let (pool, client, told) =
            scene(&server, &["PreSignUp"], json!({"AliasAttributes": ["email", "phone_number"]})).await;
        let attributes = json!({"email": "a@example.com", "phone_number": "+12065550100"});
        server.confirmed_user(&pool, "alice", PASSWORD, attributes).await;
        // As long as it is not verified, it stays.
        server.call("SignUp", sign_up(&client, "bob", &[("email", "a@example.com")])).await.ok();
        assert_eq!(shown(&server, &pool, "a@example.com").await["sub"], shown(&server, &pool, "alice").await["sub"]);
        waives(&server, &told, json!({"autoVerifyEmail": true, "autoConfirmUser": true}));
        let both = [("email", "a@example.com"), ("phone_number", "+12065550100")];
        server.call("SignUp", sign_up(&client, "carol", &both)).await.ok();
        let (alice, carol) = (shown(&server, &pool, "alice").await, shown(&server, &pool, "carol").await);
        assert_eq!(shown(&server, &pool, "a@example.com").await["sub"], carol["sub"]);
        assert_eq!(shown(&server, &pool, "+12065550100").await["sub"], alice["sub"]);
        assert_eq!((&alice["email_verified"], &alice["phone_number_verified"]), (&json!("false"), &json!("true")));
        assert_eq!((&carol["email_verified"], &carol["phone_number_verified"]), (&json!("true"), &json!("false")));
    })
    .await;
}

/// Nobody is asked about a request that is refused anyway.
#[tokio::test]
async fn requests_are_looked_at_before_the_function_is_asked() {
    let server = Server::memory().await;
    let (pool, client, told) = scene(&server, &["PreSignUp"], json!({})).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
    told.take();
    let with = |name: &str, value: Value| {
        let mut request = sign_up(&client, "bob", &[]);
        request[name] = value;
        request
    };
    for request in [
        with("Username", json!("alice")),
        with("Password", json!("short")),
        with("Password", json!("")),
        with("UserAttributes", json!(list(&[("email", "none")]))),
        with("UserAttributes", json!(list(&[("custom:unknown", "x")]))),
        with("SecretHash", json!("x")),
        with("ClientId", json!("unknown")),
    ] {
        assert_eq!(server.call("SignUp", request).await.status, 400);
    }
    let with = |name: &str, value: Value| {
        let mut request = json!({"UserPoolId": pool, "Username": "bob"});
        request[name] = value;
        request
    };
    for request in [
        with("Username", json!("alice")),
        with("TemporaryPassword", json!("short")),
        with("DesiredDeliveryMediums", json!(["EMAIL"])),
        with("UserAttributes", json!(list(&[("email", "none")]))),
        with("UserPoolId", json!("us-east-1_unknown")),
    ] {
        assert_eq!(server.call("AdminCreateUser", request).await.status, 400);
    }
    assert_eq!(told.take(), Vec::<Value>::new());
    server.call("SignUp", sign_up(&client, "bob", &[])).await.ok();
    assert_eq!(told.sources(), ["PreSignUp_SignUp"]);
}

/// An administrator's users are what the administrator says.
#[tokio::test]
async fn what_it_says_of_an_administrators_user_is_ignored() {
    let server = Server::memory().await;
    let (pool, _, told) = scene(&server, &["PreSignUp", "PostConfirmation"], json!({})).await;
    waives(&server, &told, json!({"autoConfirmUser": true, "autoVerifyEmail": true, "autoVerifyPhone": true}));
    let create = |action: &str| {
        json!({
            "UserPoolId": pool, "Username": "alice", "MessageAction": action, "DesiredDeliveryMediums": ["EMAIL"],
            "UserAttributes": list(&[("email", "alice@example.com")]),
        })
    };
    server.call("AdminCreateUser", create("SUPPRESS")).await.ok();
    let alice = shown(&server, &pool, "alice").await;
    assert_eq!((&alice["status"], alice.get("email_verified")), (&json!("FORCE_CHANGE_PASSWORD"), None));
    assert_eq!(told.sources(), ["PreSignUp_AdminCreateUser"]);
    // Inviting again makes nobody.
    server.call("AdminCreateUser", create("RESEND")).await.ok();
    assert_eq!(told.take(), Vec::<Value>::new());
}

/// The name is one that somebody else takes while the function thinks about it.
#[tokio::test]
async fn of_sign_ups_at_the_same_time_one_gets_the_name() {
    let server = Server::memory().await;
    let (pool, client, told) = scene(&server, &["PreSignUp"], json!({})).await;
    let noted = told.clone();
    server.slow_function(
        &arn("PreSignUp"),
        Arc::new(move |event| {
            noted.push(event.clone());
            Box::pin(async move {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                Ok(event.to_string())
            })
        }),
    );
    let request = || server.call("SignUp", sign_up(&client, "alice", &[]));
    let answers = tokio::join!(request(), request(), request(), request());
    let answers = [answers.0, answers.1, answers.2, answers.3];
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 3));
    for answer in lost {
        assert_eq!(answer.error(), "UsernameExistsException: User already exists");
    }
    assert_eq!(shown(&server, &pool, "alice").await["sub"], won[0].clone().ok()["UserSub"]);
    assert!(told.sources().len() <= 4);
}
