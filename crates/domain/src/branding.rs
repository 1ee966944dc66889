//! Styles of the managed login pages (oauth-federation.md §12.1, §12.2).

use serde::{Deserialize, Serialize};
use wire::{AssetType, Timestamp};

use crate::{Part, PartKind};

/// A managed login style.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Branding {
    /// The pool.
    pub pool_id: String,
    /// `ManagedLoginBrandingId`, a UUID.
    pub id: String,
    /// The client whose pages it is for. Never changes.
    pub client_id: String,
    /// `UseCognitoProvidedValues`: the pages look as they do by default.
    pub use_provided_values: bool,
    /// `Settings`: what differs from the default style.
    pub settings: Option<serde_json::Value>,
    /// `Assets`: pictures, one for each place, colour mode and resource.
    pub assets: Vec<AssetType>,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When it last changed.
    pub modified_at: Timestamp,
}

impl Part for Branding {
    const KIND: PartKind = PartKind::Branding;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn id(&self) -> &str {
        &self.id
    }
}

/// The one style that a client can have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrandingOfClient {
    /// The pool.
    pub pool_id: String,
    /// The client.
    pub client_id: String,
    /// The style.
    pub branding_id: String,
}

impl Part for BrandingOfClient {
    const KIND: PartKind = PartKind::BrandingOfClient;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn id(&self) -> &str {
        &self.client_id
    }
}
