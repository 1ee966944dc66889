//! `poolkeeper messages list`, `show`, `requeue` and `drop`: what is in the outbox, and what becomes of it.
//!
//! No command shows what a message says: neither codes nor whole addresses.

use anyhow::{Context, bail};
use crypto::seal::KeyRing;
use domain::{Message, MessageState};
use indicatif::HumanCount;
use serde_json::{Value, json};
use service::messages::{Pages, open};
use store::{
    Changes, CommitError, Key, Store, Stored,
    archive::{Progress, Stage},
};

use crate::{
    access_keys::moment,
    arguments::{MessageFilter, MessageStateChoice},
    configuration::Configuration,
    opening::{self, Opened},
    print,
    progress::Shown,
    system,
};

/// Prints messages, newest first, a JSON object a line.
///
/// # Errors
/// When the data cannot be opened or read.
pub async fn list(configuration: &Configuration, filter: &MessageFilter, limit: usize) -> anyhow::Result<()> {
    let Opened { store, ring } = opening::to_look(configuration).await?;
    let mut left = limit;
    let mut pages = Pages::before(None);
    while left > 0
        && let Some(page) = pages.next(&store).await?
    {
        for message in page.iter().filter(|message| fits(message, filter)).take(left) {
            print(&shown(&ring, message).to_string())?;
            left -= 1;
        }
    }
    Ok(())
}

/// Prints one message.
///
/// # Errors
/// When there is no such message, or the data cannot be opened or read.
pub async fn show(configuration: &Configuration, id: &str) -> anyhow::Result<()> {
    let Opened { store, ring } = opening::to_look(configuration).await?;
    let Some(message) = store.message(id).await? else { bail!("{}", absent(id)) };
    print(&serde_json::to_string_pretty(&shown(&ring, &message))?)
}

/// Lets messages that were given up be tried again at once.
///
/// # Errors
/// When there is no such message, or the data cannot be opened, read or written.
pub async fn requeue(configuration: &Configuration, ids: &[String], filter: &MessageFilter) -> anyhow::Result<()> {
    let filter = MessageFilter { state: Some(MessageStateChoice::Dead), ..filter.clone() };
    let changed = change(configuration, ids, &filter, |message, changes| {
        let Stored { value, version } = message;
        let again = Message { state: MessageState::Pending, due_at: system::now(), tries: 0, ..value };
        changes.save(again, Some(version));
    });
    print(&format!("{} messages are tried again", HumanCount(changed.await?)))
}

/// Removes messages: those that were given up, or those in the given state.
///
/// # Errors
/// When there is no such message, or the data cannot be opened, read or written.
pub async fn drop_messages(
    configuration: &Configuration,
    ids: &[String],
    filter: &MessageFilter,
) -> anyhow::Result<()> {
    let filter = MessageFilter { state: filter.state.or(Some(MessageStateChoice::Dead)), ..filter.clone() };
    let changed = change(configuration, ids, &filter, |message, changes| {
        changes.delete(Key::Message { id: message.value.id }, message.version);
    });
    print(&format!("{} messages are removed", HumanCount(changed.await?)))
}

/// Changes the named messages, or all that fit, and says how many.
async fn change(
    configuration: &Configuration,
    ids: &[String],
    filter: &MessageFilter,
    each: impl Fn(Stored<Message>, &mut Changes),
) -> anyhow::Result<u64> {
    let Opened { store, ring: _ } = opening::for_keys(configuration).await?;
    let mut changed = 0;
    for id in ids {
        let Some(message) = store.message(id).await? else { bail!("{}", absent(id)) };
        if !fits(&message, filter) {
            bail!("the message {id} is {}: the options leave it out", state(&message));
        }
        changed += commit(&store, vec![message], &each).await?;
    }
    if !ids.is_empty() {
        return Ok(changed);
    }
    let all = count(&store).await?;
    let (mut shown, mut seen) = (Shown::default(), 0);
    let mut pages = Pages::before(None);
    while let Some(page) = pages.next(&store).await? {
        seen += page.len() as u64;
        shown.tell(&Progress { stage: Stage::Loading, rows: seen, of_rows: all.max(seen), bytes: 0, of_bytes: 0 });
        let fitting = page.into_iter().filter(|message| fits(message, filter)).collect();
        changed += commit(&store, fitting, &each).await?;
    }
    shown.end();
    Ok(changed)
}

/// All messages, of which the walk sees every one.
async fn count(store: &Store) -> anyhow::Result<u64> {
    let mut all = 0;
    for state in [MessageState::Pending, MessageState::Sent, MessageState::Dead, MessageState::Nobodys] {
        all += store.queue(state, usize::MAX).await?.messages;
    }
    Ok(all)
}

/// Changes messages in one commit, or those of them that a server has not changed meanwhile.
async fn commit(
    store: &Store,
    messages: Vec<Stored<Message>>,
    each: &impl Fn(Stored<Message>, &mut Changes),
) -> anyhow::Result<u64> {
    let mut changes = Changes::new();
    messages.iter().for_each(|message| each(message.clone(), &mut changes));
    if changes.as_slice().is_empty() {
        return Ok(0);
    }
    match store.commit(changes).await {
        Ok(()) => return Ok(messages.len() as u64),
        Err(CommitError::Conflict | CommitError::Taken(_)) => {}
        Err(error) => return Err(error).context("the messages were not changed"),
    }
    let mut changed = 0;
    for message in messages {
        let mut changes = Changes::new();
        each(message, &mut changes);
        match store.commit(changes).await {
            Ok(()) => changed += 1,
            Err(CommitError::Conflict | CommitError::Taken(_)) => {}
            Err(error) => return Err(error).context("some messages were not changed"),
        }
    }
    Ok(changed)
}

fn fits(message: &Message, filter: &MessageFilter) -> bool {
    let has_state = filter.state.is_none_or(|state| MessageState::from(state) == message.state);
    has_state && filter.user_pool_id.as_ref().is_none_or(|pool| *pool == message.pool_id)
}

/// A message without what only its receiver may read.
fn shown(ring: &KeyRing, message: &Message) -> Value {
    let destination = match open(ring, message) {
        Ok(content) => json!(message.medium.mask(&content.destination)),
        Err(error) => {
            tracing::debug!(%error, id = message.id, "a message cannot be opened");
            Value::Null
        }
    };
    json!({
        "Id": message.id,
        "UserPoolId": message.pool_id,
        "Username": message.username,
        "State": state(message),
        "Medium": message.medium,
        "Purpose": message.purpose,
        "Destination": destination,
        "Tries": message.tries,
        "LastError": message.last_error,
        "CreatedAt": moment(message.created_at),
        "DueAt": moment(message.due_at),
    })
}

const fn state(message: &Message) -> &'static str {
    match message.state {
        MessageState::Pending => "pending",
        MessageState::Sent => "sent",
        MessageState::Dead => "dead",
        MessageState::Nobodys => "nobody's",
    }
}

fn absent(id: &str) -> String {
    format!("there is no message {id}. `poolkeeper messages list` lists those that there are")
}
