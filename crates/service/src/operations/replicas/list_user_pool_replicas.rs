//! ListUserPoolReplicas (oauth-federation.md §21): the primary, which is all there is.

use wire::{
    ListUserPoolReplicasRequest, ListUserPoolReplicasResponse, ReplicaRoleType, ReplicaStatusType, UserPoolReplicaType,
};

use crate::{ApiError, Ctx, lookup, paging};

/// Shows where a pool is.
///
/// # Errors
/// `ResourceNotFoundException`; `InvalidParameterException` for a token, since none is ever given.
pub async fn run(ctx: &Ctx, input: ListUserPoolReplicasRequest) -> Result<ListUserPoolReplicasResponse, ApiError> {
    let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
    paging::read(ctx, &format!("ListUserPoolReplicas\n{}", pool.id), input.next_token.as_deref())?;
    let primary = UserPoolReplicaType {
        region_name: Some(pool.region().to_owned()),
        status: Some(ReplicaStatusType::Active),
        role: Some(ReplicaRoleType::Primary),
        user_pool_arn: Some(ctx.pool_arn(&pool)),
    };
    Ok(ListUserPoolReplicasResponse { user_pool_replicas: Some(vec![primary]), next_token: None })
}
