//! Identities at other providers that may sign in as a user of a pool (oauth-federation.md §18).

use serde::{Deserialize, Serialize};
use wire::{IdentityProviderTypeType, Timestamp};

/// Most identities of one user.
pub const MOST_LINKED: usize = 5;
/// Longest value that tells users of a provider apart, in characters; no provider's own ids are that long.
pub const LONGEST_VALUE: usize = 256;
/// What stands for the provider's own id of a user, among the names of a provider's attributes.
pub const SUBJECT: &str = "Cognito_Subject";
/// The provider whose identities are the pool's own users.
pub const OWN_PROVIDER: &str = "Cognito";

/// An identity that is linked to a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The provider's name.
    pub provider_name: String,
    /// What the provider is.
    pub provider_type: IdentityProviderTypeType,
    /// What the provider tells users apart by: [`SUBJECT`], or an attribute of the pool that one of its claims fills.
    pub attribute_name: String,
    /// The value of that.
    pub attribute_value: String,
    /// When it was linked.
    pub linked_at: Timestamp,
    /// Whether the user is this identity's own, made when it signed in first, and not one that it was linked to.
    #[serde(default, skip_serializing_if = "is_false")]
    pub primary: bool,
    /// Who has said so: the entity id of a SAML provider, once it has signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Identity {
    /// The name that the user owns by this identity.
    #[must_use]
    pub fn name(&self) -> String {
        name(&self.provider_name, &self.attribute_name, &self.attribute_value)
    }
}

/// Whether a provider's own id of a user may be one that is linked, or known from a sign-in.
///
/// Decision: not one that is empty, longer than [`LONGEST_VALUE`] or has control characters, some of which not every
/// database keeps.
#[must_use]
pub fn is_subject(text: &str) -> bool {
    !text.is_empty() && text.chars().nth(LONGEST_VALUE).is_none() && !text.chars().any(char::is_control)
}

/// The name that stands for an identity, unique in its pool. Neither providers nor attributes have line breaks in
/// their names, so that two identities never share one. Case counts: it does to providers.
#[must_use]
pub fn name(provider: &str, attribute: &str, value: &str) -> String {
    format!("{provider}\n{attribute}\n{value}")
}
