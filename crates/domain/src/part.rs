//! What a pool has a moderate number of: groups, resource servers, identity providers and the like. Each is a document
//! under its kind and id; the store keeps all of them alike.

use serde::{Serialize, de::DeserializeOwned};

/// What a part of a pool is. Numbers are stored and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartKind {
    /// A group, by name.
    Group = 0,
    /// A resource server, by identifier.
    ResourceServer = 1,
    /// An identity provider, by name.
    IdentityProvider = 2,
    /// What an identity provider is found by besides its name; the id is that identifier.
    IdentityProviderIdentifier = 3,
    /// A managed login branding style, by id.
    Branding = 4,
    /// The look of the classic pages, by client id or `ALL`.
    UiCustomization = 5,
    /// Terms documents, by id.
    Terms = 6,
    /// An import job, by id.
    ImportJob = 7,
    /// A replica in another region, by region.
    Replica = 8,
    /// The managed login branding style of a client, by client id.
    BrandingOfClient = 9,
    /// A client's terms document of some name, by client id and name.
    TermsOfClient = 10,
}

impl PartKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Group,
        Self::ResourceServer,
        Self::IdentityProvider,
        Self::IdentityProviderIdentifier,
        Self::Branding,
        Self::UiCustomization,
        Self::Terms,
        Self::ImportJob,
        Self::Replica,
        Self::BrandingOfClient,
        Self::TermsOfClient,
    ];

    /// The kind with this stored number.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The stored number.
    #[must_use]
    pub const fn number(self) -> i64 {
        self as i64
    }
}

/// A part of a pool.
pub trait Part: Serialize + DeserializeOwned {
    /// What it is.
    const KIND: PartKind;

    /// The pool.
    fn pool_id(&self) -> &str;

    /// Its id, unique among those of its kind in the pool. Lists are in the order of ids.
    fn id(&self) -> &str;
}

#[cfg(test)]
mod tests {
    use super::PartKind;

    #[test]
    fn every_kind_is_found_by_its_number() {
        let numbers: Vec<i64> = PartKind::ALL.iter().map(|kind| kind.number()).collect();
        assert_eq!(numbers, (0..11).collect::<Vec<_>>());
        for kind in PartKind::ALL {
            assert_eq!(PartKind::from_number(kind.number()), Some(kind));
        }
        assert_eq!(PartKind::from_number(11), None);
    }
}
