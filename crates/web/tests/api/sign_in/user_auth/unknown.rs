//! Users that do not exist, or must not show that they do (auth-flows.md §9).

use super::*;

/// An answer without what differs between any two users: sealed texts keep their length.
fn shape(answer: &Answer) -> Value {
    if answer.status != 200 {
        return json!(answer.error());
    }
    let mut body = answer.body.clone();
    if let Some(session) = answer.body["Session"].as_str() {
        body["Session"] = json!(session.len());
    }
    if let Some(parameters) = body["ChallengeParameters"].as_object_mut() {
        for value in parameters.values_mut() {
            let text = value.as_str().unwrap();
            // SRP numbers are written without leading zeros.
            *value = if text.len() > 100 { json!("[long]") } else { json!(text.len()) };
        }
    }
    body
}

#[tokio::test]
async fn a_client_that_hides_nothing_says_so_at_once() {
    both_engines(async |server| {
        let (_, client) = everything(&server, json!({})).await;
        for more in [
            json!({}),
            prefer("EMAIL_OTP"),
            prefer("SMS_OTP"),
            prefer("PASSWORD"),
            json!({"PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD}),
            json!({"PREFERRED_CHALLENGE": "PASSWORD_SRP", "SRP_A": srp_a()}),
        ] {
            assert_eq!(start(&server, &client, "nobody", more).await.error(), UNKNOWN);
        }
    })
    .await;
}

#[tokio::test]
async fn unknown_users_look_like_known_ones() {
    both_engines(async |server| {
        let pool = pool_with(&server, &["PASSWORD", "EMAIL_OTP"], json!({"UsernameAttributes": ["email"]})).await;
        let client = client_of(&server, &pool, hides()).await;
        // A disabled user is hidden as well.
        let (known, unknown, disabled) = ("known@example.com", "ghost@example.com", "sleep@example.com");
        for username in [known, disabled] {
            server.confirmed_user(&pool, username, PASSWORD, json!({})).await;
        }
        administer(&server, "AdminDisableUser", &pool, disabled).await;
        let same = |answers: [Answer; 3]| {
            let [one, two, three] = answers.each_ref().map(shape);
            assert_eq!(one, two);
            assert_eq!(one, three);
            answers
        };
        let all = async |more: Value| {
            same([
                start(&server, &client, known, more.clone()).await,
                start(&server, &client, unknown, more.clone()).await,
                start(&server, &client, disabled, more.clone()).await,
            ])
        };
        let names = [known, unknown, disabled];
        let answer_all = async |asked: &[Answer; 3], responses: Value| {
            let mut answers = Vec::new();
            for (asked, username) in asked.iter().zip(names) {
                let mut responses = responses.clone();
                responses["USERNAME"] = json!(username);
                answers.push(reply(&server, &client, &asked.body, responses).await);
            }
            same(answers.try_into().ok().unwrap())
        };

        let wrong = json!({"PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": "Wrong1!!"});
        assert_eq!(all(wrong).await[1].error(), INCORRECT);
        let asked = all(prefer("PASSWORD")).await;
        assert_eq!(answer_all(&asked, json!({"PASSWORD": "Wrong1!!"})).await[1].error(), INCORRECT);
        let choices = all(json!({})).await;
        assert_eq!(choices[1].body["AvailableChallenges"], json!(["PASSWORD_SRP", "PASSWORD", "EMAIL_OTP"]));
        answer_all(&choices, json!({"ANSWER": "PASSWORD", "PASSWORD": "Wrong1!!"})).await;
        answer_all(&choices, json!({"ANSWER": "WEB_AUTHN"})).await;
        let asked = answer_all(&choices, json!({"ANSWER": "EMAIL_OTP"})).await;
        assert_eq!(answer_all(&asked, json!({"EMAIL_OTP_CODE": "00000000"})).await[1].error(), MISMATCH);
        assert_eq!(answer_all(&choices, json!({"ANSWER": "EMAIL_OTP"})).await[1].error(), USED_SESSION);

        let srp = all(json!({"PREFERRED_CHALLENGE": "PASSWORD_SRP", "SRP_A": srp_a()})).await;
        let block = srp[1].body["ChallengeParameters"]["SECRET_BLOCK"].clone();
        assert!(block.as_str().unwrap().len() > 1_000);
        for (asked, username) in srp.iter().zip(names) {
            let mut responses = srp::respond(&asked.body, &pool, "Wrong1!!");
            responses["USERNAME"] = json!(username);
            assert_eq!(reply(&server, &client, &asked.body, responses).await.error(), INCORRECT);
        }

        let asked = all(prefer("EMAIL_OTP")).await;
        assert_eq!(
            asked[1].body["ChallengeParameters"],
            json!({"CODE_DELIVERY_DELIVERY_MEDIUM": "EMAIL", "CODE_DELIVERY_DESTINATION": "g***@e***"})
        );
        assert_eq!(server.messages(&pool, unknown).await, Vec::<Value>::new());
        assert_eq!(server.messages(&pool, disabled).await, Vec::<Value>::new());
        assert_eq!(server.messages(&pool, known).await.len(), 2);
        // Wrong codes are counted alike: one has been, and twenty are taken in an hour.
        for number in 2..=21 {
            let answers = answer_all(&asked, json!({"EMAIL_OTP_CODE": "00000000"})).await;
            let expected = if number <= 20 { MISMATCH } else { LOCKED };
            assert_eq!(answers[1].error(), expected, "{number}");
        }
        server.advance(3_601);
        let asked = all(prefer("EMAIL_OTP")).await;
        assert_eq!(answer_all(&asked, json!({"EMAIL_OTP_CODE": "00000000"})).await[1].error(), MISMATCH);
    })
    .await;
}

#[tokio::test]
async fn what_nobody_is_asked_stays_the_same() {
    let server = Server::memory().await;
    let (pool, client) = everything(&server, hides()).await;
    let first = start(&server, &client, "ghost", prefer("EMAIL_OTP")).await.ok();
    let again = start(&server, &client, "ghost", prefer("EMAIL_OTP")).await.ok();
    assert_eq!(first["ChallengeParameters"], again["ChallengeParameters"]);
    assert_eq!(first["AvailableChallenges"], json!(["PASSWORD_SRP", "PASSWORD", "EMAIL_OTP"]));
    // A reset would go to the same address.
    let reset = server.call("ForgotPassword", json!({"ClientId": client, "Username": "ghost"})).await.ok();
    assert_eq!(first["ChallengeParameters"]["CODE_DELIVERY_DESTINATION"], reset["CodeDeliveryDetails"]["Destination"]);
    let phone = start(&server, &client, "+15555559999", prefer("SMS_OTP")).await.ok();
    assert_eq!(phone["ChallengeParameters"]["CODE_DELIVERY_DESTINATION"], "+*******9999");
    assert_eq!(server.messages(&pool, "ghost").await, Vec::<Value>::new());
}
