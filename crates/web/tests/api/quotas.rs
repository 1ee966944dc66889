//! Quotas (accounts.md §20): requests beyond a rate and things beyond a count are refused. The clock stands still, so
//! that a second has as many requests in it as the quota says, to the one.

use std::net::SocketAddr;

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};
use service::quotas::{Category, Counts, Quotas, Rates};
use testkit::{Answer, Server};
use wire::Operation;

const EXCEEDED: &str = "TooManyRequestsException: Rate exceeded";
const PASSWORD: &str = "First-Passw0rd";

async fn server(change: impl FnOnce(&mut Quotas)) -> Server {
    let mut quotas = Quotas::off();
    change(&mut quotas);
    Server::builder().settings(|settings| settings.quotas = quotas).start().await
}

/// How many of these requests are taken before one is refused for its rate; at most a thousand are made.
async fn taken(server: &Server, operation: &str, body: impl Fn(usize) -> Value) -> usize {
    for number in 0..1_000 {
        let answer = server.call(operation, body(number)).await;
        if answer.status != 200 && answer.error() == EXCEEDED {
            return number;
        }
    }
    1_000
}

#[tokio::test]
async fn every_operation_can_be_asked_too_often() {
    let server = server(|quotas| {
        for category in Category::ALL {
            quotas.rates.set(category, 1);
        }
    })
    .await;
    for operation in Operation::ALL {
        // RespondToAuthChallenge has three of its own before it counts as a sign-in.
        let expected = if operation.name().ends_with("RespondToAuthChallenge") { 4 } else { 1 };
        assert_eq!(taken(&server, operation.name(), |_| json!({})).await, expected, "{}", operation.name());
        let refused = server.call(operation.name(), json!({})).await;
        assert_eq!((refused.status, refused.error().as_str()), (400, EXCEEDED));
        server.advance(1);
    }
}

#[tokio::test]
async fn a_category_has_the_services_rate_and_fills_again() {
    let server = server(|quotas| {
        for category in Category::ALL {
            quotas.rates.set(category, Rates::service().of(category));
        }
    })
    .await;
    let pool = server.pool(json!({})).await;
    server.advance(1);
    for (operation, rate) in [
        ("AdminGetUser", 120),
        ("ListUsers", 30),
        ("AdminSetUserPassword", 30),
        ("AdminEnableUser", 25),
        ("DescribeUserPool", 15),
        ("TagResource", 5),
    ] {
        let body = |_| json!({"UserPoolId": pool, "Username": "nobody", "Password": PASSWORD});
        assert_eq!(taken(&server, operation, body).await, rate, "{operation}");
        assert_eq!(taken(&server, operation, body).await, 0, "{operation}");
        // The second is not over for a part of it alone.
        server.app.clock.advance(200);
        assert_eq!(taken(&server, operation, body).await, rate / 5, "{operation}");
    }
    // Another category was not touched by any of them.
    assert_eq!(taken(&server, "SignUp", |_| json!({})).await, 50);
    assert_eq!(taken(&server, "AdminCreateUser", |_| json!({})).await, 0, "they share a rate");
    // Answers to challenges have three times the rate of sign-ins for themselves, and then share theirs.
    assert_eq!(taken(&server, "RespondToAuthChallenge", |_| json!({})).await, 480);
    assert_eq!(taken(&server, "InitiateAuth", |_| json!({})).await, 0);
}

#[tokio::test]
async fn without_quotas_nothing_is_refused() {
    let server = Server::memory().await;
    assert_eq!(taken(&server, "TagResource", |_| json!({})).await, 1_000);
}

#[tokio::test]
async fn each_operation_has_a_rate_on_each_pool() {
    let server = server(|quotas| quotas.rates.per_pool = Rates::service().per_pool).await;
    let (one, two) = (server.pool(json!({})).await, server.pool(json!({})).await);
    let body = |pool: &str| json!({"UserPoolId": pool, "GroupName": "x", "ClientId": "x"});
    for operation in ["GetGroup", "CreateGroup", "DescribeUserPoolClient", "UpdateUserPoolClient"] {
        for pool in [&one, &two] {
            assert_eq!(taken(&server, operation, |_| body(pool)).await, 5, "{operation}");
        }
    }
    // Pools themselves and their users have no such rate.
    assert_eq!(taken(&server, "DescribeUserPool", |_| body(&one)).await, 1_000);
}

#[tokio::test]
async fn a_user_has_rates_of_reading_and_of_writing() {
    let server = server(|quotas| {
        let Rates { user_reads, user_writes, .. } = Rates::service();
        quotas.rates.user_reads = user_reads;
        quotas.rates.user_writes = user_writes;
    })
    .await;
    let pool = server.pool(json!({})).await;
    let client = server.client_id(&pool, json!({})).await;
    for name in ["ana", "bob"] {
        server.confirmed_user(&pool, name, PASSWORD, json!({})).await;
    }
    let token = server.sign_in(&client, "bob", PASSWORD).await.ok();
    let token = token["AuthenticationResult"]["AccessToken"].as_str().unwrap().to_owned();
    server.advance(1);
    let named = |name: &'static str| {
        let pool = pool.clone();
        move |_| json!({"UserPoolId": pool, "Username": name})
    };
    assert_eq!(taken(&server, "AdminGetUser", named("ana")).await, 10);
    assert_eq!(taken(&server, "AdminListGroupsForUser", named("ana")).await, 0, "reads share a rate");
    assert_eq!(taken(&server, "AdminEnableUser", named("ana")).await, 10, "writes have their own");
    assert_eq!(taken(&server, "AdminDisableUser", named("ana")).await, 0);
    assert_eq!(taken(&server, "AdminGetUser", named("bob")).await, 10, "so has everybody");
    assert_eq!(taken(&server, "GetUser", |_| json!({"AccessToken": token})).await, 10);
    let guess = |_| {
        let parameters = json!({"USERNAME": "bob", "PASSWORD": "x"});
        json!({"ClientId": client, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters})
    };
    assert_eq!(taken(&server, "InitiateAuth", guess).await, 10);
    // Upper case makes nobody else, and answers to challenges name their user as well.
    let answered = |username: &'static str| {
        let (pool, client) = (pool.clone(), client.clone());
        let responses = json!({"USERNAME": username, "SMS_MFA_CODE": "123456"});
        move |_| json!({"UserPoolId": pool, "ClientId": client, "ChallengeName": "SMS_MFA", "ChallengeResponses": responses})
    };
    let own = |username: &'static str| {
        let body = answered(username);
        move |number| {
            let mut body = body(number);
            body.as_object_mut().unwrap().remove("UserPoolId");
            body
        }
    };
    assert_eq!(taken(&server, "RespondToAuthChallenge", own("Bob")).await, 0);
    assert_eq!(taken(&server, "RespondToAuthChallenge", own("eve")).await, 10);
    assert_eq!(taken(&server, "AdminRespondToAuthChallenge", answered("Eve")).await, 10);
    assert_eq!(taken(&server, "AdminEnableUser", named("EVE")).await, 0);
    server.advance(1);
    assert_eq!(taken(&server, "AdminGetUser", named("ana")).await, 10);
}

