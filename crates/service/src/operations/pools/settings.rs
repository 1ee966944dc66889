//! The settings of a pool that can change: what CreateUserPool and UpdateUserPool share (accounts.md §13.3 to §13.5,
//! §5.5, §15). Whatever a request leaves out takes its default, in an update too.
//!
//! Order: the service's own rules, then what this version does not honour, then the settings are put into the pool.

use std::collections::BTreeMap;

use domain::Pool;
use wire::{
    AccountRecoverySettingType, AcrLevelConfigType, AdminCreateUserConfigType, CreateUserPoolRequest,
    DcrConfigurationType, DeletionProtectionType, DeviceConfigurationType, EmailConfigurationType, ErrorKind,
    IssuerConfigurationType, KeyConfigurationType, LambdaConfigType, RecoveryOptionNameType, RecoveryOptionType,
    SmsConfigurationType, UpdateUserPoolRequest, UserAttributeUpdateSettingsType, UserPoolAddOnsType, UserPoolMfaType,
    UserPoolPolicyType, UserPoolTierType, VerificationMessageTemplateType, VerifiedAttributeType,
};

use super::{email, factors, lambda_config, levels, messages, policies, refused, sms};
use crate::{ApiError, Ctx, operations::tags, tiers};

/// Every setting that both requests can carry.
pub struct Settings {
    pub policies: Option<UserPoolPolicyType>,
    pub deletion_protection: Option<DeletionProtectionType>,
    pub lambda_config: Option<LambdaConfigType>,
    pub auto_verified_attributes: Option<Vec<VerifiedAttributeType>>,
    pub sms_verification_message: Option<String>,
    pub email_verification_message: Option<String>,
    pub email_verification_subject: Option<String>,
    pub verification_message_template: Option<VerificationMessageTemplateType>,
    pub sms_authentication_message: Option<String>,
    pub mfa_configuration: Option<UserPoolMfaType>,
    pub user_attribute_update_settings: Option<UserAttributeUpdateSettingsType>,
    pub device_configuration: Option<DeviceConfigurationType>,
    pub email_configuration: Option<EmailConfigurationType>,
    pub sms_configuration: Option<SmsConfigurationType>,
    pub user_pool_tags: Option<BTreeMap<String, String>>,
    pub admin_create_user_config: Option<AdminCreateUserConfigType>,
    pub user_pool_add_ons: Option<UserPoolAddOnsType>,
    pub dcr_configuration: Option<DcrConfigurationType>,
    pub account_recovery_setting: Option<AccountRecoverySettingType>,
    pub user_pool_tier: Option<UserPoolTierType>,
    pub key_configuration: Option<KeyConfigurationType>,
    pub issuer_configuration: Option<IssuerConfigurationType>,
    pub acr_configuration: Option<BTreeMap<String, AcrLevelConfigType>>,
}

impl From<CreateUserPoolRequest> for Settings {
    /// Leaves out what can only be said at creation.
    fn from(request: CreateUserPoolRequest) -> Self {
        Self {
            policies: request.policies,
            deletion_protection: request.deletion_protection,
            lambda_config: request.lambda_config,
            auto_verified_attributes: request.auto_verified_attributes,
            sms_verification_message: request.sms_verification_message,
            email_verification_message: request.email_verification_message,
            email_verification_subject: request.email_verification_subject,
            verification_message_template: request.verification_message_template,
            sms_authentication_message: request.sms_authentication_message,
            mfa_configuration: request.mfa_configuration,
            user_attribute_update_settings: request.user_attribute_update_settings,
            device_configuration: request.device_configuration,
            email_configuration: request.email_configuration,
            sms_configuration: request.sms_configuration,
            user_pool_tags: request.user_pool_tags,
            admin_create_user_config: request.admin_create_user_config,
            user_pool_add_ons: request.user_pool_add_ons,
            dcr_configuration: request.dcr_configuration,
            account_recovery_setting: request.account_recovery_setting,
            user_pool_tier: request.user_pool_tier,
            key_configuration: request.key_configuration,
            issuer_configuration: request.issuer_configuration,
            acr_configuration: request.acr_configuration,
        }
    }
}

impl From<UpdateUserPoolRequest> for Settings {
    /// Leaves out the pool's id and name.
    fn from(request: UpdateUserPoolRequest) -> Self {
        Self {
            policies: request.policies,
            deletion_protection: request.deletion_protection,
            lambda_config: request.lambda_config,
            auto_verified_attributes: request.auto_verified_attributes,
            sms_verification_message: request.sms_verification_message,
            email_verification_message: request.email_verification_message,
            email_verification_subject: request.email_verification_subject,
            verification_message_template: request.verification_message_template,
            sms_authentication_message: request.sms_authentication_message,
            mfa_configuration: request.mfa_configuration,
            user_attribute_update_settings: request.user_attribute_update_settings,
            device_configuration: request.device_configuration,
            email_configuration: request.email_configuration,
            sms_configuration: request.sms_configuration,
            user_pool_tags: request.user_pool_tags,
            admin_create_user_config: request.admin_create_user_config,
            user_pool_add_ons: request.user_pool_add_ons,
            dcr_configuration: request.dcr_configuration,
            account_recovery_setting: request.account_recovery_setting,
            user_pool_tier: request.user_pool_tier,
            key_configuration: request.key_configuration,
            issuer_configuration: request.issuer_configuration,
            acr_configuration: request.acr_configuration,
        }
    }
}

