//! Which second factors a user has switched on, and the rules for changing that (auth-flows.md §13).
//!
//! Decision: what is left out stays as it is, members of a structure as well as whole structures; a factor that becomes
//! the preferred one takes the place of the one before. The service's words for most refusals are not recorded.

use domain::{MfaMethod, MfaPreference, Pool, SoftwareToken, User, second_factor::medium_of};
use store::{Changes, Stored};
use wire::{
    DeliveryMediumType, EmailMfaSettingsType, MFAOptionType, SMSMfaSettingsType, SoftwareTokenMfaSettingsType,
    UserPoolMfaType, WebAuthnFactorConfigurationType, WebAuthnMfaSettingsType,
};

use crate::{ApiError, Ctx, users};

/// What is to become of the factors that a request names.
pub(super) struct Wanted {
    methods: Vec<Setting>,
    /// `WebAuthnMfaSettings.Enabled`.
    passkey: Option<bool>,
}

/// What is to become of one method.
struct Setting {
    method: MfaMethod,
    is_on: Option<bool>,
    is_preferred: Option<bool>,
}

impl Wanted {
    /// As both operations name them.
    pub(super) fn new(
        sms: Option<&SMSMfaSettingsType>,
        software_token: Option<&SoftwareTokenMfaSettingsType>,
        email: Option<&EmailMfaSettingsType>,
        passkey: Option<&WebAuthnMfaSettingsType>,
    ) -> Self {
        let setting = |method, (is_on, is_preferred)| Setting { method, is_on, is_preferred };
        let methods = [
            sms.map(|given| setting(MfaMethod::Sms, (given.enabled, given.preferred_mfa))),
            software_token.map(|given| setting(MfaMethod::SoftwareToken, (given.enabled, given.preferred_mfa))),
            email.map(|given| setting(MfaMethod::Email, (given.enabled, given.preferred_mfa))),
        ];
        Self { methods: methods.into_iter().flatten().collect(), passkey: passkey.and_then(|given| given.enabled) }
    }

    /// Changes what the user, as it was read, has switched on.
    ///
    /// # Errors
    /// `InvalidParameterException`; a conflict when the user has changed meanwhile.
    pub(super) async fn apply(&self, ctx: &Ctx, pool: &Pool, before: &Stored<User>) -> Result<(), ApiError> {
        // A token that is deleted meanwhile changes the user too.
        let token = ctx.app.store.user_part::<SoftwareToken>(&pool.id, &before.sub, "").await?;
        let mfa = self.decide(pool, before, token.is_some())?;
        save(ctx, pool, before, mfa).await
    }

    /// What the user has switched on afterwards.
    fn decide(&self, pool: &Pool, user: &User, has_token: bool) -> Result<MfaPreference, ApiError> {
        if self.methods.iter().filter(|setting| setting.is_preferred == Some(true)).count() > 1 {
            return Err(ApiError::invalid_parameter("Only one MFA method can be preferred."));
        }
        let mut mfa = user.mfa.clone();
        for setting in &self.methods {
            switch(pool, user, has_token, &mut mfa, setting)?;
        }
        if let Some(is_on) = self.passkey {
            mfa.passkey = is_on;
        }
        check_passkey(pool, user, &mfa, self.passkey)?;
        Ok(mfa)
    }
}

/// What the legacy operations set: codes by text message, and nothing else.
///
/// # Errors
/// `InvalidParameterException`; a conflict when the user has changed meanwhile.
pub(super) async fn apply_legacy(
    ctx: &Ctx,
    pool: &Pool,
    before: &Stored<User>,
    options: &[MFAOptionType],
) -> Result<(), ApiError> {
    let mfa = decide_legacy(pool, before, options)?;
    save(ctx, pool, before, mfa).await
}

