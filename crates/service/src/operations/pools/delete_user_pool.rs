//! DeleteUserPool (accounts.md §13.5): the pool and all that is in it are gone at once for every reader; the rows are
//! cleared away afterwards.

use store::{Changes, Key};
use wire::DeleteUserPoolRequest;

use crate::{ApiError, Ctx, import, lookup, retry};

/// Deletes a pool.
///
/// # Errors
/// `ResourceNotFoundException`; `UserImportInProgressException`; `InvalidParameterException` while the pool is protected, or has a domain.
pub async fn run(ctx: &Ctx, input: DeleteUserPoolRequest) -> Result<(), ApiError> {
    retry::on_conflict(ctx, async || {
        let pool = lookup::current_pool(ctx, &input.user_pool_id).await?;
        import::refuse_during_import(ctx, &pool).await?;
        if pool.deletion_protected {
            return Err(ApiError::invalid_parameter(
                "The user pool cannot be deleted because deletion protection is activated. Deletion protection must be inactivated first.",
            ));
        }
        // Whoever gives it one at the same time changes the pool too, so that one of the two meets a conflict.
        if !ctx.app.store.domains(&pool.id).await?.is_empty() {
            return Err(ApiError::invalid_parameter(
                "User pool cannot be deleted. It has a domain configured that should be deleted first.",
            ));
        }
        let mut changes = Changes::new();
        changes.delete(Key::Pool { id: pool.id.clone() }, pool.version);
        ctx.app.commit(changes).await?;
        Ok(())
    })
    .await
}
