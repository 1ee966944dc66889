//! Users who register themselves (accounts.md §2, §9).

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

const PASSWORD: &str = "Passw0rd!";

fn attributes(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect()
}

async fn sign_up(server: &Server, client: &str, username: &str, pairs: &[(&str, &str)]) -> Answer {
    let request =
        json!({"ClientId": client, "Username": username, "Password": PASSWORD, "UserAttributes": attributes(pairs)});
    server.call("SignUp", request).await
}

async fn confirm(server: &Server, client: &str, username: &str, code: &str) -> Answer {
    let request = json!({"ClientId": client, "Username": username, "ConfirmationCode": code});
    server.call("ConfirmSignUp", request).await
}

async fn resend(server: &Server, client: &str, username: &str) -> Answer {
    server.call("ResendConfirmationCode", json!({"ClientId": client, "Username": username})).await
}

async fn get(server: &Server, pool: &str, username: &str) -> Value {
    server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": username})).await.ok()
}

/// An attribute in AdminGetUser's answer.
fn value(user: &Value, name: &str) -> Option<String> {
    let attributes = user["UserAttributes"].as_array().unwrap();
    attributes.iter().find(|attribute| attribute["Name"] == name).map(|found| found["Value"].as_str().unwrap().to_owned())
}

/// A code that is certainly another one.
fn other(code: &str) -> String {
    code.chars().map(|digit| if digit == '9' { '0' } else { '9' }).collect()
}

/// A pool that verifies email, and a client of it.
async fn scene(server: &Server, pool: Value, client: Value) -> (String, String) {
    let mut members = json!({"AutoVerifiedAttributes": ["email"]});
    members.as_object_mut().unwrap().extend(pool.as_object().unwrap().clone());
    let pool = server.pool(members).await;
    let client = server.client_id(&pool, client).await;
    (pool, client)
}

#[tokio::test]
async fn a_user_signs_up_and_confirms_with_the_code() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({}), json!({})).await;
        let answer = sign_up(&server, &client, "alice", &[("email", "alice@example.com"), ("name", "Alice")]).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(answer, @r#"
        {
          "UserConfirmed": false,
          "CodeDeliveryDetails": {
            "Destination": "a***@e***",
            "DeliveryMedium": "EMAIL",
            "AttributeName": "email"
          },
          "UserSub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef"
        }
        "#); }
        let user = get(&server, &pool, "alice").await;
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
              "Value": "alice@example.com"
            },
            {
              "Name": "email_verified",
              "Value": "false"
            },
            {
              "Name": "name",
              "Value": "Alice"
            }
          ],
          "UserCreateDate": 1767323045.0,
          "UserLastModifiedDate": 1767323045.0,
          "Enabled": true,
          "UserStatus": "UNCONFIRMED"
        }
        "#); }

        let messages = server.messages(&pool, "alice").await;
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0]["purpose"], "SignUp");
        assert_eq!(messages[0]["destination"], "alice@example.com");
        let code = server.last_code(&pool, "alice").await;
        assert!(code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()), "{code}");

        assert_eq!(
            confirm(&server, &client, "alice", &other(&code)).await.error(),
            "CodeMismatchException: Invalid verification code provided, please try again."
        );
        assert_eq!(confirm(&server, &client, "alice", &code).await.ok(), json!({}));
        let user = get(&server, &pool, "alice").await;
        assert_eq!((&user["UserStatus"], value(&user, "email_verified").as_deref()), (&json!("CONFIRMED"), Some("true")));
        server.sign_in(&client, "alice", PASSWORD).await.ok();
        assert_eq!(
            confirm(&server, &client, "alice", &code).await.error(),
            "NotAuthorizedException: User cannot be confirmed. Current status is CONFIRMED"
        );
    })
    .await;
}

