//! Signing in by SRP, with the client's arithmetic, alone and with a code of a software token after it.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use crypto::{
    srp::client::{Answer, Login},
    totp,
};
use serde_json::{Value, json};
use wire::Timestamp;

use crate::{
    driver::Connection,
    populate::{PASSWORD, Scene, TOKEN_SECRET},
    scenarios::Step,
};

/// A user whose app makes codes. A code is right once, so that each user signs in as often as there are new ones: three
/// times at the beginning, and then every 30 seconds.
pub struct TokenUser {
    /// Username.
    pub name: String,
    last_step: AtomicI64,
}

impl TokenUser {
    /// Somebody who has used no code yet.
    pub const fn new(name: String) -> Self {
        Self { name, last_step: AtomicI64::new(0) }
    }

    /// A code that this user has not used yet; none before the clock has moved on.
    fn next_code(&self) -> anyhow::Result<Option<String>> {
        let present = totp::step_at(now()?);
        let next = |last: i64| Some((last + 1).max(present - 1)).filter(|step| *step <= present + 1);
        let before = self.last_step.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        Ok(before.ok().and_then(next).map(|step| totp::code_of(&TOKEN_SECRET, step)))
    }
}

/// A whole sign-in by SRP.
pub async fn sign_in(scene: &Scene, connection: &mut Connection, name: &str) -> anyhow::Result<Step> {
    Ok(step(&prove(scene, connection, name).await?))
}

/// The same of a user with a software token, whom the answer to SRP asks for a code.
pub async fn sign_in_with_code(scene: &Scene, connection: &mut Connection, number: u64) -> anyhow::Result<Step> {
    let users = &scene.token_users;
    let index = usize::try_from(number)?.checked_rem(users.len());
    let user = index.and_then(|index| users.get(index)).context("there are users with software tokens")?;
    let Some(code) = user.next_code()? else { return Ok(Step::UsedUp) };
    let challenge = prove(scene, connection, &user.name).await?;
    anyhow::ensure!(challenge["ChallengeName"] == "SOFTWARE_TOKEN_MFA", "no code was asked for: {challenge}");
    let responses = json!({"USERNAME": user.name, "SOFTWARE_TOKEN_MFA_CODE": code});
    let request = json!({
        "ClientId": scene.client, "ChallengeName": "SOFTWARE_TOKEN_MFA", "Session": challenge["Session"],
        "ChallengeResponses": responses,
    });
    let (status, answer) = connection.call("RespondToAuthChallenge", request.to_string()).await?;
    // A code that has become too old on the way is an error like any other.
    Ok(if status == 200 { step(&serde_json::from_slice(&answer)?) } else { Step::Failed })
}

fn step(answer: &Value) -> Step {
    if answer["AuthenticationResult"]["AccessToken"].is_string() { Step::Done } else { Step::Failed }
}

/// Both halves of SRP; what the server answers to the proof.
async fn prove(scene: &Scene, connection: &mut Connection, name: &str) -> anyhow::Result<Value> {
    let parameters = json!({"USERNAME": name, "SRP_A": scene.srp.srp_a()});
    let request = json!({"ClientId": scene.client, "AuthFlow": "USER_SRP_AUTH", "AuthParameters": parameters});
    let challenge = connection.json("InitiateAuth", request).await?;
    let text = |name: &str| {
        challenge["ChallengeParameters"][name].as_str().map(str::to_owned).context("a challenge parameter")
    };
    let (salt, public, block, id) = (text("SALT")?, text("SRP_B")?, text("SECRET_BLOCK")?, text("USER_ID_FOR_SRP")?);
    let timestamp = crypto::srp::timestamp::format_timestamp(now()?.seconds()).context("the clock shows a date")?;
    let secret_block = STANDARD.decode(&block)?;
    let login = Login { pool_name: domain::pool::short_name(&scene.pool), user_id: &id, password: PASSWORD };
    let answer = Answer { salt: &salt, srp_b: &public, secret_block: &secret_block };
    let signature =
        scene.srp.sign(login, answer, &timestamp).map_err(|error| anyhow::anyhow!("the client's half: {error}"))?;
    let responses = json!({
        "USERNAME": id,
        "PASSWORD_CLAIM_SECRET_BLOCK": block,
        "PASSWORD_CLAIM_SIGNATURE": STANDARD.encode(signature),
        "TIMESTAMP": timestamp,
    });
    let request =
        json!({"ClientId": scene.client, "ChallengeName": "PASSWORD_VERIFIER", "ChallengeResponses": responses});
    connection.json("RespondToAuthChallenge", request).await
}

/// The present moment.
pub fn now() -> anyhow::Result<Timestamp> {
    Ok(Timestamp(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?))
}
