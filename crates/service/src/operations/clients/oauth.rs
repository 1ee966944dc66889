//! The OAuth members of a client (accounts.md §14.1, §14.2), by which `hosted::authorize` and `hosted::token` go.

use domain::{Client, IdentityProvider, OAuthSettings, Pool};
use wire::{ErrorKind, OAuthFlowType};

use super::settings::{Settings, distinct};
use crate::{ApiError, Ctx, operations::identity_providers::COGNITO, scopes};

/// What of the names in a request exists in the pool.
pub struct Known {
    scopes: Vec<String>,
    providers: Vec<String>,
}

/// Looks up the scopes and providers that the request names.
///
/// Decision: nothing keeps them there. A scope or provider that goes away later stays with the client and counts again
/// when it comes back; but no update can name it meanwhile.
///
/// # Errors
/// When the store cannot be read.
pub async fn known(ctx: &Ctx, pool: &Pool, settings: &Settings) -> Result<Known, ApiError> {
    let mut known = Known { scopes: scopes::STANDARD.map(str::to_owned).to_vec(), providers: vec![COGNITO.to_owned()] };
    let wanted = settings.allowed_o_auth_scopes.as_deref().unwrap_or_default();
    known.scopes.extend(scopes::of_resource_servers(ctx, pool, wanted).await?);
    for name in distinct(settings.supported_identity_providers.as_deref().unwrap_or_default()) {
        if name != COGNITO && ctx.app.store.part::<IdentityProvider>(&pool.id, &name).await?.is_some() {
            known.providers.push(name);
        }
    }
    Ok(known)
}

/// What the request says of the OAuth endpoints, checked. `COGNITO` among the providers is fine: it only speaks of
/// the pool's own users.
///
/// # Errors
/// The errors of §14.2.
pub fn settings(client: &Client, pool: &Pool, settings: &Settings, known: &Known) -> Result<OAuthSettings, ApiError> {
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
    if let Some(scope) = scopes.iter().find(|scope| !known.scopes.contains(scope)) {
        return Err(ApiError::new(ErrorKind::ScopeDoesNotExist, format!("Invalid scope requested: {scope}")));
    }
    let providers = settings.supported_identity_providers.as_deref().unwrap_or_default();
    if let Some(name) = providers.iter().find(|name| !known.providers.contains(name)) {
        return Err(ApiError::invalid_parameter(format!(
            "The provider {name} does not exist for User Pool {}",
            pool.id
        )));
    }

    Ok(OAuthSettings {
        enabled: is_enabled,
        flows: distinct(flows),
        scopes: distinct(scopes),
        callback_urls: distinct(callbacks),
        logout_urls: distinct(logouts),
        default_redirect_uri: settings.default_redirect_uri.clone(),
    })
}

fn invalid_flow(message: &str) -> ApiError {
    ApiError::new(ErrorKind::InvalidOAuthFlow, message)
}

/// Schemes whose addresses are programs or contents, not places to go to.
const CONTENT_SCHEMES: [&str; 4] = ["javascript", "data", "vbscript", "blob"];

/// Where a browser may be sent: not over plain HTTP, unless to the same machine, and without a fragment. Schemes of
/// apps are fine.
pub(crate) fn redirect(url: &str) -> Result<(), ApiError> {
    if !is_absolute(url) {
        // Decision: the service's words are not recorded.
        return Err(ApiError::invalid_parameter(format!("{url} is not a valid redirect URI.")));
    }
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

/// `scheme:` and something after it; with `//` for the web.
fn is_absolute(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let scheme = scheme.to_ascii_lowercase();
    let is_web = matches!(scheme.as_str(), "http" | "https");
    let has_host = rest.strip_prefix("//").is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']));
    is_scheme && !rest.is_empty() && (!is_web || has_host) && !CONTENT_SCHEMES.contains(&scheme.as_str())
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
            "com.example.app:/callback",
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
        for bad in
            ["", "nowhere", "/callback", "https:", "https://", "http:///x", "://x", "1a://x", "JavaScript:x", "data:x"]
        {
            assert_eq!(redirect(bad).unwrap_err().message, format!("{bad} is not a valid redirect URI."));
        }
        assert_eq!(redirect("https://a.example/#b").unwrap_err().message, "https://a.example/#b cannot use fragment");
    }
}
