//! Tokens work at every node until they are revoked at one: by a sign-out, by RevokeToken, by disabling or deleting
//! their user. From the acknowledgement on no node takes them.

use serde_json::{Value, json};

use super::Actor;
use crate::{client::Outcome, model::User, scene::text};

/// Revoked sign-ins that are tried each time.
const TRIED: usize = 2;

/// A refresh token gives an access token, which another node takes.
pub(super) async fn refresh(actor: &mut Actor, user: &mut User) {
    let Some(place) = live(actor, user).await else { return };
    check_live(actor, user, place).await;
}

/// The user's newest sign-in that must work, or a new one.
async fn live(actor: &mut Actor, user: &mut User) -> Option<usize> {
    let known = user.sign_ins.iter().rposition(|sign_in| sign_in.is_revoked.is(&false));
    match known {
        Some(place) if actor.chance.percent(70) => Some(place),
        _ => actor.sign_in_again(user).await,
    }
}

async fn check_live(actor: &mut Actor, user: &mut User, place: usize) {
    let Some(sign_in) = user.sign_ins.get(place).cloned() else { return };
    let node = actor.node();
    let body = actor.pool(user).refresh(&sign_in.refresh);
    let outcome = actor.call(user, node, "InitiateAuth", &body).await;
    let mut access = sign_in.access;
    match &outcome {
        Outcome::Acknowledged(answer) => match text(answer, "/AuthenticationResult/AccessToken") {
            Some(new) => access = new,
            None => actor.finding(user, "gets no access token for a refresh token"),
        },
        Outcome::Refused { .. } => {
            actor.finding(user, &format!("cannot use a good refresh token: {}", outcome.summary()));
        }
        Outcome::Unknown { .. } => {}
    }
    let node = actor.other(node);
    let outcome = actor.call(user, node, "GetUser", &json!({"AccessToken": access})).await;
    match &outcome {
        Outcome::Acknowledged(answer) => {
            let all = answer.pointer("/UserAttributes").and_then(Value::as_array).into_iter().flatten();
            let mut subs = all.filter(|attribute| text(attribute, "/Name").as_deref() == Some("sub"));
            let sub = subs.next().and_then(|attribute| text(attribute, "/Value"));
            if user.sub.is_some() && sub != user.sub {
                actor.finding(user, "gets the tokens of somebody else");
            }
        }
        Outcome::Refused { .. } => {
            actor.finding(user, &format!("cannot use a good access token: {}", outcome.summary()));
        }
        Outcome::Unknown { .. } => {}
    }
}

/// The newest sign-ins that were revoked are refused, at any node.
pub(super) async fn check_revoked(actor: &mut Actor, user: &mut User) {
    let revoked = user.sign_ins.iter().rev().filter(|sign_in| sign_in.is_revoked.is(&true)).take(TRIED);
    let revoked: Vec<_> = revoked.cloned().collect();
    for sign_in in revoked {
        let requests = [
            ("GetUser", json!({"AccessToken": sign_in.access})),
            ("InitiateAuth", actor.pool(user).refresh(&sign_in.refresh)),
        ];
        for (operation, body) in requests {
            let node = actor.node();
            let outcome = actor.call(user, node, operation, &body).await;
            let is_proper = outcome.is_unknown()
                || outcome.is_refused_as("NotAuthorizedException")
                || outcome.is_refused_as("UserNotFoundException");
            if !is_proper {
                actor.finding(user, &format!("could use a revoked token in {operation}: {}", outcome.summary()));
            }
        }
    }
}

/// The user signs out everywhere, and in again.
pub(super) async fn sign_out(actor: &mut Actor, user: &mut User) {
    let Some(place) = live(actor, user).await else { return };
    let Some(access) = user.sign_ins.get(place).map(|sign_in| sign_in.access.clone()) else { return };
    let node = actor.node();
    let outcome = actor.call(user, node, "GlobalSignOut", &json!({"AccessToken": access})).await;
    ended(actor, user, &outcome, false).await;
}

/// An administrator signs the user out everywhere; the user signs in again.
pub(super) async fn admin_sign_out(actor: &mut Actor, user: &mut User) {
    if live(actor, user).await.is_none() {
        return;
    }
    let body = actor.pool(user).admin(&user.name);
    let (outcome, _, was_unknown) = actor.insist(user, "AdminUserGlobalSignOut", &body).await;
    ended(actor, user, &outcome, was_unknown).await;
}

