//! Passwords that are known to be stolen (triggers-security.md §15.2): a short list of those that everybody tries, which
//! is always there, and the operator's ([`super::StolenPasswords`]).

use std::{collections::HashSet, sync::LazyLock};

use domain::{Client, Pool, RiskRules, auth_event::EventRisk};
use wire::{ErrorKind, EventFilterType, RiskDecisionType};

use super::Mode;
use crate::{ApiError, Ctx, metrics::RiskKind};

/// Passwords that everybody tries, as they are typed.
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// Whether a password is known to be stolen, where that is looked for on this occasion.
///
/// Decision: while the operator's list cannot be read, the log says so and its passwords are taken. Nobody is kept from
/// signing in by a disk.
///
/// # Errors
/// `InternalErrorException` when the server is ending.
pub async fn is_known(
    ctx: &Ctx,
    pool: &Pool,
    client: &Client,
    occasion: EventFilterType,
    password: &str,
) -> Result<bool, ApiError> {
    if !RiskRules::of(pool, client).looks_for_compromised(occasion) {
        return Ok(false);
    }
    if COMMON.contains(password) {
        return Ok(true);
    }
    let stolen = ctx.app.settings.stolen_passwords.clone();
    if !stolen.is_there() {
        return Ok(false);
    }
    let hash = crypto::hash::sha1_hex(password.as_bytes());
    let looked_up = tokio::task::spawn_blocking(move || stolen.contains(&hash)).await.map_err(ApiError::internal)?;
    Ok(looked_up.unwrap_or_else(|error| {
        tracing::error!(%error, "the list of stolen passwords cannot be read; a password was taken without it");
        false
    }))
}

/// Looks at a password that is being chosen. Whether it is one that others are known to have stolen is answered.
///
/// # Errors
/// Those of [`judge_chosen`] and of [`refuse`].
pub async fn check_chosen(
    ctx: &Ctx,
    whose: (&Pool, &Client),
    mode: Mode,
    occasion: EventFilterType,
    password: &str,
) -> Result<bool, ApiError> {
    let risk = judge_chosen(ctx, whose, mode, occasion, password).await?;
    refuse(&risk)?;
    Ok(risk.is_compromised)
}

/// What an event is told of a password that is being chosen.
///
/// # Errors
/// Those of [`is_known`].
pub async fn judge_chosen(
    ctx: &Ctx,
    (pool, client): (&Pool, &Client),
    mode: Mode,
    occasion: EventFilterType,
    password: &str,
) -> Result<EventRisk, ApiError> {
    if mode == Mode::Off {
        return Ok(EventRisk::NONE);
    }
    let is_compromised = is_known(ctx, pool, client, occasion, password).await?;
    if is_compromised {
        ctx.app.metrics.count_risk(occasion, RiskKind::CompromisedCredentials, None);
    }
    let is_refused =
        is_compromised && mode == Mode::Enforced && RiskRules::of(pool, client).blocks_compromised(occasion);
    let decision = if is_refused { RiskDecisionType::Block } else { RiskDecisionType::NoRisk };
    Ok(EventRisk { decision, level: None, is_compromised })
}

/// Refuses a password that is to be refused.
///
/// # Errors
/// `InvalidPasswordException`.
pub fn refuse(risk: &EventRisk) -> Result<(), ApiError> {
    if risk.decision != RiskDecisionType::Block {
        return Ok(());
    }
    Err(ApiError::new(ErrorKind::InvalidPassword, "Provided password cannot be used for security reasons."))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::COMMON;

    #[test]
    fn the_passwords_that_everybody_tries() {
        let lines: Vec<&str> = include_str!("common_passwords.txt").lines().collect();
        assert_eq!(lines, BTreeSet::from_iter(lines.clone()).into_iter().collect::<Vec<_>>(), "sorted, each once");
        assert!(lines.iter().all(|line| !line.contains(char::is_whitespace) && line.chars().count() >= 6));
        for (password, expected) in [("Password1!", true), ("password1!", false), ("correct horse battery", false)] {
            assert_eq!(COMMON.contains(password), expected, "{password}");
        }
    }
}
