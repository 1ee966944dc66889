//! The risk configuration of pools and clients (triggers-security.md §15.1), and what switches threat protection on and
//! off (§14).

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines};

use super::{members, pool};
use crate::pools::{create, describe, update, with};

const OFF: &str = "UserPoolAddOnNotEnabledException: Threat protection is not enabled for this user pool. Enable it with AdvancedSecurityMode in UserPoolAddOns.";

/// Sets the risk configuration of a pool, or of the client that is among the members.
async fn set(server: &Server, pool: &str, members: &Value) -> Answer {
    server.call("SetRiskConfiguration", with(json!({"UserPoolId": pool}), members)).await
}

async fn get(server: &Server, pool: &str, client: Option<&str>) -> Answer {
    let mut request = json!({"UserPoolId": pool});
    if let Some(client) = client {
        request["ClientId"] = json!(client);
    }
    server.call("DescribeRiskConfiguration", request).await
}

/// The answer of both operations.
fn shown(pool: &str, members: &Value) -> Value {
    json!({"RiskConfiguration": with(json!({"UserPoolId": pool}), members)})
}

/// What lets a pool demand second factors.
fn second_factors() -> Value {
    json!({
        "MfaConfiguration": "OPTIONAL",
        "AutoVerifiedAttributes": ["phone_number"],
        "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"},
    })
}

fn mail(subject: &str) -> Value {
    json!({"Subject": subject, "HtmlBody": "<p>{login-time}</p>", "TextBody": "{login-time}"})
}

fn compromised(occasions: &Value, action: &str) -> Value {
    json!({"CompromisedCredentialsRiskConfiguration": {"EventFilter": occasions, "Actions": {"EventAction": action}}})
}

fn takeover(actions: &Value) -> Value {
    json!({"AccountTakeoverRiskConfiguration": {"Actions": actions}})
}

/// A takeover configuration without actions, with a notice that has these members.
fn notice(members: &Value) -> Value {
    let usual = json!({"SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com"});
    json!({"AccountTakeoverRiskConfiguration": {"Actions": {}, "NotifyConfiguration": with(usual, members)}})
}

fn exceptions(blocked: &Value, skipped: &Value) -> Value {
    json!({"RiskExceptionConfiguration": {"BlockedIPRangeList": blocked, "SkippedIPRangeList": skipped}})
}

/// Every member there is.
fn everything() -> Value {
    let takeover = json!({"AccountTakeoverRiskConfiguration": {
        "NotifyConfiguration": {
            "From": "Example <security@example.com>",
            "ReplyTo": "help@example.com",
            "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com",
            "BlockEmail": mail("Blocked"),
            "NoActionEmail": mail("New"),
            "MfaEmail": mail("Asked"),
        },
        "Actions": {
            "LowAction": {"Notify": true, "EventAction": "NO_ACTION"},
            "MediumAction": {"Notify": true, "EventAction": "MFA_IF_CONFIGURED"},
            "HighAction": {"Notify": false, "EventAction": "MFA_REQUIRED"},
        },
    }});
    let exceptions = exceptions(&json!(["192.0.2.0/24", "2001:db8::/32"]), &json!(["10.0.0.0/8"]));
    with(with(compromised(&json!(["SIGN_IN", "SIGN_UP"]), "NO_ACTION"), &takeover), &exceptions)
}

