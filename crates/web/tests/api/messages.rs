//! What messages say, to whom they go, and the inbox that shows them (accounts.md §4.2, §5.7, §9, §10.1, §15).

use std::time::Duration;

use insta::assert_json_snapshot;
use serde_json::{Value, json};
use testkit::Server;

/// A pool that verifies mail addresses, and a client of it.
async fn mail_pool(server: &Server, members: Value) -> (String, String) {
    let mut request = json!({"AutoVerifiedAttributes": ["email"]});
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let pool = server.pool(request).await;
    let client = server.client_id(&pool, json!({})).await;
    (pool, client)
}

fn sign_up(client: &str, username: &str, attributes: &[(&str, &str)]) -> Value {
    let attributes: Vec<Value> = attributes.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
    json!({"ClientId": client, "Username": username, "Password": "Passw0rd!", "UserAttributes": attributes})
}

/// The members of the newest message that are words.
async fn newest(server: &Server, pool: &str, username: &str) -> Value {
    let messages = server.messages(pool, username).await;
    let newest = messages.first().unwrap();
    let member = |name: &str| newest[name].clone();
    json!({
        "purpose": member("purpose"), "medium": member("medium"), "destination": member("destination"),
        "subject": member("subject"), "body": member("body"), "code": member("code"),
    })
}

