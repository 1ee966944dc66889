//! Guessing, at all nodes at once: no more codes and passwords are looked at than one node would look at.

use std::time::Instant;

use serde_json::json;

use super::{Actor, is_lock, passwords};
use crate::{
    client::Outcome,
    model::{User, most_password_checks},
    scene::{MOST_RESET_REQUESTS, MOST_WRONG_CODES},
};

/// Wrong codes sent at once.
const CODES: u32 = 10;
/// Wrong passwords sent at once.
const PASSWORDS: usize = 14;
/// Requests for a reset code sent at once.
const REQUESTS: usize = 9;
/// How long the first lock after failed passwords holds at least, in seconds.
const FIRST_LOCK: f64 = 1.0;

/// Wrong reset codes: at most five are looked at, and then not even the right one is.
pub(super) async fn wrong_codes(actor: &mut Actor, user: &mut User) -> anyhow::Result<()> {
    if !actor.may_reset(user) || user.wrong_codes.exact() != Some(0) {
        return Ok(());
    }
    let Some(code) = passwords::forgot(actor, user).await else { return Ok(()) };
    let right: u32 = code.parse()?;
    let password = actor.new_password();
    let wrong = (1..=CODES).map(|step| format!("{:06}", (right + step * 77_777) % 1_000_000));
    let bodies = wrong.map(|code| actor.pool(user).reset(&user.name, &code, &password)).collect();
    let outcomes = actor.race(user, "ConfirmForgotPassword", bodies).await?;
    user.is_spoilt = true;
    let mut is_locked_out = false;
    for outcome in &outcomes {
        match outcome {
            Outcome::Acknowledged(_) => {
                user.password.doubt(password.clone());
                actor.finding(user, "could use a wrong reset code");
            }
            Outcome::Unknown { .. } => user.wrong_codes.doubt(),
            _ if outcome.is_refused_as("CodeMismatchException") => user.wrong_codes.count(),
            _ if outcome.is_refused_as("LimitExceededException") => is_locked_out = true,
            Outcome::Refused { .. } => {
                actor.finding(user, &format!("gets a strange answer to a wrong code: {}", outcome.summary()));
            }
        }
    }
    let checked = user.wrong_codes.least();
    if checked > MOST_WRONG_CODES {
        actor.finding(user, &format!("could have {checked} wrong codes looked at"));
    }
    if is_locked_out && user.wrong_codes.most() < MOST_WRONG_CODES {
        actor.finding(user, &format!("was locked out after {checked} wrong codes"));
    }
    let node = actor.node();
    let body = actor.pool(user).reset(&user.name, &code, &password);
    let outcome = actor.call(user, node, "ConfirmForgotPassword", &body).await;
    let must_fail = is_locked_out || checked >= MOST_WRONG_CODES;
    match &outcome {
        Outcome::Acknowledged(_) => {
            user.set_password(&password);
            user.wrong_codes.clear();
            user.failures.clear();
            if must_fail {
                actor.finding(user, "could use the right code after too many wrong ones");
            }
        }
        Outcome::Unknown { .. } if !must_fail => {
            user.password.doubt(password);
            user.wrong_codes.doubt_clear();
        }
        Outcome::Unknown { .. } => {}
        Outcome::Refused { .. } if must_fail && outcome.is_refused_as("LimitExceededException") => {}
        // Requests of unknown outcome may have used up the rest.
        _ if outcome.is_refused_as("LimitExceededException") && user.wrong_codes.most() >= MOST_WRONG_CODES => {}
        Outcome::Refused { .. } => {
            actor.finding(user, &format!("gets a strange answer to the right code: {}", outcome.summary()));
        }
    }
    Ok(())
}

/// Wrong passwords: five are looked at, and then one after each pause, which doubles.
pub(super) async fn wrong_passwords(actor: &mut Actor, user: &mut User) -> anyhow::Result<()> {
    let (Some(right), Some(0)) = (user.password.certain().cloned(), user.failures.exact()) else { return Ok(()) };
    let bodies = (0..PASSWORDS).map(|_| actor.pool(user).sign_in(&user.name, &actor.new_password())).collect();
    let started = Instant::now();
    let outcomes = actor.race(user, "InitiateAuth", bodies).await?;
    let seconds = started.elapsed().as_secs_f64();
    user.is_spoilt = true;
    for outcome in &outcomes {
        match outcome {
            Outcome::Acknowledged(_) => actor.finding(user, "can sign in with a wrong password"),
            Outcome::Unknown { .. } => user.failures.doubt(),
            Outcome::Refused { message, .. } if is_lock(message) => {}
            _ if outcome.is_refused_as("NotAuthorizedException") => user.failures.count(),
            Outcome::Refused { .. } => {
                actor.finding(user, &format!("gets a strange answer to a wrong password: {}", outcome.summary()));
            }
        }
    }
    let (checked, most) = (user.failures.least(), most_password_checks(seconds));
    if checked > most {
        actor.finding(user, &format!("could try {checked} passwords in {seconds:.2} s, {most} are allowed"));
    }
    let is_locked = checked >= most_password_checks(0.0);
    let node = actor.node();
    let body = actor.pool(user).sign_in(&user.name, &right);
    let outcome = actor.call(user, node, "InitiateAuth", &body).await;
    match &outcome {
        Outcome::Acknowledged(_) => {
            user.failures.clear();
            if is_locked && started.elapsed().as_secs_f64() < FIRST_LOCK {
                actor.finding(user, "could sign in while locked");
            }
        }
        Outcome::Unknown { .. } => user.doubt_sign_in(),
        Outcome::Refused { message, .. } if is_lock(message) && user.failures.most() >= 5 => {}
        Outcome::Refused { .. } => {
            actor.finding(user, &format!("cannot sign in with the right password: {}", outcome.summary()));
        }
    }
    Ok(())
}

/// Requests for a reset code: five in an hour.
pub(super) async fn many_reset_requests(actor: &mut Actor, user: &mut User) -> anyhow::Result<()> {
    if !actor.may_reset(user) {
        return Ok(());
    }
    let body = json!({"ClientId": actor.pool(user).client, "Username": user.name});
    let outcomes = actor.race(user, "ForgotPassword", vec![body; REQUESTS]).await?;
    user.is_spoilt = true;
    let mut is_refused = false;
    for outcome in &outcomes {
        match outcome {
            Outcome::Acknowledged(_) => {
                user.reset_requests.count();
                user.mails.count();
            }
            Outcome::Unknown { .. } => {
                user.reset_requests.doubt();
                user.mails.doubt();
            }
            _ if outcome.is_refused_as("LimitExceededException") => is_refused = true,
            Outcome::Refused { .. } => {
                actor.finding(user, &format!("gets a strange answer to ForgotPassword: {}", outcome.summary()));
            }
        }
    }
    let tally = user.reset_requests;
    if tally.least() > MOST_RESET_REQUESTS {
        actor.finding(user, &format!("was sent {} reset codes within an hour", tally.least()));
    }
    if is_refused && tally.most() < MOST_RESET_REQUESTS {
        actor.finding(user, &format!("was refused a reset code after {} of them", tally.most()));
    }
    Ok(())
}
