//! Terms documents (oauth-federation.md §13).

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

async fn create(server: &Server, pool: &str, client: &str, name: &str, links: Value) -> Answer {
    let request = json!({
        "UserPoolId": pool, "ClientId": client, "TermsName": name, "TermsSource": "LINK", "Enforcement": "NONE",
        "Links": links
    });
    server.call("CreateTerms", request).await
}

fn links() -> Value {
    json!({"cognito:default": "https://example.com/terms", "cognito:german": "https://example.com/agb"})
}

fn id(terms: &Value) -> &str {
    terms["Terms"]["TermsId"].as_str().unwrap()
}

#[tokio::test]
async fn a_document_is_made_found_changed_and_deleted() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        let made = create(&server, &pool, &client, "terms-of-use", links()).await.ok();
        let id = id(&made);
        assert_eq!(id.len(), 36);
        assert_eq!(
            made,
            json!({"Terms": {
                "TermsId": id, "UserPoolId": pool, "ClientId": client, "TermsName": "terms-of-use",
                "TermsSource": "LINK", "Enforcement": "NONE", "Links": links(),
                "CreationDate": 1767323045.0, "LastModifiedDate": 1767323045.0
            }})
        );
        let by_id = json!({"UserPoolId": pool, "TermsId": id});
        assert_eq!(server.call("DescribeTerms", by_id.clone()).await.ok(), made);
        let shouted = json!({"UserPoolId": pool, "TermsId": id.to_uppercase()});
        assert_eq!(server.call("DescribeTerms", shouted).await.ok(), made);
        let by_client = |name: &str| json!({"UserPoolId": pool, "ClientId": client, "TermsName": name});
        assert_eq!(server.call("DescribeTermsByClient", by_client("terms-of-use")).await.ok(), made);

        // What an update leaves out stays.
        server.advance(1);
        let mut changed = made.clone();
        changed["Terms"]["LastModifiedDate"] = json!(1_767_323_046.0);
        changed["Terms"]["TermsName"] = json!("privacy-policy");
        let rename = json!({"UserPoolId": pool, "TermsId": id, "TermsName": "privacy-policy"});
        assert_eq!(server.call("UpdateTerms", rename).await.ok(), changed);
        changed["Terms"]["Links"] = json!({"cognito:default": "http://example.com/new"});
        let relink = json!({"UserPoolId": pool, "TermsId": id, "Links": changed["Terms"]["Links"]});
        assert_eq!(server.call("UpdateTerms", relink).await.ok(), changed);
        assert_eq!(server.call("DescribeTermsByClient", by_client("privacy-policy")).await.ok(), changed);
        assert_eq!(
            server.call("DescribeTermsByClient", by_client("terms-of-use")).await.error(),
            "ResourceNotFoundException: The client has no terms of the name terms-of-use."
        );
        assert_eq!(
            server.call("ListTerms", json!({"UserPoolId": pool})).await.ok(),
            json!({"Terms": [{
                "TermsId": id, "TermsName": "privacy-policy", "Enforcement": "NONE",
                "CreationDate": 1767323045.0, "LastModifiedDate": 1767323046.0
            }]})
        );

        let deleted = server.call("DeleteTerms", by_id.clone()).await;
        assert_eq!((deleted.status, deleted.body), (200, Value::Null));
        for operation in ["DescribeTerms", "UpdateTerms", "DeleteTerms"] {
            assert_eq!(
                server.call(operation, by_id.clone()).await.error(),
                format!("ResourceNotFoundException: Terms {id} do not exist."),
                "{operation}"
            );
        }
        create(&server, &pool, &client, "privacy-policy", links()).await.ok();
    })
    .await;
}

