//! Levels of assurance (auth-flows.md §16): what tokens say of how their user signed in, and USER_AUTH that aims at a
//! level, with or without an access token to build on.

mod credit;
mod names;
mod refusals;

use serde_json::{Value, json};
use testkit::{Answer, Server, both_engines, totp};

use crate::{
    pools::with,
    sign_in::{
        INVALID_SESSION, PASSWORD, USED_SESSION,
        mfa::{self, PHONE, on, prefer, preferred, with_token},
    },
    tokens::segment,
};

const FLOWS: [&str; 4] =
    ["ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"];
const ONE: &str = "urn:cognito:loa:1";
const TWO: &str = "urn:cognito:loa:2";
const THREE: &str = "urn:cognito:loa:3";
const FOUR: &str = "urn:cognito:loa:4";
const ALREADY: &str = "InvalidParameterException: The ACCESS_TOKEN has the requested level already.";
const OUT_OF_REACH: &str = "InvalidParameterException: The user cannot reach any of the requested levels.";

/// A pool that takes everything, with optional second factors, and alice with both addresses.
struct House {
    server: Server,
    pool: String,
    client: String,
}

impl House {
    async fn new(server: Server) -> Self {
        Self::with_factors(server, &["PASSWORD", "EMAIL_OTP", "SMS_OTP"], "OPTIONAL").await
    }

    /// A pool that takes these first factors, and second factors as it says.
    async fn with_factors(server: Server, first: &[&str], second: &str) -> Self {
        let members = json!({"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": first}}});
        let pool = mfa::pool(&server, members, mfa::all(second)).await;
        let client = server.client_id(&pool, json!({"ExplicitAuthFlows": FLOWS})).await;
        let house = Self { server, pool, client };
        house.user("alice").await;
        house
    }

    async fn user(&self, username: &str) {
        let attributes = json!({"email": format!("{username}@example.com"), "phone_number": PHONE});
        self.server.confirmed_user(&self.pool, username, PASSWORD, attributes).await;
    }

    async fn initiate(&self, flow: &str, parameters: Value) -> Answer {
        let parameters = with(json!({"USERNAME": "alice"}), &parameters);
        let request = json!({"AuthFlow": flow, "ClientId": self.client, "AuthParameters": parameters});
        self.server.call("InitiateAuth", request).await
    }

    async fn start(&self, parameters: Value) -> Answer {
        self.initiate("USER_AUTH", parameters).await
    }

    /// Begins to go from what a token shows to one of these levels.
    async fn step_up(&self, from: &str, targets: &str) -> Answer {
        self.start(json!({"ACCESS_TOKEN": from, "TARGET_ACR_VALUES": targets})).await
    }

    /// Answers a challenge.
    async fn reply(&self, challenge: &Value, responses: Value) -> Answer {
        let responses = with(json!({"USERNAME": "alice"}), &responses);
        let request = json!({"ClientId": self.client, "ChallengeName": challenge["ChallengeName"],
            "Session": challenge["Session"], "ChallengeResponses": responses});
        self.server.call("RespondToAuthChallenge", request).await
    }

    /// Tokens of a sign-in with the password alone.
    async fn by_password(&self) -> Value {
        self.start(json!({"PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD})).await.ok()
    }

    async fn code(&self) -> String {
        self.server.last_code(&self.pool, "alice").await
    }

    /// Answers a challenge that a code was sent for.
    async fn reply_code(&self, challenge: &Value) -> Answer {
        let name = match challenge["ChallengeName"].as_str().unwrap() {
            "SMS_MFA" => "SMS_MFA_CODE",
            "SMS_OTP" => "SMS_OTP_CODE",
            _ => "EMAIL_OTP_CODE",
        };
        self.reply(challenge, json!({name: self.code().await})).await
    }

    /// Answers SOFTWARE_TOKEN_MFA with a code that has not been used.
    async fn reply_token(&self, challenge: &Value, secret: &str) -> Answer {
        assert_eq!(challenge["ChallengeName"], "SOFTWARE_TOKEN_MFA", "{challenge}");
        self.server.advance(30);
        self.reply(challenge, json!({"SOFTWARE_TOKEN_MFA_CODE": totp::code(&self.server, secret, 0)})).await
    }
}

fn access(answer: &Value) -> &str {
    let token = answer["AuthenticationResult"]["AccessToken"].as_str();
    assert!(token.is_some(), "no tokens: {answer}");
    token.unwrap()
}

/// What the tokens of an answer say: level and methods, the same in both.
fn said(answer: &Value) -> (Value, Value) {
    let of = |name: &str| {
        let claims = segment(answer["AuthenticationResult"][name].as_str().unwrap(), 1);
        (claims["acr"].clone(), claims["amr"].clone())
    };
    access(answer);
    assert_eq!(of("AccessToken"), of("IdToken"));
    of("AccessToken")
}

fn level(name: &str, methods: &[&str]) -> (Value, Value) {
    (json!(name), json!(methods))
}

/// The name of a challenge and what else could be had.
fn asked(answer: &Value) -> (&str, Vec<&str>) {
    let listed = answer["AvailableChallenges"].as_array().map(Vec::as_slice).unwrap_or_default();
    (answer["ChallengeName"].as_str().unwrap(), listed.iter().filter_map(Value::as_str).collect())
}

#[tokio::test]
async fn tokens_say_how_the_user_signed_in() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let by_password = house.by_password().await;
        assert_eq!(said(&by_password), level(ONE, &["pwd"]));
        for (challenge, method) in [("EMAIL_OTP", "email_otp"), ("SMS_OTP", "sms")] {
            let asked = house.start(json!({"PREFERRED_CHALLENGE": challenge})).await.ok();
            assert_eq!(said(&house.reply_code(&asked).await.ok()), level(TWO, &[method]));
        }
        let secret = with_token(&house.server, &house.client).await;
        for (settings, expected) in [
            (json!({"SMSMfaSettings": preferred()}), level(THREE, &["pwd", "sms", "mfa"])),
            (json!({"EmailMfaSettings": preferred()}), level(THREE, &["pwd", "email_otp", "mfa"])),
            (json!({"SoftwareTokenMfaSettings": preferred()}), level(FOUR, &["pwd", "otp", "mfa"])),
        ] {
            prefer(&house.server, &house.pool, settings).await;
            let asked = house.by_password().await;
            let answer = match asked["ChallengeName"].as_str().unwrap() {
                "SOFTWARE_TOKEN_MFA" => house.reply_token(&asked, &secret).await,
                _ => house.reply_code(&asked).await,
            };
            let answer = answer.ok();
            assert_eq!(said(&answer), expected);
            // A refresh says the same, though the user has not proven anything since.
            let refresh = json!({"REFRESH_TOKEN": answer["AuthenticationResult"]["RefreshToken"]});
            assert_eq!(said(&house.initiate("REFRESH_TOKEN_AUTH", refresh).await.ok()), expected);
        }
    })
    .await;
}

