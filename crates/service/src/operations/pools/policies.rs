//! Password policy, sign-in policy and what the tiers allow (accounts.md §13.3, §13.5).

use domain::PasswordPolicy;
use wire::{AuthFactorType, ErrorKind, PreTokenGenerationLambdaVersionType, UserPoolTierType};

use super::settings::Settings;
use crate::ApiError;

/// The password policy that the request asks for.
///
/// # Errors
/// When both forms of the life of temporary passwords are given, and for a sign-in policy without passwords.
pub fn password_policy(settings: &Settings) -> Result<PasswordPolicy, ApiError> {
    let default = PasswordPolicy::default();
    let given = settings.policies.as_ref().and_then(|policies| policies.password_policy.as_ref());
    let old_days = settings.admin_create_user_config.as_ref().and_then(|config| config.unused_account_validity_days);
    let new_days = given.and_then(|given| given.temporary_password_validity_days);
    if old_days.is_some() && new_days.is_some() {
        return Err(ApiError::invalid_parameter(
            "Please use TemporaryPasswordValidityDays in PasswordPolicy instead of UnusedAccountValidityDays",
        ));
    }
    if first_factors(settings).is_some_and(|factors| !factors.contains(&AuthFactorType::Password)) {
        return Err(ApiError::invalid_parameter(
            "Password should be configured as one of the allowed first auth factors.",
        ));
    }
    // 0 days stand for the default.
    let days = new_days.or(old_days).filter(|days| *days > 0).unwrap_or(default.temporary_password_validity_days);
    Ok(match given {
        None => PasswordPolicy { temporary_password_validity_days: days, ..default },
        // Decision: a demand that a given policy leaves out is not made (unconfirmed).
        Some(given) => PasswordPolicy {
            minimum_length: given.minimum_length.unwrap_or(default.minimum_length),
            require_uppercase: given.require_uppercase.unwrap_or(false),
            require_lowercase: given.require_lowercase.unwrap_or(false),
            require_numbers: given.require_numbers.unwrap_or(false),
            require_symbols: given.require_symbols.unwrap_or(false),
            history_size: given.password_history_size,
            temporary_password_validity_days: days,
        },
    })
}

/// `AllowedFirstAuthFactors` as given.
pub fn first_factors(settings: &Settings) -> Option<&[AuthFactorType]> {
    settings.policies.as_ref()?.sign_in_policy.as_ref()?.allowed_first_auth_factors.as_deref()
}

/// Whether anything but passwords can begin a sign-in.
pub fn has_other_factors(settings: &Settings) -> bool {
    first_factors(settings).is_some_and(|factors| factors.iter().any(|factor| *factor != AuthFactorType::Password))
}

/// Refuses what the LITE tier does not have.
///
/// # Errors
/// `FeatureUnavailableInTierException` naming the features.
pub fn check_tier(tier: UserPoolTierType, settings: &Settings, policy: &PasswordPolicy) -> Result<(), ApiError> {
    if tier != UserPoolTierType::Lite {
        return Ok(());
    }
    let version = settings
        .lambda_config
        .as_ref()
        .and_then(|lambda| lambda.pre_token_generation_config.as_ref())
        .map_or(PreTokenGenerationLambdaVersionType::V10, |config| config.lambda_version);
    let feature = if has_other_factors(settings) {
        "Passwordless Sign-In".to_owned()
    } else if version != PreTokenGenerationLambdaVersionType::V10 {
        format!("Token Customization with Pre-Token Generation Lambda {}", version.as_str())
    } else if policy.history_size.is_some_and(|size| size > 0) {
        // Decision: the name of this feature is not recorded.
        "Password History".to_owned()
    } else {
        return Ok(());
    };
    Err(not_in_lite(&feature))
}

/// `FeatureUnavailableInTierException` for a pool of the LITE tier.
pub fn not_in_lite(feature: &str) -> ApiError {
    ApiError::new(
        ErrorKind::FeatureUnavailableInTier,
        format!("The following features need to be disabled for the LITE pricing tier configured: {feature}"),
    )
}
