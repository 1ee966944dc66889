//! The load: tasks that each own some users and do one thing after another with them, each request at a node drawn at
//! random, and remember what was answered. What must not hold after an answer is checked at once, at another node.
//!
//! A user belongs to one task, so that the order of its requests is known. Requests that race for something are sent by
//! one task at the same time, to different nodes.

mod arrivals;
mod contests;
mod guesses;
mod passwords;
mod probes;
mod settings;
mod tokens;

use std::{sync::Arc, time::Duration};

use serde_json::Value;

pub use probes::keep_asking;
pub use settings::keep_changing as keep_changing_settings;

use crate::{
    chance::Chance,
    client::Outcome,
    model::{Possible, SignIn, User},
    scene::{Pool, Scene, breathe, text},
};

/// Users that a task has in hand at most.
const MOST_USERS: usize = 10;
/// Users that a task makes before it begins to use them.
const FEWEST_USERS: usize = 3;
/// How long the load waits for a message before it does something else; the audit waits longer.
const MAIL_PATIENCE: Duration = Duration::from_secs(10);
/// How often a request that may be repeated is sent while its outcome is unknown.
const TRIES: usize = 4;
/// Sign-ins that are remembered of one user.
const MOST_SIGN_INS: usize = 8;

/// Ways in which users come to be.
#[derive(Clone, Copy)]
enum Arrival {
    SignUp,
    AdminCreate,
    ContestedName,
    ContestedAlias,
    ContestedInvitation,
}

const ARRIVALS: &[(usize, Arrival)] = &[
    (40, Arrival::SignUp),
    (20, Arrival::AdminCreate),
    (15, Arrival::ContestedName),
    (15, Arrival::ContestedAlias),
    (10, Arrival::ContestedInvitation),
];

/// What is done with a user.
#[derive(Clone, Copy)]
enum Journey {
    Refresh,
    SetPassword,
    ChangePassword,
    Reset,
    WrongCodes,
    WrongPasswords,
    ManyResetRequests,
    SignOut,
    AdminSignOut,
    Revoke,
    Disable,
    Delete,
}

const JOURNEYS: &[(usize, Journey)] = &[
    (20, Journey::Refresh),
    (10, Journey::SetPassword),
    (6, Journey::ChangePassword),
    (22, Journey::Reset),
    (5, Journey::WrongCodes),
    (5, Journey::WrongPasswords),
    (4, Journey::ManyResetRequests),
    (6, Journey::SignOut),
    (4, Journey::AdminSignOut),
    (8, Journey::Revoke),
    (8, Journey::Disable),
    (6, Journey::Delete),
];

/// One task of the load.
pub struct Actor {
    scene: Arc<Scene>,
    chance: Chance,
    users: Vec<User>,
}

impl Actor {
    /// A task whose choices come from `chance`.
    pub const fn new(scene: Arc<Scene>, chance: Chance) -> Self {
        Self { scene, chance, users: Vec::new() }
    }

    /// Works until the scene is over, then hands all users over to the audit.
    ///
    /// # Errors
    /// When a request's task breaks, which is a fault of this program.
    pub async fn run(mut self) -> anyhow::Result<()> {
        while !self.scene.is_over() {
            let is_arrival =
                self.users.len() < FEWEST_USERS || self.users.len() < MOST_USERS && self.chance.percent(30);
            if is_arrival {
                self.arrive().await?;
            } else {
                self.travel().await?;
            }
        }
        for user in std::mem::take(&mut self.users) {
            self.scene.keep(user);
        }
        Ok(())
    }

    async fn arrive(&mut self) -> anyhow::Result<()> {
        match self.chance.weighted(ARRIVALS) {
            Some(Arrival::SignUp) => arrivals::sign_up(self).await,
            Some(Arrival::AdminCreate) => arrivals::admin_create(self).await,
            Some(Arrival::ContestedName) => contests::name(self).await,
            Some(Arrival::ContestedAlias) => contests::alias(self).await,
            Some(Arrival::ContestedInvitation) => contests::invitation(self).await,
            None => Ok(()),
        }
    }

