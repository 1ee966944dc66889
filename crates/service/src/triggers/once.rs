//! What a function said, kept over the tries of an operation.

use tokio::sync::OnceCell;

use crate::ApiError;

/// An answer that is asked for once, however often the operation that needs it decides anew.
#[derive(Debug)]
pub struct Once<T>(OnceCell<T>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(OnceCell::new())
    }
}

impl<T> Once<T> {
    /// What was answered before, or what `ask` answers now. A failure ends the operation, so none is kept.
    ///
    /// # Errors
    /// Those of `ask`.
    pub async fn ask<F: Future<Output = Result<T, ApiError>>>(&self, ask: impl FnOnce() -> F) -> Result<&T, ApiError> {
        self.0.get_or_try_init(ask).await
    }

    /// What was answered, if that was asked at all.
    #[must_use]
    pub fn answered(&self) -> Option<&T> {
        self.0.get()
    }
}