#[tokio::test]
async fn a_client_has_one_document_of_each_name() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        let other = server.client_id(&pool, json!({})).await;
        create(&server, &pool, &client, "terms-of-use", links()).await.ok();
        create(&server, &pool, &other, "terms-of-use", links()).await.ok();
        let second = create(&server, &pool, &client, "privacy-policy", links()).await.ok();
        let exists =
            |name: &str| format!("TermsExistsException: Terms of the name {name} already exist for this client.");
        assert_eq!(create(&server, &pool, &client, "terms-of-use", links()).await.error(), exists("terms-of-use"));
        let rename = json!({"UserPoolId": pool, "TermsId": id(&second), "TermsName": "terms-of-use"});
        assert_eq!(server.call("UpdateTerms", rename).await.error(), exists("terms-of-use"));
        let same = json!({"UserPoolId": pool, "TermsId": id(&second), "TermsName": "privacy-policy"});
        assert_eq!(server.call("UpdateTerms", same).await.ok(), second);

        // They go with the client.
        server.call("DeleteUserPoolClient", json!({"UserPoolId": pool, "ClientId": client})).await;
        let left = server.call("ListTerms", json!({"UserPoolId": pool})).await.ok();
        assert_eq!(left["Terms"].as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn links_lead_to_pages_in_every_language() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        let made = create(&server, &pool, &client, "privacy-policy", links()).await.ok();
        let no_default = "InvalidParameterException: Links must contain a link for cognito:default.";
        let no_page = "InvalidParameterException: The link javascript:alert(1) is not an http or https URL.";
        for (links, error) in [
            (json!({"cognito:german": "https://example.com/agb"}), no_default),
            (json!({"cognito:default": "javascript:alert(1)"}), no_page),
            (json!({"cognito:default": "https://example.com", "cognito:dutch": "javascript:alert(1)"}), no_page),
        ] {
            assert_eq!(create(&server, &pool, &client, "terms-of-use", links.clone()).await.error(), error);
            let update = json!({"UserPoolId": pool, "TermsId": id(&made), "Links": links});
            assert_eq!(server.call("UpdateTerms", update).await.error(), error);
        }
        assert_eq!(create(&server, &pool, &client, "terms-of-use", Value::Null).await.error(), no_default);
        for bad in [json!({}), json!({"cognito:klingon": "https://x"}), json!({"cognito:default": "with blank"})] {
            let error = create(&server, &pool, &client, "terms-of-use", bad).await.error();
            assert!(error.contains("at 'links' failed to satisfy constraint"), "{error}");
        }
        let error = create(&server, &pool, &client, "imprint", links()).await.error();
        assert!(error.contains("Value 'imprint' at 'termsName' failed to satisfy constraint"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn documents_are_of_a_pool_and_a_client_that_are_there() {
    both_engines(async |server| {
        let (pool, other) = (server.pool(json!({})).await, server.pool(json!({})).await);
        let client = server.client_id(&pool, json!({})).await;
        let made = create(&server, &pool, &client, "terms-of-use", links()).await.ok();
        let no_client = format!("ResourceNotFoundException: User pool client {client} does not exist.");
        assert_eq!(create(&server, &other, &client, "terms-of-use", links()).await.error(), no_client);
        let by_client = json!({"UserPoolId": other, "ClientId": client, "TermsName": "terms-of-use"});
        assert_eq!(server.call("DescribeTermsByClient", by_client).await.error(), no_client);
        for operation in ["DescribeTerms", "UpdateTerms", "DeleteTerms"] {
            for (pool, id) in [(&other, id(&made)), (&pool, UNKNOWN)] {
                assert_eq!(
                    server.call(operation, json!({"UserPoolId": pool, "TermsId": id})).await.error(),
                    format!("ResourceNotFoundException: Terms {id} do not exist."),
                    "{operation}"
                );
            }
        }
        for operation in
            ["CreateTerms", "DescribeTerms", "DescribeTermsByClient", "UpdateTerms", "DeleteTerms", "ListTerms"]
        {
            let request = json!({
                "UserPoolId": "us-east-1_nowhere00", "ClientId": client, "TermsId": UNKNOWN,
                "TermsName": "terms-of-use", "TermsSource": "LINK", "Enforcement": "NONE"
            });
            assert_eq!(
                server.call(operation, request).await.error(),
                "ResourceNotFoundException: User pool us-east-1_nowhere00 does not exist.",
                "{operation}"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_pool_has_forty_documents_listed_page_by_page() {
    both_engines(async |server| {
        let server = Arc::new(server);
        let pool = server.pool(json!({})).await;
        let mut clients = Vec::new();
        for _ in 0..21 {
            clients.push(server.client_id(&pool, json!({})).await);
        }
        for client in &clients[..19] {
            for name in ["terms-of-use", "privacy-policy"] {
                create(&server, &pool, client, name, links()).await.ok();
            }
        }
        // Room for two, and four who want it at once, two of them the same.
        let mut creating = tokio::task::JoinSet::new();
        for (client, name) in [(19, "terms-of-use"), (19, "terms-of-use"), (19, "privacy-policy"), (20, "terms-of-use")]
        {
            let (server, pool, client) = (server.clone(), pool.clone(), clients[client].clone());
            creating.spawn(async move { create(&server, &pool, &client, name, links()).await });
        }
        let answers = creating.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 2);
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            let error = refused.error();
            let limit =
                "LimitExceededException: The maximum number of terms documents in this user pool has been reached: 40.";
            let exists = "TermsExistsException: Terms of the name terms-of-use already exist for this client.";
            assert!(error == limit || error == exists, "{error}");
        }
        let (mut ids, mut token) = (Vec::new(), Value::Null);
        loop {
            let request = json!({"UserPoolId": pool, "MaxResults": 15, "NextToken": token});
            let page = server.call("ListTerms", request).await.ok();
            ids.extend(page["Terms"].as_array().unwrap().iter().map(|terms| terms["TermsId"].to_string()));
            token = page["NextToken"].clone();
            if token.is_null() {
                break;
            }
        }
        assert_eq!(ids.len(), 40);
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert_eq!(
            server.call("ListTerms", json!({"UserPoolId": pool, "NextToken": "x"})).await.error(),
            "InvalidParameterException: Invalid pagination token"
        );
    })
    .await;
}
