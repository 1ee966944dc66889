//! Resource servers and their scopes (accounts.md §17, oauth-federation.md §19).

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

async fn create(server: &Server, pool: &str, identifier: &str, scopes: &[&str]) -> Answer {
    let scopes: Vec<Value> =
        scopes.iter().map(|name| json!({"ScopeName": name, "ScopeDescription": "a scope"})).collect();
    let request = json!({"UserPoolId": pool, "Identifier": identifier, "Name": "Things", "Scopes": scopes});
    server.call("CreateResourceServer", request).await
}

async fn describe(server: &Server, pool: &str, identifier: &str) -> Answer {
    server.call("DescribeResourceServer", json!({"UserPoolId": pool, "Identifier": identifier})).await
}

#[tokio::test]
async fn a_resource_server_is_made_changed_and_deleted() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let url = "https://api.example.com/v1";
        let made = json!({"ResourceServer": {
            "UserPoolId": pool,
            "Identifier": url,
            "Name": "Things",
            "Scopes": [
                {"ScopeName": "read", "ScopeDescription": "a scope"},
                {"ScopeName": "write:all", "ScopeDescription": "a scope"}
            ]
        }});
        assert_eq!(create(&server, &pool, url, &["read", "write:all"]).await.ok(), made);
        assert_eq!(describe(&server, &pool, url).await.ok(), made);

        // Name and scopes are replaced whole; without scopes there are none.
        let update = json!({"UserPoolId": pool, "Identifier": url, "Name": "Renamed"});
        let updated = json!({"ResourceServer": {"UserPoolId": pool, "Identifier": url, "Name": "Renamed"}});
        assert_eq!(server.call("UpdateResourceServer", update).await.ok(), updated);
        assert_eq!(describe(&server, &pool, url).await.ok(), updated);
        assert_eq!(
            server.call("ListResourceServers", json!({"UserPoolId": pool})).await.ok(),
            json!({"ResourceServers": [updated["ResourceServer"]]})
        );

        let request = json!({"UserPoolId": pool, "Identifier": url, "Name": "Things"});
        let deleted = server.call("DeleteResourceServer", request.clone()).await;
        assert_eq!((deleted.status, deleted.body), (200, Value::Null));
        for operation in ["DescribeResourceServer", "UpdateResourceServer", "DeleteResourceServer"] {
            assert_eq!(
                server.call(operation, request.clone()).await.error(),
                format!("ResourceNotFoundException: Resource server {url} does not exist."),
                "{operation}"
            );
        }
        create(&server, &pool, url, &[]).await.ok();
    })
    .await;
}

