//! `LambdaConfig`: the functions that a pool names as triggers (triggers-security.md §1).

use domain::Pool;
use wire::LambdaConfigType;

use crate::{
    ApiError, Ctx,
    triggers::{Trigger, function},
};

/// The functions that the request names, as the pool keeps and shows them; none where it names none.
///
/// Decision: a pool whose PreTokenGenerationConfig is set shows its function as PreTokenGeneration, too, as the service
/// was seen to do.
///
/// # Errors
/// `InvalidParameterException` when the two forms of PreTokenGeneration name different functions, and for a custom sender
/// without a key, or with one that the configuration does not know.
pub fn configuration(ctx: &Ctx, given: Option<&LambdaConfigType>) -> Result<Option<LambdaConfigType>, ApiError> {
    let Some(mut functions) = given.filter(|given| **given != LambdaConfigType::default()).cloned() else {
        return Ok(None);
    };
    if let Some(versioned) = &functions.pre_token_generation_config {
        if functions.pre_token_generation.as_ref().is_some_and(|plain| *plain != versioned.lambda_arn) {
            return Err(ApiError::invalid_parameter(
                "Cannot use PreTokenGenerationLambda and PreTokenGeneration with different Lambda function ARN's",
            ));
        }
        functions.pre_token_generation = Some(versioned.lambda_arn.clone());
    }
    if functions.custom_email_sender.is_some() || functions.custom_sms_sender.is_some() {
        check_key(ctx, functions.kms_key_id.as_deref())?;
    }
    Ok(Some(functions))
}

/// Whether codes can be encrypted for functions that send messages.
///
/// Decision: the service's words are not recorded. It makes a grant on the key for itself when a pool names it, so it
/// refuses one that is not there; here that is a key which no entry of `[[kms_keys]]` stands for, since no code could be
/// told to the function.
fn check_key(ctx: &Ctx, key_arn: Option<&str>) -> Result<(), ApiError> {
    let Some(key_arn) = key_arn else {
        return Err(ApiError::invalid_parameter(
            "KMSKeyID is required when CustomEmailSender or CustomSMSSender is set.",
        ));
    };
    if !ctx.app.code_keys.knows(key_arn) {
        tracing::warn!(key = key_arn, "a pool names a key that no [[kms_keys]] stands for, which is refused");
        return Err(ApiError::invalid_parameter(format!("KMSKeyID is not a key that can be used: {key_arn}")));
    }
    Ok(())
}

/// Tells the operator of functions that nobody runs: whatever calls one of them fails.
pub fn warn_of_unknown(ctx: &Ctx, pool: &Pool) {
    for trigger in Trigger::ALL {
        if let Some(arn) = function(pool, trigger).filter(|arn| !ctx.app.runner.knows(arn)) {
            let (pool, trigger) = (&pool.id, trigger.as_str());
            tracing::warn!(
                %pool,
                trigger,
                function = arn,
                "the configuration does not say how this function is run, so every call of it fails; add it to [[functions]]"
            );
        }
    }
}
