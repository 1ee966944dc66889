//! The worker that hands messages over and keeps the outbox from growing.
//!
//! Take ([`take`]) → hand over ([`carry`]) → settle ([`settle`]). Every step that is written is a commit that names the
//! version it was decided on, so that any number of nodes can work on one outbox. When a process dies, what it had taken
//! is taken again: by another one when its lease has run out, or by the next one on a store of its own.

mod carry;
mod settle;
mod take;

use std::{sync::Arc, time::Duration};

use domain::time;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use self::{
    carry::{Line, carry},
    settle::{Tried, settle_all},
    take::{BATCH, Batch, let_go, line_up_again, take_batch},
};
use super::{inbox, outbox::MOST_PENDING};
use crate::App;

/// Carriers at the same time, each with one message in a sender's hands.
const AT_ONCE: usize = 16;
/// When so few taken messages are left, the next ones are taken.
const REFILL: usize = BATCH / 2;
/// When the first in line has waited for so long, the carriers are too few: another one joins. Fewer carriers that are
/// busy cost less than many that wait for each other. A batch in so many milliseconds is 3,200 messages a second.
const LONG_WAIT: Duration = Duration::from_millis(20);
/// How long nobody else may take a message that was taken, in milliseconds.
const LEASE: i64 = time::MINUTE;
/// The longest time until due messages are looked for again.
const POLL: Duration = Duration::from_secs(1);
/// From how many messages on their way they are counted again, long before new ones are refused: what other servers
/// hand over of what this one has written is not known here.
const COUNT_FROM: usize = MOST_PENDING / 2;
/// How long such a count holds.
const COUNT_AGAIN: Duration = Duration::from_secs(30);

/// What the worker holds.
struct Hands {
    /// Being taken: at most one batch at a time.
    taking: JoinSet<Batch>,
    /// Taken, and waiting for a carrier.
    line: Arc<Line>,
    /// Those who hand over what is in the line, and when the last one joined.
    carriers: JoinSet<()>,
    joined: Instant,
    /// Where they tell what they have tried, and what is not written down yet.
    tell: UnboundedSender<Tried>,
    tried: UnboundedReceiver<Tried>,
    /// Being written down: at most one batch at a time.
    settling: JoinSet<()>,
}

/// Hands messages over until `shutdown`; what is in the senders' hands then is finished first, which takes at most
/// 45 seconds. Run it once per process.
pub async fn run(app: Arc<App>, shutdown: CancellationToken) {
    // Apart: removing thousands of old messages must not hold up those that are on their way.
    tokio::join!(hand_over_all(&app, &shutdown), tend(&app, &shutdown));
}

/// Keeps the outbox from growing until `shutdown`. Begins a second after the start: whoever counts reads every message, and
/// the first requests want the processors that this takes. Until then, none is refused for those that were there before.
async fn tend(app: &Arc<App>, shutdown: &CancellationToken) {
    let mut last_count = None;
    _ = shutdown.run_until_cancelled(tokio::time::sleep(POLL)).await;
    while !shutdown.is_cancelled() {
        if let Err(error) = look_after(app, &mut last_count).await {
            tracing::warn!(%error, "the outbox cannot be trimmed; trying again");
            last_count = None;
        }
        app.outbox.rest();
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

async fn hand_over_all(app: &Arc<App>, shutdown: &CancellationToken) {
    let mut hands = Hands::new();
    let mut may_be_more = true;
    let mut tried = Vec::new();
    while !shutdown.is_cancelled() {
        // The next batch is taken while the one before it is handed over.
        if may_be_more && hands.taking.is_empty() && hands.line.length().0 < REFILL {
            may_be_more = false;
            let app = app.clone();
            hands.taking.spawn(async move { take_batch(&app).await });
        }
        let pause = hands.go_on(app).await;
        tokio::select! {
            () = shutdown.cancelled() => {}
            Some(taken) = hands.taking.join_next(), if !hands.taking.is_empty() => {
                // Of what a task that panicked has taken, the leases run out.
                let batch = taken.unwrap_or_default();
                may_be_more |= batch.may_be_more;
                hands.line.join(batch.admitted);
            }
            // Of a message whose carrier panicked, the lease runs out.
            Some(_) = hands.carriers.join_next(), if !hands.carriers.is_empty() => {}
            // All that were tried while the ones before them were written down go together.
            _ = hands.tried.recv_many(&mut tried, BATCH), if hands.settling.is_empty() => {
                let (app, tried) = (app.clone(), std::mem::take(&mut tried));
                hands.settling.spawn(async move { settle_all(&app, tried).await });
            }
            Some(_) = hands.settling.join_next(), if !hands.settling.is_empty() => {}
            () = app.outbox.wake.notified(), if !may_be_more => may_be_more = true,
            () = tokio::time::sleep(pause) => may_be_more = true,
        }
    }
    hands.end(app).await;
}

impl Hands {
    fn new() -> Self {
        let (tell, tried) = mpsc::unbounded_channel();
        Self {
            taking: JoinSet::new(),
            line: Arc::default(),
            carriers: JoinSet::new(),
            joined: Instant::now(),
            tell,
            tried,
            settling: JoinSet::new(),
        }
    }

    /// Has more carriers join where the line moves too slowly. Says after which time to look again.
    async fn go_on(&mut self, app: &Arc<App>) -> Duration {
        line_up_again(app, self.line.late()).await;
        let (waiting, longest) = self.line.length();
        if waiting == 0 || self.carriers.len() >= AT_ONCE {
            return POLL;
        }
        if self.carriers.is_empty() || (longest >= LONG_WAIT && self.joined.elapsed() >= LONG_WAIT) {
            self.joined = Instant::now();
            self.carriers.spawn(carry(app.clone(), self.line.clone(), self.tell.clone()));
        }
        LONG_WAIT
    }

    /// Gives back what was not tried, and writes down what is being tried.
    async fn end(mut self, app: &Arc<App>) {
        while let Some(taken) = self.taking.join_next().await {
            self.line.join(taken.unwrap_or_default().admitted);
        }
        let_go(app, self.line.close()).await;
        drop(self.tell);
        let mut tried = Vec::new();
        // Each at once: the process may not live until the last one is through.
        while self.tried.recv_many(&mut tried, BATCH).await > 0 {
            settle_all(app, std::mem::take(&mut tried)).await;
        }
        while self.settling.join_next().await.is_some() {}
    }
}

/// Counts the messages after a start, and again, but not all the time, while many seem to be on their way; trims
/// the outbox when it is full.
async fn look_after(app: &Arc<App>, last_count: &mut Option<Instant>) -> Result<(), store::Error> {
    let is_due = match last_count {
        None => true,
        Some(moment) => app.outbox.book().pending >= COUNT_FROM && moment.elapsed() >= COUNT_AGAIN,
    };
    if is_due {
        inbox::count(app).await?;
        *last_count = Some(Instant::now());
    }
    if inbox::is_full(&app.outbox) { inbox::trim(app).await } else { Ok(()) }
}

#[cfg(test)]
mod tests;
