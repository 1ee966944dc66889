//! Access keys that may be used for some operations only (triggers-security.md §19.2, §19.3).

use std::time::Duration;

use axum::body::Body;
use domain::{AccessKey, ActionPattern};
use http::Request;
use serde_json::{Value, json};
use store::Changes;
use testkit::{Answer, Server};
use wire::Operation;

type Key = (String, String);

async fn production() -> Server {
    Server::builder().production().start().await
}

fn patterns(only: &[&str]) -> Option<Vec<ActionPattern>> {
    Some(only.iter().map(|text| ActionPattern::parse(text).unwrap()).collect())
}

/// What is answered to whoever may not.
fn denied((id, _): &Key, operation: &str, resource: &str) -> String {
    format!(
        "AccessDeniedException: User: arn:aws:iam::000000000000:user/{id} is not authorized to perform: \
         cognito-idp:{operation} on resource: {resource} because no identity-based policy allows the \
         cognito-idp:{operation} action"
    )
}

async fn list_pools(server: &Server, key: &Key) -> Answer {
    server.signed_call(key, "ListUserPools", json!({"MaxResults": 1})).await
}

#[tokio::test]
async fn a_limited_key_may_be_used_for_what_it_names_and_nothing_else() {
    let server = production().await;
    let key = server.limited_access_key(&["cognito-idp:CreateUserPool", "cognito-idp:List*"]).await;
    let pool = server.signed_call(&key, "CreateUserPool", json!({"PoolName": "x"})).await.ok();
    let pool = pool["UserPool"]["Id"].as_str().unwrap();
    assert_eq!(list_pools(&server, &key).await.ok()["UserPools"][0]["Id"], pool);
    server.signed_call(&key, "ListUsers", json!({"UserPoolId": pool})).await.ok();
    let answer = server.signed_call(&key, "DeleteUserPool", json!({"UserPoolId": pool})).await;
    let resource = format!("arn:aws:cognito-idp:us-east-1:000000000000:userpool/{pool}");
    assert_eq!((answer.status, answer.error()), (400, denied(&key, "DeleteUserPool", &resource)));
    // The service spells this error's text with a capital, and nothing else is in it.
    let names: Vec<&String> = answer.body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["__type", "Message"]);
    assert_eq!(answer.header("x-amzn-errortype"), Some("AccessDeniedException:"));
    server.signed_call(&key, "ListUsers", json!({"UserPoolId": pool})).await.ok();
}

#[tokio::test]
async fn every_signed_operation_is_closed_to_a_key_for_something_else() {
    let server = production().await;
    let key = server.limited_access_key(&["kms:*"]).await;
    let mut closed = 0;
    for operation in Operation::ALL.iter().filter(|operation| operation.is_signed()) {
        let answer = server.signed_call(&key, operation.name(), json!({})).await.error();
        // The client's secret counts for these two, whoever signs.
        if matches!(operation, Operation::GetClientToken | Operation::GetDerivedToken) {
            assert!(answer.starts_with("InvalidParameterException: "), "{answer}");
            continue;
        }
        assert_eq!(answer, denied(&key, operation.name(), "*"));
        closed += 1;
    }
    assert!(closed >= 100, "only {closed} operations were tried");
}

#[tokio::test]
async fn a_key_for_all_operations_of_user_pools_opens_each_of_them() {
    let server = production().await;
    let key = server.limited_access_key(&["cognito-idp:*"]).await;
    for operation in Operation::ALL {
        let answer = server.signed_call(&key, operation.name(), json!({"Unknown": true})).await;
        assert_ne!(answer.header("x-amzn-errortype"), Some("AccessDeniedException:"), "{}", operation.name());
    }
}

/// Whoever may not do something does not learn whether it could be done, and the text holds nothing that was not checked.
#[tokio::test]
async fn the_resource_is_the_pool_that_the_request_names() {
    let server = production().await;
    let key = server.limited_access_key(&["kms:Decrypt"]).await;
    let arn = "arn:aws:cognito-idp:eu-west-1:000000000000:userpool/eu-west-1_None00000";
    for (operation, body, resource) in [
        ("ListUsers", json!({"UserPoolId": "eu-west-1_None00000"}).to_string(), arn),
        ("ListTagsForResource", json!({"ResourceArn": arn}).to_string(), arn),
        ("ListUserPools", json!({"MaxResults": 0}).to_string(), "*"),
        ("DescribeUserPoolDomain", json!({"Domain": "shop"}).to_string(), "*"),
        ("ListUsers", json!({"UserPoolId": "a_b on resource: *"}).to_string(), "*"),
        ("ListUsers", json!({"UserPoolId": ["a_b"]}).to_string(), "*"),
        ("ListUsers", "{".to_owned(), "*"),
        ("ListUsers", String::new(), "*"),
    ] {
        let target = format!("AWSCognitoIdentityProviderService.{operation}");
        let answer = server.signed_request("cognito-idp", (&key.0, &key.1), &target, &body).await;
        assert_eq!(answer.error(), denied(&key, operation, resource), "{body}");
    }
}

