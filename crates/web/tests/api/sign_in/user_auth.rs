//! USER_AUTH (auth-flows.md §4, §6, §7, §9): what a user can begin with, and every way on from there.

mod codes;
mod guards;
mod sign_up;
mod unknown;

use testkit::srp;

use super::*;

/// What every client here may do.
const FLOWS: [&str; 3] = ["ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"];
const MISMATCH: &str = "CodeMismatchException: Invalid code or auth state for the user.";

fn sms() -> Value {
    json!({"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"})
}

/// A pool that takes these first factors.
async fn pool_with(server: &Server, factors: &[&str], more: Value) -> String {
    let mut members = json!({
        "Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": factors}},
        "SmsConfiguration": sms(),
    });
    members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.pool(members).await
}

/// A client that may begin with USER_AUTH.
async fn client_of(server: &Server, pool: &str, more: Value) -> String {
    let mut members = json!({"ExplicitAuthFlows": FLOWS});
    members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.client_id(pool, members).await
}

/// A pool that takes everything that is sent, a client, and `alice` with password, mail address and phone.
async fn everything(server: &Server, client: Value) -> (String, String) {
    let pool = pool_with(server, &["PASSWORD", "EMAIL_OTP", "SMS_OTP"], json!({})).await;
    let client = client_of(server, &pool, client).await;
    let attributes = json!({"email": "alice@example.com", "phone_number": "+15555550100"});
    server.confirmed_user(&pool, "alice", PASSWORD, attributes).await;
    (pool, client)
}

async fn start(server: &Server, client: &str, username: &str, more: Value) -> Answer {
    let mut parameters = json!({"USERNAME": username});
    parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    initiate(server, client, "USER_AUTH", parameters).await
}

fn prefer(challenge: &str) -> Value {
    json!({"PREFERRED_CHALLENGE": challenge})
}

fn session(answer: &Value) -> &str {
    answer["Session"].as_str().unwrap()
}

/// An answer to `challenge`, an answer of the server.
async fn reply(server: &Server, client: &str, challenge: &Value, responses: Value) -> Answer {
    let name = challenge["ChallengeName"].as_str().unwrap();
    respond(server, client, name, Some(session(challenge)), responses).await
}

/// A challenge without what is sealed or random.
fn plain(mut answer: Value) -> Value {
    if answer.get("Session").is_some() {
        answer["Session"] = json!("[sealed]");
    }
    if answer["ChallengeParameters"].get("SRP_B").is_some() {
        answer["ChallengeParameters"]["SECRET_BLOCK"] = json!("[sealed]");
        answer["ChallengeParameters"]["SRP_B"] = json!("[public]");
    }
    answer
}

fn srp_a() -> Value {
    srp::initiate("", "")["AuthParameters"]["SRP_A"].clone()
}

/// Whether these are tokens.
fn is_signed_in(answer: &Value) -> bool {
    answer["AuthenticationResult"]["AccessToken"].is_string()
        && answer["AuthenticationResult"]["RefreshToken"].is_string()
        && answer["ChallengeParameters"] == json!({})
}

