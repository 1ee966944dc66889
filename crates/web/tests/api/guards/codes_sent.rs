//! How many codes go out during sign-ins: to one user, and to one address.

use std::sync::Arc;

use testkit::both_engines;

use super::*;
use crate::sign_in::{at_once, mfa, times};

/// So many in an hour.
const MOST: usize = 20;
const EXCEEDED: &str = "TooManyRequestsException: Attempt limit exceeded, please try after some time.";

/// A sign-in that asks for a code.
fn asking(client: &str, username: &str, challenge: &str) -> Value {
    begin(client, "USER_AUTH", json!({"USERNAME": username, "PREFERRED_CHALLENGE": challenge}))
}

/// What came of as many such sign-ins as it takes to be refused, and one more.
async fn until_refused(server: &Server, client: &str, username: &str, challenge: &str) -> usize {
    for sent in 0..100 {
        let answer = server.call("InitiateAuth", asking(client, username, challenge)).await;
        if answer.status == 200 {
            assert_eq!(answer.body["ChallengeName"], challenge, "{username}");
            continue;
        }
        assert_eq!(answer.error(), EXCEEDED, "{username}");
        let again = server.call("InitiateAuth", asking(client, username, challenge)).await;
        assert_eq!(again.error(), EXCEEDED, "{username}");
        return sent;
    }
    100
}

#[tokio::test]
async fn a_stranger_cannot_have_any_number_of_codes_sent() {
    both_engines(async |server| {
        let (pool, client) = scene(&server).await;
        server.confirmed_user(&pool, "disabled", PASSWORD, json!({"email": "off@example.com"})).await;
        crate::sign_in::administer(&server, "AdminDisableUser", &pool, "disabled").await;
        // Known, disabled and unknown names look the same, by any name.
        for username in ["alice", "disabled", "ghost", "ghost@example.com"] {
            assert_eq!(until_refused(&server, &client, username, "EMAIL_OTP").await, MOST, "{username}");
        }
        assert_eq!(server.messages(&pool, "alice").await.len(), MOST);
        // Both media share the number, and so do the two steps of a choice; the choice can be made later.
        assert_eq!(until_refused(&server, &client, "alice", "SMS_OTP").await, 0);
        let choices = server.call("InitiateAuth", begin(&client, "USER_AUTH", json!({"USERNAME": "alice"}))).await.ok();
        let chosen = answer(&client, &choices, json!({"USERNAME": "alice", "ANSWER": "EMAIL_OTP"}));
        assert_eq!(server.call("RespondToAuthChallenge", chosen.clone()).await.error(), EXCEEDED);
        let instead = json!({"USERNAME": "alice", "ANSWER": "PASSWORD", "PASSWORD": PASSWORD});
        server.call("RespondToAuthChallenge", answer(&client, &choices, instead)).await.ok();
        // Passwords are not concerned.
        server.sign_in(&client, "alice", PASSWORD).await.ok();
        server.advance(3_599);
        for username in ["alice", "ghost"] {
            assert_eq!(until_refused(&server, &client, username, "EMAIL_OTP").await, 0, "{username}");
        }
        server.advance(1);
        for username in ["alice", "disabled", "ghost", "ghost@example.com"] {
            assert_eq!(until_refused(&server, &client, username, "EMAIL_OTP").await, MOST, "{username}");
        }
    })
    .await;
}

/// Anybody can sign up with anybody's address as long as nobody has verified it.
#[tokio::test]
async fn users_who_share_an_address_share_the_number() {
    both_engines(async |server| {
        let (pool, client) = scene(&server).await;
        for number in 0..4 {
            let attributes = json!({"email": "Victim@example.com", "email_verified": "false"});
            server.confirmed_user(&pool, &format!("user-{number}"), PASSWORD, attributes).await;
        }
        let attributes = json!({"email": "victim@example.com", "phone_number": "+15555550101"});
        server.confirmed_user(&pool, "owner", PASSWORD, attributes).await;
        let mut mails = 0;
        for number in 0..4 {
            let username = format!("user-{number}");
            for _ in 0..7 {
                server.call("InitiateAuth", asking(&client, &username, "EMAIL_OTP")).await;
            }
            mails += server.messages(&pool, &username).await.len();
        }
        assert_eq!(mails, MOST);
        assert_eq!(until_refused(&server, &client, "owner", "EMAIL_OTP").await, 0);
        // Another address of the same user gets its own.
        assert_eq!(until_refused(&server, &client, "owner", "SMS_OTP").await, MOST);
        // Names that nobody has do not share one another's, though their made-up addresses are few.
        for number in 0..3 {
            let username = format!("+1555555020{number}");
            assert_eq!(until_refused(&server, &client, &username, "SMS_OTP").await, MOST, "{username}");
            assert_eq!(until_refused(&server, &client, &format!("ghost-{number}"), "EMAIL_OTP").await, MOST);
        }
    })
    .await;
}

