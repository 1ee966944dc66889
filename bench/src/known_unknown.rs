//! The scenario `known-unknown`: whether the time that an answer takes tells users who exist from names that nobody has.
//!
//! Two groups of users and one of names that nobody has send the same requests over one connection, in an order that is
//! drawn anew in each round. What is held against the unknown ones is the first group; the second shows how far apart
//! two groups are that nobody could tell apart. Passwords, codes and proofs are wrong throughout, and the clock of the
//! server is moved on after each round, so that no lock and no limit is met.
//!
//! The measure is the share of pairs, a user of the first group and one of another, in which the first took longer (the
//! statistic of Mann and Whitney over the number of pairs): one half where time tells nothing.

use std::sync::Arc;

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use crypto::random::SystemEntropy;
use domain::Entropy;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::{
    driver::Connection,
    populate::{PASSWORD, Scene},
    srp::now,
};

/// Its name.
pub const NAME: &str = "known-unknown";
/// Names in each group; each is tried once in a round.
const NAMES: usize = 100;
/// Rounds before times count.
const WARM_UP: usize = 2;
/// How far the share may be from that of two groups of users.
const MARGIN: f64 = 0.03;
/// Resamples of which the interval of the difference of medians is taken.
const RESAMPLES: usize = 500;
/// Nobody's password.
const WRONG: &str = "Wrong-Passw0rd";
/// Moves the clock of the server past everything that is counted by the day.
const A_DAY: u64 = 90_000;
/// What guards against guessing by the hour would stop this.
const LIMITS: &str = "wrong_reset_codes_per_hour = 1000000\nwrong_sign_up_codes_per_hour = 1000000\n\
                      wrong_codes_per_day = 1000000\nresends_per_hour = 1000000\nsign_in_codes_per_hour = 1000000\n";

/// A kind of request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Password,
    SrpFirst,
    SrpSecond,
    Choices,
    ChosenPassword,
    EmailCode,
    WrongEmailCode,
    ForgotPassword,
    ConfirmForgotPassword,
    Resend,
    ConfirmSignUp,
}

