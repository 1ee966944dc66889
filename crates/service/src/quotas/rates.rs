//! How many requests are taken in a second.

use super::Category;

/// What the generous rates are of the service's.
const GENEROUS: u32 = 10;

/// Requests per second, in one process. 0 means any number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    categories: [u32; Category::ALL.len()],
    /// Of one operation on one pool, where the category counts by pool ([`Category::counts_by_pool`]).
    pub per_pool: u32,
    /// Of one user, in operations that read.
    pub user_reads: u32,
    /// Of one user, in operations that write.
    pub user_writes: u32,
    /// Of one client address, in operations that write rows for anybody. What an address saves up in a minute it may
    /// use at once.
    pub per_address: u32,
    /// Of one client address to one domain of a pool.
    pub per_domain_and_address: u32,
    /// Of one client to the domains of its pool.
    pub per_domain_and_client: u32,
    /// To one domain.
    pub per_domain: u32,
}

impl Rates {
    /// No limits.
    #[must_use]
    pub const fn off() -> Self {
        Self {
            categories: [0; Category::ALL.len()],
            per_pool: 0,
            user_reads: 0,
            user_writes: 0,
            per_address: 0,
            per_domain_and_address: 0,
            per_domain_and_client: 0,
            per_domain: 0,
        }
    }

    /// The service's own (accounts.md §20.1).
    #[must_use]
    pub const fn service() -> Self {
        Self::times(1)
    }

    /// Ten times the service's; for each address twenty a second, and at a domain as many as the service takes. An
    /// account has to share the service with others, an installation is alone on its machine; still, a script gone wild
    /// should not take all of it. Twenty sign-ins a second are 1.7 million a day from one address, and a flood of
    /// unknown names from there leaves 72,000 rows an hour behind, which the sweeper clears away.
    #[must_use]
    pub const fn generous() -> Self {
        Self::times(GENEROUS)
    }

    #[expect(clippy::indexing_slicing, reason = "categories are numbered from 0")]
    const fn times(factor: u32) -> Self {
        let mut rates = Self {
            per_pool: 5 * factor,
            user_reads: 10 * factor,
            user_writes: 10 * factor,
            per_address: 20,
            per_domain_and_address: 300,
            per_domain_and_client: 300 * factor,
            per_domain: 500 * factor,
            ..Self::off()
        };
        let mut number = 0;
        while number < Category::ALL.len() {
            let category = Category::ALL[number];
            rates.categories[category as usize] = category.service_rate() * factor;
            number += 1;
        }
        rates
    }

    /// What a category may take in a second; 0 means any number.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "there is a rate for each category")]
    pub const fn of(&self, category: Category) -> u32 {
        self.categories[category as usize]
    }

    /// Changes what a category may take in a second.
    #[expect(clippy::indexing_slicing, reason = "there is a rate for each category")]
    pub const fn set(&mut self, category: Category, rate: u32) {
        self.categories[category as usize] = rate;
    }
}
