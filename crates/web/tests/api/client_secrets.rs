//! Several secrets of one client (accounts.md §14.1, §3): one is replaced while the other still counts.

use std::sync::Arc;

use domain::Client;
use serde_json::{Value, json};
use store::Changes;
use testkit::{Answer, Server, both_engines};

const OWN: &str = "an_own_secret_of_36_characters_or_so";

async fn add(server: &Server, pool: &str, client: &str, members: Value) -> Answer {
    let request = crate::pools::with(json!({"UserPoolId": pool, "ClientId": client}), &members);
    server.call("AddUserPoolClientSecret", request).await
}

async fn list(server: &Server, pool: &str, client: &str) -> Value {
    let request = json!({"UserPoolId": pool, "ClientId": client});
    server.call("ListUserPoolClientSecrets", request).await.ok()["ClientSecrets"].clone()
}

async fn delete(server: &Server, pool: &str, client: &str, secret_id: &str) -> Answer {
    let request = json!({"UserPoolId": pool, "ClientId": client, "ClientSecretId": secret_id});
    server.call("DeleteUserPoolClientSecret", request).await
}

/// A client with a secret: its id and the secret.
async fn client(server: &Server, pool: &str) -> (String, String) {
    let client = server.client(pool, json!({"GenerateSecret": true})).await;
    (client["ClientId"].as_str().unwrap().to_owned(), client["ClientSecret"].as_str().unwrap().to_owned())
}

/// Signs in with a hash made with this secret.
async fn sign_in(server: &Server, client: &str, secret: &str) -> Answer {
    let hash = crypto::hash::secret_hash("ana", client, secret);
    let parameters = json!({"USERNAME": "ana", "PASSWORD": "Passw0rd!", "SECRET_HASH": hash});
    let request = json!({"ClientId": client, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters});
    server.call("InitiateAuth", request).await
}

#[tokio::test]
async fn a_secret_is_replaced_without_a_gap() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        server.confirmed_user(&pool, "ana", "Passw0rd!", json!({})).await;
        let (id, first) = client(&server, &pool).await;
        server.advance(60);
        let added = add(&server, &pool, &id, json!({})).await.ok();
        let second = added["ClientSecretDescriptor"]["ClientSecretValue"].as_str().unwrap().to_owned();
        let secrets = list(&server, &pool, &id).await;
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(added, @r#"
            {
              "ClientSecretDescriptor": {
                "ClientSecretId": "9sj0fsdpl8l564gwqa2l6kvc7s--1767323105",
                "ClientSecretValue": "zoi5e2nhffhdctt9u43hlb5bzxdnql0185o40i58w8d2vt7wmqb",
                "ClientSecretCreateDate": 1767323105.0
              }
            }
            "#);
            insta::assert_json_snapshot!(secrets, @r#"
            [
              {
                "ClientSecretId": "9sj0fsdpl8l564gwqa2l6kvc7s--1767323045",
                "ClientSecretCreateDate": 1767323045.0
              },
              {
                "ClientSecretId": "9sj0fsdpl8l564gwqa2l6kvc7s--1767323105",
                "ClientSecretCreateDate": 1767323105.0
              }
            ]
            "#);
        }
        let ids: Vec<&str> =
            secrets.as_array().unwrap().iter().map(|secret| secret["ClientSecretId"].as_str().unwrap()).collect();
        assert!(ids.iter().all(|secret| secret.starts_with(&format!("{id}--"))), "{ids:?}");

        // Both count; descriptions show the newest.
        for secret in [&first, &second] {
            sign_in(&server, &id, secret).await.ok();
        }
        let wrong = format!("NotAuthorizedException: Unable to verify secret hash for client {id}");
        assert_eq!(sign_in(&server, &id, OWN).await.error(), wrong);
        let request = json!({"UserPoolId": pool, "ClientId": id});
        let described = server.call("DescribeUserPoolClient", request.clone()).await.ok();
        assert_eq!(described["UserPoolClient"]["ClientSecret"], second);
        let updated = server
            .call(
                "UpdateUserPoolClient",
                json!({"UserPoolId": pool, "ClientId": id, "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH"]}),
            )
            .await
            .ok();
        assert_eq!(updated["UserPoolClient"]["ClientSecret"], second);
        assert_eq!(list(&server, &pool, &id).await, secrets, "an update leaves secrets alone");

        assert_eq!(
            add(&server, &pool, &id, json!({})).await.error(),
            "LimitExceededException: Client secrets cannot exceed limit of 2 secrets."
        );
        assert_eq!(delete(&server, &pool, &id, ids[0]).await.ok(), json!({}));
        assert_eq!(sign_in(&server, &id, &first).await.error(), wrong);
        sign_in(&server, &id, &second).await.ok();
        assert_eq!(list(&server, &pool, &id).await, json!([secrets[1]]));
        assert_eq!(
            delete(&server, &pool, &id, ids[1]).await.error(),
            "InvalidParameterException: The last secret of a client cannot be deleted."
        );
        assert_eq!(
            delete(&server, &pool, &id, ids[0]).await.error(),
            format!("ResourceNotFoundException: Client secret {} does not exist.", ids[0])
        );
        sign_in(&server, &id, &second).await.ok();
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_is_brought_is_not_told_again() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        server.confirmed_user(&pool, "ana", "Passw0rd!", json!({})).await;
        let (id, first) = client(&server, &pool).await;
        let added = add(&server, &pool, &id, json!({"ClientSecret": OWN})).await.ok();
        assert_eq!(added["ClientSecretDescriptor"].get("ClientSecretValue"), None);
        for secret in [first.as_str(), OWN] {
            sign_in(&server, &id, secret).await.ok();
        }
        // Two secrets of one second have two ids.
        let secrets = list(&server, &pool, &id).await;
        let ids: Vec<&str> = secrets.as_array().unwrap().iter().map(|secret| secret["ClientSecretId"].as_str().unwrap()).collect();
        assert_eq!(ids, [format!("{id}--1767323045"), format!("{id}--1767323046")]);
        delete(&server, &pool, &id, ids[1]).await.ok();
        assert_eq!(
            add(&server, &pool, &id, json!({"ClientSecret": first})).await.error(),
            "InvalidParameterException: The client already has this secret."
        );
        for (secret, constraint) in [
            ("x".repeat(23), "Member must have length greater than or equal to 24"),
            ("x".repeat(65), "Member must have length less than or equal to 64"),
            ("x-".repeat(15), "Member must satisfy regular expression pattern: [\\w+]+"),
        ] {
            // The value itself must not come back.
            assert_eq!(
                add(&server, &pool, &id, json!({"ClientSecret": secret})).await.error(),
                format!(
                    "InvalidParameterException: 1 validation error detected: Value at 'clientSecret' failed to satisfy constraint: {constraint}"
                )
            );
        }
        for length in [24, 64] {
            let secret = "y".repeat(length);
            let added = add(&server, &pool, &id, json!({"ClientSecret": secret})).await.ok();
            sign_in(&server, &id, &secret).await.ok();
            let secret_id = added["ClientSecretDescriptor"]["ClientSecretId"].as_str().unwrap();
            delete(&server, &pool, &id, secret_id).await.ok();
        }
    })
    .await;
}

