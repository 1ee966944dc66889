//! Mails that tell users of risky sign-ins (triggers-security.md §12.1, §15.3).

use testkit::triggers::{Told, lambda_config, notes};

use super::{
    sign_in::{ABROAD, BLOCKED, HOME, LAPTOP, PASSWORD, PHONE, Scene},
    *,
};

/// A takeover configuration that does this about every risk and says so, with these mails.
fn telling(action: &str, mails: &Value) -> Value {
    let action = json!({"Notify": true, "EventAction": action});
    let notify = json!({"SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/security@example.com"});
    json!({"AccountTakeoverRiskConfiguration": {
        "NotifyConfiguration": with(notify, mails),
        "Actions": {"LowAction": action, "MediumAction": action, "HighAction": action},
    }})
}

/// A scene with this configuration, in which alice has signed in at home.
async fn scene(more: Value, configuration: Value) -> Scene {
    let scene = Scene::new("ENFORCED", more, "OFF").await;
    scene.configure(configuration).await;
    scene.signs_in(HOME, LAPTOP).await;
    scene
}

/// The links in a text.
fn links(text: &str) -> Vec<&str> {
    text.split(['"', ' ', '\n', '<']).filter(|word| word.starts_with("http")).collect()
}

#[tokio::test]
async fn whoever_is_refused_is_told_by_mail_and_can_say_who_it_was() {
    let html = "<p>{username} {login-time} {device-name} {city} {country} {ip-address} {event-id}</p>\
                <a href=\"{one-click-link-valid}\">me</a> <a href=\"{one-click-link-invalid}\">not me</a>";
    let mail = json!({"BlockEmail": {"Subject": "Refused: {device-name}", "HtmlBody": html}});
    let scene = scene(json!({}), telling("BLOCK", &mail)).await;
    let Scene { server, pool, .. } = &scene;
    assert!(server.messages(pool, "alice").await.is_empty());
    assert_eq!(scene.begin(PASSWORD, ABROAD, PHONE).await.error(), BLOCKED);
    let messages = server.messages(pool, "alice").await;
    let [message] = &messages[..] else { panic!("{messages:?}") };
    let event = scene.events().await[0].clone();
    let id = event["EventId"].as_str().unwrap();
    assert_eq!(message["purpose"], "AccountTakeOverNotification");
    assert_eq!(message["destination"], "alice@example.com");
    assert_eq!(message["subject"], "Refused: Firefox 128, Linux");
    assert_eq!(message["code"], "");
    let body = message["body"].as_str().unwrap();
    let expected = format!("<p>alice Fri Jan 02 03:04:06 UTC 2026 Firefox 128, Linux unknown Norway {ABROAD} {id}</p>");
    assert!(body.starts_with(&expected), "{body}");
    let [valid, invalid] = links(body).try_into().unwrap();
    assert!(valid.ends_with("&amp;value=Valid") && invalid.ends_with("&amp;value=Invalid"), "{body}");
    assert!(valid.starts_with("http://127.0.0.1:9229/"), "{valid}");
}

#[tokio::test]
async fn a_token_in_a_mail_is_good_for_its_event() {
    let mail = json!({"NoActionEmail": {"Subject": "New", "TextBody": "{event-id} {feedback-token}"}});
    let scene = scene(json!({}), telling("NO_ACTION", &mail)).await;
    let Scene { server, pool, .. } = &scene;
    scene.signs_in(ABROAD, PHONE).await;
    let message = server.messages(pool, "alice").await.remove(0);
    let (id, token) = message["body"].as_str().unwrap().split_once(' ').unwrap();
    let request = json!({
        "UserPoolId": pool, "Username": "alice", "EventId": id, "FeedbackToken": token, "FeedbackValue": "Invalid",
    });
    server.call("UpdateAuthEventFeedback", request).await.ok();
    let events = scene.events().await;
    assert_eq!(events[0]["EventId"], id);
    assert_eq!(events[0]["EventFeedback"]["FeedbackValue"], "Invalid");
}

