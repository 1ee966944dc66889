//! Users come and go: sign-up with a code, invitation by an administrator, deletion.

use serde_json::{Value, json};

use super::Actor;
use crate::{
    client::Outcome,
    load::{passwords, sign_in_of, tokens},
    model::{PoolKind, Status, User},
    scene::{merged, text},
};

/// A user signs up; nobody else wants the name.
pub(super) async fn sign_up(actor: &mut Actor) -> anyhow::Result<()> {
    let kind = if actor.chance.percent(25) { PoolKind::Addresses } else { PoolKind::Aliases };
    let mut user = stranger(actor, kind, Status::Unconfirmed);
    register(actor, &mut user).await?;
    actor.release(user);
    Ok(())
}

/// Somebody with a name, an address and a password of their own.
pub(super) fn stranger(actor: &Actor, kind: PoolKind, status: Status) -> User {
    let number = actor.scene.number();
    let email = format!("mail-{number}@example.com");
    let name = if kind == PoolKind::Addresses { email.clone() } else { format!("user-{number}") };
    User::new(kind, &name, &email, &actor.new_password(), status, actor.scene.record.seconds())
}

/// The body of a SignUp.
pub(super) fn sign_up_body(actor: &Actor, user: &User) -> Value {
    json!({
        "ClientId": actor.pool(user).client,
        "Username": user.name,
        "Password": user.password.all().first(),
        "UserAttributes": [{"Name": "email", "Value": user.email}],
    })
}

/// Writes down that a SignUp was acknowledged.
pub(super) fn signed_up(user: &mut User, answer: &Value) {
    user.exists.settle(true);
    user.sub = text(answer, "/UserSub");
    user.mails.count();
    if user.pool == PoolKind::Addresses {
        user.owns_email.settle(true);
    }
}

/// Writes down that nobody knows whether a SignUp took place.
pub(super) fn doubt_sign_up(user: &mut User) {
    user.exists.doubt(true);
    user.mails.doubt();
    if user.pool == PoolKind::Addresses {
        user.owns_email.doubt(true);
    }
    user.is_spoilt = true;
}

async fn register(actor: &mut Actor, user: &mut User) -> anyhow::Result<()> {
    let node = actor.node();
    let outcome = actor.call(user, node, "SignUp", &sign_up_body(actor, user)).await;
    match &outcome {
        Outcome::Acknowledged(answer) => signed_up(user, answer),
        Outcome::Refused { .. } => {
            actor.finding(user, &format!("cannot sign up with a free name: {}", outcome.summary()));
            return Ok(());
        }
        Outcome::Unknown { .. } => {
            doubt_sign_up(user);
            return Ok(());
        }
    }
    confirm(actor, user).await
}

/// The code from the mail confirms the user; half of the time it is sent to two nodes at once.
pub(super) async fn confirm(actor: &mut Actor, user: &mut User) -> anyhow::Result<()> {
    let Some(code) = actor.code(user).await else { return Ok(()) };
    let body = actor.pool(user).confirmation(&user.name, &code);
    let copies = if actor.chance.percent(50) { 2 } else { 1 };
    let outcomes = actor.race(user, "ConfirmSignUp", vec![body; copies]).await?;
    let successes = outcomes.iter().filter(|outcome| outcome.is_acknowledged()).count();
    if successes > 1 {
        actor.finding(user, "was confirmed twice with one code");
    }
    if successes > 0 {
        user.status.settle(Status::Confirmed);
        user.owns_email.settle(true);
        user.spent_codes.push(code);
    } else if outcomes.iter().any(Outcome::is_unknown) {
        user.status.doubt(Status::Confirmed);
        user.owns_email.doubt(true);
        user.is_spoilt = true;
    } else {
        actor.finding(user, "cannot confirm with the right code");
    }
    let is_late = |outcome: &Outcome| {
        outcome.is_refused_as("NotAuthorizedException") || outcome.is_refused_as("ExpiredCodeException")
    };
    let strange = outcomes.iter().find(|outcome| matches!(outcome, Outcome::Refused { .. }) && !is_late(outcome));
    if let Some(strange) = strange {
        actor.finding(user, &format!("gets a strange answer to a code that was right: {}", strange.summary()));
    }
    Ok(())
}

