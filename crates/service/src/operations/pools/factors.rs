//! What a pool says about second factors and passkeys: SetUserPoolMfaConfig and GetUserPoolMfaConfig (accounts.md §16).

use domain::{MfaMethod, Pool};
use wire::{
    GetUserPoolMfaConfigResponse, RecoveryOptionNameType, SetUserPoolMfaConfigRequest, SmsMfaConfigType,
    SoftwareTokenMfaConfigType, UserPoolMfaType, VerifiedAttributeType, WebAuthnConfigurationType,
};

use super::{policies, settings::Settings, sms};
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
        email_mfa_configuration: pool.factors.email.clone(),
        mfa_configuration: Some(pool.mfa()),
        web_authn_configuration: pool.factors.web_authn.clone(),
    }
}

/// Puts what the request says into the pool. Decision: a part that is left out stays as it is.
///
/// # Errors
/// `InvalidParameterException` for parts that contradict each other or the rest of the pool;
/// `FeatureUnavailableInTierException`.
pub fn apply(ctx: &Ctx, pool: &mut Pool, request: &SetUserPoolMfaConfigRequest) -> Result<(), ApiError> {
    check(ctx, pool, request)?;

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
    if let Some(given) = &request.email_mfa_configuration {
        pool.factors.email = Some(given.clone());
    }
    if let Some(mfa) = request.mfa_configuration {
        set_mfa(pool, mfa);
    }
    check_together(pool)
}

/// Says whether users are asked for second factors.
///
/// Decision: OFF switches the factors off that can be: to say both in one request is a contradiction, so a pool that
/// asks for none does not go on offering any. The configuration of text messages serves other ends too and stays.
pub fn set_mfa(pool: &mut Pool, mfa: UserPoolMfaType) {
    pool.factors.mfa = Some(mfa);
    if mfa == UserPoolMfaType::Off {
        pool.factors.software_token = pool.factors.software_token.map(|_| false);
        pool.factors.email = None;
    }
}

/// Checks that what the pool says about second factors goes together with everything else that it says; asked by
/// whatever changes either.
///
/// # Errors
/// `InvalidParameterException`.
pub fn check_together(pool: &Pool) -> Result<(), ApiError> {
    let mfa = Some(pool.mfa());
    policies::fits_mfa(&pool.sign_in.first_factors, mfa, pool.factors.web_authn.as_ref())?;
    if pool.factors.email.is_none() {
        return Ok(());
    }
    if !pool.sends_own_mail() {
        return Err(ApiError::invalid_parameter(
            "Cannot set EmailMfaConfiguration when user pool EmailConfiguration contains an EmailSendingAccount of COGNITO_DEFAULT.",
        ));
    }
    let recovers_by_email_only = matches!(
        pool.recovery.as_deref(),
        Some([option]) if option.name == RecoveryOptionNameType::VerifiedEmail
    );
    if recovers_by_email_only {
        // Decision: the service's words are not recorded.
        return Err(ApiError::invalid_parameter(
            "Cannot set EmailMfaConfiguration when verified_email is the only recovery mechanism of AccountRecoverySetting.",
        ));
    }
    Ok(())
}

/// What CreateUserPool and UpdateUserPool demand of a pool that is to ask for second factors (accounts.md §13.5).
/// Software tokens and mail, which SetUserPoolMfaConfig alone can set up, do in place of text messages
/// (accounts.md §13.4).
///
/// # Errors
/// `InvalidParameterException`.
pub fn check_settings(pool: &Pool, settings: &Settings) -> Result<(), ApiError> {
    if settings.mfa_configuration.unwrap_or(UserPoolMfaType::Off) == UserPoolMfaType::Off {
        return Ok(());
    }
    let verifies_phones =
        settings.auto_verified_attributes.iter().flatten().any(|name| *name == VerifiedAttributeType::PhoneNumber);
    let has_others = pool.offers(MfaMethod::SoftwareToken) || pool.factors.email.is_some();
    if has_others || (settings.sms_configuration.is_some() && verifies_phones) {
        return Ok(());
    }
    Err(ApiError::invalid_parameter(
        "SMS configuration and Auto verification for phone_number are required when MFA is required/optional",
    ))
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
            if !sms && !software_token && !email && !keeps_one(pool, request) =>
        {
            return Err(ApiError::invalid_parameter(
                "Invalid MFA configuration given, can't disable all MFAs with a required or optional configuration.",
            ));
        }
        _ => {}
    }
    if email {
        tiers::check(ctx, pool.tier, &[Feature::EmailMfa])?;
    }
    if let Some(passkeys) = &request.web_authn_configuration {
        tiers::check(ctx, pool.tier, &[Feature::PasswordlessSignIn])?;
        check_relying_party(passkeys)?;
    }
    Ok(())
}

/// Whether the pool has a factor that this request leaves as it is.
fn keeps_one(pool: &Pool, request: &SetUserPoolMfaConfigRequest) -> bool {
    let keeps_token = request.software_token_mfa_configuration.is_none() && pool.offers(MfaMethod::SoftwareToken);
    keeps_token || pool.sms.is_some() || pool.factors.email.is_some()
}

/// Browsers take nothing else than a domain's name that somebody can own, and it ends up in every passkey: it had better be
/// right.
///
/// Decision: it need not be the pool's custom domain, which only pages on that domain depend on; apps with pages of their
/// own choose theirs.
fn check_relying_party(passkeys: &WebAuthnConfigurationType) -> Result<(), ApiError> {
    let Some(id) = &passkeys.relying_party_id else { return Ok(()) };
    // Decision: the service's words are not recorded.
    if !is_domain_name(id) {
        return Err(ApiError::invalid_parameter(format!(
            "RelyingPartyId {id} is not a domain name such as auth.example.com."
        )));
    }
    if is_public_suffix(id) {
        return Err(ApiError::invalid_parameter(format!(
            "RelyingPartyId {id} is a public suffix. Give a name below it that is yours, such as example.{id}."
        )));
    }
    Ok(())
}

/// Whether the Public Suffix List names this domain. Names that it does not know, such as those of a private network,
/// are not on it, whatever they are.
fn is_public_suffix(name: &str) -> bool {
    psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix.is_known() && suffix == name)
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
    use super::{is_domain_name, is_public_suffix};

    #[test]
    fn names_that_anybody_registers_below_are_public_suffixes() {
        // Of registries, of companies, by a wildcard.
        for public in ["com", "co.uk", "xn--p1ai", "github.io", "s3.amazonaws.com", "anything.ck"] {
            assert!(is_public_suffix(public), "{public}");
        }
        for owned in ["example.com", "example.co.uk", "auth.example.co.uk", "someone.github.io", "amazonaws.com"] {
            assert!(!is_public_suffix(owned), "{owned}");
        }
        // An exception from a wildcard, and what the list does not know.
        for owned in ["www.ck", "localhost", "auth.localhost", "intranet", "auth.corp"] {
            assert!(!is_public_suffix(owned), "{owned}");
        }
    }

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
