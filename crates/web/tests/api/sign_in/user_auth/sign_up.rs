//! Users without a password, and the way from a sign-up straight to a sign-in.

use service::triggers::Failure;
use testkit::triggers::{Told, arn, lambda_config, notes};

use super::*;

/// A pool that verifies mail and takes codes by mail, and a client.
async fn open_pool(server: &Server, client: Value) -> (String, String) {
    let pool = pool_with(server, &["PASSWORD", "EMAIL_OTP"], json!({"AutoVerifiedAttributes": ["email"]})).await;
    let client = client_of(server, &pool, client).await;
    (pool, client)
}

async fn sign_up(server: &Server, client: &str, username: &str) -> Answer {
    let email = format!("{username}@example.com");
    let request =
        json!({"ClientId": client, "Username": username, "UserAttributes": [{"Name": "email", "Value": email}]});
    server.call("SignUp", request).await
}

async fn confirm(server: &Server, pool: &str, client: &str, username: &str, session: Option<&str>) -> Answer {
    let code = server.last_code(pool, username).await;
    let request = json!({"ClientId": client, "Username": username, "ConfirmationCode": code, "Session": session});
    server.call("ConfirmSignUp", request).await
}

async fn go_on(server: &Server, client: &str, session: &str, parameters: Value) -> Answer {
    let request =
        json!({"AuthFlow": "USER_AUTH", "ClientId": client, "Session": session, "AuthParameters": parameters});
    server.call("InitiateAuth", request).await
}

