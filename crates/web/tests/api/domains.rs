//! Domains of pools (oauth-federation.md §14).

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

const CERTIFICATE: &str = "arn:aws:acm:us-east-1:000000000000:certificate/0f3c1a2b";

fn request(pool: &str, domain: &str) -> Value {
    json!({"UserPoolId": pool, "Domain": domain})
}

fn custom(pool: &str, domain: &str) -> Value {
    json!({"UserPoolId": pool, "Domain": domain, "CustomDomainConfig": {"CertificateArn": CERTIFICATE}})
}

async fn create(server: &Server, request: Value) -> Answer {
    server.call("CreateUserPoolDomain", request).await
}

async fn describe(server: &Server, domain: &str) -> Value {
    let answer = server.call("DescribeUserPoolDomain", json!({"Domain": domain})).await.ok();
    answer["DomainDescription"].clone()
}

#[tokio::test]
async fn a_pool_gets_a_prefix_and_a_domain_name() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        assert_eq!(create(&server, request(&pool, "my-app")).await.ok(), json!({"ManagedLoginVersion": 1}));
        let mut named = custom(&pool, "auth.example.com");
        named["ManagedLoginVersion"] = json!(2);
        named["CustomDomainConfig"]["SecurityPolicy"] = json!("TLS_V1_2_2021");
        assert_eq!(
            create(&server, named).await.ok(),
            json!({"ManagedLoginVersion": 2, "CloudFrontDomain": "127.0.0.1"})
        );
        let prefix = json!({
            "UserPoolId": pool,
            "AWSAccountId": "000000000000",
            "Domain": "my-app",
            "CloudFrontDistribution": "127.0.0.1",
            "Version": "20260102030405",
            "Status": "ACTIVE",
            "ManagedLoginVersion": 1
        });
        assert_eq!(describe(&server, "my-app").await, prefix);
        let mut whole = prefix.clone();
        whole["Domain"] = json!("auth.example.com");
        whole["ManagedLoginVersion"] = json!(2);
        whole["CustomDomainConfig"] = json!({"CertificateArn": CERTIFICATE, "SecurityPolicy": "TLS_V1_2_2021"});
        assert_eq!(describe(&server, "auth.example.com").await, whole);
        let described = server.call("DescribeUserPool", json!({"UserPoolId": pool})).await.ok()["UserPool"].clone();
        assert_eq!((&described["Domain"], &described["CustomDomain"]), (&json!("my-app"), &json!("auth.example.com")));

        // What an update leaves out stays.
        server.advance(1);
        let mut update = request(&pool, "my-app");
        update["ManagedLoginVersion"] = json!(2);
        assert_eq!(server.call("UpdateUserPoolDomain", update).await.ok(), json!({"ManagedLoginVersion": 2}));
        let updated = describe(&server, "my-app").await;
        assert_eq!((&updated["ManagedLoginVersion"], &updated["Version"]), (&json!(2), &json!("20260102030406")));
        let other = CERTIFICATE.replace("0f3c", "aaaa");
        let mut update = custom(&pool, "auth.example.com");
        update["CustomDomainConfig"]["CertificateArn"] = json!(other);
        assert_eq!(
            server.call("UpdateUserPoolDomain", update).await.ok(),
            json!({"ManagedLoginVersion": 2, "CloudFrontDomain": "127.0.0.1"})
        );
        assert_eq!(describe(&server, "auth.example.com").await["CustomDomainConfig"], json!({"CertificateArn": other}));

        for domain in ["my-app", "auth.example.com"] {
            assert_eq!(server.call("DeleteUserPoolDomain", request(&pool, domain)).await.ok(), json!({}));
            assert_eq!(describe(&server, domain).await, json!({}));
        }
        let described = server.call("DescribeUserPool", json!({"UserPoolId": pool})).await.ok()["UserPool"].clone();
        assert_eq!((described.get("Domain"), described.get("CustomDomain")), (None, None));
        create(&server, request(&pool, "my-app")).await.ok();
    })
    .await;
}

