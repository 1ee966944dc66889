//! SAML assertions that somebody brings to be exchanged (auth-flows.md §19, GetDerivedToken; oauth-federation.md §17, §18;
//! RFC 7522, RFC 8693 §3).
//!
//! Order: provider, form, signature, issuer, audience, times, recipient, user, status. That an assertion is good for once is
//! seen to by [`spend`], when everything else about the request is right.

use domain::{IdentityProvider, Pool, identity};
use saml::{Error, Expected, Message};
use store::{Changes, CommitError, Taken};
use wire::IdentityProviderTypeType;

use super::{
    bearer::{Bearer, Role, linked},
    issuer,
};
use crate::{ApiError, Ctx, hosted, saml_provider};

/// Reads an assertion of an identity provider of the pool, signed by itself, in base64 or base64url.
///
/// Decision: it is meant for the pool as one is that comes to the login pages, except that it answers no request of the
/// pool's: its recipient is the address for answers of one of the pool's domains, or the issuer of the pool's tokens, for
/// pools without a domain. The user is the one to whom the provider's name for its user is linked, as with tokens of other
/// issuers. It counts as a sign-in at the moment when it was made, sets no limit to scopes, and is good for once.
///
/// # Errors
/// `NotAuthorizedException`, also when the provider's metadata cannot be read; `UserNotFoundException` when nobody is
/// linked; `InvalidParameterException` for a provider that makes no assertions.
pub async fn read(
    ctx: &Ctx,
    pool: &Pool,
    provider: &IdentityProvider,
    token: &str,
    role: Role,
) -> Result<Bearer, ApiError> {
    if provider.provider_type != IdentityProviderTypeType::Saml {
        // Decision: the service's words are not recorded.
        let message = format!("Identity provider {} makes no SAML assertions.", provider.name);
        return Err(ApiError::invalid_parameter(message));
    }
    let refused = |error: &str| {
        tracing::debug!(pool = pool.id, provider = provider.name, error, "an assertion was refused");
        role.refused("Invalid {}")
    };
    let metadata = saml_provider::metadata(ctx, provider).await.map_err(|error| refused(&error))?;
    let text = saml::decoded(token).map_err(|error| refused(&error.to_string()))?;
    let message = saml::read(&text, &metadata.certificates, ctx.now).map_err(|error| refused(&error.to_string()))?;
    let Message { response: None, assertion } = message else { return Err(refused("it is a response")) };

    let mut recipients = vec![issuer(&ctx.app.settings, &pool.id)];
    let domains = ctx.app.store.domains(&pool.id).await?;
    let bases = domains.iter().map(|domain| hosted::base_of(&ctx.app.settings, domain));
    recipients.extend(bases.map(|base| saml_provider::answer_address(&base)));
    let expected = Expected {
        issuer: &metadata.entity_id,
        audience: &saml_provider::entity_id(&pool.id),
        recipients: &recipients,
        in_response_to: None,
        now: ctx.now,
    };
    let until = assertion.check(&expected).map_err(|error| match error {
        Error::Expired => role.refused("{} has expired"),
        error => refused(&error.to_string()),
    })?;

    let name_id = &assertion.name_id.value;
    if !identity::is_subject(name_id) {
        return Err(refused("the name of the user cannot be linked"));
    }
    let auth_time = assertion.issued_at.min(ctx.now).seconds();
    let bearer = linked(ctx, pool, provider, name_id, auth_time, until.seconds(), role).await?;
    Ok(Bearer { spends: Some(saml_provider::spent(provider, &assertion, until)), ..bearer })
}

/// Marks what is good for once as used, if it is such a thing.
///
/// # Errors
/// `NotAuthorizedException` when it was used before.
pub async fn spend(ctx: &Ctx, bearer: &Bearer, role: Role) -> Result<(), ApiError> {
    let Some(spent) = &bearer.spends else { return Ok(()) };
    let mut changes = Changes::new();
    changes.insert(spent.clone());
    match ctx.app.commit(changes).await {
        Err(CommitError::Taken(Taken::Spent { .. })) => Err(role.refused("Invalid {}")),
        outcome => Ok(outcome?),
    }
}