    async fn travel(&mut self) -> anyhow::Result<()> {
        let index = self.chance.below(self.users.len());
        let mut user = self.users.swap_remove(index);
        match self.chance.weighted(JOURNEYS) {
            Some(Journey::Refresh) => tokens::refresh(self, &mut user).await,
            Some(Journey::SetPassword) => passwords::set(self, &mut user).await,
            Some(Journey::ChangePassword) => passwords::change(self, &mut user).await,
            Some(Journey::Reset) => passwords::reset(self, &mut user).await?,
            Some(Journey::WrongCodes) => guesses::wrong_codes(self, &mut user).await?,
            Some(Journey::WrongPasswords) => guesses::wrong_passwords(self, &mut user).await?,
            Some(Journey::ManyResetRequests) => guesses::many_reset_requests(self, &mut user).await?,
            Some(Journey::SignOut) => tokens::sign_out(self, &mut user).await,
            Some(Journey::AdminSignOut) => tokens::admin_sign_out(self, &mut user).await,
            Some(Journey::Revoke) => tokens::revoke(self, &mut user).await,
            Some(Journey::Disable) => tokens::disable(self, &mut user).await,
            Some(Journey::Delete) => arrivals::delete(self, &mut user).await?,
            None => {}
        }
        self.release(user);
        Ok(())
    }

    /// Takes a user (back) into hand, or hands it over to the audit when nothing more can be done with it.
    fn release(&mut self, user: User) {
        if user.is_usable() { self.users.push(user) } else { self.scene.keep(user) }
    }

    /// Some node.
    fn node(&mut self) -> usize {
        self.chance.below(self.scene.client.nodes())
    }

    /// Some other node, if there is one.
    fn other(&mut self, node: usize) -> usize {
        let nodes = self.scene.client.nodes();
        if nodes < 2 { node } else { (node + 1 + self.chance.below(nodes - 1)) % nodes }
    }

    /// The pool of a user.
    fn pool(&self, user: &User) -> &Pool {
        self.scene.pool(user.pool)
    }

    /// A password that was not used before in this run.
    fn new_password(&self) -> String {
        format!("Pass-word-{}", self.scene.number())
    }

    fn finding(&self, user: &mut User, text: &str) {
        self.scene.finding(user, text);
    }

    fn note(&self, user: &mut User, node: usize, operation: &str, outcome: &Outcome) {
        user.note(format!("{:.1} {operation} at {node}: {}", self.scene.record.seconds(), outcome.summary()));
    }

    /// One request about a user.
    async fn call(&self, user: &mut User, node: usize, operation: &'static str, body: &Value) -> Outcome {
        let outcome = self.scene.client.call(node, operation, body).await;
        self.note(user, node, operation, &outcome);
        if outcome.is_unknown() {
            breathe().await;
        }
        outcome
    }

    /// A request that may be repeated: sent until its outcome is known, to one node after another. The last outcome,
    /// the node that told it, and whether an earlier one is unknown.
    async fn insist(&mut self, user: &mut User, operation: &'static str, body: &Value) -> (Outcome, usize, bool) {
        let mut node = self.node();
        let mut outcome = self.call(user, node, operation, body).await;
        for tried in 1..TRIES {
            if !outcome.is_unknown() {
                return (outcome, node, tried > 1);
            }
            node = self.other(node);
            outcome = self.call(user, node, operation, body).await;
        }
        (outcome, node, true)
    }

    /// Requests at the same time, each at another node as far as there are nodes; the outcomes in the same order.
    async fn race(
        &mut self,
        user: &mut User,
        operation: &'static str,
        bodies: Vec<Value>,
    ) -> anyhow::Result<Vec<Outcome>> {
        let (first, nodes) = (self.node(), self.scene.client.nodes());
        let requests: Vec<_> = bodies
            .into_iter()
            .enumerate()
            .map(|(index, body)| {
                let (scene, node) = (self.scene.clone(), (first + index) % nodes);
                tokio::spawn(async move { (node, scene.client.call(node, operation, &body).await) })
            })
            .collect();
        let mut outcomes = Vec::new();
        for request in requests {
            let (node, outcome) = request.await?;
            self.note(user, node, operation, &outcome);
            outcomes.push(outcome);
        }
        if outcomes.iter().all(Outcome::is_unknown) {
            breathe().await;
        }
        Ok(outcomes)
    }