#[tokio::test]
async fn the_inbox_shows_everything_about_a_message() {
    testkit::both_engines(async |server: Server| {
        let (_, client) = mail_pool(&server, json!({})).await;
        server.call("SignUp", sign_up(&client, "alice", &[("email", "alice@example.com")])).await.ok();
        let answer = server.get("/_poolkeeper/messages").await.ok();
        insta::allow_duplicates! {
            assert_json_snapshot!(answer, @r#"
            {
              "messages": [
                {
                  "id": "019b7ca9-8c88-77eb-80ba-f6f603df4cf8",
                  "sent_at": "2026-01-02T03:04:05Z",
                  "user_pool_id": "us-east-1_O2c3Nifle",
                  "username": "alice",
                  "purpose": "SignUp",
                  "medium": "EMAIL",
                  "destination": "alice@example.com",
                  "subject": "Your verification code",
                  "body": "Your verification code is 313498. ",
                  "code": "313498"
                }
              ]
            }
            "#);
        }
    })
    .await;
}

#[tokio::test]
async fn each_purpose_has_its_default_text() {
    let server = Server::memory().await;
    let (pool, client) = mail_pool(&server, json!({})).await;
    server.call("SignUp", sign_up(&client, "alice", &[("email", "alice@example.com")])).await.ok();
    let first = server.last_code(&pool, "alice").await;
    server.call("ResendConfirmationCode", json!({"ClientId": client, "Username": "alice"})).await.ok();
    assert_json_snapshot!(newest(&server, &pool, "alice").await, @r#"
    {
      "purpose": "ResendCode",
      "medium": "EMAIL",
      "destination": "alice@example.com",
      "subject": "Your verification code",
      "body": "Your verification code is 397897. ",
      "code": "397897"
    }
    "#);
    assert_ne!(first, server.last_code(&pool, "alice").await);

    server.confirmed_user(&pool, "bob", "Passw0rd!", json!({"email": "bob@example.com"})).await;
    server.call("ForgotPassword", json!({"ClientId": client, "Username": "bob"})).await.ok();
    assert_json_snapshot!(newest(&server, &pool, "bob").await, @r#"
    {
      "purpose": "ForgotPassword",
      "medium": "EMAIL",
      "destination": "bob@example.com",
      "subject": "Your password reset code",
      "body": "Your password reset code is 733585",
      "code": "733585"
    }
    "#);

    let attributes =
        json!([{"Name": "email", "Value": "carol@example.com"}, {"Name": "phone_number", "Value": "+14325551212"}]);
    let invitation = json!({"UserPoolId": pool, "Username": "carol", "TemporaryPassword": "Temp<0>rary&1",
        "UserAttributes": attributes, "DesiredDeliveryMediums": ["EMAIL", "SMS"]});
    server.call("AdminCreateUser", invitation).await.ok();
    let mut messages = server.messages(&pool, "carol").await;
    messages.sort_by_key(|message| message["medium"].to_string());
    let words: Vec<Value> = messages
        .iter()
        .map(|message| json!([message["medium"], message["subject"], message["body"], message["code"]]))
        .collect();
    assert_json_snapshot!(words, @r#"
    [
      [
        "EMAIL",
        "Your temporary password",
        "Your username is carol and temporary password is Temp&lt;0&gt;rary&amp;1. ",
        "Temp<0>rary&1"
      ],
      [
        "SMS",
        "",
        "Your username is carol and temporary password is Temp<0>rary&1. ",
        "Temp<0>rary&1"
      ]
    ]
    "#);
}

#[tokio::test]
async fn codes_go_out_in_the_words_of_the_pool() {
    let server = Server::memory().await;
    let template = json!({
        "SmsMessage": "sms {####}",
        "EmailMessage": "<p>Grüße! Dein Code: <b>{####}</b></p>",
        "EmailSubject": "Dein Code ({####})",
    });
    let invite = json!({"EmailMessage": "Hi {username}, use {####}", "EmailSubject": "Hi {username}", "SMSMessage": "{username}: {####}"});
    let members = json!({
        "VerificationMessageTemplate": template,
        "AdminCreateUserConfig": {"InviteMessageTemplate": invite},
        "EmailConfiguration": {"EmailSendingAccount": "COGNITO_DEFAULT", "ReplyToEmailAddress": "help@example.org"},
    });
    let (pool, client) = mail_pool(&server, members).await;
    server.call("SignUp", sign_up(&client, "alice", &[("email", "alice@example.com")])).await.ok();
    assert_json_snapshot!(newest(&server, &pool, "alice").await, @r#"
    {
      "purpose": "SignUp",
      "medium": "EMAIL",
      "destination": "alice@example.com",
      "subject": "Dein Code (313498)",
      "body": "<p>Grüße! Dein Code: <b>313498</b></p>",
      "code": "313498"
    }
    "#);
    // What a user chose as username reaches the mail as text, never as HTML, and never as a line of its own.
    let hostile = json!({"UserPoolId": pool, "Username": "<img/src=x>&", "TemporaryPassword": "Passw0rd!",
        "UserAttributes": [{"Name": "email", "Value": "eve@example.com"}], "DesiredDeliveryMediums": ["EMAIL"]});
    server.call("AdminCreateUser", hostile).await.ok();
    assert_json_snapshot!(newest(&server, &pool, "<img/src=x>&").await, @r#"
    {
      "purpose": "AdminCreateUser",
      "medium": "EMAIL",
      "destination": "eve@example.com",
      "subject": "Hi <img/src=x>&",
      "body": "Hi &lt;img/src=x&gt;&amp;, use Passw0rd!",
      "code": "Passw0rd!"
    }
    "#);
}

#[tokio::test]
async fn sign_ups_are_confirmed_by_link_and_resets_by_code() {
    let server = Server::memory().await;
    let template = json!({"DefaultEmailOption": "CONFIRM_WITH_LINK", "EmailMessageByLink": "Please {##confirm & go##}.",
        "EmailSubjectByLink": "One click"});
    let (pool, client) = mail_pool(&server, json!({"VerificationMessageTemplate": template})).await;
    server.call("SignUp", sign_up(&client, "a&b=c/é\"", &[("email", "alice@example.com")])).await.ok();
    assert_json_snapshot!(newest(&server, &pool, "alice@example.com").await, @r#"
    {
      "purpose": "SignUp",
      "medium": "EMAIL",
      "destination": "alice@example.com",
      "subject": "One click",
      "body": "Please <a href=\"http://127.0.0.1:9229/confirmUser/?client_id=cgqnq25d7v3j8fm9ernm8hn77b&amp;user_name=a%26b%3Dc%2F%C3%A9%22&amp;confirmation_code=313498\">confirm & go</a>.",
      "code": "313498"
    }
    "#);
    server.call("ResendConfirmationCode", json!({"ClientId": client, "Username": "a&b=c/é\""})).await.ok();
    let body = newest(&server, &pool, "alice@example.com").await;
    assert!(
        body["body"].as_str().unwrap().starts_with("Please <a href=\"http://127.0.0.1:9229/confirmUser/?client_id=")
    );
    server.confirmed_user(&pool, "bob", "Passw0rd!", json!({"email": "bob@example.com"})).await;
    server.call("ForgotPassword", json!({"ClientId": client, "Username": "bob"})).await.ok();
    let reset = newest(&server, &pool, "bob").await;
    assert_eq!(reset["body"], format!("Your password reset code is {}", reset["code"].as_str().unwrap()));
}

#[tokio::test]
async fn messages_are_found_by_every_name_of_the_user_and_by_no_other() {
    let server = Server::memory().await;
    let (pool, client) = mail_pool(&server, json!({})).await;
    let attributes = [("email", "Alice@Example.com"), ("phone_number", "+14325551212"), ("preferred_username", "Ali")];
    let answer = server.call("SignUp", sign_up(&client, "alice", &attributes)).await.ok();
    let sub = answer["UserSub"].as_str().unwrap();
    server.call("SignUp", sign_up(&client, "bob", &[("email", "bob@example.com")])).await.ok();
    for name in ["alice", "ALICE", sub, "alice@example.com", "+14325551212", "ali"] {
        let found = server.messages(&pool, name).await;
        assert_eq!(found.iter().map(|message| &message["username"]).collect::<Vec<_>>(), ["alice"], "{name}");
    }
    for name in ["alic", "carol", "%", "\u{0}"] {
        assert_eq!(server.messages(&pool, name).await, Vec::<Value>::new(), "{name:?}");
    }
    assert_eq!(server.messages("us-east-1_nothing00", "alice").await, Vec::<Value>::new());
}

#[tokio::test]
async fn messages_come_newest_first_and_no_more_than_asked_for() {
    let server = Server::memory().await;
    let (pool, client) = mail_pool(&server, json!({})).await;
    for name in ["one", "two", "three"] {
        server.call("SignUp", sign_up(&client, name, &[("email", "a@example.com")])).await.ok();
    }
    // All of one moment: the clock stands still.
    for (limit, expected) in
        [(2, vec!["three", "two"]), (3, vec!["three", "two", "one"]), (9, vec!["three", "two", "one"])]
    {
        let answer = server.get(&format!("/_poolkeeper/messages?user_pool_id={pool}&limit={limit}")).await.ok();
        let found: Vec<_> =
            answer["messages"].as_array().unwrap().iter().map(|message| message["username"].clone()).collect();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_user_whom_no_sender_can_reach_gets_an_error_and_nothing_else() {
    let server = Server::builder().sender(testkit::smtp(1, Duration::from_secs(5))).start().await;
    let sms = json!({"SnsCallerArn": "arn:aws:iam::000000000000:role/sms"});
    let pool = server.pool(json!({"AutoVerifiedAttributes": ["phone_number"], "SmsConfiguration": sms})).await;
    let client = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "alice", "Passw0rd!", json!({"phone_number": "+14325551212"})).await;
    let forgot = json!({"ClientId": client, "Username": "alice"});
    let answer = server.call("ForgotPassword", forgot).await;
    assert_eq!(answer.error(), "CodeDeliveryFailureException: Unable to deliver code to user");
    let confirm =
        json!({"ClientId": client, "Username": "alice", "ConfirmationCode": "123456", "Password": "N3w-passw0rd"});
    let answer = server.call("ConfirmForgotPassword", confirm).await;
    assert_eq!(answer.error(), "ExpiredCodeException: Invalid code provided, please request a code again.");
    // A mail that waits for its server is on its way, not in the inbox.
    server.confirmed_user(&pool, "bob", "Passw0rd!", json!({"email": "bob@example.com"})).await;
    server.call("ForgotPassword", json!({"ClientId": client, "Username": "bob"})).await.ok();
    assert_eq!(server.messages(&pool, "bob").await, Vec::<Value>::new());
}
