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
    HeaderName, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, HOST, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS},
};
use service::hosted::Site;

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
        .route("/_assets/passkey.js", get(assets::passkey_script))
        .route("/{client_id}/{version}/assets/CSS/custom-css.css", get(assets::custom_style))
        .route("/{client_id}/{version}/assets/images/image.jpg", get(assets::custom_logo))
}

/// Finds the domain that a request is for, and answers it with the headers of a domain.
async fn resolve(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let found = match prefix(&request) {
        Some(prefix) => Site::by_path(&web.app, &prefix).await,
        None => match host(&request) {
            Some(host) => Site::by_host(&web.app, &host).await,
            None => Ok(None),
        },
    };
    let site = match found {
        Ok(Some(site)) => site,
        Ok(None) => return routes::unrouted(request).await,
        Err(error) => {
            tracing::error!(cause = %error, "a domain could not be looked up");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let id = web.new_request_id();
    let shown_id = HeaderValue::from_str(&id.0);
    request.extensions_mut().insert(id);
    let cookie = cookies::ensure_csrf(&web, &site, request.headers());
    request.extensions_mut().insert(cookie.token.clone());
    request.extensions_mut().insert(site);
    let mut response = next.run(request).await;
    cookies::add(&mut response, &cookie.header);
    let fixed: [(HeaderName, &'static str); 5] = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("x-xss-protection"), "1; mode=block"),
        (http::header::PRAGMA, "no-cache"),
        (http::header::EXPIRES, "0"),
    ];
    let headers = response.headers_mut();
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(id) = shown_id {
        headers.insert("x-amz-cognito-request-id", id);
    }
    let no_store = HeaderValue::from_static("no-cache, no-store, max-age=0, must-revalidate");
    headers.entry(CACHE_CONTROL).or_insert(no_store);
    response
}

/// The prefix that the path names; none where the host does.
fn prefix(request: &Request) -> Option<String> {
    let original = request.extensions().get::<axum::extract::OriginalUri>()?;
    let rest = original.path().strip_prefix("/_domain/")?;
    Some(rest.split('/').next().unwrap_or_default().to_owned())
}

/// The host name without its port.
fn host(request: &Request) -> Option<String> {
    let host = match request.headers().get(HOST) {
        Some(host) => host.to_str().ok(),
        None => request.uri().authority().map(|authority| authority.as_str()),
    };
    host.map(|host| own_host::without_port(host).to_owned())
}

/// The domain of a request, as its handler gets it.
type OfSite = Extension<Site>;
/// The token that forms of this browser must repeat (`_csrf`).
type OfBrowser = Extension<cookies::CsrfToken>;