#[tokio::test]
async fn names_have_rules() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let form = "InvalidParameterException: The domain name contains an invalid character. Domain names can only contain lower-case letters, numbers, and hyphens. Please enter a different name that follows this format: ^[a-z0-9](?:[a-z0-9\\-]{0,61}[a-z0-9])?$";
    for name in ["auth.example.com", "Upper", "-a", "a-", "a b", "ü", "a_b", "a\n"] {
        assert_eq!(create(&server, request(&pool, name)).await.error(), form, "{name}");
        assert_eq!(describe(&server, name).await, json!({}), "{name}");
    }
    for (name, word) in [("my-cognito", "cognito"), ("awsome", "aws"), ("amazon", "amazon")] {
        assert_eq!(
            create(&server, request(&pool, name)).await.error(),
            format!("InvalidParameterException: Domain cannot contain reserved word: {word}")
        );
    }
    for name in ["prefix", "example.com", "Auth.example.com", "auth..com"] {
        assert_eq!(
            create(&server, custom(&pool, name)).await.error(),
            "InvalidParameterException: Custom domain is not a valid subdomain: give a lower-case name below a registered domain, such as auth.example.com."
        );
    }
    let no_certificate = "InvalidParameterException: The specified SSL certificate doesn't exist, isn't in us-east-1 region, isn't valid, or doesn't include a valid certificate chain.";
    let mut elsewhere = custom(&pool, "auth.example.com");
    elsewhere["CustomDomainConfig"]["CertificateArn"] = json!(CERTIFICATE.replace("us-east-1", "eu-west-1"));
    assert_eq!(create(&server, elsewhere.clone()).await.error(), no_certificate);
    create(&server, custom(&pool, "auth.example.com")).await.ok();
    assert_eq!(server.call("UpdateUserPoolDomain", elsewhere).await.error(), no_certificate);
    for name in ["", &"x".repeat(64), "nul\0"] {
        for operation in
            ["CreateUserPoolDomain", "DescribeUserPoolDomain", "UpdateUserPoolDomain", "DeleteUserPoolDomain"]
        {
            let error = server.call(operation, request(&pool, name)).await.error();
            assert!(error.contains("at 'domain' failed to satisfy constraint"), "{operation}: {error}");
        }
    }
}

