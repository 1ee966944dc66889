//! Load, decide, commit; and once more when what was loaded has changed meanwhile.

use wire::ErrorKind;

use crate::{ApiError, Ctx};

/// How often an operation decides anew before it gives up.
const MOST_TRIES: usize = 8;

/// Runs `attempt` until its commit meets no conflict. It must load afresh each time, and must not send anything or
/// call anybody: such effects belong after it.
///
/// # Errors
/// Whatever `attempt` answers; after eight conflicts `TooManyRequestsException`, which clients retry by themselves.
pub async fn on_conflict<T, F>(ctx: &Ctx, attempt: impl Fn() -> F) -> Result<T, ApiError>
where
    // Not `AsyncFn`: its future may borrow from the closure, and of such a future the compiler cannot show that it is
    // `Send`, which the web server needs.
    F: Future<Output = Result<T, ApiError>>,
{
    for _ in 0..MOST_TRIES {
        match attempt().await {
            Err(error) if error.is_conflict => ctx.app.metrics.conflicts.inc(),
            outcome => return outcome,
        };
    }
    Err(ApiError::new(
        ErrorKind::TooManyRequests,
        "Too many concurrent changes to the same resource. Please try again.",
    ))
}