#[tokio::test]
async fn the_phone_gets_the_code_before_the_email() {
    let server = Server::memory().await;
    let sms = json!({"SnsCallerArn": "arn:aws:iam::000000000000:role/sms", "ExternalId": "x"});
    let both = json!({"AutoVerifiedAttributes": ["email", "phone_number"], "SmsConfiguration": sms});
    let (pool, client) = scene(&server, both, json!({})).await;
    let pairs = [("email", "alice@example.com"), ("phone_number", "+14325551212")];
    let answer = sign_up(&server, &client, "alice", &pairs).await.ok();
    insta::assert_json_snapshot!(answer["CodeDeliveryDetails"], @r#"
    {
      "Destination": "+*******1212",
      "DeliveryMedium": "SMS",
      "AttributeName": "phone_number"
    }
    "#);
    let code = server.last_code(&pool, "alice").await;
    confirm(&server, &client, "alice", &code).await.ok();
    let user = get(&server, &pool, "alice").await;
    assert_eq!(value(&user, "phone_number_verified").as_deref(), Some("true"));
    assert_eq!(value(&user, "email_verified").as_deref(), Some("false"));
    // Only an address that was given can get a code.
    let answer = sign_up(&server, &client, "bob", &[("email", "bob@example.com")]).await.ok();
    assert_eq!(answer["CodeDeliveryDetails"]["DeliveryMedium"], "EMAIL");
}

#[tokio::test]
async fn without_anything_to_verify_no_code_goes_out() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({})).await;
    let answer = sign_up(&server, &client, "alice", &[]).await.ok();
    assert_eq!(answer.get("CodeDeliveryDetails"), None);
    assert!(server.messages(&pool, "alice").await.is_empty());
    assert_eq!(
        confirm(&server, &client, "alice", "123456").await.error(),
        "ExpiredCodeException: Invalid code provided, please request a code again."
    );
    let admin = json!({"UserPoolId": pool, "Username": "alice"});
    assert_eq!(server.call("AdminConfirmSignUp", admin.clone()).await.ok(), json!({}));
    assert_eq!(get(&server, &pool, "alice").await["UserStatus"], "CONFIRMED");
    assert_eq!(
        server.call("AdminConfirmSignUp", admin).await.error(),
        "NotAuthorizedException: User cannot be confirmed. Current status is CONFIRMED"
    );
}

#[tokio::test]
async fn an_administrators_word_verifies_nothing() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({})).await;
    sign_up(&server, &client, "alice", &[("email", "alice@example.com")]).await.ok();
    server.call("AdminConfirmSignUp", json!({"UserPoolId": pool, "Username": "alice"})).await.ok();
    let user = get(&server, &pool, "alice").await;
    assert_eq!((&user["UserStatus"], value(&user, "email_verified").as_deref()), (&json!("CONFIRMED"), Some("false")));
    assert_eq!(
        server.call("AdminConfirmSignUp", json!({"UserPoolId": pool, "Username": "nobody"})).await.error(),
        "UserNotFoundException: User does not exist."
    );
    let unknown = json!({"UserPoolId": "us-east-1_Unknown00", "Username": "alice"});
    assert_eq!(
        server.call("AdminConfirmSignUp", unknown).await.error(),
        "ResourceNotFoundException: User pool us-east-1_Unknown00 does not exist."
    );
}

