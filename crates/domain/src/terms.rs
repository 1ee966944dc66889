//! Terms documents that login pages link to (oauth-federation.md §13).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::{TermsEnforcementType, TermsSourceType, Timestamp};

use crate::{Part, PartKind};

/// A terms document of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The pool.
    pub pool_id: String,
    /// `TermsId`, a UUID.
    pub id: String,
    /// The client. Never changes.
    pub client_id: String,
    /// `TermsName`: `terms-of-use` or `privacy-policy`, each at most once for a client.
    pub name: String,
    /// Where the text is.
    pub source: TermsSourceType,
    /// What users have to do about it.
    pub enforcement: TermsEnforcementType,
    /// Addresses by language; `cognito:default` is always there.
    pub links: BTreeMap<String, String>,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When it last changed.
    pub modified_at: Timestamp,
}

impl Part for Terms {
    const KIND: PartKind = PartKind::Terms;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn id(&self) -> &str {
        &self.id
    }
}

/// The one document of that name that a client can have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermsOfClient {
    /// The pool.
    pub pool_id: String,
    /// Client and name: see [`TermsOfClient::key`].
    pub key: String,
    /// The document.
    pub terms_id: String,
}

impl TermsOfClient {
    /// Under what a client's document of that name is found. Neither holds a slash.
    #[must_use]
    pub fn key(client_id: &str, name: &str) -> String {
        format!("{client_id}/{name}")
    }
}

impl From<&Terms> for TermsOfClient {
    fn from(terms: &Terms) -> Self {
        Self {
            pool_id: terms.pool_id.clone(),
            key: Self::key(&terms.client_id, &terms.name),
            terms_id: terms.id.clone(),
        }
    }
}

impl Part for TermsOfClient {
    const KIND: PartKind = PartKind::TermsOfClient;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn id(&self) -> &str {
        &self.key
    }
}
