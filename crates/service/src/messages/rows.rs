//! Reading what is in the outbox.

use crypto::seal::{KeyRing, Purpose};
use domain::{Message, message::MessageContent};
use store::{Store, Stored};
use wire::Timestamp;

/// Rows read at once.
const PAGE: usize = 200;

/// Walks messages, newest first.
pub struct Pages {
    last: Option<(Timestamp, String)>,
    is_over: bool,
}

impl Pages {
    /// All that were written before this moment, or simply all.
    #[must_use]
    pub fn before(moment: Option<Timestamp>) -> Self {
        Self { last: moment.map(|moment| (moment, String::new())), is_over: false }
    }

    /// At most 200 messages; `None` at the end.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn next(&mut self, store: &Store) -> Result<Option<Vec<Stored<Message>>>, store::Error> {
        if self.is_over {
            return Ok(None);
        }
        let before = self.last.as_ref().map(|(moment, id)| (*moment, id.as_str()));
        let page = store.recent_messages(before, PAGE).await?;
        self.is_over = page.len() < PAGE;
        self.last = page.last().map(|message| (message.created_at, message.id.clone()));
        // A long walk must not keep the thread from its other requests.
        tokio::task::yield_now().await;
        Ok(Some(page))
    }
}

/// A message's content.
///
/// # Errors
/// When none of the keys has sealed it, or another version has written it; without a piece of it.
pub fn open(ring: &KeyRing, message: &Message) -> Result<MessageContent, Box<dyn std::error::Error + Send + Sync>> {
    let plaintext = ring.open(Purpose::Message, &message.id, &message.content)?;
    // The parser's own words could repeat a piece of the content.
    serde_json::from_slice(&plaintext).map_err(|_| "its content is not what this version writes".into())
}
