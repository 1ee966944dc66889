//! USER_SRP_AUTH and PASSWORD_VERIFIER (auth-flows.md §9, §11).

use base64::{Engine, engine::general_purpose::STANDARD};
use testkit::srp::SignIn;

use super::*;

/// A challenge without what is long and random.
fn shortened(mut challenge: Value) -> Value {
    let parameters = challenge["ChallengeParameters"].as_object_mut().unwrap();
    let block = STANDARD.decode(parameters["SECRET_BLOCK"].as_str().unwrap()).unwrap();
    assert!(block.len() > 1_000);
    let srp_b = parameters["SRP_B"].as_str().unwrap();
    assert!((760..=768).contains(&srp_b.len()) && !srp_b.starts_with('0') && srp_b.to_lowercase() == srp_b);
    parameters.insert("SECRET_BLOCK".to_owned(), json!("[sealed]"));
    parameters.insert("SRP_B".to_owned(), json!("[public]"));
    challenge
}

fn parameter<'a>(challenge: &'a Value, name: &str) -> &'a str {
    challenge["ChallengeParameters"][name].as_str().unwrap()
}

/// The answer to a challenge with one value changed.
fn changed(sign_in: &SignIn, name: &str, value: impl Into<Value>) -> Value {
    let mut responses = sign_in.responses.clone();
    responses[name] = value.into();
    responses
}

async fn verify(server: &Server, client: &str, responses: Value) -> Answer {
    respond(server, client, "PASSWORD_VERIFIER", None, responses).await
}

#[tokio::test]
async fn a_password_is_proven_without_being_sent() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({})).await;
        let sign_in = SignIn::start(&server, &client, &pool, "alice", PASSWORD).await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(shortened(sign_in.challenge.clone()), @r#"
        {
          "ChallengeName": "PASSWORD_VERIFIER",
          "ChallengeParameters": {
            "SALT": "6009fea6396120ac1b43ea69e0338937",
            "SECRET_BLOCK": "[sealed]",
            "SRP_B": "[public]",
            "USERNAME": "alice",
            "USER_ID_FOR_SRP": "alice"
          }
        }
        "#); }
        let answer = sign_in.finish(&server).await.ok();
        assert_eq!(undrawn(answer), undrawn(server.sign_in(&client, "alice", PASSWORD).await.ok()));
    })
    .await;
}

#[tokio::test]
async fn an_alias_leads_to_the_stored_name() {
    both_engines(async |server| {
        let pool = server.pool(json!({"AliasAttributes": ["email"]})).await;
        let client = server.client_id(&pool, json!({})).await;
        let attributes = json!({"email": "alice@example.com"});
        let sub = server.confirmed_user(&pool, "alice", PASSWORD, attributes).await;
        server.confirmed_user(&pool, "bob", PASSWORD, json!({})).await;
        for name in ["alice", "alice@example.com", &sub] {
            let sign_in = SignIn::start(&server, &client, &pool, name, PASSWORD).await;
            assert_eq!(parameter(&sign_in.challenge, "USER_ID_FOR_SRP"), "alice");
            assert_eq!(parameter(&sign_in.challenge, "USERNAME"), "alice");
            // Some clients repeat what was typed; another user's name is another matter.
            for other in ["bob", "nobody", "Alice"] {
                assert_eq!(verify(&server, &client, changed(&sign_in, "USERNAME", other)).await.error(), INCORRECT);
            }
            verify(&server, &client, changed(&sign_in, "USERNAME", name)).await.ok();
        }
    })
    .await;
}

#[tokio::test]
async fn a_proof_works_once() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({})).await;
        let sign_in = SignIn::start(&server, &client, &pool, "alice", PASSWORD).await;
        sign_in.finish(&server).await.ok();
        assert_eq!(sign_in.finish(&server).await.error(), USED_SESSION);
        // Also when it is tried many times at once.
        let sign_in = SignIn::start(&server, &client, &pool, "alice", PASSWORD).await;
        let server = Arc::new(server);
        let outcomes = at_once(20, &server, |server| {
            let (client, responses) = (client.clone(), sign_in.responses.clone());
            async move { verify(&server, &client, responses).await }
        })
        .await;
        assert_eq!(outcomes, [times(19, USED_SESSION), times(1, "ok")].concat());
    })
    .await;
}

