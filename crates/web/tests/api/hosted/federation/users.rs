//! Which user somebody is, who is asked and told on the way, and what becomes of it (oauth-federation.md §18).

use std::sync::Arc;

use testkit::triggers::{Told, arn, lambda_config, notes, responds};

use super::*;

const TRIGGERS: [&str; 6] = [
    "InboundFederation",
    "PreSignUp",
    "PostConfirmation",
    "PreAuthentication",
    "PostAuthentication",
    "PreTokenGeneration",
];

#[tokio::test]
async fn functions_are_asked_and_told_in_order() {
    both_engines(async |server| {
        let told = Told::default();
        for trigger in TRIGGERS {
            notes(&server, &told, trigger);
        }
        let scene = scene(&server, json!({"LambdaConfig": lambda_config(&TRIGGERS)}), json!({}), json!({})).await;
        let sub = scene.redeem(&scene.sign_in(json!({"email": "a@x.example"})).await).await["sub"].clone();
        let events = told.take();
        let sources: Vec<_> = events.iter().map(|event| event["triggerSource"].as_str().unwrap()).collect();
        assert_eq!(
            sources,
            [
                "InboundFederation_ExternalProvider",
                "PreSignUp_ExternalProvider",
                "PostConfirmation_ConfirmSignUp",
                "TokenGeneration_HostedAuth"
            ]
        );
        for event in &events {
            assert_eq!(event["userName"].as_str().unwrap().to_lowercase(), "okta_00u1", "{event}");
            assert_eq!(event["callerContext"]["clientId"], json!(scene.client), "{event}");
        }
        let (user_name, caller) = (&events[1]["userName"], &events[1]["callerContext"]);
        assert_eq!(caller, &json!({"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": scene.client}));
        let sign_up = json!({
            "version": "1",
            "region": "us-east-1",
            "userPoolId": scene.pool,
            "userName": user_name,
            "callerContext": caller,
            "triggerSource": "PreSignUp_ExternalProvider",
            "request": {
                "validationData": null,
                "userAttributes": {
                    "email": "a@x.example",
                    "cognito:email_alias": "",
                    "cognito:phone_number_alias": "",
                },
            },
            "response": {"autoConfirmUser": false, "autoVerifyEmail": false, "autoVerifyPhone": false},
        });
        assert_eq!(events[1], sign_up);
        let identities = events[2]["request"]["userAttributes"]["identities"].clone();
        assert_eq!(
            events[2]["request"]["userAttributes"],
            json!({"sub": sub, "email": "a@x.example",
            "email_verified": "false", "cognito:user_status": "EXTERNAL_PROVIDER", "identities": identities})
        );

        scene.redeem(&scene.sign_in(json!({"email": "b@x.example"})).await).await;
        let events = told.take();
        let sources: Vec<_> = events.iter().map(|event| event["triggerSource"].as_str().unwrap()).collect();
        assert_eq!(
            sources,
            [
                "InboundFederation_ExternalProvider",
                "PreAuthentication_Authentication",
                "PostAuthentication_Authentication",
                "TokenGeneration_HostedAuth"
            ]
        );
        // What is written is written in between.
        let email = |event: &Value| event["request"]["userAttributes"]["email"].clone();
        assert_eq!([email(&events[1]), email(&events[2])], [json!("a@x.example"), json!("b@x.example")]);
        assert_eq!(events[2]["request"]["newDeviceUsed"], json!(false));
        assert_eq!(events[1]["request"]["validationData"], json!(null));
    })
    .await;
}

#[tokio::test]
async fn each_function_can_turn_a_sign_in_away() {
    for (trigger, is_stored) in
        [("PreSignUp", false), ("PostConfirmation", true), ("PreAuthentication", false), ("PostAuthentication", true)]
    {
        let server = Server::memory().await;
        let scene = scene(&server, json!({"LambdaConfig": lambda_config(&[trigger])}), json!({}), json!({})).await;
        notes(&server, &Told::default(), trigger);
        let is_first = ["PreSignUp", "PostConfirmation"].contains(&trigger);
        if !is_first {
            scene.redeem(&scene.sign_in(json!({"email": "old@x.example"})).await).await;
        }
        server.function(&arn(trigger), |_| Err(service::triggers::Failure::Threw("No!".to_owned())));
        let browser = Browser::new(&server);
        let left = scene.leave(&browser, "Okta", &[]).await;
        scene.answers(&left, &json!({"email": "new@x.example"}));
        let url = location(&scene.back(&browser, &left.state).await);
        let expected = format!("error_description={trigger}+failed+with+error+No%21.&state=mine&error=invalid_request");
        assert_eq!(url, format!("{CALLBACK}?{expected}"));
        assert!(!browser.cookies.borrow().contains_key("cognito"));
        let email = scene.user("Okta_00u1").await.get("email").cloned().unwrap_or_default();
        let before = if is_first { json!(null) } else { json!("old@x.example") };
        assert_eq!(email, if is_stored { json!("new@x.example") } else { before }, "{trigger}");
    }
}

