//! InboundFederation: a function of the pool's sees what a provider says, and may say something else
//! (oauth-federation.md §18; triggers-security.md §11).

use testkit::triggers::{Told, arn, faults, lambda_config, notes, responds};

use super::*;

/// A scene whose pool has the function, and a mapping of some attributes.
async fn with_function(server: &Server) -> Scene<'_> {
    let mapping = json!({"AttributeMapping": {"email": "mail", "name": "display", "custom:plan": "tier"}});
    let pool = json!({"LambdaConfig": lambda_config(&["InboundFederation"]),
        "Schema": [{"Name": "plan", "AttributeDataType": "String", "Mutable": true}]});
    let client = json!({"WriteAttributes": ["email", "name", "custom:plan"]});
    scene(server, pool, mapping, client).await
}

#[tokio::test]
async fn a_function_sees_and_replaces_what_the_provider_says() {
    both_engines(async |server| {
        let told = Told::default();
        notes(&server, &told, "InboundFederation");
        let scene = with_function(&server).await;
        let said = json!({"mail": "a@okta.example", "display": "A", "groups": ["x", "y z"], "admin": true});
        scene.redeem(&scene.sign_in(said.clone()).await).await;
        let mut event = told.only();
        let attributes = &mut event["request"]["attributes"];
        assert_eq!(attributes["tokenResponse"]["id_token"].as_str().unwrap().matches('.').count(), 2);
        attributes["tokenResponse"]["id_token"] = json!("…");
        assert_eq!(attributes["idToken"]["nonce"].as_str().unwrap().len(), 43);
        attributes["idToken"]["nonce"] = json!("…");
        let expected = json!({
            "version": "1",
            "region": "us-east-1",
            "userPoolId": scene.pool,
            "userName": "okta_00u1",
            "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": scene.client},
            "triggerSource": "InboundFederation_ExternalProvider",
            "request": {
                "providerName": "Okta",
                "providerType": "OIDC",
                "attributes": {
                    "tokenResponse": {"access_token": "at-okta", "id_token": "…", "token_type": "Bearer", "expires_in": "3600"},
                    "idToken": {"iss": ISSUER, "aud": "pool-at-Okta", "sub": "00u1", "exp": (NOW + 600).to_string(),
                        "iat": NOW.to_string(), "nonce": "…", "mail": "a@okta.example", "display": "A",
                        "groups": "[x,y+z]", "admin": "true"},
                    "userInfo": {"sub": "00u1"},
                },
            },
            "response": {"userAttributesToMap": {}},
        });
        let name = event["userName"].as_str().unwrap().to_lowercase();
        assert_eq!(with(event, &json!({"userName": name})), expected);

        // A full set, by the provider's names and by the pool's; the rest is not there any more, and stays as it was.
        responds(&server, &told, "InboundFederation", |_| {
            json!({"userAttributesToMap": {"mail": "b@okta.example", "custom:plan": "gold", "sub": "00u2", "unknown": "x"}})
        });
        scene.redeem(&scene.sign_in(said.clone()).await).await;
        let user = scene.user("Okta_00u1").await;
        let shown: Value = ["email", "name", "custom:plan"].map(|name| user[name].clone()).into();
        assert_eq!(shown, json!(["b@okta.example", "A", "gold"]));
        // The provider's name counts before the pool's; blank clears.
        responds(&server, &told, "InboundFederation", |_| {
            json!({"userAttributesToMap": {"mail": "", "tier": "silver", "custom:plan": "gold"}})
        });
        scene.redeem(&scene.sign_in(said).await).await;
        let user = scene.user("Okta_00u1").await;
        let shown: Value = ["email", "name", "custom:plan"].map(|name| user[name].clone()).into();
        assert_eq!(shown, json!([null, "A", "silver"]));
        assert_eq!(scene.users().await, 1);
    })
    .await;
}

#[tokio::test]
async fn answers_that_change_nothing() {
    for response in [json!({}), json!({"userAttributesToMap": {}}), json!({"userAttributesToMap": null, "other": 1})] {
        let server = Server::memory().await;
        let shown = response.clone();
        responds(&server, &Told::default(), "InboundFederation", move |_| response.clone());
        let scene = with_function(&server).await;
        scene.redeem(&scene.sign_in(json!({"mail": "a@okta.example", "display": "A"})).await).await;
        let user = scene.user("Okta_00u1").await;
        assert_eq!((&user["email"], &user["name"]), (&json!("a@okta.example"), &json!("A")), "{shown}");
    }
}

#[tokio::test]
async fn a_function_that_fails_lets_nobody_in() {
    let wrong = [
        json!({"userAttributesToMap": []}),
        json!({"userAttributesToMap": "x"}),
        json!({"userAttributesToMap": {"mail": 1}}),
        json!({"userAttributesToMap": {"mail": null}}),
        json!({"userAttributesToMap": {"mail": ["x"]}}),
    ];
    let server = Server::memory().await;
    let scene = with_function(&server).await;
    for (fault, error) in faults(&wrong) {
        server.function(&arn("InboundFederation"), fault);
        let (_, message) = error.split_once(": ").unwrap();
        let message = message.replace("{}", "InboundFederation");
        assert_eq!(scene.refusal(json!({})).await, format!("invalid_request: {message}"));
    }
    assert_eq!(scene.users().await, 0);
}
