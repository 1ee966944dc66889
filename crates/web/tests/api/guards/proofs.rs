//! What a client has proven is not used up by a code that may not be sent: SDKs send the same again by themselves.

use testkit::{
    both_engines, srp,
    triggers::{Told, lambda_config, responds},
};

use super::*;
use crate::sign_in::{USED_SESSION, mfa, set_password};

const EXCEEDED: &str = "TooManyRequestsException: Attempt limit exceeded, please try after some time.";
const HOUR: i64 = 3_600;
/// A challenge is good for three minutes.
const MINUTE: i64 = 60;

/// Has alice get as many codes as there are in an hour.
async fn exhaust(server: &Server, client: &str) {
    loop {
        let answer = server.sign_in(client, "alice", PASSWORD).await;
        if answer.status != 200 {
            assert_eq!(answer.error(), EXCEEDED);
            break;
        }
        assert_eq!(answer.body["ChallengeName"], "EMAIL_OTP");
    }
}

/// The same, and all but a minute of that hour pass.
async fn exhaust_for_a_minute(server: &Server, client: &str) {
    exhaust(server, client).await;
    server.advance(HOUR - MINUTE);
}

/// An answer that proves everything is refused again and again, leads on as soon as codes are sent again, and is used up
/// then.
async fn is_kept(server: &Server, what: &str, answer: Value) {
    let send = async || server.call("RespondToAuthChallenge", answer.clone()).await;
    for _ in 0..2 {
        assert_eq!(send().await.error(), EXCEEDED, "{what}");
    }
    server.advance(MINUTE);
    assert_eq!(send().await.ok()["ChallengeName"], "EMAIL_OTP", "{what}");
    assert_eq!(send().await.error(), USED_SESSION, "{what}");
    // That is said also when no code could be sent.
    exhaust(server, answer["ClientId"].as_str().unwrap()).await;
    assert_eq!(send().await.error(), USED_SESSION, "{what}");
}

#[tokio::test]
async fn a_proof_outlives_a_code_too_many() {
    both_engines(async |server| {
        responds(&server, &Told::default(), "DefineAuthChallenge", |_| json!({"challengeName": "PASSWORD_VERIFIER"}));
        let members = json!({"LambdaConfig": lambda_config(&["DefineAuthChallenge"])});
        let pool = mfa::pool(&server, members, mfa::all("OPTIONAL")).await;
        let client = client(&server, &pool, json!({})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
        mfa::prefer(&server, &pool, json!({"EmailMfaSettings": mfa::preferred()})).await;
        let srp_a = srp::initiate("", "alice")["AuthParameters"]["SRP_A"].clone();
        let password = json!({"USERNAME": "alice", "PASSWORD": PASSWORD});
        let chosen = with(json!({"ANSWER": "PASSWORD"}), &password);
        for (what, flow, parameters, responses) in [
            ("SRP", "USER_SRP_AUTH", json!({"SRP_A": srp_a}), None),
            (
                "SRP of the user's choice",
                "USER_AUTH",
                json!({"PREFERRED_CHALLENGE": "PASSWORD_SRP", "SRP_A": srp_a}),
                None,
            ),
            ("SRP before functions", "CUSTOM_AUTH", json!({"CHALLENGE_NAME": "SRP_A", "SRP_A": srp_a}), None),
            ("a password", "USER_AUTH", json!({"PREFERRED_CHALLENGE": "PASSWORD"}), Some(password)),
            ("a choice", "USER_AUTH", json!({}), Some(chosen)),
        ] {
            exhaust_for_a_minute(&server, &client).await;
            let request = begin(&client, flow, with(json!({"USERNAME": "alice"}), &parameters));
            let challenge = server.call("InitiateAuth", request).await.ok();
            let responses = responses.unwrap_or_else(|| srp::respond(&challenge, &pool, PASSWORD));
            is_kept(&server, what, answer(&client, &challenge, responses)).await;
        }
        // A temporary password stays until there is room for the code that follows the new one.
        exhaust_for_a_minute(&server, &client).await;
        set_password(&server, &pool, "alice", "Temporary1!", false).await;
        let challenge = server.sign_in(&client, "alice", "Temporary1!").await.ok();
        let responses = json!({"USERNAME": "alice", "NEW_PASSWORD": PASSWORD});
        is_kept(&server, "a new password", answer(&client, &challenge, responses)).await;
        server.advance(HOUR);
        assert_eq!(server.sign_in(&client, "alice", PASSWORD).await.ok()["ChallengeName"], "EMAIL_OTP");
    })
    .await;
}

/// Who is locked out of second factors has not used up a proof either, and a wrong one is refused as ever.
#[tokio::test]
async fn a_proof_outlives_a_lock() {
    both_engines(async |server| {
        let pool = mfa::pool(&server, json!({}), mfa::all("OPTIONAL")).await;
        let client = client(&server, &pool, json!({})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({"email": "alice@example.com"})).await;
        mfa::prefer(&server, &pool, json!({"EmailMfaSettings": mfa::preferred()})).await;
        let challenge = server.sign_in(&client, "alice", PASSWORD).await.ok();
        let wrong = mfa::other(&server.last_code(&pool, "alice").await);
        let guess = answer(&client, &challenge, json!({"USERNAME": "alice", "EMAIL_OTP_CODE": wrong}));
        for _ in 0..5 {
            assert_eq!(server.call("RespondToAuthChallenge", guess.clone()).await.error(), MISMATCH);
        }
        let sign_in = srp::SignIn::start(&server, &client, &pool, "alice", PASSWORD).await;
        let mistaken = srp::SignIn::start(&server, &client, &pool, "alice", WRONG).await;
        assert_eq!(sign_in.finish(&server).await.error(), crate::sign_in::LOCKED);
        assert_eq!(mistaken.finish(&server).await.error(), crate::sign_in::INCORRECT);
        server.advance(1);
        assert_eq!(sign_in.finish(&server).await.ok()["ChallengeName"], "EMAIL_OTP");
        assert_eq!(sign_in.finish(&server).await.error(), USED_SESSION);
    })
    .await;
}
