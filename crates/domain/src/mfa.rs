//! Second factors of a user, and what a sign-in has proven so far (auth-flows.md §13, §16).

use serde::{Deserialize, Serialize};
use wire::ChallengeNameType;

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

    /// The methods that are switched on: `UserMFASettingList`.
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
}
