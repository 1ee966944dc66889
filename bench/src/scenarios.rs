//! What is measured.

use anyhow::Context;
use serde_json::{Value, json};

use crate::{
    bounds::{Bound, Bounds},
    driver::Connection,
    listing,
    populate::{PASSWORD, Scene},
    postgres::Load,
    srp,
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
    /// The same, with a code of a software token after it.
    SrpTotpSignIn,
    /// InitiateAuth with REFRESH_TOKEN_AUTH.
    Refresh,
    /// GetTokensFromRefreshToken with a client whose refresh tokens are rotated: each takes the place of the one before.
    RefreshRotation,
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
    Scenario::SrpTotpSignIn,
    Scenario::Refresh,
    Scenario::RefreshRotation,
    Scenario::GetUser,
    Scenario::AdminGetUser,
    Scenario::ListUsersExact,
    Scenario::ListUsersPrefix,
    Scenario::ListPageFirst,
    Scenario::ListPageDeep,
];

/// How one unit of a scenario has ended.
pub enum Step {
    /// Well.
    Done,
    /// With an error of the server.
    Failed,
    /// There is nothing left to do it with, and there will not be soon.
    UsedUp,
}

impl Scenario {
    /// Its name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ForgotPassword => "forgot-password",
            Self::SignUp => "sign-up",
            Self::AdminCreateUser => "admin-create-user",
            Self::PasswordSignIn => "password-sign-in",
            Self::SrpSignIn => "srp-sign-in",
            Self::SrpTotpSignIn => "srp-totp-sign-in",
            Self::Refresh => "refresh",
            Self::RefreshRotation => "refresh-rotation",
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
            | Self::SrpTotpSignIn
            | Self::Refresh
            | Self::RefreshRotation
            | Self::ListUsersPrefix
            | Self::ListPageFirst
            | Self::ListPageDeep => None,
        }
    }

    /// What has to be measured for [`Self::bound`] and [`Self::bound_with_commits`].
    pub const fn bounds(self) -> &'static [Bound] {
        match self {
            Self::ForgotPassword => &[Bound::Rows],
            // The verifier of a new password is one modular exponentiation.
            Self::SignUp | Self::AdminCreateUser => &[Bound::BaseTwo],
            Self::PasswordSignIn => &[Bound::Signatures, Bound::BaseTwo],
            Self::SrpSignIn => &[Bound::Signatures, Bound::Proofs],
            Self::SrpTotpSignIn => &[Bound::Signatures, Bound::Proofs, Bound::TwoSteps, Bound::Hello],
            Self::Refresh => &[Bound::Signatures],
            Self::RefreshRotation => &[Bound::Signatures, Bound::Rotations],
            Self::GetUser
            | Self::AdminGetUser
            | Self::ListUsersExact
            | Self::ListUsersPrefix
            | Self::ListPageFirst
            | Self::ListPageDeep => &[Bound::Hello],
        }
    }

    /// What it could reach at best on SQLite, and on any database as far as [`Self::load`] says nothing: the dearest
    /// thing that it cannot do without.
    pub fn bound(self, bounds: &Bounds) -> f64 {
        let signatures = bounds.rate(Bound::Signatures) / 2.0;
        match self {
            Self::ForgotPassword => bounds.rate(Bound::Rows),
            Self::SignUp | Self::AdminCreateUser => bounds.rate(Bound::BaseTwo),
            Self::PasswordSignIn => together(&[signatures, bounds.rate(Bound::BaseTwo)]),
            // What checks a code is a thousandth of that.
            Self::SrpSignIn | Self::SrpTotpSignIn => together(&[signatures, bounds.rate(Bound::Proofs)]),
            Self::Refresh | Self::RefreshRotation => signatures,
            Self::GetUser
            | Self::AdminGetUser
            | Self::ListUsersExact
            | Self::ListUsersPrefix
            | Self::ListPageFirst
            | Self::ListPageDeep => bounds.rate(Bound::Hello),
        }
    }

    /// The same on SQLite together with what the scenario has to commit, one durable row at a time, and with as many
    /// requests as it takes where those are several. Only for scenarios that [`Self::bound`] compares with arithmetic
    /// alone though they commit.
    pub fn bound_with_commits(self, bounds: &Bounds) -> Option<f64> {
        match self {
            Self::RefreshRotation => Some(bounds.rate(Bound::Rotations)),
            Self::SrpTotpSignIn => Some(together(&[bounds.rate(Bound::TwoSteps), bounds.rate(Bound::Hello) / 3.0])),
            _ => None,
        }
    }

    /// One unit of it.
    pub async fn step(self, scene: &Scene, connection: &mut Connection, number: u64) -> anyhow::Result<Step> {
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
            Self::PasswordSignIn => ("InitiateAuth", password_sign_in(client, &user.name)),
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
            Self::RefreshRotation => return rotate(scene, connection, &user.rotated_token).await,
            Self::SrpSignIn => return srp::sign_in(scene, connection, &user.name).await,
            Self::SrpTotpSignIn => return srp::sign_in_with_code(scene, connection, number).await,
        };
        let (status, answer) = connection.call(operation, body.to_string()).await?;
        // Nobody is found quickly.
        let is_done = status == 200 && !answer.starts_with(br#"{"Users":[]"#);
        Ok(if is_done { Step::Done } else { Step::Failed })
    }
}

/// How often everything can be done together that can be done so often alone.
fn together(rates: &[f64]) -> f64 {
    1.0 / rates.iter().map(|rate| 1.0 / rate).sum::<f64>()
}

/// An InitiateAuth that ends with tokens.
pub fn password_sign_in(client: &str, name: &str) -> Value {
    let parameters = json!({"USERNAME": name, "PASSWORD": PASSWORD});
    json!({"ClientId": client, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters})
}

/// The next link of a user's chain of refresh tokens; one at a time, since a token that was rotated is good no more.
async fn rotate(
    scene: &Scene,
    connection: &mut Connection,
    refresh_token: &tokio::sync::Mutex<String>,
) -> anyhow::Result<Step> {
    let mut refresh_token = refresh_token.lock().await;
    let request = json!({"ClientId": scene.rotating_client, "RefreshToken": *refresh_token});
    let answer = connection.json("GetTokensFromRefreshToken", request).await?;
    let next = answer["AuthenticationResult"]["RefreshToken"].as_str().context("a rotated token has a successor")?;
    next.clone_into(&mut refresh_token);
    Ok(Step::Done)
}
