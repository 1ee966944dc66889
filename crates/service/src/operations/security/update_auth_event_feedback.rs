//! UpdateAuthEventFeedback (triggers-security.md §15.4): a user says by the token in a notice whether an event was their
//! doing.
//!
//! Order: pool, token, user. The token is all that is needed, and must be for the user and the event that are named: with
//! it nobody learns of other users, and without it of none.

use wire::{UpdateAuthEventFeedbackRequest, UpdateAuthEventFeedbackResponse};

use crate::{
    ApiError, Ctx, lookup,
    threat::{self, feedback},
};

/// Keeps what is said; it replaces what anybody said before.
///
/// # Errors
/// `ResourceNotFoundException`, `UserPoolAddOnNotEnabledException`; `NotAuthorizedException` for a token that is not good,
/// or not for this user and event; `UserNotFoundException` when the token's user is gone.
pub async fn run(
    ctx: &Ctx,
    input: UpdateAuthEventFeedbackRequest,
) -> Result<UpdateAuthEventFeedbackResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    threat::check_enabled(&pool)?;
    let subject = feedback::subject(ctx, &input.feedback_token)?;
    if subject.pool_id != pool.id || subject.event_id != input.event_id {
        return Err(feedback::invalid());
    }
    // Whoever was deleted has no name any more; the token's holder may know.
    lookup::user_of(ctx, &pool, &subject.sub).await?.ok_or_else(ApiError::no_such_user)?;
    let named = lookup::user(ctx, &pool, &input.username).await?;
    if named.is_none_or(|named| named.sub != subject.sub) {
        return Err(feedback::invalid());
    }
    feedback::give(ctx, &subject, input.feedback_value).await?;
    Ok(UpdateAuthEventFeedbackResponse {})
}
