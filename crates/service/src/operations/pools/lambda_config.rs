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
/// without a key.
pub fn configuration(given: Option<&LambdaConfigType>) -> Result<Option<LambdaConfigType>, ApiError> {
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
    let sends = functions.custom_email_sender.is_some() || functions.custom_sms_sender.is_some();
    if sends && functions.kms_key_id.is_none() {
        // Decision: the service's words are not recorded.
        return Err(ApiError::invalid_parameter(
            "KMSKeyID is required when CustomEmailSender or CustomSMSSender is set.",
        ));
    }
    Ok(Some(functions))
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
