//! User pools (accounts.md §13): who may sign up, how users are named, what is demanded of passwords, how accounts
//! are recovered and what messages say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::{
    AliasAttributeType, AuthFactorType, DeviceConfigurationType, EmailConfigurationType, EmailMfaConfigType,
    LambdaConfigType, LogConfigurationType, MessageTemplateType, RecoveryOptionNameType, RecoveryOptionType,
    SchemaAttributeType, SmsConfigurationType, Timestamp, UserPoolAddOnsType, UserPoolMfaType, UserPoolTierType,
    UsernameAttributeType, VerificationMessageTemplateType, VerifiedAttributeType, WebAuthnConfigurationType,
};

use crate::{Level, Medium, PasswordPolicy, RiskSettings, User};

/// A user pool with its settings. docs/compatibility.md says which of them take effect and which wait for the part of
/// the server that will read them; what could do harm by being ignored is refused at the door and never stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// `<region>_<9 alphanumerics>`.
    pub id: String,
    /// `PoolName`.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub modified_at: Timestamp,
    /// `DeletionProtection` ACTIVE.
    pub deletion_protected: bool,
    /// `Policies.PasswordPolicy`.
    pub password_policy: PasswordPolicy,
    /// `SchemaAttributes`, standard ones first.
    pub schema: Vec<SchemaAttributeType>,
    /// `AliasAttributes`; excludes `username_attributes`.
    pub alias_attributes: Vec<AliasAttributeType>,
    /// `UsernameAttributes`.
    pub username_attributes: Vec<UsernameAttributeType>,
    /// `UsernameConfiguration.CaseSensitive`; `None` acts as true and is left out of answers.
    pub case_sensitive: Option<bool>,
    /// `AutoVerifiedAttributes`.
    pub auto_verified_attributes: Vec<VerifiedAttributeType>,
    /// `UserAttributeUpdateSettings.AttributesRequireVerificationBeforeUpdate`.
    pub verification_before_update: Vec<VerifiedAttributeType>,
    /// `AccountRecoverySetting`, by priority; `None` is the legacy order.
    pub recovery: Option<Vec<RecoveryOptionType>>,
    /// `VerificationMessageTemplate`.
    pub verification_template: VerificationMessageTemplateType,
    /// `EmailConfiguration`.
    pub email: EmailConfigurationType,
    /// `SmsConfiguration`.
    pub sms: Option<SmsConfigurationType>,
    /// `AdminCreateUserConfig.AllowAdminCreateUserOnly`.
    pub admin_create_user_only: bool,
    /// `AdminCreateUserConfig.InviteMessageTemplate`.
    pub invite_template: Option<MessageTemplateType>,
    /// `UserPoolTags`.
    pub tags: BTreeMap<String, String>,
    /// `UserPoolTier`.
    pub tier: UserPoolTierType,
    /// `UserPoolAddOns` as given.
    #[serde(default)]
    pub add_ons: Option<UserPoolAddOnsType>,
    /// What a second factor, or a passkey, goes by.
    #[serde(default)]
    pub factors: FactorSettings,
    /// What signing in goes by besides.
    #[serde(default)]
    pub sign_in: SignInSettings,
    /// `LogConfigurations`: where the pool's logs go.
    #[serde(default)]
    pub log_delivery: Vec<LogConfigurationType>,
    /// What threat protection does about risks; `None` while nobody has set it.
    #[serde(default)]
    pub risk: Option<RiskSettings>,
}

/// What a pool says about signing in, beside second factors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignInSettings {
    /// `Policies.SignInPolicy.AllowedFirstAuthFactors`; empty stands for the password alone.
    pub first_factors: Vec<AuthFactorType>,
    /// `DeviceConfiguration`; `None` means that no device is remembered.
    pub devices: Option<DeviceConfigurationType>,
    /// `LambdaConfig`.
    pub triggers: Option<LambdaConfigType>,
    /// Sign-ins that are kept track of, at most so many per user; `None` while none is.
    pub tracked_sessions: Option<i64>,
    /// `TokenSession.MaxPerUser` as last set, whether sign-ins are kept track of or not.
    pub most_sessions: Option<i64>,
    /// `AcrConfiguration`: what tokens call the levels of assurance that were given names of their own.
    pub levels: BTreeMap<Level, String>,
}

/// What a pool says about second factors and passkeys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FactorSettings {
    /// `MfaConfiguration`; `None` is OFF.
    pub mfa: Option<UserPoolMfaType>,
    /// `EmailMfaConfiguration`.
    pub email: Option<EmailMfaConfigType>,
    /// `SmsAuthenticationMessage`: the text of a code at sign-in.
    pub sms_message: Option<String>,
    /// `SoftwareTokenMfaConfiguration.Enabled` as given.
    pub software_token: Option<bool>,
    /// `WebAuthnConfiguration`.
    pub web_authn: Option<WebAuthnConfigurationType>,
}

