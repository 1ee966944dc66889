//! `SmsConfiguration` (accounts.md §13.3, §13.5): who would publish text messages. It can be set with the pool and
//! with its second factors.

use wire::SmsConfigurationType;

use crate::ApiError;

/// Regions whose pools publish from nowhere else.
// Decision: the service has such a list for every region; only those are kept here of which it is certain. Pools of
// other regions may name any region, since text messages do not leave by SNS from here anyway.
const PUBLISHING_REGIONS: [&str; 3] = ["eu-west-1", "us-east-1", "us-west-2"];

/// The configuration with its default filled in: the region that is left out is the pool's.
///
/// Roles are not looked up: whether their account is the caller's says nothing on a server that has no accounts.
///
/// # Errors
/// `InvalidParameterException` when it does not say who publishes, for a region that cannot, and for `EumsSms`: nothing
/// here sends by AWS End User Messaging.
pub fn configuration(
    pool_region: &str,
    given: Option<SmsConfigurationType>,
) -> Result<Option<SmsConfigurationType>, ApiError> {
    let Some(mut sms) = given else { return Ok(None) };
    if sms.eums_sms.is_some() {
        return Err(ApiError::not_supported("SmsConfiguration.EumsSms"));
    }
    sms.sns_caller_arn = sms.sns_caller_arn.filter(|arn| !arn.is_empty());
    if sms.sns_caller_arn.is_none() {
        // Decision: the model no longer demands it; these are the words from when it did.
        return Err(ApiError::invalid_parameter(
            "1 validation error detected: Value null at 'smsConfiguration.snsCallerArn' failed to satisfy constraint: Member must not be null",
        ));
    }
    let region = sms.sns_region.get_or_insert_with(|| pool_region.to_owned());
    if PUBLISHING_REGIONS.contains(&pool_region) && region != pool_region {
        return Err(ApiError::invalid_parameter(format!(
            "Invalid snsRegion. Allowed SNS region for {pool_region} is {pool_region}"
        )));
    }
    Ok(Some(sms))
}
