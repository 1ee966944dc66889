//! A sequence on the server and on the model: what is sent, what is compared, and what the model is told.
//!
//! After every step everything is compared that can be seen: the answer with its whole text, tokens with their claims,
//! the message that was sent or not, and how all users stand.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testkit::{Answer, Server, srp, totp};

use crate::{
    model::{KINDS, Model, Shown, User, Waiting, newest},
    requests::{expected, offset, request, setting_list, wrong_token_code},
    steps::{Name, PASSWORDS, Sequence, Step, Token, TokenCode},
};

/// A server with a pool of each kind, for any number of sequences. Users are each sequence's own.
pub struct World {
    pub server: Server,
    /// Id of each pool, and of its clients.
    pools: Vec<(String, [String; 2])>,
    sequences: usize,
    pub steps: usize,
    /// What has come of which steps.
    pub reached: BTreeSet<(String, String)>,
}

/// Where a sequence takes place.
pub struct Scene<'a> {
    pub server: &'a Server,
    pub pool: &'a str,
    pub clients: &'a [String; 2],
}

impl World {
    pub async fn new(server: Server) -> Self {
        let mut pools = Vec::new();
        for kind in KINDS {
            pools.push(crate::properties::pool(&server, kind).await);
        }
        Self { server, pools, sequences: 0, steps: 0, reached: BTreeSet::new() }
    }

    /// Takes away single steps as long as the rest still fails, since phrases shrink as a whole. Answers what is left and
    /// what is wrong with it.
    pub async fn shrink(&mut self, sequence: Sequence) -> Option<(Sequence, String)> {
        let mut reason = self.run(&sequence).await.err()?;
        let mut smallest = sequence;
        let mut at = 0;
        while at < smallest.steps.len() {
            let mut smaller = smallest.clone();
            smaller.steps.remove(at);
            match self.run(&smaller).await {
                Ok(()) => at += 1,
                Err(other) => (smallest, reason, at) = (smaller, other, 0),
            }
        }
        Some((smallest, reason))
    }

    /// Runs a sequence; says where the server and the model disagree.
    pub async fn run(&mut self, sequence: &Sequence) -> Result<(), String> {
        self.sequences += 1;
        let (pool, clients) = self.pools[sequence.pool].clone();
        let scene = Scene { server: &self.server, pool: &pool, clients: &clients };
        let now = self.server.app.clock.now().milliseconds();
        let mut model = Model::new(KINDS[sequence.pool], self.sequences.to_string(), now);
        let mut proof = Value::Null;
        let mut newest_message = scene.newest_message().await["id"].clone();
        for (number, step) in prelude(sequence.ready).chain(sequence.steps.iter().copied()).enumerate() {
            self.steps += 1;
            let place = |what: String| format!("step {number}, {step:?}: {what}");
            let answer = scene.ask(&model, step, &mut proof).await;
            let wanted = expected(&mut model, step);
            let name = format!("{step:?}").split([' ', '(', '{']).next().unwrap_or_default().to_owned();
            self.reached.insert((name, outcome(&wanted)));
            compare(&mut model, answer.as_ref(), &wanted).map_err(place)?;
            let message = scene.newest_message().await;
            let is_new = message["id"] != newest_message;
            check_message(&mut model, is_new.then_some(&message)).map_err(place)?;
            newest_message = message["id"].clone();
            for user in &model.users {
                scene.look_at(user).await.map_err(place)?;
            }
        }
        // The next sequence's pages should not grow with those of all before.
        for user in &model.users {
            let request = json!({"UserPoolId": pool, "Username": user.username});
            self.server.call("AdminDeleteUser", request).await.ok();
        }
        Ok(())
    }
}

/// Users who are there at the beginning: confirmed, with a password and a verified address.
fn prelude(ready: usize) -> impl Iterator<Item = Step> {
    (0..ready).flat_map(|index| {
        let name = Name::User(index);
        let (email, phone) = (Some((index, true)), (index == 0).then_some(0));
        [
            Step::AdminCreateUser { name, password: Some(0), email, phone, force: false },
            Step::AdminSetUserPassword { name, password: 0, permanent: true },
        ]
    })
}

/// The class of an outcome, for the count of what was reached.
fn outcome(wanted: &Result<Shown, String>) -> String {
    match wanted {
        Ok(Shown::Challenge { name, .. }) => (*name).to_owned(),
        Ok(Shown::Tokens { .. }) => "tokens".to_owned(),
        Ok(_) => "ok".to_owned(),
        // One error names the user.
        Err(refusal) => refusal.split(" possible. ").next().unwrap_or_default().to_owned(),
    }
}

