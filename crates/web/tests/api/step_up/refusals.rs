//! What does not lead to a level.

use super::*;

const INVALID_TOKEN: &str = "NotAuthorizedException: Invalid Access Token";

#[tokio::test]
async fn a_level_is_named_and_not_yet_reached() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let before = house.by_password().await;
        let no_level = "InvalidParameterException: TARGET_ACR_VALUES names no level of this user pool.";
        for targets in [" ", "urn:cognito:loa:5", "Level4", "URN:COGNITO:LOA:4", "urn:cognito:loa:1,urn:cognito:loa:2"] {
            assert_eq!(house.start(json!({"TARGET_ACR_VALUES": targets})).await.error(), no_level, "{targets}");
            assert_eq!(house.step_up(access(&before), targets).await.error(), no_level, "{targets}");
        }
        let needed = "InvalidParameterException: TARGET_ACR_VALUES is required with ACCESS_TOKEN.";
        for targets in [Value::Null, json!("")] {
            let parameters = json!({"ACCESS_TOKEN": access(&before), "TARGET_ACR_VALUES": targets});
            let parameters: Value = parameters.as_object().unwrap().clone().into_iter().filter(|(_, v)| !v.is_null()).collect();
            assert_eq!(house.start(parameters).await.error(), needed);
        }
        assert_eq!(house.step_up(access(&before), ONE).await.error(), ALREADY);
        assert_eq!(house.step_up(access(&before), &format!("{FOUR} {ONE}")).await.error(), ALREADY);
        assert_eq!(house.step_up(access(&before), FOUR).await.error(), OUT_OF_REACH);
        // A sign-up has its own way in, which leads to no level.
        let request = json!({"AuthFlow": "USER_AUTH", "ClientId": house.client, "Session": "x".repeat(40),
            "AuthParameters": {"USERNAME": "alice", "TARGET_ACR_VALUES": TWO}});
        let error = "InvalidParameterException: TARGET_ACR_VALUES cannot be used with the Session of a sign-up. Sign in without it.";
        assert_eq!(house.server.call("InitiateAuth", request).await.error(), error);
    })
    .await;
}

#[tokio::test]
async fn only_a_good_access_token_of_this_client_and_user_counts() {
    both_engines(async |server| {
        let house = House::new(server).await;
        with_token(&house.server, &house.client).await;
        let before = house.by_password().await;
        let token = |name: &str| before["AuthenticationResult"][name].as_str().unwrap();
        let refused = async |token: &str| house.step_up(token, FOUR).await.error();
        for other in [token("IdToken"), token("RefreshToken"), "x", "a.b.c"] {
            assert_eq!(refused(other).await, INVALID_TOKEN);
        }
        let parts: Vec<&str> = token("AccessToken").split('.').collect();
        let other_signature = token("IdToken").rsplit('.').next().unwrap();
        let forged = format!("{}.{}.{other_signature}", parts[0], parts[1]);
        assert_eq!(refused(&forged).await, "NotAuthorizedException: Could not verify signature for Access Token");

        // Another user's, whoever asks; nobody learns by it which names there are.
        house.user("bob").await;
        let update = json!({"UserPoolId": house.pool, "ClientId": house.client, "ExplicitAuthFlows": FLOWS,
            "PreventUserExistenceErrors": "ENABLED"});
        let stranger = "InvalidParameterException: USERNAME is not the user of the ACCESS_TOKEN.";
        let aim = json!({"ACCESS_TOKEN": access(&before), "TARGET_ACR_VALUES": FOUR});
        let unknown = "UserNotFoundException: User does not exist.";
        assert_eq!(house.start(with(aim.clone(), &json!({"USERNAME": "bob"}))).await.error(), stranger);
        assert_eq!(house.start(with(aim.clone(), &json!({"USERNAME": "nobody"}))).await.error(), unknown);
        house.server.call("UpdateUserPoolClient", update).await.ok();
        for name in ["bob", "nobody"] {
            assert_eq!(house.start(with(aim.clone(), &json!({"USERNAME": name}))).await.error(), stranger, "{name}");
        }
        // By another of her names it is still alice.
        let sub = segment(access(&before), 1)["sub"].clone();
        house.start(with(aim, &json!({"USERNAME": sub}))).await.ok();

        // Another client's and another pool's.
        let client = house.server.client_id(&house.pool, json!({"ExplicitAuthFlows": FLOWS})).await;
        let parameters = json!({"USERNAME": "alice", "ACCESS_TOKEN": access(&before), "TARGET_ACR_VALUES": FOUR});
        let request = json!({"AuthFlow": "USER_AUTH", "ClientId": client, "AuthParameters": parameters});
        assert_eq!(house.server.call("InitiateAuth", request).await.error(), INVALID_TOKEN);
        let elsewhere = house.server.pool(json!({})).await;
        let client = house.server.client_id(&elsewhere, json!({"ExplicitAuthFlows": FLOWS})).await;
        house.server.confirmed_user(&elsewhere, "alice", PASSWORD, json!({})).await;
        let request = json!({"AuthFlow": "USER_AUTH", "ClientId": client, "AuthParameters": parameters});
        assert_eq!(house.server.call("InitiateAuth", request).await.error(), INVALID_TOKEN);

        house.server.advance(3_601);
        assert_eq!(refused(access(&before)).await, "NotAuthorizedException: Access Token has expired");
        let before = house.by_password().await;
        let token = &before["AuthenticationResult"]["RefreshToken"];
        house.server.call("RevokeToken", json!({"Token": token, "ClientId": house.client})).await.ok();
        assert_eq!(refused(access(&before)).await, "NotAuthorizedException: Access Token has been revoked");
    })
    .await;
}