#[tokio::test]
async fn a_sign_up_leads_to_a_sign_in() {
    both_engines(async |server| {
        let (pool, client) = open_pool(&server, json!({})).await;
        let signed_up = sign_up(&server, &client, "bob").await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(plain(signed_up.clone()), @r#"
        {
          "UserConfirmed": false,
          "CodeDeliveryDetails": {
            "Destination": "b***@e***",
            "DeliveryMedium": "EMAIL",
            "AttributeName": "email"
          },
          "UserSub": "fdfeeba9-f04c-4e5c-be60-76135dc4bdef",
          "Session": "[sealed]"
        }
        "#); }
        let confirmed = confirm(&server, &pool, &client, "bob", Some(session(&signed_up))).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(plain(confirmed.clone()), @r#"
        {
          "Session": "[sealed]"
        }
        "#); }
        // Neither session passes for the other, nor for another client.
        let bob = json!({"USERNAME": "bob"});
        assert_eq!(
            confirm(&server, &pool, &client, "bob", Some(session(&confirmed))).await.error(),
            INVALID_SESSION,
            "for a confirmation"
        );
        let other = client_of(&server, &pool, json!({})).await;
        assert_eq!(go_on(&server, &other, session(&confirmed), bob).await.error(), INVALID_SESSION);
        let answer = go_on(&server, &client, session(&confirmed), json!({})).await.ok();
        assert!(is_signed_in(&answer));
        let token = answer["AuthenticationResult"]["AccessToken"].as_str().unwrap();
        assert_eq!(server.call("GetUser", json!({"AccessToken": token})).await.ok()["Username"], "bob");
        assert_eq!(go_on(&server, &client, session(&confirmed), json!({})).await.error(), USED_SESSION);
        // From then on by code; there is no password that could be right.
        let choices = start(&server, &client, "bob", json!({})).await.ok();
        assert_eq!(choices["AvailableChallenges"], json!(["EMAIL_OTP"]));
        assert_eq!(server.sign_in(&client, "bob", PASSWORD).await.error(), INCORRECT);
    })
    .await;
}

#[tokio::test]
async fn the_session_of_a_confirmed_sign_up_is_good_for_one_step() {
    both_engines(async |server| {
        let (pool, client) = open_pool(&server, json!({})).await;
        let signed_up = sign_up(&server, &client, "bob").await.ok();
        let carol = sign_up(&server, &client, "carol").await.ok();
        assert_eq!(
            confirm(&server, &pool, &client, "bob", Some(session(&carol))).await.error(),
            INVALID_SESSION,
            "somebody else's"
        );
        assert_eq!(confirm(&server, &pool, &client, "bob", Some(&"A".repeat(300))).await.error(), INVALID_SESSION);
        // It takes a user longer than one step to find the mail.
        server.advance(3_600);
        let confirmed = confirm(&server, &pool, &client, "bob", Some(session(&signed_up))).await.ok();
        server.advance(181);
        assert_eq!(go_on(&server, &client, session(&confirmed), json!({})).await.error(), EXPIRED_SESSION);
        let carols = confirm(&server, &pool, &client, "carol", Some(session(&carol))).await.ok();
        administer(&server, "AdminDisableUser", &pool, "carol").await;
        assert_eq!(
            go_on(&server, &client, session(&carols), json!({})).await.error(),
            "NotAuthorizedException: User is disabled."
        );
        administer(&server, "AdminEnableUser", &pool, "carol").await;
        let request = json!({"UserPoolId": pool, "Username": "carol", "UserAttributes": [
            {"Name": "email", "Value": "other@example.com"}, {"Name": "email_verified", "Value": "true"}]});
        server.call("AdminUpdateUserAttributes", request).await.ok();
        assert_eq!(go_on(&server, &client, session(&carols), json!({})).await.error(), INVALID_SESSION);
    })
    .await;
}

#[tokio::test]
async fn a_client_with_a_secret_gives_it_here_too() {
    let server = Server::memory().await;
    let (pool, _) = open_pool(&server, json!({})).await;
    let client = server.client(&pool, json!({"ExplicitAuthFlows": FLOWS, "GenerateSecret": true})).await;
    let (client, secret) = (client["ClientId"].as_str().unwrap(), client["ClientSecret"].as_str().unwrap());
    let hash = crypto::hash::secret_hash("bob", client, secret);
    let request = json!({"ClientId": client, "Username": "bob", "SecretHash": hash,
        "UserAttributes": [{"Name": "email", "Value": "bob@example.com"}]});
    let signed_up = server.call("SignUp", request).await.ok();
    let code = server.last_code(&pool, "bob").await;
    let request = json!({"ClientId": client, "Username": "bob", "SecretHash": hash, "ConfirmationCode": code,
        "Session": session(&signed_up)});
    let confirmed = server.call("ConfirmSignUp", request).await.ok();
    assert_eq!(
        go_on(&server, client, session(&confirmed), json!({"USERNAME": "bob"})).await.error(),
        format!("NotAuthorizedException: Client {client} is configured with secret but SECRET_HASH was not received")
    );
    let parameters = json!({"USERNAME": "bob", "SECRET_HASH": hash});
    assert!(is_signed_in(&go_on(&server, client, session(&confirmed), parameters).await.ok()));
}

#[tokio::test]
async fn sessions_are_for_those_who_can_go_on_with_them() {
    let server = Server::memory().await;
    let (pool, client) = open_pool(&server, json!({})).await;
    let plain_client = server.client_id(&pool, json!({})).await;
    assert_eq!(sign_up(&server, &plain_client, "bob").await.ok().get("Session"), None);
    // The pool takes no codes by text message.
    let texts = json!({"AutoVerifiedAttributes": ["phone_number"]});
    let other = pool_with(&server, &["PASSWORD", "EMAIL_OTP"], texts).await;
    let other_client = client_of(&server, &other, json!({})).await;
    let request = json!({"ClientId": other_client, "Username": "bob", "Password": PASSWORD,
        "UserAttributes": [{"Name": "phone_number", "Value": "+15555550100"}]});
    assert_eq!(server.call("SignUp", request).await.ok().get("Session"), None);
    assert_eq!(confirm(&server, &other, &other_client, "bob", None).await.ok(), json!({}));
    // What the client of the confirmation can do counts.
    sign_up(&server, &client, "carol").await.ok();
    assert_eq!(confirm(&server, &pool, &plain_client, "carol", None).await.ok(), json!({}));
    // So does what the pool takes by the time that they go on.
    sign_up(&server, &client, "dave").await.ok();
    let confirmed = confirm(&server, &pool, &client, "dave", None).await.ok();
    let policies = json!({"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD"]}});
    server.call("UpdateUserPool", json!({"UserPoolId": pool, "Policies": policies})).await.ok();
    assert_eq!(go_on(&server, &client, session(&confirmed), json!({})).await.error(), INVALID_SESSION);
}

