//! `AttributeMapping` (oauth-federation.md §15.1, §15.2): what of a provider's answer becomes which attribute.

use std::collections::BTreeMap;

use domain::{Pool, attributes, identity_provider::USERNAME};
use wire::IdentityProviderTypeType;

use crate::ApiError;

/// What the provider calls the user's id, which the user is called by; nothing for SAML, where it has no name.
const fn subject(kind: IdentityProviderTypeType) -> Option<&'static str> {
    match kind {
        IdentityProviderTypeType::Saml => None,
        IdentityProviderTypeType::Facebook => Some("id"),
        IdentityProviderTypeType::LoginWithAmazon => Some("user_id"),
        IdentityProviderTypeType::Google
        | IdentityProviderTypeType::SignInWithApple
        | IdentityProviderTypeType::Oidc => Some("sub"),
    }
}

/// The mapping, with the user's id in it where the request says nothing about that.
///
/// # Errors
/// `InvalidParameterException` for what is no attribute of the pool, and for attributes that nobody may write.
pub fn of(
    pool: &Pool,
    kind: IdentityProviderTypeType,
    given: Option<&BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let mut mapping = given.cloned().unwrap_or_default();
    let is_attribute = |name: &str| match name {
        USERNAME => subject(kind).is_some(),
        "sub" | "identities" => false,
        name => attributes::schema_of(pool, name).is_some(),
    };
    if let Some(name) = mapping.keys().find(|name| !is_attribute(name)) {
        // Decision: the service's words are not recorded.
        return Err(ApiError::invalid_parameter(format!(
            "Invalid attribute mapping: {name} is not an attribute that an identity provider can fill in user pool {}.",
            pool.id
        )));
    }
    if let Some(name) = mapping.iter().find(|(_, source)| source.trim().is_empty()).map(|(name, _)| name) {
        return Err(ApiError::invalid_parameter(format!("Invalid attribute mapping: {name} is mapped to nothing.")));
    }
    if let Some(subject) = subject(kind) {
        mapping.entry(USERNAME.to_owned()).or_insert_with(|| subject.to_owned());
    }
    Ok(mapping)
}
