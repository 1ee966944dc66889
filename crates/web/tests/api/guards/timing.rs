//! How long answers take for users that exist and for names that nobody has. Measured by hand on a quiet machine, never
//! in CI: docs/security.md has the command and what came of it. `unknown.rs` compares what does not depend on a clock.

use testkit::srp;
use tokio::time::Instant;

use super::*;

/// Users of each kind; each is tried once in a round.
const USERS: usize = 20;
const ROUNDS: usize = 25;

/// Microseconds that a call takes.
async fn timed(call: impl Future<Output = ()>) -> f64 {
    let began = Instant::now();
    call.await;
    began.elapsed().as_secs_f64() * 1e6
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// The statistic of Mann and Whitney as a number of standard deviations: beyond 3 the two are told apart.
fn deviations(one: &[f64], other: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = one.iter().map(|x| (*x, true)).chain(other.iter().map(|x| (*x, false))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ranks: f64 = all.iter().enumerate().filter(|(_, (_, is_one))| *is_one).map(|(rank, _)| rank as f64 + 1.0).sum();
    let (n, m) = (one.len() as f64, other.len() as f64);
    let u = ranks - n * (n + 1.0) / 2.0;
    (u - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

#[tokio::test]
#[ignore = "takes a quiet machine and a person who reads the table"]
async fn known_and_unknown_users_take_as_long() {
    let server = Server::builder().in_a_file().start().await;
    let pool = server.pool(everything(&json!({"UsernameAttributes": ["email"]}))).await;
    let client = &client(&server, &pool, json!({})).await;
    let name = |kind: &str, number: usize| format!("x-{kind}-{number:02}@example.com");
    for number in 0..USERS {
        let email = name("here", number);
        server.confirmed_user(&pool, &email, PASSWORD, json!({"email": email})).await;
    }
    let call = async |operation: &str, body: Value| server.call(operation, body).await;
    let srp_a = &srp::initiate("", "")["AuthParameters"]["SRP_A"];
    println!("{:<28} {:>10} {:>10} {:>8} {:>12}", "flow", "known/µs", "unknown/µs", "apart", "deviations");
    for flow in [
        "USER_PASSWORD_AUTH",
        "USER_SRP_AUTH, first step",
        "USER_SRP_AUTH, second step",
        "USER_AUTH",
        "USER_AUTH, PASSWORD",
        "USER_AUTH, EMAIL_OTP",
        "EMAIL_OTP, wrong code",
        "ForgotPassword",
        "ConfirmForgotPassword",
    ] {
        let mut samples = [Vec::new(), Vec::new()];
        for round in 0..ROUNDS {
            for number in 0..USERS {
                // Who comes first changes, so that neither always finds the caches warm.
                let order = if (round + number) % 2 == 0 { [0, 1] } else { [1, 0] };
                for kind in order {
                    let username = name(["here", "gone"][kind], number);
                    let start =
                        |flow: &str, more: Value| begin(client, flow, with(more, &json!({"USERNAME": username})));
                    let reset = json!({"ClientId": client, "Username": username});
                    let (operation, body) = match flow {
                        "USER_PASSWORD_AUTH" => ("InitiateAuth", start(flow, json!({"PASSWORD": WRONG}))),
                        "USER_SRP_AUTH, first step" => {
                            ("InitiateAuth", start("USER_SRP_AUTH", json!({"SRP_A": srp_a})))
                        }
                        "USER_SRP_AUTH, second step" => {
                            let first =
                                call("InitiateAuth", start("USER_SRP_AUTH", json!({"SRP_A": srp_a}))).await.ok();
                            let responses = srp::respond(&first, &pool, WRONG);
                            ("RespondToAuthChallenge", answer(client, &first, responses))
                        }
                        "USER_AUTH" => ("InitiateAuth", start(flow, json!({}))),
                        "USER_AUTH, PASSWORD" => {
                            let more = json!({"PREFERRED_CHALLENGE": "PASSWORD", "PASSWORD": WRONG});
                            ("InitiateAuth", start("USER_AUTH", more))
                        }
                        "USER_AUTH, EMAIL_OTP" => {
                            ("InitiateAuth", start("USER_AUTH", json!({"PREFERRED_CHALLENGE": "EMAIL_OTP"})))
                        }
                        "EMAIL_OTP, wrong code" => {
                            let more = json!({"PREFERRED_CHALLENGE": "EMAIL_OTP"});
                            let first = call("InitiateAuth", start("USER_AUTH", more)).await.ok();
                            let responses = json!({"USERNAME": username, "EMAIL_OTP_CODE": "00000000"});
                            ("RespondToAuthChallenge", answer(client, &first, responses))
                        }
                        "ForgotPassword" => (flow, reset),
                        _ => {
                            call("ForgotPassword", reset.clone()).await.ok();
                            (flow, with(reset, &json!({"ConfirmationCode": "000000", "Password": "Next-Passw0rd"})))
                        }
                    };
                    let took = timed(async { drop(call(operation, body).await) }).await;
                    // The first round warms up.
                    if round > 0 {
                        samples[kind].push(took);
                    }
                }
            }
            // Locks and hourly counts are over.
            server.advance(3_600);
        }
        let apart = deviations(&samples[0], &samples[1]);
        let [known, unknown] = samples.each_mut().map(|samples| median(samples));
        println!("{flow:<28} {known:>10.0} {unknown:>10.0} {:>7.1}% {apart:>12.1}", (unknown / known - 1.0) * 100.0);
    }
}
