//! Resource servers of pools (oauth-federation.md §19): the scopes that a pool has besides the standard ones.

use serde::{Deserialize, Serialize};
use wire::ResourceServerScopeType;

use crate::{Part, PartKind};

/// A resource server of a pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceServer {
    /// The pool.
    pub pool_id: String,
    /// What callers know it by, and what its scopes begin with.
    pub identifier: String,
    /// Its name for people.
    pub name: String,
    /// Its scopes, as they were given.
    pub scopes: Vec<ResourceServerScopeType>,
}

impl ResourceServer {
    /// Whether it has a scope of that name, which goes without the identifier.
    #[must_use]
    pub fn has_scope(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| scope.scope_name == name)
    }
}

impl Part for ResourceServer {
    const KIND: PartKind = PartKind::ResourceServer;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn id(&self) -> &str {
        &self.identifier
    }
}
