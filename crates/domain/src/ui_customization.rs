//! The look of the classic login pages (oauth-federation.md §12.3).

use serde::{Deserialize, Serialize};
use wire::{Blob, Timestamp};

use crate::{Part, PartKind};

/// In place of a client id: the pages of all clients without a look of their own.
pub const ALL_CLIENTS: &str = "ALL";

/// The look of the classic login pages of a client, or of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UiCustomization {
    /// The pool.
    pub pool_id: String,
    /// The client, or [`ALL_CLIENTS`].
    pub client_id: String,
    /// Style rules.
    pub css: Option<String>,
    /// The logo.
    pub image: Option<Blob>,
    /// When it was first set.
    pub created_at: Timestamp,
    /// When it was last set.
    pub modified_at: Timestamp,
}

impl Part for UiCustomization {
    const KIND: PartKind = PartKind::UiCustomization;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn id(&self) -> &str {
        &self.client_id
    }
}
