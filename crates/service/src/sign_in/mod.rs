//! Signing in (auth-flows.md §3–§11).
//!
//! A sign-in is a sequence of steps. [`begin`] and [`answer`] find the strategy for the flow or the challenge; a
//! strategy only verifies, and says what was [`Proven`]; [`next`] alone decides what comes after that: another
//! challenge, or tokens. A new flow or challenge is a file of its own, an arm in one of the two functions here, and
//! an arm in `next`. Strategies are boxed but for the commonest: a sign-in carries the room of those from its first step
//! to its last, and would carry the largest one's.
//!
//! | File | What it verifies |
//! |---|---|
//! | [`password`] | USER_PASSWORD_AUTH, ADMIN_USER_PASSWORD_AUTH |
//! | [`srp`] | USER_SRP_AUTH and its challenge PASSWORD_VERIFIER |
//! | [`new_password`] | the challenge NEW_PASSWORD_REQUIRED |
//! | [`device_srp`] | the challenges DEVICE_SRP_AUTH and DEVICE_PASSWORD_VERIFIER |
//! | [`mfa_code`] | the challenge SMS_MFA, and EMAIL_OTP as a second factor |
//! | [`software_token`] | the challenge SOFTWARE_TOKEN_MFA |
//! | [`select_mfa_type`], [`mfa_setup`] | the challenges of the same names: which second factor it is to be |
//! | [`custom`] | CUSTOM_AUTH and its challenge CUSTOM_CHALLENGE |
//! | [`passkey`] | the challenge WEB_AUTHN |
//! | [`user_auth`], [`select_challenge`] | USER_AUTH and its challenges SELECT_CHALLENGE, PASSWORD and PASSWORD_SRP |
//! | [`step_up`] | USER_AUTH that aims at a level of assurance: what is still missing |
//! | [`first_code`] | the challenges EMAIL_OTP and SMS_OTP as first factors |
//! | [`after_sign_up`] | USER_AUTH with the session of a confirmed sign-up |
//! | [`refresh`] | REFRESH_TOKEN_AUTH |

pub(crate) mod after_sign_up;
mod code;
mod custom;
mod device;
mod device_srp;
mod first_code;
mod first_factor;
mod flows;
mod guard;
mod mfa_code;
mod mfa_setup;
mod migration;
mod new_password;
mod next;
mod passkey;
mod password;
pub(crate) mod post_authentication;
pub(crate) mod pre_authentication;
mod refresh;
mod request;
mod second_factor;
mod seen;
mod select_challenge;
mod select_mfa_type;
mod session;
pub mod set_up;
mod software_token;
mod srp;
mod step_up;
#[cfg(test)]
mod testing;
mod user_auth;
mod watch;

use std::collections::BTreeMap;

use domain::{oauth::Authentication, session::SignIn};
use store::Stored;
use wire::{AuthFlowType, AuthenticationResultType, ChallengeNameType};

use self::seen::Seen;
pub use self::{request::Request, session::is_over};
use crate::{ApiError, Ctx, records::analytics};

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
    /// The user is signed in at the login pages, which hand on no tokens by themselves: who it is, and how.
    Completed(Box<Authentication>),
}

/// An operation has met the end of a sign-in at the login pages, which leads elsewhere.
pub(crate) fn ends_elsewhere() -> ApiError {
    ApiError::internal("a sign-in of the login pages ended in an operation")
}

/// What a strategy has verified; its changes are committed.
struct Proven {
    /// The user, as stored now.
    user: Stored<domain::User>,
    /// Version of the password that was proven; none when the proof was another.
    password_version: Option<i64>,
    /// The sign-in so far, with what was just proven.
    sign_in: SignIn,
    /// What was read on the way and decides the next step as well.
    seen: Box<Seen>,
}

/// InitiateAuth and AdminInitiateAuth.
///
/// # Errors
/// See auth-flows.md §8.
pub async fn begin(ctx: &Ctx, request: &Request, flow: AuthFlowType) -> Result<Outcome, ApiError> {
    if matches!(flow, AuthFlowType::RefreshTokenAuth | AuthFlowType::RefreshToken) {
        // Nobody signs in, and whose refresh token is refused does not fail to.
        flows::check(ctx, request, flow)?;
        return refresh::run(ctx, request).await.map(Outcome::Tokens);
    }
    request.watch.begins(flow);
    let outcome = first_step(ctx, request, flow).await;
    if let Err(refusal) = &outcome
        && flow == AuthFlowType::UserAuth
    {
        session::kill_after_trigger(ctx, refusal, || after_sign_up::mark_of(ctx, request)).await?;
    }
    concluded(ctx, request, outcome).await
}

