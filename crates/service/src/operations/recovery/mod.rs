//! Account recovery (accounts.md §5–§7): a forgotten password is replaced by way of a code to a verified address.

pub mod admin_reset_user_password;
pub mod change_password;
pub mod confirm_forgot_password;
pub mod forgot_password;

use domain::{
    AttemptPurpose, Client, Code, CodePurpose, Medium, Message, MessagePurpose, Pool, RecoveryChannel, User, names,
};
use store::{Changes, Stored};
use wire::{CodeDeliveryDetailsType, UserStatusType, VerifiedAttributeType};

use crate::{
    ApiError, Ctx, Settings, codes,
    messages::{self, Functions, Letter},
    stand_in,
};

/// Where a reset code for this user goes.
///
/// # Errors
/// The service's words for each state in which there is nothing to send.
fn channel(pool: &Pool, user: &User) -> Result<Medium, ApiError> {
    if !user.enabled {
        return Err(ApiError::user_disabled());
    }
    check_status(user)?;
    match pool.recovery_channel(user) {
        RecoveryChannel::Send(medium) => Ok(medium),
        RecoveryChannel::AdministratorOnly => Err(administrator_only()),
        RecoveryChannel::Unavailable => Err(ApiError::invalid_parameter(
            "Cannot reset password for the user as there is no registered/verified email or phone_number",
        )),
    }
}

/// Users with a temporary password, and those who sign in elsewhere, have no password to forget.
fn check_status(user: &User) -> Result<(), ApiError> {
    match user.status {
        UserStatusType::ForceChangePassword | UserStatusType::ExternalProvider => {
            Err(ApiError::not_authorized("User password cannot be reset in the current state."))
        }
        _ => Ok(()),
    }
}

fn administrator_only() -> ApiError {
    ApiError::not_authorized("Contact administrator to reset password.")
}

/// Adds a new reset code and the message that carries it, as the pool's functions have it. Any earlier code of the user is worthless from then on.
async fn add_code(
    ctx: &Ctx,
    changes: &mut Changes,
    (pool, client_id): (&Pool, Option<&str>),
    user: &User,
    medium: Medium,
    before: Option<&Stored<Code>>,
    functions: &Functions<'_>,
) -> Result<CodeDeliveryDetailsType, ApiError> {
    let destination = user.address(medium).unwrap_or_default();
    let (code, row): (String, Code) = codes::issue(ctx, &pool.id, &user.sub, CodePurpose::Reset, medium, destination);
    let purpose = MessagePurpose::ForgotPassword;
    let letter = Letter { pool, client_id, user, purpose, medium, destination, code: &code };
    let message = messages::write(ctx, &letter, functions).await?;
    changes.put(before, row);
    changes.insert(message);
    Ok(delivery(medium, destination))
}

/// Refuses when no message of any kind can be delivered for the pool: known and unknown users alike then get the same answer.
///
/// # Errors
/// `CodeDeliveryFailureException`.
pub(crate) fn can_deliver_anything(ctx: &Ctx, pool: &Pool) -> Result<(), ApiError> {
    ctx.app.outbox.can_deliver(pool, Medium::Email).or_else(|_| ctx.app.outbox.can_deliver(pool, Medium::Sms))
}

/// What takes the place of the message of a code where there is no such user: kept, never handed over, and told to no
/// function.
///
/// # Errors
/// When the message cannot be sealed.
pub(crate) fn message_for_nobody(
    ctx: &Ctx,
    client: &Client,
    pool: &Pool,
    stand_in: &str,
    purpose: MessagePurpose,
    medium: Medium,
    code: &str,
) -> Result<Message, ApiError> {
    let destination = match medium {
        Medium::Email => stand_in::EMAIL,
        Medium::Sms => stand_in::PHONE_NUMBER,
    };
    let nobody = ctx.app.stand_in.user(&pool.id, stand_in);
    let client_id = Some(client.id.as_str());
    messages::write_for_nobody(ctx, &Letter { pool, client_id, user: &nobody, purpose, medium, destination, code })
}

/// `CodeDeliveryDetails` of a message to `destination`.
#[must_use]
pub fn delivery(medium: Medium, destination: &str) -> CodeDeliveryDetailsType {
    CodeDeliveryDetailsType {
        destination: Some(medium.mask(destination)),
        delivery_medium: Some(medium.delivery_medium()),
        attribute_name: Some(medium.attribute().to_owned()),
    }
}

/// How a code for an unknown user would travel, as clients are told that hide who is unknown (accounts.md §5.4).
///
/// Decision: which medium a name gets where the pool verifies both, and how the letters come about, is not known of
/// the service; here the phone comes first, as it does for real users without a recovery setting.
#[must_use]
pub fn simulated_medium(pool: &Pool, username: &str) -> Medium {
    let verifies_phones = pool.auto_verified_attributes.contains(&VerifiedAttributeType::PhoneNumber);
    if names::is_phone_number(username) || verifies_phones && !names::is_email(username) {
        Medium::Sms
    } else {
        Medium::Email
    }
}

/// The address by this medium of a user that does not exist: the name itself where it is one; for any other name letters
/// and digits are derived from it by way of the stand-in's id, always the same.
#[must_use]
pub(crate) fn simulated_address(username: &str, stand_in: &str, medium: Medium) -> String {
    let bytes: Vec<u8> = stand_in.bytes().filter(u8::is_ascii_hexdigit).collect();
    match medium {
        Medium::Email if names::is_email(username) => username.to_owned(),
        Medium::Sms if names::is_phone_number(username) => username.to_owned(),
        Medium::Sms => {
            let digits: String = bytes.iter().take(4).map(|byte| char::from(b'0' + byte % 10)).collect();
            format!("+1000000{digits}")
        }
        Medium::Email => {
            let sum = |at: usize| bytes.iter().skip(at * 4).take(4).fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
            let letter = |at: usize| char::from(b'a' + sum(at) % 26);
            // As long as addresses are: sealed sessions, in which it travels, show how long it is.
            let word = |at: usize| String::from(letter(at)).repeat(usize::from(4 + sum(at + 2) % 6));
            format!("{}@{}.example", word(0), word(1))
        }
    }
}

/// How many wrong reset codes are taken.
const fn wrong_codes(settings: &Settings) -> codes::WrongCodes {
    codes::WrongCodes {
        purpose: AttemptPurpose::ResetCode,
        per_hour: settings.limits.wrong_reset_codes_per_hour,
        per_day: settings.limits.wrong_codes_per_day,
    }
}
