//! A gate before the commits of a server, at which a test holds a request while others change what it has looked at.

use std::{
    fmt::Debug,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::oneshot;

/// The gate of one server. It is open until somebody is held.
#[derive(Default)]
pub(crate) struct Gate(Mutex<Option<Hold>>);

/// Which commit is held, and how.
struct Hold {
    /// How many commits go by before it.
    before: usize,
    /// Told when it has come.
    reached: oneshot::Sender<()>,
    /// Told when it may go on.
    open: oneshot::Receiver<()>,
}

impl Gate {
    /// What the server's commits wait for.
    pub(crate) fn pass(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            if let Some(hold) = self.held() {
                // Where the test has ended meanwhile nobody is told, and nothing is waited for.
                if hold.reached.send(()).is_ok() {
                    drop(hold.open.await);
                }
            }
        })
    }

    /// What this commit has to wait for, if it is the one.
    fn held(&self) -> Option<Hold> {
        let mut hold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match hold.as_mut() {
            Some(later) if later.before > 0 => {
                later.before -= 1;
                None
            }
            _ => hold.take(),
        }
    }

    /// Runs `first` up to its commit after `before` others, then all of `second`, then the rest of `first`.
    pub(crate) async fn overtaken<A: Debug, B>(
        &self,
        before: usize,
        first: impl Future<Output = A>,
        second: impl Future<Output = B>,
    ) -> (A, B) {
        let ((reached, has_come), (open, opened)) = (oneshot::channel(), oneshot::channel());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Hold { before, reached, open: opened });
        let mut first = pin!(first);
        tokio::select! {
            biased;
            ended = &mut first => panic!("there were no more than {before} commits: {ended:?}"),
            come = has_come => come.expect("the gate tells who has come"),
        }
        let second = second.await;
        open.send(()).expect("the commit waits");
        (first.await, second)
    }
}
