//! App clients (accounts.md §11.4, §12.2, §14).

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

fn with(mut request: Value, members: &Value) -> Value {
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    request
}

async fn create(server: &Server, pool: &str, members: &Value) -> Answer {
    server.call("CreateUserPoolClient", with(json!({"UserPoolId": pool, "ClientName": "c"}), members)).await
}

async fn update(server: &Server, pool: &str, client: &str, members: &Value) -> Answer {
    server.call("UpdateUserPoolClient", with(json!({"UserPoolId": pool, "ClientId": client}), members)).await
}

async fn describe(server: &Server, pool: &str, client: &str) -> Value {
    let answer = server.call("DescribeUserPoolClient", json!({"UserPoolId": pool, "ClientId": client})).await.ok();
    answer["UserPoolClient"].clone()
}

/// The client of a create or update answer, and its id.
fn client_of(answer: Answer) -> (Value, String) {
    let client = answer.ok()["UserPoolClient"].clone();
    let id = client["ClientId"].as_str().unwrap().to_owned();
    (client, id)
}

#[tokio::test]
async fn a_new_client_shows_all_defaults() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let created = create(&server, &pool, &json!({})).await.ok();
        let id = created["UserPoolClient"]["ClientId"].as_str().unwrap();
        assert!(id.len() == 26 && id.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()), "{id}");
        assert_eq!(describe(&server, &pool, id).await, created["UserPoolClient"]);
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(created, @r#"
            {
              "UserPoolClient": {
                "UserPoolId": "us-east-1_O2c3Nifle",
                "ClientName": "c",
                "ClientId": "cgqnq25d7v3j8fm9ernm8hn77b",
                "LastModifiedDate": 1767323045.0,
                "CreationDate": 1767323045.0,
                "RefreshTokenValidity": 30,
                "TokenValidityUnits": {},
                "AllowedOAuthFlowsUserPoolClient": false,
                "EnableTokenRevocation": true,
                "EnablePropagateAdditionalUserContextData": false,
                "AuthSessionValidity": 3
              }
            }
            "#);
        }
    })
    .await;
}