#[tokio::test]
async fn a_proof_must_be_whole() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({"AuthSessionValidity": 15})).await;
        let wrong = SignIn::start(&server, &client, &pool, "alice", "Wr0ng-password").await;
        assert_eq!(wrong.finish(&server).await.error(), INCORRECT);
        let good = SignIn::start(&server, &client, &pool, "alice", PASSWORD).await;
        let other = SignIn::start(&server, &client, &pool, "alice", PASSWORD).await;
        let another_client = server.client_id(&pool, json!({})).await;
        assert_eq!(verify(&server, &another_client, good.responses.clone()).await.error(), INCORRECT);

        let mut tampered = STANDARD.decode(parameter(&good.challenge, "SECRET_BLOCK")).unwrap();
        *tampered.last_mut().unwrap() ^= 1;
        let long = "A".repeat(131_072);
        for (name, value) in
            [("PASSWORD_CLAIM_SIGNATURE", ""), ("PASSWORD_CLAIM_SECRET_BLOCK", ""), ("TIMESTAMP", ""), ("USERNAME", "")]
        {
            let missing = format!("InvalidParameterException: Missing required parameter {name}");
            assert_eq!(verify(&server, &client, changed(&good, name, value)).await.error(), missing);
        }
        for (name, value) in [
            ("PASSWORD_CLAIM_SIGNATURE", "not base64"),
            ("PASSWORD_CLAIM_SIGNATURE", other.responses["PASSWORD_CLAIM_SIGNATURE"].as_str().unwrap()),
            ("PASSWORD_CLAIM_SIGNATURE", &long),
            ("PASSWORD_CLAIM_SECRET_BLOCK", "not base64"),
            ("PASSWORD_CLAIM_SECRET_BLOCK", &STANDARD.encode(&tampered)),
            ("PASSWORD_CLAIM_SECRET_BLOCK", other.responses["PASSWORD_CLAIM_SECRET_BLOCK"].as_str().unwrap()),
            ("PASSWORD_CLAIM_SECRET_BLOCK", &long),
            ("TIMESTAMP", "Fri Jan 2 03:04:06 UTC 2026"),
            ("TIMESTAMP", "Fri Jan 02 03:04:05 UTC 2026"),
            ("TIMESTAMP", &long),
        ] {
            // Each of these may count as a guess.
            server.advance(16);
            assert_eq!(verify(&server, &client, changed(&good, name, value)).await.error(), INCORRECT, "{name}");
        }
        server.advance(16);
        let session = "A".repeat(100);
        let answer = respond(&server, &client, "PASSWORD_VERIFIER", Some(&session), good.responses.clone()).await;
        assert_eq!(answer.error(), INVALID_SESSION);
        // A device that is not known leaves the proof usable.
        let answer = verify(&server, &client, changed(&good, "DEVICE_KEY", "us-east-1_0-a")).await;
        assert_eq!(answer.error(), NO_DEVICE);
        verify(&server, &client, changed(&good, "DEVICE_KEY", Value::Null)).await.ok();
    })
    .await;
}

#[tokio::test]
async fn a_timestamp_with_a_padded_day_is_refused_even_when_signed() {
    let server = Server::memory().await;
    let (pool, client) = scene(&server, json!({})).await;
    for (timestamp, outcome) in [
        ("Fri Jan 02 03:04:05 UTC 2026", Some(INCORRECT)),
        ("2026-01-02T03:04:05Z", Some(INCORRECT)),
        // Clocks of clients are wrong; what they say is not compared with anything.
        ("Tue Mar 3 04:05:06 UTC 1998", None),
    ] {
        let challenge = server.call("InitiateAuth", testkit::srp::initiate(&client, "alice")).await.ok();
        let responses = testkit::srp::respond_at(&challenge, &pool, PASSWORD, timestamp);
        let answer = verify(&server, &client, responses).await;
        match outcome {
            Some(error) => assert_eq!(answer.error(), error, "{timestamp}"),
            None => drop(answer.ok()),
        }
    }
}

#[tokio::test]
async fn a_challenge_gets_old() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({"AuthSessionValidity": 5})).await;
        let sign_in = SignIn::start(&server, &client, &pool, "alice", PASSWORD).await;
        server.advance(300);
        assert_eq!(sign_in.finish(&server).await.error(), EXPIRED_SESSION);
        let sign_in = SignIn::start(&server, &client, &pool, "alice", PASSWORD).await;
        server.advance(299);
        sign_in.finish(&server).await.ok();
        // And worthless when the password has changed.
        let sign_in = SignIn::start(&server, &client, &pool, "alice", PASSWORD).await;
        set_password(&server, &pool, "alice", "Another-Passw0rd", true).await;
        assert_eq!(sign_in.finish(&server).await.error(), INCORRECT);
    })
    .await;
}