/// An administrator makes a user with a temporary password, who gets a lasting one.
pub(super) async fn admin_create(actor: &mut Actor) -> anyhow::Result<()> {
    let mut user = stranger(actor, PoolKind::Aliases, Status::ForceChangePassword);
    let is_mailed = actor.chance.percent(50);
    let node = actor.node();
    let body = create_body(actor, &user, is_mailed);
    let outcome = actor.call(&mut user, node, "AdminCreateUser", &body).await;
    match &outcome {
        Outcome::Acknowledged(answer) => {
            created(&mut user, answer);
            if is_mailed {
                user.mails.count();
            }
        }
        Outcome::Refused { .. } => {
            actor.finding(&mut user, &format!("cannot be made with a free name: {}", outcome.summary()));
        }
        Outcome::Unknown { .. } => {
            user.exists.doubt(true);
            user.owns_email.doubt(true);
            user.is_spoilt = true;
            if is_mailed {
                user.mails.doubt();
            }
        }
    }
    if user.exists.is(&true) && !user.is_spoilt {
        if is_mailed && actor.scene.mailbox.wait(&user.email, 1, super::MAIL_PATIENCE).await {
            user.seen_mails.extend(actor.scene.mailbox.mails(&user.email).into_iter().map(|mail| mail.id));
        }
        if actor.chance.percent(40) {
            passwords::set(actor, &mut user).await;
        } else {
            replace_temporary_password(actor, &mut user).await?;
        }
    }
    actor.release(user);
    Ok(())
}

/// The body of an AdminCreateUser with a verified address.
pub(super) fn create_body(actor: &Actor, user: &User, is_mailed: bool) -> Value {
    let attributes = [("email", user.email.as_str()), ("email_verified", "true")];
    let message =
        if is_mailed { json!({"DesiredDeliveryMediums": ["EMAIL"]}) } else { json!({"MessageAction": "SUPPRESS"}) };
    let body = json!({
        "TemporaryPassword": user.password.all().first(),
        "UserAttributes": attributes.map(|(name, value)| json!({"Name": name, "Value": value})),
    });
    merged(merged(actor.pool(user).admin(&user.name), body), message)
}

/// Writes down that an AdminCreateUser was acknowledged.
pub(super) fn created(user: &mut User, answer: &Value) {
    user.exists.settle(true);
    user.owns_email.settle(true);
    let attributes = answer.pointer("/User/Attributes").and_then(Value::as_array);
    let is_sub = |attribute: &&Value| text(attribute, "/Name").as_deref() == Some("sub");
    user.sub = attributes.and_then(|all| all.iter().find(is_sub)).and_then(|sub| text(sub, "/Value"));
}