fn decide_legacy(pool: &Pool, user: &User, options: &[MFAOptionType]) -> Result<MfaPreference, ApiError> {
    let is_sms = |option: &MFAOptionType| {
        option.delivery_medium == Some(DeliveryMediumType::Sms)
            && option.attribute_name.as_deref() == Some("phone_number")
    };
    if !options.iter().all(is_sms) {
        return Err(ApiError::invalid_parameter(
            "MFAOptions can only hold DeliveryMedium SMS with AttributeName phone_number. Use SetUserMFAPreference for other factors.",
        ));
    }
    let mut mfa = user.mfa.clone();
    let setting = Setting { method: MfaMethod::Sms, is_on: Some(!options.is_empty()), is_preferred: None };
    switch(pool, user, false, &mut mfa, &setting)?;
    mfa.legacy_sms = mfa.sms;
    check_passkey(pool, user, &mfa, None)?;
    Ok(mfa)
}

async fn save(ctx: &Ctx, pool: &Pool, before: &Stored<User>, mfa: MfaPreference) -> Result<(), ApiError> {
    if mfa == before.mfa {
        return Ok(());
    }
    let after = User { mfa, modified_at: ctx.now, ..before.value.clone() };
    let mut changes = Changes::new();
    users::replace(&mut changes, pool, before, after);
    Ok(ctx.app.commit(changes).await?)
}

/// Switches one method on or off, and makes it the preferred one or no longer.
fn switch(
    pool: &Pool,
    user: &User,
    has_token: bool,
    mfa: &mut MfaPreference,
    setting: &Setting,
) -> Result<(), ApiError> {
    let method = setting.method;
    match setting.is_on {
        Some(true) => {
            check_possible(pool, user, has_token, method)?;
            mfa.set(method, true);
        }
        Some(false) if mfa.has(method) && pool.mfa() == UserPoolMfaType::On => {
            let name = method.as_str();
            return Err(ApiError::invalid_parameter(format!(
                "{name} cannot be disabled, because the user pool requires MFA. Only the preferred factor can be changed."
            )));
        }
        Some(false) => mfa.set(method, false),
        None => {}
    }
    match setting.is_preferred {
        Some(true) if !mfa.has(method) => {
            let name = method.as_str();
            Err(ApiError::invalid_parameter(format!("{name} must be enabled to be the preferred MFA method.")))
        }
        Some(true) => {
            mfa.preferred = Some(method);
            Ok(())
        }
        Some(false) if mfa.preferred == Some(method) => {
            mfa.preferred = None;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Refuses a method that the user could not answer with.
fn check_possible(pool: &Pool, user: &User, has_token: bool, method: MfaMethod) -> Result<(), ApiError> {
    let Some(medium) = medium_of(method) else {
        // Decision: a pool that has stopped offering software tokens goes on asking for those that there are.
        return if has_token {
            Ok(())
        } else {
            Err(ApiError::invalid_parameter("User has not verified software token mfa"))
        };
    };
    let name = method.as_str();
    if !pool.offers(method) {
        return Err(ApiError::invalid_parameter(format!(
            "{name} is not configured for the user pool. An administrator configures it with SetUserPoolMfaConfig."
        )));
    }
    if user.address(medium).is_none() {
        return Err(ApiError::invalid_parameter(format!("User does not have delivery config set to turn on {name}")));
    }
    Ok(())
}

/// Passkeys count as a second factor only where the pool says so, and beside another method.
fn check_passkey(pool: &Pool, user: &User, mfa: &MfaPreference, wanted: Option<bool>) -> Result<(), ApiError> {
    let configuration = pool.factors.web_authn.as_ref().and_then(|given| given.factor_configuration);
    if wanted == Some(true) && configuration != Some(WebAuthnFactorConfigurationType::MultiFactorWithUserVerification) {
        return Err(ApiError::invalid_parameter(
            "WebAuthn MFA requires the FactorConfiguration MULTI_FACTOR_WITH_USER_VERIFICATION of the user pool.",
        ));
    }
    let was_alone = user.mfa.passkey && user.mfa.methods().is_empty();
    if mfa.passkey && mfa.methods().is_empty() && (wanted == Some(true) || !was_alone) {
        return Err(ApiError::invalid_parameter("WebAuthn MFA requires at least one other enabled MFA method."));
    }
    Ok(())
}