#[tokio::test]
async fn what_is_set_is_shown_whole_and_replaced_whole() {
    both_engines(async |server| {
        let pool = pool(&server, "ENFORCED", &second_factors()).await;
        // What counts while nothing is set is not shown.
        assert_eq!(get(&server, &pool, None).await.ok(), shown(&pool, &json!({})));

        let now = json!({"LastModifiedDate": 1767323045.0});
        let all = shown(&pool, &with(everything(), &now));
        assert_eq!(set(&server, &pool, &everything()).await.ok(), all);
        assert_eq!(get(&server, &pool, None).await.ok(), all);
        assert_eq!(describe(&server, &pool).await["LastModifiedDate"], now["LastModifiedDate"]);

        server.advance(7);
        let later = json!({"LastModifiedDate": 1767323052.0});
        let less = exceptions(&json!(["192.0.2.4/32"]), &json!([]));
        assert_eq!(set(&server, &pool, &less).await.ok(), shown(&pool, &with(less.clone(), &later)));
        assert_eq!(get(&server, &pool, None).await.ok(), shown(&pool, &with(less, &later)));
        assert_eq!(describe(&server, &pool).await["LastModifiedDate"], later["LastModifiedDate"]);

        assert_eq!(set(&server, &pool, &json!({})).await.ok(), shown(&pool, &json!({})));
        assert_eq!(get(&server, &pool, None).await.ok(), shown(&pool, &json!({})));
    })
    .await;
}

#[tokio::test]
async fn occasions_are_shown_once_and_all_where_none_is_named() {
    let server = Server::memory().await;
    let pool = pool(&server, "AUDIT", &json!({})).await;
    let all = json!(["SIGN_IN", "PASSWORD_CHANGE", "SIGN_UP"]);
    for (given, expected) in [
        (Value::Null, &all),
        (json!([]), &all),
        (json!(["SIGN_UP", "SIGN_IN", "SIGN_UP", "PASSWORD_CHANGE"]), &all),
        (json!(["SIGN_UP", "SIGN_UP"]), &json!(["SIGN_UP"])),
    ] {
        let mut request = compromised(&given, "BLOCK");
        if given.is_null() {
            request["CompromisedCredentialsRiskConfiguration"].as_object_mut().unwrap().remove("EventFilter");
        }
        let expected = with(compromised(expected, "BLOCK"), &json!({"LastModifiedDate": 1767323045.0}));
        assert_eq!(set(&server, &pool, &request).await.ok(), shown(&pool, &expected), "{given}");
    }
}

#[tokio::test]
async fn clients_have_settings_of_their_own_until_they_are_dropped() {
    both_engines(async |server| {
        let pool = pool(&server, "ENFORCED", &second_factors()).await;
        let (client, other) = (server.client_id(&pool, json!({})).await, server.client_id(&pool, json!({})).await);
        let now = json!({"LastModifiedDate": 1767323045.0});
        let of_pool = set(&server, &pool, &compromised(&json!(["SIGN_UP"]), "BLOCK")).await.ok();
        server.advance(7);
        let named = json!({"ClientId": client});
        let nothing = shown(&pool, &named);
        // What it takes from the pool is not shown.
        assert_eq!(get(&server, &pool, Some(&client)).await.ok(), nothing);

        let later = json!({"LastModifiedDate": 1767323052.0});
        let all = shown(&pool, &with(with(everything(), &later), &named));
        assert_eq!(set(&server, &pool, &with(everything(), &named)).await.ok(), all);
        assert_eq!(get(&server, &pool, Some(&client)).await.ok(), all);
        let request = json!({"UserPoolId": pool, "ClientId": client});
        let described = server.call("DescribeUserPoolClient", request).await.ok();
        assert_eq!(described["UserPoolClient"]["LastModifiedDate"], later["LastModifiedDate"]);
        // Neither the pool nor another client has them.
        assert_eq!(get(&server, &pool, None).await.ok(), of_pool);
        assert_eq!(of_pool["RiskConfiguration"]["LastModifiedDate"], now["LastModifiedDate"]);
        assert_eq!(get(&server, &pool, Some(&other)).await.ok(), shown(&pool, &json!({"ClientId": other})));

        assert_eq!(set(&server, &pool, &named).await.ok(), nothing);
        assert_eq!(get(&server, &pool, Some(&client)).await.ok(), nothing);
        assert_eq!(get(&server, &pool, None).await.ok(), of_pool);
    })
    .await;
}

