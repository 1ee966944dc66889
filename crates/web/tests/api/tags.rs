//! Tags of pools (accounts.md §17).

use serde_json::{Map, Value, json};
use testkit::{Answer, Server, both_engines};

const ARN: &str = "arn:aws:cognito-idp:us-east-1:000000000000:userpool/";

async fn tag(server: &Server, pool: &str, tags: Value) -> Answer {
    server.call("TagResource", json!({"ResourceArn": format!("{ARN}{pool}"), "Tags": tags})).await
}

async fn tags(server: &Server, pool: &str) -> Value {
    let request = json!({"ResourceArn": format!("{ARN}{pool}")});
    server.call("ListTagsForResource", request).await.ok()["Tags"].clone()
}

fn numbered(range: std::ops::Range<usize>) -> Value {
    Value::Object(range.map(|number| (format!("k{number}"), json!("v"))).collect::<Map<_, _>>())
}

#[tokio::test]
async fn tags_come_and_go_one_by_one_and_all_at_once() {
    both_engines(async |server| {
        let pool = server.pool(json!({"UserPoolTags": {"stage": "test", "team": "blue"}})).await;
        let other = server.pool(json!({})).await;
        assert_eq!(tags(&server, &pool).await, json!({"stage": "test", "team": "blue"}));
        assert_eq!(tags(&server, &other).await, json!({}));
        assert_eq!(tag(&server, &pool, json!({"stage": "live", "Größe": ""})).await.ok(), json!({}));
        let all = json!({"stage": "live", "team": "blue", "Größe": ""});
        assert_eq!(tags(&server, &pool).await, all);
        let described = server.call("DescribeUserPool", json!({"UserPoolId": pool})).await.ok();
        assert_eq!(described["UserPool"]["UserPoolTags"], all);

        let keys = json!({"ResourceArn": format!("{ARN}{pool}"), "TagKeys": ["team", "nonsense", "Größe"]});
        assert_eq!(server.call("UntagResource", keys.clone()).await.ok(), json!({}));
        assert_eq!(server.call("UntagResource", keys).await.ok(), json!({}));
        assert_eq!(tags(&server, &pool).await, json!({"stage": "live"}));

        // An update replaces them all.
        server.call("UpdateUserPool", json!({"UserPoolId": pool, "UserPoolTags": {"a": "b"}})).await.ok();
        assert_eq!(tags(&server, &pool).await, json!({"a": "b"}));
        server.call("UpdateUserPool", json!({"UserPoolId": pool})).await.ok();
        assert_eq!(tags(&server, &pool).await, json!({}));
    })
    .await;
}

#[tokio::test]
async fn a_pool_has_fifty_tags_and_none_of_the_services_own() {
    both_engines(async |server| {
        let pool = server.pool(json!({"UserPoolTags": numbered(0..50)})).await;
        let most = "A user pool cannot have more than 50 tags.";
        let reserved = "The tag key AWS:x is not allowed: keys that begin with aws: are reserved.";
        assert_eq!(
            tag(&server, &pool, json!({"one": "more"})).await.error(),
            format!("InvalidParameterException: {most}")
        );
        tag(&server, &pool, json!({"k7": "changed"})).await.ok();
        assert_eq!(
            tag(&server, &pool, json!({"AWS:x": "y"})).await.error(),
            format!("InvalidParameterException: {reserved}")
        );
        for (tags, text) in [(numbered(0..51), most), (json!({"AWS:x": "y"}), reserved)] {
            let request = json!({"PoolName": "p", "UserPoolId": pool, "UserPoolTags": tags});
            for operation in ["CreateUserPool", "UpdateUserPool"] {
                assert_eq!(
                    server.call(operation, request.clone()).await.error(),
                    format!("UserPoolTaggingException: {text}"),
                    "{operation}"
                );
            }
        }
        assert_eq!(tags(&server, &pool).await.as_object().unwrap().len(), 50);
    })
    .await;
}

#[tokio::test]
async fn keys_and_values_have_lengths() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    tag(&server, &pool, json!({"k".repeat(128): "v".repeat(256)})).await.ok();
    for (tags, text) in [
        (json!({"": "v"}), "Map keys must satisfy constraint"),
        (json!({"k".repeat(129): "v"}), "Map keys must satisfy constraint"),
        (json!({"k": "v".repeat(257)}), "Map value must satisfy constraint"),
    ] {
        let error = tag(&server, &pool, tags).await.error();
        assert!(error.starts_with("InvalidParameterException: 1 validation error detected: "), "{error}");
        assert!(error.contains("at 'tags' failed to satisfy constraint") && error.contains(text), "{error}");
    }
    let keys = json!({"ResourceArn": format!("{ARN}{pool}"), "TagKeys": [""]});
    assert!(server.call("UntagResource", keys).await.error().contains("at 'tagKeys'"));
}

#[tokio::test]
async fn only_pools_that_are_there_have_tags() {
    both_engines(async |server| {
        let pool = server.pool(json!({"UserPoolTags": {"a": "b"}})).await;
        let call = async |operation: &str, arn: &str| {
            server.call(operation, json!({"ResourceArn": arn, "Tags": {"x": "y"}, "TagKeys": ["a"]})).await.error()
        };
        for operation in ["TagResource", "UntagResource", "ListTagsForResource"] {
            assert_eq!(
                call(operation, &format!("{ARN}us-east-1_nowhere00")).await,
                "ResourceNotFoundException: User pool us-east-1_nowhere00 does not exist.",
                "{operation}"
            );
            for elsewhere in [
                format!("arn:aws:cognito-idp:eu-west-1:000000000000:userpool/{pool}"),
                format!("arn:aws:cognito-idp:us-east-1:111111111111:userpool/{pool}"),
                format!("arn:aws-cn:cognito-idp:us-east-1:000000000000:userpool/{pool}"),
            ] {
                assert_eq!(
                    call(operation, &elsewhere).await,
                    format!("ResourceNotFoundException: User pool {pool} does not exist."),
                    "{operation}"
                );
            }
            for other in [
                "arn:aws:s3:us-east-1:000000000000:userpool/x_y".to_owned(),
                format!("arn:aws:cognito-idp:us-east-1:000000000000:identitypool/{pool}"),
            ] {
                assert_eq!(
                    call(operation, &other).await,
                    format!("InvalidParameterException: The resource ARN {other} is not that of a user pool."),
                    "{operation}"
                );
            }
            let error = call(operation, "not an ARN").await;
            assert!(error.contains("at 'resourceArn' failed to satisfy constraint"), "{error}");
        }
        assert_eq!(tags(&server, &pool).await, json!({"a": "b"}));
    })
    .await;
}
