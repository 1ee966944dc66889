//! Sessions at every place where they do not belong, and twice where they do. `CUSTOM_CHALLENGE`, `WEB_AUTHN` and the
//! challenges of devices have the same among their own tests.

use testkit::{both_engines, srp, totp};

use super::*;
use crate::sign_in::{INCORRECT, INVALID_SESSION, USED_SESSION, mfa, set_password};

/// A challenge that waits, and the right answer to it.
struct Waiting {
    /// Whose it is.
    username: &'static str,
    challenge: Value,
    right: Value,
}

/// Everything that signs in here.
struct Scene {
    server: Server,
    pool: String,
    client: String,
    secret: String,
}

const TEMPORARY: &str = "Temp-Passw0rd";
/// Challenges, and the users who are asked by them.
const ALL: [(&str, &str); 11] = [
    ("SELECT_CHALLENGE", "alice"),
    ("PASSWORD", "alice"),
    ("PASSWORD_SRP", "alice"),
    ("PASSWORD_VERIFIER", "alice"),
    ("EMAIL_OTP", "alice"),
    ("SMS_OTP", "alice"),
    ("NEW_PASSWORD_REQUIRED", "new"),
    ("SMS_MFA", "text"),
    ("EMAIL_OTP", "mail"),
    ("SOFTWARE_TOKEN_MFA", "app"),
    ("SELECT_MFA_TYPE", "both"),
];
/// Those that have followed a password.
const AFTER_A_PASSWORD: usize = 6;

async fn scene(server: Server) -> Scene {
    let pool = mfa::pool(&server, everything(&json!({})), mfa::all("OPTIONAL")).await;
    let client = client(&server, &pool, json!({})).await;
    for (number, username) in ["alice", "new", "text", "mail", "app", "both"].into_iter().enumerate() {
        let attributes =
            json!({"email": format!("{username}@example.com"), "phone_number": format!("+1555555010{number}")});
        server.confirmed_user(&pool, username, PASSWORD, attributes).await;
    }
    let tokens = server.sign_in(&client, "app", PASSWORD).await.ok();
    let token = &tokens["AuthenticationResult"]["AccessToken"];
    let handed_out = server.call("AssociateSoftwareToken", json!({"AccessToken": token})).await.ok();
    let secret = handed_out["SecretCode"].as_str().unwrap().to_owned();
    let code = totp::code(&server, &secret, 0);
    server.call("VerifySoftwareToken", json!({"AccessToken": token, "UserCode": code})).await.ok();
    for (username, settings) in [
        ("text", json!({"SMSMfaSettings": mfa::preferred()})),
        ("mail", json!({"EmailMfaSettings": mfa::preferred()})),
        ("app", json!({"SoftwareTokenMfaSettings": mfa::preferred()})),
        ("both", json!({"SMSMfaSettings": mfa::on(), "EmailMfaSettings": mfa::on()})),
    ] {
        let request = with(json!({"UserPoolId": pool, "Username": username}), &settings);
        server.call("AdminSetUserMFAPreference", request).await.ok();
    }
    set_password(&server, &pool, "new", TEMPORARY, false).await;
    Scene { server, pool, client, secret }
}

impl Scene {
    /// A challenge of this name, through InitiateAuth or AdminInitiateAuth.
    async fn ask(&self, name: &str, username: &'static str, admin: bool) -> Waiting {
        let srp_a = srp::initiate("", "")["AuthParameters"]["SRP_A"].clone();
        let word = if username == "new" { TEMPORARY } else { PASSWORD };
        let (flow, parameters) = match (username, name) {
            ("alice", "SELECT_CHALLENGE") => ("USER_AUTH", json!({})),
            ("alice", "PASSWORD_VERIFIER") => {
                ("USER_AUTH", json!({"PREFERRED_CHALLENGE": "PASSWORD_SRP", "SRP_A": srp_a}))
            }
            ("alice", _) => ("USER_AUTH", json!({"PREFERRED_CHALLENGE": name})),
            _ if admin => ("ADMIN_USER_PASSWORD_AUTH", json!({"PASSWORD": word})),
            _ => ("USER_PASSWORD_AUTH", json!({"PASSWORD": word})),
        };
        // A code of an app counts once.
        self.server.advance(30);
        let request = begin(&self.client, flow, with(parameters, &json!({"USERNAME": username})));
        let challenge = match admin {
            true => self.server.call("AdminInitiateAuth", with(request, &json!({"UserPoolId": self.pool}))).await.ok(),
            false => self.server.call("InitiateAuth", request).await.ok(),
        };
        assert_eq!(challenge["ChallengeName"], name, "{username}");
        let right = match name {
            "SELECT_CHALLENGE" => json!({"ANSWER": "PASSWORD", "PASSWORD": PASSWORD}),
            "PASSWORD" => json!({"PASSWORD": PASSWORD}),
            "PASSWORD_SRP" => json!({"SRP_A": srp_a}),
            "PASSWORD_VERIFIER" => srp::respond(&challenge, &self.pool, PASSWORD),
            "NEW_PASSWORD_REQUIRED" => json!({"NEW_PASSWORD": PASSWORD}),
            "SELECT_MFA_TYPE" => json!({"ANSWER": "SMS_MFA"}),
            "SOFTWARE_TOKEN_MFA" => json!({"SOFTWARE_TOKEN_MFA_CODE": totp::code(&self.server, &self.secret, 0)}),
            _ => {
                let code = self.server.last_code(&self.pool, username).await;
                json!({"EMAIL_OTP_CODE": code, "SMS_OTP_CODE": code, "SMS_MFA_CODE": code})
            }
        };
        let right = with(right, &json!({"USERNAME": username}));
        Waiting { username, challenge, right }
    }