#[tokio::test]
async fn every_setting_comes_back_and_an_update_resets_what_it_leaves_out() {
    both_engines(async |server| {
        let pool = server.pool(json!({"Schema": [{"Name": "x", "AttributeDataType": "String"}]})).await;
        let (mut plain, id) = client_of(create(&server, &pool, &json!({})).await);
        let settings = json!({
            "ClientName": "renamed",
            "RefreshTokenValidity": 90,
            "AccessTokenValidity": 30,
            "IdTokenValidity": 1,
            "TokenValidityUnits": {"AccessToken": "minutes"},
            "ReadAttributes": ["email", "email_verified", "custom:x", "sub"],
            "WriteAttributes": ["email", "custom:x", "email"],
            "ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH", "ALLOW_CUSTOM_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
            "SupportedIdentityProviders": ["COGNITO"],
            "PreventUserExistenceErrors": "ENABLED",
            "EnableTokenRevocation": false,
            "AuthSessionValidity": 15,
            "RefreshTokenRotation": {"Feature": "DISABLED", "RetryGracePeriodSeconds": 10},
            "AllowedOAuthFlowsUserPoolClient": true,
            "AllowedOAuthFlows": ["code", "implicit", "code"],
            "AllowedOAuthScopes": ["openid", "email", "openid"],
            "CallbackURLs": ["https://example.com/cb", "myapp://cb", "http://localhost:3000/cb", "https://example.com/cb"],
            "LogoutURLs": ["https://example.com/bye"],
            "DefaultRedirectURI": "myapp://cb"
        });
        server.advance(1);
        let (updated, _) = client_of(update(&server, &pool, &id, &settings).await);
        assert_eq!(describe(&server, &pool, &id).await, updated);
        insta::allow_duplicates! {
            insta::assert_json_snapshot!(updated, @r#"
            {
              "UserPoolId": "us-east-1_O2c3Nifle",
              "ClientName": "renamed",
              "ClientId": "cgqnq25d7v3j8fm9ernm8hn77b",
              "LastModifiedDate": 1767323046.0,
              "CreationDate": 1767323045.0,
              "RefreshTokenValidity": 90,
              "AccessTokenValidity": 30,
              "IdTokenValidity": 1,
              "TokenValidityUnits": {
                "AccessToken": "minutes",
                "IdToken": "hours",
                "RefreshToken": "days"
              },
              "ReadAttributes": [
                "email",
                "email_verified",
                "custom:x",
                "sub"
              ],
              "WriteAttributes": [
                "email",
                "custom:x"
              ],
              "ExplicitAuthFlows": [
                "ALLOW_USER_SRP_AUTH",
                "ALLOW_CUSTOM_AUTH",
                "ALLOW_REFRESH_TOKEN_AUTH"
              ],
              "SupportedIdentityProviders": [
                "COGNITO"
              ],
              "CallbackURLs": [
                "https://example.com/cb",
                "myapp://cb",
                "http://localhost:3000/cb"
              ],
              "LogoutURLs": [
                "https://example.com/bye"
              ],
              "DefaultRedirectURI": "myapp://cb",
              "AllowedOAuthFlows": [
                "code",
                "implicit"
              ],
              "AllowedOAuthScopes": [
                "openid",
                "email"
              ],
              "AllowedOAuthFlowsUserPoolClient": true,
              "PreventUserExistenceErrors": "ENABLED",
              "EnableTokenRevocation": false,
              "EnablePropagateAdditionalUserContextData": false,
              "AuthSessionValidity": 15,
              "RefreshTokenRotation": {
                "Feature": "DISABLED",
                "RetryGracePeriodSeconds": 10
              }
            }
            "#);
        }
        let (mut again, _) = client_of(create(&server, &pool, &settings).await);
        for member in ["ClientId", "CreationDate"] {
            again[member] = updated[member].clone();
        }
        assert_eq!(again, updated);

        let (reset, _) = client_of(update(&server, &pool, &id, &json!({})).await);
        plain["ClientName"] = json!("renamed");
        plain["LastModifiedDate"] = reset["LastModifiedDate"].clone();
        assert_eq!(reset, plain);
    })
    .await;
}

#[tokio::test]
async fn secrets_are_made_or_brought_and_stay() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let (made, id) = client_of(create(&server, &pool, &json!({"GenerateSecret": true})).await);
        let secret = made["ClientSecret"].as_str().unwrap();
        assert!(secret.len() == 51 && secret.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()), "{secret}");
        assert_eq!(describe(&server, &pool, &id).await["ClientSecret"], secret);
        let (updated, _) = client_of(update(&server, &pool, &id, &json!({})).await);
        assert_eq!(updated["ClientSecret"], secret);

        let own = "an_own_secret_of_36_characters_or_so";
        let (brought, id) = client_of(create(&server, &pool, &json!({"ClientSecret": own})).await);
        assert_eq!(brought["ClientSecret"], own);
        assert_eq!(describe(&server, &pool, &id).await["ClientSecret"], own);
        assert_eq!(
            create(&server, &pool, &json!({"ClientSecret": own, "GenerateSecret": true})).await.error(),
            "InvalidParameterException: ClientSecret cannot be given when GenerateSecret is true."
        );
        // A value that is too short must not come back in the error.
        assert_eq!(
            create(&server, &pool, &json!({"ClientSecret": "short"})).await.error(),
            "InvalidParameterException: 1 validation error detected: Value at 'clientSecret' failed to satisfy constraint: Member must have length greater than or equal to 24"
        );
    })
    .await;
}

#[tokio::test]
async fn a_deleted_client_is_gone() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let (_, id) = client_of(create(&server, &pool, &json!({})).await);
        let request = json!({"UserPoolId": pool, "ClientId": id});
        let answer = server.call("DeleteUserPoolClient", request.clone()).await;
        assert_eq!((answer.status, answer.body), (200, Value::Null));
        for operation in ["DescribeUserPoolClient", "UpdateUserPoolClient", "DeleteUserPoolClient"] {
            assert_eq!(
                server.call(operation, request.clone()).await.error(),
                format!("ResourceNotFoundException: User pool client {id} does not exist."),
                "{operation}"
            );
        }
        assert_eq!(
            server.call("ListUserPoolClients", json!({"UserPoolId": pool})).await.ok(),
            json!({"UserPoolClients": []})
        );
    })
    .await;
}