impl Flow {
    const ALL: [Self; 11] = [
        Self::Password,
        Self::SrpFirst,
        Self::SrpSecond,
        Self::Choices,
        Self::ChosenPassword,
        Self::EmailCode,
        Self::WrongEmailCode,
        Self::ForgotPassword,
        Self::ConfirmForgotPassword,
        Self::Resend,
        Self::ConfirmSignUp,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Password => "USER_PASSWORD_AUTH",
            Self::SrpFirst => "USER_SRP_AUTH, the first step",
            Self::SrpSecond => "USER_SRP_AUTH, the second step",
            Self::Choices => "USER_AUTH, the list",
            Self::ChosenPassword => "USER_AUTH, PASSWORD",
            Self::EmailCode => "USER_AUTH, EMAIL_OTP",
            Self::WrongEmailCode => "EMAIL_OTP, a wrong code",
            Self::ForgotPassword => "ForgotPassword",
            Self::ConfirmForgotPassword => "ConfirmForgotPassword",
            Self::Resend => "ResendConfirmationCode",
            Self::ConfirmSignUp => "ConfirmSignUp",
        }
    }

    /// Letters in the names of the two groups of users, who are confirmed or have just signed up, and of nobody.
    const fn groups(self) -> [char; 3] {
        match self {
            Self::Resend | Self::ConfirmSignUp => ['c', 'd', 'n'],
            _ => ['a', 'b', 'n'],
        }
    }

    /// The request whose time counts, after those that must come before it.
    async fn request(self, pool: &Pool<'_>, connection: &mut Connection, name: &str) -> anyhow::Result<Request> {
        let begin = |flow: &str, mut parameters: Value| {
            parameters["USERNAME"] = name.into();
            json!({"ClientId": pool.client, "AuthFlow": flow, "AuthParameters": parameters})
        };
        let answer = |challenge: &str, session: &Value, responses: Value| {
            let mut body =
                json!({"ClientId": pool.client, "ChallengeName": challenge, "ChallengeResponses": responses});
            if !session.is_null() {
                body["Session"] = session.clone();
            }
            ("RespondToAuthChallenge", body)
        };
        let about = |mut members: Value| {
            members["ClientId"] = pool.client.as_str().into();
            members["Username"] = name.into();
            members
        };
        let code_by_mail = || begin("USER_AUTH", json!({"PREFERRED_CHALLENGE": "EMAIL_OTP"}));
        let srp = || begin("USER_SRP_AUTH", json!({"SRP_A": pool.srp_a}));
        Ok(match self {
            Self::Password => ("InitiateAuth", begin("USER_PASSWORD_AUTH", json!({"PASSWORD": WRONG}))),
            Self::SrpFirst => ("InitiateAuth", srp()),
            Self::SrpSecond => {
                let challenge = connection.json("InitiateAuth", srp()).await?;
                let parameters = &challenge["ChallengeParameters"];
                let timestamp = crypto::srp::timestamp::format_timestamp(now()?.seconds()).context("a date")?;
                let responses = json!({
                    "USERNAME": parameters["USER_ID_FOR_SRP"],
                    "PASSWORD_CLAIM_SECRET_BLOCK": parameters["SECRET_BLOCK"],
                    "PASSWORD_CLAIM_SIGNATURE": STANDARD.encode([0x5A; 32]),
                    "TIMESTAMP": timestamp,
                });
                answer("PASSWORD_VERIFIER", &Value::Null, responses)
            }
            Self::Choices => ("InitiateAuth", begin("USER_AUTH", json!({}))),
            Self::ChosenPassword => {
                let chosen = json!({"PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": WRONG});
                ("InitiateAuth", begin("USER_AUTH", chosen))
            }
            Self::EmailCode => ("InitiateAuth", code_by_mail()),
            Self::WrongEmailCode => {
                let challenge = connection.json("InitiateAuth", code_by_mail()).await?;
                let responses = json!({"USERNAME": name, "EMAIL_OTP_CODE": "00000000"});
                answer("EMAIL_OTP", &challenge["Session"], responses)
            }
            Self::ForgotPassword => ("ForgotPassword", about(json!({}))),
            Self::ConfirmForgotPassword => {
                connection.json("ForgotPassword", about(json!({}))).await?;
                ("ConfirmForgotPassword", about(json!({"ConfirmationCode": "000000", "Password": PASSWORD})))
            }
            Self::Resend => ("ResendConfirmationCode", about(json!({}))),
            Self::ConfirmSignUp => {
                connection.json("ResendConfirmationCode", about(json!({}))).await?;
                ("ConfirmSignUp", about(json!({"ConfirmationCode": "000000"})))
            }
        })
    }
}

/// An operation and its body.
type Request = (&'static str, Value);

/// A pool whose users are called by their mail addresses, and a client that hides who exists.
struct Pool<'a> {
    client: String,
    srp_a: &'a str,
}

/// Names are equally long, and masks show the same of them.
fn name(group: char, number: usize) -> String {
    format!("x-{group}-{number:03}@example.com")
}

