//! What is said about events: by administrators, by the token in a notice, and on the page behind its links
//! (triggers-security.md §15.3, §15.4).

use axum::body::Body;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Method, Request};
use service::threat::feedback;
use wire::FeedbackValueType;

use super::*;

const INVALID: &str = "NotAuthorizedException: Invalid feedback token.";
const NO_EVENT: &str = "ResourceNotFoundException: Event does not exist.";
/// As long as a token is good, in seconds.
const WEEK: i64 = 7 * 86_400;

fn admin(pool: &str, username: &str, event_id: &str, value: &str) -> Value {
    json!({"UserPoolId": pool, "Username": username, "EventId": event_id, "FeedbackValue": value})
}

fn by_token(pool: &str, username: &str, event_id: &str, token: &str, value: &str) -> Value {
    let mut request = admin(pool, username, event_id, value);
    request["FeedbackToken"] = json!(token);
    request
}

async fn give(server: &Server, request: Value) -> Answer {
    server.call("UpdateAuthEventFeedback", request).await
}

/// What is said about the user's newest event.
async fn said(server: &Server, pool: &str, username: &str) -> Option<Value> {
    list(server, pool, username).await.ok()["AuthEvents"][0].get("EventFeedback").cloned()
}

/// A pool, its user alice, an event of hers, and the token in its notice.
async fn noticed(server: &Server) -> (String, AuthEvent, String) {
    let (pool, alice) = scene(server).await;
    let event = remembered(server, &pool, &alice, |_| {}).await;
    let token = feedback::token(&ctx(server), &event).unwrap();
    (pool, event, token)
}

#[tokio::test]
async fn the_last_word_of_administrators_counts() {
    both_engines(async |server| {
        let (pool, event, _) = noticed(&server).await;
        let before = list(&server, &pool, "alice").await.ok();
        server.advance(5);
        for value in ["Valid", "Invalid"] {
            let answer = server.call("AdminUpdateAuthEventFeedback", admin(&pool, "alice", &event.id, value)).await;
            assert_eq!(answer.ok(), json!({}));
            let date = now(&server).seconds();
            let feedback = json!({"FeedbackValue": value, "Provider": "Admin", "FeedbackDate": date as f64});
            assert_eq!(said(&server, &pool, "alice").await, Some(feedback));
            server.advance(1);
        }
        // Nothing else is changed.
        let mut after = list(&server, &pool, "alice").await.ok();
        after["AuthEvents"][0].as_object_mut().unwrap().remove("EventFeedback");
        assert_eq!(after, before);
    })
    .await;
}

