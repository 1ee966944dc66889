//! What the operator can choose, as the service needs it. The configuration file is read by the binary.

use crate::{quotas::Quotas, threat::StolenPasswords, tracking::Locations};

/// Settings of the running server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where clients reach the server, without a final slash, such as `http://127.0.0.1:9229`.
    pub base_url: String,
    /// The domain below which the prefixes of pools stand, such as `auth.example.com`; none where pools' domains are found
    /// by their path alone.
    pub auth_domain: Option<String>,
    /// What issuers look like.
    pub issuer: Issuer,
    /// Twelve digits: the account in ARNs.
    pub account_id: String,
    /// Region of pools whose creator named none in the request's signature.
    pub default_region: String,
    /// Whether signed operations are checked.
    pub signatures: Signatures,
    /// Guards against guessing.
    pub limits: Limits,
    /// Pools in which SRP is switched off and passwords are kept as Argon2id.
    pub srp_off: SrpOff,
    /// How many ready signing keys are kept in stock; each new pool takes two.
    pub key_stock: usize,
    /// Whether messages stay readable in the outbox after they were handed over: yes where the inbox is mounted.
    pub keep_sent_messages: bool,
    /// How much everybody may ask for, and how much there may be.
    pub quotas: Quotas,
    /// Whether ListUsers takes filters over custom attributes, and with `and` and `or`, which the original does not.
    pub beyond_filters: bool,
    /// Whether every pool has the features of every tier, whatever its own is.
    pub lift_tiers: bool,
    /// Where addresses are, for the sessions that users see, and for threat protection.
    pub locations: Locations,
    /// The operator's list of passwords that are known to be stolen.
    pub stolen_passwords: StolenPasswords,
}

/// The form of the `iss` claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// `{base_url}/{pool id}`: verifiers find the keys where the issuer says.
    Server,
    /// `https://cognito-idp.{region}.amazonaws.com/{pool id}`: verifiers that insist on that host are satisfied, and
    /// must be told where the keys are.
    Aws,
}

/// How requests of signed operations are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signatures {
    /// Checked against the access keys in the store.
    Required,
    /// Taken as they come: any credentials, or none.
    Ignored,
}

/// Which pools keep Argon2id hashes instead of SRP verifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SrpOff {
    /// These.
    Pools(Vec<String>),
    /// All.
    Everywhere,
}

impl SrpOff {
    /// Whether SRP is switched off for this pool.
    #[must_use]
    pub fn applies_to(&self, pool_id: &str) -> bool {
        match self {
            Self::Pools(pools) => pools.iter().any(|pool| pool == pool_id),
            Self::Everywhere => true,
        }
    }
}

/// Limits per user (accounts.md §4.3), and of one address. Windows roll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// ForgotPassword calls per hour.
    pub reset_requests_per_hour: usize,
    /// Wrong codes at ConfirmForgotPassword per hour.
    pub wrong_reset_codes_per_hour: usize,
    /// Wrong codes at ConfirmSignUp per hour.
    pub wrong_sign_up_codes_per_hour: usize,
    /// Wrong codes per day at any of these and at VerifyUserAttribute, after which `TooManyFailedAttemptsException` is answered. The service models
    /// that error without saying when it comes; this is what keeps a patient guesser from 120 tries a day.
    pub wrong_codes_per_day: usize,
    /// ResendConfirmationCode calls per hour.
    pub resends_per_hour: usize,
    /// ChangePassword calls per hour.
    pub password_changes_per_hour: usize,
    /// GetUserAttributeVerificationCode calls per hour.
    pub attribute_codes_per_hour: usize,
    /// Wrong codes at VerifyUserAttribute per hour, for each of the two attributes.
    pub wrong_attribute_codes_per_hour: usize,
    /// Codes that are sent during sign-ins per hour, to one user and to one address.
    ///
    /// Decision: the service sends 5 to 20 mails per address, hour and client address; how it chooses, and what it does
    /// about text messages, is not known. Twenty bother nobody who signs in, and are what a stranger can have sent.
    pub sign_in_codes_per_hour: usize,
    /// Wrong passwords, codes and second factors from one client address per hour; 0 is any number.
    pub wrong_guesses_per_address_and_hour: u32,
}

impl Limits {
    /// What `serve` has in [`Limits::wrong_guesses_per_address_and_hour`]: so many that an office behind one address
    /// does not meet the limit on a bad morning, so few that a list of stolen passwords takes months.
    pub const WRONG_GUESSES_IN_SERVE: u32 = 300;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reset_requests_per_hour: 5,
            wrong_reset_codes_per_hour: 5,
            wrong_sign_up_codes_per_hour: 15,
            wrong_codes_per_day: 30,
            resends_per_hour: 5,
            password_changes_per_hour: 5,
            attribute_codes_per_hour: 5,
            wrong_attribute_codes_per_hour: 15,
            sign_in_codes_per_hour: 20,
            wrong_guesses_per_address_and_hour: 0,
        }
    }
}
