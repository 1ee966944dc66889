//! What is remembered of users' activity, and the log of it (triggers-security.md §15.4, §18).

mod feedback;
mod log;

use std::net::{IpAddr, Ipv4Addr};

use domain::{
    AuthEvent,
    auth_event::{AnsweredChallenge, EventContext, EventRisk},
};
use insta::{allow_duplicates, assert_json_snapshot};
use serde_json::{Value, json};
use service::{Ctx, lookup, threat::history};
use store::Changes;
use testkit::{Answer, Server, both_engines};
use wire::{
    ChallengeName, ChallengeResponse, EventResponseType, EventType, RiskDecisionType, RiskLevelType, Timestamp,
};

use super::pool;

const PASSWORD: &str = "Cedar-7-lantern";
const NEW: &str = "Harbour-4-thimble";
const NO_USER: &str = "UserNotFoundException: User does not exist.";
const NO_POOL: &str = "ResourceNotFoundException: User pool us-east-1_nowhere does not exist.";
const OFF: &str = "UserPoolAddOnNotEnabledException: Threat protection is not enabled for this user pool. Enable it with \
                   AdvancedSecurityMode in UserPoolAddOns.";
const BLOCKED: &str = "NotAuthorizedException: Request not allowed due to security reasons.";

/// A request at the present moment.
fn ctx(server: &Server) -> Ctx {
    Ctx {
        app: server.app.clone(),
        now: server.app.clock.now(),
        request_id: "request".to_owned(),
        client_address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        user_agent: None,
        sdk_agent: None,
        caller: service::Caller::Anyone,
        region: "us-east-1".to_owned(),
        own: service::OwnWishes::default(),
    }
}

/// A pool that remembers, and the confirmed user alice with a mail address; answers the pool and alice's sub.
async fn scene(server: &Server) -> (String, String) {
    let pool = pool(server, "AUDIT", &json!({"AutoVerifiedAttributes": ["email"]})).await;
    let alice = server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
    (pool, alice)
}

async fn list(server: &Server, pool: &str, username: &str) -> Answer {
    server.call("AdminListUserAuthEvents", json!({"UserPoolId": pool, "Username": username})).await
}

/// The user's events but for sign-ins, newest first.
async fn listed(server: &Server, pool: &str, username: &str) -> Vec<Value> {
    let answer = list(server, pool, username).await.ok();
    assert_eq!(answer.get("NextToken"), None);
    let events = answer["AuthEvents"].as_array().unwrap().iter();
    events.filter(|event| event["EventType"] != "SignIn").cloned().collect()
}

/// What became of what, newest first.
async fn outcomes(server: &Server, pool: &str, username: &str) -> Vec<String> {
    let events = listed(server, pool, username).await;
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    events.iter().map(|event| text(event, "EventType") + " " + &text(event, "EventResponse")).collect()
}

/// A sign-in that began now, in the store already. `change` may make it another one.
async fn remembered(server: &Server, pool: &str, sub: &str, change: impl FnOnce(&mut AuthEvent)) -> AuthEvent {
    let pool = server.app.store.pool(pool).await.unwrap().unwrap();
    let context = EventContext {
        address: IpAddr::from([192, 0, 2, 1]),
        device_name: "Chrome 126, Windows 10".to_owned(),
        device_id: Some("device".to_owned()),
        timezone: Some("-07:00".to_owned()),
        city: Some("Seattle".to_owned()),
        country: Some("United States".to_owned()),
        has_encoded_data: true,
    };
    let mut event = history::begin(&ctx(server), &pool, None, sub, EventType::SignIn, context);
    change(&mut event);
    let mut changes = Changes::new();
    changes.insert_user_part(event.clone());
    server.app.store.commit(changes).await.unwrap();
    event
}

