//! GetUserAuthFactors (auth-flows.md §19): users see what they can sign in with.

use wire::{GetUserAuthFactorsRequest, GetUserAuthFactorsResponse};

use super::auth_factors;
use crate::{ApiError, Ctx, tokens::access};

/// Shows the factors of the user whom the token is about.
///
/// # Errors
/// Those of the access token (auth-flows.md §8).
pub async fn run(ctx: &Ctx, input: GetUserAuthFactorsRequest) -> Result<GetUserAuthFactorsResponse, ApiError> {
    let authenticated = access::authenticate(ctx, &input.access_token).await?;
    let user = &authenticated.user;
    Ok(GetUserAuthFactorsResponse {
        username: user.username.clone(),
        preferred_mfa_setting: user.mfa.preferred_setting(),
        user_mfa_setting_list: user.mfa.setting_list(),
        configured_user_auth_factors: Some(auth_factors::configured(ctx, &authenticated.pool, user).await?),
    })
}