#[tokio::test]
async fn nobody_learns_who_exists() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let update = json!({"UserPoolId": house.pool, "ClientId": house.client, "ExplicitAuthFlows": FLOWS,
            "PreventUserExistenceErrors": "ENABLED"});
        let first =
            async |name: &str, target: &str| house.start(json!({"USERNAME": name, "TARGET_ACR_VALUES": target})).await;
        for target in [ONE, FOUR] {
            assert_eq!(first("nobody", target).await.error(), "UserNotFoundException: User does not exist.");
        }
        house.server.call("UpdateUserPoolClient", update).await.ok();
        // As a user with a password and a mail address, and nothing besides.
        house.server.confirmed_user(&house.pool, "plain", PASSWORD, json!({"email": "plain@example.com"})).await;
        for target in [ONE, TWO] {
            let (known, unknown) = (first("plain", target).await.ok(), first("nobody", target).await.ok());
            let session = |answer: &Value| answer["Session"].as_str().unwrap().len();
            assert_eq!(unknown["ChallengeName"], "SELECT_CHALLENGE");
            assert!(session(&known).abs_diff(session(&unknown)) <= 4, "{known} {unknown}");
            let choice =
                house.reply(&unknown, json!({"USERNAME": "nobody", "ANSWER": "PASSWORD", "PASSWORD": PASSWORD}));
            let expected = if target == ONE {
                "NotAuthorizedException: Incorrect username or password."
            } else {
                "InvalidParameterException: Selected challenge is not available"
            };
            assert_eq!(choice.await.error(), expected, "{target}");
        }
        assert_eq!(first("nobody", FOUR).await.error(), OUT_OF_REACH);
        assert_eq!(first("plain", FOUR).await.error(), OUT_OF_REACH);
    })
    .await;
}

#[tokio::test]
async fn administrators_aim_as_well() {
    let house = House::new(Server::memory().await).await;
    let secret = with_token(&house.server, &house.client).await;
    let before = house.by_password().await;
    let parameters = json!({"USERNAME": "alice", "ACCESS_TOKEN": access(&before), "TARGET_ACR_VALUES": FOUR});
    let request = json!({"UserPoolId": house.pool, "ClientId": house.client, "AuthFlow": "USER_AUTH",
        "AuthParameters": parameters});
    let challenge = house.server.call("AdminInitiateAuth", request).await.ok();
    // A session of theirs is of no use to anybody else.
    assert_eq!(house.reply_token(&challenge, &secret).await.error(), INVALID_SESSION);
    let code = totp::code(&house.server, &secret, 0);
    let request = json!({"UserPoolId": house.pool, "ClientId": house.client, "Session": challenge["Session"],
        "ChallengeName": "SOFTWARE_TOKEN_MFA",
        "ChallengeResponses": {"USERNAME": "alice", "SOFTWARE_TOKEN_MFA_CODE": code}});
    let answer = house.server.call("AdminRespondToAuthChallenge", request).await.ok();
    assert_eq!(said(&answer), level(FOUR, &["pwd", "otp", "mfa"]));
}
