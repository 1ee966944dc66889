//! `EmailConfiguration` (accounts.md §13.3, §13.5, §15).

use domain::names;
use wire::{EmailConfigurationType, EmailSendingAccountType};

use crate::ApiError;

/// The configuration with its default filled in.
///
/// The SES identity itself is not looked at: mail leaves by the operator's own server, and `SourceArn` is only kept.
///
/// # Errors
/// `InvalidParameterException` for an own sender without an identity, and for malformed addresses.
pub fn configuration(given: Option<EmailConfigurationType>) -> Result<EmailConfigurationType, ApiError> {
    let mut email = given.unwrap_or_default();
    let account = *email.email_sending_account.get_or_insert(EmailSendingAccountType::CognitoDefault);
    if account == EmailSendingAccountType::Developer && email.source_arn.is_none() {
        return Err(ApiError::invalid_parameter("Source ARN is required to use DEVELOPER email sending owner"));
    }
    if email.from.as_deref().is_some_and(|from| !is_sender(from)) {
        return Err(ApiError::invalid_parameter("Provided From email address is invalid"));
    }
    if email.reply_to_email_address.as_deref().is_some_and(|address| !names::is_email(address)) {
        // Decision: the service's words are not recorded.
        return Err(ApiError::invalid_parameter("Provided ReplyToEmailAddress is invalid"));
    }
    if email.configuration_set.is_some() {
        return Err(ApiError::not_supported("EmailConfiguration.ConfigurationSet"));
    }
    Ok(email)
}

/// `address` or `Name <address>`; the name cannot end the header line that it becomes part of.
fn is_sender(from: &str) -> bool {
    if names::is_email(from) {
        return true;
    }
    from.strip_suffix('>').and_then(|from| from.rsplit_once('<')).is_some_and(|(name, address)| {
        names::is_email(address)
            && name.chars().count() <= 320
            && !name.chars().any(|c| c.is_control() || "<>".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::is_sender;

    #[test]
    fn senders_are_an_address_or_a_name_with_one() {
        for good in ["a@b.co", "Example <a@b.co>", "\"Example, Inc.\" <a@b.co>", "Zoë <a@b.co>", "<a@b.co>"] {
            assert!(is_sender(good), "{good}");
        }
        for bad in
            ["", "a", "Example", "Example <a@b.co", "A\r\nBcc: x@y.zz <a@b.co>", "A <x@y.zz> <a@b.co>", "A <a@b.co> "]
        {
            assert!(!is_sender(bad), "{bad:?}");
        }
    }
}