#[tokio::test]
async fn pre_sign_up_vouches_for_addresses() {
    let server = Server::memory().await;
    responds(
        &server,
        &Told::default(),
        "PreSignUp",
        |_| json!({"autoConfirmUser": true, "autoVerifyEmail": true, "autoVerifyPhone": true}),
    );
    let scene = scene(&server, json!({"LambdaConfig": lambda_config(&["PreSignUp"])}), json!({}), json!({})).await;
    for _ in 0..2 {
        scene.redeem(&scene.sign_in(json!({"email": "a@x.example"})).await).await;
        let user = scene.user("Okta_00u1").await;
        assert_eq!((&user["email_verified"], &user["status"]), (&json!("true"), &json!("EXTERNAL_PROVIDER")));
        assert_eq!(user.get("phone_number_verified"), None);
    }
}

#[tokio::test]
async fn a_linked_identity_is_the_user_it_was_linked_to() {
    both_engines(async |server| {
        let scene = plain_scene(&server).await;
        let alice = server.confirmed_user(&scene.pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
        server.advance(60);
        scene.link("alice", "Cognito_Subject", "00u1").await;
        let claims = scene.redeem(&scene.sign_in(json!({"email": "new@okta.example", "exp": NOW + 900})).await).await;
        assert_eq!((&claims["sub"], &claims["cognito:username"]), (&json!(alice), &json!("alice")));
        // No group, no other status; what is mapped is written.
        assert_eq!((claims.get("cognito:groups"), &claims["email"]), (None, &json!("new@okta.example")));
        assert_eq!(claims["identities"][0]["primary"], "false");
        assert_eq!(scene.user("alice").await["status"], "CONFIRMED");
        assert_eq!(scene.users().await, 1);
        // Letters of either case are different users there.
        let other = scene.redeem(&scene.sign_in(json!({"sub": "00U1", "exp": NOW + 900})).await).await;
        assert_ne!(other["sub"], json!(alice));
    })
    .await;
}

#[tokio::test]
async fn a_linked_identity_needs_no_username_of_its_own() {
    let server = Server::memory().await;
    let mapping = json!({"AttributeMapping": {"email": "email", "username": "login"}});
    let scene = scene(&server, json!({}), mapping, json!({})).await;
    let alice = server.confirmed_user(&scene.pool, "alice", PASSWORD, json!({})).await;
    let long = "x".repeat(256);
    for login in ["Alice Lee", &long] {
        scene.link("alice", "Cognito_Subject", login).await;
        assert_eq!(scene.redeem(&scene.sign_in(json!({"login": login})).await).await["sub"], json!(alice), "{login}");
    }
    // Nobody is let in, and known from then on, by an id that others may share or that no link could name.
    scene.link("alice", "email", "alice@okta.example").await;
    let nobody = "invalid_request: The identity provider Okta names no user that could have a profile.";
    for login in [json!(null), json!(""), json!("a\u{0}b"), json!("x".repeat(257))] {
        let refused = scene.refusal(json!({"login": login, "email": "alice@okta.example"})).await;
        assert_eq!(refused, nobody, "{login}");
    }
    assert_eq!(scene.users().await, 1);
}

#[tokio::test]
async fn a_linked_user_who_may_not_sign_in_is_left_as_before() {
    both_engines(async |server| {
        let told = Told::default();
        let functions = ["PreAuthentication", "PostAuthentication"];
        for function in functions {
            notes(&server, &told, function);
        }
        let scene = scene(&server, json!({"LambdaConfig": lambda_config(&functions)}), json!({}), json!({})).await;
        server.confirmed_user(&scene.pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
        let named = json!({"UserPoolId": scene.pool, "Username": "alice"});
        server.call("AdminResetUserPassword", named).await.ok();
        let request = json!({"ClientId": scene.client, "Username": "bob", "Password": PASSWORD});
        server.call("SignUp", request).await.ok();
        for (username, words) in [("alice", "Password reset required for the user"), ("bob", "User is not confirmed.")]
        {
            scene.link(username, "Cognito_Subject", username).await;
            let before = scene.user(username).await;
            told.take();
            let browser = Browser::new(&server);
            let left = scene.leave(&browser, "Okta", &[]).await;
            let claims = json!({"sub": username, "email": "new@okta.example"});
            server.documents.publish(USER_INFO, document(&json!({"sub": username})));
            scene.answers(&left, &claims);
            let refused = said(&location(&scene.back(&browser, &left.state).await));
            assert_eq!(refused, format!("invalid_request: {words}"));
            assert_eq!(scene.user(username).await, before);
            assert_eq!(told.sources(), [""; 0]);
            assert!(!browser.cookies.borrow().contains_key("cognito"));
        }
    })
    .await;
}

#[tokio::test]
async fn an_identity_that_was_linked_by_an_attribute_is_known_by_its_id_from_then_on() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let alice = server.confirmed_user(&scene.pool, "alice", PASSWORD, json!({})).await;
    scene.link("alice", "email", "alice@okta.example").await;
    let stranger = scene.redeem(&scene.sign_in(json!({"sub": "00u9", "email": "ALICE@okta.example"})).await).await;
    assert_ne!(stranger["sub"], json!(alice));
    let claims = scene.redeem(&scene.sign_in(json!({"email": "alice@okta.example"})).await).await;
    assert_eq!(claims["sub"], json!(alice));
    assert_eq!(claims["identities"][0]["userId"], "00u1");
    // Whoever gets the address afterwards is somebody else; alice is alice whatever her address is.
    let other = scene.redeem(&scene.sign_in(json!({"sub": "00u2", "email": "alice@okta.example"})).await).await;
    assert_ne!(other["sub"], json!(alice));
    let again = scene.redeem(&scene.sign_in(json!({"email": "changed@okta.example"})).await).await;
    assert_eq!(again["sub"], json!(alice));
    // The link is taken away under the id.
    let identity =
        json!({"ProviderName": "Okta", "ProviderAttributeName": "Cognito_Subject", "ProviderAttributeValue": "00u1"});
    server.call("AdminDisableProviderForUser", json!({"UserPoolId": scene.pool, "User": identity})).await.ok();
    let own = scene.redeem(&scene.sign_in(json!({})).await).await;
    assert_eq!(own["cognito:username"], "Okta_00u1");
    // What is a profile of its own has no link that could be taken away.
    let refused = server.call("AdminDisableProviderForUser", json!({"UserPoolId": scene.pool, "User": identity})).await;
    assert_eq!(
        refused.error(),
        "InvalidParameterException: The user is the identity's own profile, not linked to it. Disable or delete the user instead."
    );
}

#[tokio::test]
async fn a_linked_address_that_somebody_else_signs_in_with() {
    let server = Server::memory().await;
    let mapping = json!({"AttributeMapping": {"email": "email", "email_verified": "email_verified"}});
    let scene = scene(&server, json!({"AliasAttributes": ["email"]}), mapping, json!({})).await;
    server.confirmed_user(&scene.pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
    server.confirmed_user(&scene.pool, "bob", PASSWORD, json!({})).await;
    scene.link("bob", "Cognito_Subject", "00u1").await;
    // Unverified, it is no name.
    scene.redeem(&scene.sign_in(json!({"email": "alice@example.com", "email_verified": false})).await).await;
    let taken = scene.refusal(json!({"email": "alice@example.com", "email_verified": true})).await;
    assert_eq!(taken, "invalid_request: An account with the given email already exists.");
    assert_eq!(scene.user("alice").await["email_verified"], "true");
    assert_eq!(scene.user("bob").await["email_verified"], "false");
}

#[tokio::test]
async fn a_disabled_user_stays_outside() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    scene.redeem(&scene.sign_in(json!({})).await).await;
    let named = json!({"UserPoolId": scene.pool, "Username": "Okta_00u1"});
    server.call("AdminDisableUser", named.clone()).await.ok();
    assert_eq!(scene.refusal(json!({"email": "a@x.example"})).await, "invalid_request: User is disabled.");
    assert_eq!(scene.user("Okta_00u1").await.get("email"), None);
    server.call("AdminEnableUser", named.clone()).await.ok();
    scene.redeem(&scene.sign_in(json!({})).await).await;
    // A profile that is deleted comes to be anew.
    let before = scene.user("Okta_00u1").await["sub"].clone();
    server.call("AdminDeleteUser", named).await.ok();
    assert_ne!(scene.redeem(&scene.sign_in(json!({})).await).await["sub"], before);
}

#[tokio::test]
async fn a_profile_that_gets_a_password_has_both_ways_in() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let sub = scene.redeem(&scene.sign_in(json!({})).await).await["sub"].clone();
    let client = server.client_id(&scene.pool, json!({})).await;
    let refused = server.sign_in(&client, "Okta_00u1", PASSWORD).await.error();
    assert!(refused.starts_with("NotAuthorizedException: "), "{refused}");
    let request = json!({"UserPoolId": scene.pool, "Username": "Okta_00u1", "Password": PASSWORD, "Permanent": true});
    server.call("AdminSetUserPassword", request).await.ok();
    assert_eq!(scene.user("Okta_00u1").await["status"], "CONFIRMED");
    server.sign_in(&client, "Okta_00u1", PASSWORD).await.ok();
    assert_eq!(scene.redeem(&scene.sign_in(json!({})).await).await["sub"], sub);
    assert_eq!(scene.user("Okta_00u1").await["status"], "CONFIRMED");
}

