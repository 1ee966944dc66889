//! The verification template, which can be given in two places and is answered in both (accounts.md §13.3, §15).

use wire::{DefaultEmailOptionType, VerificationMessageTemplateType};

use super::settings::Settings;
use crate::ApiError;

/// The template that the request asks for, in its modern form.
///
/// Decision: a text by code and one by link may be given together, as the console does; the option chooses.
///
/// # Errors
/// When the two places disagree.
pub fn verification(settings: &Settings) -> Result<VerificationMessageTemplateType, ApiError> {
    let mut template = settings.verification_message_template.clone().unwrap_or_default();
    template.default_email_option.get_or_insert(DefaultEmailOptionType::ConfirmWithCode);
    merge(
        &mut template.sms_message,
        settings.sms_verification_message.as_ref(),
        "SmsVerificationMessage",
        "SmsMessage",
    )?;
    merge(
        &mut template.email_message,
        settings.email_verification_message.as_ref(),
        "EmailVerificationMessage",
        "EmailMessage",
    )?;
    merge(
        &mut template.email_subject,
        settings.email_verification_subject.as_ref(),
        "EmailVerificationSubject",
        "EmailSubject",
    )?;
    Ok(template)
}

fn merge(modern: &mut Option<String>, legacy: Option<&String>, legacy_name: &str, name: &str) -> Result<(), ApiError> {
    match (modern.as_ref(), legacy) {
        (_, None) => Ok(()),
        (None, Some(legacy)) => {
            *modern = Some(legacy.clone());
            Ok(())
        }
        (Some(modern), Some(legacy)) if modern == legacy => Ok(()),
        // Decision: which of two different texts the service sends is not recorded, so neither is taken.
        (Some(_), Some(_)) => Err(ApiError::invalid_parameter(format!(
            "{legacy_name} and VerificationMessageTemplate.{name} cannot have different values."
        ))),
    }
}
