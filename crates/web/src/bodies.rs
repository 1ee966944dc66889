//! Reads request bodies into memory, of which all of them together get only so much.
//!
//! A client that announces a large body and sends it slowly keeps what it has sent in memory until its request times
//! out. Bodies of the usual size need no room in the common budget, so that such clients cannot keep others out.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of each body that count towards no budget. Nearly all requests are shorter: the longest of the usual ones
/// carry a token or two.
const FREE: usize = 4_096;

/// The common budget.
#[derive(Debug)]
pub(crate) struct Bodies {
    most: usize,
    room: Arc<Semaphore>,
}

/// A body, and its place in the budget, which is given back when this is dropped.
pub(crate) struct Held {
    /// All of it.
    pub bytes: Bytes,
    _place: Option<OwnedSemaphorePermit>,
}

/// Why there is no body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is longer than a body may be.
    TooLarge,
    /// Other bodies have taken the whole budget.
    NoRoom,
    /// It ended early.
    Broken,
}

impl Bodies {
    /// At most `most` bytes in one body, and about `together` bytes in all of them at the same time.
    pub(crate) fn new(most: usize, together: usize) -> Self {
        Self { most, room: Arc::new(Semaphore::new(together.min(Semaphore::MAX_PERMITS))) }
    }

    /// The whole body. One that arrived in one piece is not copied.
    pub(crate) async fn read(&self, body: Body) -> Result<Held, Unread> {
        self.read_up_to(self.most, body).await
    }

    /// The same with at most `longest` bytes, where that is less than a body may have anywhere.
    pub(crate) async fn read_up_to(&self, longest: usize, mut body: Body) -> Result<Held, Unread> {
        let most = longest.min(self.most);
        // The announced length, if there is one: nothing is read of what is too long anyway.
        if body.size_hint().lower() > most as u64 {
            return Err(Unread::TooLarge);
        }
        let mut first = Bytes::new();
        let mut whole: Vec<u8> = Vec::new();
        let mut place: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            // Trailers say nothing that matters here.
            let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
            let length = first.len().max(whole.len()) + data.len();
            if length > most {
                return Err(Unread::TooLarge);
            }
            let paid = place.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let owed = length.saturating_sub(FREE).saturating_sub(paid);
            if owed > 0 {
                // Nobody waits for room: two that wait for what the other holds would wait for ever.
                let more = u32::try_from(owed).map_err(|_| Unread::NoRoom)?;
                let more = Arc::clone(&self.room).try_acquire_many_owned(more).map_err(|_| Unread::NoRoom)?;
                match &mut place {
                    Some(place) => place.merge(more),
                    None => place = Some(more),
                }
            }
            if whole.is_empty() && first.is_empty() {
                first = data;
            } else {
                if whole.is_empty() {
                    whole.extend_from_slice(&first);
                }
                whole.extend_from_slice(&data);
            }
        }
        let bytes = if whole.is_empty() { first } else { Bytes::from(whole) };
        Ok(Held { bytes, _place: place })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        pin::Pin,
        task::{Context, Poll},
    };

    use axum::body::{Body, Bytes, HttpBody};
    use hyper::body::{Frame, SizeHint};

    use super::{Bodies, Unread};

    /// A body in pieces.
    struct Pieces(VecDeque<Vec<u8>>);

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(Bytes::from(piece)))))
        }
    }

    fn pieces(lengths: &[usize]) -> Body {
        Body::new(Pieces(lengths.iter().enumerate().map(|(number, length)| vec![number as u8; *length]).collect()))
    }

    #[tokio::test]
    async fn pieces_are_put_together_in_their_order() {
        let bodies = Bodies::new(100, 0);
        for (lengths, whole) in [(&[][..], vec![]), (&[3], vec![0, 0, 0]), (&[0, 2, 0, 1, 1], vec![1, 1, 3, 4])] {
            assert_eq!(bodies.read(pieces(lengths)).await.ok().unwrap().bytes, whole, "{lengths:?}");
        }
        assert_eq!(bodies.read(pieces(&[50, 51])).await.err(), Some(Unread::TooLarge));
        assert_eq!(bodies.read(Body::from("x".repeat(101))).await.err(), Some(Unread::TooLarge));
        for (longest, length, is_read) in [(50, 50, true), (50, 51, false), (200, 100, true), (200, 101, false)] {
            assert_eq!(
                bodies.read_up_to(longest, pieces(&[25, length - 25])).await.is_ok(),
                is_read,
                "{longest} {length}"
            );
            assert_eq!(bodies.read_up_to(longest, Body::from("x".repeat(length))).await.is_ok(), is_read);
        }
    }

    /// A body that says how long it is, and never comes.
    struct Announced(u64);

    impl HttpBody for Announced {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Pending
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.0)
        }
    }

    #[tokio::test]
    async fn what_is_announced_as_too_long_is_not_waited_for() {
        let bodies = Bodies::new(100, 0);
        let mut longer = std::pin::pin!(bodies.read(Body::new(Announced(101))));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(matches!(longer.as_mut().poll(&mut context), Poll::Ready(Err(Unread::TooLarge))));
        let mut as_long = std::pin::pin!(bodies.read(Body::new(Announced(100))));
        assert!(as_long.as_mut().poll(&mut context).is_pending());
    }

    #[tokio::test]
    async fn large_bodies_share_a_budget_and_give_it_back() {
        let bodies = Bodies::new(100_000, 10_000);
        let first = bodies.read(pieces(&[3_000, 3_000, 3_000])).await.ok().unwrap();
        assert_eq!(bodies.room.available_permits(), 10_000 - (9_000 - 4_096));
        assert_eq!(bodies.read(pieces(&[4_000, 4_000, 4_000])).await.err(), Some(Unread::NoRoom));
        assert!(bodies.read(pieces(&[4_096])).await.is_ok(), "the usual ones need no room");
        drop(first);
        assert!(bodies.read(pieces(&[4_000, 4_000, 4_000])).await.is_ok());
        assert_eq!(bodies.room.available_permits(), 10_000);
    }
}