#[tokio::test]
async fn what_sign_up_refuses() {
    let server = Server::memory().await;
    let schema = json!([
        {"Name": "given_name", "Required": true, "AttributeDataType": "String", "Mutable": true},
        {"Name": "name", "Required": true, "AttributeDataType": "String", "Mutable": true},
        {"Name": "level", "AttributeDataType": "Number", "Mutable": true, "NumberAttributeConstraints": {"MaxValue": "9"}},
    ]);
    let (_, client) = scene(&server, json!({"Schema": schema}), json!({})).await;
    let whole = [("given_name", "A"), ("name", "B")];
    let with = |extra: (&'static str, &'static str)| [whole[0], whole[1], extra];

    assert_eq!(
        sign_up(&server, "unknown1client", "alice", &whole).await.error(),
        "ResourceNotFoundException: User pool client unknown1client does not exist."
    );
    assert_eq!(
        sign_up(&server, &client, "alice", &[]).await.error(),
        "InvalidParameterException: Attributes did not conform to the schema: \
         name.formatted: The attribute name.formatted is required\ngiven_name: The attribute is required\n"
    );
    assert_eq!(
        sign_up(&server, &client, "alice", &with(("custom:x", "1"))).await.error(),
        "InvalidParameterException: Attributes did not conform to the schema: \
         custom:x: Attribute does not exist in the schema.\n"
    );
    assert_eq!(
        sign_up(&server, &client, "alice", &with(("email", "nobody"))).await.error(),
        "InvalidParameterException: Invalid email address format."
    );
    assert_eq!(
        sign_up(&server, &client, "alice", &with(("phone_number", "555"))).await.error(),
        "InvalidParameterException: Invalid phone number format."
    );
    for hostile in [("email_verified", "true"), ("custom:level", "5")] {
        assert_eq!(
            sign_up(&server, &client, "alice", &with(hostile)).await.error(),
            "NotAuthorizedException: A client attempted to write unauthorized attribute"
        );
    }
    assert_eq!(
        sign_up(&server, &client, "alice", &with(("sub", "00000000-0000-4000-8000-000000000000"))).await.error(),
        "InvalidParameterException: Attributes did not conform to the schema: sub: Attribute cannot be updated.\n"
    );
    let weak = json!({"ClientId": client, "Username": "alice", "Password": "Password", "UserAttributes": attributes(&whole)});
    assert_eq!(
        server.call("SignUp", weak).await.error(),
        "InvalidPasswordException: Password did not conform with policy: Password must have numeric characters"
    );
    let none = json!({"ClientId": client, "Username": "alice", "UserAttributes": attributes(&whole)});
    assert_eq!(server.call("SignUp", none).await.error(), "InvalidParameterException: Password is required.");
    let bad = json!({"ClientId": client, "Username": "a b", "Password": PASSWORD});
    assert_eq!(
        server.call("SignUp", bad).await.error(),
        r"InvalidParameterException: 1 validation error detected: Value at 'username' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{M}\p{S}\p{N}\p{P}]+"
    );
    sign_up(&server, &client, "alice", &whole).await.ok();
    assert_eq!(sign_up(&server, &client, "alice", &whole).await.error(), "UsernameExistsException: User already exists");
    // Upper case is another user here.
    sign_up(&server, &client, "Alice", &whole).await.ok();
}

#[tokio::test]
async fn a_closed_pool_takes_nobody() {
    let server = Server::memory().await;
    let (_, client) = scene(&server, json!({"AdminCreateUserConfig": {"AllowAdminCreateUserOnly": true}}), json!({})).await;
    assert_eq!(
        sign_up(&server, &client, "alice", &[]).await.error(),
        "NotAuthorizedException: SignUp is not permitted for this user pool"
    );
}

#[tokio::test]
async fn a_client_with_a_secret_needs_the_hash() {
    let server = Server::memory().await;
    let pool = server.pool(json!({"AutoVerifiedAttributes": ["email"]})).await;
    let client = server.client(&pool, json!({"GenerateSecret": true})).await;
    let (id, secret) = (client["ClientId"].as_str().unwrap(), client["ClientSecret"].as_str().unwrap());
    let hash = |username: &str| {
        STANDARD.encode(crypto::hash::hmac_sha256(secret.as_bytes(), format!("{username}{id}").as_bytes()))
    };
    let email = attributes(&[("email", "alice@example.com")]);
    let request = |hash: Option<String>| {
        let mut request = json!({"ClientId": id, "Username": "alice", "Password": PASSWORD, "UserAttributes": email});
        if let Some(hash) = hash {
            request["SecretHash"] = Value::from(hash);
        }
        request
    };
    assert_eq!(
        server.call("SignUp", request(None)).await.error(),
        format!("NotAuthorizedException: Client {id} is configured with secret but SECRET_HASH was not received")
    );
    let wrong = format!("NotAuthorizedException: Unable to verify secret hash for client {id}");
    assert_eq!(server.call("SignUp", request(Some(hash("bob")))).await.error(), wrong);
    server.call("SignUp", request(Some(hash("alice")))).await.ok();
    assert_eq!(resend(&server, id, "alice").await.error(), format!("NotAuthorizedException: Client {id} is configured with secret but SECRET_HASH was not received"));
    let code = server.last_code(&pool, "alice").await;
    let mut request = json!({"ClientId": id, "Username": "alice", "ConfirmationCode": code, "SecretHash": hash("bob")});
    assert_eq!(server.call("ConfirmSignUp", request.clone()).await.error(), wrong);
    request["SecretHash"] = Value::from(hash("alice"));
    server.call("ConfirmSignUp", request).await.ok();
}

