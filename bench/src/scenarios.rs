//! What is measured.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use crypto::srp::client::{Answer, Login};
use serde_json::{Value, json};

use crate::{
    bounds::Bounds,
    driver::Connection,
    listing,
    populate::{PASSWORD, Scene},
    postgres::Load,
};

/// A kind of request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// ForgotPassword.
    ForgotPassword,
    /// SignUp.
    SignUp,
    /// AdminCreateUser with a temporary password and without a message.
    AdminCreateUser,
    /// InitiateAuth with USER_PASSWORD_AUTH.
    PasswordSignIn,
    /// InitiateAuth with USER_SRP_AUTH and RespondToAuthChallenge.
    SrpSignIn,
    /// InitiateAuth with REFRESH_TOKEN_AUTH.
    Refresh,
    /// GetUser.
    GetUser,
    /// AdminGetUser.
    AdminGetUser,
    /// ListUsers with a filter that one user meets.
    ListUsersExact,
    /// ListUsers with a filter that ten users meet.
    ListUsersPrefix,
    /// ListUsers, the first page.
    ListPageFirst,
    /// ListUsers, page 1,000, or the last full one of a smaller pool.
    ListPageDeep,
}

/// All of them.
pub const ALL: &[Scenario] = &[
    Scenario::ForgotPassword,
    Scenario::SignUp,
    Scenario::AdminCreateUser,
    Scenario::PasswordSignIn,
    Scenario::SrpSignIn,
    Scenario::Refresh,
    Scenario::GetUser,
    Scenario::AdminGetUser,
    Scenario::ListUsersExact,
    Scenario::ListUsersPrefix,
    Scenario::ListPageFirst,
    Scenario::ListPageDeep,
];

