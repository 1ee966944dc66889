//! A pool as answers show it (accounts.md §13.2).

use domain::{Domain, Pool};
use store::Stored;
use wire::{
    AccountRecoverySettingType, AdminCreateUserConfigType, DeletionProtectionType, PasswordPolicyType,
    SignInPolicyType, UserAttributeUpdateSettingsType, UserPoolPolicyType, UserPoolType, UsernameConfigurationType,
};

use crate::Ctx;

/// The whole pool with its domains; `users` is the estimated number of its users. What was never set is left out, as the service
/// does.
pub fn user_pool(ctx: &Ctx, pool: &Pool, users: i64, domains: &[Stored<Domain>]) -> UserPoolType {
    let domain =
        |is_custom| domains.iter().find(|domain| domain.is_custom() == is_custom).map(|domain| domain.domain.clone());
    let policy = &pool.password_policy;
    let template = &pool.verification_template;
    UserPoolType {
        id: Some(pool.id.clone()),
        name: Some(pool.name.clone()),
        policies: Some(UserPoolPolicyType {
            password_policy: Some(PasswordPolicyType {
                minimum_length: Some(policy.minimum_length),
                require_uppercase: Some(policy.require_uppercase),
                require_lowercase: Some(policy.require_lowercase),
                require_numbers: Some(policy.require_numbers),
                require_symbols: Some(policy.require_symbols),
                password_history_size: policy.history_size,
                temporary_password_validity_days: Some(policy.temporary_password_validity_days),
            }),
            sign_in_policy: Some(SignInPolicyType { allowed_first_auth_factors: Some(pool.first_factors()) }),
        }),
        deletion_protection: Some(if pool.deletion_protected {
            DeletionProtectionType::Active
        } else {
            DeletionProtectionType::Inactive
        }),
        lambda_config: Some(pool.sign_in.triggers.clone().unwrap_or_default()),
        status: None,
        last_modified_date: Some(pool.modified_at),
        creation_date: Some(pool.created_at),
        schema_attributes: Some(pool.schema.clone()),
        auto_verified_attributes: listed(&pool.auto_verified_attributes),
        alias_attributes: listed(&pool.alias_attributes),
        username_attributes: listed(&pool.username_attributes),
        sms_verification_message: template.sms_message.clone(),
        email_verification_message: template.email_message.clone(),
        email_verification_subject: template.email_subject.clone(),
        verification_message_template: Some(template.clone()),
        sms_authentication_message: pool.factors.sms_message.clone(),
        user_attribute_update_settings: (!pool.auto_verified_attributes.is_empty()).then(|| {
            UserAttributeUpdateSettingsType {
                attributes_require_verification_before_update: Some(pool.verification_before_update.clone()),
            }
        }),
        mfa_configuration: Some(pool.mfa()),
        device_configuration: pool.sign_in.devices.clone(),
        estimated_number_of_users: Some(users),
        email_configuration: Some(pool.email.clone()),
        sms_configuration: pool.sms.clone(),
        user_pool_tags: (!pool.tags.is_empty()).then(|| pool.tags.clone()),
        sms_configuration_failure: None,
        email_configuration_failure: None,
        domain: domain(false),
        custom_domain: domain(true),
        admin_create_user_config: Some(AdminCreateUserConfigType {
            allow_admin_create_user_only: Some(pool.admin_create_user_only),
            unused_account_validity_days: Some(policy.temporary_password_validity_days),
            invite_message_template: pool.invite_template.clone(),
        }),
        user_pool_add_ons: pool.add_ons.clone(),
        dcr_configuration: None,
        username_configuration: pool.case_sensitive.map(|case_sensitive| UsernameConfigurationType { case_sensitive }),
        arn: Some(ctx.pool_arn(pool)),
        account_recovery_setting: pool
            .recovery
            .clone()
            .map(|options| AccountRecoverySettingType { recovery_mechanisms: Some(options) }),
        user_pool_tier: Some(pool.tier),
        key_configuration: None,
        issuer_configuration: None,
        acr_configuration: pool.acr_configuration(),
    }
}

fn listed<T: Clone>(items: &[T]) -> Option<Vec<T>> {
    (!items.is_empty()).then(|| items.to_vec())
}
