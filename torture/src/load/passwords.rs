//! Passwords change: by an administrator, by the user, and by a reset code that two nodes get at the same time.

use serde_json::json;

use super::Actor;
use crate::{
    client::Outcome,
    model::{Status, User},
    scene::merged,
};

/// An administrator sets a lasting password; it works at once at another node, and the old one does not.
pub(super) async fn set(actor: &mut Actor, user: &mut User) {
    let password = actor.new_password();
    let body = merged(actor.pool(user).admin(&user.name), json!({"Password": password, "Permanent": true}));
    let (outcome, node, was_unknown) = actor.insist(user, "AdminSetUserPassword", &body).await;
    if was_unknown {
        user.password.doubt(password.clone());
        user.status.doubt(Status::Confirmed);
        // A late one would end a lock, and a reset code.
        user.is_spoilt = true;
    }
    match &outcome {
        Outcome::Acknowledged(_) => {
            user.set_password(&password);
            user.status.settle(Status::Confirmed);
            user.failures.clear();
            check_at(actor, user, node).await;
        }
        Outcome::Refused { .. } => {
            actor.finding(user, &format!("cannot be given a password: {}", outcome.summary()));
        }
        Outcome::Unknown { .. } => {}
    }
}

/// The user changes the password with an access token.
pub(super) async fn change(actor: &mut Actor, user: &mut User) {
    const MOST: usize = 4;
    let Some(old) = user.password.certain().cloned() else { return };
    if user.password_changes >= MOST {
        return;
    }
    let Some(place) = actor.sign_in_again(user).await else { return };
    let Some(access) = user.sign_ins.get(place).map(|sign_in| sign_in.access.clone()) else { return };
    let (node, new) = (actor.node(), actor.new_password());
    user.password_changes += 1;
    let body = json!({"AccessToken": access, "PreviousPassword": old, "ProposedPassword": new});
    let outcome = actor.call(user, node, "ChangePassword", &body).await;
    match &outcome {
        Outcome::Acknowledged(_) => {
            user.set_password(&new);
            check_at(actor, user, node).await;
        }
        Outcome::Refused { .. } => {
            actor.finding(user, &format!("cannot change the password: {}", outcome.summary()));
        }
        Outcome::Unknown { .. } => {
            user.password.doubt(new);
            user.is_spoilt = true;
        }
    }
}

/// Asks for a reset code; the code, if it comes.
pub(super) async fn forgot(actor: &mut Actor, user: &mut User) -> Option<String> {
    let node = actor.node();
    let body = json!({"ClientId": actor.pool(user).client, "Username": user.name});
    let outcome = actor.call(user, node, "ForgotPassword", &body).await;
    match &outcome {
        Outcome::Acknowledged(_) => {
            user.reset_requests.count();
            user.mails.count();
            actor.code(user).await
        }
        Outcome::Refused { .. } => {
            actor.finding(user, &format!("cannot ask for a reset code: {}", outcome.summary()));
            None
        }
        Outcome::Unknown { .. } => {
            user.reset_requests.doubt();
            user.mails.doubt();
            None
        }
    }
}

/// A forgotten password is replaced. Mostly the code is sent to two nodes at once, with different passwords: one of
/// them becomes the user's.
pub(super) async fn reset(actor: &mut Actor, user: &mut User) -> anyhow::Result<()> {
    if !actor.may_reset(user) {
        return Ok(());
    }
    let Some(code) = forgot(actor, user).await else { return Ok(()) };
    let copies = if actor.chance.percent(60) { 2 } else { 1 };
    let wanted: Vec<String> = (0..copies).map(|_| actor.new_password()).collect();
    let bodies = wanted.iter().map(|password| actor.pool(user).reset(&user.name, &code, password)).collect();
    let outcomes = actor.race(user, "ConfirmForgotPassword", bodies).await?;
    let Some(_) = judge(actor, user, "reset code", &wanted, &outcomes, &["ExpiredCodeException"]) else {
        return Ok(());
    };
    user.wrong_codes.clear();
    user.failures.clear();
    user.spent_codes.push(code.clone());
    check(actor, user).await;
    if actor.chance.percent(30) {
        let (node, password) = (actor.node(), actor.new_password());
        let body = actor.pool(user).reset(&user.name, &code, &password);
        let outcome = actor.call(user, node, "ConfirmForgotPassword", &body).await;
        match &outcome {
            Outcome::Acknowledged(_) => {
                user.password.doubt(password);
                actor.finding(user, "could use a reset code once more");
            }
            Outcome::Refused { .. } if !outcome.is_refused_as("ExpiredCodeException") => {
                actor.finding(user, &format!("gets a strange answer to a spent code: {}", outcome.summary()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What came of something that is good for one use and was used several times at once, each time with another password:
/// writes it down and tells who won. `late` are the errors for all others.
pub(super) fn judge(
    actor: &Actor,
    user: &mut User,
    what: &str,
    passwords: &[String],
    outcomes: &[Outcome],
    late: &[&str],
) -> Option<usize> {
    let winners: Vec<usize> =
        outcomes.iter().enumerate().filter(|(_, outcome)| outcome.is_acknowledged()).map(|(index, _)| index).collect();
    let unknown = outcomes.iter().any(Outcome::is_unknown);
    let strange = outcomes.iter().find(|outcome| {
        matches!(outcome, Outcome::Refused { .. }) && !late.iter().any(|name| outcome.is_refused_as(name))
    });
    if let Some(strange) = strange {
        actor.finding(user, &format!("gets a strange answer to a right {what}: {}", strange.summary()));
    }
    let Some(winner) = winners.first().copied() else {
        for (password, outcome) in passwords.iter().zip(outcomes) {
            if outcome.is_unknown() {
                user.password.doubt(password.clone());
            }
        }
        user.is_spoilt = true;
        if !unknown {
            actor.finding(user, &format!("is refused with the right {what}"));
        }
        return None;
    };
    for (index, password) in passwords.iter().enumerate() {
        if index == winner {
            user.set_password(password);
        } else if winners.contains(&index) {
            user.password.doubt(password.clone());
        } else {
            // Whatever its outcome is: it cannot take place any more.
            user.wrong_passwords.push(password.clone());
        }
    }
    if winners.len() > 1 {
        actor.finding(user, &format!("could use one {what} {} times", winners.len()));
    }
    Some(winner)
}

/// The password works, and the one before it, or the one that lost, does not.
pub(super) async fn check(actor: &mut Actor, user: &mut User) {
    let node = actor.node();
    check_at(actor, user, node).await;
}

/// [`check`], at nodes other than the one that acknowledged the change.
async fn check_at(actor: &mut Actor, user: &mut User, node: usize) {
    let node = actor.other(node);
    if let Some(wrong) = user.wrong_passwords.last().cloned()
        && actor.chance.percent(50)
    {
        actor.sign_in_in_vain(user, node, &wrong).await;
    }
    let (name, right) = (user.name.clone(), user.password.certain().cloned());
    if let Some(right) = right {
        let node = actor.other(node);
        actor.sign_in(user, node, &name, &right).await;
    }
}