#[tokio::test]
async fn public_clients_stay_public_and_pages_are_whole() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let other = server.pool(json!({})).await;
        let public = server.client_id(&pool, json!({})).await;
        assert_eq!(list(&server, &pool, &public).await, json!([]));
        assert_eq!(
            add(&server, &pool, &public, json!({})).await.error(),
            "InvalidParameterException: Client secrets can only be added to a client that was created with a secret."
        );
        let (id, _) = client(&server, &pool).await;
        let request = json!({"UserPoolId": pool, "ClientId": id, "NextToken": "x"});
        assert_eq!(
            server.call("ListUserPoolClientSecrets", request).await.error(),
            "InvalidParameterException: Invalid pagination token"
        );
        let elsewhere = format!("ResourceNotFoundException: User pool client {id} does not exist.");
        assert_eq!(add(&server, &other, &id, json!({})).await.error(), elsewhere);
        assert_eq!(delete(&server, &other, &id, "x").await.error(), elsewhere);
        let request = json!({"UserPoolId": other, "ClientId": id});
        assert_eq!(server.call("ListUserPoolClientSecrets", request).await.error(), elsewhere);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_at_the_same_time_leave_one_or_two_secrets() {
    both_engines(async |server| {
        let server = Arc::new(server);
        let pool = server.pool(json!({})).await;
        let (id, _) = client(&server, &pool).await;
        let mut adding = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let (server, pool, id) = (server.clone(), pool.clone(), id.clone());
            adding.spawn(async move { add(&server, &pool, &id, json!({})).await.status });
        }
        let statuses = adding.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");

        let secrets = list(&server, &pool, &id).await;
        let mut deleting = tokio::task::JoinSet::new();
        for secret in secrets.as_array().unwrap() {
            let (server, pool, id) = (server.clone(), pool.clone(), id.clone());
            let secret_id = secret["ClientSecretId"].as_str().unwrap().to_owned();
            deleting.spawn(async move { delete(&server, &pool, &id, &secret_id).await.status });
        }
        let statuses = deleting.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(list(&server, &pool, &id).await.as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_fault_of_the_server_has_the_name_that_the_model_gives_it() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        server.confirmed_user(&pool, "ana", "Passw0rd!", json!({})).await;
        let ((id, secret), (other, _)) = (client(&server, &pool).await, client(&server, &pool).await);
        // A secret that cannot be opened: it was sealed for another client.
        let store = &server.app.store;
        let (before, other) = (store.client(&id).await.unwrap().unwrap(), store.client(&other).await.unwrap().unwrap());
        let mut changes = Changes::new();
        changes.replace(&before, Client { secrets: other.value.secrets, ..before.value.clone() });
        server.app.commit(changes).await.unwrap();
        let words = "Something went wrong on the server. Please try again.";
        let added = add(&server, &pool, &id, json!({})).await;
        assert_eq!((added.status, added.error()), (500, format!("InternalServerException: {words}")));
        let signed_in = sign_in(&server, &id, &secret).await;
        assert_eq!((signed_in.status, signed_in.error()), (500, format!("InternalErrorException: {words}")));
    })
    .await;
}