/// What is kept of a user beside the user: kind and moment of expiry.
async fn parts(server: &Server, pool: &str, sub: &str) -> Vec<(i64, i64)> {
    let found = server.app.store.user_part_documents(pool, sub, 99).await.unwrap();
    found.into_iter().map(|part| (part.kind, part.expires_at)).collect()
}

async fn forgot(server: &Server, client: &str, username: &str) -> Answer {
    server.call("ForgotPassword", json!({"ClientId": client, "Username": username})).await
}

async fn confirm_forgot(server: &Server, client: &str, username: &str, code: &str, password: &str) -> Answer {
    let request = json!({
        "ClientId": client, "Username": username, "ConfirmationCode": code, "Password": password,
    });
    server.call("ConfirmForgotPassword", request).await
}

fn signing_up(client: &str, username: &str) -> Value {
    let attributes = json!([{"Name": "email", "Value": format!("{username}@example.com")}]);
    json!({"ClientId": client, "Username": username, "Password": PASSWORD, "UserAttributes": attributes})
}

async fn resend(server: &Server, client: &str, username: &str) -> Answer {
    server.call("ResendConfirmationCode", json!({"ClientId": client, "Username": username})).await
}

#[tokio::test]
async fn what_users_do_is_remembered() {
    both_engines(async |server| {
        let (pool, _) = scene(&server).await;
        let client = server.client_id(&pool, json!({})).await;
        server.call("SignUp", signing_up(&client, "bob")).await.ok();
        server.advance(1);
        resend(&server, &client, "bob").await.ok();
        server.advance(1);
        let code = server.last_code(&pool, "bob").await;
        let confirm = json!({"ClientId": client, "Username": "bob", "ConfirmationCode": code});
        server.call("ConfirmSignUp", confirm).await.ok();
        forgot(&server, &client, "bob").await.ok();
        server.advance(1);
        let code = server.last_code(&pool, "bob").await;
        let answer = confirm_forgot(&server, &client, "bob", "no-code", NEW).await.error();
        assert!(answer.starts_with("CodeMismatchException"), "{answer}");
        server.advance(1);
        let answer = confirm_forgot(&server, &client, "bob", &code, "weak").await.error();
        assert!(answer.starts_with("InvalidPasswordException"), "{answer}");
        server.advance(1);
        confirm_forgot(&server, &client, "bob", &code, NEW).await.ok();
        server.advance(1);
        let tokens = server.sign_in(&client, "bob", NEW).await.ok();
        let access = &tokens["AuthenticationResult"]["AccessToken"];
        let change = |previous: &str, proposed: &str| {
            json!({"AccessToken": access, "PreviousPassword": previous, "ProposedPassword": proposed})
        };
        let answer = server.call("ChangePassword", change("wrong", PASSWORD)).await.error();
        assert_eq!(answer, "NotAuthorizedException: Incorrect username or password.");
        server.advance(1);
        let answer = server.call("ChangePassword", change(NEW, "weak")).await.error();
        assert!(answer.starts_with("InvalidPasswordException"), "{answer}");
        server.advance(1);
        server.call("ChangePassword", change(NEW, PASSWORD)).await.ok();
        let expected = [
            "PasswordChange Pass",
            "PasswordChange Fail",
            "PasswordChange Fail",
            "PasswordChange Pass",
            "PasswordChange Fail",
            "PasswordChange Fail",
            "ForgotPassword Pass",
            "ResendCode Pass",
            "SignUp Pass",
        ];
        assert_eq!(outcomes(&server, &pool, "bob").await, expected);
        assert_eq!(listed(&server, &pool, "alice").await, [] as [Value; 0], "what administrators do is no event");
        let events = listed(&server, &pool, "bob").await;
        allow_duplicates! {
            assert_json_snapshot!(events.last(), {".EventId" => "[id]"}, @r#"
            {
              "EventId": "[id]",
              "EventType": "SignUp",
              "CreationDate": 1767323045.0,
              "EventResponse": "Pass",
              "EventRisk": {
                "RiskDecision": "NoRisk",
                "CompromisedCredentialsDetected": false
              },
              "ChallengeResponses": [],
              "EventContextData": {
                "IpAddress": "127.0.0.1",
                "DeviceName": "Other, Other",
                "City": "null",
                "Country": "null"
              }
            }
            "#);
        }
        let counted = |operation: &str| risks(&server, operation, "none");
        assert_eq!((counted("SignUp"), counted("PasswordChange")), (1, 2));
        let ids: Vec<&str> = events.iter().map(|event| event["EventId"].as_str().unwrap()).collect();
        assert!(ids.is_sorted_by(|one, other| one > other), "{ids:?}");
        assert!(ids.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == b'7'), "{ids:?}");

        // Events go with their user, and do not come back with the name.
        server.call("AdminDeleteUser", json!({"UserPoolId": pool, "Username": "bob"})).await.ok();
        assert_eq!(list(&server, &pool, "bob").await.error(), NO_USER);
        server.confirmed_user(&pool, "bob", PASSWORD, json!({})).await;
        assert_eq!(list(&server, &pool, "bob").await.ok(), json!({"AuthEvents": []}));
    })
    .await;
}

