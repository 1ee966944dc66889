//! Threat protection (triggers-security.md §14 to §16): what is remembered of users' activity, how risky it is, and what
//! is done about that.
//!
//! - [`context`]: from where somebody acts;
//! - [`history`]: what is remembered of it;
//! - [`activity`]: the part of that in operations that are no sign-ins;
//! - [`compromised`]: passwords that are known to be stolen;
//! - [`notice`]: mails that tell users of risky sign-ins;
//! - [`feedback`]: what users say about them.
//!
//! How great a risk is, and what is done about it, is pure: `domain::risk` and `domain::risk_settings`. Where a pool has
//! it OFF, nothing of this is read, written or asked.

pub mod activity;
pub mod compromised;
pub mod context;
pub mod feedback;
pub mod history;
pub mod notice;
mod stolen_list;

use domain::{Client, Pool, RiskRules, auth_event::EventContext};
use wire::{AdvancedSecurityEnabledModeType, AdvancedSecurityModeType, AuthFlowType, ErrorKind};

pub use self::stolen_list::StolenPasswords;
use crate::ApiError;

/// Whether risks are looked at, and acted upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is looked at.
    Off,
    /// Everything is remembered, and nothing done about it.
    Audit,
    /// What the risk configuration says is done.
    Enforced,
}

/// The mode of a pool.
#[must_use]
pub fn mode(pool: &Pool) -> Mode {
    match pool.add_ons.as_ref().map(|add_ons| add_ons.advanced_security_mode) {
        None | Some(AdvancedSecurityModeType::Off) => Mode::Off,
        Some(AdvancedSecurityModeType::Audit) => Mode::Audit,
        Some(AdvancedSecurityModeType::Enforced) => Mode::Enforced,
    }
}

/// Refuses an operation on risks or the history of a pool that does not look at them.
///
/// # Errors
/// `UserPoolAddOnNotEnabledException`.
pub(crate) fn check_enabled(pool: &Pool) -> Result<(), ApiError> {
    if mode(pool) != Mode::Off {
        return Ok(());
    }
    // Decision: the service's words are not recorded.
    let message =
        "Threat protection is not enabled for this user pool. Enable it with AdvancedSecurityMode in UserPoolAddOns.";
    Err(ApiError::new(ErrorKind::UserPoolAddOnNotEnabled, message))
}

/// Refuses whatever comes from an address that the risk configuration blocks, where that is acted upon.
///
/// # Errors
/// `NotAuthorizedException`.
pub fn check_address(pool: &Pool, client: &Client, mode: Mode, context: &EventContext) -> Result<(), ApiError> {
    if mode == Mode::Enforced && RiskRules::of(pool, client).is_blocked(context.address) {
        return Err(ApiError::not_authorized("Request not allowed due to security reasons."));
    }
    Ok(())
}

/// The mode for sign-ins of a flow: CUSTOM_AUTH has one of its own, and is left alone where that was not set.
#[must_use]
pub fn mode_of_flow(pool: &Pool, flow: AuthFlowType) -> Mode {
    let mode = mode(pool);
    if flow != AuthFlowType::CustomAuth || mode == Mode::Off {
        return mode;
    }
    let flows = pool.add_ons.as_ref().and_then(|add_ons| add_ons.advanced_security_additional_flows.as_ref());
    match flows.and_then(|flows| flows.custom_auth_mode) {
        None => Mode::Off,
        Some(AdvancedSecurityEnabledModeType::Audit) => Mode::Audit,
        Some(AdvancedSecurityEnabledModeType::Enforced) => Mode::Enforced,
    }
}
