//! Documents of other servers, which tests publish.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use service::issuers::{FetchDocuments, Fetching};

/// What is found at a URL.
#[derive(Clone, Debug)]
pub enum Document {
    /// This, however long it is.
    Text(String),
    /// An answer that does not come.
    Silence,
}

/// Documents by URL, and which of them were asked for.
#[derive(Debug, Default)]
pub struct Documents {
    published: Mutex<BTreeMap<String, Document>>,
    asked: Mutex<Vec<String>>,
}

impl Documents {
    /// Publishes a document, or replaces the one at that URL.
    pub fn publish(&self, url: &str, document: Document) {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).insert(url.to_owned(), document);
    }

    /// The URLs that were asked for since this was asked last, in order.
    pub fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl FetchDocuments for Documents {
    fn fetch(&self, url: &str, _most: usize) -> Fetching {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(url.to_owned());
        let found = self.published.lock().unwrap_or_else(PoisonError::into_inner).get(url).cloned();
        Box::pin(async move {
            match found {
                Some(Document::Text(text)) => Ok(text.into_bytes()),
                Some(Document::Silence) => std::future::pending().await,
                None => Err("the answer is 404 Not Found".to_owned()),
            }
        })
    }
}
