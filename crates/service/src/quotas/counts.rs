//! How many things there may be (accounts.md §20.2).

use wire::ErrorKind;

use crate::ApiError;

/// Most of each; 0 means any number. Limits that nobody asks the service to lift belong to the operations: groups, jobs,
/// linked identities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// User pools.
    pub pools: usize,
    /// App clients of a pool.
    pub clients_per_pool: usize,
    /// Identity providers of a pool.
    pub identity_providers_per_pool: usize,
    /// Resource servers of a pool.
    pub resource_servers_per_pool: usize,
}

impl Counts {
    /// No limits.
    #[must_use]
    pub const fn off() -> Self {
        Self { pools: 0, clients_per_pool: 0, identity_providers_per_pool: 0, resource_servers_per_pool: 0 }
    }

    /// The service's, as an account finds them.
    #[must_use]
    pub const fn service() -> Self {
        Self { pools: 1_000, clients_per_pool: 1_000, identity_providers_per_pool: 300, resource_servers_per_pool: 25 }
    }

    /// The most that the service grants to those who ask.
    #[must_use]
    pub const fn generous() -> Self {
        Self {
            pools: 10_000,
            clients_per_pool: 10_000,
            identity_providers_per_pool: 1_000,
            resource_servers_per_pool: 300,
        }
    }
}

/// Whether there is room for one more where there are `existing`. `most` is one of [`Counts`]; whoever counts need not
/// count beyond it. `things` is their name in the plural, such as `user pools`.
///
/// # Errors
/// `LimitExceededException`.
pub fn room(most: usize, existing: usize, things: &str) -> Result<(), ApiError> {
    if most != 0 && existing >= most {
        // Decision: the service's words are not recorded.
        let message = format!("The maximum number of {things} has been reached: {most}.");
        return Err(ApiError::new(ErrorKind::LimitExceeded, message));
    }
    Ok(())
}