#[tokio::test]
async fn a_name_alone_leads_to_the_choices() {
    both_engines(async |server| {
        let (pool, client) = everything(&server, json!({})).await;
        let answer = start(&server, &client, "alice", json!({})).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(plain(answer), @r#"
        {
          "ChallengeName": "SELECT_CHALLENGE",
          "Session": "[sealed]",
          "ChallengeParameters": {},
          "AvailableChallenges": [
            "PASSWORD_SRP",
            "PASSWORD",
            "EMAIL_OTP",
            "SMS_OTP"
          ]
        }
        "#); }
        let choices = async |username: &str| {
            start(&server, &client, username, json!({})).await.ok()["AvailableChallenges"].clone()
        };
        server.confirmed_user(&pool, "mail", PASSWORD, json!({"email": "mail@example.com"})).await;
        server.confirmed_user(&pool, "phone", PASSWORD, json!({"phone_number": "+15555550101"})).await;
        server.confirmed_user(&pool, "bare", PASSWORD, json!({})).await;
        assert_eq!(choices("mail").await, json!(["PASSWORD_SRP", "PASSWORD", "EMAIL_OTP"]));
        assert_eq!(choices("phone").await, json!(["PASSWORD_SRP", "PASSWORD", "SMS_OTP"]));
        assert_eq!(choices("bare").await, json!(["PASSWORD_SRP", "PASSWORD"]));
        // Created without a password, with an address that nobody has verified.
        let request = json!({"UserPoolId": pool, "Username": "light", "MessageAction": "SUPPRESS",
            "UserAttributes": [{"Name": "email", "Value": "light@example.com"}]});
        let created = server.call("AdminCreateUser", request).await.ok();
        assert_eq!(created["User"]["UserStatus"], "CONFIRMED");
        assert_eq!(choices("light").await, json!(["EMAIL_OTP"]));
        // A temporary password, or one that is to be reset, has to be dealt with first.
        set_password(&server, &pool, "mail", "Temporary1!", false).await;
        administer(&server, "AdminResetUserPassword", &pool, "alice").await;
        for username in ["mail", "alice"] {
            assert_eq!(choices(username).await, json!(["PASSWORD_SRP", "PASSWORD"]), "{username}");
        }
        let answer = start(&server, &client, "mail", prefer("EMAIL_OTP")).await.ok();
        assert_eq!(answer["ChallengeName"], "SELECT_CHALLENGE");
        // What the pool does not take nobody is offered.
        let plain_pool = server.pool(json!({})).await;
        let plain_client = client_of(&server, &plain_pool, json!({})).await;
        server.confirmed_user(&plain_pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
        let answer = start(&server, &plain_client, "alice", prefer("EMAIL_OTP")).await.ok();
        assert_eq!(answer["AvailableChallenges"], json!(["PASSWORD_SRP", "PASSWORD"]));
        assert_eq!(answer["ChallengeName"], "SELECT_CHALLENGE");
    })
    .await;
}

#[tokio::test]
async fn a_preference_that_can_be_had_is_met_at_once() {
    both_engines(async |server| {
        let (_, client) = everything(&server, json!({})).await;
        let email = plain(start(&server, &client, "alice", prefer("EMAIL_OTP")).await.ok());
        insta::allow_duplicates! { insta::assert_json_snapshot!(email, @r#"
        {
          "ChallengeName": "EMAIL_OTP",
          "Session": "[sealed]",
          "ChallengeParameters": {
            "CODE_DELIVERY_DELIVERY_MEDIUM": "EMAIL",
            "CODE_DELIVERY_DESTINATION": "a***@e***"
          },
          "AvailableChallenges": [
            "PASSWORD_SRP",
            "PASSWORD",
            "EMAIL_OTP",
            "SMS_OTP"
          ]
        }
        "#); }
        let text = plain(start(&server, &client, "alice", prefer("SMS_OTP")).await.ok());
        insta::allow_duplicates! { insta::assert_json_snapshot!(text, @r#"
        {
          "ChallengeName": "SMS_OTP",
          "Session": "[sealed]",
          "ChallengeParameters": {
            "CODE_DELIVERY_DELIVERY_MEDIUM": "SMS",
            "CODE_DELIVERY_DESTINATION": "+*******0100"
          },
          "AvailableChallenges": [
            "PASSWORD_SRP",
            "PASSWORD",
            "EMAIL_OTP",
            "SMS_OTP"
          ]
        }
        "#); }
        let password = plain(start(&server, &client, "alice", prefer("PASSWORD")).await.ok());
        insta::allow_duplicates! { insta::assert_json_snapshot!(password, @r#"
        {
          "ChallengeName": "PASSWORD",
          "Session": "[sealed]",
          "ChallengeParameters": {},
          "AvailableChallenges": [
            "PASSWORD_SRP",
            "PASSWORD",
            "EMAIL_OTP",
            "SMS_OTP"
          ]
        }
        "#); }
        for challenge in ["WEB_AUTHN", "SOFTWARE_TOKEN_MFA", "SELECT_CHALLENGE", "email_otp", "\u{0}"] {
            let answer = start(&server, &client, "alice", prefer(challenge)).await.ok();
            assert_eq!(answer["ChallengeName"], "SELECT_CHALLENGE", "{challenge}");
            assert_eq!(answer["AvailableChallenges"], json!(["PASSWORD_SRP", "PASSWORD", "EMAIL_OTP", "SMS_OTP"]));
        }
    })
    .await;
}

#[tokio::test]
async fn a_password_signs_in_at_once_or_when_it_is_asked_for() {
    both_engines(async |server| {
        let (pool, client) = everything(&server, json!({})).await;
        let with = |password: &str| json!({"PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": password});
        assert!(is_signed_in(&start(&server, &client, "alice", with(PASSWORD)).await.ok()));
        assert_eq!(start(&server, &client, "alice", with("Wrong1!!")).await.error(), INCORRECT);

        let asked = start(&server, &client, "alice", prefer("PASSWORD")).await.ok();
        let answer = |password: &str| json!({"USERNAME": "alice", "PASSWORD": password});
        assert_eq!(reply(&server, &client, &asked, answer("Wrong1!!")).await.error(), INCORRECT);
        assert!(is_signed_in(&reply(&server, &client, &asked, answer(PASSWORD)).await.ok()));
        assert_eq!(reply(&server, &client, &asked, answer(PASSWORD)).await.error(), USED_SESSION);

        let choices = start(&server, &client, "alice", json!({})).await.ok();
        let choose = |password: &str| json!({"USERNAME": "alice", "ANSWER": "PASSWORD", "PASSWORD": password});
        assert_eq!(reply(&server, &client, &choices, choose("Wrong1!!")).await.error(), INCORRECT);
        assert!(is_signed_in(&reply(&server, &client, &choices, choose(PASSWORD)).await.ok()));
        assert_eq!(reply(&server, &client, &choices, choose(PASSWORD)).await.error(), USED_SESSION);

        // The successor of a temporary password comes with the choices, too.
        set_password(&server, &pool, "alice", "Temporary1!", false).await;
        let answer = start(&server, &client, "alice", with("Temporary1!")).await.ok();
        assert_eq!(answer["ChallengeName"], "NEW_PASSWORD_REQUIRED");
        assert_eq!(answer["AvailableChallenges"], json!(["PASSWORD_SRP", "PASSWORD"]));
        let new = json!({"USERNAME": "alice", "NEW_PASSWORD": "Permanent1!"});
        assert!(is_signed_in(&reply(&server, &client, &answer, new).await.ok()));
    })
    .await;
}

#[tokio::test]
async fn a_password_is_proven_by_srp_with_a_session() {
    both_engines(async |server| {
        let (pool, client) = everything(&server, json!({})).await;
        let preferred = json!({"PREFERRED_CHALLENGE": "PASSWORD_SRP", "SRP_A": srp_a()});
        let challenge = start(&server, &client, "alice", preferred.clone()).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(plain(challenge.clone()), @r#"
        {
          "ChallengeName": "PASSWORD_VERIFIER",
          "Session": "[sealed]",
          "ChallengeParameters": {
            "SALT": "63c57ee36a2911cba6e1a1d0f365c178",
            "SECRET_BLOCK": "[sealed]",
            "SRP_B": "[public]",
            "USERNAME": "alice",
            "USER_ID_FOR_SRP": "alice"
          },
          "AvailableChallenges": [
            "PASSWORD_SRP",
            "PASSWORD",
            "EMAIL_OTP",
            "SMS_OTP"
          ]
        }
        "#); }
        let right = srp::respond(&challenge, &pool, PASSWORD);
        let wrong = srp::respond(&challenge, &pool, "Wrong1!!");
        assert_eq!(reply(&server, &client, &challenge, wrong).await.error(), INCORRECT);
        // The secret block and the session belong together.
        let other = start(&server, &client, "alice", preferred).await.ok();
        assert_eq!(reply(&server, &client, &other, right.clone()).await.error(), INVALID_SESSION);
        assert_eq!(
            respond(&server, &client, "PASSWORD_VERIFIER", None, right.clone()).await.error(),
            "InvalidParameterException: Missing required parameter Session"
        );
        assert!(is_signed_in(&reply(&server, &client, &challenge, right.clone()).await.ok()));
        assert_eq!(reply(&server, &client, &challenge, right).await.error(), USED_SESSION);

        // The same by way of the list, with SRP_A and without.
        let srp = json!({"USERNAME": "alice", "SRP_A": srp_a()});
        let choices = start(&server, &client, "alice", json!({})).await.ok();
        let mut choice = srp.clone();
        choice["ANSWER"] = json!("PASSWORD_SRP");
        let challenge = reply(&server, &client, &choices, choice.clone()).await.ok();
        assert_eq!(reply(&server, &client, &choices, choice).await.error(), USED_SESSION);
        let right = srp::respond(&challenge, &pool, PASSWORD);
        assert!(is_signed_in(&reply(&server, &client, &challenge, right).await.ok()));

        let asked = start(&server, &client, "alice", prefer("PASSWORD_SRP")).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(plain(asked.clone()), @r#"
        {
          "ChallengeName": "PASSWORD_SRP",
          "Session": "[sealed]",
          "ChallengeParameters": {},
          "AvailableChallenges": [
            "PASSWORD_SRP",
            "PASSWORD",
            "EMAIL_OTP",
            "SMS_OTP"
          ]
        }
        "#); }
        let bad = json!({"USERNAME": "alice", "SRP_A": "0"});
        assert_eq!(reply(&server, &client, &asked, bad).await.error(), "InvalidParameterException: Invalid SRP_A");
        let challenge = reply(&server, &client, &asked, srp.clone()).await.ok();
        assert_eq!(reply(&server, &client, &asked, srp).await.error(), USED_SESSION);
        let right = srp::respond(&challenge, &pool, PASSWORD);
        assert!(is_signed_in(&reply(&server, &client, &challenge, right).await.ok()));
    })
    .await;
}

#[tokio::test]
async fn where_srp_is_switched_off_it_is_no_choice() {
    let server =
        Server::builder().settings(|settings| settings.srp_off = service::settings::SrpOff::Everywhere).start().await;
    let (_, client) = everything(&server, json!({})).await;
    let preferred = json!({"PREFERRED_CHALLENGE": "PASSWORD_SRP", "SRP_A": srp_a()});
    let answer = start(&server, &client, "alice", preferred).await.ok();
    assert_eq!(answer["ChallengeName"], "SELECT_CHALLENGE");
    assert_eq!(answer["AvailableChallenges"], json!(["PASSWORD", "EMAIL_OTP", "SMS_OTP"]));
}

#[tokio::test]
async fn administrators_begin_it_too_and_the_sessions_do_not_mix() {
    both_engines(async |server| {
        let (pool, client) = everything(&server, json!({})).await;
        let parameters = json!({"USERNAME": "alice", "PREFERRED_CHALLENGE": "PASSWORD"});
        let asked = admin_initiate(&server, &pool, &client, "USER_AUTH", parameters).await.ok();
        let responses = json!({"USERNAME": "alice", "PASSWORD": PASSWORD});
        assert_eq!(reply(&server, &client, &asked, responses.clone()).await.error(), INVALID_SESSION);
        let request = json!({"UserPoolId": pool, "ClientId": client, "ChallengeName": "PASSWORD",
            "Session": session(&asked), "ChallengeResponses": responses});
        assert!(is_signed_in(&server.call("AdminRespondToAuthChallenge", request).await.ok()));
    })
    .await;
}
