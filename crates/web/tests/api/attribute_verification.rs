//! Codes that verify addresses (accounts.md §4.1, §4.3, §11.5).

use domain::{AttemptPurpose, CodePurpose};
use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

use crate::{
    attributes::{access_token, update_own},
    users::{PASSWORD, UNKNOWN, create, get, named, update, value},
};

const MISMATCH: &str = "CodeMismatchException: Invalid verification code provided, please try again.";
const EXPIRED: &str = "ExpiredCodeException: Invalid code provided, please request a code again.";
const LIMIT: &str = "LimitExceededException: Attempt limit exceeded, please try after some time.";
const TAKEN: &str = "AliasExistsException: An account with the given email already exists.";

async fn ask(server: &Server, token: &str, attribute: &str) -> Answer {
    let request = json!({"AccessToken": token, "AttributeName": attribute});
    server.call("GetUserAttributeVerificationCode", request).await
}

async fn verify(server: &Server, token: &str, attribute: &str, code: &str) -> Answer {
    let request = json!({"AccessToken": token, "AttributeName": attribute, "Code": code});
    server.call("VerifyUserAttribute", request).await
}

/// `email` and `email_verified`.
async fn email(server: &Server, pool: &str, username: &str) -> (Option<String>, Option<String>) {
    let user = get(server, pool, username).await;
    (value(&user, "email"), value(&user, "email_verified"))
}

fn is(address: &str, verified: &str) -> (Option<String>, Option<String>) {
    (Some(address.to_owned()), Some(verified.to_owned()))
}

/// A code that is not this one.
fn other(code: &str) -> String {
    if code == "000000" { "000001".to_owned() } else { "000000".to_owned() }
}

/// A pool with those members, which verifies email addresses and phone numbers; a client; alice, and her token.
async fn scene(server: &Server, members: Value) -> (String, String, String) {
    let mut request = json!({
        "AutoVerifiedAttributes": ["email", "phone_number"],
        "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::000000000000:role/sms"},
    });
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let pool = server.pool(request).await;
    let client = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "a@example.com"})).await;
    let token = access_token(server, &client, "alice").await;
    (pool, client, token)
}

fn verified_first() -> Value {
    json!({"UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": ["email"]}})
}

