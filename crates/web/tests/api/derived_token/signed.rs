//! Where signatures are checked: the client's secret, or a signature (auth-flows.md §2).

use axum::body::Body;
use crypto::sigv4::{SignedRequest, sign};
use http::{Method, Request};

use super::*;

const HOST: &str = "auth.example.com";

/// A server as `poolkeeper serve` runs it, and an access key.
struct Production {
    server: Server,
    id: String,
    secret: String,
}

impl Production {
    async fn new() -> Self {
        let server = Server::builder().production().start().await;
        let (id, secret) = server.access_key().await;
        Self { server, id, secret }
    }

    /// A call signed with this secret.
    async fn call_with(&self, secret: &str, operation: &str, body: &Value) -> Answer {
        let target = format!("AWSCognitoIdentityProviderService.{operation}");
        let fixed = [("host", HOST), ("content-type", "application/x-amz-json-1.1"), ("x-amz-target", &target)];
        let body = body.to_string();
        let request = SignedRequest { method: "POST", path: "/", query: "", headers: &fixed, body: body.as_bytes() };
        let now = self.server.app.clock.now().seconds();
        let added = sign(&request, &self.id, secret, None, "us-east-1", now).unwrap();
        let mut request = Request::builder().method(Method::POST).uri("/");
        for (name, value) in fixed {
            request = request.header(name, value);
        }
        for (name, value) in &added {
            request = request.header(name, value);
        }
        self.server.request(request.body(Body::from(body)).unwrap()).await
    }

    async fn call(&self, operation: &str, body: Value) -> Value {
        self.call_with(&self.secret, operation, &body).await.ok()
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
    let (right_key, wrong_key) = (production.secret.as_str(), "wrong");
    let outcome = |answer: Answer| if answer.status == 200 { "ok".to_owned() } else { answer.error() };
    for (body, key, expected) in [
        (&bare, None, UNAUTHORIZED),
        (&bare, Some(wrong_key), UNAUTHORIZED),
        (&bare, Some(right_key), "ok"),
        (&proven, None, "ok"),
        // As SDKs do with whatever credentials they find.
        (&proven, Some(wrong_key), "ok"),
        (&proven, Some(right_key), "ok"),
        (&wrong, None, UNAUTHORIZED),
        (&wrong, Some(right_key), UNAUTHORIZED),
    ] {
        let answer = match key {
            Some(key) => production.call_with(key, "GetDerivedToken", body).await,
            None => production.server.call("GetDerivedToken", body.clone()).await,
        };
        assert_eq!(outcome(answer), expected, "{key:?} {body}");
    }
    // Who needs no secret needs no signature.
    let public = make(json!({"ExplicitAuthFlows": flows})).await;
    let request = with(bare, &json!({"ClientId": public["ClientId"]}));
    production.server.call("GetDerivedToken", request).await.ok();
}