#[tokio::test]
async fn our_own_words_are_told_where_there_are_none() {
    for (action, subject) in [("BLOCK", "Blocked sign-in attempt"), ("NO_ACTION", "New sign-in attempt")] {
        let scene = scene(json!({}), telling(action, &json!({}))).await;
        scene.begin(PASSWORD, ABROAD, PHONE).await;
        let message = scene.server.messages(&scene.pool, "alice").await.remove(0);
        assert_eq!(message["subject"], subject);
        let body = message["body"].as_str().unwrap();
        assert!(body.contains("<li>Location: unknown, Norway</li>") && links(body).len() == 2, "{body}");
    }
}

#[tokio::test]
async fn nobody_is_told_of_what_is_no_risk_or_not_to_be_told() {
    let quiet = json!({"Notify": false, "EventAction": "BLOCK"});
    let mut configuration = telling("BLOCK", &json!({}));
    configuration["AccountTakeoverRiskConfiguration"]["Actions"] = json!({"MediumAction": quiet});
    let scene = scene(json!({}), configuration).await;
    assert_eq!(scene.begin(PASSWORD, ABROAD, PHONE).await.error(), BLOCKED);
    assert!(scene.server.messages(&scene.pool, "alice").await.is_empty());

    // In AUDIT, nothing is done.
    let scene = Scene::new("AUDIT", json!({}), "OFF").await;
    scene.configure(telling("BLOCK", &json!({}))).await;
    scene.signs_in(HOME, LAPTOP).await;
    scene.signs_in(ABROAD, PHONE).await;
    assert!(scene.server.messages(&scene.pool, "alice").await.is_empty());
}

/// Whoever holds the token has a say in who may sign in.
#[tokio::test]
async fn an_address_that_nobody_has_proven_is_told_nothing() {
    let scene = scene(json!({}), telling("BLOCK", &json!({}))).await;
    let unverified = json!([{"Name": "email_verified", "Value": "false"}]);
    let request = json!({"UserPoolId": scene.pool, "Username": "alice", "UserAttributes": unverified});
    scene.server.call("AdminUpdateUserAttributes", request).await.ok();
    assert_eq!(scene.begin(PASSWORD, ABROAD, PHONE).await.error(), BLOCKED);
    assert!(scene.server.messages(&scene.pool, "alice").await.is_empty());
}

#[tokio::test]
async fn a_function_takes_the_notice_in_place_of_a_sender() {
    let trigger = "CustomEmailSender";
    let mut scene = scene(json!({"LambdaConfig": lambda_config(&[trigger])}), telling("BLOCK", &json!({}))).await;
    let told = Told::default();
    notes(&scene.server, &told, trigger);
    scene.server.send_messages();
    assert_eq!(scene.begin(PASSWORD, ABROAD, PHONE).await.error(), BLOCKED);
    let mut event = told.next(1).await.remove(0);
    let attributes = event["request"]["userAttributes"].as_object_mut().unwrap();
    for (name, value) in attributes.iter_mut() {
        let is_made_up = ["EVENT_ID", "FEEDBACK_TOKEN"].contains(&name.as_str()) || name.starts_with("ONE_CLICK");
        if is_made_up {
            assert!(value.as_str().unwrap().len() > 30, "{name} {value}");
            *value = json!("[made up]");
        }
    }
    insta::assert_json_snapshot!(event, @r#"
    {
      "version": "1",
      "region": "us-east-1",
      "userPoolId": "us-east-1_O2c3Nifle",
      "userName": "alice",
      "callerContext": {
        "awsSdkVersion": "aws-sdk-unknown-unknown",
        "clientId": "cgqnq25d7v3j8fm9ernm8hn77b"
      },
      "triggerSource": "CustomEmailSender_AccountTakeOverNotification",
      "request": {
        "type": "customEmailSenderRequestV1",
        "code": null,
        "clientMetadata": null,
        "userAttributes": {
          "ACCOUNT_TAKE_OVER_ACTION": "BLOCK",
          "COUNTRY": "Norway",
          "DEVICE_NAME": "Firefox 128, Linux",
          "EVENT_ID": "[made up]",
          "FEEDBACK_TOKEN": "[made up]",
          "IP_ADDRESS": "82.0.0.1",
          "LOGIN_TIME": "Fri Jan 02 03:04:06 UTC 2026",
          "ONE_CLICK_LINK_INVALID": "[made up]",
          "ONE_CLICK_LINK_VALID": "[made up]",
          "USER_NAME": "alice"
        }
      }
    }
    "#);
    scene.server.stop_jobs().await;
}