    /// The code in the one message to the user that has not been looked at yet. None when it does not come soon, or
    /// when it is not certain which one it is.
    async fn code(&self, user: &mut User) -> Option<String> {
        let expected = user.mails.exact()?;
        self.scene.mailbox.wait(&user.email, expected, MAIL_PATIENCE).await;
        let mails = self.scene.mailbox.mails(&user.email);
        let new: Vec<_> = mails.iter().filter(|mail| !user.seen_mails.contains(&mail.id)).cloned().collect();
        user.seen_mails.extend(new.iter().map(|mail| mail.id.clone()));
        user.note(format!("{:.1} {} of {expected} messages came", self.scene.record.seconds(), mails.len()));
        match new.as_slice() {
            [mail] if mails.len() == expected => mail.code.clone(),
            _ => None,
        }
    }

    /// Signs in with a password that must be right, at a node; the place of the tokens among the user's.
    async fn sign_in(&self, user: &mut User, node: usize, name: &str, password: &str) -> Option<usize> {
        let body = self.pool(user).sign_in(name, password);
        let outcome = self.call(user, node, "InitiateAuth", &body).await;
        match &outcome {
            Outcome::Acknowledged(answer) => {
                user.failures.clear();
                let Some(sign_in) = sign_in_of(answer) else {
                    self.finding(user, "gets no tokens for the right password");
                    return None;
                };
                if user.sign_ins.len() >= MOST_SIGN_INS {
                    user.sign_ins.remove(0);
                }
                user.sign_ins.push(sign_in);
                Some(user.sign_ins.len() - 1)
            }
            Outcome::Refused { message, .. } => {
                let may_be_locked = is_lock(message) && user.failures.most() >= 5;
                if !may_be_locked {
                    self.finding(user, &format!("cannot sign in with the right password: {}", outcome.summary()));
                }
                None
            }
            Outcome::Unknown { .. } => {
                user.doubt_sign_in();
                None
            }
        }
    }

    /// Signs in by the user's own name with the user's password.
    async fn sign_in_again(&mut self, user: &mut User) -> Option<usize> {
        let (node, name, password) = (self.node(), user.name.clone(), user.password.certain()?.clone());
        self.sign_in(user, node, &name, &password).await
    }

    /// Tries a password that must not work.
    async fn sign_in_in_vain(&self, user: &mut User, node: usize, password: &str) {
        // One more could lock the user.
        if user.failures.most() >= 4 {
            return;
        }
        let body = self.pool(user).sign_in(&user.name, password);
        let outcome = self.call(user, node, "InitiateAuth", &body).await;
        match &outcome {
            Outcome::Acknowledged(_) => self.finding(user, "can sign in with a password that is not right (any more)"),
            Outcome::Refused { .. } if outcome.is_refused_as("NotAuthorizedException") => user.failures.count(),
            Outcome::Refused { .. } => {
                self.finding(user, &format!("gets a strange answer to a wrong password: {}", outcome.summary()));
            }
            Outcome::Unknown { .. } => user.failures.doubt(),
        }
    }

    /// Whether the user has a reset code's worth of requests left, and it is certain which message will be the next.
    fn may_reset(&self, user: &User) -> bool {
        let left = user.reset_requests.exact().is_some_and(|count| count < crate::scene::MOST_RESET_REQUESTS);
        left && user.mails.exact() == Some(user.seen_mails.len())
    }
}

/// The tokens of an answer to a sign-in.
fn sign_in_of(answer: &Value) -> Option<SignIn> {
    let access = text(answer, "/AuthenticationResult/AccessToken")?;
    let refresh = text(answer, "/AuthenticationResult/RefreshToken")?;
    Some(SignIn { access, refresh, is_revoked: Possible::new(false) })
}

/// Whether a refusal means that passwords are not looked at for a while.
pub fn is_lock(message: &str) -> bool {
    message == "Password attempts exceeded"
}
