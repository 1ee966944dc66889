//! A panic is a defect of this program. Whoever sent the request still gets an answer, and the connection lives on.

use std::{
    any::Any,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

/// What the panic said. The place is in the log, by the panic hook.
#[derive(Debug, thiserror::Error)]
#[error("panic: {0}")]
pub(crate) struct Panicked(String);

/// Runs the future; a panic in it becomes an error.
pub(crate) async fn catch<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut future = pin!(future);
    // The future is not polled again after a panic, and what it shares with others is behind locks that recover.
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(Panicked(text(&*panic)))),
    })
    .await
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::catch;

    #[tokio::test]
    async fn panics_become_errors() {
        assert_eq!(catch(async { 1 }).await.unwrap(), 1);
        let late = catch(async {
            tokio::task::yield_now().await;
            panic!("after a pause")
        });
        let error: Result<(), _> = late.await;
        assert_eq!(error.unwrap_err().to_string(), "panic: after a pause");
    }
}
