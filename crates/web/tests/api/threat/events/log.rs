//! The log `userAuthEvents` (triggers-security.md §18).

use testkit::Collector;

use super::*;

const GROUP: &str = "arn:aws:logs:us-east-1:123456789012:log-group:pool";
const STREAM: &str = "arn:aws:firehose:us-east-1:123456789012:deliverystream/pool";
const BUCKET: &str = "arn:aws:s3:::pool-logs";

/// A server that keeps what goes to ARNs that begin so, and a pool of it that logs activity there.
async fn logging(arn: &'static str, destination: Value) -> (Server, Collector, String) {
    let collector = Collector::default();
    let mut server = Server::builder().records(collector.everything(arn)).start().await;
    server.deliver_records();
    let pool = pool(&server, "AUDIT", &json!({"AutoVerifiedAttributes": ["email"]})).await;
    let mut entry = json!({"EventSource": "userAuthEvents", "LogLevel": "INFO"});
    entry.as_object_mut().unwrap().extend(destination.as_object().unwrap().clone());
    let request = json!({"UserPoolId": pool, "LogConfigurations": [entry]});
    server.call("SetLogDeliveryConfiguration", request).await.ok();
    (server, collector, pool)
}

async fn collected(server: &mut Server, collector: &Collector) -> Vec<Value> {
    server.stop_jobs().await;
    collector.records()
}

#[tokio::test]
async fn activity_is_logged_wherever_the_pool_wants_it() {
    for (arn, destination) in [
        (GROUP, json!({"CloudWatchLogsConfiguration": {"LogGroupArn": GROUP}})),
        (STREAM, json!({"FirehoseConfiguration": {"StreamArn": STREAM}})),
        (BUCKET, json!({"S3Configuration": {"BucketArn": BUCKET}})),
    ] {
        let (mut server, collector, pool) = logging(arn, destination).await;
        let client = server.client_id(&pool, json!({})).await;
        server.call("SignUp", signing_up(&client, "bob")).await.ok();
        let records = collected(&mut server, &collector).await;
        let [event] = listed(&server, &pool, "bob").await.try_into().unwrap();
        let sub = server.app.store.user_by_name(&pool, "bob").await.unwrap().unwrap().value.sub;
        let [record] = records.as_slice() else { panic!("{records:?}") };
        let request_id = record["message"]["requestId"].as_str().unwrap();
        assert_eq!(request_id.len(), 36);
        assert_eq!(
            record,
            &json!({
                "eventTimestamp": "1767323045000",
                "eventSource": "USER_ACTIVITY",
                "logLevel": "INFO",
                "message": {
                    "version": "1",
                    "eventId": event["EventId"],
                    "eventType": "SignUp",
                    "userSub": sub,
                    "userName": "bob",
                    "userPoolId": pool,
                    "clientId": client,
                    "creationDate": "Fri Jan 02 03:04:05 UTC 2026",
                    "eventResponse": "Pass",
                    "riskLevel": "",
                    "riskDecision": "PASS",
                    "challenges": [],
                    "deviceName": "Other, Other",
                    "ipAddress": "127.0.0.1",
                    "requestId": request_id,
                    "idpName": "",
                    "compromisedCredentialDetected": "false",
                    "city": "",
                    "country": "",
                    "eventFeedbackValue": "",
                    "eventFeedbackDate": "",
                    "eventFeedbackProvider": "",
                    "hasContextData": "false",
                },
                "logSourceId": {"userPoolId": pool},
            })
        );
    }
}

