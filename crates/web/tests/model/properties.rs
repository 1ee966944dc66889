//! The tests. The short form runs a few hundred steps, the same at every run; the long form as many as
//! `POOLKEEPER_MODEL_STEPS` says, from the seed in `POOLKEEPER_MODEL_SEED`.

use std::cell::RefCell;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use serde_json::json;
use testkit::{Builder, Server};

use crate::{
    model::{
        ATTRIBUTE_CODES, GRACE, KINDS, Kind, Mfa, Names, PASSWORD_CHANGES, RESENDS, RESET_REQUESTS, SECOND,
        SIGN_IN_CODES, WRONG_ATTRIBUTE_CODES, WRONG_CODES_A_DAY, WRONG_RESET_CODES, WRONG_SIGN_UP_CODES,
    },
    run::World,
    steps::{CHALLENGES, sequence},
};

/// Steps of the short form.
const FEW: usize = 600;
/// From so many steps on every challenge has to have come up.
const MANY: usize = 20_000;
/// Phrases in the longest sequence.
const MOST: usize = 40;
/// Sequences that are drawn from one seed. What the seeds after the first are, the first says.
const SEQUENCES: u32 = 8;

/// A pool of a kind; its id and those of its clients.
pub async fn pool(server: &Server, kind: Kind) -> (String, [String; 2]) {
    let mut members = json!({
        "AutoVerifiedAttributes": ["email"],
        "SmsConfiguration": {"SnsCallerArn": "arn:aws:iam::123456789012:role/sms"},
        "EmailConfiguration": {
            "EmailSendingAccount": "DEVELOPER",
            "SourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com"
        },
    });
    if kind.codes_first {
        members["Policies"] = json!({"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}});
    }
    match kind.names {
        Names::Plain => {}
        Names::Aliases => {
            members["AliasAttributes"] = json!(["email"]);
            members["UsernameConfiguration"] = json!({"CaseSensitive": false});
        }
        Names::Addresses => {
            members["UsernameAttributes"] = json!(["email"]);
            members["UserAttributeUpdateSettings"] = json!({"AttributesRequireVerificationBeforeUpdate": ["email"]});
        }
    }
    let pool = server.pool(members).await;
    let mut config = json!({"UserPoolId": pool, "SoftwareTokenMfaConfiguration": {"Enabled": true}});
    if kind.mfa == Mfa::Optional {
        config["EmailMfaConfiguration"] = json!({"Message": "Mailed: {####}", "Subject": "{####} is yours"});
    }
    if kind.mfa != Mfa::Off {
        config["MfaConfiguration"] = json!(if kind.mfa == Mfa::On { "ON" } else { "OPTIONAL" });
        server.call("SetUserPoolMfaConfig", config).await.ok();
    }
    server.call("CreateGroup", json!({"UserPoolId": pool, "GroupName": "group"})).await.ok();
    let mut flows = vec!["ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_USER_AUTH"];
    let rotation = json!({"Feature": "ENABLED", "RetryGracePeriodSeconds": GRACE / SECOND});
    let hiding = json!({
        "ExplicitAuthFlows": flows, "PreventUserExistenceErrors": "ENABLED", "RefreshTokenRotation": rotation,
    });
    flows.push("ALLOW_REFRESH_TOKEN_AUTH");
    let plain = server.client_id(&pool, json!({"ExplicitAuthFlows": flows})).await;
    let hiding = server.client_id(&pool, hiding).await;
    (pool, [plain, hiding])
}

fn builder() -> Builder {
    Server::builder().settings(|settings| {
        let limits = &mut settings.limits;
        limits.reset_requests_per_hour = RESET_REQUESTS;
        limits.wrong_reset_codes_per_hour = WRONG_RESET_CODES;
        limits.wrong_sign_up_codes_per_hour = WRONG_SIGN_UP_CODES;
        limits.wrong_codes_per_day = WRONG_CODES_A_DAY;
        limits.resends_per_hour = RESENDS;
        limits.password_changes_per_hour = PASSWORD_CHANGES;
        limits.attribute_codes_per_hour = ATTRIBUTE_CODES;
        limits.wrong_attribute_codes_per_hour = WRONG_ATTRIBUTE_CODES;
        limits.sign_in_codes_per_hour = SIGN_IN_CODES;
    })
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable)
        .map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// Runs random sequences until there were as many steps as are wanted.
fn check(builder: Builder) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = RefCell::new(runtime.block_on(async { World::new(builder.start().await).await }));
    let wanted = usize::try_from(number("POOLKEEPER_MODEL_STEPS", 0)).unwrap().max(FEW);
    let mut seed = number("POOLKEEPER_MODEL_SEED", 1);
    while world.borrow().steps < wanted {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let config =
            Config { cases: SEQUENCES, failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let outcome = runner.run(&sequence(KINDS.len(), MOST), |sequence| {
            runtime.block_on(world.borrow_mut().run(&sequence)).map_err(TestCaseError::fail)
        });
        match outcome {
            Ok(()) => {}
            Err(TestError::Fail(reason, smallest)) => {
                let smallest = runtime.block_on(world.borrow_mut().shrink(smallest));
                let (sequence, reason) = smallest.unwrap_or_else(|| panic!("it fails now and then: {reason}"));
                panic!("POOLKEEPER_MODEL_SEED={seed} shows it:\n{reason}\nin {sequence:#?}");
            }
            Err(TestError::Abort(reason)) => panic!("POOLKEEPER_MODEL_SEED={seed}: {}", reason.message()),
        }
        seed += 1;
    }
    report(&world.borrow(), seed);
}

/// Says how far the sequences got, and refuses to call it a test when they got nowhere.
fn report(world: &World, seed: u64) {
    println!("{} steps, up to seed {}; {} different outcomes:", world.steps, seed - 1, world.reached.len());
    for (step, outcome) in &world.reached {
        println!("{step}: {outcome}");
    }
    let (least, challenges) = if world.steps < MANY { (80, &CHALLENGES[..0]) } else { (220, &CHALLENGES[..]) };
    assert!(world.reached.len() >= least, "only {} different outcomes were reached", world.reached.len());
    for wanted in challenges {
        assert!(world.reached.iter().any(|(_, outcome)| outcome == wanted), "{wanted} never came up");
    }
}

#[test]
fn the_server_does_what_the_model_does() {
    check(builder());
}

#[test]
fn the_server_does_what_the_model_does_in_a_file() {
    check(builder().in_a_file());
}