#[tokio::test]
async fn where_email_is_the_username_the_username_is_the_sub() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({"UsernameAttributes": ["email"]}), json!({})).await;
        assert_eq!(
            sign_up(&server, &client, "alice", &[]).await.error(),
            "InvalidParameterException: Username should be an email."
        );
        assert_eq!(
            sign_up(&server, &client, "alice@example.com", &[("email", "bob@example.com")]).await.error(),
            "InvalidParameterException: Username and the attribute email must be the same."
        );
        let answer = sign_up(&server, &client, "alice@example.com", &[]).await.ok();
        let sub = answer["UserSub"].as_str().unwrap();
        assert_eq!(answer["CodeDeliveryDetails"]["Destination"], "a***@e***");
        let user = get(&server, &pool, "alice@example.com").await;
        assert_eq!(user["Username"], sub);
        assert_eq!(value(&user, "email").as_deref(), Some("alice@example.com"));
        assert_eq!(get(&server, &pool, sub).await, user);
        // The name works although it is not verified yet.
        let code = server.last_code(&pool, "alice@example.com").await;
        confirm(&server, &client, "alice@example.com", &code).await.ok();
        server.sign_in(&client, "alice@example.com", PASSWORD).await.ok();
        assert_eq!(
            sign_up(&server, &client, "alice@example.com", &[]).await.error(),
            "UsernameExistsException: An account with the given email already exists."
        );
    })
    .await;
}

#[tokio::test]
async fn usernames_may_be_phones_or_either() {
    let server = Server::memory().await;
    let sms = json!({"SnsCallerArn": "arn:aws:iam::000000000000:role/sms", "ExternalId": "x"});
    let members = |names: Value| json!({"UsernameAttributes": names, "AutoVerifiedAttributes": ["phone_number"], "SmsConfiguration": sms});
    let (_, client) = scene(&server, members(json!(["phone_number"])), json!({})).await;
    assert_eq!(
        sign_up(&server, &client, "alice@example.com", &[]).await.error(),
        "InvalidParameterException: Username should be a phone number."
    );
    sign_up(&server, &client, "+14325551212", &[]).await.ok();
    assert_eq!(
        sign_up(&server, &client, "+14325551212", &[]).await.error(),
        "UsernameExistsException: An account with the given phone_number already exists."
    );
    let (_, client) = scene(&server, members(json!(["phone_number", "email"])), json!({})).await;
    assert_eq!(
        sign_up(&server, &client, "alice", &[]).await.error(),
        "InvalidParameterException: Username should be either an email or a phone number."
    );
    sign_up(&server, &client, "alice@example.com", &[("phone_number", "+14325551212")]).await.ok();
    // The second address is a name as well.
    assert_eq!(
        sign_up(&server, &client, "+14325551212", &[]).await.error(),
        "UsernameExistsException: An account with the given phone_number already exists."
    );
}

#[tokio::test]
async fn names_that_differ_in_case_are_one_where_the_pool_says_so() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({"UsernameConfiguration": {"CaseSensitive": false}}), json!({})).await;
    sign_up(&server, &client, "Alice", &[]).await.ok();
    assert_eq!(sign_up(&server, &client, "aLICE", &[]).await.error(), "UsernameExistsException: User already exists");
    assert_eq!(get(&server, &pool, "ALICE").await["Username"], "alice");
}

#[tokio::test]
async fn names_cannot_look_like_aliases() {
    let server = Server::memory().await;
    let (_, client) = scene(&server, json!({"AliasAttributes": ["email", "phone_number", "preferred_username"]}), json!({})).await;
    assert_eq!(
        sign_up(&server, &client, "alice@example.com", &[]).await.error(),
        "InvalidParameterException: Username cannot be of email format, since user pool is configured for email alias."
    );
    assert_eq!(
        sign_up(&server, &client, "+14325551212", &[]).await.error(),
        "InvalidParameterException: Username cannot be of phone number format, since user pool is configured for phone number alias."
    );
    let early = sign_up(&server, &client, "alice", &[("preferred_username", "ace")]).await.error();
    assert_eq!(
        early,
        "InvalidParameterException: preferred_username cannot be set before the user is confirmed, \
         since user pool is configured for preferred_username alias."
    );
}