#[tokio::test]
async fn a_client_is_found_in_its_own_pool_only() {
    let server = Server::memory().await;
    let (pool, other) = (server.pool(json!({})).await, server.pool(json!({})).await);
    let (before, id) = client_of(create(&server, &pool, &json!({"GenerateSecret": true})).await);
    let request = json!({"UserPoolId": other, "ClientId": id});
    for operation in ["DescribeUserPoolClient", "UpdateUserPoolClient", "DeleteUserPoolClient"] {
        assert_eq!(
            server.call(operation, request.clone()).await.error(),
            format!("ResourceNotFoundException: User pool client {id} does not exist."),
            "{operation}"
        );
    }
    let nowhere = "ResourceNotFoundException: User pool us-east-1_nowhere00 does not exist.";
    for operation in [
        "CreateUserPoolClient",
        "DescribeUserPoolClient",
        "UpdateUserPoolClient",
        "DeleteUserPoolClient",
        "ListUserPoolClients",
    ] {
        let request = json!({"UserPoolId": "us-east-1_nowhere00", "ClientId": id, "ClientName": "c"});
        assert_eq!(server.call(operation, request).await.error(), nowhere, "{operation}");
    }
    assert_eq!(describe(&server, &pool, &id).await, before);
}

#[tokio::test]
async fn clients_are_listed_page_by_page() {
    both_engines(async |server| {
        let (pool, other) = (server.pool(json!({})).await, server.pool(json!({})).await);
        let mut expected = Vec::new();
        for _ in 0..5 {
            expected.push(client_of(create(&server, &pool, &json!({})).await).1);
            create(&server, &other, &json!({})).await.ok();
        }
        expected.sort();
        let (mut seen, mut sizes, mut token) = (Vec::new(), Vec::new(), Value::Null);
        loop {
            let request = json!({"UserPoolId": pool, "MaxResults": 2, "NextToken": token});
            let page = server.call("ListUserPoolClients", request).await.ok();
            let clients = page["UserPoolClients"].as_array().unwrap();
            sizes.push(clients.len());
            for client in clients {
                let id = client["ClientId"].as_str().unwrap();
                assert_eq!(*client, json!({"ClientId": id, "UserPoolId": pool, "ClientName": "c"}));
                seen.push(id.to_owned());
            }
            token = page["NextToken"].clone();
            if token.is_null() {
                break;
            }
            let stolen = json!({"UserPoolId": other, "MaxResults": 2, "NextToken": token});
            assert_eq!(
                server.call("ListUserPoolClients", stolen).await.error(),
                "InvalidParameterException: Invalid pagination token"
            );
        }
        assert_eq!((seen, sizes), (expected, vec![2, 2, 1]));
        let all = server.call("ListUserPoolClients", json!({"UserPoolId": pool})).await.ok();
        assert_eq!((all["UserPoolClients"].as_array().unwrap().len(), all.get("NextToken")), (5, None));
        let registered =
            server.call("ListUserPoolClients", json!({"UserPoolId": pool, "ClientType": "DCR"})).await.ok();
        assert_eq!(registered, json!({"UserPoolClients": []}));
    })
    .await;
}

