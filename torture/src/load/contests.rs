//! Several want the same thing at the same time, at different nodes: a user name, an address as a name, an address as
//! an alias. One of them gets it.

use super::{Actor, arrivals};
use crate::{
    client::Outcome,
    model::{PoolKind, Status, Tally, User},
};

/// How many want it.
const RIVALS: usize = 3;

/// Sign-ups with one name, or with one address as a name.
pub(super) async fn name(actor: &mut Actor) -> anyhow::Result<()> {
    let kind = if actor.chance.percent(40) { PoolKind::Addresses } else { PoolKind::Aliases };
    let first = arrivals::stranger(actor, kind, Status::Unconfirmed);
    let mut rivals: Vec<User> = (0..RIVALS).map(|_| arrivals::stranger(actor, kind, Status::Unconfirmed)).collect();
    for (index, rival) in rivals.iter_mut().enumerate() {
        match kind {
            PoolKind::Aliases => rival.name.clone_from(&first.name),
            PoolKind::Addresses => {
                rival.name = spelling(&first.email, index);
                rival.email.clone_from(&rival.name);
            }
        }
    }
    let bodies = rivals.iter().map(|rival| arrivals::sign_up_body(actor, rival)).collect();
    let mut witness = first;
    let outcomes = actor.race(&mut witness, "SignUp", bodies).await?;
    check_losers(actor, &mut witness, &outcomes, &["UsernameExistsException"]);
    let winners = outcomes.iter().filter(|outcome| outcome.is_acknowledged()).count();
    if winners > 1 {
        actor.finding(&mut witness, &format!("was given to {winners} users"));
    }
    // Whoever signed up, else whoever may have.
    let likeliest = position(&outcomes, Outcome::is_acknowledged).or_else(|| position(&outcomes, Outcome::is_unknown));
    let Some(likeliest) = likeliest else {
        actor.finding(&mut witness, "was given to nobody");
        return Ok(());
    };
    let mut user = rivals.swap_remove(likeliest);
    let mut losers = outcomes.clone();
    let own = losers.swap_remove(likeliest);
    user.history = witness.history;
    for (rival, outcome) in rivals.into_iter().zip(&losers) {
        let mut mails = Tally::default();
        match outcome {
            Outcome::Acknowledged(_) => mails.count(),
            Outcome::Unknown { .. } => mails.doubt(),
            Outcome::Refused { .. } => {}
        }
        actor.scene.keep_stranger(&rival.email, mails);
        let password = rival.password.all();
        if outcome.is_unknown() && winners == 0 {
            password.into_iter().for_each(|password| user.password.doubt(password));
        } else {
            user.wrong_passwords.extend(password);
        }
    }
    let Some(answer) = own.answer() else {
        arrivals::doubt_sign_up(&mut user);
        actor.scene.keep(user);
        return Ok(());
    };
    arrivals::signed_up(&mut user, answer);
    arrivals::confirm(actor, &mut user).await?;
    // A lost sign-up could still take the name when this user goes.
    user.is_spoilt |= winners > 1 || losers.iter().any(Outcome::is_unknown);
    actor.release(user);
    Ok(())
}

/// The same address for servers that ignore case, another one for the mailbox.
fn spelling(address: &str, index: usize) -> String {
    let spell = |(at, letter): (usize, char)| if at == index { letter.to_ascii_uppercase() } else { letter };
    address.chars().enumerate().map(spell).collect()
}