/// Whether a key is limited, and to what, is for its holder alone to know.
#[tokio::test]
async fn the_signature_comes_before_the_limits() {
    let server = production().await;
    let (id, _) = server.limited_access_key(&["kms:Decrypt"]).await;
    let answer = list_pools(&server, &(id, "wrong".to_owned())).await.error();
    assert!(answer.starts_with("InvalidSignatureException: The request signature we calculated"), "{answer}");
}

#[tokio::test]
async fn operations_that_nobody_signs_ignore_limits() {
    let server = production().await;
    let key = server.limited_access_key(&["kms:Decrypt"]).await;
    let answer = server.signed_call(&key, "ForgotPassword", json!({"ClientId": "none", "Username": "alice"})).await;
    assert_eq!(answer.error(), "ResourceNotFoundException: User pool client none does not exist.");
}

/// Keys are made and changed at the command line, by whoever has the data and the master key. Whatever a limited key may
/// be used for leaves the keys as they are.
#[tokio::test]
async fn no_request_makes_or_changes_a_key() {
    let server = production().await;
    let key = server.limited_access_key(&["cognito-idp:*", "kms:*"]).await;
    let before = server.app.store.access_keys().await.unwrap();
    for target in ["AmazonIdentityManagement.CreateAccessKey", "AWSSecurityTokenServiceV20110615.GetSessionToken"] {
        for service in ["cognito-idp", "kms", "iam"] {
            let answer = server.signed_request(service, (&key.0, &key.1), target, "{}").await.error();
            assert!(answer.starts_with("UnknownOperationException: "), "{answer}");
        }
    }
    for operation in Operation::ALL {
        server.signed_call(&key, operation.name(), json!({"Only": null, "AccessKeyId": key.0, "Label": "x"})).await;
    }
    let form = "Action=CreateAccessKey&Version=2010-05-08";
    let request = Request::post("/").header("content-type", "application/x-www-form-urlencoded").body(Body::from(form));
    assert!(server.request(request.unwrap()).await.error().starts_with("UnknownOperationException: "));
    let after = server.app.store.access_keys().await.unwrap();
    let values = |keys: &[store::Stored<AccessKey>]| keys.iter().map(|key| key.value.clone()).collect::<Vec<_>>();
    assert_eq!((before.len(), values(&before)), (1, values(&after)));
}

/// Neither does whoever can write to the database, without the master key, nor a server of a version that knows no limits:
/// such a server reads a row as if the limits were not there.
#[tokio::test]
async fn limits_cannot_be_lifted_in_the_database() {
    let server = production().await;
    let key = server.limited_access_key(&["kms:Decrypt"]).await;
    let wide = server.limited_access_key(&["cognito-idp:List*"]).await;
    let store = &server.app.store;
    let stored = async |key: &Key| store.access_key(&key.0).await.unwrap().unwrap();
    let (original, other) = (stored(&key).await.value.clone(), stored(&wide).await.value.clone());
    let refused = "InternalErrorException: Something went wrong on the server. Please try again.";
    let change = async |changed: AccessKey| {
        let mut changes = Changes::new();
        changes.save(changed, Some(stored(&key).await.version));
        store.commit(changes).await.unwrap();
        list_pools(&server, &key).await.error()
    };
    for only in [
        None,
        Some(Vec::new()),
        patterns(&["cognito-idp:*"]),
        patterns(&["cognito-idp:List*"]),
        patterns(&["kms:Decrypt", "cognito-idp:*"]),
        patterns(&["kms:*"]),
    ] {
        assert_eq!(change(AccessKey { only: only.clone(), ..original.clone() }).await, refused, "{only:?}");
    }
    // The sealed secret of a key that may do more, in the row of this one.
    let taken = AccessKey { only: other.only.clone(), secret: other.secret.clone(), ..original.clone() };
    assert_eq!(change(taken).await, refused);
    // As it was, it is good for what it was good for.
    assert_eq!(change(original).await, denied(&key, "ListUserPools", "*"));
    list_pools(&server, &wide).await.ok();
}

/// What a secret was sealed with is the id and the limits together. It must not pass for the id of a key without limits.
#[tokio::test]
async fn limits_cannot_be_moved_into_the_id() {
    let server = Server::builder().production().in_a_file().start().await;
    let key = server.limited_access_key(&["kms:Decrypt"]).await;
    let database = rusqlite::Connection::open(server.file_of_data().unwrap()).unwrap();
    let read = || database.query_row("SELECT doc FROM access_keys", [], |row| row.get::<_, String>(0)).unwrap();
    let original = read();
    // What others write to the file is seen at the server's next change at once, or else up to a second later.
    let written = async |document: String| {
        database.execute("UPDATE access_keys SET doc = ?", [document]).unwrap();
        server.app.store.probe(server.app.clock.now(), Duration::from_secs(30)).await.unwrap();
    };
    for id in [key.0.clone(), format!("{} kms:Decrypt", key.0), format!("{} only kms:Decrypt", key.0)] {
        let mut document: Value = serde_json::from_str(&original).unwrap();
        document["id"] = json!(id);
        document.as_object_mut().unwrap().remove("only").unwrap();
        written(document.to_string()).await;
        assert!(list_pools(&server, &key).await.error().starts_with("InternalErrorException: "), "{id}");
    }
    written(original).await;
    assert_eq!(list_pools(&server, &key).await.error(), denied(&key, "ListUserPools", "*"));
}
