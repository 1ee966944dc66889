use domain::{Medium, MessagePurpose, MessageState, Pool, User, message::MessageContent};
use serde_json::{Value, json};
use wire::AccountTakeoverEventActionType::{self, Block, MfaIfConfigured, MfaRequired, NoAction};

use super::{Notice, write_notice};
use crate::messages::{
    Letter, Sender, open,
    testing::{app, ctx, pool, user},
};

fn notice(action: AccountTakeoverEventActionType) -> Notice {
    Notice {
        action,
        login_time: "Fri Jan 02 03:04:05 UTC 2026".to_owned(),
        ip_address: "192.0.2.1".to_owned(),
        city: None,
        country: Some("Côte d'Ivoire".to_owned()),
        device_name: "<b>, {username}".to_owned(),
        event_id: "event".to_owned(),
        feedback_token: "token".to_owned(),
        link_valid: "https://auth.example.com/?a=1&value=Valid".to_owned(),
        link_invalid: "https://auth.example.com/?a=1&value=Invalid".to_owned(),
    }
}

/// The message and its content.
async fn written(pool: &Pool, user: &User, configuration: &Value, notice: &Notice) -> (MessageState, MessageContent) {
    let app = app(Sender::Inbox, true).await;
    let letter = Letter {
        pool,
        client_id: Some("client"),
        user,
        purpose: MessagePurpose::AccountTakeOverNotification,
        medium: Medium::Email,
        destination: "alice@example.com",
        code: "",
    };
    let configuration = serde_json::from_value(configuration.clone()).unwrap();
    let message = write_notice(&ctx(&app), &letter, &configuration, notice).unwrap();
    assert_eq!(message.purpose, MessagePurpose::AccountTakeOverNotification);
    (message.state, open(&app.ring, &message).unwrap())
}

fn configuration(members: &Value) -> Value {
    let mut configuration = json!({"SourceArn": "arn:aws:ses:eu-west-1:123456789012:identity/example.com"});
    configuration.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    configuration
}

#[tokio::test]
async fn placeholders_are_filled_in_once_and_escaped_where_the_mail_is_html() {
    let all = "{username}|{ip-address}|{city}|{country}|{login-time}|{device-name}|{one-click-link-valid}|\
               {one-click-link-invalid}|{event-id}|{feedback-token}|{unknown}|{username|{{username}}";
    let configuration = configuration(&json!({"BlockEmail": {"Subject": all, "HtmlBody": all, "TextBody": all}}));
    let user = user("al\r\nBcc: <eve>", &[]);
    let (state, content) = written(&pool(), &user, &configuration, &notice(Block)).await;
    assert_eq!(state, MessageState::Sent);
    let plain = "al\r\nBcc: <eve>|192.0.2.1|unknown|Côte d'Ivoire|Fri Jan 02 03:04:05 UTC 2026|<b>, {username}|\
                 https://auth.example.com/?a=1&value=Valid|https://auth.example.com/?a=1&value=Invalid|event|token|\
                 {unknown}|{username|{al\r\nBcc: <eve>}";
    assert_eq!(content.text.as_deref(), Some(plain));
    assert_eq!(content.subject, plain.replace("\r\n", "  "));
    let html = "al\r\nBcc: &lt;eve&gt;|192.0.2.1|unknown|Côte d&#39;Ivoire|Fri Jan 02 03:04:05 UTC 2026|\
                &lt;b&gt;, {username}|https://auth.example.com/?a=1&amp;value=Valid|\
                https://auth.example.com/?a=1&amp;value=Invalid|event|token|{unknown}|{username|\
                {al\r\nBcc: &lt;eve&gt;}";
    assert_eq!(content.body, html);
}

