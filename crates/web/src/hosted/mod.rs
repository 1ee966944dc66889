//! A pool's domain (oauth-federation.md §2): login pages, and the endpoints of OAuth2 and OpenID Connect. What they do is
//! in `service::hosted`; here are the routes, the forms, the cookies and the pages.
//!
//! A domain is reached by its host name, `my-app.auth.localhost:9229`, or by a path below the server's own address,
//! `/_domain/my-app`. Both lead to the same routes: [`resolve`] finds the [`Site`] first, and gives every answer the
//! headers of a domain (§5).
//!
//! | Path | File |
//! |---|---|
//! | `/oauth2/authorize`, `/authorize`, `/error` | [`authorize`] |
//! | `/oauth2/token`, `/oauth2/userInfo`, `/oauth2/revoke` | [`endpoints`] |
//! | `/login` | [`login`] |
//! | `/challenge` | [`challenge`], its pages in [`challenge_pages`] |
//! | `/signup`, `/confirm`, `/resendcode` | [`sign_up`] |
//! | `/forgotPassword`, `/confirmforgotPassword` | [`recovery`] |
//! | `/_assets/…`, `/{client id}/{version}/assets/…` | [`assets`] |
//! | `/logout` | [`logout`] |
//! | `/oauth2/idpresponse`, `/saml2/idpresponse` | [`provider`] |

mod assets;
mod attributes;
mod authorize;
mod challenge;
mod challenge_pages;
mod cookies;
mod endpoints;
mod form;
mod login;
mod logout;
mod page;
mod provider;
mod recovery;
mod sign_up;
mod visit;

use axum::{
    Extension, Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{
    HeaderName, HeaderValue, Method, StatusCode,
    header::{
        CACHE_CONTROL, EXPIRES, HOST, PRAGMA, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
    request::Parts,
};
use service::{hosted::Site, quotas};

use crate::{confirmation, feedback, own_host, routes, state::Web};

/// The routes of a domain that is reached by its host name. On any other host they lead nowhere.
pub(crate) fn by_host(web: &Web) -> Router<Web> {
    routes_of_domains().layer(middleware::from_fn_with_state(web.clone(), resolve))
}

/// The same below `/_domain/{prefix}`, with the pages that every host has.
pub(crate) fn by_path(web: &Web) -> Router<Web> {
    routes_of_domains()
        .route("/confirmUser", get(confirmation::page))
        .route("/confirmUser/", get(confirmation::page))
        .route("/eventFeedback", get(feedback::ask).post(feedback::give))
        .route("/eventFeedback/", get(feedback::ask).post(feedback::give))
        .fallback(routes::unrouted)
        .layer(middleware::from_fn_with_state(web.clone(), resolve))
}

fn routes_of_domains() -> Router<Web> {
    Router::new()
        .route("/oauth2/authorize", get(authorize::authorize))
        .route("/authorize", get(authorize::authorize))
        .route("/error", get(authorize::error))
        .route("/oauth2/token", post(endpoints::token).options(crate::cors::preflight))
        .route("/oauth2/userInfo", get(endpoints::user_info).post(endpoints::user_info).options(crate::cors::preflight))
        .route("/oauth2/revoke", post(endpoints::revoke).options(crate::cors::preflight))
        .route("/login", get(login::show).post(login::submit))
        .route("/challenge", get(challenge::restart).post(challenge::answer))
        .route("/signup", get(sign_up::show).post(sign_up::submit))
        .route("/confirm", get(sign_up::show_confirmation).post(sign_up::confirm))
        .route("/resendcode", post(sign_up::resend))
        .route("/forgotPassword", get(recovery::show).post(recovery::submit))
        .route("/confirmforgotPassword", get(recovery::show_confirmation).post(recovery::confirm))
        .route("/logout", get(logout::logout))
        .route("/oauth2/idpresponse", get(provider::idp_response).post(provider::idp_response_by_form))
        .route("/saml2/idpresponse", post(provider::saml_response))
        .route("/_assets/style.css", get(assets::style))
        .route("/_assets/icon.svg", get(assets::icon))
        .route("/_assets/passkey.js", get(assets::passkey_script))
        .route("/{client_id}/{version}/assets/CSS/custom-css.css", get(assets::custom_style))
        .route("/{client_id}/{version}/assets/images/image.jpg", get(assets::custom_logo))
}

/// Finds the domain that a request is for, and answers it with the headers of a domain.
async fn resolve(State(web): State<Web>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let site = match find(&web, &parts).await {
        Ok(Some(site)) => site,
        Ok(None) => return routes::unrouted(Request::from_parts(parts, body)).await,
        Err(error) => {
            tracing::error!(cause = %error, "a domain could not be looked up");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let id = web.new_request_id();
    let shown_id = HeaderValue::from_str(&id.0);
    let csrf = cookies::csrf_token(&web, &parts.headers);
    let is_providers = provider::has_sent(&parts);
    parts.extensions.insert(id);
    parts.extensions.insert(csrf.clone());
    parts.extensions.insert(site.clone());
    let ctx = web.context(&parts);
    let mut response = match quotas::at_domain(&ctx, &site.domain.domain) {
        Ok(()) => match home(&web, &site, &parts) {
            Some(home) => form::redirect(&home),
            None => next.run(Request::from_parts(parts, body)).await,
        },
        Err(error) if endpoints::are_at(parts.uri.path()) => endpoints::failed(&ctx, &error),
        Err(_) => authorize::held_back(&site),
    };
    let cache = response.headers().get(CACHE_CONTROL).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_public = cache.starts_with(b"public");
    // What a shared cache keeps would hand one visitor's token to all.
    if !is_providers && !is_public {
        cookies::add(&mut response, &cookies::write(&site, cookies::CSRF, &csrf.0, None, "Lax"));
    }
    let headers = response.headers_mut();
    if !is_public {
        let none = HeaderValue::from_static("no-cache, no-store, max-age=0, must-revalidate");
        headers.insert(CACHE_CONTROL, none);
    }
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(policy) = transport_security(&site) {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(policy));
    }
    if let Ok(id) = shown_id {
        headers.insert("x-amz-cognito-request-id", id);
    }
    response
}

/// What is the same in all answers.
const HEADERS: [(HeaderName, &str); 5] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("x-xss-protection"), "1; mode=block"),
    (PRAGMA, "no-cache"),
    (EXPIRES, "0"),
];

/// For how long browsers shall come over https alone.
///
/// Decision: below `/_domain/…` this is said of the server's own host alone, since the names below that one are not this
/// domain's; of names of this machine never, because browsers would hold every other server on it to the same.
fn transport_security(site: &Site) -> Option<&'static str> {
    if !site.is_secure() || own_host::is_local(&site.base) {
        return None;
    }
    Some(if site.path.is_empty() { "max-age=31536000 ; includeSubDomains" } else { "max-age=31536000" })
}

