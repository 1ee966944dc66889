//! Other issuers of tokens, and the providers that stand behind them (oauth-federation.md §15.1, §16): their keys, where
//! their endpoints are, and requests to these.
//!
//! Where the provider names no `jwks_uri`, its issuer's discovery document says where the keys are, and so with the
//! endpoints. Everything is asked over https, within two seconds (discovery and keys together), and no redirect is
//! followed. What was read counts for a few minutes. A token with an unknown key has the keys read again, but
//! not within ten seconds of the last try, so that nobody can have an issuer asked at will; what did not answer is left
//! alone as long. Who asks meanwhile waits for the try that is under way.
//!
//! Decision: the service follows up to 20 redirects of a provider's endpoints. What carries a client's secret is not
//! carried on to another place here.

use std::{convert::Infallible, fmt, pin::Pin, sync::Arc, time::Duration};

use crypto::token::foreign::ForeignKeys;
use domain::{Secret, time};
use quick_cache::sync::Cache;
use saml::Metadata;
use serde::Deserialize;
use tokio::{sync::Mutex, time::timeout};
use wire::Timestamp;

use crate::operations::identity_providers::is_https;

/// How many issuers' keys are kept, and how many's endpoints.
const CACHED: usize = 1_000;
/// How long an answer may take; of the keys of an issuer, discovery included.
const LONGEST: Duration = Duration::from_secs(2);
/// Longest document that is taken, in bytes.
const LONGEST_DOCUMENT: usize = 256 * 1_024;
/// How long documents count after they were read, in milliseconds.
const GOOD_FOR: i64 = 5 * time::MINUTE;
/// The same of the metadata of a SAML provider (oauth-federation.md §17.4).
const METADATA_GOOD_FOR: i64 = 6 * time::HOUR;
/// How long an issuer is not asked again, in milliseconds.
const PAUSE: i64 = 10 * time::SECOND;

/// A request to another server.
pub struct Outgoing {
    /// Where to; begins with `https://`. It may hold a secret.
    pub url: String,
    /// The body of a POST: a form. Without one it is a GET.
    pub form: Option<Secret<String>>,
    /// The token that is shown.
    pub bearer: Option<Secret<String>>,
}

impl Outgoing {
    /// A GET without credentials.
    #[must_use]
    pub fn get(url: &str) -> Self {
        Self { url: url.to_owned(), form: None, bearer: None }
    }
}

/// What another server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The status of the answer.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

/// Who sends requests to other servers, and gets their documents.
pub trait FetchDocuments: fmt::Debug + Send + Sync {
    /// Whether requests may go to this URL: over https, on port 443 or 80.
    fn reaches(&self, url: &str) -> bool {
        is_https(url)
    }

    /// Sends a request to a URL that it [reaches](Self::reaches); a body of more than `most` bytes is an error, and redirects are answers like others.
    /// Dropping the future gives the request up.
    fn send(&self, request: Outgoing, most: usize) -> Receiving;

    /// Gets the document at a URL that it [reaches](Self::reaches); anything but status 200 is an error.
    fn fetch(&self, url: &str, most: usize) -> Fetching {
        let received = self.send(Outgoing::get(url), most);
        Box::pin(async move {
            match received.await? {
                Received { status: 200, body } => Ok(body),
                Received { status, .. } => Err(format!("the answer is {status}")),
            }
        })
    }
}

/// An answer that is on its way, or in words why there is none.
pub type Receiving = Pin<Box<dyn Future<Output = Result<Received, String>> + Send>>;
/// A document that is on its way, or in words why there is none.
pub type Fetching = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send>>;

/// Nobody gets anything.
#[derive(Debug)]
pub struct NoDocuments;

impl FetchDocuments for NoDocuments {
    fn send(&self, _request: Outgoing, _most: usize) -> Receiving {
        Box::pin(std::future::ready(Err("this server gets no documents".to_owned())))
    }
}

/// An issuer, as an identity provider of a pool names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// `iss` of its tokens, without a final slash (see [`is_same`]).
    pub issuer: String,
    /// Where its keys are, if that is known.
    pub jwks_uri: Option<String>,
}

/// Where the endpoints of an issuer are, as far as its discovery document says so; all of them over https.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Endpoints {
    /// Where browsers are sent.
    pub authorization: Option<String>,
    /// Where codes are exchanged.
    pub token: Option<String>,
    /// Where users are described.
    pub user_info: Option<String>,
}

/// Why another server has not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// Not in time.
    TimedOut,
    /// The connection, or what came, was of no use.
    Failed(String),
}