#[tokio::test]
async fn pools_and_clients_must_be_there() {
    both_engines(async |server| {
        let (here, there) = (pool(&server, "AUDIT", &json!({})).await, pool(&server, "AUDIT", &json!({})).await);
        let client = server.client_id(&there, json!({})).await;
        let blocked = exceptions(&json!(["192.0.2.0/24"]), &json!([]));
        let missing = "ResourceNotFoundException: User pool us-east-1_nosuchone does not exist.";
        assert_eq!(set(&server, "us-east-1_nosuchone", &blocked).await.error(), missing);
        assert_eq!(get(&server, "us-east-1_nosuchone", None).await.error(), missing);
        for id in [client.as_str(), "nosuchclient"] {
            let missing = format!("ResourceNotFoundException: User pool client {id} does not exist.");
            let request = with(blocked.clone(), &json!({"ClientId": id}));
            assert_eq!(set(&server, &here, &request).await.error(), missing);
            assert_eq!(get(&server, &here, Some(id)).await.error(), missing);
        }
        assert_eq!(get(&server, &there, Some(&client)).await.ok(), shown(&there, &json!({"ClientId": client})));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let ranges = |ranges: Value| exceptions(&ranges, &json!([]));
    let is_no_range = |at: usize| {
        format!(
            "Entry {at} of BlockedIPRangeList is not a range of addresses in CIDR notation, such as 192.0.2.0/24 or 2001:db8::/32."
        )
    };
    let action = |name: &str, notify: bool| json!({"Notify": notify, "EventAction": name});
    let needs_mfa = |name: &str| format!("{name} needs MfaConfiguration OPTIONAL or ON in the user pool.");
    both_engines(async |server| {
        let pool = pool(&server, "ENFORCED", &json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        let before = set(&server, &pool, &ranges(json!(["192.0.2.0/24"]))).await.ok();
        for (members, message) in [
            (ranges(json!(["10.0.0.0/8", "192.0.2.4"])), is_no_range(2)),
            (ranges(json!([""])), is_no_range(1)),
            (ranges(json!(["10.0.0.0/33"])), is_no_range(1)),
            (ranges(json!(["10.0.0.0/+8"])), is_no_range(1)),
            (ranges(json!([" 10.0.0.0/8"])), is_no_range(1)),
            (ranges(json!(["2001:db8::/129"])), is_no_range(1)),
            (ranges(json!(["example.com/8"])), is_no_range(1)),
            (ranges(json!(["9".repeat(100_000)])), is_no_range(1)),
            (exceptions(&json!([]), &json!(["x"])), is_no_range(1).replace("Blocked", "Skipped")),
            (
                notice(&json!({"SourceArn": "arn:aws:sns:us-east-1:123456789012:topic"})),
                "SourceArn of NotifyConfiguration must be the ARN of an SES identity.".to_owned(),
            ),
            (
                notice(&json!({"SourceArn": "arn:aws:ses:eu-north-1:123456789012:identity/example.com"})),
                "Provided SourceArn must be in one of the following SES regions: eu-west-1, us-east-1, us-west-2."
                    .to_owned(),
            ),
            (notice(&json!({"From": "security@example.org"})), "Provided From email address is invalid".to_owned()),
            (
                notice(&json!({"From": "A\r\nBcc: x@example.com <security@example.com>"})),
                "Provided From email address is invalid".to_owned(),
            ),
            (notice(&json!({"ReplyTo": "nobody"})), "Provided ReplyTo email address is invalid".to_owned()),
            (
                notice(&json!({"BlockEmail": {"Subject": "x"}})),
                "BlockEmail needs an HtmlBody or a TextBody.".to_owned(),
            ),
            (
                notice(&json!({"BlockEmail": mail("x"), "NoActionEmail": {"Subject": "x"}})),
                "NoActionEmail needs an HtmlBody or a TextBody.".to_owned(),
            ),
            (notice(&json!({"MfaEmail": {"Subject": "x"}})), "MfaEmail needs an HtmlBody or a TextBody.".to_owned()),
            (
                takeover(&json!({"LowAction": action("BLOCK", false), "HighAction": action("BLOCK", true)})),
                "An action with Notify needs a NotifyConfiguration.".to_owned(),
            ),
            (takeover(&json!({"MediumAction": action("MFA_REQUIRED", false)})), needs_mfa("MFA_REQUIRED")),
            (takeover(&json!({"HighAction": action("MFA_IF_CONFIGURED", false)})), needs_mfa("MFA_IF_CONFIGURED")),
        ] {
            let error = format!("InvalidParameterException: {message}");
            assert_eq!(set(&server, &pool, &members).await.error(), error, "{members}");
            let of_client = with(members.clone(), &json!({"ClientId": client}));
            assert_eq!(set(&server, &pool, &of_client).await.error(), error, "{members}");
        }
        // What the model itself forbids.
        for members in [
            ranges(json!(vec!["10.0.0.0/8"; 201])),
            notice(&json!({"SourceArn": "nothing"})),
            notice(&json!({"BlockEmail": mail("")})),
            notice(&json!({"BlockEmail": mail(&"x".repeat(141))})),
            notice(&json!({"BlockEmail": {"Subject": "x", "TextBody": "short"}})),
            notice(&json!({"BlockEmail": {"Subject": "x", "HtmlBody": "x".repeat(20_001)}})),
            notice(&json!({"BlockEmail": {"TextBody": "long enough"}})),
            takeover(&json!({"LowAction": {"EventAction": "BLOCK"}})),
            takeover(&json!({"LowAction": action("ELSE", false)})),
            compromised(&json!(["SIGN_OUT"]), "BLOCK"),
            compromised(&json!([]), "MFA_REQUIRED"),
            json!({"AccountTakeoverRiskConfiguration": {}}),
        ] {
            let error = set(&server, &pool, &members).await.error();
            assert!(error.starts_with("InvalidParameterException: "), "{members}: {error}");
            assert!(error.contains("validation error"), "{members}: {error}");
        }
        assert_eq!(get(&server, &pool, None).await.ok(), before);
        assert_eq!(get(&server, &pool, Some(&client)).await.ok(), shown(&pool, &json!({"ClientId": client})));
    })
    .await;
}

#[tokio::test]
async fn what_can_be_is_taken() {
    let server = Server::memory().await;
    let pool = pool(&server, "ENFORCED", &second_factors()).await;
    let action = |name: &str| json!({"Notify": false, "EventAction": name});
    let identity = "arn:aws:ses:us-east-1:123456789012:identity/security@example.com";
    for members in [
        // Only the service's console wants higher levels to be treated more strictly.
        takeover(&json!({"LowAction": action("BLOCK"), "HighAction": action("NO_ACTION")})),
        takeover(&json!({"LowAction": action("MFA_REQUIRED"), "MediumAction": action("MFA_IF_CONFIGURED")})),
        takeover(&json!({})),
        notice(&json!({"SourceArn": identity, "From": "security@example.com"})),
        notice(&json!({"BlockEmail": {"Subject": "x", "TextBody": "long enough"}})),
        notice(&json!({"MfaEmail": {"Subject": "x", "HtmlBody": "long enough"}})),
        exceptions(&json!(vec!["10.0.0.0/8"; 200]), &json!(vec!["0.0.0.0/0"; 200])),
        exceptions(&json!(["10.1.2.3/8", "::ffff:10.0.0.0/104", "::/0"]), &json!([])),
        json!({"RiskExceptionConfiguration": {}}),
    ] {
        let expected = with(members.clone(), &json!({"LastModifiedDate": 1767323045.0}));
        assert_eq!(set(&server, &pool, &members).await.ok(), shown(&pool, &expected));
        assert_eq!(get(&server, &pool, None).await.ok(), shown(&pool, &expected));
    }
}

#[tokio::test]
async fn it_is_there_only_while_threat_protection_is_on() {
    both_engines(async |server| {
        let pool = pool(&server, "ENFORCED", &second_factors()).await;
        let client = server.client_id(&pool, json!({})).await;
        let named = json!({"ClientId": client});
        let of_pool = set(&server, &pool, &everything()).await.ok();
        let of_client = set(&server, &pool, &with(compromised(&json!([]), "BLOCK"), &named)).await.ok();

        // Other settings of pool and client have nothing to do with it.
        server.advance(7);
        update(&server, &pool, &with(members("AUDIT"), &json!({"PoolName": "renamed"}))).await.ok();
        let request = json!({"UserPoolId": pool, "ClientId": client, "ClientName": "renamed"});
        server.call("UpdateUserPoolClient", request).await.ok();
        let request = json!({"UserPoolId": pool, "MfaConfiguration": "OFF"});
        server.call("SetUserPoolMfaConfig", request).await.ok();
        assert_eq!(get(&server, &pool, None).await.ok(), of_pool);
        assert_eq!(get(&server, &pool, Some(&client)).await.ok(), of_client);

        // Left out of an update, the mode goes back to OFF. What was set waits until it is on again.
        for off in [json!({}), json!({"UserPoolTier": "PLUS", "UserPoolAddOns": {"AdvancedSecurityMode": "OFF"}})] {
            update(&server, &pool, &off).await.ok();
            for members in [json!({}), named.clone(), exceptions(&json!(["192.0.2.0/24"]), &json!([]))] {
                assert_eq!(set(&server, &pool, &members).await.error(), OFF);
            }
            assert_eq!(get(&server, &pool, None).await.error(), OFF);
            assert_eq!(get(&server, &pool, Some(&client)).await.error(), OFF);
        }
        update(&server, &pool, &members("ENFORCED")).await.ok();
        assert_eq!(get(&server, &pool, None).await.ok(), of_pool);
        assert_eq!(get(&server, &pool, Some(&client)).await.ok(), of_client);
    })
    .await;
    let server = Server::memory().await;
    assert_eq!(set(&server, &server.pool(json!({})).await, &json!({})).await.error(), OFF);
}

#[tokio::test]
async fn a_mode_that_changes_meanwhile_counts() {
    both_engines(async |server| {
        let twin = server.twin().await;
        let pool = pool(&server, "ENFORCED", &json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        for members in [json!({"ClientId": client}), json!({})] {
            update(&server, &pool, &super::members("ENFORCED")).await.ok();
            let blocked = with(exceptions(&json!(["192.0.2.0/24"]), &json!([])), &members);
            let none = json!({});
            let (answer, _) = server.overtaken(0, set(&server, &pool, &blocked), update(&twin, &pool, &none)).await;
            assert_eq!(answer.error(), OFF);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_at_the_same_time_end_in_one_of_them() {
    both_engines(async |server| {
        let server = Arc::new(server);
        let pool = pool(&server, "ENFORCED", &json!({})).await;
        let client = server.client_id(&pool, json!({})).await;
        for named in [json!({}), json!({"ClientId": client})] {
            let mut changing = tokio::task::JoinSet::new();
            for number in 0..6 {
                let (server, pool, named) = (server.clone(), pool.clone(), named.clone());
                changing.spawn(async move {
                    let range = json!([format!("192.0.2.{number}/32")]);
                    set(&server, &pool, &with(exceptions(&range, &range), &named)).await.ok()
                });
            }
            let answers = changing.join_all().await;
            let client = named["ClientId"].as_str();
            assert!(answers.contains(&get(&server, &pool, client).await.ok()));
        }
    })
    .await;
}

#[tokio::test]
async fn every_mode_comes_back() {
    both_engines(async |server| {
        let pool = server.pool(json!({})).await;
        for add_ons in [
            json!({"AdvancedSecurityMode": "OFF"}),
            json!({"AdvancedSecurityMode": "AUDIT"}),
            json!({"AdvancedSecurityMode": "ENFORCED"}),
            json!({"AdvancedSecurityMode": "ENFORCED", "AdvancedSecurityAdditionalFlows": {"CustomAuthMode": "AUDIT"}}),
            json!({"AdvancedSecurityMode": "AUDIT", "AdvancedSecurityAdditionalFlows": {"CustomAuthMode": "ENFORCED"}}),
            json!({"AdvancedSecurityMode": "AUDIT", "AdvancedSecurityAdditionalFlows": {}}),
        ] {
            let settings = json!({"UserPoolTier": "PLUS", "UserPoolAddOns": add_ons});
            let made = create(&server, &settings).await.ok()["UserPool"].clone();
            assert_eq!(made["UserPoolAddOns"], add_ons);
            update(&server, &pool, &settings).await.ok();
            assert_eq!(describe(&server, &pool).await["UserPoolAddOns"], add_ons);
            update(&server, &pool, &json!({})).await.ok();
            assert_eq!(describe(&server, &pool).await.get("UserPoolAddOns"), None);
        }
    })
    .await;
}

/// Nobody shall believe that sign-ins by the pool's own challenges are looked at while nothing is.
#[tokio::test]
async fn a_mode_for_own_challenges_needs_one_for_the_pool() {
    let server = Server::memory().await;
    let pool = pool(&server, "AUDIT", &json!({})).await;
    let before = describe(&server, &pool).await;
    for mode in ["AUDIT", "ENFORCED"] {
        let add_ons =
            json!({"AdvancedSecurityMode": "OFF", "AdvancedSecurityAdditionalFlows": {"CustomAuthMode": mode}});
        let settings = json!({"UserPoolTier": "PLUS", "UserPoolAddOns": add_ons});
        let error =
            "InvalidParameterException: AdvancedSecurityAdditionalFlows needs AdvancedSecurityMode AUDIT or ENFORCED.";
        assert_eq!(create(&server, &settings).await.error(), error);
        assert_eq!(update(&server, &pool, &settings).await.error(), error);
    }
    assert_eq!(describe(&server, &pool).await, before);
}

#[tokio::test]
async fn it_belongs_to_the_highest_plan() {
    both_engines(async |server| {
        let pool = pool(&server, "ENFORCED", &json!({})).await;
        for tier in ["LITE", "ESSENTIALS"] {
            let error = format!(
                "FeatureUnavailableInTierException: The following features need to be disabled for the {tier} pricing tier configured: Threat Protection"
            );
            for mode in ["AUDIT", "ENFORCED"] {
                let settings = with(members(mode), &json!({"UserPoolTier": tier}));
                assert_eq!(create(&server, &settings).await.error(), error);
                assert_eq!(update(&server, &pool, &settings).await.error(), error);
            }
        }
        assert_eq!(describe(&server, &pool).await["UserPoolAddOns"], json!({"AdvancedSecurityMode": "ENFORCED"}));

        // A pool that leaves the plan leaves threat protection, as the update that moves it does not switch it on.
        let blocked = exceptions(&json!(["192.0.2.0/24"]), &json!([]));
        let before = set(&server, &pool, &blocked).await.ok();
        update(&server, &pool, &json!({"UserPoolTier": "LITE"})).await.ok();
        assert_eq!(get(&server, &pool, None).await.error(), OFF);
        update(&server, &pool, &members("ENFORCED")).await.ok();
        assert_eq!(get(&server, &pool, None).await.ok(), before);
    })
    .await;

    let server = Server::builder().settings(|settings| settings.lift_tiers = true).start().await;
    let pool = pool(&server, "ENFORCED", &json!({"UserPoolTier": "LITE"})).await;
    assert_eq!(set(&server, &pool, &json!({})).await.ok(), shown(&pool, &json!({})));
}