#[tokio::test]
async fn each_action_has_its_mail_and_its_default() {
    let user = user("alice", &[]);
    let own = configuration(&json!({
        "BlockEmail": {"Subject": "B", "HtmlBody": "<p>b</p>"},
        "NoActionEmail": {"Subject": "N", "TextBody": "n <\nn"},
        "MfaEmail": {"Subject": "M", "HtmlBody": "<p>m</p>", "TextBody": "m"},
    }));
    for (action, subject, body, text) in [
        (Block, "B", "<p>b</p>", None),
        (NoAction, "N", "n &lt;<br>\nn", Some("n <\nn")),
        (MfaIfConfigured, "M", "<p>m</p>", Some("m")),
        (MfaRequired, "M", "<p>m</p>", Some("m")),
    ] {
        let (_, content) = written(&pool(), &user, &own, &notice(action)).await;
        assert_eq!((content.subject.as_str(), content.body.as_str(), content.text.as_deref()), (subject, body, text));
    }
    let none = configuration(&json!({}));
    for (action, subject) in
        [(Block, "Blocked sign-in attempt"), (NoAction, "New sign-in attempt"), (MfaRequired, "New sign-in attempt")]
    {
        let (_, content) = written(&pool(), &user, &none, &notice(action)).await;
        assert_eq!(content.subject, subject);
        for part in ["alice", "Fri Jan 02 03:04:05 UTC 2026", "unknown, Côte d", "value=Valid", "value=Invalid"] {
            assert!(content.body.contains(part) && content.text.as_ref().unwrap().contains(part), "{part}");
        }
    }
}

#[tokio::test]
async fn the_sender_is_that_of_the_risk_configuration() {
    let mut pool = pool();
    let user = user("alice", &[("email", "alice@example.com")]);
    let sent_by = async |pool: &Pool, members: Value| {
        let (_, content) = written(pool, &user, &configuration(&members), &notice(Block)).await;
        assert_eq!(content.destination, "alice@example.com");
        assert_eq!(content.region.as_deref(), Some("eu-west-1"));
        (content.from, content.reply_to, content.source_arn.unwrap().split_off(35))
    };
    let text = |text: &str| Some(text.to_owned());
    let domain = "identity/example.com".to_owned();
    assert_eq!(sent_by(&pool, json!({})).await, (None, None, domain.clone()));
    let members = json!({"From": "Security <s@example.com>", "ReplyTo": "help@example.com"});
    let expected = (text("Security <s@example.com>"), text("help@example.com"), domain.clone());
    assert_eq!(sent_by(&pool, members).await, expected);
    let arn = "arn:aws:ses:eu-west-1:123456789012:identity/s@example.com";
    let expected = (text("s@example.com"), None, "identity/s@example.com".to_owned());
    assert_eq!(sent_by(&pool, json!({"SourceArn": arn})).await, expected);
    pool.email = serde_json::from_value(json!({
        "EmailSendingAccount": "DEVELOPER", "From": "pool@example.com", "ReplyToEmailAddress": "pool-help@example.com",
        "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/pool@example.com",
    }))
    .unwrap();
    let expected = (text("pool@example.com"), text("pool-help@example.com"), domain);
    assert_eq!(sent_by(&pool, json!({"From": " "})).await, expected);
}

#[tokio::test]
async fn a_function_is_told_in_place_of_a_sender() {
    let mut pool = pool();
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:f";
    pool.sign_in.triggers = serde_json::from_value(json!({
        "CustomEmailSender": {"LambdaVersion": "V1_0", "LambdaArn": arn}, "KMSKeyID": "key",
    }))
    .unwrap();
    let user = user("alice", &[("email", "alice@example.com")]);
    let (state, content) = written(&pool, &user, &configuration(&json!({})), &notice(MfaIfConfigured)).await;
    assert_eq!((state, content.body.as_str(), content.text), (MessageState::Pending, "", None));
    let event = content.custom_sender.unwrap().event;
    assert_eq!(event["triggerSource"], "CustomEmailSender_AccountTakeOverNotification");
    assert_eq!(event["callerContext"]["clientId"], "client");
    assert_eq!(
        event["request"],
        json!({
            "type": "customEmailSenderRequestV1", "code": null, "clientMetadata": null,
            "userAttributes": {
                "ACCOUNT_TAKE_OVER_ACTION": "MFA_IF_CONFIGURED", "COUNTRY": "Côte d'Ivoire",
                "DEVICE_NAME": "<b>, {username}", "EVENT_ID": "event", "FEEDBACK_TOKEN": "token",
                "IP_ADDRESS": "192.0.2.1", "LOGIN_TIME": "Fri Jan 02 03:04:05 UTC 2026",
                "ONE_CLICK_LINK_INVALID": "https://auth.example.com/?a=1&value=Invalid",
                "ONE_CLICK_LINK_VALID": "https://auth.example.com/?a=1&value=Valid", "USER_NAME": "alice",
            },
        })
    );
}
