//! Users of other providers as AdminLinkProviderForUser and AdminDisableProviderForUser name them
//! (oauth-federation.md §18).

use domain::{
    Identity, IdentityProvider, NameKind, Pool,
    identity::{self, LONGEST_VALUE},
    identity_provider::USERNAME,
};
use wire::{IdentityProviderTypeType, ProviderUserIdentifierType};

use crate::{ApiError, Ctx};

/// A user of a provider, as requests name one; all three are there.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// What the provider tells users apart by.
    pub attribute: &'a str,
    /// The value of that.
    pub value: &'a str,
}

impl<'a> Named<'a> {
    /// What a member of a request says; `member` is its path. The attribute is looked at only where `needs_attribute`.
    ///
    /// # Errors
    /// `InvalidParameterException`.
    pub(super) fn read(
        given: &'a ProviderUserIdentifierType,
        member: &str,
        needs_attribute: bool,
    ) -> Result<Self, ApiError> {
        // Decision: the model demands none of these, but nobody is meant without them.
        let needed = |value: &'a Option<String>, name: &str| {
            value.as_deref().filter(|value| !value.is_empty()).ok_or_else(|| {
                ApiError::invalid_parameter(format!(
                    "1 validation error detected: Value null at '{member}.{name}' failed to satisfy constraint: Member must not be null"
                ))
            })
        };
        let provider = needed(&given.provider_name, "providerName")?;
        let attribute =
            if needs_attribute { needed(&given.provider_attribute_name, "providerAttributeName")? } else { "" };
        let value = needed(&given.provider_attribute_value, "providerAttributeValue")?;
        if value.chars().nth(LONGEST_VALUE).is_some() {
            return Err(ApiError::invalid_parameter(format!(
                "1 validation error detected: Value at '{member}.providerAttributeValue' failed to satisfy constraint: Member must have length less than or equal to {LONGEST_VALUE}"
            )));
        }
        Ok(Self { provider, attribute, value })
    }

    /// Whether the pool's own users are meant, not those of another provider.
    pub(super) fn is_own(&self) -> bool {
        self.provider == identity::OWN_PROVIDER
    }

    /// The identity, linked now.
    ///
    /// # Errors
    /// `InvalidParameterException` when this provider tells nobody apart by that attribute.
    pub(super) fn identity(&self, ctx: &Ctx, provider: &IdentityProvider) -> Result<Identity, ApiError> {
        // What the user is called by is the provider's own id, under another name.
        let by_attribute =
            matches!(provider.provider_type, IdentityProviderTypeType::Oidc | IdentityProviderTypeType::Saml)
                && self.attribute != USERNAME
                && provider.attribute_mapping.contains_key(self.attribute);
        if self.attribute != identity::SUBJECT && !by_attribute {
            // Decision: the service's words are not recorded.
            return Err(ApiError::invalid_parameter(format!(
                "ProviderAttributeName must be {} or, for OIDC and SAML providers, an attribute that the provider's AttributeMapping fills.",
                identity::SUBJECT
            )));
        }
        Ok(Identity {
            provider_name: self.provider.to_owned(),
            provider_type: provider.provider_type,
            attribute_name: self.attribute.to_owned(),
            attribute_value: self.value.to_owned(),
            linked_at: ctx.now,
            primary: false,
            issuer: None,
        })
    }
}

/// The `sub` of the user to whom an identity is linked.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn owner(
    ctx: &Ctx,
    pool: &Pool,
    provider: &str,
    attribute: &str,
    value: &str,
) -> Result<Option<String>, ApiError> {
    let name = identity::name(provider, attribute, value);
    Ok(ctx.app.store.name_owner(&pool.id, &name, NameKind::Identity).await?)
}
