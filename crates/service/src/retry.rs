//! Load, decide, commit; and once more when what was loaded has changed meanwhile.

use std::time::Duration;

use wire::ErrorKind;

use crate::{ApiError, Ctx};

/// How often an operation decides anew before it gives up.
const MOST_TRIES: usize = 8;

/// Runs `attempt` until its commit meets no conflict. It must load afresh each time (what was loaded before may serve the
/// first try), and must not send anything: such effects belong after it. A function that has a say in it is asked through
/// [`Once`](crate::triggers::Once).
///
/// # Errors
/// Whatever `attempt` answers; after eight conflicts `ConcurrentModificationException`, which [`crate::dispatch`] names
/// as the operation's model does.
pub async fn on_conflict<T, F>(ctx: &Ctx, attempt: impl Fn() -> F) -> Result<T, ApiError>
where
    // Not `AsyncFn`: its future may borrow from the closure, and of such a future the compiler cannot show that it is
    // `Send`, which the web server needs.
    F: Future<Output = Result<T, ApiError>>,
{
    for number in 1..=MOST_TRIES {
        match attempt().await {
            Err(error) if error.is_conflict => ctx.app.metrics.conflicts.inc(),
            outcome => return outcome,
        };
        pause(ctx, number).await;
    }
    Err(ApiError::new(
        ErrorKind::ConcurrentModification,
        "Too many concurrent changes to the same resource. Please try again.",
    ))
}

/// Lets others go first whose tries would meet this one again, for a little longer each time. In the process itself
/// nobody is that slow.
async fn pause(ctx: &Ctx, number: usize) {
    if !ctx.app.store.is_shared() {
        return;
    }
    let mut random = [0];
    ctx.entropy().fill(&mut random);
    // Up to 4, 8, 16 … 256 milliseconds.
    let most = 2_000_u64 << number.min(7);
    let microseconds = most * u64::from(random[0]) / 255;
    tokio::time::sleep(Duration::from_micros(microseconds)).await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use store::CommitError;
    use wire::ErrorKind;

    use super::{MOST_TRIES, on_conflict};
    use crate::{
        ApiError,
        messages::{
            Sender,
            testing::{app, ctx},
        },
    };

    #[tokio::test]
    async fn decisions_are_taken_again_until_it_is_enough() {
        let app = app(Sender::Inbox, true).await;
        let ctx = ctx(&app);
        let tries = AtomicUsize::new(0);
        let succeeds_at = |number: usize| {
            let tries = &tries;
            tries.store(0, Ordering::SeqCst);
            move || async move {
                let succeeds = tries.fetch_add(1, Ordering::SeqCst) + 1 == number;
                if succeeds { Ok(number) } else { Err(ApiError::from(CommitError::Conflict)) }
            }
        };
        assert_eq!(on_conflict(&ctx, succeeds_at(MOST_TRIES)).await.unwrap(), MOST_TRIES);
        let refused = on_conflict(&ctx, succeeds_at(MOST_TRIES + 1)).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::ConcurrentModification);
        assert!(!refused.is_conflict);
        assert_eq!(tries.load(Ordering::SeqCst), MOST_TRIES);
        // Anything else is answered at once.
        tries.store(0, Ordering::SeqCst);
        let failing = || async {
            tries.fetch_add(1, Ordering::SeqCst);
            Err::<(), _>(ApiError::attempt_limit())
        };
        assert_eq!(on_conflict(&ctx, failing).await.unwrap_err().kind, ErrorKind::LimitExceeded);
        assert_eq!(tries.load(Ordering::SeqCst), 1);
    }
}