#[tokio::test]
async fn tokens_of_other_flows_say_nothing() {
    let house = House::new(Server::memory().await).await;
    let answer = house.server.sign_in(&house.client, "alice", PASSWORD).await.ok();
    assert_eq!(said(&answer), (Value::Null, Value::Null));
    let refresh = json!({"REFRESH_TOKEN": answer["AuthenticationResult"]["RefreshToken"]});
    assert_eq!(said(&house.initiate("REFRESH_TOKEN_AUTH", refresh).await.ok()), (Value::Null, Value::Null));
    let srp = testkit::srp::SignIn::start(&house.server, &house.client, &house.pool, "alice", PASSWORD).await;
    assert_eq!(said(&srp.finish(&house.server).await.ok()), (Value::Null, Value::Null));
}

#[tokio::test]
async fn rotated_refresh_tokens_keep_what_was_said() {
    let house = House::new(Server::memory().await).await;
    let update = json!({"UserPoolId": house.pool, "ClientId": house.client, "ExplicitAuthFlows": ["ALLOW_USER_AUTH"],
        "RefreshTokenRotation": {"Feature": "ENABLED"}});
    house.server.call("UpdateUserPoolClient", update).await.ok();
    let mut answer = house.by_password().await;
    for _ in 0..3 {
        let refresh = &answer["AuthenticationResult"]["RefreshToken"];
        let request = json!({"ClientId": house.client, "RefreshToken": refresh});
        answer = house.server.call("GetTokensFromRefreshToken", request).await.ok();
        assert_eq!(said(&answer), level(ONE, &["pwd"]));
    }
}

#[tokio::test]
async fn a_target_alone_asks_for_all_that_leads_there() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let secret = with_token(&house.server, &house.client).await;
        let aim = async |target: &str| house.start(json!({"TARGET_ACR_VALUES": target})).await.ok();
        let all = vec!["PASSWORD_SRP", "PASSWORD", "EMAIL_OTP", "SMS_OTP"];
        assert_eq!(asked(&aim(ONE).await), ("SELECT_CHALLENGE", all.clone()));
        // A code alone is enough for the second, so a password and a code are too much.
        assert_eq!(asked(&aim(TWO).await), ("SELECT_CHALLENGE", all));
        for target in [THREE, FOUR] {
            assert_eq!(asked(&aim(target).await), ("SELECT_CHALLENGE", vec!["PASSWORD_SRP", "PASSWORD"]));
        }
        // Nothing that does not lead there can be chosen.
        let selection = aim(FOUR).await;
        let unavailable = "InvalidParameterException: Selected challenge is not available";
        assert_eq!(house.reply(&selection, json!({"ANSWER": "EMAIL_OTP"})).await.error(), unavailable);
        let second = house.reply(&selection, json!({"ANSWER": "PASSWORD", "PASSWORD": PASSWORD})).await.ok();
        // The token is asked for although alice has not switched it on.
        let answer = house.reply_token(&second, &secret).await.ok();
        assert_eq!(said(&answer), level(FOUR, &["pwd", "otp", "mfa"]));
        // What is sent along is taken at once; then there is a choice of what follows.
        let parameters = json!({"TARGET_ACR_VALUES": THREE, "PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD});
        let choice = house.start(parameters).await.ok();
        assert_eq!(choice["ChallengeName"], "SELECT_MFA_TYPE");
        let methods = choice["ChallengeParameters"]["MFAS_CAN_CHOOSE"].as_str().unwrap();
        assert_eq!(methods, r#"["SMS_MFA","SOFTWARE_TOKEN_MFA","EMAIL_OTP"]"#);
        let sent = house.reply(&choice, json!({"ANSWER": "EMAIL_OTP"})).await.ok();
        assert_eq!(said(&house.reply_code(&sent).await.ok()), level(THREE, &["pwd", "email_otp", "mfa"]));
        // One code is the second level at once.
        let parameters = json!({"TARGET_ACR_VALUES": TWO, "PREFERRED_CHALLENGE": "SMS_OTP"});
        let sent = house.start(parameters).await.ok();
        assert_eq!(said(&house.reply_code(&sent).await.ok()), level(TWO, &["sms"]));
    })
    .await;
}

