//! The audit: everything works again, and all that was acknowledged is asked for, at nodes drawn at random and in the
//! database.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::{
    chance::Chance,
    client::Outcome,
    load::is_lock,
    model::{PoolKind, SignIn, Status, Tally, User},
    rows::Rows,
    scene::{Scene, text},
    world::{Database, REQUEST_SECONDS},
};

/// How long messages may take: a node that died held some under a lease of a minute.
const MAIL_PATIENCE: Duration = Duration::from_secs(180);
/// How long a lock after failed passwords may be waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);
/// How often a request is sent before it counts as a failure.
const TRIES: usize = 10;
/// Users that are looked at at the same time.
const AT_ONCE: u64 = 8;

/// What the audit has looked at.
#[derive(Debug, Default)]
pub struct Audited {
    /// Users, and users that may have come to be.
    pub users: usize,
    /// Those of them that exist.
    pub existing: usize,
    /// Requests that the audit has sent.
    pub questions: u64,
}

/// Looks at everything and writes what is wrong into the record.
///
/// # Errors
/// When the database cannot be read.
pub async fn run(scene: &Arc<Scene>, database: Database, seed: u64) -> anyhow::Result<(Audited, Database)> {
    let before = scene.record.requests();
    let (users, strangers) = scene.kept();
    // Whatever was sent last has been answered, or given up by its node, by the end of this.
    let settled = Instant::now() + Duration::from_secs(REQUEST_SECONDS);
    let database = wait_for_messages(scene, database).await?;
    tokio::time::sleep_until(settled.into()).await;
    check_messages(scene, &users, &strangers);

    // Before the sign-ins of the audit change what is counted.
    let (database, rows) = blocking(database, Rows::read).await?;
    let pools = [PoolKind::Aliases, PoolKind::Addresses].map(|kind| (kind, scene.pool(kind).id.as_str()));
    for wrong in rows.check(&pools, &users, scene.record.seconds()) {
        scene.record.finding(&format!("in the database: {wrong}"));
    }
    for (_, pool) in pools {
        check_estimate(scene, pool, rows.users_of(pool)).await;
    }

    let total = users.len();
    let existing = check_users(scene, users, seed).await?;
    let questions = scene.record.requests() - before;
    Ok((Audited { users: total, existing, questions }, database))
}

/// Work on the database, off the threads that answer.
async fn blocking<T: Send + 'static>(
    database: Database,
    work: impl FnOnce(&Database) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<(Database, T)> {
    let done = tokio::task::spawn_blocking(move || {
        let outcome = work(&database);
        (database, outcome)
    });
    let (database, outcome) = done.await?;
    Ok((database, outcome?))
}

