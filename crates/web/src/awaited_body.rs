//! Request bodies that say whether they are waited for, so that a request that takes too long can be told by whose fault
//! it does: the client's, who does not send, or this server's.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};

/// A body, which notes whether whoever reads it waits for more of it.
pub(crate) struct AwaitedBody {
    body: Incoming,
    is_awaited: Arc<AtomicBool>,
}

impl AwaitedBody {
    /// The body, and whether it is waited for at the moment.
    pub(crate) fn new(body: Incoming) -> (Self, Arc<AtomicBool>) {
        let is_awaited = Arc::new(AtomicBool::new(false));
        (Self { body, is_awaited: is_awaited.clone() }, is_awaited)
    }
}

impl HttpBody for AwaitedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.is_awaited.store(frame.is_pending(), Relaxed);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
