//! Replicas, of which there are none, and provisioned limits, which nobody can raise (oauth-federation.md §21, §22).

use serde_json::{Value, json};
use testkit::{Server, both_engines};

#[tokio::test]
async fn a_pool_is_where_it_is_and_nowhere_else() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        assert_eq!(
            server.call("ListUserPoolReplicas", json!({"UserPoolId": pool})).await.ok(),
            json!({"UserPoolReplicas": [{
                "RegionName": "us-east-1",
                "Status": "ACTIVE",
                "Role": "PRIMARY",
                "UserPoolArn": format!("arn:aws:cognito-idp:us-east-1:000000000000:userpool/{pool}")
            }]})
        );
        assert_eq!(
            server.call("ListUserPoolReplicas", json!({"UserPoolId": pool, "NextToken": "x"})).await.error(),
            "InvalidParameterException: Invalid pagination token"
        );
        let request = |region: &str| json!({"UserPoolId": pool, "RegionName": region, "Status": "ACTIVE"});
        assert_eq!(
            server.call("CreateUserPoolReplica", request("eu-west-1")).await.error(),
            "InvalidParameterException: Replication to another Region is not supported by this Poolkeeper version yet. See docs/compatibility.md."
        );
        let home = format!("InvalidParameterException: us-east-1 is the primary Region of user pool {pool}.");
        assert_eq!(server.call("CreateUserPoolReplica", request("us-east-1")).await.error(), home);
        for operation in ["UpdateUserPoolReplica", "DeleteUserPoolReplica"] {
            assert_eq!(server.call(operation, request("us-east-1")).await.error(), home, "{operation}");
            assert_eq!(
                server.call(operation, request("eu-west-1")).await.error(),
                format!("ResourceNotFoundException: User pool {pool} has no replica in eu-west-1."),
                "{operation}"
            );
        }
        let tagged = json!({"UserPoolId": pool, "RegionName": "eu-west-1", "UserPoolTags": {"aws:x": "y"}});
        assert_eq!(
            server.call("CreateUserPoolReplica", tagged).await.error(),
            "UserPoolTaggingException: The tag key aws:x is not allowed: keys that begin with aws: are reserved."
        );
        let lite = server.pool(json!({"UserPoolTier": "LITE"})).await;
        assert_eq!(
            server.call("CreateUserPoolReplica", json!({"UserPoolId": lite, "RegionName": "eu-west-1"})).await.error(),
            "FeatureUnavailableInTierException: The following features need to be disabled for the LITE pricing tier configured: Multi-Region Replication"
        );
        for operation in
            ["CreateUserPoolReplica", "UpdateUserPoolReplica", "DeleteUserPoolReplica", "ListUserPoolReplicas"]
        {
            let request = json!({"UserPoolId": "us-east-1_nowhere00", "RegionName": "eu-west-1", "Status": "ACTIVE"});
            assert_eq!(
                server.call(operation, request).await.error(),
                "ResourceNotFoundException: User pool us-east-1_nowhere00 does not exist.",
                "{operation}"
            );
        }
        let error = server.call("CreateUserPoolReplica", request("eu")).await.error();
        assert!(error.contains("'regionName' failed to satisfy constraint"), "{error}");
        let sleeping = json!({"UserPoolId": pool, "RegionName": "eu-west-1", "Status": "CREATING"});
        let error = server.call("UpdateUserPoolReplica", sleeping).await.error();
        assert!(error.contains("'status' failed to satisfy constraint"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn limits_are_the_defaults_and_stay_so() {
    both_engines(async |server: Server| {
        let definition = |category: &str| json!({"LimitClass": "API_CATEGORY", "Attributes": {"Category": category}});
        for (category, value) in [
            ("UserAuthentication", 120),
            ("UserCreation", 50),
            ("UserFederation", 25),
            ("UserPoolClientUpdate", 15),
            ("ClientAuthentication", 150),
        ] {
            let limit = json!({"Limit": {
                "LimitDefinition": definition(category),
                "ProvisionedLimitValue": value,
                "FreeLimitValue": value
            }});
            let get = json!({"LimitDefinition": definition(category)});
            assert_eq!(server.call("GetProvisionedLimit", get.clone()).await.ok(), limit);
            let update = |value: i64| json!({"LimitDefinition": definition(category), "RequestedLimitValue": value});
            assert_eq!(server.call("UpdateProvisionedLimit", update(value)).await.ok(), limit);
            assert_eq!(
                server.call("UpdateProvisionedLimit", update(value - 1)).await.error(),
                format!("InvalidParameterException: RequestedLimitValue must not be less than the free limit, {value}.")
            );
            assert_eq!(
                server.call("UpdateProvisionedLimit", update(value + 1)).await.error(),
                format!(
                    "ServiceQuotaExceededException: This Poolkeeper version provisions no limit above the free one, {value}. See docs/compatibility.md."
                )
            );
            assert_eq!(server.call("GetProvisionedLimit", get).await.ok(), limit);
        }
        for operation in ["GetProvisionedLimit", "UpdateProvisionedLimit"] {
            let call = async |definition: Value| {
                let request = json!({"LimitDefinition": definition, "RequestedLimitValue": 1});
                server.call(operation, request).await.error()
            };
            assert_eq!(
                call(definition("Nonsense")).await,
                "ResourceNotFoundException: There is no limit of the category Nonsense."
            );
            for attributes in [json!({}), json!({"category": "UserRead"}), json!({"Category": "UserRead", "x": "y"})] {
                assert_eq!(
                    call(json!({"LimitClass": "API_CATEGORY", "Attributes": attributes})).await,
                    "InvalidParameterException: LimitDefinition needs Category as its only attribute."
                );
            }
            assert!(call(json!({"LimitClass": "X", "Attributes": {}})).await.contains("'limitDefinition.limitClass'"));
        }
    })
    .await;
}