#[tokio::test]
async fn the_session_of_the_sign_up_need_not_be_given() {
    both_engines(async |server| {
        let (pool, client) = open_pool(&server, json!({})).await;
        let signed_up = sign_up(&server, &client, "bob").await.ok();
        let confirmed = confirm(&server, &pool, &client, "bob", None).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(plain(confirmed.clone()), @r#"
        {
          "Session": "[sealed]"
        }
        "#); }
        let bob = json!({"USERNAME": "bob"});
        // That of the sign-up is no better for it.
        let asked = go_on(&server, &client, session(&signed_up), bob.clone()).await.ok();
        assert_eq!(asked["ChallengeName"], "SELECT_CHALLENGE");
        assert!(is_signed_in(&go_on(&server, &client, session(&confirmed), bob.clone()).await.ok()));
        assert_eq!(go_on(&server, &client, session(&confirmed), bob).await.error(), USED_SESSION);
        // A wrong code gets nothing, nor does the right one of somebody who is confirmed.
        sign_up(&server, &client, "carol").await.ok();
        let right = server.last_code(&pool, "carol").await;
        let wrong = if right == "000000" { "000001" } else { "000000" };
        for (code, refusal) in [
            (wrong, Some("CodeMismatchException: Invalid verification code provided, please try again.")),
            (&right, None),
            (&right, Some("NotAuthorizedException: User cannot be confirmed. Current status is CONFIRMED")),
        ] {
            let request = json!({"ClientId": client, "Username": "carol", "ConfirmationCode": code});
            let answer = server.call("ConfirmSignUp", request).await;
            match refusal {
                Some(refusal) => assert_eq!(answer.error(), refusal),
                None => assert!(answer.ok()["Session"].is_string()),
            }
        }
        // An address that the code did not prove is no way in.
        sign_up(&server, &client, "dave").await.ok();
        let code = server.last_code(&pool, "dave").await;
        let request = json!({"UserPoolId": pool, "Username": "dave", "UserAttributes": [
            {"Name": "email", "Value": "other@example.com"}]});
        server.call("AdminUpdateUserAttributes", request).await.ok();
        let request = json!({"ClientId": client, "Username": "dave", "ConfirmationCode": code});
        let confirmed = server.call("ConfirmSignUp", request).await.ok();
        assert_eq!(go_on(&server, &client, session(&confirmed), json!({})).await.error(), INVALID_SESSION);
    })
    .await;
}

/// Where a link confirms users, their clients have no other session than that of the sign-up. They ask with it until
/// somebody has followed the link.
#[tokio::test]
async fn the_session_of_the_sign_up_waits_for_the_link_and_proves_nothing() {
    both_engines(async |server| {
        let (pool, client) = open_pool(&server, json!({})).await;
        let template = json!({"DefaultEmailOption": "CONFIRM_WITH_LINK"});
        let update = json!({"UserPoolId": pool, "AutoVerifiedAttributes": ["email"], "VerificationMessageTemplate": template,
            "Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}}});
        server.call("UpdateUserPool", update).await.ok();
        let request = json!({"ClientId": client, "Username": "bob", "Password": PASSWORD,
            "UserAttributes": [{"Name": "email", "Value": "bob@example.com"}]});
        let signed_up = server.call("SignUp", request).await.ok();
        sign_up(&server, &client, "carol").await.ok();
        let with = |more: Value| {
            let mut parameters = json!({"USERNAME": "bob"});
            parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            parameters
        };
        let by_password = with(json!({"PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD}));
        let wrong_password = with(json!({"PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": "Wrong1!!"}));
        let by_code = with(prefer("EMAIL_OTP"));
        let poll = async |parameters: &Value| go_on(&server, &client, session(&signed_up), parameters.clone()).await;
        let before = server.messages(&pool, "bob").await.len();
        for parameters in [&by_password, &wrong_password, &by_code, &with(json!({}))] {
            assert_eq!(poll(parameters).await.error(), "UserNotConfirmedException: User is not confirmed.");
        }
        assert_eq!(server.messages(&pool, "bob").await.len(), before, "no code is sent meanwhile");
        // It is for bob and his client, and asks for what every sign-in brings.
        assert_eq!(poll(&json!({"USERNAME": "carol"})).await.error(), INVALID_SESSION);
        assert_eq!(poll(&json!({"USERNAME": "nobody"})).await.error(), INVALID_SESSION);
        assert_eq!(poll(&json!({})).await.error(), "InvalidParameterException: Missing required parameter USERNAME");
        let other = client_of(&server, &pool, json!({})).await;
        let elsewhere = go_on(&server, &other, session(&signed_up), by_password.clone()).await;
        assert_eq!(elsewhere.error(), INVALID_SESSION);

        let code = server.last_code(&pool, "bob").await;
        let page = format!("/confirmUser/?client_id={client}&user_name=bob&confirmation_code={code}");
        assert_eq!(server.get(&page).await.status, 200);
        // Who followed the link need not be who signed up: the session is worth no factor.
        assert_eq!(poll(&wrong_password).await.error(), INCORRECT);
        let asked = poll(&by_code).await.ok();
        assert_eq!(asked["ChallengeName"], "EMAIL_OTP");
        let code = server.last_code(&pool, "bob").await;
        let right = json!({"USERNAME": "bob", "EMAIL_OTP_CODE": code});
        assert!(is_signed_in(&reply(&server, &client, &asked, right).await.ok()));
        assert!(is_signed_in(&poll(&by_password).await.ok()));
        administer(&server, "AdminDisableUser", &pool, "bob").await;
        assert_eq!(poll(&by_password).await.error(), "NotAuthorizedException: User is disabled.");
        server.advance(24 * 3_600);
        assert_eq!(poll(&by_password).await.error(), EXPIRED_SESSION);
        administer(&server, "AdminDeleteUser", &pool, "bob").await;
        assert_eq!(poll(&by_password).await.error(), EXPIRED_SESSION);
    })
    .await;
}

/// PreAuthentication is asked about whom the session signs in, and nobody about whom the parameters name.
#[tokio::test]
async fn the_function_of_sign_ins_is_asked_about_the_user_of_the_session() {
    both_engines(async |server| {
        let told = Told::default();
        notes(&server, &told, "UserMigration");
        let functions = lambda_config(&["PreAuthentication", "UserMigration"]);
        let members = json!({"AutoVerifiedAttributes": ["email"], "LambdaConfig": functions});
        let pool = pool_with(&server, &["PASSWORD", "EMAIL_OTP"], members).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
        for (existence, not_found) in [("LEGACY", Value::Null), ("ENABLED", json!(false))] {
            let client = client_of(&server, &pool, json!({"PreventUserExistenceErrors": existence})).await;
            let name = |number: usize| format!("{existence}{number}");
            for (number, parameters) in [
                json!({}),
                json!({"USERNAME": ""}),
                json!({"USERNAME": name(2)}),
                json!({"USERNAME": "alice", "PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD}),
                json!({"USERNAME": "nobody", "PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD}),
            ]
            .into_iter()
            .enumerate()
            {
                let name = name(number);
                sign_up(&server, &client, &name).await.ok();
                let confirmed = confirm(&server, &pool, &client, &name, None).await.ok();
                let (unwanted, heard) = (name.clone(), told.clone());
                server.function(&arn("PreAuthentication"), move |event| {
                    heard.push(event.clone());
                    if event["userName"] == unwanted {
                        return Err(Failure::Threw("no".to_owned()));
                    }
                    Ok(event.to_string())
                });
                let refused = go_on(&server, &client, session(&confirmed), parameters.clone()).await;
                let no = "UserLambdaValidationException: PreAuthentication failed with error no.";
                assert_eq!(refused.error(), no, "{parameters}");
                assert_eq!(told.only()["userName"], name, "{parameters}");
                // Nothing is used up by that.
                notes(&server, &told, "PreAuthentication");
                let answer = go_on(&server, &client, session(&confirmed), parameters.clone()).await.ok();
                assert!(is_signed_in(&answer), "{parameters}");
                let event = told.only();
                assert_eq!((&event["userName"], &event["request"]["userNotFound"]), (&json!(name), &not_found));
                assert_eq!(event["request"]["userAttributes"]["email"], format!("{name}@example.com"));
                // Nobody is asked where the session is of no use.
                assert_eq!(go_on(&server, &client, session(&confirmed), parameters).await.error(), USED_SESSION);
            }
            assert_eq!(go_on(&server, &client, &"A".repeat(300), json!({})).await.error(), INVALID_SESSION);
            assert_eq!(told.take(), Vec::<Value>::new());
        }
    })
    .await;
}

/// A function that fails after the session was taken leaves one that is none any more (auth-flows.md §7).
#[tokio::test]
async fn the_session_of_a_confirmed_sign_up_is_dead_once_a_function_has_failed_after_it() {
    both_engines(async |server| {
        let functions =
            json!({"AutoVerifiedAttributes": ["email"], "LambdaConfig": lambda_config(&["PostAuthentication"])});
        let pool = pool_with(&server, &["PASSWORD", "EMAIL_OTP"], functions).await;
        let client = client_of(&server, &pool, json!({})).await;
        sign_up(&server, &client, "bob").await.ok();
        let confirmed = confirm(&server, &pool, &client, "bob", None).await.ok();
        server.function(&arn("PostAuthentication"), |_| Err(Failure::Threw("no".to_owned())));
        assert_eq!(
            go_on(&server, &client, session(&confirmed), json!({})).await.error(),
            "UserLambdaValidationException: PostAuthentication failed with error no."
        );
        notes(&server, &Told::default(), "PostAuthentication");
        for _ in 0..2 {
            assert_eq!(go_on(&server, &client, session(&confirmed), json!({})).await.error(), INVALID_SESSION);
        }
    })
    .await;
}

#[tokio::test]
async fn administrators_create_users_without_a_password() {
    both_engines(async |server| {
        let (pool, client) = open_pool(&server, json!({})).await;
        let create = async |username: &str, more: Value| {
            let email = format!("{username}@example.com");
            let mut request = json!({"UserPoolId": pool, "Username": username, "DesiredDeliveryMediums": ["EMAIL"],
                "UserAttributes": [{"Name": "email", "Value": email}]});
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            server.call("AdminCreateUser", request).await
        };
        let light = create("light", json!({})).await.ok();
        assert_eq!(light["User"]["UserStatus"], "CONFIRMED");
        let invitation = server.messages(&pool, "light").await.pop().unwrap();
        assert_eq!((&invitation["body"], &invitation["code"]), (&json!("Your username is light. "), &json!("")));
        let again = create("light", json!({"MessageAction": "RESEND"})).await;
        assert_eq!(
            again.error(),
            "UnsupportedUserStateException: Resend not possible. light status is not FORCE_CHANGE_PASSWORD"
        );
        // Where a password is given, everything is as ever.
        let heavy = create("heavy", json!({"TemporaryPassword": "Temporary1!"})).await.ok();
        assert_eq!(heavy["User"]["UserStatus"], "FORCE_CHANGE_PASSWORD");
        let asked = start(&server, &client, "light", prefer("EMAIL_OTP")).await.ok();
        let code = server.last_code(&pool, "light").await;
        let right = json!({"USERNAME": "light", "EMAIL_OTP_CODE": code});
        let signed_in = reply(&server, &client, &asked, right).await.ok();
        // The first password needs no other.
        let token = signed_in["AuthenticationResult"]["AccessToken"].as_str().unwrap();
        server.call("ChangePassword", json!({"AccessToken": token, "ProposedPassword": PASSWORD})).await.ok();
        assert!(is_signed_in(&server.sign_in(&client, "light", PASSWORD).await.ok()));
        let choices = start(&server, &client, "light", json!({})).await.ok();
        assert_eq!(choices["AvailableChallenges"], json!(["PASSWORD_SRP", "PASSWORD", "EMAIL_OTP"]));
    })
    .await;
}

#[tokio::test]
async fn pools_say_which_first_factors_they_take() {
    both_engines(async |server| {
        let shown = async |pool: &str| {
            let pool = server.call("DescribeUserPool", json!({"UserPoolId": pool})).await.ok();
            pool["UserPool"]["Policies"]["SignInPolicy"]["AllowedFirstAuthFactors"].clone()
        };
        let factors = ["EMAIL_OTP", "PASSWORD", "SMS_OTP", "EMAIL_OTP"];
        let pool = pool_with(&server, &factors, json!({})).await;
        assert_eq!(shown(&pool).await, json!(["EMAIL_OTP", "PASSWORD", "SMS_OTP"]));
        server.call("UpdateUserPool", json!({"UserPoolId": pool})).await.ok();
        assert_eq!(shown(&pool).await, json!(["PASSWORD"]));
        let none = json!({"ClientId": client_of(&server, &pool, json!({})).await, "Username": "bob"});
        assert_eq!(server.call("SignUp", none).await.error(), "InvalidParameterException: Password is required.");
    })
    .await;
}
