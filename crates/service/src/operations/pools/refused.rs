//! Settings that could do harm if they were taken and not honoured: a second factor that nobody is asked for, a
//! trigger that nobody calls. The service's own rules for them come first where they are known; values that mean "off"
//! are always taken.

use wire::{
    AdvancedSecurityModeType, DcrConfigurationType, EncryptionKeyType, IssuerType, LambdaConfigType, StatusType,
};

use super::settings::Settings;
use crate::{ApiError, Ctx};

/// Refuses the first setting that would have no effect.
///
/// # Errors
/// `InvalidParameterException` naming the setting.
pub fn check(ctx: &Ctx, settings: &Settings) -> Result<(), ApiError> {
    if let Some(lambda) = &settings.lambda_config {
        triggers(ctx, lambda)?;
    }
    if let Some(add_ons) = &settings.user_pool_add_ons {
        let mode = add_ons.advanced_security_mode;
        if mode != AdvancedSecurityModeType::Off {
            return Err(ApiError::not_supported(&format!("AdvancedSecurityMode {}", mode.as_str())));
        }
        if add_ons.advanced_security_additional_flows.as_ref().is_some_and(|flows| flows.custom_auth_mode.is_some()) {
            return Err(ApiError::not_supported("AdvancedSecurityAdditionalFlows"));
        }
    }
    if let Some(keys) = &settings.key_configuration
        && (keys.key_type == Some(EncryptionKeyType::CustomerManagedKey) || keys.kms_key_arn.is_some())
    {
        return Err(ApiError::not_supported("KeyConfiguration CUSTOMER_MANAGED_KEY"));
    }
    if settings.issuer_configuration.as_ref().is_some_and(|issuer| issuer.r#type == Some(IssuerType::Updated)) {
        return Err(ApiError::not_supported("IssuerConfiguration UPDATED"));
    }
    if settings.acr_configuration.as_ref().is_some_and(|levels| !levels.is_empty()) {
        return Err(ApiError::not_supported("AcrConfiguration"));
    }
    if settings.dcr_configuration.as_ref().is_some_and(is_used) {
        return Err(ApiError::not_supported("DcrConfiguration"));
    }
    Ok(())
}

fn is_used(dcr: &DcrConfigurationType) -> bool {
    let DcrConfigurationType {
        enable_status,
        open_dcr_enabled,
        authenticated_grant_types,
        open_dcr_grant_types,
        allowed_scopes,
    } = dcr;
    *enable_status == Some(StatusType::Enabled)
        || *open_dcr_enabled == Some(true)
        || authenticated_grant_types.iter().chain(open_dcr_grant_types).any(|types| !types.is_empty())
        || allowed_scopes.iter().any(|scopes| !scopes.is_empty())
}

/// Takes a function only for an occasion at which it is called, and only where somebody runs it.
fn triggers(ctx: &Ctx, lambda: &LambdaConfigType) -> Result<(), ApiError> {
    let is_run = |function: &Option<String>| function.as_deref().is_some_and(|arn| ctx.app.runner.knows(arn));
    if let (Some(plain), Some(versioned)) = (&lambda.pre_token_generation, &lambda.pre_token_generation_config)
        && *plain != versioned.lambda_arn
    {
        return Err(ApiError::invalid_parameter(
            "Cannot use PreTokenGenerationLambda and PreTokenGeneration with different Lambda function ARN's",
        ));
    }
    let LambdaConfigType {
        pre_sign_up,
        custom_message,
        post_confirmation,
        pre_authentication,
        post_authentication,
        define_auth_challenge,
        create_auth_challenge,
        verify_auth_challenge_response,
        pre_token_generation,
        user_migration,
        pre_token_generation_config,
        custom_sms_sender,
        custom_email_sender,
        kms_key_id,
        inbound_federation,
    } = lambda;
    let used = [
        ("PreSignUp", pre_sign_up.is_some()),
        ("CustomMessage", custom_message.is_some()),
        ("PostConfirmation", post_confirmation.is_some()),
        ("PreAuthentication", pre_authentication.is_some()),
        ("PostAuthentication", post_authentication.is_some()),
        ("DefineAuthChallenge", define_auth_challenge.is_some() && !is_run(define_auth_challenge)),
        ("CreateAuthChallenge", create_auth_challenge.is_some() && !is_run(create_auth_challenge)),
        (
            "VerifyAuthChallengeResponse",
            verify_auth_challenge_response.is_some() && !is_run(verify_auth_challenge_response),
        ),
        ("PreTokenGeneration", pre_token_generation.is_some()),
        ("UserMigration", user_migration.is_some()),
        ("PreTokenGenerationConfig", pre_token_generation_config.is_some()),
        ("CustomSMSSender", custom_sms_sender.is_some()),
        ("CustomEmailSender", custom_email_sender.is_some()),
        ("KMSKeyID", kms_key_id.is_some()),
        ("InboundFederation", inbound_federation.is_some()),
    ];
    match used.into_iter().find(|(_, used)| *used) {
        Some((name, _)) => Err(ApiError::not_supported(&format!("LambdaConfig.{name}"))),
        None => Ok(()),
    }
}
