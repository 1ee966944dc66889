//! SetRiskConfiguration (triggers-security.md §15.1): replaces what is done about risks in a pool, or at one of its
//! clients. A request that sets nothing takes everything back: the defaults count in the pool, the pool's settings at the
//! client. What counts where only some of it is set stands in `domain::risk_settings`.
//!
//! Order: the pool, the client, whether threat protection is on, addresses, mails, actions.

use domain::{Network, Pool, RiskSettings, risk_settings::OCCASIONS};
use store::{Changes, Key};
use wire::{
    AccountTakeoverEventActionType, AccountTakeoverRiskConfigurationType, CompromisedCredentialsRiskConfigurationType,
    NotifyConfigurationType, RiskExceptionConfigurationType, SetRiskConfigurationRequest, SetRiskConfigurationResponse,
    UserPoolMfaType,
};

use super::{risk_configuration, subject};
use crate::{ApiError, Ctx, operations::pools::email, retry};

/// Replaces the settings of a pool or a client.
///
/// # Errors
/// `ResourceNotFoundException`, `UserPoolAddOnNotEnabledException`, `InvalidParameterException`.
pub async fn run(ctx: &Ctx, input: SetRiskConfigurationRequest) -> Result<SetRiskConfigurationResponse, ApiError> {
    let client_id = input.client_id.as_deref();
    let settings = settings(ctx, &input);
    retry::on_conflict(ctx, async || {
        // Load.
        let (pool, client) = subject(ctx, &input.user_pool_id, client_id).await?;

        // Decide.
        check(&pool, &input)?;
        let risk_configuration = risk_configuration(&pool.id, client_id, settings.as_ref());

        // Commit, for a client unless the pool changes meanwhile.
        let mut changes = Changes::new();
        if let Some(before) = client {
            let mut after = before.value.clone();
            after.risk = settings.clone();
            after.modified_at = ctx.now;
            changes.assert(Key::Pool { id: pool.id.clone() }, pool.version);
            changes.replace(&before, after);
        } else {
            let mut after = pool.value.clone();
            after.risk = settings.clone();
            after.modified_at = ctx.now;
            changes.replace(&pool, after);
        }
        ctx.app.commit(changes).await?;
        Ok(SetRiskConfigurationResponse { risk_configuration })
    })
    .await
}

/// What the request sets; none where it sets nothing.
fn settings(ctx: &Ctx, input: &SetRiskConfigurationRequest) -> Option<RiskSettings> {
    let compromised = input.compromised_credentials_risk_configuration.as_ref().map(with_occasions);
    let takeover = input.account_takeover_risk_configuration.clone();
    let exceptions = input.risk_exception_configuration.clone();
    let is_set = compromised.is_some() || takeover.is_some() || exceptions.is_some();
    is_set.then_some(RiskSettings { compromised, takeover, exceptions, modified_at: ctx.now })
}

/// Each occasion once; all of them where none is named.
fn with_occasions(given: &CompromisedCredentialsRiskConfigurationType) -> CompromisedCredentialsRiskConfigurationType {
    let named = given.event_filter.as_deref().unwrap_or_default();
    let chosen = OCCASIONS.into_iter().filter(|occasion| named.is_empty() || named.contains(occasion));
    CompromisedCredentialsRiskConfigurationType { event_filter: Some(chosen.collect()), ..given.clone() }
}

/// Decision: the service's words for all of these are not recorded.
fn check(pool: &Pool, input: &SetRiskConfigurationRequest) -> Result<(), ApiError> {
    if let Some(exceptions) = &input.risk_exception_configuration {
        check_ranges(exceptions)?;
    }
    let Some(takeover) = &input.account_takeover_risk_configuration else { return Ok(()) };
    if let Some(notify) = &takeover.notify_configuration {
        check_mails(pool, notify)?;
    }
    check_actions(pool, takeover)
}

/// Decision: an address alone, without its prefix, is refused, as the reference speaks of CIDR notation only.
fn check_ranges(exceptions: &RiskExceptionConfigurationType) -> Result<(), ApiError> {
    let RiskExceptionConfigurationType { blocked_ip_range_list, skipped_ip_range_list } = exceptions;
    let is_range = |text: &str| text.contains('/') && text.parse::<Network>().is_ok();
    for (list, ranges) in [("BlockedIPRangeList", blocked_ip_range_list), ("SkippedIPRangeList", skipped_ip_range_list)]
    {
        if let Some(at) = ranges.iter().flatten().position(|range| !is_range(range)) {
            return Err(ApiError::invalid_parameter(format!(
                "Entry {} of {list} is not a range of addresses in CIDR notation, such as 192.0.2.0/24 or 2001:db8::/32.",
                at.saturating_add(1)
            )));
        }
    }
    Ok(())
}

fn check_mails(pool: &Pool, notify: &NotifyConfigurationType) -> Result<(), ApiError> {
    let Some(identity) = email::identity(pool.region(), &notify.source_arn)? else {
        return Err(ApiError::invalid_parameter(
            "SourceArn of NotifyConfiguration must be the ARN of an SES identity.",
        ));
    };
    email::check_addresses(Some(identity), notify.from.as_deref(), notify.reply_to.as_deref())?;
    let mails = [
        ("BlockEmail", &notify.block_email),
        ("NoActionEmail", &notify.no_action_email),
        ("MfaEmail", &notify.mfa_email),
    ];
    for (name, mail) in mails {
        if mail.as_ref().is_some_and(|mail| mail.html_body.is_none() && mail.text_body.is_none()) {
            return Err(ApiError::invalid_parameter(format!("{name} needs an HtmlBody or a TextBody.")));
        }
    }
    Ok(())
}

/// What could have no effect is refused. A level that is let through although a lower one is not is taken: only the
/// service's console refuses that.
fn check_actions(pool: &Pool, takeover: &AccountTakeoverRiskConfigurationType) -> Result<(), ApiError> {
    let actions = &takeover.actions;
    for action in [&actions.low_action, &actions.medium_action, &actions.high_action].into_iter().flatten() {
        if action.notify && takeover.notify_configuration.is_none() {
            return Err(ApiError::invalid_parameter("An action with Notify needs a NotifyConfiguration."));
        }
        let is_mfa = match action.event_action {
            AccountTakeoverEventActionType::MfaIfConfigured | AccountTakeoverEventActionType::MfaRequired => true,
            AccountTakeoverEventActionType::Block | AccountTakeoverEventActionType::NoAction => false,
        };
        if is_mfa && pool.mfa() == UserPoolMfaType::Off {
            return Err(ApiError::invalid_parameter(format!(
                "{} needs MfaConfiguration OPTIONAL or ON in the user pool.",
                action.event_action.as_str()
            )));
        }
    }
    Ok(())
}
