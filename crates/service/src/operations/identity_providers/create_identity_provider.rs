//! CreateIdentityProvider (oauth-federation.md §15).

use std::collections::BTreeMap;

use domain::{IdentityProvider, identity_provider};
use store::Changes;
use wire::{CreateIdentityProviderRequest, CreateIdentityProviderResponse, ErrorKind, IdentityProviderTypeType};

use super::{COGNITO, acr_mapping, answer, details, identifiers, mapping, seal};
use crate::{ApiError, Ctx, capacity, lookup, retry};

/// Sets a provider up. The first one brings the attribute `identities` into the pool's schema.
///
/// # Errors
/// `ResourceNotFoundException`, `DuplicateProviderException`, `LimitExceededException`; `InvalidParameterException` for
/// a name that does not fit the type, for details that are missing or wrong, and for identifiers that are taken.
pub async fn run(ctx: &Ctx, input: CreateIdentityProviderRequest) -> Result<CreateIdentityProviderResponse, ApiError> {
    retry::on_conflict(ctx, async || {
        // Load.
        let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
        let name = input.provider_name.as_str();
        check_name(name, input.provider_type)?;
        let present = ctx.app.store.part::<IdentityProvider>(&pool.id, name).await?;

        // Decide.
        let details = details::of(ctx, input.provider_type, &input.provider_details, false).await?;
        let mut provider = IdentityProvider {
            pool_id: pool.id.clone(),
            name: name.to_owned(),
            provider_type: input.provider_type,
            details: details.plain,
            secrets: BTreeMap::new(),
            attribute_mapping: mapping::of(&pool, input.provider_type, input.attribute_mapping.as_ref())?,
            identifiers: identifiers::distinct(input.idp_identifiers.as_deref()),
            acr_mapping: acr_mapping(input.provider_type, input.acr_mapping.as_ref())?,
            created_at: ctx.now,
            modified_at: ctx.now,
        };
        if present.is_some() {
            // Decision: the service's words are not recorded.
            let message = format!("An identity provider named {name} already exists in user pool {}.", pool.id);
            return Err(ApiError::new(ErrorKind::DuplicateProvider, message));
        }
        let most = ctx.app.settings.quotas.counts.identity_providers_per_pool;
        capacity::room_for::<IdentityProvider>(ctx, &pool, most, "identity providers").await?;
        provider.secrets = seal(ctx, &provider, details.secrets);
        let answer = answer(ctx, &provider)?;

        // Commit. Writing the pool also holds what was counted (see `capacity::hold`).
        let mut after = pool.value.clone();
        identity_provider::complete_schema(&mut after.schema);
        let mut changes = Changes::new();
        changes.replace(&pool, after);
        changes.insert(&provider);
        identifiers::change(ctx, &mut changes, &provider, &[]).await?;
        ctx.app.commit(changes).await?;
        Ok(CreateIdentityProviderResponse { identity_provider: answer })
    })
    .await
}

/// Social providers are named after their type; other providers neither so, nor like the pool itself.
fn check_name(name: &str, kind: IdentityProviderTypeType) -> Result<(), ApiError> {
    let social = ["Facebook", "Google", "LoginWithAmazon", "SignInWithApple"];
    // Decision: the service's words are not recorded.
    let fault = if social.contains(&kind.as_str()) {
        (name != kind.as_str())
            .then(|| format!("ProviderName must be {0} for identity providers of type {0}.", kind.as_str()))
    } else if social.iter().chain(&[COGNITO]).any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        Some(format!("ProviderName {name} is reserved."))
    } else {
        // The model's pattern lets them through at some places.
        name.chars().any(char::is_control).then(|| "ProviderName must not contain control characters.".to_owned())
    };
    fault.map_or(Ok(()), |fault| Err(ApiError::invalid_parameter(fault)))
}
