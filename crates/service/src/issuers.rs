//! The keys of other issuers of tokens (oauth-federation.md §15.1, §16): read when a token of theirs comes, and kept for a
//! few minutes.
//!
//! Where the provider names no `jwks_uri`, its issuer's discovery document says where the keys are. Both are read over
//! https, within two seconds together, and no redirect is followed. A token with an unknown key has them read again, but
//! not within ten seconds of the last try, so that nobody can have an issuer asked at will; what did not answer is left
//! alone as long. Who asks meanwhile waits for the try that is under way.

use std::{convert::Infallible, fmt, pin::Pin, sync::Arc, time::Duration};

use crypto::token::foreign::ForeignKeys;
use domain::time;
use quick_cache::sync::Cache;
use serde::Deserialize;
use tokio::{sync::Mutex, time::timeout};
use wire::Timestamp;

use crate::operations::identity_providers::is_https;

/// How many issuers' keys are kept.
const CACHED: usize = 1_000;
/// How long reading the keys of an issuer may take, discovery included.
const LONGEST: Duration = Duration::from_secs(2);
/// Longest document that is taken, in bytes.
const LONGEST_DOCUMENT: usize = 256 * 1_024;
/// How long keys count after they were read, in milliseconds.
const GOOD_FOR: i64 = 5 * time::MINUTE;
/// How long an issuer is not asked again, in milliseconds.
const PAUSE: i64 = 10 * time::SECOND;

/// Who gets documents from elsewhere.
pub trait FetchDocuments: fmt::Debug + Send + Sync {
    /// Gets the document at a URL, which begins with `https://`; more than `most` bytes are an error, and so are redirects.
    /// Dropping the future gives the request up.
    fn fetch(&self, url: &str, most: usize) -> Fetching;
}

/// A document that is on its way, or in words why there is none.
pub type Fetching = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send>>;

/// Nobody gets anything.
#[derive(Debug)]
pub struct NoDocuments;

impl FetchDocuments for NoDocuments {
    fn fetch(&self, _url: &str, _most: usize) -> Fetching {
        Box::pin(std::future::ready(Err("this server gets no documents".to_owned())))
    }
}

/// An issuer, as an identity provider of a pool names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// `iss` of its tokens, without a final slash.
    pub issuer: String,
    /// Where its keys are, if that is known.
    pub jwks_uri: Option<String>,
}

/// All issuers whose keys were asked for lately.
pub struct Issuers {
    documents: Arc<dyn FetchDocuments>,
    known: Cache<String, Arc<Mutex<Known>>>,
}

/// What is known of an issuer.
#[derive(Default)]
struct Known {
    /// Its keys, and when they were read.
    keys: Option<(Arc<ForeignKeys>, Timestamp)>,
    asked_at: Option<Timestamp>,
}

impl Issuers {
    pub(crate) fn new(documents: Arc<dyn FetchDocuments>) -> Self {
        Self { documents, known: Cache::new(CACHED) }
    }

    /// The keys of an issuer, of which one has the id `kid` if the issuer has such a key; none when they cannot be read,
    /// of which the log tells.
    pub(crate) async fn keys(&self, issuer: &Issuer, kid: &str, now: Timestamp) -> Option<Arc<ForeignKeys>> {
        // What another pool says about where the keys of this issuer are is not its word.
        let id = format!("{}\n{}", issuer.issuer, issuer.jwks_uri.as_deref().unwrap_or_default());
        let Ok(known) = self.known.get_or_insert_with(&id, || Ok::<_, Infallible>(Arc::default()));
        let mut known = known.lock_owned().await;
        if known.wants(kid, now) {
            let (documents, issuer) = (self.documents.clone(), issuer.clone());
            // In a task of its own: a client that hangs up must not take away what others wait for.
            let asking = tokio::spawn(async move {
                known.ask(&*documents, &issuer, now).await;
                known
            });
            known = asking.await.ok()?;
        }
        known.current(now).cloned()
    }
}

impl Known {
    /// The keys as long as they count.
    fn current(&self, now: Timestamp) -> Option<&Arc<ForeignKeys>> {
        self.keys.as_ref().filter(|(_, read_at)| is_within(*read_at, GOOD_FOR, now)).map(|(keys, _)| keys)
    }

    fn wants(&self, kid: &str, now: Timestamp) -> bool {
        !self.current(now).is_some_and(|keys| keys.has(kid))
            && !self.asked_at.is_some_and(|asked_at| is_within(asked_at, PAUSE, now))
    }

    async fn ask(&mut self, documents: &dyn FetchDocuments, issuer: &Issuer, now: Timestamp) {
        self.asked_at = Some(now);
        let read = timeout(LONGEST, read(documents, issuer)).await;
        match read.unwrap_or_else(|_elapsed| Err("no answer in time".to_owned())) {
            Ok(keys) => self.keys = Some((Arc::new(keys), now)),
            Err(reason) => tracing::warn!(issuer = issuer.issuer, reason, "the keys of an issuer could not be read"),
        }
    }
}

/// Whether a moment is less than so many milliseconds away; the clock may have been set back.
fn is_within(moment: Timestamp, milliseconds: i64, now: Timestamp) -> bool {
    now.since(moment).unsigned_abs() < milliseconds.unsigned_abs()
}

async fn read(documents: &dyn FetchDocuments, issuer: &Issuer) -> Result<ForeignKeys, String> {
    #[derive(Deserialize)]
    struct Discovery {
        issuer: String,
        jwks_uri: String,
    }
    let uri = match &issuer.jwks_uri {
        Some(uri) => uri.clone(),
        None => {
            let url = format!("{}/.well-known/openid-configuration", issuer.issuer);
            let document = fetch(documents, &url).await?;
            let found: Discovery = serde_json::from_slice(&document).map_err(|_| "not a discovery document")?;
            if found.issuer != issuer.issuer {
                return Err("the discovery document is another issuer's".to_owned());
            }
            if !is_https(&found.jwks_uri) {
                return Err("its jwks_uri is no https URL on port 443 or 80".to_owned());
            }
            found.jwks_uri
        }
    };
    ForeignKeys::read(&fetch(documents, &uri).await?).map_err(|_| "not a key set".to_owned())
}

async fn fetch(documents: &dyn FetchDocuments, url: &str) -> Result<Vec<u8>, String> {
    let document = documents.fetch(url, LONGEST_DOCUMENT).await?;
    if document.len() > LONGEST_DOCUMENT { Err("the document is too long".to_owned()) } else { Ok(document) }
}
