//! SetLogDeliveryConfiguration (triggers-security.md §18): replaces where the logs of a pool go; an empty list clears it.
//!
//! Order: the pool, the form of each entry in the order given, then what the pool's plan includes.

use domain::Pool;
use store::Changes;
use wire::{
    AdvancedSecurityModeType, ErrorKind, EventSourceName, LogConfigurationType, LogDeliveryConfigurationType, LogLevel,
    SetLogDeliveryConfigurationRequest, SetLogDeliveryConfigurationResponse,
};

use super::destinations;
use crate::{
    ApiError, Ctx, lookup, retry,
    tiers::{self, Feature},
};

/// The services whose ARNs the three kinds of destinations have, and what the kinds are called.
const SERVICES: [(&str, &str); 3] =
    [("logs", "CloudWatchLogsConfiguration"), ("firehose", "FirehoseConfiguration"), ("s3", "S3Configuration")];

/// Replaces where the logs of a pool go. An ARN that nothing here stands for is taken as the service takes it; the
/// operator is warned.
///
/// # Errors
/// `ResourceNotFoundException`, `InvalidParameterException`, `FeatureUnavailableInTierException`.
pub async fn run(
    ctx: &Ctx,
    input: SetLogDeliveryConfigurationRequest,
) -> Result<SetLogDeliveryConfigurationResponse, ApiError> {
    let logs = input.log_configurations;
    retry::on_conflict(ctx, async || {
        // Load.
        let before = lookup::current_pool(ctx, &input.user_pool_id).await?;

        // Decide.
        check(&logs)?;
        if logs.iter().any(|log| log.event_source == EventSourceName::UserAuthEvents) {
            check_plan(ctx, &before)?;
        }
        let mut after = before.value.clone();
        after.log_delivery = logs.clone();
        after.modified_at = ctx.now;

        // Commit.
        let mut changes = Changes::new();
        changes.replace(&before, after);
        ctx.app.commit(changes).await?;
        Ok(())
    })
    .await?;
    warn_of_unknown(ctx, &input.user_pool_id, &logs);
    let configuration = LogDeliveryConfigurationType { user_pool_id: input.user_pool_id, log_configurations: logs };
    Ok(SetLogDeliveryConfigurationResponse { log_delivery_configuration: Some(configuration) })
}

/// Decision: the service's words for all of these are not recorded.
fn check(logs: &[LogConfigurationType]) -> Result<(), ApiError> {
    for (at, log) in logs.iter().enumerate() {
        let source = log.event_source;
        let name = source.as_str();
        if logs.iter().take(at).any(|earlier| earlier.event_source == source) {
            return Err(ApiError::invalid_parameter(format!("LogConfigurations has more than one entry for {name}.")));
        }
        let level = match source {
            EventSourceName::UserNotification => LogLevel::Error,
            EventSourceName::UserAuthEvents => LogLevel::Info,
        };
        if log.log_level != level {
            let level = level.as_str();
            return Err(ApiError::invalid_parameter(format!("The log level of {name} must be {level}.")));
        }
        check_destination(log)?;
    }
    Ok(())
}

fn check_destination(log: &LogConfigurationType) -> Result<(), ApiError> {
    let name = log.event_source.as_str();
    let given = destinations(log);
    let mut named = SERVICES.into_iter().zip(given).filter_map(|(kind, arn)| Some((kind, arn?)));
    let (Some(((service, kind), arn)), None) = (named.next(), named.next()) else {
        return Err(ApiError::invalid_parameter(format!("The entry for {name} must have exactly one destination.")));
    };
    let [(_, cloud_watch), ..] = SERVICES;
    if log.event_source == EventSourceName::UserNotification && kind != cloud_watch {
        return Err(ApiError::invalid_parameter(format!(
            "Logs of {name} can go to {cloud_watch} only, not to {kind}."
        )));
    }
    let is_of_service = arn.is_some_and(|arn| arn.split(':').nth(2) == Some(service));
    if !is_of_service {
        return Err(ApiError::invalid_parameter(format!(
            "{kind} needs the ARN of a destination of the service {service}."
        )));
    }
    Ok(())
}

/// Activity is logged by threat protection, which is a part of one plan and must be switched on.
fn check_plan(ctx: &Ctx, pool: &Pool) -> Result<(), ApiError> {
    tiers::check(ctx, pool.tier, &[Feature::ThreatProtection])?;
    let mode = pool.add_ons.as_ref().map_or(AdvancedSecurityModeType::Off, |add_ons| add_ons.advanced_security_mode);
    if mode == AdvancedSecurityModeType::Off {
        // Decision: the service's words are not recorded.
        let message = "Logs of userAuthEvents need threat protection, which is OFF in this user pool.";
        return Err(ApiError::new(ErrorKind::FeatureUnavailableInTier, message));
    }
    Ok(())
}

/// Tells the operator of destinations that nothing here stands for: what would go there is dropped.
fn warn_of_unknown(ctx: &Ctx, pool_id: &str, logs: &[LogConfigurationType]) {
    for arn in logs.iter().flat_map(destinations).flatten().flatten() {
        if !ctx.app.records.knows(arn) {
            tracing::warn!(
                pool = pool_id,
                destination = arn,
                "no [[log_destinations]] stands for this ARN: what the pool logs there is dropped"
            );
        }
    }
}