    async fn reply(&self, request: Value, admin: bool) -> Answer {
        match admin {
            true => {
                let request = with(request, &json!({"UserPoolId": self.pool}));
                self.server.call("AdminRespondToAuthChallenge", request).await
            }
            false => self.server.call("RespondToAuthChallenge", request).await,
        }
    }

    /// What must be refused, as no session for this.
    async fn refuses(&self, what: &str, request: Value, admin: bool) {
        let refused = self.reply(request, admin).await;
        assert!(refused.status != 200, "{what}: {}", refused.body);
        // An SRP proof for another client is not even opened.
        assert!([INVALID_SESSION, INCORRECT].contains(&refused.error().as_str()), "{what}: {}", refused.error());
    }
}

#[tokio::test]
async fn a_session_is_good_at_its_own_place_and_once() {
    both_engines(async |server| {
        let scene = scene(server).await;
        let server = &scene.server;
        let sibling = client(server, &scene.pool, json!({})).await;
        let elsewhere = server.pool(everything(&json!({}))).await;
        let elsewhere = client(server, &elsewhere, json!({})).await;
        for admin in [false, true] {
            for (name, username) in ALL {
                let waiting = scene.ask(name, username, admin).await;
                let request = answer(&scene.client, &waiting.challenge, waiting.right.clone());
                // As the session of any other challenge, with everything that could be asked for.
                let more = json!({"ANSWER": "PASSWORD", "PASSWORD": PASSWORD, "NEW_PASSWORD": PASSWORD, "SRP_A": "2",
                    "EMAIL_OTP_CODE": "1", "SMS_OTP_CODE": "1", "SMS_MFA_CODE": "1", "SOFTWARE_TOKEN_MFA_CODE": "1",
                    "PASSWORD_CLAIM_SECRET_BLOCK": "AA==", "PASSWORD_CLAIM_SIGNATURE": "AA==", "TIMESTAMP": "x"});
                let all = with(more, &waiting.right);
                for (other, _) in ALL.into_iter().filter(|(other, _)| *other != name) {
                    let crossed = with(request.clone(), &json!({"ChallengeName": other, "ChallengeResponses": all}));
                    scene.refuses(&format!("{name} as {other}"), crossed, admin).await;
                }
                for client in [&sibling, &elsewhere] {
                    let crossed = with(request.clone(), &json!({"ClientId": client}));
                    if client == &sibling || !admin {
                        scene.refuses(&format!("{name} of another client"), crossed, admin).await;
                    }
                }
                scene.refuses(&format!("{name} through the other entrance"), request.clone(), !admin).await;
                let other = if username == "alice" { "text" } else { "alice" };
                let responses = with(waiting.right.clone(), &json!({"USERNAME": other}));
                let crossed = with(request.clone(), &json!({"ChallengeResponses": responses}));
                scene.refuses(&format!("{name} by somebody else"), crossed, admin).await;

                // None of that has used it up.
                scene.reply(request.clone(), admin).await.ok();
                let again = scene.reply(request, admin).await;
                assert_eq!(again.error(), USED_SESSION, "{name} twice");
                if waiting.username == "new" {
                    set_password(server, &scene.pool, "new", TEMPORARY, false).await;
                }
            }
        }
    })
    .await;
}

/// Whoever sets another password ends what was begun with the old one.
#[tokio::test]
async fn a_session_ends_with_the_password_that_it_followed() {
    both_engines(async |server| {
        let scene = scene(server).await;
        for (name, username) in ALL.into_iter().skip(AFTER_A_PASSWORD) {
            let waiting = scene.ask(name, username, false).await;
            let (word, permanent) = if username == "new" { (TEMPORARY, false) } else { (PASSWORD, true) };
            // Even the same one: the one that was proven is gone.
            set_password(&scene.server, &scene.pool, username, word, permanent).await;
            let request = answer(&scene.client, &waiting.challenge, waiting.right);
            assert_eq!(scene.reply(request, false).await.error(), INVALID_SESSION, "{name}");
        }
    })
    .await;
}