#[tokio::test]
async fn srp_leads_there_too() {
    let house = House::new(Server::memory().await).await;
    let secret = with_token(&house.server, &house.client).await;
    let srp_a = testkit::srp::initiate("", "")["AuthParameters"]["SRP_A"].clone();
    let parameters = json!({"TARGET_ACR_VALUES": FOUR, "PREFERRED_CHALLENGE": "PASSWORD_SRP", "SRP_A": srp_a});
    let challenge = house.start(parameters).await.ok();
    assert_eq!(challenge["ChallengeName"], "PASSWORD_VERIFIER");
    let responses = testkit::srp::respond(&challenge, &house.pool, PASSWORD);
    let second = house.reply(&challenge, responses).await.ok();
    let answer = house.reply_token(&second, &secret).await.ok();
    assert_eq!(said(&answer), level(FOUR, &["pwd", "otp", "mfa"]));
}

#[tokio::test]
async fn the_best_level_that_can_be_reached_is_taken() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let first = async |targets: &str| house.start(json!({"TARGET_ACR_VALUES": targets})).await;
        // Alice has no token: the fourth is out of reach.
        assert_eq!(first(FOUR).await.error(), OUT_OF_REACH);
        let down = first(&format!("{FOUR} urn:elsewhere:9  {THREE} {ONE}")).await.ok();
        assert_eq!(asked(&down), ("SELECT_CHALLENGE", vec!["PASSWORD_SRP", "PASSWORD"]));
        let second = house.reply(&down, json!({"ANSWER": "PASSWORD", "PASSWORD": PASSWORD})).await.ok();
        assert_eq!(second["ChallengeName"], "SELECT_MFA_TYPE");
        // With a token it is not.
        with_token(&house.server, &house.client).await;
        let up = first(&format!("{FOUR} {THREE}")).await.ok();
        let second = house.reply(&up, json!({"ANSWER": "PASSWORD", "PASSWORD": PASSWORD})).await.ok();
        assert_eq!(second["ChallengeName"], "SOFTWARE_TOKEN_MFA");
        // The order is the client's.
        let down = first(&format!("{ONE} {FOUR}")).await.ok();
        let answer = house.reply(&down, json!({"ANSWER": "PASSWORD", "PASSWORD": PASSWORD})).await.ok();
        assert_eq!(said(&answer), level(ONE, &["pwd"]));
    })
    .await;
}

#[tokio::test]
async fn a_level_is_no_way_around_a_second_factor() {
    both_engines(async |server| {
        let house = House::new(server).await;
        let secret = with_token(&house.server, &house.client).await;
        prefer(&house.server, &house.pool, json!({"SMSMfaSettings": preferred()})).await;
        let password = json!({"PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD});
        let aim = async |target: &str| house.start(with(password.clone(), &json!({"TARGET_ACR_VALUES": target}))).await;
        for target in [ONE, TWO, THREE] {
            let asked = aim(target).await.ok();
            assert_eq!(asked["ChallengeName"], "SMS_MFA", "{target}");
            assert_eq!(said(&house.reply_code(&asked).await.ok()), level(THREE, &["pwd", "sms", "mfa"]));
        }
        let asked = aim(FOUR).await.ok();
        assert_eq!(said(&house.reply_token(&asked, &secret).await.ok()), level(FOUR, &["pwd", "otp", "mfa"]));
    })
    .await;
}

#[tokio::test]
async fn nothing_is_set_up_on_the_way() {
    let house = House::with_factors(Server::memory().await, &["PASSWORD"], "ON").await;
    house.server.confirmed_user(&house.pool, "bare", PASSWORD, json!({})).await;
    let bare = json!({"USERNAME": "bare", "PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": PASSWORD});
    assert_eq!(house.start(bare.clone()).await.ok()["ChallengeName"], "MFA_SETUP");
    for target in [ONE, TWO, THREE, FOUR] {
        let request = with(bare.clone(), &json!({"TARGET_ACR_VALUES": target}));
        assert_eq!(house.start(request).await.error(), OUT_OF_REACH, "{target}");
    }
}
