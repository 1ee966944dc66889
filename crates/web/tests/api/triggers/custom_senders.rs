//! CustomEmailSender and CustomSMSSender (triggers-security.md §12).

use base64::{Engine, engine::general_purpose::STANDARD};

use super::*;
use crate::{
    attributes::access_token,
    sign_in::mfa::{PHONE, WRONG_CODE, answer, configure, is_signed_in, other, prefer, preferred, session_of},
};

const SENDERS: [&str; 2] = ["CustomEmailSender", "CustomSMSSender"];

/// So many events, in the order of their sources: the worker sends several messages at the same time.
async fn told_of(told: &Told, number: usize) -> Vec<Value> {
    let mut events = told.next(number).await;
    events.sort_by_key(|event| event["triggerSource"].as_str().unwrap().to_owned());
    events
}

/// The event with the code as it was before it was encrypted.
fn read(mut event: Value) -> Value {
    if let Some(code) = event["request"]["code"].as_str() {
        event["request"]["code"] = serde_json::from_slice(&STANDARD.decode(code).unwrap()).unwrap();
    }
    event
}

#[tokio::test]
async fn functions_take_every_message_of_their_medium() {
    both_engines(async |mut server| {
        server.send_messages();
        let (pool, client, told) =
            scene(&server, &["CustomEmailSender", "CustomSMSSender", "CustomMessage"], json!({})).await;
        let mut request = sign_up(&client, "alice", &[("email", "alice@example.com")]);
        request["ClientMetadata"] = json!({"a": "b"});
        let answer = server.call("SignUp", request).await.ok();
        assert_eq!(answer["CodeDeliveryDetails"]["Destination"], "a***@e***");
        // Whoever develops sees the code, and nothing that the function will say.
        let message = server.messages(&pool, "alice").await.pop().unwrap();
        assert_eq!((&message["purpose"], &message["body"], &message["subject"]), (&json!("SignUp"), &json!(""), &json!("")));
        let code = server.last_code(&pool, "alice").await;
        let [event] = told_of(&told, 1).await.try_into().unwrap();
        let event = read(event);
        assert_eq!(event["request"]["code"]["code"], json!(code));
        insta::allow_duplicates! { insta::assert_json_snapshot!(event, @r#"
        {
          "version": "1",
          "region": "us-east-1",
          "userPoolId": "us-east-1_O2c3Nifle",
          "userName": "alice",
          "callerContext": {
            "awsSdkVersion": "aws-sdk-unknown-unknown",
            "clientId": "cgqnq25d7v3j8fm9ernm8hn77b"
          },
          "triggerSource": "CustomEmailSender_SignUp",
          "request": {
            "type": "customEmailSenderRequestV1",
            "code": {
              "key": "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000",
              "pool": "us-east-1_O2c3Nifle",
              "code": "313498"
            },
            "clientMetadata": {
              "a": "b"
            },
            "userAttributes": {
              "cognito:user_status": "UNCONFIRMED",
              "email": "alice@example.com",
              "email_verified": "false",
              "sub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef"
            }
          }
        }
        "#); }

        every_message(&server, &pool, &client).await;
        let events: Vec<Value> = told_of(&told, 7).await.into_iter().map(read).collect();
        insta::allow_duplicates! { insta::assert_snapshot!(lines(&events), @r#"
        CustomEmailSender_AdminCreateUser bob CLIENT_ID_NOT_APPLICABLE {"type":"customEmailSenderRequestV1","code":{"key":"arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000","pool":"us-east-1_O2c3Nifle","code":"Aa1!&lt;b&gt;&amp;Aa1!"},"clientMetadata":null,"userAttributes":{"cognito:user_status":"FORCE_CHANGE_PASSWORD","email":"bob@example.com","phone_number":"+12065550101","sub":"fa7dc034-e2e7-4c81-805a-5569a9b67148"}}
        CustomEmailSender_ForgotPassword alice cgqnq25d7v3j8fm9ernm8hn77b {"type":"customEmailSenderRequestV1","code":{"key":"arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000","pool":"us-east-1_O2c3Nifle","code":"087463"},"clientMetadata":{"a":"b"},"userAttributes":{"cognito:user_status":"CONFIRMED","email":"alice@example.com","email_verified":"true","sub":"fdfeeba9-f04c-4e5c-be60-76135dc4bdef"}}
        CustomEmailSender_ResendCode alice cgqnq25d7v3j8fm9ernm8hn77b {"type":"customEmailSenderRequestV1","code":{"key":"arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000","pool":"us-east-1_O2c3Nifle","code":"397897"},"clientMetadata":null,"userAttributes":{"cognito:user_status":"UNCONFIRMED","email":"alice@example.com","email_verified":"false","sub":"fdfeeba9-f04c-4e5c-be60-76135dc4bdef"}}
        CustomEmailSender_UpdateUserAttribute alice cgqnq25d7v3j8fm9ernm8hn77b {"type":"customEmailSenderRequestV1","code":{"key":"arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000","pool":"us-east-1_O2c3Nifle","code":"295554"},"clientMetadata":null,"userAttributes":{"cognito:user_status":"CONFIRMED","email":"new@example.com","email_verified":"false","phone_number":"+12065550100","phone_number_verified":"false","sub":"fdfeeba9-f04c-4e5c-be60-76135dc4bdef"}}
        CustomSMSSender_AdminCreateUser bob CLIENT_ID_NOT_APPLICABLE {"type":"customSMSSenderRequestV1","code":{"key":"arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000","pool":"us-east-1_O2c3Nifle","code":"Aa1!&lt;b&gt;&amp;Aa1!"},"clientMetadata":null,"userAttributes":{"cognito:user_status":"FORCE_CHANGE_PASSWORD","email":"bob@example.com","phone_number":"+12065550101","sub":"fa7dc034-e2e7-4c81-805a-5569a9b67148"}}
        CustomSMSSender_UpdateUserAttribute alice cgqnq25d7v3j8fm9ernm8hn77b {"type":"customSMSSenderRequestV1","code":{"key":"arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000","pool":"us-east-1_O2c3Nifle","code":"298731"},"clientMetadata":null,"userAttributes":{"cognito:user_status":"CONFIRMED","email":"new@example.com","email_verified":"false","phone_number":"+12065550100","phone_number_verified":"false","sub":"fdfeeba9-f04c-4e5c-be60-76135dc4bdef"}}
        CustomSMSSender_VerifyUserAttribute alice cgqnq25d7v3j8fm9ernm8hn77b {"type":"customSMSSenderRequestV1","code":{"key":"arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000","pool":"us-east-1_O2c3Nifle","code":"487729"},"clientMetadata":null,"userAttributes":{"cognito:user_status":"CONFIRMED","email":"new@example.com","email_verified":"false","phone_number":"+12065550100","phone_number_verified":"false","sub":"fdfeeba9-f04c-4e5c-be60-76135dc4bdef"}}
        "#); }
        server.stop_jobs().await;
    })
    .await;
}

/// A new address that waits for its code is the one that the function is to write to.
#[tokio::test]
async fn the_function_is_told_where_the_message_goes() {
    let mut server = Server::memory().await;
    server.send_messages();
    let members = json!({"UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": ["email"]}});
    let (pool, client, told) = scene(&server, &SENDERS, members).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
    let token = access_token(&server, &client, "alice").await;
    let request = json!({"AccessToken": token, "UserAttributes": list(&[("email", "new@example.com")])});
    server.call("UpdateUserAttributes", request).await.ok();
    let [event] = told_of(&told, 1).await.try_into().unwrap();
    assert_eq!(event["request"]["userAttributes"]["email"], "new@example.com");
    assert_eq!(shown(&server, &pool, "alice").await["email"], "alice@example.com");
    server.stop_jobs().await;
}

/// What the function decrypts is what signs in.
#[tokio::test]
async fn the_code_of_a_second_factor_is_the_one_that_the_function_is_told() {
    both_engines(async |mut server| {
        server.send_messages();
        let (pool, client, told) = scene(&server, &["CustomSMSSender"], json!({})).await;
        configure(&server, &pool, json!({"MfaConfiguration": "OPTIONAL", "SmsMfaConfiguration": {}})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({"phone_number": PHONE})).await;
        prefer(&server, &pool, json!({"SMSMfaSettings": preferred()})).await;
        let session = session_of(&server.sign_in(&client, "alice", PASSWORD).await.ok(), "SMS_MFA");
        let [event] = told_of(&told, 1).await.try_into().unwrap();
        assert_eq!(event["triggerSource"], "CustomSMSSender_Authentication");
        assert_eq!(event["request"]["userAttributes"]["phone_number"], PHONE);
        let event = read(event);
        let code = event["request"]["code"]["code"].as_str().unwrap();
        let reply =
            async |code: &str| answer(&server, &client, "SMS_MFA", &session, json!({"SMS_MFA_CODE": code})).await;
        assert_eq!(reply(&other(code)).await.error(), WRONG_CODE);
        is_signed_in(&reply(code).await.ok());
        server.stop_jobs().await;
    })
    .await;
}

/// A pool's own function needs no sender.
#[tokio::test]
async fn functions_take_what_nobody_else_would() {
    let mut server = Server::builder().sender(service::messages::Sender::Nobody).start().await;
    server.send_messages();
    let (_, client, told) = scene(&server, &["CustomSMSSender"], json!({})).await;
    let refused = "CodeDeliveryFailureException: Unable to deliver code to user";
    let request = sign_up(&client, "alice", &[("email", "alice@example.com")]);
    assert_eq!(server.call("SignUp", request).await.error(), refused);
    server.call("SignUp", sign_up(&client, "bob", &[("phone_number", "+12065550100")])).await.ok();
    let [event] = told_of(&told, 1).await.try_into().unwrap();
    insta::assert_json_snapshot!(read(event), @r#"
    {
      "version": "1",
      "region": "us-east-1",
      "userPoolId": "us-east-1_O2c3Nifle",
      "userName": "bob",
      "callerContext": {
        "awsSdkVersion": "aws-sdk-unknown-unknown",
        "clientId": "cgqnq25d7v3j8fm9ernm8hn77b"
      },
      "triggerSource": "CustomSMSSender_SignUp",
      "request": {
        "type": "customSMSSenderRequestV1",
        "code": {
          "key": "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000",
          "pool": "us-east-1_O2c3Nifle",
          "code": "603202"
        },
        "clientMetadata": null,
        "userAttributes": {
          "cognito:user_status": "UNCONFIRMED",
          "phone_number": "+12065550100",
          "phone_number_verified": "false",
          "sub": "63c57ee3-6a29-41cb-a6e1-a1d0f365c178"
        }
      }
    }
    "#);
    server.stop_jobs().await;
}

/// The caller does not wait for whoever sends the message, nor learns of its failures.
#[tokio::test]
async fn a_function_that_fails_is_no_concern_of_the_caller() {
    let server = Server::memory().await;
    let (pool, client, _) = scene(&server, &SENDERS, json!({})).await;
    for (fault, _) in faults(&[]) {
        server.function(&arn("CustomEmailSender"), fault);
        let request = sign_up(&client, "alice", &[("email", "alice@example.com")]);
        server.call("SignUp", request).await.ok();
        let code = server.last_code(&pool, "alice").await;
        let confirm = json!({"ClientId": client, "Username": "alice", "ConfirmationCode": code});
        server.call("ConfirmSignUp", confirm).await.ok();
        server.call("AdminDeleteUser", json!({"UserPoolId": pool, "Username": "alice"})).await.ok();
    }
}