/// How account recovery answers for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryChannel {
    /// A code goes to this verified address.
    Send(Medium),
    /// No verified address that the setting allows.
    Unavailable,
    /// The pool leaves recovery to administrators.
    AdministratorOnly,
}

impl Pool {
    /// What comes after the first `_` of the id: part of every SRP hash.
    #[must_use]
    pub fn short_name(&self) -> &str {
        short_name(&self.id)
    }

    /// What comes before the first `_` of the id.
    #[must_use]
    pub fn region(&self) -> &str {
        self.id.split_once('_').map_or("", |(region, _)| region)
    }

    /// Whether usernames that differ only in case are different users.
    #[must_use]
    pub fn is_case_sensitive(&self) -> bool {
        self.case_sensitive.unwrap_or(true)
    }

    /// A name as it is claimed and looked up: lower-cased where the pool ignores case.
    #[must_use]
    pub fn fold(&self, name: &str) -> String {
        if self.is_case_sensitive() { name.to_owned() } else { name.to_lowercase() }
    }

    /// Whether users sign in with this attribute as their username.
    #[must_use]
    pub fn uses_as_username(&self, attribute: UsernameAttributeType) -> bool {
        self.username_attributes.contains(&attribute)
    }

    /// Whether this attribute is an alias.
    #[must_use]
    pub fn uses_as_alias(&self, attribute: AliasAttributeType) -> bool {
        self.alias_attributes.contains(&attribute)
    }

    /// What a sign-in may begin with: `AllowedFirstAuthFactors`.
    #[must_use]
    pub fn first_factors(&self) -> Vec<AuthFactorType> {
        match self.sign_in.first_factors.as_slice() {
            [] => vec![AuthFactorType::Password],
            given => given.to_vec(),
        }
    }

    /// Whether a sign-in may begin with a code that is sent by this medium.
    #[must_use]
    pub fn takes_codes_first(&self, medium: Medium) -> bool {
        self.sign_in.first_factors.contains(&match medium {
            Medium::Email => AuthFactorType::EmailOtp,
            Medium::Sms => AuthFactorType::SmsOtp,
        })
    }

    /// Whether users can do without a password: a sign-in may begin with a code.
    #[must_use]
    pub fn takes_users_without_password(&self) -> bool {
        self.takes_codes_first(Medium::Email) || self.takes_codes_first(Medium::Sms)
    }

    /// Whether an address of this medium is verified by a code at sign-up.
    #[must_use]
    pub fn auto_verifies(&self, medium: Medium) -> bool {
        self.auto_verified_attributes.contains(&match medium {
            Medium::Email => VerifiedAttributeType::Email,
            Medium::Sms => VerifiedAttributeType::PhoneNumber,
        })
    }

    /// Whether the pool leaves account recovery to its administrators.
    #[must_use]
    pub fn recovery_is_administrators(&self) -> bool {
        self.recovery.iter().flatten().any(|option| option.name == RecoveryOptionNameType::AdminOnly)
    }

    /// Where a reset code goes (accounts.md §5.5). Unset: verified phone first, then verified email. Where the setting
    /// is there, an address that receives the user's second factor does not reset the password too.
    #[must_use]
    pub fn recovery_channel(&self, user: &User) -> RecoveryChannel {
        let is_verified = |medium: Medium| user.has_verified(medium.attribute());
        let Some(options) = &self.recovery else {
            return [Medium::Sms, Medium::Email]
                .into_iter()
                .find(|medium| is_verified(*medium))
                .map_or(RecoveryChannel::Unavailable, RecoveryChannel::Send);
        };
        let usable = |medium: Medium| is_verified(medium) && !self.is_second_factor(user, medium);
        let mut options: Vec<_> = options.iter().collect();
        options.sort_by_key(|option| option.priority);
        for option in options {
            let medium = match option.name {
                RecoveryOptionNameType::AdminOnly => return RecoveryChannel::AdministratorOnly,
                RecoveryOptionNameType::VerifiedEmail => Medium::Email,
                RecoveryOptionNameType::VerifiedPhoneNumber => Medium::Sms,
            };
            if usable(medium) {
                return RecoveryChannel::Send(medium);
            }
        }
        RecoveryChannel::Unavailable
    }

    /// Whether codes by this medium are a second factor that the user has switched on, in a pool that asks for it.
    fn is_second_factor(&self, user: &User, medium: Medium) -> bool {
        self.mfa() != UserPoolMfaType::Off
            && match medium {
                Medium::Email => user.mfa.email,
                Medium::Sms => user.mfa.sms,
            }
    }
}

/// What comes after the first `_` of a pool id.
#[must_use]
pub fn short_name(pool_id: &str) -> &str {
    pool_id.split_once('_').map_or(pool_id, |(_, name)| name)
}