/// All issuers that were asked for lately, and the way to them.
pub struct Issuers {
    documents: Arc<dyn FetchDocuments>,
    keys: Kept<ForeignKeys>,
    endpoints: Kept<Endpoints>,
    metadata: Kept<Result<Metadata, String>>,
}

/// Documents by what they are of.
type Kept<T> = Cache<String, Arc<Mutex<Known<T>>>>;

/// What is known of a document.
struct Known<T> {
    /// What is in it, and when it was read.
    read: Option<(Arc<T>, Timestamp)>,
    asked_at: Option<Timestamp>,
    /// What has come of the last try, if nothing good.
    failure: Option<Unanswered>,
}

impl Issuers {
    /// Whether requests may go to this URL.
    pub(crate) fn reach(&self, url: &str) -> bool {
        self.documents.reaches(url)
    }

    pub(crate) fn new(documents: Arc<dyn FetchDocuments>) -> Self {
        Self { documents, keys: Cache::new(CACHED), endpoints: Cache::new(CACHED), metadata: Cache::new(CACHED) }
    }

    /// The keys of an issuer, of which one has the id `kid` if the issuer has such a key.
    ///
    /// # Errors
    /// When they cannot be read, of which the log tells.
    pub(crate) async fn keys(
        &self,
        issuer: &Issuer,
        kid: &str,
        now: Timestamp,
    ) -> Result<Arc<ForeignKeys>, Unanswered> {
        // What another pool says about where the keys of this issuer are is not its word.
        let id = format!("{}\n{}", issuer.issuer, issuer.jwks_uri.as_deref().unwrap_or_default());
        let reading = read_keys(self.documents.clone(), issuer.clone());
        read(&self.keys, id, now, GOOD_FOR, |keys| keys.has(kid), reading).await
    }

    /// Where the endpoints of an issuer are.
    ///
    /// # Errors
    /// When its discovery document cannot be read, of which the log tells.
    pub(crate) async fn endpoints(&self, issuer: &str, now: Timestamp) -> Result<Arc<Endpoints>, Unanswered> {
        let reading = read_endpoints(self.documents.clone(), issuer.to_owned());
        read(&self.endpoints, issuer.to_owned(), now, GOOD_FOR, |_| true, reading).await
    }

    /// The metadata of a SAML provider at a URL; in words what is wrong, where a document has come that is none. Once
    /// their time is over, they are read again.
    ///
    /// # Errors
    /// When no document can be read, of which the log tells.
    pub(crate) async fn metadata(
        &self,
        url: &str,
        now: Timestamp,
    ) -> Result<Arc<Result<Metadata, String>>, Unanswered> {
        let reading = read_metadata(self.documents.clone(), url.to_owned());
        let is_good = |read: &Result<Metadata, String>| {
            read.as_ref().is_ok_and(|metadata| metadata.valid_until.is_none_or(|until| now < until))
        };
        read(&self.metadata, url.to_owned(), now, METADATA_GOOD_FOR, is_good, reading).await
    }

    /// Sends a request to a provider.
    ///
    /// # Errors
    /// When there is no answer. The log tells why.
    pub(crate) async fn send(&self, request: Outgoing) -> Result<Received, Unanswered> {
        // The query may hold a secret.
        let place = request.url.split('?').next().unwrap_or_default().to_owned();
        let answer = timeout(LONGEST, self.documents.send(request, LONGEST_DOCUMENT)).await;
        let answer = match answer {
            Ok(Ok(received)) if received.body.len() > LONGEST_DOCUMENT => {
                Err(Unanswered::Failed("the answer is too long".to_owned()))
            }
            Ok(answer) => answer.map_err(Unanswered::Failed),
            Err(_elapsed) => Err(Unanswered::TimedOut),
        };
        answer.inspect_err(|reason| tracing::warn!(place, ?reason, "an identity provider has not answered"))
    }
}

