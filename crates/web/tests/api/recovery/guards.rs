//! What keeps a stranger from resetting a password, and from learning who exists (accounts.md §3, §4.3, §5.4).

use super::*;

#[tokio::test]
async fn a_secret_hash_is_required_exactly_when_the_client_has_a_secret() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let secret = server.client(&pool, json!({"GenerateSecret": true})).await;
    let (id, key) = (secret["ClientId"].as_str().unwrap(), secret["ClientSecret"].as_str().unwrap());
    let public = server.client_id(&pool, json!({})).await;
    server.confirmed_user(&pool, "ana", OLD, json!({"email": "ana@example.com"})).await;
    let right = crypto::hash::secret_hash("ana", id, key);
    let wrong = crypto::hash::secret_hash("bob", id, key);

    let call = async |client: &str, hash: Option<&str>| {
        let request = json!({"ClientId": client, "Username": "ana", "SecretHash": hash});
        server.call("ForgotPassword", request).await
    };
    call(id, Some(&right)).await.ok();
    assert_eq!(
        call(id, None).await.error(),
        format!("NotAuthorizedException: Client {id} is configured with secret but SECRET_HASH was not received")
    );
    assert_eq!(
        call(id, Some(&wrong)).await.error(),
        format!("NotAuthorizedException: Unable to verify secret hash for client {id}")
    );
    assert_eq!(
        call(&public, Some(&right)).await.error(),
        format!("NotAuthorizedException: Unable to verify secret hash for client {public}")
    );
    let code = server.last_code(&pool, "ana").await;
    assert_eq!(
        confirm(&server, id, "ana", &code, NEW).await.error(),
        format!("NotAuthorizedException: Client {id} is configured with secret but SECRET_HASH was not received")
    );
    let request =
        json!({"ClientId": id, "Username": "ana", "ConfirmationCode": code, "Password": NEW, "SecretHash": right});
    server.call("ConfirmForgotPassword", request).await.ok();
}

#[tokio::test]
async fn a_code_to_an_address_that_is_no_longer_the_users_is_worthless() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({}), json!({"email": "ana@example.com"})).await;
    forgot(&server, &client, "ana").await.ok();
    let code = server.last_code(&pool, "ana").await;
    let attributes =
        json!([{"Name": "email", "Value": "new@example.com"}, {"Name": "email_verified", "Value": "true"}]);
    let update = json!({"UserPoolId": pool, "Username": "ana", "UserAttributes": attributes});
    server.call("AdminUpdateUserAttributes", update).await.ok();
    let expired = "ExpiredCodeException: Invalid code provided, please request a code again.";
    assert_eq!(confirm(&server, &client, "ana", &code, NEW).await.error(), expired);
}

#[tokio::test]
async fn wrong_codes_are_limited_by_the_hour_and_by_the_day() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({}), json!({"email": "ana@example.com"})).await;
        let limited = "LimitExceededException: Attempt limit exceeded, please try after some time.";
        for _ in 0..6 {
            forgot(&server, &client, "ana").await.ok();
            let code = server.last_code(&pool, "ana").await;
            for _ in 0..5 {
                let answer = confirm(&server, &client, "ana", &other(&code), NEW).await.error();
                assert_eq!(answer, "CodeMismatchException: Invalid verification code provided, please try again.");
            }
            assert_eq!(confirm(&server, &client, "ana", &code, NEW).await.error(), limited, "even the right code");
            server.advance(3_600);
        }
        forgot(&server, &client, "ana").await.ok();
        let code = server.last_code(&pool, "ana").await;
        let answer = confirm(&server, &client, "ana", &code, NEW).await.error();
        assert!(answer.starts_with("TooManyFailedAttemptsException: "), "{answer}");
        server.advance(24 * 3_600);
        forgot(&server, &client, "ana").await.ok();
        let code = server.last_code(&pool, "ana").await;
        confirm(&server, &client, "ana", &code, NEW).await.ok();
    })
    .await;
}

#[tokio::test]
async fn requests_are_limited_for_known_and_unknown_users_alike() {
    let server = Server::memory().await;
    let (_, client) =
        scene(&server, json!({"PreventUserExistenceErrors": "ENABLED"}), json!({"email": "ana@example.com"})).await;
    for username in ["ana", "nobody"] {
        for _ in 0..5 {
            forgot(&server, &client, username).await.ok();
        }
        assert_eq!(
            forgot(&server, &client, username).await.error(),
            "LimitExceededException: Attempt limit exceeded, please try after some time.",
            "{username}"
        );
        for _ in 0..5 {
            let answer = confirm(&server, &client, username, "no-code", NEW).await.error();
            assert_eq!(
                answer, "CodeMismatchException: Invalid verification code provided, please try again.",
                "{username}"
            );
        }
        assert_eq!(
            confirm(&server, &client, username, "no-code", NEW).await.error(),
            "LimitExceededException: Attempt limit exceeded, please try after some time.",
            "{username}"
        );
    }
    server.advance(3_600);
    forgot(&server, &client, "ana").await.ok();
}