/// Measures every flow with so many requests of each group and prints a table.
///
/// # Errors
/// When users can be told from names that nobody has.
pub async fn run(scene: &mut Arc<Scene>, samples: usize) -> anyhow::Result<()> {
    Scene::restart(scene, LIMITS)?;
    let mut connection = scene.connect().await?;
    let srp_a = scene.srp.srp_a();
    let pool = Pool { client: filled(&mut connection).await?, srp_a: &srp_a };
    let rounds = samples.div_ceil(NAMES);
    let bar = ProgressBar::new((Flow::ALL.len() * (rounds + WARM_UP)) as u64)
        .with_style(ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {eta}")?);
    let (mut rows, mut told_apart) = (Vec::new(), Vec::new());
    for flow in Flow::ALL {
        bar.set_message(flow.name());
        let mut times = [const { Vec::new() }; 3];
        for round in 0..rounds + WARM_UP {
            let measured = one_round(flow, &pool, &mut connection).await?;
            if round >= WARM_UP {
                times.iter_mut().zip(measured).for_each(|(all, new)| all.extend(new));
            }
            connection.control("/_poolkeeper/clock", json!({"advance_seconds": A_DAY})).await?;
            bar.inc(1);
        }
        let (row, is_apart) = compare(flow, times.map(sorted));
        rows.push(row);
        told_apart.extend(is_apart.then_some(flow.name()));
    }
    bar.finish_and_clear();
    Scene::restart(scene, "")?;
    println!(
        "{NAME}: {} requests of each group over one connection, in microseconds\n\
         | flow | known, median | trimmed mean | unknown, median | trimmed mean | medians apart (95 %) | share, unknown \
         | share, other users | verdict |\n|---|---|---|---|---|---|---|---|---|\n{}",
        rounds * NAMES,
        rows.join("\n")
    );
    println!(
        "{NAME}: share: of pairs in which the user took longer than the other; alike when it is no further from 0.5 than \
         that of two groups of users and {MARGIN}"
    );
    anyhow::ensure!(told_apart.is_empty(), "{NAME}: time tells users from others in {}", told_apart.join("; "));
    Ok(())
}

/// Makes pool, client and users; the client's id.
async fn filled(connection: &mut Connection) -> anyhow::Result<String> {
    let members = json!({
        "PoolName": NAME, "UsernameAttributes": ["email"], "AutoVerifiedAttributes": ["email"],
        "Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}},
    });
    let created = connection.json("CreateUserPool", members).await?;
    let pool = &created["UserPool"]["Id"];
    let flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_USER_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"];
    let members = json!({
        "UserPoolId": pool, "ClientName": NAME, "PreventUserExistenceErrors": "ENABLED", "ExplicitAuthFlows": flows,
    });
    let created = connection.json("CreateUserPoolClient", members).await?;
    let client = created["UserPoolClient"]["ClientId"].as_str().context("a client has an id")?.to_owned();
    for number in 0..NAMES {
        for group in ['a', 'b'] {
            let email = name(group, number);
            let attributes = json!([
                {"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"},
                {"Name": "name", "Value": "Some Body"},
            ]);
            let members = json!({
                "UserPoolId": pool, "Username": email, "MessageAction": "SUPPRESS", "UserAttributes": attributes,
            });
            connection.json("AdminCreateUser", members).await?;
            let members = json!({"UserPoolId": pool, "Username": email, "Password": PASSWORD, "Permanent": true});
            connection.json("AdminSetUserPassword", members).await?;
        }
        for group in ['c', 'd'] {
            let attributes = json!([{"Name": "name", "Value": "Some Body"}]);
            let members = json!({
                "ClientId": client, "Username": name(group, number), "Password": PASSWORD, "UserAttributes": attributes,
            });
            connection.json("SignUp", members).await?;
        }
    }
    Ok(client)
}

/// Tries every name of every group once, in an order of its own; microseconds of each group.
async fn one_round(flow: Flow, pool: &Pool<'_>, connection: &mut Connection) -> anyhow::Result<[Vec<f64>; 3]> {
    let mut order: Vec<(usize, usize)> =
        (0..3).flat_map(|group| (0..NAMES).map(move |number| (group, number))).collect();
    for last in (1..order.len()).rev() {
        order.swap(last, drawn(last + 1));
    }
    let mut times = [const { Vec::new() }; 3];
    let mut status = None;
    for (group, number) in order {
        let name = name(flow.groups()[group], number);
        let (operation, body) = flow.request(pool, connection, &name).await?;
        let body = body.to_string();
        let sent = std::time::Instant::now();
        let (answered, text) = connection.call(operation, body).await?;
        times[group].push(sent.elapsed().as_secs_f64() * 1e6);
        // Otherwise there would be no need to look at the time.
        anyhow::ensure!(
            *status.get_or_insert(answered) == answered,
            "{}: {name} was answered {answered}, unlike others: {}",
            flow.name(),
            String::from_utf8_lossy(&text)
        );
    }
    Ok(times)
}

/// A number below `end`.
fn drawn(end: usize) -> usize {
    let mut bytes = [0; 8];
    SystemEntropy.fill(&mut bytes);
    (u64::from_le_bytes(bytes) % end as u64) as usize
}

fn sorted(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    times
}

/// A line of the table, and whether users and others are told apart. Times are sorted.
fn compare(flow: Flow, [known, others, unknown]: [Vec<f64>; 3]) -> (String, bool) {
    let (share, control) = (share_longer(&known, &unknown), share_longer(&known, &others));
    let is_apart = (share - 0.5).abs() > MARGIN + (control - 0.5).abs();
    let mut differences: Vec<f64> =
        (0..RESAMPLES).map(|_| median(&resampled(&unknown)) - median(&resampled(&known))).collect();
    differences.sort_by(f64::total_cmp);
    let at = |share: f64| differences[(differences.len() as f64 * share) as usize];
    let row = format!(
        "| {} | {:.1} | {:.1} | {:.1} | {:.1} | {:+.1} to {:+.1} | {share:.3} | {control:.3} | {} |",
        flow.name(),
        median(&known),
        trimmed_mean(&known),
        median(&unknown),
        trimmed_mean(&unknown),
        at(0.025),
        at(0.975),
        if is_apart { "told apart" } else { "alike" },
    );
    (row, is_apart)
}

/// As many of the samples, drawn with replacement.
fn resampled(sorted_times: &[f64]) -> Vec<f64> {
    let drawn = (0..sorted_times.len()).map(|_| sorted_times[drawn(sorted_times.len())]).collect();
    sorted(drawn)
}

fn median(sorted_times: &[f64]) -> f64 {
    sorted_times[sorted_times.len() / 2]
}

/// The mean without the shortest and the longest tenth.
fn trimmed_mean(sorted_times: &[f64]) -> f64 {
    let cut = sorted_times.len() / 10;
    let kept = &sorted_times[cut..sorted_times.len() - cut];
    kept.iter().sum::<f64>() / kept.len() as f64
}

/// The share of pairs in which the one is longer than the other; equal ones count half.
fn share_longer(ones: &[f64], others: &[f64]) -> f64 {
    let below = |time: f64| others.partition_point(|other| *other < time) as f64;
    let not_above = |time: f64| others.partition_point(|other| *other <= time) as f64;
    let pairs: f64 = ones.iter().map(|time| below(*time).midpoint(not_above(*time))).sum();
    pairs / (ones.len() * others.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_means_are_right() {
        let (low, high) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]);
        assert_eq!([share_longer(&high, &low), share_longer(&low, &high), share_longer(&low, &low)], [1.0, 0.0, 0.5]);
        assert_eq!(share_longer(&[2.5], &low), 0.5);
        let times: Vec<f64> = (0..20).map(|number| if number == 19 { 1e9 } else { f64::from(number) }).collect();
        assert_eq!((median(&times), trimmed_mean(&times)), (10.0, 9.5));
    }

    #[test]
    fn a_small_difference_in_every_request_is_seen() {
        let times = |more: f64| sorted((0..1_000).map(|number| f64::from(number) * 0.1 + more).collect());
        let (_, is_apart) = compare(Flow::Password, [times(0.0), times(0.2), times(0.5)]);
        assert!(!is_apart);
        let (row, is_apart) = compare(Flow::Password, [times(0.0), times(0.2), times(8.0)]);
        assert!(is_apart && row.ends_with("| told apart |"), "{row}");
    }
}
