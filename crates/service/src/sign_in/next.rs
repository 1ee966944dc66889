//! What comes after something was proven (auth-flows.md §5). Nothing else decides it.
//!
//! Order: a temporary password is replaced; in CUSTOM_AUTH the pool's functions say what comes; a remembered device
//! proves itself, in place of a second factor; a second factor, or its set-up; tokens.

use domain::session::Waiting;
use wire::{ChallengeNameType, UserStatusType};

use super::{Outcome, Proven, Request, new_password, session};
use crate::{
    ApiError, Ctx,
    tokens::{self, Grant},
};

/// The next challenge, or tokens.
///
/// # Errors
/// When the pool's keys cannot be read.
pub(super) async fn step(ctx: &Ctx, request: &Request, proven: Proven) -> Result<Outcome, ApiError> {
    let (pool, client) = (&request.pool, &request.client);
    if proven.user.status == UserStatusType::ForceChangePassword {
        let name = ChallengeNameType::NewPasswordRequired;
        return Ok(Outcome::Challenge {
            name,
            session: Some(session::start(ctx, request, &proven, name, Waiting::Nothing)?),
            parameters: new_password::parameters(pool, client, &proven.user)?,
            available: None,
        });
    }
    let grant = Grant::new(ctx, &proven.user, &proven.sign_in);
    tokens::issue(ctx, pool, client, &proven.user, &grant).await.map(Outcome::Tokens)
}