#[tokio::test]
async fn guesses_at_once_gain_nothing_over_guesses_in_a_row() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({}), json!({"email": "ana@example.com"})).await;
        forgot(&server, &client, "ana").await.ok();
        let code = server.last_code(&pool, "ana").await;
        let guesses: Vec<String> = (0..40).map(|guess| format!("{guess:06}")).filter(|guess| *guess != code).collect();
        let server = std::sync::Arc::new(server);
        let mut calls = tokio::task::JoinSet::new();
        for guess in guesses {
            let (server, client) = (server.clone(), client.clone());
            calls.spawn(async move { confirm(&server, &client, "ana", &guess, NEW).await.error() });
        }
        let answers = calls.join_all().await;
        let looked_at = answers.iter().filter(|answer| answer.starts_with("CodeMismatch")).count();
        assert_eq!(looked_at, 5, "{answers:?}");
    })
    .await;
}

#[tokio::test]
async fn a_code_is_spent_once_however_many_use_it_at_once() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({}), json!({"email": "ana@example.com"})).await;
        forgot(&server, &client, "ana").await.ok();
        let code = server.last_code(&pool, "ana").await;
        let server = std::sync::Arc::new(server);
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..10 {
            let (server, client, code) = (server.clone(), client.clone(), code.clone());
            calls.spawn(async move { confirm(&server, &client, "ana", &code, &format!("{NEW}{number}")).await.status });
        }
        let successes = calls.join_all().await.into_iter().filter(|status| *status == 200).count();
        assert_eq!(successes, 1);
    })
    .await;
}

#[tokio::test]
async fn a_medium_that_nobody_delivers_does_not_tell_who_exists() {
    let server = Server::builder().sender(testkit::smtp(1, std::time::Duration::from_secs(1))).start().await;
    let pool = server.pool(json!({})).await;
    let legacy = server.client_id(&pool, json!({})).await;
    let hiding = server.client_id(&pool, json!({"PreventUserExistenceErrors": "ENABLED"})).await;
    server.confirmed_user(&pool, "phone", OLD, json!({"phone_number": "+14325551212"})).await;
    server.confirmed_user(&pool, "mail", OLD, json!({"email": "mail@example.com"})).await;
    assert!(forgot(&server, &legacy, "phone").await.error().starts_with("CodeDeliveryFailureException: "));
    for username in ["phone", "mail", "nobody", "+14325551212", "+14325550000"] {
        forgot(&server, &hiding, username).await.ok();
    }
    // Where nothing at all can be delivered, everybody is told the same.
    let server = Server::builder().sender(service::messages::Sender::Nobody).start().await;
    let pool = server.pool(json!({})).await;
    let hiding = server.client_id(&pool, json!({"PreventUserExistenceErrors": "ENABLED"})).await;
    server.confirmed_user(&pool, "mail", OLD, json!({"email": "mail@example.com"})).await;
    for username in ["mail", "nobody", "+14325551212"] {
        let answer = forgot(&server, &hiding, username).await.error();
        assert!(answer.starts_with("CodeDeliveryFailureException: "), "{answer}");
    }
}

#[tokio::test]
async fn any_active_secret_of_a_client_counts() {
    let server = Server::memory().await;
    let pool = server.pool(json!({})).await;
    let created = server.client(&pool, json!({"GenerateSecret": true})).await;
    let (id, first) = (created["ClientId"].as_str().unwrap(), created["ClientSecret"].as_str().unwrap());
    server.confirmed_user(&pool, "ana", OLD, json!({"email": "ana@example.com"})).await;
    // A second secret, as a rotation leaves it.
    let second = "asecondsecretthatislongenough";
    let stored = server.app.store.client(id).await.unwrap().unwrap();
    let mut client = stored.value.clone();
    let purpose = crypto::seal::Purpose::ClientSecret;
    let value = server.app.ring.seal(&*server.app.entropy, purpose, id, second.as_bytes());
    client.secrets.push(domain::ClientSecret { id: format!("{id}--2"), value, created_at: client.created_at });
    let mut changes = store::Changes::new();
    changes.replace(&stored, client);
    server.app.commit(changes).await.unwrap();
    for secret in [first, second] {
        let hash = crypto::hash::secret_hash("ana", id, secret);
        server.call("ForgotPassword", json!({"ClientId": id, "Username": "ana", "SecretHash": hash})).await.ok();
    }
    let hash = crypto::hash::secret_hash("ana", id, "neitherofthetwosecretsofit");
    assert_eq!(
        server.call("ForgotPassword", json!({"ClientId": id, "Username": "ana", "SecretHash": hash})).await.error(),
        format!("NotAuthorizedException: Unable to verify secret hash for client {id}")
    );
}

#[tokio::test]
async fn requests_for_users_that_do_not_exist_commit_as_often_as_for_those_that_do() {
    both_engines(async |server| {
        let (_, client) =
            scene(&server, json!({"PreventUserExistenceErrors": "ENABLED"}), json!({"email": "ana@example.com"})).await;
        let mut commits = Vec::new();
        for username in ["ana", "nobody"] {
            let before = server.app.store.statistics().commits;
            forgot(&server, &client, username).await.ok();
            let asked = server.app.store.statistics().commits;
            let answer = confirm(&server, &client, username, "no-code", NEW).await.error();
            assert!(answer.starts_with("CodeMismatchException"), "{answer}");
            let confirmed = server.app.store.statistics().commits;
            let answer = server.sign_in(&client, username, "Wrong-Passw0rd").await.error();
            assert!(answer.starts_with("NotAuthorizedException"), "{answer}");
            let signed_in = server.app.store.statistics().commits;
            commits.push((asked - before, confirmed - asked, signed_in - confirmed));
        }
        assert_eq!(commits, [(1, 1, 1), (1, 1, 1)]);
    })
    .await;
}