/// Waits until the outbox is empty.
async fn wait_for_messages(scene: &Scene, mut database: Database) -> anyhow::Result<Database> {
    let deadline = Instant::now() + MAIL_PATIENCE;
    let bar = ProgressBar::new_spinner().with_message("waiting for the last messages");
    loop {
        bar.tick();
        let unsent;
        (database, unsent) = blocking(database, Rows::unsent).await?;
        if unsent == 0 {
            break;
        }
        if Instant::now() > deadline {
            let seconds = MAIL_PATIENCE.as_secs();
            scene.record.finding(&format!("{unsent} messages were not handed over within {seconds} s"));
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    bar.finish_and_clear();
    Ok(database)
}

/// Every message that was acknowledged has come, and none that nobody asked for.
fn check_messages(scene: &Scene, users: &[User], strangers: &[(String, Tally)]) {
    let users = users.iter().map(|user| (user.email.as_str(), user.mails, Some(user)));
    let expected = users.chain(strangers.iter().map(|(address, mails)| (address.as_str(), *mails, None)));
    let mut come: HashMap<String, usize> = scene.mailbox.addresses().into_iter().collect();
    for (address, mails, user) in expected {
        let count = come.remove(address).unwrap_or_default();
        if !mails.may_be(count) {
            let history = user.map(|user| user.history.join("; ")).unwrap_or_default();
            let (least, most) = (mails.least(), mails.most());
            scene.record.finding(&format!(
                "{count} messages came to {address}, {least} to {most} it must be\n    history: {history}"
            ));
        }
    }
    for address in come.keys() {
        scene.record.finding(&format!("messages came to {address}, which nobody asked for"));
    }
}

async fn check_estimate(scene: &Scene, pool: &str, users: usize) {
    let mut chance = Chance::new(0, 0);
    let outcome = ask(scene, &mut chance, "DescribeUserPool", &json!({"UserPoolId": pool})).await;
    let estimate = outcome.answer().and_then(|answer| answer.pointer("/UserPool/EstimatedNumberOfUsers")?.as_u64());
    if estimate != Some(users as u64) {
        scene.record.finding(&format!("the pool {pool} has {users} users and tells {estimate:?}"));
    }
}

/// Looks at all users; how many exist.
async fn check_users(scene: &Arc<Scene>, users: Vec<User>, seed: u64) -> anyhow::Result<usize> {
    let style = indicatif::ProgressStyle::with_template("audit {bar:40} {pos}/{len} {eta}")?;
    let bar = ProgressBar::new(users.len() as u64).with_style(style);
    let users = Arc::new(Mutex::new(users));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..AT_ONCE {
        let (scene, users, bar) = (scene.clone(), users.clone(), bar.clone());
        tasks.spawn(async move {
            let mut chance = Chance::new(seed, 1_000 + number);
            let mut existing = 0;
            loop {
                let next = users.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let Some(mut user) = next else { return existing };
                if check_user(&scene, &mut chance, &mut user).await {
                    existing += 1;
                }
                bar.inc(1);
            }
        });
    }
    let existing = tasks.join_all().await.into_iter().sum();
    bar.finish_and_clear();
    Ok(existing)
}

/// A request at some node, repeated while its outcome is unknown.
async fn ask(scene: &Scene, chance: &mut Chance, operation: &'static str, body: &Value) -> Outcome {
    let mut outcome = Outcome::Unknown { class: "never sent".to_owned(), is_excused: false };
    for _ in 0..TRIES {
        outcome = scene.client.call(chance.below(scene.client.nodes()), operation, body).await;
        if !outcome.is_unknown() {
            return outcome;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    scene.record.finding(&format!("{operation} fails all the time: {}", outcome.summary()));
    outcome
}

/// Looks at one user; whether there is such a user.
async fn check_user(scene: &Scene, chance: &mut Chance, user: &mut User) -> bool {
    let body = scene.pool(user.pool).admin(&user.name);
    let outcome = ask(scene, chance, "AdminGetUser", &body).await;
    user.note(format!("audit: {}", outcome.summary()));
    match &outcome {
        Outcome::Acknowledged(answer) => {
            if !user.exists.may_be(&true) {
                scene.finding(user, "is there after its deletion");
            }
            check_present(scene, chance, user, answer).await;
            true
        }
        Outcome::Refused { .. } if outcome.is_refused_as("UserNotFoundException") => {
            if !user.exists.may_be(&false) {
                scene.finding(user, "is lost");
            } else if user.exists.certain().is_some() {
                check_tokens(scene, chance, user).await;
            }
            false
        }
        _ => {
            scene.finding(user, &format!("cannot be looked at: {}", outcome.summary()));
            false
        }
    }
}

async fn check_present(scene: &Scene, chance: &mut Chance, user: &mut User, answer: &Value) {
    let status = text(answer, "/UserStatus").unwrap_or_default();
    if !user.status.all().iter().any(|one| one.as_str() == status) {
        scene.finding(user, &format!("is {status}, and should be {:?}", user.status.all()));
    }
    let is_enabled = answer.pointer("/Enabled").and_then(Value::as_bool).unwrap_or_default();
    if !user.is_enabled.may_be(&is_enabled) {
        scene.finding(user, &format!("is {}", if is_enabled { "enabled" } else { "disabled" }));
    }
    check_alias(scene, chance, user, answer).await;
    check_spent_codes(scene, chance, user).await;
    if !is_enabled {
        for password in user.password.all() {
            if sign_in(scene, chance, user, &password).await.is_acknowledged() {
                scene.finding(user, "is disabled and signs in");
            }
        }
        check_tokens(scene, chance, user).await;
    } else if status != Status::Unconfirmed.as_str() {
        check_passwords(scene, chance, user).await;
        check_tokens(scene, chance, user).await;
    }
}

/// Whether the address leads to the user.
async fn check_alias(scene: &Scene, chance: &mut Chance, user: &mut User, answer: &Value) {
    let body = scene.pool(user.pool).admin(&user.email);
    let outcome = ask(scene, chance, "AdminGetUser", &body).await;
    let own_name = text(answer, "/Username");
    let leads_here = outcome.answer().is_some_and(|found| text(found, "/Username") == own_name);
    if !user.owns_email.may_be(&leads_here) {
        let what = if leads_here { "has an alias that it never got" } else { "has lost its alias" };
        scene.finding(user, &format!("{what}: {}", outcome.summary()));
    }
}

async fn check_spent_codes(scene: &Scene, chance: &mut Chance, user: &mut User) {
    let Some(code) = user.spent_codes.last().cloned() else { return };
    let body = scene.pool(user.pool).reset(&user.name, &code, "Stolen-Passw0rd");
    if ask(scene, chance, "ConfirmForgotPassword", &body).await.is_acknowledged() {
        scene.finding(user, "could use a spent code");
    }
}

/// One of the passwords that may be right works, and none of those that must be wrong.
async fn check_passwords(scene: &Scene, chance: &mut Chance, user: &mut User) {
    let candidates = user.password.all();
    let mut right = 0;
    for password in &candidates {
        let outcome = sign_in(scene, chance, user, password).await;
        right += usize::from(outcome.is_acknowledged());
        if !outcome.is_acknowledged() && !outcome.is_refused_as("NotAuthorizedException") {
            scene.finding(user, &format!("cannot sign in: {}", outcome.summary()));
        }
    }
    if right != 1 {
        scene.finding(
            user,
            &format!("can sign in with {right} of {} passwords, one of which is right", candidates.len()),
        );
    }
    if let Some(wrong) = user.wrong_passwords.last().cloned()
        && sign_in(scene, chance, user, &wrong).await.is_acknowledged()
    {
        scene.finding(user, "can sign in with a wrong password");
    }
}

/// A sign-in; a lock is waited for.
async fn sign_in(scene: &Scene, chance: &mut Chance, user: &User, password: &str) -> Outcome {
    let deadline = Instant::now() + LOCK_PATIENCE;
    let body = scene.pool(user.pool).sign_in(&user.name, password);
    loop {
        let outcome = ask(scene, chance, "InitiateAuth", &body).await;
        match &outcome {
            Outcome::Refused { message, .. } if is_lock(message) && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            _ => return outcome,
        }
    }
}

/// Tokens that were revoked are refused; the others of users who are there and enabled are not.
async fn check_tokens(scene: &Scene, chance: &mut Chance, user: &mut User) {
    let may_sign_in = user.exists.is(&true) && user.is_enabled.is(&true) && user.status.is(&Status::Confirmed);
    let sign_ins: Vec<SignIn> = user.sign_ins.iter().rev().take(3).cloned().collect();
    for sign_in in sign_ins {
        let Some(is_revoked) = sign_in.is_revoked.certain().copied() else { continue };
        if !is_revoked && !may_sign_in {
            continue;
        }
        let refresh = scene.pool(user.pool).refresh(&sign_in.refresh);
        for (operation, body) in [("GetUser", json!({"AccessToken": sign_in.access})), ("InitiateAuth", refresh)] {
            // Access tokens live for an hour; refresh tokens for a month.
            let outcome = ask(scene, chance, operation, &body).await;
            let has_expired = matches!(&outcome, Outcome::Refused { message, .. } if message.contains("has expired"));
            if outcome.is_acknowledged() == is_revoked && !has_expired {
                let state = if is_revoked { "a revoked" } else { "a good" };
                scene.finding(user, &format!("{operation} with {state} token: {}", outcome.summary()));
            }
        }
    }
}