impl Scenario {
    /// Its name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ForgotPassword => "forgot-password",
            Self::SignUp => "sign-up",
            Self::AdminCreateUser => "admin-create-user",
            Self::PasswordSignIn => "password-sign-in",
            Self::SrpSignIn => "srp-sign-in",
            Self::Refresh => "refresh",
            Self::GetUser => "get-user",
            Self::AdminGetUser => "admin-get-user",
            Self::ListUsersExact => "list-users-exact",
            Self::ListUsersPrefix => "list-users-prefix",
            Self::ListPageFirst => "list-page-1",
            Self::ListPageDeep => "list-page-1000",
        }
    }

    /// What a database across a network has to do for it at best, where that is dearer than everything else.
    pub const fn load(self) -> Option<Load> {
        match self {
            Self::ForgotPassword => Some(Load::Commits),
            Self::GetUser | Self::AdminGetUser | Self::ListUsersExact => Some(Load::Selects),
            Self::SignUp
            | Self::AdminCreateUser
            | Self::PasswordSignIn
            | Self::SrpSignIn
            | Self::Refresh
            | Self::ListUsersPrefix
            | Self::ListPageFirst
            | Self::ListPageDeep => None,
        }
    }

    /// What it could reach at best on SQLite, and on any database as far as [`Self::load`] says nothing: the dearest
    /// thing that it cannot do without.
    pub fn bound(self, bounds: &Bounds) -> f64 {
        let together = |costs: &[f64]| 1.0 / costs.iter().map(|rate| 1.0 / rate).sum::<f64>();
        let signatures = bounds.signatures / 2.0;
        match self {
            Self::ForgotPassword => bounds.rows,
            // The verifier of a new password is one modular exponentiation.
            Self::SignUp | Self::AdminCreateUser => bounds.base_two,
            Self::PasswordSignIn => together(&[signatures, bounds.base_two]),
            Self::SrpSignIn => together(&[signatures, bounds.proofs]),
            Self::Refresh => signatures,
            Self::GetUser
            | Self::AdminGetUser
            | Self::ListUsersExact
            | Self::ListUsersPrefix
            | Self::ListPageFirst
            | Self::ListPageDeep => bounds.hello,
        }
    }

    /// One unit of it; whether it succeeded.
    pub async fn step(self, scene: &Scene, connection: &mut Connection, number: u64) -> anyhow::Result<bool> {
        let active = &scene.active;
        let user = active.get(usize::try_from(number)? % active.len()).context("there are active users")?;
        let client = &scene.client;
        let (operation, body) = match self {
            Self::ForgotPassword => {
                let name = scene.any_user(number);
                ("ForgotPassword", json!({"ClientId": client, "Username": name}))
            }
            Self::SignUp => {
                let name = format!("new-{}-{number}", scene.run);
                let email = json!([{"Name": "email", "Value": format!("{name}@example.com")}]);
                ("SignUp", json!({"ClientId": client, "Username": name, "Password": PASSWORD, "UserAttributes": email}))
            }
            Self::AdminCreateUser => {
                let name = format!("made-{}-{number}", scene.run);
                let email = json!([{"Name": "email", "Value": format!("{name}@example.com")}]);
                let members = json!({
                    "UserPoolId": scene.pool, "Username": name, "TemporaryPassword": PASSWORD,
                    "MessageAction": "SUPPRESS", "UserAttributes": email,
                });
                ("AdminCreateUser", members)
            }
            Self::PasswordSignIn => {
                let parameters = json!({"USERNAME": user.name, "PASSWORD": PASSWORD});
                (
                    "InitiateAuth",
                    json!({"ClientId": client, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters}),
                )
            }
            Self::Refresh => {
                let parameters = json!({"REFRESH_TOKEN": user.refresh_token});
                (
                    "InitiateAuth",
                    json!({"ClientId": client, "AuthFlow": "REFRESH_TOKEN_AUTH", "AuthParameters": parameters}),
                )
            }
            Self::GetUser => ("GetUser", json!({"AccessToken": user.access_token})),
            Self::AdminGetUser => {
                ("AdminGetUser", json!({"UserPoolId": scene.pool, "Username": scene.any_user(number)}))
            }
            Self::ListUsersExact => ("ListUsers", listing::exact(&scene.pool, &scene.any_user(number))),
            Self::ListUsersPrefix => ("ListUsers", listing::prefix(&scene.pool, &scene.any_user(number))),
            Self::ListPageFirst => ("ListUsers", listing::page(&scene.pool, None)),
            Self::ListPageDeep => ("ListUsers", listing::page(&scene.pool, scene.deep_page.as_deref())),
            Self::SrpSignIn => return srp(scene, connection, &user.name).await,
        };
        let (status, answer) = connection.call(operation, body.to_string()).await?;
        // Nobody is found quickly.
        Ok(status == 200 && !answer.starts_with(br#"{"Users":[]"#))
    }
}

/// Both halves of an SRP sign-in, with the client's arithmetic.
async fn srp(scene: &Scene, connection: &mut Connection, name: &str) -> anyhow::Result<bool> {
    let parameters = json!({"USERNAME": name, "SRP_A": scene.srp.srp_a()});
    let request = json!({"ClientId": scene.client, "AuthFlow": "USER_SRP_AUTH", "AuthParameters": parameters});
    let challenge = connection.json("InitiateAuth", request).await?;
    let text = |name: &str| {
        challenge["ChallengeParameters"][name].as_str().map(str::to_owned).context("a challenge parameter")
    };
    let (salt, public, block, id) = (text("SALT")?, text("SRP_B")?, text("SECRET_BLOCK")?, text("USER_ID_FOR_SRP")?);
    let timestamp = now()?;
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
    let answer: Value = connection.json("RespondToAuthChallenge", request).await?;
    Ok(answer["AuthenticationResult"]["AccessToken"].is_string())
}

/// The present moment as SRP clients write it.
fn now() -> anyhow::Result<String> {
    let seconds = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    crypto::srp::timestamp::format_timestamp(seconds).context("the clock shows a date")
}
