//! Which flows a client allows (auth-flows.md §3), and the words for those that it does not (§8).

use domain::{Client, session::Entrance};
use wire::{AuthFlowType, ExplicitAuthFlowsType};

use super::Request;
use crate::{ApiError, Ctx};

/// Checks that this operation and this client take the flow.
///
/// # Errors
/// `InvalidParameterException`.
pub(super) fn check(ctx: &Ctx, request: &Request, flow: AuthFlowType) -> Result<(), ApiError> {
    let elsewhere = match flow {
        AuthFlowType::UserPasswordAuth => request.entrance == Entrance::Admin,
        AuthFlowType::AdminUserPasswordAuth | AuthFlowType::AdminNoSrpAuth => request.entrance != Entrance::Admin,
        _ => false,
    };
    if elsewhere {
        return Err(ApiError::invalid_parameter("Initiate Auth method not supported"));
    }
    let client: &Client = &request.client;
    // The login pages take passwords whatever flows the client lists: those are for applications that ask by themselves.
    if request.entrance == Entrance::Hosted && flow == AuthFlowType::UserPasswordAuth {
        return Ok(());
    }
    if client.explicit_auth_flows.contains(&ExplicitAuthFlowsType::CustomAuthFlowOnly)
        && flow != AuthFlowType::CustomAuth
    {
        return Err(ApiError::invalid_parameter("Only custom auth (lambda driven) is enabled for this client."));
    }
    if matches!(flow, AuthFlowType::RefreshTokenAuth | AuthFlowType::RefreshToken) && client.rotates_refresh_tokens() {
        // Decision: the service's words are not recorded. The flow has no place for the token that replaces the one
        // that is sent, so that no list of flows allows it, the one that is left out neither.
        return Err(ApiError::invalid_parameter(
            "REFRESH_TOKEN_AUTH is not enabled for the client, because its refresh tokens are rotated. \
             Use GetTokensFromRefreshToken.",
        ));
    }
    // Where SRP is switched off there are no verifiers to sign in with: as if no client allowed it.
    let switched_off = flow == AuthFlowType::UserSrpAuth && ctx.app.settings.srp_off.applies_to(&request.pool.id);
    if allows(client, flow) && !switched_off {
        return Ok(());
    }
    Err(ApiError::invalid_parameter(match flow {
        AuthFlowType::UserPasswordAuth => "USER_PASSWORD_AUTH flow not enabled for this client",
        AuthFlowType::UserSrpAuth => "USER_SRP_AUTH is not enabled for the client.",
        AuthFlowType::CustomAuth => "CUSTOM_AUTH is not enabled for the client.",
        AuthFlowType::UserAuth => "USER_AUTH is not enabled for the client.",
        // Decision: the words for refresh are not known; the general ones are.
        AuthFlowType::AdminUserPasswordAuth
        | AuthFlowType::AdminNoSrpAuth
        | AuthFlowType::RefreshTokenAuth
        | AuthFlowType::RefreshToken => "Auth flow not enabled for this client",
    }))
}

/// Whether the client's list has the flow. An empty list, and the older values, stand for more than they say.
fn allows(client: &Client, flow: AuthFlowType) -> bool {
    use ExplicitAuthFlowsType as Explicit;
    let list = &client.explicit_auth_flows;
    let has = |flow: Explicit| list.contains(&flow);
    let older = has(Explicit::AdminNoSrpAuth) || has(Explicit::UserPasswordAuth);
    let usual = list.is_empty() || older;
    match flow {
        AuthFlowType::UserPasswordAuth => has(Explicit::AllowUserPasswordAuth) || has(Explicit::UserPasswordAuth),
        AuthFlowType::AdminUserPasswordAuth | AuthFlowType::AdminNoSrpAuth => {
            has(Explicit::AllowAdminUserPasswordAuth) || has(Explicit::AdminNoSrpAuth)
        }
        AuthFlowType::UserSrpAuth => usual || has(Explicit::AllowUserSrpAuth),
        AuthFlowType::CustomAuth => usual || has(Explicit::AllowCustomAuth) || has(Explicit::CustomAuthFlowOnly),
        AuthFlowType::RefreshTokenAuth | AuthFlowType::RefreshToken => usual || has(Explicit::AllowRefreshTokenAuth),
        AuthFlowType::UserAuth => has(Explicit::AllowUserAuth),
    }
}
