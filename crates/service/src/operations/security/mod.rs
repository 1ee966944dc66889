//! Threat protection: its configuration and its history (triggers-security.md §15).

pub mod admin_list_user_auth_events;
pub mod admin_update_auth_event_feedback;
pub mod describe_risk_configuration;
pub mod set_risk_configuration;
pub mod update_auth_event_feedback;

use domain::{Client, Pool, RiskSettings};
use store::Stored;
use wire::RiskConfigurationType;

use crate::{ApiError, Ctx, lookup, threat};

/// Whom a risk configuration is of: a pool, or the client of it that is named. Threat protection is on.
async fn subject(
    ctx: &Ctx,
    pool_id: &str,
    client_id: Option<&str>,
) -> Result<(Stored<Pool>, Option<Stored<Client>>), ApiError> {
    let (pool, client) = match client_id {
        None => (lookup::current_pool(ctx, pool_id).await?, None),
        Some(client_id) => {
            let (client, pool) = lookup::current_client_of_pool(ctx, pool_id, client_id).await?;
            (pool, Some(client))
        }
    };
    threat::check_enabled(&pool)?;
    Ok((pool, client))
}

/// A risk configuration as it was set.
///
/// Decision: what was not set is left out, as it is where another member was set; neither the defaults nor what a client
/// takes from its pool are shown.
fn risk_configuration(
    pool_id: &str,
    client_id: Option<&str>,
    settings: Option<&RiskSettings>,
) -> RiskConfigurationType {
    RiskConfigurationType {
        user_pool_id: Some(pool_id.to_owned()),
        client_id: client_id.map(str::to_owned),
        last_modified_date: settings.map(|settings| settings.modified_at),
        compromised_credentials_risk_configuration: settings.and_then(|settings| settings.compromised.clone()),
        account_takeover_risk_configuration: settings.and_then(|settings| settings.takeover.clone()),
        risk_exception_configuration: settings.and_then(|settings| settings.exceptions.clone()),
    }
}
