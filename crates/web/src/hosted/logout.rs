//! `GET /logout` (oauth-federation.md §4.2): ends the browser's session, and sends it to an address that the client has
//! registered: to one of its `LogoutURLs`, or by way of the login page to one of its `CallbackURLs`. Tokens stay good.
//!
//! A session of another provider is left alone there: single logout of SAML providers is not built.

use axum::{Extension, extract::State, response::Response};
use domain::Client;
use http::request::Parts;
use service::{
    Ctx,
    hosted::{
        Parameters, Site,
        authorize::Refusal::{self, Failed, Page},
        browser_session, query,
    },
};

use super::{OfSite, authorize, cookies, form};
use crate::state::Web;

/// What the login page is not told: it would send the browser on to another provider at once.
const UNSUPPORTED: [&str; 2] = ["identity_provider", "idp_identifier"];

/// `GET /logout`.
pub(super) async fn logout(State(web): State<Web>, Extension(site): OfSite, parts: Parts) -> Response {
    let ctx = web.context(&parts);
    let Ok(parameters) = form::query(&parts.uri) else {
        return authorize::error_page(&site, "invalid_request", None);
    };
    match sign_out(&ctx, &site, &parameters, cookies::read(&parts.headers, cookies::SESSION)).await {
        Ok(location) => {
            let mut response = form::redirect(&location);
            cookies::add(&mut response, &cookies::clear(&site, cookies::SESSION, "Lax"));
            response
        }
        Err(refusal) => authorize::refused(&ctx, &site, refusal),
    }
}

/// Ends the session in the cookie; answers where the browser goes. A request that names no good address ends nothing.
async fn sign_out(ctx: &Ctx, site: &Site, parameters: &Parameters, cookie: Option<&str>) -> Result<String, Refusal> {
    let missing = Page { error: "Required parameters missing", client_id: None };
    let Some(client_id) = parameters.get("client_id") else { return Err(missing) };
    let client = ctx.app.client(client_id).await?.filter(|client| client.pool_id == site.pool.id);
    let client = client.ok_or(Page { error: "Client does not exist", client_id: None })?;
    let location = target(site, &client, parameters)?;
    if let Some(cookie) = cookie {
        browser_session::end(ctx, site, cookie).await.map_err(Failed)?;
    }
    Ok(location)
}

/// Where the browser goes; nowhere that the client has not registered.
///
/// Decision: the error page says of a bad address what it says of one at the authorization endpoint; the service's words
/// are not recorded.
fn target(site: &Site, client: &Client, parameters: &Parameters) -> Result<String, Refusal> {
    let client_id = Some(client.id.clone());
    let mismatch = || Page { error: "redirect_mismatch", client_id: client_id.clone() };
    if let Some(uri) = parameters.get("logout_uri") {
        let is_registered = client.oauth.logout_urls.iter().any(|url| url == uri);
        return if is_registered { Ok(uri.to_owned()) } else { Err(mismatch()) };
    }
    let (Some(uri), Some(_)) = (parameters.get("redirect_uri"), parameters.get("response_type")) else {
        return Err(Page { error: "Required parameters missing", client_id: client_id.clone() });
    };
    if !client.oauth.callback_urls.iter().any(|url| url == uri) {
        return Err(mismatch());
    }
    let scopes = client.oauth.scopes.join(" ");
    let added = parameters.get("scope").is_none().then_some(("scope", scopes.as_str()));
    let kept = parameters.iter().filter(|(name, value)| !value.is_empty() && !UNSUPPORTED.contains(name));
    Ok(format!("{}/login?{}", site.base, query(kept.chain(added))))
}
