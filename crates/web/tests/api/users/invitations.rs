//! Temporary passwords and the invitations that carry them (accounts.md §7.4, §10.1).

use super::*;

const WRONG: &str = "NotAuthorizedException: Incorrect username or password.";

#[tokio::test]
async fn a_repeated_invitation_starts_its_time_over() {
    both_engines(async |server| {
        let policy = json!({"MinimumLength": 8, "TemporaryPasswordValidityDays": 2});
        let pool = server.pool(json!({"Policies": {"PasswordPolicy": policy}, "UsernameAttributes": ["email"]})).await;
        let client = server.client_id(&pool, json!({})).await;
        let by_mail = json!({"DesiredDeliveryMediums": ["EMAIL"]});
        let created = create(&server, &pool, "a@example.com", &[], by_mail.clone()).await.ok();
        let first = server.last_code(&pool, "a@example.com").await;
        let over = "NotAuthorizedException: Temporary password has expired and must be reset by an administrator.";
        server.advance(2 * 86_400 - 1);
        let challenge = server.sign_in(&client, "a@example.com", &first).await.ok();
        assert_eq!(challenge["ChallengeName"], "NEW_PASSWORD_REQUIRED");
        server.advance(1);
        assert_eq!(server.sign_in(&client, "a@example.com", &first).await.error(), over);
        // Nothing but that has changed.
        assert_eq!(get(&server, &pool, "a@example.com").await["UserStatus"], "FORCE_CHANGE_PASSWORD");

        // The new one lives as long, whoever chose it; attributes and aliases in the request are not looked at.
        for (password, by) in
            [(None, "a@example.com"), (Some("chosen-by-hand"), created["User"]["Username"].as_str().unwrap())]
        {
            let again = merged(by_mail.clone(), json!({"MessageAction": "RESEND", "TemporaryPassword": password}));
            let answer = create(&server, &pool, by, &[("name", "N"), ("custom:x", "y")], again).await.ok();
            assert_eq!(answer["User"]["UserStatus"], "FORCE_CHANGE_PASSWORD");
            assert_eq!(answer["User"]["Attributes"].as_array().unwrap().len(), 2);
            let second = server.last_code(&pool, "a@example.com").await;
            assert!(password.is_none_or(|password| password == second));
            server.advance(2 * 86_400 - 1);
            assert_eq!(server.sign_in(&client, "a@example.com", &first).await.error(), WRONG);
            assert_eq!(
                server.sign_in(&client, "a@example.com", &second).await.ok()["ChallengeName"],
                "NEW_PASSWORD_REQUIRED"
            );
            server.advance(1);
            assert_eq!(server.sign_in(&client, "a@example.com", &second).await.error(), over);
        }
        let short = json!({"MessageAction": "RESEND", "TemporaryPassword": "short"});
        assert_eq!(
            create(&server, &pool, "a@example.com", &[], short).await.error(),
            "InvalidPasswordException: Password did not conform with password policy: Password not long enough"
        );
    })
    .await;
}

#[tokio::test]
async fn what_nobody_can_deliver_invites_nobody() {
    let server = Server::builder().sender(service::messages::Sender::Nobody).start().await;
    let pool = server.pool(json!({})).await;
    let pairs = [("email", "a@example.com")];
    let by_mail = json!({"DesiredDeliveryMediums": ["EMAIL"]});
    let undelivered = "CodeDeliveryFailureException: Unable to deliver code to user";
    assert_eq!(create(&server, &pool, "alice", &pairs, by_mail.clone()).await.error(), undelivered);
    assert_eq!(named(&server, "AdminGetUser", &pool, "alice").await.error(), UNKNOWN);
    // Where nothing is to be sent, nobody is needed for it.
    create(&server, &pool, "alice", &pairs, json!({})).await.ok();
    create(&server, &pool, "bob", &pairs, merged(by_mail.clone(), json!({"MessageAction": "SUPPRESS"}))).await.ok();
    let again = merged(by_mail, json!({"MessageAction": "RESEND"}));
    assert_eq!(create(&server, &pool, "alice", &[], again).await.error(), undelivered);
}

#[tokio::test]
async fn of_many_who_create_a_user_one_does() {
    both_engines(async |server| {
        let pool = server.pool(json!({"UsernameAttributes": ["email"]})).await;
        let create = async || create(&server, &pool, "a@example.com", &[], json!({"MessageAction": "SUPPRESS"})).await;
        let answers = tokio::join!(create(), create(), create(), create());
        let answers = [answers.0, answers.1, answers.2, answers.3];
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!((won.len(), lost.len()), (1, 3));
        for answer in lost {
            assert_eq!(answer.error(), "UsernameExistsException: An account with the given email already exists.");
        }
    })
    .await;
}

#[tokio::test]
async fn an_invitation_says_what_the_pool_wants_it_to() {
    let server = Server::memory().await;
    let template = json!({
        "EmailMessage": "Hello {username}, your password is {####}.", "EmailSubject": "Come in",
        "SMSMessage": "Hello {username}, ask {####} for a password.",
    });
    let pool = server.pool(json!({"AdminCreateUserConfig": {"InviteMessageTemplate": template}})).await;
    let both = [("email", "a@example.com"), ("phone_number", "+14325551212")];
    let members = json!({"DesiredDeliveryMediums": ["EMAIL", "SMS"], "TemporaryPassword": "Passw0rd<1"});
    create(&server, &pool, "alice", &both, members).await.ok();
    let mut bodies: Vec<String> = server
        .messages(&pool, "alice")
        .await
        .iter()
        .map(|message| format!("{}: {}", message["subject"].as_str().unwrap(), message["body"].as_str().unwrap()))
        .collect();
    bodies.sort();
    assert_eq!(
        bodies,
        [": Hello alice, ask Passw0rd<1 for a password.", "Come in: Hello alice, your password is Passw0rd&lt;1."]
    );
    // One without the password would invite nobody, and is not sent.
    let template = json!({"EmailMessage": "Hello {username}, come in."});
    let pool = server.pool(json!({"AdminCreateUserConfig": {"InviteMessageTemplate": template}})).await;
    create(&server, &pool, "alice", &both, json!({"DesiredDeliveryMediums": ["EMAIL"]})).await.ok();
    assert!(server.messages(&pool, "alice").await.is_empty());
}
