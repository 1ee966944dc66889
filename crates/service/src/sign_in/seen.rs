//! What was read about a user's means before something was spent, handed over to the step that comes next, so that each
//! row is read once.
//!
//! Whatever is changed on the strength of it is committed against the versions that were read, and whoever meets a
//! conflict reads anew. What only decides which challenge comes next is looked at again when that one is answered.

use std::sync::atomic::{AtomicBool, Ordering};

use domain::Device;
use store::{FactorSnapshot, Stored};
use tokio::sync::OnceCell;

use super::{Request, code::Counts};
use crate::{ApiError, Ctx};

/// Rows that were read, as far as they were needed. It is one request's and one user's, and goes no further than the
/// commit that it leads to.
#[derive(Default)]
pub(super) struct Seen {
    /// The device that the client has named.
    pub(super) device: OnceCell<Option<Stored<Device>>>,
    /// How many codes were sent lately.
    pub(super) counts: OnceCell<Counts>,
    factors: OnceCell<FactorSnapshot>,
}

impl Seen {
    /// For the tries of one commit: this at the first of them, and nothing at those after a conflict, when what was read
    /// before is out of date.
    pub(super) fn for_first_try<'a>(&'a self) -> impl Fn() -> Option<&'a Self> {
        let is_first = AtomicBool::new(true);
        move || is_first.swap(false, Ordering::Relaxed).then_some(self)
    }

    /// What decides about the second factor of the user `sub`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) async fn factors(&self, ctx: &Ctx, request: &Request, sub: &str) -> Result<&FactorSnapshot, ApiError> {
        let read = || ctx.app.store.factor_snapshot(&request.pool.id, sub);
        Ok(self.factors.get_or_try_init(read).await?)
    }

    /// What decides about the second factor is known already.
    pub(super) fn with_factors(factors: FactorSnapshot) -> Box<Self> {
        Box::new(Self { factors: OnceCell::new_with(Some(factors)), ..Self::default() })
    }
}