/// Another user's `sub`, or `preferred_username`, is a name under which that user is found.
#[tokio::test]
async fn nobody_can_be_called_what_another_user_answers_to() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({"AliasAttributes": ["preferred_username"]}), json!({})).await;
    let sub = server.confirmed_user(&pool, "alice", PASSWORD, json!({"preferred_username": "ace"})).await;
    for name in [sub.as_str(), "ace", "alice"] {
        assert_eq!(sign_up(&server, &client, name, &[]).await.error(), "UsernameExistsException: User already exists", "{name}");
    }
}

#[tokio::test]
async fn an_alias_goes_to_the_first_who_confirms_unless_forced() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({"AliasAttributes": ["email"]}), json!({})).await;
        let email = [("email", "shared@example.com")];
        sign_up(&server, &client, "alice", &email).await.ok();
        let alices = server.last_code(&pool, "alice").await;
        sign_up(&server, &client, "bob", &email).await.ok();
        let bobs = server.last_code(&pool, "bob").await;
        // An unverified address is nobody's alias.
        let lookup = server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": "shared@example.com"})).await;
        assert_eq!(lookup.error(), "UserNotFoundException: User does not exist.");

        confirm(&server, &client, "alice", &alices).await.ok();
        assert_eq!(get(&server, &pool, "shared@example.com").await["Username"], "alice");
        let refused = confirm(&server, &client, "bob", &bobs).await;
        assert_eq!(refused.error(), "AliasExistsException: An account with the email already exists.");
        assert_eq!(get(&server, &pool, "bob").await["UserStatus"], "UNCONFIRMED");

        // The code is still good, and now the alias moves.
        let forced = json!({"ClientId": client, "Username": "bob", "ConfirmationCode": bobs, "ForceAliasCreation": true});
        server.call("ConfirmSignUp", forced).await.ok();
        assert_eq!(get(&server, &pool, "shared@example.com").await["Username"], "bob");
        let alice = get(&server, &pool, "alice").await;
        assert_eq!(value(&alice, "email_verified").as_deref(), Some("false"));
        assert_eq!(value(&alice, "email").as_deref(), Some("shared@example.com"));
    })
    .await;
}

#[tokio::test]
async fn a_code_verifies_only_the_address_that_it_went_to() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({})).await;
    sign_up(&server, &client, "alice", &[("email", "alice@example.com")]).await.ok();
    let code = server.last_code(&pool, "alice").await;
    let change = json!({"UserPoolId": pool, "Username": "alice", "UserAttributes": attributes(&[("email", "eve@example.com")])});
    server.call("AdminUpdateUserAttributes", change).await.ok();
    confirm(&server, &client, "alice", &code).await.ok();
    let user = get(&server, &pool, "alice").await;
    assert_eq!((&user["UserStatus"], value(&user, "email_verified").as_deref()), (&json!("CONFIRMED"), Some("false")));
}

#[tokio::test]
async fn codes_expire_after_a_day_and_a_new_one_replaces_the_old() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({})).await;
    sign_up(&server, &client, "alice", &[("email", "alice@example.com")]).await.ok();
    let first = server.last_code(&pool, "alice").await;
    server.advance(24 * 3_600);
    let expired = "ExpiredCodeException: Invalid code provided, please request a code again.";
    assert_eq!(confirm(&server, &client, "alice", &first).await.error(), expired);

    insta::assert_json_snapshot!(resend(&server, &client, "alice").await.ok(), @r#"
    {
      "CodeDeliveryDetails": {
        "Destination": "a***@e***",
        "DeliveryMedium": "EMAIL",
        "AttributeName": "email"
      }
    }
    "#);
    let second = server.last_code(&pool, "alice").await;
    assert_eq!(server.messages(&pool, "alice").await[0]["purpose"], "ResendCode");
    assert_ne!(first, second);
    assert_eq!(
        confirm(&server, &client, "alice", &first).await.error(),
        "CodeMismatchException: Invalid verification code provided, please try again."
    );
    server.advance(24 * 3_600 - 1);
    confirm(&server, &client, "alice", &second).await.ok();
    assert_eq!(resend(&server, &client, "alice").await.error(), "InvalidParameterException: User is already confirmed.");
}

