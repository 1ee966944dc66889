//! `AcrConfiguration`: what the levels are called; and the tiers that know them.

use super::*;
use crate::pools;

fn named(levels: Value) -> Value {
    json!({"AcrConfiguration": levels})
}

async fn shown(server: &Server, pool: &str) -> Value {
    let answer = server.call("DescribeUserPool", json!({"UserPoolId": pool})).await.ok();
    answer["UserPool"]["AcrConfiguration"].clone()
}

#[tokio::test]
async fn a_pool_has_names_of_its_own() {
    both_engines(async |server| {
        let levels = json!({"Level1": {"AcrValue": "low"}, "Level4": {"AcrValue": "https://example.com/high"}});
        let all = json!({"Level1": {"AcrValue": "low"}, "Level2": {"AcrValue": TWO}, "Level3": {"AcrValue": THREE},
            "Level4": {"AcrValue": "https://example.com/high"}});
        let made = pools::create(&server, &named(levels.clone())).await.ok()["UserPool"].clone();
        assert_eq!(made["AcrConfiguration"], all);
        let pool = made["Id"].as_str().unwrap().to_owned();
        assert_eq!(shown(&server, &pool).await, all);

        let client = server.client_id(&pool, json!({"ExplicitAuthFlows": FLOWS})).await;
        let house = House { server, pool, client };
        house.user("alice").await;
        let answer = house.by_password().await;
        assert_eq!(said(&answer), level("low", &["pwd"]));
        let aim = async |target: &str| house.start(json!({"TARGET_ACR_VALUES": target})).await;
        assert_eq!(aim("low").await.ok()["ChallengeName"], "SELECT_CHALLENGE");
        // The name that it has no more means nothing.
        let no_level = "InvalidParameterException: TARGET_ACR_VALUES names no level of this user pool.";
        assert_eq!(aim(ONE).await.error(), no_level);
        assert_eq!(house.step_up(access(&answer), "low").await.error(), ALREADY);
        assert_eq!(house.step_up(access(&answer), "https://example.com/high").await.error(), OUT_OF_REACH);

        // An update that leaves them out takes them back; a refresh says what the level is called now.
        pools::update(&house.server, &house.pool, &json!({})).await.ok();
        assert_eq!(shown(&house.server, &house.pool).await, Value::Null);
        let refresh = json!({"REFRESH_TOKEN": answer["AuthenticationResult"]["RefreshToken"]});
        assert_eq!(said(&house.initiate("REFRESH_TOKEN_AUTH", refresh).await.ok()), level(ONE, &["pwd"]));
    })
    .await;
}

#[tokio::test]
async fn no_two_levels_have_one_name() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let both = async |levels: Value| {
        let error = pools::create(&server, &named(levels.clone())).await.error();
        assert_eq!(pools::update(&server, &pool, &named(levels)).await.error(), error);
        error
    };
    let twice = |name: &str| {
        format!(
            "InvalidParameterException: AcrConfiguration gives the name {name} to more than one level. Names must be unique, those of the levels that are left out included."
        )
    };
    let same = json!({"Level1": {"AcrValue": "low"}, "Level3": {"AcrValue": "low"}});
    assert_eq!(both(same).await, twice("low"));
    assert_eq!(both(json!({"Level1": {"AcrValue": TWO}})).await, twice(TWO));
    for levels in [
        json!({"Level5": {"AcrValue": "x"}}),
        json!({"level1": {"AcrValue": "x"}}),
        json!({"Level1": {"AcrValue": ""}}),
        json!({"Level1": {"AcrValue": "with blank"}}),
        json!({"Level1": {"AcrValue": "\"quoted\""}}),
        json!({"Level1": {"AcrValue": "back\\slash"}}),
        json!({"Level1": {"AcrValue": "x".repeat(65)}}),
        json!({"Level1": {}}),
    ] {
        let error = both(levels.clone()).await;
        assert!(error.contains("validation error"), "{levels}: {error}");
    }
    assert_eq!(shown(&server, &pool).await, Value::Null);
    // Names may change places.
    let swapped = json!({"Level1": {"AcrValue": TWO}, "Level2": {"AcrValue": ONE}});
    pools::update(&server, &pool, &named(swapped)).await.ok();
    assert_eq!(shown(&server, &pool).await["Level1"], json!({"AcrValue": TWO}));
}

#[tokio::test]
async fn the_cheapest_tier_knows_no_levels() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, json!({"ExplicitAuthFlows": FLOWS})).await;
    let house = House { server, pool, client };
    house.user("alice").await;
    let answer = house.by_password().await;
    assert_eq!(said(&answer), level(ONE, &["pwd"]));
    let unavailable = "FeatureUnavailableInTierException: The following features need to be disabled for the LITE pricing tier configured: Step-Up Authentication";
    let lite = with(named(json!({"Level1": {"AcrValue": "low"}})), &json!({"UserPoolTier": "LITE"}));
    assert_eq!(pools::create(&house.server, &lite).await.error(), unavailable);
    assert_eq!(pools::update(&house.server, &house.pool, &lite).await.error(), unavailable);

    pools::update(&house.server, &house.pool, &json!({"UserPoolTier": "LITE"})).await.ok();
    for parameters in [
        json!({"TARGET_ACR_VALUES": ONE}),
        json!({"ACCESS_TOKEN": access(&answer)}),
        json!({"MAX_AGE": "1"}),
        json!({"TARGET_ACR_VALUES": "urn:elsewhere", "ACCESS_TOKEN": "x", "MAX_AGE": "soon"}),
    ] {
        assert_eq!(house.start(parameters.clone()).await.error(), unavailable, "{parameters}");
    }
    let administrators = json!({"UserPoolId": house.pool, "ClientId": house.client, "AuthFlow": "USER_AUTH",
        "AuthParameters": {"USERNAME": "alice", "TARGET_ACR_VALUES": ONE}});
    assert_eq!(house.server.call("AdminInitiateAuth", administrators).await.error(), unavailable);
    // Sign-ins go on, and their tokens say nothing.
    assert_eq!(said(&house.by_password().await), (Value::Null, Value::Null));
    let refresh = json!({"REFRESH_TOKEN": answer["AuthenticationResult"]["RefreshToken"]});
    assert_eq!(said(&house.initiate("REFRESH_TOKEN_AUTH", refresh).await.ok()), (Value::Null, Value::Null));
}
