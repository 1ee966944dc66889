//! Identity providers (oauth-federation.md §15).

pub mod create_identity_provider;
pub mod delete_identity_provider;
pub mod describe_identity_provider;
pub mod get_identity_provider_by_identifier;
pub mod list_identity_providers;
pub mod update_identity_provider;

pub(crate) mod details;
mod identifiers;
mod mapping;

use std::collections::BTreeMap;

use crypto::seal::Purpose;
use domain::{IdentityProvider, Sealed};
use store::Stored;
use wire::{ErrorKind, IdentityProviderType, IdentityProviderTypeType};

pub use self::details::{is_https, is_on_this_machine};
use crate::{ApiError, Ctx};

/// What clients call the pool itself among their providers. No provider of a pool has this name.
pub const COGNITO: &str = "COGNITO";

/// A provider of a pool that is there.
///
/// # Errors
/// `ResourceNotFoundException`.
pub(crate) async fn find(ctx: &Ctx, pool_id: &str, name: &str) -> Result<Stored<IdentityProvider>, ApiError> {
    // Decision: the service's words are not recorded.
    let found = ctx.app.store.part::<IdentityProvider>(pool_id, name).await?;
    found.ok_or_else(|| ApiError::not_found(format!("Identity provider {name} does not exist.")))
}

/// A provider that can be changed: not the pool itself.
///
/// # Errors
/// `UnsupportedIdentityProviderException`, `ResourceNotFoundException`.
async fn find_to_change(ctx: &Ctx, pool_id: &str, name: &str) -> Result<Stored<IdentityProvider>, ApiError> {
    if name == COGNITO {
        // Decision: when the service answers this error, and with what words, is not recorded.
        let message = format!("{COGNITO} is the user pool itself and cannot be changed.");
        return Err(ApiError::new(ErrorKind::UnsupportedIdentityProvider, message));
    }
    find(ctx, pool_id, name).await
}

/// Seals the secrets of a provider, by their keys in `ProviderDetails`.
fn seal(ctx: &Ctx, provider: &IdentityProvider, secrets: BTreeMap<String, String>) -> BTreeMap<String, Sealed> {
    let seal = |key: &str, clear: &str| {
        let identity = provider.secret_identity(key);
        ctx.app.ring.seal(ctx.entropy(), Purpose::ProviderSecret, &identity, clear.as_bytes())
    };
    secrets.into_iter().map(|(key, clear)| (key.clone(), seal(&key, &clear))).collect()
}

/// A provider as answers show it: with its client secret in clear, but never with a private key.
///
/// # Errors
/// When the secret cannot be opened with the master keys.
fn answer(ctx: &Ctx, provider: &IdentityProvider) -> Result<IdentityProviderType, ApiError> {
    let mut shown = provider.details.clone();
    if let Some(sealed) = provider.secrets.get(details::CLIENT_SECRET) {
        let identity = provider.secret_identity(details::CLIENT_SECRET);
        let clear = ctx.app.ring.open(Purpose::ProviderSecret, &identity, sealed)?;
        let clear = String::from_utf8(clear.to_vec()).map_err(ApiError::internal)?;
        shown.insert(details::CLIENT_SECRET.to_owned(), clear);
    }
    let listed = |map: &BTreeMap<String, String>| (!map.is_empty()).then(|| map.clone());
    Ok(IdentityProviderType {
        user_pool_id: Some(provider.pool_id.clone()),
        provider_name: Some(provider.name.clone()),
        provider_type: Some(provider.provider_type),
        provider_details: Some(shown),
        attribute_mapping: listed(&provider.attribute_mapping),
        idp_identifiers: (!provider.identifiers.is_empty()).then(|| provider.identifiers.clone()),
        acr_mapping: listed(&provider.acr_mapping),
        last_modified_date: Some(provider.modified_at),
        creation_date: Some(provider.created_at),
    })
}

/// Only OpenID Connect providers are told how sure a sign-in has to be.
///
/// # Errors
/// `InvalidParameterException`.
fn acr_mapping(
    kind: IdentityProviderTypeType,
    given: Option<&BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let given = given.cloned().unwrap_or_default();
    if !given.is_empty() && kind != IdentityProviderTypeType::Oidc {
        // Decision: the service's words are not recorded.
        return Err(ApiError::invalid_parameter("AcrMapping can only be given for OIDC identity providers."));
    }
    Ok(given)
}
