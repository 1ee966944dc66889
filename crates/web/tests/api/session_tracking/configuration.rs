//! The settings of pools and clients.

use super::*;

async fn of_pool(server: &Server, pool: &str) -> Value {
    server.call("GetUserPoolSessionConfiguration", json!({"UserPoolId": pool})).await.ok()
}

async fn of_client(server: &Server, pool: &str, client: &str) -> Value {
    let request = json!({"UserPoolId": pool, "ClientId": client});
    server.call("GetUserPoolClientSessionConfiguration", request).await.ok()
}

async fn configure_client(server: &Server, pool: &str, client: &str, minutes: i64) -> Answer {
    let request = json!({"UserPoolId": pool, "ClientId": client, "SSOSession": {"MaxValidityMinutes": minutes}});
    server.call("SetUserPoolClientSessionConfiguration", request).await
}

#[tokio::test]
async fn the_settings_of_a_pool() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let shown = of_pool(&server, &pool).await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(shown, @r#"
        {
          "UserPoolId": "us-east-1_O2c3Nifle",
          "UserSessionTracking": "DISABLED",
          "TokenSession": {
            "MaxPerUser": 20
          }
        }
        "#); }
        let set = configure(&server, &pool, "ENABLED", 3).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(set, @r#"
        {
          "UserPoolId": "us-east-1_O2c3Nifle",
          "UserSessionTracking": "ENABLED",
          "TokenSession": {
            "MaxPerUser": 3
          }
        }
        "#); }
        assert_eq!(of_pool(&server, &pool).await, set);
        // Nothing else changes them, and the number stays while tracking is off.
        server.call("UpdateUserPool", json!({"UserPoolId": pool})).await.ok();
        assert_eq!(of_pool(&server, &pool).await, set);
        let off = configure(&server, &pool, "DISABLED", 7).await.ok();
        assert_eq!(off["UserSessionTracking"], "DISABLED");
        assert_eq!(off["TokenSession"], json!({"MaxPerUser": 7}));
        assert_eq!(of_pool(&server, &pool).await, off);
    })
    .await;
}

#[tokio::test]
async fn the_settings_of_a_client() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, 20).await;
        let shown = of_client(&server, &pool, &client).await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(shown, @r#"
        {
          "UserPoolId": "us-east-1_O2c3Nifle",
          "ClientId": "ernm8hn77bwpkuw9y6b6f08g8d",
          "SSOSession": {
            "MaxValidityMinutes": 60
          }
        }
        "#); }
        let set = configure_client(&server, &pool, &client, 0).await.ok();
        insta::allow_duplicates! { insta::assert_json_snapshot!(set, @r#"
        {
          "UserPoolId": "us-east-1_O2c3Nifle",
          "ClientId": "ernm8hn77bwpkuw9y6b6f08g8d",
          "SSOSession": {
            "MaxValidityMinutes": 0
          }
        }
        "#); }
        assert_eq!(of_client(&server, &pool, &client).await, set);
        // They outlive an update of the client, and tracking.
        let request = json!({"UserPoolId": pool, "ClientId": client});
        server.call("UpdateUserPoolClient", request).await.ok();
        configure(&server, &pool, "DISABLED", 20).await.ok();
        assert_eq!(of_client(&server, &pool, &client).await, set);
        assert_eq!(configure_client(&server, &pool, &client, 5).await.error(), OFF);
        assert_eq!(of_client(&server, &pool, &client).await, set);
    })
    .await;
}

#[tokio::test]
async fn what_the_settings_refuse() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, 20).await;
        let mut refused = Vec::new();
        for most in [0, 101, -1] {
            refused.push(configure(&server, &pool, "ENABLED", most).await.error());
        }
        refused.push(configure(&server, &pool, "ON", 1).await.error());
        for minutes in [-1, 129_601] {
            refused.push(configure_client(&server, &pool, &client, minutes).await.error());
        }
        let request = json!({"UserPoolId": pool, "UserSessionTracking": "ENABLED", "TokenSession": {}});
        refused.push(server.call("SetUserPoolSessionConfiguration", request).await.error());
        insta::allow_duplicates! { insta::assert_json_snapshot!(refused, @r#"
        [
          "InvalidParameterException: 1 validation error detected: Value '0' at 'tokenSession.maxPerUser' failed to satisfy constraint: Member must have value greater than or equal to 1",
          "InvalidParameterException: 1 validation error detected: Value '101' at 'tokenSession.maxPerUser' failed to satisfy constraint: Member must have value less than or equal to 100",
          "InvalidParameterException: 1 validation error detected: Value '-1' at 'tokenSession.maxPerUser' failed to satisfy constraint: Member must have value greater than or equal to 1",
          "InvalidParameterException: 1 validation error detected: Value 'ON' at 'userSessionTracking' failed to satisfy constraint: Member must satisfy enum value set: [ENABLED, DISABLED]",
          "InvalidParameterException: 1 validation error detected: Value '-1' at 'sSOSession.maxValidityMinutes' failed to satisfy constraint: Member must have value greater than or equal to 0",
          "InvalidParameterException: 1 validation error detected: Value '129601' at 'sSOSession.maxValidityMinutes' failed to satisfy constraint: Member must have value less than or equal to 129600",
          "InvalidParameterException: 1 validation error detected: Value null at 'tokenSession.maxPerUser' failed to satisfy constraint: Member must not be null"
        ]
        "#); }
        configure(&server, &pool, "ENABLED", 100).await.ok();
        configure_client(&server, &pool, &client, 129_600).await.ok();

        let nowhere = "us-east-1_nowhere";
        assert_eq!(configure(&server, nowhere, "ENABLED", 1).await.error(), NO_POOL);
        assert_eq!(configure_client(&server, nowhere, &client, 1).await.error(), NO_POOL);
        // A client of another pool is none.
        let other = server.pool(json!({})).await;
        configure(&server, &other, "ENABLED", 1).await.ok();
        let no_client = format!("ResourceNotFoundException: User pool client {client} does not exist.");
        assert_eq!(configure_client(&server, &other, &client, 1).await.error(), no_client);
        let request = json!({"UserPoolId": other, "ClientId": client});
        assert_eq!(server.call("GetUserPoolClientSessionConfiguration", request).await.error(), no_client);
    })
    .await;
}

#[tokio::test]
async fn the_smallest_plan_has_no_tracking() {
    both_engines(async |server| {
        let lite = server.pool(json!({"UserPoolTier": "LITE"})).await;
        let client = server.client_id(&lite, json!({})).await;
        let refused = "FeatureUnavailableInTierException: The following features need to be disabled for the LITE \
                       pricing tier configured: User Session Tracking";
        for tracking in ["ENABLED", "DISABLED"] {
            assert_eq!(configure(&server, &lite, tracking, 1).await.error(), refused);
        }
        assert_eq!(configure_client(&server, &lite, &client, 1).await.error(), refused);
        assert_eq!(of_pool(&server, &lite).await["UserSessionTracking"], "DISABLED");
        // A pool cannot move there with it.
        let (pool, _) = scene(&server, 20).await;
        let to_lite = json!({"UserPoolId": pool, "UserPoolTier": "LITE"});
        assert_eq!(
            server.call("UpdateUserPool", to_lite.clone()).await.error(),
            "TierChangeNotAllowedException: The following features need to be disabled for the LITE pricing tier \
             configured: User Session Tracking"
        );
        configure(&server, &pool, "DISABLED", 20).await.ok();
        server.call("UpdateUserPool", to_lite).await.ok();
    })
    .await;
}
