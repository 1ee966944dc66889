//! Settings that could do harm if they were taken and not honoured: a second factor that nobody is asked for, a
//! trigger that nobody calls. The service's own rules for them come first where they are known; values that mean "off"
//! are always taken.

use wire::{AdvancedSecurityModeType, DcrConfigurationType, EncryptionKeyType, IssuerType, StatusType};

use super::settings::Settings;
use crate::ApiError;

/// Refuses the first setting that would have no effect.
///
/// # Errors
/// `InvalidParameterException` naming the setting.
pub fn check(settings: &Settings) -> Result<(), ApiError> {
    if let Some(add_ons) = &settings.user_pool_add_ons
        && add_ons.advanced_security_mode == AdvancedSecurityModeType::Off
        && add_ons.advanced_security_additional_flows.as_ref().is_some_and(|flows| flows.custom_auth_mode.is_some())
    {
        // Decision: the service's words are not recorded. Nobody shall believe that these sign-ins are looked at.
        return Err(ApiError::invalid_parameter(
            "AdvancedSecurityAdditionalFlows needs AdvancedSecurityMode AUDIT or ENFORCED.",
        ));
    }
    if let Some(keys) = &settings.key_configuration
        && (keys.key_type == Some(EncryptionKeyType::CustomerManagedKey) || keys.kms_key_arn.is_some())
    {
        return Err(ApiError::not_supported("KeyConfiguration CUSTOMER_MANAGED_KEY"));
    }
    if settings.issuer_configuration.as_ref().is_some_and(|issuer| issuer.r#type == Some(IssuerType::Updated)) {
        return Err(ApiError::not_supported("IssuerConfiguration UPDATED"));
    }
    if settings.dcr_configuration.as_ref().is_some_and(is_used) {
        return Err(ApiError::not_supported("DcrConfiguration"));
    }
    Ok(())
}

/// Whoever gives the configuration and does not say otherwise switches it on (oauth-federation.md §9).
fn is_used(dcr: &DcrConfigurationType) -> bool {
    let DcrConfigurationType {
        enable_status,
        open_dcr_enabled,
        authenticated_grant_types,
        open_dcr_grant_types,
        allowed_scopes,
    } = dcr;
    *enable_status != Some(StatusType::Disabled)
        || *open_dcr_enabled == Some(true)
        || authenticated_grant_types.iter().chain(open_dcr_grant_types).any(|types| !types.is_empty())
        || allowed_scopes.iter().any(|scopes| !scopes.is_empty())
}
