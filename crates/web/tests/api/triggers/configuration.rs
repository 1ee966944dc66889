//! LambdaConfig: which functions a pool takes, keeps and shows (triggers-security.md §1).

use super::*;

/// LambdaConfig as DescribeUserPool and ListUserPools show it.
async fn shown(server: &Server, pool: &str) -> Value {
    let described = server.call("DescribeUserPool", json!({"UserPoolId": pool})).await.ok();
    let listed = server.call("ListUserPools", json!({"MaxResults": 60})).await.ok();
    let listed = listed["UserPools"].as_array().unwrap().iter().find(|listed| listed["Id"] == pool).unwrap().clone();
    assert_eq!(described["UserPool"]["LambdaConfig"], listed["LambdaConfig"]);
    described["UserPool"]["LambdaConfig"].clone()
}

/// Functions need not be known: whoever is called and is not there fails then.
#[tokio::test]
async fn every_function_is_taken_and_shown_until_an_update_leaves_it_out() {
    both_engines(async |server| {
        let function = arn("f");
        let versioned = json!({"LambdaVersion": "V1_0", "LambdaArn": function});
        let all = json!({
            "PreSignUp": function, "CustomMessage": function, "PostConfirmation": function,
            "PreAuthentication": function, "PostAuthentication": function, "DefineAuthChallenge": function,
            "CreateAuthChallenge": function, "VerifyAuthChallengeResponse": function, "PreTokenGeneration": function,
            "UserMigration": function, "PreTokenGenerationConfig": versioned, "CustomSMSSender": versioned,
            "CustomEmailSender": versioned, "InboundFederation": versioned, "KMSKeyID": KEY,
        });
        let pool = server.pool(json!({"LambdaConfig": all})).await;
        assert_eq!(shown(&server, &pool).await, all);
        for (name, value) in all.as_object().unwrap() {
            let mut one = json!({name: value});
            if name.starts_with("Custom") && name.ends_with("Sender") {
                one["KMSKeyID"] = json!(KEY);
            }
            server.call("UpdateUserPool", json!({"UserPoolId": pool, "LambdaConfig": one})).await.ok();
            if name == "PreTokenGenerationConfig" {
                one["PreTokenGeneration"] = json!(function);
            }
            assert_eq!(shown(&server, &pool).await, one);
        }
        server.call("UpdateUserPool", json!({"UserPoolId": pool})).await.ok();
        assert_eq!(shown(&server, &pool).await, json!({}));
    })
    .await;
}

#[tokio::test]
async fn versions_are_those_of_the_plan() {
    let server = Server::memory().await;
    let config = |version: &str| json!({"PreTokenGenerationConfig": {"LambdaVersion": version, "LambdaArn": arn("f")}});
    for (tier, version, is_taken) in [
        ("LITE", "V1_0", true),
        ("LITE", "V2_0", false),
        ("LITE", "V3_0", false),
        ("ESSENTIALS", "V2_0", true),
        ("ESSENTIALS", "V3_0", true),
        ("PLUS", "V3_0", true),
    ] {
        let request = json!({"PoolName": "p", "UserPoolTier": tier, "LambdaConfig": config(version)});
        let answer = server.call("CreateUserPool", request).await;
        if is_taken {
            answer.ok();
        } else {
            let error = format!(
                "FeatureUnavailableInTierException: The following features need to be disabled for the LITE pricing tier configured: Token Customization with Pre-Token Generation Lambda {version}"
            );
            assert_eq!(answer.error(), error);
        }
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let server = Server::memory().await;
    let (pool, _, _) = scene(&server, &["PreSignUp"], json!({})).await;
    let versioned = |version: &str, function: &str| json!({"LambdaVersion": version, "LambdaArn": function});
    let without_key =
        "InvalidParameterException: KMSKeyID is required when CustomEmailSender or CustomSMSSender is set.";
    let invalid = |path: &str| format!(" at '{path}' failed to satisfy constraint: ");
    for (config, error) in [
        (json!({"CustomEmailSender": versioned("V1_0", &arn("f"))}), without_key.to_owned()),
        (json!({"CustomSMSSender": versioned("V1_0", &arn("f"))}), without_key.to_owned()),
        (
            json!({"CustomEmailSender": versioned("V1_0", &arn("f")), "KMSKeyID": format!("{KEY}-unknown")}),
            format!("InvalidParameterException: KMSKeyID is not a key that can be used: {KEY}-unknown"),
        ),
        (
            json!({"PreTokenGeneration": arn("f"), "PreTokenGenerationConfig": versioned("V2_0", &arn("g"))}),
            "InvalidParameterException: Cannot use PreTokenGenerationLambda and PreTokenGeneration with different Lambda function ARN's".to_owned(),
        ),
        (
            json!({"InboundFederation": versioned("V2_0", &arn("f"))}),
            invalid("lambdaConfig.inboundFederation.lambdaVersion"),
        ),
        (json!({"PreSignUp": "arn:aws:lambda:us-east-1:me:function:f"}), invalid("lambdaConfig.preSignUp")),
        (json!({"PreSignUp": "short"}), invalid("lambdaConfig.preSignUp")),
        (json!({"KMSKeyID": "alias/my-key-of-my-own-making"}), invalid("lambdaConfig.kMSKeyID")),
        (
            json!({"CustomEmailSender": versioned("V2_0", &arn("f")), "KMSKeyID": KEY}),
            invalid("lambdaConfig.customEmailSender.lambdaVersion"),
        ),
        (
            json!({"PreTokenGenerationConfig": versioned("V4_0", &arn("f"))}),
            invalid("lambdaConfig.preTokenGenerationConfig.lambdaVersion"),
        ),
    ] {
        let of_new = json!({"PoolName": "p", "LambdaConfig": config});
        let of_old = json!({"UserPoolId": pool, "LambdaConfig": config});
        for answer in [server.call("CreateUserPool", of_new).await, server.call("UpdateUserPool", of_old).await] {
            assert!(answer.error().starts_with("InvalidParameterException: "), "{config}");
            assert!(answer.error().contains(&error), "{config}: {}", answer.error());
        }
    }
    assert_eq!(shown(&server, &pool).await, lambda_config(&["PreSignUp"]));
}

/// A function that nobody runs fails closed.
#[tokio::test]
async fn a_function_that_is_not_there_lets_nobody_through() {
    let server = Server::memory().await;
    let pool = server.pool(json!({"LambdaConfig": lambda_config(&["PreSignUp"])})).await;
    let client = server.client_id(&pool, json!({})).await;
    assert_eq!(
        server.call("SignUp", sign_up(&client, "alice", &[])).await.error(),
        "UnexpectedLambdaException: PreSignUp invocation failed due to error ResourceNotFoundException."
    );
    assert_eq!(super::shown(&server, &pool, "alice").await, "UserNotFoundException: User does not exist.");
}
