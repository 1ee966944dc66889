//! Password policy, sign-in policy and what in the settings not every tier includes (accounts.md §13.3, §13.5).

use domain::{PasswordPolicy, Pool};
use wire::{
    AdvancedSecurityModeType, AuthFactorType, PreTokenGenerationLambdaVersionType, UserPoolMfaType,
    WebAuthnConfigurationType, WebAuthnFactorConfigurationType,
};

use super::settings::Settings;
use crate::{ApiError, tiers::Feature};

/// The password policy that the request asks for, for this pool as it is.
///
/// # Errors
/// When both forms of the life of temporary passwords are given, and for a sign-in policy that cannot be.
pub fn password_policy(pool: &Pool, settings: &Settings) -> Result<PasswordPolicy, ApiError> {
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
    // Decision: the service's words for this and the next are not recorded (auth-flows.md §4).
    let factors = first_factors(settings).unwrap_or_default();
    if factors.contains(&AuthFactorType::SoftwareToken) {
        return Err(ApiError::invalid_parameter("SOFTWARE_TOKEN cannot be one of the allowed first auth factors."));
    }
    fits_mfa(factors, settings.mfa_configuration, pool.factors.web_authn.as_ref())?;
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

/// Checks that first factors go together with what the pool says about second ones (auth-flows.md §3): a code that was
/// sent is never followed by a second factor, and a passkey stands for two only where the pool says so.
///
/// # Errors
/// `InvalidParameterException`.
pub fn fits_mfa(
    factors: &[AuthFactorType],
    mfa: Option<UserPoolMfaType>,
    passkeys: Option<&WebAuthnConfigurationType>,
) -> Result<(), ApiError> {
    if mfa != Some(UserPoolMfaType::On) {
        return Ok(());
    }
    if factors.iter().any(|factor| matches!(factor, AuthFactorType::EmailOtp | AuthFactorType::SmsOtp)) {
        return Err(ApiError::invalid_parameter(
            "EMAIL_OTP and SMS_OTP cannot be allowed first auth factors when MFA is required.",
        ));
    }
    let stand_for_two = passkeys.and_then(|passkeys| passkeys.factor_configuration)
        == Some(WebAuthnFactorConfigurationType::MultiFactorWithUserVerification);
    if factors.contains(&AuthFactorType::WebAuthn) && !stand_for_two {
        return Err(ApiError::invalid_parameter(
            "WEB_AUTHN can be an allowed first auth factor when MFA is required only if the WebAuthnConfiguration has FactorConfiguration MULTI_FACTOR_WITH_USER_VERIFICATION.",
        ));
    }
    Ok(())
}

/// `AllowedFirstAuthFactors` as given.
pub fn first_factors(settings: &Settings) -> Option<&[AuthFactorType]> {
    settings.policies.as_ref()?.sign_in_policy.as_ref()?.allowed_first_auth_factors.as_deref()
}

/// What the settings use that not every tier includes.
pub fn tiered_features(settings: &Settings, policy: &PasswordPolicy) -> Vec<Feature> {
    let mut used = Vec::new();
    if first_factors(settings).is_some_and(|factors| factors.iter().any(|factor| *factor != AuthFactorType::Password)) {
        used.push(Feature::PasswordlessSignIn);
    }
    let lambda = settings.lambda_config.as_ref().and_then(|lambda| lambda.pre_token_generation_config.as_ref());
    let version = lambda.map_or(PreTokenGenerationLambdaVersionType::V10, |config| config.lambda_version);
    if version != PreTokenGenerationLambdaVersionType::V10 {
        used.push(Feature::TokenCustomization(version));
    }
    if policy.history_size.is_some_and(|size| size > 0) {
        used.push(Feature::PasswordHistory);
    }
    let add_ons = settings.user_pool_add_ons.as_ref();
    if add_ons.is_some_and(|add_ons| add_ons.advanced_security_mode != AdvancedSecurityModeType::Off) {
        used.push(Feature::ThreatProtection);
    }
    if settings.acr_configuration.as_ref().is_some_and(|levels| !levels.is_empty()) {
        used.push(Feature::StepUp);
    }
    used
}
