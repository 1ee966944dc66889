//! What a pool says about second factors and passkeys: SetUserPoolMfaConfig and GetUserPoolMfaConfig (accounts.md §16).

use domain::Pool;
use wire::{
    EmailSendingAccountType, GetUserPoolMfaConfigResponse, SetUserPoolMfaConfigRequest, SmsMfaConfigType,
    SoftwareTokenMfaConfigType, UserPoolMfaType, WebAuthnConfigurationType,
};

use super::sms;
use crate::{
    ApiError, Ctx,
    tiers::{self, Feature},
};

/// What both operations answer; parts that were never set are left out.
///
/// Decision: the configuration of text messages is shown whatever it is used for, as it is with the pool.
pub fn answer(pool: &Pool) -> GetUserPoolMfaConfigResponse {
    let sms = SmsMfaConfigType {
        sms_authentication_message: pool.factors.sms_message.clone(),
        sms_configuration: pool.sms.clone(),
    };
    GetUserPoolMfaConfigResponse {
        sms_mfa_configuration: (sms != SmsMfaConfigType::default()).then_some(sms),
        software_token_mfa_configuration: pool
            .factors
            .software_token
            .map(|enabled| SoftwareTokenMfaConfigType { enabled: Some(enabled) }),
        email_mfa_configuration: None,
        mfa_configuration: Some(UserPoolMfaType::Off),
        web_authn_configuration: pool.factors.web_authn.clone(),
    }
}

/// Puts what the request says into the pool. Decision: a part that is left out stays as it is.
///
/// # Errors
/// `InvalidParameterException` for parts that contradict each other and for factors that this version does not ask
/// for; `FeatureUnavailableInTierException`.
pub fn apply(ctx: &Ctx, pool: &mut Pool, request: &SetUserPoolMfaConfigRequest) -> Result<(), ApiError> {
    check(ctx, pool, request)?;
    refuse_factors(request)?;

    if let Some(given) = &request.sms_mfa_configuration {
        if let Some(configuration) = sms::configuration(pool.region(), given.sms_configuration.clone())? {
            pool.sms = Some(configuration);
        }
        // Decision: a text that is left out goes back to the default, as the structure is replaced as one.
        pool.factors.sms_message = given.sms_authentication_message.clone();
    }
    if let Some(given) = &request.software_token_mfa_configuration {
        pool.factors.software_token = Some(given.enabled == Some(true));
    }
    if let Some(given) = &request.web_authn_configuration {
        pool.factors.web_authn = Some(given.clone());
    }
    Ok(())
}

/// The service's own rules.
fn check(ctx: &Ctx, pool: &Pool, request: &SetUserPoolMfaConfigRequest) -> Result<(), ApiError> {
    let sms = request.sms_mfa_configuration.as_ref().is_some_and(|given| *given != SmsMfaConfigType::default());
    let software_token =
        request.software_token_mfa_configuration.as_ref().and_then(|given| given.enabled) == Some(true);
    let email = request.email_mfa_configuration.is_some();
    match request.mfa_configuration {
        // Passkeys are no second factor: they may be configured whatever this says.
        Some(UserPoolMfaType::Off) if sms || software_token || email => {
            return Err(ApiError::invalid_parameter(
                "Invalid MFA configuration given, can't turn off MFA and configure an MFA together.",
            ));
        }
        Some(UserPoolMfaType::On | UserPoolMfaType::Optional)
            if !sms && !software_token && !email && pool.sms.is_none() =>
        {
            return Err(ApiError::invalid_parameter(
                "Invalid MFA configuration given, can't disable all MFAs with a required or optional configuration.",
            ));
        }
        _ => {}
    }
    if email {
        tiers::check(ctx, pool.tier, &[Feature::EmailMfa])?;
        if pool.email.email_sending_account != Some(EmailSendingAccountType::Developer) {
            return Err(ApiError::invalid_parameter(
                "Cannot set EmailMfaConfiguration when user pool EmailConfiguration contains an EmailSendingAccount of COGNITO_DEFAULT.",
            ));
        }
    }
    if let Some(passkeys) = &request.web_authn_configuration {
        tiers::check(ctx, pool.tier, &[Feature::PasswordlessSignIn])?;
        check_relying_party(passkeys)?;
    }
    Ok(())
}

/// What this version does not ask for at sign-in must not look as if it did.
fn refuse_factors(request: &SetUserPoolMfaConfigRequest) -> Result<(), ApiError> {
    if let Some(mfa @ (UserPoolMfaType::On | UserPoolMfaType::Optional)) = request.mfa_configuration {
        return Err(ApiError::not_supported(&format!("MfaConfiguration {}", mfa.as_str())));
    }
    if request.software_token_mfa_configuration.as_ref().is_some_and(|given| given.enabled == Some(true)) {
        return Err(ApiError::not_supported("SoftwareTokenMfaConfiguration.Enabled"));
    }
    if request.email_mfa_configuration.is_some() {
        return Err(ApiError::not_supported("EmailMfaConfiguration"));
    }
    Ok(())
}

/// Browsers take nothing else than a domain's name, which ends up in every passkey: it had better be right.
fn check_relying_party(passkeys: &WebAuthnConfigurationType) -> Result<(), ApiError> {
    let Some(id) = &passkeys.relying_party_id else { return Ok(()) };
    if is_domain_name(id) {
        return Ok(());
    }
    // Decision: the service's words are not recorded.
    Err(ApiError::invalid_parameter(format!("RelyingPartyId {id} is not a domain name such as auth.example.com.")))
}

fn is_domain_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    // A number at the end would make it an address.
    name.split('.').all(is_label)
        && name.rsplit('.').next().is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::is_domain_name;

    #[test]
    fn relying_parties_are_domain_names() {
        for good in ["localhost", "example.com", "auth.example.com", "xn--bcher-kva.example", "a-b.c1"] {
            assert!(is_domain_name(good), "{good}");
        }
        for bad in ["", "Example.com", "https://example.com", "example.com:443", "example.com/", ".example.com", "a..b"]
        {
            assert!(!is_domain_name(bad), "{bad}");
        }
        for bad in
            ["example.com.", "-a.example", "a-.example", "192.0.2.1", "b\u{fc}cher.example", "a b", "a_b.example"]
        {
            assert!(!is_domain_name(bad), "{bad}");
        }
    }
}
