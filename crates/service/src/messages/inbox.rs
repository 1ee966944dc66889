//! The inbox: messages that were handed over, for people who develop and for tests (docs/test-controls.md).

use std::sync::Arc;

use domain::{Medium, Message, MessagePurpose, MessageState, message::MessageContent};
use serde::Serialize;
use store::{Changes, CommitError, Key};
use wire::Timestamp;

use super::{
    Outbox,
    outbox::Book,
    rows::{Pages, open},
};
use crate::{ApiError, App};

/// The most messages that are kept, those on their way apart.
const MOST: usize = 10_000;
/// How many are left when that number is reached: clearing half at once makes it cheap per message.
const LEFT: usize = MOST / 2;

/// Which messages to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InboxQuery {
    /// Only this pool's.
    pub user_pool_id: Option<String>,
    /// Only those to this user: username, `sub`, or any email address, phone number or preferred username that the
    /// user had when the message was written; case does not matter.
    pub username: Option<String>,
    /// At most this many, up to 10,000.
    pub limit: usize,
}

/// A message as the test controls show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InboxMessage {
    /// The message's id, also in its `Message-ID`.
    pub id: String,
    /// When it was handed over, RFC 3339 in UTC; when it was written, where a function takes it and has not yet.
    pub sent_at: String,
    /// The pool.
    pub user_pool_id: String,
    /// The stored username.
    pub username: String,
    /// Why it was sent.
    pub purpose: MessagePurpose,
    /// `EMAIL` or `SMS`.
    pub medium: Medium,
    /// Full address.
    pub destination: String,
    /// Subject line; empty for text messages, and where a function takes the message.
    pub subject: String,
    /// HTML for mail, plain text for text messages; empty where a function takes the message.
    pub body: String,
    /// The code or temporary password in it.
    pub code: String,
}

/// Messages that were handed over, newest first; and those that go to functions, whether they have got there or not, for
/// whoever develops has no other way to their codes.
///
/// # Errors
/// `InternalErrorException` when the store cannot be read or a message cannot be opened.
pub async fn inbox(app: &App, query: InboxQuery) -> Result<Vec<InboxMessage>, ApiError> {
    let limit = query.limit.min(MOST);
    let username = query.username.as_deref().map(str::to_lowercase);
    let mut found = Vec::new();
    let mut pages = Pages::before(None);
    while found.len() < limit {
        let Some(page) = pages.next(&app.store).await? else { break };
        for message in page {
            let is_of_pool = query.user_pool_id.as_ref().is_none_or(|id| *id == message.pool_id);
            if found.len() >= limit || !is_of_pool {
                continue;
            }
            let content = open(&app.ring, &message).map_err(ApiError::internal)?;
            if message.state != MessageState::Sent && content.custom_sender.is_none() {
                continue;
            }
            if username.as_ref().is_none_or(|name| is_for(&content, name)) {
                found.push(shown(message.value, content));
            }
        }
    }
    Ok(found)
}

/// Empties the outbox, also of messages that are still on their way.
///
/// # Errors
/// `InternalErrorException` when the store cannot be changed.
pub async fn clear(app: &App) -> Result<(), ApiError> {
    app.store.delete_all_messages().await?;
    *app.outbox.book() = Book::default();
    Ok(())
}

fn is_for(content: &MessageContent, lower_case_name: &str) -> bool {
    content.identifiers.iter().any(|name| name.to_lowercase() == lower_case_name)
}

fn shown(message: Message, content: MessageContent) -> InboxMessage {
    let sent_at = if message.state == MessageState::Sent { message.due_at } else { message.created_at };
    InboxMessage {
        id: message.id,
        sent_at: rfc3339(sent_at),
        user_pool_id: message.pool_id,
        username: message.username,
        purpose: message.purpose,
        medium: message.medium,
        destination: content.destination,
        subject: content.subject,
        body: content.body,
        code: content.code,
    }
}

/// A moment beyond the calendar's years becomes the nearest one in it.
fn rfc3339(moment: Timestamp) -> String {
    let nearest = if moment.milliseconds() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_millisecond(moment.milliseconds()).unwrap_or(nearest).to_string()
}

/// Whether more messages are kept than there should be.
pub fn is_full(outbox: &Outbox) -> bool {
    let book = outbox.book();
    book.finished.len().max(book.nobodys.len()) >= MOST
}

/// Walks all messages and corrects what is known about them. Needed after a start, and when there seem to be too many.
pub async fn count(app: &App) -> Result<(), store::Error> {
    // Those that are written during the walk are taken down in the new book.
    *app.outbox.book() = Book::default();
    let mut found = Book::default();
    let mut pages = Pages::before(None);
    while let Some(page) = pages.next(&app.store).await? {
        for message in page {
            match message.state {
                MessageState::Pending => found.pending += 1,
                MessageState::Sent | MessageState::Dead => found.finished.push(message.created_at.milliseconds()),
                MessageState::Nobodys => found.nobodys.push(message.created_at.milliseconds()),
            }
        }
    }
    let mut book = app.outbox.book();
    book.pending = book.pending.saturating_add(found.pending);
    book.finished.append(&mut found.finished);
    book.nobodys.append(&mut found.nobodys);
    Ok(())
}

/// Removes the older messages when there are too many; never one that is still on its way. Reads no more than what is
/// as old as what it removes.
pub async fn trim(app: &Arc<App>) -> Result<(), store::Error> {
    let oldest_finished = forget_older(&mut app.outbox.book().finished);
    remove(app, oldest_finished, |state| matches!(state, MessageState::Sent | MessageState::Dead)).await?;
    let oldest_nobodys = forget_older(&mut app.outbox.book().nobodys);
    remove(app, oldest_nobodys, |state| state == MessageState::Nobodys).await
}

/// Removes the messages of these states that were written before a moment; none without one.
async fn remove(
    app: &Arc<App>,
    before: Option<i64>,
    is_meant: impl Fn(MessageState) -> bool,
) -> Result<(), store::Error> {
    let Some(before) = before else { return Ok(()) };
    let mut pages = Pages::before(Some(Timestamp(before)));
    while let Some(page) = pages.next(&app.store).await? {
        let mut changes = Changes::new();
        for message in page.into_iter().filter(|message| is_meant(message.state)) {
            changes.delete(Key::Message { id: message.value.id }, message.version);
        }
        if changes.as_slice().is_empty() {
            continue;
        }
        match app.commit(changes).await {
            // After a conflict those of this page stay until the next count.
            Ok(()) | Err(CommitError::Conflict | CommitError::Taken(_)) => {}
            Err(CommitError::Store(error)) => return Err(error),
        }
    }
    Ok(())
}

/// Strikes all but the newest messages out when there are too many, and says when the oldest of those was written.
fn forget_older(written: &mut Vec<i64>) -> Option<i64> {
    if written.len() < MOST {
        return None;
    }
    written.sort_unstable();
    written.drain(..written.len().saturating_sub(LEFT));
    written.first().copied()
}
