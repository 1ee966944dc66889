//! Wrong guesses from one address, of whichever users.

use std::sync::Arc;

use testkit::{srp, totp};

use super::*;
use crate::sign_in::{INCORRECT, LOCKED, mfa};

const HERE: &str = "192.0.2.1";
const ELSEWHERE: &str = "192.0.2.2";
const LIMIT: &str = "LimitExceededException: Attempt limit exceeded, please try after some time.";
const EXCEEDED: &str = "TooManyRequestsException: Rate exceeded";

async fn limited(most: u32) -> Server {
    Server::builder().settings(|settings| settings.limits.wrong_guesses_per_address_and_hour = most).start().await
}

/// One password, and many users to try it with.
#[tokio::test]
async fn one_password_for_many_users_is_held_back() {
    let server = limited(20).await;
    let (pool, client) = scene(&server).await;
    let sign_in = async |address: &str, username: &str, word: &str| {
        from(&server, address, "InitiateAuth", password(&client, username, word)).await
    };
    // Known users and unknown ones, each far from a lock of their own.
    for number in 0..20 {
        let username = if number % 5 == 0 { "alice".to_owned() } else { format!("user-{number}") };
        assert_eq!(sign_in(HERE, &username, WRONG).await.error(), INCORRECT, "{number}");
    }
    for username in ["alice", "nobody"] {
        for word in [PASSWORD, WRONG] {
            assert_eq!(sign_in(HERE, username, word).await.error(), LOCKED, "{username}");
        }
    }
    // Who comes from elsewhere, and servers that sign in users, are not concerned.
    sign_in(ELSEWHERE, "alice", PASSWORD).await.ok();
    let parameters = json!({"USERNAME": "alice", "PASSWORD": PASSWORD});
    let admin = with(begin(&client, "ADMIN_USER_PASSWORD_AUTH", parameters), &json!({"UserPoolId": pool}));
    from(&server, HERE, "AdminInitiateAuth", admin).await.ok();
    // An hour gives twenty back: one every three minutes, and what was refused has not moved that.
    server.advance(179);
    assert_eq!(sign_in(HERE, "alice", PASSWORD).await.error(), LOCKED);
    server.advance(1);
    // Right ones cost nothing.
    for _ in 0..3 {
        sign_in(HERE, "alice", PASSWORD).await.ok();
    }
    assert_eq!(sign_in(HERE, "bob", WRONG).await.error(), INCORRECT);
    assert_eq!(sign_in(HERE, "alice", PASSWORD).await.error(), LOCKED);
    server.advance(3_600);
    for number in 0..20 {
        assert_eq!(sign_in(HERE, &format!("user-{number}"), WRONG).await.error(), INCORRECT, "{number}");
    }
    assert_eq!(sign_in(HERE, "alice", PASSWORD).await.error(), LOCKED);
}

#[tokio::test]
async fn a_burst_gains_nothing() {
    let server = limited(20).await;
    let (_, client) = scene(&server).await;
    let server = Arc::new(server);
    let guesses = (0..40).map(|number| {
        let (server, client) = (server.clone(), client.clone());
        tokio::spawn(async move {
            let request = password(&client, &format!("user-{number}"), WRONG);
            from(&server, HERE, "InitiateAuth", request).await.error()
        })
    });
    let mut outcomes = Vec::new();
    for guess in guesses.collect::<Vec<_>>() {
        outcomes.push(guess.await.unwrap());
    }
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == INCORRECT).count(), 20);
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == LOCKED).count(), 20);
}

#[tokio::test]
async fn a_network_of_ipv6_is_one_address() {
    let server = limited(1).await;
    let (_, client) = scene(&server).await;
    let sign_in = async |address: &str, word: &str| {
        from(&server, address, "InitiateAuth", password(&client, "alice", word)).await
    };
    assert_eq!(sign_in("[2001:db8:1:2::3]", WRONG).await.error(), INCORRECT);
    assert_eq!(sign_in("[2001:db8:1:2:ffff::4]", PASSWORD).await.error(), LOCKED);
    sign_in("[2001:db8:1:3::3]", PASSWORD).await.ok();
}