#[tokio::test]
async fn a_domain_leads_to_one_pool_and_a_pool_has_one_of_each_kind() {
    both_engines(async |server| {
        let (pool, other) = (server.pool(json!({})).await, server.pool(json!({})).await);
        create(&server, request(&pool, "taken")).await.ok();
        create(&server, custom(&pool, "auth.example.com")).await.ok();
        let taken = "InvalidParameterException: Domain already associated with another user pool.";
        assert_eq!(create(&server, request(&other, "taken")).await.error(), taken);
        assert_eq!(create(&server, custom(&other, "auth.example.com")).await.error(), taken);
        let has_one = "InvalidParameterException: User pool already has a domain configured.";
        for request in [
            request(&pool, "taken"),
            request(&pool, "another"),
            custom(&pool, "auth.example.com"),
            custom(&pool, "login.example.com"),
        ] {
            assert_eq!(create(&server, request).await.error(), has_one);
        }
        for operation in ["UpdateUserPoolDomain", "DeleteUserPoolDomain"] {
            for request in [request(&other, "taken"), request(&pool, "nowhere"), request(&pool, "no.where.")] {
                assert_eq!(
                    server.call(operation, request).await.error(),
                    "InvalidParameterException: No such domain or user pool exists.",
                    "{operation}"
                );
            }
        }
        for operation in ["CreateUserPoolDomain", "UpdateUserPoolDomain", "DeleteUserPoolDomain"] {
            assert_eq!(
                server.call(operation, request("us-east-1_nowhere00", "x")).await.error(),
                "ResourceNotFoundException: User pool us-east-1_nowhere00 does not exist.",
                "{operation}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn pages_are_of_two_kinds_and_the_cheapest_tier_has_one() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        let lite = server.pool(json!({"UserPoolTier": "LITE"})).await;
        create(&server, request(&pool, "one")).await.ok();
        create(&server, request(&lite, "two")).await.ok();
        for (version, bound) in [(0, "greater than or equal to 1"), (3, "less than or equal to 2")] {
            let text = format!(
                "InvalidParameterException: 1 validation error detected: Value '{version}' at 'managedLoginVersion' failed to satisfy constraint: Member must have value {bound}"
            );
            let mut update = request(&pool, "one");
            update["ManagedLoginVersion"] = json!(version);
            assert_eq!(server.call("UpdateUserPoolDomain", update).await.error(), text);
            let mut new = custom(&pool, "auth.example.com");
            new["ManagedLoginVersion"] = json!(version);
            assert_eq!(create(&server, new).await.error(), text);
        }
        let tier = "FeatureUnavailableInTierException: The following features need to be disabled for the LITE pricing tier configured: Managed Login";
        let mut update = request(&lite, "two");
        update["ManagedLoginVersion"] = json!(2);
        assert_eq!(server.call("UpdateUserPoolDomain", update).await.error(), tier);
        let mut new = custom(&lite, "auth.example.com");
        new["ManagedLoginVersion"] = json!(2);
        assert_eq!(create(&server, new).await.error(), tier);

        let mut update = request(&pool, "one");
        update["CustomDomainConfig"] = json!({"CertificateArn": CERTIFICATE});
        assert_eq!(
            server.call("UpdateUserPoolDomain", update).await.error(),
            "InvalidParameterException: CustomDomainConfig cannot be given for a prefix domain."
        );
        let failover = json!({"Failover": {"SecondaryRegion": "eu-west-1", "PrimaryRoute53HealthCheckId": "x"}});
        let mut new = custom(&pool, "auth.example.com");
        new["Routing"] = failover;
        let refused = "InvalidParameterException: Routing.Failover is not supported by this Poolkeeper version yet. See docs/compatibility.md.";
        assert_eq!(create(&server, new.clone()).await.error(), refused);
        create(&server, custom(&pool, "auth.example.com")).await.ok();
        assert_eq!(server.call("UpdateUserPoolDomain", new).await.error(), refused);
    })
    .await;
}

#[tokio::test]
async fn a_pool_with_a_domain_is_not_deleted() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        create(&server, custom(&pool, "auth.example.com")).await.ok();
        assert_eq!(
            server.call("DeleteUserPool", json!({"UserPoolId": pool})).await.error(),
            "InvalidParameterException: User pool cannot be deleted. It has a domain configured that should be deleted first."
        );
        server.call("DeleteUserPoolDomain", request(&pool, "auth.example.com")).await.ok();
        server.call("DeleteUserPool", json!({"UserPoolId": pool})).await.ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_want_a_domain_one_gets_it() {
    both_engines(async |server| {
        let server = Arc::new(server);
        let mut pools = Vec::new();
        for _ in 0..4 {
            pools.push(server.pool(json!({})).await);
        }
        let mut racing = tokio::task::JoinSet::new();
        for pool in pools.clone() {
            let server = server.clone();
            racing.spawn(async move { create(&server, request(&pool, "wanted")).await.status });
        }
        let won = racing.join_all().await.into_iter().filter(|status| *status == 200).count();
        assert_eq!(won, 1);

        // One pool never gets two prefixes, and never a domain while it is deleted.
        let owner = describe(&server, "wanted").await["UserPoolId"].as_str().unwrap().to_owned();
        let pool = pools.into_iter().find(|pool| *pool != owner).unwrap();
        let mut racing = tokio::task::JoinSet::new();
        for number in 0..6 {
            let (server, pool) = (server.clone(), pool.clone());
            racing.spawn(async move {
                match number {
                    3 => (3, server.call("DeleteUserPool", json!({"UserPoolId": pool})).await.status),
                    _ => (number, create(&server, request(&pool, &format!("p{number}"))).await.status),
                }
            });
        }
        let done: Vec<i32> = racing
            .join_all()
            .await
            .into_iter()
            .filter(|(_, status)| *status == 200)
            .map(|(number, _)| number)
            .collect();
        assert_eq!(done.len(), 1, "{done:?}");
    })
    .await;
}