impl Scene<'_> {
    /// What the server answers to a step; nothing where nothing is asked.
    async fn ask(&self, model: &Model, step: Step, proof: &mut Value) -> Option<Answer> {
        match step {
            Step::Wait(seconds) => {
                self.server.advance(seconds);
                None
            }
            Step::Sweep => {
                let now = self.server.app.clock.now();
                while !self.server.app.store.sweep(now, 1_000).await.unwrap().complete {}
                None
            }
            Step::SrpAuth { client, name, password } => {
                let client = &self.clients[client];
                let begun = self.server.call("InitiateAuth", srp::initiate(client, &model.name(name))).await;
                if begun.status != 200 {
                    return Some(begun);
                }
                let responses = srp::respond(&begun.ok(), self.pool, PASSWORDS[password]);
                *proof = json!({
                    "ClientId": client, "ChallengeName": "PASSWORD_VERIFIER", "ChallengeResponses": responses,
                });
                Some(self.server.call("RespondToAuthChallenge", proof.clone()).await)
            }
            Step::RepeatSrp if proof.is_null() => None,
            Step::RepeatSrp => Some(self.server.call("RespondToAuthChallenge", proof.clone()).await),
            step => {
                let (operation, request) = request(self, model, step)?;
                Some(self.server.call(operation, request).await)
            }
        }
    }

    /// A code of the software token with this secret.
    pub fn token_code(&self, secret: Option<&str>, code: TokenCode) -> String {
        let Some(secret) = secret.filter(|secret| !secret.is_empty()) else { return "000000".to_owned() };
        let of = |offset| totp::code(self.server, secret, offset);
        offset(code).map_or_else(|| wrong_token_code(&(-1..=1).map(of).collect::<Vec<_>>()), of)
    }

    /// The newest message to anybody in the pool, or null.
    async fn newest_message(&self) -> Value {
        let answer = self.server.get(&format!("/_poolkeeper/messages?user_pool_id={}&limit=1", self.pool)).await.ok();
        answer["messages"][0].clone()
    }

    /// Whether a user stands as the model says.
    async fn look_at(&self, user: &User) -> Result<(), String> {
        let request = json!({"UserPoolId": self.pool, "Username": user.username});
        let shown = self.server.call("AdminGetUser", request).await;
        if shown.status != 200 {
            return Err(format!("{} is not found: {}", user.username, shown.error()));
        }
        check_user(user, &shown.ok(), true)
    }
}

/// Holds an answer against what was expected, and tells the model what the server made up.
fn compare(model: &mut Model, answer: Option<&Answer>, wanted: &Result<Shown, String>) -> Result<(), String> {
    let Some(answer) = answer else { return Ok(()) };
    let answered = if answer.status == 200 { Ok(&answer.body) } else { Err(answer.error()) };
    let (body, shown) = match (answered, wanted) {
        (Ok(body), Ok(shown)) => (body, shown),
        (Err(refusal), Err(wanted)) if refusal == *wanted => return Ok(()),
        (answered, wanted) => return Err(format!("the server: {answered:?}\nthe model: {wanted:?}")),
    };
    match shown {
        Shown::Nothing => Ok(()),
        Shown::NewUser => {
            let own = body["User"]["Attributes"].as_array().into_iter().flatten();
            let created = own.filter(|attribute| attribute["Name"] == "sub").find_map(|sub| sub["Value"].as_str());
            let sub = body["UserSub"].as_str().or(created).ok_or_else(|| format!("no sub in {body}"))?;
            model.call_newest(sub);
            Ok(())
        }
        Shown::User { sub, by_administrator } => {
            let user = &model.users[model.find_sub(sub).unwrap()];
            check_user(user, body, *by_administrator)
        }
        Shown::Tokens { sub, refresh } => learn_tokens(model, &body["AuthenticationResult"], sub, *refresh),
        Shown::Challenge { name, available } => {
            let listed = body.get("AvailableChallenges").cloned();
            if body["ChallengeName"] != *name || listed != available.as_ref().map(|list| json!(list)) {
                return Err(format!("the server: {body}\nthe model: {shown:?}"));
            }
            learn_session(model, body)
        }
        Shown::Secret { sub, with_session } => {
            let secret = text(body, "SecretCode")?;
            if *with_session {
                learn_session(model, body)?;
                let session = model.sessions.last_mut().unwrap();
                session.waiting = Waiting::Secret(Some(secret));
            } else {
                let at = model.find_sub(sub).unwrap();
                model.users[at].pending.as_mut().unwrap().0 = secret;
            }
            Ok(())
        }
        Shown::Session => learn_session(model, body),
    }
}

fn text(body: &Value, name: &str) -> Result<String, String> {
    body[name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name} in {body}"))
}

fn learn_session(model: &mut Model, body: &Value) -> Result<(), String> {
    model.sessions.last_mut().unwrap().text = text(body, "Session")?;
    Ok(())
}

