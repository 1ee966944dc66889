//! Messages to users, and how addresses are masked in answers (accounts.md §4.2, §15).

use serde::{Deserialize, Serialize};
use wire::{DeliveryMediumType, Timestamp};

use crate::Sealed;

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Medium {
    /// Mail.
    #[serde(rename = "EMAIL")]
    Email,
    /// Text message.
    #[serde(rename = "SMS")]
    Sms,
}

impl Medium {
    /// The user attribute that holds the address.
    #[must_use]
    pub const fn attribute(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "phone_number",
        }
    }

    /// The attribute that says whether the address is verified.
    #[must_use]
    pub const fn verified_attribute(self) -> &'static str {
        match self {
            Self::Email => "email_verified",
            Self::Sms => "phone_number_verified",
        }
    }

    /// The medium as answers name it.
    #[must_use]
    pub const fn delivery_medium(self) -> DeliveryMediumType {
        match self {
            Self::Email => DeliveryMediumType::Email,
            Self::Sms => DeliveryMediumType::Sms,
        }
    }

    /// The address as answers show it. Mail: first character, `***@`, first character of the domain, `***`.
    /// Phone: `+`, a star for every digit but the last four, the last four.
    #[must_use]
    pub fn mask(self, address: &str) -> String {
        match self {
            Self::Email => {
                let (local, domain) = address.split_once('@').unwrap_or((address, ""));
                let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
                format!("{}***@{}***", first(local), first(domain))
            }
            Self::Sms => {
                let digits: Vec<char> = address.chars().filter(char::is_ascii_digit).collect();
                let hidden = digits.len().saturating_sub(4);
                let shown: String = digits.iter().skip(hidden).collect();
                format!("+{}{shown}", "*".repeat(hidden))
            }
        }
    }
}

/// Why a message is sent. The text is part of the test controls' stable JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessagePurpose {
    /// Confirmation of a sign-up.
    SignUp,
    /// The same once more.
    ResendCode,
    /// Reset of a forgotten password.
    ForgotPassword,
    /// Invitation with a temporary password.
    AdminCreateUser,
    /// An address that was changed, or is to be.
    UpdateUserAttribute,
    /// An address that the user wants to prove.
    VerifyUserAttribute,
    /// A code that a sign-in asks for.
    Authentication,
    /// A sign-in that may have been somebody else's.
    AccountTakeOverNotification,
}

impl MessagePurpose {
    /// The name, as functions are told it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "SignUp",
            Self::ResendCode => "ResendCode",
            Self::ForgotPassword => "ForgotPassword",
            Self::AdminCreateUser => "AdminCreateUser",
            Self::UpdateUserAttribute => "UpdateUserAttribute",
            Self::VerifyUserAttribute => "VerifyUserAttribute",
            Self::Authentication => "Authentication",
            Self::AccountTakeOverNotification => "AccountTakeOverNotification",
        }
    }
}

/// Where a message is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageState {
    /// Waiting for the sender, or for the next try.
    Pending,
    /// Handed over.
    Sent,
    /// Given up after the last try.
    Dead,
    /// Written for a user who does not exist, so that the work is that for one who does. It is never handed over and
    /// never shown.
    Nobodys,
}

impl MessageState {
    /// The stored number, never reused.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Pending => 0,
            Self::Sent => 1,
            Self::Dead => 2,
            Self::Nobodys => 3,
        }
    }
}

/// A message in the outbox. It is written in the changeset that made it necessary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Random UUID.
    pub id: String,
    /// The pool.
    pub pool_id: String,
    /// Whom it is for.
    pub sub: String,
    /// Their stored username.
    pub username: String,
    /// Why.
    pub purpose: MessagePurpose,
    /// How.
    pub medium: Medium,
    /// A [`MessageContent`] as JSON, sealed with the id as identity.
    pub content: Sealed,
    /// When it was written.
    pub created_at: Timestamp,
    /// Where it is.
    pub state: MessageState,
    /// When it may be tried (again); also the end of a sender's lease on it.
    pub due_at: Timestamp,
    /// Tries so far.
    pub tries: u32,
    /// Why the last try failed, for the operator; never the content.
    pub last_error: Option<String>,
}

/// What only the receiver may read.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MessageContent {
    /// Full address.
    pub destination: String,
    /// Subject line; empty for text messages, and where a function takes the message.
    pub subject: String,
    /// The text, HTML for mail; empty where a function takes the message.
    pub body: String,
    /// The plain text of a mail that brings its own; otherwise it is made from the HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The code, temporary password or link parameter in it; empty in messages that have none.
    pub code: String,
    /// `From`, when the pool says so.
    pub from: Option<String>,
    /// `Reply-To`, when the pool says so.
    pub reply_to: Option<String>,
    /// Every name under which the inbox finds the message: username, sub, aliases.
    pub identifiers: Vec<String>,
    /// The function that takes the message in place of a sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_sender: Option<CustomSender>,
    /// With SES: the ARN of the identity that the mail comes from, when the pool says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_arn: Option<String>,
    /// With SES: the configuration set, when the pool says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_set: Option<String>,
    /// With SES and SNS: the region, when the pool says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// A function of a pool's owner that takes messages, and what it is told.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomSender {
    /// ARN of the function.
    pub function: String,
    /// ARN of the key that the code is encrypted with.
    pub key: String,
    /// The event, whose `request.code` is filled in when the function is called.
    pub event: serde_json::Value,
}

#[cfg(test)]
mod tests {
    use super::Medium;

    #[test]
    fn addresses_are_masked_as_the_service_masks_them() {
        assert_eq!(Medium::Email.mask("test@test.com"), "t***@t***");
        assert_eq!(Medium::Email.mask("foo@example.com"), "f***@e***");
        assert_eq!(Medium::Sms.mask("+14325551212"), "+*******1212");
        assert_eq!(Medium::Sms.mask("+123"), "+123");
    }
}
