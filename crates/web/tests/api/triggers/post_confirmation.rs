//! PostConfirmation (triggers-security.md §6).

use super::*;

/// Signs alice up; answers her code.
async fn signed_up(server: &Server, pool: &str, client: &str, username: &str) -> String {
    server.call("SignUp", sign_up(client, username, &[("email", "alice@example.com")])).await.ok();
    server.last_code(pool, username).await
}

#[tokio::test]
async fn the_function_is_told_of_everybody_who_is_confirmed() {
    both_engines(async |server| {
        let (pool, client, told) = scene(&server, &["PostConfirmation"], json!({})).await;
        let code = signed_up(&server, &pool, &client, "alice").await;
        assert_eq!(told.take(), Vec::<Value>::new());
        let request =
            json!({"ClientId": client, "Username": "alice", "ConfirmationCode": code, "ClientMetadata": {"a": "b"}});
        server.call("ConfirmSignUp", request).await.ok();

        signed_up(&server, &pool, &client, "bob").await;
        let request = json!({"UserPoolId": pool, "Username": "bob", "ClientMetadata": {"c": "d"}});
        server.call("AdminConfirmSignUp", request).await.ok();

        server.call("ForgotPassword", json!({"ClientId": client, "Username": "alice"})).await.ok();
        let code = server.last_code(&pool, "alice").await;
        let request = json!({
            "ClientId": client, "Username": "alice", "ConfirmationCode": code, "Password": "An0ther-Passw0rd!",
            "ClientMetadata": {"e": "f"},
        });
        server.call("ConfirmForgotPassword", request).await.ok();
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
          "triggerSource": "PostConfirmation_ConfirmSignUp",
          "request": {
            "userAttributes": {
              "cognito:user_status": "CONFIRMED",
              "email": "alice@example.com",
              "email_verified": "true",
              "sub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef"
            },
            "clientMetadata": {
              "a": "b"
            }
          },
          "response": {}
        }
        "#); }
        insta::allow_duplicates! { insta::assert_snapshot!(lines(&events), @r#"
        PostConfirmation_ConfirmSignUp alice cgqnq25d7v3j8fm9ernm8hn77b {"userAttributes":{"cognito:user_status":"CONFIRMED","email":"alice@example.com","email_verified":"true","sub":"fdfeeba9-f04c-4e5c-be60-76135dc4bdef"},"clientMetadata":{"a":"b"}}
        PostConfirmation_ConfirmSignUp bob null {"userAttributes":{"cognito:user_status":"CONFIRMED","email":"alice@example.com","email_verified":"false","sub":"1cc65f5c-d87b-40a8-97a7-22c462dc5054"},"clientMetadata":{"c":"d"}}
        PostConfirmation_ConfirmForgotPassword alice cgqnq25d7v3j8fm9ernm8hn77b {"userAttributes":{"cognito:user_status":"CONFIRMED","email":"alice@example.com","email_verified":"true","sub":"fdfeeba9-f04c-4e5c-be60-76135dc4bdef"},"clientMetadata":{"e":"f"}}
        "#); }

        // Who is reset and sets a password by the code is confirmed again.
        server.call("AdminResetUserPassword", json!({"UserPoolId": pool, "Username": "alice"})).await.ok();
        let code = server.last_code(&pool, "alice").await;
        let request =
            json!({"ClientId": client, "Username": "alice", "ConfirmationCode": code, "Password": "A-th1rd-Passw0rd!"});
        server.call("ConfirmForgotPassword", request).await.ok();
        let event = told.only();
        assert_eq!(event["request"]["userAttributes"]["cognito:user_status"], "CONFIRMED");
        assert!(event["request"].get("clientMetadata").is_none());
    })
    .await;
}

/// By a click on a link, too.
#[tokio::test]
async fn who_clicks_is_confirmed() {
    let server = Server::memory().await;
    let members = json!({"VerificationMessageTemplate": {"DefaultEmailOption": "CONFIRM_WITH_LINK"}});
    let (pool, client, told) = scene(&server, &["PostConfirmation"], members).await;
    let code = signed_up(&server, &pool, &client, "alice").await;
    let page = format!("/confirmUser/?client_id={client}&user_name=alice&confirmation_code={code}");
    assert_eq!(server.get(&page).await.status, 200);
    let event = told.only();
    assert_eq!((&event["callerContext"]["clientId"], &event["userName"]), (&json!(client), &json!("alice")));
    // A click that confirms nobody is not told of.
    assert_ne!(server.get(&page).await.status, 200);
    assert_eq!(told.take(), Vec::<Value>::new());
}

/// Whatever is refused is nobody's confirmation, and users whom administrators make are confirmed by nobody.
#[tokio::test]
async fn nobody_else_is_told_of() {
    let server = Server::memory().await;
    let (pool, client, told) = scene(&server, &["PostConfirmation"], json!({})).await;
    signed_up(&server, &pool, &client, "alice").await;
    let confirm = json!({"ClientId": client, "Username": "alice", "ConfirmationCode": "000000"});
    assert_eq!(server.call("ConfirmSignUp", confirm.clone()).await.status, 400);
    server.confirmed_user(&pool, "bob", PASSWORD, json!({"email": "bob@example.com"})).await;
    assert_eq!(server.call("AdminConfirmSignUp", json!({"UserPoolId": pool, "Username": "bob"})).await.status, 400);
    server.call("ForgotPassword", json!({"ClientId": client, "Username": "bob"})).await.ok();
    let mut reset = confirm;
    reset["Username"] = json!("bob");
    reset["Password"] = json!(PASSWORD);
    assert_eq!(server.call("ConfirmForgotPassword", reset).await.status, 400);
    assert_eq!(told.take(), Vec::<Value>::new());
}

/// What has happened stays, and is not told of again.
#[tokio::test]
async fn a_failure_comes_too_late() {
    let server = Server::memory().await;
    let (pool, client, _) = scene(&server, &["PostConfirmation", "PreSignUp"], json!({})).await;
    let members = json!({"VerificationMessageTemplate": {"DefaultEmailOption": "CONFIRM_WITH_LINK"}});
    let (with_links, its_client, _) = scene(&server, &["PostConfirmation"], members).await;
    let mut wrong = vec![json!("text"), json!([1])];
    wrong.push(json!(true));
    for (number, (fault, error)) in faults(&wrong).into_iter().enumerate() {
        let error = error.replace("{}", "PostConfirmation");
        let fault: Arc<Fault> = Arc::new(fault);
        let shared = fault.clone();
        server.function(&arn("PostConfirmation"), move |event| shared(event));
        let status = async |name: &str| shown(&server, &pool, name).await["status"].clone();

        let name = format!("a{number}");
        let code = signed_up(&server, &pool, &client, &name).await;
        let confirm = json!({"ClientId": client, "Username": name, "ConfirmationCode": code});
        assert_eq!(server.call("ConfirmSignUp", confirm.clone()).await.error(), error);
        assert_eq!(status(&name).await, "CONFIRMED");
        let again = "NotAuthorizedException: User cannot be confirmed. Current status is CONFIRMED";
        assert_eq!(server.call("ConfirmSignUp", confirm).await.error(), again);

        server.call("ForgotPassword", json!({"ClientId": client, "Username": name})).await.ok();
        let code = server.last_code(&pool, &name).await;
        let reset =
            json!({"ClientId": client, "Username": name, "ConfirmationCode": code, "Password": "An0ther-Passw0rd!"});
        assert_eq!(server.call("ConfirmForgotPassword", reset.clone()).await.error(), error);
        assert_eq!(server.sign_in(&client, &name, "An0ther-Passw0rd!").await.status, 200);
        assert!(server.call("ConfirmForgotPassword", reset).await.error().starts_with("ExpiredCodeException"));

        let name = format!("b{number}");
        signed_up(&server, &pool, &client, &name).await;
        let confirm = json!({"UserPoolId": pool, "Username": name});
        assert_eq!(server.call("AdminConfirmSignUp", confirm).await.error(), error);
        assert_eq!(status(&name).await, "CONFIRMED");

        let name = format!("d{number}");
        let code = signed_up(&server, &with_links, &its_client, &name).await;
        let link = format!("/confirmUser/?client_id={its_client}&user_name={name}&confirmation_code={code}");
        let page = server.get(&link).await;
        let text = page.body.as_str().unwrap();
        assert!(
            text.contains("Your registration has been confirmed, but a step that follows it has failed."),
            "{text}"
        );
        assert_eq!(page.status, 200);
        assert_eq!(shown(&server, &with_links, &name).await["status"], "CONFIRMED");
        assert_eq!(server.get(&link).await.status, 400);

        let name = format!("c{number}");
        responds(&server, &Told::default(), "PreSignUp", |_| json!({"autoConfirmUser": true}));
        assert_eq!(server.call("SignUp", sign_up(&client, &name, &[])).await.error(), error);
        assert_eq!(status(&name).await, "CONFIRMED");
        notes(&server, &Told::default(), "PreSignUp");
    }
}