/// Puts `settings` into `pool`, whose schema, names and id stand already.
///
/// # Errors
/// The service's error for the first rule that is broken, or `InvalidParameterException` for what this version does
/// not honour.
pub fn apply(ctx: &Ctx, pool: &mut Pool, settings: &Settings) -> Result<(), ApiError> {
    let tier = settings.user_pool_tier.unwrap_or(UserPoolTierType::Essentials);
    let policy = policies::password_policy(pool, settings)?;
    let auto_verified = distinct(settings.auto_verified_attributes.as_deref().unwrap_or_default());
    let before_update = verification_before_update(pool, settings, &auto_verified)?;
    let recovery = recovery(settings.account_recovery_setting.as_ref())?;
    let template = messages::verification(settings)?;
    let email = email::configuration(pool.region(), settings.email_configuration.clone())?;
    let sms = sms::configuration(pool.region(), settings.sms_configuration.clone())?;
    if auto_verified.contains(&VerifiedAttributeType::PhoneNumber) && sms.is_none() {
        return Err(ApiError::invalid_parameter(
            "SMS configuration is required when phone_number is selected for auto verification",
        ));
    }
    let triggers = lambda_config::configuration(ctx, settings.lambda_config.as_ref())?;
    let levels = levels::names(settings)?;
    let tags = settings.user_pool_tags.clone().unwrap_or_default();
    if let Some(message) = tags::fault(&tags) {
        return Err(ApiError::new(ErrorKind::UserPoolTagging, message));
    }
    tiers::check(ctx, tier, &policies::tiered_features(settings, &policy))?;
    factors::check_settings(pool, settings)?;
    refused::check(settings)?;

    let admin = settings.admin_create_user_config.clone().unwrap_or_default();
    pool.password_policy = policy;
    pool.deletion_protected = settings.deletion_protection == Some(DeletionProtectionType::Active);
    pool.auto_verified_attributes = auto_verified;
    pool.verification_before_update = before_update;
    pool.recovery = recovery;
    pool.verification_template = template;
    pool.email = email;
    pool.sms = sms;
    pool.admin_create_user_only = admin.allow_admin_create_user_only.unwrap_or(false);
    pool.invite_template = admin.invite_message_template;
    pool.tags = tags;
    pool.tier = tier;
    pool.add_ons = settings.user_pool_add_ons.clone();
    pool.sign_in.triggers = triggers;
    pool.factors.sms_message = settings.sms_authentication_message.clone();
    factors::set_mfa(pool, settings.mfa_configuration.unwrap_or(UserPoolMfaType::Off));
    pool.sign_in.levels = levels;
    pool.sign_in.devices = devices(settings.device_configuration.as_ref());
    pool.sign_in.first_factors = distinct(policies::first_factors(settings).unwrap_or_default());
    factors::check_together(pool)
}

/// Either member, whatever it says, has the pool keep track of devices; the other one is then false.
fn devices(given: Option<&DeviceConfigurationType>) -> Option<DeviceConfigurationType> {
    let given = given.filter(|given| **given != DeviceConfigurationType::default())?;
    Some(DeviceConfigurationType {
        challenge_required_on_new_device: Some(given.challenge_required_on_new_device == Some(true)),
        device_only_remembered_on_user_prompt: Some(given.device_only_remembered_on_user_prompt == Some(true)),
    })
}

/// Each item once, in the order given.
pub fn distinct<T: Copy + PartialEq>(items: &[T]) -> Vec<T> {
    let mut distinct = Vec::with_capacity(items.len());
    for item in items {
        if !distinct.contains(item) {
            distinct.push(*item);
        }
    }
    distinct
}

/// The one setting that an update keeps when it is left out: it takes an empty list to clear it (§13.4).
fn verification_before_update(
    pool: &Pool,
    settings: &Settings,
    auto_verified: &[VerifiedAttributeType],
) -> Result<Vec<VerifiedAttributeType>, ApiError> {
    let given = settings.user_attribute_update_settings.as_ref();
    let wanted = match given.and_then(|given| given.attributes_require_verification_before_update.as_ref()) {
        Some(wanted) => distinct(wanted),
        None => pool.verification_before_update.clone(),
    };
    if wanted.iter().all(|attribute| auto_verified.contains(attribute)) {
        return Ok(wanted);
    }
    // Decision: the service's words are not recorded.
    Err(ApiError::invalid_parameter(
        "Attributes in AttributesRequireVerificationBeforeUpdate must also be in AutoVerifiedAttributes.",
    ))
}

/// §5.5. Absent or empty: the legacy order.
fn recovery(setting: Option<&AccountRecoverySettingType>) -> Result<Option<Vec<RecoveryOptionType>>, ApiError> {
    let Some(options) =
        setting.and_then(|setting| setting.recovery_mechanisms.clone()).filter(|options| !options.is_empty())
    else {
        return Ok(None);
    };
    let repeats = options.iter().enumerate().any(|(index, option)| {
        options
            .iter()
            .skip(index.saturating_add(1))
            .any(|other| other.name == option.name || other.priority == option.priority)
    });
    if repeats {
        return Err(ApiError::invalid_parameter(
            "Account Recovery Setting cannot have duplicate priorities or recovery mechanisms.",
        ));
    }
    if options.len() > 1 && options.iter().any(|option| option.name == RecoveryOptionNameType::AdminOnly) {
        return Err(ApiError::invalid_parameter(
            "Account Recovery Setting cannot use admin_only setting with any other recovery mechanisms.",
        ));
    }
    Ok(Some(options))
}
