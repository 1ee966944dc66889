//! What was read about a user's means before something was spent, handed over to the step that comes next, so that each
//! row is read once.
//!
//! Whatever is changed on the strength of it is committed against the versions that were read, and whoever meets a
//! conflict reads anew. What only decides which challenge comes next is looked at again when that one is answered.

use std::sync::atomic::{AtomicBool, Ordering};

use domain::{AttemptPurpose, Attempts, Device, SoftwareToken};
use store::Stored;
use tokio::sync::OnceCell;

use super::{Request, code::Counts, second_factor};
use crate::{ApiError, Ctx};

/// Rows that were read, as far as they were needed. It is one request's and one user's, and goes no further than the
/// commit that it leads to.
#[derive(Default)]
pub(super) struct Seen {
    /// The device that the client has named.
    pub(super) device: OnceCell<Option<Stored<Device>>>,
    /// How many codes were sent lately.
    pub(super) counts: OnceCell<Counts>,
    token: OnceCell<Option<Stored<SoftwareToken>>>,
    wrong_factors: OnceCell<Option<Stored<Attempts>>>,
}

impl Seen {
    /// For the tries of one commit: this at the first of them, and nothing at those after a conflict, when what was read
    /// before is out of date.
    pub(super) fn for_first_try<'a>(&'a self) -> impl Fn() -> Option<&'a Self> {
        let is_first = AtomicBool::new(true);
        move || is_first.swap(false, Ordering::Relaxed).then_some(self)
    }

    /// The verified software token of the user `sub`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) async fn token(
        &self,
        ctx: &Ctx,
        request: &Request,
        sub: &str,
    ) -> Result<Option<&Stored<SoftwareToken>>, ApiError> {
        let read = || second_factor::token(ctx, request, sub);
        Ok(self.token.get_or_try_init(read).await?.as_ref())
    }

    /// The count of wrong second factors of the user `sub`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) async fn wrong_factors(
        &self,
        ctx: &Ctx,
        request: &Request,
        sub: &str,
    ) -> Result<Option<&Stored<Attempts>>, ApiError> {
        let read = || ctx.app.store.attempts(&request.pool.id, sub, AttemptPurpose::SecondFactor);
        Ok(self.wrong_factors.get_or_try_init(read).await?.as_ref())
    }

    /// The count of wrong second factors is known already.
    pub(super) fn with_wrong_factors(attempts: Option<Stored<Attempts>>) -> Self {
        Self { wrong_factors: OnceCell::new_with(Some(attempts)), ..Self::default() }
    }
}