#[tokio::test]
async fn without_a_limit_nothing_is_held_back() {
    let server = Server::memory().await;
    let (_, client) = scene(&server).await;
    for number in 0..400 {
        let request = password(&client, &format!("user-{number}"), WRONG);
        assert_eq!(from(&server, HERE, "InitiateAuth", request).await.error(), INCORRECT, "{number}");
    }
    from(&server, HERE, "InitiateAuth", password(&client, "alice", PASSWORD)).await.ok();
}

/// A server that takes one wrong guess from an address, and whether the guess was it: nothing else that is guessed from
/// there is looked at any more.
struct Once {
    server: Server,
    client: String,
}

impl Once {
    async fn is_used_up_by(&self, what: &str, operation: &str, body: Value) {
        let answer = from(&self.server, ELSEWHERE, operation, body.clone()).await;
        assert_ne!(answer.status, 200, "{what} was to be wrong");
        assert_ne!(answer.error(), LOCKED, "{what} was to be looked at");
        let sign_in = async |address: &str| {
            from(&self.server, address, "InitiateAuth", password(&self.client, "somebody", PASSWORD)).await
        };
        assert_eq!(sign_in(ELSEWHERE).await.error(), LOCKED, "{what}");
        sign_in(HERE).await.ok();
        // Each guess is refused as its operation words it.
        let refused = from(&self.server, ELSEWHERE, operation, body).await.error();
        assert!([LOCKED, LIMIT].contains(&refused.as_str()), "{what}: {refused}");
        self.server.advance(3_600);
    }
}

/// The servers of an application hand on what their users guess, and prove themselves by a secret.
#[tokio::test]
async fn secrets_of_clients_are_counted_by_themselves() {
    let server = limited(1).await;
    let (pool, client) = scene(&server).await;
    let machine = server.client(&pool, json!({"GenerateSecret": true})).await;
    let [machine, secret] = ["ClientId", "ClientSecret"].map(|name| machine[name].as_str().unwrap().to_owned());
    let wrong = "x".repeat(51);
    for (operation, name, more) in [
        ("RevokeToken", "ClientSecret", json!({"Token": "x"})),
        ("GetClientToken", "Secret", json!({})),
        ("GetTokensFromRefreshToken", "ClientSecret", json!({"RefreshToken": "x"})),
        ("GetDerivedToken", "ClientSecret", json!({"SubjectToken": "x", "SubjectTokenType": "ACCESS_TOKEN"})),
    ] {
        let call = async |address: &str, secret: &str| {
            let body = with(with(json!({"ClientId": machine}), &json!({(name): secret})), &more);
            from(&server, address, operation, body).await
        };
        assert_ne!(call(HERE, &wrong).await.error(), EXCEEDED, "{operation}");
        for secret in [&wrong, &secret] {
            assert_eq!(call(HERE, secret).await.error(), EXCEEDED, "{operation}");
        }
        let elsewhere = call(ELSEWHERE, &secret).await;
        assert!(elsewhere.status == 200 || elsewhere.error() != EXCEEDED, "{operation}");
        // Users sign in from there as ever, and guess without locking the client out.
        from(&server, HERE, "InitiateAuth", password(&client, "alice", PASSWORD)).await.ok();
        server.advance(3_600);
        assert_eq!(from(&server, HERE, "InitiateAuth", password(&client, "bob", WRONG)).await.error(), INCORRECT);
        let refused = call(HERE, &wrong).await;
        assert_ne!(refused.error(), EXCEEDED, "{operation}");
        server.advance(3_600);
    }
}

