//! `EmailConfiguration` (accounts.md §13.3, §13.5, §15).

use domain::names;
use wire::{EmailConfigurationType, EmailSendingAccountType};

use crate::ApiError;

/// Regions of SES identities that pools of these regions may send by.
// Decision: of other regions the service's lists are not recorded, so their pools may name any region: mail leaves by
// the operator's own server anyway.
const SES_REGIONS: [&str; 3] = ["eu-west-1", "us-east-1", "us-west-2"];

/// The configuration with its default filled in.
///
/// The SES identity itself is not looked at: mail leaves by the operator's own server, and `SourceArn` only says whom
/// it comes from.
///
/// # Errors
/// `InvalidParameterException` for an own sender without an identity, for malformed addresses, and for a sender that
/// the identity does not cover.
pub fn configuration(
    pool_region: &str,
    given: Option<EmailConfigurationType>,
) -> Result<EmailConfigurationType, ApiError> {
    let mut email = given.unwrap_or_default();
    let account = *email.email_sending_account.get_or_insert(EmailSendingAccountType::CognitoDefault);
    if account == EmailSendingAccountType::Developer && email.source_arn.is_none() {
        return Err(ApiError::invalid_parameter("Source ARN is required to use DEVELOPER email sending owner"));
    }
    let identity = email.source_arn.as_deref().map(|arn| identity(pool_region, arn)).transpose()?.flatten();
    check_addresses(identity, email.from.as_deref(), email.reply_to_email_address.as_deref())?;
    Ok(email)
}

/// Checks whom mails say that they come from, which an identity has to cover where there is one, and where answers go.
///
/// # Errors
/// `InvalidParameterException`.
pub fn check_addresses(identity: Option<&str>, from: Option<&str>, reply_to: Option<&str>) -> Result<(), ApiError> {
    let is_covered = |from: &str| match (sender(from), identity) {
        (Some(address), Some(identity)) => covers(identity, address),
        (address, None) => address.is_some(),
        (None, _) => false,
    };
    if from.is_some_and(|from| !is_covered(from)) {
        return Err(ApiError::invalid_parameter("Provided From email address is invalid"));
    }
    if reply_to.is_some_and(|address| !names::is_email(address)) {
        // Decision: the service's words are not recorded.
        return Err(ApiError::invalid_parameter("Provided ReplyTo email address is invalid"));
    }
    Ok(())
}

/// The address or domain that an SES identity's ARN names; none when the ARN is of another kind.
///
/// # Errors
/// `InvalidParameterException` for an identity in a region by which pools of this region cannot send.
pub fn identity<'a>(pool_region: &str, arn: &'a str) -> Result<Option<&'a str>, ApiError> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, _, "ses", region, _, resource] = parts.as_slice() else { return Ok(None) };
    if SES_REGIONS.contains(&pool_region) && !SES_REGIONS.contains(region) {
        return Err(ApiError::invalid_parameter(format!(
            "Provided SourceArn must be in one of the following SES regions: {}.",
            SES_REGIONS.join(", ")
        )));
    }
    Ok(resource.strip_prefix("identity/"))
}

/// Whether the identity, an address or a domain, may send as this address.
fn covers(identity: &str, address: &str) -> bool {
    if identity.contains('@') {
        return identity.eq_ignore_ascii_case(address);
    }
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain).to_ascii_lowercase();
    let identity = identity.to_ascii_lowercase();
    domain == identity || domain.strip_suffix(&identity).is_some_and(|sub| sub.ends_with('.'))
}

/// The address in `address` or `Name <address>`; none where the text is neither, or the name could end the header line
/// that it becomes part of.
fn sender(from: &str) -> Option<&str> {
    if names::is_email(from) {
        return Some(from);
    }
    let (name, address) = from.strip_suffix('>')?.rsplit_once('<')?;
    let is_good = names::is_email(address)
        && name.chars().count() <= 320
        && !name.chars().any(|c| c.is_control() || "<>".contains(c));
    is_good.then_some(address)
}

#[cfg(test)]
mod tests {
    use super::{covers, sender};

    #[test]
    fn senders_are_an_address_or_a_name_with_one() {
        for good in ["a@b.co", "Example <a@b.co>", "\"Example, Inc.\" <a@b.co>", "Zoë <a@b.co>", "<a@b.co>"] {
            assert_eq!(sender(good), Some("a@b.co"), "{good}");
        }
        for bad in
            ["", "a", "Example", "Example <a@b.co", "A\r\nBcc: x@y.zz <a@b.co>", "A <x@y.zz> <a@b.co>", "A <a@b.co> "]
        {
            assert_eq!(sender(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn identities_cover_their_address_or_their_domain_and_what_is_below_it() {
        for (identity, address) in [("a@b.co", "A@b.co"), ("b.co", "a@B.co"), ("B.co", "a@mail.b.co")] {
            assert!(covers(identity, address), "{identity} {address}");
        }
        for (identity, address) in [("a@b.co", "x@b.co"), ("b.co", "a@bb.co"), ("mail.b.co", "a@b.co"), ("co", "b.co")]
        {
            assert!(!covers(identity, address), "{identity} {address}");
        }
    }
}