#[tokio::test]
async fn an_event_shows_all_that_is_known_of_it() {
    both_engines(async |server| {
        let (pool, alice) = scene(&server).await;
        let answered = |name, response| AnsweredChallenge { name, response };
        remembered(&server, &pool, &alice, |event| {
            event.response = EventResponseType::Fail;
            event.risk =
                EventRisk { decision: RiskDecisionType::Block, level: Some(RiskLevelType::High), is_compromised: true };
            event.challenges = vec![
                answered(ChallengeName::Password, ChallengeResponse::Success),
                answered(ChallengeName::Mfa, ChallengeResponse::Failure),
            ];
        })
        .await;
        server.advance(1);
        remembered(&server, &pool, &alice, |event| {
            event.context.timezone = None;
            event.context.city = None;
            event.context.country = None;
        })
        .await;
        let answer = list(&server, &pool, "alice").await.ok();
        allow_duplicates! {
            assert_json_snapshot!(answer, {".AuthEvents[].EventId" => "[id]"}, @r#"
            {
              "AuthEvents": [
                {
                  "EventId": "[id]",
                  "EventType": "SignIn",
                  "CreationDate": 1767323046.0,
                  "EventResponse": "InProgress",
                  "EventRisk": {
                    "RiskDecision": "NoRisk",
                    "CompromisedCredentialsDetected": false
                  },
                  "ChallengeResponses": [],
                  "EventContextData": {
                    "IpAddress": "192.0.2.1",
                    "DeviceName": "Chrome 126, Windows 10",
                    "City": "null",
                    "Country": "null"
                  }
                },
                {
                  "EventId": "[id]",
                  "EventType": "SignIn",
                  "CreationDate": 1767323045.0,
                  "EventResponse": "Fail",
                  "EventRisk": {
                    "RiskDecision": "Block",
                    "RiskLevel": "High",
                    "CompromisedCredentialsDetected": true
                  },
                  "ChallengeResponses": [
                    {
                      "ChallengeName": "Password",
                      "ChallengeResponse": "Success"
                    },
                    {
                      "ChallengeName": "Mfa",
                      "ChallengeResponse": "Failure"
                    }
                  ],
                  "EventContextData": {
                    "IpAddress": "192.0.2.1",
                    "DeviceName": "Chrome 126, Windows 10",
                    "Timezone": "-07:00",
                    "City": "Seattle",
                    "Country": "United States"
                  }
                }
              ]
            }
            "#);
        }
        // By every name of the user, and nobody else's.
        assert_eq!(list(&server, &pool, &alice).await.ok(), answer);
        server.confirmed_user(&pool, "bob", PASSWORD, json!({})).await;
        assert_eq!(list(&server, &pool, "bob").await.ok(), json!({"AuthEvents": []}));
    })
    .await;
}

#[tokio::test]
async fn long_histories_come_in_pages() {
    both_engines(async |server| {
        let (pool, alice) = scene(&server).await;
        let bob = server.confirmed_user(&pool, "bob", PASSWORD, json!({})).await;
        remembered(&server, &pool, &bob, |_| {}).await;
        remembered(&server, &pool, &bob, |_| {}).await;
        let mut ids = Vec::new();
        for _ in 0..130 {
            server.advance(1);
            ids.push(remembered(&server, &pool, &alice, |_| {}).await.id);
        }
        ids.reverse();
        let page = async |username: &str, most: Option<i64>, token: Option<&Value>| {
            let request = json!({"UserPoolId": pool, "Username": username, "MaxResults": most, "NextToken": token});
            server.call("AdminListUserAuthEvents", request).await
        };
        for (most, lengths) in [(None, vec![60, 60, 10]), (Some(0), vec![60, 60, 10]), (Some(50), vec![50, 50, 30])] {
            let (mut found, mut pages, mut token) = (Vec::new(), Vec::new(), None);
            loop {
                let answer = page("alice", most, token.as_ref()).await.ok();
                let events = answer["AuthEvents"].as_array().unwrap();
                pages.push(events.len());
                found.extend(events.iter().map(|event| event["EventId"].as_str().unwrap().to_owned()));
                token = answer.get("NextToken").cloned();
                if token.is_none() {
                    break;
                }
            }
            assert_eq!(pages, lengths);
            assert_eq!(found, ids);
        }
        let exact = page("bob", Some(2), None).await.ok();
        assert_eq!((exact["AuthEvents"].as_array().unwrap().len(), exact.get("NextToken")), (2, None));

        let bad = "InvalidParameterException: Invalid pagination token";
        let bobs = page("bob", Some(1), None).await.ok()["NextToken"].clone();
        page("bob", None, Some(&bobs)).await.ok();
        assert_eq!(page("alice", None, Some(&bobs)).await.error(), bad);
        assert_eq!(page("bob", None, Some(&json!("made-up"))).await.error(), bad);
        assert_eq!(page("bob", None, Some(&json!("x".repeat(100_000)))).await.error(), bad);
        server.advance(3_600);
        assert_eq!(page("bob", None, Some(&bobs)).await.error(), bad);
        for most in [-1, 61] {
            let answer = page("bob", Some(most), None).await.error();
            assert!(answer.starts_with("InvalidParameterException: 1 validation error"), "{answer}");
        }
    })
    .await;
}

#[tokio::test]
async fn after_two_years_events_are_forgotten() {
    both_engines(async |server| {
        let (pool, alice) = scene(&server).await;
        let event = remembered(&server, &pool, &alice, |_| {}).await;
        server.advance(2 * 365 * 86_400 - 1);
        assert_eq!(listed_ids(&server, &pool).await, std::slice::from_ref(&event.id));
        server.advance(1);
        assert_eq!(listed_ids(&server, &pool).await, [] as [String; 0]);
        let feedback = json!({
            "UserPoolId": pool, "Username": "alice", "EventId": event.id, "FeedbackValue": "Valid",
        });
        let answer = server.call("AdminUpdateAuthEventFeedback", feedback).await.error();
        assert_eq!(answer, "ResourceNotFoundException: Event does not exist.");
        let latest = history::compared_with(&ctx(&server), &pool, &alice).await.unwrap();
        assert_eq!(latest, []);
        assert_eq!(parts(&server, &pool, &alice).await.len(), 1, "the sweeper has not come by yet");
        while !server.app.store.sweep(server.app.clock.now(), 10).await.unwrap().complete {}
        assert_eq!(parts(&server, &pool, &alice).await, []);
    })
    .await;
}

async fn listed_ids(server: &Server, pool: &str) -> Vec<String> {
    let answer = list(server, pool, "alice").await.ok();
    let events = answer["AuthEvents"].as_array().unwrap().iter();
    events.map(|event| event["EventId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn only_pools_that_look_have_a_history() {
    both_engines(async |server| {
        let pool = server.pool(json!({"UserPoolTier": "PLUS", "AutoVerifiedAttributes": ["email"]})).await;
        let client = server.client_id(&pool, json!({})).await;
        let alice = server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
        assert_eq!(list(&server, &pool, "alice").await.error(), OFF);
        assert_eq!(list(&server, &pool, "nobody").await.error(), OFF);
        assert_eq!(list(&server, "us-east-1_nowhere", "alice").await.error(), NO_POOL);
        let sub = server.call("SignUp", signing_up(&client, "bob")).await.ok()["UserSub"].as_str().unwrap().to_owned();
        resend(&server, &client, "bob").await.ok();
        forgot(&server, &client, "alice").await.ok();
        assert_eq!(confirm_forgot(&server, &client, "alice", "no-code", NEW).await.status, 400);
        let code = server.last_code(&pool, "alice").await;
        confirm_forgot(&server, &client, "alice", &code, NEW).await.ok();
        let tokens = server.sign_in(&client, "alice", NEW).await.ok();
        let access = &tokens["AuthenticationResult"]["AccessToken"];
        let change = json!({"AccessToken": access, "PreviousPassword": NEW, "ProposedPassword": PASSWORD});
        server.call("ChangePassword", change).await.ok();
        assert_eq!(parts(&server, &pool, &alice).await, []);
        assert_eq!(parts(&server, &pool, &sub).await, []);

        let (watched, _) = scene(&server).await;
        assert_eq!(list(&server, &watched, "nobody").await.error(), NO_USER);
    })
    .await;
}

/// Clients that hide who exists cause the same work for names that nobody has.
#[tokio::test]
async fn names_that_nobody_has_cost_as_much() {
    both_engines(async |server| {
        let (pool, alice) = scene(&server).await;
        let client = server.client_id(&pool, json!({"PreventUserExistenceErrors": "ENABLED"})).await;
        server.call("SignUp", signing_up(&client, "bob")).await.ok();
        let stored = server.app.store.pool(&pool).await.unwrap().unwrap();
        let nobody = lookup::subject(&ctx(&server), &stored, "nobody", None);
        let day = server.app.clock.now().plus(domain::time::DAY).milliseconds();
        let work = || {
            let done = server.app.store.statistics();
            [done.reads, done.commits, done.statements]
        };
        let mut works = Vec::new();
        for (sign_up, username) in [("bob", "alice"), ("nobody", "nobody")] {
            let before = work();
            resend(&server, &client, sign_up).await.ok();
            let resent = work();
            forgot(&server, &client, username).await.ok();
            let asked = work();
            let answer = confirm_forgot(&server, &client, username, "no-code", NEW).await.error();
            assert!(answer.starts_with("CodeMismatchException"), "{answer}");
            let confirmed = work();
            let differences = [(before, resent), (resent, asked), (asked, confirmed)];
            works.push(differences.map(|(from, to)| [0, 1, 2].map(|of| to[of] - from[of])));
        }
        assert_eq!(works[0], works[1]);
        assert_eq!(parts(&server, &pool, &nobody).await, [(7, day); 3], "kept for a day");
        assert_eq!(outcomes(&server, &pool, "alice").await.len(), 2);
        assert!(parts(&server, &pool, &alice).await.iter().all(|(_, expires_at)| *expires_at > day));
        server.advance(86_400);
        while !server.app.store.sweep(server.app.clock.now(), 10).await.unwrap().complete {}
        assert_eq!(parts(&server, &pool, &nobody).await, []);
        assert_eq!(outcomes(&server, &pool, "alice").await.len(), 2);
    })
    .await;
}

/// Whom a client that hides who exists is not told about gets no code, and has an event that says so.
#[tokio::test]
async fn a_code_that_was_not_sent_is_remembered_as_such() {
    both_engines(async |server| {
        let (pool, _) = scene(&server).await;
        let client = server.client_id(&pool, json!({"PreventUserExistenceErrors": "ENABLED"})).await;
        server.call("SignUp", signing_up(&client, "bob")).await.ok();
        server.advance(1);
        server.call("AdminDisableUser", json!({"UserPoolId": pool, "Username": "bob"})).await.ok();
        resend(&server, &client, "bob").await.ok();
        assert_eq!(outcomes(&server, &pool, "bob").await, ["ResendCode Fail", "SignUp Pass"]);
    })
    .await;
}

#[tokio::test]
async fn a_blocked_address_gets_nowhere_and_leaves_nothing() {
    both_engines(async |server| {
        let pool = pool(&server, "ENFORCED", &json!({"AutoVerifiedAttributes": ["email"]})).await;
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
        let tokens = server.sign_in(&client, "alice", PASSWORD).await.ok();
        let access = &tokens["AuthenticationResult"]["AccessToken"];
        server.call("SignUp", signing_up(&client, "bob")).await.ok();
        server.advance(1);
        let exceptions = json!({"BlockedIPRangeList": ["127.0.0.0/30"]});
        let block = json!({"UserPoolId": pool, "RiskExceptionConfiguration": exceptions});
        server.call("SetRiskConfiguration", block).await.ok();
        let change = json!({"AccessToken": access, "PreviousPassword": PASSWORD, "ProposedPassword": NEW});
        let before = (outcomes(&server, &pool, "alice").await, outcomes(&server, &pool, "bob").await);
        assert_eq!(before, (vec![], vec!["SignUp Pass".to_owned()]));
        for username in ["alice", "bob", "nobody"] {
            assert_eq!(server.call("SignUp", signing_up(&client, username)).await.error(), BLOCKED);
            assert_eq!(resend(&server, &client, username).await.error(), BLOCKED);
            assert_eq!(forgot(&server, &client, username).await.error(), BLOCKED);
            assert_eq!(confirm_forgot(&server, &client, username, "123456", NEW).await.error(), BLOCKED);
            let confirm = json!({"ClientId": client, "Username": username, "ConfirmationCode": "123456"});
            assert_eq!(server.call("ConfirmSignUp", confirm).await.error(), BLOCKED);
        }
        assert_eq!(server.call("ChangePassword", change.clone()).await.error(), BLOCKED);
        let after = (outcomes(&server, &pool, "alice").await, outcomes(&server, &pool, "bob").await);
        assert_eq!(after, before);
        let counted = |operation: &str| risks(&server, operation, "override_block");
        assert_eq!((counted("SignUp"), counted("PasswordChange")), (3, 4));

        // Where nothing is acted upon, everything goes on.
        let audit = json!({
            "UserPoolId": pool, "AutoVerifiedAttributes": ["email"], "UserPoolTier": "PLUS",
            "UserPoolAddOns": {"AdvancedSecurityMode": "AUDIT"},
        });
        server.call("UpdateUserPool", audit).await.ok();
        forgot(&server, &client, "alice").await.ok();
        server.advance(1);
        server.call("ChangePassword", change).await.ok();
        assert_eq!(outcomes(&server, &pool, "alice").await, ["PasswordChange Pass", "ForgotPassword Pass"]);
    })
    .await;
}

/// How many risks without a level the metrics page has.
fn risks(server: &Server, operation: &str, kind: &str) -> u64 {
    let text = server.app.metrics.text();
    let start = format!("poolkeeper_risks_total{{operation=\"{operation}\",kind=\"{kind}\",level=\"none\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&start)).map_or(0, |number| number.parse().unwrap())
}

/// The moment at which the clock of the tests stands.
fn now(server: &Server) -> Timestamp {
    server.app.clock.now()
}
