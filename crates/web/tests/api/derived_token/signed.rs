//! Where signatures are checked: the client's secret, or a signature (auth-flows.md §2).

use super::*;

/// A server as `poolkeeper serve` runs it, and the id and secret of an access key.
struct Production {
    server: Server,
    key: (String, String),
}

impl Production {
    async fn new() -> Self {
        let server = Server::builder().production().start().await;
        let key = server.access_key().await;
        Self { server, key }
    }

    async fn call(&self, operation: &str, body: Value) -> Value {
        self.server.signed_call(&self.key, operation, body).await.ok()
    }
}

#[tokio::test]
async fn a_signature_stands_for_the_secret() {
    let production = Production::new().await;
    let pool = production.call("CreateUserPool", json!({"PoolName": "p"})).await["UserPool"]["Id"].clone();
    let make = async |members: Value| {
        let request = with(json!({"UserPoolId": pool, "ClientName": "c"}), &members);
        production.call("CreateUserPoolClient", request).await["UserPoolClient"].clone()
    };
    let app = make(json!({"ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"]})).await;
    let flows = ["ALLOW_TOKEN_EXCHANGE_IMPERSONATION"];
    let gateway = make(json!({"GenerateSecret": true, "ExplicitAuthFlows": flows})).await;
    let user = json!({"UserPoolId": pool, "Username": "alice", "MessageAction": "SUPPRESS"});
    production.call("AdminCreateUser", user).await;
    let password = json!({"UserPoolId": pool, "Username": "alice", "Password": PASSWORD, "Permanent": true});
    production.call("AdminSetUserPassword", password).await;
    let parameters = json!({"USERNAME": "alice", "PASSWORD": PASSWORD});
    let request = json!({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": app["ClientId"], "AuthParameters": parameters});
    let tokens = production.server.call("InitiateAuth", request).await.ok();

    let bare = json!({"ClientId": gateway["ClientId"], "SubjectTokenType": "ACCESS_TOKEN",
        "SubjectToken": tokens["AuthenticationResult"]["AccessToken"]});
    let proven = with(bare.clone(), &json!({"ClientSecret": gateway["ClientSecret"]}));
    let wrong = with(bare.clone(), &json!({"ClientSecret": "x".repeat(51)}));
    let right_key = &production.key;
    let wrong_key = &(right_key.0.clone(), "wrong".to_owned());
    let own_key = &production.server.limited_access_key(&["cognito-idp:GetDerivedToken"]).await;
    let other_key = &production.server.limited_access_key(&["cognito-idp:AdminGetUser", "kms:Decrypt"]).await;
    let outcome = |answer: Answer| if answer.status == 200 { "ok".to_owned() } else { answer.error() };
    for (body, key, expected) in [
        (&bare, None, UNAUTHORIZED),
        (&bare, Some(wrong_key), UNAUTHORIZED),
        (&bare, Some(right_key), "ok"),
        (&bare, Some(own_key), "ok"),
        // A key for something else is none.
        (&bare, Some(other_key), UNAUTHORIZED),
        (&proven, Some(other_key), "ok"),
        (&proven, None, "ok"),
        // As SDKs do with whatever credentials they find.
        (&proven, Some(wrong_key), "ok"),
        (&proven, Some(right_key), "ok"),
        (&wrong, None, UNAUTHORIZED),
        (&wrong, Some(right_key), UNAUTHORIZED),
    ] {
        let answer = match key {
            Some(key) => production.server.signed_call(key, "GetDerivedToken", body.clone()).await,
            None => production.server.call("GetDerivedToken", body.clone()).await,
        };
        assert_eq!(outcome(answer), expected, "{key:?} {body}");
    }
    // Who needs no secret needs no signature.
    let public = make(json!({"ExplicitAuthFlows": flows})).await;
    let request = with(bare, &json!({"ClientId": public["ClientId"]}));
    production.server.call("GetDerivedToken", request).await.ok();
}