#[tokio::test]
async fn resource_servers_belong_to_one_pool_that_is_there() {
    both_engines(async |server| {
        let (pool, other) = (server.pool(json!({})).await, server.pool(json!({})).await);
        create(&server, &pool, "things", &[]).await.ok();
        create(&server, &other, "things", &["read"]).await.ok();
        assert_eq!(describe(&server, &pool, "things").await.ok()["ResourceServer"].get("Scopes"), None);
        assert_eq!(
            create(&server, &pool, "things", &[]).await.error(),
            format!("InvalidParameterException: things already exists in user pool {pool}.")
        );
        for operation in [
            "CreateResourceServer",
            "DescribeResourceServer",
            "UpdateResourceServer",
            "DeleteResourceServer",
            "ListResourceServers",
        ] {
            let request = json!({"UserPoolId": "us-east-1_nowhere00", "Identifier": "things", "Name": "n"});
            assert_eq!(
                server.call(operation, request).await.error(),
                "ResourceNotFoundException: User pool us-east-1_nowhere00 does not exist.",
                "{operation}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn what_no_resource_server_can_be_is_refused() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        create(&server, &pool, "things", &[]).await.ok();
        let twice = "InvalidParameterException: Duplicate scope name read is not allowed.";
        assert_eq!(create(&server, &pool, "others", &["read", "write", "read"]).await.error(), twice);
        let scope = json!({"ScopeName": "read", "ScopeDescription": "d"});
        let update = json!({"UserPoolId": pool, "Identifier": "things", "Name": "n", "Scopes": [scope, scope]});
        assert_eq!(server.call("UpdateResourceServer", update).await.error(), twice);
        for identifier in ["", "with blank", "\"quoted\"", "back\\slash", "ünï", "nul\0", &"x".repeat(257)] {
            let error = create(&server, &pool, identifier, &[]).await.error();
            assert!(error.starts_with("InvalidParameterException: ") && error.contains("'identifier'"), "{error}");
        }
        for scope in ["", "a/b", "with blank"] {
            let error = create(&server, &pool, "others", &[scope]).await.error();
            assert!(error.contains("at 'scopes.1.member.scopeName' failed to satisfy constraint"), "{error}");
        }
        let many: Vec<String> = (0..101).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let error = create(&server, &pool, "others", &many).await.error();
        assert!(error.contains("at 'scopes' failed to satisfy constraint: Member must have length less"), "{error}");
        create(&server, &pool, "others", &many[..100]).await.ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_pool_has_no_more_of_them_than_it_may() {
    let limit = |settings: &mut service::Settings| settings.quotas.counts.resource_servers_per_pool = 3;
    for builder in [Server::builder(), Server::builder().in_a_file()] {
        let server = Arc::new(builder.settings(limit).start().await);
        let pool = server.pool(json!({})).await;
        let mut creating = tokio::task::JoinSet::new();
        for number in 0..6 {
            let (server, pool) = (server.clone(), pool.clone());
            creating.spawn(async move { create(&server, &pool, &format!("s{number}"), &[]).await });
        }
        let answers = creating.join_all().await;
        let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(made.len(), 3);
        for answer in refused {
            assert_eq!(
                answer.error(),
                "LimitExceededException: The maximum number of resource servers in this user pool has been reached: 3."
            );
        }
        let all = server.call("ListResourceServers", json!({"UserPoolId": pool})).await.ok();
        assert_eq!(all["ResourceServers"].as_array().unwrap().len(), 3);
    }
}

#[tokio::test]
async fn resource_servers_are_listed_page_by_page() {
    both_engines(async |server| {
        let (pool, other) = (server.pool(json!({})).await, server.pool(json!({})).await);
        for identifier in ["d", "b", "e", "a", "c"] {
            create(&server, &pool, identifier, &[]).await.ok();
            create(&server, &other, &format!("other-{identifier}"), &[]).await.ok();
        }
        let (mut seen, mut token) = (Vec::new(), Value::Null);
        loop {
            let request = json!({"UserPoolId": pool, "MaxResults": 2, "NextToken": token});
            let page = server.call("ListResourceServers", request).await.ok();
            let found = page["ResourceServers"].as_array().unwrap();
            seen.push(found.iter().map(|found| found["Identifier"].as_str().unwrap()).collect::<Vec<_>>().concat());
            token = page["NextToken"].clone();
            if token.is_null() {
                break;
            }
            let stolen = json!({"UserPoolId": other, "NextToken": token});
            assert_eq!(
                server.call("ListResourceServers", stolen).await.error(),
                "InvalidParameterException: Invalid pagination token"
            );
        }
        assert_eq!(seen, ["ab", "cd", "e"]);
        assert_eq!(
            server.call("ListResourceServers", json!({"UserPoolId": pool, "MaxResults": 51})).await.error(),
            "InvalidParameterException: 1 validation error detected: Value '51' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 50"
        );
    })
    .await;
}

#[tokio::test]
async fn clients_name_scopes_that_exist() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let url = "https://api.example.com/v1";
        create(&server, &pool, url, &["read"]).await.ok();
        let client = async |scopes: Value| {
            let flows = ["client_credentials"];
            let request = json!({
                "UserPoolId": pool, "ClientName": "c", "GenerateSecret": true,
                "AllowedOAuthFlows": flows, "AllowedOAuthScopes": scopes, "AllowedOAuthFlowsUserPoolClient": true
            });
            server.call("CreateUserPoolClient", request).await
        };
        for unknown in
            [format!("{url}/write"), "https://api.example.com/read".to_owned(), url.to_owned(), "read".to_owned()]
        {
            assert_eq!(
                client(json!([unknown])).await.error(),
                format!("ScopeDoesNotExistException: Invalid scope requested: {unknown}")
            );
        }
        let scope = format!("{url}/read");
        let made = client(json!([scope])).await.ok()["UserPoolClient"].clone();
        assert_eq!(made["AllowedOAuthScopes"], json!([scope]));

        // The scope goes away; the client keeps its name, but no update can give it any more.
        let id = made["ClientId"].as_str().unwrap();
        server.call("DeleteResourceServer", json!({"UserPoolId": pool, "Identifier": url})).await.ok();
        let described = server.call("DescribeUserPoolClient", json!({"UserPoolId": pool, "ClientId": id})).await.ok();
        assert_eq!(described["UserPoolClient"], made);
        let update = json!({
            "UserPoolId": pool, "ClientId": id,
            "AllowedOAuthFlows": ["client_credentials"], "AllowedOAuthScopes": [scope]
        });
        assert_eq!(
            server.call("UpdateUserPoolClient", update).await.error(),
            format!("ScopeDoesNotExistException: Invalid scope requested: {scope}")
        );
    })
    .await;
}