#[tokio::test]
async fn names_are_folded_where_the_pool_ignores_case() {
    for (is_sensitive, name) in [(true, "Okta_AbC"), (false, "okta_abc")] {
        let server = Server::memory().await;
        let pool = json!({"UsernameConfiguration": {"CaseSensitive": is_sensitive}});
        let scene = scene(&server, pool, json!({}), json!({})).await;
        let claims = scene.redeem(&scene.sign_in(json!({"sub": "AbC"})).await).await;
        assert_eq!(claims["cognito:username"], name);
        assert_eq!(claims["cognito:groups"], json!([format!("{}_Okta", scene.pool)]));
        // Whose id differs in case alone is somebody else, whom the pool cannot tell apart.
        let url = scene.sign_in(json!({"sub": "aBc"})).await;
        if is_sensitive {
            assert_ne!(scene.redeem(&url).await["sub"], claims["sub"]);
        } else {
            assert_eq!(said(&url), "server_error: Already found an entry for username okta_abc");
        }
    }
}

#[tokio::test]
async fn a_user_who_comes_twice_at_once_is_one() {
    both_engines(async |server| {
        let scene = plain_scene(&server).await;
        let (one, other) = (Browser::new(&server), Browser::new(&server));
        let first = scene.leave(&one, "Okta", &[]).await;
        let second = scene.leave(&other, "Okta", &[]).await;
        // The second one comes while the first one is about to be stored: after its state was used up.
        scene.answers(&first, &json!({"email": "a@x.example"}));
        let later = async {
            scene.answers(&second, &json!({"email": "a@x.example"}));
            location(&scene.back(&other, &second.state).await)
        };
        let (early, late) = server.overtaken(1, scene.back(&one, &first.state), later).await;
        let early = scene.redeem(&location(&early)).await;
        let late = scene.redeem(&late).await;
        assert_eq!(early["sub"], late["sub"]);
        assert_eq!(scene.users().await, 1);
    })
    .await;
}

