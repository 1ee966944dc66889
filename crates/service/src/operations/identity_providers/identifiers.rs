//! `IdpIdentifiers`: names to find a provider by, each of which only one provider of a pool has.

use domain::{IdentityProvider, IdentityProviderIdentifier};
use store::Changes;

use crate::{ApiError, Ctx};

/// Each identifier once, in the order given.
pub fn distinct(given: Option<&[String]>) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for identifier in given.unwrap_or_default() {
        if !distinct.contains(identifier) {
            distinct.push(identifier.clone());
        }
    }
    distinct
}

/// Puts into `changes` what makes `provider` be found by its own identifiers, and no longer by those in `before`.
///
/// # Errors
/// `InvalidParameterException` for an identifier that another provider has.
pub async fn change(
    ctx: &Ctx,
    changes: &mut Changes,
    provider: &IdentityProvider,
    before: &[String],
) -> Result<(), ApiError> {
    let (pool_id, store) = (provider.pool_id.as_str(), &ctx.app.store);
    for identifier in before.iter().filter(|identifier| !provider.identifiers.contains(identifier)) {
        if let Some(present) = store.part::<IdentityProviderIdentifier>(pool_id, identifier).await? {
            changes.delete_part(&present);
        }
    }
    for identifier in provider.identifiers.iter().filter(|identifier| !before.contains(identifier)) {
        if store.part::<IdentityProviderIdentifier>(pool_id, identifier).await?.is_some() {
            // Decision: the service's words are not recorded.
            return Err(ApiError::invalid_parameter(format!(
                "The identifier {identifier} already belongs to another identity provider."
            )));
        }
        changes.insert(&IdentityProviderIdentifier {
            pool_id: pool_id.to_owned(),
            identifier: identifier.clone(),
            provider_name: provider.name.clone(),
        });
    }
    Ok(())
}
