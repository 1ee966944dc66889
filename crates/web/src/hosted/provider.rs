//! Where browsers come back from other providers: `/oauth2/idpresponse` and `/saml2/idpresponse` (oauth-federation.md §16, §17).
//!
//! They are sent here by pages of others, so that no form of this server's stands behind it: what ties the way back to
//! the browser is its `csrf-state` cookie.

use axum::{
    Extension,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{Method, request::Parts};
use service::{
    Ctx,
    hosted::{
        Parameters, Site,
        federation::{self, Arrival, Failure},
    },
};

use super::{OfSite, authorize, cookies, form};
use crate::state::Web;

/// Whether a request comes by way of a form at another provider. Browsers keep our cookies from it, and a new token against
/// forms of others would take the place of the one that their pages know.
pub(super) fn has_sent(parts: &Parts) -> bool {
    parts.method == Method::POST && matches!(parts.uri.path(), "/oauth2/idpresponse" | "/saml2/idpresponse")
}

/// `GET /oauth2/idpresponse`.
pub(super) async fn idp_response(State(web): State<Web>, Extension(site): OfSite, parts: Parts) -> Response {
    match form::query(&parts.uri) {
        Ok(parameters) => back_from_oidc(&web, &site, &parts, &parameters).await,
        Err(status) => status.into_response(),
    }
}

/// `POST /oauth2/idpresponse`, where the provider answers with a form.
pub(super) async fn idp_response_by_form(
    State(web): State<Web>,
    Extension(site): OfSite,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    match form::read(&web, &parts.headers, body, form::OF_A_PAGE).await {
        Ok((parameters, _held)) => back_from_oidc(&web, &site, &parts, &parameters).await,
        Err(status) => status.into_response(),
    }
}

/// `POST /saml2/idpresponse`.
pub(super) async fn saml_response(State(web): State<Web>, Extension(site): OfSite, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // Whatever is taken anywhere: answers of providers are as long as they are.
    match form::read(&web, &parts.headers, body, usize::MAX).await {
        Ok((parameters, _held)) => {
            let ctx = web.context(&parts);
            let cookie = cookies::read(&parts.headers, cookies::PROVIDER);
            let outcome = federation::saml::finish(&ctx, &site, &parameters, cookie).await;
            landed(&ctx, &site, outcome).await
        }
        Err(status) => status.into_response(),
    }
}

async fn back_from_oidc(web: &Web, site: &Site, parts: &Parts, parameters: &Parameters) -> Response {
    let ctx = web.context(parts);
    let cookie = cookies::read(&parts.headers, cookies::PROVIDER);
    let outcome = federation::oidc::finish(&ctx, site, parameters, cookie).await;
    landed(&ctx, site, outcome).await
}

/// Takes the browser on to the application, with a session or with an error.
async fn landed(ctx: &Ctx, site: &Site, outcome: Result<Arrival, Failure>) -> Response {
    let mut response = match outcome {
        Ok(Arrival { client, request, authentication }) => {
            authorize::arrive(ctx, site, &client, &request, authentication).await
        }
        // The cookie stays: who has sent the browser here may have nothing to do with the way that it is on.
        Err(failure @ Failure::Page(_)) => return authorize::failed_elsewhere(ctx, site, failure),
        Err(failure) => authorize::failed_elsewhere(ctx, site, failure),
    };
    cookies::add(&mut response, &cookies::clear(site, cookies::PROVIDER, "None"));
    response
}