#[tokio::test]
async fn resends_are_counted() {
    let server = Server::memory().await;
    let (_, client) = scene(&server, json!({}), json!({"PreventUserExistenceErrors": "ENABLED"})).await;
    sign_up(&server, &client, "alice", &[("email", "alice@example.com")]).await.ok();
    for name in ["alice", "nobody"] {
        for _ in 0..5 {
            resend(&server, &client, name).await.ok();
        }
        assert_eq!(
            resend(&server, &client, name).await.error(),
            "LimitExceededException: Attempt limit exceeded, please try after some time.",
            "{name}"
        );
    }
    server.advance(3_600);
    resend(&server, &client, "alice").await.ok();
}

#[tokio::test]
async fn wrong_codes_are_counted() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({})).await;
    sign_up(&server, &client, "alice", &[("email", "alice@example.com")]).await.ok();
    let code = server.last_code(&pool, "alice").await;
    let mismatch = "CodeMismatchException: Invalid verification code provided, please try again.";
    for _ in 0..15 {
        assert_eq!(confirm(&server, &client, "alice", &other(&code)).await.error(), mismatch);
    }
    let limit = "LimitExceededException: Attempt limit exceeded, please try after some time.";
    assert_eq!(confirm(&server, &client, "alice", &code).await.error(), limit);
    server.advance(3_600);
    for _ in 0..15 {
        assert_eq!(confirm(&server, &client, "alice", &other(&code)).await.error(), mismatch);
    }
    server.advance(3_600);
    assert_eq!(
        confirm(&server, &client, "alice", &code).await.error(),
        "TooManyFailedAttemptsException: Too many failed attempts. Request a new code and try again tomorrow, or ask an administrator for help."
    );
    server.advance(22 * 3_600 - 1);
    assert_eq!(get(&server, &pool, "alice").await["UserStatus"], "UNCONFIRMED");
}

#[tokio::test]
async fn guesses_at_the_same_time_gain_nothing() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({}), json!({})).await;
        sign_up(&server, &client, "alice", &[("email", "alice@example.com")]).await.ok();
        let wrong = other(&server.last_code(&pool, "alice").await);
        let (server, client, wrong) = (&server, &client, &wrong);
        let mut looked_at = 0;
        // Twice as many as are taken, in bursts.
        for _ in 0..6 {
            let burst = tokio::join!(
                confirm(server, client, "alice", wrong),
                confirm(server, client, "alice", wrong),
                confirm(server, client, "alice", wrong),
                confirm(server, client, "alice", wrong),
                confirm(server, client, "alice", wrong),
            );
            for answer in [burst.0, burst.1, burst.2, burst.3, burst.4] {
                looked_at += usize::from(answer.error().starts_with("CodeMismatchException"));
            }
        }
        assert_eq!(looked_at, 15);
    })
    .await;
}

#[tokio::test]
async fn of_many_with_one_name_one_signs_up() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({}), json!({})).await;
        let (server, client) = (&server, &client);
        let answers = tokio::join!(
            sign_up(server, client, "alice", &[]),
            sign_up(server, client, "alice", &[]),
            sign_up(server, client, "alice", &[]),
            sign_up(server, client, "alice", &[]),
        );
        let answers = [answers.0, answers.1, answers.2, answers.3];
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(won.len(), 1);
        for answer in lost {
            assert_eq!(answer.error(), "UsernameExistsException: User already exists");
        }
        let described = server.call("DescribeUserPool", json!({"UserPoolId": pool})).await.ok();
        assert_eq!(described["UserPool"]["EstimatedNumberOfUsers"], 1);
    })
    .await;
}

