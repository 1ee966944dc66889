//! Other servers: what tests publish there, and what was asked of them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use service::issuers::{FetchDocuments, Outgoing, Received, Receiving};

/// What is found at a URL.
#[derive(Clone, Debug)]
pub enum Document {
    /// This with status 200, however long it is.
    Text(String),
    /// This with another status.
    Status(u16, String),
    /// A connection that breaks.
    Broken,
    /// An answer that does not come.
    Silence,
}

/// A request that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Where to.
    pub url: String,
    /// The form of a POST.
    pub form: Option<String>,
    /// The token that it shows.
    pub bearer: Option<String>,
}

/// Documents by URL, and which of them were asked for.
#[derive(Debug, Default)]
pub struct Documents {
    published: Mutex<BTreeMap<String, Document>>,
    asked: Mutex<Vec<Asked>>,
}

impl Documents {
    /// Publishes a document, or replaces the one at that URL. Without a query in it, it is found with any.
    pub fn publish(&self, url: &str, document: Document) {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).insert(url.to_owned(), document);
    }

    /// The URLs that were asked for since this was asked last, in order.
    pub fn take_asked(&self) -> Vec<String> {
        self.take_requests().into_iter().map(|asked| asked.url).collect()
    }

    /// The requests since this or the URLs were asked for last, in order.
    pub fn take_requests(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl FetchDocuments for Documents {
    fn send(&self, request: Outgoing, _most: usize) -> Receiving {
        let found = {
            let published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
            let plain = request.url.split('?').next().unwrap_or_default();
            published.get(&request.url).or_else(|| published.get(plain)).cloned()
        };
        let revealed = |secret: Option<domain::Secret<String>>| secret.map(|secret| secret.reveal().clone());
        let asked = Asked { url: request.url, form: revealed(request.form), bearer: revealed(request.bearer) };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        Box::pin(async move {
            match found {
                Some(Document::Text(text)) => Ok(Received { status: 200, body: text.into_bytes() }),
                Some(Document::Status(status, text)) => Ok(Received { status, body: text.into_bytes() }),
                Some(Document::Broken) => Err("the connection was reset".to_owned()),
                Some(Document::Silence) => std::future::pending().await,
                None => Ok(Received { status: 404, body: Vec::new() }),
            }
        })
    }
}