#[tokio::test]
async fn administrators_are_told_what_is_wrong() {
    both_engines(async |server| {
        let (pool, event, _) = noticed(&server).await;
        server.confirmed_user(&pool, "bob", PASSWORD, json!({})).await;
        let off = server.pool(json!({})).await;
        let refused = async |request: Value| server.call("AdminUpdateAuthEventFeedback", request).await.error();
        assert_eq!(refused(admin("us-east-1_nowhere", "alice", &event.id, "Valid")).await, NO_POOL);
        assert_eq!(refused(admin(&off, "alice", &event.id, "Valid")).await, OFF);
        assert_eq!(refused(admin(&pool, "nobody", &event.id, "Valid")).await, NO_USER);
        assert_eq!(refused(admin(&pool, "bob", &event.id, "Valid")).await, NO_EVENT, "somebody else's");
        assert_eq!(refused(admin(&pool, "alice", "00000000-0000", "Valid")).await, NO_EVENT);
        for (event_id, value) in
            [(event.id.as_str(), "valid"), ("", "Valid"), ("a b", "Valid"), (&"x".repeat(51), "Valid")]
        {
            let answer = refused(admin(&pool, "alice", event_id, value)).await;
            assert!(
                answer.starts_with("InvalidParameterException: ") && answer.contains("validation error"),
                "{answer}"
            );
        }
        assert_eq!(said(&server, &pool, "alice").await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_words_at_the_same_time_one_counts() {
    both_engines(async |server| {
        let server = std::sync::Arc::new(server);
        let (pool, event, token) = noticed(&server).await;
        let mut speaking = tokio::task::JoinSet::new();
        for number in 0..6 {
            let (server, pool, event, token) = (server.clone(), pool.clone(), event.clone(), token.clone());
            speaking.spawn(async move {
                if number % 2 == 0 {
                    let request = admin(&pool, "alice", &event.id, "Valid");
                    server.call("AdminUpdateAuthEventFeedback", request).await.ok();
                } else {
                    give(&server, by_token(&pool, "alice", &event.id, &token, "Invalid")).await.ok();
                }
            });
        }
        speaking.join_all().await;
        let said = said(&server, &pool, "alice").await.unwrap();
        let pair = (said["FeedbackValue"].as_str().unwrap(), said["Provider"].as_str().unwrap());
        assert!([("Valid", "Admin"), ("Invalid", "User")].contains(&pair), "{pair:?}");
    })
    .await;
}

#[tokio::test]
async fn users_speak_by_their_token() {
    both_engines(async |server| {
        let (pool, event, token) = noticed(&server).await;
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");
        assert!(token.len() < 500, "{token}");
        server.advance(WEEK - 1);
        // Whoever has pressed the wrong button may change their mind.
        for value in ["Valid", "Invalid"] {
            let answer = give(&server, by_token(&pool, "alice", &event.id, &token, value)).await;
            assert_eq!(answer.ok(), json!({}));
            let date = now(&server).seconds();
            let feedback = json!({"FeedbackValue": value, "Provider": "User", "FeedbackDate": date as f64});
            assert_eq!(said(&server, &pool, "alice").await, Some(feedback));
        }
        // By any name of the user.
        give(&server, by_token(&pool, &event.sub, &event.id, &token, "Valid")).await.ok();
        server.advance(1);
        assert_eq!(give(&server, by_token(&pool, "alice", &event.id, &token, "Invalid")).await.error(), INVALID);
        assert_eq!(said(&server, &pool, "alice").await.unwrap()["FeedbackValue"], "Valid");
    })
    .await;
}

#[tokio::test]
async fn a_token_is_good_for_its_event_alone() {
    both_engines(async |server| {
        let (pool, event, token) = noticed(&server).await;
        let (other_pool, other_alice) = scene(&server).await;
        let bob = server.confirmed_user(&pool, "bob", PASSWORD, json!({})).await;
        server.advance(1);
        let later = remembered(&server, &pool, &event.sub, |_| {}).await;
        // The same id elsewhere.
        for (pool, sub) in [(&other_pool, &other_alice), (&pool, &bob)] {
            remembered(&server, pool, sub, |twin| twin.id.clone_from(&event.id)).await;
        }
        for request in [
            by_token(&other_pool, "alice", &event.id, &token, "Valid"),
            by_token(&pool, "bob", &event.id, &token, "Valid"),
            by_token(&pool, "nobody", &event.id, &token, "Valid"),
            by_token(&pool, "alice", &later.id, &token, "Valid"),
            by_token(&pool, "alice", "00000000-0000", &token, "Valid"),
        ] {
            assert_eq!(give(&server, request.clone()).await.error(), INVALID, "{request}");
        }
        let off = server.pool(json!({})).await;
        assert_eq!(give(&server, by_token(&off, "alice", &event.id, &token, "Valid")).await.error(), OFF);
        let nowhere = by_token("us-east-1_nowhere", "alice", &event.id, &token, "Valid");
        assert_eq!(give(&server, nowhere).await.error(), NO_POOL);
        for (pool, username) in [(&pool, "alice"), (&pool, "bob"), (&other_pool, "alice")] {
            assert_eq!(said(&server, pool, username).await, None);
        }
        // An event that is gone, and a user who is.
        let orphan = AuthEvent { id: "00000000-0000".to_owned(), ..event.clone() };
        let orphans = feedback::token(&ctx(&server), &orphan).unwrap();
        let request = by_token(&pool, "alice", &orphan.id, &orphans, "Valid");
        assert_eq!(give(&server, request).await.error(), NO_EVENT);
        server.call("AdminDeleteUser", json!({"UserPoolId": pool, "Username": "alice"})).await.ok();
        let request = by_token(&pool, "alice", &event.id, &token, "Valid");
        assert_eq!(give(&server, request.clone()).await.error(), NO_USER);
        server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        assert_eq!(give(&server, request).await.error(), NO_USER, "somebody else by the same name");
    })
    .await;
}

/// Tokens that are none, and what they would be good for if they were.
fn forged(server: &Server, event: &AuthEvent, token: &str) -> Vec<String> {
    let sealed = URL_SAFE_NO_PAD.decode(token).unwrap();
    let mut forged: Vec<String> = (0..sealed.len())
        .map(|at| {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            URL_SAFE_NO_PAD.encode(changed)
        })
        .collect();
    let content = json!({
        "pool_id": event.pool_id, "sub": event.sub, "event_id": event.id, "expires_at": now(server).seconds() + 60,
    });
    // Sealed by this server, for something else.
    let entropy = &*server.app.entropy;
    for (purpose, identity) in [
        (crypto::seal::Purpose::PaginationToken, ""),
        (crypto::seal::Purpose::SignInSession, ""),
        (crypto::seal::Purpose::FeedbackToken, "something"),
    ] {
        let bytes = server.app.ring.seal_bytes(entropy, purpose, identity, content.to_string().as_bytes());
        forged.push(URL_SAFE_NO_PAD.encode(bytes));
    }
    forged.push(URL_SAFE_NO_PAD.encode(content.to_string()));
    forged.extend([&token[..token.len() - 1], &token[1..], "x", "=", "a.b-c_d="].map(str::to_owned));
    forged.extend([format!("{token}="), format!("{token}A"), format!("{token}{token}"), "x".repeat(10_000)]);
    forged
}

#[tokio::test]
async fn forged_tokens_are_good_for_nothing() {
    both_engines(async |server| {
        let (pool, event, token) = noticed(&server).await;
        for forged in forged(&server, &event, &token) {
            let request = by_token(&pool, "alice", &event.id, &forged, "Invalid");
            assert_eq!(give(&server, request).await.error(), INVALID, "{forged}");
            let link = format!("/eventFeedback/?token={forged}&value=Invalid");
            assert_eq!(post(&server, &link).await.status, 400, "{forged}");
        }
        for bad in ["", "a b", "ä"] {
            let answer = give(&server, by_token(&pool, "alice", &event.id, bad, "Valid")).await.error();
            assert!(
                answer.starts_with("InvalidParameterException: ") && answer.contains("validation error"),
                "{answer}"
            );
        }
        assert_eq!(said(&server, &pool, "alice").await, None);
        give(&server, by_token(&pool, "alice", &event.id, &token, "Valid")).await.ok();
    })
    .await;
}

async fn send(server: &Server, method: Method, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:9229");
    server.request(request.body(Body::empty()).unwrap()).await
}

async fn post(server: &Server, path: &str) -> Answer {
    send(server, Method::POST, path).await
}

/// Where the link in a notice leads on this server.
fn link(server: &Server, event: &AuthEvent, value: FeedbackValueType) -> String {
    let link = feedback::link(&ctx(server), event, value).unwrap();
    link.strip_prefix("http://127.0.0.1:9229").unwrap().to_owned()
}

#[tokio::test]
async fn the_page_behind_a_link_asks_first() {
    both_engines(async |server| {
        let (pool, event, _) = noticed(&server).await;
        for (value, question, button, thanks) in [
            (FeedbackValueType::Valid, "was yours.", "Yes, it was me", "There is nothing else to do."),
            (FeedbackValueType::Invalid, "was not yours.", "No, it was not me", "please change it now"),
        ] {
            let link = link(&server, &event, value);
            let before = said(&server, &pool, "alice").await;
            // Scanners of mail look at links before people do, and follow them.
            assert_eq!(send(&server, Method::HEAD, &link).await.status, 200);
            let page = server.get(&link).await;
            assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
            assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
            assert_eq!(page.header("referrer-policy"), Some("no-referrer"), "the token stays here");
            let text = page.body.as_str().unwrap();
            assert!(text.contains(question) && text.contains(button), "{text}");
            assert_eq!(said(&server, &pool, "alice").await, before, "looking says nothing");

            let (_, rest) = text.split_once("<form method=\"post\" action=\"").unwrap();
            let action = rest.split_once('"').unwrap().0.replace("&amp;", "&").replace("&#38;", "&");
            assert_eq!(link, format!("/eventFeedback/{action}"), "the form repeats the link");
            let page = post(&server, &link).await;
            assert_eq!(page.status, 200);
            let text = page.body.as_str().unwrap();
            assert!(text.contains("Thank you") && text.contains(thanks) && !text.contains("<form"), "{text}");
            let said = said(&server, &pool, "alice").await.unwrap();
            assert_eq!((&said["FeedbackValue"], &said["Provider"]), (&json!(value.as_str()), &json!("User")));
        }
        // With and without the final slash.
        let link = link(&server, &event, FeedbackValueType::Valid).replace("/?", "?");
        assert_eq!((server.get(&link).await.status, post(&server, &link).await.status), (200, 200));
    })
    .await;
}

#[tokio::test]
async fn links_that_are_broken_say_nothing() {
    both_engines(async |server| {
        let (pool, event, token) = noticed(&server).await;
        let link = link(&server, &event, FeedbackValueType::Invalid);
        let mut pages = Vec::new();
        for query in [
            String::new(),
            "?".to_owned(),
            "?token=&value=Valid".to_owned(),
            "?token=made-up&value=Valid".to_owned(),
            format!("?token={token}"),
            format!("?token={token}&value=invalid"),
            format!("?token={token}&value="),
            format!("?token={token}%22%3E&value=Valid"),
            format!("?token={token}&token={token}&value=Valid"),
            "?value=Valid".to_owned(),
            "?token=%ff%00&value=Valid".to_owned(),
        ] {
            let path = format!("/eventFeedback/{query}");
            for page in [server.get(&path).await, post(&server, &path).await] {
                assert_eq!(page.status, 400, "{query}");
                pages.push(page.body);
            }
        }
        // Those of a user who is gone, of a pool that looks no more, and old ones.
        let gone = AuthEvent { sub: "00000000-0000".to_owned(), ..event.clone() };
        let gone = feedback::link(&ctx(&server), &gone, FeedbackValueType::Valid).unwrap();
        pages.push(post(&server, gone.strip_prefix("http://127.0.0.1:9229").unwrap()).await.body);
        let off =
            json!({"UserPoolId": pool, "UserPoolTier": "PLUS", "UserPoolAddOns": {"AdvancedSecurityMode": "OFF"}});
        server.call("UpdateUserPool", off).await.ok();
        pages.push(post(&server, &link).await.body);
        let on =
            json!({"UserPoolId": pool, "UserPoolTier": "PLUS", "UserPoolAddOns": {"AdvancedSecurityMode": "AUDIT"}});
        server.call("UpdateUserPool", on).await.ok();
        assert_eq!(said(&server, &pool, "alice").await, None);
        server.advance(WEEK);
        pages.push(server.get(&link).await.body);
        pages.push(post(&server, &link).await.body);
        pages.dedup();
        assert_eq!(pages.len(), 1, "{pages:?}");
        assert_eq!(said(&server, &pool, "alice").await, None);
        let other_methods = [Method::PUT, Method::DELETE].map(|method| send(&server, method, &link));
        for answer in other_methods {
            assert_eq!(answer.await.status, 405);
        }
    })
    .await;
}

#[tokio::test]
async fn the_page_has_the_quota_of_its_operation() {
    let builder = Server::builder().settings(|settings| {
        settings.quotas.rates.user_writes = 2;
    });
    let server = builder.start().await;
    let (_, event, _) = noticed(&server).await;
    let link = link(&server, &event, FeedbackValueType::Valid);
    let statuses =
        [post(&server, &link).await.status, post(&server, &link).await.status, post(&server, &link).await.status];
    assert_eq!(statuses, [200, 200, 429]);
    server.advance(1);
    assert_eq!(post(&server, &link).await.status, 200);
}
