//! Second factors of a user, and what a sign-in has proven so far (auth-flows.md §13, §16).

use serde::{Deserialize, Serialize};
use wire::{ChallengeNameType, DeliveryMediumType, MFAOptionType};

use crate::Medium;

/// A second factor that a user can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MfaMethod {
    /// A code by text message.
    Sms,
    /// A code that an app makes.
    SoftwareToken,
    /// A code by mail.
    Email,
}

impl MfaMethod {
    /// All of them, in the order in which lists show them.
    pub const ALL: [Self; 3] = [Self::Sms, Self::SoftwareToken, Self::Email];

    /// Its name in `UserMFASettingList` and in the lists of challenges.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.challenge().as_str()
    }

    /// The challenge that asks for it.
    #[must_use]
    pub const fn challenge(self) -> ChallengeNameType {
        match self {
            Self::Sms => ChallengeNameType::SmsMfa,
            Self::SoftwareToken => ChallengeNameType::SoftwareTokenMfa,
            Self::Email => ChallengeNameType::EmailOtp,
        }
    }
}

/// Which second factors a user has switched on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MfaPreference {
    /// Codes by text message.
    pub sms: bool,
    /// Codes that an app makes.
    pub software_token: bool,
    /// Codes by mail.
    pub email: bool,
    /// Whether passkeys count as more than one factor.
    pub passkey: bool,
    /// The one that is asked for; it is switched on.
    pub preferred: Option<MfaMethod>,
    /// Whether codes by text message were switched on by the legacy operations, which is all that `MFAOptions` shows.
    pub legacy_sms: bool,
}

impl MfaPreference {
    /// Whether nothing was ever chosen.
    #[must_use]
    pub fn is_unset(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a method is switched on.
    #[must_use]
    pub const fn has(&self, method: MfaMethod) -> bool {
        match method {
            MfaMethod::Sms => self.sms,
            MfaMethod::SoftwareToken => self.software_token,
            MfaMethod::Email => self.email,
        }
    }

    /// Switches a method on or off. One that is off is not preferred.
    pub fn set(&mut self, method: MfaMethod, is_on: bool) {
        match method {
            MfaMethod::Sms => {
                self.sms = is_on;
                self.legacy_sms &= is_on;
            }
            MfaMethod::SoftwareToken => self.software_token = is_on,
            MfaMethod::Email => self.email = is_on,
        }
        self.preferred = self.preferred.filter(|preferred| is_on || *preferred != method);
    }

    /// `UserMFASettingList`, which is left out where there is nothing in it.
    #[must_use]
    pub fn setting_list(&self) -> Option<Vec<String>> {
        let list: Vec<_> = self.methods().into_iter().map(|method| method.as_str().to_owned()).collect();
        (!list.is_empty()).then_some(list)
    }

    /// `PreferredMfaSetting`.
    #[must_use]
    pub fn preferred_setting(&self) -> Option<String> {
        self.preferred.map(|method| method.as_str().to_owned())
    }

    /// `MFAOptions`, which knows nothing but what the legacy operations switched on.
    #[must_use]
    pub fn options(&self) -> Option<Vec<MFAOptionType>> {
        let option = || MFAOptionType {
            delivery_medium: Some(DeliveryMediumType::Sms),
            attribute_name: Some(Medium::Sms.attribute().to_owned()),
        };
        self.legacy_sms.then(|| vec![option()])
    }

    /// The methods that are switched on.
    #[must_use]
    pub fn methods(&self) -> Vec<MfaMethod> {
        MfaMethod::ALL.into_iter().filter(|method| self.has(*method)).collect()
    }
}

/// Something that a sign-in has proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Factor {
    /// A password, as text or by SRP.
    Password,
    /// A code that an app made.
    SoftwareToken,
    /// A code by text message.
    Sms,
    /// A code by mail.
    Email,
    /// A passkey of the device itself.
    PlatformPasskey,
    /// A passkey that travels.
    RoamingPasskey,
    /// A remembered device, in place of a second factor.
    Device,
    /// Challenges of the pool's own.
    Custom,
    /// Another identity provider's word.
    Provider,
}
