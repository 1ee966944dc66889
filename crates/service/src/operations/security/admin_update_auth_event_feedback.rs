//! AdminUpdateAuthEventFeedback (triggers-security.md §15.4): an administrator says whether an event was the user's doing.

use wire::{AdminUpdateAuthEventFeedbackRequest, AdminUpdateAuthEventFeedbackResponse};

use crate::{
    ApiError, Ctx, lookup,
    records::activity,
    threat::{self, history},
};

/// `Provider` of what administrators say.
const PROVIDER: &str = "Admin";

/// Keeps what is said; it replaces what anybody said before.
///
/// # Errors
/// `ResourceNotFoundException`, also for an event that is not that user's; `UserPoolAddOnNotEnabledException`,
/// `UserNotFoundException`.
pub async fn run(
    ctx: &Ctx,
    input: AdminUpdateAuthEventFeedbackRequest,
) -> Result<AdminUpdateAuthEventFeedbackResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    threat::check_enabled(&pool)?;
    let user = lookup::user_for_administrator(ctx, &pool, &input.username).await?;
    let event = history::judge(ctx, (&pool.id, &user.sub, &input.event_id), input.feedback_value, PROVIDER).await?;
    activity::tell(ctx, &pool, &user.username, &event);
    Ok(AdminUpdateAuthEventFeedbackResponse {})
}
