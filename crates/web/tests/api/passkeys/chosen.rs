//! A passkey that is chosen from the list of SELECT_CHALLENGE.

use testkit::both_engines;

use super::*;
use crate::sign_in::{initiate, respond};

/// What a passkey signs is handed out with WEB_AUTHN: a credential that comes sooner was made for something else.
#[tokio::test]
async fn a_credential_beside_the_choice_proves_nothing() {
    both_engines(async |server| {
        let house = House::usual(server).await;
        let House { server, client, .. } = &house;
        let mut key = Authenticator::es256(1);
        house.register(&house.token("alice").await, &mut key).await;
        let options = |challenge: &Value| -> Value {
            assert_eq!(challenge["ChallengeName"], "WEB_AUTHN");
            let options = challenge["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"].as_str().unwrap();
            serde_json::from_str(options).unwrap()
        };
        let preferred = json!({"USERNAME": "alice", "PREFERRED_CHALLENGE": "WEB_AUTHN"});
        let other = initiate(server, client, "USER_AUTH", preferred).await.ok();
        let credential = key.get(&options(&other), |_| ()).to_string();
        for credential in [Some(credential), Some("no credential".to_owned()), None] {
            let list = initiate(server, client, "USER_AUTH", json!({"USERNAME": "alice"})).await.ok();
            assert_eq!(list["ChallengeName"], "SELECT_CHALLENGE");
            let mut responses = json!({"USERNAME": "alice", "ANSWER": "WEB_AUTHN"});
            if let Some(credential) = credential {
                responses["CREDENTIAL"] = json!(credential);
            }
            let chosen = respond(server, client, "SELECT_CHALLENGE", list["Session"].as_str(), responses).await.ok();
            // It is asked for as if nothing had come along, and what answers that signs in.
            let credential = key.get(&options(&chosen), |_| ()).to_string();
            let responses = json!({"USERNAME": "alice", "CREDENTIAL": credential});
            let tokens = respond(server, client, "WEB_AUTHN", chosen["Session"].as_str(), responses).await.ok();
            assert!(tokens["AuthenticationResult"]["AccessToken"].is_string());
        }
    })
    .await;
}