#[tokio::test]
async fn a_new_address_counts_at_once_and_is_verified_later() {
    both_engines(async |server| {
        let (pool, _, token) = scene(&server, json!({})).await;
        let pairs = [("email", "new@example.com"), ("phone_number", "+14325551212"), ("name", "A")];
        let answer = update_own(&server, &token, &pairs).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(answer, @r#"
        {
          "CodeDeliveryDetailsList": [
            {
              "Destination": "n***@e***",
              "DeliveryMedium": "EMAIL",
              "AttributeName": "email"
            },
            {
              "Destination": "+*******1212",
              "DeliveryMedium": "SMS",
              "AttributeName": "phone_number"
            }
          ]
        }
        "#); }
        assert_eq!(email(&server, &pool, "alice").await, is("new@example.com", "false"));
        let messages = server.messages(&pool, "alice").await;
        assert_eq!(messages.len(), 2);
        let code = |medium: &str| {
            let message = messages.iter().find(|message| message["medium"] == medium).unwrap();
            assert_eq!(message["purpose"], "UpdateUserAttribute");
            message["code"].as_str().unwrap().to_owned()
        };
        let (mail, text) = (code("EMAIL"), code("SMS"));
        let first = messages.iter().find(|message| message["medium"] == "EMAIL").unwrap();
        assert_eq!(first["destination"], "new@example.com");
        assert_eq!(first["body"], format!("Your verification code is {mail}. "));

        // A code is for its attribute.
        assert_eq!(verify(&server, &token, "email", &text).await.error(), MISMATCH);
        assert_eq!(verify(&server, &token, "phone_number", &mail).await.error(), MISMATCH);
        assert_eq!(verify(&server, &token, "email", &other(&mail)).await.error(), MISMATCH);
        assert_eq!(verify(&server, &token, "email", &mail).await.ok(), json!({}));
        assert_eq!(verify(&server, &token, "phone_number", &text).await.ok(), json!({}));
        // And for once.
        assert_eq!(verify(&server, &token, "email", &mail).await.error(), EXPIRED);
        let user = server.call("GetUser", json!({"AccessToken": token})).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(user, @r#"
        {
          "Username": "alice",
          "UserAttributes": [
            {
              "Name": "sub",
              "Value": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef"
            },
            {
              "Name": "email",
              "Value": "new@example.com"
            },
            {
              "Name": "email_verified",
              "Value": "true"
            },
            {
              "Name": "name",
              "Value": "A"
            },
            {
              "Name": "phone_number",
              "Value": "+14325551212"
            },
            {
              "Name": "phone_number_verified",
              "Value": "true"
            }
          ]
        }
        "#); }

        // Nothing changes, nothing is sent.
        update_own(&server, &token, &pairs).await.ok();
        assert_eq!(server.messages(&pool, "alice").await.len(), 2);
        assert_eq!(email(&server, &pool, "alice").await, is("new@example.com", "true"));
    })
    .await;
}

#[tokio::test]
async fn a_code_proves_nothing_about_a_later_address() {
    both_engines(async |server| {
        let (pool, client, token) = scene(&server, json!({})).await;
        update_own(&server, &token, &[("email", "b@example.com")]).await.ok();
        let first = server.last_code(&pool, "alice").await;
        // The same address again, as a form sends all that it shows, leaves the code alone.
        update_own(&server, &token, &[("email", "b@example.com"), ("name", "A")]).await.ok();
        update_own(&server, &token, &[("email", "c@example.com")]).await.ok();
        let second = server.last_code(&pool, "alice").await;
        assert_eq!(verify(&server, &token, "email", &first).await.error(), MISMATCH);
        // Nor does it where an administrator vouches for another address, or takes the address away.
        update(&server, &pool, "alice", &[("email", "d@example.com"), ("email_verified", "true")]).await.ok();
        assert_eq!(verify(&server, &token, "email", &second).await.error(), EXPIRED);
        assert_eq!(email(&server, &pool, "alice").await, is("d@example.com", "true"));
        ask(&server, &token, "email").await.ok();
        let third = server.last_code(&pool, "alice").await;
        let names = json!({"AccessToken": token, "UserAttributeNames": ["email"]});
        server.call("DeleteUserAttributes", names).await.ok();
        assert_eq!(verify(&server, &token, "email", &third).await.error(), EXPIRED);
        update(&server, &pool, "alice", &[("email", "d@example.com"), ("email_verified", "false")]).await.ok();
        assert_eq!(verify(&server, &token, "email", &third).await.error(), MISMATCH);

        // Codes live for a day.
        ask(&server, &token, "email").await.ok();
        let code = server.last_code(&pool, "alice").await;
        server.advance(86_400);
        let token = access_token(&server, &client, "alice").await;
        assert_eq!(verify(&server, &token, "email", &code).await.error(), EXPIRED);
        ask(&server, &token, "email").await.ok();
        let code = server.last_code(&pool, "alice").await;
        server.advance(3_500);
        verify(&server, &token, "email", &code).await.ok();
        assert_eq!(email(&server, &pool, "alice").await, is("d@example.com", "true"));
    })
    .await;
}

#[tokio::test]
async fn users_ask_for_a_code() {
    both_engines(async |server| {
        // No pool has to verify anything by itself for that.
        let pool = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        let given = json!({"email": "a@example.com", "email_verified": "false"});
        server.confirmed_user(&pool, "alice", PASSWORD, given).await;
        let token = access_token(&server, &client, "alice").await;
        assert_eq!(verify(&server, &token, "email", "123456").await.error(), EXPIRED);
        let answer = ask(&server, &token, "email").await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(answer, @r#"
        {
          "CodeDeliveryDetails": {
            "Destination": "a***@e***",
            "DeliveryMedium": "EMAIL",
            "AttributeName": "email"
          }
        }
        "#); }
        let message = server.messages(&pool, "alice").await[0].clone();
        assert_eq!(
            (&message["purpose"], &message["destination"]),
            (&json!("VerifyUserAttribute"), &json!("a@example.com"))
        );
        // Another one takes its place.
        let first = server.last_code(&pool, "alice").await;
        ask(&server, &token, "email").await.ok();
        let second = server.last_code(&pool, "alice").await;
        assert_eq!(verify(&server, &token, "email", &first).await.error(), MISMATCH);
        verify(&server, &token, "email", &second).await.ok();
        assert_eq!(email(&server, &pool, "alice").await, is("a@example.com", "true"));
        // A sign-up or a reset is another matter.
        server.call("ForgotPassword", json!({"ClientId": client, "Username": "alice"})).await.ok();
        let reset = server.last_code(&pool, "alice").await;
        assert_eq!(verify(&server, &token, "email", &reset).await.error(), EXPIRED);

        for attribute in ["name", "sub", "email_verified", "custom:x", "EMAIL"] {
            let expected =
                "InvalidParameterException: Invalid attribute name. Only phone_number and email can be verified.";
            assert_eq!(ask(&server, &token, attribute).await.error(), expected);
            assert_eq!(verify(&server, &token, attribute, "123456").await.error(), expected);
        }
        assert_eq!(
            ask(&server, &token, "phone_number").await.error(),
            "InvalidParameterException: User does not have a valid registered phone number"
        );
        let names = json!({"AccessToken": token, "UserAttributeNames": ["email"]});
        server.call("DeleteUserAttributes", names).await.ok();
        assert_eq!(
            ask(&server, &token, "email").await.error(),
            "InvalidParameterException: User does not have a valid registered email address"
        );
    })
    .await;
}

#[tokio::test]
async fn an_address_that_is_verified_first_waits_for_its_code() {
    both_engines(async |server| {
        let mut members = verified_first();
        members["AliasAttributes"] = json!(["email"]);
        let (pool, client, token) = scene(&server, members).await;
        let answer = update_own(&server, &token, &[("email", "new@example.com"), ("name", "A")]).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(answer, @r#"
        {
          "CodeDeliveryDetailsList": [
            {
              "Destination": "n***@e***",
              "DeliveryMedium": "EMAIL",
              "AttributeName": "email"
            }
          ]
        }
        "#); }
        // Everything else changes; the old address, its state and the alias stay.
        let user = server.call("GetUser", json!({"AccessToken": token})).await.ok();
        assert_eq!(value(&user, "name").as_deref(), Some("A"));
        assert_eq!((value(&user, "email"), value(&user, "email_verified")), is("a@example.com", "true"));
        server.sign_in(&client, "a@example.com", PASSWORD).await.ok();
        assert_eq!(server.sign_in(&client, "new@example.com", PASSWORD).await.error(), UNKNOWN);
        let message = server.messages(&pool, "alice").await[0].clone();
        assert_eq!(message["destination"], "new@example.com");

        // A code that did not arrive is sent again, to the new address; what the user sends unchanged changes nothing.
        update_own(&server, &token, &[("email", "a@example.com"), ("name", "B")]).await.ok();
        let answer = ask(&server, &token, "email").await.ok();
        assert_eq!(answer["CodeDeliveryDetails"]["Destination"], "n***@e***");
        let code = server.last_code(&pool, "alice").await;
        assert_eq!(verify(&server, &token, "email", &other(&code)).await.error(), MISMATCH);
        assert_eq!(email(&server, &pool, "alice").await, is("a@example.com", "true"));
        assert_eq!(verify(&server, &token, "email", &code).await.ok(), json!({}));
        assert_eq!(email(&server, &pool, "alice").await, is("new@example.com", "true"));
        server.sign_in(&client, "new@example.com", PASSWORD).await.ok();
        assert_eq!(server.sign_in(&client, "a@example.com", PASSWORD).await.error(), UNKNOWN);

        // The last one that was asked for counts, for a day; after that a code goes to the address that there is.
        update_own(&server, &token, &[("email", "first@example.com")]).await.ok();
        update_own(&server, &token, &[("email", "last@example.com")]).await.ok();
        let code = server.last_code(&pool, "alice").await;
        server.advance(86_400);
        let token = access_token(&server, &client, "alice").await;
        assert_eq!(verify(&server, &token, "email", &code).await.error(), EXPIRED);
        let answer = ask(&server, &token, "email").await.ok();
        assert_eq!(answer["CodeDeliveryDetails"]["Destination"], "n***@e***");
        assert_eq!(server.messages(&pool, "alice").await[0]["destination"], "new@example.com");
        verify(&server, &token, "email", &server.last_code(&pool, "alice").await).await.ok();
        assert_eq!(email(&server, &pool, "alice").await, is("new@example.com", "true"));
    })
    .await;
}

#[tokio::test]
async fn administrators_wait_too_unless_they_vouch_for_the_address() {
    both_engines(async |server| {
        let (pool, _, token) = scene(&server, verified_first()).await;
        update(&server, &pool, "alice", &[("email", "b@example.com")]).await.ok();
        assert_eq!(email(&server, &pool, "alice").await, is("a@example.com", "true"));
        update(&server, &pool, "alice", &[("email", "c@example.com"), ("email_verified", "false")]).await.ok();
        assert_eq!(email(&server, &pool, "alice").await, is("a@example.com", "true"));
        let code = server.last_code(&pool, "alice").await;
        verify(&server, &token, "email", &code).await.ok();
        assert_eq!(email(&server, &pool, "alice").await, is("c@example.com", "true"));
        // What an administrator decides ends what waits.
        update_own(&server, &token, &[("email", "d@example.com")]).await.ok();
        let code = server.last_code(&pool, "alice").await;
        update(&server, &pool, "alice", &[("email", "e@example.com"), ("email_verified", "true")]).await.ok();
        assert_eq!(verify(&server, &token, "email", &code).await.error(), EXPIRED);
        assert_eq!(email(&server, &pool, "alice").await, is("e@example.com", "true"));
        assert_eq!(server.messages(&pool, "alice").await.len(), 3);
        // The phone number is not among those that wait.
        update(&server, &pool, "alice", &[("phone_number", "+14325551212")]).await.ok();
        let user = get(&server, &pool, "alice").await;
        assert_eq!(value(&user, "phone_number_verified").as_deref(), Some("false"));
        assert_eq!(server.messages(&pool, "alice").await[0]["medium"], "SMS");
    })
    .await;
}

#[tokio::test]
async fn a_name_to_sign_in_with_changes_with_its_code() {
    both_engines(async |server| {
        let mut members = verified_first();
        members["AutoVerifiedAttributes"] = json!(["email"]);
        members["UsernameAttributes"] = json!(["email"]);
        let pool = server.pool(members).await;
        let client = server.client_id(&pool, json!({})).await;
        for name in ["a@example.com", "b@example.com"] {
            server.confirmed_user(&pool, name, PASSWORD, json!({"email": name})).await;
        }
        let token = access_token(&server, &client, "a@example.com").await;
        let rival = access_token(&server, &client, "b@example.com").await;
        // Somebody else's is refused before anything is sent.
        assert_eq!(update_own(&server, &token, &[("email", "b@example.com")]).await.error(), TAKEN);
        assert_eq!(update(&server, &pool, "a@example.com", &[("email", "b@example.com")]).await.error(), TAKEN);
        assert!(server.messages(&pool, "a@example.com").await.is_empty());
        // Two wait for the same one: whoever proves it first gets it.
        update_own(&server, &token, &[("email", "new@example.com")]).await.ok();
        update_own(&server, &rival, &[("email", "new@example.com")]).await.ok();
        let code = server.last_code(&pool, "a@example.com").await;
        let rivals = server.last_code(&pool, "b@example.com").await;
        verify(&server, &token, "email", &code).await.ok();
        server.sign_in(&client, "new@example.com", PASSWORD).await.ok();
        assert_eq!(server.sign_in(&client, "a@example.com", PASSWORD).await.error(), UNKNOWN);
        for _ in 0..2 {
            assert_eq!(verify(&server, &rival, "email", &rivals).await.error(), TAKEN);
        }
        // The code is not used up by that: once the name is free, it counts.
        named(&server, "AdminDeleteUser", &pool, "new@example.com").await.ok();
        verify(&server, &rival, "email", &rivals).await.ok();
        server.sign_in(&client, "new@example.com", PASSWORD).await.ok();
    })
    .await;
}

#[tokio::test]
async fn an_alias_belongs_to_whoever_proved_it() {
    both_engines(async |server| {
        let (pool, _, token) = scene(&server, json!({"AliasAttributes": ["email"]})).await;
        let taken = [("email", "taken@example.com"), ("email_verified", "true")];
        create(&server, &pool, "owner", &taken, json!({})).await.ok();
        // Anybody may say that it is theirs, as at sign-up.
        update_own(&server, &token, &[("email", "taken@example.com")]).await.ok();
        assert_eq!(email(&server, &pool, "alice").await, is("taken@example.com", "false"));
        let code = server.last_code(&pool, "alice").await;
        assert_eq!(verify(&server, &token, "email", &code).await.error(), TAKEN);
        assert_eq!(get(&server, &pool, "taken@example.com").await["Username"], "owner");
        named(&server, "AdminDeleteUser", &pool, "owner").await.ok();
        verify(&server, &token, "email", &code).await.ok();
        assert_eq!(get(&server, &pool, "taken@example.com").await["Username"], "alice");
    })
    .await;
}

#[tokio::test]
async fn five_codes_an_hour() {
    both_engines(async |server| {
        let (pool, _, token) = scene(&server, json!({})).await;
        update(&server, &pool, "alice", &[("phone_number", "+14325551212")]).await.ok();
        for attribute in ["email", "phone_number", "email", "email", "phone_number"] {
            ask(&server, &token, attribute).await.ok();
        }
        for attribute in ["email", "phone_number"] {
            assert_eq!(ask(&server, &token, attribute).await.error(), LIMIT);
        }
        assert_eq!(server.messages(&pool, "alice").await.len(), 6);
        server.advance(3_599);
        assert_eq!(ask(&server, &token, "email").await.error(), LIMIT);
        server.advance(1);
        let client = server.client_id(&pool, json!({})).await;
        let token = access_token(&server, &client, "alice").await;
        ask(&server, &token, "email").await.ok();
    })
    .await;
}

#[tokio::test]
async fn wrong_codes_are_counted_whatever_else_happens() {
    both_engines(async |server| {
        let (pool, client, token) = scene(&server, json!({})).await;
        update_own(&server, &token, &[("email", "victim@example.com")]).await.ok();
        let code = server.last_code(&pool, "alice").await;
        for _ in 0..10 {
            assert_eq!(verify(&server, &token, "email", &other(&code)).await.error(), MISMATCH);
        }
        // An address of one's own in between does not start the count over.
        update_own(&server, &token, &[("email", "mine@example.com")]).await.ok();
        verify(&server, &token, "email", &server.last_code(&pool, "alice").await).await.ok();
        update_own(&server, &token, &[("email", "victim@example.com")]).await.ok();
        let code = server.last_code(&pool, "alice").await;
        for _ in 0..5 {
            assert_eq!(verify(&server, &token, "email", &other(&code)).await.error(), MISMATCH);
        }
        assert_eq!(verify(&server, &token, "email", &code).await.error(), LIMIT);
        assert_eq!(email(&server, &pool, "alice").await, is("victim@example.com", "false"));
        // The phone has a count of its own.
        assert_eq!(verify(&server, &token, "phone_number", "123456").await.error(), EXPIRED);
        server.advance(3_600);
        let token = access_token(&server, &client, "alice").await;
        for _ in 0..15 {
            assert_eq!(verify(&server, &token, "email", &other(&code)).await.error(), MISMATCH);
        }
        // Thirty in a day are enough.
        server.advance(3_600);
        let token = access_token(&server, &client, "alice").await;
        assert_eq!(verify(&server, &token, "email", &code).await.error(), LIMIT);
    })
    .await;
}

#[tokio::test]
async fn of_many_at_once_one_code_is_spent_and_every_guess_counts() {
    both_engines(async |server| {
        let (pool, _, token) = scene(&server, verified_first()).await;
        update_own(&server, &token, &[("email", "new@example.com")]).await.ok();
        let code = server.last_code(&pool, "alice").await;
        let answers = tokio::join!(
            verify(&server, &token, "email", &code),
            verify(&server, &token, "email", &code),
            verify(&server, &token, "email", &code),
        );
        let answers = [answers.0, answers.1, answers.2];
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        assert_eq!(answers.iter().filter(|answer| answer.status != 200 && answer.error() == EXPIRED).count(), 2);

        update_own(&server, &token, &[("email", "other@example.com")]).await.ok();
        let wrong = other(&server.last_code(&pool, "alice").await);
        let mut mismatches = 0;
        for _ in 0..5 {
            let guesses = tokio::join!(
                verify(&server, &token, "email", &wrong),
                verify(&server, &token, "email", &wrong),
                verify(&server, &token, "email", &wrong),
                verify(&server, &token, "email", &wrong),
            );
            for answer in [guesses.0, guesses.1, guesses.2, guesses.3] {
                let answer = answer.error();
                assert!(answer == MISMATCH || answer == LIMIT, "{answer}");
                mismatches += usize::from(answer == MISMATCH);
            }
        }
        assert_eq!(mismatches, 15);
    })
    .await;
}

#[tokio::test]
async fn where_nothing_can_be_delivered() {
    let server = Server::builder().sender(service::messages::Sender::Nobody).start().await;
    let undelivered = "CodeDeliveryFailureException: Unable to deliver code to user";
    for (members, waits) in [(json!({}), false), (verified_first(), true)] {
        let (pool, _, token) = scene(&server, members).await;
        assert_eq!(update_own(&server, &token, &[("email", "b@example.com")]).await.error(), undelivered);
        assert_eq!(ask(&server, &token, "email").await.error(), undelivered);
        assert_eq!(email(&server, &pool, "alice").await, is("a@example.com", "true"));
        // An administrator may correct an address that does not depend on the code.
        let answer = update(&server, &pool, "alice", &[("email", "b@example.com")]).await;
        if waits {
            assert_eq!(answer.error(), undelivered);
            assert_eq!(email(&server, &pool, "alice").await, is("a@example.com", "true"));
        } else {
            answer.ok();
            assert_eq!(email(&server, &pool, "alice").await, is("b@example.com", "false"));
        }
    }
}

#[tokio::test]
async fn codes_and_counts_go_with_their_user() {
    both_engines(async |server| {
        let (pool, _, token) = scene(&server, verified_first()).await;
        update_own(&server, &token, &[("email", "new@example.com"), ("phone_number", "+14325551212")]).await.ok();
        ask(&server, &token, "email").await.ok();
        for attribute in ["email", "phone_number"] {
            assert_eq!(verify(&server, &token, attribute, "x").await.error(), MISMATCH);
        }
        let sub = value(&get(&server, &pool, "alice").await, "sub").unwrap();
        let left = async || {
            let mut left = 0;
            for purpose in CodePurpose::ALL {
                left += usize::from(server.app.store.code(&pool, &sub, purpose).await.unwrap().is_some());
            }
            for purpose in AttemptPurpose::ALL {
                left += usize::from(server.app.store.attempts(&pool, &sub, purpose).await.unwrap().is_some());
            }
            left
        };
        assert_eq!(left().await, 5);
        server.call("DeleteUser", json!({"AccessToken": token})).await.ok();
        assert_eq!(left().await, 0);
    })
    .await;
}