#[tokio::test]
async fn token_lives_have_bounds() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let range = "InvalidParameterException: Invalid range for token validity.";
    let order = "InvalidParameterException: Access and Id Token expiration times must be less than or equal to refresh token expiration times.";
    for (members, error) in [
        (json!({"AccessTokenValidity": 4, "TokenValidityUnits": {"AccessToken": "minutes"}}), range),
        (json!({"AccessTokenValidity": 299, "TokenValidityUnits": {"AccessToken": "seconds"}}), range),
        (json!({"IdTokenValidity": 25}), range),
        (json!({"IdTokenValidity": 2, "TokenValidityUnits": {"IdToken": "days"}}), range),
        (json!({"RefreshTokenValidity": 59, "TokenValidityUnits": {"RefreshToken": "minutes"}}), range),
        (json!({"RefreshTokenValidity": 3651}), range),
        (json!({"RefreshTokenValidity": 315_360_000}), range),
        (
            json!({"RefreshTokenValidity": 1, "AccessTokenValidity": 2, "TokenValidityUnits": {"RefreshToken": "hours"}}),
            order,
        ),
        (
            json!({"RefreshTokenValidity": 1, "IdTokenValidity": 2, "TokenValidityUnits": {"RefreshToken": "hours"}}),
            order,
        ),
    ] {
        assert_eq!(create(&server, &pool, &members).await.error(), error, "{members}");
    }
    for (members, refresh) in [
        (json!({"RefreshTokenValidity": 0}), 30),
        (json!({"RefreshTokenValidity": 3650}), 3650),
        (json!({"RefreshTokenValidity": 0, "TokenValidityUnits": {"RefreshToken": "minutes"}}), 43_200),
        (json!({"TokenValidityUnits": {"RefreshToken": "hours"}}), 720),
        (json!({"RefreshTokenValidity": 315_360_000, "TokenValidityUnits": {"RefreshToken": "seconds"}}), 315_360_000),
        (json!({"RefreshTokenValidity": 60, "TokenValidityUnits": {"RefreshToken": "minutes"}}), 60),
        (
            json!({"AccessTokenValidity": 5, "IdTokenValidity": 1, "TokenValidityUnits": {"AccessToken": "minutes", "IdToken": "days"}}),
            30,
        ),
    ] {
        let (client, _) = client_of(create(&server, &pool, &members).await);
        assert_eq!(client["RefreshTokenValidity"], refresh, "{members}");
    }
    for (minutes, error) in [(2, "greater than or equal to 3"), (16, "less than or equal to 15")] {
        assert_eq!(
            create(&server, &pool, &json!({"AuthSessionValidity": minutes})).await.error(),
            format!(
                "InvalidParameterException: 1 validation error detected: Value '{minutes}' at 'authSessionValidity' failed to satisfy constraint: Member must have value {error}"
            )
        );
    }
}

#[tokio::test]
async fn attribute_lists_must_fit_the_schema() {
    let server = Server::memory().await;
    let schema = json!([
        {"Name": "name", "Required": true},
        {"Name": "x", "AttributeDataType": "String"},
        {"Name": "inner", "AttributeDataType": "String", "DeveloperOnlyAttribute": true}
    ]);
    let pool = server.pool(json!({"Schema": schema})).await;
    let (_, id) = client_of(create(&server, &pool, &json!({})).await);
    for (members, kind) in [
        (json!({"ReadAttributes": ["nonsense"]}), "read"),
        (json!({"ReadAttributes": ["x"]}), "read"),
        (json!({"ReadAttributes": ["dev:custom:inner"]}), "read"),
        (json!({"WriteAttributes": ["name", "nonsense"]}), "write"),
        (json!({"WriteAttributes": ["name", "email_verified"]}), "write"),
        (json!({"WriteAttributes": ["name", "phone_number_verified"]}), "write"),
        (json!({"WriteAttributes": ["name", "sub"]}), "write"),
        (json!({"WriteAttributes": ["name", "dev:custom:inner"]}), "write"),
        (json!({"WriteAttributes": ["email"]}), "write"),
        (json!({"WriteAttributes": []}), "write"),
    ] {
        let error = |doing: &str| {
            format!("InvalidParameterException: Invalid {kind} attributes specified while {doing} a client")
        };
        assert_eq!(create(&server, &pool, &members).await.error(), error("creating"), "{members}");
        assert_eq!(update(&server, &pool, &id, &members).await.error(), error("updating"), "{members}");
    }
    let members = json!({"ReadAttributes": [], "WriteAttributes": ["name", "custom:x"]});
    let (client, _) = client_of(update(&server, &pool, &id, &members).await);
    assert_eq!((&client["ReadAttributes"], &client["WriteAttributes"]), (&json!([]), &json!(["name", "custom:x"])));
}