fn learn_tokens(model: &mut Model, result: &Value, sub: &str, refresh: bool) -> Result<(), String> {
    let (access, id_token) = (text(result, "AccessToken")?, text(result, "IdToken")?);
    let user = &model.users[model.find_sub(sub).unwrap()];
    let family = &model.families[model.access.last().unwrap().family];
    let (in_access, in_id) = (claims(&access), claims(&id_token));
    let groups = if user.is_member { json!(["group"]) } else { Value::Null };
    for (claim, wanted) in [
        (&in_access["sub"], json!(user.sub)),
        (&in_access["username"], json!(user.username)),
        (&in_access["token_use"], json!("access")),
        (&in_access["cognito:groups"], groups.clone()),
        (&in_id["sub"], json!(user.sub)),
        (&in_id["cognito:username"], json!(user.username)),
        (&in_id["token_use"], json!("id")),
        (&in_id["cognito:groups"], groups),
        (&in_id["email"], json!(user.attributes.get("email"))),
        (&in_id["email_verified"], json!(user.attributes.get("email_verified").map(|value| value == "true"))),
        (&in_id["aud"], in_access["client_id"].clone()),
        (&in_id["origin_jti"], in_access["origin_jti"].clone()),
    ] {
        if *claim != wanted {
            return Err(format!("a claim of {family:?} is {claim} instead of {wanted}:\n{in_access}\n{in_id}"));
        }
    }
    let last = model.access.last_mut().unwrap();
    (last.text, last.id_token) = (access, id_token);
    match (result.get("RefreshToken").and_then(Value::as_str), refresh) {
        (Some(refresh), true) => {
            refresh.clone_into(&mut model.refresh.last_mut().unwrap().text);
            Ok(())
        }
        (None, false) => Ok(()),
        (_, wanted) => Err(format!("a refresh token is wanted: {wanted}; the server: {result}")),
    }
}

fn claims(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// Holds what is shown of a user against the model's.
fn check_user(user: &User, shown: &Value, by_administrator: bool) -> Result<(), String> {
    let list = if by_administrator && shown.get("UserAttributes").is_none() { "Attributes" } else { "UserAttributes" };
    let pair =
        |attribute: &Value| Some((attribute["Name"].as_str()?.to_owned(), attribute["Value"].as_str()?.to_owned()));
    let attributes: BTreeMap<String, String> = shown[list].as_array().unwrap().iter().filter_map(pair).collect();
    let mut wanted = user.attributes.clone();
    wanted.insert("sub".to_owned(), user.sub.clone());
    let same_status = shown["UserStatus"] == user.status.name() && shown["Enabled"] == user.enabled;
    let is_same = attributes == wanted
        && shown["Username"] == user.username
        && shown.get("UserMFASettingList").cloned().unwrap_or_default() == setting_list(&user.methods)
        && shown["PreferredMfaSetting"] == json!(user.preferred.map(|method| method.name()))
        && (!by_administrator || same_status);
    if is_same {
        Ok(())
    } else {
        Err(format!("a user is not as the model says.\nthe server: {shown}\nthe model: {user:?}"))
    }
}

/// Holds the message that was sent, if one was, against the model's, which learns the code.
fn check_message(model: &mut Model, message: Option<&Value>) -> Result<(), String> {
    match (model.message.take(), message) {
        (None, None) => Ok(()),
        (Some((address, reason)), Some(message))
            if message["destination"] == *address && message["purpose"] == reason =>
        {
            if let Some(sent) = model.sent.last_mut().filter(|sent| sent.text.is_empty() && sent.reason == reason) {
                sent.text = text(message, "code")?;
            }
            Ok(())
        }
        (wanted, message) => Err(format!("another message was sent.\nthe server: {message:?}\nthe model: {wanted:?}")),
    }
}

impl Model {
    /// Whose token it is, for the codes that go with it.
    pub fn owner(&self, token: Token) -> Option<String> {
        let Token::Access(back) = token else { return None };
        newest(&self.access, back).map(|access| self.families[access.family].sub.clone())
    }

    /// The secret whose first code is awaited, or of the token in use.
    pub fn secret_in_the_making(&self, holder: crate::steps::Holder) -> Option<String> {
        match holder {
            crate::steps::Holder::Session(back) => match &newest(&self.sessions, back)?.waiting {
                Waiting::Secret(secret) => secret.clone(),
                _ => None,
            },
            crate::steps::Holder::Token(token) => {
                let user = &self.users[self.find_sub(&self.owner(token)?)?];
                let pending = user.pending.as_ref().filter(|(_, expires_at)| self.now < *expires_at);
                pending.map(|(secret, _)| secret.clone()).or_else(|| Some(user.token.as_ref()?.secret.clone()))
            }
        }
    }
}
