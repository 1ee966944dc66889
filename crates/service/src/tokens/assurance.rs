//! What tokens say of how their user signed in: the claims `acr` and `amr` (auth-flows.md §16).

use domain::{Pool, assurance};

use super::issue::Grant;
use crate::{
    Ctx,
    tiers::{self, Feature},
};

/// The two claims; both are left out where there is nothing to say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Assurance {
    /// The highest level that the sign-in satisfies, by the name that the pool has for it now.
    pub acr: Option<String>,
    /// What was proven.
    pub amr: Vec<String>,
}

/// What the tokens of this sign-in say.
///
/// Decision: only those of sign-ins by USER_AUTH say anything, and only where the pool's tier includes levels of
/// assurance: that is where levels can be asked for, and the service's tokens without the claims are normal.
pub(super) fn claims(ctx: &Ctx, pool: &Pool, grant: &Grant) -> Assurance {
    if !grant.says_how || !tiers::includes(ctx, pool.tier, Feature::StepUp) {
        return Assurance::default();
    }
    Assurance {
        acr: assurance::level(&grant.factors).max(grant.level).map(|level| pool.acr(level).to_owned()),
        amr: assurance::amr(&grant.factors).into_iter().map(str::to_owned).collect(),
    }
}