/// The user signs in with the temporary password; the session that comes back is answered at two nodes at once, each
/// time with another new password. It is good for one of them.
async fn replace_temporary_password(actor: &mut Actor, user: &mut User) -> anyhow::Result<()> {
    let Some(temporary) = user.password.certain().cloned() else { return Ok(()) };
    let node = actor.node();
    let body = actor.pool(user).sign_in(&user.name, &temporary);
    let outcome = actor.call(user, node, "InitiateAuth", &body).await;
    let session = match &outcome {
        Outcome::Acknowledged(answer) => text(answer, "/Session"),
        Outcome::Refused { .. } => {
            actor.finding(user, &format!("cannot sign in with the temporary password: {}", outcome.summary()));
            return Ok(());
        }
        Outcome::Unknown { .. } => {
            user.doubt_sign_in();
            return Ok(());
        }
    };
    let Some(session) = session else {
        actor.finding(user, "is not asked for a new password");
        return Ok(());
    };
    let wanted = [actor.new_password(), actor.new_password()];
    let bodies = wanted.iter().map(|password| {
        json!({
            "ClientId": actor.pool(user).client,
            "ChallengeName": "NEW_PASSWORD_REQUIRED",
            "Session": session,
            "ChallengeResponses": {"USERNAME": user.name, "NEW_PASSWORD": password},
        })
    });
    let bodies = bodies.collect();
    let outcomes = actor.race(user, "RespondToAuthChallenge", bodies).await?;
    if outcomes.iter().any(|outcome| !matches!(outcome, Outcome::Refused { .. })) {
        user.status.doubt(Status::Confirmed);
    }
    if let Some(winner) = passwords::judge(actor, user, "session", &wanted, &outcomes, &["NotAuthorizedException"]) {
        user.status.settle(Status::Confirmed);
        let answer = outcomes.get(winner).and_then(Outcome::answer);
        match answer.and_then(sign_in_of) {
            Some(sign_in) => user.sign_ins.push(sign_in),
            None => actor.finding(user, "gets no tokens for the new password"),
        }
        passwords::check(actor, user).await;
    }
    Ok(())
}

/// A user is deleted, and at once nobody knows it any more. Often somebody takes the name after that.
pub(super) async fn delete(actor: &mut Actor, user: &mut User) -> anyhow::Result<()> {
    let body = actor.pool(user).admin(&user.name);
    let (outcome, node, was_unknown) = actor.insist(user, "AdminDeleteUser", &body).await;
    user.is_spoilt = was_unknown;
    match &outcome {
        Outcome::Acknowledged(_) => {}
        Outcome::Refused { .. } if was_unknown && outcome.is_refused_as("UserNotFoundException") => {}
        Outcome::Refused { .. } => {
            actor.finding(user, &format!("cannot be deleted: {}", outcome.summary()));
            return Ok(());
        }
        Outcome::Unknown { .. } => {
            user.exists.doubt(false);
            user.doubt_all_sign_ins();
            return Ok(());
        }
    }
    user.exists.settle(false);
    user.revoke_all();
    let node = actor.other(node);
    let found = actor.call(user, node, "AdminGetUser", &body).await;
    if found.is_acknowledged()
        || matches!(found, Outcome::Refused { .. }) && !found.is_refused_as("UserNotFoundException")
    {
        actor.finding(user, &format!("is still there after its deletion: {}", found.summary()));
    }
    tokens::check_revoked(actor, user).await;
    if let Some(password) = user.password.certain().cloned() {
        let node = actor.other(node);
        let body = actor.pool(user).sign_in(&user.name, &password);
        let outcome = actor.call(user, node, "InitiateAuth", &body).await;
        if outcome.is_acknowledged() {
            actor.finding(user, "can sign in after its deletion");
        } else if outcome.is_unknown() {
            user.doubt_sign_in();
        }
    }
    // A lost request about the old user could meet the new one.
    let is_exact = [user.failures, user.wrong_codes, user.reset_requests].iter().all(|tally| tally.exact().is_some());
    if !user.is_spoilt && is_exact && actor.chance.percent(60) {
        return come_back(actor, user).await;
    }
    Ok(())
}

/// Somebody signs up with the name and the address of a user who was deleted.
async fn come_back(actor: &mut Actor, user: &mut User) -> anyhow::Result<()> {
    let password = actor.new_password();
    let seconds = actor.scene.record.seconds();
    let before = user.clone();
    *user = User::new(before.pool, &before.name, &before.email, &password, Status::Unconfirmed, seconds);
    // What was true of the old user must not come back with the name.
    user.wrong_passwords = before.wrong_passwords;
    user.wrong_passwords.extend(before.password.all());
    user.sign_ins = before.sign_ins;
    user.spent_codes = before.spent_codes;
    (user.mails, user.seen_mails, user.history) = (before.mails, before.seen_mails, before.history);
    register(actor, user).await
}
