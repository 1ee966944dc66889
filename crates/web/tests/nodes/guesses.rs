//! Guesses are counted wherever they arrive, also when they arrive everywhere at once.

use std::sync::Arc;

use domain::AttemptPurpose;
use serde_json::json;
use testkit::Server;

use crate::support::*;

const WRONG: &str = "Wr0ng-password";

/// The same at every server, so many times at each, all at once.
async fn everywhere<F>(servers: &[Arc<Server>], times: usize, call: impl Fn(Arc<Server>, usize) -> F) -> Vec<String>
where
    F: Future<Output = testkit::Answer> + Send + 'static,
{
    at_once(
        (0..times)
            .flat_map(|number| servers.iter().map(move |server| (server.clone(), number)))
            .map(|(server, number)| call(server, number)),
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passwords_lock_after_five_wherever_they_arrive() {
    let Some(servers) = servers::<3>().await else { return };
    let (pool, client) = scene(&servers[0]).await;
    let sub = attribute(&servers[0], &pool, "alice", "sub").await.unwrap();
    let outcomes = everywhere(&servers, 10, |server, _| {
        let client = client.clone();
        async move { server.sign_in(&client, "alice", WRONG).await }
    })
    .await;
    assert_eq!(tally(&outcomes), [(INCORRECT, 5), (LOCKED, 25)].into());
    // What was looked at and not counted was not answered either: at most one guess at each other server, each time
    // that one was counted.
    let wasted = conflicts(&servers);
    println!("{wasted} guesses were looked at in vain");
    assert!(wasted <= 5 * 2, "{wasted}");
    let attempts = servers[1].app.store.attempts(&pool, &sub, AttemptPurpose::SignIn).await.unwrap().unwrap();
    assert_eq!(attempts.failures, 5);
    for server in &servers {
        assert_eq!(server.sign_in(&client, "alice", PASSWORD).await.error(), LOCKED);
        server.advance(1);
    }
    // The next lock is twice as long.
    let outcomes = everywhere(&servers, 3, |server, _| {
        let client = client.clone();
        async move { server.sign_in(&client, "alice", WRONG).await }
    })
    .await;
    assert_eq!(tally(&outcomes), [(INCORRECT, 1), (LOCKED, 8)].into());
    for server in &servers {
        server.advance(1);
        assert_eq!(server.sign_in(&client, "alice", PASSWORD).await.error(), LOCKED);
        server.advance(1);
    }
    servers[2].sign_in(&client, "alice", PASSWORD).await.ok();
}

/// The right password in the middle of wrong ones either comes before the lock, and then the count begins anew, or is
/// refused like the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_password_among_wrong_ones_is_counted_with_them() {
    let Some(servers) = servers::<2>().await else { return };
    let (pool, client) = scene(&servers[0]).await;
    let mut locked = 0;
    for round in 0..10 {
        let name = format!("user-{round}");
        let sub = servers[0].confirmed_user(&pool, &name, PASSWORD, json!({})).await;
        let outcomes = everywhere(&servers, 5, |server, number| {
            let (client, name) = (client.clone(), name.clone());
            let password = if number == 2 { PASSWORD } else { WRONG };
            async move { server.sign_in(&client, &name, password).await }
        })
        .await;
        let tally = tally(&outcomes);
        let of = |outcome: &str| tally.get(outcome).copied().unwrap_or_default();
        assert_eq!(of(INCORRECT) + of(LOCKED) + of("ok"), 10, "{tally:?}");
        let attempts = servers[1].app.store.attempts(&pool, &sub, AttemptPurpose::SignIn).await.unwrap();
        let failures = attempts.as_ref().map_or(0, |attempts| usize::try_from(attempts.failures).unwrap());
        assert!(failures <= 5, "{failures}");
        if of("ok") == 0 {
            assert_eq!((of(INCORRECT), failures), (5, 5), "{tally:?}");
            locked += 1;
        } else {
            // At most four before each success, and those that are counted now after the last one.
            assert!(of(INCORRECT) <= 4 * of("ok") + failures, "{tally:?} {failures}");
        }
    }
    println!("locked before the right password in {locked} of 10 rounds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_reset_codes_end_all_guessing_wherever_they_arrive() {
    let Some(servers) = servers::<3>().await else { return };
    let (pool, client) = scene(&servers[0]).await;
    forgot(&servers[0], &client, "alice").await.ok();
    let code = servers[1].last_code(&pool, "alice").await;
    let guesses: Arc<[String]> = (0..40).map(|guess| format!("{guess:06}")).filter(|guess| *guess != code).collect();
    let outcomes = everywhere(&servers, 8, |server, number| {
        let (client, guess) = (client.clone(), guesses[number].clone());
        async move { confirm_forgot(&server, &client, "alice", &guess, NEW).await }
    })
    .await;
    assert_eq!(tally(&outcomes), [(MISMATCH, 5), (LIMIT, 19)].into());
    for server in &servers {
        assert_eq!(confirm_forgot(server, &client, "alice", &code, NEW).await.error(), LIMIT, "even the right one");
    }
    // A new code changes nothing about that.
    forgot(&servers[2], &client, "alice").await.ok();
    let code = servers[0].last_code(&pool, "alice").await;
    assert_eq!(confirm_forgot(&servers[1], &client, "alice", &code, NEW).await.error(), LIMIT);
    servers[1].sign_in(&client, "alice", PASSWORD).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_spent_once_though_two_servers_get_it_at_once() {
    let builder = Server::builder().settings(|settings| settings.limits.reset_requests_per_hour = 1_000);
    let Some([a, b]) = servers_like(builder).await else { return };
    let (pool, client) = scene(&a).await;
    for round in 0..50 {
        forgot(&a, &client, "alice").await.ok();
        let code = b.last_code(&pool, "alice").await;
        let passwords = [format!("Passw0rd-a{round}"), format!("Passw0rd-b{round}")];
        let calls = [(&a, &passwords[0]), (&b, &passwords[1])].map(|(server, password)| {
            let (server, client, code, password) = (server.clone(), client.clone(), code.clone(), password.clone());
            async move { confirm_forgot(&server, &client, "alice", &code, &password).await }
        });
        let outcomes = at_once(calls).await;
        assert_eq!(tally(&outcomes), [("ok", 1), (EXPIRED, 1)].into(), "round {round}");
        let winner = &passwords[usize::from(outcomes[1] == "ok")];
        b.sign_in(&client, "alice", winner).await.ok();
    }
    println!("{} conflicts in 50 rounds", conflicts(&[a, b]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_up_codes_are_spent_once_too() {
    let Some([a, b]) = servers().await else { return };
    let (pool, client) = pool_and_client(&a, json!({"AutoVerifiedAttributes": ["email"]}), json!({})).await;
    for round in 0..10 {
        let name = format!("user-{round}");
        sign_up(&a, &client, &name, &[("email", &format!("{name}@example.com"))]).await.ok();
        let code = b.last_code(&pool, &name).await;
        let outcomes = at_once([&a, &b].map(|server| {
            let (server, client, code, name) = (server.clone(), client.clone(), code.clone(), name.clone());
            async move { confirm_sign_up(&server, &client, &name, &code).await }
        }))
        .await;
        // The other one finds the user confirmed, or the code gone.
        let confirmed = "NotAuthorizedException: User cannot be confirmed. Current status is CONFIRMED";
        let tally = tally(&outcomes);
        assert_eq!(tally.get("ok"), Some(&1), "round {round}: {tally:?}");
        assert!(tally.keys().all(|outcome| ["ok", confirmed, EXPIRED].contains(outcome)), "round {round}: {tally:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_codes_are_sent_than_the_limit_says() {
    let Some(servers) = servers::<3>().await else { return };
    let (pool, client) = pool_and_client(&servers[0], json!({"AutoVerifiedAttributes": ["email"]}), json!({})).await;
    servers[0].confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
    let outcomes = everywhere(&servers, 6, |server, _| {
        let client = client.clone();
        async move { forgot(&server, &client, "alice").await }
    })
    .await;
    assert_eq!(tally(&outcomes), [("ok", 5), (LIMIT, 13)].into());
    assert_eq!(servers[1].messages(&pool, "alice").await.len(), 5);

    sign_up(&servers[1], &client, "bob", &[("email", "bob@example.com")]).await.ok();
    let outcomes = everywhere(&servers, 6, |server, _| {
        let client = client.clone();
        let request = json!({"ClientId": client, "Username": "bob"});
        async move { server.call("ResendConfirmationCode", request).await }
    })
    .await;
    assert_eq!(tally(&outcomes), [("ok", 5), (LIMIT, 13)].into());
    // The last code that was sent is the one that counts.
    assert_eq!(servers[2].messages(&pool, "bob").await.len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_changed_once_and_every_call_counts() {
    let Some(servers) = servers::<2>().await else { return };
    let (_, client) = scene(&servers[0]).await;
    let access = tokens(&servers[1], &client, "alice", PASSWORD).await.access;
    let outcomes = everywhere(&servers, 5, |server, number| {
        let proposed = format!("Passw0rd-{number}");
        let request = json!({"AccessToken": access, "PreviousPassword": PASSWORD, "ProposedPassword": proposed});
        async move { server.call("ChangePassword", request).await }
    })
    .await;
    assert_eq!(tally(&outcomes), [("ok", 1), (INCORRECT, 4), (LIMIT, 5)].into());
    let winner = outcomes.iter().position(|outcome| outcome == "ok").unwrap() / servers.len();
    for server in &servers {
        server.sign_in(&client, "alice", &format!("Passw0rd-{winner}")).await.ok();
        assert_eq!(server.sign_in(&client, "alice", PASSWORD).await.error(), INCORRECT);
    }
}

/// An update that was acknowledged is there, and one that was refused for too much company is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_update_is_lost() {
    let Some(servers) = servers::<2>().await else { return };
    let (pool, _) = scene(&servers[0]).await;
    let names: Vec<String> = (0..24).map(|number| format!("a{number}")).collect();
    let schema: Vec<_> = names.iter().map(|name| json!({"Name": name, "AttributeDataType": "String"})).collect();
    servers[0].call("AddCustomAttributes", json!({"UserPoolId": pool, "CustomAttributes": schema})).await.ok();
    until("the other server knows the attributes", async || {
        update(&servers[1], &pool, "alice", &[("custom:a0", "seen")]).await.status == 200
    })
    .await;
    let outcomes = everywhere(&servers, 12, |server, number| {
        let own = usize::from(!Arc::ptr_eq(&server, &servers[0]));
        let (pool, name) = (pool.clone(), format!("custom:a{}", number * 2 + own));
        async move { update(&server, &pool, "alice", &[(&name, "kept")]).await }
    })
    .await;
    let busy = "TooManyRequestsException: Too many concurrent changes to the same resource. Please try again.";
    for (number, outcome) in outcomes.iter().enumerate() {
        let value = attribute(&servers[0], &pool, "alice", &format!("custom:a{number}")).await;
        match outcome.as_str() {
            "ok" => assert_eq!(value.as_deref(), Some("kept"), "a{number}"),
            other => {
                assert_eq!(other, busy);
                assert_ne!(value.as_deref(), Some("kept"), "a{number}");
            }
        }
    }
    assert!(tally(&outcomes)["ok"] >= 8, "{:?}", tally(&outcomes));
    println!("{:?}, {} conflicts", tally(&outcomes), conflicts(&servers));
}
