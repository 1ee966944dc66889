//! CustomMessage (triggers-security.md §7).

use super::*;

/// CustomMessage that answers this.
fn says(server: &Server, told: &Told, response: Value) {
    responds(server, told, "CustomMessage", move |_| response.clone());
}

/// The members of the newest message that are words.
async fn newest(server: &Server, pool: &str, username: &str) -> Value {
    let newest = server.messages(pool, username).await.first().cloned().unwrap();
    json!({"medium": newest["medium"], "subject": newest["subject"], "body": newest["body"]})
}

#[tokio::test]
async fn the_function_is_told_of_every_message() {
    both_engines(async |server| {
        let (pool, client, told) = scene(&server, &["CustomMessage"], json!({})).await;
        let mut request = sign_up(&client, "alice", &[("email", "alice@example.com")]);
        request["ClientMetadata"] = json!({"a": "b"});
        server.call("SignUp", request).await.ok();
        every_message(&server, &pool, &client).await;
        let events = told.take();
        insta::allow_duplicates! { insta::assert_json_snapshot!(events[0], @r#"
        {
          "version": "1",
          "region": "us-east-1",
          "userPoolId": "us-east-1_O2c3Nifle",
          "userName": "alice",
          "callerContext": {
            "awsSdkVersion": "aws-sdk-unknown-unknown",
            "clientId": "cgqnq25d7v3j8fm9ernm8hn77b"
          },
          "triggerSource": "CustomMessage_SignUp",
          "request": {
            "userAttributes": {
              "cognito:user_status": "UNCONFIRMED",
              "email": "alice@example.com",
              "email_verified": "false",
              "sub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef"
            },
            "codeParameter": "{####}",
            "linkParameter": "{##Click Here##}",
            "usernameParameter": null,
            "clientMetadata": {
              "a": "b"
            }
          },
          "response": {
            "smsMessage": null,
            "emailMessage": null,
            "emailSubject": null
          }
        }
        "#); }
        insta::allow_duplicates! { insta::assert_snapshot!(lines(&events), @r#"
        CustomMessage_SignUp alice cgqnq25d7v3j8fm9ernm8hn77b {"userAttributes":{"cognito:user_status":"UNCONFIRMED","email":"alice@example.com","email_verified":"false","sub":"fdfeeba9-f04c-4e5c-be60-76135dc4bdef"},"codeParameter":"{####}","linkParameter":"{##Click Here##}","usernameParameter":null,"clientMetadata":{"a":"b"}}
        CustomMessage_ResendCode alice cgqnq25d7v3j8fm9ernm8hn77b {"userAttributes":{"cognito:user_status":"UNCONFIRMED","email":"alice@example.com","email_verified":"false","sub":"fdfeeba9-f04c-4e5c-be60-76135dc4bdef"},"codeParameter":"{####}","linkParameter":"{##Click Here##}","usernameParameter":null,"clientMetadata":{"a":"b"}}
        CustomMessage_ForgotPassword alice cgqnq25d7v3j8fm9ernm8hn77b {"userAttributes":{"cognito:user_status":"CONFIRMED","email":"alice@example.com","email_verified":"true","sub":"fdfeeba9-f04c-4e5c-be60-76135dc4bdef"},"codeParameter":"{####}","linkParameter":"{##Click Here##}","usernameParameter":null,"clientMetadata":{"a":"b"}}
        CustomMessage_UpdateUserAttribute alice cgqnq25d7v3j8fm9ernm8hn77b {"userAttributes":{"cognito:user_status":"CONFIRMED","email":"new@example.com","email_verified":"false","phone_number":"+12065550100","phone_number_verified":"false","sub":"fdfeeba9-f04c-4e5c-be60-76135dc4bdef"},"codeParameter":"{####}","linkParameter":"{##Click Here##}","usernameParameter":null,"clientMetadata":{"a":"b"}}
        CustomMessage_UpdateUserAttribute alice cgqnq25d7v3j8fm9ernm8hn77b {"userAttributes":{"cognito:user_status":"CONFIRMED","email":"new@example.com","email_verified":"false","phone_number":"+12065550100","phone_number_verified":"false","sub":"fdfeeba9-f04c-4e5c-be60-76135dc4bdef"},"codeParameter":"{####}","linkParameter":"{##Click Here##}","usernameParameter":null,"clientMetadata":{"a":"b"}}
        CustomMessage_VerifyUserAttribute alice cgqnq25d7v3j8fm9ernm8hn77b {"userAttributes":{"cognito:user_status":"CONFIRMED","email":"new@example.com","email_verified":"false","phone_number":"+12065550100","phone_number_verified":"false","sub":"fdfeeba9-f04c-4e5c-be60-76135dc4bdef"},"codeParameter":"{####}","linkParameter":"{##Click Here##}","usernameParameter":null,"clientMetadata":{"a":"b"}}
        CustomMessage_AdminCreateUser bob CLIENT_ID_NOT_APPLICABLE {"userAttributes":{"cognito:user_status":"FORCE_CHANGE_PASSWORD","email":"bob@example.com","phone_number":"+12065550101","sub":"fa7dc034-e2e7-4c81-805a-5569a9b67148"},"codeParameter":"{####}","linkParameter":"{##Click Here##}","usernameParameter":"{username}"}
        CustomMessage_AdminCreateUser bob CLIENT_ID_NOT_APPLICABLE {"userAttributes":{"cognito:user_status":"FORCE_CHANGE_PASSWORD","email":"bob@example.com","phone_number":"+12065550101","sub":"fa7dc034-e2e7-4c81-805a-5569a9b67148"},"codeParameter":"{####}","linkParameter":"{##Click Here##}","usernameParameter":"{username}"}
        "#); }
        // None of them knows a code.
        let all = serde_json::to_string(&events).unwrap();
        for username in ["alice", "bob"] {
            for message in server.messages(&pool, username).await {
                assert!(!all.contains(message["code"].as_str().unwrap()), "{message}");
            }
        }

        // What an administrator does has no client.
        let of_pool = |members: Value| crate::pools::with(json!({"UserPoolId": pool, "Username": "alice"}), &members);
        let verified = json!({"UserAttributes": list(&[("email_verified", "true")])});
        server.call("AdminUpdateUserAttributes", of_pool(verified)).await.ok();
        assert_eq!(told.take(), Vec::<Value>::new());
        server.call("AdminResetUserPassword", of_pool(json!({}))).await.ok();
        let event = told.only();
        assert_eq!(event["triggerSource"], "CustomMessage_ForgotPassword");
        assert_eq!(event["callerContext"]["clientId"], "CLIENT_ID_NOT_APPLICABLE");
        let other = json!({"UserAttributes": list(&[("email", "third@example.com")])});
        server.call("AdminUpdateUserAttributes", of_pool(other)).await.ok();
        let event = told.only();
        assert_eq!(event["triggerSource"], "CustomMessage_UpdateUserAttribute");
        assert_eq!(event["callerContext"]["clientId"], "CLIENT_ID_NOT_APPLICABLE");
        assert_eq!(event["request"]["userAttributes"]["email"], "third@example.com");
        let again = json!({"MessageAction": "RESEND", "Username": "bob", "DesiredDeliveryMediums": ["EMAIL"]});
        server.call("AdminCreateUser", of_pool(again)).await.ok();
        assert_eq!(told.sources(), ["CustomMessage_AdminCreateUser"]);
    })
    .await;
}

#[tokio::test]
async fn a_message_reads_as_the_function_says() {
    both_engines(async |server| {
        let (pool, client, told) = scene(&server, &["CustomMessage"], json!({})).await;
        says(
            &server,
            &told,
            json!({
                "emailSubject": "Welcome\r\nBcc: eve@example.com", "emailMessage": "<h1>{####}</h1>",
                "smsMessage": "Your code: {####}", "more": 1,
            }),
        );
        let email = [("email", "alice@example.com")];
        server.call("SignUp", sign_up(&client, "alice", &email)).await.ok();
        let code = server.last_code(&pool, "alice").await;
        let expected = json!({
            "medium": "EMAIL", "subject": "Welcome  Bcc: eve@example.com", "body": format!("<h1>{code}</h1>"),
        });
        assert_eq!(newest(&server, &pool, "alice").await, expected);
        // The code in it is the one that counts.
        let confirm = json!({"ClientId": client, "Username": "alice", "ConfirmationCode": code});
        server.call("ConfirmSignUp", confirm).await.ok();
        server.call("SignUp", sign_up(&client, "bob", &[("phone_number", "+12065550100")])).await.ok();
        let code = server.last_code(&pool, "bob").await;
        let expected = json!({"medium": "SMS", "subject": "", "body": format!("Your code: {code}")});
        assert_eq!(newest(&server, &pool, "bob").await, expected);

        says(&server, &told, json!({"emailMessage": "{username}: {####}"}));
        let create = json!({
            "UserPoolId": pool, "Username": "carol", "DesiredDeliveryMediums": ["EMAIL"],
            "UserAttributes": list(&[("email", "carol@example.com")]), "TemporaryPassword": "Aa1!<b>&Aa1!",
        });
        server.call("AdminCreateUser", create).await.ok();
        let expected = json!({
            "medium": "EMAIL", "subject": "Your temporary password", "body": "carol: Aa1!&lt;b&gt;&amp;Aa1!",
        });
        assert_eq!(newest(&server, &pool, "carol").await, expected);
    })
    .await;
}

#[tokio::test]
async fn a_link_is_the_functions_to_name() {
    let server = Server::memory().await;
    let members = json!({"VerificationMessageTemplate": {"DefaultEmailOption": "CONFIRM_WITH_LINK"}});
    let (pool, client, told) = scene(&server, &["CustomMessage"], members).await;
    responds(&server, &told, "CustomMessage", |event| {
        let link = event["request"]["linkParameter"].as_str().unwrap();
        json!({"emailMessage": format!("Please: {link}")})
    });
    server.call("SignUp", sign_up(&client, "alice", &[("email", "alice@example.com")])).await.ok();
    let code = server.last_code(&pool, "alice").await;
    let body = newest(&server, &pool, "alice").await["body"].clone();
    let ends =
        format!("/confirmUser/?client_id={client}&amp;user_name=alice&amp;confirmation_code={code}\">Click Here</a>");
    let body = body.as_str().unwrap();
    assert!(body.starts_with("Please: <a href=\"http") && body.ends_with(&ends), "{body}");
}

/// Nothing is sent that would be of no use, and nothing is changed.
#[tokio::test]
async fn words_that_cannot_be_sent_are_refused() {
    let server = Server::memory().await;
    let (pool, client, told) = scene(&server, &["CustomMessage"], json!({})).await;
    let request = sign_up(&client, "alice", &[("email", "alice@example.com")]);
    let answered = |what: &str| format!("InvalidLambdaResponseException: CustomMessage answered {what}.");
    for (response, error) in [
        (json!({"emailMessage": ""}), answered("emailMessage without the placeholder {####}")),
        (json!({"emailMessage": "Hello"}), answered("emailMessage without the placeholder {####}")),
        (
            json!({"emailMessage": "x".repeat(19_995) + "{####}"}),
            answered("emailMessage of more than 20000 characters"),
        ),
        (json!({"emailSubject": "x".repeat(141)}), answered("emailSubject of more than 140 characters")),
        (json!({"emailMessage": 1}), UNRECOGNIZABLE.to_owned()),
        (json!({"smsMessage": ["{####}"]}), UNRECOGNIZABLE.to_owned()),
        (json!({"emailSubject": {}}), UNRECOGNIZABLE.to_owned()),
    ] {
        says(&server, &told, response.clone());
        assert_eq!(server.call("SignUp", request.clone()).await.error(), error, "{response}");
        assert_eq!(shown(&server, &pool, "alice").await, "UserNotFoundException: User does not exist.");
    }
    // What is said of text messages is of no interest to a mail.
    says(&server, &told, json!({"smsMessage": "x".repeat(200)}));
    server.call("SignUp", request).await.ok();
    assert_eq!(server.messages(&pool, "alice").await.len(), 1);
}

/// Whoever does not exist is spoken of to nobody.
#[tokio::test]
async fn functions_are_not_called_for_stand_ins() {
    let server = Server::memory().await;
    let (_, client, told) = scene(&server, &["CustomMessage", "CustomSMSSender"], json!({})).await;
    let pool = server.call("ListUserPools", json!({"MaxResults": 1})).await.ok()["UserPools"][0]["Id"].clone();
    let request = json!({
        "UserPoolId": pool, "ClientName": "hides", "PreventUserExistenceErrors": "ENABLED",
        "ExplicitAuthFlows": ["ALLOW_USER_AUTH"],
    });
    let hides = server.call("CreateUserPoolClient", request).await.ok()["UserPoolClient"]["ClientId"].clone();
    for operation in ["ForgotPassword", "ResendConfirmationCode"] {
        server.call(operation, json!({"ClientId": hides, "Username": "nobody"})).await.ok();
        assert_eq!(server.call(operation, json!({"ClientId": client, "Username": "nobody"})).await.status, 400);
    }
    let policy = json!({"UserPoolId": pool, "AutoVerifiedAttributes": ["email"],
        "Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}},
        "LambdaConfig": lambda_config(&["CustomMessage"])});
    server.call("UpdateUserPool", policy).await.ok();
    let begin = json!({
        "AuthFlow": "USER_AUTH", "ClientId": hides,
        "AuthParameters": {"USERNAME": "nobody", "PREFERRED_CHALLENGE": "EMAIL_OTP"},
    });
    let challenge = server.call("InitiateAuth", begin).await.ok();
    assert_eq!(challenge["ChallengeName"], "EMAIL_OTP");
    assert_eq!(told.take(), Vec::<Value>::new());
}

/// A request that may not send asks nobody how it would read.
#[tokio::test]
async fn limits_hold_before_the_function_is_asked() {
    let server = Server::memory().await;
    let (_, client, told) = scene(&server, &["CustomMessage"], json!({})).await;
    server.call("SignUp", sign_up(&client, "alice", &[("email", "alice@example.com")])).await.ok();
    let mut sent = 1;
    while server.call("ResendConfirmationCode", json!({"ClientId": client, "Username": "alice"})).await.status == 200 {
        sent += 1;
        assert!(sent < 100, "it must come to an end");
    }
    assert_eq!(told.take().len(), sent);
}
