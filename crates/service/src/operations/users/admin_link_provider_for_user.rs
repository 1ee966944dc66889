//! AdminLinkProviderForUser (oauth-federation.md §18.1): who signs in at another provider is to be a user of the pool.
//! The user's name, status and password stay.
//!
//! Order: pool, form of both users, provider, destination, whether the identity is free, how many the user has; then
//! user and name change together, if the provider is still there.

use domain::{Pool, User, identity};
use store::{Changes, CommitError, Stored};
use wire::{AdminLinkProviderForUserRequest, AdminLinkProviderForUserResponse, ErrorKind, UserStatusType};

use super::external::{self, Named};
use crate::{ApiError, Ctx, attributes, lookup, operations::identity_providers, retry, users};

/// Links an identity to a user.
///
/// # Errors
/// Those of AdminLinkProviderForUser in oauth-federation.md §18.1.
pub async fn run(
    ctx: &Ctx,
    input: AdminLinkProviderForUserRequest,
) -> Result<AdminLinkProviderForUserResponse, ApiError> {
    let pool = lookup::pool(ctx, &input.user_pool_id).await?;
    let source = Named::read(&input.source_user, "sourceUser", true)?;
    let destination = Named::read(&input.destination_user, "destinationUser", false)?;
    if source.is_own() {
        // Decision: the service's words are not recorded.
        return Err(ApiError::invalid_parameter("SourceUser must be a user of an external identity provider."));
    }
    retry::on_conflict(ctx, || link(ctx, &pool, source, destination)).await?;
    Ok(AdminLinkProviderForUserResponse {})
}

async fn link(ctx: &Ctx, pool: &Pool, source: Named<'_>, destination: Named<'_>) -> Result<(), ApiError> {
    let provider = identity_providers::find(ctx, &pool.id, source.provider).await?;
    let identity = source.identity(ctx, &provider)?;
    let before = destined(ctx, pool, destination).await?;
    if let Some(owner) = external::owner(ctx, pool, source.provider, source.attribute, source.value).await? {
        return Err(linked_already(ctx, pool, &owner, &before).await?);
    }
    if before.identities.iter().filter(|identity| !identity.primary).count() >= identity::MOST_LINKED {
        // Decision: the service's words are not recorded.
        return Err(ApiError::new(
            ErrorKind::LimitExceeded,
            format!("A user cannot have more than {} linked identities.", identity::MOST_LINKED),
        ));
    }
    let mut after = before.value.clone();
    after.identities.push(identity);
    after.modified_at = ctx.now;
    let mut changes = Changes::new();
    changes.assert_part(&provider);
    users::replace(&mut changes, pool, &before, after);
    // Somebody was quicker: look again, then say who has it.
    attributes::committed(ctx.app.commit(changes).await, |_| CommitError::Conflict.into())
}

/// The user who is to get the identity: one of the pool's own, or the one whom another identity is linked to.
async fn destined(ctx: &Ctx, pool: &Pool, named: Named<'_>) -> Result<Stored<User>, ApiError> {
    if named.is_own() {
        return lookup::user_for_administrator(ctx, pool, named.value).await;
    }
    let sub = external::owner(ctx, pool, named.provider, identity::SUBJECT, named.value).await?;
    let sub = sub.ok_or_else(ApiError::no_such_user)?;
    ctx.app.store.user(&pool.id, &sub).await?.ok_or_else(ApiError::no_such_user)
}

/// Decision: none of these words is recorded for certain; the model lists AliasExistsException for this operation and
/// nothing else that it could be for.
async fn linked_already(ctx: &Ctx, pool: &Pool, owner: &str, wanted: &User) -> Result<ApiError, ApiError> {
    if owner == wanted.sub {
        return Ok(ApiError::invalid_parameter("SourceUser is already linked to DestinationUser"));
    }
    let owner = ctx.app.store.user(&pool.id, owner).await?;
    let has_profile =
        owner.is_some_and(|owner| owner.is_of_another_provider() || owner.status == UserStatusType::ExternalProvider);
    Ok(if has_profile {
        ApiError::invalid_parameter("Merging is not currently supported, provide a SourceUser that has not been merged")
    } else {
        ApiError::new(ErrorKind::AliasExists, "SourceUser is already linked to another user")
    })
}