/// A request from an address; what is asked for does not matter.
async fn from(server: &Server, address: &str, operation: &str) -> Answer {
    let address: SocketAddr = address.parse().unwrap();
    let request = Request::builder()
        .method(Method::POST)
        .uri("/")
        .header("host", "127.0.0.1:9229")
        .header("x-amz-target", format!("AWSCognitoIdentityProviderService.{operation}"))
        .extension(poolkeeper_web::Peer(address))
        .body(Body::from("{}"))
        .unwrap();
    server.request(request).await
}

async fn taken_from(server: &Server, address: &str, operation: &str) -> usize {
    for number in 0..10_000 {
        if from(server, address, operation).await.error() == EXCEEDED {
            return number;
        }
    }
    10_000
}

#[tokio::test]
async fn an_address_cannot_fill_the_database() {
    let server = server(|quotas| quotas.rates.per_address = Rates::generous().per_address).await;
    // A minute's worth may be used at once, whatever it is used for.
    assert_eq!(taken_from(&server, "192.0.2.1:1000", "ForgotPassword").await, 1_200);
    for operation in
        ["SignUp", "ConfirmSignUp", "ResendConfirmationCode", "ForgotPassword", "ConfirmForgotPassword", "InitiateAuth"]
    {
        assert_eq!(taken_from(&server, "192.0.2.1:2000", operation).await, 0, "{operation}");
        assert_ne!(from(&server, "192.0.2.2:1000", operation).await.error(), EXCEEDED, "{operation}");
    }
    for operation in ["AdminInitiateAuth", "GetUser", "RespondToAuthChallenge", "ListUserPools"] {
        assert_ne!(from(&server, "192.0.2.1:1000", operation).await.error(), EXCEEDED, "{operation}");
    }
    server.advance(1);
    assert_eq!(taken_from(&server, "192.0.2.1:1000", "InitiateAuth").await, 20);
    // A network of IPv6 is one customer's.
    assert_eq!(taken_from(&server, "[2001:db8:1:2::3]:1000", "SignUp").await, 1_200);
    assert_eq!(taken_from(&server, "[2001:db8:1:2:ffff::4]:1000", "SignUp").await, 0);
    assert_ne!(from(&server, "[2001:db8:1:3::3]:1000", "SignUp").await.error(), EXCEEDED);
}

#[tokio::test]
async fn whoever_is_held_back_takes_nothing_from_others() {
    let server = server(|quotas| {
        quotas.rates.per_address = 1;
        quotas.rates.set(Category::UserCreation, 100);
    })
    .await;
    assert_eq!(taken_from(&server, "192.0.2.1:1000", "SignUp").await, 60);
    for _ in 0..100 {
        assert_eq!(from(&server, "192.0.2.1:1000", "SignUp").await.error(), EXCEEDED);
    }
    assert_eq!(taken_from(&server, "192.0.2.2:1000", "SignUp").await, 40);
}

#[tokio::test]
async fn pools_and_clients_have_a_number() {
    let counts = Counts { pools: 2, clients_per_pool: 2, ..Counts::off() };
    let quotas = Quotas { counts, ..Quotas::off() };
    for builder in [Server::builder(), Server::builder().in_a_file()] {
        let server = builder.settings(|settings| settings.quotas = quotas.clone()).start().await;
        let (one, two) = (server.pool(json!({})).await, server.pool(json!({})).await);
        let refused = server.call("CreateUserPool", json!({"PoolName": "x"})).await;
        assert_eq!(
            (refused.status, refused.error().as_str()),
            (400, "LimitExceededException: The maximum number of user pools has been reached: 2.")
        );
        for pool in [&one, &two] {
            let clients = [server.client_id(pool, json!({})).await, server.client_id(pool, json!({})).await];
            let request = json!({"UserPoolId": pool, "ClientName": "x"});
            let refused = server.call("CreateUserPoolClient", request.clone()).await;
            assert_eq!(
                refused.error(),
                "LimitExceededException: The maximum number of clients in this user pool has been reached: 2."
            );
            // Whoever makes room has room.
            server.call("DeleteUserPoolClient", json!({"UserPoolId": pool, "ClientId": clients[0]})).await.ok();
            server.call("CreateUserPoolClient", request).await.ok();
        }
        server.call("DeleteUserPool", json!({"UserPoolId": one})).await.ok();
        server.pool(json!({})).await;
    }
}