#[tokio::test]
async fn whoever_knows_the_password_cannot_either() {
    both_engines(async |server| {
        let (pool, client) = mfa::optional(&server).await;
        let sign_in = async || server.sign_in(&client, "alice", PASSWORD).await;
        mfa::prefer(&server, &pool, json!({"SMSMfaSettings": mfa::on(), "EmailMfaSettings": mfa::on()})).await;
        // One choice that is made later.
        let choice = mfa::session(&server, &client, "SELECT_MFA_TYPE").await;
        mfa::prefer(&server, &pool, json!({"EmailMfaSettings": mfa::preferred()})).await;
        for _ in 0..MOST {
            assert_eq!(sign_in().await.ok()["ChallengeName"], "EMAIL_OTP");
        }
        assert_eq!(sign_in().await.error(), EXCEEDED);
        assert_eq!(server.messages(&pool, "alice").await.len(), MOST);
        // A choice is not used up by what it could not lead to.
        let chosen =
            async || mfa::answer(&server, &client, "SELECT_MFA_TYPE", &choice, json!({"ANSWER": "EMAIL_OTP"})).await;
        assert_eq!(chosen().await.error(), EXCEEDED);
        assert_eq!(chosen().await.error(), EXCEEDED);
        server.advance(3_600);
        assert_eq!(sign_in().await.ok()["ChallengeName"], "EMAIL_OTP");
        // Who has an app gets no messages and meets no limit.
        mfa::prefer(
            &server,
            &pool,
            json!({"EmailMfaSettings": {"Enabled": false}, "SMSMfaSettings": {"Enabled": false}}),
        )
        .await;
        for _ in 0..=MOST {
            assert!(sign_in().await.ok().get("ChallengeName").is_none());
        }
    })
    .await;
}

/// A mail address that is set up as a second factor is an address like any other.
#[tokio::test]
async fn nobody_is_flooded_by_a_set_up() {
    both_engines(async |server| {
        let pool = mfa::pool(&server, json!({}), mfa::all("ON")).await;
        let client = server.client_id(&pool, json!({})).await;
        server.confirmed_user(&pool, "alice", PASSWORD, json!({})).await;
        let with_address = json!({"EMAIL": "victim@example.com"});
        for _ in 0..MOST {
            let session = mfa::session(&server, &client, "MFA_SETUP").await;
            mfa::answer(&server, &client, "MFA_SETUP", &session, with_address.clone()).await.ok();
        }
        let session = mfa::session(&server, &client, "MFA_SETUP").await;
        for _ in 0..2 {
            let refused = mfa::answer(&server, &client, "MFA_SETUP", &session, with_address.clone()).await;
            assert_eq!(refused.error(), EXCEEDED);
        }
        // The count is the address's as well as the user's.
        server.confirmed_user(&pool, "bob", PASSWORD, json!({})).await;
        let challenge = server.sign_in(&client, "bob", PASSWORD).await.ok();
        let responses = json!({"USERNAME": "bob", "EMAIL": "victim@example.com"});
        let refused = server.call("RespondToAuthChallenge", answer(&client, &challenge, responses)).await;
        assert_eq!(refused.error(), EXCEEDED);
        let responses = json!({"USERNAME": "bob", "EMAIL": "bob@example.com"});
        server.call("RespondToAuthChallenge", answer(&client, &challenge, responses)).await.ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_at_once_gain_nothing() {
    both_engines(async |server| {
        let (pool, client) = scene(&server).await;
        for _ in 0..MOST - 4 {
            server.call("InitiateAuth", asking(&client, "alice", "EMAIL_OTP")).await.ok();
        }
        let server = Arc::new(server);
        let outcomes = at_once(8, &server, |server| {
            let client = client.clone();
            async move { server.call("InitiateAuth", asking(&client, "alice", "EMAIL_OTP")).await }
        })
        .await;
        assert_eq!(outcomes, [times(4, EXCEEDED), times(4, "ok")].concat());
        assert_eq!(server.messages(&pool, "alice").await.len(), MOST);
    })
    .await;
}

#[tokio::test]
async fn the_number_can_be_set() {
    let server = Server::builder().settings(|settings| settings.limits.sign_in_codes_per_hour = 3).start().await;
    let (_, client) = scene(&server).await;
    for username in ["alice", "ghost"] {
        assert_eq!(until_refused(&server, &client, username, "EMAIL_OTP").await, 3, "{username}");
    }
}