/// Users who signed up with one address confirm it: it becomes the alias of one of them.
pub(super) async fn alias(actor: &mut Actor) -> anyhow::Result<()> {
    let address = arrivals::stranger(actor, PoolKind::Aliases, Status::Unconfirmed).email;
    let mut rivals = Vec::new();
    for index in 0..RIVALS {
        let mut user = arrivals::stranger(actor, PoolKind::Aliases, Status::Unconfirmed);
        user.email = spelling(&address, index);
        let node = actor.node();
        let body = arrivals::sign_up_body(actor, &user);
        let outcome = actor.call(&mut user, node, "SignUp", &body).await;
        match &outcome {
            Outcome::Acknowledged(answer) => arrivals::signed_up(&mut user, answer),
            Outcome::Unknown { .. } => arrivals::doubt_sign_up(&mut user),
            Outcome::Refused { .. } => {
                actor.finding(&mut user, &format!("cannot sign up with a free name: {}", outcome.summary()));
            }
        }
        let code = if user.is_spoilt { None } else { actor.code(&mut user).await };
        match code {
            Some(code) => rivals.push((user, code)),
            None => actor.scene.keep(user),
        }
    }
    let mut witness = arrivals::stranger(actor, PoolKind::Aliases, Status::Unconfirmed);
    witness.name = address.clone();
    let bodies: Vec<_> = rivals.iter().map(|(user, code)| actor.pool(user).confirmation(&user.name, code)).collect();
    if bodies.len() < 2 {
        rivals.into_iter().for_each(|(user, _)| actor.scene.keep(user));
        return Ok(());
    }
    let outcomes = actor.race(&mut witness, "ConfirmSignUp", bodies).await?;
    check_losers(actor, &mut witness, &outcomes, &["AliasExistsException"]);
    let winners = outcomes.iter().filter(|outcome| outcome.is_acknowledged()).count();
    let is_uncertain = outcomes.iter().any(Outcome::is_unknown);
    if winners > 1 {
        actor.finding(&mut witness, &format!("became the alias of {winners} users"));
    } else if winners == 0 && !is_uncertain {
        actor.finding(&mut witness, "became the alias of nobody");
    }
    for ((mut user, code), outcome) in rivals.into_iter().zip(&outcomes) {
        user.history.extend(witness.history.iter().cloned());
        match outcome {
            Outcome::Acknowledged(_) => {
                user.status.settle(Status::Confirmed);
                user.owns_email.settle(true);
                user.spent_codes.push(code);
                if let Some(password) = user.password.certain().cloned() {
                    let node = actor.node();
                    actor.sign_in(&mut user, node, &address, &password).await;
                }
                // A lost confirmation could still take the alias when this user goes.
                user.is_spoilt |= is_uncertain || winners > 1;
            }
            // While nobody has won, it may be this one.
            Outcome::Unknown { .. } if winners == 0 => {
                user.status.doubt(Status::Confirmed);
                user.owns_email.doubt(true);
            }
            _ => {}
        }
        actor.release(user);
    }
    Ok(())
}

/// An administrator makes users with one verified address: it becomes the alias of the one who is made.
pub(super) async fn invitation(actor: &mut Actor) -> anyhow::Result<()> {
    let rivals = (0..RIVALS).map(|_| arrivals::stranger(actor, PoolKind::Aliases, Status::ForceChangePassword));
    let mut rivals: Vec<User> = rivals.collect();
    let mut witness = arrivals::stranger(actor, PoolKind::Aliases, Status::ForceChangePassword);
    for rival in &mut rivals {
        rival.email.clone_from(&witness.email);
    }
    witness.name.clone_from(&witness.email);
    let bodies = rivals.iter().map(|rival| arrivals::create_body(actor, rival, false)).collect();
    let outcomes = actor.race(&mut witness, "AdminCreateUser", bodies).await?;
    check_losers(actor, &mut witness, &outcomes, &["UsernameExistsException", "AliasExistsException"]);
    let winners = outcomes.iter().filter(|outcome| outcome.is_acknowledged()).count();
    if winners > 1 {
        actor.finding(&mut witness, &format!("became the alias of {winners} users"));
    } else if winners == 0 && !outcomes.iter().any(Outcome::is_unknown) {
        actor.finding(&mut witness, "became the alias of nobody");
    }
    for (mut user, outcome) in rivals.into_iter().zip(&outcomes) {
        user.history.extend(witness.history.iter().cloned());
        match outcome {
            Outcome::Acknowledged(answer) => arrivals::created(&mut user, answer),
            Outcome::Unknown { .. } if winners == 0 => {
                user.exists.doubt(true);
                user.owns_email.doubt(true);
            }
            _ => {}
        }
        actor.scene.keep(user);
    }
    Ok(())
}

fn position(outcomes: &[Outcome], is: impl Fn(&Outcome) -> bool) -> Option<usize> {
    outcomes.iter().position(is)
}

/// Whoever was refused must have been told that somebody else was quicker.
fn check_losers(actor: &Actor, witness: &mut User, outcomes: &[Outcome], allowed: &[&str]) {
    for outcome in outcomes {
        let is_allowed = allowed.iter().any(|name| outcome.is_refused_as(name));
        if matches!(outcome, Outcome::Refused { .. }) && !is_allowed {
            actor.finding(witness, &format!("was refused in a strange way: {}", outcome.summary()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::spelling;

    #[test]
    fn spellings_differ_in_case_alone() {
        let spellings: Vec<_> = (0..3).map(|index| spelling("mail@example.com", index)).collect();
        assert_eq!(spellings, ["Mail@example.com", "mAil@example.com", "maIl@example.com"]);
    }
}
