//! Identity providers of pools (oauth-federation.md §15): who else may vouch for users.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::{
    AttributeDataType, IdentityProviderTypeType, SchemaAttributeType, StringAttributeConstraintsType, Timestamp,
};

use crate::{
    Part, PartKind, Sealed,
    schema::{self, IDENTITIES},
};

/// In place of an attribute, in a provider's mapping: what the user is called by.
pub const USERNAME: &str = "username";

/// An identity provider of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityProvider {
    /// The pool.
    pub pool_id: String,
    /// Its name, which is what callers know it by; a social provider is named after its type.
    pub name: String,
    /// What it is. Never changes.
    pub provider_type: IdentityProviderTypeType,
    /// `ProviderDetails` without secrets, with what the server adds to what was given.
    pub details: BTreeMap<String, String>,
    /// The secrets among `ProviderDetails` by key, each sealed with [`IdentityProvider::secret_identity`].
    pub secrets: BTreeMap<String, Sealed>,
    /// `AttributeMapping`: attributes of the pool by name, with the provider's name for each.
    pub attribute_mapping: BTreeMap<String, String>,
    /// `IdpIdentifiers`: other names to find it by, unique in the pool. Each is an [`IdentityProviderIdentifier`] too.
    pub identifiers: Vec<String>,
    /// `AcrMapping`, for OIDC alone.
    pub acr_mapping: BTreeMap<String, String>,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When it last changed.
    pub modified_at: Timestamp,
}

impl IdentityProvider {
    /// What a secret under that key of `ProviderDetails` is sealed for.
    #[must_use]
    pub fn secret_identity(&self, key: &str) -> String {
        format!("{}\n{}\n{key}", self.pool_id, self.name)
    }
}

impl Part for IdentityProvider {
    const KIND: PartKind = PartKind::IdentityProvider;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn id(&self) -> &str {
        &self.name
    }
}

/// What an identity provider is found by besides its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityProviderIdentifier {
    /// The pool.
    pub pool_id: String,
    /// The identifier.
    pub identifier: String,
    /// The name of the provider.
    pub provider_name: String,
}

impl Part for IdentityProviderIdentifier {
    const KIND: PartKind = PartKind::IdentityProviderIdentifier;

    fn pool_id(&self) -> &str {
        &self.pool_id
    }

    fn id(&self) -> &str {
        &self.identifier
    }
}

/// Adds `identities` to a schema behind the other standard attributes, unless it is there: every pool has it that has, or
/// had, a provider. Nobody writes it by itself.
pub fn complete_schema(schema: &mut Vec<SchemaAttributeType>) {
    if schema.iter().any(|attribute| attribute.name.as_deref() == Some(IDENTITIES)) {
        return;
    }
    let place = schema::standard().len().min(schema.len());
    schema.insert(
        place,
        SchemaAttributeType {
            name: Some(IDENTITIES.to_owned()),
            attribute_data_type: Some(AttributeDataType::String),
            developer_only_attribute: Some(false),
            mutable: Some(true),
            required: Some(false),
            number_attribute_constraints: None,
            string_attribute_constraints: Some(StringAttributeConstraintsType::default()),
        },
    );
}