/// Every kind of guess counts.
#[tokio::test]
async fn whatever_is_guessed_counts() {
    let server = limited(1).await;
    let pool =
        mfa::pool(&server, everything(&json!({"AutoVerifiedAttributes": ["email"]})), mfa::all("OPTIONAL")).await;
    let client = client(&server, &pool, json!({"AuthSessionValidity": 15})).await;
    let attributes = json!({"email": "alice@example.com", "phone_number": "+15555550100"});
    server.confirmed_user(&pool, "alice", PASSWORD, attributes).await;
    server.confirmed_user(&pool, "somebody", PASSWORD, json!({})).await;
    let once = Once { server, client };
    let (server, client) = (&once.server, once.client.as_str());
    let call = async |operation: &str, body: Value| server.call(operation, body).await.ok();

    once.is_used_up_by("a password", "InitiateAuth", password(client, "alice", WRONG)).await;
    once.is_used_up_by("a stranger's password", "InitiateAuth", password(client, "ghost", WRONG)).await;

    let challenge = call("InitiateAuth", srp::initiate(client, "alice")).await;
    let responses = srp::respond(&challenge, &pool, WRONG);
    once.is_used_up_by("a proof", "RespondToAuthChallenge", answer(client, &challenge, responses)).await;

    let mailed = json!({"USERNAME": "alice", "PREFERRED_CHALLENGE": "EMAIL_OTP"});
    let challenge = call("InitiateAuth", begin(client, "USER_AUTH", mailed)).await;
    let responses = json!({"USERNAME": "alice", "EMAIL_OTP_CODE": "00000000"});
    once.is_used_up_by("a first code", "RespondToAuthChallenge", answer(client, &challenge, responses)).await;

    let tokens = call("InitiateAuth", password(client, "alice", PASSWORD)).await;
    let token = &tokens["AuthenticationResult"]["AccessToken"];
    let named = json!({"AccessToken": token, "AttributeName": "email"});
    call("GetUserAttributeVerificationCode", named.clone()).await;
    let wrong = with(named, &json!({"Code": "000000"}));
    once.is_used_up_by("a code of an attribute", "VerifyUserAttribute", wrong).await;

    call("ForgotPassword", json!({"ClientId": client, "Username": "alice"})).await;
    let reset = |username: &str| json!({"ClientId": client, "Username": username, "ConfirmationCode": "000000", "Password": "Next-Passw0rd"});
    once.is_used_up_by("a reset code", "ConfirmForgotPassword", reset("alice")).await;
    once.is_used_up_by("a stranger's reset code", "ConfirmForgotPassword", reset("ghost")).await;

    let attributes = json!([{"Name": "email", "Value": "new@example.com"}]);
    let sign_up = json!({"ClientId": client, "Username": "new", "Password": PASSWORD, "UserAttributes": attributes});
    call("SignUp", sign_up).await;
    let confirm = json!({"ClientId": client, "Username": "new", "ConfirmationCode": "000000"});
    once.is_used_up_by("a code of a sign-up", "ConfirmSignUp", confirm).await;

    let secret = mfa::with_token(server, client).await;
    for (settings, name, responses) in [
        (json!({"SMSMfaSettings": mfa::preferred()}), "SMS_MFA", json!({"SMS_MFA_CODE": "000000"})),
        (
            json!({"SMSMfaSettings": {"Enabled": false}, "EmailMfaSettings": mfa::preferred()}),
            "EMAIL_OTP",
            json!({"EMAIL_OTP_CODE": "000000"}),
        ),
        (
            json!({"EmailMfaSettings": {"Enabled": false}, "SoftwareTokenMfaSettings": mfa::preferred()}),
            "SOFTWARE_TOKEN_MFA",
            json!({"SOFTWARE_TOKEN_MFA_CODE": mfa::other(&totp::code(server, &secret, 0))}),
        ),
    ] {
        mfa::prefer(server, &pool, settings).await;
        let challenge = call("InitiateAuth", password(client, "alice", PASSWORD)).await;
        assert_eq!(challenge["ChallengeName"], name);
        let responses = with(json!({"USERNAME": "alice"}), &responses);
        once.is_used_up_by(name, "RespondToAuthChallenge", answer(client, &challenge, responses)).await;
    }
}
