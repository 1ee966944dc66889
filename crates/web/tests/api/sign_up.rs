//! Users who register themselves (accounts.md §2, §9).

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

const PASSWORD: &str = "Passw0rd!";

pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect()
}

pub(crate) async fn sign_up(server: &Server, client: &str, username: &str, pairs: &[(&str, &str)]) -> Answer {
    let request =
        json!({"ClientId": client, "Username": username, "Password": PASSWORD, "UserAttributes": attributes(pairs)});
    server.call("SignUp", request).await
}

pub(crate) async fn confirm(server: &Server, client: &str, username: &str, code: &str) -> Answer {
    let request = json!({"ClientId": client, "Username": username, "ConfirmationCode": code});
    server.call("ConfirmSignUp", request).await
}

pub(crate) async fn resend(server: &Server, client: &str, username: &str) -> Answer {
    server.call("ResendConfirmationCode", json!({"ClientId": client, "Username": username})).await
}

pub(crate) async fn get(server: &Server, pool: &str, username: &str) -> Value {
    server.call("AdminGetUser", json!({"UserPoolId": pool, "Username": username})).await.ok()
}

/// An attribute in AdminGetUser's answer.
pub(crate) fn value(user: &Value, name: &str) -> Option<String> {
    let attributes = user["UserAttributes"].as_array().unwrap();
    attributes
        .iter()
        .find(|attribute| attribute["Name"] == name)
        .map(|found| found["Value"].as_str().unwrap().to_owned())
}

/// A code that is certainly another one.
pub(crate) fn other(code: &str) -> String {
    code.chars().map(|digit| if digit == '9' { '0' } else { '9' }).collect()
}

/// A pool that verifies email, and a client of it.
pub(crate) async fn scene(server: &Server, pool: Value, client: Value) -> (String, String) {
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
        let answer =
            sign_up(&server, &client, "alice", &[("email", "alice@example.com"), ("name", "Alice")]).await.ok();
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
        assert_eq!(
            (&user["UserStatus"], value(&user, "email_verified").as_deref()),
            (&json!("CONFIRMED"), Some("true"))
        );
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
    let weak =
        json!({"ClientId": client, "Username": "alice", "Password": "Password", "UserAttributes": attributes(&whole)});
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
    assert_eq!(
        sign_up(&server, &client, "alice", &whole).await.error(),
        "UsernameExistsException: User already exists"
    );
    // Upper case is another user here.
    sign_up(&server, &client, "Alice", &whole).await.ok();
}

#[tokio::test]
async fn a_closed_pool_takes_nobody() {
    let server = Server::memory().await;
    let (_, client) =
        scene(&server, json!({"AdminCreateUserConfig": {"AllowAdminCreateUserOnly": true}}), json!({})).await;
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
    assert_eq!(
        resend(&server, id, "alice").await.error(),
        format!("NotAuthorizedException: Client {id} is configured with secret but SECRET_HASH was not received")
    );
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
    let (_, client) =
        scene(&server, json!({"AliasAttributes": ["email", "phone_number", "preferred_username"]}), json!({})).await;
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
        assert_eq!(
            sign_up(&server, &client, name, &[]).await.error(),
            "UsernameExistsException: User already exists",
            "{name}"
        );
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
        let forced =
            json!({"ClientId": client, "Username": "bob", "ConfirmationCode": bobs, "ForceAliasCreation": true});
        server.call("ConfirmSignUp", forced).await.ok();
        assert_eq!(get(&server, &pool, "shared@example.com").await["Username"], "bob");
        let alice = get(&server, &pool, "alice").await;
        assert_eq!(value(&alice, "email_verified").as_deref(), Some("false"));
        assert_eq!(value(&alice, "email").as_deref(), Some("shared@example.com"));
    })
    .await;
}

#[tokio::test]
async fn of_many_who_force_an_alias_one_keeps_it() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({"AliasAttributes": ["email"]}), json!({})).await;
        let mut forced = Vec::new();
        for name in ["alice", "bob", "carol"] {
            sign_up(&server, &client, name, &[("email", "shared@example.com")]).await.ok();
            let code = server.last_code(&pool, name).await;
            forced.push(
                json!({"ClientId": client, "Username": name, "ConfirmationCode": code, "ForceAliasCreation": true}),
            );
        }
        let answers = tokio::join!(
            server.call("ConfirmSignUp", forced[0].clone()),
            server.call("ConfirmSignUp", forced[1].clone()),
            server.call("ConfirmSignUp", forced[2].clone()),
        );
        for answer in [answers.0, answers.1, answers.2] {
            assert_eq!(answer.ok(), json!({}));
        }
        let owner = get(&server, &pool, "shared@example.com").await;
        for name in ["alice", "bob", "carol"] {
            let user = get(&server, &pool, name).await;
            assert_eq!(user["UserStatus"], "CONFIRMED");
            let owns = owner["Username"] == name;
            assert_eq!(value(&user, "email_verified").as_deref(), Some(if owns { "true" } else { "false" }), "{name}");
        }
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