/// The domain that a request is for; none where neither path nor host name one.
async fn find(web: &Web, parts: &Parts) -> Result<Option<Site>, store::Error> {
    let Some(prefix) = prefix(parts) else {
        let Some(authority) = authority(parts) else { return Ok(None) };
        return Site::by_host(&web.app, own_host::without_port(authority)).await;
    };
    Site::by_path(&web.app, &prefix).await
}

/// Where a browser goes on that has come to a page by another name of this machine than the server's own address has, which
/// all redirects lead to: cookies of one name are not sent to the other.
fn home(web: &Web, site: &Site, parts: &Parts) -> Option<String> {
    let path = parts.uri.path_and_query()?.as_str();
    let is_page = parts.method == Method::GET && !site.path.is_empty() && !endpoints::are_at(parts.uri.path());
    let is_elsewhere = own_host::is_other_name(authority(parts)?, &web.app.settings.base_url);
    (is_page && is_elsewhere).then(|| format!("{}{path}", site.base))
}

/// The prefix that the path names; none where the host does.
fn prefix(parts: &Parts) -> Option<String> {
    let original = parts.extensions.get::<axum::extract::OriginalUri>()?;
    let rest = original.path().strip_prefix("/_domain/")?;
    Some(rest.split('/').next().unwrap_or_default().to_owned())
}

/// The host name, with its port.
fn authority(parts: &Parts) -> Option<&str> {
    match parts.headers.get(HOST) {
        Some(host) => host.to_str().ok(),
        // HTTP/2 carries the host as the authority of the request.
        None => parts.uri.authority().map(|authority| authority.as_str()),
    }
}

/// The domain of a request, as its handler gets it.
type OfSite = Extension<Site>;
/// The token that forms of this browser must repeat (`_csrf`).
type OfBrowser = Extension<cookies::CsrfToken>;