/// As functions commonly do: whoever signs in for the first time is linked to a user of the pool.
#[tokio::test]
async fn pre_sign_up_links_the_user_in_the_middle_of_the_sign_in() {
    for attribute in ["Cognito_Subject", "email"] {
        let server = Arc::new(Server::memory().await);
        let scene = scene(&server, json!({"LambdaConfig": lambda_config(&["PreSignUp"])}), json!({}), json!({})).await;
        notes(&server, &Told::default(), "PreSignUp");
        let alice = server.confirmed_user(&scene.pool, "alice", PASSWORD, json!({"email": "a@okta.example"})).await;
        let value = if attribute == "email" { "a@okta.example" } else { "00u1" };
        let request = json!({"UserPoolId": scene.pool,
            "DestinationUser": {"ProviderName": "Cognito", "ProviderAttributeValue": "alice"},
            "SourceUser": {"ProviderName": "Okta", "ProviderAttributeName": attribute, "ProviderAttributeValue": value}});
        let linking = server.clone();
        server.slow_function(
            &arn("PreSignUp"),
            Arc::new(move |event| {
                let (server, request) = (linking.clone(), request.clone());
                Box::pin(async move {
                    server.call("AdminLinkProviderForUser", request).await.ok();
                    Ok(event.to_string())
                })
            }),
        );
        let claims = json!({"email": "a@okta.example"});
        let refused = scene.refusal(claims.clone()).await.to_lowercase();
        assert_eq!(refused, "server_error: already found an entry for username okta_00u1", "{attribute}");
        assert_eq!(scene.redeem(&scene.sign_in(claims).await).await["sub"], json!(alice), "{attribute}");
        assert_eq!(scene.users().await, 1);
    }
}