#[tokio::test]
async fn settings_that_contradict_the_services_rules_are_refused_by_both_operations() {
    let server = Server::memory().await;
    let pool = server.pool(json!({"UserPoolTier": "LITE"})).await;
    let (_, id) = client_of(create(&server, &pool, &json!({})).await);
    let code = json!({"AllowedOAuthFlows": ["code"], "AllowedOAuthScopes": ["openid"], "AllowedOAuthFlowsUserPoolClient": true});
    let machine = json!({"AllowedOAuthFlows": ["client_credentials"], "AllowedOAuthScopes": ["openid"]});
    let provider = format!("InvalidParameterException: The provider Google does not exist for User Pool {pool}");
    let cases = [
        (
            json!({"ExplicitAuthFlows": ["ALLOW_USER_SRP_AUTH", "USER_PASSWORD_AUTH"]}),
            "InvalidParameterException: Auth flow name with prefix 'ALLOW' cannot be used with legacy auth flow names.",
        ),
        (
            json!({"ExplicitAuthFlows": ["ALLOW_USER_AUTH"]}),
            "FeatureUnavailableInTierException: The following features need to be disabled for the LITE pricing tier configured: Passwordless Sign-In",
        ),
        (
            json!({"AllowedOAuthFlowsUserPoolClient": true}),
            "InvalidParameterException: AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth flows.",
        ),
        (
            machine,
            "InvalidOAuthFlowException: client_credentials flow can not be selected if client does not have a client secret.",
        ),
        (
            json!({"AllowedOAuthFlows": ["client_credentials", "code"]}),
            "InvalidOAuthFlowException: client_credentials flow can not be selected along with code flow or implicit flow.",
        ),
        (
            code.clone(),
            "InvalidParameterException: CallbackUrls can not be empty when code flow or implicit flow is selected",
        ),
        (
            with(code.clone(), &json!({"CallbackURLs": ["http://example.com/cb"]})),
            "InvalidParameterException: http://example.com/cb cannot use the HTTP protocol.",
        ),
        (
            json!({"CallbackURLs": ["javascript:alert(1)"]}),
            "InvalidParameterException: javascript:alert(1) is not a valid redirect URI.",
        ),
        (json!({"LogoutURLs": ["/bye"]}), "InvalidParameterException: /bye is not a valid redirect URI."),
        (
            json!({"AllowedOAuthFlowsUserPoolClient": true, "AllowedOAuthFlows": ["code"], "CallbackURLs": ["myapp://cb"]}),
            "InvalidParameterException: AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth flows.",
        ),
        (
            json!({"LogoutURLs": ["http://localhost@example.com/"]}),
            "InvalidParameterException: http://localhost@example.com/ cannot use the HTTP protocol.",
        ),
        (
            with(code.clone(), &json!({"CallbackURLs": ["https://example.com/#cb"]})),
            "InvalidParameterException: https://example.com/#cb cannot use fragment",
        ),
        (
            with(
                code.clone(),
                &json!({"CallbackURLs": ["https://example.com/"], "DefaultRedirectURI": "https://example.com/other"}),
            ),
            "InvalidParameterException: The default redirect URI https://example.com/other is not in the callback URIs list.",
        ),
        (
            json!({"AllowedOAuthScopes": ["openid", "things/read"]}),
            "ScopeDoesNotExistException: Invalid scope requested: things/read",
        ),
        (json!({"SupportedIdentityProviders": ["COGNITO", "Google"]}), provider.as_str()),
        (
            json!({"EnablePropagateAdditionalUserContextData": true}),
            "InvalidParameterException: Client Secret is required to set EnablePropagateAdditionalUserContextData as true",
        ),
        (
            json!({"AnalyticsConfiguration": {"ApplicationId": "0123456789abcdef0123456789abcdef"}}),
            "InvalidParameterException: Invalid analytics configuration given, either <application arn> or <application id, role arn, external id> are valid",
        ),
        (
            json!({"AnalyticsConfiguration": {"UserDataShared": true}}),
            "InvalidParameterException: Invalid analytics configuration given, either <application arn> or <application id, role arn, external id> are valid",
        ),
        (
            json!({"AnalyticsConfiguration": {
                "ApplicationArn": "arn:aws:mobiletargeting:us-east-1:123456789012:apps/a", "ExternalId": "x"
            }}),
            "InvalidParameterException: Invalid analytics configuration given, either <application arn> or <application id, role arn, external id> are valid",
        ),
    ];
    let before = describe(&server, &pool, &id).await;
    for (members, error) in &cases {
        assert_eq!(create(&server, &pool, members).await.error(), *error, "{members}");
        assert_eq!(update(&server, &pool, &id, members).await.error(), *error, "{members}");
    }
    assert_eq!(describe(&server, &pool, &id).await, before);
}