#[tokio::test]
async fn each_entrance_has_its_own_challenges() {
    both_engines(async |server| {
        let (pool, client) = scene(&server, json!({})).await;
        let start = testkit::srp::initiate(&client, "alice");
        let admin = |mut request: Value| {
            request["UserPoolId"] = json!(pool);
            request
        };
        let challenge = server.call("AdminInitiateAuth", admin(start)).await.ok();
        let responses = testkit::srp::respond(&challenge, &pool, PASSWORD);
        assert_eq!(verify(&server, &client, responses.clone()).await.error(), INVALID_SESSION);
        let answer = |responses: Value| {
            admin(json!({"ClientId": client, "ChallengeName": "PASSWORD_VERIFIER", "ChallengeResponses": responses}))
        };
        server.call("AdminRespondToAuthChallenge", answer(responses)).await.ok();
        let public = SignIn::start(&server, &client, &pool, "alice", PASSWORD).await;
        let refused = server.call("AdminRespondToAuthChallenge", answer(public.responses.clone())).await;
        assert_eq!(refused.error(), INVALID_SESSION);
        public.finish(&server).await.ok();
    })
    .await;
}

#[tokio::test]
async fn users_that_do_not_exist_get_a_challenge_too() {
    both_engines(async |server| {
        let (pool, open) = scene(&server, json!({})).await;
        let hiding = server.client_id(&pool, hides()).await;
        let start = |client: &str| testkit::srp::initiate(client, "nobody");
        assert_eq!(server.call("InitiateAuth", start(&open)).await.error(), UNKNOWN);

        let first = SignIn::start(&server, &hiding, &pool, "nobody", PASSWORD).await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(shortened(first.challenge.clone()), @r#"
        {
          "ChallengeName": "PASSWORD_VERIFIER",
          "ChallengeParameters": {
            "SALT": "86f00c7c8780e1d38decb05443e3004d",
            "SECRET_BLOCK": "[sealed]",
            "SRP_B": "[public]",
            "USERNAME": "6e3f55f1-960e-4d94-9eee-fd2ece5ca3a7",
            "USER_ID_FOR_SRP": "6e3f55f1-960e-4d94-9eee-fd2ece5ca3a7"
          }
        }
        "#); }
        let second = SignIn::start(&server, &hiding, &pool, "nobody", PASSWORD).await;
        for name in ["SALT", "USERNAME", "USER_ID_FOR_SRP"] {
            assert_eq!(parameter(&first.challenge, name), parameter(&second.challenge, name), "{name}");
        }
        assert_ne!(parameter(&first.challenge, "SRP_B"), parameter(&second.challenge, "SRP_B"));
        let elsewhere = SignIn::start(&server, &hiding, &pool, "nobody2", PASSWORD).await;
        for name in ["SALT", "USER_ID_FOR_SRP"] {
            assert_ne!(parameter(&first.challenge, name), parameter(&elsewhere.challenge, name), "{name}");
        }
        let known = SignIn::start(&server, &hiding, &pool, "alice", PASSWORD).await;
        assert_eq!(parameter(&known.challenge, "SALT").len(), parameter(&first.challenge, "SALT").len());
        let length = |sign_in: &SignIn| STANDARD.decode(parameter(&sign_in.challenge, "SECRET_BLOCK")).unwrap().len();
        // User ids differ in length; nothing else may.
        assert!(length(&first).abs_diff(length(&known)) < 50, "{} {}", length(&first), length(&known));

        for _ in 0..5 {
            assert_eq!(first.finish(&server).await.error(), INCORRECT);
        }
        assert_eq!(first.finish(&server).await.error(), LOCKED);
        // The other flow counts for the same stand-in.
        assert_eq!(server.sign_in(&hiding, "nobody", PASSWORD).await.error(), LOCKED);
    })
    .await;
}

#[tokio::test]
async fn a_users_status_shows_at_the_second_step() {
    both_engines(async |server| {
        let (pool, open) = scene(&server, json!({})).await;
        let hiding = server.client_id(&pool, hides()).await;
        let attempt = async |client: &str, username: &str, password: &str| {
            SignIn::start(&server, client, &pool, username, password).await.finish(&server).await.error()
        };
        server.call("SignUp", json!({"ClientId": open, "Username": "new", "Password": PASSWORD})).await.ok();
        let unconfirmed = "UserNotConfirmedException: User is not confirmed.";
        assert_eq!(attempt(&open, "new", PASSWORD).await, unconfirmed);
        assert_eq!(attempt(&open, "new", "Wr0ng-password").await, unconfirmed);

        administer(&server, "AdminDisableUser", &pool, "alice").await;
        let disabled = "NotAuthorizedException: User is disabled.";
        assert_eq!(attempt(&open, "alice", "Wr0ng-password").await, disabled);
        assert_eq!(attempt(&hiding, "alice", "Wr0ng-password").await, INCORRECT);
        assert_eq!(attempt(&hiding, "alice", PASSWORD).await, disabled);
        administer(&server, "AdminEnableUser", &pool, "alice").await;

        administer(&server, "AdminResetUserPassword", &pool, "alice").await;
        let reset = "PasswordResetRequiredException: Password reset required for the user";
        assert_eq!(attempt(&hiding, "alice", PASSWORD).await, reset);
        assert_eq!(attempt(&open, "alice", "Wr0ng-password").await, INCORRECT);

        // Deleted between the two steps.
        let sign_in = SignIn::start(&server, &hiding, &pool, "alice", PASSWORD).await;
        administer(&server, "AdminDeleteUser", &pool, "alice").await;
        assert_eq!(sign_in.finish(&server).await.error(), INCORRECT);
    })
    .await;
}

#[tokio::test]
async fn public_values_that_would_give_the_key_away_are_refused() {
    let server = Server::memory().await;
    let (_, client) = scene(&server, hides()).await;
    let modulus = crypto::srp::to_hex(&crypto::bignum::modulus());
    let long = "f".repeat(131_072);
    for srp_a in ["0", "00", &"0".repeat(768), modulus.as_str(), &format!("00{modulus}"), "g", "-1", "0x2", " 2", &long]
    {
        for username in ["alice", "nobody"] {
            let answer =
                initiate(&server, &client, "USER_SRP_AUTH", json!({"USERNAME": username, "SRP_A": srp_a})).await;
            assert_eq!(answer.error(), "InvalidParameterException: Invalid SRP_A");
        }
    }
    for srp_a in ["2", "ABCDEF1", &"f".repeat(768)] {
        let answer = initiate(&server, &client, "USER_SRP_AUTH", json!({"USERNAME": "alice", "SRP_A": srp_a})).await;
        assert_eq!(answer.ok()["ChallengeName"], "PASSWORD_VERIFIER");
    }
}

#[tokio::test]
async fn a_client_with_a_secret_shows_it_at_both_steps() {
    let server = Server::memory().await;
    let pool = server.pool(json!({"AliasAttributes": ["email"]})).await;
    let client = server.client(&pool, json!({"GenerateSecret": true})).await;
    let (id, secret) = (client["ClientId"].as_str().unwrap(), client["ClientSecret"].as_str().unwrap());
    server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
    let missing =
        format!("NotAuthorizedException: Client {id} is configured with secret but SECRET_HASH was not received");
    let mut start = testkit::srp::initiate(id, "alice@example.com");
    assert_eq!(server.call("InitiateAuth", start.clone()).await.error(), missing);
    // What was typed at first, the stored name from then on.
    start["AuthParameters"]["SECRET_HASH"] = json!(crypto::hash::secret_hash("alice@example.com", id, secret));
    let challenge = server.call("InitiateAuth", start).await.ok();
    let mut responses = testkit::srp::respond(&challenge, &pool, PASSWORD);
    assert_eq!(verify(&server, id, responses.clone()).await.error(), missing);
    responses["SECRET_HASH"] = json!(crypto::hash::secret_hash("alice@example.com", id, secret));
    let wrong = format!("NotAuthorizedException: Unable to verify secret hash for client {id}");
    assert_eq!(verify(&server, id, responses.clone()).await.error(), wrong);
    responses["SECRET_HASH"] = json!(crypto::hash::secret_hash("alice", id, secret));
    verify(&server, id, responses).await.ok();
}