/// Tells of what a step has come to whoever is told.
async fn concluded(ctx: &Ctx, request: &Request, outcome: Result<Outcome, ApiError>) -> Result<Outcome, ApiError> {
    watch::conclude(ctx, request, &outcome).await?;
    outcome.inspect_err(|refusal| tell_refused(ctx, request, refusal))
}

fn tell_refused(ctx: &Ctx, request: &Request, refusal: &ApiError) {
    analytics::tell_refused(ctx, &request.pool, &request.client, request.endpoint.as_deref(), refusal);
}

async fn first_step(ctx: &Ctx, request: &Request, flow: AuthFlowType) -> Result<Outcome, ApiError> {
    flows::check(ctx, request, flow)?;
    watch::check_address(ctx, request).await?;
    pre_authentication::ask(ctx, request, flow).await?;
    match flow {
        AuthFlowType::UserPasswordAuth | AuthFlowType::AdminUserPasswordAuth | AuthFlowType::AdminNoSrpAuth => {
            let proven = password::verify(ctx, request, flow).await?;
            next::step(ctx, request, proven).await
        }
        AuthFlowType::UserSrpAuth => srp::begin(ctx, request).await,
        AuthFlowType::CustomAuth => Box::pin(custom::begin(ctx, request)).await,
        AuthFlowType::UserAuth => Box::pin(user_auth::begin(ctx, request)).await,
        AuthFlowType::RefreshTokenAuth | AuthFlowType::RefreshToken => {
            Err(ApiError::internal("a refresh is no step of a sign-in"))
        }
    }
}

/// RespondToAuthChallenge and AdminRespondToAuthChallenge.
///
/// # Errors
/// See auth-flows.md §6 to §8.
pub async fn answer(ctx: &Ctx, request: &Request, challenge: ChallengeNameType) -> Result<Outcome, ApiError> {
    let outcome = next_step(ctx, request, challenge).await;
    if let Err(refusal) = &outcome {
        session::kill_after_trigger(ctx, refusal, || session::mark_of(ctx, request, challenge)).await?;
    }
    concluded(ctx, request, outcome).await
}

async fn next_step(ctx: &Ctx, request: &Request, challenge: ChallengeNameType) -> Result<Outcome, ApiError> {
    watch::check_address(ctx, request).await?;
    let proven = match challenge {
        ChallengeNameType::PasswordVerifier => srp::verify(ctx, request).await?,
        ChallengeNameType::NewPasswordRequired => Box::pin(new_password::verify(ctx, request)).await?,
        ChallengeNameType::DeviceSrpAuth => return Box::pin(device_srp::begin(ctx, request)).await,
        ChallengeNameType::DevicePasswordVerifier => Box::pin(device_srp::verify(ctx, request)).await?,
        ChallengeNameType::SmsMfa => Box::pin(mfa_code::verify_sms(ctx, request)).await?,
        ChallengeNameType::EmailOtp if mfa_code::is_second(ctx, request)? => {
            Box::pin(mfa_code::verify_email(ctx, request)).await?
        }
        ChallengeNameType::EmailOtp | ChallengeNameType::SmsOtp => {
            Box::pin(first_code::verify(ctx, request, challenge)).await?
        }
        ChallengeNameType::SelectChallenge => return Box::pin(select_challenge::select(ctx, request)).await,
        ChallengeNameType::Password => return Box::pin(select_challenge::password(ctx, request)).await,
        ChallengeNameType::PasswordSrp => return Box::pin(select_challenge::password_srp(ctx, request)).await,
        ChallengeNameType::SoftwareTokenMfa => software_token::verify(ctx, request).await?,
        ChallengeNameType::SelectMfaType => return Box::pin(select_mfa_type::answer(ctx, request)).await,
        ChallengeNameType::MfaSetup => return Box::pin(mfa_setup::answer(ctx, request)).await,
        ChallengeNameType::CustomChallenge => return Box::pin(custom::answer(ctx, request)).await,
        ChallengeNameType::WebAuthn => Box::pin(passkey::verify(ctx, request)).await?,
        // The other challenges are never issued, so no session waits for an answer to one of them.
        _ => {
            let username = request.required("USERNAME")?;
            request.required_session()?;
            request.check_secret_hash(ctx, username)?;
            return Err(session::invalid());
        }
    };
    next::step(ctx, request, custom::noted(proven, challenge)).await
}
