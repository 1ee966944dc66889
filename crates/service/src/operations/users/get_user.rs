//! GetUser (accounts.md §10.2): users see themselves, as far as the token's client may read.

use domain::attributes::is_readable;
use wire::{GetUserRequest, GetUserResponse};

use crate::{ApiError, Ctx, tokens::access, users::attribute_list};

/// Shows the user whom the token is about.
///
/// # Errors
/// Those of the access token (auth-flows.md §8).
pub async fn run(ctx: &Ctx, input: GetUserRequest) -> Result<GetUserResponse, ApiError> {
    let authenticated = access::authenticate(ctx, &input.access_token).await?;
    let mut attributes = attribute_list(&authenticated.user);
    attributes.retain(|attribute| is_readable(&authenticated.client, &attribute.name));
    let user = authenticated.user.value;
    Ok(GetUserResponse {
        user_attributes: attributes,
        mfa_options: user.mfa.options(),
        preferred_mfa_setting: user.mfa.preferred_setting(),
        user_mfa_setting_list: user.mfa.setting_list(),
        username: user.username,
    })
}