#[tokio::test]
async fn what_is_said_about_an_event_is_logged_with_all_that_is_known_of_it() {
    let (mut server, collector, pool) = logging(STREAM, json!({"FirehoseConfiguration": {"StreamArn": STREAM}})).await;
    let alice = server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
    let event = remembered(&server, &pool, &alice, |event| {
        event.response = EventResponseType::Fail;
        event.risk =
            EventRisk { decision: RiskDecisionType::Block, level: Some(RiskLevelType::Medium), is_compromised: true };
        let (name, response) = (ChallengeName::Password, ChallengeResponse::Success);
        event.challenges = vec![AnsweredChallenge { name, response }];
    })
    .await;
    server.advance(60);
    let feedback = json!({"UserPoolId": pool, "Username": "alice", "EventId": event.id, "FeedbackValue": "Invalid"});
    server.call("AdminUpdateAuthEventFeedback", feedback).await.ok();
    let [record] = collected(&mut server, &collector).await.try_into().unwrap();
    assert_eq!((&record["eventTimestamp"], &record["message"]["userSub"]), (&json!("1767323105000"), &json!(alice)));
    let mut message = record["message"].clone();
    for name in ["requestId", "eventId", "userSub", "userPoolId"] {
        message[name] = json!("[…]");
    }
    assert_json_snapshot!(message, @r#"
    {
      "version": "1",
      "eventId": "[…]",
      "eventType": "SignIn",
      "userSub": "[…]",
      "userName": "alice",
      "userPoolId": "[…]",
      "clientId": "",
      "creationDate": "Fri Jan 02 03:04:05 UTC 2026",
      "eventResponse": "Fail",
      "riskLevel": "Medium",
      "riskDecision": "BLOCK",
      "challenges": [
        {
          "challengeName": "Password",
          "challengeResponse": "Success"
        }
      ],
      "deviceName": "Chrome 126, Windows 10",
      "ipAddress": "192.0.2.1",
      "requestId": "[…]",
      "idpName": "",
      "compromisedCredentialDetected": "true",
      "city": "Seattle",
      "country": "United States",
      "eventFeedbackValue": "Invalid",
      "eventFeedbackDate": "Fri Jan 02 03:05:05 UTC 2026",
      "eventFeedbackProvider": "Admin",
      "hasContextData": "true"
    }
    "#);
}

/// What a name stands for that nobody has is logged under the name that was typed.
#[tokio::test]
async fn names_that_nobody_has_are_logged_too() {
    let (mut server, collector, pool) =
        logging(GROUP, json!({"CloudWatchLogsConfiguration": {"LogGroupArn": GROUP}})).await;
    let client = server.client_id(&pool, json!({"PreventUserExistenceErrors": "ENABLED"})).await;
    forgot(&server, &client, "Nobody").await.ok();
    let [record] = collected(&mut server, &collector).await.try_into().unwrap();
    let message = &record["message"];
    assert_eq!(
        (&message["eventType"], &message["eventResponse"], &message["userName"]),
        (&json!("ForgotPassword"), &json!("Fail"), &json!("Nobody"))
    );
}

/// A sign-in takes names of any length; what waits for a log stays small.
#[tokio::test]
async fn of_a_name_no_more_is_logged_than_a_name_can_have() {
    let (mut server, collector, pool) =
        logging(GROUP, json!({"CloudWatchLogsConfiguration": {"LogGroupArn": GROUP}})).await;
    let client = server.client_id(&pool, json!({"PreventUserExistenceErrors": "ENABLED"})).await;
    for length in [128, 100_000] {
        assert_eq!(server.sign_in(&client, &"é".repeat(length), PASSWORD).await.status, 400);
    }
    let names: Vec<_> =
        collected(&mut server, &collector).await.iter().map(|record| record["message"]["userName"].clone()).collect();
    assert_eq!(names, [json!("é".repeat(128)), json!("é".repeat(128))]);
}

/// A code, a password and a token stand in no log.
#[tokio::test]
async fn nothing_secret_is_logged() {
    let (mut server, collector, pool) =
        logging(GROUP, json!({"CloudWatchLogsConfiguration": {"LogGroupArn": GROUP}})).await;
    let client = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
    forgot(&server, &client, "alice").await.ok();
    let code = server.last_code(&pool, "alice").await;
    assert_eq!(confirm_forgot(&server, &client, "alice", "wr0ng-code", NEW).await.status, 400);
    confirm_forgot(&server, &client, "alice", &code, NEW).await.ok();
    let records = collected(&mut server, &collector).await;
    assert_eq!(records.len(), 3);
    let text = json!(records).to_string();
    for secret in [code.as_str(), "wr0ng-code", NEW, "alice@example.com"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}
