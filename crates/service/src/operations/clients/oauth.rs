//! The OAuth members of a client (accounts.md §14.1, §14.2). This version has no OAuth endpoints: the service's own
//! rules are checked first, so that a wrong request is told what is wrong with it, and the rest is refused.

use domain::{Client, Pool};
use wire::{ErrorKind, OAuthFlowType};

use super::settings::Settings;
use crate::ApiError;

/// Scopes that every pool has.
const SCOPES: [&str; 5] = ["phone", "email", "openid", "profile", "aws.cognito.signin.user.admin"];

/// Checks the OAuth members and refuses those that would have an effect. `COGNITO` among the providers is fine: it
/// only speaks of the pool's own users.
///
/// # Errors
/// The errors of §14.2; `InvalidParameterException` for what this version does not honour.
pub fn check(client: &Client, pool: &Pool, settings: &Settings) -> Result<(), ApiError> {
    let flows = settings.allowed_o_auth_flows.as_deref().unwrap_or_default();
    let scopes = settings.allowed_o_auth_scopes.as_deref().unwrap_or_default();
    let callbacks = settings.callback_urls.as_deref().unwrap_or_default();
    let logouts = settings.logout_urls.as_deref().unwrap_or_default();
    let is_enabled = settings.allowed_o_auth_flows_user_pool_client == Some(true);

    if is_enabled && (flows.is_empty() || scopes.is_empty()) {
        return Err(ApiError::invalid_parameter(
            "AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth flows.",
        ));
    }
    let has_redirects = flows.iter().any(|flow| matches!(flow, OAuthFlowType::Code | OAuthFlowType::Implicit));
    if flows.contains(&OAuthFlowType::ClientCredentials) {
        if has_redirects {
            return Err(invalid_flow(
                "client_credentials flow can not be selected along with code flow or implicit flow.",
            ));
        }
        if client.secrets.is_empty() {
            return Err(invalid_flow(
                "client_credentials flow can not be selected if client does not have a client secret.",
            ));
        }
    }
    if has_redirects && callbacks.is_empty() {
        return Err(ApiError::invalid_parameter(
            "CallbackUrls can not be empty when code flow or implicit flow is selected",
        ));
    }
    callbacks.iter().chain(logouts).try_for_each(|url| redirect(url))?;
    if let Some(url) = &settings.default_redirect_uri
        && !callbacks.contains(url)
    {
        return Err(ApiError::invalid_parameter(format!(
            "The default redirect URI {url} is not in the callback URIs list."
        )));
    }
    // A pool has no resource servers yet, and so no scopes of its own.
    if let Some(scope) = scopes.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
        return Err(ApiError::new(ErrorKind::ScopeDoesNotExist, format!("Invalid scope requested: {scope}")));
    }
    let providers = settings.supported_identity_providers.as_deref().unwrap_or_default();
    if let Some(name) = providers.iter().find(|name| *name != "COGNITO") {
        return Err(ApiError::invalid_parameter(format!(
            "The provider {name} does not exist for User Pool {}",
            pool.id
        )));
    }

    let used = [
        ("AllowedOAuthFlowsUserPoolClient", is_enabled),
        ("AllowedOAuthFlows", !flows.is_empty()),
        ("AllowedOAuthScopes", !scopes.is_empty()),
        ("CallbackURLs", !callbacks.is_empty()),
        ("LogoutURLs", !logouts.is_empty()),
        ("DefaultRedirectURI", settings.default_redirect_uri.is_some()),
    ];
    match used.into_iter().find(|(_, used)| *used) {
        Some((name, _)) => Err(ApiError::not_supported(name)),
        None => Ok(()),
    }
}

fn invalid_flow(message: &str) -> ApiError {
    ApiError::new(ErrorKind::InvalidOAuthFlow, message)
}

/// Where a browser may be sent: not over plain HTTP, unless to the same machine, and without a fragment. Schemes of
/// apps are fine.
fn redirect(url: &str) -> Result<(), ApiError> {
    if url.contains('#') {
        return Err(ApiError::invalid_parameter(format!("{url} cannot use fragment")));
    }
    let is_http = url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
    let authority = url.get(7..).unwrap_or_default().split(['/', '?', '\\']).next().unwrap_or_default();
    if is_http && !is_this_machine(authority) {
        return Err(ApiError::invalid_parameter(format!("{url} cannot use the HTTP protocol.")));
    }
    Ok(())
}

fn is_this_machine(authority: &str) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|host| {
        authority.strip_prefix(host).is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::redirect;

    #[test]
    fn redirects_leave_the_machine_only_encrypted() {
        for good in [
            "https://a.example/x?y",
            "http://localhost",
            "http://localhost:3000/cb",
            "http://127.0.0.1/",
            "http://[::1]:80",
            "myapp://x",
        ] {
            assert!(redirect(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example",
            "HTTP://a.example",
            "http://localhost.example",
            "http://localhost:80@a.example",
            "http://localhost@a.example",
            "http://127.0.0.1.example",
        ] {
            assert_eq!(redirect(bad).unwrap_err().message, format!("{bad} cannot use the HTTP protocol."));
        }
        assert_eq!(redirect("https://a.example/#b").unwrap_err().message, "https://a.example/#b cannot use fragment");
    }
}