/// What came of a sign-out.
async fn ended(actor: &mut Actor, user: &mut User, outcome: &Outcome, was_unknown: bool) {
    // A late one would revoke what comes after it.
    user.is_spoilt |= was_unknown;
    match outcome {
        Outcome::Acknowledged(_) => {
            user.revoke_all();
            check_revoked(actor, user).await;
            if user.is_spoilt {
                return;
            }
            if let Some(place) = actor.sign_in_again(user).await {
                check_live(actor, user, place).await;
            }
        }
        Outcome::Refused { .. } => {
            actor.finding(user, &format!("cannot be signed out: {}", outcome.summary()));
        }
        Outcome::Unknown { .. } => {
            user.doubt_all_sign_ins();
            user.is_spoilt = true;
        }
    }
}

/// One sign-in is revoked, another one goes on.
pub(super) async fn revoke(actor: &mut Actor, user: &mut User) {
    let Some(kept) = live(actor, user).await.and_then(|place| user.sign_ins.get(place).cloned()) else { return };
    let Some(place) = actor.sign_in_again(user).await else { return };
    let Some(refresh) = user.sign_ins.get(place).map(|sign_in| sign_in.refresh.clone()) else { return };
    let body = json!({"ClientId": actor.pool(user).client, "Token": refresh});
    let (outcome, _, _) = actor.insist(user, "RevokeToken", &body).await;
    let Some(sign_in) = user.sign_ins.get_mut(place) else { return };
    match &outcome {
        Outcome::Acknowledged(_) => {
            sign_in.is_revoked.settle(true);
            check_revoked(actor, user).await;
            // Places move when the oldest sign-in is forgotten.
            if let Some(place) = user.sign_ins.iter().position(|sign_in| sign_in.refresh == kept.refresh) {
                check_live(actor, user, place).await;
            }
        }
        Outcome::Unknown { .. } => sign_in.is_revoked.doubt(true),
        Outcome::Refused { .. } => {
            actor.finding(user, &format!("cannot have a token revoked: {}", outcome.summary()));
        }
    }
}

/// A disabled user is out at once, and in again when enabled; the old tokens are not.
pub(super) async fn disable(actor: &mut Actor, user: &mut User) {
    if actor.sign_in_again(user).await.is_none() {
        return;
    }
    let body = actor.pool(user).admin(&user.name);
    let (outcome, node, was_unknown) = actor.insist(user, "AdminDisableUser", &body).await;
    user.is_spoilt |= was_unknown;
    match &outcome {
        Outcome::Acknowledged(_) => {}
        Outcome::Refused { .. } => {
            actor.finding(user, &format!("cannot be disabled: {}", outcome.summary()));
            return;
        }
        Outcome::Unknown { .. } => {
            user.is_enabled.doubt(false);
            user.doubt_all_sign_ins();
            return;
        }
    }
    user.is_enabled.settle(false);
    user.revoke_all();
    if let Some(password) = user.password.certain().cloned() {
        let node = actor.other(node);
        let sign_in = actor.pool(user).sign_in(&user.name, &password);
        let outcome = actor.call(user, node, "InitiateAuth", &sign_in).await;
        if outcome.is_unknown() {
            user.doubt_sign_in();
        } else if !outcome.is_refused_as("NotAuthorizedException") {
            actor.finding(user, &format!("is disabled and signs in: {}", outcome.summary()));
        }
    }
    check_revoked(actor, user).await;
    if user.is_spoilt {
        return;
    }
    let (outcome, _, was_unknown) = actor.insist(user, "AdminEnableUser", &body).await;
    user.is_spoilt |= was_unknown;
    match &outcome {
        Outcome::Acknowledged(_) => {
            user.is_enabled.settle(true);
            actor.sign_in_again(user).await;
            check_revoked(actor, user).await;
        }
        Outcome::Refused { .. } => actor.finding(user, &format!("cannot be enabled: {}", outcome.summary())),
        Outcome::Unknown { .. } => user.is_enabled.doubt(true),
    }
}