#[tokio::test]
async fn tokens_of_such_users_are_good_for_everything_that_tokens_are() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let tokens = scene.tokens(&scene.sign_in(json!({"email": "a@x.example"})).await).await;
    let user = server.call("GetUser", json!({"AccessToken": tokens["access_token"]})).await.ok();
    assert_eq!(user["Username"].as_str().unwrap().to_lowercase(), "okta_00u1");
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", scene.client.as_str()),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ];
    let renewed = Browser::new(&server).post("/oauth2/token", &form).await.ok();
    let claims = segment(renewed["access_token"].as_str().unwrap(), 1);
    assert_eq!((&claims["amr"], &claims["acr"]), (&json!(["fed"]), &json!("urn:cognito:loa:1")));
    // Whoever has no password cannot get one by a code.
    let request = json!({"ClientId": scene.client, "Username": "Okta_00u1"});
    let refused = server.call("ForgotPassword", request).await.error();
    assert!(refused.starts_with("NotAuthorizedException: "), "{refused}");
}

#[tokio::test]
async fn an_address_of_such_a_user_may_go_where_addresses_are_names() {
    let server = Server::memory().await;
    let scene = scene(&server, json!({"UsernameAttributes": ["email"]}), json!({}), json!({})).await;
    scene.redeem(&scene.sign_in(json!({"email": "a@x.example"})).await).await;
    scene.redeem(&scene.sign_in(json!({"email": ""})).await).await;
    assert_eq!(scene.user("Okta_00u1").await.get("email"), None);
}

/// Two users of one provider share its group, also where it was deleted meanwhile.
#[tokio::test]
async fn the_group_of_a_provider_has_all_of_its_own_users() {
    let server = Server::memory().await;
    let scene = plain_scene(&server).await;
    let group = json!({"UserPoolId": scene.pool, "GroupName": format!("{}_Okta", scene.pool)});
    let members = async || {
        let listed = server.call("ListUsersInGroup", group.clone()).await.ok();
        listed["Users"].as_array().unwrap().len()
    };
    for (number, sub) in [(1, "00u1"), (2, "00u2"), (2, "00u2")] {
        scene.redeem(&scene.sign_in(json!({"sub": sub})).await).await;
        assert_eq!(members().await, number);
    }
    server.call("DeleteGroup", group.clone()).await.ok();
    scene.redeem(&scene.sign_in(json!({"sub": "00u3"})).await).await;
    assert_eq!(members().await, 1);
    // Whoever was put out of it stays out.
    let member = with(group.clone(), &json!({"Username": "Okta_00u3"}));
    server.call("AdminRemoveUserFromGroup", member).await.ok();
    assert_eq!(scene.redeem(&scene.sign_in(json!({"sub": "00u3"})).await).await.get("cognito:groups"), None);
}

#[tokio::test]
async fn a_function_may_change_the_user_whom_it_is_asked_about() {
    let server = Arc::new(Server::memory().await);
    let scene =
        scene(&server, json!({"LambdaConfig": lambda_config(&["PreAuthentication"])}), json!({}), json!({})).await;
    scene.redeem(&scene.sign_in(json!({})).await).await;
    let named = json!({"UserPoolId": scene.pool, "Username": "Okta_00u1"});
    let rename = with(named.clone(), &json!({"UserAttributes": [{"Name": "name", "Value": "A"}]}));
    for (operation, request) in [("AdminUpdateUserAttributes", rename), ("AdminDisableUser", named)] {
        let caller = server.clone();
        server.slow_function(
            &arn("PreAuthentication"),
            Arc::new(move |event| {
                let (server, request) = (caller.clone(), request.clone());
                Box::pin(async move {
                    server.call(operation, request).await.ok();
                    Ok(event.to_string())
                })
            }),
        );
        let url = scene.sign_in(json!({"email": "a@x.example"})).await;
        if operation == "AdminDisableUser" {
            assert_eq!(said(&url), "invalid_request: User is disabled.");
        } else {
            let claims = scene.redeem(&url).await;
            assert_eq!((&claims["name"], &claims["email"]), (&json!("A"), &json!("a@x.example")));
        }
    }
}