/// What is known of a document, or what `reading` finds where that is too old or not enough.
async fn read<T: Send + Sync + 'static>(
    kept: &Kept<T>,
    id: String,
    now: Timestamp,
    good_for: i64,
    is_enough: impl Fn(&T) -> bool,
    reading: impl Future<Output = Result<T, String>> + Send + 'static,
) -> Result<Arc<T>, Unanswered> {
    let Ok(known) = kept.get_or_insert_with(&id, || Ok::<_, Infallible>(Arc::default()));
    let mut known = known.lock_owned().await;
    let is_due = !known.current(now, good_for).is_some_and(|read| is_enough(read))
        && !known.asked_at.is_some_and(|asked_at| is_within(asked_at, PAUSE, now));
    if is_due {
        // In a task of its own: a client that hangs up must not take away what others wait for.
        let asking = tokio::spawn(async move {
            known.asked_at = Some(now);
            let read = match timeout(LONGEST, reading).await {
                Ok(read) => read.map_err(Unanswered::Failed),
                Err(_elapsed) => Err(Unanswered::TimedOut),
            };
            known.failure = match read {
                Ok(read) => {
                    known.read = Some((Arc::new(read), now));
                    None
                }
                Err(reason) => {
                    let issuer = id.lines().next();
                    tracing::warn!(issuer, ?reason, "what an issuer publishes could not be read");
                    Some(reason)
                }
            };
            known
        });
        known = asking.await.map_err(|error| Unanswered::Failed(error.to_string()))?;
    }
    let current = known.current(now, good_for).cloned();
    current.ok_or_else(|| known.failure.clone().unwrap_or(Unanswered::TimedOut))
}

impl<T> Known<T> {
    /// What was read as long as it counts, which is so many milliseconds.
    fn current(&self, now: Timestamp, good_for: i64) -> Option<&Arc<T>> {
        self.read.as_ref().filter(|(_, read_at)| is_within(*read_at, good_for, now)).map(|(read, _)| read)
    }
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { read: None, asked_at: None, failure: None }
    }
}

/// Whether a moment is less than so many milliseconds away; the clock may have been set back.
fn is_within(moment: Timestamp, milliseconds: i64, now: Timestamp) -> bool {
    now.since(moment).unsigned_abs() < milliseconds.unsigned_abs()
}

/// What is looked at of a discovery document.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: Option<String>,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
}

async fn read_keys(documents: Arc<dyn FetchDocuments>, issuer: Issuer) -> Result<ForeignKeys, String> {
    let uri = match issuer.jwks_uri {
        Some(uri) => uri,
        None => {
            let found = discover(&*documents, &issuer.issuer).await?;
            reached(&*documents, "jwks_uri", found.jwks_uri)?.ok_or("the discovery document has no jwks_uri")?
        }
    };
    ForeignKeys::read(&fetch(&*documents, &uri).await?).map_err(|_| "not a key set".to_owned())
}

async fn read_endpoints(documents: Arc<dyn FetchDocuments>, issuer: String) -> Result<Endpoints, String> {
    let found = discover(&*documents, &issuer).await?;
    Ok(Endpoints {
        authorization: reached(&*documents, "authorization_endpoint", found.authorization_endpoint)?,
        token: reached(&*documents, "token_endpoint", found.token_endpoint)?,
        user_info: reached(&*documents, "userinfo_endpoint", found.userinfo_endpoint)?,
    })
}

async fn read_metadata(documents: Arc<dyn FetchDocuments>, url: String) -> Result<Result<Metadata, String>, String> {
    let text = String::from_utf8(fetch(&*documents, &url).await?).map_err(|_| "not UTF-8".to_owned())?;
    Ok(Metadata::read(&text))
}

async fn discover(documents: &dyn FetchDocuments, issuer: &str) -> Result<Discovery, String> {
    let document = fetch(documents, &format!("{issuer}/.well-known/openid-configuration")).await?;
    let found: Discovery = serde_json::from_slice(&document).map_err(|_| "not a discovery document")?;
    let is_theirs = is_same(issuer, &found.issuer);
    if is_theirs { Ok(found) } else { Err("the discovery document is another issuer's".to_owned()) }
}

/// Whether `said`, in a token or a discovery document, names the issuer that a provider is configured with.
///
/// Decision: one slash at the end makes no other issuer. Providers are set up without it (§15.1), and some issuers end in
/// one all the same.
pub(crate) fn is_same(configured: &str, said: &str) -> bool {
    said.strip_suffix('/').unwrap_or(said) == configured
}

/// A URL of a discovery document, if it is one that is gone to.
fn reached(documents: &dyn FetchDocuments, name: &str, url: Option<String>) -> Result<Option<String>, String> {
    match url {
        Some(url) if !documents.reaches(&url) => Err(format!("its {name} is no https URL on port 443 or 80")),
        url => Ok(url),
    }
}

async fn fetch(documents: &dyn FetchDocuments, url: &str) -> Result<Vec<u8>, String> {
    let document = documents.fetch(url, LONGEST_DOCUMENT).await?;
    if document.len() > LONGEST_DOCUMENT { Err("the document is too long".to_owned()) } else { Ok(document) }
}