#[tokio::test]
async fn an_unknown_user_is_named_so_where_that_is_no_secret() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({})).await;
    let unknown = "UserNotFoundException: Username/client id combination not found.";
    assert_eq!(confirm(&server, &client, "nobody", "123456").await.error(), unknown);
    assert_eq!(resend(&server, &client, "nobody").await.error(), unknown);
    sign_up(&server, &client, "alice", &[("email", "alice@example.com")]).await.ok();
    server.call("AdminDisableUser", json!({"UserPoolId": pool, "Username": "alice"})).await.ok();
    let code = server.last_code(&pool, "alice").await;
    assert_eq!(confirm(&server, &client, "alice", &code).await.error(), "NotAuthorizedException: User is disabled.");
    assert_eq!(resend(&server, &client, "alice").await.error(), "NotAuthorizedException: User is disabled.");
}

#[tokio::test]
async fn an_unknown_user_answers_like_a_known_one_where_that_is_a_secret() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({}), json!({"PreventUserExistenceErrors": "ENABLED"})).await;
        // A known user without a code, and nobody.
        sign_up(&server, &client, "alice", &[]).await.ok();
        let expired = "ExpiredCodeException: Invalid code provided, please request a code again.";
        let mismatch = "CodeMismatchException: Invalid verification code provided, please try again.";
        let limit = "LimitExceededException: Attempt limit exceeded, please try after some time.";
        for name in ["alice", "nobody"] {
            assert_eq!(confirm(&server, &client, name, "123456").await.error(), expired, "{name}");
        }
        let details = resend(&server, &client, "nobody").await.ok();
        assert_eq!(details["CodeDeliveryDetails"]["DeliveryMedium"], "EMAIL");
        assert_eq!(resend(&server, &client, "nobody").await.ok(), details);
        resend(&server, &client, "alice").await.ok();
        assert!(server.messages(&pool, "nobody").await.is_empty() && server.messages(&pool, "alice").await.is_empty());
        for name in ["alice", "nobody"] {
            for _ in 0..15 {
                assert_eq!(confirm(&server, &client, name, "123456").await.error(), mismatch, "{name}");
            }
            assert_eq!(confirm(&server, &client, name, "123456").await.error(), limit, "{name}");
        }
        // A disabled user is hidden from whoever does not have the code.
        sign_up(&server, &client, "bob", &[("email", "bob@example.com")]).await.ok();
        let code = server.last_code(&pool, "bob").await;
        server.call("AdminDisableUser", json!({"UserPoolId": pool, "Username": "bob"})).await.ok();
        assert_eq!(confirm(&server, &client, "bob", &other(&code)).await.error(), mismatch);
        assert_eq!(confirm(&server, &client, "bob", &code).await.error(), "NotAuthorizedException: User is disabled.");
        resend(&server, &client, "bob").await.ok();
        assert_eq!(server.messages(&pool, "bob").await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_pool_that_verifies_nothing_resends_nothing() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, json!({})).await;
    let refused = "InvalidParameterException: Cannot resend codes. Auto verification not turned on.";
    assert_eq!(resend(&server, &client, "nobody").await.error(), refused);
    let (_, client) = scene(&server, json!({}), json!({})).await;
    sign_up(&server, &client, "alice", &[]).await.ok();
    assert_eq!(resend(&server, &client, "alice").await.error(), refused);
}

#[tokio::test]
async fn a_session_is_refused_as_long_as_nothing_makes_one() {
    let server = Server::memory().await;
    let (_, client) = scene(&server, json!({}), json!({})).await;
    let session = "x".repeat(20);
    let request = json!({"ClientId": client, "Username": "alice", "ConfirmationCode": "123456", "Session": session});
    assert_eq!(
        server.call("ConfirmSignUp", request).await.error(),
        "InvalidParameterException: Session in ConfirmSignUp is not supported by this Poolkeeper version yet. See docs/compatibility.md."
    );
}

#[tokio::test]
async fn names_and_values_are_kept_as_they_are() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({})).await;
    for name in ["'; DROP TABLE users; --", "<script>alert(1)</script>", "ünïcödé✓", "%00", "../../etc/passwd"] {
        let name: String = name.split(' ').collect();
        sign_up(&server, &client, &name, &[("name", "\"quoted\"\n<b>&amp;\u{202e}")]).await.ok();
        let user = get(&server, &pool, &name).await;
        assert_eq!(user["Username"], name.as_str());
        assert_eq!(value(&user, "name").as_deref(), Some("\"quoted\"\n<b>&amp;\u{202e}"));
    }
}