#[tokio::test]
async fn values_that_mean_off_are_taken() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let off = json!({
        "GenerateSecret": false,
        "TokenValidityUnits": {},
        "ExplicitAuthFlows": [],
        "SupportedIdentityProviders": [],
        "CallbackURLs": [],
        "LogoutURLs": [],
        "AllowedOAuthFlows": [],
        "AllowedOAuthScopes": [],
        "AllowedOAuthFlowsUserPoolClient": false,
        "AnalyticsConfiguration": {},
        "EnablePropagateAdditionalUserContextData": false
    });
    let (mut plain, _) = client_of(create(&server, &pool, &json!({})).await);
    let (given, id) = client_of(create(&server, &pool, &off).await);
    plain["ClientId"] = json!(id);
    assert_eq!(given, plain);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_at_the_same_time_end_in_one_of_them() {
    both_engines(async |server| {
        let server = Arc::new(server);
        let pool = server.pool(json!({})).await;
        let (_, id) = client_of(create(&server, &pool, &json!({})).await);
        let mut changing = tokio::task::JoinSet::new();
        for minutes in 3..9 {
            let (server, pool, id) = (server.clone(), pool.clone(), id.clone());
            changing.spawn(async move {
                let members = json!({"AuthSessionValidity": minutes, "ClientName": format!("c{minutes}")});
                update(&server, &pool, &id, &members).await.ok()
            });
        }
        changing.join_all().await;
        let client = describe(&server, &pool, &id).await;
        assert_eq!(client["ClientName"], format!("c{}", client["AuthSessionValidity"]));

        // While a pool is deleted, no client slips in behind.
        let mut racing = tokio::task::JoinSet::new();
        for number in 0..8 {
            let (server, pool) = (server.clone(), pool.clone());
            racing.spawn(async move {
                match number {
                    4 => server.call("DeleteUserPool", json!({"UserPoolId": pool})).await.status,
                    _ => create(&server, &pool, &json!({})).await.status,
                }
            });
        }
        racing.join_all().await;
        assert_eq!(
            server.call("DescribeUserPoolClient", json!({"UserPoolId": pool, "ClientId": id})).await.error(),
            format!("ResourceNotFoundException: User pool {pool} does not exist.")
        );
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_other_parts_is_kept() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let settings = json!({
            "GenerateSecret": true,
            "ExplicitAuthFlows": ["ALLOW_USER_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
            "AllowedOAuthFlowsUserPoolClient": true,
            "AllowedOAuthFlows": ["client_credentials"],
            "AllowedOAuthScopes": ["openid"]
        });
        let (client, id) = client_of(create(&server, &pool, &settings).await);
        for (member, value) in settings.as_object().unwrap().iter().filter(|(member, _)| *member != "GenerateSecret") {
            assert_eq!(client[member], *value, "{member}");
        }
        // The flow is allowed, and nobody is called so.
        let secret = client["ClientSecret"].as_str().unwrap();
        let hash = crypto::hash::secret_hash("ana", &id, secret);
        let request = json!({"ClientId": id, "AuthFlow": "USER_AUTH", "AuthParameters": {"USERNAME": "ana", "SECRET_HASH": hash}});
        assert_eq!(
            server.call("InitiateAuth", request).await.error(),
            "UserNotFoundException: User does not exist."
        );
        let (reset, _) = client_of(update(&server, &pool, &id, &json!({})).await);
        assert_eq!(reset["AllowedOAuthFlowsUserPoolClient"], false);
        assert_eq!((reset.get("AllowedOAuthFlows"), reset.get("ExplicitAuthFlows")), (None, None));
    })
    .await;
}

#[tokio::test]
async fn a_client_with_a_secret_may_name_the_addresses_of_its_users() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let settings = json!({"GenerateSecret": true, "EnablePropagateAdditionalUserContextData": true});
        let (client, id) = client_of(create(&server, &pool, &settings).await);
        assert_eq!(client["EnablePropagateAdditionalUserContextData"], true);
        let (reset, _) = client_of(update(&server, &pool, &id, &json!({})).await);
        assert_eq!(reset["EnablePropagateAdditionalUserContextData"], false);
    })
    .await;
}

#[tokio::test]
async fn a_lifted_tier_allows_every_flow() {
    let server = Server::builder().settings(|settings| settings.lift_tiers = true).start().await;
    let pool = server.pool(json!({"UserPoolTier": "LITE"})).await;
    let (client, _) = client_of(create(&server, &pool, &json!({"ExplicitAuthFlows": ["ALLOW_USER_AUTH"]})).await);
    assert_eq!(client["ExplicitAuthFlows"], json!(["ALLOW_USER_AUTH"]));
}
