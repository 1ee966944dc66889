//! Signing in (auth-flows.md §3–§11).
//!
//! A sign-in is a sequence of steps. [`begin`] and [`answer`] find the strategy for the flow or the challenge; a
//! strategy only verifies, and says what was [`Proven`]; [`next`] alone decides what comes after that: another
//! challenge, or tokens. A new flow or challenge is a file of its own, an arm in one of the two functions here, and
//! an arm in `next`.
//!
//! | File | What it verifies |
//! |---|---|
//! | [`password`] | USER_PASSWORD_AUTH, ADMIN_USER_PASSWORD_AUTH |
//! | [`srp`] | USER_SRP_AUTH and its challenge PASSWORD_VERIFIER |
//! | [`new_password`] | the challenge NEW_PASSWORD_REQUIRED |
//! | [`refresh`] | REFRESH_TOKEN_AUTH |

mod first_factor;
mod flows;
mod new_password;
mod next;
mod password;
mod refresh;
mod request;
mod session;
mod srp;

use std::collections::BTreeMap;

use domain::session::SignIn;
use store::Stored;
use wire::{AuthFlowType, AuthenticationResultType, ChallengeNameType};

pub use self::request::Request;
use crate::{ApiError, Ctx};

/// What a step of a sign-in answers.
pub enum Outcome {
    /// Something else must be answered first.
    Challenge {
        /// Its name.
        name: ChallengeNameType,
        /// `Session`; none for PASSWORD_VERIFIER, whose state travels in SECRET_BLOCK.
        session: Option<String>,
        /// `ChallengeParameters`.
        parameters: BTreeMap<String, String>,
        /// `AvailableChallenges`, in USER_AUTH.
        available: Option<Vec<ChallengeNameType>>,
    },
    /// The user is signed in.
    Tokens(AuthenticationResultType),
}

/// What a strategy has verified; its changes are committed.
struct Proven {
    /// The user, as stored now.
    user: Stored<domain::User>,
    /// Version of the password that was proven; none when the proof was another.
    password_version: Option<i64>,
    /// The sign-in so far, with what was just proven.
    sign_in: SignIn,
}

/// InitiateAuth and AdminInitiateAuth.
///
/// # Errors
/// See auth-flows.md §8.
pub async fn begin(ctx: &Ctx, request: &Request, flow: AuthFlowType) -> Result<Outcome, ApiError> {
    flows::check(ctx, request, flow)?;
    match flow {
        AuthFlowType::UserPasswordAuth | AuthFlowType::AdminUserPasswordAuth | AuthFlowType::AdminNoSrpAuth => {
            let proven = password::verify(ctx, request, flow).await?;
            next::step(ctx, request, proven).await
        }
        AuthFlowType::UserSrpAuth => srp::begin(ctx, request).await,
        AuthFlowType::RefreshTokenAuth | AuthFlowType::RefreshToken => {
            refresh::run(ctx, request).await.map(Outcome::Tokens)
        }
        AuthFlowType::CustomAuth | AuthFlowType::UserAuth => {
            Err(ApiError::not_supported(&format!("AuthFlow {}", flow.as_str())))
        }
    }
}

/// RespondToAuthChallenge and AdminRespondToAuthChallenge.
///
/// # Errors
/// See auth-flows.md §6 to §8.
pub async fn answer(ctx: &Ctx, request: &Request, challenge: ChallengeNameType) -> Result<Outcome, ApiError> {
    let proven = match challenge {
        ChallengeNameType::PasswordVerifier => srp::verify(ctx, request).await?,
        ChallengeNameType::NewPasswordRequired => new_password::verify(ctx, request).await?,
        // The other challenges are never issued, so no session waits for an answer to one of them.
        _ => {
            request.required_session()?;
            return Err(session::invalid());
        }
    };
    next::step(ctx, request, proven).await
}
